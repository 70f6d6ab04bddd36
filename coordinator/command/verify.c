/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool verify [BACKUP|VM]: read backups back and check them as when they were written. It is a
 * run of its own, with verify jobs alone, for whatever agents there are; logged, reported and mailed
 * as a run is, for a damaged backup is news that somebody must hear.
 */
#include "coordinator/command/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/xapi/target.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/command/progress.h"
#include "coordinator/command/run_settings.h"
#include "coordinator/command/verifying.h"
#include "coordinator/logging/run_log.h"
#include "coordinator/policy/plan.h"
#include "coordinator/policy/report.h"
#include "coordinator/run/run.h"

#include "common/base/poison.h"

struct verify {
    const struct settings *settings;
    const char *catalog_path;
    struct verifying verifying;
    size_t n; /* chosen */
};

static int make_plan(void *context, const struct pool *pool, struct plan *ret_plan,
                     struct error *err)
{
    struct verify *verify = context;
    CLEAN_CATALOG struct catalog *catalog = NULL;

    if (catalog_open(verify->catalog_path, CATALOG_READ, &catalog, err) < 0)
        return -1;
    return verifying_plan(&verify->verifying, catalog, pool, ret_plan, &verify->n, err);
}

/* Whether there is anything to do, before agents are waited for: 1 yes, 0 no, -1 failed. */
static int look_first(struct verify *verify, struct error *err)
{
    static const struct pool nothing = {0};
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_PLAN struct plan plan = {0};
    size_t n = 0;

    if (catalog_open(verify->catalog_path, CATALOG_READ, &catalog, err) < 0 ||
        verifying_plan(&verify->verifying, catalog, &nothing, &plan, &n, err) < 0)
        return -1;
    return n > 0;
}

static int print_nothing(const struct settings *settings, const struct verifying *verifying,
                         struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    if (settings->is_json)
        return command_print_json_take(json_pack("{s:n,s:[]}", "run", "jobs"), err);
    if (!verifying->vm && !verifying->all && verifying->since_at == 0)
        str_add(&text, "No backup waits to be verified; --all reads every one.\n");
    else
        str_add(&text, "No backup is older than that; nothing was read.\n");
    return command_print(&text, err);
}

static int print_report(const struct verify *verify, const char *run, struct report *ret_report,
                        struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_STR struct str text = STR_INIT;

    if (catalog_open(verify->catalog_path, CATALOG_READ, &catalog, err) < 0)
        return -1;
    int found = command_read_report(catalog, run, ret_report, err);
    if (found <= 0)
        return found;
    if (verify->settings->is_json)
        report_format_json(ret_report, &text);
    else
        report_format_text(ret_report, &text);
    return command_print(&text, err);
}

/* Gives the exit status, or -1. */
static int carry_out(struct verify *verify, struct report *ret_report, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {.kind = XAPI_TARGET_SOCKET};
    CLEAN_RUN_OUTCOME struct run_outcome outcome = {.run = ""};
    CLEAN_CHAR char *text = str_format("verify %s %d %lld\n",
                                       verify->verifying.vm ? verify->verifying.vm : "",
                                       (int)verify->verifying.all,
                                       (long long)verify->settings->older_than_ms);
    struct run_settings run = {.target = &target, .catalog_path = verify->catalog_path};
    struct error report_error = ERROR_INIT;

    if (command_make_target(verify->settings, &target, err) < 0)
        return -1;
    run_settings_read(verify->settings, &run);
    CLEAN_PROGRESS struct progress *progress = progress_begin(STDERR_FILENO);
    const struct run_request request = {.selection = text,
                                        .is_new = true,
                                        .plan = make_plan,
                                        .plan_context = verify,
                                        .watch = {progress_event, progress}};
    int bad = run_conduct(&run, &request, &outcome, err);
    progress_end(&progress);
    (void)str_copy(ret_report->run, sizeof ret_report->run, outcome.run);
    if (outcome.run[0] && print_report(verify, outcome.run, ret_report, &report_error) < 0 && !bad) {
        if (err)
            *err = report_error;
        return -1;
    }
    return bad < 0 ? -1 : outcome.exit_status;
}

int command_verify(const struct settings *settings, struct error *err)
{
    CLEAN_CHAR char *fallback = settings->catalog ? NULL : catalog_default_path();
    CLEAN_REPORT struct report report = {.run = ""};
    struct verify verify = {
        .settings = settings,
        .catalog_path = settings->catalog ? settings->catalog : fallback,
        .verifying = {.vm = settings->operands.n > 0 ? settings->operands.items[0] : NULL,
                      .all = settings->with_all,
                      .chosen_by = "onyxpool verify"},
    };

    if (command_check_operands(settings, 0, 1, "BACKUP or VM", err) != 0)
        return -1;
    if (settings->older_than_ms >= 0)
        verify.verifying.since_at = clock_wall_ms(clock_system()) - settings->older_than_ms;
    int more = look_first(&verify, err);
    if (more <= 0)
        return more < 0 ? -1 : print_nothing(settings, &verify.verifying, err);
    CLEAN_RUN_LOG struct run_log *log = run_log_begin(settings, getenv("LOG_CFG"));
    int status = carry_out(&verify, &report, err);
    run_log_end(&log, &report, err);
    return status;
}
