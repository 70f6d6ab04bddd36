/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From argv to struct settings. The line is cut first, because -c and --install-dir decide which
 * files are read, and applied last, because it holds against them.
 */
#include "coordinator/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/wire/message.h"
#include "coordinator/settings_table.h"

#include "common/base/poison.h"

#define LINKS_MAX 16
#define VALUE_COLUMN 23 /* "  %-18s = " */
#define SETTINGS_FILE "onyxbackup.cfg"

static const struct settings_command_facts command_table[COMMAND_N] = {
#define X(name, text, operands, help) [COMMAND_##name] = {text, operands, help},
    SETTINGS_COMMAND_TABLE(X)
#undef X
};

const struct settings_command_facts *settings_command_facts(enum settings_command command)
{
    return &command_table[command];
}

/* "VM" wants one operand, "[VM]" takes one, "" none. */
static int check_operands(enum settings_command command, const struct text_list *operands,
                          struct error *err)
{
    const struct settings_command_facts *facts = &command_table[command];
    size_t max = *facts->operands ? 1 : 0;
    size_t min = max && facts->operands[0] != '[' ? 1 : 0;
    if (operands->n < min)
        return error_set(err, ERROR_USAGE, "%s wants one argument: %s", facts->name,
                         facts->operands);
    if (operands->n > max)
        return error_set(err, ERROR_USAGE, "%s: what is \"%s\"? It takes %s%s", facts->name,
                         operands->items[max], max ? "one argument, " : "options only",
                         max ? facts->operands : "");
    return 0;
}

/* ---- where the program stands ---- */

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_dup(".");
    return slash == path ? mem_dup("/") : mem_dup_n(path, (size_t)(slash - path));
}

/* The called name as a path: as it is when it has a slash, else from PATH. Caller frees. */
static char *find_program(const char *called_as, const char *path)
{
    if (strchr(called_as, '/') || !path)
        return mem_dup(called_as);
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, ":");
        CLEAN_CHAR char *dir = mem_dup_n(at, n);
        char *file = str_format("%s/%s", n ? dir : ".", called_as);
        if (is_file(file) && access(file, X_OK) == 0)
            return file;
        mem_free_char(&file);
        at += n + (at[n] == ':');
    }
    return mem_dup(called_as);
}

static char *absolute(const char *path, const char *work_dir)
{
    if (path[0] == '/')
        return mem_dup(path);
    char here[PATH_MAX];
    if (!work_dir)
        work_dir = getcwd(here, sizeof here) ? here : "/";
    while (str_starts(path, "./"))
        path += 2;
    return str_equal(path, ".") ? mem_dup(work_dir) : str_format("%s/%s", work_dir, path);
}

/* The real folder of a name; bin and sbin stand for the folder above. Caller frees. */
static char *install_folder(const char *name)
{
    CLEAN_CHAR char *folder = folder_of(name);
    char real[PATH_MAX];
    if (!realpath(folder, real))
        return mem_dup(folder);
    if (str_ends(real, "/bin") || str_ends(real, "/sbin")) {
        char *above = folder_of(real);
        return above;
    }
    return mem_dup(real);
}

/*
 * The folder of the called name. Where the name is a link, each name on the way is looked at: the
 * first folder that holds a settings file is it, for people keep those beside a link on the share;
 * with none anywhere it is the folder of the name that was called.
 */
static char *find_install_dir(const struct settings_place *place)
{
    CLEAN_CHAR char *program = find_program(place->called_as, place->path);
    CLEAN_CHAR char *name = absolute(program, place->work_dir);
    char *first = install_folder(name);
    for (int i = 0; i < LINKS_MAX; i++) {
        char *folder = install_folder(name);
        CLEAN_CHAR char *file = str_format("%s/etc/" SETTINGS_FILE, folder);
        if (is_file(file)) {
            mem_free_char(&first);
            return folder;
        }
        mem_free_char(&folder);
        char target[PATH_MAX];
        ssize_t n = readlink(name, target, sizeof target - 1);
        if (n <= 0)
            break;
        target[n] = '\0';
        CLEAN_CHAR char *beside = folder_of(name);
        mem_free_char(&name);
        name = absolute(target, beside);
    }
    return first;
}

/* ---- files ---- */

static int read_one(struct settings *settings, const char *path, bool must_exist,
                    struct error *err)
{
    bool is_found = false;
    if (option_read_file(&settings->options, path, must_exist, &is_found, err) < 0)
        return -1;
    if (is_found)
        text_list_add(&settings->files, path);
    return 0;
}

