/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dispatch by scripts (dispatch_script.h): what is given to whom, and what becomes of it.
 */
#include "coordinator/dispatch/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/coordinator/dispatch/dispatch_script.h"

#define CASE(name, text)                                                                           \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        dispatch_script_run(text);                                                                 \
    }

CASE(a_job_goes_from_assign_to_forget,
     "job A\n"
     "sync h1            => nothing\n" /* not started */
     "start\n"
     "sync h1            => assign A#1\n"
     "changes            => begin A#1@h1;\n"
     "sync h1 A#1=running => nothing\n"
     "state A            => running\n"
     "sync h1 A#1=done   => forget A#1\n"
     "changes            => A running; end A#1 done; A done;\n"
     "sync h1            => nothing\n"
     "is over            => yes\n")

CASE(an_assignment_that_is_not_listed_is_given_again_with_the_same_attempt,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 => assign A#1\n"
     "sync h1 partial => assign A#1\n"
     "changes => begin A#1@h1;\n")

CASE(an_assignment_nobody_takes_goes_elsewhere_after_a_while,
     "job A hosts=h1,h2\nstart\n"
     "sync h1 => assign A#1\n"
     "wait 31000\n"
     "sync h1 free=0 => nothing\n"
     "state A => planned: attempt 1 on h1 was ended by its agent\n"
     "sync h2 => assign A#2\n")

CASE(doubled_and_late_syncs_change_nothing,
     "job A\nstart\n"
     "sync h1 seq=10 => assign A#1\n"
     "sync h1 seq=11 A#1=running => nothing\n"
     "sync h1 seq=10 => nothing\n"
     "sync h1 seq=11 => nothing\n"
     "state A => running\n"
     "sync h1 seq=12 A#1=done => forget A#1\n"
     "sync h1 seq=11 A#1=running => forget A#1\n"
     "state A => done\n"
     "changes => begin A#1@h1; A running; end A#1 done; A done;\n")

CASE(a_job_waits_for_a_busy_dom0_however_long_and_says_so,
     "job A\nstart\n"
     "sync h1 free=0 hold => nothing\n"
     "wait 1000\n"
     "state A => waiting: dom0 of host h1 is too busy: CPU at 93 %\n"
     "wait 50000\n" /* longer than stall_ms: but the agent is there */
     "sync h1 free=0 hold => nothing\n"
     "wait 50000\n"
     "state A => waiting: dom0 of host h1 is too busy: CPU at 93 %\n"
     "sync h1 => assign A#1\n")

CASE(nothing_is_ordered_or_forgotten_while_the_catalog_fails,
     "job A\nstart\n"
     "record off\n"
     "sync h1 => nothing\n"
     "sync h1 => nothing\n"
     "record on\n"
     "sync h1 => assign A#1\n"
     "record off\n"
     "sync h1 A#1=done => nothing\n"
     "is over => no\n"
     "record on\n"
     "sync h1 A#1=done => forget A#1\n"
     "changes => begin A#1@h1; end A#1 done; A done;\n"
     "is over => yes\n")

CASE(a_clean_failure_is_tried_again_after_a_pause_that_doubles_three_times_at_most,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=failed:IO:clean => forget A#1\n"
     "wait 4900\nsync h1 => nothing\n"
     "wait 200\nsync h1 => assign A#2\n"
     "sync h1 A#2=failed:IO:clean => forget A#2\n"
     "wait 9000\nsync h1 => nothing\n"
     "wait 1100\nsync h1 => assign A#3\n"
     "sync h1 A#3=failed:IO:clean => forget A#3\n"
     "state A => failed: attempt 3 on h1: broken\n"
     "is over => yes\n")

CASE(a_failure_that_would_come_again_is_not_tried_again,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=failed:GONE:clean => forget A#1\n"
     "state A => failed: attempt 1 on h1: broken\n")

