/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The .meta file beside a backup: what the VM was, as OnyxBackupVM wrote it, and a section of ours
 * that commits the backup.
 *
 *     ******* VM *******          name_label, name_description, memory_dynamic_max, VCPUs_max,
 *                                 VCPUs_at_startup, base_template_name, os_version, orig_uuid
 *     ******* DISK *******        one per disk, with a part "---- VDI ----"
 *     ******* VIF *******         one per interface
 *     ******* ONYXPOOL *******    onyxpool_format=1 first, onyxpool_end=1 last
 *
 * Lines are key=value. In files of ours LF, CR and a % before two hex digits are percent-encoded
 * in values; times are UTC. Unknown keys and sections are ignored; a file without our section is
 * OnyxBackupVM's (is_ours false) and read as it stands. The format number is raised only when an
 * older reader would misunderstand the file, so a reader refuses a higher one.
 * Source: OnyxBackupVM manual, "metadata"; docs/DESIGN.md, Words on disk.
 */
#ifndef ONYX_COMMON_FORMAT_META_H
#define ONYX_COMMON_FORMAT_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/model/backup.h"
#include "common/model/pool.h"

struct error;
struct str;

#define META_MAX (1u << 20)
#define META_DISKS_MAX 256
#define META_VIFS_MAX 256
#define META_FORMAT 1

struct meta_disk {
    char *device;
    char *userdevice;
    bool bootable;
    char *mode; /* "RW", "RO" */
    char *type; /* "Disk" */
    bool unpluggable;
    bool empty;
    char *uuid;
    bool has_vdi; /* the part of the VDI is there */
    char *vdi_name;
    char *vdi_description;
    uint64_t virtual_size_bytes;
    char *vdi_type;
    bool sharable;
    bool read_only;
    char *vdi_uuid;
    char *sr_uuid;
};

struct meta_vif {
    char *device;
    char *network_name;
    uint64_t mtu;
    char *mac;
    char *other_config; /* as text: "{'ethtool-gso': 'off'}" */
    char *uuid;
};

/* Texts may be NULL (written as an empty value, or not at all where optional); after parse they are
 * NULL only if the key was not there. */
struct meta {
    bool has_vm;
    char *vm_name;
    char *vm_description;
    uint64_t memory_dynamic_max_bytes;
    uint64_t vcpus_max;
    uint64_t vcpus_at_startup;
    char *base_template_name; /* optional */
    char *os_version;
    char *vm_uuid;
    struct meta_disk *disks;
    size_t disks_n, disks_cap;
    struct meta_vif *vifs;
    size_t vifs_n, vifs_cap;

    bool is_ours; /* the rest is there */
    /* folder, is_pinned and state are not in the file; parse gives state BACKUP_PROVEN to ours and
     * BACKUP_FOUND to others. Times are whole seconds, 0 = not told. */
    struct backup backup;
    enum job_compress compress;
    char *tool; /* "onyxpool 0.1.0" */
};

void meta_done(struct meta *meta);
#define CLEAN_META CLEANUP(meta_done)

/* Append a zeroed item; borrowed until the next add. */
struct meta_disk *meta_add_disk(struct meta *meta);
struct meta_vif *meta_add_vif(struct meta *meta);

/* Fill the manual's part from a VM of the pool: disks are its VBDs of type Disk. */
void meta_set_vm(struct meta *meta, const struct pool *pool, const struct vm *vm);

/* Append the file's text. */
void meta_format(const struct meta *meta, struct str *out);

/* Fill *ret (zero or done before). ERROR_LIMIT over META_MAX or too many sections; ERROR_CORRUPT
 * when our section is cut or a value in it is none; ERROR_UNSUPPORTED for a higher format. */
int meta_parse(const char *text, size_t n, struct meta *ret, struct error *err);

#endif
