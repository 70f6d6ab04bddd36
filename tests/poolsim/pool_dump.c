/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pool's database as xapi writes it: a table per class in order of name, a row per object with
 * its fields as attributes in order of name, sets and maps as s-expressions, spaces as "%.".
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/base/text_map.h"
#include "tests/poolsim/handler_pool.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

/* Where the database has a namespace: "name_label" is "name__label" there. */
static const char *const namespaces[] = {"name", "memory", "VCPUs",       "actions_after",
                                         "PV",   "HVM",    "API_version", "qos_algorithm"};

static void add_protected(struct str *out, const char *text)
{
    static const struct {
        char plain;
        const char *written;
    } table[] = {{' ', "%."},    {'\t', "%t"},  {'\n', "%n"},  {'\r', "%r"},   {'%', "%%"},
                 {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
    for (; *text; text++) {
        const char *written = NULL;
        for (size_t i = 0; i < sizeof table / sizeof table[0] && !written; i++)
            written = table[i].plain == *text ? table[i].written : NULL;
        if (written)
            str_add(out, written);
        else
            str_add_char(out, *text);
    }
}

static void add_atom(struct str *out, const char *text)
{
    str_add_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            str_add_char(out, '\\');
        str_add_char(out, *text);
    }
    str_add_char(out, '\'');
}

static void add_set(struct str *out, const struct text_list *items)
{
    str_add_char(out, '(');
    for (size_t i = 0; i < items->n; i++) {
        str_add(out, i > 0 ? " " : "");
        add_atom(out, items->items[i]);
    }
    str_add_char(out, ')');
}

static void add_map(struct str *out, const struct text_map *pairs)
{
    str_add_char(out, '(');
    for (size_t i = 0; i < pairs->n; i++) {
        str_add(out, i > 0 ? " (" : "(");
        add_atom(out, pairs->pairs[i].key);
        str_add_char(out, ' ');
        add_atom(out, pairs->pairs[i].value);
        str_add_char(out, ')');
    }
    str_add_char(out, ')');
}

static void add_value(struct str *out, const struct object *object, enum field_id id,
                      enum kind kind)
{
    if (kind == KIND_INT)
        str_add_format(out, "%lld", (long long)object_int(object, id));
    else if (kind == KIND_BOOL)
        str_add(out, object_bool(object, id) ? "true" : "false");
    else if (kind == KIND_FLOAT)
        str_add_format(out, "%.17g", object_float(object, id));
    else if (kind == KIND_SET)
        add_set(out, object_set(object, id));
    else if (kind == KIND_MAP)
        add_map(out, object_map(object, id));
    else
        str_add(out, object_text(object, id));
}

static char *database_name(const char *name)
{
    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
        size_t n = strlen(namespaces[i]);
        if (strncmp(name, namespaces[i], n) == 0 && name[n] == '_')
            return str_format("%s__%s", namespaces[i], name + n + 1);
    }
    return mem_dup(name);
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct text_pair *)a)->key, ((const struct text_pair *)b)->key);
}

static void add_row(struct pool *pool, struct str *out, const struct object *object)
{
    const struct class_schema *schema = schema_class(object_class(object));
    CLEAN_TEXT_MAP struct text_map row = TEXT_MAP_INIT;
    text_map_set(&row, "_ref", object_ref(object));
    for (int i = 0; i < schema->fields_n; i++) {
        enum field_id id = (enum field_id)((int)object_class(object) << 8 | i);
        CLEAN_STR struct str value = STR_INIT;
        CLEAN_CHAR char *name = database_name(schema->fields[i].name);
        if (schema->fields[i].since > pool->profile->since_max)
            continue;
        if (strcmp(name, "uuid") == 0)
            str_add(&value, object_uuid(object));
        else
            add_value(&value, object, id, schema->fields[i].type.kind);
        text_map_set(&row, name, str_text(&value));
    }
    qsort(row.pairs, row.n, sizeof *row.pairs, compare_pairs);
    str_add_format(out, "<row ref=\"%s\" __ctime=\"1\" __mtime=\"1\"", object_ref(object));
    for (size_t i = 0; i < row.n; i++) {
        str_add_format(out, " %s=\"", row.pairs[i].key);
        add_protected(out, row.pairs[i].value);
        str_add_char(out, '"');
    }
    str_add(out, "/>");
}

static int compare_classes(const void *a, const void *b)
{
    return strcmp(schema_class(*(const enum class_id *)a)->name,
                  schema_class(*(const enum class_id *)b)->name);
}

/* Sessions and tasks are not kept there. */
static bool is_kept(enum class_id class)
{
    return class != CLASS_session && class != CLASS_task;
}

void pool_dump_make(struct pool *pool, struct str *out)
{
    enum class_id classes[CLASSES_N];
    for (int i = 0; i < CLASSES_N; i++)
        classes[i] = (enum class_id)i;
    qsort(classes, CLASSES_N, sizeof classes[0], compare_classes);
    str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<database><manifest>"
                 "<pair key=\"schema_major_vsn\" value=\"5\"/>"
                 "<pair key=\"schema_minor_vsn\" value=\"909\"/>"
                 "<pair key=\"generation_count\" value=\"1\"/></manifest>");
    for (int i = 0; i < CLASSES_N; i++) {
        const struct object *object = is_kept(classes[i]) ? store_first(pool, classes[i]) : NULL;
        str_add_format(out, "<table name=\"%s\"%s", schema_class(classes[i])->name,
                       object ? ">" : "/>");
        bool has_rows = object != NULL;
        for (; object; object = store_next(pool, object))
            add_row(pool, out, object);
        if (has_rows)
            str_add(out, "</table>");
    }
    str_add(out, "</database>");
}
