/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One get_all_records a class, in the reader's order. What changes between two of them leaves
 * references that lead nowhere, which the reader knows; the worker looks again at its own VM.
 */
#include "coordinator/inventory.h"

#include <stddef.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/model/pool.h"
#include "common/xapi/call.h"
#include "common/xapi/record.h"

#include "common/base/poison.h"

typedef int record_add_fn(struct record_reader *reader, const char *ref, const json_t *record,
                          struct error *err);

struct record_class {
    const char *method;
    record_add_fn *add;
};

static const struct record_class record_classes[] = {
#define X(class_name, name) {class_name ".get_all_records", record_add_##name},
    RECORD_ORDER(X)
#undef X
};

struct class_reading {
    const struct record_class *of;
    struct record_reader *reader;
};

static int inventory_on_record(void *context, const char *ref, const json_t *record,
                               struct error *err)
{
    const struct class_reading *reading = context;
    struct error failure = ERROR_INIT;

    if (!reading->of->add(reading->reader, ref, record, &failure))
        return 0;
    if (failure.code != ERROR_PROTOCOL) {
        *err = failure;
        return -1;
    }
    /* One object that makes no sense must not stop the backups of all others. */
    log_warn("inventory", "left out: %s", failure.text);
    return 0;
}

int inventory_read(struct xapi *xapi, inventory_between_fn *between, void *context,
                   struct pool *ret_pool, struct error *err)
{
    CLEAN_POOL struct pool pool = {0};
    CLEAN_RECORD_READER struct record_reader *reader = record_reader_new(&pool);
    struct error own = ERROR_INIT;

    if (!err)
        err = &own;
    for (size_t i = 0; i < sizeof record_classes / sizeof *record_classes; i++) {
        struct class_reading reading = {&record_classes[i], reader};

        if (xapi_call_records(xapi, record_classes[i].method, inventory_on_record, &reading, err))
            return error_add(err, "read the pool");
        if (between)
            between(context);
    }
    if (record_reader_finish(reader, err))
        return error_add(err, "read the pool");
    *ret_pool = pool;
    pool = (struct pool){0};
    return 0;
}
