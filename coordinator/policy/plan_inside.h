/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of plan share: the planner, and the parts of a job that all kinds need. They are
 * named from the lowest to the highest; plan.c uses them all.
 */
#ifndef ONYX_COORDINATOR_POLICY_PLAN_INSIDE_H
#define ONYX_COORDINATOR_POLICY_PLAN_INSIDE_H

#include "common/model/pool.h"
#include "coordinator/policy/plan.h"
#include "coordinator/policy/select.h"

#define REASON_MAX 512

struct folder_owner {
    char *folder;
    const char *uuid;
};

struct planner {
    const struct pool *pool;
    const struct plan_settings *settings;
    struct plan *plan;
    struct folder_owner *folders; /* given in this plan or known from before */
    size_t folders_n, folders_cap;
    const struct vdi **disks;  /* the pool's, by uuid: chains are followed in big pools */
    const struct host **hosts; /* by name, for people */
};

/* plan_folder.c: from now on the folder is this VM's. */
void plan_own_folder(struct planner *p, const char *folder, const char *uuid);
/* The VM's folder; warnings of its choice go to the list. Caller frees. */
char *plan_choose_folder(struct planner *p, const struct vm *vm, struct text_list *warnings);
/* What is known of the VM from former backups, or NULL. */
const struct plan_known *plan_find_known(const struct planner *p, const char *uuid);

/* plan_job.c */
void plan_job_done(struct plan_job *job);
void plan_skip(struct planner *p, enum job_kind kind, const char *vm_uuid, const char *name,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Whether agents carry the kind out, and the VM allows a snapshot; else it is skipped. */
bool plan_may(struct planner *p, enum job_kind kind, const char *vm_uuid, const char *name);
bool plan_check_vm(struct planner *p, enum job_kind kind, const struct vm *vm);
/* Fill job->hosts; a reason when there is none. */
bool plan_find_hosts(struct planner *p, struct plan_job *job, char reason[REASON_MAX]);
/* For plan_add_disk, which follows chains. */
void plan_sort_disks(struct planner *p);
void plan_add_disk(struct planner *p, struct plan_job *job, const struct vbd *vbd);
/* Why the disk can't be read through a snapshot, or NULL. */
const char *plan_disk_obstacle(const struct pool *pool, const struct vbd *vbd);
/* For qsort of job_disks: "xvdb" before "xvdaa". */
int plan_compare_devices(const void *left, const void *right);
void plan_add_vm_facts(struct planner *p, struct plan_job *job, const struct vm *vm,
                       const struct selected *selected);

/* plan_room.c: a planned job waits, with the numbers, when an SR of these disks (VBDs) has no room
 * for their snapshot. */
void plan_check_room(struct planner *p, struct plan_job *job, const size_t *vbds, size_t n);

/* plan_disks.c: chosen disks of a VM: one job, or one for each disk where no host sees all. */
void plan_vdi_exports(struct planner *p, const struct selected *selected);
/* A VM whose disks no one host sees can't be one XVA: a VHD of each disk, and its metadata. False
 * when a disk has no host that could read it now. */
bool plan_scattered(struct planner *p, const struct selected *selected, const char *reason);

#endif
