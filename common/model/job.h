/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Job: one unit of work with a stable id, its attempts, and the total table of its states.
 *
 * A struct job is what the coordinator orders and a worker is given; a struct job_report is what a
 * worker, and after it an agent, tells about one attempt. Both are plain values that own their
 * texts and cross the wire. What differs between kinds is a field that the other kinds leave
 * empty; common/wire/message checks which are needed for which kind.
 */
#ifndef ONYX_COMMON_MODEL_JOB_H
#define ONYX_COMMON_MODEL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/base/text_list.h"

#define JOB_ID_MAX RANDOM_ID_MAX /* 16 hex digits */
#define RUN_ID_MAX RANDOM_ID_MAX
#define JOB_ATTEMPTS_MAX 99
#define JOB_DISKS_MAX 255
#define JOB_REMAINS_MAX 256
#define JOB_EXPIRE_MAX 128 /* victims, and keepers, of one job */

/* Kind, name on the wire and in the catalog, number (never reused). */
#define JOB_KIND_TABLE(X)                                                                          \
    X(BACKUP_VM, "vm-export", 1)                                                                   \
    X(BACKUP_DISK, "vdi-export", 2)                                                                \
    X(BACKUP_POOL, "pool-backup", 3)                                                               \
    X(BACKUP_HOST, "host-backup", 4)                                                               \
    X(EXPIRE, "expire", 5)                                                                         \
    X(SCAN, "scan", 6)                                                                             \
    X(VERIFY, "verify", 7)                                                                         \
    X(RESTORE, "restore", 8)                                                                       \
    X(CLEANUP, "cleanup", 9)

enum job_kind {
#define X(name, text, number) JOB_##name = number,
    JOB_KIND_TABLE(X)
#undef X
};

/* State, name, is an end. planned -> waiting -> assigned -> running -> one of the ends; lost goes
 * back to planned (a new attempt) while attempts are left. */
#define JOB_STATE_TABLE(X)                                                                         \
    X(PLANNED, "planned", 1, false)                                                                \
    X(WAITING, "waiting", 2, false)                                                                \
    X(ASSIGNED, "assigned", 3, false)                                                              \
    X(RUNNING, "running", 4, false)                                                                \
    X(DONE, "done", 5, true)                                                                       \
    X(FAILED, "failed", 6, true)                                                                   \
    X(CANCELLED, "cancelled", 7, true)                                                             \
    X(LOST, "lost", 8, true)                                                                       \
    X(SKIPPED, "skipped", 9, true)

enum job_state {
#define X(name, text, number, end) JOB_STATE_##name = number,
    JOB_STATE_TABLE(X)
#undef X
};

/* What a running attempt is busy with, for people. */
#define JOB_PHASE_TABLE(X)                                                                         \
    X(START, "starting", 1)                                                                        \
    X(SNAPSHOT, "snapshot", 2)                                                                     \
    X(STREAM, "streaming", 3)                                                                      \
    X(FINISH, "finishing", 4)                                                                      \
    X(CLEAN, "cleaning up", 5)

enum job_phase {
#define X(name, text, number) JOB_PHASE_##name = number,
    JOB_PHASE_TABLE(X)
#undef X
};

enum job_compress { JOB_COMPRESS_NONE = 1, JOB_COMPRESS_GZIP = 2, JOB_COMPRESS_ZSTD = 3 };
enum job_disk_format { JOB_DISK_RAW = 1, JOB_DISK_VHD = 2 };
enum job_gzip_effort { JOB_GZIP_FAST = 1, JOB_GZIP_SMALL = 2 };
enum job_file_digest { JOB_FILE_SHA256 = 1, JOB_FILE_NO_DIGEST = 2 };

#define JOB_COMPRESS_LEVEL_MAX   19
#define JOB_COMPRESS_THREADS_MAX 16
#define JOB_RING_MIB_MIN         8
#define JOB_RING_MIB_MAX         1024

