/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog: the record of runs, jobs, attempts, backups, agents and requests on the
 * coordinator's local disk.
 *
 * It is an index; the files on the share are the truth. The only room that knows SQLite. One
 * process writes at a time (coordinator/catalog/lock.h), any number read beside it: write-ahead log, so a
 * reader never waits for a run. An attempt's row is the recorded intent: it is committed before an
 * agent hears of the attempt, and says whether anything of it can still be in pool or store.
 *
 * Version rule: CATALOG_VERSION rises with every change of the tables. A writer brings an older
 * catalog forward in one transaction, a reader reads this version only, and nobody touches a newer
 * one (ERROR_UNSUPPORTED says which program to use).
 *
 * A struct catalog belongs to one thread at a time. Texts given to a callback live as long as the
 * call. Times are wall ms UTC.
 */
#ifndef ONYX_COORDINATOR_CATALOG_H
#define ONYX_COORDINATOR_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/model/backup.h"
#include "common/model/job.h"

#define CATALOG_VERSION 5
#define CATALOG_BUSY_MS 10000
#define CATALOG_LOG_MAX 20000 /* newest lines that are kept */

struct catalog;

/* read: also one of a former version, as it is now. ask: an existing catalog, to put a request into
 * it. */
enum catalog_mode { CATALOG_READ, CATALOG_ASK, CATALOG_WRITE };

/*
 * Open, and with CATALOG_WRITE make (folders 0700, file 0600) or bring forward; only the holder of
 * the lock does that.
 *
 * Fails:  ERROR_NOT_FOUND (read, ask: there is none yet), ERROR_SETTINGS (on a network share, path not
 *         usable), ERROR_UNSUPPORTED (newer or foreign file), ERROR_CORRUPT, ERROR_BUSY, ERROR_IO.
 */
int catalog_open(const char *path, enum catalog_mode mode, struct catalog **ret_catalog,
                 struct error *err);
void catalog_close(struct catalog **catalog);
#define CLEAN_CATALOG CLEANUP(catalog_close)

/* "$XDG_STATE_HOME/onyxpool/catalog.db" and its kin; /var/lib/onyxpool/catalog.db for root.
 * Caller frees. */
char *catalog_default_path(void);

/* Several changes as one: all or none. Not nested. A function that fails undoes its own part; its
 * caller undoes the rest. */
int catalog_begin(struct catalog *catalog, struct error *err);
int catalog_commit(struct catalog *catalog, struct error *err);
void catalog_undo(struct catalog *catalog); /* no-op outside of begin */

/* Rises when another process has committed something (data_version). */
int catalog_read_stamp(struct catalog *catalog, int64_t *ret_stamp, struct error *err);

/* A whole copy in one file, while the catalog is in use; path is replaced when it is complete. */
int catalog_copy(struct catalog *catalog, const char *path, struct error *err);

/* ---- runs ---- */

/* Number, name: as for jobs, numbers stand in the catalog and are never reused. */
#define CATALOG_RUN_STATE_TABLE(X)                                                                 \
    X(RUNNING, "running", 1)                                                                       \
    X(DONE, "done", 2)                                                                             \
    X(FAILED, "failed", 3)                                                                         \
    X(INTERRUPTED, "interrupted", 4)                                                               \
    X(ABANDONED, "abandoned", 5)

enum catalog_run_state {
#define X(name, text, number) CATALOG_RUN_##name = number,
    CATALOG_RUN_STATE_TABLE(X)
#undef X
};

struct catalog_run {
    char id[RUN_ID_MAX];
    enum catalog_run_state state; /* running without a living coordinator: it died */
    char *selection;   /* canonical text of what was asked for; equal texts may be continued */
    char *pool_uuid;
    char *pool_name;
    char *store_root;
    char *store_uuid;
    uint64_t lease;
    int64_t started_at;
    int64_t continued_at; /* 0: never */
    int64_t finished_at;  /* 0: not yet */
    int exit_status;
    struct error error;          /* what ended the run as a whole, if anything did */
    struct text_list warnings;
};

void catalog_run_done(struct catalog_run *run);
#define CLEAN_CATALOG_RUN CLEANUP(catalog_run_done)
const char *catalog_run_state_name(enum catalog_run_state state);

int catalog_add_run(struct catalog *catalog, const struct catalog_run *run, struct error *err);
/* State, lease, continued_at, finished_at, exit_status, error of run->id; warnings are added to
 * those that stand there already, twins left out. */
