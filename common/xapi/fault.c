/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From XAPI's lists and pages to a struct error; what each code means stands in fault_table.c.
 */
#include "common/xapi/fault.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

#include "common/base/poison.h"

#define FAULT_PAGE_MAX 400

/* A parameter for people: cut, on one line. */
static void fault_add_param(struct str *text, const char *param)
{
    size_t n = strlen(param);
    size_t cut = n > FAULT_PARAM_TEXT_MAX ? str_utf8_cut(param, n, FAULT_PARAM_TEXT_MAX) : n;

    for (size_t i = 0; i < cut; i++)
        str_add_char(text, iscntrl((unsigned char)param[i]) ? ' ' : param[i]);
    if (cut < n)
        str_add(text, "...");
}

int fault_set(struct error *err, const struct text_list *items)
{
    CLEAN_STR struct str text = STR_INIT;
    const char *name = items->n && *items->items[0] ? items->items[0] : "a fault without a name";
    const struct fault_row *rule = fault_find(name);

    fault_add_param(&text, name);
    for (size_t i = 1; i < items->n; i++) {
        str_add(&text, i == 1 ? "(" : ", ");
        fault_add_param(&text, items->items[i]);
    }
    if (items->n > 1)
        str_add_char(&text, ')');
    if (rule)
        str_add_format(&text, ": %s", rule->advice);
    error_set(err, rule ? rule->code : ERROR_XAPI, "%s", str_text(&text));
    error_set_origin(err, name);
    return -1;
}

int fault_set_own(struct error *err, const char *name, const char *format, ...)
{
    const struct fault_row *row = fault_find(name);
    CLEAN_STR struct str text = STR_INIT;
    va_list args;

    assert(row != NULL);
    va_start(args, format);
    str_add_format_v(&text, format, args);
    va_end(args);
    error_set(err, row->code, "%s: %s", str_text(&text), row->advice);
    error_set_origin(err, name);
    return -1;
}

/* The page without its tags, entities as they are, white space as one blank. */
static void page_text(const char *html, struct str *text)
{
    bool is_tag = false;

    for (const char *p = html; *p && text->len < FAULT_PAGE_MAX; p++) {
        bool is_blank = isspace((unsigned char)*p) || iscntrl((unsigned char)*p);

        if (*p == '<' || *p == '>') {
            is_tag = *p == '<';
            is_blank = true;
        }
        if (is_blank && text->len && text->data[text->len - 1] != ' ')
            str_add_char(text, ' ');
        else if (!is_blank && !is_tag)
            str_add_char(text, *p);
    }
}

/* "... UUID_INVALID: [ VM; x ]": the word of capitals in front of ": [". */
static bool page_find_code(const char *text, char *code, size_t code_size)
{
    for (const char *mark = strstr(text, ": ["); mark; mark = strstr(mark + 1, ": [")) {
        const char *from = mark;

        while (from > text && (isupper((unsigned char)from[-1]) ||
                               isdigit((unsigned char)from[-1]) || from[-1] == '_'))
            from--;
        size_t n = (size_t)(mark - from);

        if (n >= 4 && n < code_size && memchr(from, '_', n)) {
            memcpy(code, from, n);
            code[n] = '\0';
            return true;
        }
    }
    return false;
}

int fault_set_page(struct error *err, int http_status, const char *html)
{
    static const char boilerplate[] = "Additional information ";
    CLEAN_STR struct str text = STR_INIT;
    char code[ERROR_ORIGIN_MAX];

    page_text(html, &text);
    const char *shown = strstr(str_text(&text), boilerplate);

    shown = shown ? shown + strlen(boilerplate) : str_text(&text);
    if (page_find_code(shown, code, sizeof code)) {
        const struct fault_row *rule = fault_find(code);

        error_set(err, rule ? rule->code : ERROR_XAPI, "HTTP %d: %s%s%s", http_status, shown,
                  rule ? ": " : "", rule ? rule->advice : "");
        error_set_origin(err, code);
        return -1;
    }
    bool is_refused = http_status == 401 || http_status == 403;

    return error_set(err, is_refused ? ERROR_POOL_REFUSED : ERROR_XAPI, "HTTP %d%s%s", http_status,
                     *shown ? ": " : "", shown);
}

bool fault_is(const struct error *err, const char *xapi_code)
{
    return error_is_set(err) && !strcmp(err->origin, xapi_code);
}

bool fault_is_transient(const struct error *err)
{
    const struct fault_row *rule = error_is_set(err) ? fault_find(err->origin) : NULL;

    return rule && rule->passes;
}
