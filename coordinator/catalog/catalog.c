/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening, versions, transactions and copies of the catalog; its tables are in the rooms
 * catalog_run, catalog_job, catalog_attempt, catalog_backup, catalog_agent and catalog_request.
 *
 * synchronous is FULL: a recorded intent must survive the power, because a snapshot follows it.
 * A reader takes a file whose folder it can't write to as immutable when there is no log beside it;
 * with a log it needs the shared memory file, which SQLite makes. One that finds a former version
 * reads a copy in memory that was brought forward: the file stays as it is until the next run.
 * Source: sqlite.org/wal.html, "Read-Only Databases"; sqlite.org/backup.html.
 */
#include "coordinator/catalog/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog_schema.h"
#include "coordinator/catalog/catalog_sql.h"

#include "common/base/poison.h"

void catalog_close(struct catalog **catalog)
{
    if (!*catalog)
        return;
    int saved = errno;

    catalog_undo(*catalog);
    sqlite3_close((*catalog)->db);
    free((*catalog)->path);
    free(*catalog);
    *catalog = NULL;
    errno = saved;
}

char *catalog_default_path(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0)
        return mem_dup("/var/lib/onyxpool/catalog.db");
    if (state && state[0] == '/')
        return str_format("%s/onyxpool/catalog.db", state);
    return str_format("%s/.local/state/onyxpool/catalog.db", home && home[0] ? home : "/tmp");
}

const char *catalog_remote_name(long type)
{
    /* Source: linux/magic.h and the kernel's fs/cifs (0xff534d42, 0xfe534d42). */
    switch ((unsigned long)type & 0xffffffffUL) {
    case 0x6969UL:
        return "NFS";
    case 0x517bUL:
    case 0xff534d42UL:
    case 0xfe534d42UL:
        return "SMB";
    default:
        return NULL;
    }
}

/* The folder must be there, on a local disk. */
static int catalog_check_place(const char *path, bool may_make, struct error *err)
{
    CLEAN_CHAR char *copy = mem_dup(path);
    const char *folder = dirname(copy);
    struct statfs facts;

    if (may_make) {
        for (char *at = strchr(copy + 1, '/'); at; at = strchr(at + 1, '/')) {
            *at = '\0';
            (void)mkdir(copy, 0700); /* the last one's failure is told below */
            *at = '/';
        }
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return error_set_sys(err, ERROR_SETTINGS, errno,
                                 "catalog %s: make its folder (choose another with --catalog)",
                                 path);
    }
    if (statfs(folder, &facts) < 0)
        return error_set_sys(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SETTINGS, errno,
                             "catalog %s: its folder", path);
    const char *remote = catalog_remote_name((long)facts.f_type);
    if (remote)
        return error_set(err, ERROR_SETTINGS,
                         "catalog %s: it is on a share (%s), where its write-ahead log does not "
                         "work: choose a file on a local disk with --catalog",
                         path, remote);
    return 0;
}

static int catalog_read_number(struct catalog *catalog, const char *pragma, int64_t *ret,
                               struct error *err)
{
    CLEAN_STATEMENT sqlite3_stmt *row = NULL;

    if (catalog_prepare(catalog, &row, err, pragma, "") < 0)
        return -1;
    int found = catalog_step(catalog, row, err);
    if (found > 0)
        *ret = catalog_column_int(row, 0);
    return found < 0 ? -1 : 0;
}

static int catalog_exec(struct catalog *catalog, const char *text, const char *doing,
                        struct error *err)
{
    int result = sqlite3_exec(catalog->db, text, NULL, NULL, NULL);

    return result == SQLITE_OK ? 0 : catalog_fail(catalog, result, doing, err);
}

static int catalog_step_forward(struct catalog *catalog, const char *const *steps, size_t steps_n,
                                struct error *err)
{
    char text[64];
    int64_t version = 0;

    /* Read again: another program may have done it while we waited for the transaction. */
    if (catalog_read_number(catalog, "PRAGMA user_version", &version, err) < 0)
        return -1;
    for (size_t i = (size_t)version; i < steps_n; i++)
        if (catalog_exec(catalog, steps[i], "make the tables", err) < 0)
            return -1;
    snprintf(text, sizeof text, "PRAGMA user_version = %zu", steps_n);
    return catalog_exec(catalog, text, "write the version", err);
}

int catalog_bring_forward(struct catalog *catalog, const char *const *steps, size_t steps_n,
                          struct error *err)
{
    int64_t version = 0;

    if (catalog_read_number(catalog, "PRAGMA user_version", &version, err) < 0)
        return -1;
    if (version < 0 || (uint64_t)version > steps_n)
        return error_set(err, ERROR_UNSUPPORTED,
                         "catalog %s has version %lld, this program knows up to %zu: use the newer "
                         "onyxpool that wrote it",
                         catalog->path, (long long)version, steps_n);
    if ((uint64_t)version == steps_n)
        return 0;
    if (catalog_enter(catalog, err) < 0)
        return -1;
    return catalog_leave(catalog, catalog_step_forward(catalog, steps, steps_n, err), err);
}

