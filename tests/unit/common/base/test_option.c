/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Options: one small table against files, command lines and what is printed of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/option.h"
#include "common/base/str.h"

enum { A, DIR, N, TIME, MODE, PACK, NAMES_RESET, NAMES, SECRET, ONLY_FILE, OTHER_COMMAND, OPTIONS_N };

static const struct option table[OPTIONS_N] = {
    [A] = {.name = "all", .letter = "a", .section = "s", .key = "all", .kind = OPTION_BOOL,
           .given = "True", .fallback = "False", .commands = 1, .help = "Everything."},
    [DIR] = {.name = "dir", .letter = "d", .section = "s", .key = "dir", .kind = OPTION_PATH,
             .argument = "PATH", .commands = 1, .help = "A folder."},
    [N] = {.name = "number", .letter = "n", .section = "s", .key = "number", .kind = OPTION_INT,
           .argument = "N", .min = 1, .max = 9, .fallback = "4", .commands = 1, .help = "How many."},
    [TIME] = {.name = "time", .section = "s", .key = "time", .kind = OPTION_DURATION,
              .argument = "TIME", .min = 1000, .max = 3600000, .fallback = "15", .commands = 1,
              .help = "How long."},
    [MODE] = {.name = "mode", .letter = "F", .section = "s", .key = "mode", .kind = OPTION_CHOICE,
              .argument = "MODE", .choices = "raw|vhd", .fallback = "raw", .commands = 1,
              .help = "Which."},
    [PACK] = {.name = "pack", .letter = "C", .section = "s", .key = "pack", .kind = OPTION_CHOICE,
              .choices = "none|gzip|zstd", .given = "gzip", .fallback = "False", .commands = 1,
              .help = "Pack."},
    [NAMES_RESET] = {.name = "new-names", .letter = "on", .section = "s", .key = "names",
                     .kind = OPTION_RESET, .given = "", .commands = 1, .help = "Anew."},
    [NAMES] = {.name = "name", .letter = "e", .section = "s", .key = "names", .kind = OPTION_LIST,
               .argument = "STRING", .commands = 1, .help = "Names."},
    [SECRET] = {.section = "t", .key = "pass", .kind = OPTION_TEXT, .fallback = "",
                .is_secret = true, .help = "A secret."},
    [ONLY_FILE] = {.section = "t", .key = "server", .kind = OPTION_TEXT, .fallback = "localhost",
                   .help = "A server."},
    [OTHER_COMMAND] = {.name = "other", .kind = OPTION_BOOL, .given = "True", .fallback = "False",
                       .commands = 2, .help = "Of another command."},
};

struct fixture {
    struct option_set set;
    char path[64];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    snprintf(f->path, sizeof f->path, "/tmp/onyx-option-XXXXXX");
    int fd = mkstemp(f->path);
    if (fd < 0)
        return -1;
    close(fd);
    option_set_init(&f->set, table, OPTIONS_N);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    option_set_done(&f->set);
    unlink(f->path);
    free(f);
    return 0;
}

static int read_text(struct fixture *f, const char *text, struct error *err)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    bool is_found = false;
    int bad = option_read_file(&f->set, f->path, true, &is_found, err);
    if (!bad)
        assert_true(is_found);
    return bad;
}

static int parse(const char *const *argv, struct option_line *line, struct error *err)
{
    size_t n = 0;
    while (argv[n])
        n++;
    return option_parse_line(table, OPTIONS_N, 1, n, argv, line, err);
}

static int apply(struct fixture *f, const char *const *argv, struct error *err)
{
    CLEAN_OPTION_LINE struct option_line line = {0};
    if (parse(argv, &line, err) < 0)
        return -1;
    return option_apply_line(&f->set, &line, err);
}

static void check_names(struct fixture *f, const char *want)
{
    CLEAN_CHAR char *shown = option_show(&f->set, NAMES);
    assert_string_equal(shown, want);
}

