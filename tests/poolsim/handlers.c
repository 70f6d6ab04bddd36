/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which data handler serves which path.
 */
#include "tests/poolsim/handler_pool.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/handler_vm.h"
#include "tests/poolsim/http.h"

#include "common/base/poison.h"

const struct handler_row data_handlers[] = {
    {"GET", "/export", handler_export},
    {"GET", "/export_metadata", handler_export_metadata},
    {"GET", "/export_raw_vdi", handler_export_raw_vdi},
    {"PUT", "/import_raw_vdi", handler_import_raw_vdi},
    {"PUT", "/import", handler_import},
    {"PUT", "/import_metadata", handler_import_metadata},
    {"GET", "/host_backup", handler_host_backup},
    {"GET", "/pool/xmldbdump", handler_xmldbdump},
    {NULL, NULL, NULL},
};