int catalog_update_run(struct catalog *catalog, const struct catalog_run *run, struct error *err);

int catalog_add_run_warning(struct catalog *catalog, const char *run, const char *text,
                            struct error *err);

/* By id, by a beginning of an id that fits one run only, or NULL: the newest. 1, 0, -1;
 * ERROR_BAD_INPUT when several begin so. */
int catalog_find_run(struct catalog *catalog, const char *id, struct catalog_run *ret_run,
                     struct error *err);
/* The newest run in state running with this selection, pool and store, begun after since_at. */
int catalog_find_unfinished_run(struct catalog *catalog, const char *selection,
                                const char *pool_uuid, const char *store_uuid, int64_t since_at,
                                struct catalog_run *ret_run, struct error *err);
/* Every other run in state running becomes abandoned (except may be NULL). */
int catalog_abandon_runs(struct catalog *catalog, const char *except, int64_t now_at,
                         struct error *err);

typedef int catalog_run_fn(void *context, const struct catalog_run *run, struct error *err);
/* Newest first; limit 0 = all. A callback's -1 ends the reading. */
int catalog_each_run(struct catalog *catalog, size_t limit, catalog_run_fn *each, void *context,
                     struct error *err);

/* ---- jobs and their attempts ---- */

struct catalog_job {
    struct job job;        /* attempt and stem: of the newest attempt; attempt 0: none yet */
    size_t position;       /* in the plan */
    enum job_state state;
    char *reason;          /* waiting or skipped: why; failed: the error's text */
    struct text_list hosts; /* uuids of the hosts that may run it */
    struct text_list srs;   /* uuids of the SRs it loads */
    bool may_be_redirected; /* another host may try it when none of hosts has an agent */
    bool is_open;           /* read only: its newest attempt has not ended */
    char *open_host_uuid;   /* read only: where that attempt is; NULL when there is none */
};

void catalog_job_done(struct catalog_job *job);
#define CLEAN_CATALOG_JOB CLEANUP(catalog_job_done)
/* Into an empty one. */
void catalog_job_copy(struct catalog_job *to, const struct catalog_job *from);

/* job->job.id and run must be set. A job that stands there already gets the new values; its
 * attempts stay, and done stays done. */
int catalog_put_job(struct catalog *catalog, const struct catalog_job *job, struct error *err);
int catalog_set_job_state(struct catalog *catalog, const char *id, enum job_state state,
                          const char *reason, struct error *err);
int catalog_find_job(struct catalog *catalog, const char *id, struct catalog_job *ret_job,
                     struct error *err);
typedef int catalog_job_fn(void *context, const struct catalog_job *job, struct error *err);
/* In the plan's order. */
int catalog_each_job(struct catalog *catalog, const char *run, catalog_job_fn *each, void *context,
                     struct error *err);

struct catalog_attempt {
    char job[JOB_ID_MAX];
    char run[RUN_ID_MAX];
    uint32_t attempt;
    enum job_kind kind;
    char *vm_uuid;
    char *vm_name;
    char *folder; /* NULL: the attempt writes no files */
    char *stem;
    char *host_uuid;
    char *host_name;
    uint64_t lease;
    enum job_state state; /* assigned, running, then an end */
    bool is_clean;        /* nothing of it is left in pool or store; false until that is known */
    int64_t assigned_at;
    int64_t started_at;  /* agent's clock, 0 unknown */
    int64_t finished_at; /* 0: not ended */
    int64_t snapshot_at;
    int64_t stream_ms;
    int64_t throttled_ms; /* of it, held back by limits of rate */
    uint64_t rate_limit;  /* the lowest that did, bytes a second; 0: none */
    uint64_t bytes;
    enum job_consistency consistency; /* 0 unknown */
    struct error error;
    struct text_list warnings;
};

void catalog_attempt_done(struct catalog_attempt *attempt);
#define CLEAN_CATALOG_ATTEMPT CLEANUP(catalog_attempt_done)

/*
 * Record the intent: a new attempt of a job on a host, before anybody is told to begin it.
 *
 * Gives the stem: "<prefix><stamp of now_at>", a later second when that was ever given in the
 * folder (names compared as a share that folds case does). prefix NULL: no files, no stem.
 *
 * Fails:  ERROR_NOT_FOUND (no such job), ERROR_EXISTS (attempt not above the last one).
 * Owns:   caller frees *ret_stem (NULL without prefix).
 */
