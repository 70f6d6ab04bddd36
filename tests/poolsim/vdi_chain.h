/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Base copies: the unmanaged VDIs that snapshots and clones leave on SRs of VHDs.
 *
 * The bytes that two disks share stand in a VHD of their own, which the pool shows as a VDI with
 * managed false; both disks name it in sm_config vhd-parent. Once only one of them is left, the
 * storage driver's garbage collection merges it away: at once, or when gc.run says so (the pool
 * file's "coalesce"). Bytes are not moved here: disks.h has layers of its own.
 * Source: contract 2.4 (managed), 8.5 (vhd-parent); the sm driver's clean-up.
 *
 * Lock: held.
 */
#ifndef ONYX_TESTS_POOLSIM_VDI_CHAIN_H
#define ONYX_TESTS_POOLSIM_VDI_CHAIN_H

#include "tests/poolsim/store.h"

#define VHD_EMPTY_BYTES 212992 /* as recorded: an empty layer's metadata */

bool chain_has_vhds(struct pool *pool, const char *sr_ref);

/* Copy was just made from vdi, which shares its bytes from now on: they go into a base copy. */
void chain_fork(struct pool *pool, const char *vdi_ref, const char *copy_ref);

/* A disk whose vhd-parent this was ("" or NULL: none) is gone: what is needed no more goes too. */
void chain_release(struct pool *pool, const char *parent_uuid);

/* All that can be merged now. */
void chain_coalesce(struct pool *pool);

#endif
