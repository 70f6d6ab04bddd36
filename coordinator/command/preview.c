/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool preview: the settings, the selection with the entry that decided on each VM, and the
 * plan that a run would begin with. Reads the pool, changes nothing.
 */
#include "coordinator/command/command.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/command/planning.h"
#include "coordinator/command/pruning.h"
#include "coordinator/inventory.h"
#include "coordinator/policy/json_text.h"

#include "common/base/poison.h"

#define ORIGINATOR "onyxpool/preview"

struct preview {
    const struct settings *settings;
    struct pool pool;
    struct selection selection;
    struct plan plan;
};

static void preview_done(struct preview *preview)
{
    plan_done(&preview->plan);
    selection_done(&preview->selection);
    pool_done(&preview->pool);
}

static int read_pool(const struct settings *settings, struct pool *ret_pool, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {.kind = XAPI_TARGET_SOCKET};
    CLEAN_XAPI struct xapi *xapi = NULL;
    if (command_make_target(settings, &target, err) < 0 ||
        xapi_open(&target, ORIGINATOR, &xapi, err) < 0)
        return -1;
    return inventory_read(xapi, NULL, NULL, ret_pool, err);
}

/* The catalog if there is one that can be read: without it nothing is known of former backups, but
 * the selection stands. A run says the same as an error. */
static void open_catalog(const struct settings *settings, struct catalog **ret_catalog)
{
    CLEAN_CHAR char *fallback = settings->catalog ? NULL : catalog_default_path();
    struct error err = ERROR_INIT;
    const char *path = settings->catalog ? settings->catalog : fallback;
    if (catalog_open(path, CATALOG_READ, ret_catalog, &err) < 0 && err.code != ERROR_NOT_FOUND)
        log_warn("preview", "former backups are not known: %s", err.text);
}

/* ---- JSON ---- */

static void add_max_backups(struct json_text *json, int64_t max_backups)
{
    if (max_backups)
        json_text_add_number(json, "max_backups", max_backups);
    else
        json_text_add(json, "max_backups", NULL);
}

static void add_json_selection(const struct preview *p, struct json_text *json)
{
    const struct selection *s = &p->selection;
    json_text_begin_array(json, "excludes");
    for (size_t i = 0; i < s->excludes.n; i++)
        json_text_add(json, NULL, p->pool.vms[s->excludes.items[i].vm].name);
    json_text_end_array(json);
    json_text_begin_array(json, "vdi_exports");
    for (size_t i = 0; i < s->vdi_exports.n; i++) {
        const struct selected *one = &s->vdi_exports.items[i];
        json_text_begin_object(json, NULL);
        json_text_add(json, "vm", p->pool.vms[one->vm].name);
        add_max_backups(json, one->max_backups);
        json_text_add_list(json, "disks", &one->disks);
        json_text_end_object(json);
    }
    json_text_end_array(json);
    json_text_begin_array(json, "vm_exports");
    for (size_t i = 0; i < s->vm_exports.n; i++) {
        const struct selected *one = &s->vm_exports.items[i];
        json_text_begin_object(json, NULL);
        json_text_add(json, "vm", p->pool.vms[one->vm].name);
        add_max_backups(json, one->max_backups);
        json_text_end_object(json);
    }
    json_text_end_array(json);
}

static void add_json_settings(const struct settings *settings, struct json_text *json)
{
    json_text_begin_object(json, "settings");
    json_text_add_number(json, "max_backups", settings->max_backups);
    if (settings->compress == JOB_COMPRESS_ZSTD)
        json_text_add(json, "compress", "zstd");
    else
        json_text_add_bool(json, "compress", settings->compress == JOB_COMPRESS_GZIP);
    json_text_add(json, "vdi_export_format",
                  settings->disk_format == JOB_DISK_VHD ? "vhd" : "raw");
    json_text_add_bool(json, "pool_backup", settings->pool_backup);
    json_text_add_bool(json, "host_backup", settings->host_backup);
    json_text_add_number(json, "space_threshold", settings->space_threshold);
    json_text_add(json, "share_type", settings->share_type);
    json_text_end_object(json);
}

static void add_json_decisions(const struct preview *p, const char *list,
                               const struct selected_list *chosen, struct json_text *json)
{
    for (size_t i = 0; i < chosen->n; i++) {
        const struct vm *vm = &p->pool.vms[chosen->items[i].vm];
        json_text_begin_object(json, NULL);
        json_text_add(json, "vm", vm->name);
        json_text_add(json, "uuid", vm->uuid);
        json_text_add(json, "list", list);
        json_text_add(json, "entry", chosen->items[i].by);
        json_text_end_object(json);
    }
}

static const char *subject_of(const struct job *job)
{
    return job->vm_name ? job->vm_name : job->folder;
}

static void add_names(const struct preview *p, const struct text_list *uuids, bool is_host,
                      struct json_text *json)
{
    json_text_begin_array(json, is_host ? "hosts" : "srs");
    for (size_t i = 0; i < uuids->n; i++) {
        size_t at = is_host ? pool_find_host(&p->pool, uuids->items[i])
                            : pool_find_sr(&p->pool, uuids->items[i]);
        json_text_add(json, NULL, is_host ? p->pool.hosts[at].name : p->pool.srs[at].name);
    }
    json_text_end_array(json);
}

