/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the rooms of the catalog share: statements with bound values, scopes, and SQLite's results
 * as our errors. Included by catalog*.c and its tests alone.
 */
#ifndef ONYX_COORDINATOR_CATALOG_SQL_H
#define ONYX_COORDINATOR_CATALOG_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "coordinator/catalog/catalog.h"

struct catalog {
    sqlite3 *db;
    char *path;
    enum catalog_mode mode;
    bool in_change; /* between catalog_begin and commit or undo */
};

/* An owned statement is a sqlite3_stmt * initialised to NULL. */
#define CLEAN_STATEMENT CLEANUP(catalog_statement_done)
void catalog_statement_done(sqlite3_stmt **statement);

/* The error of the last call on this catalog that gave result. Always -1. */
int catalog_fail(const struct catalog *catalog, int result, const char *doing, struct error *err);

/*
 * Prepare a statement and bind its parameters in order.
 *
 * types has a letter per parameter: s const char * (NULL gives NULL), i int64_t, u uint64_t.
 * Owns: caller finishes *ret.
 */
int catalog_prepare(struct catalog *catalog, sqlite3_stmt **ret, struct error *err,
                    const char *text, const char *types, ...);

/* 1 a row, 0 the end, -1 failed. */
int catalog_step(struct catalog *catalog, sqlite3_stmt *statement, struct error *err);

/* Prepare, bind, run to the end; rows are dropped. */
int catalog_run_sql(struct catalog *catalog, struct error *err, const char *text,
                    const char *types, ...);

/* Rows changed by the last statement. */
int64_t catalog_changed_n(const struct catalog *catalog);

/* A column's text: NULL for SQL's NULL. Borrowed until the next step. */
const char *catalog_column_text(sqlite3_stmt *statement, int column);
/* The same as heap memory. */
char *catalog_column_dup(sqlite3_stmt *statement, int column);
int64_t catalog_column_int(sqlite3_stmt *statement, int column);
/* An id column into its field; too long ones are cut. */
void catalog_column_id(sqlite3_stmt *statement, int column, char *field, size_t field_size);
/* Three columns from the given one: code, origin, text. */
void catalog_column_error(sqlite3_stmt *statement, int column, struct error *ret);

/* Several statements as one: a transaction of its own, or a part of the open one. */
int catalog_enter(struct catalog *catalog, struct error *err);
/* With result 0 keep, else undo; gives result, or -1 if keeping fails. */
int catalog_leave(struct catalog *catalog, int result, struct error *err);

/* Bring the tables from user_version to steps_n, one step after the other, in one transaction. */
int catalog_bring_forward(struct catalog *catalog, const char *const *steps, size_t steps_n,
                          struct error *err);

/* "NFS", "SMB" for file systems on which a write-ahead log does not work (statfs f_type), else
 * NULL. */
const char *catalog_remote_name(long type);

/* Texts of a table with (owner columns, position, text). */
int catalog_put_warnings(struct catalog *catalog, const char *run, const char *job,
                         uint32_t attempt, const struct text_list *texts, struct error *err);
int catalog_get_warnings(struct catalog *catalog, const char *run, const char *job,
                         uint32_t attempt, struct text_list *ret, struct error *err);

#endif
