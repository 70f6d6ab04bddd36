/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lock says who lives; the pid file only whom to send a signal.
 */
#include "agent/place.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/process_lock.h"
#include "common/base/quit.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define LOCK_NAME "agent"
#define DRAIN_LOOK_MS 200

void place_done(struct place *place)
{
    free(place->scope);
    free(place->session_file);
    free(place->pid_file);
    memset(place, 0, sizeof *place);
}

static char *default_dir(void)
{
    const char *own = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        return mem_dup("/run/onyxpool");
    if (own != NULL && own[0] == '/')
        return str_format("%s/onyxpool", own);
    return str_format("/tmp/onyxpool-%u", (unsigned)geteuid());
}

static int make_dir(const char *dir, struct error *err)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return error_set_sys(err, ERROR_SETTINGS, errno,
                             "make the folder %s (choose another with --runtime-dir)", dir);
    if (lstat(dir, &st) != 0)
        return error_set_sys(err, ERROR_SETTINGS, errno, "look at %s", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return error_set(err, ERROR_SETTINGS,
                         "%s is no folder of this user alone: choose another with --runtime-dir",
                         dir);
    return 0;
}

/* FNV-1a: several pools on one machine (tests) must not share files. */
static uint32_t name_hash(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

int place_init(struct place *place, const char *runtime_dir, const char *target,
               const char *host_uuid, struct error *err)
{
    CLEAN_CHAR char *dir = runtime_dir != NULL ? mem_dup(runtime_dir) : default_dir();
    if (make_dir(dir, err) != 0)
        return -1;
    uint32_t hash = name_hash(target);
    place->scope = str_format("%s %s", target, host_uuid);
    place->session_file = str_format("%s/agent-%s-%08x.session", dir, host_uuid, (unsigned)hash);
    place->pid_file = str_format("%s/agent-%s-%08x.pid", dir, host_uuid, (unsigned)hash);
    return 0;
}

int place_claim(const struct place *place, int *ret_lock, struct error *err)
{
    CLEAN_CHAR char *pid = str_format("%ld\n", (long)getpid());
    struct error why = ERROR_INIT;
    if (process_lock_take(place->scope, LOCK_NAME, ret_lock, &why) != 0) {
        if (why.code == ERROR_BUSY)
            return error_set(err, ERROR_BUSY, "an agent runs for this host already");
        *err = why;
        return -1;
    }
    return fd_replace_file(place->pid_file, 0600, pid, strlen(pid), err);
}

void place_leave(const struct place *place)
{
    (void)unlink(place->pid_file);
}

int place_drain(const struct place *place, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    int64_t pid;
    int held = process_lock_is_held(place->scope, LOCK_NAME, err);
    if (held < 0)
        return -1;
    if (held == 0)
        return error_set(err, ERROR_NOT_FOUND, "no agent runs for this host");
    if (fd_read_file(place->pid_file, NUM_TEXT_MAX, &text, err) != 0)
        return -1;
    CLEAN_CHAR char *copy = mem_dup(str_text(&text));
    if (num_parse(str_trim(copy), 2, INT_MAX, &pid, err) != 0)
        return error_add(err, "%s", place->pid_file);
    if (kill((pid_t)pid, SIGHUP) != 0)
        return error_set_sys(err, ERROR_IO, errno, "ask the agent to drain");
    while (process_lock_is_held(place->scope, LOCK_NAME, err) == 1) {
        struct pollfd quit = {.fd = quit_fd(), .events = POLLIN};
        if (poll(&quit, 1, DRAIN_LOOK_MS) > 0)
            return error_set(err, ERROR_INTERRUPTED, "the agent is draining; not waited for");
    }
    return 0;
}

int place_find_program(const char *self, char **ret_program, struct error *err)
{
    const char *home = getenv("ONYXPOOL_HOME");
    if (home != NULL && home[0] == '/') {
        *ret_program = str_format("%s/bin/onyxpool-agent", home);
        return 0;
    }
    if (self == NULL || self[0] == '\0')
        return error_set(err, ERROR_SETTINGS,
                         "the program does not know its own path: set ONYXPOOL_HOME");
    if (strchr(self, '/') == NULL) { /* found through PATH, and will be again */
        *ret_program = mem_dup(self);
        return 0;
    }
    char path[PATH_MAX];
    if (realpath(self, path) == NULL)
        return error_set_sys(err, ERROR_SETTINGS, errno, "find the program %s", self);
    *ret_program = mem_dup(path);
    return 0;
}
