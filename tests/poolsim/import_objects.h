/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What ova.xml says becomes objects of the pool, by XAPI's rules for a new VM, a restored one and
 * a replaced one.
 *
 * Order: hosts, SRs, VDIs, metrics, VMs, networks, VBDs, VIFs, VTPMs. What was made is undone when a step
 * fails, unless forced. Lock: held for all calls.
 * Source: import.ml; contract 9.1; recordings 594-595, 1353-1367, 1653-1709, 1762-1782.
 */
#ifndef ONYX_TESTS_POOLSIM_IMPORT_OBJECTS_H
#define ONYX_TESTS_POOLSIM_IMPORT_OBJECTS_H

#include <jansson.h>
#include <stdbool.h>

#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/failure.h"
#include "tests/poolsim/pool.h"

struct import_disk {
    char id[32]; /* "Ref:5", as in the file */
    char vdi_ref[REF_MAX];
    char vdi_uuid[DISK_UUID_MAX];
    uint64_t size_bytes; /* as the file says */
};

struct import {
    struct pool *pool;
    char task_ref[REF_MAX];
    char sr_ref[REF_MAX]; /* target of a full import; "" for metadata */
    bool is_restore, is_forced, is_dry_run;
    struct text_map vdi_map;                          /* uuid to uuid, metadata only */
    json_t *objects;                                  /* the file's array */
    bool has_inline_sums;                             /* export_vsn > 0 */
    struct text_map table;                            /* id to reference */
    struct text_list vms, vbds, vifs, vdis, networks; /* made here, references */
    struct import_disk *disks; /* to be streamed, in string order of their ids */
    size_t disks_n, disks_cap;
};

void import_done(struct import *import);

/* Read the text; IMPORT_INCOMPATIBLE_VERSION, IMPORT_ERROR, DUPLICATE_MAC_SEED with restore. */
int import_parse(struct import *import, const struct str *xml, struct failure *failure);

/* Make everything; on failure what was made is gone unless forced. */
int import_make(struct import *import, struct failure *failure);

/* After a failed stream: remove VMs, VDIs and networks unless forced. */
void import_undo(struct import *import);

/* Unlock the VMs; the task's result text. Caller frees. */
char *import_finish(struct import *import);

#endif
