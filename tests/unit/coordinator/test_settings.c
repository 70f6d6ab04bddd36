/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settings: which files are read in which order, every line of the manual, the install dir, and
 * the shipped example file against the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/settings.h"

#define EXAMPLE_MAX (1u << 20)

struct fixture {
    char *dir;
    char *called_as, *home, *system_dir;
    struct settings settings;
    struct error err;
    bool wants_help, wants_version;
};

static void make_folder(const char *dir, const char *name)
{
    CLEAN_CHAR char *path = str_format("%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    CLEAN_CHAR char *path = str_format("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    char template[] = "/tmp/onyx-settings-XXXXXX";
    struct fixture *f = calloc(1, sizeof *f);
    if (!f || !mkdtemp(template))
        return -1;
    f->dir = realpath(template, NULL);
    make_folder(f->dir, "share");
    make_folder(f->dir, "share/etc");
    make_folder(f->dir, "home");
    make_folder(f->dir, "system");
    make_folder(f->dir, "opt");
    make_folder(f->dir, "opt/bin");
    write_file(f->dir, "opt/bin/onyxpool", "");
    f->called_as = str_format("%s/share/onyxbackup-vm.py", f->dir);
    f->home = str_format("%s/home", f->dir);
    f->system_dir = str_format("%s/system", f->dir);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    settings_done(&f->settings);
    nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f->dir);
    mem_free_char(&f->called_as);
    mem_free_char(&f->home);
    mem_free_char(&f->system_dir);
    free(f);
    return 0;
}

static int read_as(struct fixture *f, enum settings_command command, const char *const *argv)
{
    const struct settings_place place = {.called_as = f->called_as,
                                         .path = "",
                                         .home = f->home,
                                         .system_dir = f->system_dir,
                                         .work_dir = f->dir};
    size_t n = 0;
    while (argv[n])
        n++;
    settings_done(&f->settings);
    f->err = (struct error)ERROR_INIT;
    return settings_read(command, &place, n, argv, &f->settings, &f->wants_help,
                         &f->wants_version, &f->err);
}

static void read_run(struct fixture *f, const char *const *argv)
{
    if (read_as(f, COMMAND_RUN, argv) < 0)
        fail_msg("%s", f->err.text);
}

static const char *const nothing[] = {NULL};

static void check_list(const struct text_list *list, const char *want)
{
    CLEAN_STR struct str got = STR_INIT;
    for (size_t i = 0; i < list->n; i++)
        str_add_format(&got, "%s%s", i ? "|" : "", list->items[i]);
    assert_string_equal(str_text(&got), want);
}

static void nothing_when_given_then_the_manuals_defaults(void **state)
{
    struct fixture *f = *state;
    read_run(f, nothing);
    const struct settings *s = &f->settings;
    CLEAN_CHAR char *exports = str_format("%s/share/exports", f->dir);
    assert_string_equal(s->backup_dir, exports);
    assert_string_equal(s->share_type, "nfs");
    assert_int_equal(s->space_threshold, 20);
    assert_int_equal(s->max_backups, 4);
    assert_int_equal(s->compress, JOB_COMPRESS_NONE);
    assert_int_equal(s->disk_compress, JOB_COMPRESS_NONE);
    assert_int_equal(s->disk_format, JOB_DISK_RAW);
    assert_int_equal(s->tuning.compress_level, 0);
    assert_int_equal(s->tuning.compress_threads, 0);
    assert_int_equal(s->tuning.gzip_effort, JOB_GZIP_FAST);
    assert_int_equal(s->tuning.ring_mib, 64);
    assert_int_equal(s->tuning.file_digest, JOB_FILE_SHA256);
    assert_false(s->pool_backup);
    assert_false(s->host_backup);
    assert_int_equal(s->excludes->n + s->vdi_exports->n + s->vm_exports->n, 0);
    assert_int_equal(s->muster_ms, 15000);
    assert_int_equal(s->attempts, 3);
    assert_int_equal(s->host_jobs, 2);
    assert_int_equal(s->log_level, LOG_LEVEL_INFO);
    assert_int_equal(s->files.n, 0);
}

