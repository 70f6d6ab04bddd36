/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Backup values: copies, names of states, file name suffixes.
 */
#include "common/model/backup.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"

void backup_done(struct backup *backup)
{
    free(backup->folder);
    free(backup->file);
    free(backup->vm_uuid);
    free(backup->vm_name);
    free(backup->device);
    free(backup->sha256);
    free(backup->stream_xxh128);
    free(backup->sparse_xxh128);
    free(backup->proof);
    free(backup->host_uuid);
    free(backup->host_name);
    free(backup->verified_text);
    memset(backup, 0, sizeof *backup);
}

void backup_copy(struct backup *to, const struct backup *from)
{
    *to = *from;
    to->folder = mem_dup(from->folder);
    to->file = mem_dup(from->file);
    to->vm_uuid = mem_dup(from->vm_uuid);
    to->vm_name = mem_dup(from->vm_name);
    to->device = mem_dup(from->device);
    to->sha256 = mem_dup(from->sha256);
    to->stream_xxh128 = mem_dup(from->stream_xxh128);
    to->sparse_xxh128 = mem_dup(from->sparse_xxh128);
    to->proof = mem_dup(from->proof);
    to->host_uuid = mem_dup(from->host_uuid);
    to->host_name = mem_dup(from->host_name);
    to->verified_text = mem_dup(from->verified_text);
}

const char *backup_state_name(enum backup_state state)
{
    switch (state) {
    case BACKUP_FOUND:
        return "found";
    case BACKUP_PROVEN:
        return "proven";
    case BACKUP_REHEARSED:
        return "rehearsed";
    case BACKUP_DAMAGED:
        return "damaged";
    case BACKUP_EXPIRED:
        return "expired";
    }
    return "unknown";
}

int backup_state_from_number(int number, enum backup_state *ret_state)
{
    if (number < BACKUP_FOUND || number > BACKUP_EXPIRED)
        return 0;
    *ret_state = (enum backup_state)number;
    return 1;
}

const char *backup_suffix(enum job_kind kind, enum job_compress compress,
                          enum job_disk_format format)
{
    static const char *const compressed[][3] = {
        {".xva", ".xva.gz", ".xva.zst"}, {".raw", ".raw.gz", ".raw.zst"},
        {".vhd", ".vhd.gz", ".vhd.zst"}};
    size_t how = compress == JOB_COMPRESS_GZIP ? 1 : compress == JOB_COMPRESS_ZSTD ? 2 : 0;
    switch (kind) {
    case JOB_BACKUP_VM:
        return compressed[0][how];
    case JOB_BACKUP_DISK:
        return compressed[format == JOB_DISK_VHD ? 2 : 1][how];
    case JOB_BACKUP_POOL:
        return ".db";
    case JOB_BACKUP_HOST:
        return ".xbk";
    case JOB_EXPIRE:
    case JOB_SCAN:
    case JOB_VERIFY:
    case JOB_RESTORE:
    case JOB_CLEANUP:
        break;
    }
    return "";
}

char *backup_disk_stem(const char *stem, const char *device)
{
    int word = (int)strcspn(stem, "_");
    return str_format("%.*s_%s%s", word, stem, device, stem + word);
}

char *backup_device_of(const char *file)
{
    const char *first = strchr(file, '_');
    const char *second = first != NULL ? strchr(first + 1, '_') : NULL;
    return second != NULL ? mem_dup_n(first + 1, (size_t)(second - first - 1)) : NULL;
}

bool backup_stem_is_of(const char *stem, const char *job_stem)
{
    size_t word = strcspn(job_stem, "_");
    if (str_equal(stem, job_stem))
        return true;
    return job_stem[word] == '_' && strncmp(stem, job_stem, word + 1) == 0 &&
           strlen(stem) > strlen(job_stem) + 1 && str_ends(stem, job_stem + word) &&
           memchr(stem + word + 1, '_', strlen(stem) - strlen(job_stem) - 1) == NULL;
}

bool backup_stem_is_before(const char *stem, const char *other)
{
    size_t n = strlen(stem), other_n = strlen(other);
    return n != other_n ? n < other_n : strcmp(stem, other) < 0;
}

char *backup_meta_name(const char *file)
{
    static const char *const suffixes[] = {".xva.gz", ".xva.zst", ".xva",     ".raw.gz",
                                           ".raw.zst", ".raw",    ".vhd.gz", ".vhd.zst",
                                           ".vhd",    ".db",      ".xbk"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (!str_ends(file, suffixes[i]))
            continue;
        int stem = (int)(strlen(file) - strlen(suffixes[i]));
        return str_format("%.*s.meta", stem, file);
    }
    return str_format("%s.meta", file);
}
