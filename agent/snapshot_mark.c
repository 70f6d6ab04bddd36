/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * add_to_other_config refuses a key that is there. Few objects are born with one: then it is removed, and
 * between the two calls the object is without a mark, which is why its birth name must still stand.
 * Source: xapi's database actions, add_to_map (MAP_DUPLICATE_KEY).
 */
#include "agent/snapshot_mark.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/mark.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"

#include "common/base/poison.h"

int snapshot_mark_set(struct xapi *xapi, const char *class_name, const char *ref, const char *uuid,
                      const char *job, uint64_t lease, struct error *err)
{
    struct mark mark = {.lease = lease};
    char text[MARK_TEXT_MAX];
    (void)str_copy(mark.job, sizeof mark.job, job);
    (void)str_copy(mark.uuid, sizeof mark.uuid, uuid);
    mark_format(&mark, text);
    CLEAN_CHAR char *remove = str_format("%s.remove_from_other_config", class_name);
    CLEAN_CHAR char *add = str_format("%s.add_to_other_config", class_name);
    struct error first = ERROR_INIT;
    if (xapi_call(xapi, NULL, &first, add, "[s, s, s]", ref, MARK_KEY, text) == 0)
        return 0;
    if (!fault_is(&first, "MAP_DUPLICATE_KEY")) {
        if (err != NULL)
            *err = first;
        return -1;
    }
    if (xapi_call(xapi, NULL, err, remove, "[s, s]", ref, MARK_KEY) != 0)
        return -1;
    return xapi_call(xapi, NULL, err, add, "[s, s, s]", ref, MARK_KEY, text);
}
