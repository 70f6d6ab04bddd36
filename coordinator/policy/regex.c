/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PCRE2 with UTF, UCP, ANCHORED and NEVER_BACKSLASH_C, line feed as the only line end. No JIT: its
 * limits are others, and names are short.
 */
#include "coordinator/policy/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/policy/pattern.h"

#include "common/base/poison.h"

#define PARENS_MAX 1000u
#define ERROR_TEXT_SIZE 160

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static void compile_context_free(pcre2_compile_context **context)
{
    pcre2_compile_context_free(*context);
}

void regex_free(struct regex **regex)
{
    if (!*regex)
        return;
    pcre2_match_context_free((*regex)->limits);
    pcre2_match_data_free((*regex)->data);
    pcre2_code_free((*regex)->code);
    mem_free_void(regex);
}

int regex_compile(const char *python_pattern, struct regex **ret_regex, struct error *err)
{
    CLEAN_STR struct str pattern = STR_INIT;
    if (pattern_translate(python_pattern, &pattern, err) < 0)
        return -1;
    CLEANUP(compile_context_free)
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    CLEAN_REGEX struct regex *regex = mem_zero(1, sizeof *regex);
    if (!context)
        return error_set(err, ERROR_NO_MEMORY, "no memory for a regex");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, PARENS_MAX);
    int number = 0;
    PCRE2_SIZE at = 0;
    regex->code = pcre2_compile((PCRE2_SPTR)str_text(&pattern), pattern.len,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C,
                                &number, &at, context);
    if (!regex->code) {
        char text[ERROR_TEXT_SIZE] = "";
        pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
        return error_set(err, ERROR_BAD_INPUT, "not supported: %s", text);
    }
    regex->data = pcre2_match_data_create(1, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    if (!regex->data || !regex->limits)
        return error_set(err, ERROR_NO_MEMORY, "no memory for a regex");
    pcre2_set_match_limit(regex->limits, REGEX_STEPS_MAX);
    pcre2_set_heap_limit(regex->limits, REGEX_HEAP_KIB_MAX);
    *ret_regex = regex;
    regex = NULL;
    return 0;
}

/* The text with bytes that are no UTF-8 replaced. Caller frees. */
static char *clean_utf8(const char *text, size_t n)
{
    struct str out = STR_INIT;
    for (size_t i = 0; i < n;) {
        unsigned c;
        size_t len = str_utf8_next(text + i, n - i, &c);
        if (len)
            str_add_n(&out, text + i, len);
        else
            str_add(&out, "\xef\xbf\xbd");
        i += len ? len : 1;
    }
    return str_take(&out);
}

int regex_match(const struct regex *regex, const char *text, struct error *err)
{
    CLEAN_CHAR char *cleaned = NULL;
    if (!str_is_utf8(text, strlen(text))) {
        cleaned = clean_utf8(text, strlen(text));
        text = cleaned;
    }
    int rc = pcre2_match(regex->code, (PCRE2_SPTR)text, strlen(text), 0, PCRE2_NO_UTF_CHECK,
                         regex->data, regex->limits);
    if (rc >= 0)
        return 1;
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    char why[ERROR_TEXT_SIZE] = "";
    pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
    return error_set(err, ERROR_LIMIT, "too much work for one name (%s)", why);
}
