/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new VDI with its disk, as imports make them.
 *
 * Lock: held. Source: VDI.create; import.ml (sm_config import_task); recordings 1356-1358.
 */
#ifndef ONYX_TESTS_POOLSIM_MAKE_VDI_H
#define ONYX_TESTS_POOLSIM_MAKE_VDI_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/store.h"

/* SR_BACKEND_FAILURE_44 when the SR has not room for size_bytes. */
int make_vdi(struct pool *pool, const char *sr_ref, const char *name_label, uint64_t size_bytes,
             struct object **ret_vdi, struct failure *failure);

/* The record and the disk go. Does nothing for a dead reference. */
void make_vdi_undo(struct pool *pool, const char *vdi_ref);

#endif
