/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pipe between an agent and its worker: notes, each behind its length (u32, little-endian).
 *
 * A note with its length never exceeds 64 KiB, so a whole Task goes into an empty pipe without
 * waiting for the worker. Descriptors stay the caller's.
 */
#ifndef ONYX_COMMON_WIRE_PIPE_H
#define ONYX_COMMON_WIRE_PIPE_H

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/wire/message.h"

#define WIRE_PIPE_NOTE_MAX WIRE_BODY_MAX

/* Write one note whole. Threads that share a pipe take turns by a lock of their own.
 * ERROR_IO (EPIPE: the other side has ended; SIGPIPE must be ignored), ERROR_PROTOCOL. */
int wire_pipe_write_task(int fd, const struct wire_task *task, struct error *err);
int wire_pipe_write_report(int fd, const struct job_report *report, struct error *err);
int wire_pipe_write_log(int fd, const struct wire_log_line *line, struct error *err);
/* Fits into any pipe at once or not at all: ERROR_IO with EAGAIN, where fd does not block. */
int wire_pipe_write_pace(int fd, uint64_t rate_limit, struct error *err);

struct wire_pipe_reader {
    int fd;            /* borrowed */
    struct str buffer; /* bytes of a note that is not whole yet */
    bool is_ended;
};

#define WIRE_PIPE_READER_INIT(pipe_fd)                                                             \
    {                                                                                              \
        .fd = (pipe_fd)                                                                            \
    }
#define CLEAN_WIRE_PIPE_READER CLEANUP(wire_pipe_reader_done)
void wire_pipe_reader_done(struct wire_pipe_reader *reader); /* wipes the buffer */

enum wire_pipe_found {
    WIRE_PIPE_NOTE,  /* *ret_note is filled, the caller releases it */
    WIRE_PIPE_LATER, /* non-blocking descriptor: nothing whole yet */
    WIRE_PIPE_END    /* the other side has closed, between notes */
};

/* The next note; waits for it when fd is blocking. Call until LATER or END.
 * ERROR_SHORT (end inside a note), ERROR_PROTOCOL, ERROR_IO. */
int wire_pipe_read(struct wire_pipe_reader *reader, enum wire_pipe_found *ret_found,
                   struct wire_note *ret_note, struct error *err);

#endif
