/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event.from on the pool record is both: news of the lease, and what keeps the session alive.
 */
#include "agent/pool_link.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/xapi/call.h"
#include "common/xapi/event.h"
#include "common/xapi/fault.h"
#include "common/xapi/pool_lease.h"
#include "common/xapi/remains.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"

#include "common/base/poison.h"

#define ROOM "pool"
#define PAUSE_MIN_MS 500
#define PAUSE_MAX_MS 15000

struct pool_link {
    pthread_mutex_t mutex;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
    struct xapi *xapi; /* the thread's, once it runs */
    bool is_url;
    char *state_file;
    struct pool_link_view view;
    int read_fd, write_fd;
};

void pool_link_view_done(struct pool_link_view *view)
{
    if (view->session != NULL)
        explicit_bzero(view->session, strlen(view->session));
    free(view->session);
    free(view->url);
    free(view->host_name);
    memset(view, 0, sizeof *view);
}

static bool is_starting_over(void *context)
{
    (void)context;
    return quit_count() > 0;
}

static bool is_stopping(void *context)
{
    struct pool_link *link = context;
    return atomic_load(&link->is_stopping);
}

static void poke(struct pool_link *link)
{
    ssize_t ignored = write(link->write_fd, "", 1);
    (void)ignored; /* a full pipe is readable already */
}

static void note_session(struct pool_link *link)
{
    struct error err = ERROR_INIT;
    int taken = remains_take_session(link->state_file, link->xapi, &err);
    if (taken == 1)
        log_info(ROOM, "the session of an agent that was killed is logged out");
    else if (taken < 0)
        log_warn(ROOM, "%s: if this agent is killed a session may stay in the pool", err.text);
}

/* Show the session that stands now, and write it down where it is new. */
static void show_session(struct pool_link *link, bool is_usable)
{
    const char *session = is_usable ? xapi_session(link->xapi) : NULL;
    pthread_mutex_lock(&link->mutex);
    bool is_new = !str_equal(link->view.session, session);
    if (is_new) {
        mem_set(&link->view.session, session);
        mem_set(&link->view.url, link->is_url ? xapi_name(link->xapi) : NULL);
    }
    pthread_mutex_unlock(&link->mutex);
    if (!is_new)
        return;
    if (session != NULL)
        note_session(link);
    poke(link);
}

static void show_lease(struct pool_link *link, int found, const struct lease *lease)
{
    pthread_mutex_lock(&link->mutex);
    link->view.has_lease = found == 1 && lease->is_held && lease->is_readable;
    if (link->view.has_lease)
        link->view.lease = *lease;
    pthread_mutex_unlock(&link->mutex);
    poke(link);
}

static void *follow_thread(void *context)
{
    struct pool_link *link = context;
    CLEAN_EVENT_STREAM struct event_stream events = {0};
    int64_t pause_ms = PAUSE_MIN_MS;
    event_stream_init(&events, "pool");
    while (!atomic_load(&link->is_stopping)) {
        struct error err = ERROR_INIT;
        struct lease lease = {0};
        int found = pool_lease_follow(link->xapi, &events, EVENT_WAIT_MAX_MS, &lease, &err);
        if (found >= 0) {
            show_session(link, true);
            show_lease(link, found, &lease);
            pause_ms = PAUSE_MIN_MS;
            continue;
        }
        if (atomic_load(&link->is_stopping))
            break;
        log_warn(ROOM, "%s", err.text);
        /* A toolstack that restarts breaks off first, and its sessions are gone. */
        if (fault_is(&err, "SESSION_INVALID") || err.code == ERROR_POOL_UNREACHABLE ||
            err.code == ERROR_SHORT)
            show_session(link, false);
        event_stream_done(&events);
        event_stream_init(&events, "pool");
        (void)xapi_sleep(link->xapi, pause_ms, &err);
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
    return NULL;
}

static int check_host(struct pool_link *link, const char *host_uuid, struct error *err)
{
    CLEAN_CHAR char *ref = NULL;
    if (xapi_call_text(link->xapi, &ref, err, "host.get_by_uuid", "[s]", host_uuid) != 0) {
        if (err->code == ERROR_XAPI_GONE)
            return error_set(err, ERROR_SETTINGS,
                             "the pool has no host %s: give this host's uuid with --host",
                             host_uuid);
        return -1;
    }
    return xapi_call_text(link->xapi, &link->view.host_name, err, "host.get_name_label", "[s]",
                          ref);
}

static int log_in(struct pool_link *link, const struct xapi_target *target, const char *host_uuid,
                  struct error *err)
{
    CLEAN_CHAR char *originator = str_format("onyxpool/%s", host_uuid);
    if (xapi_open_cancellable(target, originator, is_starting_over, NULL, &link->xapi, err) != 0)
        return -1;
    show_session(link, true);
    return check_host(link, host_uuid, err);
}

static int start_thread(struct pool_link *link, struct error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    xapi_set_cancel(link->xapi, is_stopping, link);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&link->thread, NULL, follow_thread, link);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        return error_set_sys(err, ERROR_INTERNAL, failed, "start the pool's thread");
    link->is_started = true;
    return 0;
}

int pool_link_start(const struct xapi_target *target, const char *host_uuid,
                    const char *state_file, struct pool_link **ret_link, struct error *err)
{
    CLEAN_POOL_LINK struct pool_link *link = mem_zero(1, sizeof *link);
    pthread_mutex_init(&link->mutex, NULL);
    atomic_init(&link->is_stopping, false);
    link->read_fd = link->write_fd = -1;
    link->state_file = mem_dup(state_file);
    link->is_url = target->kind == XAPI_TARGET_URL;
    if (fd_pipe(&link->read_fd, &link->write_fd, err) != 0 ||
        fd_set_nonblocking(link->read_fd, err) != 0 ||
        fd_set_nonblocking(link->write_fd, err) != 0 ||
        log_in(link, target, host_uuid, err) != 0 || start_thread(link, err) != 0)
        return -1;
    *ret_link = link;
    link = NULL;
    return 0;
}

int pool_link_fd(const struct pool_link *link)
{
    return link->read_fd;
}

void pool_link_look(struct pool_link *link, struct pool_link_view *ret)
{
    char bytes[64];
    while (read(link->read_fd, bytes, sizeof bytes) > 0)
        continue;
    pthread_mutex_lock(&link->mutex);
    mem_set(&ret->session, link->view.session);
    mem_set(&ret->url, link->view.url);
    mem_set(&ret->host_name, link->view.host_name);
    ret->has_lease = link->view.has_lease;
    ret->lease = link->view.lease;
    pthread_mutex_unlock(&link->mutex);
}

void pool_link_stop(struct pool_link **link_at)
{
    struct pool_link *link = *link_at;
    if (link == NULL)
        return;
    atomic_store(&link->is_stopping, true);
    if (link->is_started)
        pthread_join(link->thread, NULL);
    if (link->xapi != NULL && xapi_close(link->xapi) == 0)
        (void)unlink(link->state_file);
    fd_close(&link->read_fd);
    fd_close(&link->write_fd);
    pool_link_view_done(&link->view);
    pthread_mutex_destroy(&link->mutex);
    free(link->state_file);
    free(link);
    *link_at = NULL;
}