/* All of them, also behind one with an error: the first error is told. */
static int read_files(struct settings *settings, const struct settings_place *place,
                      const char *config, struct error *err)
{
    CLEAN_CHAR char *installed = str_format("%s/etc/" SETTINGS_FILE, settings->install_dir);
    CLEAN_CHAR char *system = str_format("%s/" SETTINGS_FILE, place->system_dir);
    int bad = read_one(settings, installed, false, err);
    if (!str_equal(installed, system))
        bad |= read_one(settings, system, false, bad ? NULL : err);
    if (place->home && *place->home) {
        CLEAN_CHAR char *own = str_format("%s/" SETTINGS_FILE, place->home);
        bad |= read_one(settings, own, false, bad ? NULL : err);
    }
    if (config)
        bad |= read_one(settings, config, true, bad ? NULL : err);
    return bad;
}

/* ---- the typed value ---- */

static char *place_path(const struct settings *settings, const char *text, const char *work_dir)
{
    size_t n = strlen(SETTINGS_INSTALL_DIR);
    if (strncmp(text, SETTINGS_INSTALL_DIR, n) == 0)
        return str_format("%s%s", settings->install_dir, text + n);
    return absolute(text, work_dir);
}

static int fill_backup_dir(struct settings *settings, const char *work_dir, struct error *err)
{
    CLEAN_CHAR char *text = mem_dup(option_text(&settings->options, OPT_BACKUP_DIR));
    if (!*text)
        return error_set(err, ERROR_SETTINGS,
                         "backup_dir is empty: name the folder that backups go to");
    if (str_equal(settings->share_type, "smb")) {
        for (char *at = text; *at; at++) {
            if (*at == '\\')
                *at = '/';
        }
    }
    settings->backup_dir = place_path(settings, text, work_dir);
    size_t n = strlen(settings->backup_dir);
    while (n > 1 && settings->backup_dir[n - 1] == '/')
        settings->backup_dir[--n] = '\0';
    struct error why = ERROR_INIT;
    if (wire_path_check("backup_dir", settings->backup_dir, &why) < 0)
        return error_set(err, ERROR_SETTINGS,
                         "%s: agents can't be told of it; write out where it is", why.text);
    return 0;
}

static enum job_compress compress_of(const char *word)
{
    return str_equal(word, "gzip")   ? JOB_COMPRESS_GZIP
           : str_equal(word, "zstd") ? JOB_COMPRESS_ZSTD
                                     : JOB_COMPRESS_NONE;
}

static void fill_tuning(struct settings *settings)
{
    const struct option_set *o = &settings->options;
    bool is_small = str_equal(option_text(o, OPT_GZIP_EFFORT), "small");
    bool is_none = str_equal(option_text(o, OPT_FILE_DIGEST), "none");
    settings->tuning = (struct job_tuning){
        .compress_level = (uint32_t)option_number(o, OPT_COMPRESS_LEVEL),
        .compress_threads = (uint32_t)option_number(o, OPT_COMPRESS_THREADS),
        .gzip_effort = is_small ? JOB_GZIP_SMALL : JOB_GZIP_FAST,
        .ring_mib = (uint32_t)option_number(o, OPT_RING_MIB),
        .file_digest = is_none ? JOB_FILE_NO_DIGEST : JOB_FILE_SHA256,
        .max_rate = (uint64_t)option_number(o, OPT_MAX_RATE),
    };
}

