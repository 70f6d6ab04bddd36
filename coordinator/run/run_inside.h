/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A run as its rooms see it: what it was asked, what it has opened, what it knows. For
 * run*.c alone.
 */
#ifndef ONYX_COORDINATOR_RUN_RUN_INSIDE_H
#define ONYX_COORDINATOR_RUN_RUN_INSIDE_H

#include "common/base/random.h"
#include "common/model/pool.h"
#include "common/store/marker.h"
#include "common/store/root.h"
#include "common/wire/key.h"
#include "common/wire/link.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/run/control.h"
#include "coordinator/run/run.h"
#include "coordinator/catalog/lock.h"
#include "coordinator/policy/plan.h"
#include "coordinator/run/pool_thread.h"

struct run {
    struct run_settings settings; /* filled */
    const struct run_request *request;
    const struct clock *clock;
    const struct random *random;
    struct run_outcome *outcome;

    struct lock_holder self;
    struct lock_holder former; /* who held the lock before: dead, or done */
    int lock_fd;
    struct catalog *catalog;         /* for this thread */
    struct catalog *control_catalog; /* a second connection, for the control thread */
    struct wire_pool_keys keys;
    char *session_path;
    struct pool_thread *pool_thread;
    char address[WIRE_ADDRESS_MAX];
    struct control *control;
    struct store *store;
    struct marker marker;
    struct marker_nonce nonce;

    struct catalog_run record; /* the row of this run; id "" before there is one */
    char *pool_uuid;
    char *pool_name;
    struct text_list hosts;      /* uuids of enabled, living hosts */
    struct text_map host_names;  /* of all hosts */
    struct pool inventory;
    struct plan plan;
    struct text_map waiting; /* vm uuid -> id of its job, which waits by the plan's wish */
    int64_t began_ms;
    bool is_interrupted;
    bool is_away; /* the pool is not reached, and that was told */
};

/* run_tell.c. Tell the watch. */
void run_tell(const struct run *run, const struct run_event *event);
void run_tell_stage(const struct run *run, enum run_stage stage, const char *text);
/* A warning for people and the run's row. */
void run_warn(struct run *run, const char *text);
/* ERROR_INTERRUPTED once the wish to end was heard. */
int run_check_quit(struct error *err);
/* Wait a moment, hearing a wish to end at once. */
void run_pause(int64_t ms);

/* run_open.c: what must be there before a run begins, in this order. */
int run_take_lock(struct run *run, struct error *err);
int run_open_catalog(struct run *run, struct error *err);
int run_log_in(struct run *run, struct error *err);
int run_listen(struct run *run, struct error *err);
int run_take_lease(struct run *run, struct error *err);

/* run_store.c: the share. */
int run_check_store(struct run *run, struct error *err);
int run_write_nonce(struct run *run, struct error *err);
/* Digests and a copy of the catalog, behind the end of the run. */
int run_publish(struct run *run, struct error *err);

/* run_shared.c: with the plan made. ERROR_STORE_FOREIGN when OnyxBackupVM still writes to
 * the folders of this run. */
int run_check_shared(struct run *run, struct error *err);

/* run_jobs.c: from the plan to the dispatch. */
int run_begin_record(struct run *run, struct error *err);
int run_plan_jobs(struct run *run, struct error *err);
/* Look again whether jobs that the plan let wait may begin. */
int run_release_waiting(struct run *run, struct error *err);
/* Read the pool again, since an attempt failed because it changed, and tell where jobs may run. */
int run_replan(struct run *run, struct error *err);

#endif
