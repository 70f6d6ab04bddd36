/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's runs.
 */
#include "coordinator/catalog/catalog.h"

#include <stdlib.h>

#include "common/base/str.h"
#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

#define RUN_COLUMNS                                                                                \
    "id, state, selection, pool_uuid, pool_name, store_root, store_uuid, lease, started_at,"       \
    " continued_at, finished_at, exit_status, error_code, error_origin, error_text"

void catalog_run_done(struct catalog_run *run)
{
    free(run->selection);
    free(run->pool_uuid);
    free(run->pool_name);
    free(run->store_root);
    free(run->store_uuid);
    text_list_done(&run->warnings);
    *run = (struct catalog_run){0};
}

const char *catalog_run_state_name(enum catalog_run_state state)
{
    switch (state) {
#define X(name, text, number)                                                                      \
    case CATALOG_RUN_##name:                                                                       \
        return text;
        CATALOG_RUN_STATE_TABLE(X)
#undef X
    }
    return "unknown";
}

static int catalog_insert_run(struct catalog *catalog, const struct catalog_run *run,
                              struct error *err)
{
    if (catalog_run_sql(catalog, err,
                        "INSERT INTO run(" RUN_COLUMNS
                        ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "sisssssuiiiiiss", run->id, (int64_t)run->state,
                        run->selection ? run->selection : "", run->pool_uuid, run->pool_name,
                        run->store_root, run->store_uuid, run->lease, run->started_at,
                        run->continued_at, run->finished_at, (int64_t)run->exit_status,
                        (int64_t)run->error.code, run->error.origin, run->error.text) < 0)
        return -1;
    return catalog_put_warnings(catalog, run->id, "", 0, &run->warnings, err);
}

int catalog_add_run(struct catalog *catalog, const struct catalog_run *run, struct error *err)
{
    if (catalog_enter(catalog, err) < 0)
        return -1;
    return catalog_leave(catalog, catalog_insert_run(catalog, run, err), err);
}

static int catalog_change_run(struct catalog *catalog, const struct catalog_run *run,
                              struct error *err)
{
    if (catalog_run_sql(catalog, err,
                        "UPDATE run SET state = ?, lease = ?, continued_at = ?, finished_at = ?,"
                        " exit_status = ?, error_code = ?, error_origin = ?, error_text = ?"
                        " WHERE id = ?",
                        "iuiiiisss", (int64_t)run->state, run->lease, run->continued_at,
                        run->finished_at, (int64_t)run->exit_status, (int64_t)run->error.code,
                        run->error.origin, run->error.text, run->id) < 0)
        return -1;
    if (catalog_changed_n(catalog) == 0)
        return error_set(err, ERROR_NOT_FOUND, "catalog %s has no run %s", catalog->path, run->id);
    return catalog_put_warnings(catalog, run->id, "", 0, &run->warnings, err);
}

int catalog_update_run(struct catalog *catalog, const struct catalog_run *run, struct error *err)
{
    if (catalog_enter(catalog, err) < 0)
        return -1;
    return catalog_leave(catalog, catalog_change_run(catalog, run, err), err);
}

int catalog_add_run_warning(struct catalog *catalog, const char *run, const char *text,
                            struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "INSERT OR IGNORE INTO warning(run, job, attempt, text)"
                           " VALUES(?, '', 0, ?)",
                           "ss", run, text);
}

static int catalog_read_run(struct catalog *catalog, sqlite3_stmt *row, struct catalog_run *ret,
                            struct error *err)
{
    catalog_column_id(row, 0, ret->id, sizeof ret->id);
    ret->state = (enum catalog_run_state)catalog_column_int(row, 1);
    ret->selection = catalog_column_dup(row, 2);
    ret->pool_uuid = catalog_column_dup(row, 3);
    ret->pool_name = catalog_column_dup(row, 4);
    ret->store_root = catalog_column_dup(row, 5);
    ret->store_uuid = catalog_column_dup(row, 6);
    ret->lease = (uint64_t)catalog_column_int(row, 7);
    ret->started_at = catalog_column_int(row, 8);
    ret->continued_at = catalog_column_int(row, 9);
    ret->finished_at = catalog_column_int(row, 10);
    ret->exit_status = (int)catalog_column_int(row, 11);
    catalog_column_error(row, 12, &ret->error);
    return catalog_get_warnings(catalog, ret->id, "", 0, &ret->warnings, err);
}

static int catalog_read_one_run(struct catalog *catalog, sqlite3_stmt *rows,
                                struct catalog_run *ret_run, struct error *err)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    int found = catalog_step(catalog, rows, err);

    if (found <= 0)
        return found;
    if (catalog_read_run(catalog, rows, &run, err) < 0)
        return -1;
    *ret_run = run;
    run = (struct catalog_run){0};
    return 1;
}

int catalog_find_run(struct catalog *catalog, const char *id, struct catalog_run *ret_run,
                     struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;
    CLEAN_CATALOG_RUN struct catalog_run run = {0};

    if (!id) {
        if (catalog_prepare(catalog, &rows, err,
                            "SELECT " RUN_COLUMNS
                            " FROM run ORDER BY started_at DESC, rowid DESC LIMIT 1",
                            "") < 0)
            return -1;
        return catalog_read_one_run(catalog, rows, ret_run, err);
    }
    if (!id[0])
        return 0;
    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " RUN_COLUMNS " FROM run WHERE substr(id, 1, length(?)) = ?"
                        " ORDER BY id LIMIT 2",
                        "ss", id, id) < 0)
        return -1;
    int found = catalog_read_one_run(catalog, rows, &run, err);
    if (found <= 0)
        return found;
    int more = catalog_step(catalog, rows, err);
    if (more < 0)
        return -1;
    if (more > 0)
        return error_set(err, ERROR_BAD_INPUT,
                         "several runs begin with %s: give more of the run's id", id);
    *ret_run = run;
    run = (struct catalog_run){0};
    return 1;
}

int catalog_find_unfinished_run(struct catalog *catalog, const char *selection,
                                const char *pool_uuid, const char *store_uuid, int64_t since_at,
                                struct catalog_run *ret_run, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " RUN_COLUMNS " FROM run WHERE state = ? AND selection = ?"
                        " AND pool_uuid IS ? AND store_uuid IS ? AND started_at >= ?"
                        " ORDER BY started_at DESC, rowid DESC LIMIT 1",
                        "isssi", (int64_t)CATALOG_RUN_RUNNING, selection, pool_uuid, store_uuid,
                        since_at) < 0)
        return -1;
    return catalog_read_one_run(catalog, rows, ret_run, err);
}

int catalog_abandon_runs(struct catalog *catalog, const char *except, int64_t now_at,
                         struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "UPDATE run SET state = ?, finished_at = ? WHERE state = ?"
                           " AND id IS NOT ?",
                           "iiis", (int64_t)CATALOG_RUN_ABANDONED, now_at,
                           (int64_t)CATALOG_RUN_RUNNING, except);
}

int catalog_each_run(struct catalog *catalog, size_t limit, catalog_run_fn *each, void *context,
                     struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " RUN_COLUMNS " FROM run ORDER BY started_at DESC, rowid DESC"
                        " LIMIT ?",
                        "i", limit ? (int64_t)limit : (int64_t)-1) < 0)
        return -1;
    for (;;) {
        CLEAN_CATALOG_RUN struct catalog_run run = {0};
        int found = catalog_read_one_run(catalog, rows, &run, err);

        if (found <= 0)
            return found;
        if (each(context, &run, err) < 0)
            return -1;
    }
}
