/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A VDI without a disk never stays behind.
 */
#include "tests/poolsim/make_vdi.h"

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/disks.h"

#include "common/base/poison.h"

int make_vdi(struct pool *pool, const char *sr_ref, const char *name_label, uint64_t size_bytes,
             struct object **ret_vdi, struct failure *failure)
{
    struct error err = ERROR_INIT;
    if (!store_find(pool, CLASS_SR, sr_ref))
        return failure_set(failure, "HANDLE_INVALID", "SR", sr_ref, NULL);
    if (sr_check_space(pool, sr_ref, (int64_t)size_bytes, failure) != 0)
        return -1;
    struct object *vdi = vdi_make(pool, sr_ref, NULL, name_label, (int64_t)size_bytes, "user");
    if (disks_add(pool->disks, object_uuid(vdi), size_bytes, NULL, &err) != 0) {
        store_destroy(pool, vdi);
        return sr_backend_failure(failure, &err);
    }
    vdi_recount(pool, object_ref(vdi));
    *ret_vdi = vdi;
    return 0;
}

void make_vdi_undo(struct pool *pool, const char *vdi_ref)
{
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    if (!vdi)
        return;
    char sr_ref[REF_MAX];
    (void)str_copy(sr_ref, sizeof sr_ref, object_text(vdi, F_VDI_SR));
    (void)disks_remove(pool->disks, object_uuid(vdi), NULL);
    store_destroy(pool, vdi);
    sr_recount(pool, sr_ref);
}
