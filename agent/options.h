/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What onyxpool-agent is told on its command line and in its settings file.
 */
#ifndef ONYX_AGENT_OPTIONS_H
#define ONYX_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/gentle.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"
#include "common/xapi/target.h"

struct error;
struct str;

#define OPTIONS_FILE "/etc/onyxpool/agent.conf"
#define OPTIONS_KEY "/etc/onyxpool/agent.key"
#define OPTIONS_INVENTORY "/etc/xensource-inventory"

enum options_wish { OPTIONS_RUN, OPTIONS_WORKER, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_DRAIN,
                    OPTIONS_EXAMPLE };

struct options {
    enum options_wish wish;
    struct xapi_target target;
    char host_uuid[UUID_TEXT_MAX];
    char *coordinator; /* NULL: as the lease says */
    char *key;
    char *root;        /* NULL: as the Orders say */
    char *runtime_dir;
    size_t slots;
    struct gentle_rule gentle;
    char *nice, *ionice; /* of workers */
    int64_t clean_ms; /* so long a cancelled worker may clean up */
    int64_t spare_ms; /* spare.h */
    enum log_level log_level;
    struct text_map hooks; /* hook.h */
    struct text_list warnings;
};

void options_done(struct options *options);
#define CLEAN_OPTIONS CLEANUP(options_done)

/* ERROR_USAGE, ERROR_SETTINGS, ERROR_POOL_UNREACHABLE (no XAPI socket here). *ret is zero. */
int options_read(size_t argc, const char *const *argv, struct options *ret, struct error *err);

/* Append the text of --help. */
void options_format_help(struct str *out);

/* Append a settings file that names every key. */
void options_format_example(struct str *out);

/* INSTALLATION_UUID of a dom0's inventory file. ERROR_SETTINGS says to use --host. */
int options_read_inventory(const char *path, char ret_uuid[UUID_TEXT_MAX], struct error *err);

#endif
