/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What XAPI answers: replies and faults, records of every class into an inventory, events, task
 * results. The first byte chooses which.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/pool.h"
#include "common/xapi/event.h"
#include "common/xapi/record.h"
#include "common/xapi/reply.h"
#include "common/xapi/task.h"
#include "common/xapi/task_inside.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

typedef int add_fn(struct record_reader *reader, const char *ref, const json_t *record,
                   struct error *err);

static add_fn *const adders[] = {
#define X(class_name, name) record_add_##name,
    RECORD_ORDER(X)
#undef X
};
#define ADDERS_N (sizeof adders / sizeof *adders)

struct inventory {
    struct record_reader *reader;
    size_t records_n;
};

/* A text is looked at as a record of each class: what a field is named for says little. */
static int add_record(void *context, const char *ref, const json_t *record, struct error *err)
{
    struct inventory *inventory = context;
    struct error own = ERROR_INIT;

    (void)err;
    FUZZ_MUST(ref != NULL && record != NULL);
    for (size_t i = 0; i < ADDERS_N; i++) {
        error_clear(&own);
        if (adders[i](inventory->reader, ref, record, &own) != 0)
            FUZZ_MUST(error_is_set(&own));
    }
    inventory->records_n++;
    return 0;
}

static void run_records(struct str *text)
{
    CLEAN_POOL struct pool pool = {0};
    CLEAN_RECORD_READER struct record_reader *reader = record_reader_new(&pool);
    struct inventory inventory = {.reader = reader};
    struct error err = ERROR_INIT;

    if (reply_each_record(text, add_record, &inventory, &err) != 0)
        FUZZ_MUST(error_is_set(&err));
    error_clear(&err);
    if (record_reader_finish(reader, &err) != 0)
        FUZZ_MUST(error_is_set(&err));
}

static int take_event(void *context, const char *ref, const json_t *snapshot, struct error *err)
{
    struct task_facts facts = {0};

    (void)context;
    FUZZ_MUST(ref != NULL);
    if (snapshot != NULL && task_read_record(snapshot, &facts, err) != 0)
        error_clear(err);
    task_facts_done(&facts);
    return 0;
}

static void run_events(struct str *text)
{
    CLEAN_EVENT_STREAM struct event_stream events = {0};
    CLEAN_JSON json_t *answer = NULL;
    struct error err = ERROR_INIT;
    size_t n = 0;

    event_stream_init(&events, "task");
    if (reply_parse(text, &answer, &err) != 0) {
        FUZZ_MUST(error_is_set(&err));
        return;
    }
    if (event_take(&events, answer, take_event, NULL, &n, &err) != 0)
        FUZZ_MUST(error_is_set(&err));
}

static void run_reply(struct str *text)
{
    CLEAN_TEXT_LIST struct text_list fault = {0};
    CLEAN_JSON json_t *result = NULL;
    struct error err = ERROR_INIT;

    int found = reply_parse_fault(text, &result, &fault, &err);
    FUZZ_MUST(found != 0 || result != NULL);
    FUZZ_MUST(found != 1 || fault.n > 0);
    FUZZ_MUST(found >= 0 || error_is_set(&err));
}

static void run_result(const struct str *text)
{
    CLEAN_TEXT_LIST struct text_list texts = {0};
    struct error err = ERROR_INIT;

    if (task_parse_result(str_text(text), &texts, &err) != 0)
        FUZZ_MUST(error_is_set(&err));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STR struct str text = STR_INIT;

    if (n == 0)
        return 0;
    str_add_n(&text, (const char *)bytes + 1, n - 1);
    switch (bytes[0] % 4) {
    case 0:
        run_reply(&text);
        break;
    case 1:
        run_records(&text);
        break;
    case 2:
        run_events(&text);
        break;
    default:
        run_result(&text);
    }
    return 0;
}

#define ANSWER(result) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" result "}"
#define UUID           "7d9f2a34-52ab-4f6e-8d0b-00000000000"

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        "\4" ANSWER("\"OpaqueRef:1\""),
        "\4{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"HANDLE_INVALID\","
        "\"data\":[\"VM\",\"OpaqueRef:1\"]}}",
        "\4{\"id\":1,\"result\":null,\"error\":[\"HOST_IS_SLAVE\",\"10.0.0.1\"]}",
        "\4[\"SESSION_INVALID\",\"\\u0000\"]",
        "\1" ANSWER("{\"OpaqueRef:a\":{\"uuid\":\"" UUID "1\",\"name_label\":\"web1\","
                    "\"is_a_template\":false,\"VBDs\":[\"OpaqueRef:b\"],\"power_state\":\"Running\","
                    "\"other_config\":{\"onyxpool\":\"x\"},\"memory_dynamic_max\":\"1\"}}"),
        "\1" ANSWER("{\"OpaqueRef:a\":{\"uuid\":\"" UUID "2\",\"VDI\":\"OpaqueRef:v\",\"VM\":"
                    "\"OpaqueRef:a\",\"type\":\"Disk\",\"userdevice\":\"0\",\"device\":\"xvda\","
                    "\"empty\":false},\"OpaqueRef:v\":{\"uuid\":\"" UUID "3\",\"virtual_size\":"
                    "8589934592,\"physical_utilisation\":1e9,\"SR\":\"OpaqueRef:s\",\"sm_config\":{}}}"),
        "\1" ANSWER("{\"OpaqueRef:p\":{\"uuid\":\"" UUID "4\",\"master\":\"OpaqueRef:h\","
                    "\"address\":\"10.0.0.1\",\"enabled\":true,\"metrics\":\"OpaqueRef:m\",\"live\":"
                    "true,\"host\":\"OpaqueRef:h\",\"currently_attached\":true}}"),
        "\2" ANSWER("{\"events\":[{\"ref\":\"OpaqueRef:t\",\"operation\":\"mod\",\"snapshot\":"
                    "{\"status\":\"success\",\"result\":\"<value>OpaqueRef:x</value>\",\"progress\":"
                    "1.0,\"error_info\":[]}}],\"token\":\"1,2\",\"valid_ref_counts\":{}}"),
        "\3<value>OpaqueRef:x</value>",
        "\3<value><array><data><value>a</value><value>b</value></data></array></value>",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
