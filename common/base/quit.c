/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The handler counts and writes one byte; everything else happens where poll sees the byte. The
 * pipe does not block: a full one has said it already.
 */
#include "common/base/quit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "common/base/error.h"

#include "common/base/poison.h"

static volatile sig_atomic_t quit_times;
static volatile sig_atomic_t quit_last;
static int quit_ends[2] = {-1, -1};

static void hear(int signal_number)
{
    int saved = errno;

    if (quit_times < 1000)
        quit_times = quit_times + 1;
    quit_last = signal_number;
    ssize_t n = write(quit_ends[1], "q", 1);
    (void)n;
    errno = saved;
}

int quit_watch(struct error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = hear, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    assert(quit_ends[0] < 0);
    if (pipe2(quit_ends, O_CLOEXEC | O_NONBLOCK))
        return error_set_sys(err, ERROR_INTERNAL, errno, "make a pipe for signals");
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], &action, NULL))
            return error_set_sys(err, ERROR_INTERNAL, errno, "watch signal %d", signals[i]);
    if (sigaction(SIGPIPE, &ignore, NULL))
        return error_set_sys(err, ERROR_INTERNAL, errno, "ignore SIGPIPE");
    return 0;
}

int quit_count(void)
{
    return quit_times;
}

int quit_signal(void)
{
    return quit_last;
}

int quit_fd(void)
{
    return quit_ends[0];
}

void quit_drain(void)
{
    char bytes[64];

    while (quit_ends[0] >= 0 && read(quit_ends[0], bytes, sizeof bytes) > 0)
        continue;
}
