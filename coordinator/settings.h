/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The settings of one command: the table of all options, the files, the command line, as one
 * typed value.
 *
 * Files in order, the last one that names a key holds: <install dir>/etc/onyxbackup.cfg,
 * /etc/onyxbackup.cfg, ~/onyxbackup.cfg, -c FILE. Sections [xenserver] and [smtp] are those of
 * OnyxBackupVM, [onyxpool] is ours.
 */
#ifndef ONYX_COORDINATOR_SETTINGS_H
#define ONYX_COORDINATOR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "common/model/job.h"
#include "coordinator/policy/keep_list.h"

/* Command, name, operands, what it does. */
#define SETTINGS_COMMAND_TABLE(X)                                                                  \
    X(RUN, "run", "", "Back up what is selected, by all hosts of the pool.")                       \
    X(PREVIEW, "preview", "", "Show the settings, the selection and the plan; change nothing.")    \
    X(STATUS, "status", "", "Show what is going on now, or how the last run ended.")               \
    X(LIST, "list", "[VM]", "List the backups in the catalog, of all VMs or of one.")              \
    X(SHOW, "show", "BACKUP", "Show all that is known of one backup.")                             \
    X(REPORT, "report", "[RUN]", "Print the report of a run; without RUN, of the last one.")       \
    X(AGENTS, "agents", "", "List the agents, when each was seen and what keeps it from work.")    \
    X(PRUNE, "prune", "[VM]", "Remove old backups by the rules of a run; --dry-run shows them.")       \
    X(VERIFY, "verify", "[BACKUP|VM]", "Read backups back and check them; without BACKUP, VM, --all "                 \
      "and --older-than, those that wait for it.")                                                  \
    X(PIN, "pin", "BACKUP", "Keep a backup for ever: it never expires.")                                 \
    X(UNPIN, "unpin", "BACKUP", "Let a pinned backup expire again.")                                     \
    X(ADOPT, "adopt", "", "Make the backups known that OnyxBackupVM wrote into the store.")            \
    X(KEYGEN, "keygen", "", "Make the pool key, or from it the key of one host's agent.")          \
    X(INIT_STORE, "init-store", "", "Mark the backup folder as the store of this pool.")

enum settings_command {
#define X(name, text, operands, help) COMMAND_##name,
    SETTINGS_COMMAND_TABLE(X)
#undef X
    COMMAND_N
};

struct settings_command_facts {
    const char *name;
    const char *operands; /* as in the usage line; "" none */
    const char *help;
};

const struct settings_command_facts *settings_command_facts(enum settings_command command);

struct settings {
    struct option_set options; /* the texts below are borrowed from here unless said */
    struct text_list operands;
    char *install_dir; /* own; absolute */
    struct text_list files; /* settings files that were read */

    const char *xapi; /* NULL: probe */
    const char *xapi_user;
    const char *xapi_password_file;
    const char *xapi_cert;
    int64_t xapi_tls_port;
    bool xapi_insecure; /* http:// to another machine is allowed */

    char *backup_dir; /* own; absolute */
    char *catalog;    /* own; NULL: the catalog's default */
    const char *key;
    const char *listen; /* NULL: the management address */
    bool allow_root_fs;
    const char *zone;

    bool is_json;
    bool is_new;
    bool is_preview; /* --preview on run */
    bool is_strict;
    bool prefer_vdi;
    bool is_example; /* preview --example */
    bool with_all; /* list --all: expired ones too; verify --all */
    bool is_dry_run;   /* prune: show, change nothing */
    bool is_explained; /* prune: the rule of each */
    bool is_share_forced; /* OnyxBackupVM's newer files are no objection */
    enum log_level log_level;

    int64_t max_backups;
    int64_t keep_copies, keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly;
    int64_t expire_max;
    struct keep_list keep; /* own */
    int64_t verify_max;
    bool adopt_snapshots;
    int64_t older_than_ms; /* verify; -1: not asked */
    int64_t space_threshold;
    int64_t hard_floor; /* percent; 0 none */
    const char *share_type;
    bool require_mount;
    enum job_compress compress;
    enum job_compress disk_compress;
    enum job_disk_format disk_format;
    struct job_tuning tuning;
    struct job_ways ways;
    bool pool_backup;
    bool host_backup;
    const struct text_list *hooks;
    const struct text_list *excludes;
    const struct text_list *vdi_exports;
    const struct text_list *vm_exports;

    bool smtp_enabled;

    int64_t attempts;
    int64_t muster_ms;
    int64_t lease_wait_ms;
    int64_t lease_renew_ms;
    int64_t lost_ms;
    int64_t pool_lost_ms;
    int64_t run_max_ms;
    int64_t continue_ms;
    int64_t backoff_ms;
    int64_t idle_timeout_ms;
    int64_t host_jobs, sr_jobs, store_jobs, pool_jobs; /* 0: no limit */
    uint64_t host_rate, pool_rate; /* bytes a second, 0: no limit; a job's is in tuning */

    const char *host_uuid; /* keygen --host */
    bool is_rotating;      /* keygen --rotate */
    int64_t rotate_ms;     /* how long the former key counts */
    const char *out;       /* keygen -o */

    bool smtp_auth;
    bool smtp_starttls;
    const char *smtp_user;
    const char *smtp_pass;
    char *smtp_file; /* own; absolute */
    const char *smtp_server;
    int64_t smtp_port;
    const char *smtp_hostname;
    int64_t smtp_timeout_ms;
    const char *smtp_subject;
    const char *smtp_from;
    const struct text_list *smtp_to;
    const char *smtp_cert;   /* NULL: none is insisted on */
    bool has_log_level;      /* somebody chose log_level */
};

void settings_done(struct settings *settings);
#define CLEAN_SETTINGS CLEANUP(settings_done)

/* Where the program stands: all borrowed, for tests to choose. */
struct settings_place {
    const char *called_as;  /* argv[0] */
    const char *path;       /* $PATH */
    const char *home;       /* $HOME, NULL none */
    const char *system_dir; /* "/etc" */
    const char *work_dir;   /* for relative paths; NULL: the current one */
};

/*
 * Cut the line, read the files, make the value. wants_help / wants_version are set, and nothing
 * else done, when the line asks for that.
 *
 * Fails:  ERROR_USAGE, ERROR_SETTINGS, ERROR_NOT_FOUND (-c FILE). Where a file was at fault, all
 *         that the mail about it needs is filled in: smtp_file is set then.
 * Owns:   release *ret_settings in every case.
 */
int settings_read(enum settings_command command, const struct settings_place *place, size_t argc,
                  const char *const *argv, struct settings *ret_settings, bool *ret_wants_help,
                  bool *ret_wants_version, struct error *err);

/* Where the value of a key of [xenserver] or [onyxpool] comes from: "default", "FILE line 3", "-e".
 * Borrowed; NULL for an unknown key. */
const char *settings_source(const struct settings *settings, const char *key);

/* The help of one command (usage, options, exit status), and the example settings file. */
void settings_format_help(enum settings_command command, const char *program, struct str *out);
void settings_format_example(struct str *out);

/* "key = value" lines of every key of the given section, aligned, with the source of each that is
 * not a default. */
void settings_format_values(const struct settings *settings, const char *section,
                            struct str *out);

#endif
