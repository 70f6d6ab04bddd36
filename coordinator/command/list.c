/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool list [VM]: the backups that the catalog knows, newest first; --all shows expired ones.
 */
#include "coordinator/command/command.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"

struct listing {
    struct str text;
    json_t *backups; /* NULL: text is wanted */
    size_t n;
    uint64_t bytes;
};

static json_t *backup_json(const struct backup *backup)
{
    return json_pack("{s:o,s:o,s:o,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:b,s:o,s:b}", "vm",
                     command_json_text(backup->vm_name), "vm_uuid",
                     command_json_text(backup->vm_uuid), "folder",
                     command_json_text(backup->folder), "kind", job_kind_name(backup->kind),
                     "state", backup_state_name(backup->state), "size",
                     (json_int_t)backup->size_bytes, "file", command_json_text(backup->file),
                     "sha256", command_json_text(backup->sha256), "host",
                     command_json_text(backup->host_name), "snapshot_at",
                     command_json_time(backup->snapshot_at), "finished_at",
                     command_json_time(backup->finished_at), "pinned", backup->is_pinned,
                     "verified_at", command_json_time(backup->verified_at), "verify_queued",
                     backup->is_verify_wanted);
}

/* A name cut so that a line stays within 80 columns. */
static void add_name(struct str *text, const char *name, int width)
{
    size_t columns = str_columns(name);
    str_add(text, name);
    for (; columns < (size_t)width; columns++)
        str_add_char(text, ' ');
}

static int add_backup(void *context, const struct backup *backup, struct error *err)
{
    struct listing *listing = context;
    char when[CLOCK_ISO_MAX], size[NUM_TEXT_MAX];
    int64_t at = backup->snapshot_at != 0 ? backup->snapshot_at : backup->finished_at;

    (void)err;
    listing->n++;
    listing->bytes += backup->size_bytes;
    if (listing->backups != NULL) {
        (void)json_array_append_new(listing->backups, backup_json(backup));
        return 0;
    }
    if (listing->n == 1)
        str_add(&listing->text,
                "Taken                State      Size        Backup\n");
    str_add_format(&listing->text, "%-20s ", at == 0 ? "?" : clock_format_local(at, when));
    add_name(&listing->text, backup_state_name(backup->state), 10);
    str_add_format(&listing->text, " %-11s %s/%s%s%s\n",
                   num_format_bytes(backup->size_bytes, size), backup->folder, backup->file,
                   backup->is_pinned ? "  (pinned)" : "",
                   backup->is_verify_wanted ? "  (verify queued)" : "");
    return 0;
}

int command_list(const struct settings *settings, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    struct listing listing = {.text = STR_INIT};
    char size[NUM_TEXT_MAX];

    if (command_check_operands(settings, 0, 1, "VM", err) != 0)
        return -1;
    struct catalog_backup_filter filter = {
        .vm = settings->operands.n > 0 ? settings->operands.items[0] : NULL,
        .with_expired = settings->with_all,
    };
    int opened = command_open_catalog(settings, &catalog, err);
    if (opened < 0)
        return -1;
    if (settings->is_json)
        listing.backups = json_array();
    int result = 0;
    if (opened == 1)
        result = catalog_each_backup(catalog, &filter, add_backup, &listing, err);
    if (result == 0 && settings->is_json) {
        result = command_print_json_take(json_pack("{s:O}", "backups", listing.backups), err);
    } else if (result == 0) {
        if (listing.n == 0)
            str_add_format(&listing.text, "No backups%s%s.\n", filter.vm != NULL ? " of " : "",
                           filter.vm != NULL ? filter.vm : "");
        else
            str_add_format(&listing.text, "%zu backup%s, %s\n", listing.n,
                           listing.n == 1 ? "" : "s", num_format_bytes(listing.bytes, size));
        result = command_print(&listing.text, err);
    }
    json_decref(listing.backups);
    str_done(&listing.text);
    return result;
}
