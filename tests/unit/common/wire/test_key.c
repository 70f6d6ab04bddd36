/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Key files: made, read, and refused with a sentence that says what to do.
 */
#include "common/wire/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "tests/unit/common/wire/samples.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct place {
    char folder[64];
    char file[96];
};

static int set_up(void **state)
{
    struct place *place = mem_zero(1, sizeof *place);
    str_copy(place->folder, sizeof place->folder, "/tmp/onyx-key-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    CLEAN_CHAR char *file = str_format("%s/key", place->folder);
    str_copy(place->file, sizeof place->file, file);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    CLEAN_CHAR char *old = str_format("%s.old", place->file);
    unlink(old);
    unlink(place->file);
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

static void write_key(const struct place *place, const char *text, mode_t mode)
{
    assert_int_equal(fd_replace_file(place->file, 0600, text, strlen(text), NULL), 0);
    assert_int_equal(chmod(place->file, mode), 0);
}

static void a_pool_key_is_made_once_and_read_again(void **state)
{
    const struct place *place = *state;
    CLEAN_WIRE_POOL_KEY struct wire_pool_key key;
    CLEAN_WIRE_POOL_KEY struct wire_pool_key again;
    struct error err = ERROR_INIT;
    struct stat facts;
    assert_int_equal(wire_pool_key_create(place->file, random_system(), &err), 0);
    assert_int_equal(stat(place->file, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(wire_pool_key_read(place->file, &key, &err), 0);
    assert_int_equal(wire_pool_key_create(place->file, random_system(), &err), -1);
    assert_int_equal(err.code, ERROR_EXISTS);
    assert_int_equal(wire_pool_key_read(place->file, &again, &err), 0);
    assert_memory_equal(key.bytes, again.bytes, WIRE_KEY_BYTES);
}

static void an_agent_key_is_written_and_read_again(void **state)
{
    const struct place *place = *state;
    struct wire_pool_key pool = {{1, 2, 3}};
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key;
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key back;
    struct error err = ERROR_INIT;
    assert_int_equal(wire_agent_key_make(&pool, SAMPLE_HOST, &key, &err), 0);
    assert_int_equal(wire_agent_key_create(place->file, &key, &err), 0);
    assert_int_equal(wire_agent_key_read(place->file, &back, &err), 0);
    assert_string_equal(back.host_uuid, SAMPLE_HOST);
    assert_memory_equal(key.bytes, back.bytes, WIRE_KEY_BYTES);
    assert_int_equal(wire_agent_key_create(place->file, &key, &err), -1);
    assert_int_equal(err.code, ERROR_EXISTS);
}

static void hosts_and_pools_have_different_keys(void **state)
{
    (void)state;
    struct wire_pool_key pool = {{1, 2, 3}};
    struct wire_pool_key other = {{1, 2, 4}};
    struct wire_agent_key a;
    struct wire_agent_key b;
    struct error err = ERROR_INIT;
    assert_int_equal(wire_agent_key_make(&pool, SAMPLE_HOST, &a, NULL), 0);
    assert_int_equal(wire_agent_key_make(&pool, SAMPLE_HOST_2, &b, NULL), 0);
    assert_memory_not_equal(a.bytes, b.bytes, WIRE_KEY_BYTES);
    assert_memory_not_equal(a.bytes, pool.bytes, WIRE_KEY_BYTES);
    assert_int_equal(wire_agent_key_make(&other, SAMPLE_HOST, &b, NULL), 0);
    assert_memory_not_equal(a.bytes, b.bytes, WIRE_KEY_BYTES);
    assert_int_equal(wire_agent_key_make(&pool, "0B4A8C1E-5D0F-4A4E-9A57-3F1F5F2F7A10", &b, NULL),
                     0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(wire_agent_key_make(&pool, "h1", &b, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
}

static void a_bad_file_is_refused_and_never_quoted(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *text;
        mode_t mode;
        const char *pool_says; /* NULL: good */
        const char *agent_says;
    } cases[] = {
        {"onyxpool-pool-key-1 " HEX "\n", 0600, NULL, "must not leave the coordinator"},
        {"  onyxpool-pool-key-1\t" HEX " \r\n", 0600, NULL, "must not leave the coordinator"},
        {"onyxpool-agent-key-1 " SAMPLE_HOST " " HEX "\n", 0600, "agent key", NULL},
        {"onyxpool-pool-key-1 " HEX "\n", 0640, "chmod 600", "chmod 600"},
        {"onyxpool-pool-key-1 " HEX "\n", 0604, "chmod 600", "chmod 600"},
        {"onyxpool-pool-key-1 " HEX "00\n", 0600, "64 hex", "must not leave"},
        {"onyxpool-pool-key-1 " HEX " more\n", 0600, "64 hex", "must not leave"},
        {"onyxpool-pool-key-1\n", 0600, "64 hex", "must not leave"},
        {"onyxpool-pool-key-2 " HEX "\n", 0600, "does not begin", "does not begin"},
        {"onyxpool-agent-key-1 h1 " HEX "\n", 0600, "agent key", "host uuid"},
        {"onyxpool-agent-key-1 " SAMPLE_HOST " 00ff\n", 0600, "agent key", "64 hex"},
        {"", 0600, "does not begin", "does not begin"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_pool_key pool;
        struct wire_agent_key agent;
        struct error err = ERROR_INIT;
        write_key(place, cases[i].text, cases[i].mode);
        assert_int_equal(wire_pool_key_read(place->file, &pool, &err),
                         cases[i].pool_says != NULL ? -1 : 0);
        if (cases[i].pool_says != NULL) {
            assert_int_equal(err.code, ERROR_SETTINGS);
            assert_non_null(strstr(err.text, cases[i].pool_says));
            assert_non_null(strstr(err.text, place->file));
            assert_null(strstr(err.text, "00010203"));
        }
        assert_int_equal(wire_agent_key_read(place->file, &agent, &err),
                         cases[i].agent_says != NULL ? -1 : 0);
        if (cases[i].agent_says != NULL) {
            assert_non_null(strstr(err.text, cases[i].agent_says));
            assert_null(strstr(err.text, "00010203"));
        }
    }
}

static void a_missing_binary_or_odd_file_is_told(void **state)
{
    const struct place *place = *state;
    struct wire_pool_key key;
    struct wire_agent_key agent;
    struct error err = ERROR_INIT;
    char large[2000];
    assert_int_equal(wire_pool_key_read(place->file, &key, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "onyxpool keygen"));
    assert_int_equal(wire_agent_key_read(place->file, &agent, &err), -1);
    assert_non_null(strstr(err.text, "--host UUID"));
    assert_int_equal(wire_pool_key_read(place->folder, &key, &err), -1);
    assert_non_null(strstr(err.text, "regular file"));
    memset(large, 'a', sizeof large);
    assert_int_equal(fd_replace_file(place->file, 0600, large, sizeof large, NULL), 0);
    assert_int_equal(wire_pool_key_read(place->file, &key, &err), -1);
    assert_non_null(strstr(err.text, "too long"));
    assert_int_equal(fd_replace_file(place->file, 0600, "a\0b", 3, NULL), 0);
    assert_int_equal(wire_pool_key_read(place->file, &key, &err), -1);
    assert_non_null(strstr(err.text, "binary"));
    CLEAN_CHAR char *nowhere = str_format("%s/none/key", place->folder);
    assert_int_equal(wire_pool_key_create(nowhere, random_system(), &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void a_rotation_keeps_the_former_key_until_its_time(void **state)
{
    const struct place *place = *state;
    const int64_t now = INT64_C(1795379254000);
    CLEAN_WIRE_POOL_KEYS struct wire_pool_keys before;
    CLEAN_WIRE_POOL_KEYS struct wire_pool_keys after;
    CLEAN_CHAR char *old = str_format("%s.old", place->file);
    struct error err = ERROR_INIT;
    struct stat facts;
    assert_int_equal(wire_pool_key_create(place->file, random_system(), &err), 0);
    assert_int_equal(wire_pool_keys_read(place->file, &before, &err), 0);
    assert_false(before.has_old);
    assert_int_equal(wire_pool_key_rotate(place->file, now, now + 5000, random_system(), &err), 0);
    assert_int_equal(wire_pool_keys_read(place->file, &after, &err), 0);
    assert_true(after.has_old);
    assert_int_equal(after.old_until, now + 5000);
    assert_memory_equal(after.old.bytes, before.now.bytes, WIRE_KEY_BYTES);
    assert_memory_not_equal(after.now.bytes, before.now.bytes, WIRE_KEY_BYTES);
    assert_int_equal(stat(old, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(stat(place->file, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(wire_pool_key_rotate(place->file, now, now + 1, random_system(), &err),
                     -1);
    assert_int_equal(err.code, ERROR_EXISTS);
    assert_non_null(strstr(err.text, "remove it when all have"));
    assert_int_equal(
        wire_pool_key_rotate(place->file, now + 5000, now + 9000, random_system(), &err), 0);
    assert_int_equal(wire_pool_keys_read(place->file, &before, &err), 0);
    assert_memory_equal(before.old.bytes, after.now.bytes, WIRE_KEY_BYTES);
    /* At once, whatever still counts: it was stolen. */
    assert_int_equal(
        wire_pool_key_rotate(place->file, now + 6000, now + 6000, random_system(), &err), 0);
    assert_int_equal(wire_pool_keys_read(place->file, &after, &err), 0);
    assert_memory_equal(after.old.bytes, before.now.bytes, WIRE_KEY_BYTES);
    assert_int_equal(after.old_until, now + 6000);
}

static void a_bad_former_key_is_refused_and_never_quoted(void **state)
{
    const struct place *place = *state;
    static const char *const bad[] = {
        "onyxpool-pool-key-1 " HEX "\n",
        "onyxpool-old-pool-key-1 " HEX "\n",
        "onyxpool-old-pool-key-1 " HEX " tomorrow\n",
        "onyxpool-old-pool-key-1 00 2026-11-22T20:27:34Z\n",
        "onyxpool-old-pool-key-1 " HEX " 2026-11-22T20:27:34Z more\n",
        "",
    };
    CLEAN_WIRE_POOL_KEYS struct wire_pool_keys keys;
    CLEAN_CHAR char *old = str_format("%s.old", place->file);
    struct error err = ERROR_INIT;
    assert_int_equal(wire_pool_key_create(place->file, random_system(), &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(fd_replace_file(old, 0600, bad[i], strlen(bad[i]), NULL), 0);
        assert_int_equal(wire_pool_keys_read(place->file, &keys, &err), -1);
        assert_int_equal(err.code, ERROR_SETTINGS);
        assert_null(strstr(err.text, "000102"));
    }
    const char *good = "onyxpool-old-pool-key-1 " HEX " 2026-11-22T20:27:34Z\n";
    assert_int_equal(fd_replace_file(old, 0640, good, strlen(good), NULL), 0);
    assert_int_equal(wire_pool_keys_read(place->file, &keys, &err), -1);
    assert_non_null(strstr(err.text, "chmod 600"));
}

static void a_stamp_tells_a_change_once(void **state)
{
    const struct place *place = *state;
    struct wire_key_stamp stamp = {0};
    assert_int_equal(wire_key_stamp_look(place->file, &stamp), 0);
    write_key(place, "a", 0600);
    assert_int_equal(wire_key_stamp_look(place->file, &stamp), 1);
    assert_int_equal(wire_key_stamp_look(place->file, &stamp), 0);
    write_key(place, "ab", 0600);
    assert_int_equal(wire_key_stamp_look(place->file, &stamp), 1);
    unlink(place->file);
    assert_int_equal(wire_key_stamp_look(place->file, &stamp), 1);
    assert_int_equal(wire_key_stamp_look(place->file, &stamp), 0);
}

static void the_stamp_of_the_pools_keys_tells_a_change_of_each(void **state)
{
    const struct place *place = *state;
    struct wire_pool_keys_stamp stamp = {.now = {.inode = 0}};
    CLEAN_CHAR char *old = str_format("%s.old", place->file);
    assert_int_equal(wire_pool_key_create(place->file, random_system(), NULL), 0);
    assert_int_equal(wire_pool_keys_stamp_look(place->file, &stamp), 1);
    assert_int_equal(wire_pool_keys_stamp_look(place->file, &stamp), 0);
    assert_int_equal(wire_pool_key_rotate(place->file, 1, 2, random_system(), NULL), 0);
    assert_int_equal(wire_pool_keys_stamp_look(place->file, &stamp), 1);
    assert_int_equal(wire_pool_keys_stamp_look(place->file, &stamp), 0);
    assert_int_equal(unlink(old), 0);
    assert_int_equal(wire_pool_keys_stamp_look(place->file, &stamp), 1);
    assert_int_equal(wire_pool_keys_stamp_look(place->file, &stamp), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pool_key_is_made_once_and_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_agent_key_is_written_and_read_again, set_up, tear_down),
        cmocka_unit_test(hosts_and_pools_have_different_keys),
        cmocka_unit_test_setup_teardown(a_bad_file_is_refused_and_never_quoted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_binary_or_odd_file_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rotation_keeps_the_former_key_until_its_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_bad_former_key_is_refused_and_never_quoted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_stamp_tells_a_change_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_stamp_of_the_pools_keys_tells_a_change_of_each, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
