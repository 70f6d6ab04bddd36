/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole run by the clock of the simulation: the product's plan and dispatch on one side, driven
 * as the control thread drives them, agents with their jobs on the other.
 *
 * Agents come when they were told to, at once when a job has ended, and list what they have. Where
 * every one of them has come since the last change and got nothing, the clock goes on to just
 * before the next event. Then no host may idle that could have a job.
 */
#ifndef ONYX_TESTS_BENCH_PLAY_H
#define ONYX_TESTS_BENCH_PLAY_H

#include "tests/bench/makespan_sim/flow.h"
#include "tests/bench/makespan_sim/foresight.h"

struct play_result {
    double took_s;      /* on the clock of the simulation */
    double plan_ms;     /* processor time: the plan and its jobs in the dispatch */
    double answer_us;   /* processor time of one answer to a Sync: all by their number */
    double answer_max_us;
    size_t answers_n;
    size_t broken_n;    /* limits passed */
    size_t idle_n;      /* hosts found idle that could have had a job */
    size_t done_n, failed_n;
    size_t deaths_n;    /* of agents with at least one job */
};

/* absences: of each host; NULL: nobody dies. */
void play_run(const struct world *world, const struct absence *absences, enum foresight_kind known,
              struct play_result *ret_result);

/* Plain first-come order: each host that has a place takes the first VM of the list that it may. */
double play_first_come(const struct world *world);

/* The fastest host alone, granted that it sees every SR. */
double play_one_host(const struct world *world);

#endif