static void set_when_new_then_defaults(void **state)
{
    struct fixture *f = *state;
    assert_false(option_flag(&f->set, A));
    assert_null(option_text(&f->set, DIR));
    assert_int_equal(option_number(&f->set, N), 4);
    assert_int_equal(option_number(&f->set, TIME), 15000);
    assert_string_equal(option_text(&f->set, PACK), "none");
    assert_int_equal(option_list(&f->set, NAMES)->n, 0);
    assert_string_equal(f->set.values[N].source, "default");
}

static void file_when_read_then_values_and_sources(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(read_text(f, "[s]\nall = Yes\nnumber = 7\ntime = 2m\nmode = VHD\npack = True\n"
                                  "names = a, b{1,2} ,c\ndir = %h/x\n", &err), 0);
    assert_true(option_flag(&f->set, A));
    assert_int_equal(option_number(&f->set, N), 7);
    assert_int_equal(option_number(&f->set, TIME), 120000);
    assert_string_equal(option_text(&f->set, MODE), "vhd");
    assert_string_equal(option_text(&f->set, PACK), "gzip");
    assert_string_equal(option_text(&f->set, DIR), "%h/x");
    check_names(f, "a, b{1,2}, c");
    assert_non_null(strstr(f->set.values[N].source, " line 3"));
    assert_int_equal(f->set.warnings.n, 0);
}

static void file_when_a_second_one_is_read_then_it_holds_key_by_key(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(read_text(f, "[s]\nnames = a,b\nnumber = 7\n", &err), 0);
    assert_int_equal(read_text(f, "[s]\nnames = c\n", &err), 0);
    check_names(f, "c");
    assert_int_equal(option_number(&f->set, N), 7);
}

static void file_when_a_key_is_unknown_then_the_nearest_is_named(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(read_text(f, "[s]\nnumbre = 7\n[t]\nnumber = 1\nqqqqqqqq = 1\n", &err), 0);
    assert_int_equal(f->set.warnings.n, 3);
    assert_non_null(strstr(f->set.warnings.items[0], "line 2: unknown key \"numbre\""));
    assert_non_null(strstr(f->set.warnings.items[0], "did you mean \"number\"?"));
    assert_non_null(strstr(f->set.warnings.items[1], "belongs into section [s]"));
    assert_null(strstr(f->set.warnings.items[2], "did you mean"));
    assert_int_equal(option_number(&f->set, N), 4);
}

static void file_when_a_value_is_bad_then_file_line_key_and_range_are_told(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *line, *want;
    } bad[] = {
        {"number = 0", "number"}, {"number = ten", "1"},
        {"number = 10", "9"},     {"time = 0", "1s and 1h"},
        {"time = soon", "time"},  {"mode = qcow2", "raw|vhd"},
        {"all = perhaps", "all"}, {"pack = bzip2", "none|gzip|zstd, True, False"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = ERROR_INIT;
        CLEAN_CHAR char *text = str_format("[s]\n\n%s\n", bad[i].line);
        assert_int_equal(read_text(f, text, &err), -1);
        assert_int_equal(err.code, ERROR_SETTINGS);
        if (!strstr(err.text, f->path) || !strstr(err.text, " line 3: ") ||
            !strstr(err.text, bad[i].want))
            fail_msg("\"%s\": %s", bad[i].line, err.text);
    }
}

static void file_when_values_are_bad_then_the_first_is_told_and_the_good_ones_hold(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    const char *text = "[t]\npass = x\n[s]\nnumber = 0\nnames = a\ntime = x\n[t]\nserver = mail\n";
    assert_int_equal(read_text(f, text, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "line 4: number"));
    check_names(f, "a");
    assert_string_equal(option_text(&f->set, ONLY_FILE), "mail");
    assert_int_equal(option_number(&f->set, N), 4);
}

static void file_when_absent_then_told_or_an_error(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    bool is_found = true;
    assert_int_equal(option_read_file(&f->set, "/nowhere/x.cfg", false, &is_found, &err), 0);
    assert_false(is_found);
    assert_int_equal(option_read_file(&f->set, "/nowhere/x.cfg", true, &is_found, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "/nowhere/x.cfg"));
}

