/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A place for a test's catalog: a temporary folder, and the path of a catalog in a folder below it that
 * is not there yet.
 */
#ifndef ONYX_TESTS_CATALOG_PLACE_H
#define ONYX_TESTS_CATALOG_PLACE_H

#include "coordinator/catalog/catalog.h"

#define PLACE_FOLDER "state"
#define PLACE_RUN    "00000000000000aa"

struct place {
    char folder[64];
    char *path;
};

/* cmocka's set-up and tear-down; *state is the place. */
int place_set_up(void **state);
int place_tear_down(void **state);

/* Open the catalog, or fail the test. */
struct catalog *place_open(const struct place *place, enum catalog_mode mode);

/* A run that goes on; a planned job of PLACE_RUN, with one disk, two hosts and an SR. */
void place_add_run(struct catalog *catalog, const char *id, int64_t started_at);
void place_add_job(struct catalog *catalog, const char *id, const char *vm, const char *folder);

#endif
