/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Selection, from select.cases. The 41 cases of tests/selection go through the real command.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "coordinator/policy/hook_list.h"
#include "coordinator/policy/select.h"
#include "tests/unit/coordinator/policy/pool_text.h"

struct scene {
    struct pool pool;
    struct text_list excludes, vdi_exports, vm_exports, hooks;
    struct select_request request;
};

static bool take_entry(const char *line, const char *prefix, struct text_list *list)
{
    if (!str_starts(line, prefix))
        return false;
    text_list_add(list, line + strlen(prefix));
    return true;
}

static void take_line(struct scene *scene, const char *line)
{
    if (strcmp(line, "prefer_vdi") == 0)
        scene->request.prefer_vdi = true;
    else if (strcmp(line, "strict") == 0)
        scene->request.is_strict = true;
    else if (!take_entry(line, "exclude ", &scene->excludes) &&
             !take_entry(line, "hook ", &scene->hooks) &&
             !take_entry(line, "vdi ", &scene->vdi_exports) &&
             !take_entry(line, "vm-export ", &scene->vm_exports) &&
             !pool_text_add(&scene->pool, line))
        fail_msg("what is \"%s\"?", line);
}

static void print_list(const struct pool *pool, const char *what,
                       const struct selected_list *list, bool has_max, struct str *out)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct selected *one = &list->items[i];
        str_add_format(out, "%s %s", what, pool->vms[one->vm].name);
        for (size_t k = 0; k < one->disks.n; k++)
            str_add_format(out, "%s%s", k ? ";" : " ", one->disks.items[k]);
        if (has_max)
            str_add_format(out, " %lld", (long long)one->max_backups);
        str_add_format(out, " <- %s", one->by);
        if (one->hook)
            str_add_format(out, " hook=%s", one->hook);
        str_add_char(out, '\n');
    }
}

static void run_case(const struct text_list *lines, struct str *out)
{
    struct scene scene = {0};
    CLEAN_SELECTION struct selection selection = {0};
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < lines->n; i++)
        take_line(&scene, lines->items[i]);
    scene.request.excludes = &scene.excludes;
    scene.request.vdi_exports = &scene.vdi_exports;
    scene.request.vm_exports = &scene.vm_exports;
    if (select_make(&scene.pool, &scene.request, &selection, &err) < 0) {
        assert_int_equal(err.code, ERROR_SETTINGS);
        str_add_format(out, "error %s\n", err.text);
    } else if (hook_list_apply(&scene.hooks, &scene.pool, scene.request.is_strict, &selection,
                               &err) < 0) {
        assert_int_equal(err.code, ERROR_SETTINGS);
        str_add_format(out, "error %s\n", err.text);
    }
    print_list(&scene.pool, "exclude", &selection.excludes, false, out);
    print_list(&scene.pool, "vdi", &selection.vdi_exports, true, out);
    print_list(&scene.pool, "vm", &selection.vm_exports, true, out);
    for (size_t i = 0; i < selection.warnings.n; i++)
        str_add_format(out, "warn %s\n", selection.warnings.items[i]);
    pool_done(&scene.pool);
    text_list_done(&scene.excludes);
    text_list_done(&scene.vdi_exports);
    text_list_done(&scene.vm_exports);
    text_list_done(&scene.hooks);
}

static void lists_when_applied_then_as_the_case_file_says(void **state)
{
    (void)state;
    pool_text_run_cases("tests/unit/coordinator/policy/select.cases", run_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_when_applied_then_as_the_case_file_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
