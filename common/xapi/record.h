/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records of XAPI made into the model: one function a class, tolerant of fields that are missing,
 * more or of another type than this release knows.
 *
 * Objects point at each other by index, so a class is read after those it points at, in the order
 * of RECORD_ORDER. A reference that leads nowhere is POOL_NONE, or the object is left out where
 * it makes no sense without (a VBD without VM). Look-ups are by hash: made for 20,000 disks.
 * Source: xapi datamodel.ml and its parts, field by field in docs/DESIGN.md's terms.
 */
#ifndef ONYX_COMMON_XAPI_RECORD_H
#define ONYX_COMMON_XAPI_RECORD_H

#include <jansson.h>
#include <stddef.h>

#include "common/base/mem.h"

struct error;
struct pool;
struct xapi;

/* Class as XAPI writes it, handler. The order in which they are read. */
#define RECORD_ORDER(X)                                                                            \
    X("host_metrics", host_metrics)                                                                \
    X("host", host)                                                                                \
    X("pool", pool)                                                                                \
    X("SM", sm)                                                                                    \
    X("SR", sr)                                                                                    \
    X("PBD", pbd)                                                                                  \
    X("VDI", vdi)                                                                                  \
    X("VM_guest_metrics", guest_metrics)                                                           \
    X("network", network)                                                                          \
    X("VM", vm)                                                                                    \
    X("VBD", vbd)                                                                                  \
    X("VIF", vif)

#define RECORD_TEXT_MAX    65536   /* bytes of one text that are kept */
#define RECORD_ITEMS_MAX   1024    /* members of one map or set that are kept */
#define RECORD_OBJECTS_MAX 1000000 /* of one class */

struct record_reader;

/* Fills pool, which is zero and outlives the reader. */
struct record_reader *record_reader_new(struct pool *pool);
void record_reader_free(struct record_reader *reader);
void record_reader_clean(struct record_reader **reader);
#define CLEAN_RECORD_READER CLEANUP(record_reader_clean)

/* One function a class: ERROR_PROTOCOL for what is no record or has no uuid, ERROR_LIMIT. */
#define X(class_name, name)                                                                        \
    int record_add_##name(struct record_reader *reader, const char *ref, const json_t *record,     \
                          struct error *err);
RECORD_ORDER(X)
#undef X

/* After the last class: ERROR_PROTOCOL when there is no pool or no master in what was read. */
int record_reader_finish(struct record_reader *reader, struct error *err);

/*
 * What a worker needs to know of one VM, read object by object: the pool and its hosts, the VM
 * (vms[0]) with its VBDs, their VDIs, SRs and PBDs, its VIFs and guest metrics. ret_pool is zero.
 * What vanishes meanwhile is left out.
 *
 * Fails:  ERROR_XAPI_GONE when there is no such VM.
 */
int record_read_vm(struct xapi *xapi, const char *ref_or_uuid, struct pool *ret_pool,
                   struct error *err);

/*
 * Less of it, in fewer calls: the VM (vms[0]) with its VBDs, their VDIs and that of its suspend image, and
 * the SRs of those without who sees them. No pool, no hosts. ret_pool is zero.
 *
 * Fails:  ERROR_XAPI_GONE when there is no such VM.
 */
int record_read_disks(struct xapi *xapi, const char *ref, struct pool *ret_pool,
                      struct error *err);

#endif
