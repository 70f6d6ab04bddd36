/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Task in, job run, reports out.
 */
#include "agent/worker.h"

#include <dirent.h>
#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/job/table.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/process_limits.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/store/marker.h"
#include "common/store/root.h"
#include "common/wire/pipe.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"

#include "common/base/poison.h"

#define ROOM "worker"
#define TELL_MS 500
#define HEAR_MS 50

/* Source: linux/ioprio.h, which old kernels' headers lack. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_BEST_EFFORT 2
#define IOPRIO_IDLE        3
#define IOPRIO_LOWEST      7

struct worker {
    const struct clock *clock;
    pthread_mutex_t pipe; /* log lines come from several threads */
    pthread_mutex_t input; /* several threads ask whether we are cancelled */
    struct wire_pipe_reader reader;
    bool is_agent_gone;
    int64_t heard_ms; /* by the stream */
    atomic_uint_least64_t rate_limit; /* bytes a second, 0: none */
    struct wire_task task;
    enum job_phase told_phase;
    int64_t told_ms;
};

/* libcurl's and nanomsg's descriptors of the agent are not all close-on-exec. */
static void close_inherited(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    const struct dirent *item;
    while ((item = readdir(dir)) != NULL) {
        int64_t fd;
        if (num_parse(item->d_name, 0, 1 << 20, &fd, NULL) == 0 && fd > WORKER_LOCK_FD &&
            fd != dirfd(dir))
            close((int)fd);
    }
    closedir(dir);
}

static void log_to_pipe(void *context, enum log_level level, const char *room, const char *text)
{
    struct worker *worker = context;
    struct wire_log_line line = {.at = clock_wall_ms(worker->clock), .level = level};
    (void)str_copy(line.job, sizeof line.job, worker->task.job.id);
    line.room = mem_dup(room);
    line.text = mem_dup(text);
    pthread_mutex_lock(&worker->pipe);
    (void)wire_pipe_write_log(WORKER_NOTE_FD, &line, NULL);
    pthread_mutex_unlock(&worker->pipe);
    wire_log_line_done(&line);
}

static int write_report(struct worker *worker, const struct job_report *report, struct error *err)
{
    pthread_mutex_lock(&worker->pipe);
    int result = wire_pipe_write_report(WORKER_NOTE_FD, report, err);
    pthread_mutex_unlock(&worker->pipe);
    return result;
}

/* Bytes pass on now and then, a new phase at once. */
static void tell(void *context, const struct job_report *report)
{
    struct worker *worker = context;
    int64_t now = clock_monotonic_ms(worker->clock);
    if (report->phase == worker->told_phase && now - worker->told_ms < TELL_MS)
        return;
    worker->told_phase = report->phase;
    worker->told_ms = now;
    (void)write_report(worker, report, NULL); /* a dead agent is noticed by is_cancelled */
}

/* Behind the task come new paces; whatever else comes, and the end, is a cancel. */
static void take_notes(struct worker *worker)
{
    for (;;) {
        CLEAN_WIRE_NOTE struct wire_note note = {0};
        enum wire_pipe_found found = WIRE_PIPE_END;
        struct error ignored = ERROR_INIT;
        int result = wire_pipe_read(&worker->reader, &found, &note, &ignored);
        if (result == 0 && found == WIRE_PIPE_LATER)
            return;
        if (result != 0 || found != WIRE_PIPE_NOTE || note.kind != WIRE_NOTE_PACE) {
            worker->is_agent_gone = true;
            return;
        }
        atomic_store(&worker->rate_limit, note.rate_limit);
    }
}

static bool is_cancelled(void *context)
{
    struct worker *worker = context;
    struct pollfd in = {.fd = WORKER_TASK_FD, .events = POLLIN};
    pthread_mutex_lock(&worker->input);
    if (!worker->is_agent_gone && poll(&in, 1, 0) > 0 && in.revents != 0)
        take_notes(worker);
    bool is_gone = worker->is_agent_gone;
    pthread_mutex_unlock(&worker->input);
    return is_gone || quit_count() > 0;
}

