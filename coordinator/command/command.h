/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What main.c composes: one function per command, and the steps that several of them share.
 *
 * A command gives its exit status (0 and up), or -1 with the error that main prints and turns into
 * one. What it has to say goes to stdout in one piece; talk about what is going on goes to stderr.
 */
#ifndef ONYX_COORDINATOR_COMMAND_COMMAND_H
#define ONYX_COORDINATOR_COMMAND_COMMAND_H

#include <jansson.h>

#include "coordinator/settings.h"

struct backup;
struct catalog;
struct error;
struct report;
struct str;
struct xapi_target;

typedef int command_fn(const struct settings *settings, struct error *err);

command_fn command_run;
command_fn command_preview;
command_fn command_status;
command_fn command_list;
command_fn command_show;
command_fn command_report;
command_fn command_agents;
command_fn command_keygen;
command_fn command_init_store;
command_fn command_prune;
command_fn command_adopt;
command_fn command_verify;
command_fn command_pin;
command_fn command_unpin;

/* What kept a run from beginning before command_run, a bad settings file for one, is mailed and
 * logged as a run's own errors are; nothing when the settings know of no report file. */
void command_run_broken(const struct settings *settings, const struct error *err);

/* ERROR_USAGE when there are fewer or more operands; what names the operand: "BACKUP". */
int command_check_operands(const struct settings *settings, size_t min, size_t max,
                           const char *what, struct error *err);

/* Write text, or one JSON object (consumed, "\n" behind it), to stdout. A reader that left early is
 * no failure. */
int command_print(const struct str *text, struct error *err);
int command_print_json_take(json_t *object, struct error *err);

/* Where the pool is, with password and certificate. ret_target is zero before. */
int command_make_target(const struct settings *settings, struct xapi_target *ret_target,
                        struct error *err);

/* The catalog for reading. 1 opened, 0 there is none yet (said on stderr), -1 failed. */
int command_open_catalog(const struct settings *settings, struct catalog **ret_catalog,
                         struct error *err);

/* The backup that a name stands for: "folder/file", a file alone, or the newest of a VM. ERROR_USAGE
 * (several), ERROR_NOT_FOUND. ret_backup is zero before. */
int command_find_backup(struct catalog *catalog, const char *name, struct backup *ret_backup,
                        struct error *err);

/* The report of a run as the catalog has it; id NULL: the newest. 1 found, 0 there is none, -1. */
int command_read_report(struct catalog *catalog, const char *id, struct report *ret_report,
                        struct error *err);

/* json_string of a text that may be NULL (null) or no UTF-8 (bytes that are none become "?"). */
json_t *command_json_text(const char *text);
/* UTC text of a wall time, null for 0. */
json_t *command_json_time(int64_t wall_ms);

#endif
