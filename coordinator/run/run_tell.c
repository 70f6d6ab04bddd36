/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all rooms of a run may do: tell the watch, warn, hear the wish to end.
 */
#include <poll.h>

#include "common/base/error.h"
#include "common/base/quit.h"
#include "coordinator/run/run_inside.h"

#include "common/base/poison.h"

void run_tell(const struct run *run, const struct run_event *event)
{
    const struct run_watch *watch = &run->request->watch;

    if (watch->event)
        watch->event(watch->context, event);
}

void run_tell_stage(const struct run *run, enum run_stage stage, const char *text)
{
    run_tell(run, &(struct run_event){.kind = RUN_EVENT_STAGE, .stage = stage, .text = text});
}

void run_warn(struct run *run, const char *text)
{
    if (text_list_has(&run->outcome->warnings, text))
        return;
    text_list_add(&run->outcome->warnings, text);
    run_tell(run, &(struct run_event){.kind = RUN_EVENT_WARNING, .text = text});
}

int run_check_quit(struct error *err)
{
    return quit_count() > 0 ? error_set(err, ERROR_INTERRUPTED, "interrupted") : 0;
}

void run_pause(int64_t ms)
{
    struct pollfd fd = {.fd = quit_fd(), .events = POLLIN};

    if (poll(&fd, 1, (int)ms) > 0)
        quit_drain();
}
