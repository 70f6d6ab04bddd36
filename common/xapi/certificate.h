/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pins made from certificates: the SHA-256 of the public key, in the words of libcurl.
 *
 * A pinned host is known by its key: names and dates in its certificate do not matter, XAPI's
 * self-signed ones have neither right. Pins are joined with ";": any of them will do.
 * Source: RFC 7469 section 2.4; CURLOPT_PINNEDPUBLICKEY(3).
 */
#ifndef ONYX_COMMON_XAPI_CERTIFICATE_H
#define ONYX_COMMON_XAPI_CERTIFICATE_H

#include <stddef.h>

struct error;
struct str;

#define CERTIFICATE_FILE_MAX ((size_t)1 << 20)
#define CERTIFICATE_PINS_MAX 256

/* Append "sha256//BASE64" of every certificate in PEM text. ERROR_BAD_INPUT when there is none, or
 * one that is broken; name says whose it is. */
int certificate_add_pins(const char *pem, size_t n, const char *name, struct str *pins,
                         struct error *err);

/* The same of a file. ERROR_SETTINGS names the file and what to do. */
int certificate_add_file(const char *file, struct str *pins, struct error *err);

#endif
