/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The disks of the simulated pool: contents, snapshots that do not move, allocation.
 */
#include "tests/poolsim/disks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"

#define MIB (UINT64_C(1) << 20)
#define A   "aaaaaaaa-0000-4000-8000-000000000000"
#define B   "bbbbbbbb-0000-4000-8000-000000000000"
#define C   "cccccccc-0000-4000-8000-000000000000"

struct fixture {
    char dir[64];
    struct disks *disks;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = ERROR_INIT;
    snprintf(f->dir, sizeof f->dir, "/tmp/onyx-disks-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(disks_open(f->dir, &f->disks, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    disks_free(f->disks);
    snprintf(command, sizeof command, "rm -r %s", f->dir);
    int status = system(command);
    free(f);
    return status;
}

static void add_seed(struct fixture *f, const char *uuid, uint64_t size, double fill)
{
    struct content_spec spec = {.kind = CONTENT_SEED, .seed = 7, .fill = fill};
    assert_int_equal(disks_add(f->disks, uuid, size, &spec, NULL), 0);
}

static void sha(struct fixture *f, const char *uuid, char *text)
{
    assert_int_equal(disks_sha256(f->disks, uuid, text, NULL), 0);
}

static void write_text(struct fixture *f, const char *uuid, uint64_t at, const char *text)
{
    assert_int_equal(disks_write(f->disks, uuid, at, text, strlen(text), NULL), 0);
}

static void zero_disk_hashes_as_zeros(void **state)
{
    char text[DISK_SHA256_MAX];
    assert_int_equal(disks_add(((struct fixture *)*state)->disks, A, MIB, NULL, NULL), 0);
    sha(*state, A, text);
    assert_string_equal(text, "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
}

static void seed_read_in_parts_equals_read_at_once(void **state)
{
    struct fixture *f = *state;
    unsigned char *whole = malloc(3 * MIB), *parts = malloc(3 * MIB);
    add_seed(f, A, 3 * MIB + 1536, 1.0);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disk_read(disk, 1536, whole, 3 * MIB, NULL), 0);
    for (uint64_t at = 0; at < 3 * MIB; at += 77777) {
        size_t n = 3 * MIB - at < 77777 ? (size_t)(3 * MIB - at) : 77777;
        assert_int_equal(disk_read(disk, 1536 + at, parts + at, n, NULL), 0);
    }
    assert_memory_equal(whole, parts, 3 * MIB);
    assert_int_not_equal(memcmp(whole, whole + MIB, 4096), 0);
    free(whole);
    free(parts);
}

static void seed_fill_is_the_share_of_blocks_with_data(void **state)
{
    struct fixture *f = *state;
    int filled = 0;
    add_seed(f, A, 2000 * MIB, 0.3);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    for (uint64_t block = 0; block < 2000; block++)
        filled += disk_has_data(disk, block * MIB, MIB);
    assert_in_range(filled, 500, 700);
}

static void snapshot_does_not_move_when_guest_writes(void **state)
{
    struct fixture *f = *state;
    char before[DISK_SHA256_MAX], live[DISK_SHA256_MAX], snap[DISK_SHA256_MAX];
    add_seed(f, A, 5 * MIB + 512, 0.5);
    write_text(f, A, 70000, "first");
    sha(f, A, before);
    assert_int_equal(disks_snapshot(f->disks, A, B, NULL), 0);
    write_text(f, A, 70002, "second");
    write_text(f, A, 5 * MIB + 500, "end");
    sha(f, A, live);
    sha(f, B, snap);
    assert_string_equal(snap, before);
    assert_string_not_equal(live, before);
}

static void write_over_grain_edge_keeps_what_is_around(void **state)
{
    struct fixture *f = *state;
    unsigned char *want = malloc(MIB), *have = malloc(MIB), *data = malloc(300000);
    memset(data, 'x', 300000);
    add_seed(f, A, MIB, 1.0);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disk_read(disk, 0, want, MIB, NULL), 0);
    memset(want + 65000, 'x', 300000);
    assert_int_equal(disk_write(disk, 65000, data, 300000, NULL), 0);
    assert_int_equal(disk_read(disk, 0, have, MIB, NULL), 0);
    assert_memory_equal(want, have, MIB);
    free(want);
    free(have);
    free(data);
}

static void removed_disk_can_be_read_while_held(void **state)
{
    struct fixture *f = *state;
    char byte;
    add_seed(f, A, MIB, 1.0);
    write_text(f, A, 0, "x");
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disks_remove(f->disks, A, NULL), 0);
    assert_null(disks_find(f->disks, A));
    assert_int_equal(disk_read(disk, 0, &byte, 1, NULL), 0);
    assert_int_equal(byte, 'x');
}

