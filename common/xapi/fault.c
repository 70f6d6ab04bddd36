/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One table: XAPI's code, our code, whether it passes by itself, what a person can do.
 */
#include "common/xapi/fault.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

#include "common/base/poison.h"

#define FAULT_PAGE_MAX 400

struct fault_rule {
    const char *name;
    enum error_code code;
    bool is_transient;
    const char *advice; /* NULL none */
};

static const struct fault_rule fault_rules[] = {
    {"HANDLE_INVALID", ERROR_XAPI_GONE, false, NULL},
    {"UUID_INVALID", ERROR_XAPI_GONE, false, NULL},
    {"SESSION_AUTHENTICATION_FAILED", ERROR_POOL_REFUSED, false, "wrong user or password"},
    {"SESSION_INVALID", ERROR_POOL_REFUSED, false, "the session has ended"},
    {"SESSION_NOT_REGISTERED", ERROR_XAPI, false, NULL},
    {"RBAC_PERMISSION_DENIED", ERROR_POOL_REFUSED, false,
     "the user needs the role pool-admin for this"},
    {"HOST_IS_SLAVE", ERROR_POOL_REFUSED, false, "use the pool master's address"},
    {"SR_BACKEND_FAILURE_44", ERROR_NO_SPACE, false, "the SR is full"},
    {"SR_FULL", ERROR_NO_SPACE, false, "the SR is full"},
    {"OUT_OF_SPACE", ERROR_NO_SPACE, false, "the disk of dom0 is full"},
    {"SR_BACKEND_FAILURE_109", ERROR_XAPI, false,
     "the disk's chain of snapshots is too long: wait until the SR has coalesced it"},
    {"SR_BACKEND_FAILURE_16", ERROR_XAPI, true, NULL},
    {"SR_BACKEND_FAILURE_24", ERROR_XAPI, true, NULL},
    {"HOST_STILL_BOOTING", ERROR_POOL_UNREACHABLE, true, NULL},
    {"HOST_IN_EMERGENCY_MODE", ERROR_POOL_UNREACHABLE, true, NULL},
    {"HOST_OFFLINE", ERROR_POOL_UNREACHABLE, false, NULL},
    {"HOST_NOT_LIVE", ERROR_POOL_UNREACHABLE, false, NULL},
    {"CANNOT_CONTACT_HOST", ERROR_POOL_UNREACHABLE, true, NULL},
    {"TLS_CONNECTION_FAILED", ERROR_POOL_UNREACHABLE, true, NULL},
    {"TASK_CANCELLED", ERROR_CANCELLED, false, NULL},
    {"MESSAGE_METHOD_UNKNOWN", ERROR_UNSUPPORTED, false, NULL},
    {"MESSAGE_PARAMETER_COUNT_MISMATCH", ERROR_UNSUPPORTED, false, NULL},
    {"MESSAGE_REMOVED", ERROR_UNSUPPORTED, false, NULL},
    {"LICENCE_RESTRICTION", ERROR_UNSUPPORTED, false, NULL},
    {"SR_OPERATION_NOT_SUPPORTED", ERROR_UNSUPPORTED, false, NULL},
    {"UNIMPLEMENTED_IN_SM_BACKEND", ERROR_UNSUPPORTED, false, NULL},
    {"VM_HAS_VUSBS", ERROR_UNSUPPORTED, false, "a VM with USB devices can't be snapshotted"},
    {"OPERATION_BLOCKED", ERROR_XAPI, false, "somebody blocked this operation on the VM"},
    {"NO_HOSTS_AVAILABLE", ERROR_XAPI, false,
     "no host that is up sees all SRs of the VM, those of ISOs in its drives included"},
    {"OTHER_OPERATION_IN_PROGRESS", ERROR_XAPI, true, NULL},
    {"TOO_MANY_PENDING_TASKS", ERROR_XAPI, true, NULL},
    {"VDI_IN_USE", ERROR_XAPI, true, NULL},
    {"DEVICE_DETACH_REJECTED", ERROR_XAPI, true, NULL},
    {"DEVICE_DETACH_TIMEOUT", ERROR_XAPI, true, NULL},
};

static const struct fault_rule *fault_find(const char *name)
{
    for (size_t i = 0; i < sizeof fault_rules / sizeof *fault_rules; i++)
        if (!strcmp(fault_rules[i].name, name))
            return &fault_rules[i];
    return NULL;
}

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
    const struct fault_rule *rule = fault_find(name);

    fault_add_param(&text, name);
    for (size_t i = 1; i < items->n; i++) {
        str_add(&text, i == 1 ? "(" : ", ");
        fault_add_param(&text, items->items[i]);
    }
    if (items->n > 1)
        str_add_char(&text, ')');
    if (rule && rule->advice)
        str_add_format(&text, ": %s", rule->advice);
    error_set(err, rule ? rule->code : ERROR_XAPI, "%s", str_text(&text));
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
        const struct fault_rule *rule = fault_find(code);

        error_set(err, rule ? rule->code : ERROR_XAPI, "HTTP %d: %s", http_status, shown);
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
    const struct fault_rule *rule = error_is_set(err) ? fault_find(err->origin) : NULL;

    return rule && rule->is_transient;
}
