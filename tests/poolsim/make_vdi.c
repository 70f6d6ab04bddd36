/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SR's room is what its record says it has beyond what its VDIs may grow to.
 */
#include "tests/poolsim/make_vdi.h"

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/disks.h"

#include "common/base/poison.h"

static bool has_room(const struct object *sr, uint64_t size_bytes)
{
    int64_t left = object_int(sr, F_SR_physical_size) - object_int(sr, F_SR_physical_utilisation);
    return left >= 0 && size_bytes <= (uint64_t)left;
}

int make_vdi(struct pool *pool, const char *sr_ref, const char *name_label, uint64_t size_bytes,
             struct object **ret_vdi, struct failure *failure)
{
    struct object *sr = store_find(pool, CLASS_SR, sr_ref);
    struct error err = ERROR_INIT;
    if (!sr)
        return failure_set(failure, "HANDLE_INVALID", "SR", sr_ref, NULL);
    if (!has_room(sr, size_bytes))
        return failure_set(failure, "SR_BACKEND_FAILURE_44", "",
                           "There is insufficient space", "", NULL);
    struct object *vdi = store_create(pool, CLASS_VDI);
    if (disks_add(pool->disks, object_uuid(vdi), size_bytes, NULL, &err) != 0) {
        store_destroy(pool, vdi);
        return failure_set(failure, "SR_BACKEND_FAILURE_1200", "", err.text, "", NULL);
    }
    object_set_text(pool, vdi, F_VDI_SR, sr_ref);
    object_set_text(pool, vdi, F_VDI_name_label, name_label);
    object_set_int(pool, vdi, F_VDI_virtual_size, (int64_t)size_bytes);
    object_set_text(pool, vdi, F_VDI_location, object_uuid(vdi));
    object_set_text(pool, vdi, F_VDI_type, "user");
    object_set_text(pool, vdi, F_VDI_on_boot, "persist");
    object_set_bool(pool, vdi, F_VDI_managed, true);
    *ret_vdi = vdi;
    return 0;
}

void make_vdi_undo(struct pool *pool, const char *vdi_ref)
{
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    if (!vdi)
        return;
    (void)disks_remove(pool->disks, object_uuid(vdi), NULL);
    store_destroy(pool, vdi);
}
