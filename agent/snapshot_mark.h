/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting our mark on an object, in place of whatever mark it was born with.
 */
#ifndef ONYX_AGENT_SNAPSHOT_MARK_H
#define ONYX_AGENT_SNAPSHOT_MARK_H

#include <stdint.h>

struct error;
struct xapi;

/* class_name is "VM" or "VDI"; uuid is the object's own. ERROR_XAPI_GONE when it is gone. */
int snapshot_mark_set(struct xapi *xapi, const char *class_name, const char *ref, const char *uuid,
                      const char *job, uint64_t lease, struct error *err);

#endif