static struct retain_rules rules_of(const struct preview *p, const struct plan_job *job)
{
    struct retain_rules rules = pruning_rules(p->settings);

    rules.max_backups = job->max_backups;
    keep_choice_apply(&job->keep, &rules);
    return rules;
}

/* By which numbers its old backups stay, and which entry of keep named some of them. */
static void add_json_keep(const struct preview *p, const struct plan_job *job,
                          struct json_text *json)
{
    const struct retain_rules rules = rules_of(p, job);

    json_text_begin_object(json, "keep");
    json_text_add(json, "by", job->keep.by);
    for (int i = 0; i < KEEP_WORDS_N; i++)
        json_text_add_number(json, keep_word_key((enum keep_word)i),
                             keep_word_value(&rules, (enum keep_word)i));
    json_text_end_object(json);
}

static void add_json_job(const struct preview *p, const struct plan_job *job,
                         struct json_text *json)
{
    json_text_begin_object(json, NULL);
    json_text_add(json, "kind", job_kind_name(job->job.kind));
    json_text_add(json, "name", subject_of(&job->job));
    json_text_add(json, "vm_uuid", job->job.vm_uuid);
    json_text_add(json, "state", job_state_name(job->state));
    json_text_add(json, "reason", job->reason);
    json_text_add(json, "chosen_by", job->job.chosen_by);
    json_text_add(json, "hook", job->job.hook);
    json_text_add(json, "folder", job->job.folder);
    json_text_add_bytes(json, "estimate_bytes", job->job.estimate_bytes);
    json_text_add_number(json, "max_backups", job->max_backups);
    add_json_keep(p, job, json);
    add_names(p, &job->hosts, true, json);
    add_names(p, &job->srs, false, json);
    json_text_begin_array(json, "disks");
    for (size_t i = 0; i < job->job.disks_n; i++)
        json_text_add(json, NULL, job->job.disks[i].device);
    json_text_end_array(json);
    json_text_add_list(json, "warnings", &job->warnings);
    json_text_end_object(json);
}

static void add_json_plan(const struct preview *p, struct json_text *json)
{
    json_text_begin_object(json, "plan");
    json_text_begin_array(json, "jobs");
    for (size_t i = 0; i < p->plan.jobs_n; i++)
        add_json_job(p, &p->plan.jobs[i], json);
    json_text_end_array(json);
    json_text_begin_array(json, "skipped");
    for (size_t i = 0; i < p->plan.skipped_n; i++) {
        const struct plan_skipped *skipped = &p->plan.skipped[i];
        json_text_begin_object(json, NULL);
        json_text_add(json, "name", skipped->name);
        json_text_add(json, "vm_uuid", skipped->vm_uuid);
        json_text_add(json, "reason", skipped->reason);
        json_text_add_bool(json, "is_failure", skipped->is_failure);
        json_text_end_object(json);
    }
    json_text_end_array(json);
    json_text_end_object(json);
}

static void format_json(const struct preview *p, struct str *out)
{
    struct json_text json = {.out = out};
    json_text_begin_object(&json, NULL);
    json_text_add(&json, "pool", p->pool.name);
    json_text_add(&json, "backup_dir", p->settings->backup_dir);
    json_text_add_list(&json, "files", &p->settings->files);
    add_json_settings(p->settings, &json);
    add_json_selection(p, &json);
    json_text_begin_array(&json, "decisions");
    add_json_decisions(p, "excludes", &p->selection.excludes, &json);
    add_json_decisions(p, "vdi_exports", &p->selection.vdi_exports, &json);
    add_json_decisions(p, "vm_exports", &p->selection.vm_exports, &json);
    json_text_end_array(&json);
    json_text_begin_array(&json, "warnings");
    for (size_t i = 0; i < p->settings->options.warnings.n; i++)
        json_text_add(&json, NULL, p->settings->options.warnings.items[i]);
    for (size_t i = 0; i < p->plan.warnings.n; i++)
        json_text_add(&json, NULL, p->plan.warnings.items[i]);
    json_text_end_array(&json);
    add_json_plan(p, &json);
    json_text_end_object(&json);
    json_text_end(&json);
}

/* ---- text ---- */

static void add_text_list(const struct preview *p, const char *title,
                          const struct selected_list *list, struct str *out)
{
    str_add_format(out, "\n%s (%zu)\n", title, list->n);
    for (size_t i = 0; i < list->n; i++) {
        const struct selected *one = &list->items[i];
        CLEAN_STR struct str line = STR_INIT;
        str_add_format(&line, "%s <- %s", p->pool.vms[one->vm].name, one->by);
        for (size_t k = 0; k < one->disks.n; k++)
            str_add_format(&line, "%s%s", k ? ", " : "; disks ", one->disks.items[k]);
        if (one->max_backups)
            str_add_format(&line, "; keep %lld", (long long)one->max_backups);
        str_add(out, "  ");
        option_wrap(str_text(&line), 2, 6, out);
    }
}

