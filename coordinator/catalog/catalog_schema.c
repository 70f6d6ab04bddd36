/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog's tables, version by version.
 *
 * Step n brings version n to n + 1. A step that was released is never changed: a change of the
 * tables is a new step at the end, and CATALOG_VERSION rises with it.
 */
#include "coordinator/catalog/catalog_schema.h"

static const char catalog_step_1[] =
    "CREATE TABLE run("
    " id TEXT PRIMARY KEY, state INTEGER NOT NULL, selection TEXT NOT NULL,"
    " pool_uuid TEXT, pool_name TEXT, store_root TEXT, store_uuid TEXT,"
    " lease INTEGER NOT NULL, started_at INTEGER NOT NULL, continued_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL, exit_status INTEGER NOT NULL,"
    " error_code INTEGER NOT NULL, error_origin TEXT, error_text TEXT);"
    "CREATE INDEX run_by_time ON run(started_at);"
    /* job '' and attempt 0: of the run as a whole */
    "CREATE TABLE warning("
    " run TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL, text TEXT NOT NULL,"
    " UNIQUE(run, job, attempt, text));"
    "CREATE TABLE job("
    " id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run(id), position INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, state INTEGER NOT NULL, reason TEXT, attempt INTEGER NOT NULL,"
    " lease INTEGER NOT NULL, vm_uuid TEXT, vm_name TEXT, host_uuid TEXT, folder TEXT,"
    " compress INTEGER NOT NULL, disk_format INTEGER NOT NULL, estimate_bytes INTEGER NOT NULL,"
    " chosen_by TEXT, idle_timeout_ms INTEGER NOT NULL,"
    " may_be_redirected INTEGER NOT NULL);"
    "CREATE INDEX job_by_run ON job(run, position);"
    "CREATE TABLE job_disk("
    " job TEXT NOT NULL REFERENCES job(id), position INTEGER NOT NULL, device TEXT,"
    " vdi_uuid TEXT, virtual_size_bytes INTEGER NOT NULL, PRIMARY KEY(job, position));"
    /* what is 'host': may run it, 'sr': is loaded by it */
    "CREATE TABLE job_place("
    " job TEXT NOT NULL REFERENCES job(id), what TEXT NOT NULL, position INTEGER NOT NULL,"
    " uuid TEXT NOT NULL, PRIMARY KEY(job, what, position));"
    "CREATE TABLE job_remains("
    " job TEXT NOT NULL REFERENCES job(id), position INTEGER NOT NULL, dead TEXT NOT NULL,"
    " attempt INTEGER NOT NULL, vm_uuid TEXT, folder TEXT, stem TEXT,"
    " PRIMARY KEY(job, position));"
    "CREATE TABLE attempt("
    " job TEXT NOT NULL REFERENCES job(id), attempt INTEGER NOT NULL,"
    " folder TEXT COLLATE NOCASE, stem TEXT COLLATE NOCASE, host_uuid TEXT, host_name TEXT,"
    " lease INTEGER NOT NULL, state INTEGER NOT NULL, is_clean INTEGER NOT NULL,"
    " assigned_at INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL,"
    " snapshot_at INTEGER NOT NULL, stream_ms INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " consistency INTEGER NOT NULL, error_code INTEGER NOT NULL, error_origin TEXT,"
    " error_text TEXT, PRIMARY KEY(job, attempt), UNIQUE(folder, stem));"
    "CREATE INDEX attempt_not_clean ON attempt(is_clean) WHERE is_clean = 0;"
    "CREATE TABLE backup("
    " id INTEGER PRIMARY KEY, folder TEXT NOT NULL COLLATE NOCASE,"
    " file TEXT NOT NULL COLLATE NOCASE, kind INTEGER NOT NULL, state INTEGER NOT NULL,"
    " vm_uuid TEXT, vm_name TEXT, device TEXT, size_bytes INTEGER NOT NULL, sha256 TEXT,"
    " proof TEXT, consistency INTEGER NOT NULL, job TEXT NOT NULL, run TEXT NOT NULL,"
    " attempt INTEGER NOT NULL, host_uuid TEXT, host_name TEXT, snapshot_at INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL, stream_ms INTEGER NOT NULL,"
    " is_pinned INTEGER NOT NULL, UNIQUE(folder, file));"
    "CREATE INDEX backup_by_vm ON backup(vm_uuid, finished_at);"
    "CREATE INDEX backup_by_run ON backup(run);"
    "CREATE TABLE agent("
    " host_uuid TEXT PRIMARY KEY, host_name TEXT, version TEXT, is_ready INTEGER NOT NULL,"
    " reason TEXT, store_root TEXT, store_uuid TEXT, store_free_bytes INTEGER NOT NULL,"
    " store_total_bytes INTEGER NOT NULL, slots_free INTEGER NOT NULL,"
    " running_n INTEGER NOT NULL, first_seen_at INTEGER NOT NULL, seen_at INTEGER NOT NULL);"
    "CREATE TABLE request("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, verb TEXT NOT NULL, arguments TEXT,"
    " pid INTEGER NOT NULL, state INTEGER NOT NULL, answer TEXT, exit_status INTEGER NOT NULL,"
    " asked_at INTEGER NOT NULL, answered_at INTEGER NOT NULL);"
    "CREATE INDEX request_waiting ON request(state);"
    "CREATE TABLE line("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, level INTEGER NOT NULL,"
    " run TEXT, host_name TEXT, room TEXT, text TEXT NOT NULL);"
    "CREATE INDEX line_by_run ON line(run);";

/* Which run removed an expired backup. */
static const char catalog_step_2[] =
    "ALTER TABLE backup ADD COLUMN expired_run TEXT;"
    "CREATE INDEX backup_by_expired_run ON backup(expired_run) WHERE expired_run IS NOT NULL;";

/* How busy agents' hosts were, and how far attempts were held back. */
static const char catalog_step_3[] =
    "ALTER TABLE agent ADD COLUMN cpu_percent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent ADD COLUMN load_percent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent ADD COLUMN rate_limit INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent ADD COLUMN hold_back TEXT;"
    "ALTER TABLE attempt ADD COLUMN throttled_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attempt ADD COLUMN rate_limit INTEGER NOT NULL DEFAULT 0;";

/* What verify jobs read and found. */
static const char catalog_step_4[] =
    "ALTER TABLE job ADD COLUMN subject TEXT;"
    "ALTER TABLE backup ADD COLUMN verified_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE backup ADD COLUMN verified_text TEXT;"
    "ALTER TABLE backup ADD COLUMN verified_run TEXT;"
    "ALTER TABLE backup ADD COLUMN is_verify_wanted INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX backup_by_verified_run ON backup(verified_run) WHERE verified_run IS NOT NULL;"
    "CREATE INDEX backup_verify_wanted ON backup(is_verify_wanted) WHERE is_verify_wanted != 0;";

/* What a run's coordinator refused or dropped on its port. */
static const char catalog_step_5[] =
    "CREATE TABLE refused("
    " run TEXT PRIMARY KEY, other_key INTEGER NOT NULL, other_version INTEGER NOT NULL,"
    " strange INTEGER NOT NULL, unreadable INTEGER NOT NULL, forged INTEGER NOT NULL,"
    " repeated INTEGER NOT NULL, second_agent INTEGER NOT NULL, shut INTEGER NOT NULL);";

const char *const catalog_steps[CATALOG_VERSION] = {
    catalog_step_1, catalog_step_2, catalog_step_3, catalog_step_4, catalog_step_5};
