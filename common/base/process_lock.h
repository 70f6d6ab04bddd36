/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "Who lives": a named lock on this machine that ends with its process, leaves no file behind and
 * can be asked about by others.
 *
 * It is an abstract unix socket: the kernel frees the name when the last descriptor goes, also at
 * kill -9. Names are hashed with the caller's scope (XAPI target and host), so that two pools on
 * one machine do not meet. Source: unix(7), abstract namespace.
 */
#ifndef ONYX_COMMON_BASE_PROCESS_LOCK_H
#define ONYX_COMMON_BASE_PROCESS_LOCK_H

struct error;

/* Take the lock; ERROR_BUSY if another process has it. The descriptor is the lock: closing it, or
 * ending, gives it back. It may be inherited by exec if the caller clears FD_CLOEXEC. */
int process_lock_take(const char *scope, const char *name, int *ret_fd, struct error *err);

/* 1 held by somebody, 0 free, -1 failed. */
int process_lock_is_held(const char *scope, const char *name, struct error *err);

#endif
