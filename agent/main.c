/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool-agent: composes the agent, or is one of its workers.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/options.h"
#include "agent/place.h"
#include "agent/supervise.h"
#include "agent/worker.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/process_limits.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/wire/key.h"

#include "common/base/poison.h"

#define ROOM "agent"

static int read_key(const struct options *options, struct wire_agent_key *key, struct error *err)
{
    if (wire_agent_key_read(options->key, key, err) != 0)
        return -1;
    if (strcasecmp(key->host_uuid, options->host_uuid) != 0)
        return error_set(err, ERROR_SETTINGS,
                         "%s is the key of the host %s, not of %s: make one with onyxpool keygen "
                         "--host %s",
                         options->key, key->host_uuid, options->host_uuid, options->host_uuid);
    return 0;
}

static int run_agent(const char *self, const struct options *options, struct error *err)
{
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key = {0};
    CLEAN_PLACE struct place place = {0};
    CLEAN_FD int lock = -1;
    CLEAN_CHAR char *program = NULL;
    if (place_init(&place, options->runtime_dir, xapi_target_name(&options->target),
                   options->host_uuid, err) != 0 ||
        read_key(options, &key, err) != 0 || place_find_program(self, &program, err) != 0)
        return -1;
    if (place_claim(&place, &lock, err) != 0)
        return -1;
    struct supervise_settings settings = {
        .program = program,
        .target = &options->target,
        .host_uuid = options->host_uuid,
        .coordinator = options->coordinator,
        .key = &key,
        .key_path = options->key,
        .root = options->root,
        .hooks = &options->hooks,
        .slots = options->slots,
        .gentle = options->gentle,
        .nice = options->nice,
        .ionice = options->ionice,
        .clean_ms = options->clean_ms,
        .spare_ms = options->spare_ms,
        .log_level = options->log_level,
        .scope = place.scope,
        .state_file = place.session_file,
    };
    int result = supervise_run(&settings, err);
    place_leave(&place);
    return result;
}

static int drain_agent(const struct options *options, struct error *err)
{
    CLEAN_PLACE struct place place = {0};
    if (place_init(&place, options->runtime_dir, xapi_target_name(&options->target),
                   options->host_uuid, err) != 0)
        return -1;
    return place_drain(&place, err);
}

static int run(int argc, char **argv, struct error *err)
{
    CLEAN_OPTIONS struct options options = {0};
    const char *const *arguments = (const char *const *)argv + 1;
    if (options_read(argc > 0 ? (size_t)argc - 1 : 0, arguments, &options, err) != 0)
        return -1;
    log_set_level(options.log_level);
    for (size_t i = 0; i < options.warnings.n; i++)
        log_warn(ROOM, "%s", options.warnings.items[i]);
    if (options.wish == OPTIONS_HELP) {
        CLEAN_STR struct str help = STR_INIT;
        options_format_help(&help);
        fputs(str_text(&help), stdout);
        return 0;
    }
    if (options.wish == OPTIONS_EXAMPLE) {
        CLEAN_STR struct str example = STR_INIT;
        options_format_example(&example);
        fputs(str_text(&example), stdout);
        return 0;
    }
    if (options.wish == OPTIONS_VERSION) {
        puts("onyxpool-agent " VERSION_TEXT);
        return 0;
    }
    if (quit_watch(err) != 0)
        return -1;
    return options.wish == OPTIONS_DRAIN ? drain_agent(&options, err)
                                         : run_agent(argv[0], &options, err);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    if (argc == 2 && (strcmp(argv[1], WORKER_ARGUMENT) == 0 ||
                      strcmp(argv[1], WORKER_STANDBY_ARGUMENT) == 0))
        return worker_main(argv[1]);
    process_limits_hide();
    if (run(argc, argv, &err) == 0)
        return 0;
    fprintf(stderr, "onyxpool-agent: %s\n", err.text);
    return error_exit_status(err.code);
}
