/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Comparisons of bytes, and their sentences for people.
 */
#include "common/model/space.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

bool space_is_below(uint64_t free_bytes, uint64_t total_bytes, uint32_t percent)
{
    /* Parted, so that no product passes 64 bits: percent is at most 100. */
    uint64_t wanted = total_bytes / 100 * percent + total_bytes % 100 * percent / 100;
    return free_bytes < wanted;
}

/* "1.5 GiB free of 100 GiB (1.4 %)". */
static void say_free(uint64_t free_bytes, uint64_t total_bytes, char text[SPACE_TEXT_MAX])
{
    char is_free[NUM_TEXT_MAX], total[NUM_TEXT_MAX];
    double percent = total_bytes != 0 ? 100.0 * (double)free_bytes / (double)total_bytes : 0.0;
    snprintf(text, SPACE_TEXT_MAX, "%s free of %s (%.1f %%)", num_format_bytes(free_bytes, is_free),
             num_format_bytes(total_bytes, total), percent);
}

int space_check_begin(uint64_t free_bytes, uint64_t total_bytes, const struct space_rule *rule,
                      const char *where, struct error *err)
{
    char numbers[SPACE_TEXT_MAX];
    if (!space_is_below(free_bytes, total_bytes, rule->threshold_percent))
        return 0;
    say_free(free_bytes, total_bytes, numbers);
    return error_set(err, ERROR_NO_SPACE,
                     "%s has %s, less than space_threshold (%u %%): make room there or lower "
                     "space_threshold",
                     where, numbers, (unsigned)rule->threshold_percent);
}

int space_check_floor(uint64_t free_bytes, uint64_t total_bytes, const struct space_rule *rule,
                      const char *where, struct error *err)
{
    char numbers[SPACE_TEXT_MAX];
    if (!space_is_below(free_bytes, total_bytes, rule->floor_percent))
        return 0;
    say_free(free_bytes, total_bytes, numbers);
    return error_set(err, ERROR_NO_SPACE,
                     "%s has only %s, under hard_floor (%u %%): ended before the share is full",
                     where, numbers, (unsigned)rule->floor_percent);
}

static enum space_verdict judge_estimate(const struct space_facts *facts, uint64_t estimate_bytes,
                                         bool is_proven, char text[SPACE_TEXT_MAX])
{
    char need[NUM_TEXT_MAX], is_free[NUM_TEXT_MAX], reserved[NUM_TEXT_MAX];
    uint64_t left = facts->free_bytes > facts->reserved_bytes
                        ? facts->free_bytes - facts->reserved_bytes
                        : 0;
    if (estimate_bytes <= left)
        return SPACE_MAY;
    num_format_bytes(estimate_bytes, need);
    num_format_bytes(facts->free_bytes, is_free);
    num_format_bytes(facts->reserved_bytes, reserved);
    if (facts->reserved_bytes > 0) {
        snprintf(text, SPACE_TEXT_MAX,
                 "what runs now may need the room: this one takes about %s, the store has %s free, "
                 "and running jobs have reserved %s",
                 need, is_free, reserved);
        return SPACE_WAIT;
    }
    if (is_proven) {
        snprintf(text, SPACE_TEXT_MAX,
                 "no room: by its last backup it takes about %s, and the store has %s free", need,
                 is_free);
        return SPACE_REFUSED;
    }
    snprintf(text, SPACE_TEXT_MAX,
             "its disks use %s, and the store has %s free: it is tried, for no former backup "
             "tells how large the file will be",
             need, is_free);
    return SPACE_MAY;
}

enum space_verdict space_judge(const struct space_facts *facts, const struct space_rule *rule,
                               uint64_t estimate_bytes, bool is_proven,
                               char text[SPACE_TEXT_MAX])
{
    struct error err = ERROR_INIT;
    char is_free[NUM_TEXT_MAX], reserved[NUM_TEXT_MAX];
    text[0] = '\0';
    if (facts->total_bytes == 0)
        return SPACE_MAY;
    if (space_check_begin(facts->free_bytes, facts->total_bytes, rule, "no room: the store",
                          &err) != 0) {
        (void)str_copy(text, SPACE_TEXT_MAX, err.text);
        return SPACE_REFUSED;
    }
    if (facts->reserved_proven_bytes > facts->free_bytes) {
        snprintf(text, SPACE_TEXT_MAX,
                 "no room: the store has %s free, and running jobs have reserved %s by their last "
                 "backups",
                 num_format_bytes(facts->free_bytes, is_free),
                 num_format_bytes(facts->reserved_proven_bytes, reserved));
        return SPACE_REFUSED;
    }
    return judge_estimate(facts, estimate_bytes, is_proven, text);
}
