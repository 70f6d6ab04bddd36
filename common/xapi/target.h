/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the pool's XAPI is and who we are there: a unix socket in dom0, or an URL with a user, a
 * password and a pinned certificate.
 *
 * A plain value without a connection. http:// sends the password in clear, so it is for this
 * machine only unless somebody says otherwise; https:// needs the certificates it may meet.
 */
#ifndef ONYX_COMMON_XAPI_TARGET_H
#define ONYX_COMMON_XAPI_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;

#define XAPI_TLS_PORT        443
#define XAPI_PASSWORD_MAX    1024
#define XAPI_SOCKET_PATH_MAX 107 /* sockaddr_un.sun_path without its NUL */

enum xapi_target_kind { XAPI_TARGET_SOCKET, XAPI_TARGET_URL };

struct xapi_target {
    enum xapi_target_kind kind;
    char *socket;           /* absolute path; SOCKET */
    char *url;              /* "https://host", "http://127.0.0.1:8080", no path; URL */
    char *user;             /* URL; NULL is "root" */
    char *password;         /* URL */
    char *certificate_file; /* PEM: certificates of the pool's hosts, or of who signs them; NULL */
    uint16_t tls_port;      /* port of redirects that name none; 0 is 443 */
    bool is_clear_allowed;  /* http:// to another machine */
};

#define CLEAN_XAPI_TARGET CLEANUP(xapi_target_done)
void xapi_target_done(struct xapi_target *target);
void xapi_target_copy(struct xapi_target *to, const struct xapi_target *from); /* to is zero */

/*
 * "/path/of/socket", "unix:/path", "http://host[:port]" or "https://host[:port]" (IPv6 in
 * brackets); NULL or "" looks for the socket of this dom0. ret_target is zero before.
 *
 * Fails:  ERROR_SETTINGS; ERROR_POOL_UNREACHABLE when the socket is looked for and not there.
 * Source: xapi xapi_globs.ml, unix_domain_socket; its documentation names the other path.
 */
int xapi_target_parse(const char *text, struct xapi_target *ret_target, struct error *err);

/* The first line of a file that nobody else may read becomes the password. ERROR_SETTINGS. */
int xapi_target_read_password(struct xapi_target *target, const char *file, struct error *err);

/* What is missing or unsafe: ERROR_SETTINGS. xapi_open asks it too. */
int xapi_target_check(const struct xapi_target *target, struct error *err);

/* The socket's path or the URL, for messages. Borrowed. */
const char *xapi_target_name(const struct xapi_target *target);

/*
 * The URL of another host of the pool: same scheme, port and path rules as ours; an IPv6 address
 * gets its brackets. Caller frees. target is of kind URL.
 */
char *xapi_target_url_of_host(const struct xapi_target *target, const char *address);

/* "https://ADDRESS[:PORT]" for the Location of a redirect: host with brackets or not, port or
 * not (tls_port then). ERROR_PROTOCOL when it is no https URL. ret_address is the bare address,
 * without brackets; both are the caller's. */
int xapi_target_parse_location(const struct xapi_target *target, const char *location,
                               char **ret_url, char **ret_address, struct error *err);

#endif
