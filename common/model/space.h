/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a store has room for one more job, and for what is running: pure rules on numbers.
 *
 * A job does not begin below the threshold, nor where running jobs have reserved more than is
 * free, nor where its last backup says that it will not fit. An estimate that no backup confirms
 * (the disks' physical use) warns only: zero blocks and compression may make the file far smaller.
 * A running job is ended by the floor alone. Percentages of 0 are no limit.
 */
#ifndef ONYX_COMMON_MODEL_SPACE_H
#define ONYX_COMMON_MODEL_SPACE_H

#include <stdbool.h>
#include <stdint.h>

struct error;

struct space_rule {
    uint32_t threshold_percent; /* must be free for a job to begin */
    uint32_t floor_percent;     /* must be free for a job to go on */
};

struct space_facts {
    uint64_t total_bytes; /* 0: nobody could tell, nothing is refused */
    uint64_t free_bytes;
    uint64_t reserved_bytes;        /* that running jobs are still expected to write */
    uint64_t reserved_proven_bytes; /* the part of it that former backups confirm */
};

enum space_verdict {
    SPACE_MAY,    /* it may begin; a text is a warning */
    SPACE_WAIT,   /* what runs may need the room: to be asked again */
    SPACE_REFUSED /* it can't begin; the text says the numbers */
};

#define SPACE_TEXT_MAX 320

/* Whether less than percent of the total is free. */
bool space_is_below(uint64_t free_bytes, uint64_t total_bytes, uint32_t percent);

/* ERROR_NO_SPACE with the numbers when less than threshold_percent, or floor_percent, is free.
 * where is the store's path, for the text. */
int space_check_begin(uint64_t free_bytes, uint64_t total_bytes, const struct space_rule *rule,
                      const char *where, struct error *err);
int space_check_floor(uint64_t free_bytes, uint64_t total_bytes, const struct space_rule *rule,
                      const char *where, struct error *err);

/* May a job of this estimate (0: unknown) begin now? text is "" when there is nothing to say. */
enum space_verdict space_judge(const struct space_facts *facts, const struct space_rule *rule,
                               uint64_t estimate_bytes, bool is_proven,
                               char text[SPACE_TEXT_MAX]);

#endif
