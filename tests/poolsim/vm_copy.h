/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A VM made from another one: snapshot, checkpoint, clone, copy; and a VM put back to a snapshot.
 *
 * Lock: held, and given up between two disks as XAPI takes them one after another. On -1 the
 *       failure is set and what was made is gone.
 */
#ifndef ONYX_TESTS_POOLSIM_VM_COPY_H
#define ONYX_TESTS_POOLSIM_VM_COPY_H

#include "tests/poolsim/behaviour.h"

struct vm_copy {
    const char *vm_ref;
    const char *name;
    const char *task_ref;
    const char *sr_ref; /* target of a full copy; NULL: where the disks are */
    enum vdi_copy how;
    const struct text_list *ignored; /* VDIs left out, with their VBDs; NULL: none */
    bool is_snapshot;
    bool is_checkpoint;
    bool is_quiesced;
};

int vm_copy(struct pool *pool, const struct vm_copy *copy, struct failure *failure,
            char ret_ref[REF_MAX]);
int vm_revert(struct pool *pool, const char *snapshot_ref, const char *task_ref,
              struct failure *failure);

#endif
