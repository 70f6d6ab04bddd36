/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool prune [VM]: remove old backups by the rules that a run goes by, or with --dry-run tell
 * which would go. --explain names the rule that keeps or drops each. The removing is a run of its
 * own, with expire jobs alone.
 */
#include "coordinator/command/command.h"

#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/command/progress.h"
#include "coordinator/command/pruning.h"
#include "coordinator/command/run_settings.h"
#include "coordinator/run/run.h"
#include "coordinator/inventory.h"

#include "common/base/poison.h"

#define ORIGINATOR "onyxpool/prune"

struct prune {
    const struct settings *settings;
    const char *catalog_path;
    const char *vm;
    struct pruning pruning;
    struct text_list warnings;
    struct text_list removed; /* "folder/file" */
    uint64_t removed_bytes;
    struct text_list failed; /* why a folder's job failed */
    char run[RUN_ID_MAX];
};

static void prune_done(struct prune *prune)
{
    pruning_done(&prune->pruning);
    text_list_done(&prune->warnings);
    text_list_done(&prune->removed);
    text_list_done(&prune->failed);
}

/* ---- carrying out ---- */

static int make_plan(void *context, const struct pool *pool, struct plan *ret_plan,
                     struct error *err)
{
    struct prune *prune = context;
    CLEAN_CATALOG struct catalog *catalog = NULL;

    pruning_done(&prune->pruning); /* a plan may be asked for again */
    if (catalog_open(prune->catalog_path, CATALOG_READ, &catalog, err) < 0 ||
        pruning_judge(prune->settings, catalog, pool, prune->vm, &prune->pruning, err) < 0)
        return -1;
    pruning_plan(&prune->pruning, pool, ret_plan);
    return 0;
}

static int add_removed(void *context, const struct backup *backup, struct error *err)
{
    struct prune *prune = context;

    (void)err;
    text_list_add_format(&prune->removed, "%s/%s", backup->folder, backup->file);
    prune->removed_bytes += backup->size_bytes;
    return 0;
}

static int add_failed(void *context, const struct catalog_job *job, struct error *err)
{
    struct prune *prune = context;

    (void)err;
    if (job->job.kind == JOB_EXPIRE && job->state != JOB_STATE_DONE)
        text_list_add_format(&prune->failed, "%s: %s", job->job.folder,
                             job->reason ? job->reason : job_state_name(job->state));
    return 0;
}

static int read_outcome(struct prune *prune, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    const struct catalog_backup_filter gone = {.expired_run = prune->run, .with_expired = true};

    if (catalog_open(prune->catalog_path, CATALOG_READ, &catalog, err) < 0 ||
        catalog_each_backup(catalog, &gone, add_removed, prune, err) < 0)
        return -1;
    text_list_sort(&prune->removed);
    return catalog_each_job(catalog, prune->run, add_failed, prune, err);
}

/* Gives the exit status, or -1. */
static int carry_out(struct prune *prune, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {.kind = XAPI_TARGET_SOCKET};
    CLEAN_RUN_OUTCOME struct run_outcome outcome = {.run = ""};
    CLEAN_CHAR char *text = str_format("prune %s\n", prune->vm ? prune->vm : "");
    struct run_settings run = {.target = &target, .catalog_path = prune->catalog_path};

    if (command_make_target(prune->settings, &target, err) < 0)
        return -1;
    run_settings_read(prune->settings, &run);
    CLEAN_PROGRESS struct progress *progress = progress_begin(STDERR_FILENO);
    const struct run_request request = {.selection = text,
                                        .is_new = true,
                                        .plan = make_plan,
                                        .plan_context = prune,
                                        .watch = {progress_event, progress}};
    int bad = run_conduct(&run, &request, &outcome, err);
    progress_end(&progress);
    text_list_copy(&prune->warnings, &outcome.warnings);
    (void)str_copy(prune->run, sizeof prune->run, outcome.run);
    if (bad < 0 || read_outcome(prune, err) < 0)
        return -1;
    return outcome.exit_status == 0 && prune->failed.n > 0 ? 1 : outcome.exit_status;
}

