/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Arrays of a pool: growth, release, look-up, and the few sums that everyone asks for.
 *
 * Every array holds plain structs that own their texts; *_done below mirror the structs in the
 * header field by field, so a new text field has exactly one place to be released.
 */
#include "common/model/pool.h"

#include <stdlib.h>
#include <string.h>

static void host_done(struct host *host)
{
    free(host->ref);
    free(host->uuid);
    free(host->name);
    free(host->hostname);
    free(host->address);
}

static void sr_done(struct sr *sr)
{
    free(sr->ref);
    free(sr->uuid);
    free(sr->name);
    free(sr->type);
    free(sr->content_type);
    free(sr->hosts);
}

static void vdi_done(struct vdi *vdi)
{
    free(vdi->ref);
    free(vdi->uuid);
    free(vdi->name);
    free(vdi->description);
    free(vdi->type);
    free(vdi->snapshot_of);
    free(vdi->vhd_parent);
    free(vdi->image_format);
    free(vdi->mark);
}

static void vbd_done(struct vbd *vbd)
{
    free(vbd->ref);
    free(vbd->uuid);
    free(vbd->device);
    free(vbd->userdevice);
}

static void vif_done(struct vif *vif)
{
    free(vif->uuid);
    free(vif->device);
    free(vif->network_name);
    free(vif->mac);
    text_map_done(&vif->other_config);
}

static void vm_done(struct vm *vm)
{
    free(vm->ref);
    free(vm->uuid);
    free(vm->name);
    free(vm->description);
    free(vm->snapshot_of);
    free(vm->base_template_name);
    free(vm->os_version);
    free(vm->suspend_vdi);
    free(vm->mark);
    free(vm->vbds);
    text_list_done(&vm->tags);
    text_list_done(&vm->allowed_operations);
    text_map_done(&vm->blocked_operations);
    text_map_done(&vm->other_config);
    for (size_t i = 0; i < vm->vifs_n; i++)
        vif_done(&vm->vifs[i]);
    free(vm->vifs);
}

void pool_done(struct pool *pool)
{
    free(pool->ref);
    free(pool->uuid);
    free(pool->name);
    text_map_done(&pool->other_config);
    for (size_t i = 0; i < pool->hosts_n; i++)
        host_done(&pool->hosts[i]);
    for (size_t i = 0; i < pool->srs_n; i++)
        sr_done(&pool->srs[i]);
    for (size_t i = 0; i < pool->vdis_n; i++)
        vdi_done(&pool->vdis[i]);
    for (size_t i = 0; i < pool->vbds_n; i++)
        vbd_done(&pool->vbds[i]);
    for (size_t i = 0; i < pool->vms_n; i++)
        vm_done(&pool->vms[i]);
    free(pool->hosts);
    free(pool->srs);
    free(pool->vdis);
    free(pool->vbds);
    free(pool->vms);
    memset(pool, 0, sizeof *pool);
}

