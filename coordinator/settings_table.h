/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of all options of onyxpool, seen by settings.c only: which there are, in what order
 * help and example show them, and the index each is known by.
 */
#ifndef ONYX_COORDINATOR_SETTINGS_TABLE_H
#define ONYX_COORDINATOR_SETTINGS_TABLE_H

#include "common/base/option.h"

enum settings_option {
    OPT_HELP,
    OPT_VERSION,
    OPT_CONFIG,
    OPT_INSTALL_DIR,
    OPT_JSON,
    OPT_EXAMPLE,
    /* [xenserver] */
    OPT_SHARE_TYPE,
    OPT_BACKUP_DIR,
    OPT_SPACE_THRESHOLD,
    OPT_MAX_BACKUPS,
    OPT_COMPRESS,
    OPT_VDI_EXPORT_FORMAT,
    OPT_POOL_BACKUP,
    OPT_HOST_BACKUP,
    OPT_EXCLUDES_RESET,
    OPT_EXCLUDES,
    OPT_VDI_EXPORTS_RESET,
    OPT_VDI_EXPORTS,
    OPT_VM_EXPORTS_RESET,
    OPT_VM_EXPORTS,
    OPT_PREVIEW,
    /* [smtp] */
    OPT_SMTP_ENABLED,
    OPT_SMTP_AUTH,
    OPT_SMTP_USER,
    OPT_SMTP_PASS,
    OPT_SMTP_STARTTLS,
    OPT_SMTP_FILE,
    OPT_SMTP_SERVER,
    OPT_SMTP_PORT,
    OPT_SMTP_HOSTNAME,
    OPT_SMTP_TIMEOUT,
    OPT_SMTP_SUBJECT,
    OPT_SMTP_FROM,
    OPT_SMTP_TO,
    /* [onyxpool] */
    OPT_LOG_LEVEL,
    OPT_SMTP_CERT,
    OPT_XAPI,
    OPT_XAPI_USER,
    OPT_XAPI_PASSWORD_FILE,
    OPT_XAPI_CERT,
    OPT_XAPI_TLS_PORT,
    OPT_XAPI_INSECURE,
    OPT_CATALOG,
    OPT_KEY,
    OPT_LISTEN,
    OPT_ZONE,
    OPT_HOOKS,
    OPT_REWRITE_OVA,
    OPT_RAW_SOURCE,
    OPT_OVERLAP,
    OPT_STRICT,
    OPT_NEW,
    OPT_ATTEMPTS,
    OPT_MUSTER,
    OPT_LEASE_WAIT,
    OPT_LEASE_RENEW,
    OPT_LOST,
    OPT_POOL_LOST,
    OPT_RUN_MAX,
    OPT_CONTINUE,
    OPT_BACKOFF,
    OPT_IDLE,
    OPT_VDI_COMPRESS,
    OPT_COMPRESS_LEVEL,
    OPT_COMPRESS_THREADS,
    OPT_GZIP_EFFORT,
    OPT_RING_MIB,
    OPT_FILE_DIGEST,
    OPT_HOST_JOBS,
    OPT_SR_JOBS,
    OPT_STORE_JOBS,
    OPT_POOL_JOBS,
    OPT_MAX_RATE,
    OPT_HOST_RATE,
    OPT_POOL_RATE,
    OPT_HARD_FLOOR,
    OPT_REQUIRE_MOUNT,
    OPT_KEEP_COPIES,
    OPT_KEEP_LAST,
    OPT_KEEP_DAILY,
    OPT_KEEP_WEEKLY,
    OPT_KEEP_MONTHLY,
    OPT_KEEP_YEARLY,
    OPT_KEEP,
    OPT_VERIFY_MAX,
    OPT_ADOPT_SNAPSHOTS,
    OPT_EXPIRE_MAX,
    /* single commands */
    OPT_ALLOW_ROOT_FS,
    OPT_ALL,
    OPT_DRY_RUN,
    OPT_EXPLAIN,
    OPT_OLDER_THAN,
    OPT_FORCE_SHARED,
    OPT_HOST,
    OPT_ROTATE,
    OPT_OUT,
    OPT_N
};

extern const struct option settings_table[OPT_N];

#define SETTINGS_INSTALL_DIR "<install dir>" /* what stands for it in a default */

#endif
