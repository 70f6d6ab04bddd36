/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SQLite behind a handful of functions: every value is bound, never written into a statement, and
 * every result becomes an error that says what to do.
 *
 * A scope of its own begins IMMEDIATE: a transaction that reads first and writes later can lose
 * its place to another writer without the busy time-out being used.
 * Source: sqlite.org/lang_transaction.html, sqlite.org/rescode.html.
 */
#include "coordinator/catalog/catalog_sql.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

void catalog_statement_done(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
    *statement = NULL;
}

int catalog_fail(const struct catalog *catalog, int result, const char *doing, struct error *err)
{
    const char *why = catalog->db ? sqlite3_errmsg(catalog->db) : sqlite3_errstr(result);

    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, ERROR_BUSY,
                         "catalog %s: %s: another program has been writing to it for %d s",
                         catalog->path, doing, CATALOG_BUSY_MS / 1000);
    case SQLITE_FULL:
        return error_set(err, ERROR_NO_SPACE, "catalog %s: %s: the disk is full", catalog->path,
                         doing);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, ERROR_CORRUPT,
                         "catalog %s: %s: %s. Move it away and copy the newest catalog from the "
                         "folder .onyxpool of the store in its place",
                         catalog->path, doing, why);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return error_set(err, ERROR_SETTINGS,
                         "catalog %s: %s: %s. Check the owner and the rights of the file and its "
                         "folder, or choose another file with --catalog",
                         catalog->path, doing, why);
    case SQLITE_CONSTRAINT:
        return error_set(err, ERROR_EXISTS, "catalog %s: %s: %s", catalog->path, doing, why);
    case SQLITE_NOMEM:
        return error_set(err, ERROR_NO_MEMORY, "catalog %s: %s: no memory", catalog->path, doing);
    default:
        return error_set(err, ERROR_IO, "catalog %s: %s: %s", catalog->path, doing, why);
    }
}

static int catalog_bind(struct catalog *catalog, sqlite3_stmt *statement, const char *types,
                        va_list args, struct error *err)
{
    for (int i = 0; types[i]; i++) {
        const char *text = NULL;
        int result = SQLITE_OK;

        switch (types[i]) {
        case 's':
            text = va_arg(args, const char *);
            result = text ? sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_TRANSIENT)
                          : sqlite3_bind_null(statement, i + 1);
            break;
        case 'u':
            result = sqlite3_bind_int64(statement, i + 1, (sqlite3_int64)va_arg(args, uint64_t));
            break;
        default:
            result = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
            break;
        }
        if (result != SQLITE_OK)
            return catalog_fail(catalog, result, "bind a value", err);
    }
    return 0;
}

static int catalog_prepare_v(struct catalog *catalog, sqlite3_stmt **ret, struct error *err,
                             const char *text, const char *types, va_list args)
{
    CLEAN_STATEMENT sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(catalog->db, text, -1, &statement, NULL);

    if (result != SQLITE_OK)
        return catalog_fail(catalog, result, "prepare", err);
    if (catalog_bind(catalog, statement, types, args, err) < 0)
        return -1;
    *ret = statement;
    statement = NULL;
    return 0;
}

int catalog_prepare(struct catalog *catalog, sqlite3_stmt **ret, struct error *err,
                    const char *text, const char *types, ...)
{
    va_list args;

    va_start(args, types);
    int result = catalog_prepare_v(catalog, ret, err, text, types, args);
    va_end(args);
    return result;
}

int catalog_step(struct catalog *catalog, sqlite3_stmt *statement, struct error *err)
{
    int result = sqlite3_step(statement);

    if (result == SQLITE_ROW)
        return 1;
    if (result == SQLITE_DONE)
        return 0;
    return catalog_fail(catalog, result, sqlite3_stmt_readonly(statement) ? "read" : "write", err);
}

int catalog_run_sql(struct catalog *catalog, struct error *err, const char *text,
                    const char *types, ...)
{
    CLEAN_STATEMENT sqlite3_stmt *statement = NULL;
    va_list args;

    va_start(args, types);
    int result = catalog_prepare_v(catalog, &statement, err, text, types, args);
    va_end(args);
    if (result < 0)
        return -1;
    do
        result = catalog_step(catalog, statement, err);
    while (result > 0);
    return result;
}

int64_t catalog_changed_n(const struct catalog *catalog)
{
    return sqlite3_changes(catalog->db);
}

const char *catalog_column_text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

char *catalog_column_dup(sqlite3_stmt *statement, int column)
{
    return mem_dup(catalog_column_text(statement, column));
}

int64_t catalog_column_int(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}

void catalog_column_id(sqlite3_stmt *statement, int column, char *field, size_t field_size)
{
    const char *text = catalog_column_text(statement, column);

    str_copy(field, field_size, text ? text : "");
}

void catalog_column_error(sqlite3_stmt *statement, int column, struct error *ret)
{
    const char *origin = catalog_column_text(statement, column + 1);
    int number = sqlite3_column_int(statement, column);

    error_clear(ret);
    if (number == ERROR_NONE)
        return;
    const char *text = catalog_column_text(statement, column + 2);
    error_set(ret, error_code_from_number(number), "%s", text ? text : "");
    error_set_origin(ret, origin ? origin : "");
}

int catalog_enter(struct catalog *catalog, struct error *err)
{
    return catalog_run_sql(catalog, err, catalog->in_change ? "SAVEPOINT part" : "BEGIN IMMEDIATE",
                           "");
}

static void catalog_drop(struct catalog *catalog)
{
    /* SQLite may have rolled back by itself (disk full); undoing again is then an error of no
     * consequence. */
    if (catalog->in_change) {
        catalog_run_sql(catalog, NULL, "ROLLBACK TO part", "");
        catalog_run_sql(catalog, NULL, "RELEASE part", "");
    } else if (!sqlite3_get_autocommit(catalog->db)) {
        catalog_run_sql(catalog, NULL, "ROLLBACK", "");
    }
}

int catalog_leave(struct catalog *catalog, int result, struct error *err)
{
    if (result < 0) {
        catalog_drop(catalog);
        return result;
    }
    if (catalog_run_sql(catalog, err, catalog->in_change ? "RELEASE part" : "COMMIT", "") == 0)
        return result;
    catalog_drop(catalog);
    return -1;
}

int catalog_put_warnings(struct catalog *catalog, const char *run, const char *job,
                         uint32_t attempt, const struct text_list *texts, struct error *err)
{
    for (size_t i = 0; i < texts->n; i++)
        if (catalog_run_sql(catalog, err,
                            "INSERT OR IGNORE INTO warning(run, job, attempt, text)"
                            " VALUES(?, ?, ?, ?)",
                            "ssis", run, job, (int64_t)attempt, texts->items[i]) < 0)
            return -1;
    return 0;
}

int catalog_get_warnings(struct catalog *catalog, const char *run, const char *job,
                         uint32_t attempt, struct text_list *ret, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;
    int more = 0;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT text FROM warning WHERE run = ? AND job = ? AND attempt = ?"
                        " ORDER BY rowid",
                        "ssi", run, job, (int64_t)attempt) < 0)
        return -1;
    while ((more = catalog_step(catalog, rows, err)) > 0)
        text_list_add(ret, catalog_column_text(rows, 0));
    return more;
}
