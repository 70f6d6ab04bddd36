/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool show BACKUP: all that the catalog knows of one backup.
 *
 * BACKUP is "folder/file", a file alone, or "VM", which stands for that VM's newest one.
 */
#include "coordinator/command/command.h"

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"

struct search {
    struct backup found;
    size_t n;
};

static int take_first(void *context, const struct backup *backup, struct error *err)
{
    struct search *search = context;
    (void)err;
    if (search->n++ == 0)
        backup_copy(&search->found, backup);
    return 0;
}

static int find_backup(struct catalog *catalog, const char *name, struct search *search,
                       struct error *err)
{
    struct catalog_backup_filter by_file = {.file = name, .with_expired = true};
    struct catalog_backup_filter by_vm = {.vm = name, .limit = 1};

    if (catalog_each_backup(catalog, &by_file, take_first, search, err) != 0)
        return -1;
    if (search->n > 1)
        return error_set(err, ERROR_USAGE,
                         "%zu backups are called %s; say folder/%s as `onyxpool list` shows it",
                         search->n, name, name);
    if (search->n == 0 && catalog_each_backup(catalog, &by_vm, take_first, search, err) != 0)
        return -1;
    if (search->n == 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "there is no backup %s, and none of a VM of that name; `onyxpool list` "
                         "shows what there is",
                         name);
    return 0;
}

int command_find_backup(struct catalog *catalog, const char *name, struct backup *ret_backup,
                        struct error *err)
{
    struct search search = {.n = 0};
    int result = find_backup(catalog, name, &search, err);
    if (result == 0)
        *ret_backup = search.found;
    else
        backup_done(&search.found);
    return result;
}

static json_t *time_pair_json(const struct backup *backup)
{
    return json_pack("{s:o,s:o,s:o,s:I}", "snapshot_at", command_json_time(backup->snapshot_at),
                     "started_at", command_json_time(backup->started_at), "finished_at",
                     command_json_time(backup->finished_at), "stream_ms",
                     (json_int_t)backup->stream_ms);
}

static int print_json(const struct backup *backup, struct error *err)
{
    json_t *object = json_pack(
        "{s:o,s:o,s:o,s:o,s:s,s:s,s:o,s:I,s:o,s:o,s:s,s:s,s:s,s:i,s:o,s:o,s:b,s:o,s:o,s:b}", "folder",
        command_json_text(backup->folder), "file", command_json_text(backup->file), "vm",
        command_json_text(backup->vm_name), "vm_uuid", command_json_text(backup->vm_uuid), "kind",
        job_kind_name(backup->kind), "state", backup_state_name(backup->state), "device",
        command_json_text(backup->device), "size", (json_int_t)backup->size_bytes, "sha256",
        command_json_text(backup->sha256), "proof", command_json_text(backup->proof),
        "consistency", job_consistency_name(backup->consistency), "run", backup->run, "job",
        backup->job, "attempt", (int)backup->attempt, "host",
        command_json_text(backup->host_name), "host_uuid", command_json_text(backup->host_uuid),
        "pinned", backup->is_pinned, "verified_at", command_json_time(backup->verified_at),
        "verified_text", command_json_text(backup->verified_text), "verify_queued",
        backup->is_verify_wanted);
    if (object != NULL)
        (void)json_object_update_new(object, time_pair_json(backup));
    return command_print_json_take(object, err);
}

static void add_line(struct str *text, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        str_add_format(text, "%-12s %s\n", name, value);
}

static int print_text(const struct backup *backup, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    char size[NUM_TEXT_MAX], rate[NUM_TEXT_MAX], at[CLOCK_ISO_MAX];

    str_add_format(&text, "%s/%s\n\n", backup->folder, backup->file);
    add_line(&text, "VM", backup->vm_name);
    add_line(&text, "VM uuid", backup->vm_uuid);
    add_line(&text, "Device", backup->device);
    add_line(&text, "Kind", job_kind_name(backup->kind));
    add_line(&text, "State", backup_state_name(backup->state));
    add_line(&text, "Proof", backup->proof);
    add_line(&text, "Consistency",
             backup->consistency != 0 ? job_consistency_name(backup->consistency) : NULL);
    add_line(&text, "Snapshot",
             backup->snapshot_at == 0 ? NULL : clock_format_local(backup->snapshot_at, at));
    add_line(&text, "Finished",
             backup->finished_at == 0 ? NULL : clock_format_local(backup->finished_at, at));
    str_add_format(&text, "%-12s %s (%llu bytes)\n", "Size",
                   num_format_bytes(backup->size_bytes, size),
                   (unsigned long long)backup->size_bytes);
    if (backup->stream_ms > 0)
        add_line(&text, "Rate", num_format_rate(backup->size_bytes, backup->stream_ms, rate));
    add_line(&text, "Host", backup->host_name);
    if (backup->run[0] != '\0')
        str_add_format(&text, "%-12s %s, job %s, attempt %u\n", "Run", backup->run, backup->job,
                       backup->attempt);
    if (backup->verified_at != 0)
        add_line(&text, "Verified", clock_format_local(backup->verified_at, at));
    if (backup->verified_text != NULL) {
        str_add_format(&text, "%-12s ", "Found");
        option_wrap(backup->verified_text, 13, 13, &text);
    }
    if (backup->is_verify_wanted)
        add_line(&text, "Verify", "queued: the next run does it, or onyxpool verify");
    if (backup->is_pinned)
        add_line(&text, "Pinned", "yes");
    if (backup->sha256 != NULL)
        str_add_format(&text, "%-12s %s\n", "sha256", backup->sha256);
    return command_print(&text, err);
}

int command_show(const struct settings *settings, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    struct search search = {.n = 0};

    if (command_check_operands(settings, 1, 1, "BACKUP", err) != 0)
        return -1;
    int opened = command_open_catalog(settings, &catalog, err);
    if (opened == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no backup yet");
    if (opened < 0)
        return -1;
    int result = find_backup(catalog, settings->operands.items[0], &search, err);
    if (result == 0)
        result = settings->is_json ? print_json(&search.found, err)
                                   : print_text(&search.found, err);
    backup_done(&search.found);
    return result;
}
