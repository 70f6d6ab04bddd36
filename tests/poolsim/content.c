/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A seed's bytes are computed page by page: page p of seed s is a counter run through a
 * multiply-and-shift mix keyed by both, so that any range can be made without what is before it.
 * One multiplication gives eight bytes, several GB/s on one core. The file system of EXT4 is made
 * once, by the mke2fs of e2fsprogs, which needs no root for a file; then it is a FILE.
 */
#include "tests/poolsim/content.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"

#include "common/base/poison.h"

extern char **environ;

#define PAGE_BYTES 4096U
#define PAGE_WORDS (PAGE_BYTES / 8U)

struct content {
    enum content_kind kind;
    uint64_t seed;
    double fill;
    int fd;
    uint64_t file_bytes;
};

void content_spec_done(struct content_spec *spec)
{
    mem_set(&spec->path, NULL);
}

static int spec_parse_seed(const json_t *json, const json_t *seed, struct content_spec *spec,
                           struct error *err)
{
    const json_t *fill = json_object_get(json, "fill");
    if (!json_is_integer(seed) || (fill && !json_is_number(fill)))
        return error_set(err, ERROR_BAD_INPUT,
                         "a disk's content {\"seed\": N, \"fill\": F} takes a whole number and a "
                         "number from 0 to 1");
    spec->kind = CONTENT_SEED;
    spec->seed = (uint64_t)json_integer_value(seed);
    spec->fill = fill ? json_number_value(fill) : 1.0;
    if (!(spec->fill >= 0.0 && spec->fill <= 1.0))
        return error_set(err, ERROR_BAD_INPUT, "a disk's fill must be between 0 and 1");
    return 0;
}

int content_spec_parse(const json_t *json, struct content_spec *ret_spec, struct error *err)
{
    struct content_spec spec = {.kind = CONTENT_ZERO};
    const json_t *seed = json_object_get(json, "seed");
    const json_t *file = json_object_get(json, "file");
    const json_t *folder = json_object_get(json, "ext4_from");
    if (!json || json_is_null(json) || json_is_true(json_object_get(json, "zero"))) {
        *ret_spec = spec;
        return 0;
    }
    if (seed) {
        if (spec_parse_seed(json, seed, &spec, err) != 0)
            return -1;
    } else if (json_is_string(file)) {
        spec.kind = CONTENT_FILE;
        spec.path = mem_dup(json_string_value(file));
    } else if (json_is_string(folder)) {
        spec.kind = CONTENT_EXT4;
        spec.path = mem_dup(json_string_value(folder));
    } else {
        return error_set(err, ERROR_BAD_INPUT,
                         "a disk's content must be {\"zero\": true}, {\"seed\": N, \"fill\": F}, "
                         "{\"file\": PATH} or {\"ext4_from\": FOLDER}");
    }
    *ret_spec = spec;
    return 0;
}

