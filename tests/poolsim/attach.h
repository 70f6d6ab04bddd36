/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk attached to dom0 while a handler reads or writes it, and where a stream may run.
 *
 * Attaching shows as one more VBD of the VDI: VM = the host's control domain, currently_attached
 * true, which makes VDI.destroy say VDI_IN_USE. Source: sm_fs_ops.ml, attach_helpers.ml;
 * recordings 1111-1112, 1812-1819.
 */
#ifndef ONYX_TESTS_POOLSIM_ATTACH_H
#define ONYX_TESTS_POOLSIM_ATTACH_H

#include <stdbool.h>

#include "common/base/text_list.h"
#include "tests/poolsim/pool.h"

/* Lock held. Gives the VBD's reference. */
void attach_to_dom0(struct host *host, const char *vdi_ref, bool is_read_only,
                    char ret_vbd_ref[REF_MAX]);

/* Lock held. Does nothing if somebody has destroyed it meanwhile. */
void attach_end(struct pool *pool, const char *vbd_ref);

/* SRs of all non-empty VBDs of the VM, CD drives included, and of the suspend VDI if it is
 * Suspended. Lock held. Source: contract 5. 0, or -1 when there is no such VM. */
int attach_vm_srs(struct pool *pool, const char *vm_ref, struct text_list *ret_srs);

/* Whether the VDI's SR keeps its disks as VHDs: allocation by 2 MiB clusters, base= works. Others
 * hold raw devices. Lock held. */
bool attach_is_qcow2_backed(struct pool *pool, const char *vdi_ref);
bool attach_is_vhd_backed(struct pool *pool, const char *vdi_ref);

/* Whether this host sees them all. Lock held. */
bool attach_host_sees(struct pool *pool, const struct host *host, const struct text_list *srs);

#endif
