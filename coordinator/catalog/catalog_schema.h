/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The statements that make the catalog's tables, a step per version. For catalog.c and its tests.
 */
#ifndef ONYX_COORDINATOR_CATALOG_SCHEMA_H
#define ONYX_COORDINATOR_CATALOG_SCHEMA_H

#include "coordinator/catalog/catalog.h"

/* "onyx": who made the file (PRAGMA application_id). */
#define CATALOG_APPLICATION_ID 0x6f6e7978

extern const char *const catalog_steps[CATALOG_VERSION];

#endif