static void files_go_with_the_last_disk_that_shares_them(void **state)
{
    struct fixture *f = *state;
    char pattern[128];
    add_seed(f, A, MIB, 0.0);
    write_text(f, A, 0, "x");
    assert_int_equal(disks_snapshot(f->disks, A, B, NULL), 0);
    snprintf(pattern, sizeof pattern, "ls %s/disks | grep -q raw", f->dir);
    assert_int_equal(disks_remove(f->disks, A, NULL), 0);
    assert_int_equal(system(pattern), 0);
    assert_int_equal(disks_remove(f->disks, B, NULL), 0);
    assert_int_not_equal(system(pattern), 0);
}

static void changed_grains_are_those_written_between(void **state)
{
    struct fixture *f = *state;
    unsigned char bits[8];
    add_seed(f, A, 3 * MIB, 0.5);
    assert_int_equal(disks_snapshot(f->disks, A, B, NULL), 0);
    write_text(f, A, 2 * 65536 + 5, "x");
    write_text(f, A, 47 * 65536, "x");
    assert_int_equal(disks_snapshot(f->disks, A, C, NULL), 0);
    write_text(f, A, 0, "x");
    CLEAN_DISK struct disk *from = disks_find(f->disks, B);
    CLEAN_DISK struct disk *to = disks_find(f->disks, C);
    assert_int_equal(disk_changed_bytes(to), 8);
    disk_changed_grains(from, to, bits);
    assert_memory_equal(bits, "\x20\x00\x00\x00\x00\x01\x00\x00", 8);
    assert_true(disk_cluster_differs(to, from, 0));
    assert_true(disk_cluster_differs(to, from, 1));
}

static void unrelated_disks_have_changed_wholly(void **state)
{
    struct fixture *f = *state;
    unsigned char bits[4];
    add_seed(f, A, 2 * MIB, 0.5);
    add_seed(f, B, 2 * MIB, 0.5);
    CLEAN_DISK struct disk *from = disks_find(f->disks, A);
    CLEAN_DISK struct disk *to = disks_find(f->disks, B);
    disk_changed_grains(from, to, bits);
    assert_memory_equal(bits, "\xff\xff\xff\xff", 4);
}

static void grown_disk_is_zero_behind_its_former_end(void **state)
{
    struct fixture *f = *state;
    unsigned char bytes[4096];
    add_seed(f, A, MIB + 512, 1.0);
    write_text(f, A, MIB + 500, "x");
    assert_int_equal(disks_resize(f->disks, A, 2 * MIB, NULL), 0);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disk_size(disk), 2 * MIB);
    assert_int_equal(disk_read(disk, MIB + 512, bytes, sizeof bytes, NULL), 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], 0);
    write_text(f, A, 2 * MIB - 1, "y");
    assert_int_equal(disk_read(disk, 2 * MIB - 1, bytes, 1, NULL), 0);
    assert_int_equal(bytes[0], 'y');
}

static void copy_shares_no_layer_and_has_the_bytes(void **state)
{
    struct fixture *f = *state;
    char a[DISK_SHA256_MAX], b[DISK_SHA256_MAX];
    add_seed(f, A, 4 * MIB + 512, 0.5);
    write_text(f, A, 3 * MIB, "x");
    assert_int_equal(disks_copy(f->disks, A, B, NULL), 0);
    sha(f, A, a);
    sha(f, B, b);
    assert_string_equal(a, b);
}

