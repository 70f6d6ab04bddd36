/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The expressions of get_all_records_where.
 *
 * Values are compared as the database's texts. "and" and "or" bind alike, "not" binds weaker than
 * both. Columns are spelt with double underscores for nested fields (name__label).
 * Source: db_filter_lex.mll, db_filter_parse.mly (contract 2.1); recordings 173-175.
 */
#ifndef ONYX_TESTS_POOLSIM_FILTER_H
#define ONYX_TESTS_POOLSIM_FILTER_H

#include "tests/poolsim/failure.h"
#include "tests/poolsim/store.h"

struct filter;

/* NULL and INVALID_VALUE (syntax) or INTERNAL_ERROR "missing field". */
struct filter *filter_parse(const char *text, enum class_id class, struct failure *failure);
void filter_free(struct filter *filter);
bool filter_fits(const struct filter *filter, struct pool *pool, const struct object *object);

#endif
