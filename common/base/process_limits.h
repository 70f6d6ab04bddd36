/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this process may leave behind and hold open.
 *
 * Programs that read a key or a password call process_limits_hide before that; who listens calls
 * process_limits_raise_files. Neither can fail in a way that a run should end for.
 */
#ifndef ONYX_COMMON_BASE_PROCESS_LIMITS_H
#define ONYX_COMMON_BASE_PROCESS_LIMITS_H

#include <stddef.h>

#define PROCESS_FILES_MAX 4096 /* descriptors of a coordinator, if the hard limit allows */

/*
 * No core file, and no look into memory or environment by other processes of the same user (the
 * latter for root everywhere, for others from kernel 5.14 on).
 * Source: prctl(2) PR_SET_DUMPABLE, core(5).
 */
void process_limits_hide(void);

/* Set the number of descriptors to PROCESS_FILES_MAX or the hard limit; gives what it is then. */
size_t process_limits_raise_files(void);

#endif
