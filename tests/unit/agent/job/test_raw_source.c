/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/job/raw_source: which disks are read as VHDs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/job/raw_source.h"

#define GIB (UINT64_C(1) << 30)

static const struct {
    const char *what;
    struct raw_disk disk;
    bool automatic, wished; /* with raw_source auto, vhd */
} cases[] = {
    {"mostly empty", {"nfs", 100 * GIB, GIB, false, false}, true, true},
    {"half", {"ext", 10 * GIB, 5 * GIB, false, false}, true, true},
    {"more than half", {"lvmoiscsi", 10 * GIB, 5 * GIB + 1, false, false}, false, true},
    {"compressed", {"nfs", 100 * GIB, GIB, true, false}, false, false},
    {"largest", {"nfs", 2040 * GIB, GIB, false, false}, true, true},
    {"too large", {"nfs", 2042 * GIB, GIB, false, false}, false, false},
    {"odd size", {"nfs", 100 * GIB + (1u << 20), GIB, false, false}, false, false},
    {"no bytes", {"nfs", 0, 0, false, false}, false, false},
    {"raw SR", {"rawhba", 100 * GIB, GIB, false, false}, false, false},
    {"unknown SR", {NULL, 100 * GIB, GIB, false, false}, false, false},
    {"QCOW2", {"nfs", 100 * GIB, GIB, false, true}, false, false},
};

static void source_when_asked_then_by_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (raw_source_is_vhd(JOB_RAW_AUTO, &cases[i].disk) != cases[i].automatic ||
            raw_source_is_vhd(JOB_RAW_VHD, &cases[i].disk) != cases[i].wished ||
            raw_source_is_vhd(JOB_RAW_RAW, &cases[i].disk))
            fail_msg("%s", cases[i].what);
    }
}

static void vhd_when_known_to_hang_then_told(void **state)
{
    (void)state;
    const struct raw_disk odd = {"nfs", GIB + (1u << 20), GIB, false, true};
    const struct raw_disk even = {"nfs", GIB, GIB, false, true};
    const struct raw_disk vhd = {"nfs", GIB + (1u << 20), GIB, false, false};

    assert_true(raw_source_vhd_hangs(&odd));
    assert_false(raw_source_vhd_hangs(&even));
    assert_false(raw_source_vhd_hangs(&vhd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(source_when_asked_then_by_the_rules),
                                       cmocka_unit_test(vhd_when_known_to_hang_then_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
