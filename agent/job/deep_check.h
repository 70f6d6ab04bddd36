/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The disks of a VM's archive compared with a second reading of their snapshots.
 *
 * The blocks of an archive prove themselves, but a block that is left out stands for zeros, so one
 * that was lost in the middle of a disk can't be told from one that was empty. Read again is what
 * XAPI offers beside: the disk's VHD where it has one, else the raw disk.
 */
#ifndef ONYX_AGENT_JOB_DEEP_CHECK_H
#define ONYX_AGENT_JOB_DEEP_CHECK_H

struct attempt;
struct error;
struct xva_check;

/* The archive has passed check, which took digests. ERROR_CORRUPT names the first disk that
 * differs; or how a reading failed. */
int deep_check(struct attempt *attempt, const struct xva_check *check, struct error *err);

#endif