/* How a worker treats the bytes of a stream. Zero stands for the default of the one who does. */
struct job_tuning {
    uint32_t compress_level;
    uint32_t compress_threads; /* 0: by the processors there are */
    enum job_gzip_effort gzip_effort;
    uint32_t ring_mib; /* what waits between the pool and the store at most */
    enum job_file_digest file_digest;
    uint64_t max_rate; /* bytes a second that are taken from the pool at most; 0: no limit */
};

enum job_raw_source { JOB_RAW_AUTO = 0, JOB_RAW_RAW = 1, JOB_RAW_VHD = 2 };

/* How the bytes are taken; zero is what is best where nothing else is asked for. */
struct job_ways {
    bool keeps_ova; /* the snapshot's ova.xml as XAPI wrote it, not made into the VM's */
    enum job_raw_source raw_source; /* which stream a raw file is written from */
    bool is_deep; /* what an archive holds is compared with a second reading of the disks */
};

/* How still the guest was when its snapshot was taken. */
enum job_consistency {
    JOB_CRASH_CONSISTENT = 1,
    JOB_QUIESCED = 2,
    JOB_HOOKED = 3,
    JOB_POWERED_OFF = 4
};

/* A disk of the subject VM as the plan saw it; a worker compares it with what it finds. */
struct job_disk {
    char *device; /* "xvda" */
    char *vdi_uuid;
    uint64_t virtual_size_bytes;
};

/* What a dead attempt may have left: its snapshot in the pool, its files in a folder. Cleanup jobs
 * carry these; the coordinator names only attempts it knows to be dead. */
struct job_remains {
    char job[JOB_ID_MAX];
    uint32_t attempt;
    char *vm_uuid; /* NULL: no snapshot to look for */
    char *folder;  /* NULL: no files to look for */
    char *stem;
    bool is_old_tool; /* OnyxBackupVM's: vm_uuid is the snapshot's own, job is nobody's */
};

/* A published file as an expire job names it; its folder is the job's. */
struct job_copied {
    char *file; /* "backup_20261122-202734.xva" */
    uint64_t size_bytes;
    char job[JOB_ID_MAX]; /* that wrote it; "": found, its .meta is none of ours */
};

/* What a verify job found out of a file: number on the wire. */
#define JOB_VERDICT_TABLE(X)                                                                       \
    X(PROVEN, "proven", 1)     /* whole, and all that is known of it agrees */                     \
    X(READABLE, "readable", 2) /* read to its end; nothing could be held against its content */    \
    X(DAMAGED, "damaged", 3)

enum job_verdict_kind {
    JOB_VERDICT_NONE = 0, /* it came to no end, or the job verifies nothing */
#define X(name, text, number) JOB_VERDICT_##name = number,
    JOB_VERDICT_TABLE(X)
#undef X
};

struct job_verdict {
    enum job_verdict_kind kind;
    char *file;   /* in the job's folder */
    char *proof;  /* proven: "blocks" ... */
    char *sha256; /* of what was read to its end; else NULL */
    char *text;   /* readable, damaged: why, for people */
};

struct job {
    char id[JOB_ID_MAX];
    char run[RUN_ID_MAX];
    enum job_kind kind;
    uint32_t attempt; /* from 1 */
    uint64_t lease;   /* n of the coordinator's lease; stands in the mark */

    char *vm_uuid;  /* backup_vm, backup_disk */
    char *vm_name;
    char *host_uuid; /* backup_host: its own host */
    struct job_disk *disks;
    size_t disks_n;

    char *folder; /* below the store's root, encoded: "web1" */
    char *stem;   /* "backup_20261122-202734", this attempt's own */
    enum job_compress compress;
    enum job_disk_format disk_format;
    struct job_tuning tuning;
    struct job_ways ways;

    uint64_t estimate_bytes; /* expected size of the files, 0 unknown; reserved in the store */
    bool is_estimate_proven; /* a former backup confirms it; the coordinator's alone, not sent */
    char *hook;              /* [hook NAME] of the agent's own settings; NULL none */
    char *chosen_by;         /* the entry that chose it: "vm_exports: DEV-.*" */
    uint64_t idle_timeout_ms; /* no byte for so long ends the attempt */
    uint32_t space_threshold_percent; /* so much of the store must be free to begin, 0: no limit */
    uint32_t hard_floor_percent;      /* and so much to go on */