static int judge_only(struct prune *prune, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {.kind = XAPI_TARGET_SOCKET};
    CLEAN_XAPI struct xapi *xapi = NULL;
    CLEAN_POOL struct pool pool = {0};
    CLEAN_PLAN struct plan plan = {0};

    if (command_make_target(prune->settings, &target, err) < 0 ||
        xapi_open(&target, ORIGINATOR, &xapi, err) < 0 ||
        inventory_read(xapi, NULL, NULL, &pool, err) < 0 ||
        make_plan(prune, &pool, &plan, err) < 0)
        return -1;
    text_list_copy(&prune->warnings, &plan.warnings);
    return 0;
}

/* ---- telling ---- */

static bool goes(const struct pruning_folder *folder, size_t i)
{
    return !folder->is_orphan && folder->expiry.verdicts[i].rule == RETAIN_GOES;
}

static const char *rule_of(const struct pruning_folder *folder, size_t i)
{
    return folder->is_orphan ? "orphan: its VM is not in the pool; remove it by hand"
                             : retain_rule_text(folder->expiry.verdicts[i].rule);
}

static uint64_t folder_bytes(const struct expiry *expiry)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < expiry->n; i++)
        bytes += expiry->backups[i].size_bytes;
    return bytes;
}

static json_t *backup_json(const struct settings *settings, const struct pruning_folder *folder,
                           size_t i)
{
    CLEAN_CHAR char *because = pruning_because(settings, folder, i);
    const struct backup *backup = &folder->expiry.backups[i];
    int64_t at = backup->snapshot_at ? backup->snapshot_at : backup->finished_at;

    return json_pack("{s:o,s:I,s:o,s:s,s:b,s:s,s:o}", "file", command_json_text(backup->file), "size",
                     (json_int_t)backup->size_bytes, "taken_at", command_json_time(at), "state",
                     backup_state_name(backup->state), "goes", (int)goes(folder, i), "rule",
                     rule_of(folder, i), "because", command_json_text(because));
}

static json_t *texts_json(const struct text_list *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->n; i++)
        (void)json_array_append_new(list, command_json_text(texts->items[i]));
    return list;
}

static int print_json(const struct prune *prune, struct error *err)
{
    json_t *folders = json_array();

    for (size_t i = 0; i < prune->pruning.n; i++) {
        const struct pruning_folder *folder = &prune->pruning.folders[i];
        json_t *backups = json_array();

        for (size_t k = 0; k < folder->expiry.n; k++)
            (void)json_array_append_new(backups, backup_json(prune->settings, folder, k));
        (void)json_array_append_new(
            folders, json_pack("{s:o,s:I,s:b,s:o}", "folder",
                               command_json_text(folder->expiry.folder), "max_backups",
                               (json_int_t)folder->expiry.max_backups, "orphan",
                               (int)folder->is_orphan, "backups", backups));
    }
    return command_print_json_take(
        json_pack("{s:b,s:o,s:o,s:o,s:I,s:o,s:o}", "dry_run", (int)prune->settings->is_dry_run,
                  "folders", folders, "run",
                  command_json_text(prune->run[0] ? prune->run : NULL), "removed",
                  texts_json(&prune->removed), "removed_bytes",
                  (json_int_t)prune->removed_bytes, "failed", texts_json(&prune->failed),
                  "warnings", texts_json(&prune->warnings)),
        err);
}

/* ": pinned", ": keep_daily = 7 (keep: DB-.*:daily=7)", ": among ... (max_backups = 4, ...)". */
static void add_rule(const struct settings *settings, const struct pruning_folder *folder, size_t i,
                     struct str *line)
{
    CLEAN_CHAR char *because = pruning_because(settings, folder, i);
    const char *rule = rule_of(folder, i);

    if (because && str_starts(because, rule))
        str_add_format(line, ": %s", because);
    else
        str_add_format(line, ": %s%s%s", rule, because ? "; " : "", because ? because : "");
}

