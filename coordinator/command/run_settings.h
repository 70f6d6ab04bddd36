/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the settings of a command to those of a run of the coordinator.
 */
#ifndef ONYX_COORDINATOR_COMMAND_RUN_SETTINGS_H
#define ONYX_COORDINATOR_COMMAND_RUN_SETTINGS_H

#include "coordinator/run/run.h"
#include "coordinator/settings.h"

/* All but target and catalog_path; texts are borrowed. */
void run_settings_read(const struct settings *settings, struct run_settings *run);

#endif
