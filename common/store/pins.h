/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `.onyxpool/state/pinned`: the backups that never expire, one "folder/file" a line, so that a
 * catalog made anew from the store knows them. One writer: the holder of the catalog's lock.
 */
#ifndef ONYX_COMMON_STORE_PINS_H
#define ONYX_COMMON_STORE_PINS_H

struct error;
struct store;
struct text_list;

#define PINS_FOLDER "state" /* below the store's own */
#define PINS_FILE "pinned"

/* Append the lines; none when there is no such file. */
int pins_read(struct store *store, struct text_list *ret_paths, struct error *err);

/* Replace the file whole, unless it says the same already. ERROR_LIMIT: more than it can hold. */
int pins_write(struct store *store, const struct text_list *paths, struct error *err);

#endif
