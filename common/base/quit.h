/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wish to end: SIGINT, SIGTERM and SIGHUP set a counter and write one byte to a pipe.
 *
 * The counter and the pipe are the only state a signal handler of ours touches. SIGPIPE is
 * ignored once quit_watch was called.
 */
#ifndef ONYX_COMMON_BASE_QUIT_H
#define ONYX_COMMON_BASE_QUIT_H

struct error;

/* Install the handlers; once a process. */
int quit_watch(struct error *err);

/* How often the wish was heard (0 = go on; 2 or more: leave at once). */
int quit_count(void);

/* The last signal heard, 0 if none. */
int quit_signal(void);

/* Descriptor that becomes readable at a signal, for poll; quit_drain empties it. -1 before
 * quit_watch. */
int quit_fd(void);
void quit_drain(void);

#endif
