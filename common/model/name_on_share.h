/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names as they stand on a share: one encoding on every kind of share, readable both ways.
 *
 * Percent-encoded are control bytes, / \ : * ? " < > |, a leading dot, a trailing dot or space, the
 * first letter of what would become a reserved name (CON, PRN, AUX, NUL, COM1-9, LPT1-9, with or
 * without an extension) or a special one (POOL_DB, HOST_*), and a % before two hex digits. A result
 * over 200 bytes is cut between characters and gets "~" and the first 8 of the uuid.
 * Source: design of the store (docs/DESIGN.md, Words on disk); Windows "Naming Files".
 */
#ifndef ONYX_COMMON_MODEL_NAME_ON_SHARE_H
#define ONYX_COMMON_MODEL_NAME_ON_SHARE_H

#include <stdbool.h>

#define NAME_ON_SHARE_MAX 200 /* bytes before the cut's own suffix */

struct error;

/* Folder name of a VM. uuid is used for cut names only. Bytes that are no UTF-8 are encoded; an
 * empty name is "%00". Reserved and special names are compared without case.
 * Caller frees. */
char *name_on_share_encode(const char *name, const char *uuid);

/* The same with "_<first 8 of uuid>": for the later of two VMs of one name. Caller frees. */
char *name_on_share_encode_twin(const char *name, const char *uuid);

/* The VM's name again; not possible for cut names (false, *ret untouched). Caller frees. */
bool name_on_share_decode(const char *folder, char **ret_name);

/* Whether encoding changed the name. */
bool name_on_share_is_plain(const char *name);

/* Whether two folder names are one folder on a share that folds case or normalises (case-folded
 * NFC). */
bool name_on_share_same(const char *a, const char *b);

#endif
