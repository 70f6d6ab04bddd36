/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows stand in <table name="host"> as <row ref=".." .. uuid=".."/>, all columns as attributes.
 */
#include "common/format/db.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/late_error.h"
#include "common/format/xml.h"

#include "common/base/poison.h"

enum place { IN_NOTHING, IN_DATABASE, IN_TABLE, IN_HOST_TABLE, IN_HOST_ROW };

struct db_check {
    struct xml *xml;
    enum place place;
    bool is_table_tag; /* its attributes are coming */
    uint64_t tables_n, rows_n;
    struct text_list missing; /* hosts without a row so far */
    struct late_error late;
};

static int on_open(void *context, const char *name, struct error *err)
{
    struct db_check *check = context;

    check->is_table_tag = false;
    if (check->place == IN_NOTHING) {
        if (!str_equal(name, "database"))
            return error_set(err, ERROR_CORRUPT, "db: the root element is <%.40s>, not <database>",
                             name);
        check->place = IN_DATABASE;
    } else if (check->place == IN_DATABASE && str_equal(name, "table")) {
        check->place = IN_TABLE;
        check->is_table_tag = true;
        check->tables_n++;
    } else if (check->place == IN_HOST_TABLE && str_equal(name, "row")) {
        check->place = IN_HOST_ROW;
        check->rows_n++;
    }
    return 0;
}

static void cross_out(struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->items[i], text)) {
            mem_free_char(&list->items[i]);
            list->items[i] = list->items[--list->n];
            return;
        }
}

static int on_attribute(void *context, const char *name, const char *value, struct error *err)
{
    struct db_check *check = context;

    (void)err;
    if (check->is_table_tag && str_equal(name, "name") && str_equal(value, "host"))
        check->place = IN_HOST_TABLE;
    if (check->place == IN_HOST_ROW && str_equal(name, "uuid"))
        cross_out(&check->missing, value);
    return 0;
}

static int on_close(void *context, const char *name, struct error *err)
{
    struct db_check *check = context;

    (void)err;
    if (check->place == IN_HOST_ROW && str_equal(name, "row"))
        check->place = IN_HOST_TABLE;
    else if (str_equal(name, "table") && check->place != IN_NOTHING)
        check->place = IN_DATABASE;
    return 0;
}

struct db_check *db_check_new(const struct text_list *hosts)
{
    static const struct xml_events events = {
        .open = on_open, .attribute = on_attribute, .close = on_close};
    struct db_check *check = mem_zero(1, sizeof *check);

    check->xml = xml_new(&events, check);
    text_list_copy(&check->missing, hosts);
    return check;
}

void db_check_free(struct db_check *check)
{
    if (!check)
        return;
    xml_free(check->xml);
    text_list_done(&check->missing);
    mem_free_void(&check);
}

void db_check_clean(struct db_check **check)
{
    db_check_free(*check);
    *check = NULL;
}

int db_check_feed(struct db_check *check, const void *bytes, size_t n, struct error *err)
{
    struct error why = ERROR_INIT;

    late_error_feed(&check->late, bytes, n);
    if (late_error_is_holding(&check->late))
        return late_error_hold(&check->late, "db", NULL, err);
    if (xml_feed(check->xml, bytes, n, &why))
        return late_error_hold(&check->late, "db", &why, err);
    return 0;
}

int db_check_finish(const struct db_check *check, uint64_t *ret_tables_n, struct error *err)
{
    struct error why = ERROR_INIT;

    if (late_error_is_holding(&check->late) || xml_finish(check->xml, &why))
        return late_error_explain(&check->late, "db", &why, err);
    if (!check->rows_n)
        return error_set(err, ERROR_CORRUPT,
                         "db: it has no host: XAPI sends such a stub while a pool is upgraded");
    if (check->missing.n)
        return error_set(err, ERROR_CORRUPT, "db: host %s (and %zu others) has no row",
                         check->missing.items[0], check->missing.n - 1);
    if (ret_tables_n)
        *ret_tables_n = check->tables_n;
    return 0;
}