static void fill_selection(struct settings *settings)
{
    const struct option_set *o = &settings->options;
    settings->share_type = option_text(o, OPT_SHARE_TYPE);
    settings->space_threshold = option_number(o, OPT_SPACE_THRESHOLD);
    settings->hard_floor = option_number(o, OPT_HARD_FLOOR);
    settings->require_mount = option_flag(o, OPT_REQUIRE_MOUNT);
    settings->max_backups = option_number(o, OPT_MAX_BACKUPS);
    settings->compress = compress_of(option_text(o, OPT_COMPRESS));
    settings->disk_compress = compress_of(option_text(o, OPT_VDI_COMPRESS));
    settings->disk_format = str_equal(option_text(o, OPT_VDI_EXPORT_FORMAT), "vhd") ? JOB_DISK_VHD
                                                                                    : JOB_DISK_RAW;
    const char *source = option_text(o, OPT_RAW_SOURCE);
    settings->ways.raw_source = str_equal(source, "raw")   ? JOB_RAW_RAW
                                : str_equal(source, "vhd") ? JOB_RAW_VHD
                                                           : JOB_RAW_AUTO;
    settings->ways.is_deep = option_flag(o, OPT_DEEP_CHECK);
    settings->ways.keeps_ova = !option_flag(o, OPT_REWRITE_OVA);
    settings->pool_backup = option_flag(o, OPT_POOL_BACKUP);
    settings->host_backup = option_flag(o, OPT_HOST_BACKUP);
    settings->hooks = option_list(o, OPT_HOOKS);
    settings->excludes = option_list(o, OPT_EXCLUDES);
    settings->vdi_exports = option_list(o, OPT_VDI_EXPORTS);
    settings->vm_exports = option_list(o, OPT_VM_EXPORTS);
    settings->prefer_vdi = str_equal(option_text(o, OPT_OVERLAP), "prefer_vdi");
    settings->is_strict = option_flag(o, OPT_STRICT);
}

static void fill_mail(struct settings *settings, const char *work_dir)
{
    const struct option_set *o = &settings->options;
    settings->smtp_enabled = option_flag(o, OPT_SMTP_ENABLED);
    settings->smtp_auth = option_flag(o, OPT_SMTP_AUTH);
    settings->smtp_user = option_text(o, OPT_SMTP_USER);
    settings->smtp_pass = option_text(o, OPT_SMTP_PASS);
    settings->smtp_starttls = option_flag(o, OPT_SMTP_STARTTLS);
    settings->smtp_file = place_path(settings, option_text(o, OPT_SMTP_FILE), work_dir);
    settings->smtp_server = option_text(o, OPT_SMTP_SERVER);
    settings->smtp_port = option_number(o, OPT_SMTP_PORT);
    settings->smtp_hostname = option_text(o, OPT_SMTP_HOSTNAME);
    settings->smtp_timeout_ms = option_number(o, OPT_SMTP_TIMEOUT);
    settings->smtp_subject = option_text(o, OPT_SMTP_SUBJECT);
    settings->smtp_from = option_text(o, OPT_SMTP_FROM);
    settings->smtp_to = option_list(o, OPT_SMTP_TO);
    settings->smtp_cert = option_text(o, OPT_SMTP_CERT);
}

static void fill_run(struct settings *settings)
{
    const struct option_set *o = &settings->options;
    settings->attempts = option_number(o, OPT_ATTEMPTS);
    settings->muster_ms = option_number(o, OPT_MUSTER);
    settings->lease_wait_ms = option_number(o, OPT_LEASE_WAIT);
    settings->lease_renew_ms = option_number(o, OPT_LEASE_RENEW);
    settings->lost_ms = option_number(o, OPT_LOST);
    settings->pool_lost_ms = option_number(o, OPT_POOL_LOST);
    settings->run_max_ms = option_number(o, OPT_RUN_MAX);
    settings->continue_ms = option_number(o, OPT_CONTINUE);
    settings->backoff_ms = option_number(o, OPT_BACKOFF);
    settings->idle_timeout_ms = option_number(o, OPT_IDLE);
    settings->host_jobs = option_number(o, OPT_HOST_JOBS);
    settings->sr_jobs = option_number(o, OPT_SR_JOBS);
    settings->store_jobs = option_number(o, OPT_STORE_JOBS);
    settings->pool_jobs = option_number(o, OPT_POOL_JOBS);
    settings->host_rate = (uint64_t)option_number(o, OPT_HOST_RATE);
    settings->pool_rate = (uint64_t)option_number(o, OPT_POOL_RATE);
    settings->keep_copies = option_number(o, OPT_KEEP_COPIES);
    settings->keep_last = option_number(o, OPT_KEEP_LAST);
    settings->keep_daily = option_number(o, OPT_KEEP_DAILY);
    settings->keep_weekly = option_number(o, OPT_KEEP_WEEKLY);
    settings->keep_monthly = option_number(o, OPT_KEEP_MONTHLY);
    settings->keep_yearly = option_number(o, OPT_KEEP_YEARLY);
    settings->expire_max = option_number(o, OPT_EXPIRE_MAX);
    settings->adopt_snapshots = option_flag(o, OPT_ADOPT_SNAPSHOTS);
    settings->verify_max = option_number(o, OPT_VERIFY_MAX);
    settings->older_than_ms =
        option_text(o, OPT_OLDER_THAN) ? option_number(o, OPT_OLDER_THAN) : -1;
}

