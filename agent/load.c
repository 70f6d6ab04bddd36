/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guest time is part of user time already and is not read.
 */
#include "agent/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
#define FIELDS_MIN 4 /* kernels before 2.6 */

static unsigned count_processors(const char *text)
{
    unsigned n = 0;
    for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line + 1, '\n'))
        n += strncmp(line + 1, "cpu", 3) == 0 && line[4] >= '0' && line[4] <= '9';
    return n;
}

int load_parse_stat(const char *text, struct load_ticks *ret_ticks, struct error *err)
{
    uint64_t f[FIELDS] = {0};
    int n = sscanf(text,
                   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &f[USER], &f[NICE], &f[SYSTEM], &f[IDLE], &f[IOWAIT], &f[IRQ], &f[SOFTIRQ],
                   &f[STEAL]);
    if (n < FIELDS_MIN)
        return error_set(err, ERROR_BAD_INPUT, "/proc/stat does not begin with the ticks of cpu");
    struct load_ticks ticks = {.steal = f[STEAL], .processors = count_processors(text)};
    ticks.busy = f[USER] + f[SYSTEM] + f[IRQ] + f[SOFTIRQ] + f[STEAL];
    ticks.all = ticks.busy + f[IDLE] + f[IOWAIT] + f[NICE];
    *ret_ticks = ticks;
    return 0;
}

static int take_percent(double value, double limit, uint32_t *ret_percent, struct error *err)
{
    if (!(value >= 0 && value <= limit))
        return error_set(err, ERROR_BAD_INPUT, "%g is no load", value);
    *ret_percent = (uint32_t)(value + 0.5);
    return 0;
}

int load_parse_average(const char *text, uint32_t *ret_percent, struct error *err)
{
    double value;
    if (sscanf(text, "%lf", &value) != 1)
        return error_set(err, ERROR_BAD_INPUT, "/proc/loadavg does not begin with a number");
    return take_percent(value * 100, 1e7, ret_percent, err);
}

int load_parse_pressure(const char *text, uint32_t *ret_percent, struct error *err)
{
    double value;
    if (sscanf(text, "some avg10=%lf", &value) != 1)
        return error_set(err, ERROR_BAD_INPUT, "no line of pressure begins with 'some avg10='");
    return take_percent(value, 100, ret_percent, err);
}

void load_compare(const struct load_ticks *before, const struct load_ticks *now,
                  struct load_facts *ret_facts)
{
    ret_facts->cpu_percent = ret_facts->steal_percent = 0;
    if (now->all <= before->all || now->busy < before->busy || now->steal < before->steal)
        return;
    uint64_t all = now->all - before->all;
    uint64_t busy = now->busy - before->busy;
    uint64_t steal = now->steal - before->steal;
    ret_facts->cpu_percent = (uint32_t)(busy < all ? busy * 100 / all : 100);
    ret_facts->steal_percent = (uint32_t)(steal < all ? steal * 100 / all : 100);
}

static bool is_above(uint32_t value, uint32_t limit, bool is_held)
{
    return limit != 0 && value > (is_held ? limit - limit / 10 : limit);
}

bool load_is_over(const struct load_rule *rule, const struct load_facts *facts, bool is_held,
                  char text[LOAD_TEXT_MAX])
{
    text[0] = '\0';
    if (is_above(facts->cpu_percent, rule->cpu_max, is_held))
        (void)snprintf(text, LOAD_TEXT_MAX, "CPU at %u %%, %u %% of it stolen (limit %u %%)",
                       facts->cpu_percent, facts->steal_percent, rule->cpu_max);
    else if (is_above(facts->average_percent, rule->average_max * 100, is_held))
        (void)snprintf(text, LOAD_TEXT_MAX, "load average of %u.%02u a processor (limit %u)",
                       facts->average_percent / 100, facts->average_percent % 100,
                       rule->average_max);
    else if (facts->has_pressure && is_above(facts->pressure_percent, rule->pressure_max, is_held))
        (void)snprintf(text, LOAD_TEXT_MAX, "pressure of %u %% (limit %u %%)",
                       facts->pressure_percent, rule->pressure_max);
    return text[0] != '\0';
}
