/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of the catalog become jobs; what each should be stands in its row.
 */
#include "coordinator/command/verifying.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/backup.h"
#include "common/model/pool.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/policy/plan.h"

#include "common/base/poison.h"

struct adding {
    const struct verifying *verifying;
    const struct pool *pool;
    struct plan *plan;
    size_t met_n; /* of the VM or file that was named, whatever else holds */
    size_t n;
};

static bool is_named(const char *name, const struct backup *backup)
{
    CLEAN_CHAR char *path = str_format("%s/%s", backup->folder, backup->file);

    return str_equal(name, backup->vm_name) || str_equal(name, backup->vm_uuid) ||
           str_equal(name, backup->folder) || str_equal(name, backup->file) ||
           str_equal(name, path);
}

static bool is_old(const struct verifying *verifying, const struct backup *backup)
{
    return verifying->since_at == 0 || (backup->verified_at < verifying->since_at &&
                                        backup->finished_at < verifying->since_at);
}

static void add_job(struct adding *adding, const struct backup *backup)
{
    struct plan_job *planned = plan_add_job(adding->plan);
    struct job *job = &planned->job;

    job->kind = JOB_VERIFY;
    job->compress = JOB_COMPRESS_NONE;
    job->disk_format = JOB_DISK_RAW;
    job->vm_uuid = mem_dup(backup->vm_uuid);
    job->vm_name = mem_dup(backup->vm_name);
    job->folder = mem_dup(backup->folder);
    job->chosen_by = mem_dup(adding->verifying->chosen_by);
    job->estimate_bytes = backup->size_bytes;
    job->subject.file = mem_dup(backup->file);
    job->subject.size_bytes = backup->size_bytes;
    str_copy(job->subject.job, sizeof job->subject.job, backup->job);
    job->subject_sha256 = mem_dup(backup->sha256);
    for (size_t i = 0; i < adding->pool->hosts_n; i++)
        if (adding->pool->hosts[i].enabled && adding->pool->hosts[i].live)
            text_list_add(&planned->hosts, adding->pool->hosts[i].uuid);
}

static int add_backup(void *context, const struct backup *backup, struct error *err)
{
    struct adding *adding = context;
    const struct verifying *verifying = adding->verifying;

    (void)err;
    if (verifying->vm && !is_named(verifying->vm, backup))
        return 0;
    adding->met_n++;
    if ((verifying->max != 0 && adding->n >= verifying->max) || !is_old(verifying, backup))
        return 0;
    adding->n++;
    add_job(adding, backup);
    return 0;
}

int verifying_plan(const struct verifying *verifying, struct catalog *catalog,
                   const struct pool *pool, struct plan *ret_plan, size_t *ret_n,
                   struct error *err)
{
    struct adding adding = {.verifying = verifying, .pool = pool, .plan = ret_plan};
    const struct catalog_backup_filter filter = {
        .only_wanted = !verifying->vm && !verifying->all && verifying->since_at == 0};

    if (catalog_each_backup(catalog, &filter, add_backup, &adding, err) < 0)
        return -1;
    if (verifying->vm && adding.met_n == 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "the catalog has no backup %s, and none of a VM of that name",
                         verifying->vm);
    *ret_n = adding.n;
    return 0;
}
