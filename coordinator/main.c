/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool: the command line. Cuts off the command's name, reads the settings, calls the command,
 * prints its error once and turns it into the exit status.
 *
 * Called as onyxbackup-vm or onyxbackup-vm.py it is `onyxpool run`, so that a crontab made for
 * OnyxBackupVM runs unchanged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/process_limits.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "coordinator/command/command.h"
#include "coordinator/settings.h"

static command_fn *const commands[COMMAND_N] = {
    [COMMAND_RUN] = command_run,       [COMMAND_PREVIEW] = command_preview,
    [COMMAND_STATUS] = command_status, [COMMAND_LIST] = command_list,
    [COMMAND_SHOW] = command_show,     [COMMAND_REPORT] = command_report,
    [COMMAND_AGENTS] = command_agents, [COMMAND_KEYGEN] = command_keygen,
    [COMMAND_INIT_STORE] = command_init_store, [COMMAND_PRUNE] = command_prune,
    [COMMAND_ADOPT] = command_adopt,   [COMMAND_VERIFY] = command_verify,
    [COMMAND_PIN] = command_pin,       [COMMAND_UNPIN] = command_unpin,
};

static void format_overview(struct str *out)
{
    str_add(out, "Usage: onyxpool COMMAND [OPTION]... [ARGUMENT]...\n\n"
                 "Pool-wide backups for XenServer, Citrix Hypervisor and XCP-ng.\n\n");
    for (size_t i = 0; i < COMMAND_N; i++) {
        const struct settings_command_facts *facts =
            settings_command_facts((enum settings_command)i);
        str_add_format(out, "  %-10s  ", facts->name);
        option_wrap(facts->help, 14, 14, out);
    }
    str_add(out, "\nonyxpool COMMAND --help tells more of each.\n"
                 "Exit status: 0 done, 1 something failed, 2 usage or settings, 3 pool\n"
                 "unreachable or refused, 4 busy, 5 store missing, foreign or full,\n"
                 "6 interrupted, 7 internal.\n");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_old_name(const char *called_as)
{
    const char *name = base_name(called_as);
    return strcmp(name, "onyxbackup-vm") == 0 || strcmp(name, "onyxbackup-vm.py") == 0;
}

/* Say once what went wrong; gives the exit status. */
static int fail(const struct error *err)
{
    (void)fprintf(stderr, "onyxpool: error: %s\n",
                  err->text[0] != '\0' ? err->text : error_name(err->code));
    return error_exit_status(err->code);
}

static int find_command(const char *name, enum settings_command *ret_command, struct error *err)
{
    const char *names[COMMAND_N];
    for (size_t i = 0; i < COMMAND_N; i++) {
        names[i] = settings_command_facts((enum settings_command)i)->name;
        if (strcmp(names[i], name) == 0) {
            *ret_command = (enum settings_command)i;
            return 0;
        }
    }
    const char *near = option_nearest(name, names, COMMAND_N);
    if (near != NULL)
        return error_set(err, ERROR_USAGE, "there is no command '%s'; did you mean '%s'?", name,
                         near);
    return error_set(err, ERROR_USAGE, "there is no command '%s'; see onyxpool --help", name);
}

static int print_version(struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    str_add(&text, "onyxpool " VERSION_TEXT "\n");
    return command_print(&text, err);
}

/* Crontabs throw our output away: a run that falls over its settings is mailed as well. What was
 * typed wrong is for who typed it. Gives -1. */
static int could_not_begin(enum settings_command command, const struct settings *settings,
                           const struct error *err)
{
    if (command == COMMAND_RUN && err->code != ERROR_USAGE)
        command_run_broken(settings, err);
    return -1;
}

/* Everything behind the command's name. Gives the exit status, -1 with *err. */
static int run_command(enum settings_command command, const struct settings_place *place,
                       size_t argc, const char *const *argv, struct error *err)
{
    CLEAN_SETTINGS struct settings settings = {0};
    bool wants_help = false, wants_version = false;

    if (settings_read(command, place, argc, argv, &settings, &wants_help, &wants_version, err) !=
        0)
        return could_not_begin(command, &settings, err);
    if (wants_version)
        return print_version(err);
    if (wants_help) {
        CLEAN_STR struct str text = STR_INIT;
        CLEAN_CHAR char *program =
            is_old_name(place->called_as)
                ? mem_dup(base_name(place->called_as))
                : str_format("onyxpool %s", settings_command_facts(command)->name);
        settings_format_help(command, program, &text);
        return command_print(&text, err);
    }
    log_set_level(settings.log_level);
    for (size_t i = 0; i < settings.options.warnings.n; i++)
        log_warn("settings", "%s", settings.options.warnings.items[i]);
    if (clock_use_zone(settings.zone, err) != 0)
        return could_not_begin(command, &settings, err);
    return commands[command](&settings, err);
}

/* "onyxpool help run" is "onyxpool run --help". */
static int print_help(const char *name, const struct settings_place *place, struct error *err)
{
    static const char *const line[] = {"--help"};
    enum settings_command command = COMMAND_RUN;

    if (find_command(name, &command, err) != 0)
        return -1;
    return run_command(command, place, 1, line, err);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    const struct settings_place place = {
        .called_as = argc > 0 ? argv[0] : "onyxpool",
        .path = getenv("PATH"),
        .home = getenv("HOME"),
        .system_dir = "/etc",
    };
    enum settings_command command = COMMAND_RUN;
    int first = 1;

    process_limits_hide();
    if (quit_watch(&err) != 0)
        return fail(&err);
    if (!is_old_name(place.called_as)) {
        const char *name = argc > 1 ? argv[1] : "";
        CLEAN_STR struct str overview = STR_INIT;
        format_overview(&overview);
        if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0)
            return print_version(&err) == 0 ? 0 : fail(&err);
        if (strcmp(name, "help") == 0 && argc > 2)
            return print_help(argv[2], &place, &err) == 0 ? 0 : fail(&err);
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
            return command_print(&overview, &err) == 0 ? 0 : fail(&err);
        if (name[0] == '\0') {
            (void)fputs(str_text(&overview), stderr);
            return error_exit_status(ERROR_USAGE);
        }
        if (find_command(name, &command, &err) != 0)
            return fail(&err);
        first = 2;
    }
    size_t n = argc > first ? (size_t)(argc - first) : 0;
    int status = run_command(command, &place, n, (const char *const *)argv + first, &err);
    return status >= 0 ? status : fail(&err);
}
