/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A dispatch by scripts: a line tells what happens, and behind "=>" what must come of it.
 *
 *     job A hosts=h1,h2 [srs=s1] [est=N] [proven] [vm=NAME] [attempt=N] [open] [state=STATE] [redirect]
 *     start | cancel | release A | remains A#1 vm=NAME | record on|off | lease renewed|stale
 *     sync h1 [boot=N] [seq=N] [free=N] [partial] [drain] [nonce=X] [space=N] [total=N]
 *          [hold] [A#1=STATE[:ERROR][:clean]]...
 *                  => orders: "assign A#1 cancel B#1 forget C#2", or "nothing"
 *     wait MS      time passes, one tick
 *     state A      => "running", or with reason "failed: TEXT"
 *     is over      => yes | no          ("..." at the end: it begins so)
 *     changes      => what was recorded since the last time
 *
 * A cleanup job is called clean(A#1) after the attempt whose remains it takes away.
 */
#ifndef ONYX_TESTS_DISPATCH_SCRIPT_H
#define ONYX_TESTS_DISPATCH_SCRIPT_H

/* Play one; what does not come of a line as it says fails the test. */
void dispatch_script_run(const char *script);

#endif
