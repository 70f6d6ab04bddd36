/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The decompressor's sink is the tar reader.
 */
#include "common/format/xbk.h"

#include "common/base/error.h"
#include "common/format/decompress.h"
#include "common/format/late_error.h"
#include "common/format/tar.h"

#include "common/base/poison.h"

struct xbk_check {
    struct decompress *gzip;
    struct tar_reader tar;
    uint64_t members_n;
    struct late_error late;
};

static int on_begin(void *context, const struct tar_member *member, struct error *err)
{
    struct xbk_check *check = context;

    (void)member, (void)err;
    check->members_n++;
    return 0;
}

static int on_data(void *context, const unsigned char *bytes, size_t n, struct error *err)
{
    (void)context, (void)bytes, (void)n, (void)err;
    return 0;
}

static int on_end(void *context, struct error *err)
{
    (void)context, (void)err;
    return 0;
}

static int on_plain(void *context, const void *bytes, size_t n, struct error *err)
{
    struct xbk_check *check = context;

    return tar_reader_feed(&check->tar, bytes, n, err);
}

struct xbk_check *xbk_check_new(struct error *err)
{
    static const struct tar_events events = {on_begin, on_data, on_end};
    CLEAN_XBK_CHECK struct xbk_check *check = mem_zero(1, sizeof *check);

    tar_reader_init(&check->tar, TAR_ANY, &events, check);
    check->gzip = decompress_new(JOB_COMPRESS_GZIP, on_plain, check, err);
    if (!check->gzip)
        return NULL;
    struct xbk_check *made = check;
    check = NULL;
    return made;
}

void xbk_check_free(struct xbk_check *check)
{
    if (!check)
        return;
    decompress_free(check->gzip);
    mem_free_void(&check);
}

void xbk_check_clean(struct xbk_check **check)
{
    xbk_check_free(*check);
    *check = NULL;
}

int xbk_check_feed(struct xbk_check *check, const void *bytes, size_t n, struct error *err)
{
    struct error why = ERROR_INIT;

    late_error_feed(&check->late, bytes, n);
    if (late_error_is_holding(&check->late))
        return late_error_hold(&check->late, "xbk", NULL, err);
    if (!decompress_feed(check->gzip, bytes, n, &why))
        return 0;
    error_add(&why, "xbk");
    return late_error_hold(&check->late, "xbk", &why, err);
}

static int check_end(struct xbk_check *check, struct error *err)
{
    if (decompress_finish(check->gzip, err) || tar_reader_finish(&check->tar, err))
        return error_add(err, "xbk");
    if (!check->members_n)
        return error_set(err, ERROR_CORRUPT, "xbk: the archive holds nothing");
    return 0;
}

int xbk_check_finish(struct xbk_check *check, uint64_t *ret_members_n, struct error *err)
{
    struct error why = ERROR_INIT;

    if (late_error_is_holding(&check->late) || check_end(check, &why))
        return late_error_explain(&check->late, "xbk", &why, err);
    if (ret_members_n)
        *ret_members_n = check->members_n;
    return 0;
}
