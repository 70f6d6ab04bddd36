/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/options and agent/place: what is typed, what dom0 tells, one agent a host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/options.h"
#include "agent/place.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static int read_line(struct options *options, struct error *err, size_t n, const char *const *line)
{
    error_clear(err);
    return options_read(n, line, options, err);
}

#define READ(options, err, ...)                                                                    \
    read_line(options, err, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                \
              (const char *[]){__VA_ARGS__})

static void options_when_given_then_taken(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_OPTIONS struct options options = {0};
    assert_int_equal(READ(&options, &err, "--xapi", "/run/x", "--host", UUID, "--coordinator",
                          "127.0.0.1:7451", "--key", "/k", "-d", "/mnt/b", "--slots=3", "-l",
                          "debug"),
                     0);
    assert_int_equal(options.wish, OPTIONS_RUN);
    assert_int_equal(options.target.kind, XAPI_TARGET_SOCKET);
    assert_string_equal(options.host_uuid, UUID);
    assert_string_equal(options.coordinator, "127.0.0.1:7451");
    assert_string_equal(options.root, "/mnt/b");
    assert_int_equal(options.slots, 3);
    assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
}

static void options_when_wrong_then_refused_by_name(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {{"--host", "x", "--host"},
                                           {"--slots", "0", "--slots"},
                                           {"-d", "relative", "-d"},
                                           {"--coordinator", "tcp://nowhere", "--coordinator"},
                                           {"--log-level", "loud", "--log-level"},
                                           {"--bogus", "1", "--bogus"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = ERROR_INIT;
        CLEAN_OPTIONS struct options options = {0};
        assert_int_equal(READ(&options, &err, "--xapi", "/run/x", "--host", UUID, wrong[i][0],
                              wrong[i][1]),
                         -1);
        assert_int_equal(error_exit_status(err.code), 2);
        assert_non_null(strstr(err.text, wrong[i][2]));
    }
}

static void inventory_when_read_then_the_hosts_uuid(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char path[] = "/tmp/onyx-inventory-XXXXXX";
    char uuid[UUID_TEXT_MAX] = "";
    const char good[] = "PRODUCT_BRAND='XCP-ng'\nINSTALLATION_UUID='" UUID "'\nMANAGEMENT=''\n";
    const char bad[] = "INSTALLATION_UUID='12'\n";
    CLEAN_FD int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, good, sizeof good - 1, &err), 0);
    assert_int_equal(options_read_inventory(path, uuid, &err), 0);
    assert_string_equal(uuid, UUID);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(fd_write_all(fd, bad, sizeof bad - 1, &err), 0);
    assert_int_equal(options_read_inventory(path, uuid, &err), -1);
    assert_non_null(strstr(err.text, "--host"));
    unlink(path);
    assert_int_equal(options_read_inventory(path, uuid, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
}

static void gentleness_when_said_then_taken_and_else_sane(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_OPTIONS struct options plain = {0}, options = {0}, bad = {0};
    assert_int_equal(READ(&plain, &err, "--xapi", "/run/x", "--host", UUID), 0);
    assert_string_equal(plain.nice, "10");
    assert_string_equal(plain.ionice, "best-effort");
    assert_int_equal(plain.gentle.host_rate, 0);
    assert_int_equal(plain.gentle.load.cpu_max, 0);
    assert_int_equal(READ(&options, &err, "--xapi", "/run/x", "--host", UUID, "--host-rate",
                          "200M", "--nice", "19", "--ionice", "idle", "--load-max", "85",
                          "--load-average-max", "4", "--pressure-max", "40"),
                     0);
    assert_int_equal(options.gentle.host_rate, 200 << 20);
    assert_string_equal(options.nice, "19");
    assert_string_equal(options.ionice, "idle");
    assert_int_equal(options.gentle.load.cpu_max, 85);
    assert_int_equal(options.gentle.load.average_max, 4);
    assert_int_equal(options.gentle.load.pressure_max, 40);
    assert_int_equal(READ(&bad, &err, "--host-rate", "1K"), -1);
    assert_non_null(strstr(err.text, "between 256K and 1024T"));
}

/* onyxpool-agent --example > etc/agent.example makes it anew. */
static void example_when_compared_then_as_shipped(void **state)
{
    (void)state;
    CLEAN_STR struct str want = STR_INIT, got = STR_INIT;
    struct error err = ERROR_INIT;
    options_format_example(&want);
    if (fd_read_file(TEST_SOURCE_ROOT "/etc/agent.example", 65536, &got, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(str_text(&got), str_text(&want));
}

static void place_when_claimed_twice_then_busy(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char dir[] = "/tmp/onyx-place-XXXXXX";
    CLEAN_PLACE struct place place = {0};
    CLEAN_FD int first = -1;
    CLEAN_FD int second = -1;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(place_init(&place, dir, dir, UUID, &err), 0);
    assert_int_equal(place_drain(&place, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(place_claim(&place, &first, &err), 0);
    assert_int_equal(place_claim(&place, &second, &err), -1);
    assert_int_equal(err.code, ERROR_BUSY);
    fd_close(&first);
    assert_int_equal(place_claim(&place, &second, &err), 0);
    place_leave(&place);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(place_init(&place, "/nonexistent/x", dir, UUID, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_when_given_then_taken),
        cmocka_unit_test(options_when_wrong_then_refused_by_name),
        cmocka_unit_test(inventory_when_read_then_the_hosts_uuid),
        cmocka_unit_test(gentleness_when_said_then_taken_and_else_sane),
        cmocka_unit_test(example_when_compared_then_as_shipped),
        cmocka_unit_test(place_when_claimed_twice_then_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
