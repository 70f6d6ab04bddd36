/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A fault of a stream is chosen once, at its begin; bytes are counted from the first byte behind
 * the header.
 */
#include "tests/poolsim/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/poolsim/fault.h"
#include "tests/poolsim/handler.h"

#include "common/base/poison.h"

#define PIECE_BYTES (UINT64_C(256) << 10)

struct stream {
    struct connection *connection;
    struct request *request;
    struct pool *pool;
    struct host *host;
    struct fault *fault; /* NULL: none */
    uint64_t bytes;
    bool is_over;
    bool is_archive;        /* an import: only a compressed one ends at its content-length */
    struct failure outcome; /* what a fault makes of the task */
    unsigned char *scratch;
};

static bool is_vhd(const struct request *request)
{
    const char *format = request_query(request, "format");

    return format && strcmp(format, "vhd") == 0;
}

struct stream *stream_begin(struct connection *connection, struct request *request,
                            const char *kind, const char *ref)
{
    struct stream *stream = mem_zero(1, sizeof *stream);

    stream->connection = connection;
    stream->request = request;
    stream->pool = request->pool;
    stream->host = request->host;
    stream->is_archive = strcmp(kind, "import") == 0;
    if (stream->is_archive || (strcmp(kind, "import_raw_vdi") == 0 && is_vhd(request)))
        http_honour_length(connection, false);
    pool_lock(stream->pool);
    stream->fault = fault_of_stream(stream->pool, stream->host, kind, ref);
    pool_unlock(stream->pool);
    return stream;
}

void stream_end(struct stream *stream)
{
    if (!stream)
        return;
    failure_done(&stream->outcome);
    free(stream->scratch);
    free(stream);
}

uint64_t stream_bytes(const struct stream *stream)
{
    return stream->bytes;
}

static bool is_wire_fault(const struct stream *stream, enum fault_action action)
{
    return stream->fault && stream->fault->action == action;
}

static void set_outcome(struct stream *stream, const char *otherwise)
{
    pool_lock(stream->pool);
    if (stream->fault->error.n)
        text_list_copy(&stream->outcome.params, &stream->fault->error);
    else
        failure_set(&stream->outcome, "INTERNAL_ERROR", otherwise, NULL);
    pool_unlock(stream->pool);
}

static int over(struct stream *stream, int sys)
{
    stream->is_over = true;
    errno = sys;
    return -1;
}

/* Until the test releases it, the client leaves or the pool ends. */
static void stall(struct stream *stream)
{
    struct fault *fault = stream->fault;

    pool_lock(stream->pool);
    fault->held++;
    pool_notify(stream->pool);
    while (!fault->is_released && !stream->pool->is_ending) {
        pool_wait_until(stream->pool, pool_now_ms() + 200);
        pool_unlock(stream->pool);
        bool is_gone = http_peer_is_gone(stream->connection);
        pool_lock(stream->pool);
        if (is_gone)
            break;
    }
    fault->held--;
    pool_unlock(stream->pool);
    stream->fault = NULL;
}

static void append_late_500(struct stream *stream)
{
    char *text;

    set_outcome(stream, "Unix.Unix_error(Unix.EIO, \"read\", \"\")");
    text = failure_format(&stream->outcome);
    http_append_error(stream->connection, text);
    free(text);
}

/* At the fault's byte: 0 go on, -1 the stream is over. */
static int happen(struct stream *stream)
{
    switch (stream->fault->action) {
    case FAULT_STALL:
        stall(stream);
        return 0;
    case FAULT_CUT:
    case FAULT_RESET:
        set_outcome(stream, "Unix.Unix_error(Unix.ECONNRESET, \"write\", \"\")");
        http_close(stream->connection, stream->fault->action == FAULT_RESET);
        return over(stream, ECANCELED);
    case FAULT_NO_REPLY:
        set_outcome(stream, "Unix.Unix_error(Unix.ECONNRESET, \"write\", \"\")");
        http_close(stream->connection, false);
        return over(stream, ECANCELED);
    case FAULT_LATE_500:
        append_late_500(stream);
        return over(stream, ECANCELED);
    default:
        return 0;
    }
}

static bool stops_at_byte(const struct stream *stream)
{
    return is_wire_fault(stream, FAULT_STALL) || is_wire_fault(stream, FAULT_CUT) ||
           is_wire_fault(stream, FAULT_RESET) || is_wire_fault(stream, FAULT_LATE_500) ||
           is_wire_fault(stream, FAULT_NO_REPLY);
}

