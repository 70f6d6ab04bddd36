/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * It has nothing that would have to be cleaned up, so it is ended by SIGKILL, and looked for until
 * it is buried.
 */
#include "agent/spare.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/log.h"

#include "common/base/poison.h"

#define ROOM "agent"
#define FIRST_PAUSE_MS 1000
#define PAUSE_MAX_MS   600000

static struct spare_stamp stamp_of(const char *program)
{
    struct stat st;
    /* One that is found through PATH may be another file each time. */
    if (strchr(program, '/') == NULL || stat(program, &st) != 0)
        return (struct spare_stamp){0};
    return (struct spare_stamp){
        .device = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
        .changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
        .size_bytes = (int64_t)st.st_size,
    };
}

static bool is_same(const struct spare_stamp *a, const struct spare_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->changed_ns == b->changed_ns &&
           a->size_bytes == b->size_bytes;
}

void spare_dismiss(struct spare *spare)
{
    if (spare->child.pid == 0 || spare->is_leaving)
        return;
    (void)kill(spare->child.pid, SIGKILL);
    child_done(&spare->child);
    spare->is_leaving = true;
}

void spare_note_end(struct spare *spare, int64_t ran_ms, int64_t now_ms)
{
    if (ran_ms < spare->spare_ms)
        spare->wanted_until_ms = now_ms + spare->spare_ms;
}

bool spare_is_due(const struct spare *spare, int64_t now_ms)
{
    return spare->child.pid == 0 && now_ms < spare->wanted_until_ms &&
           now_ms >= spare->next_try_ms;
}

/* The job then starts a worker of its own, as ever: nobody has to do anything. */
static void put_off(struct spare *spare, const char *why, int64_t now_ms)
{
    log_debug(ROOM, "no worker is kept ready: %s", why);
    spare->pause_ms = spare->pause_ms == 0 ? FIRST_PAUSE_MS : spare->pause_ms * 2;
    if (spare->pause_ms > PAUSE_MAX_MS)
        spare->pause_ms = PAUSE_MAX_MS;
    spare->next_try_ms = now_ms + spare->pause_ms;
}

void spare_start(struct spare *spare, const char *program, int lock_fd, size_t slot,
                 int64_t now_ms)
{
    struct error err = ERROR_INIT;
    spare->program = stamp_of(program);
    spare->is_leaving = false;
    if (child_start(program, lock_fd, NULL, &spare->child, &err) != 0)
        put_off(spare, err.text, now_ms);
    else
        spare->child.slot = slot;
}

/* Whether it lives. One that does not is buried; if nobody had ended it, the next waits a while. */
static bool is_alive(struct spare *spare, int64_t now_ms)
{
    int status = 0;
    if (spare->child.pid == 0)
        return false;
    if (!child_has_ended(&spare->child, now_ms, &status))
        return !spare->is_leaving;
    CLEAN_CHAR char *how = child_describe_end(status);
    if (!spare->is_leaving)
        put_off(spare, how, now_ms);
    child_done(&spare->child);
    spare->is_leaving = false;
    return false;
}

void spare_step(struct spare *spare, const char *program, int64_t now_ms)
{
    if (!is_alive(spare, now_ms))
        return;
    struct spare_stamp now = stamp_of(program);
    if (now_ms >= spare->wanted_until_ms || !is_same(&now, &spare->program))
        spare_dismiss(spare);
}

int spare_give(struct spare *spare, const char *program, const struct wire_task *task,
               int64_t now_ms, struct child *ret_child)
{
    struct error why = ERROR_INIT;
    spare_step(spare, program, now_ms);
    if (spare->child.pid == 0 || spare->is_leaving)
        return 0;
    if (child_give(&spare->child, task, &why) != 0) {
        spare_dismiss(spare);
        put_off(spare, why.text, now_ms);
        return 0;
    }
    log_debug(ROOM, "a worker was ready for the job");
    *ret_child = spare->child;
    memset(&spare->child, 0, sizeof spare->child);
    spare->pause_ms = 0;
    return 1;
}
