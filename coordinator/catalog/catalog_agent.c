/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's agents as they were last seen, who was refused, and the log lines of a run.
 */
#include "coordinator/catalog/catalog.h"

#include <stdlib.h>

#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

void catalog_agent_done(struct catalog_agent *agent)
{
    free(agent->host_uuid);
    free(agent->host_name);
    free(agent->version);
    free(agent->reason);
    free(agent->store_root);
    free(agent->store_uuid);
    free(agent->hold_back);
    *agent = (struct catalog_agent){0};
}

int catalog_put_agent(struct catalog *catalog, const struct catalog_agent *agent,
                      struct error *err)
{
    return catalog_run_sql(
        catalog, err,
        "INSERT INTO agent(host_uuid, host_name, version, is_ready, reason, store_root,"
        " store_uuid, store_free_bytes, store_total_bytes, slots_free, running_n, first_seen_at,"
        " seen_at, cpu_percent, load_percent, rate_limit, hold_back)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(host_uuid) DO UPDATE SET"
        " host_name = coalesce(excluded.host_name, host_name), version = excluded.version,"
        " is_ready = excluded.is_ready, reason = excluded.reason,"
        " store_root = excluded.store_root, store_uuid = excluded.store_uuid,"
        " store_free_bytes = excluded.store_free_bytes,"
        " store_total_bytes = excluded.store_total_bytes, slots_free = excluded.slots_free,"
        " running_n = excluded.running_n, seen_at = excluded.seen_at,"
        " cpu_percent = excluded.cpu_percent, load_percent = excluded.load_percent,"
        " rate_limit = excluded.rate_limit, hold_back = excluded.hold_back",
        "sssisssuuiiiiiius", agent->host_uuid, agent->host_name, agent->version,
        (int64_t)agent->is_ready, agent->reason, agent->store_root, agent->store_uuid,
        agent->store_free_bytes, agent->store_total_bytes, (int64_t)agent->slots_free,
        (int64_t)agent->running_n, agent->first_seen_at, agent->seen_at,
        (int64_t)agent->cpu_percent, (int64_t)agent->load_percent, agent->rate_limit,
        agent->hold_back);
}

int catalog_each_agent(struct catalog *catalog, catalog_agent_fn *each, void *context,
                       struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT host_uuid, host_name, version, is_ready, reason, store_root,"
                        " store_uuid, store_free_bytes, store_total_bytes, slots_free, running_n,"
                        " first_seen_at, seen_at, cpu_percent, load_percent, rate_limit, hold_back"
                        " FROM agent ORDER BY host_name, host_uuid",
                        "") < 0)
        return -1;
    for (;;) {
        CLEANUP(catalog_agent_done) struct catalog_agent agent = {0};
        int found = catalog_step(catalog, rows, err);

        if (found <= 0)
            return found;
        agent.host_uuid = catalog_column_dup(rows, 0);
        agent.host_name = catalog_column_dup(rows, 1);
        agent.version = catalog_column_dup(rows, 2);
        agent.is_ready = catalog_column_int(rows, 3) != 0;
        agent.reason = catalog_column_dup(rows, 4);
        agent.store_root = catalog_column_dup(rows, 5);
        agent.store_uuid = catalog_column_dup(rows, 6);
        agent.store_free_bytes = (uint64_t)catalog_column_int(rows, 7);
        agent.store_total_bytes = (uint64_t)catalog_column_int(rows, 8);
        agent.slots_free = (uint32_t)catalog_column_int(rows, 9);
        agent.running_n = (uint32_t)catalog_column_int(rows, 10);
        agent.first_seen_at = catalog_column_int(rows, 11);
        agent.seen_at = catalog_column_int(rows, 12);
        agent.cpu_percent = (uint32_t)catalog_column_int(rows, 13);
        agent.load_percent = (uint32_t)catalog_column_int(rows, 14);
        agent.rate_limit = (uint64_t)catalog_column_int(rows, 15);
        agent.hold_back = catalog_column_dup(rows, 16);
        if (each(context, &agent, err) < 0)
            return -1;
    }
}

int catalog_put_refused(struct catalog *catalog, const char *run,
                        const struct catalog_refused *refused, struct error *err)
{
    return catalog_run_sql(catalog, err,
                           "INSERT OR REPLACE INTO refused(run, other_key, other_version, strange,"
                           " unreadable, forged, repeated, second_agent, shut)"
                           " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           "suuuuuuuu", run, refused->other_key, refused->other_version,
                           refused->strange, refused->unreadable, refused->forged,
                           refused->repeated, refused->second_agent, refused->shut);
}

int catalog_get_refused(struct catalog *catalog, const char *run,
                        struct catalog_refused *ret_refused, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *row = NULL;
    int found;

    *ret_refused = (struct catalog_refused){0};
    if (catalog_prepare(catalog, &row, err,
                        "SELECT other_key, other_version, strange, unreadable, forged, repeated,"
                        " second_agent, shut FROM refused WHERE run = ?",
                        "s", run) < 0)
        return -1;
    found = catalog_step(catalog, row, err);
    if (found <= 0)
        return found;
    *ret_refused = (struct catalog_refused){
        .other_key = (uint64_t)catalog_column_int(row, 0),
        .other_version = (uint64_t)catalog_column_int(row, 1),
        .strange = (uint64_t)catalog_column_int(row, 2),
        .unreadable = (uint64_t)catalog_column_int(row, 3),
        .forged = (uint64_t)catalog_column_int(row, 4),
        .repeated = (uint64_t)catalog_column_int(row, 5),
        .second_agent = (uint64_t)catalog_column_int(row, 6),
        .shut = (uint64_t)catalog_column_int(row, 7),
    };
    return 0;
}

int catalog_add_line(struct catalog *catalog, const struct catalog_line *line, struct error *err)
{
    if (catalog_run_sql(catalog, err,
                        "INSERT INTO line(at, level, run, host_name, room, text)"
                        " VALUES(?, ?, ?, ?, ?, ?)",
                        "iissss", line->at, (int64_t)line->level, line->run, line->host_name,
                        line->room, line->text ? line->text : "") < 0)
        return -1;
    return catalog_run_sql(catalog, err,
                           "DELETE FROM line WHERE id <= (SELECT max(id) FROM line) - ?", "i",
                           (int64_t)CATALOG_LOG_MAX);
}

int catalog_each_line(struct catalog *catalog, const char *run, catalog_line_fn *each,
                      void *context, struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *rows = NULL;

    if (catalog_prepare(catalog, &rows, err,
                        "SELECT at, level, run, host_name, room, text FROM line"
                        " WHERE ?1 IS NULL OR run = ?1 ORDER BY id",
                        "s", run) < 0)
        return -1;
    for (;;) {
        int found = catalog_step(catalog, rows, err);

        if (found <= 0)
            return found;
        CLEAN_CHAR char *run_id = catalog_column_dup(rows, 2);
        CLEAN_CHAR char *host_name = catalog_column_dup(rows, 3);
        CLEAN_CHAR char *room = catalog_column_dup(rows, 4);
        CLEAN_CHAR char *text = catalog_column_dup(rows, 5);
        struct catalog_line line = {.at = catalog_column_int(rows, 0),
                                    .level = (int)catalog_column_int(rows, 1),
                                    .run = run_id,
                                    .host_name = host_name,
                                    .room = room,
                                    .text = text};

        if (each(context, &line, err) < 0)
            return -1;
    }
}
