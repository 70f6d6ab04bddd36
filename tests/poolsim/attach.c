/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two questions about SRs, and the VBD of dom0 by reference, since records may go meanwhile.
 */
#include "tests/poolsim/attach.h"

#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

void attach_to_dom0(struct host *host, const char *vdi_ref, bool is_read_only,
                    char ret_vbd_ref[REF_MAX])
{
    const struct object *vbd = vbd_attach_to_dom0(host, vdi_ref, !is_read_only);
    (void)str_copy(ret_vbd_ref, REF_MAX, object_ref(vbd));
}

void attach_end(struct pool *pool, const char *vbd_ref)
{
    if (store_find(pool, CLASS_VBD, vbd_ref))
        vbd_detach_from_dom0(pool, vbd_ref);
}

static void add_sr(const struct object *vdi, struct text_list *srs)
{
    if (vdi && !text_list_has(srs, object_text(vdi, F_VDI_SR)))
        text_list_add(srs, object_text(vdi, F_VDI_SR));
}

int attach_vm_srs(struct pool *pool, const char *vm_ref, struct text_list *ret_srs)
{
    const struct object *vm = store_find(pool, CLASS_VM, vm_ref);
    if (!vm)
        return -1;
    const struct text_list *vbds = object_set(vm, F_VM_VBDs);
    for (size_t i = 0; i < vbds->n; i++) {
        const struct object *vbd = store_find(pool, CLASS_VBD, vbds->items[i]);
        if (vbd && !object_bool(vbd, F_VBD_empty))
            add_sr(object_follow(pool, vbd, F_VBD_VDI), ret_srs);
    }
    if (strcmp(object_text(vm, F_VM_power_state), "Suspended") == 0)
        add_sr(object_follow(pool, vm, F_VM_suspend_VDI), ret_srs);
    return 0;
}

static bool says_qcow2(const struct object *vdi)
{
    const char *format = vdi ? object_map_get(vdi, F_VDI_sm_config, "image-format") : NULL;

    return format && strcmp(format, "qcow2") == 0;
}

/* The storage driver does not write it into a snapshot's sm_config. */
bool attach_is_qcow2_backed(struct pool *pool, const char *vdi_ref)
{
    const struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);

    return vdi && (says_qcow2(vdi) || says_qcow2(object_follow(pool, vdi, F_VDI_snapshot_of)));
}

bool attach_is_vhd_backed(struct pool *pool, const char *vdi_ref)
{
    static const char *const types[] = {"ext",     "nfs",      "lvm", "lvmoiscsi",
                                        "lvmohba", "lvmofcoe", "smb", "xfs"};
    const struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    const struct object *sr = vdi ? object_follow(pool, vdi, F_VDI_SR) : NULL;
    if (attach_is_qcow2_backed(pool, vdi_ref))
        return false;
    for (size_t i = 0; sr && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(object_text(sr, F_SR_type), types[i]) == 0)
            return true;
    return false;
}

bool attach_host_sees(struct pool *pool, const struct host *host, const struct text_list *srs)
{
    for (size_t i = 0; i < srs->n; i++)
        if (!pool_host_sees_sr(pool, host, srs->items[i]))
            return false;
    return true;
}
