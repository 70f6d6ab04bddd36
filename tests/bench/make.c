/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_make xva KIND DATA_MIB VIRTUAL_MIB FILE: the export of a VM of one disk, as XAPI sends it.
 *
 * DATA_MIB blocks have data, spread evenly over the virtual size, first and last among them; what
 * lies between is left out of the archive, as XAPI does with zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "tests/bench/disk_block.h"
#include "tests/unit/common/format/make_xva.h"

#include "common/base/poison.h"

#define SIZE_MAX_MIB (1 << 21)
#define DIFFERENT_N  64u /* blocks; then they come again, further away than any window reaches */

static int put(int fd, const void *bytes, size_t n, struct error *err)
{
    for (const unsigned char *at = bytes; n > 0;) {
        ssize_t put_n = write(fd, at, n);
        if (put_n < 0 && errno == EINTR)
            continue;
        if (put_n < 0)
            return error_set_sys(err, ERROR_IO, errno, "write the stream");
        at += put_n;
        n -= (size_t)put_n;
    }
    return 0;
}

static int put_text(int fd, struct str *text, struct error *err)
{
    int result = put(fd, text->data, text->len, err);
    str_set_len(text, 0);
    return result;
}

static int put_block(int fd, uint64_t number, const unsigned char *bytes, struct str *text,
                     struct error *err)
{
    char name[64], sum[17];
    (void)snprintf(name, sizeof name, "Ref:5/%08" PRIu64, number);
    make_header(text, name, '\0', DISK_BLOCK_BYTES);
    if (put_text(fd, text, err) != 0 || put(fd, bytes, DISK_BLOCK_BYTES, err) != 0)
        return -1;
    (void)snprintf(name, sizeof name, "Ref:5/%08" PRIu64 ".xxhash", number);
    (void)snprintf(sum, sizeof sum, "%016" PRIX64, (uint64_t)XXH64(bytes, DISK_BLOCK_BYTES, 0));
    make_member(text, name, sum, 16);
    return put_text(fd, text, err);
}

static int make_stream(int fd, enum disk_kind kind, uint64_t data_n, uint64_t virtual_n,
                       struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEANUP(mem_free_void) unsigned char *blocks = mem_zero(DIFFERENT_N, DISK_BLOCK_BYTES);
    for (uint64_t i = 0; i < DIFFERENT_N && i < data_n; i++)
        disk_block_fill(kind, i, blocks + i * DISK_BLOCK_BYTES);
    const char *ref = "Ref:5";
    uint64_t size = virtual_n * DISK_BLOCK_BYTES;
    make_ova(&text, &ref, &size, 1);
    if (put_text(fd, &text, err) != 0)
        return -1;
    for (uint64_t i = 0; i < data_n; i++) {
        uint64_t number = data_n > 1 ? i * (virtual_n - 1) / (data_n - 1) : 0;
        if (put_block(fd, number, blocks + i % DIFFERENT_N * DISK_BLOCK_BYTES, &text, err) != 0)
            return -1;
    }
    make_end(&text);
    return put_text(fd, &text, err);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    enum disk_kind kind;
    int64_t data_n, virtual_n;
    if (argc != 6 || strcmp(argv[1], "xva") != 0 || !disk_kind_from_name(argv[2], &kind) ||
        num_parse(argv[3], 2, SIZE_MAX_MIB, &data_n, NULL) != 0 ||
        num_parse(argv[4], data_n, SIZE_MAX_MIB, &virtual_n, NULL) != 0) {
        fprintf(stderr, "bench_make xva text|binary|random|sparse DATA_MIB VIRTUAL_MIB FILE\n");
        return 2;
    }
    CLEAN_FD int fd = open(argv[5], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        fprintf(stderr, "bench_make: %s: %s\n", argv[5], strerror(errno));
        return 1;
    }
    if (make_stream(fd, kind, (uint64_t)data_n, (uint64_t)virtual_n, &err) != 0) {
        fprintf(stderr, "bench_make: %s\n", err.text);
        return 1;
    }
    return 0;
}
