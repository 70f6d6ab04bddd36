/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which hosts go away and when; and a run that knows it beforehand.
 *
 * The knowing is put in where the product is told anyway where a job may run: a host that will die
 * is taken from the hosts of each job that it could not end any more, and stands there again when
 * it is back (dispatch_follow_plan). So the rule is the same and is told nothing else, and all of
 * it heeds what is known: whose turn it is, what waits for one host alone, who has room for a long
 * job. An agent that refused what does not fit would have been simpler, and slower: a refusal costs
 * an attempt and a pause, and the others would wait for a host that takes nothing.
 */
#ifndef ONYX_TESTS_BENCH_FORESIGHT_H
#define ONYX_TESTS_BENCH_FORESIGHT_H

#include "coordinator/dispatch/dispatch.h"
#include "coordinator/policy/plan.h"
#include "tests/bench/makespan_sim/world.h"

struct absence {         /* of a host */
    double from_s, to_s; /* INFINITY: it stays */
};

/* Three hosts in ten, within the first eight tenths of the bound, for 30 s to an hour. The same for
 * each world of a seed, whatever is estimated. Caller frees. */
struct absence *absences_make(const struct world *world);

/* How long a job is taken to last on a host that will die. */
enum foresight_kind {
    FORESIGHT_NONE,
    FORESIGHT_ALONE, /* with the host for itself: some are cut all the same, and are repeated */
    FORESIGHT_SHARED /* beside as many others as the host may have: few are cut, some are not begun
                      * that could have been ended */
};

struct foresight;

/* All is borrowed. */
struct foresight *foresight_new(const struct world *world, const struct absence *absences,
                                const struct plan *plan, enum foresight_kind kind);
void foresight_free(struct foresight **foresight);
/* Tell dispatch where jobs may run from now on; before a host is given any. NULL: knows nothing. */
void foresight_tell(struct foresight *foresight, struct dispatch *dispatch, double now_s);
/* Whether this host was taken from the job's. */
bool foresight_bars(const struct foresight *foresight, size_t host, size_t vm);

#endif
