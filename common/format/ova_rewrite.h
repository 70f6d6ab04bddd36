/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ova.xml of a snapshot made into that of the VM it was taken of: the VM's uuid and name, no
 * template, our mark gone. Everything else stays byte for byte.
 *
 * So `xe vm-import preserve=true` gives the VM that was saved. The places are found by the reader
 * that checks the file, and the result is read by it again before it is given out.
 * Source: xapi export.ml (make_vm keeps uuid, name_label, is_a_template and other_config of the
 * snapshot), import.ml (restore=true).
 */
#ifndef ONYX_COMMON_FORMAT_OVA_REWRITE_H
#define ONYX_COMMON_FORMAT_OVA_REWRITE_H

#include <stddef.h>

struct error;
struct str;

#define OVA_REWRITE_MAX (4u << 20) /* bytes of ova.xml; a larger one is left as it is */
#define OVA_EDITS_MAX   4096

/* Texts are borrowed. */
struct ova_identity {
    const char *snapshot_uuid; /* the one VM in the file must have this uuid */
    const char *vm_uuid;
    const char *vm_name;
};

/*
 * Append the rewritten text to ret_text, which is untouched on failure.
 *
 * Fails:  whenever something is not understood: ERROR_CORRUPT (no ova.xml, a field twice, a result
 *         that reads otherwise than it should), ERROR_NOT_FOUND (not one VM of that uuid),
 *         ERROR_LIMIT. The original is to be kept then.
 */
int ova_rewrite(const char *text, size_t n, const struct ova_identity *identity,
                struct str *ret_text, struct error *err);

#endif
