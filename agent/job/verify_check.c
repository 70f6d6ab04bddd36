/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One chain: file, decompressor if any, then digest and format side by side. Its first error is kept
 * apart from what the pipeline makes of it, so that damage is not taken for a share that fails, or
 * the other way round.
 */
#include "agent/job/verify_check.h"

#include <stdlib.h>

#include "agent/pipeline/checks.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/decompress.h"
#include "common/format/db.h"
#include "common/format/length.h"
#include "common/format/meta.h"
#include "common/format/sparse_digest.h"
#include "common/format/vhd.h"
#include "common/format/xbk.h"
#include "common/format/xva.h"
#include "common/store/scan.h"

#include "common/base/poison.h"

struct verify_check {
    struct decompress *decompress; /* NULL: stored as it came */
    struct digest *digest;
    struct sparse_digest *sparse; /* NULL: the .meta has none */
    uint64_t stream_bytes;
    struct pipeline_check format; /* feed NULL: none */
    struct xva_check *xva;
    struct vhd_check *vhd;
    struct db_check *db;
    struct xbk_check *xbk;
    struct length_check length;
    const char *proof;
    const char *why;
    struct error error;
};

void verify_check_free(struct verify_check *check)
{
    if (check == NULL)
        return;
    decompress_free(check->decompress);
    digest_free(check->digest);
    sparse_digest_free(check->sparse);
    xva_check_free(check->xva);
    vhd_check_free(check->vhd);
    db_check_free(check->db);
    xbk_check_free(check->xbk);
    free(check);
}

void verify_check_clean(struct verify_check **check)
{
    verify_check_free(*check);
    *check = NULL;
}

/* ---- bytes ---- */

static int take_content(void *context, const void *bytes, size_t n, struct error *err)
{
    struct verify_check *check = context;

    check->stream_bytes += n;
    digest_update(check->digest, bytes, n);
    if (check->sparse != NULL)
        sparse_digest_update(check->sparse, bytes, n);
    return check->format.feed != NULL ? check->format.feed(check->format.context, bytes, n, err)
                                      : 0;
}

static int keep_error(struct verify_check *check, struct error *err)
{
    if (err != NULL)
        *err = check->error;
    return -1;
}

static int feed(void *context, const void *bytes, size_t n, struct error *err)
{
    struct verify_check *check = context;
    int result = check->decompress != NULL
                     ? decompress_feed(check->decompress, bytes, n, &check->error)
                     : take_content(check, bytes, n, &check->error);

    return result != 0 ? keep_error(check, err) : 0;
}

static int finish(void *context, struct error *err)
{
    struct verify_check *check = context;

    if ((check->decompress != NULL && decompress_finish(check->decompress, &check->error) != 0) ||
        (check->format.feed != NULL &&
         check->format.finish(check->format.context, &check->error) != 0))
        return keep_error(check, err);
    return 0;
}

struct pipeline_check verify_check_pipeline(struct verify_check *check)
{
    return (struct pipeline_check){.feed = feed, .finish = finish, .context = check};
}

/* ---- which check ---- */

static enum job_compress compress_of(const char *file)
{
    return str_ends(file, ".gz")    ? JOB_COMPRESS_GZIP
           : str_ends(file, ".zst") ? JOB_COMPRESS_ZSTD
                                    : JOB_COMPRESS_NONE;
}

/* Size of the disk that a file holds, as its .meta has it; 0: not told. */
static uint64_t disk_bytes(const struct meta *meta, const char *device)
{
    const struct meta_disk *only = NULL;
    size_t disks_n = 0;

    for (size_t i = 0; i < meta->disks_n; i++) {
        const struct meta_disk *disk = &meta->disks[i];

        if (!disk->has_vdi)
            continue;
        if (device[0] != '\0' && str_equal(disk->device, device))
            return disk->virtual_size_bytes;
        only = disk;
        disks_n++;
    }
    return device[0] == '\0' && disks_n == 1 ? only->virtual_size_bytes : 0;
}

static void choose_disk(struct verify_check *check, const char *file, const char *device,
                        const struct meta *meta)
{
    uint64_t bytes = disk_bytes(meta, device);

    if (str_ends(file, ".vhd")) {
        check->vhd = vhd_check_new(VHD_ANY, bytes);
        check->format = checks_vhd(check->vhd);
        check->proof = VHD_PROOF;
    } else if (bytes != 0) {
        length_check_init(&check->length, bytes);
        check->format = checks_length(&check->length);
        check->proof = LENGTH_PROOF;
    } else {
        check->why = "a raw disk has no structure, and its .meta does not tell its size";
    }
}

static int choose_format(struct verify_check *check, const char *file, const struct scan_name *name,
                         const struct meta *meta, struct error *err)
{
    static const struct text_list any_host = TEXT_LIST_INIT;

    switch (name->kind) {
    case JOB_BACKUP_VM:
        check->xva = xva_check_new(NULL, 0, err);
        check->format = checks_xva(check->xva);
        check->proof = XVA_PROOF;
        return check->xva != NULL ? 0 : -1;
    case JOB_BACKUP_DISK:
        choose_disk(check, file, name->device, meta);
        return 0;
    case JOB_BACKUP_POOL:
        check->db = db_check_new(&any_host);
        check->format = checks_db(check->db);
        check->proof = DB_PROOF;
        return 0;
    case JOB_BACKUP_HOST:
        check->xbk = xbk_check_new(err);
        check->format = checks_xbk(check->xbk);
        check->proof = XBK_PROOF;
        return check->xbk != NULL ? 0 : -1;
    case JOB_EXPIRE:
    case JOB_SCAN:
    case JOB_VERIFY:
    case JOB_RESTORE:
    case JOB_CLEANUP:
        break;
    }
    return error_set(err, ERROR_INTERNAL, "%s is of no kind of backup", file);
}

int verify_check_new(const char *file, const struct scan_name *name, const struct meta *meta,
                     bool is_plain, struct verify_check **ret_check, struct error *err)
{
    CLEAN_VERIFY_CHECK struct verify_check *check = mem_zero(1, sizeof *check);
    enum job_compress compress = compress_of(file);

    check->digest = digest_new(DIGEST_XXH128, err);
    if (check->digest == NULL || (!is_plain && choose_format(check, file, name, meta, err) != 0))
        return -1;
    if (meta->backup.sparse_xxh128 != NULL) {
        check->sparse = sparse_digest_new(err);
        if (check->sparse == NULL)
            return -1;
    }
    if (compress != JOB_COMPRESS_NONE) {
        check->decompress = decompress_new(compress, take_content, check, err);
        if (check->decompress == NULL)
            return -1;
    }
    *ret_check = check;
    check = NULL;
    return 0;
}

/* ---- what came of it ---- */

const char *verify_check_proof(const struct verify_check *check)
{
    return check->proof;
}

const char *verify_check_why(const struct verify_check *check)
{
    return check->why;
}

const struct error *verify_check_error(const struct verify_check *check)
{
    return error_is_set(&check->error) ? &check->error : NULL;
}

uint64_t verify_check_stream_bytes(const struct verify_check *check)
{
    return check->stream_bytes;
}

char *verify_check_stream_xxh128(struct verify_check *check, char text[DIGEST_TEXT_MAX])
{
    return digest_final(check->digest, text);
}

char *verify_check_sparse_xxh128(struct verify_check *check, char text[DIGEST_TEXT_MAX])
{
    return check->sparse != NULL ? sparse_digest_final(check->sparse, text) : NULL;
}
