/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Steps that several commands share: printing, the pool's address, the catalog for reading.
 */
#include "coordinator/command/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/xapi/target.h"
#include "coordinator/catalog/catalog.h"

int command_check_operands(const struct settings *settings, size_t min, size_t max,
                           const char *what, struct error *err)
{
    if (settings->operands.n < min)
        return error_set(err, ERROR_USAGE, "%s is missing; see --help", what);
    if (settings->operands.n > max)
        return error_set(err, ERROR_USAGE, "'%s' is one argument too many; see --help",
                         settings->operands.items[max]);
    return 0;
}

/* Names come from the pool: their control characters (C0, DEL, C1) do not reach a terminal. */
static char *without_controls(const struct str *text)
{
    char *copy = mem_dup_n(str_text(text), text->len);
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)copy[i];
        bool is_c1 = i > 0 && (unsigned char)copy[i - 1] == 0xc2 && c >= 0x80 && c <= 0x9f;
        if ((c < 0x20 && c != '\n') || c == 0x7f)
            copy[i] = '?';
        else if (is_c1)
            copy[i - 1] = copy[i] = '?';
    }
    return copy;
}

int command_print(const struct str *text, struct error *err)
{
    struct error mine = ERROR_INIT;
    CLEAN_CHAR char *shown = without_controls(text);
    if (fd_write_all(STDOUT_FILENO, shown, text->len, &mine) == 0)
        return 0;
    if (mine.sys == EPIPE)
        return 0;
    mine.code = ERROR_IO; /* a full disk behind the output is not a full store */
    if (err != NULL)
        *err = mine;
    return error_add(err, "write the output");
}

int command_print_json_take(json_t *object, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    char *dump = object == NULL ? NULL : json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

    json_decref(object);
    if (dump == NULL)
        return error_set(err, ERROR_INTERNAL, "cannot write the result as JSON");
    str_add(&text, dump);
    str_add_char(&text, '\n');
    free(dump);
    return command_print(&text, err);
}

int command_make_target(const struct settings *settings, struct xapi_target *ret_target,
                        struct error *err)
{
    if (xapi_target_parse(settings->xapi, ret_target, err) != 0)
        return -1;
    mem_set(&ret_target->user, settings->xapi_user);
    if (ret_target->kind == XAPI_TARGET_SOCKET && settings->xapi_user != NULL)
        log_warn("xapi", "--xapi-user %s is not used: XAPI's socket asks for no user",
                 settings->xapi_user);
    mem_set(&ret_target->certificate_file, settings->xapi_cert);
    ret_target->tls_port = (uint16_t)settings->xapi_tls_port;
    ret_target->is_clear_allowed = settings->xapi_insecure;
    if (settings->xapi_password_file != NULL && ret_target->kind == XAPI_TARGET_URL &&
        xapi_target_read_password(ret_target, settings->xapi_password_file, err) != 0)
        return -1;
    return xapi_target_check(ret_target, err);
}

int command_open_catalog(const struct settings *settings, struct catalog **ret_catalog,
                         struct error *err)
{
    CLEAN_CHAR char *fallback = settings->catalog == NULL ? catalog_default_path() : NULL;
    const char *path = settings->catalog != NULL ? settings->catalog : fallback;
    struct error mine = ERROR_INIT;

    if (catalog_open(path, CATALOG_READ, ret_catalog, &mine) == 0)
        return 1;
    if (mine.code == ERROR_NOT_FOUND) {
        log_warn("catalog", "%s is not there: nothing was backed up with it yet", path);
        return 0;
    }
    if (err != NULL)
        *err = mine;
    return -1;
}

json_t *command_json_text(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    CLEAN_CHAR char *copy = mem_dup(text);
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return json_string(copy);
}

json_t *command_json_time(int64_t wall_ms)
{
    char text[CLOCK_ISO_MAX];
    return wall_ms == 0 ? json_null() : json_string(clock_format_utc(wall_ms, text));
}
