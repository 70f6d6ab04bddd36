/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XVAs for tests, written as XAPI writes them and by code of its own: what the check reads must
 * not be written by the check's own ideas.
 */
#ifndef ONYX_TESTS_UNIT_COMMON_FORMAT_MAKE_XVA_H
#define ONYX_TESTS_UNIT_COMMON_FORMAT_MAKE_XVA_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

#define MAKE_MIB 1048576u

/* One tar member with its header and padding. */
void make_member(struct str *out, const char *name, const void *bytes, size_t n);

/* The header alone. */
void make_header(struct str *out, const char *name, char type, uint64_t size);

/* The two zero blocks. */
void make_end(struct str *out);

/* ova.xml of a VM "web1" whose disk i is VDI refs[i] of sizes[i] bytes, uuid "vdi-<i>", userdevice
 * i; and of a CD on an iso SR that must not be looked for. */
void make_ova_text(struct str *out, const char *const *refs, const uint64_t *sizes, size_t n);
void make_ova(struct str *out, const char *const *refs, const uint64_t *sizes, size_t n);

/* A block of n bytes that begins with this number, and its checksum member. */
void make_block(struct str *out, const char *ref, unsigned number, size_t n);
void make_block_sha1(struct str *out, const char *ref, unsigned number, size_t n);

#endif
