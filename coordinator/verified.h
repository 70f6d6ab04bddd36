/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What verify jobs found, between the catalog and the store's own copy of it.
 */
#ifndef ONYX_COORDINATOR_VERIFIED_H
#define ONYX_COORDINATOR_VERIFIED_H

struct catalog;
struct error;
struct store;

/* Write the store's copy of every folder in which a run into this store has verified something that
 * no ended run has written there yet. */
int verified_publish(struct catalog *catalog, struct store *store, const char *store_uuid,
                     struct error *err);

/* Make the catalog know what the store's copy tells of the backups in it: of files that still have the
 * size that was verified. A verdict that the catalog has already stays. */
int verified_regain(struct catalog *catalog, struct store *store, struct error *err);

#endif
