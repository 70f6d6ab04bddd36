/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Base copies come with a snapshot and go when one child is left.
 */
#include "tests/poolsim/vdi_chain.h"

#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/disks.h"

#include "common/base/poison.h"

#define PARENT "vhd-parent"

bool chain_has_vhds(struct pool *pool, const char *sr_ref)
{
    static const char *const types[] = {"nfs", "ext", "lvm", "lvmoiscsi", "lvmohba", "smb"};
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);

    for (size_t i = 0; sr && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i], object_text(sr, F_SR_type)) == 0)
            return true;
    return false;
}

static void set_parent(struct pool *pool, struct object *vdi, const char *parent)
{
    if (parent)
        object_map_put(pool, vdi, F_VDI_sm_config, PARENT, parent);
    else
        object_map_remove(pool, vdi, F_VDI_sm_config, PARENT);
}

void chain_fork(struct pool *pool, const char *vdi_ref, const char *copy_ref)
{
    struct object *vdi = store_find(pool, CLASS_VDI, vdi_ref);
    struct object *copy = store_find(pool, CLASS_VDI, copy_ref);
    CLEAN_CHAR char *sr_ref = mem_dup(object_text(vdi, F_VDI_SR));
    CLEAN_CHAR char *parent = mem_dup(object_map_get(vdi, F_VDI_sm_config, PARENT));
    struct object *base;

    if (!chain_has_vhds(pool, sr_ref))
        return;
    /* A snapshot that nobody wrote to has no bytes of its own to share. */
    if (parent && object_bool(vdi, F_VDI_is_a_snapshot)) {
        set_parent(pool, copy, parent);
        return;
    }
    base = vdi_make(pool, sr_ref, NULL, "base copy", object_int(vdi, F_VDI_virtual_size),
                    object_text(vdi, F_VDI_type));
    object_set_bool(pool, base, F_VDI_managed, false);
    object_set_bool(pool, base, F_VDI_read_only, true);
    object_set_int(pool, base, F_VDI_physical_utilisation,
                   object_int(vdi, F_VDI_physical_utilisation));
    if (parent)
        set_parent(pool, base, parent);
    set_parent(pool, vdi, object_uuid(base));
    set_parent(pool, copy, object_uuid(base));
    object_set_int(pool, vdi, F_VDI_physical_utilisation, VHD_EMPTY_BYTES);
    vdi_recount(pool, vdi_ref);
}

/* How many disks of its SR have this parent; one of them. */
static size_t find_children(struct pool *pool, const struct object *base, struct object **ret_one)
{
    const struct object *sr = object_follow(pool, base, F_VDI_SR);
    const struct text_list *vdis = sr ? object_set(sr, F_SR_VDIs) : NULL;
    size_t n = 0;

    for (size_t i = 0; vdis && i < vdis->n; i++) {
        struct object *vdi = store_find(pool, CLASS_VDI, vdis->items[i]);
        const char *parent = object_map_get(vdi, F_VDI_sm_config, PARENT);
        if (!parent || strcmp(parent, object_uuid(base)) != 0)
            continue;
        *ret_one = vdi;
        n++;
    }
    return n;
}

/* The last disk takes back what it shared. */
static void merge_into_leaf(struct pool *pool, struct object *base, struct object *leaf)
{
    CLEAN_CHAR char *parent = mem_dup(object_map_get(base, F_VDI_sm_config, PARENT));
    int64_t bytes = object_int(base, F_VDI_physical_utilisation);

    set_parent(pool, leaf, parent);
    object_set_int(pool, leaf, F_VDI_physical_utilisation, bytes);
    store_destroy(pool, base);
    vdi_recount(pool, object_ref(leaf));
}

/* A base copy on a base copy goes into the lower one, whose children its children become. */
static void merge_bases(struct pool *pool, struct object *lower, struct object *upper)
{
    const struct object *sr = object_follow(pool, upper, F_VDI_SR);
    const struct text_list *vdis = object_set(sr, F_SR_VDIs);

    for (size_t i = 0; i < vdis->n; i++) {
        struct object *vdi = store_find(pool, CLASS_VDI, vdis->items[i]);
        const char *parent = object_map_get(vdi, F_VDI_sm_config, PARENT);
        if (parent && strcmp(parent, object_uuid(upper)) == 0)
            set_parent(pool, vdi, object_uuid(lower));
    }
    object_set_int(pool, lower, F_VDI_physical_utilisation,
                   object_int(lower, F_VDI_physical_utilisation) +
                       object_int(upper, F_VDI_physical_utilisation));
    store_destroy(pool, upper);
    sr_recount(pool, object_ref(sr));
}

void chain_release(struct pool *pool, const char *parent_uuid)
{
    CLEAN_CHAR char *uuid = mem_dup(parent_uuid);

    while (uuid && *uuid) {
        struct object *base = store_find_uuid(pool, CLASS_VDI, uuid);
        struct object *child = NULL;
        size_t n =
            base && !object_bool(base, F_VDI_managed) ? find_children(pool, base, &child) : 2;
        CLEAN_CHAR char *sr_ref = NULL;
        if (n == 1 && object_bool(child, F_VDI_managed))
            merge_into_leaf(pool, base, child);
        else if (n == 1)
            merge_bases(pool, base, child);
        if (n)
            return;
        free(uuid);
        uuid = mem_dup(object_map_get(base, F_VDI_sm_config, PARENT));
        sr_ref = mem_dup(object_text(base, F_VDI_SR));
        store_destroy(pool, base);
        sr_recount(pool, sr_ref);
    }
}

void chain_coalesce(struct pool *pool)
{
    size_t before;

    do {
        CLEAN_TEXT_LIST struct text_list bases = TEXT_LIST_INIT;
        before = store_count(pool, CLASS_VDI);
        for (struct object *vdi = store_first(pool, CLASS_VDI); vdi; vdi = store_next(pool, vdi))
            if (!object_bool(vdi, F_VDI_managed))
                text_list_add(&bases, object_uuid(vdi));
        for (size_t i = 0; i < bases.n; i++)
            chain_release(pool, bases.items[i]);
    } while (store_count(pool, CLASS_VDI) != before);
}