int catalog_begin_attempt(struct catalog *catalog, const char *job, uint32_t attempt,
                          const char *host_uuid, const char *host_name, uint64_t lease,
                          const char *prefix, int64_t now_at, char **ret_stem, struct error *err);

/* How far an attempt is that goes on; one that has ended keeps what its end told. */
int catalog_set_attempt_bytes(struct catalog *catalog, const char *job, uint32_t attempt,
                              uint64_t bytes, struct error *err);

/*
 * Record how an attempt ended; for a done one its files become backups (proven) and its job is
 * done; what it tells gone becomes expired, whatever the end. Repeating it changes nothing.
 * 1 recorded, 0 there is no such attempt, -1 failed.
 */
int catalog_end_attempt(struct catalog *catalog, const struct job_report *report, int64_t now_at,
                        struct error *err);

/* What a cleanup job found out: nothing of the attempt is left. */
/* Whether an attempt of a run ended with this error: 1, 0, -1. */
int catalog_has_error(struct catalog *catalog, const char *run, enum error_code code,
                      struct error *err);
int catalog_set_clean(struct catalog *catalog, const char *job, uint32_t attempt,
                      struct error *err);

typedef int catalog_attempt_fn(void *context, const struct catalog_attempt *attempt,
                               struct error *err);
/* Of one run, by job and number. */
int catalog_each_attempt(struct catalog *catalog, const char *run, catalog_attempt_fn *each,
                         void *context, struct error *err);
/* Of all runs: those of backups that may have left something (not clean), oldest first. Whoever asks makes
 * sure that they are dead. */
int catalog_each_remains(struct catalog *catalog, catalog_attempt_fn *each, void *context,
                         struct error *err);

/* The folder that backups of this VM went to last. 1, 0, -1. Caller frees. */
int catalog_find_folder(struct catalog *catalog, const char *vm_uuid, char **ret_folder,
                        struct error *err);
/* The VM uuid a folder belongs to. 1, 0, -1. Caller frees. */
int catalog_find_folder_owner(struct catalog *catalog, const char *folder, char **ret_vm_uuid,
                              struct error *err);

/* ---- backups ---- */

int catalog_add_backup(struct catalog *catalog, const struct backup *backup, struct error *err);

/* No such backup is no error. A state other than expired forgets which run removed it. */
int catalog_set_backup_state(struct catalog *catalog, const char *folder, const char *file,
                             enum backup_state state, struct error *err);

/* Queue a backup for verify, or take it out of the queue; no such backup is no error. */
int catalog_want_verify(struct catalog *catalog, const char *folder, const char *file,
                        bool is_wanted, struct error *err);

/* What a verdict makes of a backup that stands: proven it protects its VM from now on (rehearsed stays
 * so), damaged it protects nothing; it is out of the queue. run may be NULL. sha256 is kept where
 * none was known. */
int catalog_set_verdict(struct catalog *catalog, const char *folder, const char *run,
                        const struct job_verdict *verdict, int64_t at, struct error *err);

/* Pin or unpin a backup that has not expired, with all files that its run made of that VM in that
 * way. *ret_n: how many files it was, 0 when there is none. */
int catalog_pin_backup(struct catalog *catalog, const char *folder, const char *file,
                       bool is_pinned, size_t *ret_n, struct error *err);

struct catalog_backup_filter {
    const char *vm;     /* name or uuid; NULL all */
    const char *run;    /* NULL all */
    const char *folder; /* NULL all */
    const char *file;   /* "web1/backup_20261122-202734.xva", or the file alone; NULL all */
    bool with_expired;
    const char *expired_run; /* only those that this run removed; NULL all */
    const char *store; /* uuid: only those of runs into this store; NULL all */
    /* uuid: only those verified by a run into this store that goes on or was broken off; NULL all */
    const char *verified_store;
    const char *verified_run; /* only those that this run verified; NULL all */
    bool only_wanted;         /* queued for verify */
    size_t limit; /* 0 all */
};

typedef int catalog_backup_fn(void *context, const struct backup *backup, struct error *err);
/* Newest first. filter may be NULL: all that stand. */
int catalog_each_backup(struct catalog *catalog, const struct catalog_backup_filter *filter,
                        catalog_backup_fn *each, void *context, struct error *err);
/* Whether this file was removed by a job of ours: 1 yes, 0 it stands or is not known, -1. */
int catalog_is_expired(struct catalog *catalog, const char *folder, const char *file,
                       struct error *err);
/* Whether it knows of this file at all, standing or removed: 1, 0, -1. */
int catalog_knows_backup(struct catalog *catalog, const char *folder, const char *file,
                         struct error *err);