static void files_when_several_then_the_last_one_holds_key_by_key(void **state)
{
    struct fixture *f = *state;
    write_file(f->dir, "share/etc/onyxbackup.cfg",
               "[xenserver]\nmax_backups = 1\nspace_threshold = 1\npool_backup = yes\n"
               "vm_exports = a,b\nvdi_export_format = vhd\n");
    write_file(f->dir, "system/onyxbackup.cfg",
               "[xenserver]\nmax_backups = 2\nspace_threshold = 2\nvm_exports = c\n");
    write_file(f->dir, "home/onyxbackup.cfg", "[xenserver]\nmax_backups = 3\n");
    write_file(f->dir, "x.cfg", "[xenserver]\nhost_backup = on\n");
    CLEAN_CHAR char *config = str_format("%s/x.cfg", f->dir);
    const char *const argv[] = {"-c", config, "-e", "d", NULL};
    read_run(f, argv);
    assert_int_equal(f->settings.files.n, 4);
    assert_int_equal(f->settings.max_backups, 3);
    assert_int_equal(f->settings.space_threshold, 2);
    assert_true(f->settings.pool_backup);
    assert_true(f->settings.host_backup);
    assert_int_equal(f->settings.disk_format, JOB_DISK_VHD);
    check_list(f->settings.vm_exports, "c|d");
}

static void config_when_it_is_not_there_then_an_error(void **state)
{
    struct fixture *f = *state;
    const char *const argv[] = {"--config=/nowhere/x.cfg", NULL};
    assert_int_equal(read_as(f, COMMAND_RUN, argv), -1);
    assert_int_equal(f->err.code, ERROR_SETTINGS);
    assert_non_null(strstr(f->err.text, "/nowhere/x.cfg"));
}

/* Every example line of the manual: what each list and switch becomes. */
static const struct {
    const char *argv[24];
    const char *vm, *vdi, *excludes;
    bool pool, host;
} manual[] = {
    {{NULL}, "", "", "", false, false},
    {{"-e", "DEV-MYSQL"}, "DEV-MYSQL", "", "", false, false},
    {{"-e", "DEV MYSQL"}, "DEV MYSQL", "", "", false, false},
    {{"-e", "DEV-MY.*"}, "DEV-MY.*", "", "", false, false},
    {{"-e", "DEV-MYSQL:2"}, "DEV-MYSQL:2", "", "", false, false},
    {{"-E", "DEV-MYSQL"}, "", "DEV-MYSQL", "", false, false},
    {{"-E", "DEV-MYSQL:-1:xvdb"}, "", "DEV-MYSQL:-1:xvdb", "", false, false},
    {{"-E", "DEV-MYSQL:7:xvda;xvdb"}, "", "DEV-MYSQL:7:xvda;xvdb", "", false, false},
    {{"-e", "PRD-.*", "-e", "MYSQL123", "-E", "APPSERVER01:8:xvda;xvdc", "-e", "DEV-.*", "-x",
      "DEV-SHORTtest", "-p", "-H"},
     "PRD-.*|MYSQL123|DEV-.*",
     "APPSERVER01:8:xvda;xvdc",
     "DEV-SHORTtest",
     true,
     true},
    {{"-l", "warning"}, "", "", "", false, false},
    {{"-x", ".*", "-p", "-H"}, "", "", ".*", true, true},
    {{"--vm-export", "a", "--vdi-export=b", "--exclude", "c", "--pool-backup", "--host-backup",
      "--log-level", "debug", "--compress", "--format", "vhd"},
     "a",
     "b",
     "c",
     true,
     true},
};

static void line_when_from_the_manual_then_understood(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof manual / sizeof *manual; i++) {
        read_run(f, manual[i].argv);
        check_list(f->settings.vm_exports, manual[i].vm);
        check_list(f->settings.vdi_exports, manual[i].vdi);
        check_list(f->settings.excludes, manual[i].excludes);
        assert_int_equal(f->settings.pool_backup, manual[i].pool);
        assert_int_equal(f->settings.host_backup, manual[i].host);
    }
    assert_int_equal(f->settings.compress, JOB_COMPRESS_GZIP);
    assert_int_equal(f->settings.disk_format, JOB_DISK_VHD);
    assert_int_equal(f->settings.log_level, LOG_LEVEL_DEBUG);
}