static void faults_and_ends_are_told_apart(void **state)
{
    struct fixture *f = *state;
    unsigned char bytes[1024];
    struct error err = ERROR_INIT;
    add_seed(f, A, MIB, 1.0);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disk_read(disk, MIB - 512, bytes, 1024, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(disks_set_fault(f->disks, A, DISK_FAULT_SHORT, 4096, NULL), 0);
    assert_int_equal(disk_read(disk, 0, bytes, 1024, &err), 0);
    assert_int_equal(disk_read(disk, 4096, bytes, 1024, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    assert_int_equal(disks_set_fault(f->disks, A, DISK_FAULT_EIO, 0, NULL), 0);
    assert_int_equal(disk_read(disk, 0, bytes, 1024, &err), -1);
    assert_int_equal(err.code, ERROR_IO);
    assert_int_equal(disks_set_fault(f->disks, A, DISK_FAULT_NONE, 0, NULL), 0);
    assert_int_equal(disks_drop_data(f->disks, A, NULL), 0);
    assert_int_equal(disk_read(disk, 0, bytes, 1024, &err), -1);
}

static void names_must_be_new_and_known(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    add_seed(f, A, MIB, 1.0);
    assert_int_equal(disks_add(f->disks, A, MIB, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_EXISTS);
    assert_int_equal(disks_snapshot(f->disks, B, C, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(disks_remove(f->disks, B, &err), -1);
    assert_int_equal(disks_physical_bytes(f->disks, B), 0);
}

static void thousands_of_disks_have_no_files(void **state)
{
    struct fixture *f = *state;
    char uuid[DISK_UUID_MAX], command[128];
    for (int i = 0; i < 5000; i++) {
        snprintf(uuid, sizeof uuid, "aaaaaaaa-0000-4000-8000-%012d", i);
        add_seed(f, uuid, 64 * MIB, 0.3);
    }
    CLEAN_DISK struct disk *disk = disks_find(f->disks, uuid);
    assert_non_null(disk);
    snprintf(command, sizeof command, "test -z \"$(ls %s/disks)\"", f->dir);
    assert_int_equal(system(command), 0);
}

static void parse(const char *text, int want, struct content_spec *spec, struct error *err)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    assert_int_equal(content_spec_parse(json, spec, err), want);
    json_decref(json);
}

static void content_forms_are_read_and_others_refused(void **state)
{
    static const char *const bad[] = {"{}",
                                      "{\"seed\": \"x\"}",
                                      "{\"seed\": 1, \"fill\": 1.5}",
                                      "{\"seed\": 1, \"fill\": -0.1}",
                                      "{\"file\": 3}",
                                      "[]",
                                      "5"};
    struct content_spec spec;
    struct error err = ERROR_INIT;
    (void)state;
    parse("{\"zero\": true}", 0, &spec, &err);
    assert_int_equal(spec.kind, CONTENT_ZERO);
    parse("{\"seed\": 5, \"fill\": 0.25}", 0, &spec, &err);
    assert_int_equal(spec.seed, 5);
    parse("{\"file\": \"/x\"}", 0, &spec, &err);
    assert_string_equal(spec.path, "/x");
    content_spec_done(&spec);
    parse("{\"ext4_from\": \"/x\"}", 0, &spec, &err);
    assert_int_equal(spec.kind, CONTENT_EXT4);
    content_spec_done(&spec);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        parse(bad[i], -1, &spec, &err);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
    }
}

static void file_content_shorter_than_the_disk_ends_in_zeros(void **state)
{
    struct fixture *f = *state;
    char path[96];
    unsigned char bytes[8];
    snprintf(path, sizeof path, "%s/content", f->dir);
    FILE *file = fopen(path, "w");
    fputs("abc", file);
    fclose(file);
    struct content_spec spec = {.kind = CONTENT_FILE, .path = path};
    assert_int_equal(disks_add(f->disks, A, MIB, &spec, NULL), 0);
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disk_read(disk, 0, bytes, 8, NULL), 0);
    assert_memory_equal(bytes, "abc\0\0\0\0\0", 8);
    assert_true(disk_has_data(disk, 0, 4096));
    assert_false(disk_has_data(disk, 65536, 65536));
    spec.path = f->dir;
    assert_int_equal(disks_add(f->disks, B, MIB, &spec, NULL), -1);
}

static void ext4_content_is_a_file_system_or_a_clear_error(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    unsigned char magic[2];
    char folder[96], command[300];
    snprintf(folder, sizeof folder, "%s/folder", f->dir);
    snprintf(command, sizeof command,
             "mkdir %s && dd if=/dev/urandom of=%s/big bs=1M count=6 2>/dev/null", folder, folder);
    assert_int_equal(system(command), 0);
    struct content_spec spec = {.kind = CONTENT_EXT4, .path = folder};
    if (disks_add(f->disks, A, 16 * MIB, &spec, &err) != 0) {
        assert_int_equal(err.code, ERROR_UNSUPPORTED);
        print_message("SKIPPED: mke2fs is not installed\n");
        skip();
    }
    CLEAN_DISK struct disk *disk = disks_find(f->disks, A);
    assert_int_equal(disk_read(disk, 1024 + 56, magic, 2, NULL), 0);
    assert_memory_equal(magic, "\x53\xef", 2);
    assert_int_equal(disks_add(f->disks, B, 4 * MIB, &spec, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_non_null(strstr(err.text, "size_mib"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(zero_disk_hashes_as_zeros),
        CASE(seed_read_in_parts_equals_read_at_once),
        CASE(seed_fill_is_the_share_of_blocks_with_data),
        CASE(snapshot_does_not_move_when_guest_writes),
        CASE(write_over_grain_edge_keeps_what_is_around),
        CASE(removed_disk_can_be_read_while_held),
        CASE(files_go_with_the_last_disk_that_shares_them),
        CASE(changed_grains_are_those_written_between),
        CASE(unrelated_disks_have_changed_wholly),
        CASE(grown_disk_is_zero_behind_its_former_end),
        CASE(copy_shares_no_layer_and_has_the_bytes),
        CASE(faults_and_ends_are_told_apart),
        CASE(names_must_be_new_and_known),
        CASE(thousands_of_disks_have_no_files),
        CASE(content_forms_are_read_and_others_refused),
        CASE(file_content_shorter_than_the_disk_ends_in_zeros),
        CASE(ext4_content_is_a_file_system_or_a_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
