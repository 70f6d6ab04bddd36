/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pinned backups between the catalog and the store, so that a lost catalog does not lose them.
 */
#ifndef ONYX_COORDINATOR_PINS_H
#define ONYX_COORDINATOR_PINS_H

struct catalog;
struct error;
struct store;

/* The catalog's pinned backups into the store's list, beside those it knows nothing of. */
int pins_publish(struct catalog *catalog, struct store *store, struct error *err);

/* What the store's list has becomes pinned in the catalog, where it is there. */
int pins_regain(struct catalog *catalog, struct store *store, struct error *err);

#endif
