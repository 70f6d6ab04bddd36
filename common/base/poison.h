/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Functions nobody here calls: unbounded, locale-bound or with hidden state. Included last, by .c
 * files only, after every system header.
 */
#ifndef ONYX_COMMON_BASE_POISON_H
#define ONYX_COMMON_BASE_POISON_H

#undef alloca /* a macro in <stdlib.h> */
#pragma GCC poison sprintf vsprintf strcpy strcat strncpy strncat strtok atoi atol atoll gets alloca

#endif
