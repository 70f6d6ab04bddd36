/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading POOL.json: values with bounds, and errors that name the place ("vms[3].disks[0].size_mib:
 * a whole number from 1 to 67108864").
 *
 * A place is a node: its JSON and how it is called. Reading a value of the wrong kind sets the
 * reader's error and gives the default; the first error stands, and the caller looks at it once.
 */
#ifndef ONYX_TESTS_POOLSIM_POOL_FILE_H
#define ONYX_TESTS_POOLSIM_POOL_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"

#define PLACE_MAX 200

struct node {
    const json_t *json; /* NULL: absent */
    char place[PLACE_MAX];
    struct error *err;
};

struct node node_root(const json_t *json, struct error *err);
struct node node_member(const struct node *node, const char *name);
struct node node_item(const struct node *node, size_t index);

bool node_is_there(const struct node *node);
size_t node_items(const struct node *node); /* of an array; 0 if absent */

/* An object with no other members than these (NULL-ended); false and the error otherwise. */
bool node_check_members(const struct node *node, const char *const *names);

const char *node_text(const struct node *node, const char *name, const char *otherwise);
int64_t node_number(const struct node *node, const char *name, int64_t min, int64_t max,
                    int64_t otherwise);
double node_real(const struct node *node, const char *name, double otherwise);
bool node_bool(const struct node *node, const char *name, bool otherwise);
void node_texts(const struct node *node, const char *name, struct text_list *ret_items);
void node_map(const struct node *node, const char *name, struct text_map *ret_pairs);

/* The first error of a place; later ones are dropped. Gives -1. */
int node_fail(const struct node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