CASE(a_dirty_failure_is_cleaned_before_the_next_attempt,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=failed:IO:dirty => assign clean(A#1)#1 forget A#1\n"
     "wait 6000\n"
     "sync h1 clean(A#1)#1=running => nothing\n"
     "sync h1 clean(A#1)#1=done => assign A#2 forget clean(A#1)#1\n")

CASE(done_without_a_file_is_not_believed,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=done:empty => assign clean(A#1)#1 forget A#1\n"
     "state A => planned: attempt 1 on h1: the agent says that it is done, and names 0 files: nothing of "
     "it is believed\n"
     "wait 6000\n"
     "sync h1 clean(A#1)#1=done => assign A#2 forget clean(A#1)#1\n"
     "sync h1 A#2=done => forget A#2\n"
     "state A => done\n")

CASE(a_cleanup_runs_where_the_dead_attempt_was_and_elsewhere_when_that_agent_is_silent,
     "job A hosts=h1,h2\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h2 free=2 => nothing\n"
     "sync h1 free=0 A#1=failed:IO:dirty => forget A#1\n"
     "sync h2 => nothing\n"
     "wait 29000\nsync h2 => nothing\n"
     "wait 2000\n" /* h1 has been silent for half a minute */
     "sync h2 => assign clean(A#1)#1\n")

CASE(a_cleanup_that_fails_for_good_warns_and_lets_the_backup_go_on,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=failed:IO:dirty => assign clean(A#1)#1 forget A#1\n"
     "changes\n"
     "sync h1 clean(A#1)#1=failed:GONE => forget clean(A#1)#1\n"
     "changes => end clean(A#1)#1 failed; warn; clean(A#1) failed;\n"
     "wait 6000\n"
     "sync h1 => assign A#2\n")

CASE(a_last_attempt_that_a_cleanup_finds_published_is_done,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=failed:GONE:dirty => assign clean(A#1)#1 forget A#1\n"
     "state A => failed: attempt 1 on h1: broken\n"
     "changes\n"
     "sync h1 clean(A#1)#1=done:saved => forget clean(A#1)#1\n"
     "changes => end clean(A#1)#1 done; end A#1 done; A done; clean A#1; clean(A#1) done;\n"
     "state A => done\n")

CASE(an_attempt_that_a_cleanup_finds_published_is_not_made_again,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=failed:IO:dirty => assign clean(A#1)#1 forget A#1\n"
     "sync h1 clean(A#1)#1=done:saved => forget clean(A#1)#1\n"
     "state A => done\n"
     "wait 60000\nsync h1 => nothing\n")

CASE(a_worker_that_hangs_for_good_does_not_keep_the_run,
     "job A\njob B\nstart\n"
     "sync h1 free=2 => assign A#1 assign B#1\n"
     "sync h1 free=0 A#1=running B#1=running => nothing\n"
     "sync h1 free=0 A#1=running:hung B#1=running => cancel A#1\n"
     "state B => running\n"
     "sync h1 free=1 A#1=running:hung B#1=done => assign clean(A#1)#1 cancel A#1 forget B#1\n"
     "sync h1 free=1 A#1=running:hung clean(A#1)#1=done => cancel A#1 forget clean(A#1)#1\n"
     "wait 60000\nsync h1 free=2 A#1=failed:IO:dirty => forget A#1\n")

CASE(a_done_attempt_that_is_not_clean_is_done_and_cleaned,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=done:dirty => assign clean(A#1)#1 forget A#1\n"
     "state A => done\n"
     "is over => no\n"
     "sync h1 clean(A#1)#1=done => forget clean(A#1)#1\n"
     "is over => yes\n")

CASE(a_restarted_agents_attempts_are_dead_and_cleaned,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=running => nothing\n"
     "sync h1 boot=2 seq=1 => assign clean(A#1)#1\n"
     "state A => planned: attempt 1 on h1: the agent was restarted\n")

CASE(an_attempt_that_was_listed_and_is_gone_is_dead_but_not_in_a_partial_sync,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=running => nothing\n"
     "sync h1 partial => nothing\n"
     "state A => running\n"
     "sync h1 => assign clean(A#1)#1\n"
     "state A => planned: attempt 1 on h1: the agent does not know it any more\n")

CASE(a_lost_agents_jobs_go_elsewhere_and_what_it_tells_later_is_recorded,
     "job A hosts=h1,h2\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=running => nothing\n"
     "wait 59000\n"
     "sync h2 => nothing\n"
     "wait 1000\n"
     "sync h2 => assign clean(A#1)#1\n"
     "sync h2 clean(A#1)#1=done => forget clean(A#1)#1\n"
     "wait 5000\n"
     "sync h2 => assign A#2\n"
     "sync h2 A#2=running => nothing\n"
     "sync h1 A#1=running => cancel A#1\n"
     "changes\n"
     "sync h1 A#1=done => forget A#1\n"
     "changes => end A#1 done; A done;\n"
     "sync h2 A#2=running => cancel A#2\n"
     "sync h2 A#2=cancelled:clean => forget A#2\n"
     "is over => yes\n")

CASE(a_new_coordinator_takes_over_what_agents_list,
     "sync h1 A#2=running => nothing\n" /* before the plan */
     "job A attempt=2 open state=running\n"
     "job B attempt=1 open state=assigned\n"
     "remains B#1\n"
     "start\n"
     "state A => running\n"
     "changes => A running; end B#1 lost; B planned; add clean(B#1);\n"
     "sync h1 A#2=running => assign clean(B#1)#1\n"
     "sync h1 A#2=done clean(B#1)#1=done => assign B#2 forget A#2 forget clean(B#1)#1\n"
     "state A => done\n")

CASE(an_open_attempt_of_an_agent_that_is_heard_late_goes_on,
     "sync h1 => nothing\n"
     "job A attempt=1 open at=h2 state=running hosts=h1,h2\n"
     "remains A#1\n"
     "start\n"
     "wait 40000\n"
     "sync h1 => nothing\n"
     "changes => A running;\n"
     "sync h2 partial => nothing\n"
     "sync h2 A#1=running => nothing\n"
     "sync h2 partial => nothing\n"
     "sync h2 A#1=done => forget A#1\n"
     "state A => done\n")

CASE(an_open_attempt_that_its_late_agent_does_not_list_is_dead,
     "job A attempt=1 open at=h2 state=running hosts=h1,h2\n"
     "start\n"
     "sync h2 => assign clean(A#1)#1\n"
     "changes => A running; end A#1 failed; A planned; add clean(A#1); begin clean(A#1)#1@h2;\n"
     "state A => planned: attempt 1 on h2: the agent does not know it any more\n")

CASE(an_open_attempt_of_an_agent_that_does_not_come_is_lost_in_time,
     "sync h1 => nothing\n"
     "job A attempt=1 open at=h2 state=running hosts=h1,h2\n"
     "remains A#1\n"
     "start\n"
     "wait 59000\n"
     "sync h1 => nothing\n"
     "wait 1000\n"
     "sync h1 => assign clean(A#1)#1\n"
     "changes => A running; end A#1 lost; A planned; add clean(A#1); begin clean(A#1)#1@h1;\n")

CASE(an_end_told_before_the_plan_counts_for_the_continued_run,
     "sync h1 B#1=done:saved => forget 0000000000000042#1\n"
     "job B attempt=1 open state=running\n"
     "start\n"
     "state B => done\n"
     "is over => yes\n")

CASE(an_end_told_before_the_plan_without_a_file_is_not_believed,
     "sync h1 B#1=done:empty => forget 0000000000000042#1\n"
     "job B attempt=1 open state=running\n"
     "start\n"
     "state B => planned\n"
     "sync h1 => assign clean(B#1)#1\n"
     "wait 1000\n"
     "sync h1 clean(B#1)#1=done => assign B#2 forget clean(B#1)#1\n"
     "sync h1 B#2=done => forget B#2\n"
     "state B => done\n")

CASE(what_no_run_knows_is_cancelled_and_recorded_after_the_start_only,
     "job A\n"
     "sync h1 Z#1=running => nothing\n"
     "start\n"
     "sync h1 free=0 Z#1=running => cancel 000000000000005a#1\n"
     "changes\n"
     "sync h1 free=0 Z#1=cancelled => forget 000000000000005a#1\n"
     "changes => end 000000000000005a#1 cancelled;\n")

CASE(remains_of_a_living_attempt_are_left_alone,
     "sync h1 A#1=running => nothing\n"
     "job A attempt=1 open state=running\n"
     "remains A#1\nremains A#1\n"
     "remains Y#3 vm=A\n"
     "remains Y#3 vm=A\n"
     "changes => A running; add clean(Y#3);\n")

CASE(a_backup_waits_for_a_cleanup_of_its_vm_only,
     "job A vm=a\njob B vm=b\n"
     "remains Y#1 vm=a\n"
     "start\n"
     "sync h1 free=2 => assign B#1 assign clean(Y#1)#1\n"
     "sync h1 free=1 B#1=running clean(Y#1)#1=done => assign A#1 forget clean(Y#1)#1\n")

CASE(an_agent_with_another_nonce_gets_no_job_and_a_reason,
     "job A\nstart\n"
     "sync h1 nonce=older => nothing\n"
     "wait 1000\n"
     "state A => waiting: the agent of host h1 gets no job: /backup does not show this run's "
     "nonce there: the host has mounted another share, or an old copy of this one\n"
     "sync h1 nonce=nonce => assign A#1\n")

CASE(a_draining_agent_gets_no_job_and_its_cancelled_ones_are_not_counted,
     "job A hosts=h1,h2\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 drain A#1=cancelled:clean => forget A#1\n"
     "sync h1 drain => nothing\n"
     "sync h2 => assign A#2\n"
     "sync h2 A#2=failed:IO:clean => forget A#2\n"
     "wait 5000\n"
     "sync h2 => assign A#3\n")

CASE(jobs_are_spread_over_the_hosts_that_ask,
     "sync h1 => nothing\nsync h2 => nothing\n"
     "job A hosts=h1,h2\njob B hosts=h1,h2\njob C hosts=h1,h2\n"
     "start\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=running free=1 => nothing\n"
     "sync h2 free=1 => assign B#1\n"
     "sync h1 A#1=running free=1 => assign C#1\n")

CASE(a_host_that_is_silent_is_not_waited_for,
     "sync h1 => nothing\nsync h2 => nothing\n"
     "job A hosts=h1,h2\njob B hosts=h1,h2\n"
     "start\n"
     "wait 4000\n"
     "sync h1 => assign A#1 assign B#1\n")

CASE(slots_and_limits_hold,
     "job A\njob B\njob C\n"
     "start\n"
     "sync h1 free=1 => assign A#1\n"
     "sync h1 free=1 => assign A#1\n" /* the one free slot is spoken for */
     "sync h1 free=1 A#1=running => assign B#1\n"
     "sync h1 free=1 A#1=running B#1=running => nothing\n" /* two per host */
     "sync h1 free=2 A#1=done B#1=running => assign C#1 forget A#1\n")

CASE(room_is_reserved_for_what_runs,
     "job A est=100\njob B est=100\njob C est=40\n"
     "start\n"
     "sync h1 space=150 free=2 => assign A#1 assign C#1\n"
     "sync h1 space=150 free=2 A#1=running C#1=done => forget C#1\n"
     "wait 1000\n"
     "state B => waiting: what runs now may need the room: this one takes about 100 B, the store "
     "has 150 B free, and running jobs have reserved 100 B\n"
     "sync h1 space=90 free=2 A#1=done => assign B#1 forget A#1\n")

CASE(job_without_room_by_its_last_backup_is_refused_and_the_others_go_on,
     "job A est=100 proven\njob B est=60\njob C est=40\n"
     "start\n"
     "sync h1 space=90 free=3 => assign B#1\n" /* C waits for what B may need */
     "state A => failed: no room: by its last backup it takes about 100 B, and the store has 90 B "
     "free\n"
     "sync h1 space=90 free=3 B#1=running => nothing\n"
     "sync h1 space=50 free=3 B#1=done => assign C#1 forget B#1\n")

CASE(guess_larger_than_the_room_is_a_warning,
     "job A est=100\n"
     "start\n"
     "sync h1 space=90 => assign A#1\n"
     "changes => warn; begin A#1@h1; \n")

CASE(below_the_threshold_every_job_is_refused_with_the_numbers,
     "job A est=1 proven\njob B\n"
     "start\n"
     "sync h1 space=19 total=100 => nothing\n"
     "state A => failed: no room: the store has 19 B free of 100 B (19.0 %), less than "
     "space_threshold (20 %): make room there or lower space_threshold\n"
     "state B => failed: ...\n"
     "is over => yes\n")

CASE(at_the_threshold_jobs_begin,
     "job A est=1 proven\n"
     "start\n"
     "sync h1 space=20 total=100 => assign A#1\n")

CASE(reserved_beyond_what_is_free_refuses_what_comes,
     "job A est=60 proven\njob B est=1 hosts=h2\n"
     "start\n"
     "sync h1 space=80 total=100 => assign A#1\n"
     "sync h1 space=50 total=100 A#1=running => nothing\n"
     "sync h2 space=50 total=100 => nothing\n"
     "state B => failed: no room: the store has 50 B free, and running jobs have reserved 60 B by "
     "their last backups\n"
     "state A => running\n")

CASE(cleanups_and_continued_jobs_are_given_out_without_room,
     "job A est=10 attempt=1\njob B\n"
     "remains B#1 vm=b\n"
     "start\n"
     "sync h1 space=1 total=100 free=3 => assign A#2 assign clean(B#1)#1\n")

CASE(agent_that_can_not_tell_the_room_leaves_it_to_its_workers,
     "job A est=10 proven\n"
     "start\n"
     "sync h1 space=0 => assign A#1\n")

CASE(no_job_begins_while_the_lease_is_not_renewed,
     "job A\nstart\n"
     "lease stale\n"
     "sync h1 => nothing\n"
     "wait 50000\n"
     "state A => waiting: the pool's lease could not be renewed\n"
     "lease renewed\n"
     "sync h1 => assign A#1\n")

CASE(a_job_without_an_agent_on_its_hosts_is_redirected_last_with_a_warning,
     "job A hosts=h9 redirect\njob B\njob C hosts=h9\n"
     "start\n"
     "sync h1 free=1 => assign B#1\n"
     "wait 16000\n"
     "sync h1 free=1 B#1=running => assign A#1\n"
     "changes\n"
     "state C => waiting: host h9 has no agent: start onyxpool-agent there\n"
     "sync h1 A#1=done B#1=done => forget A#1 forget B#1\n"
     "wait 46000\n"
     "state C => failed: no agent could take it: host h9 has no agent: start onyxpool-agent "
     "there\n"
     "is over => yes\n")

CASE(a_job_waits_for_an_agent_that_is_silent_until_it_is_lost,
     "job A\nstart\n"
     "sync h1 free=0 => nothing\n"
     "wait 59000\n"
     "state A => waiting...\n"
     "wait 1000\n"
     "state A => failed: no agent could take it: the agent of host h1 gets no job: it has not been "
     "heard of for long: is the host up, does onyxpool-agent run?\n")

CASE(what_has_not_begun_within_the_runs_time_fails,
     "job A state=waiting\n"
     "start\n"
     "sync h1 => nothing\n"
     "wait 3599000\nstate A => waiting\n"
     "wait 1000\n"
     "state A => failed: not begun within the run's time (1h 00m)\n")

CASE(a_job_that_the_plan_lets_wait_begins_when_it_is_released,
     "job A state=waiting\n"
     "start\n"
     "sync h1 => nothing\n"
     "release A\n"
     "sync h1 => assign A#1\n")

CASE(a_cancel_ends_what_waits_at_once_and_what_runs_by_its_agent,
     "job A\njob B\njob C\n"
     "start\n"
     "sync h1 free=2 => assign A#1 assign B#1\n"
     "sync h1 A#1=running B#1=running => nothing\n"
     "cancel\n"
     "state C => cancelled: the run was cancelled\n"
     "sync h1 A#1=running B#1=running => cancel A#1 cancel B#1\n"
     "is over => no\n"
     "sync h1 A#1=cancelled:clean B#1=done => forget A#1 forget B#1\n"
     "state A => cancelled: the run was cancelled\n"
     "state B => done\n"
     "is over => yes\n")

CASE(a_cancelled_assignment_that_never_arrived_is_over_with_the_next_sync,
     "job A\nstart\n"
     "sync h1 => assign A#1\n"
     "cancel\n"
     "is over => no\n"
     "sync h1 => nothing\n"
     "state A => cancelled: the run was cancelled\n"
     "changes => begin A#1@h1; end A#1 cancelled; A cancelled;\n"
     "is over => yes\n")

CASE(a_cancelled_run_waits_a_twentieth_as_long_for_an_agent_that_is_silent,
     "job A\njob B hosts=h2\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h2 => assign B#1\n"
     "sync h1 A#1=running => nothing\n"
     "cancel\n"
     "wait 2900\n"
     "sync h2 B#1=running => cancel B#1\n"
     "state A => running\n"
     "changes\n"
     "wait 100\n"
     "state A => cancelled: the run was cancelled; attempt 1 on h1: the agent has been silent for "
     "3.0 s; the next run cleans up after it\n"
     "changes => end A#1 lost; A cancelled;\n"
     "state B => running\n"
     "is over => no\n"
     "sync h2 B#1=cancelled:clean => forget B#1\n"
     "state B => cancelled: the run was cancelled\n"
     "is over => yes\n"
     "sync h1 A#1=running => cancel A#1\n" /* it comes back while the run still listens */
     "sync h1 A#1=done => forget A#1\n"
     "state A => done\n")

CASE(an_agent_that_was_silent_before_the_cancel_is_waited_for_no_longer,
     "job A\njob B hosts=h2\nstart\n"
     "sync h1 => assign A#1\n"
     "sync h1 A#1=running => nothing\n"
     "wait 59000\n"
     "state A => running\n"
     "cancel\n"
     "wait 0\n"
     "state A => cancelled: the run was cancelled; ...\n"
     "is over => yes\n")

CASE(a_cancelled_attempt_that_was_never_offered_left_nothing,
     "job A\nstart\n"
     "record off\n"
     "sync h1 => nothing\n"
     "record on\n"
     "cancel\n"
     "wait 3000\n"
     "state A => cancelled: the run was cancelled\n"
     "is over => yes\n")

CASE(an_empty_run_is_over_when_it_starts,
     "is over => no\n"
     "start\n"
     "is over => yes\n")

CASE(finished_jobs_of_a_continued_run_stay_as_they_are,
     "job A attempt=1 state=done\njob B attempt=3 state=failed\njob C\n"
     "start\n"
     "sync h1 => assign C#1\n"
     "sync h1 C#1=done => forget C#1\n"
     "changes => begin C#1@h1; end C#1 done; C done;\n"
     "is over => yes\n")

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_job_goes_from_assign_to_forget),
    cmocka_unit_test(an_assignment_that_is_not_listed_is_given_again_with_the_same_attempt),
    cmocka_unit_test(an_assignment_nobody_takes_goes_elsewhere_after_a_while),
    cmocka_unit_test(doubled_and_late_syncs_change_nothing),
    cmocka_unit_test(nothing_is_ordered_or_forgotten_while_the_catalog_fails),
    cmocka_unit_test(
        a_clean_failure_is_tried_again_after_a_pause_that_doubles_three_times_at_most),
    cmocka_unit_test(a_failure_that_would_come_again_is_not_tried_again),
    cmocka_unit_test(a_dirty_failure_is_cleaned_before_the_next_attempt),
    cmocka_unit_test(done_without_a_file_is_not_believed),
    cmocka_unit_test(
        a_cleanup_runs_where_the_dead_attempt_was_and_elsewhere_when_that_agent_is_silent),
    cmocka_unit_test(a_cleanup_that_fails_for_good_warns_and_lets_the_backup_go_on),
    cmocka_unit_test(a_worker_that_hangs_for_good_does_not_keep_the_run),
    cmocka_unit_test(a_last_attempt_that_a_cleanup_finds_published_is_done),
    cmocka_unit_test(an_attempt_that_a_cleanup_finds_published_is_not_made_again),
    cmocka_unit_test(a_done_attempt_that_is_not_clean_is_done_and_cleaned),
    cmocka_unit_test(a_restarted_agents_attempts_are_dead_and_cleaned),
    cmocka_unit_test(an_attempt_that_was_listed_and_is_gone_is_dead_but_not_in_a_partial_sync),
    cmocka_unit_test(a_lost_agents_jobs_go_elsewhere_and_what_it_tells_later_is_recorded),
    cmocka_unit_test(a_new_coordinator_takes_over_what_agents_list),
    cmocka_unit_test(an_open_attempt_of_an_agent_that_is_heard_late_goes_on),
    cmocka_unit_test(an_open_attempt_that_its_late_agent_does_not_list_is_dead),
    cmocka_unit_test(an_open_attempt_of_an_agent_that_does_not_come_is_lost_in_time),
    cmocka_unit_test(an_end_told_before_the_plan_counts_for_the_continued_run),
    cmocka_unit_test(an_end_told_before_the_plan_without_a_file_is_not_believed),
    cmocka_unit_test(what_no_run_knows_is_cancelled_and_recorded_after_the_start_only),
    cmocka_unit_test(remains_of_a_living_attempt_are_left_alone),
    cmocka_unit_test(a_backup_waits_for_a_cleanup_of_its_vm_only),
    cmocka_unit_test(an_agent_with_another_nonce_gets_no_job_and_a_reason),
    cmocka_unit_test(a_draining_agent_gets_no_job_and_its_cancelled_ones_are_not_counted),
    cmocka_unit_test(jobs_are_spread_over_the_hosts_that_ask),
    cmocka_unit_test(a_host_that_is_silent_is_not_waited_for),
    cmocka_unit_test(a_job_waits_for_a_busy_dom0_however_long_and_says_so),
    cmocka_unit_test(slots_and_limits_hold),
    cmocka_unit_test(room_is_reserved_for_what_runs),
    cmocka_unit_test(job_without_room_by_its_last_backup_is_refused_and_the_others_go_on),
    cmocka_unit_test(guess_larger_than_the_room_is_a_warning),
    cmocka_unit_test(below_the_threshold_every_job_is_refused_with_the_numbers),
    cmocka_unit_test(at_the_threshold_jobs_begin),
    cmocka_unit_test(reserved_beyond_what_is_free_refuses_what_comes),
    cmocka_unit_test(cleanups_and_continued_jobs_are_given_out_without_room),
    cmocka_unit_test(agent_that_can_not_tell_the_room_leaves_it_to_its_workers),
    cmocka_unit_test(no_job_begins_while_the_lease_is_not_renewed),
    cmocka_unit_test(a_job_without_an_agent_on_its_hosts_is_redirected_last_with_a_warning),
    cmocka_unit_test(a_job_waits_for_an_agent_that_is_silent_until_it_is_lost),
    cmocka_unit_test(what_has_not_begun_within_the_runs_time_fails),
    cmocka_unit_test(a_job_that_the_plan_lets_wait_begins_when_it_is_released),
    cmocka_unit_test(a_cancel_ends_what_waits_at_once_and_what_runs_by_its_agent),
    cmocka_unit_test(a_cancelled_assignment_that_never_arrived_is_over_with_the_next_sync),
    cmocka_unit_test(a_cancelled_run_waits_a_twentieth_as_long_for_an_agent_that_is_silent),
    cmocka_unit_test(an_agent_that_was_silent_before_the_cancel_is_waited_for_no_longer),
    cmocka_unit_test(a_cancelled_attempt_that_was_never_offered_left_nothing),
    cmocka_unit_test(an_empty_run_is_over_when_it_starts),
    cmocka_unit_test(finished_jobs_of_a_continued_run_stay_as_they_are),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