static void compress_when_said_in_any_way_then_understood(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum job_compress want;
    } words[] = {
        {"True", JOB_COMPRESS_GZIP}, {"False", JOB_COMPRESS_NONE}, {"yes", JOB_COMPRESS_GZIP},
        {"off", JOB_COMPRESS_NONE},  {"1", JOB_COMPRESS_GZIP},     {"0", JOB_COMPRESS_NONE},
        {"none", JOB_COMPRESS_NONE}, {"gzip", JOB_COMPRESS_GZIP},  {"zstd", JOB_COMPRESS_ZSTD},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        CLEAN_CHAR char *text = str_format("[xenserver]\ncompress = %s\n", words[i].text);
        write_file(f->dir, "home/onyxbackup.cfg", text);
        read_run(f, nothing);
        assert_int_equal(f->settings.compress, words[i].want);
    }
}

static void stream_when_tuned_then_the_worker_is_told_so(void **state)
{
    struct fixture *f = *state;
    write_file(f->dir, "home/onyxbackup.cfg",
               "[onyxpool]\nvdi_compress = zstd\ncompress_level = 3\ncompress_threads = 2\n"
               "gzip_effort = small\nring_mib = 8\nfile_digest = none\nmax_rate = 100M\n"
               "host_rate = 1G\npool_rate = 2000000\n");
    read_run(f, nothing);
    const struct settings *s = &f->settings;
    assert_int_equal(s->disk_compress, JOB_COMPRESS_ZSTD);
    assert_int_equal(s->tuning.compress_level, 3);
    assert_int_equal(s->tuning.compress_threads, 2);
    assert_int_equal(s->tuning.gzip_effort, JOB_GZIP_SMALL);
    assert_int_equal(s->tuning.ring_mib, 8);
    assert_int_equal(s->tuning.file_digest, JOB_FILE_NO_DIGEST);
    assert_int_equal(s->tuning.max_rate, 100 << 20);
    assert_int_equal(s->host_rate, 1 << 30);
    assert_int_equal(s->pool_rate, 2000000);
    write_file(f->dir, "home/onyxbackup.cfg", "[onyxpool]\nmax_rate = 100K\n");
    assert_int_equal(read_as(f, COMMAND_RUN, nothing), -1);
    assert_non_null(strstr(f->err.text, "neither 0 nor between 256K and 1024T"));
    error_clear(&f->err);
    write_file(f->dir, "home/onyxbackup.cfg", "[onyxpool]\nring_mib = 7\n");
    assert_int_equal(read_as(f, COMMAND_RUN, nothing), -1);
    assert_non_null(strstr(f->err.text, "ring_mib"));
}

static void backup_dir_when_smb_then_backslashes_are_slashes(void **state)
{
    struct fixture *f = *state;
    write_file(f->dir, "home/onyxbackup.cfg",
               "[xenserver]\nshare_type = smb\nbackup_dir = \\mnt\\backup\\\n");
    read_run(f, nothing);
    assert_string_equal(f->settings.backup_dir, "/mnt/backup");
    write_file(f->dir, "home/onyxbackup.cfg", "[xenserver]\nbackup_dir = /mnt/a\\b//\n");
    read_run(f, nothing);
    assert_string_equal(f->settings.backup_dir, "/mnt/a\\b");
}

static void path_when_relative_then_from_the_work_folder(void **state)
{
    struct fixture *f = *state;
    const char *const argv[] = {"-d", "./exports", "--catalog", "c.db", NULL};
    read_run(f, argv);
    CLEAN_CHAR char *dir = str_format("%s/exports", f->dir);
    CLEAN_CHAR char *catalog = str_format("%s/c.db", f->dir);
    assert_string_equal(f->settings.backup_dir, dir);
    assert_string_equal(f->settings.catalog, catalog);
}

