/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool run: one run from the settings to the report.
 *
 * The report is printed whenever it came to a run, also when it was broken off; the error that
 * broke it off is main's to print.
 */
#include "coordinator/command/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/xapi/target.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/command/planning.h"
#include "coordinator/command/progress.h"
#include "coordinator/command/run_settings.h"
#include "coordinator/run/run.h"
#include "coordinator/policy/report.h"
#include "coordinator/logging/run_log.h"

#include "common/base/poison.h"

struct planner {
    const struct settings *settings;
    const char *catalog_path;
};

static int make_plan(void *context, const struct pool *pool, struct plan *ret_plan,
                     struct error *err)
{
    const struct planner *planner = context;
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_SELECTION struct selection selection = {0};
    if (catalog_open(planner->catalog_path, CATALOG_READ, &catalog, err) < 0)
        return -1;
    if (planning_make(planner->settings, catalog, pool, &selection, ret_plan, err) < 0)
        return -1;
    return planning_add_verify(planner->settings, catalog, pool, ret_plan, err);
}

static int print_report(const struct settings *settings, const char *catalog_path,
                        const char *run, struct report *ret_report, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_STR struct str text = STR_INIT;
    if (catalog_open(catalog_path, CATALOG_READ, &catalog, err) < 0)
        return -1;
    int found = command_read_report(catalog, run, ret_report, err);
    if (found <= 0)
        return found;
    if (settings->is_json)
        report_format_json(ret_report, &text);
    else
        report_format_text(ret_report, &text);
    return command_print(&text, err);
}

/* ret_report stays empty when it did not come to a run. */
static int run_to_end(const struct settings *settings, struct report *ret_report,
                      struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {.kind = XAPI_TARGET_SOCKET};
    CLEAN_RUN_OUTCOME struct run_outcome outcome = {.run = ""};
    CLEAN_STR struct str request_text = STR_INIT;
    CLEAN_CHAR char *fallback = settings->catalog ? NULL : catalog_default_path();
    const char *catalog_path = settings->catalog ? settings->catalog : fallback;
    if (command_make_target(settings, &target, err) < 0)
        return -1;
    planning_format_request(settings, &request_text);
    struct planner planner = {settings, catalog_path};
    struct run_settings run = {.target = &target, .catalog_path = catalog_path};
    run_settings_read(settings, &run);
    CLEAN_PROGRESS struct progress *progress = progress_begin(STDERR_FILENO);
    const struct run_request request = {.selection = str_text(&request_text),
                                        .is_new = settings->is_new,
                                        .plan = make_plan,
                                        .plan_context = &planner,
                                        .watch = {progress_event, progress}};
    int bad = run_conduct(&run, &request, &outcome, err);
    progress_end(&progress);
    struct error report_error = ERROR_INIT;
    memcpy(ret_report->run, outcome.run, sizeof ret_report->run);
    if (outcome.run[0] && print_report(settings, catalog_path, outcome.run, ret_report,
                                       &report_error) < 0 && !bad) {
        if (err)
            *err = report_error;
        return -1;
    }
    return bad ? -1 : outcome.exit_status;
}

int command_run(const struct settings *settings, struct error *err)
{
    if (settings->is_preview)
        return command_preview(settings, err);
    CLEAN_RUN_LOG struct run_log *log = run_log_begin(settings, getenv("LOG_CFG"));
    CLEAN_REPORT struct report report = {.run = ""};
    int status = run_to_end(settings, &report, err);
    run_log_end(&log, &report, err);
    return status;
}

void command_run_broken(const struct settings *settings, const struct error *err)
{
    CLEAN_REPORT struct report report = {.run = ""};
    if (!settings->smtp_file || settings->is_preview)
        return;
    CLEAN_RUN_LOG struct run_log *log = run_log_begin(settings, getenv("LOG_CFG"));
    run_log_end(&log, &report, err);
}