static const char *mke2fs_path(void)
{
    static const char *const places[] = {"/sbin/mke2fs", "/usr/sbin/mke2fs",
                                         "/usr/local/sbin/mke2fs", "/usr/bin/mke2fs"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* Run argv with its messages appended to said; *ret_status is the exit status. */
static int run_child(const char *path, char *const argv[], struct str *said, int *ret_status,
                     struct error *err)
{
    CLEAN_FD int from = -1;
    CLEAN_FD int to = -1;
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    char text[512];
    int failed;
    int status = 0;
    ssize_t n;
    if (fd_pipe(&from, &to, err) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, to, 1);
    posix_spawn_file_actions_adddup2(&actions, to, 2);
    failed = posix_spawn(&child, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return error_set_sys(err, ERROR_IO, failed, "start %s", path);
    fd_close(&to);
    while ((n = read(from, text, sizeof text)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && said->len < 4096)
            str_add_n(said, text, (size_t)n);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static int make_ext4(const char *folder, uint64_t size_bytes, const char *path, struct error *err)
{
    static char quiet[] = "-q", force[] = "-F", type[] = "-t", ext4[] = "ext4", from[] = "-d",
                reserve[] = "-m", none[] = "0", name[] = "mke2fs";
    const char *program = mke2fs_path();
    CLEAN_CHAR char *source = mem_dup(folder);
    CLEAN_CHAR char *target = mem_dup(path);
    CLEAN_STR struct str said = STR_INIT;
    CLEAN_FD int fd = -1;
    struct stat st;
    int status = 0;
    if (!program)
        return error_set(err, ERROR_UNSUPPORTED,
                         "{\"ext4_from\": ...} needs mke2fs: install the package e2fsprogs");
    if (stat(folder, &st) != 0)
        return error_set_sys(err, ERROR_IO, errno, "folder %s of ext4_from", folder);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ERROR_BAD_INPUT, "%s of ext4_from is not a folder", folder);
    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size_bytes) != 0)
        return error_set_sys(err, ERROR_IO, errno, "make %s", path);
    char *argv[] = {name, quiet, force, type, ext4, reserve, none, from, source, target, NULL};
    if (run_child(program, argv, &said, &status, err) != 0)
        return -1;
    if (status == 0)
        return 0;
    (void)unlink(path);
    return error_set(err, ERROR_NO_SPACE,
                     "mke2fs could not put %s into a disk of %llu bytes (a larger size_mib may "
                     "help): %s",
                     folder, (unsigned long long)size_bytes, str_trim(str_reserve(&said, 0)));
}

static int open_file(struct content *content, const char *path, struct error *err)
{
    struct stat st;
    content->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (content->fd < 0)
        return error_set_sys(err, ERROR_IO, errno, "open the disk content %s", path);
    if (fstat(content->fd, &st) != 0)
        return error_set_sys(err, ERROR_IO, errno, "look at %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_BAD_INPUT, "the disk content %s is not a file", path);
    content->file_bytes = (uint64_t)st.st_size;
    return 0;
}

int content_open(const struct content_spec *spec, uint64_t size_bytes, const char *make_path,
                 struct content **ret_content, struct error *err)
{
    struct content *content = mem_zero(1, sizeof *content);
    int failed = 0;
    content->kind = spec ? spec->kind : CONTENT_ZERO;
    content->seed = spec ? spec->seed : 0;
    content->fill = spec ? spec->fill : 0.0;
    content->fd = -1;
    if (content->kind == CONTENT_EXT4) {
        failed = make_ext4(spec->path, size_bytes, make_path, err) != 0 ||
                 open_file(content, make_path, err) != 0;
    } else if (content->kind == CONTENT_FILE) {
        failed = open_file(content, spec->path, err);
    }
    if (failed) {
        content_free(content);
        return -1;
    }
    *ret_content = content;
    return 0;
}

void content_free(struct content *content)
{
    if (!content)
        return;
    fd_close(&content->fd);
    free(content);
}

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static bool seed_block_is_filled(const struct content *content, uint64_t block)
{
    if (content->fill >= 1.0)
        return true;
    double draw = (double)(mix(content->seed ^ mix(block ^ UINT64_C(0x5bd1e995))) >> 11);
    return ldexp(draw, -53) < content->fill;
}

static void seed_page(uint64_t seed, uint64_t page, unsigned char *bytes)
{
    uint64_t counter = mix(mix(seed) ^ page);
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t word = counter ^ (counter >> 32);
        word *= UINT64_C(0xd6e8feb86659fd93);
        word ^= word >> 29;
        memcpy(bytes + 8 * i, &word, sizeof word);
        counter += UINT64_C(0x9e3779b97f4a7c15);
    }
}

static void seed_read(const struct content *content, uint64_t offset, unsigned char *bytes,
                      size_t n)
{
    unsigned char page_bytes[PAGE_BYTES];
    while (n > 0) {
        uint64_t page = offset / PAGE_BYTES;
        size_t inside = (size_t)(offset % PAGE_BYTES);
        size_t part = PAGE_BYTES - inside < n ? PAGE_BYTES - inside : n;
        if (!seed_block_is_filled(content, offset / CONTENT_BLOCK_BYTES)) {
            memset(bytes, 0, part);
        } else if (part == PAGE_BYTES) {
            seed_page(content->seed, page, bytes);
        } else {
            seed_page(content->seed, page, page_bytes);
            memcpy(bytes, page_bytes + inside, part);
        }
        offset += part;
        bytes += part;
        n -= part;
    }
}

static int file_read(const struct content *content, uint64_t offset, unsigned char *bytes, size_t n,
                     struct error *err)
{
    while (n > 0) {
        ssize_t got =
            offset < content->file_bytes ? pread(content->fd, bytes, n, (off_t)offset) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_sys(err, ERROR_IO, errno, "read a disk's content");
        if (got == 0 && offset < content->file_bytes)
            return error_set(err, ERROR_SHORT, "the file behind a disk became shorter");
        if (got == 0) {
            memset(bytes, 0, n);
            return 0;
        }
        offset += (uint64_t)got;
        bytes += got;
        n -= (size_t)got;
    }
    return 0;
}

int content_read(const struct content *content, uint64_t offset, void *bytes, size_t n,
                 struct error *err)
{
    if (content->kind == CONTENT_ZERO)
        memset(bytes, 0, n);
    else if (content->kind == CONTENT_SEED)
        seed_read(content, offset, bytes, n);
    else
        return file_read(content, offset, bytes, n, err);
    return 0;
}

bool content_has_data(const struct content *content, uint64_t offset, uint64_t n)
{
    if (content->kind == CONTENT_ZERO || n == 0)
        return false;
    if (content->kind == CONTENT_SEED) {
        uint64_t last = (offset + n - 1) / CONTENT_BLOCK_BYTES;
        for (uint64_t block = offset / CONTENT_BLOCK_BYTES; block <= last; block++)
            if (seed_block_is_filled(content, block))
                return true;
        return false;
    }
    off_t data = lseek(content->fd, (off_t)offset, SEEK_DATA);
    if (data < 0)
        return errno != ENXIO;
    return (uint64_t)data < offset + n;
}