/* n bytes as they go out: those of the fault's range inverted. */
static const void *corrupted(struct stream *stream, const void *bytes, size_t n)
{
    const struct fault *fault = stream->fault;
    uint64_t until = fault->at_byte + (fault->bytes ? fault->bytes : 1);

    if (stream->bytes + n <= fault->at_byte || stream->bytes >= until)
        return bytes;
    if (!stream->scratch)
        stream->scratch = mem_zero(PIECE_BYTES, 1);
    memcpy(stream->scratch, bytes, n);
    for (size_t i = 0; i < n; i++)
        if (stream->bytes + i >= fault->at_byte && stream->bytes + i < until)
            stream->scratch[i] = (unsigned char)~stream->scratch[i];
    return stream->scratch;
}

static void pace(struct stream *stream, size_t n)
{
    pool_pace(stream->host, n);
    if (is_wire_fault(stream, FAULT_SLOW) && stream->bytes >= stream->fault->at_byte &&
        stream->fault->rate_bytes_per_s)
        pool_sleep(stream->pool, (int64_t)(n * 1000 / stream->fault->rate_bytes_per_s));
}

/* How much of n goes before the next thing happens. */
static size_t piece_of(const struct stream *stream, size_t n)
{
    if (n > PIECE_BYTES)
        n = PIECE_BYTES;
    if (is_wire_fault(stream, FAULT_SLOW) && n > stream->fault->rate_bytes_per_s / 10 + 1)
        n = (size_t)(stream->fault->rate_bytes_per_s / 10 + 1);
    if (stops_at_byte(stream) && stream->bytes < stream->fault->at_byte &&
        n > stream->fault->at_byte - stream->bytes)
        n = (size_t)(stream->fault->at_byte - stream->bytes);
    return n;
}

int stream_write(struct stream *stream, const void *bytes, size_t n)
{
    const char *at = bytes;

    if (stream->is_over)
        return over(stream, ECANCELED);
    while (n > 0) {
        size_t piece;
        const void *out;
        if (stops_at_byte(stream) && stream->bytes >= stream->fault->at_byte && happen(stream))
            return -1;
        piece = piece_of(stream, n);
        out = is_wire_fault(stream, FAULT_CORRUPT) ? corrupted(stream, at, piece) : at;
        pace(stream, piece);
        if (http_write(stream->connection, out, piece))
            return over(stream, errno);
        stream->bytes += piece;
        at += piece;
        n -= piece;
    }
    return 0;
}

int stream_read(struct stream *stream, void *bytes, size_t n, size_t *ret_n)
{
    const void *changed;

    if (stream->is_over)
        return over(stream, ECANCELED);
    if (stops_at_byte(stream) && stream->bytes >= stream->fault->at_byte && happen(stream))
        return -1;
    n = piece_of(stream, n);
    if (http_read(stream->connection, bytes, n, ret_n))
        return over(stream, errno);
    /* XAPI's feeder of a decompressor counts; its reader of a tar goes on to the two zero blocks.
     */
    if (stream->is_archive && stream->bytes == 0 && *ret_n &&
        (*(unsigned char *)bytes == 0x1f || *(unsigned char *)bytes == 0x28))
        http_honour_length(stream->connection, true);
    pace(stream, *ret_n);
    if (is_wire_fault(stream, FAULT_CORRUPT)) {
        changed = corrupted(stream, bytes, *ret_n);
        if (changed != bytes)
            memcpy(bytes, changed, *ret_n);
    }
    stream->bytes += *ret_n;
    return 0;
}

struct stream_source stream_source(struct stream *stream, int disk_number)
{
    struct stream_source source = {SOURCE_GOOD, 0};
    const struct fault *fault = stream->fault;

    if (!fault || (fault->disk >= 0 ? fault->disk != disk_number : disk_number != 0))
        return source;
    source.fault = fault->action == FAULT_SOURCE_SHORT   ? SOURCE_SHORT
                   : fault->action == FAULT_SOURCE_EIO   ? SOURCE_EIO
                   : fault->action == FAULT_ATTACH_FAILS ? SOURCE_ATTACH_FAILS
                   : fault->action == FAULT_DETACH_FAILS ? SOURCE_DETACH_FAILS
                   : fault->action == FAULT_CHILD_KILLED ? SOURCE_CHILD_KILLED
                                                         : SOURCE_GOOD;
    source.at_byte = fault->at_byte;
    return source;
}

const char *const *stream_finish(struct stream *stream)
{
    static const char zeros[4096];

    if (stream->is_over)
        return failure_is_set(&stream->outcome) ? failure_params(&stream->outcome) : NULL;
    if (is_wire_fault(stream, FAULT_PAD)) {
        uint64_t left = stream->fault->bytes ? stream->fault->bytes : 1;
        while (left && !stream->is_over) {
            size_t n = left > sizeof zeros ? sizeof zeros : (size_t)left;
            if (http_write(stream->connection, zeros, n))
                stream->is_over = true;
            left -= n;
        }
    }
    if (is_wire_fault(stream, FAULT_TASK_FAILS))
        set_outcome(stream, "the task failed after its stream");
    return failure_is_set(&stream->outcome) ? failure_params(&stream->outcome) : NULL;
}
