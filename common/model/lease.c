/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Texts of the lease and the rival's patience.
 */
#include "common/model/lease.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define LEASE_RELEASED "released"

static bool address_is_sound(const char *address)
{
    for (const char *p = address; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return false;
    return *address != '\0';
}

int lease_owner_check(const struct lease_owner *owner, struct error *err)
{
    if (!uuid_is_valid(owner->uuid))
        return error_set(err, ERROR_BAD_INPUT, "lease: the owner \"%s\" is no uuid", owner->uuid);
    if (!address_is_sound(owner->address))
        return error_set(err, ERROR_BAD_INPUT,
                         "lease: \"%s\" is no address (printable ASCII without blanks)",
                         owner->address);
    if (owner->renew_s < LEASE_RENEW_MIN_S || owner->renew_s > LEASE_RENEW_MAX_S)
        return error_set(err, ERROR_BAD_INPUT, "lease: renewed every %u s, allowed is %d to %d",
                         owner->renew_s, LEASE_RENEW_MIN_S, LEASE_RENEW_MAX_S);
    return 0;
}

char *lease_format_key(uint64_t n, char text[LEASE_KEY_MAX])
{
    snprintf(text, LEASE_KEY_MAX, LEASE_KEY_PREFIX "%llu", (unsigned long long)n);
    return text;
}

bool lease_parse_key(const char *key, uint64_t *ret_n)
{
    const char *digits = key + strlen(LEASE_KEY_PREFIX);
    uint64_t n;

    /* One way only to write a number: two keys must not mean the same. */
    if (!str_starts(key, LEASE_KEY_PREFIX) || *digits < '1' || *digits > '9' ||
        num_parse_unsigned(digits, LEASE_N_MAX, &n, NULL))
        return false;
    *ret_n = n;
    return true;
}

char *lease_format_value(const struct lease_owner *owner, char text[LEASE_VALUE_MAX])
{
    if (owner)
        snprintf(text, LEASE_VALUE_MAX, "%s %s %u", owner->uuid, owner->address, owner->renew_s);
    else
        snprintf(text, LEASE_VALUE_MAX, "%s", LEASE_RELEASED);
    return text;
}

/* The word up to the next blank into field; *text moves behind the blank. */
static bool word_take(const char **text, char *field, size_t field_size)
{
    size_t n = strcspn(*text, " ");

    if (!n || n >= field_size)
        return false;
    memcpy(field, *text, n);
    field[n] = '\0';
    *text += n + ((*text)[n] == ' ');
    return true;
}

void lease_parse_value(const char *value, struct lease *lease)
{
    struct lease_owner owner = {.uuid = ""};
    uint64_t renew_s = 0;

    lease->is_held = strcmp(value, LEASE_RELEASED) != 0;
    lease->is_readable = true;
    memset(&lease->owner, 0, sizeof lease->owner);
    if (!lease->is_held)
        return;
    lease->is_readable = word_take(&value, owner.uuid, sizeof owner.uuid) &&
                         word_take(&value, owner.address, sizeof owner.address) &&
                         !num_parse_unsigned(value, LEASE_RENEW_MAX_S, &renew_s, NULL);
    owner.renew_s = (uint32_t)renew_s;
    lease->is_readable = lease->is_readable && !lease_owner_check(&owner, NULL);
    if (lease->is_readable)
        lease->owner = owner;
}

int lease_find(const struct text_map *other_config, struct lease *ret_lease)
{
    const char *value = NULL;
    uint64_t highest = 0;
    uint64_t n;

    for (size_t i = 0; i < other_config->n; i++)
        if (lease_parse_key(other_config->pairs[i].key, &n) && n > highest) {
            highest = n;
            value = other_config->pairs[i].value;
        }
    if (!value)
        return 0;
    ret_lease->n = highest;
    lease_parse_value(value, ret_lease);
    return 1;
}

void lease_list_below(const struct text_map *other_config, uint64_t n, struct text_list *keys)
{
    uint64_t number;

    for (size_t i = 0; i < other_config->n; i++)
        if (lease_parse_key(other_config->pairs[i].key, &number) && number < n)
            text_list_add(keys, other_config->pairs[i].key);
}

int64_t lease_term_ms(const struct lease *lease)
{
    int64_t renew_s = lease->is_readable ? lease->owner.renew_s : LEASE_RENEW_MAX_S;

    return renew_s * LEASE_TERM_FACTOR * 1000;
}

bool lease_rival_may_take(struct lease_rival *rival, int found, const struct lease *seen,
                          int64_t now_ms, int64_t *ret_wait_ms)
{
    int64_t wait_ms;

    if (found && (!rival->has_seen || rival->n != seen->n))
        *rival = (struct lease_rival){.n = seen->n, .since_ms = now_ms, .has_seen = true};
    wait_ms = found && seen->is_held ? rival->since_ms + lease_term_ms(seen) - now_ms : 0;
    if (ret_wait_ms)
        *ret_wait_ms = wait_ms > 0 ? wait_ms : 0;
    return wait_ms <= 0;
}
