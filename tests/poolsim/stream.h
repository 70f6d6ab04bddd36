/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A data stream of a handler: the host's rate and the injected faults between the handler and the
 * socket.
 *
 * All bytes after the header go through stream_write (exports) or come from stream_read (imports).
 * Faults of the wire (cut, corrupt, stall, slow, pad, late 500) happen inside; the handler sees
 * only a failed write. Faults of the source are the handler's to play: it asks stream_source for
 * what its disk does at which byte of the disk.
 * Lock: not held.
 */
#ifndef ONYX_TESTS_POOLSIM_STREAM_H
#define ONYX_TESTS_POOLSIM_STREAM_H

#include "tests/poolsim/http.h"

enum source_fault {
    SOURCE_GOOD,
    SOURCE_SHORT,        /* End_of_file: the disk ends early (recordings 1050-1053, 1066-1071) */
    SOURCE_EIO,          /* 1828-1836 */
    SOURCE_ATTACH_FAILS, /* SR_BACKEND_FAILURE_46 at this disk (1056-1063) */
    SOURCE_DETACH_FAILS, /* the stream is good, dom0's VBD stays (1086-1087) */
    SOURCE_CHILD_KILLED  /* compressor or vhd-tool dies (1064-1065, 1074-1075) */
};

struct stream_source {
    enum source_fault fault;
    uint64_t at_byte; /* of the disk's data */
};

struct stream; /* opaque */

/* kind: "export", "export_metadata", "import", "import_metadata", "export_raw_vdi",
 * "import_raw_vdi", "host_backup", "xmldbdump". ref: the VM's, VDI's or host's reference, "" if
 * none. A fault that names a kind, a ref or a host takes the first stream that fits. Owned by the
 * caller: stream_end. */
struct stream *stream_begin(struct connection *connection, struct request *request,
                            const char *kind, const char *ref);

/* 0, or -1 when the stream is over: the client left (errno EPIPE, ECONNRESET), or a fault cut it
 * (errno ECANCELED: stop quietly, leave the task as stream_fault_task says). */
int stream_write(struct stream *stream, const void *bytes, size_t n);
int stream_read(struct stream *stream, void *bytes, size_t n, size_t *ret_n);

/* What the disk with this number in the stream (0, 1 ...) does. */
struct stream_source stream_source(struct stream *stream, int disk_number);

/* After the last byte: pads if a fault says so. Then the task's outcome that a fault wants, or
 * NULL when the handler decides: a NULL-ended error, code first; borrowed until stream_end. */
const char *const *stream_finish(struct stream *stream);

uint64_t stream_bytes(const struct stream *stream);

/* Frees. NULL is fine. */
void stream_end(struct stream *stream);

#endif