/* Whose file it is, before anything is written into it. */
static int catalog_check_owner(struct catalog *catalog, struct error *err)
{
    int64_t application = 0;
    int64_t tables_n = 0;

    if (catalog_read_number(catalog, "PRAGMA application_id", &application, err) < 0 ||
        catalog_read_number(catalog, "SELECT count(*) FROM sqlite_master", &tables_n, err) < 0)
        return -1;
    if (application == CATALOG_APPLICATION_ID)
        return 0;
    if (application != 0 || tables_n != 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s is a database of another program: choose another file with --catalog",
                         catalog->path);
    if (catalog->mode != CATALOG_WRITE)
        return error_set(err, ERROR_NOT_FOUND, "catalog %s is empty: no run was recorded in it yet",
                         catalog->path);
    return 0;
}

static int catalog_say_none(const char *path, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND,
                     "there is no catalog %s yet: run a backup first, or name another with "
                     "--catalog",
                     path);
}

/* What readers make of a former version: the whole of it in memory, brought forward. */
static int catalog_read_former(struct catalog *catalog, struct error *err)
{
    sqlite3 *file = catalog->db;
    sqlite3 *memory = NULL;
    int result = sqlite3_open_v2(":memory:", &memory,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (result == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(memory, "main", file, "main");

        if (backup != NULL) {
            sqlite3_backup_step(backup, -1);
            sqlite3_backup_finish(backup);
        }
        result = sqlite3_errcode(memory);
    }
    if (result != SQLITE_OK) {
        error_set(err, (result & 0xff) == SQLITE_BUSY ? ERROR_BUSY : ERROR_IO,
                  "catalog %s: read it into memory: %s", catalog->path,
                  memory != NULL ? sqlite3_errmsg(memory) : "no memory");
        sqlite3_close(memory);
        return -1;
    }
    sqlite3_close(file);
    catalog->db = memory;
    sqlite3_extended_result_codes(memory, 1);
    if (catalog_bring_forward(catalog, catalog_steps, CATALOG_VERSION, err) < 0)
        return -1;
    return catalog_exec(catalog, "PRAGMA query_only = ON;", "prepare", err);
}

/* An existing catalog's version, where nothing is changed. */
static int catalog_check_version(struct catalog *catalog, struct error *err)
{
    int64_t version = 0;

    if (catalog_read_number(catalog, "PRAGMA user_version", &version, err) < 0)
        return -1;
    if (version == 0) /* its first run is at it: the tables come in one step with the version */
        return catalog_say_none(catalog->path, err);
    if (version == CATALOG_VERSION)
        return 0;
    if (version > 0 && version < CATALOG_VERSION && catalog->mode == CATALOG_READ)
        return catalog_read_former(catalog, err);
    return error_set(err, ERROR_UNSUPPORTED, "catalog %s has version %lld and this program %s %d: %s",
                     catalog->path, (long long)version,
                     catalog->mode == CATALOG_READ ? "reads" : "asks in", CATALOG_VERSION,
                     version < CATALOG_VERSION ? "the next run brings it forward"
                                               : "use the newer onyxpool that wrote it");
}

static int catalog_set_up(struct catalog *catalog, struct error *err)
{
    sqlite3_busy_timeout(catalog->db, CATALOG_BUSY_MS);
    sqlite3_extended_result_codes(catalog->db, 1);
    if (catalog_check_owner(catalog, err) < 0)
        return -1;
    if (catalog->mode == CATALOG_WRITE) {
        char text[96];

        snprintf(text, sizeof text,
                 "PRAGMA journal_mode = WAL; PRAGMA application_id = %d;", CATALOG_APPLICATION_ID);
        if (catalog_exec(catalog, text, "prepare", err) < 0 ||
            catalog_bring_forward(catalog, catalog_steps, CATALOG_VERSION, err) < 0)
            return -1;
    } else if (catalog_check_version(catalog, err) < 0) {
        return -1;
    }
    return catalog_exec(catalog, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;", "prepare",
                        err);
}

/* "file:" and the path with what has a meaning there escaped. */
static char *catalog_make_uri(const char *path, const char *query)
{
    CLEAN_STR struct str uri = STR_INIT;

    str_add(&uri, "file:");
    for (const char *at = path; *at; at++) {
        if (strchr("%?#", *at))
            str_add_format(&uri, "%%%02x", (unsigned)*at);
        else
            str_add_char(&uri, *at);
    }
    str_add(&uri, query);
    return str_take(&uri);
}

static bool catalog_has_log(const char *path)
{
    CLEAN_CHAR char *log = str_format("%s-wal", path);
    struct stat facts;

    return stat(log, &facts) == 0 && facts.st_size > 0;
}

static int catalog_connect(struct catalog *catalog, const char *query, struct error *err)
{
    CLEAN_CHAR char *uri = catalog_make_uri(catalog->path, query);
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

    flags |= catalog->mode == CATALOG_READ    ? SQLITE_OPEN_READONLY
             : catalog->mode == CATALOG_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                              : SQLITE_OPEN_READWRITE;
    sqlite3_close(catalog->db);
    catalog->db = NULL;
    int result = sqlite3_open_v2(uri, &catalog->db, flags, NULL);
    if (result != SQLITE_OK)
        return catalog_fail(catalog, result, "open", err);
    return catalog_set_up(catalog, err);
}

/* The file with our mode before SQLite makes it with the umask's. */
static int catalog_make_file(const char *path, struct error *err)
{
    CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return error_set_sys(err, ERROR_SETTINGS, errno,
                             "catalog %s: open it (choose another with --catalog)", path);
    return 0;
}

int catalog_open(const char *path, enum catalog_mode mode, struct catalog **ret_catalog,
                 struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = mem_zero(1, sizeof *catalog);
    struct stat facts;

    catalog->path = mem_dup(path);
    catalog->mode = mode;
    if (catalog_check_place(path, mode == CATALOG_WRITE, err) < 0)
        return -1;
    if (mode == CATALOG_WRITE) {
        if (catalog_make_file(path, err) < 0)
            return -1;
    } else if (stat(path, &facts) < 0) {
        return errno == ENOENT ? catalog_say_none(path, err)
                               : error_set_sys(err, ERROR_SETTINGS, errno, "catalog %s", path);
    }
    if (catalog_connect(catalog, "", err) < 0) {
        if (mode != CATALOG_READ || !err || err->code != ERROR_SETTINGS || catalog_has_log(path))
            return -1;
        error_clear(err);
        if (catalog_connect(catalog, "?immutable=1", err) < 0)
            return -1;
    }
    *ret_catalog = catalog;
    catalog = NULL;
    return 0;
}

int catalog_begin(struct catalog *catalog, struct error *err)
{
    if (catalog_enter(catalog, err) < 0)
        return -1;
    catalog->in_change = true;
    return 0;
}

int catalog_commit(struct catalog *catalog, struct error *err)
{
    if (catalog_run_sql(catalog, err, "COMMIT", "") < 0) {
        catalog_undo(catalog);
        return -1;
    }
    catalog->in_change = false;
    return 0;
}

void catalog_undo(struct catalog *catalog)
{
    if (catalog->db && !sqlite3_get_autocommit(catalog->db))
        catalog_run_sql(catalog, NULL, "ROLLBACK", "");
    catalog->in_change = false;
}

int catalog_read_stamp(struct catalog *catalog, int64_t *ret_stamp, struct error *err)
{
    return catalog_read_number(catalog, "PRAGMA data_version", ret_stamp, err);
}

static int catalog_copy_into(struct catalog *catalog, const char *path, struct error *err)
{
    sqlite3 *copy = NULL;
    int result = sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    if (result == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(copy, "main", catalog->db, "main");

        /* All pages at once: nobody else writes for long. The copy does without a log of its own,
         * so that it is one file. */
        if (backup) {
            sqlite3_backup_step(backup, -1);
            sqlite3_backup_finish(backup);
        }
        result = sqlite3_errcode(copy);
        if (result == SQLITE_OK)
            result = sqlite3_exec(copy, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    }
    if (result != SQLITE_OK)
        error_set(err, (result & 0xff) == SQLITE_FULL ? ERROR_NO_SPACE : ERROR_IO,
                  "copy the catalog to %s: %s", path, copy ? sqlite3_errmsg(copy) : "no memory");
    sqlite3_close(copy);
    return result == SQLITE_OK ? 0 : -1;
}

static int catalog_publish_copy(const char *partial, const char *path, struct error *err)
{
    CLEAN_CHAR char *copy = mem_dup(path);
    CLEAN_FD int file = open(partial, O_RDWR | O_CLOEXEC);

    if (file < 0 || fsync(file) < 0 || rename(partial, path) < 0)
        return error_set_sys(err, ERROR_IO, errno, "publish the catalog's copy %s", path);
    CLEAN_FD int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        (void)fsync(folder); /* SMB has no fsync of folders; the copy is made anew each run */
    return 0;
}

int catalog_copy(struct catalog *catalog, const char *path, struct error *err)
{
    CLEAN_CHAR char *partial = str_format("%s.partial", path);

    (void)unlink(partial);
    if (catalog_copy_into(catalog, partial, err) == 0 &&
        catalog_publish_copy(partial, path, err) == 0)
        return 0;
    (void)unlink(partial);
    return -1;
}
