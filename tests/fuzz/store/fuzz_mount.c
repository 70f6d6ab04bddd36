/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mountinfo and fdinfo: whatever stands there, what is found has texts and the number asked for.
 */
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/store/mount.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_CHAR char *text = mem_dup_n((const char *)bytes, n);
    int64_t id = -1;

    if (mount_parse_fdinfo(text, &id) == 1)
        FUZZ_MUST(id >= 0 && id <= INT32_MAX);
    for (int64_t number = 0; number < 40; number++) {
        CLEAN_MOUNT struct mount mount = {0};
        struct error err = ERROR_INIT;
        int found = mount_find(text, number, &mount, &err);
        FUZZ_MUST(found == 1 || mount.point == NULL);
        FUZZ_MUST((found == -1) == (err.code == ERROR_BAD_INPUT));
        if (found != 1)
            continue;
        FUZZ_MUST(mount.id == number && mount.point != NULL && mount.source != NULL);
        FUZZ_MUST(mount.type[0] != '\0');
        (void)mount_is_share(&mount, MOUNT_NFS);
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    if (i > 1)
        return false;
    str_add(out, i == 0 ? "22 1 253:0 / / rw shared:1 - ext4 /dev/root rw\n"
                          "36 22 0:45 / /mnt/a\\040b\\134 rw shared:30 master:2 - nfs4 nas:/x rw\n"
                          "7 22 0:46 / /mnt rw - cifs //nas/share rw\n"
                        : "pos:\t0\nflags:\t02100000\nmnt_id:\t36\nino:\t2\n");
    return true;
}
