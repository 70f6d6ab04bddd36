/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Selection: which VMs and disks the lists choose, and which entry chose each.
 *
 * Excludes go first, then VDI exports, then VM exports; inside a list the first entry that
 * matches a VM decides. A VM in both lists is exported both ways unless prefer_vdi is set. When
 * both lists are empty every VM is exported. Templates, snapshots and control domains are no VMs.
 * Source: manual of OnyxBackupVM, "Configuration"; docs/COMPATIBILITY.md for what differs.
 */
#ifndef ONYX_COORDINATOR_POLICY_SELECT_H
#define ONYX_COORDINATOR_POLICY_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

struct error;
struct pool;

/* The lists as the settings give them; borrowed. */
struct select_request {
    const struct text_list *excludes;
    const struct text_list *vdi_exports;
    const struct text_list *vm_exports;
    bool prefer_vdi; /* overlap = prefer_vdi: no VM export of a VM with a VDI export */
    bool is_strict;  /* a bad entry is an error, not a warning */
};

struct selected {
    size_t vm;              /* index in the pool */
    char *by;               /* the entry that decided: "vm_exports: DEV-.*" */
    int64_t max_backups;    /* 0: the global value */
    char *hook;             /* hook_list.h; NULL none */
    struct text_list disks; /* devices of a VDI export, never empty there */
};

struct selected_list {
    struct selected *items;
    size_t n, cap;
};

/* Each list is in order of lower-cased VM name, then uuid. */
struct selection {
    struct selected_list excludes;
    struct selected_list vdi_exports;
    struct selected_list vm_exports;
    struct text_list warnings;
};

void selection_done(struct selection *selection);
#define CLEAN_SELECTION CLEANUP(selection_done)

/*
 * Choose from the pool.
 *
 * Fails:  ERROR_SETTINGS (is_strict only): the first bad entry, by name.
 * Owns:   *ret_selection is the caller's, the pool is borrowed.
 */
int select_make(const struct pool *pool, const struct select_request *request,
                struct selection *ret_selection, struct error *err);

#endif