static void name_when_a_link_then_the_folder_with_the_settings(void **state)
{
    struct fixture *f = *state;
    CLEAN_CHAR char *share = str_format("%s/share", f->dir);
    CLEAN_CHAR char *program = str_format("%s/opt/bin/onyxpool", f->dir);
    CLEAN_CHAR char *link = str_format("%s/home/onyxbackup-vm", f->dir);
    assert_int_equal(symlink(program, f->called_as), 0);
    assert_int_equal(symlink(f->called_as, link), 0);
    read_run(f, nothing);
    assert_string_equal(f->settings.install_dir, share); /* of the name that was called */
    write_file(f->dir, "share/etc/onyxbackup.cfg", "[xenserver]\nmax_backups = 9\n");
    mem_set(&f->called_as, link);
    read_run(f, nothing);
    assert_string_equal(f->settings.install_dir, share); /* on the way, it has settings */
    assert_int_equal(f->settings.max_backups, 9);
}

static void name_when_in_bin_then_the_folder_above(void **state)
{
    struct fixture *f = *state;
    CLEAN_CHAR char *opt = str_format("%s/opt", f->dir);
    CLEAN_CHAR char *program = str_format("%s/opt/bin/onyxpool", f->dir);
    mem_set(&f->called_as, program);
    read_run(f, nothing);
    assert_string_equal(f->settings.install_dir, opt);
    const char *const argv[] = {"--install-dir", "/srv/x", NULL};
    read_run(f, argv);
    assert_string_equal(f->settings.install_dir, "/srv/x");
    assert_string_equal(f->settings.backup_dir, "/srv/x/exports");
}

static void value_when_bad_then_file_line_key_and_range(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "share_type = ftp",   "space_threshold = 0",      "space_threshold = x", "max_backups = 0",
        "compress = perhaps", "vdi_export_format = qcow2", "pool_backup = maybe", "backup_dir =",
        "backup_dir = /mnt/caf\xe9", "backup_dir = /mnt/a/../b",
        "backup_dir = /mnt/..",  "backup_dir = /mnt/a\tb",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_CHAR char *text = str_format("[xenserver]\n%s\n", bad[i]);
        CLEAN_CHAR char *key = mem_dup_n(bad[i], strcspn(bad[i], " "));
        write_file(f->dir, "home/onyxbackup.cfg", text);
        assert_int_equal(read_as(f, COMMAND_RUN, nothing), -1);
        assert_int_equal(f->err.code, ERROR_SETTINGS);
        if (!strstr(f->err.text, key))
            fail_msg("%s: %s", bad[i], f->err.text);
    }
}

static void operands_when_wrong_then_a_usage_error(void **state)
{
    struct fixture *f = *state;
    static const char *const one[] = {"web1", NULL}, *const two[] = {"a", "b", NULL};
    assert_int_equal(read_as(f, COMMAND_RUN, one), -1);
    assert_int_equal(f->err.code, ERROR_USAGE);
    assert_int_equal(read_as(f, COMMAND_SHOW, nothing), -1);
    assert_non_null(strstr(f->err.text, "BACKUP"));
    assert_int_equal(read_as(f, COMMAND_LIST, two), -1);
    assert_int_equal(read_as(f, COMMAND_LIST, one), 0);
    assert_int_equal(f->settings.operands.n, 1);
}

static void help_when_asked_then_nothing_else_matters(void **state)
{
    struct fixture *f = *state;
    write_file(f->dir, "home/onyxbackup.cfg", "no settings at all\n");
    for (int i = 0; i < COMMAND_N; i++) {
        static const char *const help[] = {"-h", NULL}, *const version[] = {"--version", NULL};
        CLEAN_STR struct str text = STR_INIT;
        assert_int_equal(read_as(f, (enum settings_command)i, help), 0);
        assert_true(f->wants_help);
        assert_int_equal(read_as(f, (enum settings_command)i, version), 0);
        assert_true(f->wants_version);
        settings_format_help((enum settings_command)i, "onyxpool", &text);
        for (const char *at = str_text(&text); *at;) {
            size_t n = strcspn(at, "\n");
            if (n > 80)
                fail_msg("%zu columns: %.*s", n, (int)n, at);
            at += n + (at[n] == '\n');
        }
    }
}

static void example_when_compared_then_as_shipped(void **state)
{
    (void)state;
    CLEAN_STR struct str want = STR_INIT, got = STR_INIT;
    struct error err = ERROR_INIT;
    settings_format_example(&want);
    if (fd_read_file(TEST_SOURCE_ROOT "/etc/onyxbackup.example", EXAMPLE_MAX, &got, &err) < 0)
        fail_msg("%s", err.text);
    if (strcmp(str_text(&got), str_text(&want)) != 0)
        fail_msg("etc/onyxbackup.example is not what `onyxpool preview --example` prints");
}

