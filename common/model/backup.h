/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Backup: one published data file with its .meta, as the catalog and the folder tell it.
 *
 * proven: the four facts held while it was written; rehearsed: a restore was checked; found:
 * adopted from an older tool or a scan; damaged: a later reading failed. Only proven and rehearsed
 * ones protect a VM.
 */
#ifndef ONYX_COMMON_MODEL_BACKUP_H
#define ONYX_COMMON_MODEL_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/model/job.h"

enum backup_state {
    BACKUP_FOUND = 1,
    BACKUP_PROVEN = 2,
    BACKUP_REHEARSED = 3,
    BACKUP_DAMAGED = 4,
    BACKUP_EXPIRED = 5
};

struct backup {
    char *folder;    /* below the store's root */
    char *file;      /* data file; its .meta is file's stem + ".meta" */
    enum job_kind kind;
    enum backup_state state;
    char *vm_uuid;   /* NULL for host and pool backups */
    char *vm_name;
    char *device;    /* vdi-export: "xvda" */
    uint64_t size_bytes;
    char *sha256; /* of the file; NULL: none was taken */
    uint64_t stream_bytes; /* what is in it uncompressed; 0: not told */
    char *stream_xxh128; /* XXH3-128 of that, as xxhsum -H2 prints it; NULL: not told */
    char *sparse_xxh128; /* common/format/sparse_digest of a raw file; NULL: none was taken */
    char *proof;
    enum job_consistency consistency;
    char job[JOB_ID_MAX];
    char run[RUN_ID_MAX];
    uint32_t attempt;
    char *host_uuid; /* which host wrote it */
    char *host_name;
    int64_t snapshot_at; /* order of copies; wall ms UTC */
    int64_t started_at;
    int64_t finished_at;
    int64_t stream_ms;
    bool is_pinned;
    int64_t verified_at;    /* when a verify job last came to a verdict; 0 never */
    char *verified_text;    /* damaged, or readable only: what it found; NULL */
    bool is_verify_wanted;  /* queued */
};

void backup_done(struct backup *backup);
void backup_copy(struct backup *to, const struct backup *from);
#define CLEAN_BACKUP CLEANUP(backup_done)

const char *backup_state_name(enum backup_state state);
int backup_state_from_number(int number, enum backup_state *ret_state); /* 1 known, 0 not */

/* Suffix of the data file: ".xva", ".xva.gz", ".raw", ".vhd.zst", ".db", ".xbk". Static text. */
const char *backup_suffix(enum job_kind kind, enum job_compress compress,
                          enum job_disk_format format);

/* Stem of one disk's file of a job: device behind the first word, "backup_20261122-202734" and
 * "xvda" give "backup_xvda_20261122-202734". Caller frees. */
char *backup_disk_stem(const char *stem, const char *device);

/* The device in the name of such a file; NULL when there is none. Caller frees. */
char *backup_device_of(const char *file);

/* Whether a stem is the job's own or one of its disks'. */
bool backup_stem_is_of(const char *stem, const char *job_stem);

/* Of two stems of one job, whether this one's file is begun, prepared and published in front: the
 * order of its disks. */
bool backup_stem_is_before(const char *stem, const char *other);

/* ".meta" file of a data file name: suffix replaced. Caller frees. */
char *backup_meta_name(const char *file);

#endif