/* Entries that can't be read are known before anything is begun. */
static int fill_keep(struct settings *settings, struct error *err)
{
    if (keep_list_parse(option_list(&settings->options, OPT_KEEP), &settings->keep, err) == 0)
        return 0;
    return error_add(err, "%s", settings->options.values[OPT_KEEP].source);
}

static int fill(struct settings *settings, const char *work_dir, struct error *err)
{
    const struct option_set *o = &settings->options;
    settings->xapi = option_text(o, OPT_XAPI);
    settings->xapi_user = option_text(o, OPT_XAPI_USER);
    settings->xapi_password_file = option_text(o, OPT_XAPI_PASSWORD_FILE);
    settings->xapi_cert = option_text(o, OPT_XAPI_CERT);
    settings->xapi_tls_port = option_number(o, OPT_XAPI_TLS_PORT);
    settings->xapi_insecure = option_flag(o, OPT_XAPI_INSECURE);
    settings->key = option_text(o, OPT_KEY);
    settings->listen = option_text(o, OPT_LISTEN);
    settings->zone = option_text(o, OPT_ZONE);
    settings->allow_root_fs = option_flag(o, OPT_ALLOW_ROOT_FS);
    settings->is_json = option_flag(o, OPT_JSON);
    settings->is_new = option_flag(o, OPT_NEW);
    settings->is_preview = option_flag(o, OPT_PREVIEW);
    settings->is_example = option_flag(o, OPT_EXAMPLE);
    settings->with_all = option_flag(o, OPT_ALL);
    settings->is_dry_run = option_flag(o, OPT_DRY_RUN);
    settings->is_explained = option_flag(o, OPT_EXPLAIN);
    settings->is_share_forced = option_flag(o, OPT_FORCE_SHARED);
    settings->host_uuid = option_text(o, OPT_HOST);
    settings->is_rotating = option_text(o, OPT_ROTATE) != NULL;
    settings->rotate_ms = option_number(o, OPT_ROTATE);
    settings->out = option_text(o, OPT_OUT);
    if (!log_level_from_name(option_text(o, OPT_LOG_LEVEL), &settings->log_level))
        return error_set(err, ERROR_INTERNAL, "log level without a meaning");
    if (option_text(o, OPT_CATALOG))
        settings->catalog = absolute(option_text(o, OPT_CATALOG), work_dir);
    const char *level_from = o->values[OPT_LOG_LEVEL].source;
    settings->has_log_level = level_from && !str_equal(level_from, "default");
    fill_selection(settings);
    fill_tuning(settings);
    fill_mail(settings, work_dir);
    fill_run(settings);
    if (fill_keep(settings, err) < 0)
        return -1;
    return fill_backup_dir(settings, work_dir, err);
}

void settings_done(struct settings *settings)
{
    option_set_done(&settings->options);
    keep_list_done(&settings->keep);
    text_list_done(&settings->operands);
    text_list_done(&settings->files);
    mem_free_char(&settings->install_dir);
    mem_free_char(&settings->backup_dir);
    mem_free_char(&settings->catalog);
    mem_free_char(&settings->smtp_file);
    *settings = (struct settings){0};
}

int settings_read(enum settings_command command, const struct settings_place *place, size_t argc,
                  const char *const *argv, struct settings *ret_settings, bool *ret_wants_help,
                  bool *ret_wants_version, struct error *err)
{
    CLEAN_OPTION_LINE struct option_line line = {0};
    if (option_parse_line(settings_table, OPT_N, 1u << command, argc, argv, &line, err) < 0)
        return -1;
    *ret_wants_help = option_line_find(&line, OPT_HELP) != NULL;
    *ret_wants_version = option_line_find(&line, OPT_VERSION) != NULL;
    if (*ret_wants_help || *ret_wants_version)
        return 0;
    if (check_operands(command, &line.operands, err) < 0)
        return -1;
    const char *install_dir = option_line_find(&line, OPT_INSTALL_DIR);
    ret_settings->install_dir = install_dir ? absolute(install_dir, place->work_dir)
                                            : find_install_dir(place);
    option_set_init(&ret_settings->options, settings_table, OPT_N);
    text_list_copy(&ret_settings->operands, &line.operands);
    if (read_files(ret_settings, place, option_line_find(&line, OPT_CONFIG), err) < 0 ||
        option_apply_line(&ret_settings->options, &line, err) < 0) {
        ret_settings->is_preview = option_line_find(&line, OPT_PREVIEW) != NULL;
        fill_mail(ret_settings, place->work_dir);
        return -1;
    }
    return fill(ret_settings, place->work_dir, err);
}

