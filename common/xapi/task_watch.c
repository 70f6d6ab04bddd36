/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The watching thread: follows until the end, keeps the facts under a mutex. A connection that
 * breaks is made anew: the toolstack may be restarting, and then the task's record tells.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/wait.h"
#include "common/xapi/session.h"
#include "common/xapi/task_inside.h"

#include "common/base/poison.h"

#define WATCH_TRIES_MAX 10 /* failures in a row */
#define WATCH_PAUSE_MS  3000
#define WATCH_SLICE_MS  100

struct task_watch {
    struct xapi *xapi;
    struct task_follower follower;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopped;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct task_facts facts; /* guarded */
    struct error failure;    /* guarded */
};

static bool watch_is_stopped(void *context)
{
    const struct task_watch *watch = context;

    return atomic_load(&watch->is_stopped);
}

static void facts_copy(struct task_facts *to, const struct task_facts *from)
{
    *to = (struct task_facts){.status = from->status, .progress = from->progress};
    text_list_copy(&to->result, &from->result);
    text_list_copy(&to->error_info, &from->error_info);
}

/* Takes the content of facts. */
static void watch_tell(struct task_watch *watch, struct task_facts *facts,
                       const struct error *failure)
{
    pthread_mutex_lock(&watch->mutex);
    task_facts_done(&watch->facts);
    watch->facts = *facts;
    if (failure)
        watch->failure = *failure;
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
    memset(facts, 0, sizeof *facts);
}

static void *watch_run(void *context)
{
    struct task_watch *watch = context;
    int failures = 0;

    while (!atomic_load(&watch->is_stopped)) {
        CLEAN_TASK_FACTS struct task_facts facts = {0};
        struct error err = ERROR_INIT;

        if (!task_follower_next(watch->xapi, &watch->follower, EVENT_WAIT_MAX_MS, &facts, &err)) {
            enum task_status status = facts.status;

            failures = 0;
            watch_tell(watch, &facts, NULL);
            if (status != TASK_PENDING)
                break;
        } else if (!error_may_be_retried(err.code) || ++failures >= WATCH_TRIES_MAX) {
            watch_tell(watch, &facts, &err);
            break;
        } else if (xapi_sleep(watch->xapi, WATCH_PAUSE_MS, NULL)) {
            break;
        }
    }
    return NULL;
}

static void watch_free(struct task_watch *watch)
{
    if (watch->has_thread) {
        atomic_store(&watch->is_stopped, true);
        pthread_join(watch->thread, NULL);
    }
    xapi_close(watch->xapi);
    task_follower_done(&watch->follower);
    task_facts_done(&watch->facts);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

void task_watch_end(struct task_watch **watch)
{
    if (*watch)
        watch_free(*watch);
    *watch = NULL;
}

int task_watch_begin(const struct xapi *xapi, const char *task, struct task_watch **ret_watch,
                     struct error *err)
{
    CLEAN_TASK_WATCH struct task_watch *watch = mem_zero(1, sizeof *watch);

    pthread_mutex_init(&watch->mutex, NULL);
    wait_init(&watch->changed);
    task_follower_init(&watch->follower, task);
    if (xapi_clone(xapi, &watch->xapi, err))
        return -1;
    xapi_set_cancel(watch->xapi, watch_is_stopped, watch);
    if (task_follower_next(watch->xapi, &watch->follower, 0, &watch->facts, err))
        return error_add(err, "follow the task");
    if (watch->facts.status == TASK_PENDING) {
        int failure = pthread_create(&watch->thread, NULL, watch_run, watch);

        if (failure)
            return error_set_sys(err, ERROR_INTERNAL, failure, "start a thread");
        watch->has_thread = true;
    }
    *ret_watch = watch;
    watch = NULL;
    return 0;
}

/* With the mutex held. */
static int watch_look(const struct task_watch *watch, struct task_facts *ret_facts,
                      struct error *err)
{
    if (error_is_set(&watch->failure)) {
        if (err)
            *err = watch->failure;
        return error_add(err, "follow the task");
    }
    facts_copy(ret_facts, &watch->facts);
    return watch->facts.status != TASK_PENDING;
}

int task_watch_look(struct task_watch *watch, struct task_facts *ret_facts, struct error *err)
{
    pthread_mutex_lock(&watch->mutex);
    int result = watch_look(watch, ret_facts, err);

    pthread_mutex_unlock(&watch->mutex);
    return result;
}

int task_watch_wait(struct task_watch *watch, int64_t timeout_ms, bool (*cancel)(void *context),
                    void *context, struct task_facts *ret_facts, struct error *err)
{
    int64_t end_ms = clock_monotonic_ms(clock_system()) + timeout_ms;
    char text[NUM_TEXT_MAX];
    int result;

    pthread_mutex_lock(&watch->mutex);
    for (;;) {
        CLEAN_TASK_FACTS struct task_facts facts = {0};
        struct timespec at = wait_until(WATCH_SLICE_MS);

        result = watch_look(watch, &facts, err);
        if (result) {
            if (result > 0) {
                *ret_facts = facts;
                memset(&facts, 0, sizeof facts);
            }
            break;
        }
        if (cancel && cancel(context)) {
            result = error_set(err, ERROR_CANCELLED, "cancelled");
            break;
        }
        if (clock_monotonic_ms(clock_system()) >= end_ms) {
            result = error_set(err, ERROR_TIMEOUT, "its task did not end within %s",
                               num_format_duration(timeout_ms, text));
            break;
        }
        pthread_cond_timedwait(&watch->changed, &watch->mutex, &at);
    }
    pthread_mutex_unlock(&watch->mutex);
    return result < 0 ? -1 : 0;
}
