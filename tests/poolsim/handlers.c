/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which data handler serves which path.
 */
#include "tests/poolsim/handler_vm.h"
#include "tests/poolsim/http.h"

#include "common/base/poison.h"

const struct handler_row data_handlers[] = {
    {"GET", "/export", handler_export},
    {"GET", "/export_metadata", handler_export_metadata},
    {NULL, NULL, NULL},
};
