/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which operations an object allows now, and the first error XAPI finds for one that it does not.
 *
 * Lock:   held.
 * Source: xapi_vm_lifecycle.ml, xapi_vdi.ml (contract 3.4); recordings 277-320, 1255-1264.
 */
#ifndef ONYX_TESTS_POOLSIM_OPERATIONS_H
#define ONYX_TESTS_POOLSIM_OPERATIONS_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/store.h"

/* 0 if the operation may begin now; -1 and the error. OTHER_OPERATION_IN_PROGRESS is among them. */
int operations_check_vm(struct pool *pool, struct object *vm, const char *operation,
                        struct failure *failure);
int operations_check_vdi(struct pool *pool, struct object *vdi, const char *operation,
                         struct failure *failure);

/* As operations_check_vm, but while another operation is in the way wait (giving the lock up) up to
 * wait_ms, as XAPI's own retry does, then put the operation into current_operations under task_ref.
 * /export waits 121 s, calls two hours. vm_ref is looked up again after each wait. */
int operations_begin_vm(struct pool *pool, const char *vm_ref, const char *operation,
                        const char *task_ref, int64_t wait_ms, struct failure *failure);

/* The same for a VDI, without putting anything into current_operations. */
int operations_wait_vdi(struct pool *pool, const char *vdi_ref, const char *operation,
                        const char *task_ref, int64_t wait_ms, struct failure *failure);

void operations_allowed(struct pool *pool, const struct object *object,
                        struct text_list *ret_allowed);

#endif
