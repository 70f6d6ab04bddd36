/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A tar archive that comes in pieces: members out by callbacks, and whether it ended in order.
 *
 * V7 and ustar headers, GNU's large sizes and sparse headers. Nothing is kept but one header, so
 * memory does not grow with the archive. Callbacks give 0, or -1 with the error set to stop.
 * Source: POSIX pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
 */
#ifndef ONYX_COMMON_FORMAT_TAR_H
#define ONYX_COMMON_FORMAT_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define TAR_BLOCK    512
#define TAR_NAME_MAX 257 /* ustar: prefix 155, slash, name 100, NUL */

struct tar_member {
    char name[TAR_NAME_MAX];
    char type; /* '0' file (NUL too), '5' folder, 'L' GNU long name ... */
    uint64_t size_bytes;
    uint64_t data_at; /* offset of its data in the archive */
};

struct tar_events {
    int (*begin)(void *context, const struct tar_member *member, struct error *err);
    int (*data)(void *context, const unsigned char *bytes, size_t n, struct error *err);
    int (*end)(void *context, struct error *err); /* data is complete; padding may follow */
};

enum tar_rule {
    TAR_FILES_ONLY, /* as XAPI writes: files only, zero padding, nothing behind the end */
    TAR_ANY         /* as GNU tar writes: any type, zero blocks up to the end of a record */
};

/* In place; fields are the room's own. */
struct tar_reader {
    const struct tar_events *events;
    void *context;
    enum tar_rule rule;
    int state;
    uint64_t at;      /* bytes read so far */
    uint64_t data;    /* bytes of data still to come */
    uint32_t padding; /* bytes of padding still to come */
    size_t have;      /* bytes in block */
    struct tar_member member;
    unsigned char block[TAR_BLOCK];
};

void tar_reader_init(struct tar_reader *reader, enum tar_rule rule, const struct tar_events *events,
                     void *context);

/* ERROR_CORRUPT with the offset when the bytes are no tar archive (any more), or what a callback
 * says. The reader is not used after an error. */
int tar_reader_feed(struct tar_reader *reader, const void *bytes, size_t n, struct error *err);

/* 0 if the archive ended with its two zero blocks; ERROR_SHORT says where it stopped. */
int tar_reader_finish(const struct tar_reader *reader, struct error *err);

/* Change the size in a header that the reader has accepted, and its checksum, in the way both were
 * written. ERROR_LIMIT when the size does not fit. */
int tar_header_set_size(unsigned char header[TAR_BLOCK], uint64_t size_bytes, struct error *err);

/* Whether both zero blocks were seen. */
bool tar_reader_is_at_end(const struct tar_reader *reader);

#endif
