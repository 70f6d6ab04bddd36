/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A parser by descent and an evaluator of its tree.
 */
#include "tests/poolsim/filter.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

#define FILTER_DEPTH_MAX 50

enum node_kind { NODE_CONST, NODE_EQUAL, NODE_AND, NODE_OR, NODE_NOT };

struct operand {
    bool is_field;
    enum field_id field;
    char *text;
};

struct filter {
    enum node_kind kind;
    bool is_true;
    struct operand sides[2];
    struct filter *left, *right;
};

struct parse {
    const char *at;
    enum class_id class;
    int depth;
    char *missing; /* a field that is not there */
};

static struct filter *parse_expression(struct parse *parse);

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    free(filter->sides[0].text);
    free(filter->sides[1].text);
    filter_free(filter->left);
    filter_free(filter->right);
    free(filter);
}

static void skip_blank(struct parse *parse)
{
    parse->at += strspn(parse->at, " \t\r\n");
}

static bool take_word(struct parse *parse, const char *word)
{
    size_t n = strlen(word);

    skip_blank(parse);
    if (strncmp(parse->at, word, n) != 0)
        return false;
    parse->at += n;
    return true;
}

static char *take_quoted(struct parse *parse)
{
    const char *end;
    char *text;

    skip_blank(parse);
    end = *parse->at == '"' ? strchr(parse->at + 1, '"') : NULL;
    if (!end)
        return NULL;
    text = mem_dup_n(parse->at + 1, (size_t)(end - parse->at - 1));
    parse->at = end + 1;
    return text;
}

/* "name__label" is the column of name_label; "_ref" is known to the database alone. */
static bool find_column(enum class_id class, const char *column, enum field_id *ret_field)
{
    struct str name = STR_INIT;
    bool is_found;

    for (const char *c = column; *c; c++) {
        str_add_char(&name, *c);
        if (c[0] == '_' && c[1] == '_')
            c++;
    }
    is_found = schema_find_field(class, str_text(&name), ret_field) == 1;
    str_done(&name);
    return is_found;
}

static bool take_operand(struct parse *parse, struct operand *operand)
{
    operand->is_field = take_word(parse, "field");
    operand->text = take_quoted(parse);
    if (!operand->text)
        return false;
    if (operand->is_field && !find_column(parse->class, operand->text, &operand->field)) {
        if (!parse->missing)
            parse->missing = mem_dup(operand->text);
        operand->is_field = false;
    }
    return true;
}

static struct filter *parse_term(struct parse *parse)
{
    struct filter *filter = NULL;

    if (++parse->depth > FILTER_DEPTH_MAX)
        return NULL;
    if (take_word(parse, "(")) {
        filter = parse_expression(parse);
        if (filter && !take_word(parse, ")")) {
            filter_free(filter);
            filter = NULL;
        }
    } else if (take_word(parse, "true")) {
        filter = mem_zero(1, sizeof *filter);
        filter->is_true = true;
    } else if (take_word(parse, "false")) {
        filter = mem_zero(1, sizeof *filter);
    } else {
        filter = mem_zero(1, sizeof *filter);
        filter->kind = NODE_EQUAL;
        if (!take_operand(parse, &filter->sides[0]) || !take_word(parse, "=") ||
            !take_operand(parse, &filter->sides[1])) {
            filter_free(filter);
            filter = NULL;
        }
    }
    parse->depth--;
    return filter;
}

static struct filter *parse_expression(struct parse *parse)
{
    struct filter *left;

    if (take_word(parse, "not")) {
        struct filter *inner = ++parse->depth > FILTER_DEPTH_MAX ? NULL : parse_expression(parse);
        parse->depth--;
        if (!inner)
            return NULL;
        left = mem_zero(1, sizeof *left);
        left->kind = NODE_NOT;
        left->left = inner;
        return left;
    }
    left = parse_term(parse);
    while (left) {
        bool is_and = take_word(parse, "and");
        struct filter *node;
        if (!is_and && !take_word(parse, "or"))
            break;
        node = mem_zero(1, sizeof *node);
        node->kind = is_and ? NODE_AND : NODE_OR;
        node->left = left;
        skip_blank(parse);
        node->right = str_starts(parse->at, "not") ? parse_expression(parse) : parse_term(parse);
        left = node;
        if (!node->right) {
            filter_free(node);
            left = NULL;
        }
    }
    return left;
}

struct filter *filter_parse(const char *text, enum class_id class, struct failure *failure)
{
    struct parse parse = {.at = text, .class = class};
    struct filter *filter = parse_expression(&parse);

    skip_blank(&parse);
    if (filter && (*parse.at || parse.missing)) {
        filter_free(filter);
        filter = NULL;
    }
    if (!filter && parse.missing && !*parse.at)
        failure_set(failure, "INTERNAL_ERROR", "missing field", parse.missing, "", NULL);
    else if (!filter)
        failure_set(failure, "INVALID_VALUE", text,
                    "Xapi_database.Db_filter_parse.MenhirBasics.Error", NULL);
    free(parse.missing);
    return filter;
}

/* The text that the database has for a field. */
static char *field_text(const struct object *object, enum field_id field)
{
    struct str out = STR_INIT;

    switch (schema_field(field)->type.kind) {
    case KIND_INT:
        return str_format("%lld", (long long)object_int(object, field));
    case KIND_BOOL:
        return mem_dup(object_bool(object, field) ? "true" : "false");
    case KIND_FLOAT:
        return str_format("%.15g", object_float(object, field));
    case KIND_SET:
        str_add(&out, "(");
        for (size_t i = 0; i < object_set(object, field)->n; i++)
            str_add_format(&out, "%s'%s'", i ? " " : "", object_set(object, field)->items[i]);
        str_add(&out, ")");
        return str_take(&out);
    case KIND_MAP:
        str_add(&out, "(");
        for (size_t i = 0; i < object_map(object, field)->n; i++)
            str_add_format(&out, "%s('%s' '%s')", i ? " " : "",
                           object_map(object, field)->pairs[i].key,
                           object_map(object, field)->pairs[i].value);
        str_add(&out, ")");
        return str_take(&out);
    default:
        return mem_dup(object_text(object, field));
    }
}

static char *operand_text(const struct operand *operand, const struct object *object)
{
    return operand->is_field ? field_text(object, operand->field) : mem_dup(operand->text);
}

bool filter_fits(const struct filter *filter, struct pool *pool, const struct object *object)
{
    CLEAN_CHAR char *left = NULL;
    CLEAN_CHAR char *right = NULL;

    switch (filter->kind) {
    case NODE_AND:
        return filter_fits(filter->left, pool, object) && filter_fits(filter->right, pool, object);
    case NODE_OR:
        return filter_fits(filter->left, pool, object) || filter_fits(filter->right, pool, object);
    case NODE_NOT:
        return !filter_fits(filter->left, pool, object);
    case NODE_EQUAL:
        left = operand_text(&filter->sides[0], object);
        right = operand_text(&filter->sides[1], object);
        return strcmp(left, right) == 0;
    default:
        return filter->is_true;
    }
}