static void smtp_when_nothing_is_given_then_the_old_defaults(void **state)
{
    struct fixture *f = *state;
    read_run(f, nothing);
    assert_false(f->settings.smtp_enabled || f->settings.smtp_auth || f->settings.smtp_starttls);
    assert_string_equal(f->settings.smtp_server, "localhost");
    assert_int_equal(f->settings.smtp_port, 25);
    assert_string_equal(f->settings.smtp_hostname, "xenserver");
    assert_int_equal(f->settings.smtp_timeout_ms, 15000);
    assert_string_equal(f->settings.smtp_subject, "OnyxBackupVM Backup Report");
    assert_string_equal(f->settings.smtp_from, "xenserver@localhost");
    assert_int_equal(f->settings.smtp_to->n, 0);
    assert_null(f->settings.smtp_cert);
    CLEAN_CHAR char *file = str_format("%s/share/logs/backup.rpt", f->dir);
    assert_string_equal(f->settings.smtp_file, file);
    assert_false(f->settings.has_log_level);
    read_run(f, (const char *const[]){"-l", "warning", NULL});
    assert_true(f->settings.has_log_level);
}

static void smtp_when_the_old_keys_are_given_then_known(void **state)
{
    struct fixture *f = *state;
    write_file(f->dir, "home/onyxbackup.cfg",
               "[smtp]\nsmtp_enabled = True\nsmtp_auth = True\nsmtp_user = u\nsmtp_pass = p%s\n"
               "smtp_starttls = True\nsmtp_file = /x.rpt\nsmtp_server = m\nsmtp_port = 587\n"
               "smtp_hostname = h\nsmtp_timeout = 30\nsmtp_subject = S\nsmtp_from = a@b\n"
               "smtp_to = c@d, e@f\n[xenserver]\nmax_backup = 3\n");
    CLEAN_CHAR char *path = str_format("%s/home/onyxbackup.cfg", f->dir);
    assert_int_equal(chmod(path, 0600), 0); /* else it is told that others may read it */
    read_run(f, nothing);
    assert_true(f->settings.smtp_enabled);
    assert_true(f->settings.smtp_auth && f->settings.smtp_starttls);
    assert_string_equal(f->settings.smtp_pass, "p%s");
    assert_string_equal(f->settings.smtp_file, "/x.rpt");
    assert_int_equal(f->settings.smtp_port, 587);
    assert_int_equal(f->settings.smtp_timeout_ms, 30000);
    check_list(f->settings.smtp_to, "c@d|e@f");
    assert_int_equal(f->settings.options.warnings.n, 1);
    assert_non_null(strstr(f->settings.options.warnings.items[0], "\"max_backups\""));
    CLEAN_STR struct str shown = STR_INIT;
    settings_format_values(&f->settings, "smtp", &shown);
    assert_null(strstr(str_text(&shown), "p%s"));
    assert_non_null(strstr(str_text(&shown), "c@d, e@f"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(nothing_when_given_then_the_manuals_defaults),
        CASE(files_when_several_then_the_last_one_holds_key_by_key),
        CASE(config_when_it_is_not_there_then_an_error),
        CASE(line_when_from_the_manual_then_understood),
        CASE(compress_when_said_in_any_way_then_understood),
        CASE(stream_when_tuned_then_the_worker_is_told_so),
        CASE(backup_dir_when_smb_then_backslashes_are_slashes),
        CASE(path_when_relative_then_from_the_work_folder),
        CASE(name_when_a_link_then_the_folder_with_the_settings),
        CASE(name_when_in_bin_then_the_folder_above),
        CASE(value_when_bad_then_file_line_key_and_range),
        CASE(operands_when_wrong_then_a_usage_error),
        CASE(help_when_asked_then_nothing_else_matters),
        CASE(example_when_compared_then_as_shipped),
        CASE(smtp_when_nothing_is_given_then_the_old_defaults),
        CASE(smtp_when_the_old_keys_are_given_then_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
