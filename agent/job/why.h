/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an attempt's failure is really about: the pool went away under it, its VM did, or neither.
 *
 * A stream that breaks off tells nothing of why. Asked is who can know: the toolstack.
 */
#ifndef ONYX_AGENT_JOB_WHY_H
#define ONYX_AGENT_JOB_WHY_H

struct error;
struct job_context;

/* Replace *err by one with origin FAULT_POOL_AWAY or FAULT_VM_GONE, its text kept, where that is the
 * cause. Errors of the store and cancelled attempts are left as they are. At most two calls. */
void why_look(const struct job_context *context, struct error *err);

#endif
