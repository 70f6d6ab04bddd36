/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One run of the makespan simulation, its figures as one line of JSON. tests/bench/makespan makes
 * many of them and judges.
 *
 *     makespan_sim SEED HOSTS VMS HOST_JOBS SR_JOBS STORE_JOBS STORE_MIB_S [wrong] [peers]
 *                  [deaths [knows-alone | knows-shared]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/makespan_sim/play.h"

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 8; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

static void print_peers(const struct world *world)
{
    printf(",\"first_come_s\":%.1f,\"one_host_s\":%.1f", play_first_come(world),
           play_one_host(world));
}

static void print_bound(const struct world *world)
{
    struct world_bound bound;

    world_find_bound(world, &bound);
    printf(",\"bound_s\":%.1f,\"plain_bound_s\":%.1f,\"total_s\":%.1f,\"longest_s\":%.1f,"
           "\"host_s\":%.1f,\"quarter_s\":%.1f,\"sr_s\":%.1f,\"store_s\":%.1f",
           bound.s, bound.plain_s, bound.total_s, bound.longest_s, bound.host_s, bound.quarter_s,
           bound.sr_s, bound.store_s);
}

int main(int argc, char **argv)
{
    CLEAN_WORLD struct world world = {0};
    struct play_result result = {0};
    struct rusage usage;

    if (argc < 8) {
        fprintf(stderr, "usage: makespan_sim SEED HOSTS VMS HOST_JOBS SR_JOBS STORE_JOBS "
                        "STORE_MIB_S [wrong] [peers] [deaths [knows-alone | knows-shared]]\n");
        return 2;
    }
    const struct world_settings settings = {
        .seed = strtoull(argv[1], NULL, 10),
        .hosts_n = strtoul(argv[2], NULL, 10),
        .vms_n = strtoul(argv[3], NULL, 10),
        .host_jobs = (uint32_t)strtoul(argv[4], NULL, 10),
        .sr_jobs = (uint32_t)strtoul(argv[5], NULL, 10),
        .store_jobs = (uint32_t)strtoul(argv[6], NULL, 10),
        .store_bytes_s = strtod(argv[7], NULL) * 1048576,
        .is_wrong = has_word(argc, argv, "wrong")};
    enum foresight_kind known = has_word(argc, argv, "knows-alone")    ? FORESIGHT_ALONE
                                : has_word(argc, argv, "knows-shared") ? FORESIGHT_SHARED
                                                                       : FORESIGHT_NONE;
    world_make(&settings, &world);
    struct absence *absences =
        known != FORESIGHT_NONE || has_word(argc, argv, "deaths") ? absences_make(&world) : NULL;
    play_run(&world, absences, known, &result);
    free(absences);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"seed\":%s,\"hosts\":%zu,\"vms\":%zu,\"disks\":%zu,\"took_s\":%.1f,"
           "\"plan_ms\":%.1f,\"answers\":%zu,\"answer_us\":%.1f,\"answer_max_us\":%.0f,"
           "\"broken\":%zu,\"idle\":%zu,\"done\":%zu,\"failed\":%zu,\"deaths\":%zu,"
           "\"memory_kib\":%ld",
           argv[1], settings.hosts_n, settings.vms_n, world.disks_n, result.took_s, result.plan_ms,
           result.answers_n, result.answer_us, result.answer_max_us, result.broken_n,
           result.idle_n, result.done_n, result.failed_n, result.deaths_n, usage.ru_maxrss);
    print_bound(&world);
    if (has_word(argc, argv, "peers"))
        print_peers(&world);
    printf("}\n");
    return 0;
}