/* Asked for each piece of a stream, by its thread alone. */
static uint64_t rate_limit(void *context)
{
    struct worker *worker = context;
    int64_t now = clock_monotonic_ms(worker->clock);
    if (now - worker->heard_ms >= HEAR_MS) {
        worker->heard_ms = now;
        (void)is_cancelled(worker);
    }
    return atomic_load(&worker->rate_limit);
}

/* Wait for a task or the end: 1 there is something to read, 0 there will never be. */
static int stand_by(char *argument)
{
    struct pollfd fds[] = {{.fd = WORKER_TASK_FD, .events = POLLIN},
                           {.fd = quit_fd(), .events = POLLIN}};
    xapi_load();
    do {
        fds[0].revents = 0;
        (void)poll(fds, 2, -1);
    } while (fds[0].revents == 0 && quit_count() == 0);
    if ((fds[0].revents & POLLIN) == 0)
        return 0;
    (void)str_copy(argument, sizeof WORKER_STANDBY_ARGUMENT, WORKER_ARGUMENT);
    return 1;
}

static int read_task(struct worker *worker, struct error *err)
{
    CLEAN_WIRE_NOTE struct wire_note note = {0};
    enum wire_pipe_found found;
    if (wire_pipe_read(&worker->reader, &found, &note, err) != 0)
        return -1;
    if (found != WIRE_PIPE_NOTE || note.kind != WIRE_NOTE_TASK)
        return error_set(err, ERROR_PROTOCOL, "no task came from the agent");
    worker->task = note.task;
    memset(&note.task, 0, sizeof note.task);
    atomic_store(&worker->rate_limit, worker->task.job.tuning.max_rate);
    if (fd_set_nonblocking(WORKER_TASK_FD, err) != 0)
        return -1;
    take_notes(worker); /* some may have been read with the task */
    return 0;
}

/* The share must be the one that the coordinator and the agent have seen. */
static int check_store(const struct wire_task *task, struct store *store, struct error *err)
{
    struct marker marker;
    struct marker_nonce nonce;
    if (marker_check(store, NULL, &marker, err) != 0)
        return -1;
    if (task->store_uuid != NULL && strcmp(task->store_uuid, marker.store_uuid) != 0)
        return error_set(err, ERROR_STORE_FOREIGN, "%s is the store %s, not %s: is the right share mounted?",
                         store_root(store), marker.store_uuid, task->store_uuid);
    if (task->store_nonce == NULL)
        return 0;
    int found = marker_read_nonce(store, &nonce, err);
    if (found < 0)
        return -1;
    if (found == 0 || strcmp(nonce.nonce, task->store_nonce) != 0)
        return error_set(err, ERROR_STORE_FOREIGN,
                         "%s does not hold the nonce of this run: is the right share mounted?",
                         store_root(store));
    return 0;
}

static int open_xapi(const struct wire_task *task, struct xapi **ret_xapi, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    target.kind = task->xapi_socket != NULL ? XAPI_TARGET_SOCKET : XAPI_TARGET_URL;
    target.socket = mem_dup(task->xapi_socket);
    target.url = mem_dup(task->xapi_url);
    target.certificate_file = mem_dup(task->xapi_certificate);
    target.tls_port = (uint16_t)task->xapi_tls_port;
    return xapi_adopt(&target, task->session, ret_xapi, err);
}

/* Only ever gentler than we were started; what the kernel refuses is no reason to fail. */
static void be_gentle(const struct wire_task *task)
{
    const char *nice_text = text_map_get(&task->settings, WORKER_NICE);
    const char *class_name = text_map_get(&task->settings, WORKER_IONICE);
    int64_t nice_value = 0;
    int class = str_equal(class_name, "idle")          ? IOPRIO_IDLE
                : str_equal(class_name, "best-effort") ? IOPRIO_BEST_EFFORT
                                                       : 0;
    if (nice_text != NULL && num_parse(nice_text, 0, 19, &nice_value, NULL) == 0 && nice_value > 0)
        (void)setpriority(PRIO_PROCESS, 0, (int)nice_value);
    if (class != 0)
        (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                      class << IOPRIO_CLASS_SHIFT | IOPRIO_LOWEST);
}

