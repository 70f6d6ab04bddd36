/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One table; in dom0 every value has a default that needs no typing.
 * Source: XenServer's /etc/xensource-inventory, INSTALLATION_UUID.
 */
#include "agent/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/attempts.h"
#include "agent/hook.h"
#include "agent/supervise.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/option.h"
#include "common/base/str.h"
#include "common/model/rate.h"
#include "common/wire/link.h"

#include "common/base/poison.h"

#define INVENTORY_MAX (1u << 16)

enum {
    OPT_HELP,
    OPT_VERSION,
    OPT_CONFIG,
    OPT_XAPI,
    OPT_XAPI_USER,
    OPT_XAPI_PASSWORD_FILE,
    OPT_XAPI_CERT,
    OPT_XAPI_TLS_PORT,
    OPT_HOST,
    OPT_COORDINATOR,
    OPT_KEY,
    OPT_BACKUP_DIR,
    OPT_SLOTS,
    OPT_HOST_RATE,
    OPT_NICE,
    OPT_IONICE,
    OPT_LOAD_MAX,
    OPT_LOAD_AVERAGE_MAX,
    OPT_PRESSURE_MAX,
    OPT_LOG_LEVEL,
    OPT_CLEAN_MAX,
    OPT_SPARE_WORKER,
    OPT_RUNTIME_DIR,
    OPT_DRAIN,
    OPT_EXAMPLE,
    OPT_WORKER,
    OPT_N
};

#define AGENT .section = "agent"
#define RUN .commands = 1u
#define SWITCH .kind = OPTION_BOOL, .given = "True", .fallback = "False"

