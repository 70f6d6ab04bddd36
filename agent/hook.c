/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command is a process group of its own, so that its time-out ends all of it. It inherits none
 * of the worker's descriptors: the lock would tell of a worker that is long gone.
 */
#include "agent/hook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/ini.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/model/job.h"

#include "common/base/poison.h"

#define LOOK_MS  20
#define GRACE_MS 2000 /* between SIGTERM and SIGKILL */
#define FD_MAX   65536
#define FD_BLIND_MAX 4096 /* a worker has a few dozen */

extern char **environ;

const char *hook_when_name(enum hook_when when)
{
    return when == HOOK_BEFORE ? "before_snapshot" : "after_snapshot";
}

/* --- settings -------------------------------------------------------------------------------- */

int hook_split(const char *command, struct text_list *ret_words, struct error *err)
{
    const char *at = command;
    for (;;) {
        CLEAN_STR struct str word = STR_INIT;
        at += strspn(at, " \t\n");
        if (*at == '\0')
            break;
        while (*at != '\0' && strchr(" \t\n", *at) == NULL) {
            if (*at != '"' && *at != '\'') {
                str_add_char(&word, *at++);
                continue;
            }
            const char *end = strchr(at + 1, *at);
            if (end == NULL)
                return error_set(err, ERROR_SETTINGS, "a quote is not closed: %s", command);
            str_add_n(&word, at + 1, (size_t)(end - at - 1));
            at = end + 1;
        }
        text_list_add(ret_words, str_text(&word));
    }
    if (ret_words->n == 0 || ret_words->items[0][0] != '/')
        return error_set(err, ERROR_SETTINGS, "a command begins with its absolute path: \"%s\"",
                         command);
    return 0;
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= HOOK_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static int check_value(const char *key, const char *value, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    int64_t ms = 0;
    if (str_equal(key, "before_snapshot") || str_equal(key, "after_snapshot"))
        return hook_split(value, &words, err);
    if (!str_equal(key, "timeout"))
        return error_set(err, ERROR_SETTINGS,
                         "a hook has before_snapshot, after_snapshot and timeout");
    if (num_parse_duration(value, &ms, err) != 0 || ms < 1000 || ms > HOOK_TIMEOUT_MAX_MS)
        return error_set(err, ERROR_SETTINGS, "'%s' is no time from 1s to 15m", value);
    return 0;
}

struct reader {
    const char *path;
    struct text_map *hooks;
};

static int read_entry(void *context, const char *section, const char *key, const char *value,
                      unsigned line, struct error *err)
{
    struct reader *reader = context;
    if (!str_starts(section, HOOK_SECTION))
        return 0;
    const char *name = section + strlen(HOOK_SECTION);
    if (!is_name(name))
        return error_set(err, ERROR_SETTINGS,
                         "%s line %u: [%s]: a hook's name is 1 to %d letters, digits, - and _",
                         reader->path, line, section, HOOK_NAME_MAX);
    if (check_value(key, value, err) != 0)
        return error_add(err, "%s line %u: %s", reader->path, line, key);
    CLEAN_CHAR char *entry = str_format("hook.%s.%s", name, key);
    text_map_set(reader->hooks, entry, value);
    return 0;
}

int hook_read_file(const char *path, struct text_map *ret_hooks, struct error *err)
{
    struct reader reader = {.path = path, .hooks = ret_hooks};
    int found = 0;
    return ini_read_file(path, read_entry, &reader, &found, err);
}

void hook_copy(const struct text_map *hooks, const char *name, struct text_map *to)
{
    if (hooks == NULL || name == NULL)
        return;
    CLEAN_CHAR char *prefix = str_format("hook.%s.", name);
    for (size_t i = 0; i < hooks->n; i++)
        if (str_starts(hooks->pairs[i].key, prefix))
            text_map_set(to, hooks->pairs[i].key, hooks->pairs[i].value);
}

/* --- running --------------------------------------------------------------------------------- */

static void list_free(char ***list)
{
    for (char **at = *list; at != NULL && *at != NULL; at++)
        free(*at);
    free(*list);
}

static void put(char **list, size_t *n, char *text_take)
{
    list[(*n)++] = text_take;
}

/* Ours in front: the first one of a name counts. */
static char **make_environment(const struct job *job, enum hook_when when)
{
    size_t n = 0, old_n = 0;
    while (environ[old_n] != NULL)
        old_n++;
    char **list = mem_zero(old_n + 5, sizeof *list);
    put(list, &n, str_format("ONYXPOOL_VM_UUID=%s", job->vm_uuid != NULL ? job->vm_uuid : ""));
    put(list, &n, str_format("ONYXPOOL_VM_NAME=%s", job->vm_name != NULL ? job->vm_name : ""));
    put(list, &n, str_format("ONYXPOOL_JOB=%s", job->id));
    put(list, &n, str_format("ONYXPOOL_WHEN=%s", hook_when_name(when)));
    for (size_t i = 0; i < old_n; i++)
        if (!str_starts(environ[i], "ONYXPOOL_"))
            put(list, &n, mem_dup(environ[i]));
    return list;
}

/* All above standard error are closed in the child; one that is closed already is passed over. */
static void close_others(posix_spawn_file_actions_t *actions)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *item;
    int64_t fd;
    /* A process that is not dumpable may not look there unless it is root's. */
    for (int i = 3; dir == NULL && i < FD_BLIND_MAX; i++)
        if (fcntl(i, F_GETFD) >= 0)
            posix_spawn_file_actions_addclose(actions, i);
    if (dir == NULL)
        return;
    while ((item = readdir(dir)) != NULL)
        if (num_parse(item->d_name, 0, FD_MAX, &fd, NULL) == 0 && fd > 2 && fd != dirfd(dir))
            posix_spawn_file_actions_addclose(actions, (int)fd);
    closedir(dir);
}

