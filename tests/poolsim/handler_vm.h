/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data handlers of whole VMs: exports, imports, with and without disks.
 */
#ifndef ONYX_TESTS_POOLSIM_HANDLER_VM_H
#define ONYX_TESTS_POOLSIM_HANDLER_VM_H

#include "tests/poolsim/http.h"

/* Source: export.ml handler; contract 4.3, 4.4, 5, 6, 15; recordings 501-526, 1009-1089. */
handler_fn handler_export;

/* Source: export.ml metadata_handler; recordings 527-533. */
handler_fn handler_export_metadata;

/* Source: import.ml handler; contract 9.1, 9.2; recordings 589-605, 1353-1431, 1653-1782. */
handler_fn handler_import;

/* Source: import.ml metadata_handler; recordings 606-611. */
handler_fn handler_import_metadata;

/* The VM that ref or uuid names, as its reference (which may be of no VM): 0, or -1 and the 500
 * page is written. */
int handler_vm_of_request(struct connection *connection, struct request *request,
                          char ret_ref[REF_MAX]);

/* OCaml's bool_of_string on a query value: 0 with *ret, or -1 and the 500 page is written. */
int handler_query_bool(struct connection *connection, struct request *request, const char *name,
                       bool absent, bool *ret);

#endif