static const struct option table[OPT_N] = {
    [OPT_HELP] = {.name = "help", .letter = "h", SWITCH, RUN, .help = "Show this help and end."},
    [OPT_VERSION] = {.name = "version", .letter = "v", SWITCH, RUN,
                     .help = "Show the program's version and end."},
    [OPT_CONFIG] = {.name = "config", .letter = "c", .kind = OPTION_PATH, .argument = "FILE", RUN,
                    .help = "Settings file with a section [agent], in place of " OPTIONS_FILE "."},
    [OPT_XAPI] = {.name = "xapi", AGENT, .key = "xapi", .kind = OPTION_TEXT, .argument = "TARGET",
                  RUN,
                  .help = "XAPI's socket or URL; without it the socket of this dom0."},
    [OPT_XAPI_USER] = {.name = "xapi-user", AGENT, .key = "xapi_user", .kind = OPTION_TEXT,
                       .argument = "USER", .fallback = "root", RUN,
                       .help = "User for an URL; a socket asks for none."},
    [OPT_XAPI_PASSWORD_FILE] = {.name = "xapi-password-file", AGENT, .key = "xapi_password_file",
                                .kind = OPTION_PATH, .argument = "FILE", RUN,
                                .help = "File with the user's password, for an URL."},
    [OPT_XAPI_CERT] = {.name = "xapi-cert", AGENT, .key = "xapi_cert", .kind = OPTION_PATH,
                       .argument = "FILE", RUN,
                       .help = "Certificates (PEM) of the pool's hosts, or of the CA that signed them; for "
                               "https."},
    [OPT_XAPI_TLS_PORT] = {.name = "xapi-tls-port", AGENT, .key = "xapi_tls_port",
                           .kind = OPTION_INT, .argument = "PORT", .min = 1, .max = 65535,
                           .fallback = "443", RUN,
                           .help = "Port of hosts that XAPI redirects to."},
    [OPT_HOST] = {.name = "host", AGENT, .key = "host", .kind = OPTION_TEXT, .argument = "UUID",
                  RUN,
                  .help = "uuid of this host; without it the one in " OPTIONS_INVENTORY "."},
    [OPT_COORDINATOR] = {.name = "coordinator", AGENT, .key = "coordinator", .kind = OPTION_TEXT,
                         .argument = "ADDRESS", RUN,
                         .help = "HOST:PORT of the coordinator; without it the holder of the "
                                 "pool's lease tells."},
    [OPT_KEY] = {.name = "key", AGENT, .key = "key", .kind = OPTION_PATH, .argument = "FILE",
                 .fallback = OPTIONS_KEY, RUN,
                 .help = "This host's key, made by onyxpool keygen --host."},
    [OPT_BACKUP_DIR] = {.name = "backup-dir", .letter = "d", AGENT, .key = "backup_dir",
                        .kind = OPTION_PATH, .argument = "PATH", RUN,
                        .help = "Where the share is mounted on this host; without it where the "
                                "coordinator has it."},
    [OPT_SLOTS] = {.name = "slots", AGENT, .key = "slots", .kind = OPTION_INT, .argument = "N",
                   .min = 1, .max = ATTEMPTS_SLOTS_MAX, .fallback = "2", RUN,
                   .help = "How many jobs may run here at once."},
    [OPT_HOST_RATE] = {.name = "host-rate", AGENT, .key = "host_rate", .kind = OPTION_BYTES,
                       .argument = "BYTES", .min = RATE_MIN, .max = INT64_C(1) << 50,
                       .fallback = "0", RUN,
                       .help = "Bytes a second that all jobs of this host read together, where "
                               "the run sets no lower limit: 100M, 1G; 0 is no limit."},
    [OPT_NICE] = {.name = "nice", AGENT, .key = "nice", .kind = OPTION_INT, .argument = "N",
                  .min = 0, .max = 19, .fallback = "10", RUN,
                  .help = "How far the jobs stand back for others who want the CPU; see nice(1)."},
    [OPT_IONICE] = {.name = "ionice", AGENT, .key = "ionice", .kind = OPTION_CHOICE,
                    .argument = "CLASS", .choices = "best-effort|idle|none",
                    .fallback = "best-effort", RUN,
                    .help = "The same for disks; best-effort is that class's lowest step. See "
                            "ionice(1)."},
    [OPT_LOAD_MAX] = {.name = "load-max", AGENT, .key = "load_max", .kind = OPTION_INT,
                      .argument = "PERCENT", .min = 0, .max = 100, .fallback = "0", RUN,
                      .help = "Hold back while others use more of dom0's processors than this, "
                              "stolen time included: no job begins, running ones go slower. 0 is "
                              "never."},
    [OPT_LOAD_AVERAGE_MAX] = {.name = "load-average-max", AGENT, .key = "load_average_max",
                              .kind = OPTION_INT, .argument = "N", .min = 0, .max = 1000,
                              .fallback = "0", RUN,
                              .help = "The same for the load average of the last minute, for "
                                      "each processor."},
    [OPT_PRESSURE_MAX] = {.name = "pressure-max", AGENT, .key = "pressure_max",
                          .kind = OPTION_INT, .argument = "PERCENT", .min = 0, .max = 100,
                          .fallback = "0", RUN,
                          .help = "The same for the pressure that /proc/pressure tells of CPU and "
                                  "disks (some, of 10 s); kernels before 4.20 have none."},
    [OPT_LOG_LEVEL] = {.name = "log-level", .letter = "l", AGENT, .key = "log_level",
                       .kind = OPTION_CHOICE, .argument = "LEVEL",
                       .choices = "critical|error|warning|info|debug", .fallback = "info", RUN,
                       .help = "How much is told."},
    [OPT_CLEAN_MAX] = {.name = "clean-max", AGENT, .key = "clean_max", .kind = OPTION_DURATION,
                       .argument = "TIME", .min = 1000, .max = 3600000, .fallback = "180", RUN,
                       .help = "How long a worker that was told to end may clean up before it is "
                               "killed."},
    [OPT_SPARE_WORKER] = {.name = "spare-worker", AGENT, .key = "spare_worker",
                          .kind = OPTION_DURATION, .argument = "TIME", .min = 0, .max = 3600000,
                          .fallback = "10", RUN,
                          .help = "How long a worker is kept ready behind a job that took less than "
                                  "this, so that the next one need not wait for its start. 0 is "
                                  "never."},
    [OPT_RUNTIME_DIR] = {.name = "runtime-dir", AGENT, .key = "runtime_dir", .kind = OPTION_PATH,
                         .argument = "DIR", RUN,
                         .help = "Folder for what must outlive a killed agent; without it "
                                 "/run/onyxpool, or one of the user's own."},
    [OPT_DRAIN] = {.name = "drain", SWITCH, RUN,
                   .help = "Let the agent that runs for this host finish its jobs and end; wait "
                           "for it."},
    [OPT_EXAMPLE] = {.name = "example", SWITCH, RUN,
                     .help = "Print a settings file that names every key, and end."},
    [OPT_WORKER] = {.name = "worker", SWITCH, RUN,
                    .help = "Run one job; the agent starts its workers with this."},
};