static int start(const struct text_list *words, char **environment, pid_t *ret_pid,
                 struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    CLEANUP(list_free) char **arguments = mem_zero(words->n + 1, sizeof *arguments);
    for (size_t i = 0; i < words->n; i++)
        arguments[i] = mem_dup(words->items[i]);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    close_others(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(ret_pid, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failed != 0)
        return error_set_sys(err, ERROR_IO, failed, "start %s", words->items[0]);
    return 0;
}

/* Whether it ended within the time. */
static bool wait_end(pid_t pid, int64_t ms, int *ret_status)
{
    int64_t end = clock_monotonic_ms(clock_system()) + ms;
    for (;;) {
        pid_t got = waitpid(pid, ret_status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            return true;
        if (clock_monotonic_ms(clock_system()) >= end)
            return false;
        (void)poll(NULL, 0, LOOK_MS);
    }
}

static int run_command(const char *command, int64_t timeout_ms, char **environment,
                       struct error *err)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    pid_t pid = 0;
    int status = 0;
    if (hook_split(command, &words, err) != 0 || start(&words, environment, &pid, err) != 0)
        return -1;
    if (!wait_end(pid, timeout_ms, &status)) {
        kill(-pid, SIGTERM);
        bool is_ended = wait_end(pid, GRACE_MS, &status);
        kill(-pid, SIGKILL);
        if (!is_ended)
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return error_set(err, ERROR_TIMEOUT, "%s did not end within %lld s and was killed",
                         words.items[0], (long long)(timeout_ms / 1000));
    }
    if (WIFSIGNALED(status))
        return error_set(err, ERROR_IO, "%s was killed by signal %d", words.items[0],
                         WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return error_set(err, ERROR_IO, "%s ended with status %d", words.items[0],
                         WEXITSTATUS(status));
    return 0;
}

int hook_run(const struct text_map *settings, const struct job *job, enum hook_when when,
             struct error *err)
{
    CLEANUP(list_free) char **environment = NULL;
    CLEAN_TEXT_MAP struct text_map own = TEXT_MAP_INIT;
    int64_t timeout_ms = HOOK_TIMEOUT_MS;
    hook_copy(settings, job->hook, &own);
    if (own.n == 0)
        return error_set(err, ERROR_SETTINGS, "this host's agent.conf has no [hook %s]",
                         job->hook != NULL ? job->hook : "");
    CLEAN_CHAR char *command_key = str_format("hook.%s.%s", job->hook, hook_when_name(when));
    CLEAN_CHAR char *timeout_key = str_format("hook.%s.timeout", job->hook);
    const char *command = text_map_get(&own, command_key);
    const char *timeout = text_map_get(&own, timeout_key);
    if (command == NULL)
        return 0;
    if (timeout != NULL && num_parse_duration(timeout, &timeout_ms, err) != 0)
        return -1;
    environment = make_environment(job, when);
    return run_command(command, timeout_ms, environment, err);
}
