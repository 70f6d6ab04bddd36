/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store's own files, which anybody who may write on the share may change: marker, nonce, pins.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/store/marker.h"
#include "common/store/pins.h"
#include "common/store/root.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

static const char *const names[] = {MARKER_FILE, MARKER_NONCE_FILE, PINS_FOLDER "/" PINS_FILE};

/* A file in memory where the system has one such folder, made anew for each input. */
static void make_store(char root[64])
{
    snprintf(root, 64, "%s/onyx-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_MUST(mkdtemp(root) != NULL);
    CLEAN_CHAR char *own = str_format("%s/" STORE_OWN_FOLDER, root);
    CLEAN_CHAR char *state = str_format("%s/state", own);
    FUZZ_MUST(mkdir(own, 0700) == 0 && mkdir(state, 0700) == 0);
}

static void write_file(const char *root, const char *name, const uint8_t *bytes, size_t n)
{
    CLEAN_CHAR char *path = str_format("%s/" STORE_OWN_FOLDER "/%s", root, name);
    CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    FUZZ_MUST(fd >= 0 && fd_write_all(fd, bytes, n, NULL) == 0);
}

static void remove_store(const char *root)
{
    static const char *const rest[] = {"/state", ""};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CLEAN_CHAR char *path = str_format("%s/" STORE_OWN_FOLDER "/%s", root, names[i]);
        (void)unlink(path);
    }
    for (size_t i = 0; i < 2; i++) {
        CLEAN_CHAR char *path = str_format("%s/" STORE_OWN_FOLDER "%s", root, rest[i]);
        FUZZ_MUST(rmdir(path) == 0);
    }
    FUZZ_MUST(rmdir(root) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STORE struct store *store = NULL;
    CLEAN_TEXT_LIST struct text_list pins = {0};
    struct marker marker;
    struct marker_nonce nonce;
    struct error err = ERROR_INIT;
    char root[64];

    make_store(root);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_file(root, names[i], bytes, n);
    FUZZ_MUST(store_open(root, NULL, &store, &err) == 0);
    if (marker_read(store, &marker, &err) == 1)
        FUZZ_MUST(uuid_is_valid(marker.store_uuid) && uuid_is_valid(marker.pool_uuid));
    error_clear(&err);
    if (marker_read_nonce(store, &nonce, &err) == 1)
        FUZZ_MUST(strlen(nonce.nonce) == MARKER_NONCE_MAX - 1);
    error_clear(&err);
    if (pins_read(store, &pins, &err) < 0)
        FUZZ_MUST(error_is_set(&err));
    store_clean(&store);
    remove_store(root);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        ("onyxpool_store=1\nstore_uuid=7d9f2a34-52ab-4f6e-8d0b-000000000003\npool_uuid="
        "7d9f2a34-52ab-4f6e-8d0b-000000000001\ncreated=2026-11-22T20:27:34Z\nallow_root_fs=True\n"),
        "onyxpool_nonce=1\nrun=feedfacefeedface\nnonce=00112233445566778899aabbccddeeff\n",
        "web1/backup_20261122-202734.xva\nweb%2F2/backup_xvda_20261122-202734.raw\n",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
