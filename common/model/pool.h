/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pool at one moment: hosts, SRs, disks, VMs and networks as XAPI told them, as plain values.
 *
 * Objects stand in arrays and point at each other by index (POOL_NONE = nothing), so a pool can be
 * copied, printed and made up in a test. Whoever fills it has checked what XAPI said: every index
 * is in range, every uuid and ref is a text. Snapshots, templates and control domains are in vms
 * too; vm_is_plain says which are VMs in a person's sense.
 */
#ifndef ONYX_COMMON_MODEL_POOL_H
#define ONYX_COMMON_MODEL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"

#define POOL_NONE SIZE_MAX

struct host {
    char *ref;
    char *uuid;
    char *name;     /* name_label */
    char *hostname; /* as the host calls itself: HOST_[hostname] */
    char *address;  /* management address, may be an IPv6 literal without brackets */
    bool enabled;
    bool live; /* host_metrics.live */
};

struct sr {
    char *ref;
    char *uuid;
    char *name;
    char *type;         /* "nfs", "lvmoiscsi", "ext", "iso" ... */
    char *content_type; /* "iso" keeps its VDIs out of an XVA */
    bool shared;
    uint64_t physical_size_bytes;
    uint64_t physical_utilisation_bytes;
    bool can_snapshot;   /* SM capability VDI_SNAPSHOT; true when unknown */
    size_t *hosts;       /* indexes of hosts with an attached PBD */
    size_t hosts_n;
    size_t hosts_cap;
};

struct vdi {
    char *ref;
    char *uuid;
    char *name;
    char *description;
    char *type; /* "user", "system", "suspend", "cbt_metadata" ... */
    size_t sr;  /* index or POOL_NONE */
    uint64_t virtual_size_bytes;
    uint64_t physical_utilisation_bytes;
    bool sharable;
    bool read_only;
    bool missing;
    bool managed;
    bool on_boot_reset;
    bool cbt_enabled;
    bool is_snapshot;
    char *snapshot_of;   /* ref, NULL when none */
    int64_t snapshot_at; /* wall ms by the pool's clock; 0: no snapshot, or not told */
    char *vhd_parent;    /* sm_config vhd-parent: uuid, NULL when unknown */
    char *image_format;  /* sm_config image-format: "vhd", "qcow2"; NULL when not told */
    char *mark;          /* other_config onyxpool, NULL when none */
};

enum vbd_type { VBD_DISK, VBD_CD, VBD_FLOPPY };

struct vbd {
    char *ref;
    char *uuid;
    char *device;     /* "xvda", "hdd"; may be empty for a halted VM: see userdevice */
    char *userdevice; /* "0" */
    size_t vm;        /* index or POOL_NONE */
    size_t vdi;       /* index or POOL_NONE (empty drive) */
    enum vbd_type type;
    bool bootable;
    bool is_read_only;
    bool unpluggable;
    bool empty;
    bool currently_attached;
};

struct vif {
    char *uuid;
    char *device;
    char *network_name;
    char *mac;
    uint64_t mtu;
    struct text_map other_config;
};

enum vm_power_state { VM_HALTED, VM_PAUSED, VM_RUNNING, VM_SUSPENDED };

struct vm {
    char *ref;
    char *uuid;
    char *name;
    char *description;
    enum vm_power_state power_state;
    bool is_template;
    bool is_snapshot;
    bool is_control_domain;
    char *snapshot_of; /* ref, NULL when none */
    int64_t snapshot_at; /* as a disk's */
    size_t resident_on; /* host index or POOL_NONE */
    uint64_t memory_dynamic_max_bytes;
    uint64_t vcpus_max;
    uint64_t vcpus_at_startup;
    char *base_template_name; /* other_config base_template_name, NULL when none */
    char *os_version;         /* guest_metrics os_version["name"], "" without guest tools */
    char *suspend_vdi;        /* ref, NULL when none */
    struct text_list tags;
    struct text_list allowed_operations;
    struct text_map blocked_operations;
    struct text_map other_config;
    char *mark; /* other_config onyxpool, NULL when none; borrowed from nowhere, own copy */
    bool has_vusbs;
    size_t *vbds; /* indexes into pool.vbds */
    size_t vbds_n;
    size_t vbds_cap;
    struct vif *vifs;
    size_t vifs_n;
    size_t vifs_cap;
};

struct pool {
    char *ref;
    char *uuid;
    char *name;
    size_t master; /* host index */
    struct text_map other_config;
    struct host *hosts;
    size_t hosts_n, hosts_cap;
    struct sr *srs;
    size_t srs_n, srs_cap;
    struct vdi *vdis;
    size_t vdis_n, vdis_cap;
    struct vbd *vbds;
    size_t vbds_n, vbds_cap;
    struct vm *vms;
    size_t vms_n, vms_cap;
};

#define CLEAN_POOL CLEANUP(pool_done)

/* Start empty with zeroes (struct pool p = {0}); release everything inside. */
void pool_done(struct pool *pool);

/* Append a zeroed item with its indexes set to POOL_NONE; gives it, borrowed until the next add. */
struct host *pool_add_host(struct pool *pool);
struct sr *pool_add_sr(struct pool *pool);
struct vdi *pool_add_vdi(struct pool *pool);
struct vbd *pool_add_vbd(struct pool *pool);
struct vm *pool_add_vm(struct pool *pool);

/* Index by ref or uuid; POOL_NONE if there is none (NULL and "OpaqueRef:NULL" too). Linear: the
 * inventory builds its own tables for bulk look-ups. */
size_t pool_find_host(const struct pool *pool, const char *ref_or_uuid);
size_t pool_find_sr(const struct pool *pool, const char *ref_or_uuid);
size_t pool_find_vdi(const struct pool *pool, const char *ref_or_uuid);
size_t pool_find_vm(const struct pool *pool, const char *ref_or_uuid);

/* A VM in a person's sense: no template, snapshot or control domain. */
bool vm_is_plain(const struct vm *vm);

/* Device of a disk: device, or "xvd" + letter of userdevice when XAPI left it empty. Gives text. */
char *vbd_device_name(const struct vbd *vbd, char text[16]);

/* Whether this VBD's disk is streamed in the XVA of its VM: not a CD, not empty, SR not "iso". */
bool pool_vbd_is_exported(const struct pool *pool, const struct vbd *vbd);

/* Whether the host has an attached PBD of the SR. */
bool pool_host_sees_sr(const struct pool *pool, size_t host, size_t sr);

/* Sum over the exported disks of the VM. */
uint64_t pool_vm_virtual_bytes(const struct pool *pool, const struct vm *vm);
uint64_t pool_vm_physical_bytes(const struct pool *pool, const struct vm *vm);

const char *vm_power_state_name(enum vm_power_state state);

#endif
