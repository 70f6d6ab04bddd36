/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's requests, which commands put where another process holds the lock.
 */
#include "coordinator/catalog/catalog.h"

#include <stdlib.h>

#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

#define REQUEST_COLUMNS                                                                            \
    "id, verb, arguments, pid, state, answer, exit_status, asked_at, answered_at"

void catalog_request_done(struct catalog_request *request)
{
    free(request->verb);
    free(request->arguments);
    free(request->answer);
    *request = (struct catalog_request){0};
}

int catalog_add_request(struct catalog *catalog, const struct catalog_request *request,
                        int64_t *ret_id, struct error *err)
{
    if (catalog_run_sql(catalog, err,
                        "INSERT INTO request(verb, arguments, pid, state, answer, exit_status,"
                        " asked_at, answered_at) VALUES(?, ?, ?, ?, NULL, 0, ?, 0)",
                        "ssiii", request->verb, request->arguments, request->pid,
                        (int64_t)REQUEST_WAITING, request->asked_at) < 0)
        return -1;
    *ret_id = sqlite3_last_insert_rowid(catalog->db);
    return 0;
}

static int catalog_read_request(struct catalog *catalog, sqlite3_stmt *rows,
                                struct catalog_request *ret, struct error *err)
{
    int found = catalog_step(catalog, rows, err);

    if (found <= 0)
        return found;
    *ret = (struct catalog_request){
        .id = catalog_column_int(rows, 0),
        .verb = catalog_column_dup(rows, 1),
        .arguments = catalog_column_dup(rows, 2),
        .pid = catalog_column_int(rows, 3),
        .state = (enum catalog_request_state)catalog_column_int(rows, 4),
        .answer = catalog_column_dup(rows, 5),
        .exit_status = (int)catalog_column_int(rows, 6),
        .asked_at = catalog_column_int(rows, 7),
        .answered_at = catalog_column_int(rows, 8),
    };
    return 1;
}

int catalog_find_request(struct catalog *catalog, int64_t id, struct catalog_request *ret_request,
                         struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " REQUEST_COLUMNS " FROM request WHERE id = ?", "i", id) < 0)
        return -1;
    return catalog_read_request(catalog, rows, ret_request, err);
}

int catalog_next_request(struct catalog *catalog, struct catalog_request *ret_request,
                         struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT " REQUEST_COLUMNS " FROM request WHERE state = ?"
                        " ORDER BY id LIMIT 1",
                        "i", (int64_t)REQUEST_WAITING) < 0)
        return -1;
    return catalog_read_request(catalog, rows, ret_request, err);
}

int catalog_answer_request(struct catalog *catalog, int64_t id, enum catalog_request_state state,
                           int exit_status, const char *answer, int64_t now_at, struct error *err)
{
    if (catalog_run_sql(catalog, err,
                        "UPDATE request SET state = ?, exit_status = ?, answer = ?,"
                        " answered_at = ? WHERE id = ?",
                        "iisii", (int64_t)state, (int64_t)exit_status, answer, now_at, id) < 0)
        return -1;
    if (catalog_changed_n(catalog) == 0)
        return error_set(err, ERROR_NOT_FOUND, "catalog %s has no request %lld", catalog->path,
                         (long long)id);
    return 0;
}