void options_done(struct options *options)
{
    xapi_target_done(&options->target);
    free(options->coordinator);
    free(options->key);
    free(options->root);
    free(options->runtime_dir);
    free(options->nice);
    free(options->ionice);
    text_map_done(&options->hooks);
    text_list_done(&options->warnings);
    memset(options, 0, sizeof *options);
}

/* The value behind "INSTALLATION_UUID=", without its quotes. */
int options_read_inventory(const char *path, char ret_uuid[UUID_TEXT_MAX], struct error *err)
{
    static const char key[] = "INSTALLATION_UUID=";
    CLEAN_STR struct str text = STR_INIT;
    if (fd_read_file(path, INVENTORY_MAX, &text, NULL) != 0)
        return error_set(err, ERROR_SETTINGS,
                         "%s is not here, so this is no dom0: give the host's uuid with --host",
                         path);
    for (const char *line = str_text(&text); line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!str_starts(line, key))
            continue;
        const char *at = line + sizeof key - 1;
        char uuid[UUID_TEXT_MAX] = {0};
        at += *at == '\'' || *at == '"';
        memcpy(uuid, at, strnlen(at, UUID_TEXT_MAX - 1));
        if (!uuid_is_valid(uuid))
            break;
        memcpy(ret_uuid, uuid, sizeof uuid);
        return 0;
    }
    return error_set(err, ERROR_SETTINGS,
                     "%s has no INSTALLATION_UUID: give the host's uuid with --host", path);
}

static int read_target(const struct option_set *set, struct options *options, struct error *err)
{
    struct xapi_target *target = &options->target;
    const char *password_file = option_text(set, OPT_XAPI_PASSWORD_FILE);
    if (xapi_target_parse(option_text(set, OPT_XAPI), target, err) != 0)
        return -1;
    target->tls_port = (uint16_t)option_number(set, OPT_XAPI_TLS_PORT);
    if (option_text(set, OPT_XAPI_CERT) != NULL)
        mem_set(&target->certificate_file, option_text(set, OPT_XAPI_CERT));
    if (target->kind == XAPI_TARGET_SOCKET)
        return 0;
    mem_set(&target->user, option_text(set, OPT_XAPI_USER));
    if (password_file != NULL)
        return xapi_target_read_password(target, password_file, err);
    return 0;
}

static void read_gentle(const struct option_set *set, struct options *options)
{
    options->gentle = (struct gentle_rule){
        .load = {.cpu_max = (uint32_t)option_number(set, OPT_LOAD_MAX),
                 .average_max = (uint32_t)option_number(set, OPT_LOAD_AVERAGE_MAX),
                 .pressure_max = (uint32_t)option_number(set, OPT_PRESSURE_MAX)},
        .host_rate = (uint64_t)option_number(set, OPT_HOST_RATE)};
    mem_set(&options->nice, option_text(set, OPT_NICE));
    mem_set(&options->ionice, option_text(set, OPT_IONICE));
}

