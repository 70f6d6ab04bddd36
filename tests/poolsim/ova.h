/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ova.xml: the records of a VM and of all it needs, with references of the file's own.
 *
 * References become "Ref:N" with N from a counter of the whole process, in the order of the walk
 * (VM, VIFs and networks, VBDs with VDI and SR, metrics, guest metrics, host, affinity). A null
 * reference that was met there is an entry like any other, so a null field may read "Ref:9".
 * Source: export.ml (update_table, make_*); recordings 513, 527-530, 1011.
 */
#ifndef ONYX_TESTS_POOLSIM_OVA_H
#define ONYX_TESTS_POOLSIM_OVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/pool.h"

struct ova_options {
    bool has_snapshots;     /* metadata: snapshot fields kept, snapshots of the VM included */
    bool keeps_power_state; /* power state and suspend VDI kept */
    bool has_vhd_parents;   /* VDIs named by sm_config:vhd-parent too */
    bool has_no_vifs, has_no_vbds, has_no_vtpms; /* excluded_device_types */
};

/* A disk of the stream. */
struct ova_disk {
    char id[24]; /* "Ref:5" */
    char vdi_ref[REF_MAX];
    char vdi_uuid[DISK_UUID_MAX];
    char sr_ref[REF_MAX];
};

struct ova {
    struct str xml;
    struct ova_disk *disks; /* of the first VM, in string order of their ids */
    size_t disks_n;
    size_t disks_cap;
};

#define OVA_INIT                                                                                   \
    {                                                                                              \
        STR_INIT, NULL, 0, 0                                                                       \
    }
#define CLEAN_OVA CLEANUP(ova_done)
void ova_done(struct ova *ova);

/* Lock held. host is the one that answers. */
void ova_make(struct pool *pool, const struct host *host, const char *const *vm_refs, size_t n,
              const struct ova_options *options, struct ova *ret_ova);

#endif
