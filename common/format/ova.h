/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ova.xml, the first member of an XVA, in pieces: which VM it is and which disks must follow.
 *
 * Disks that an import expects: those of VBDs that are no CDs, on SRs whose content is no "iso",
 * and suspend images; in string order of their refs, as they stand in the archive.
 * Source: xapi importexport.ml (header, of_table), import.ml (get_vdis), export.ml.
 */
#ifndef ONYX_COMMON_FORMAT_OVA_H
#define ONYX_COMMON_FORMAT_OVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/format/xmlrpc.h"

struct error;
struct ova_reader;

#define OVA_TEXT_MAX    XMLRPC_TEXT_MAX /* longer names are cut */
#define OVA_OBJECTS_MAX 4096            /* of one class */
#define OVA_REF_MAX     32              /* "Ref:4711" */

struct ova_disk {
    char ref[OVA_REF_MAX];
    char *vdi_uuid;
    char *vdi_name;
    char *device;     /* may be empty: see userdevice */
    char *userdevice; /* "0"; empty for a suspend image */
    uint64_t virtual_size_bytes;
    bool is_suspend;
};

struct ova {
    char *product_brand;
    char *product_version;
    char *build_number;
    int64_t xapi_major, xapi_minor, export_vsn;
    char *vm_uuid; /* of the first VM */
    char *vm_name;
    char *vm_power_state;
    bool vm_is_template; /* an import gives a template then */
    struct ova_disk *disks;
    size_t disks_n;
};

void ova_done(struct ova *ova);
#define CLEAN_OVA CLEANUP(ova_done)

struct ova_reader *ova_reader_new(void);
void ova_reader_free(struct ova_reader *reader);
#define CLEAN_OVA_READER CLEANUP(ova_reader_clean)
void ova_reader_clean(struct ova_reader **reader);

/* ERROR_CORRUPT when it is no XML-RPC value, ERROR_LIMIT when it holds too much. */
int ova_reader_feed(struct ova_reader *reader, const void *bytes, size_t n, struct error *err);

/* Fills *ret (zero or done before). ERROR_SHORT when it is cut, ERROR_CORRUPT when it names no VM
 * or a disk lacks what an import needs. */
int ova_reader_finish(struct ova_reader *reader, struct ova *ret, struct error *err);

#endif