static int read_values(const struct option_set *set, struct options *options, struct error *err)
{
    const char *host = option_text(set, OPT_HOST);
    const char *root = option_text(set, OPT_BACKUP_DIR);
    const char *address = option_text(set, OPT_COORDINATOR);
    char parsed[WIRE_ADDRESS_MAX];
    if (log_level_from_name(option_text(set, OPT_LOG_LEVEL), &options->log_level) != 1)
        return error_set(err, ERROR_USAGE, "--log-level: no such level");
    if (host != NULL && !uuid_is_valid(host))
        return error_set(err, ERROR_USAGE, "--host: '%s' is no uuid", host);
    if (root != NULL && root[0] != '/')
        return error_set(err, ERROR_USAGE, "-d: '%s' is not an absolute path", root);
    if (address != NULL && wire_address_parse(address, parsed, err) != 0)
        return error_add(err, "--coordinator");
    if (host != NULL)
        (void)str_copy(options->host_uuid, sizeof options->host_uuid, host);
    else if (options_read_inventory(OPTIONS_INVENTORY, options->host_uuid, err) != 0)
        return -1;
    mem_set(&options->coordinator, address);
    mem_set(&options->key, option_text(set, OPT_KEY));
    mem_set(&options->root, root);
    mem_set(&options->runtime_dir, option_text(set, OPT_RUNTIME_DIR));
    options->slots = (size_t)option_number(set, OPT_SLOTS);
    read_gentle(set, options);
    options->clean_ms = option_number(set, OPT_CLEAN_MAX);
    options->spare_ms = option_number(set, OPT_SPARE_WORKER);
    return read_target(set, options, err);
}

static enum options_wish read_wish(const struct option_set *set)
{
    if (option_flag(set, OPT_HELP))
        return OPTIONS_HELP;
    if (option_flag(set, OPT_VERSION))
        return OPTIONS_VERSION;
    if (option_flag(set, OPT_EXAMPLE))
        return OPTIONS_EXAMPLE;
    if (option_flag(set, OPT_WORKER))
        return OPTIONS_WORKER;
    return option_flag(set, OPT_DRAIN) ? OPTIONS_DRAIN : OPTIONS_RUN;
}

int options_read(size_t argc, const char *const *argv, struct options *ret, struct error *err)
{
    CLEAN_OPTION_SET struct option_set set = {0};
    CLEAN_OPTION_LINE struct option_line line = {0};
    bool found = false;
    option_set_init(&set, table, OPT_N);
    set.others = HOOK_SECTION;
    if (option_parse_line(table, OPT_N, 1u, argc, argv, &line, err) != 0)
        return -1;
    if (line.operands.n > 0)
        return error_set(err, ERROR_USAGE, "'%s': options begin with a dash (see --help)",
                         line.operands.items[0]);
    const char *file = option_line_find(&line, OPT_CONFIG);
    if (option_read_file(&set, file != NULL ? file : OPTIONS_FILE, file != NULL, &found, err) !=
            0 ||
        hook_read_file(file != NULL ? file : OPTIONS_FILE, &ret->hooks, err) != 0 ||
        option_apply_line(&set, &line, err) != 0)
        return -1;
    ret->wish = read_wish(&set);
    text_list_copy(&ret->warnings, &set.warnings);
    if (ret->wish == OPTIONS_RUN || ret->wish == OPTIONS_DRAIN)
        return read_values(&set, ret, err);
    return 0;
}

void options_format_example(struct str *out)
{
    str_add(out, "# Settings of onyxpool-agent, for " OPTIONS_FILE " of each host. Every key with "
                 "its default; a host\n# in whose dom0 nothing is unusual needs none of them.\n\n");
    option_format_example(table, OPT_N, out);
    str_add(out, "\n# A command around the snapshots of VMs; a run's setting hooks names it.\n"
                 "#[hook mysql]\n#before_snapshot = /usr/local/sbin/freeze-mysql\n"
                 "#after_snapshot = /usr/local/sbin/thaw-mysql\n#timeout = 30s\n");
}

void options_format_help(struct str *out)
{
    struct option shown[OPT_N];
    memcpy(shown, table, sizeof shown);
    shown[OPT_WORKER].commands = 0; /* the agent's own affair */
    str_add(out, "usage: onyxpool-agent ");
    option_format_usage(shown, OPT_N, 1u, 22, out);
    str_add_char(out, '\n');
    option_wrap("The agent of one host: exports the host's VMs as the coordinator of the pool "
                "orders. SIGTERM cancels its jobs and ends it, SIGHUP lets them finish first.",
                0, 0, out);
    str_add(out, "\noptions:\n");
    option_format_help(shown, OPT_N, 1u, out);
}
