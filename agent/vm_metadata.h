/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VM as XAPI describes it, taken from /export_metadata and kept in the store.
 */
#ifndef ONYX_AGENT_VM_METADATA_H
#define ONYX_AGENT_VM_METADATA_H

struct error;
struct job;
struct store;
struct xapi;

/* Keep the metadata of the job's VM under its folder and stem; those without backups go. */
int vm_metadata_keep(struct xapi *xapi, struct store *store, const struct job *job,
                     struct error *err);

#endif
