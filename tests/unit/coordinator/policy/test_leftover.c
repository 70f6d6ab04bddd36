/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is ours and dead, from leftover.cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coordinator/policy/leftover.h"
#include "tests/unit/coordinator/policy/pool_text.h"

#define NOW (INT64_C(100) * 3600000) /* hour 100 */

static void run_case(const struct text_list *lines, struct str *out)
{
    CLEAN_POOL struct pool pool = {0};
    CLEAN_TEXT_LIST struct text_list alive = TEXT_LIST_INIT;
    CLEAN_LEFTOVER_LIST struct leftover_list found = {0};
    struct leftover_request request = {.alive_jobs = &alive, .now_at = NOW};
    for (size_t i = 0; i < lines->n; i++) {
        const char *line = lines->items[i];
        if (str_starts(line, "lease "))
            request.lease = strtoull(line + strlen("lease "), NULL, 10);
        else if (str_starts(line, "alive "))
            text_list_add(&alive, line + strlen("alive "));
        else if (!pool_text_add(&pool, line))
            fail_msg("what is \"%s\"?", line);
    }
    leftover_find(&pool, &request, &found);
    for (size_t i = 0; i < found.n; i++) {
        const struct leftover *item = &found.items[i];
        assert_string_equal(item->vm_name, pool_text_name(&pool, item->vm_uuid));
        str_add_format(out, "left %s %s %zu hosts=", item->job, item->vm_name, item->objects_n);
        pool_text_add_names(&pool, &item->hosts, out);
        str_add(out, " srs=");
        pool_text_add_names(&pool, &item->srs, out);
        str_add_char(out, '\n');
    }
    for (size_t i = 0; i < found.olds_n; i++)
        str_add_format(out, "old %s of %s%s\n", found.olds[i].is_disk ? "disk" : "vm",
                       found.olds[i].of_name, found.olds[i].is_fresh ? " fresh" : "");
    for (size_t i = 0; i < found.notices.n; i++)
        str_add_format(out, "notice %s\n", found.notices.items[i]);
}

static void pool_when_searched_then_as_the_case_file_says(void **state)
{
    (void)state;
    pool_text_run_cases("tests/unit/coordinator/policy/leftover.cases", run_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_when_searched_then_as_the_case_file_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
