/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Methods that XAPI generates for every class: get_record, get_all_records_where, set_x,
 * add_to_x...
 *
 * A message's name says which one it is; the class and field come from the name too.
 * Source: datamodel_utils.ml; recordings 238-246, 1554-1576.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/poolsim/filter.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/store_inside.h"
#include "tests/poolsim/value.h"

#include "common/base/poison.h"

/* "VM.add_to_other_config" with verb "add_to_": class VM, field other_config. */
static bool split(const char *name, const char *verb, enum class_id *ret_class,
                  enum field_id *ret_field)
{
    const char *dot = strchr(name, '.');
    char class_name[64];

    if (!dot || (size_t)(dot - name) >= sizeof class_name)
        return false;
    memcpy(class_name, name, (size_t)(dot - name));
    class_name[dot - name] = '\0';
    if (!schema_find_class(class_name, ret_class))
        return false;
    if (!ret_field)
        return strcmp(dot + 1, verb) == 0;
    return str_starts(dot + 1, verb) &&
           schema_find_field(*ret_class, dot + 1 + strlen(verb), ret_field);
}

static int get_record(struct call *call)
{
    enum class_id class;
    struct object *object;

    split(call->name, "get_record", &class, NULL);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    answer_record(call->answer, call->pool, object);
    return 0;
}

static int get_by_uuid(struct call *call)
{
    enum class_id class;
    struct object *object;

    split(call->name, "get_by_uuid", &class, NULL);
    object = store_find_uuid(call->pool, class, call_text(call, 0));
    if (!object)
        return failure_set(call->failure, "UUID_INVALID", schema_class(class)->name,
                           call_text(call, 0), NULL);
    answer_text(call->answer, object_ref(object));
    return 0;
}

static int get_by_name_label(struct call *call)
{
    enum class_id class;
    enum field_id field = F_NONE;
    size_t n;
    struct object **objects;

    split(call->name, "get_by_name_label", &class, NULL);
    schema_find_field(class, "name_label", &field);
    objects = store_sorted(call->pool, class, &n);
    answer_begin_set(call->answer);
    for (size_t i = 0; i < n; i++)
        if (strcmp(object_text(objects[i], field), call_text(call, 0)) == 0)
            answer_text(call->answer, object_ref(objects[i]));
    answer_end_set(call->answer);
    free(objects);
    return 0;
}

static int all_refs(struct call *call, enum class_id class, const struct filter *filter)
{
    size_t n;
    struct object **objects = store_sorted(call->pool, class, &n);

    answer_begin_set(call->answer);
    for (size_t i = 0; i < n; i++)
        if (!filter || filter_fits(filter, call->pool, objects[i]))
            answer_text(call->answer, object_ref(objects[i]));
    answer_end_set(call->answer);
    free(objects);
    return 0;
}

static int all_records(struct call *call, enum class_id class, const struct filter *filter)
{
    size_t n;
    struct object **objects = store_sorted(call->pool, class, &n);

    answer_begin_map(call->answer);
    for (size_t i = 0; i < n; i++) {
        if (filter && !filter_fits(filter, call->pool, objects[i]))
            continue;
        answer_key(call->answer, object_ref(objects[i]));
        answer_record(call->answer, call->pool, objects[i]);
    }
    answer_end_map(call->answer);
    free(objects);
    return 0;
}

static int get_all(struct call *call)
{
    enum class_id class;

    split(call->name, "get_all", &class, NULL);
    return all_refs(call, class, NULL);
}

static int get_all_records(struct call *call)
{
    enum class_id class;

    split(call->name, "get_all_records", &class, NULL);
    return all_records(call, class, NULL);
}

static int get_where(struct call *call)
{
    enum class_id class;
    bool is_records = split(call->name, "get_all_records_where", &class, NULL);
    struct filter *filter = filter_parse(call_text(call, 0), class, call->failure);
    int result;

    if (!filter)
        return -1;
    result = is_records ? all_records(call, class, filter) : all_refs(call, class, filter);
    filter_free(filter);
    return result;
}

static int get_field(struct call *call)
{
    enum class_id class;
    enum field_id field;
    struct object *object;

    split(call->name, "get_", &class, &field);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    answer_field(call->answer, call->pool, object, field);
    return 0;
}