    struct job_remains *remains; /* cleanup */
    size_t remains_n;

    struct job_copied *victims; /* expire: these go, in this order, */
    size_t victims_n;
    struct job_copied *keepers; /* if these newer, proven ones are there */
    size_t keepers_n;

    struct job_copied subject; /* verify: the file to be read; else its file is NULL */
    char *subject_sha256;      /* what the catalog knows of it; NULL: nothing */
};

/* One file of a backup as it was published. */
struct job_file {
    char *name;   /* "backup_20261122-202734.xva" */
    uint64_t size_bytes;
    char *sha256; /* of the file, 64 hex digits; NULL: none was taken */
    char *stream_xxh128; /* XXH3-128 of what is in it uncompressed, 32 hex digits; NULL: none */
    char *proof;  /* "blocks", "structure", "length" */
};

struct job_report {
    char id[JOB_ID_MAX];
    uint32_t attempt;
    enum job_state state; /* running, done, failed, cancelled */
    enum job_phase phase;
    uint64_t bytes;       /* read from XAPI so far */
    int64_t started_at;   /* wall ms UTC, agent's clock */
    int64_t finished_at;  /* 0 while running */
    int64_t snapshot_at;  /* 0 when none */
    int64_t stream_ms;    /* time the stream took, monotonic */
    int64_t throttled_ms; /* of it, how long it was held back by limits of rate */
    uint64_t rate_limit;  /* lowest limit that held it back, bytes a second; 0: none did */
    enum job_consistency consistency;
    bool is_clean;        /* nothing of this attempt is left in pool or store */
    bool is_hung;         /* the worker sits in a call that does not return */
    struct job_file *files; /* done: what was published */
    size_t files_n;
    struct job_verdict verdict; /* verify, as a done or failed end */
    struct text_list gone; /* expire: data files that are there no more, as an end of any kind */
    struct text_list warnings;
    struct error error; /* failed: why */
};

void job_done(struct job *job);
void job_copy(struct job *to, const struct job *from); /* to is zero or done before */
struct job_disk *job_add_disk(struct job *job);
struct job_remains *job_add_remains(struct job *job);
struct job_copied *job_add_victim(struct job *job);
struct job_copied *job_add_keeper(struct job *job);

void job_report_done(struct job_report *report);
void job_report_copy(struct job_report *to, const struct job_report *from);
struct job_file *job_report_add_file(struct job_report *report);

#define CLEAN_JOB CLEANUP(job_done)
#define CLEAN_JOB_REPORT CLEANUP(job_report_done)

const char *job_kind_name(enum job_kind kind);
const char *job_state_name(enum job_state state);
const char *job_phase_name(enum job_phase phase);
const char *job_verdict_name(enum job_verdict_kind kind); /* "none", "proven" ... */
const char *job_consistency_name(enum job_consistency consistency); /* "crash-consistent" ... */
const char *job_compress_name(enum job_compress compress);           /* "none", "gzip", "zstd" */
/* 1 known, 0 not. */
int job_compress_from_name(const char *name, enum job_compress *ret_compress);
int job_kind_from_number(int number, enum job_kind *ret_kind);
int job_kind_from_name(const char *name, enum job_kind *ret_kind);
int job_state_from_number(int number, enum job_state *ret_state);
int job_state_from_name(const char *name, enum job_state *ret_state);
int job_phase_from_number(int number, enum job_phase *ret_phase);

/* Whether jobs of this kind make a backup; they alone take snapshots and write data files. */
bool job_kind_is_backup(enum job_kind kind);

/* Whether the state is an end (for this run). */
bool job_state_is_end(enum job_state state);

/* The total table: may a job go from one state to the other? */
bool job_state_may_follow(enum job_state from, enum job_state to);

/* Sixteen lower-case hex digits. */
bool job_id_is_valid(const char *text);

#endif
