/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Options of onyxpool. Keys, defaults and ranges of [xenserver] and [smtp] are OnyxBackupVM's.
 * Source: manual of OnyxBackupVM; docs/COMPATIBILITY.md.
 */
#include "coordinator/settings_table.h"

#include "common/model/rate.h"
#include "coordinator/policy/keep_list.h"
#include "coordinator/settings.h"

#define BIT(command) (1u << COMMAND_##command)
#define EVERY ((1u << COMMAND_N) - 1u)
#define STARTS (BIT(RUN) | BIT(PRUNE) | BIT(VERIFY))
#define RUNS (BIT(RUN) | BIT(PRUNE) | BIT(PREVIEW))
#define READS (BIT(VERIFY) | BIT(STATUS) | BIT(LIST) | BIT(SHOW) | BIT(REPORT) | BIT(AGENTS))
/* Where pool, store, catalog and key are: taken by every command, also by those that need only
 * some of it, so that one line of options fits them all. */
#define PLACES EVERY

#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

#define XENSERVER .section = "xenserver"
#define SMTP .section = "smtp"
#define ONYXPOOL .section = "onyxpool"
#define RATE .kind = OPTION_BYTES, .min = RATE_MIN, .max = INT64_C(1) << 50, .fallback = "0"
#define KEPT_PERIODS .kind = OPTION_INT, .min = 0, .max = KEEP_PERIODS_MAX, .fallback = "0"
#define SWITCH .kind = OPTION_BOOL, .given = "True", .fallback = "False"

