/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check of a pool database dump while it streams by: well-formed XML, root <database>, and a
 * row for each host of the pool.
 *
 * While a pool is upgraded host by host XAPI sends a stub with every sign of success: it has no
 * host rows.
 * Source: xapi pool_db_backup.ml, db_xml.ml.
 */
#ifndef ONYX_COMMON_FORMAT_DB_H
#define ONYX_COMMON_FORMAT_DB_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

struct error;
struct db_check;

#define DB_PROOF "rows" /* well formed, a row for each host */

/* hosts: uuids that must have a row; none: at least one row of any host. Copied. */
struct db_check *db_check_new(const struct text_list *hosts);
void db_check_free(struct db_check *check);
#define CLEAN_DB_CHECK CLEANUP(db_check_clean)
void db_check_clean(struct db_check **check);

/* ERROR_CORRUPT, ERROR_XAPI (late answer). */
int db_check_feed(struct db_check *check, const void *bytes, size_t n, struct error *err);

/* ERROR_SHORT, ERROR_CORRUPT, ERROR_XAPI. ret_tables_n may be NULL. */
int db_check_finish(const struct db_check *check, uint64_t *ret_tables_n, struct error *err);

#endif
