/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Length, note, length, note. The reader gathers what is there and cuts whole notes off its front.
 *
 * Buffers are wiped: a Task holds a session reference.
 */
#include "common/wire/pipe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/wire/key.h"

#include "common/base/poison.h"

#define LENGTH_BYTES 4
#define READ_BYTES   16384
#define CLEAN_SECRET CLEANUP(wire_secret_done)

static int write_note(int fd, const struct wire_note *note, struct error *err)
{
    CLEAN_SECRET struct str body = STR_INIT;
    CLEAN_SECRET struct str whole = STR_INIT;
    unsigned char length[LENGTH_BYTES];

    if (wire_note_pack(note, &body, err) < 0)
        return -1;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)(body.len >> 8 * i);
    str_reserve(&whole, LENGTH_BYTES + body.len);
    str_add_n(&whole, (const char *)length, LENGTH_BYTES);
    str_add_n(&whole, body.data, body.len);
    if (fd_write_all(fd, whole.data, whole.len, err) < 0)
        return error_add(err, "write to the worker's pipe");
    return 0;
}

/* The notes below borrow: nothing of them is released. */
int wire_pipe_write_task(int fd, const struct wire_task *task, struct error *err)
{
    struct wire_note note = {.kind = WIRE_NOTE_TASK, .task = *task};
    return write_note(fd, &note, err);
}

int wire_pipe_write_report(int fd, const struct job_report *report, struct error *err)
{
    struct wire_note note = {.kind = WIRE_NOTE_REPORT, .report = *report};
    return write_note(fd, &note, err);
}

int wire_pipe_write_log(int fd, const struct wire_log_line *line, struct error *err)
{
    struct wire_note note = {.kind = WIRE_NOTE_LOG, .line = *line};
    return write_note(fd, &note, err);
}

int wire_pipe_write_pace(int fd, uint64_t rate_limit, struct error *err)
{
    struct wire_note note = {.kind = WIRE_NOTE_PACE, .rate_limit = rate_limit};
    return write_note(fd, &note, err);
}

void wire_pipe_reader_done(struct wire_pipe_reader *reader)
{
    wire_secret_done(&reader->buffer);
}

/* 1 a note was cut off the buffer, 0 there is no whole one yet. */
static int cut_note(struct wire_pipe_reader *reader, struct wire_note *ret_note, struct error *err)
{
    struct str *buffer = &reader->buffer;
    size_t n = 0;

    if (buffer->len < LENGTH_BYTES)
        return 0;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        n |= (size_t)(unsigned char)buffer->data[i] << 8 * i;
    if (n > WIRE_PIPE_NOTE_MAX)
        return error_set(err, ERROR_PROTOCOL, "worker's pipe: a note of %zu bytes is over %d", n,
                         WIRE_PIPE_NOTE_MAX);
    if (buffer->len - LENGTH_BYTES < n)
        return 0;
    if (wire_note_unpack(buffer->data + LENGTH_BYTES, n, ret_note, err) < 0)
        return error_add(err, "worker's pipe");
    size_t rest = buffer->len - LENGTH_BYTES - n;
    memmove(buffer->data, buffer->data + LENGTH_BYTES + n, rest);
    wire_secret_wipe(buffer->data + rest, LENGTH_BYTES + n);
    str_set_len(buffer, rest);
    return 1;
}

/* 1 more bytes, 0 none now. Sets is_ended. */
static int read_more(struct wire_pipe_reader *reader, struct error *err)
{
    struct str *buffer = &reader->buffer;

    /* Room for the largest note at once: a growing text would leave unwiped copies behind. */
    if (buffer->cap == 0)
        str_reserve(buffer, LENGTH_BYTES + WIRE_PIPE_NOTE_MAX + READ_BYTES);
    for (;;) {
        ssize_t n = read(reader->fd, str_reserve(buffer, READ_BYTES), READ_BYTES);
        if (n > 0) {
            str_set_len(buffer, buffer->len + (size_t)n);
            return 1;
        }
        if (n == 0) {
            reader->is_ended = true;
            return 0;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return error_set_sys(err, ERROR_IO, errno, "read the worker's pipe");
    }
}

int wire_pipe_read(struct wire_pipe_reader *reader, enum wire_pipe_found *ret_found,
                   struct wire_note *ret_note, struct error *err)
{
    for (;;) {
        int found = cut_note(reader, ret_note, err);
        if (found < 0)
            return -1;
        if (found > 0) {
            *ret_found = WIRE_PIPE_NOTE;
            return 0;
        }
        int more = reader->is_ended ? 0 : read_more(reader, err);
        if (more < 0)
            return -1;
        if (more > 0)
            continue;
        if (reader->is_ended && reader->buffer.len != 0)
            return error_set(err, ERROR_SHORT, "the worker's pipe ended inside a note");
        *ret_found = reader->is_ended ? WIRE_PIPE_END : WIRE_PIPE_LATER;
        return 0;
    }
}
