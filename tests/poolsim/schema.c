/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Look-ups in the generated tables. Classes and fields are found by walking (under a hundred
 * each); messages by a hash made at the first question.
 */
#include "tests/poolsim/schema.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "tests/poolsim/schema_tables.h"

#define MESSAGE_SLOTS 8192

static uint16_t message_slots[MESSAGE_SLOTS]; /* index + 1; filled once, then constant */
static pthread_once_t message_once = PTHREAD_ONCE_INIT;

const struct class_schema *schema_class(enum class_id id)
{
    assert(id < CLASSES_N);
    return &schema_classes[id];
}

int schema_find_class(const char *name, enum class_id *ret_id)
{
    for (int i = 0; i < CLASSES_N; i++)
        if (strcmp(schema_classes[i].name, name) == 0) {
            *ret_id = (enum class_id)i;
            return 1;
        }
    return 0;
}

int schema_find_class_any_case(const char *name, enum class_id *ret_id)
{
    for (int i = 0; i < CLASSES_N; i++)
        if (strcasecmp(schema_classes[i].name, name) == 0) {
            *ret_id = (enum class_id)i;
            return 1;
        }
    return 0;
}

const struct field *schema_field(enum field_id id)
{
    enum class_id class = FIELD_CLASS(id);

    assert(class < CLASSES_N && FIELD_INDEX(id) < schema_classes[class].fields_n);
    return &schema_classes[class].fields[FIELD_INDEX(id)];
}

int schema_find_field(enum class_id id, const char *name, enum field_id *ret_id)
{
    const struct class_schema *schema = schema_class(id);

    for (int i = 0; i < schema->fields_n; i++)
        if (strcmp(schema->fields[i].name, name) == 0) {
            *ret_id = (enum field_id)((int)id * 256 + i);
            return 1;
        }
    return 0;
}

static uint32_t message_hash(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash;
}

static void message_fill(void)
{
    for (size_t i = 0; i < schema_messages_count; i++) {
        uint32_t slot = message_hash(schema_messages[i].name) % MESSAGE_SLOTS;
        while (message_slots[slot])
            slot = (slot + 1) % MESSAGE_SLOTS;
        message_slots[slot] = (uint16_t)(i + 1);
    }
}

const struct message *schema_find_message(const char *name)
{
    uint32_t slot = message_hash(name) % MESSAGE_SLOTS;

    pthread_once(&message_once, message_fill);
    for (; message_slots[slot]; slot = (slot + 1) % MESSAGE_SLOTS) {
        const struct message *message = &schema_messages[message_slots[slot] - 1];
        if (strcmp(message->name, name) == 0)
            return message;
    }
    return NULL;
}

size_t schema_messages_n(void)
{
    return schema_messages_count;
}

const struct message *schema_message_at(size_t index)
{
    assert(index < schema_messages_count);
    return &schema_messages[index];
}

bool schema_enum_has(const char *enum_name, const char *member)
{
    size_t n = strlen(member);

    if (n == 0 || strchr(member, ' '))
        return false;
    for (const struct enum_row *row = schema_enums; row->name; row++) {
        if (strcmp(row->name, enum_name) != 0)
            continue;
        for (const char *at = row->members; (at = strstr(at, member)); at++)
            if (at[-1] == ' ' && at[n] == ' ')
                return true;
        return false;
    }
    return false;
}