/* "; keeps 4, daily 7 (keep: DB-.*:daily=7)" where more than max_backups counts. */
static void add_text_keep(const struct preview *p, const struct plan_job *job, struct str *line)
{
    const struct retain_rules rules = rules_of(p, job);
    CLEAN_STR struct str words = STR_INIT;

    keep_format_rules(&rules, &words);
    if (words.len == 0 && !job->keep.by)
        return;
    str_add_format(line, "; keeps %lld%s%s", (long long)job->max_backups, words.len ? ", " : "",
                   str_text(&words));
    if (job->keep.by)
        str_add_format(line, " (%s)", job->keep.by);
}

static void add_text_job(const struct preview *p, const struct plan_job *job, struct str *out)
{
    char size[NUM_TEXT_MAX];
    CLEAN_STR struct str line = STR_INIT;
    str_add_format(&line, "%s: %s", subject_of(&job->job), job_kind_name(job->job.kind));
    if (job->job.kind == JOB_BACKUP_DISK)
        str_add_format(&line, " %s", job->job.disks[0].device);
    if (job->job.estimate_bytes)
        str_add_format(&line, ", about %s", num_format_bytes(job->job.estimate_bytes, size));
    str_add(&line, ", on ");
    for (size_t i = 0; i < job->hosts.n; i++)
        str_add_format(&line, "%s%s", i ? " or " : "",
                       p->pool.hosts[pool_find_host(&p->pool, job->hosts.items[i])].name);
    if (!str_equal(job->job.folder, subject_of(&job->job)))
        str_add_format(&line, ", into %s/", job->job.folder);
    add_text_keep(p, job, &line);
    str_add(out, "  ");
    option_wrap(str_text(&line), 2, 6, out);
    if (job->reason) {
        CLEAN_CHAR char *why = str_format("%s: %s", job_state_name(job->state), job->reason);
        str_add(out, "      ");
        option_wrap(why, 6, 6, out);
    }
    for (size_t i = 0; i < job->warnings.n; i++) {
        str_add(out, "      ! ");
        option_wrap(job->warnings.items[i], 8, 8, out);
    }
}

static void add_text_plan(const struct preview *p, struct str *out)
{
    str_add_format(out, "\nThe plan (%zu job%s, in this order)\n", p->plan.jobs_n,
                   p->plan.jobs_n == 1 ? "" : "s");
    for (size_t i = 0; i < p->plan.jobs_n; i++)
        add_text_job(p, &p->plan.jobs[i], out);
    if (p->plan.skipped_n)
        str_add_format(out, "\nWhat can't be done (%zu)\n", p->plan.skipped_n);
    for (size_t i = 0; i < p->plan.skipped_n; i++) {
        CLEAN_CHAR char *line =
            str_format("%s: %s", p->plan.skipped[i].name, p->plan.skipped[i].reason);
        str_add(out, "  ");
        option_wrap(line, 2, 6, out);
    }
}

static void format_text(const struct preview *p, struct str *out)
{
    str_add_format(out, "Pool %s: %zu hosts\n\nSettings\n", p->pool.name, p->pool.hosts_n);
    settings_format_values(p->settings, "xenserver", out);
    if (p->settings->smtp_enabled) {
        str_add(out, "\nMail\n");
        settings_format_values(p->settings, "smtp", out);
    }
    str_add(out, "\nOwn settings\n");
    settings_format_values(p->settings, "onyxpool", out);
    for (size_t i = 0; i < p->settings->files.n; i++)
        str_add_format(out, "%s%s\n", i ? "  " : "\nRead from\n  ", p->settings->files.items[i]);
    add_text_list(p, "Excluded", &p->selection.excludes, out);
    add_text_list(p, "VDI exports", &p->selection.vdi_exports, out);
    add_text_list(p, "VM exports", &p->selection.vm_exports, out);
    add_text_plan(p, out);
    if (p->plan.warnings.n)
        str_add(out, "\nWarnings\n");
    for (size_t i = 0; i < p->plan.warnings.n; i++) {
        str_add(out, "  - ");
        option_wrap(p->plan.warnings.items[i], 4, 4, out);
    }
}

int command_preview(const struct settings *settings, struct error *err)
{
    CLEAN_STR struct str out = STR_INIT;
    if (settings->is_example) {
        settings_format_example(&out);
        return command_print(&out, err);
    }
    CLEANUP(preview_done) struct preview preview = {.settings = settings};
    CLEAN_CATALOG struct catalog *catalog = NULL;
    open_catalog(settings, &catalog);
    if (read_pool(settings, &preview.pool, err) < 0 ||
        planning_make(settings, catalog, &preview.pool, &preview.selection, &preview.plan, err) <
            0 ||
        planning_add_verify(settings, catalog, &preview.pool, &preview.plan, err) < 0)
        return -1;
    if (settings->is_json)
        format_json(&preview, &out);
    else
        format_text(&preview, &out);
    return command_print(&out, err);
}
