/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole pool read into the model, class by class.
 *
 * Takes seconds and a few times the model's own size for 5,000 VMs with 20,000 disks: the answer
 * for one class is held at a time, and of its records one.
 */
#ifndef ONYX_COORDINATOR_INVENTORY_H
#define ONYX_COORDINATOR_INVENTORY_H

struct error;
struct pool;
struct xapi;

/* Called behind every class, on the caller's thread: a big pool's toolstack may take minutes. */
typedef void inventory_between_fn(void *context);

/* between may be NULL. ret_pool is zero before and belongs to the caller; it is empty again after
 * an error. */
int inventory_read(struct xapi *xapi, inventory_between_fn *between, void *context,
                   struct pool *ret_pool, struct error *err);

#endif
