/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Catalogs that former versions left (tests/golden/catalog, never changed): readers read them as they
 * are, the next run brings them forward, and both find what was in them.
 */
#include "coordinator/catalog/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog_sql.h"
#include "tests/unit/coordinator/catalog/catalog_place.h"

#define RUN_ID     "0123456789abcdef"
#define JOB_ID     "fedcba9876543210"
#define DUMP_BYTES (1 << 20)
#define NOBODY     65534

/* The catalog is put there and not made, so its folder has to be there. */
static int set_up(void **state)
{
    int result = place_set_up(state);
    struct place *place = *state;

    free(place->path);
    place->path = str_format("%s/catalog.db", place->folder);
    return result;
}

/* With a log beside it, as a run that died leaves it, the connection is given. */
static sqlite3 *put_former(const struct place *place, int version)
{
    CLEAN_CHAR char *file =
        str_format(TEST_SOURCE_ROOT "/tests/golden/catalog/version_%d.sql", version);
    CLEAN_STR struct str text = STR_INIT;
    sqlite3 *db = NULL;
    char *why = NULL;

    (void)unlink(place->path);
    assert_int_equal(fd_read_file(file, DUMP_BYTES, &text, NULL), 0);
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, str_text(&text), NULL, NULL, &why) != SQLITE_OK)
        fail_msg("version %d: %s", version, why);
    return db;
}

static int keep_backup(void *context, const struct backup *backup, struct error *err)
{
    (void)err;
    str_add_format(context, "%s/%s %d", backup->folder, backup->file, (int)backup->state);
    return 0;
}

static int keep_agent(void *context, const struct catalog_agent *agent, struct error *err)
{
    (void)err;
    str_add(context, agent->host_name);
    return 0;
}

static void assert_all_is_there(struct catalog *catalog)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    CLEAN_CATALOG_JOB struct catalog_job job = {0};
    CLEAN_STR struct str backups = STR_INIT, agents = STR_INIT;
    const struct catalog_backup_filter filter = {.with_expired = true};
    struct catalog_refused refused;
    struct error err = ERROR_INIT;

    assert_int_equal(catalog_find_run(catalog, RUN_ID, &run, &err), 1);
    assert_string_equal(run.pool_name, "pool");
    assert_int_equal(run.warnings.n, 1);
    assert_int_equal(catalog_find_job(catalog, JOB_ID, &job, &err), 1);
    assert_string_equal(job.job.vm_name, "web1");
    assert_int_equal(catalog_each_backup(catalog, &filter, keep_backup, &backups, &err), 0);
    assert_string_equal(str_text(&backups), "web1/backup_20231114-221320.xva 2");
    assert_int_equal(catalog_each_agent(catalog, keep_agent, &agents, &err), 0);
    assert_string_equal(str_text(&agents), "host one");
    assert_int_equal(catalog_get_refused(catalog, RUN_ID, &refused, &err), 0);
}

static int64_t version_of(const struct place *place)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;

    assert_int_equal(sqlite3_open_v2(place->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int64_t version = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return version;
}

static void former_versions_are_read_and_left_as_they_are(void **state)
{
    const struct place *place = *state;

    for (int version = 1; version < CATALOG_VERSION; version++)
        for (int has_log = 0; has_log < 2; has_log++) {
            sqlite3 *writer = put_former(place, version);
            CLEAN_STR struct str before = STR_INIT, after = STR_INIT;

            if (!has_log)
                assert_int_equal(sqlite3_close(writer), SQLITE_OK);
            assert_int_equal(fd_read_file(place->path, 4 * DUMP_BYTES, &before, NULL), 0);
            struct catalog *reader = place_open(place, CATALOG_READ);
            assert_all_is_there(reader);
            assert_int_equal(catalog_run_sql(reader, NULL, "DELETE FROM run", ""), -1);
            catalog_close(&reader);
            assert_int_equal(fd_read_file(place->path, 4 * DUMP_BYTES, &after, NULL), 0);
            assert_true(str_equal(str_text(&before), str_text(&after)) &&
                        before.len == after.len &&
                        memcmp(before.data, after.data, before.len) == 0);
            assert_int_equal(version_of(place), version);
            if (has_log)
                assert_int_equal(sqlite3_close(writer), SQLITE_OK);
        }
}

static void former_versions_are_read_where_nothing_can_be_written(void **state)
{
    const struct place *place = *state;
    const bool is_root = geteuid() == 0; /* who may write everywhere */

    for (int version = 1; version < CATALOG_VERSION; version++) {
        assert_int_equal(sqlite3_close(put_former(place, version)), SQLITE_OK);
        assert_int_equal(chmod(place->path, 0444), 0);
        assert_int_equal(chmod(place->folder, 0555), 0);
        if (is_root)
            assert_int_equal(seteuid(NOBODY), 0);
        struct catalog *reader = place_open(place, CATALOG_READ);
        assert_all_is_there(reader);
        catalog_close(&reader);
        if (is_root)
            assert_int_equal(seteuid(0), 0);
        assert_int_equal(chmod(place->folder, 0700), 0);
    }
}

static void former_versions_are_brought_forward_by_the_next_run(void **state)
{
    const struct place *place = *state;

    for (int version = 1; version < CATALOG_VERSION; version++) {
        struct catalog *asker = NULL;
        struct error error = ERROR_INIT;

        assert_int_equal(sqlite3_close(put_former(place, version)), SQLITE_OK);
        assert_int_equal(catalog_open(place->path, CATALOG_ASK, &asker, &error), -1);
        assert_int_equal(error.code, ERROR_UNSUPPORTED);
        assert_non_null(strstr(error.text, "the next run brings it forward"));
        struct catalog *writer = place_open(place, CATALOG_WRITE);
        assert_all_is_there(writer);
        catalog_close(&writer);
        assert_int_equal(version_of(place), CATALOG_VERSION);
        struct catalog *reader = place_open(place, CATALOG_READ);
        assert_all_is_there(reader);
        catalog_close(&reader);
    }
}

static void newer_version_is_refused_by_readers_and_writers(void **state)
{
    const struct place *place = *state;
    struct catalog *catalog = place_open(place, CATALOG_WRITE);
    struct error error = ERROR_INIT;

    assert_int_equal(catalog_run_sql(catalog, NULL, "PRAGMA user_version = 99", ""), 0);
    catalog_close(&catalog);
    assert_int_equal(catalog_open(place->path, CATALOG_WRITE, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
    assert_int_equal(catalog_open(place->path, CATALOG_READ, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
}

static void newer_version_is_refused_and_says_what_to_do(void **state)
{
    const struct place *place = *state;
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    sqlite3 *db = put_former(place, 1);

    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(catalog_open(place->path, CATALOG_READ, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.text, "use the newer onyxpool that wrote it"));
}

/* As a bad disk or a hand leaves it: said, not believed. */
static void former_version_that_lacks_a_table_is_an_error(void **state)
{
    const struct place *place = *state;
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    sqlite3 *db = put_former(place, 2);

    assert_int_equal(sqlite3_exec(db, "DROP TABLE agent", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(catalog_open(place->path, CATALOG_READ, &catalog, &error), -1);
    assert_true(error_is_set(&error));
    assert_null(catalog);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(former_versions_are_read_and_left_as_they_are),
        CASE(former_versions_are_read_where_nothing_can_be_written),
        CASE(former_versions_are_brought_forward_by_the_next_run),
        CASE(newer_version_is_refused_by_readers_and_writers),
        CASE(newer_version_is_refused_and_says_what_to_do),
        CASE(former_version_that_lacks_a_table_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
