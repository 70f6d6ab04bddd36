/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the catalog knows of a VM is folded from its backups, newest first: the folder of the
 * newest one, the size of the newest whole export.
 */
#include "coordinator/command/planning.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/backup.h"
#include "common/model/pool.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/command/verifying.h"
#include "coordinator/policy/hook_list.h"

#include "common/base/poison.h"

struct row {
    char *vm_uuid;
    char *folder;
    enum job_kind kind;
    uint64_t size_bytes;
    size_t age; /* 0 is the newest */
};

struct memory {
    struct row *rows;
    size_t rows_n, rows_cap;
    struct plan_known *known; /* borrows from rows */
    size_t known_n;
};

static void memory_done(struct memory *memory)
{
    for (size_t i = 0; i < memory->rows_n; i++) {
        mem_free_char(&memory->rows[i].vm_uuid);
        mem_free_char(&memory->rows[i].folder);
    }
    mem_free_void(&memory->rows);
    mem_free_void(&memory->known);
}

static int add_row(void *context, const struct backup *backup, struct error *err)
{
    struct memory *memory = context;
    (void)err;
    if (!backup->vm_uuid)
        return 0;
    memory->rows = mem_grow(memory->rows, &memory->rows_cap, memory->rows_n + 1,
                            sizeof *memory->rows);
    memory->rows[memory->rows_n] =
        (struct row){mem_dup(backup->vm_uuid), mem_dup(backup->folder), backup->kind,
                     backup->size_bytes, memory->rows_n};
    memory->rows_n++;
    return 0;
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->vm_uuid, b->vm_uuid);
    return order ? order : a->age < b->age ? -1 : a->age > b->age;
}

static void fold_rows(struct memory *memory)
{
    memory->known = mem_zero(memory->rows_n + 1, sizeof *memory->known);
    if (memory->rows_n > 1)
        qsort(memory->rows, memory->rows_n, sizeof *memory->rows, compare_rows);
    for (size_t i = 0; i < memory->rows_n; i++) {
        const struct row *row = &memory->rows[i];
        if (i == 0 || strcmp(row->vm_uuid, memory->rows[i - 1].vm_uuid) != 0)
            memory->known[memory->known_n++] =
                (struct plan_known){.vm_uuid = row->vm_uuid, .folder = row->folder};
        struct plan_known *known = &memory->known[memory->known_n - 1];
        if (row->kind == JOB_BACKUP_VM && known->vm_bytes == 0)
            known->vm_bytes = row->size_bytes;
    }
}

int planning_make(const struct settings *settings, struct catalog *catalog,
                  const struct pool *pool, struct selection *ret_selection,
                  struct plan *ret_plan, struct error *err)
{
    CLEANUP(memory_done) struct memory memory = {0};
    const struct catalog_backup_filter filter = {.with_expired = true};
    if (catalog && catalog_each_backup(catalog, &filter, add_row, &memory, err) < 0)
        return -1;
    fold_rows(&memory);
    const struct select_request request = {.excludes = settings->excludes,
                                           .vdi_exports = settings->vdi_exports,
                                           .vm_exports = settings->vm_exports,
                                           .prefer_vdi = settings->prefer_vdi,
                                           .is_strict = settings->is_strict};
    if (select_make(pool, &request, ret_selection, err) < 0)
        return -1;
    if (hook_list_apply(settings->hooks, pool, settings->is_strict, ret_selection, err) < 0)
        return -1;
    const struct plan_settings plan_settings = {
        .pool_backup = settings->pool_backup,
        .host_backup = settings->host_backup,
        .compress = settings->compress,
        .disk_compress = settings->disk_compress,
        .disk_format = settings->disk_format,
        .max_backups = settings->max_backups,
        .keep = &settings->keep,
        .idle_timeout_ms = (uint64_t)settings->idle_timeout_ms,
        .kinds = PLANNING_KINDS,
        .known = memory.known,
        .known_n = memory.known_n,
    };
    plan_make(pool, ret_selection, &plan_settings, ret_plan);
    return 0;
}

int planning_add_verify(const struct settings *settings, struct catalog *catalog,
                        const struct pool *pool, struct plan *plan, struct error *err)
{
    const struct verifying queued = {.max = (size_t)settings->verify_max,
                                     .chosen_by = "waits to be verified"};
    size_t ignored = 0;
    if (!catalog || settings->verify_max == 0)
        return 0;
    return verifying_plan(&queued, catalog, pool, plan, &ignored, err);
}

static void add_list(const char *name, const struct text_list *list, struct str *out)
{
    for (size_t i = 0; i < list->n; i++)
        str_add_format(out, "%s %zu=%s\n", name, i, list->items[i]);
}

void planning_format_request(const struct settings *settings, struct str *out)
{
    str_add_format(out,
                   "compress=%d\ndisk_compress=%d\nformat=%d\npool_backup=%d\nhost_backup=%d\n"
                   "overlap=%d\n",
                   (int)settings->compress, (int)settings->disk_compress,
                   (int)settings->disk_format, settings->pool_backup,
                   settings->host_backup, settings->prefer_vdi);
    add_list("hooks", settings->hooks, out);
    add_list("excludes", settings->excludes, out);
    add_list("vdi_exports", settings->vdi_exports, out);
    add_list("vm_exports", settings->vm_exports, out);
}