static int run_job(struct worker *worker, struct job_report *report, struct error *err)
{
    const struct wire_task *task = &worker->task;
    CLEAN_STORE struct store *store = NULL;
    CLEAN_XAPI struct xapi *xapi = NULL;
    report->is_clean = true; /* nothing was begun yet */
    const struct job_table_row *row = job_table_find(task->job.kind);
    if (row == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "this agent does not know jobs of kind %s",
                         job_kind_name(task->job.kind));
    if (store_open(task->store_root, NULL, &store, err) != 0 ||
        check_store(task, store, err) != 0 || open_xapi(task, &xapi, err) != 0)
        return -1;
    xapi_set_cancel(xapi, is_cancelled, worker);
    xapi_set_tag(xapi, task->job.id);
    store_set_rule(store,
                   &(struct space_rule){.threshold_percent = task->job.space_threshold_percent,
                                        .floor_percent = task->job.hard_floor_percent});
    struct job_context context = {
        .xapi = xapi,
        .store = store,
        .job = &task->job,
        .host_uuid = task->host_uuid,
        .host_name = text_map_get(&task->settings, "host_name"),
        .settings = &task->settings,
        .clock = worker->clock,
        .is_cancelled = is_cancelled,
        .rate_limit = rate_limit,
        .tell = tell,
        .context = worker,
    };
    int result = row->run(&context, report, err);
    if (report->is_hung)
        store = NULL; /* a thread that hangs still uses it: the process ends without closing */
    return result;
}

static void finish_report(struct worker *worker, int result, const struct error *err,
                          struct job_report *report)
{
    report->finished_at = clock_wall_ms(worker->clock);
    report->state = JOB_STATE_DONE;
    if (result == 0)
        return;
    /* Whatever failed after the wish to end, did so because of it. */
    report->state = err->code == ERROR_CANCELLED || is_cancelled(worker) ? JOB_STATE_CANCELLED
                                                                         : JOB_STATE_FAILED;
    report->error = *err;
}

int worker_main(char *argument)
{
    struct error err = ERROR_INIT;
    struct worker worker = {.clock = clock_system(), .pipe = PTHREAD_MUTEX_INITIALIZER,
                            .input = PTHREAD_MUTEX_INITIALIZER,
                            .reader = WIRE_PIPE_READER_INIT(WORKER_TASK_FD)};
    CLEAN_JOB_REPORT struct job_report report = {0};
    close_inherited();
    process_limits_hide();
    bool must_wait = strcmp(argument, WORKER_STANDBY_ARGUMENT) == 0;
    int ready = quit_watch(&err);
    if (ready == 0 && must_wait && stand_by(argument) == 0)
        return 0;
    if (ready != 0 || read_task(&worker, &err) != 0) {
        log_error(ROOM, "%s", err.text);
        return error_exit_status(err.code);
    }
    be_gentle(&worker.task);
    log_set_level(worker.task.log_level);
    log_set_sink(log_to_pipe, &worker);
    (void)str_copy(report.id, sizeof report.id, worker.task.job.id);
    report.attempt = worker.task.job.attempt;
    report.state = JOB_STATE_RUNNING;
    report.phase = JOB_PHASE_START;
    report.started_at = clock_wall_ms(worker.clock);
    report.consistency = JOB_CRASH_CONSISTENT;
    int result = run_job(&worker, &report, &err);
    finish_report(&worker, result, &err, &report);
    int written = write_report(&worker, &report, NULL);
    log_set_sink(NULL, NULL);
    if (report.is_hung)
        _exit(0);
    wire_task_done(&worker.task);
    wire_pipe_reader_done(&worker.reader);
    return written == 0 ? 0 : 1;
}
