/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posix_spawn with three descriptors; the child closes the rest itself (agent/worker.c), because
 * the libraries' are not all close-on-exec and glibc 2.17 has no closefrom.
 */
#include "agent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/worker.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define HIGH_FD 10 /* above all descriptors that the child is given by number */
#define LOOK_STEPS  6 /* looks for an end that wait 1, 2, 4 ... ms; */
#define LOOK_MAX_MS 50 /* then all wait so long */

extern char **environ;

/* A copy above the numbers that dup2 writes to, so that no dup2 hits a source. */
static int move_high(int *fd, struct error *err)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (high < 0)
        return error_set_sys(err, ERROR_IO, errno, "copy a descriptor");
    fd_close(fd);
    *fd = high;
    return 0;
}

static int spawn(const char *program, const char *way, int task_fd, int note_fd, int lock_fd,
                 pid_t *ret_pid, struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    CLEAN_CHAR char *name = mem_dup(program);
    CLEAN_CHAR char *argument = mem_dup(way);
    char *const arguments[] = {name, argument, NULL};
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGHUP);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, task_fd, WORKER_TASK_FD);
    posix_spawn_file_actions_adddup2(&actions, note_fd, WORKER_NOTE_FD);
    posix_spawn_file_actions_adddup2(&actions, lock_fd, WORKER_LOCK_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawnp(ret_pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failed != 0)
        return error_set_sys(err, ERROR_IO, failed, "start the worker %s", program);
    return 0;
}

/* The pipe holds a whole task, so this never waits. Behind it come paces, which must not wait. */
static int give(int task_fd, const struct wire_task *task, struct error *err)
{
    if (wire_pipe_write_task(task_fd, task, err) != 0)
        return -1;
    return fd_set_nonblocking(task_fd, err);
}

int child_start(const char *program, int lock_fd, const struct wire_task *task,
                struct child *ret_child, struct error *err)
{
    CLEAN_FD int lock = lock_fd;
    CLEAN_FD int task_read = -1;
    CLEAN_FD int task_write = -1;
    CLEAN_FD int note_read = -1;
    CLEAN_FD int note_write = -1;
    pid_t pid = 0;
    if (fd_pipe(&task_read, &task_write, err) != 0 || fd_pipe(&note_read, &note_write, err) != 0 ||
        move_high(&task_read, err) != 0 || move_high(&note_write, err) != 0 ||
        move_high(&lock, err) != 0 || fd_set_nonblocking(note_read, err) != 0)
        return -1;
    const char *way = task != NULL ? WORKER_ARGUMENT : WORKER_STANDBY_ARGUMENT;
    if ((task != NULL && give(task_write, task, err) != 0) ||
        spawn(program, way, task_read, note_write, lock, &pid, err) != 0)
        return -1;
    *ret_child = (struct child){
        .pid = pid,
        .task_fd = task_write,
        .note_fd = note_read,
        .reader = WIRE_PIPE_READER_INIT(note_read),
        .clean_ms = CHILD_CLEAN_MS,
    };
    task_write = note_read = -1;
    return 0;
}

int child_give(const struct child *child, const struct wire_task *task, struct error *err)
{
    return give(child->task_fd, task, err);
}

int child_read(struct child *child, struct wire_note *ret_note)
{
    enum wire_pipe_found found;
    if (child->is_silent)
        return 0;
    if (wire_pipe_read(&child->reader, &found, ret_note, NULL) != 0)
        found = WIRE_PIPE_END; /* cut inside a note: it was killed */
    if (found == WIRE_PIPE_END)
        child->is_silent = true;
    return found == WIRE_PIPE_NOTE ? 1 : 0;
}

int child_pace(const struct child *child, uint64_t rate_limit)
{
    return child->task_fd < 0 ? -1 : wire_pipe_write_pace(child->task_fd, rate_limit, NULL);
}

void child_cancel(struct child *child, int64_t now_ms)
{
    fd_close(&child->task_fd);
    if (child->cancelled_ms == 0)
        child->cancelled_ms = now_ms;
}

bool child_has_ended(struct child *child, int64_t now_ms, int *ret_status)
{
    pid_t got;
    do
        got = waitpid(child->pid, ret_status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got != 0) {
        if (got < 0)
            *ret_status = 0;
        child->pid = 0;
        return true;
    }
    if (child->is_silent && child->silent_looks < LOOK_STEPS)
        child->silent_looks++;
    if (!child->is_killed && child_is_hung(child, now_ms)) {
        kill(child->pid, SIGKILL);
        child->is_killed = true;
    }
    return false;
}

int64_t child_next_look_ms(const struct child *child)
{
    return child->silent_looks < LOOK_STEPS ? INT64_C(1) << child->silent_looks : LOOK_MAX_MS;
}

bool child_is_hung(const struct child *child, int64_t now_ms)
{
    return child->cancelled_ms != 0 && now_ms - child->cancelled_ms > child->clean_ms;
}

void child_done(struct child *child)
{
    fd_close(&child->task_fd);
    fd_close(&child->note_fd);
    wire_pipe_reader_done(&child->reader);
}

char *child_describe_end(int status)
{
    if (WIFSIGNALED(status))
        return str_format("was killed by signal %d", WTERMSIG(status));
    return str_format("ended with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}
