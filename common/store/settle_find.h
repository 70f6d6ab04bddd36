/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which attempts stand half done in a folder: what common/store/settle may be asked to end.
 */
#ifndef ONYX_COMMON_STORE_SETTLE_FIND_H
#define ONYX_COMMON_STORE_SETTLE_FIND_H

#include <stdint.h>

struct error;
struct store;

/*
 * Name each attempt that stands half done in a folder, by what its files say: its stem without the
 * disks' devices (for settle_files), its job and its number. An attempt may be named several times.
 * folder may be absent. Reads only.
 */
typedef void settle_attempt_fn(void *context, const char *stem, const char *job, uint32_t attempt);
int settle_find(struct store *store, const char *folder, settle_attempt_fn *each, void *context,
                struct error *err);

#endif