static void line_when_in_any_form_then_the_same_value(void **state)
{
    static const char *const forms[][4] = {
        {"-n", "7"}, {"-n7"}, {"--number", "7"}, {"--number=7"}, {"-an7"}, {"-a", "-n", "7"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct option_set set;
        CLEAN_OPTION_LINE struct option_line line = {0};
        struct error err = ERROR_INIT;
        option_set_init(&set, table, OPTIONS_N);
        assert_int_equal(parse(forms[i], &line, &err), 0);
        assert_int_equal(option_apply_line(&set, &line, &err), 0);
        assert_int_equal(option_number(&set, N), 7);
        assert_string_equal(option_line_find(&line, N), "7");
        option_set_done(&set);
    }
}

static void line_when_switches_have_values_then_taken(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    static const char *const on[] = {"-aC", NULL};
    static const char *const other[] = {"--all=no", "--pack=zstd", NULL};
    assert_int_equal(apply(f, on, &err), 0);
    assert_true(option_flag(&f->set, A));
    assert_string_equal(option_text(&f->set, PACK), "gzip");
    assert_int_equal(apply(f, other, &err), 0);
    assert_false(option_flag(&f->set, A));
    assert_string_equal(option_text(&f->set, PACK), "zstd");
    assert_string_equal(f->set.values[PACK].source, "--pack");
}

static void line_when_lists_then_appended_and_started_anew(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    static const char *const append[] = {"-e", "c,d", "-e", " e ", NULL};
    static const char *const anew[] = {"-on", "-e", "x", NULL};
    static const char *const long_anew[] = {"--new-names", NULL};
    assert_int_equal(read_text(f, "[s]\nnames = a,b\n", &err), 0);
    assert_int_equal(apply(f, append, &err), 0);
    check_names(f, "a, b, c,d, e");
    assert_int_equal(apply(f, anew, &err), 0);
    check_names(f, "x");
    assert_int_equal(apply(f, long_anew, &err), 0);
    check_names(f, "");
}

static void line_when_operands_stand_between_then_kept(void **state)
{
    CLEAN_OPTION_LINE struct option_line line = {0};
    struct error err = ERROR_INIT;
    static const char *const argv[] = {"one", "-a", "-", "--", "-n", "--x", NULL};
    (void)state;
    assert_int_equal(parse(argv, &line, &err), 0);
    assert_int_equal(line.operands.n, 4);
    assert_string_equal(line.operands.items[1], "-");
    assert_string_equal(line.operands.items[2], "-n");
    assert_string_equal(line.operands.items[3], "--x");
}

static void line_when_bad_then_told_what_to_do(void **state)
{
    static const struct {
        const char *argv[4], *want;
    } bad[] = {
        {{"--numbr", "7"}, "did you mean --number?"},
        {{"--other"}, "unknown option --other"},
        {{"--zzzzzzzzzz"}, "--help lists them"},
        {{"-q"}, "unknown option -q"},
        {{"-aq"}, "unknown option -q"},
        {{"-n"}, "wants an argument: N"},
        {{"--number"}, "wants an argument: N"},
        {{"-n", "-a"}, "\"-a\" is an option"},
        {{"-n", "12"}, "option -n"},
        {{"--number=12"}, "option --number"},
        {{"--new-names=x"}, "takes no argument"},
        {{"-F", "qcow2"}, "raw|vhd"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(apply(f, bad[i].argv, &err), -1);
        if (err.code != ERROR_USAGE || !strstr(err.text, bad[i].want))
            fail_msg("%s: %s", bad[i].argv[0], err.text);
    }
}

static void secret_when_shown_then_only_that_it_is_set(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    CLEAN_CHAR char *before = option_show(&f->set, SECRET);
    assert_string_equal(before, "");
    assert_int_equal(read_text(f, "[t]\npass = x%y\n", &err), 0);
    CLEAN_CHAR char *after = option_show(&f->set, SECRET);
    assert_string_equal(after, "(set)");
}

static void secret_when_others_may_read_the_file_then_told(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(read_text(f, "[t]\npass = x\n", &err), 0);
    assert_int_equal(f->set.warnings.n, 0);
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(read_text(f, "[t]\npass =\nserver = s\n", &err), 0);
    assert_int_equal(f->set.warnings.n, 0);
    assert_int_equal(read_text(f, "[t]\npass = geheim\n", &err), 0);
    assert_int_equal(f->set.warnings.n, 1);
    assert_non_null(strstr(f->set.warnings.items[0], "chmod 600"));
    assert_non_null(strstr(f->set.warnings.items[0], f->path));
    assert_null(strstr(f->set.warnings.items[0], "geheim"));
}

static void check_width(const char *text)
{
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        if (n > 80)
            fail_msg("%zu columns: %.*s", n, (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void help_when_formatted_then_the_commands_options_in_80_columns(void **state)
{
    (void)state;
    CLEAN_STR struct str help = STR_INIT;
    option_format_usage(table, OPTIONS_N, 1, 17, &help);
    option_format_help(table, OPTIONS_N, 1, &help);
    check_width(str_text(&help));
    assert_non_null(strstr(str_text(&help), "-e, --name STRING"));
    assert_non_null(strstr(str_text(&help), "-on, --new-names"));
    assert_non_null(strstr(str_text(&help), "(1 to 9) [4]"));
    assert_null(strstr(str_text(&help), "--other"));
}

/* The example names every key once, and is itself a file without a fault. */
static void example_when_formatted_then_names_every_key_and_reads_back(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    CLEAN_STR struct str example = STR_INIT;
    option_format_example(table, OPTIONS_N, &example);
    check_width(str_text(&example));
    assert_non_null(strstr(str_text(&example), "\n#number = 4\n"));
    assert_non_null(strstr(str_text(&example), "\n#names =\n"));
    assert_non_null(strstr(str_text(&example), "\n[t]\n"));
    CLEAN_CHAR char *all = str_take(&example);
    for (char *at = all; (at = strchr(at, '#')) != NULL; at++) {
        if ((at == all || at[-1] == '\n') && at[1] != ' ')
            *at = '\n';
    }
    assert_int_equal(read_text(f, all, &err), 0);
    assert_int_equal(f->set.warnings.n, 0);
    assert_int_equal(option_number(&f->set, N), 4);
}

static void word_when_misspelt_then_the_nearest_one(void **state)
{
    static const char *const words[] = {"run", "preview", "status", "report"};
    (void)state;
    assert_string_equal(option_nearest("prevew", words, 4), "preview");
    assert_string_equal(option_nearest("stauts", words, 4), "status");
    assert_string_equal(option_nearest("rnu", words, 4), "run");
    assert_null(option_nearest("xyzzy", words, 4));
    assert_null(option_nearest("", words, 4));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(set_when_new_then_defaults),
        CASE(file_when_read_then_values_and_sources),
        CASE(file_when_a_second_one_is_read_then_it_holds_key_by_key),
        CASE(file_when_a_key_is_unknown_then_the_nearest_is_named),
        CASE(file_when_a_value_is_bad_then_file_line_key_and_range_are_told),
        CASE(file_when_values_are_bad_then_the_first_is_told_and_the_good_ones_hold),
        CASE(file_when_absent_then_told_or_an_error),
        CASE(line_when_in_any_form_then_the_same_value),
        CASE(line_when_switches_have_values_then_taken),
        CASE(line_when_lists_then_appended_and_started_anew),
        CASE(line_when_operands_stand_between_then_kept),
        CASE(line_when_bad_then_told_what_to_do),
        CASE(secret_when_shown_then_only_that_it_is_set),
        CASE(secret_when_others_may_read_the_file_then_told),
        CASE(help_when_formatted_then_the_commands_options_in_80_columns),
        CASE(example_when_formatted_then_names_every_key_and_reads_back),
        CASE(word_when_misspelt_then_the_nearest_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
