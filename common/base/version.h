/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this build calls itself. ONYX_VERSION comes from the project line of CMakeLists.txt.
 */
#ifndef ONYX_COMMON_BASE_VERSION_H
#define ONYX_COMMON_BASE_VERSION_H

#define VERSION_TEXT ONYX_VERSION
#define VERSION_USER_AGENT "onyxpool/" ONYX_VERSION

#endif
