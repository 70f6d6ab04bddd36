/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that an agent and a coordinator read by path: the host's inventory, hooks and settings of
 * agent.conf, key files. They are given as a descriptor in memory, by its name in /proc.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/hook.h"
#include "agent/options.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/wire/key.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

static void run_keys(const char *path, const uint8_t *bytes, size_t n)
{
    CLEAN_WIRE_POOL_KEY struct wire_pool_key pool;
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key agent;
    struct error err = ERROR_INIT;

    if (wire_pool_key_read(path, &pool, &err) != 0) {
        FUZZ_MUST(err.code == ERROR_SETTINGS);
        FUZZ_MUST(n < 64 || memmem(err.text, strlen(err.text), bytes, n) == NULL);
    }
    error_clear(&err);
    if (wire_agent_key_read(path, &agent, &err) == 0)
        FUZZ_MUST(uuid_is_valid(agent.host_uuid));
}

static void run_settings(const char *path)
{
    CLEAN_OPTIONS struct options options = {0};
    CLEAN_TEXT_MAP struct text_map hooks = {0};
    const char *const line[] = {"-c", path, "--host", "7d9f2a34-52ab-4f6e-8d0b-000000000001"};
    struct error err = ERROR_INIT;

    if (hook_read_file(path, &hooks, &err) != 0)
        FUZZ_MUST(err.code == ERROR_SETTINGS);
    error_clear(&err);
    if (options_read(4, line, &options, &err) != 0)
        FUZZ_MUST(error_is_set(&err));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char uuid[UUID_TEXT_MAX] = "";
    char path[64];
    struct error err = ERROR_INIT;

    FUZZ_MUST(fd >= 0 && fchmod(fd, 0600) == 0 && fd_write_all(fd, bytes, n, &err) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (options_read_inventory(path, uuid, &err) == 0)
        FUZZ_MUST(uuid_is_valid(uuid));
    else
        FUZZ_MUST(err.code == ERROR_SETTINGS && uuid[0] == '\0');
    run_keys(path, bytes, n);
    run_settings(path);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    static const char *const seeds[] = {
        "PRODUCT_VERSION='8.3.0'\nINSTALLATION_UUID='7d9f2a34-52ab-4f6e-8d0b-000000000001'\n",
        "onyxpool-pool-key-1 " HEX "\n",
        "onyxpool-agent-key-1 7d9f2a34-52ab-4f6e-8d0b-000000000001 " HEX "\n",
        ("[agent]\nslots = 3\nkey = /etc/x\nxapi = https://10.0.0.1\n[hook mysql]\n"
        "before_snapshot = /usr/sbin/freeze \"a b\"\nafter_snapshot = /usr/sbin/thaw\ntimeout = 30s\n"),
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