static void set_container(struct call *call, struct object *object, enum field_id field)
{
    if (schema_field(field)->type.kind == KIND_SET) {
        CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
        CLEAN_TEXT_LIST struct text_list once = TEXT_LIST_INIT;
        call_set(call, 1, &items);
        for (size_t i = 0; i < items.n; i++)
            if (!text_list_has(&once, items.items[i]))
                text_list_add(&once, items.items[i]);
        object_set_set(call->pool, object, field, &once);
    } else {
        CLEAN_TEXT_MAP struct text_map pairs = TEXT_MAP_INIT;
        call_map(call, 1, &pairs);
        object_set_map(call->pool, object, field, &pairs);
    }
}

static int set_field(struct call *call)
{
    enum class_id class;
    enum field_id field;
    struct object *object;
    const json_t *value = call_value(call, 1);
    CLEAN_CHAR char *text = NULL;

    split(call->name, "set_", &class, &field);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    switch (schema_field(field)->type.kind) {
    case KIND_INT:
        object_set_int(call->pool, object, field, value_int(value));
        break;
    case KIND_BOOL:
        object_set_bool(call->pool, object, field, json_is_true(value));
        break;
    case KIND_FLOAT:
        object_set_float(call->pool, object, field, value_float(value));
        break;
    case KIND_SET:
    case KIND_MAP:
        set_container(call, object, field);
        break;
    default:
        text = value_text(value);
        object_set_text(call->pool, object, field, text);
        break;
    }
    return 0;
}

/* As recorded: a control character ends the text that the database keeps. */
static char *as_stored(const char *text)
{
    size_t n = 0;

    while (text[n] && ((unsigned char)text[n] >= 0x20 || text[n] == '\t' || text[n] == '\n' ||
                       text[n] == '\r'))
        n++;
    return mem_dup_n(text, n);
}

static int add_to(struct call *call)
{
    enum class_id class;
    enum field_id field;
    struct object *object;
    const char *key = call_text(call, 1);
    CLEAN_CHAR char *value = NULL;

    split(call->name, "add_to_", &class, &field);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    if (!*key)
        return failure_set(call->failure, "INTERNAL_ERROR", "Db_exn.Empty_key_in_map", NULL);
    if (object_map_get(object, field, key))
        return failure_set(call->failure, "MAP_DUPLICATE_KEY", schema_class(class)->name,
                           schema_field(field)->name, object_ref(object), key, NULL);
    value = as_stored(call_text(call, 2));
    object_map_put(call->pool, object, field, key, value);
    return 0;
}

static int remove_from(struct call *call)
{
    enum class_id class;
    enum field_id field;
    struct object *object;

    split(call->name, "remove_from_", &class, &field);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    object_map_remove(call->pool, object, field, call_text(call, 1));
    return 0;
}

static int add_item(struct call *call)
{
    enum class_id class;
    enum field_id field;
    struct object *object;

    split(call->name, "add_", &class, &field);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    object_set_add(call->pool, object, field, call_text(call, 1));
    return 0;
}

static int remove_item(struct call *call)
{
    enum class_id class;
    enum field_id field;
    struct object *object;

    split(call->name, "remove_", &class, &field);
    object = call_object(call, 0, class);
    if (!object)
        return -1;
    object_set_remove(call->pool, object, field, call_text(call, 1));
    return 0;
}

method_fn *generic_method(const struct message *message)
{
    static const struct method_row whole[] = {{"get_record", get_record},
                                              {"get_by_uuid", get_by_uuid},
                                              {"get_by_name_label", get_by_name_label},
                                              {"get_all", get_all},
                                              {"get_all_records", get_all_records},
                                              {"get_all_where", get_where},
                                              {"get_all_records_where", get_where},
                                              {NULL, NULL}};
    enum class_id class;
    enum field_id field;

    for (const struct method_row *row = whole; row->name; row++)
        if (split(message->name, row->name, &class, NULL))
            return row->run;
    if (split(message->name, "get_", &class, &field) && message->params_n == 1)
        return get_field;
    if (split(message->name, "set_", &class, &field) && message->params_n == 2)
        return set_field;
    if (split(message->name, "add_to_", &class, &field) &&
        schema_field(field)->type.kind == KIND_MAP)
        return add_to;
    if (split(message->name, "remove_from_", &class, &field) &&
        schema_field(field)->type.kind == KIND_MAP)
        return remove_from;
    if (split(message->name, "add_", &class, &field) && schema_field(field)->type.kind == KIND_SET)
        return add_item;
    if (split(message->name, "remove_", &class, &field) &&
        schema_field(field)->type.kind == KIND_SET)
        return remove_item;
    return NULL;
}
