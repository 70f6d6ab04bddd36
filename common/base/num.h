/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers from text with bounds, sums and products that are checked, and the one formatter of
 * sizes, rates and durations.
 */
#ifndef ONYX_COMMON_BASE_NUM_H
#define ONYX_COMMON_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct str;

/* Whole text as a decimal number between min and max; ERROR_BAD_INPUT names the range. */
int num_parse(const char *text, int64_t min, int64_t max, int64_t *ret_value, struct error *err);
int num_parse_unsigned(const char *text, uint64_t max, uint64_t *ret_value, struct error *err);

/* True/False/yes/no/on/off/1/0, any case. ERROR_BAD_INPUT otherwise. */
int num_parse_bool(const char *text, bool *ret_value, struct error *err);

/* "1048576", "800K", "100MB", "2GiB": units are steps of 1024. ERROR_BAD_INPUT. */
int num_parse_bytes(const char *text, uint64_t *ret_bytes, struct error *err);

/* "90", "90s", "15m", "12h", "2d", "250ms" as milliseconds. ERROR_BAD_INPUT. */
int num_parse_duration(const char *text, int64_t *ret_ms, struct error *err);

/* false on overflow, *ret untouched. */
bool num_add(uint64_t a, uint64_t b, uint64_t *ret);
bool num_mul(uint64_t a, uint64_t b, uint64_t *ret);

#define NUM_TEXT_MAX 32

/* "1.5 GiB", "312 B"; "187 MiB/s"; "1h 02m", "4.2 s". Give text, which has NUM_TEXT_MAX bytes. */
char *num_format_bytes(uint64_t bytes, char text[NUM_TEXT_MAX]);
char *num_format_rate(uint64_t bytes, int64_t duration_ms, char text[NUM_TEXT_MAX]);
char *num_format_duration(int64_t duration_ms, char text[NUM_TEXT_MAX]);

/* As num_parse_duration and num_parse_bytes read them, exact: "1h", "250ms"; "256K", "1500". */
char *num_write_duration(int64_t duration_ms, char text[NUM_TEXT_MAX]);
char *num_write_bytes(uint64_t bytes, char text[NUM_TEXT_MAX]);

/* Lower-case hex both ways. parse: exactly n bytes or ERROR_BAD_INPUT. format: 2n+1 bytes. */
int num_parse_hex(const char *text, unsigned char *bytes, size_t n, struct error *err);
char *num_format_hex(const unsigned char *bytes, size_t n, char *text);

#endif