/* ---- for people ---- */

const char *settings_source(const struct settings *settings, const char *key)
{
    for (size_t i = 0; i < OPT_N; i++)
        if (settings_table[i].kind != OPTION_RESET && str_equal(settings_table[i].key, key))
            return settings->options.values[i].source;
    return NULL;
}

/* Commands that only read the catalog take where the pool is for the sake of one line of options
 * for all; what is their own comes first. */
static bool is_reading(enum settings_command command)
{
    return command == COMMAND_STATUS || command == COMMAND_LIST || command == COMMAND_SHOW ||
           command == COMMAND_REPORT || command == COMMAND_AGENTS;
}

/* The options that every command takes, or the others; the catalog is read by these. */
static void pick_options(bool wants_common, struct option ret_table[OPT_N])
{
    const uint32_t every = (1u << COMMAND_N) - 1u;
    for (size_t i = 0; i < OPT_N; i++) {
        ret_table[i] = settings_table[i];
        bool is_common = settings_table[i].commands == every && i != OPT_CATALOG;
        if (is_common != wants_common)
            ret_table[i].commands = 0;
    }
}

static void format_reading_options(enum settings_command command, struct str *out)
{
    struct option table[OPT_N];
    pick_options(false, table);
    option_format_help(table, OPT_N, 1u << command, out);
    str_add(out, "\nthe same for every command:\n");
    pick_options(true, table);
    option_format_help(table, OPT_N, 1u << command, out);
}

void settings_format_help(enum settings_command command, const char *program, struct str *out)
{
    const struct settings_command_facts *facts = &command_table[command];
    CLEAN_STR struct str head = STR_INIT;
    str_add_format(&head, "usage: %s ", program);
    str_add(out, str_text(&head));
    option_format_usage(settings_table, OPT_N, 1u << command, head.len, out);
    if (*facts->operands) {
        for (size_t i = 0; i < head.len; i++)
            str_add_char(out, ' ');
        str_add_format(out, "%s\n", facts->operands);
    }
    str_add_char(out, '\n');
    option_wrap(facts->help, 0, 0, out);
    str_add(out, "\noptions:\n");
    if (is_reading(command))
        format_reading_options(command, out);
    else
        option_format_help(settings_table, OPT_N, 1u << command, out);
    str_add(out, "\n");
    option_wrap("Exit status: 0 done, 1 something failed, 2 usage or settings, 3 pool unreachable "
                "or refused, 4 busy, 5 store missing, foreign or full, 6 interrupted, 7 internal.",
                0, 0, out);
}

void settings_format_example(struct str *out)
{
    str_add(out, "# Settings of onyxpool " VERSION_TEXT ". Every key is here with its default.\n"
                 "# Read in this order, the last one that names a key holds:\n"
                 "# <install dir>/etc/onyxbackup.cfg, /etc/onyxbackup.cfg, ~/onyxbackup.cfg,\n"
                 "# then -c FILE. The sections [xenserver] and [smtp] are those of OnyxBackupVM.\n"
                 "\n");
    option_format_example(settings_table, OPT_N, out);
}

void settings_format_values(const struct settings *settings, const char *section, struct str *out)
{
    for (size_t i = 0; i < OPT_N; i++) {
        const struct option *option = &settings_table[i];
        if (!str_equal(option->section, section) || option->kind == OPTION_RESET)
            continue;
        CLEAN_CHAR char *shown = option_show(&settings->options, i);
        CLEAN_CHAR char *placed = str_starts(shown, SETTINGS_INSTALL_DIR)
                                      ? place_path(settings, shown, NULL)
                                      : mem_dup(shown);
        const char *source = settings->options.values[i].source;
        CLEAN_STR struct str line = STR_INIT;
        str_add(&line, placed);
        if (source && !str_equal(source, "default"))
            str_add_format(&line, "%s(%s)", *placed ? " " : "", source);
        str_add_format(out, "  %-18s = ", option->key);
        option_wrap(str_text(&line), VALUE_COLUMN, VALUE_COLUMN, out);
    }
}