/* A folder's backups, newest first: all with their rules, or those that go. */
static void add_folder_text(const struct settings *settings, const struct pruning_folder *folder,
                            struct str *out)
{
    const bool is_explained = settings->is_explained;
    const struct expiry *expiry = &folder->expiry;
    char size[NUM_TEXT_MAX];
    bool has_head = false;

    for (size_t i = 0; i < expiry->n; i++) {
        CLEAN_STR struct str line = STR_INIT;

        if (!is_explained && !goes(folder, i))
            continue;
        if (!has_head)
            str_add_format(out, "%s (max_backups = %lld)\n", expiry->folder,
                           (long long)expiry->max_backups);
        has_head = true;
        str_add_format(&line, "%s, %s", expiry->backups[i].file,
                       num_format_bytes(expiry->backups[i].size_bytes, size));
        if (expiry->backups[i].state == BACKUP_DAMAGED)
            str_add(&line, ", damaged and not counted");
        if (is_explained)
            add_rule(settings, folder, i, &line);
        str_add(out, goes(folder, i) ? "  goes  " : "  stays ");
        option_wrap(str_text(&line), 8, 8, out);
    }
}

static void add_orphans_text(const struct prune *prune, struct str *out)
{
    char size[NUM_TEXT_MAX];

    for (size_t i = 0; i < prune->pruning.n; i++) {
        const struct pruning_folder *folder = &prune->pruning.folders[i];

        if (folder->is_orphan)
            str_add_format(out, "Orphan: %s, %zu backup%s, %s; its VM is not in the pool\n",
                           folder->expiry.folder, folder->expiry.n,
                           folder->expiry.n == 1 ? "" : "s",
                           num_format_bytes(folder_bytes(&folder->expiry), size));
    }
}

static void add_sum_text(const struct prune *prune, struct str *out)
{
    char size[NUM_TEXT_MAX];
    size_t n = prune->removed.n;
    uint64_t bytes = prune->removed_bytes;

    for (size_t i = 0; prune->settings->is_dry_run && i < prune->pruning.n; i++) {
        const struct pruning_folder *folder = &prune->pruning.folders[i];

        for (size_t k = 0; k < folder->expiry.n; k++) {
            n += goes(folder, k);
            bytes += goes(folder, k) ? folder->expiry.backups[k].size_bytes : 0;
        }
    }
    str_add_format(out, "%zu backup%s, %s, %s.\n", n, n == 1 ? "" : "s",
                   num_format_bytes(bytes, size),
                   prune->settings->is_dry_run ? "would go" : "removed");
}

static int print_text(const struct prune *prune, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    for (size_t i = 0; i < prune->failed.n; i++) {
        str_add(&text, "Failed: ");
        option_wrap(prune->failed.items[i], 8, 8, &text);
    }
    for (size_t i = 0; i < prune->warnings.n; i++) {
        str_add(&text, "Warning: ");
        option_wrap(prune->warnings.items[i], 9, 9, &text);
    }
    for (size_t i = 0; i < prune->pruning.n; i++)
        add_folder_text(prune->settings, &prune->pruning.folders[i], &text);
    add_orphans_text(prune, &text);
    add_sum_text(prune, &text);
    return command_print(&text, err);
}

int command_prune(const struct settings *settings, struct error *err)
{
    CLEAN_CHAR char *fallback = settings->catalog ? NULL : catalog_default_path();
    CLEANUP(prune_done) struct prune prune = {
        .settings = settings,
        .catalog_path = settings->catalog ? settings->catalog : fallback,
        .vm = settings->operands.n > 0 ? settings->operands.items[0] : NULL,
    };

    if (command_check_operands(settings, 0, 1, "VM", err) != 0)
        return -1;
    int status = settings->is_dry_run ? judge_only(&prune, err) : carry_out(&prune, err);
    if (status < 0)
        return -1;
    int printed = settings->is_json ? print_json(&prune, err) : print_text(&prune, err);
    return printed < 0 ? -1 : status;
}