const struct option settings_table[OPT_N] = {
    [OPT_HELP] = {.name = "help", .letter = "h", SWITCH, .commands = EVERY,
                  .help = "Show this help and end."},
    [OPT_VERSION] = {.name = "version", .letter = "v", SWITCH, .commands = EVERY,
                     .help = "Show the program's version and end."},
    [OPT_CONFIG] = {.name = "config", .letter = "c", .kind = OPTION_PATH, .argument = "FILE",
                    .commands = EVERY,
                    .help = "Settings file that is read last, behind <install dir>/etc/"
                            "onyxbackup.cfg, /etc/onyxbackup.cfg and ~/onyxbackup.cfg."},
    [OPT_INSTALL_DIR] = {.name = "install-dir", .kind = OPTION_PATH, .argument = "DIR",
                         .commands = EVERY,
                         .help = "Folder that holds etc, logs and exports; without it the folder "
                                 "of the name that the program was called by."},
    [OPT_JSON] = {.name = "json", SWITCH, .commands = RUNS | READS | BIT(PIN) | BIT(UNPIN) |
                                                BIT(ADOPT) | BIT(KEYGEN) |
                                                BIT(INIT_STORE),
                  .help = "Print one JSON object instead of text."},
    [OPT_EXAMPLE] = {.name = "example", SWITCH, .commands = BIT(PREVIEW),
                     .help = "Print a settings file that names every key, and end."},

    [OPT_SHARE_TYPE] = {XENSERVER, .key = "share_type", .kind = OPTION_CHOICE,
                        .choices = "nfs|smb", .fallback = "nfs",
                        .help = "What kind of share backup_dir is on. With smb a \\ in backup_dir "
                                "is read as /."},
    [OPT_BACKUP_DIR] = {.name = "backup-dir", .letter = "d", XENSERVER, .key = "backup_dir",
                        .kind = OPTION_PATH, .argument = "PATH",
                        .fallback = SETTINGS_INSTALL_DIR "/exports", .commands = PLACES,
                        .help = "Folder that the backups go to, on a share that every host "
                                "has mounted."},
    [OPT_SPACE_THRESHOLD] = {XENSERVER, .key = "space_threshold", .kind = OPTION_INT, .min = 1,
                             .max = 99, .fallback = "20",
                             .help = "Percent of backup_dir's space that must be free for a job "
                                     "to begin."},
    [OPT_MAX_BACKUPS] = {XENSERVER, .key = "max_backups", .kind = OPTION_INT, .min = 1,
                         .max = INT32_MAX, .fallback = "4",
                         .help = "How many backups of a VM are kept unless its entry says "
                                 "otherwise."},
    [OPT_COMPRESS] = {.name = "compress", .letter = "C", XENSERVER, .key = "compress",
                      .kind = OPTION_CHOICE, .choices = "none|gzip|zstd", .given = "gzip",
                      .fallback = "False", .commands = RUNS,
                      .help = "Compress VM exports; True is gzip. On the command line also "
                              "--compress=zstd."},
    [OPT_VDI_EXPORT_FORMAT] = {.name = "format", .letter = "F", XENSERVER,
                               .key = "vdi_export_format", .kind = OPTION_CHOICE,
                               .argument = "FORMAT", .choices = "raw|vhd", .fallback = "raw",
                               .commands = RUNS, .help = "Format of VDI exports."},
    [OPT_POOL_BACKUP] = {.name = "pool-backup", .letter = "p", XENSERVER, .key = "pool_backup",
                         SWITCH, .commands = RUNS, .help = "Back up the pool's database."},
    [OPT_HOST_BACKUP] = {.name = "host-backup", .letter = "H", XENSERVER, .key = "host_backup",
                         SWITCH, .commands = RUNS, .help = "Back up the hosts (dom0)."},
    [OPT_EXCLUDES_RESET] = {.name = "override-excludes", .letter = "oe", XENSERVER,
                            .key = "excludes", .kind = OPTION_RESET, .given = "",
                            .commands = RUNS,
                            .help = "Forget the excludes of the settings files; before the -x "
                                    "that fill the list anew."},
    [OPT_EXCLUDES] = {.name = "exclude", .letter = "x", XENSERVER, .key = "excludes",
                      .kind = OPTION_LIST, .argument = "STRING", .commands = RUNS,
                      .help = "VM names or regexes that are left out. In a file separated by "
                              "commas; on the command line one each time, added to the file's."},
    [OPT_VDI_EXPORTS_RESET] = {.name = "override-vdi-exports", .letter = "ov", XENSERVER,
                               .key = "vdi_exports", .kind = OPTION_RESET, .given = "",
                               .commands = RUNS,
                               .help = "Forget the VDI exports of the settings files; before "
                                       "the -E that fill the list anew."},
    [OPT_VDI_EXPORTS] = {.name = "vdi-export", .letter = "E", XENSERVER, .key = "vdi_exports",
                         .kind = OPTION_LIST, .argument = "STRING", .commands = RUNS,
                         .help = "VMs whose single disks are exported: "
                                 "NAME-OR-REGEX[:MAX_BACKUPS[:DISK;DISK]]; the disk is xvda "
                                 "unless named, MAX_BACKUPS -1 is the global value."},
    [OPT_VM_EXPORTS_RESET] = {.name = "override-vm-exports", .letter = "o", XENSERVER,
                              .key = "vm_exports", .kind = OPTION_RESET, .given = "",
                              .commands = RUNS,
                              .help = "Forget the VM exports of the settings files; before the "
                                      "-e that fill the list anew."},
    [OPT_VM_EXPORTS] = {.name = "vm-export", .letter = "e", XENSERVER, .key = "vm_exports",
                        .kind = OPTION_LIST, .argument = "STRING", .commands = RUNS,
                        .help = "VMs that are exported whole: NAME-OR-REGEX[:MAX_BACKUPS]. With "
                                "both lists empty all VMs are (.*). An entry that chooses no VM is "
                                "a warning in the report; the exit status stays 0."},
    [OPT_PREVIEW] = {.name = "preview", SWITCH, .commands = BIT(RUN),
                     .help = "The same as the command preview."},

    [OPT_SMTP_ENABLED] = {SMTP, .key = "smtp_enabled", SWITCH,
                          .help = "Whether the report is sent by mail."},
    [OPT_SMTP_AUTH] = {SMTP, .key = "smtp_auth", SWITCH,
                       .help = "Whether the mail server wants smtp_user and smtp_pass."},
    [OPT_SMTP_USER] = {SMTP, .key = "smtp_user", .kind = OPTION_TEXT, .fallback = "",
                       .help = "User at the mail server."},
    [OPT_SMTP_PASS] = {SMTP, .key = "smtp_pass", .kind = OPTION_TEXT, .fallback = "",
                       .is_secret = true, .help = "Password at the mail server."},
    [OPT_SMTP_STARTTLS] = {SMTP, .key = "smtp_starttls", SWITCH,
                           .help = "Whether the connection is encrypted by STARTTLS."},
    [OPT_SMTP_FILE] = {SMTP, .key = "smtp_file", .kind = OPTION_PATH,
                       .fallback = SETTINGS_INSTALL_DIR "/logs/backup.rpt",
                       .help = "File that the report is written to."},
    [OPT_SMTP_SERVER] = {SMTP, .key = "smtp_server", .kind = OPTION_TEXT,
                         .fallback = "localhost", .help = "Name or address of the mail server."},
    [OPT_SMTP_PORT] = {SMTP, .key = "smtp_port", .kind = OPTION_INT, .min = 1, .max = 65535,
                       .fallback = "25", .help = "Its port."},
    [OPT_SMTP_HOSTNAME] = {SMTP, .key = "smtp_hostname", .kind = OPTION_TEXT,
                           .fallback = "xenserver",
                           .help = "What we call ourselves to the mail server."},
    [OPT_SMTP_TIMEOUT] = {SMTP, .key = "smtp_timeout", .kind = OPTION_DURATION,
                          .min = 1 * SECOND_MS, .max = 1 * HOUR_MS, .fallback = "15",
                          .help = "How long the mail server may take to answer."},
    [OPT_SMTP_SUBJECT] = {SMTP, .key = "smtp_subject", .kind = OPTION_TEXT,
                          .fallback = "OnyxBackupVM Backup Report",
                          .help = "Subject of the mail; how the run ended is put behind it."},
    [OPT_SMTP_FROM] = {SMTP, .key = "smtp_from", .kind = OPTION_TEXT,
                       .fallback = "xenserver@localhost",
                       .help = "Sender's address."},
    [OPT_SMTP_TO] = {SMTP, .key = "smtp_to", .kind = OPTION_LIST, .fallback = "",
                     .help = "Addresses that get the mail, separated by commas."},

    [OPT_LOG_LEVEL] = {.name = "log-level", .letter = "l", ONYXPOOL, .key = "log_level",
                       .kind = OPTION_CHOICE, .argument = "LEVEL",
                       .choices = "critical|error|warning|info|debug", .fallback = "info",
                       .commands = EVERY, .help = "How much is told."},
    [OPT_SMTP_CERT] = {ONYXPOOL, .key = "smtp_cert", .kind = OPTION_PATH,
                       .help = "Certificates (PEM) of which the mail server must show one, or one "
                               "signed by them; only with smtp_starttls. Without it any server "
                               "is believed, as OnyxBackupVM did."},
    [OPT_XAPI] = {.name = "xapi", ONYXPOOL, .key = "xapi", .kind = OPTION_TEXT,
                  .argument = "TARGET", .commands = PLACES,
                  .help = "Where the pool is spoken to: path of XAPI's socket, or https://HOST of "
                          "the pool's master. Without it this host's own socket."},
    [OPT_XAPI_USER] = {.name = "xapi-user", ONYXPOOL, .key = "xapi_user", .kind = OPTION_TEXT,
                       .argument = "NAME", .commands = PLACES,
                       .help = "User at the pool; only with an URL."},
    [OPT_XAPI_PASSWORD_FILE] = {.name = "xapi-password-file", ONYXPOOL,
                                .key = "xapi_password_file", .kind = OPTION_PATH,
                                .argument = "FILE", .commands = PLACES,
                                .help = "File whose first line is that user's password."},
    [OPT_XAPI_CERT] = {.name = "xapi-cert", ONYXPOOL, .key = "xapi_cert", .kind = OPTION_PATH,
                       .argument = "FILE", .commands = PLACES,
                       .help = "Certificates (PEM) of the pool's hosts, or of the CA that signed them; "
                               "only with https."},
    [OPT_XAPI_TLS_PORT] = {.name = "xapi-tls-port", ONYXPOOL, .key = "xapi_tls_port",
                           .kind = OPTION_INT, .argument = "PORT", .min = 1, .max = 65535,
                           .fallback = "443", .commands = PLACES,
                           .help = "Port of https on the pool's hosts; XAPI's redirects name "
                                   "none."},
    [OPT_XAPI_INSECURE] = {.name = "xapi-allow-http", ONYXPOOL, .key = "xapi_allow_http", SWITCH,
                           .commands = PLACES,
                           .help = "Allow http:// to another machine: the password crosses the "
                                   "network in clear."},
    [OPT_CATALOG] = {.name = "catalog", ONYXPOOL, .key = "catalog", .kind = OPTION_PATH,
                     .argument = "FILE", .commands = PLACES,
                     .help = "The catalog, on a local disk. Without it /var/lib/onyxpool/"
                             "catalog.db for root, else ~/.local/state/onyxpool/catalog.db."},
    [OPT_KEY] = {.name = "key", ONYXPOOL, .key = "key", .kind = OPTION_PATH, .argument = "FILE",
                 .fallback = "/etc/onyxpool/pool.key", .commands = PLACES,
                 .help = "The pool key (made by onyxpool keygen)."},
    [OPT_LISTEN] = {.name = "listen", ONYXPOOL, .key = "listen", .kind = OPTION_TEXT,
                    .argument = "ADDRESS", .commands = PLACES,
                    .help = "ADDRESS:PORT where agents find the coordinator. Without it this "
                            "host's management address, port 7451."},
    [OPT_ZONE] = {.name = "zone", ONYXPOOL, .key = "zone", .kind = OPTION_TEXT,
                  .argument = "ZONE", .commands = RUNS | READS | BIT(ADOPT),
                  .help = "Time zone of the names and times, like Europe/Berlin. Without it the "
                          "system's."},
    [OPT_HOOKS] = {ONYXPOOL, .key = "hooks", .kind = OPTION_LIST,
                   .help = "Commands around the snapshots of VMs: NAME-OR-REGEX:HOOK, where HOOK "
                           "is a section [hook HOOK] of the agents' own settings. The first entry "
                           "that matches a VM decides."},
    [OPT_REWRITE_OVA] = {ONYXPOOL, .key = "rewrite_ova", .kind = OPTION_BOOL, .fallback = "True",
                         .help = "Give an XVA the name and uuid of the VM instead of its "
                                 "snapshot's, so that xe vm-import preserve=true restores the VM "
                                 "that was saved. With False it stays as XAPI wrote it."},
    [OPT_RAW_SOURCE] = {ONYXPOOL, .key = "raw_source", .kind = OPTION_CHOICE,
                        .choices = "auto|raw|vhd", .fallback = "auto",
                        .help = "What a raw file is written from: XAPI's raw stream, which reads "
                                "the whole disk, or its vhd stream, which reads what is "
                                "allocated; the file is the same. auto takes vhd where at most "
                                "half is allocated. By vhd the file's sha256 is not known (it "
                                "would read all holes); .meta has sparse_xxh128 instead."},
    [OPT_DEEP_CHECK] = {ONYXPOOL, .key = "deep_check", .kind = OPTION_BOOL, .fallback = "False",
                        .help = "Read every disk of a VM export a second time from its snapshot "
                                "and compare it with the archive: a block that is missing in the "
                                "middle of an archive looks like zeros. Doubles what the SR "
                                "reads."},
    [OPT_OVERLAP] = {ONYXPOOL, .key = "overlap", .kind = OPTION_CHOICE,
                     .choices = "both|prefer_vdi", .fallback = "both",
                     .help = "What happens to a VM that both lists choose: both exports, or the "
                             "VDI export alone."},
    [OPT_STRICT] = {.name = "strict", ONYXPOOL, .key = "strict", SWITCH, .commands = RUNS,
                    .help = "A bad list entry is an error instead of a warning."},
    [OPT_NEW] = {.name = "new", SWITCH, .commands = BIT(RUN),
                 .help = "Begin anew even if an unfinished run could be continued."},
    [OPT_ATTEMPTS] = {.name = "attempts", ONYXPOOL, .key = "attempts", .kind = OPTION_INT,
                      .argument = "N", .min = 1, .max = JOB_ATTEMPTS_MAX, .fallback = "3",
                      .commands = STARTS, .help = "How often a job is tried."},
    [OPT_MUSTER] = {.name = "muster", ONYXPOOL, .key = "muster_s", .kind = OPTION_DURATION,
                    .argument = "TIME", .min = 100, .max = 1 * HOUR_MS, .fallback = "15",
                    .commands = STARTS,
                    .help = "How long agents are waited for before planning."},
    [OPT_LEASE_WAIT] = {.name = "lease-wait", ONYXPOOL, .key = "lease_wait",
                        .kind = OPTION_DURATION, .argument = "TIME", .min = 1 * SECOND_MS,
                        .max = 7 * (int64_t)DAY_MS, .fallback = "12h", .commands = STARTS,
                        .help = "How long a run waits for another one of this pool to end."},
    [OPT_LEASE_RENEW] = {ONYXPOOL, .key = "lease_renew", .kind = OPTION_DURATION, .min = 200,
                         .max = 10 * MINUTE_MS, .fallback = "20",
                         .help = "How often a run renews its lease; without renewal for three "
                                 "times as long it is taken for dead."},
    [OPT_LOST] = {ONYXPOOL, .key = "lost", .kind = OPTION_DURATION, .min = 1 * SECOND_MS,
                  .max = 1 * (int64_t)DAY_MS, .fallback = "20m",
                  .help = "Silence after which an agent's jobs are given to others. A run that was "
                          "cancelled waits a twentieth of it."},
    [OPT_POOL_LOST] = {ONYXPOOL, .key = "pool_lost", .kind = OPTION_DURATION,
                       .min = 1 * SECOND_MS, .max = 1 * (int64_t)DAY_MS, .fallback = "30m",
                       .help = "A run ends when the pool could not be reached for this long; the "
                               "next one continues it. For as long, a job that fails because its "
                               "pool or host does not answer loses no attempt."},
    [OPT_RUN_MAX] = {ONYXPOOL, .key = "run_max", .kind = OPTION_DURATION, .min = 1 * SECOND_MS,
                     .max = 30 * (int64_t)DAY_MS, .fallback = "20h",
                     .help = "Jobs that have not begun by then fail."},
    [OPT_CONTINUE] = {ONYXPOOL, .key = "continue_max", .kind = OPTION_DURATION,
                      .min = 1 * MINUTE_MS, .max = 7 * (int64_t)DAY_MS, .fallback = "12h",
                      .help = "A run without an end that is younger than this is continued."},
    [OPT_BACKOFF] = {ONYXPOOL, .key = "backoff", .kind = OPTION_DURATION, .min = 10,
                     .max = 1 * HOUR_MS, .fallback = "5",
                     .help = "Wait before a job's second attempt; doubles each time."},
    [OPT_IDLE] = {ONYXPOOL, .key = "idle_timeout", .kind = OPTION_DURATION, .min = 1 * SECOND_MS,
                  .max = 1 * (int64_t)DAY_MS, .fallback = "10m",
                  .help = "A stream without a byte for this long ends the attempt."},
    [OPT_VDI_COMPRESS] = {ONYXPOOL, .key = "vdi_compress", .kind = OPTION_CHOICE,
                          .choices = "none|gzip|zstd", .given = "gzip", .fallback = "False",
                          .help = "Compress VDI exports: .raw.gz, .vhd.zst and so on. "
                                  "OnyxBackupVM never did."},
    [OPT_COMPRESS_LEVEL] = {ONYXPOOL, .key = "compress_level", .kind = OPTION_INT, .min = 0,
                            .max = JOB_COMPRESS_LEVEL_MAX, .fallback = "0",
                            .help = "How hard compressors work: gzip 1 to 3 (gzip_effort small: 1 "
                                    "to 12), zstd 1 to 19; what is higher is the highest. 0 is "
                                    "the fastest that is worth its time."},
    [OPT_COMPRESS_THREADS] = {ONYXPOOL, .key = "compress_threads", .kind = OPTION_INT, .min = 0,
                              .max = JOB_COMPRESS_THREADS_MAX, .fallback = "0",
                              .help = "Threads of one job's compressor; 0 is as many as dom0 has "
                                      "processors, 4 at most."},
    [OPT_GZIP_EFFORT] = {ONYXPOOL, .key = "gzip_effort", .kind = OPTION_CHOICE,
                         .choices = "fast|small", .fallback = "fast",
                         .help = "Which gzip: fast, or small at less than half the speed."},
    [OPT_RING_MIB] = {ONYXPOOL, .key = "ring_mib", .kind = OPTION_INT, .min = JOB_RING_MIB_MIN,
                      .max = JOB_RING_MIB_MAX, .fallback = "64",
                      .help = "MiB of one job that may wait for a slow share while the pool goes "
                              "on sending. A worker takes 32 MiB more than this at most, 64 "
                              "when it compresses."},
    [OPT_FILE_DIGEST] = {ONYXPOOL, .key = "file_digest", .kind = OPTION_CHOICE,
                         .choices = "sha256|none", .fallback = "sha256",
                         .help = "Digest of the files as they are stored, for sha256sum -c. The "
                                 "XXH3-128 of what is in them is always taken."},
    [OPT_HOST_JOBS] = {ONYXPOOL, .key = "host_jobs", .kind = OPTION_INT, .min = 1, .max = 64,
                       .fallback = "2", .help = "Jobs at one time on one host."},
    [OPT_SR_JOBS] = {ONYXPOOL, .key = "sr_jobs", .kind = OPTION_INT, .min = 1, .max = 1000,
                     .fallback = "4", .help = "Jobs at one time that read one SR."},
    [OPT_STORE_JOBS] = {ONYXPOOL, .key = "store_jobs", .kind = OPTION_INT, .min = 1, .max = 1000,
                        .fallback = "8", .help = "Jobs at one time that write to the store."},
    [OPT_POOL_JOBS] = {ONYXPOOL, .key = "pool_jobs", .kind = OPTION_INT, .min = 0, .max = 1000,
                       .fallback = "0", .help = "Jobs at one time in the pool; 0 is no limit."},
    [OPT_MAX_RATE] = {ONYXPOOL, .key = "max_rate", RATE,
                      .help = "Bytes a second that one job reads at most: 100M, 1G; 0 is no "
                              "limit."},
    [OPT_HOST_RATE] = {ONYXPOOL, .key = "host_rate", RATE,
                       .help = "The same for all jobs of one host together; its agent.conf may "
                               "set a lower one."},
    [OPT_POOL_RATE] = {ONYXPOOL, .key = "pool_rate", RATE,
                       .help = "The same for all jobs of the pool together, shared anew whenever "
                               "one begins or ends."},
    [OPT_HARD_FLOOR] = {ONYXPOOL, .key = "hard_floor", .kind = OPTION_INT, .min = 0, .max = 50,
                        .fallback = "1",
                        .help = "Percent of backup_dir's space at which a running job is ended; "
                                "0 is never."},
    [OPT_REQUIRE_MOUNT] = {ONYXPOOL, .key = "require_mount", .kind = OPTION_BOOL,
                           .fallback = "True",
                           .help = "Write only where a share of share_type is mounted, or where "
                                   "onyxpool init-store accepted what is there."},
    [OPT_KEEP_COPIES] = {ONYXPOOL, .key = "keep_copies", .kind = OPTION_INT, .min = 1,
                         .max = KEEP_COPIES_MAX, .fallback = "1",
                         .help = "So many of a VM's newest proven backups never go, whatever "
                                 "max_backups says."},
    [OPT_KEEP_LAST] = {ONYXPOOL, .key = "keep_last", KEPT_PERIODS,
                      .help = "So many of the newest backups stay, beside those of max_backups."},
    [OPT_KEEP_DAILY] = {ONYXPOOL, .key = "keep_daily", KEPT_PERIODS,
                       .help = "Of so many days the newest backup of each stays."},
    [OPT_KEEP_WEEKLY] = {ONYXPOOL, .key = "keep_weekly", KEPT_PERIODS,
                        .help = "Of so many weeks the newest backup of each stays."},
    [OPT_KEEP_MONTHLY] = {ONYXPOOL, .key = "keep_monthly", KEPT_PERIODS,
                         .help = "Of so many months the newest backup of each stays."},
    [OPT_KEEP_YEARLY] = {ONYXPOOL, .key = "keep_yearly", KEPT_PERIODS,
                        .help = "Of so many years the newest backup of each stays."},
    [OPT_KEEP] = {ONYXPOOL, .key = "keep", .kind = OPTION_LIST,
                  .help = "Numbers of single VMs over the global ones: NAME-OR-REGEX:WORD=N;WORD=N "
                          "with the words max_backups, copies, last, daily, weekly, monthly and "
                          "yearly, like DB-.*:daily=7;weekly=4. The first entry that matches a "
                          "VM decides; what it does not name is the global value, and a "
                          "max_backups of the VM's own entry goes before."},
    [OPT_ADOPT_SNAPSHOTS] = {ONYXPOOL, .key = "adopt_snapshots", SWITCH,
                             .help = "Remove snapshots called exactly ONYXBACKUP that OnyxBackupVM "
                                     "left more than a day ago; otherwise they are reported and "
                                     "stay."},
    [OPT_VERIFY_MAX] = {ONYXPOOL, .key = "verify_max", .kind = OPTION_INT, .min = 0,
                        .max = 100000, .fallback = "10",
                        .help = "So many backups that wait to be verified (adopted ones) a run "
                                "reads back behind its own backups; 0 leaves them to onyxpool "
                                "verify."},
    [OPT_EXPIRE_MAX] = {ONYXPOOL, .key = "expire_max", .kind = OPTION_INT, .min = 1, .max = 128,
                        .fallback = "3",
                        .help = "At most so many old files go from one folder in a run."},

    [OPT_ALLOW_ROOT_FS] = {.name = "allow-root-fs", SWITCH, .commands = BIT(INIT_STORE),
                           .help = "Allow a store on the file system of / (backups fill the "
                                   "system's disk)."},
    [OPT_ALL] = {.name = "all", .letter = "a", SWITCH,
                 .commands = BIT(LIST) | BIT(VERIFY),
                 .help = "All backups: list shows expired ones too, verify reads every one that "
                         "stands."},
    [OPT_DRY_RUN] = {.name = "dry-run", .letter = "n", SWITCH, .commands = BIT(PRUNE),
                     .help = "Show what would go, and change nothing."},
    [OPT_EXPLAIN] = {.name = "explain", SWITCH, .commands = BIT(PRUNE),
                     .help = "Show every backup with the rule that keeps or drops it."},
    [OPT_OLDER_THAN] = {.name = "older-than", .kind = OPTION_DURATION, .argument = "TIME",
                        .min = 0, .max = 36500 * (int64_t)DAY_MS, .commands = BIT(VERIFY),
                        .help = "Only backups that were neither written nor verified within this "
                                "time, like 30d."},
    [OPT_FORCE_SHARED] = {.name = "force-shared-folder", SWITCH, .commands = STARTS | BIT(ADOPT),
                          .help = "Go on though OnyxBackupVM has written to the same folders "
                                  "since our last run: it does not run any more, or is known to "
                                  "spare our files."},
    [OPT_HOST] = {.name = "host", .kind = OPTION_TEXT, .argument = "UUID",
                  .commands = BIT(KEYGEN), .help = "Make the key of this host's agent."},
    [OPT_OUT] = {.name = "out", .letter = "o", .kind = OPTION_PATH, .argument = "FILE",
                 .commands = BIT(KEYGEN),
                 .help = "Where the agent's key goes; without it to standard output."},
    [OPT_ROTATE] = {.name = "rotate", .kind = OPTION_DURATION, .argument = "TIME", .min = 0,
                    .max = 90ll * DAY_MS, .commands = BIT(KEYGEN),
                    .help = "Make a new pool key in the place of the one there; agents with keys "
                            "of the former one are heard for so long, such as 7d; 0s: no "
                            "longer (it was stolen)."},
};
