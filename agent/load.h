/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How loaded this dom0 is, from the texts of /proc, and whether that is too much.
 *
 * Pure: texts and numbers go in, a verdict with its reason comes out. Kernels without /proc/pressure
 * (dom0's 4.19) have no pressure, and nothing is made of that.
 * Source: proc(5), stat and loadavg; Documentation/accounting/psi.rst.
 */
#ifndef ONYX_AGENT_LOAD_H
#define ONYX_AGENT_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Ticks of the first line of /proc/stat. */
struct load_ticks {
    uint64_t busy;  /* user, system, irq, softirq, steal: time that others wanted too */
    uint64_t steal; /* of it, what the hypervisor gave to somebody else */
    uint64_t all;   /* and idle, iowait, nice: our workers run niced */
    unsigned processors;
};

struct load_facts {
    uint32_t cpu_percent;      /* busy of all, over the last seconds */
    uint32_t steal_percent;
    uint32_t average_percent;  /* load average of the last minute by processor, 100 = one waits each */
    bool has_pressure;
    uint32_t pressure_percent; /* of the last 10 s somebody waited so long for CPU or disk: the larger */
};

/* Limits; 0: none. */
struct load_rule {
    uint32_t cpu_max;      /* percent */
    uint32_t average_max;  /* processes a processor */
    uint32_t pressure_max; /* percent */
};

#define LOAD_TEXT_MAX 128

/* ERROR_BAD_INPUT when it is no /proc/stat. */
int load_parse_stat(const char *text, struct load_ticks *ret_ticks, struct error *err);

/* The load average of the last minute times 100 ("0.52 ..." is 52). ERROR_BAD_INPUT. */
int load_parse_average(const char *text, uint32_t *ret_percent, struct error *err);

/* avg10 of the line "some" of a file of /proc/pressure, rounded. ERROR_BAD_INPUT. */
int load_parse_pressure(const char *text, uint32_t *ret_percent, struct error *err);

/* busy and steal between two looks, in percent; 0 when no tick passed, or they went backwards. */
void load_compare(const struct load_ticks *before, const struct load_ticks *now,
                  struct load_facts *ret_facts);

/*
 * Whether it is too much. A host that is held back already is so until it is clearly below the limit
 * (a tenth), so that it does not flutter. text says what is over which limit; "" when nothing is.
 */
bool load_is_over(const struct load_rule *rule, const struct load_facts *facts, bool is_held,
                  char text[LOAD_TEXT_MAX]);

#endif
