/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A VHD stream written onto a disk: present sectors only, a differencing one over what is there.
 *
 * Source: contract 9.3; recordings 709-717, 732-733: no parent and no size check is made; what
 * lies behind the disk's end is dropped.
 */
#ifndef ONYX_TESTS_POOLSIM_VHD_READER_H
#define ONYX_TESTS_POOLSIM_VHD_READER_H

#include "tests/poolsim/disks.h"
#include "tests/poolsim/source.h"
#include "tests/poolsim/vhd_format.h"

/* ret_footer may be NULL. Blocks are read in the order in which they lie in the stream, whatever
 * the order of the table. ERROR_CORRUPT, ERROR_SHORT, ERROR_LOST, and the disk's. */
int vhd_read(const struct source *source, struct disk *disk, struct vhd_footer *ret_footer,
             struct error *err);

#endif
