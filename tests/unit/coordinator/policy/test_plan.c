/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plans, from plan.cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "coordinator/policy/plan.h"
#include "coordinator/policy/select.h"
#include "tests/unit/coordinator/policy/pool_text.h"

#define MIB (UINT64_C(1024) * 1024)
#define KNOWN_MAX 8

struct scene {
    struct pool pool;
    struct text_list excludes, vdi_exports, vm_exports;
    struct plan_settings settings;
    struct plan_known known[KNOWN_MAX];
    struct text_list texts; /* what known borrows from */
};

static uint64_t mib(const char *text)
{
    return text ? strtoull(text, NULL, 10) * MIB : 0;
}

static void take_settings(struct scene *scene, const struct text_list *words)
{
    const char *kinds = pool_text_value(words, "kinds");
    const char *chain_max = pool_text_value(words, "chain_max");
    scene->settings.pool_backup = text_list_has(words, "pool_backup");
    scene->settings.host_backup = text_list_has(words, "host_backup");
    if (kinds && strcmp(kinds, "all") == 0)
        scene->settings.kinds = ~0u;
    if (text_list_has(words, "vhd"))
        scene->settings.disk_format = JOB_DISK_VHD;
    if (chain_max)
        scene->settings.chain_max = (unsigned)strtoul(chain_max, NULL, 10);
}

static void take_known(struct scene *scene, const struct text_list *words)
{
    struct plan_known *known = &scene->known[scene->settings.known_n++];
    assert_true(scene->settings.known_n <= KNOWN_MAX);
    const char *uuid = "00000000-0000-4000-8000-00000000dead";
    for (size_t i = 0; i < scene->pool.vms_n; i++) {
        CLEAN_CHAR char *ref = str_format("OpaqueRef:vm-%s", words->items[1]);
        if (str_equal(scene->pool.vms[i].ref, ref))
            uuid = scene->pool.vms[i].uuid;
    }
    text_list_add(&scene->texts, uuid);
    known->vm_uuid = scene->texts.items[scene->texts.n - 1];
    text_list_add(&scene->texts, pool_text_value(words, "folder"));
    known->folder = scene->texts.items[scene->texts.n - 1];
    known->vm_bytes = mib(pool_text_value(words, "bytes"));
    known->vm_source_bytes = mib(pool_text_value(words, "source"));
}

static void take_line(struct scene *scene, const char *line)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    pool_text_words(line, &words);
    assert_true(words.n > 0);
    const char *first = words.items[0];
    if (strcmp(first, "settings") == 0)
        take_settings(scene, &words);
    else if (strcmp(first, "known") == 0)
        take_known(scene, &words);
    else if (strcmp(first, "exclude") == 0)
        text_list_add(&scene->excludes, words.items[1]);
    else if (strcmp(first, "vdi") == 0)
        text_list_add(&scene->vdi_exports, words.items[1]);
    else if (strcmp(first, "vm-export") == 0)
        text_list_add(&scene->vm_exports, words.items[1]);
    else if (!pool_text_add(&scene->pool, line))
        fail_msg("what is \"%s\"?", line);
}

static void print_job(const struct pool *pool, const struct plan_job *job, struct str *out)
{
    const struct job *facts = &job->job;
    str_add_format(out, "job %s %s", job_kind_name(facts->kind),
                   facts->vm_name ? facts->vm_name : "-");
    if (facts->kind == JOB_BACKUP_DISK)
        for (size_t i = 0; i < facts->disks_n; i++)
            str_add_format(out, "%c%s", i == 0 ? '/' : '+', facts->disks[i].device);
    str_add_format(out, " folder=%s hosts=", facts->folder);
    pool_text_add_names(pool, &job->hosts, out);
    str_add(out, " srs=");
    pool_text_add_names(pool, &job->srs, out);
    str_add_format(out, " estimate=%" PRIu64 " keep=%" PRId64, facts->estimate_bytes / MIB,
                   job->max_backups);
    if (job->state != JOB_STATE_PLANNED)
        str_add_format(out, " %s: %s", job_state_name(job->state), job->reason);
    str_add_char(out, '\n');
    for (size_t i = 0; i < job->warnings.n; i++)
        str_add_format(out, "  warning: %s\n", job->warnings.items[i]);
}

static void print_plan(const struct pool *pool, const struct plan *plan, struct str *out)
{
    for (size_t i = 0; i < plan->jobs_n; i++)
        print_job(pool, &plan->jobs[i], out);
    for (size_t i = 0; i < plan->skipped_n; i++)
        str_add_format(out, "skip%s %s: %s\n", plan->skipped[i].is_failure ? "!" : "",
                       plan->skipped[i].name, plan->skipped[i].reason);
    for (size_t i = 0; i < plan->warnings.n; i++)
        str_add_format(out, "warning: %s\n", plan->warnings.items[i]);
}

static void run_case(const struct text_list *lines, struct str *out)
{
    struct scene scene = {.settings = {.compress = JOB_COMPRESS_NONE,
                                       .disk_format = JOB_DISK_RAW,
                                       .max_backups = 4,
                                       .kinds = 1u << JOB_BACKUP_VM}};
    for (size_t i = 0; i < lines->n; i++)
        take_line(&scene, lines->items[i]);
    scene.settings.known = scene.known;
    const struct select_request request = {.excludes = &scene.excludes,
                                           .vdi_exports = &scene.vdi_exports,
                                           .vm_exports = &scene.vm_exports};
    CLEAN_SELECTION struct selection selection = {0};
    CLEAN_PLAN struct plan plan = {0};
    struct error err = ERROR_INIT;
    assert_int_equal(select_make(&scene.pool, &request, &selection, &err), 0);
    plan_make(&scene.pool, &selection, &scene.settings, &plan);
    print_plan(&scene.pool, &plan, out);
    pool_done(&scene.pool);
    text_list_done(&scene.excludes);
    text_list_done(&scene.vdi_exports);
    text_list_done(&scene.vm_exports);
    text_list_done(&scene.texts);
}

static void pool_when_planned_then_as_the_case_file_says(void **state)
{
    (void)state;
    pool_text_run_cases("tests/unit/coordinator/policy/plan.cases", run_case);
}

static void job_when_asked_for_its_stem_then_by_kind(void **state)
{
    (void)state;
    static const struct {
        enum job_kind kind;
        const char *want;
    } stems[] = {
        {JOB_BACKUP_VM, "backup_"},     {JOB_BACKUP_DISK, "backup_"},
        {JOB_BACKUP_POOL, "metadata_"}, {JOB_BACKUP_HOST, "host_"},
        {JOB_CLEANUP, NULL},            {JOB_EXPIRE, NULL},
    };
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        CLEAN_JOB struct job job = {.kind = stems[i].kind};
        mem_set(&job_add_disk(&job)->device, "xvdb");
        CLEAN_CHAR char *stem = plan_stem_prefix(&job);
        assert_true(str_equal(stem, stems[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_when_planned_then_as_the_case_file_says),
        cmocka_unit_test(job_when_asked_for_its_stem_then_by_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
