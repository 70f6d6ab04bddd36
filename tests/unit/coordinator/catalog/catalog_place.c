/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/coordinator/catalog/catalog_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"

int place_set_up(void **state)
{
    struct place *place = mem_zero(1, sizeof *place);

    str_copy(place->folder, sizeof place->folder, "/tmp/onyx-catalog-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    place->path = str_format("%s/" PLACE_FOLDER "/catalog.db", place->folder);
    *state = place;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *place = *state;
    CLEAN_CHAR char *line = str_format("rm -rf '%s'", place->folder);

    assert_int_equal(system(line), 0);
    free(place->path);
    free(place);
    return 0;
}

struct catalog *place_open(const struct place *place, enum catalog_mode mode)
{
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;

    if (catalog_open(place->path, mode, &catalog, &error) < 0)
        fail_msg("%s", error.text);
    return catalog;
}

void place_add_run(struct catalog *catalog, const char *id, int64_t started_at)
{
    char selection[] = "vm_exports: .*";
    char pool[] = "pool";
    char store[] = "store";
    struct catalog_run run = {.state = CATALOG_RUN_RUNNING,
                              .selection = selection,
                              .pool_uuid = pool,
                              .store_uuid = store,
                              .started_at = started_at};

    str_copy(run.id, sizeof run.id, id);
    assert_int_equal(catalog_add_run(catalog, &run, NULL), 0);
}

void place_add_job(struct catalog *catalog, const char *id, const char *vm, const char *folder)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED, .position = 3};

    str_copy(job.job.id, sizeof job.job.id, id);
    str_copy(job.job.run, sizeof job.job.run, PLACE_RUN);
    job.job.kind = JOB_BACKUP_VM;
    job.job.compress = JOB_COMPRESS_NONE;
    job.job.disk_format = JOB_DISK_RAW;
    job.job.vm_uuid = mem_dup(vm);
    job.job.vm_name = mem_dup(vm);
    job.job.folder = mem_dup(folder);
    job.job.estimate_bytes = UINT64_C(5000000000);
    struct job_disk *disk = job_add_disk(&job.job);
    disk->device = mem_dup("xvda");
    disk->vdi_uuid = mem_dup("vdi-1");
    disk->virtual_size_bytes = 77;
    text_list_add(&job.hosts, "h1");
    text_list_add(&job.hosts, "h2");
    text_list_add(&job.srs, "s1");
    job.may_be_redirected = true;
    assert_int_equal(catalog_put_job(catalog, &job, NULL), 0);
}