/* How many backup jobs of a run in a folder have not come to a good end: then the copy that the run
 * made there lacks files. */
int catalog_count_undone(struct catalog *catalog, const char *run, const char *folder,
                         size_t *ret_n, struct error *err);
/* Bytes of the newest backup of a VM (for estimates). 1, 0, -1. */
int catalog_find_last_size(struct catalog *catalog, const char *vm_uuid, enum job_kind kind,
                           uint64_t *ret_bytes, struct error *err);

/* ---- agents ---- */

struct catalog_agent {
    char *host_uuid;
    char *host_name;
    char *version;
    bool is_ready;    /* would be given a job at seen_at */
    char *reason;     /* why not, NULL when ready */
    char *store_root;
    char *store_uuid;
    uint64_t store_free_bytes;
    uint64_t store_total_bytes;
    uint32_t slots_free;
    uint32_t running_n;
    uint32_t cpu_percent;  /* of its dom0, without our workers' */
    uint32_t load_percent; /* load average, 100 = one core */
    uint64_t rate_limit;   /* of its workers together, bytes a second; 0: none */
    char *hold_back;       /* why it paces its jobs down, NULL: it does not */
    int64_t first_seen_at;
    int64_t seen_at;
};

void catalog_agent_done(struct catalog_agent *agent);

/* By host_uuid; first_seen_at of an existing row stays. */
int catalog_put_agent(struct catalog *catalog, const struct catalog_agent *agent,
                      struct error *err);
typedef int catalog_agent_fn(void *context, const struct catalog_agent *agent, struct error *err);
int catalog_each_agent(struct catalog *catalog, catalog_agent_fn *each, void *context,
                       struct error *err);

/* ---- requests: the only table that commands write ---- */

enum catalog_request_state { REQUEST_WAITING = 1, REQUEST_NOTED = 2, REQUEST_ANSWERED = 3 };

struct catalog_request {
    int64_t id;
    char *verb;      /* "run", "cancel" */
    char *arguments; /* what the verb needs; NULL nothing */
    int64_t pid;     /* who asks */
    enum catalog_request_state state;
    char *answer;
    int exit_status;
    int64_t asked_at;
    int64_t answered_at;
};

void catalog_request_done(struct catalog_request *request);
#define CLEAN_CATALOG_REQUEST CLEANUP(catalog_request_done)

int catalog_add_request(struct catalog *catalog, const struct catalog_request *request,
                        int64_t *ret_id, struct error *err);
int catalog_find_request(struct catalog *catalog, int64_t id, struct catalog_request *ret_request,
                         struct error *err);
/* The oldest one in state waiting. 1, 0, -1. */
int catalog_next_request(struct catalog *catalog, struct catalog_request *ret_request,
                         struct error *err);
int catalog_answer_request(struct catalog *catalog, int64_t id, enum catalog_request_state state,
                           int exit_status, const char *answer, int64_t now_at, struct error *err);

/* ---- what a run's coordinator refused or dropped on its port ---- */

struct catalog_refused {
    uint64_t other_key;     /* Hellos of another pool key */
    uint64_t other_version; /* Hellos without a common version */
    uint64_t strange;       /* bytes that are no frame of ours */
    uint64_t unreadable;    /* frames of ours that can't be read */
    uint64_t forged;        /* frames that did not open: forged or damaged */
    uint64_t repeated;      /* frames that were heard before */
    uint64_t second_agent;  /* of a second agent with the key of one that is heard */
    uint64_t shut;          /* connections that were too many */
};

int catalog_put_refused(struct catalog *catalog, const char *run,
                        const struct catalog_refused *refused, struct error *err);
/* Zeroes where nothing was written. */
int catalog_get_refused(struct catalog *catalog, const char *run,
                        struct catalog_refused *ret_refused, struct error *err);

/* ---- log lines that agents told, and our own ---- */

struct catalog_line {
    int64_t at;
    int level; /* enum log_level */
    char *run; /* NULL outside of a run */
    char *host_name; /* NULL: the coordinator */
    char *room;
    char *text;
};

int catalog_add_line(struct catalog *catalog, const struct catalog_line *line, struct error *err);
typedef int catalog_line_fn(void *context, const struct catalog_line *line, struct error *err);
/* Of a run (NULL: all), oldest first. */
int catalog_each_line(struct catalog *catalog, const char *run, catalog_line_fn *each,
                      void *context, struct error *err);

#endif