/* A fresh zeroed item at the end of an array. */
#define POOL_ADD(array)                                                                            \
    (pool->array = mem_grow(pool->array, &pool->array##_cap, pool->array##_n + 1,                  \
                            sizeof *pool->array),                                                  \
     memset(&pool->array[pool->array##_n], 0, sizeof *pool->array),                                \
     &pool->array[pool->array##_n++])

struct host *pool_add_host(struct pool *pool)
{
    return POOL_ADD(hosts);
}

struct sr *pool_add_sr(struct pool *pool)
{
    struct sr *sr = POOL_ADD(srs);
    sr->can_snapshot = true;
    return sr;
}

struct vdi *pool_add_vdi(struct pool *pool)
{
    struct vdi *vdi = POOL_ADD(vdis);
    vdi->sr = POOL_NONE;
    vdi->managed = true;
    return vdi;
}

struct vbd *pool_add_vbd(struct pool *pool)
{
    struct vbd *vbd = POOL_ADD(vbds);
    vbd->vm = POOL_NONE;
    vbd->vdi = POOL_NONE;
    return vbd;
}

struct vm *pool_add_vm(struct pool *pool)
{
    struct vm *vm = POOL_ADD(vms);
    vm->resident_on = POOL_NONE;
    return vm;
}

/* Whether one of an object's two names is the one asked for. */
static bool is_named(const char *ref, const char *uuid, const char *wanted)
{
    return (ref != NULL && strcmp(ref, wanted) == 0) || (uuid != NULL && strcmp(uuid, wanted) == 0);
}

#define POOL_FIND(array)                                                                           \
    do {                                                                                           \
        if (ref_or_uuid == NULL)                                                                   \
            return POOL_NONE;                                                                      \
        for (size_t i = 0; i < pool->array##_n; i++)                                               \
            if (is_named(pool->array[i].ref, pool->array[i].uuid, ref_or_uuid))                    \
                return i;                                                                          \
        return POOL_NONE;                                                                          \
    } while (0)

size_t pool_find_host(const struct pool *pool, const char *ref_or_uuid)
{
    POOL_FIND(hosts);
}

size_t pool_find_sr(const struct pool *pool, const char *ref_or_uuid)
{
    POOL_FIND(srs);
}

size_t pool_find_vdi(const struct pool *pool, const char *ref_or_uuid)
{
    POOL_FIND(vdis);
}

size_t pool_find_vm(const struct pool *pool, const char *ref_or_uuid)
{
    POOL_FIND(vms);
}

bool vm_is_plain(const struct vm *vm)
{
    return !vm->is_template && !vm->is_snapshot && !vm->is_control_domain;
}

char *vbd_device_name(const struct vbd *vbd, char text[16])
{
    if (vbd->device != NULL && vbd->device[0] != '\0') {
        size_t n = strnlen(vbd->device, 15);
        memcpy(text, vbd->device, n);
        text[n] = '\0';
        return text;
    }
    unsigned long number = 0;
    char *end = NULL;
    if (vbd->userdevice != NULL)
        number = strtoul(vbd->userdevice, &end, 10);
    if (end == NULL || *end != '\0' || end == vbd->userdevice || number > 25)
        number = 25;
    memcpy(text, "xvda", 5);
    text[3] = (char)('a' + (char)number);
    return text;
}

bool pool_vbd_is_exported(const struct pool *pool, const struct vbd *vbd)
{
    if (vbd->type == VBD_CD || vbd->empty || vbd->vdi == POOL_NONE)
        return false;
    size_t sr = pool->vdis[vbd->vdi].sr;
    if (sr == POOL_NONE || pool->srs[sr].content_type == NULL)
        return true;
    return strcmp(pool->srs[sr].content_type, "iso") != 0;
}

bool pool_host_sees_sr(const struct pool *pool, size_t host, size_t sr)
{
    if (sr == POOL_NONE || host == POOL_NONE)
        return false;
    for (size_t i = 0; i < pool->srs[sr].hosts_n; i++)
        if (pool->srs[sr].hosts[i] == host)
            return true;
    return false;
}

uint64_t pool_vm_virtual_bytes(const struct pool *pool, const struct vm *vm)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[vm->vbds[i]];
        if (pool_vbd_is_exported(pool, vbd))
            sum += pool->vdis[vbd->vdi].virtual_size_bytes;
    }
    return sum;
}

uint64_t pool_vm_physical_bytes(const struct pool *pool, const struct vm *vm)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < vm->vbds_n; i++) {
        const struct vbd *vbd = &pool->vbds[vm->vbds[i]];
        if (pool_vbd_is_exported(pool, vbd))
            sum += pool->vdis[vbd->vdi].physical_utilisation_bytes;
    }
    return sum;
}

const char *vm_power_state_name(enum vm_power_state state)
{
    switch (state) {
    case VM_HALTED:
        return "Halted";
    case VM_PAUSED:
        return "Paused";
    case VM_RUNNING:
        return "Running";
    case VM_SUSPENDED:
        return "Suspended";
    }
    return "Unknown";
}
