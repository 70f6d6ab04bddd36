/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool keygen: the pool key, once; from it the key of each host's agent.
 *
 * The pool key never leaves the coordinator. An agent key is derived, so it can be made again at
 * any time, and it speaks for its host alone.
 */
#include "coordinator/command/command.h"

#include <libgen.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/wire/key.h"

/* Tell what was made where. */
static int tell(const struct settings *settings, const char *what, const char *path,
                const char *hint, struct error *err)
{
    if (settings->is_json)
        return command_print_json_take(
            json_pack("{s:s,s:o}", "key", what, "file", command_json_text(path)), err);
    CLEAN_STR struct str text = STR_INIT;
    str_add_format(&text, "The %s key is in %s.\n%s", what, path, hint);
    return command_print(&text, err);
}

/* /etc/onyxpool is not there on a new machine; anything deeper may be a slip. */
static void make_folder_of(const char *path)
{
    CLEAN_CHAR char *copy = mem_dup(path);
    (void)mkdir(dirname(copy), 0700); /* making the file tells what is wrong */
}

static int make_pool_key(const struct settings *settings, struct error *err)
{
    if (settings->out != NULL)
        return error_set(err, ERROR_USAGE, "-o goes with --host; the pool key's file is --key");
    make_folder_of(settings->key);
    if (wire_pool_key_create(settings->key, random_system(), err) != 0)
        return -1;
    CLEAN_CHAR char *hint = str_format("It stays on this machine. Make each host's key with\n"
                                       "  onyxpool keygen --key %s --host UUID -o agent.key\n"
                                       "and bring it to that host as /etc/onyxpool/agent.key.\n",
                                       settings->key);
    return tell(settings, "pool", settings->key, hint, err);
}

static int rotate_pool_key(const struct settings *settings, struct error *err)
{
    int64_t now = clock_wall_ms(clock_system());
    int64_t until = now + settings->rotate_ms;
    char when[CLOCK_ISO_MAX];

    if (settings->host_uuid != NULL || settings->out != NULL)
        return error_set(err, ERROR_USAGE, "--rotate goes without --host and -o");
    if (wire_pool_key_rotate(settings->key, now, until, random_system(), err) != 0)
        return -1;
    CLEAN_CHAR char *former =
        settings->rotate_ms > 0
            ? str_format("Agents with keys of the former one are heard until %s; it is in %s.old.",
                         clock_format_local(until, when), settings->key)
            : mem_dup("Agents with keys of the former one are heard no more.");
    CLEAN_CHAR char *hint = str_format(
        "%s\n"
        "Make each host's new key with\n"
        "  onyxpool keygen --key %s --host UUID -o agent.key\n"
        "and move it over /etc/onyxpool/agent.key there; the agent takes it by itself.\n",
        former, settings->key);
    return tell(settings, "pool", settings->key, hint, err);
}

static int make_agent_key(const struct settings *settings, struct error *err)
{
    CLEANUP(wire_pool_key_done) struct wire_pool_key pool = {0};
    CLEANUP(wire_agent_key_done) struct wire_agent_key agent = {0};

    if (settings->is_json && settings->out == NULL)
        return error_set(err, ERROR_USAGE, "--json with --host goes with -o FILE: a key is no JSON");
    if (wire_pool_key_read(settings->key, &pool, err) != 0 ||
        wire_agent_key_make(&pool, settings->host_uuid, &agent, err) != 0)
        return -1;
    if (settings->out != NULL) {
        if (wire_agent_key_create(settings->out, &agent, err) != 0)
            return -1;
        return tell(settings, "agent", settings->out, "", err);
    }
    CLEANUP(wire_secret_done) struct str line = STR_INIT;
    wire_agent_key_format(&agent, &line);
    return command_print(&line, err);
}

int command_keygen(const struct settings *settings, struct error *err)
{
    if (command_check_operands(settings, 0, 0, "", err) != 0)
        return -1;
    if (settings->is_rotating)
        return rotate_pool_key(settings, err);
    if (settings->host_uuid == NULL)
        return make_pool_key(settings, err);
    return make_agent_key(settings, err);
}
