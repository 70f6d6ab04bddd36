/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory for small objects: an allocator that ends the process when there is none, growth of
 * arrays with checked products, and the cleanup attribute.
 *
 * Bulk buffers (a MiB and more) are asked for with mem_try, whose failure is an ordinary error.
 */
#ifndef ONYX_COMMON_BASE_MEM_H
#define ONYX_COMMON_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

struct error;

/* Run function(&variable) when the variable goes out of scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Zeroed memory of n items; aborts when there is none or the product overflows. Caller frees. */
void *mem_zero(size_t n, size_t item_size);

/* Copy of a text (NULL gives NULL) or of n bytes. Caller frees. */
char *mem_dup(const char *text);
char *mem_dup_n(const char *bytes, size_t n); /* NUL added */
void *mem_copy(const void *bytes, size_t n);

/*
 * Make room for at least need items in an array.
 *
 * Owns: takes items, gives the array to use from now on; *cap is in items and is raised.
 *       v->items = mem_grow(v->items, &v->cap, v->n + 1, sizeof *v->items);
 */
void *mem_grow(void *items, size_t *cap, size_t need, size_t item_size);

/* A bulk buffer, zeroed; NULL and ERROR_NO_MEMORY when there is none. Caller frees. */
void *mem_try(size_t n, struct error *err);

/* Whether all n (>= 1) bytes are zero, at the speed of memcmp. */
bool mem_is_zero(const void *bytes, size_t n);

/* Replace a text field: frees *field, puts a copy of text (may be NULL). */
void mem_set(char **field, const char *text);

/* For CLEANUP: free *pointer; takes a char **, void ** or any pointer to a pointer. Keeps errno. */
void mem_free_char(char **pointer);
void mem_free_void(void *pointer_to_pointer);

#define CLEAN_CHAR CLEANUP(mem_free_char)

#endif
