/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One detached thread and a shared object with two references, so that a hanging thread can be left
 * behind with what it uses.
 */
#include "agent/store_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/wait.h"
#include "common/store/marker.h"
#include "common/store/root.h"

#include "common/base/poison.h"

struct store_watch {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int references;
    bool is_stopping;
    bool is_poked;
    char *root;
    int64_t began_ms; /* of the look under way, 0 none */
    struct wire_store seen;
    int read_fd, write_fd;
};

static void copy_text(char **to, const char *from)
{
    free(*to);
    *to = mem_dup(from);
}

static void seen_copy(struct wire_store *to, const struct wire_store *from)
{
    copy_text(&to->root, from->root);
    copy_text(&to->uuid, from->uuid);
    copy_text(&to->nonce, from->nonce);
    to->free_bytes = from->free_bytes;
    to->total_bytes = from->total_bytes;
    to->error = from->error;
}

static void seen_done(struct wire_store *seen)
{
    free(seen->root);
    free(seen->uuid);
    free(seen->nonce);
    memset(seen, 0, sizeof *seen);
}

static void watch_drop(struct store_watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    int left = --watch->references;
    pthread_mutex_unlock(&watch->mutex);
    if (left > 0)
        return;
    fd_close(&watch->read_fd);
    fd_close(&watch->write_fd);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
    seen_done(&watch->seen);
    free(watch->root);
    free(watch);
}

/* May hang. */
static int look_at(const char *root, struct wire_store *seen, struct error *err)
{
    CLEAN_STORE struct store *store = NULL;
    struct marker marker;
    struct marker_nonce nonce;
    struct store_space space;
    if (store_open(root, NULL, &store, err) != 0 || marker_check(store, NULL, &marker, err) != 0 ||
        store_space(store, &space, err) != 0)
        return -1;
    seen->uuid = mem_dup(marker.store_uuid);
    seen->free_bytes = space.free_bytes;
    seen->total_bytes = space.total_bytes;
    int found = marker_read_nonce(store, &nonce, err);
    if (found == 1)
        seen->nonce = mem_dup(nonce.nonce);
    return found < 0 ? -1 : 0;
}

static void publish_look(struct store_watch *watch, struct wire_store *seen)
{
    pthread_mutex_lock(&watch->mutex);
    watch->began_ms = 0;
    if (str_equal(watch->root, seen->root)) {
        seen_copy(&watch->seen, seen);
        ssize_t ignored = write(watch->write_fd, "", 1);
        (void)ignored; /* a full pipe is readable already */
    } else {
        watch->is_poked = true;
    }
    pthread_mutex_unlock(&watch->mutex);
}

/* Wait for the next look; gives its root (NULL: end). Caller frees. */
static char *next_root(struct store_watch *watch)
{
    struct timespec until = wait_until(STORE_WATCH_PERIOD_MS);
    int late = 0;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->is_stopping && !(watch->is_poked && watch->root != NULL) &&
           !(late != 0 && watch->root != NULL)) {
        if (watch->root == NULL)
            pthread_cond_wait(&watch->changed, &watch->mutex);
        else
            late = pthread_cond_timedwait(&watch->changed, &watch->mutex, &until);
    }
    char *root = watch->is_stopping ? NULL : mem_dup(watch->root);
    watch->is_poked = false;
    watch->began_ms = clock_monotonic_ms(clock_system());
    pthread_mutex_unlock(&watch->mutex);
    return root;
}

static void *watch_thread(void *context)
{
    struct store_watch *watch = context;
    for (;;) {
        char *root = next_root(watch);
        if (root == NULL)
            break;
        struct wire_store seen = {.root = root};
        (void)look_at(root, &seen, &seen.error);
        publish_look(watch, &seen);
        seen_done(&seen);
    }
    watch_drop(watch);
    return NULL;
}

static int start_thread(struct store_watch *watch, struct error *err)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    watch->references = 2;
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&thread, &attributes, watch_thread, watch);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (failed == 0)
        return 0;
    watch->references = 1;
    return error_set_sys(err, ERROR_INTERNAL, failed, "start the thread that watches the store");
}

int store_watch_start(const char *root, struct store_watch **ret_watch, struct error *err)
{
    struct store_watch *watch = mem_zero(1, sizeof *watch);
    pthread_mutex_init(&watch->mutex, NULL);
    wait_init(&watch->changed);
    watch->read_fd = watch->write_fd = -1;
    watch->references = 1;
    watch->root = mem_dup(root);
    watch->seen.root = mem_dup(root);
    watch->is_poked = root != NULL;
    error_set(&watch->seen.error, ERROR_STORE_MISSING, "the store was not looked at yet");
    if (fd_pipe(&watch->read_fd, &watch->write_fd, err) != 0 ||
        fd_set_nonblocking(watch->read_fd, err) != 0 ||
        fd_set_nonblocking(watch->write_fd, err) != 0 || start_thread(watch, err) != 0) {
        watch_drop(watch);
        return -1;
    }
    *ret_watch = watch;
    return 0;
}

void store_watch_set_root(struct store_watch *watch, const char *root)
{
    pthread_mutex_lock(&watch->mutex);
    if (!str_equal(watch->root, root)) {
        copy_text(&watch->root, root);
        seen_done(&watch->seen);
        watch->seen.root = mem_dup(root);
        error_set(&watch->seen.error, ERROR_STORE_MISSING, "the store was not looked at yet");
        watch->is_poked = true;
        pthread_cond_signal(&watch->changed);
    }
    pthread_mutex_unlock(&watch->mutex);
}

void store_watch_poke(struct store_watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->is_poked = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
}

int store_watch_fd(const struct store_watch *watch)
{
    return watch->read_fd;
}

void store_watch_look(struct store_watch *watch, struct wire_store *ret)
{
    char bytes[64];
    while (read(watch->read_fd, bytes, sizeof bytes) > 0)
        continue;
    pthread_mutex_lock(&watch->mutex);
    seen_copy(ret, &watch->seen);
    bool is_late = watch->began_ms != 0 &&
                   clock_monotonic_ms(clock_system()) - watch->began_ms > STORE_WATCH_HANG_MS;
    if (is_late)
        error_set(&ret->error, ERROR_TIMEOUT, "%s does not answer: is its share alive?",
                  watch->root != NULL ? watch->root : "the store");
    pthread_mutex_unlock(&watch->mutex);
}

void store_watch_stop(struct store_watch **watch)
{
    if (*watch == NULL)
        return;
    pthread_mutex_lock(&(*watch)->mutex);
    (*watch)->is_stopping = true;
    pthread_cond_signal(&(*watch)->changed);
    pthread_mutex_unlock(&(*watch)->mutex);
    watch_drop(*watch);
    *watch = NULL;
}
