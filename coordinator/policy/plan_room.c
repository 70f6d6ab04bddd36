/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether an SR has room for a snapshot of these disks: on a thick one it takes their whole size.
 *
 * LVM without thin provisioning inflates the leaf that a running VM goes on with to the disk's
 * virtual size; a pool that lacks it says SR_FULL in the middle of the snapshot, with half of it
 * made. So the job waits before anything is touched.
 * Source: SM LVHDSR, LVHDVDI._snapshot: lvSizeVirt of each new leaf.
 */
#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/policy/plan_inside.h"

#include "common/base/poison.h"

static bool is_thick(const struct sr *sr)
{
    static const char *const types[] = {"lvm", "lvmoiscsi", "lvmohba", "lvmofcoe"};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_equal(sr->type, types[i]))
            return true;
    return false;
}

void plan_check_room(struct planner *p, struct plan_job *job, const size_t *vbds, size_t n)
{
    for (size_t i = 0; i < job->srs.n && job->state == JOB_STATE_PLANNED; i++) {
        size_t index = pool_find_sr(p->pool, job->srs.items[i]);
        const struct sr *sr = &p->pool->srs[index];
        uint64_t need_bytes = 0, free_bytes = 0;
        char need[NUM_TEXT_MAX], room[NUM_TEXT_MAX];

        if (!is_thick(sr) || sr->physical_size_bytes == 0)
            continue;
        for (size_t k = 0; k < n; k++) {
            const struct vbd *vbd = &p->pool->vbds[vbds[k]];

            if (pool_vbd_is_exported(p->pool, vbd) && p->pool->vdis[vbd->vdi].sr == index)
                need_bytes += p->pool->vdis[vbd->vdi].virtual_size_bytes;
        }
        if (sr->physical_size_bytes > sr->physical_utilisation_bytes)
            free_bytes = sr->physical_size_bytes - sr->physical_utilisation_bytes;
        if (need_bytes <= free_bytes)
            continue;
        job->state = JOB_STATE_WAITING;
        job->reason = str_format("SR %s (%s, thick) has %s free, and a snapshot of its disks takes "
                                 "%s there: make room, or wait for its SR to coalesce",
                                 sr->name, sr->type, num_format_bytes(free_bytes, room),
                                 num_format_bytes(need_bytes, need));
    }
}
