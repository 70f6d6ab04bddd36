/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The generated tables as schema.c sees them. Others use schema.h.
 */
#ifndef ONYX_TESTS_POOLSIM_SCHEMA_TABLES_H
#define ONYX_TESTS_POOLSIM_SCHEMA_TABLES_H

#include "tests/poolsim/schema.h"

struct enum_row {
    const char *name;
    const char *members; /* " Halted Paused " */
};

extern const struct class_schema schema_classes[CLASSES_N];
extern const struct message schema_messages[];
extern const size_t schema_messages_count;
extern const struct enum_row schema_enums[];

#endif
