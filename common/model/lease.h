/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One run at a time in a pool: the lease as numbered keys in the pool record, and the rule of who
 * may take it. Pure: no connection, no clock.
 *
 * Key onyxpool_lease_<n>, value "<owner uuid> <coordinator's address> <renew period s>", or
 * "released". The highest n counts. Taking and renewing both add n + 1, so a living owner's number
 * moves; a rival acts only after seeing the same number for the whole term on its own monotonic
 * clock. Wall clocks play no part.
 */
#ifndef ONYX_COMMON_MODEL_LEASE_H
#define ONYX_COMMON_MODEL_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/random.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"

struct error;

#define LEASE_KEY_PREFIX  "onyxpool_lease_"
#define LEASE_KEY_MAX     40
#define LEASE_ADDRESS_MAX 256
#define LEASE_VALUE_MAX   320
#define LEASE_RENEW_MIN_S 1
#define LEASE_RENEW_MAX_S 3600
#define LEASE_TERM_FACTOR 4 /* the term is so many renew periods */
#define LEASE_N_MAX       ((uint64_t)1 << 60)

struct lease_owner {
    char uuid[UUID_TEXT_MAX];        /* of this coordinator process, made anew by each */
    char address[LEASE_ADDRESS_MAX]; /* what agents connect to: "tcp://10.0.0.5:7451"; no blanks */
    uint32_t renew_s;
};

struct lease {
    uint64_t n;
    bool is_held;     /* false: released; owner is empty then */
    bool is_readable; /* false: a value we do not understand; it counts as held */
    struct lease_owner owner;
};

/* ERROR_BAD_INPUT names the field: no uuid, blanks in or too long an address, renew_s. */
int lease_owner_check(const struct lease_owner *owner, struct error *err);

char *lease_format_key(uint64_t n, char text[LEASE_KEY_MAX]);
bool lease_parse_key(const char *key, uint64_t *ret_n);

/* owner NULL: released. */
char *lease_format_value(const struct lease_owner *owner, char text[LEASE_VALUE_MAX]);
/* A value that is not understood gives is_held true, is_readable false. */
void lease_parse_value(const char *value, struct lease *lease);

/* The highest lease among the keys; 1 found, 0 none. */
int lease_find(const struct text_map *other_config, struct lease *ret_lease);

/* Keys of ours with a number below n: what the winner removes. Appends. */
void lease_list_below(const struct text_map *other_config, uint64_t n, struct text_list *keys);

/* How long a number must stand still before a rival may act: LEASE_TERM_FACTOR renew periods of
 * the owner; of the longest for a value that is not understood. */
int64_t lease_term_ms(const struct lease *lease);

/* What a rival remembers between two looks. Start with zeroes. */
struct lease_rival {
    uint64_t n;
    int64_t since_ms;
    bool has_seen;
};

/* Tell what was seen now (found 0: no lease at all) and learn whether it may be taken; else
 * ret_wait_ms (may be NULL) is how long until it may if nothing moves. */
bool lease_rival_may_take(struct lease_rival *rival, int found, const struct lease *seen,
                          int64_t now_ms, int64_t *ret_wait_ms);

#endif
