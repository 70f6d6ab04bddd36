/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Addresses are taken apart by hand: XAPI writes IPv6 addresses without brackets into redirects
 * and errors, which no URL parser accepts.
 */
#include "common/xapi/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

static const char *const socket_paths[] = {"/var/lib/xcp/xapi", "/var/xapi/xapi"};

void xapi_target_done(struct xapi_target *target)
{
    free(target->socket);
    free(target->url);
    free(target->user);
    if (target->password)
        explicit_bzero(target->password, strlen(target->password));
    free(target->password);
    free(target->certificate_file);
    memset(target, 0, sizeof *target);
}

void xapi_target_copy(struct xapi_target *to, const struct xapi_target *from)
{
    *to = *from;
    to->socket = mem_dup(from->socket);
    to->url = mem_dup(from->url);
    to->user = mem_dup(from->user);
    to->password = mem_dup(from->password);
    to->certificate_file = mem_dup(from->certificate_file);
}

const char *xapi_target_name(const struct xapi_target *target)
{
    return target->kind == XAPI_TARGET_SOCKET ? target->socket : target->url;
}

/* An authority taken apart; address has no brackets, port 0 is none. */
struct authority {
    char *address;
    bool is_ipv6;
    uint16_t port;
};

static void authority_done(struct authority *authority)
{
    free(authority->address);
}

static bool address_is_ipv6(const char *address)
{
    struct in6_addr ignored;
    char plain[INET6_ADDRSTRLEN];
    const char *zone = strchr(address, '%');

    if (!zone)
        return inet_pton(AF_INET6, address, &ignored) == 1;
    if ((size_t)(zone - address) >= sizeof plain)
        return false;
    memcpy(plain, address, (size_t)(zone - address));
    plain[zone - address] = '\0';
    return inet_pton(AF_INET6, plain, &ignored) == 1;
}

static bool address_is_plausible(const char *address)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._";

    return *address && (address_is_ipv6(address) || address[strspn(address, letters)] == '\0');
}

/* "[v6]:port", "v6" without brackets (no port then), "host:port", "host". */
static int authority_parse(const char *text, size_t n, struct authority *ret, struct error *err)
{
    CLEAN_CHAR char *copy = mem_dup_n(text, n);
    char *address = copy;
    const char *port = NULL;
    uint64_t number = 0;

    if (*copy == '[') {
        char *end = strchr(copy, ']');

        if (!end || (end[1] && end[1] != ':'))
            return error_set(err, ERROR_BAD_INPUT, "%s is no address: [IPV6] or [IPV6]:PORT", copy);
        port = end[1] ? end + 2 : NULL;
        *end = '\0';
        address = copy + 1;
    } else if (!address_is_ipv6(copy)) {
        char *colon = strrchr(copy, ':');

        if (colon) {
            *colon = '\0';
            port = colon + 1;
        }
    }
    if (port && (num_parse_unsigned(port, UINT16_MAX, &number, NULL) || !number))
        return error_set(err, ERROR_BAD_INPUT, "%s is no port (1 to 65535)", port);
    if (!address_is_plausible(address))
        return error_set(err, ERROR_BAD_INPUT, "\"%s\" is no address of a host", address);
    ret->address = mem_dup(address);
    ret->is_ipv6 = address_is_ipv6(address);
    ret->port = (uint16_t)number;
    return 0;
}

static char *url_make(const char *scheme, const struct authority *authority, uint16_t port)
{
    CLEAN_CHAR char *host =
        authority->is_ipv6 ? str_format("[%s]", authority->address) : mem_dup(authority->address);

    return port ? str_format("%s://%s:%u", scheme, host, (unsigned)port)
                : str_format("%s://%s", scheme, host);
}

/* Scheme and authority of an URL whose path, if any, is "/". */
static int url_split(const char *url, const char **ret_scheme, struct authority *ret,
                     struct error *err)
{
    const char *start;
    size_t n;

    if (str_starts(url, "https://"))
        *ret_scheme = "https";
    else if (str_starts(url, "http://"))
        *ret_scheme = "http";
    else
        return error_set(err, ERROR_BAD_INPUT,
                         "%s is neither an http:// or https:// address nor the path of a socket "
                         "from / on",
                         url);
    start = url + strlen(*ret_scheme) + 3;
    n = strcspn(start, "/?#");
    if (memchr(start, '@', n))
        return error_set(err, ERROR_BAD_INPUT,
                         "an address holds no user or password: use --xapi-user and "
                         "--xapi-password-file");
    return authority_parse(start, n, ret, err);
}

static int target_probe(struct xapi_target *target, struct error *err)
{
    for (size_t i = 0; i < sizeof socket_paths / sizeof *socket_paths; i++) {
        struct stat facts;

        if (!stat(socket_paths[i], &facts) && S_ISSOCK(facts.st_mode)) {
            target->kind = XAPI_TARGET_SOCKET;
            target->socket = mem_dup(socket_paths[i]);
            return 0;
        }
    }
    return error_set(err, ERROR_POOL_UNREACHABLE,
                     "no XAPI on this machine: neither %s nor %s is a socket; outside dom0 name "
                     "the pool's master with --xapi https://ADDRESS",
                     socket_paths[0], socket_paths[1]);
}

static int target_parse_socket(const char *path, struct xapi_target *target, struct error *err)
{
    if (*path != '/')
        return error_set(err, ERROR_SETTINGS, "--xapi unix:%s: the socket's path must be absolute",
                         path);
    if (strlen(path) > XAPI_SOCKET_PATH_MAX)
        return error_set(err, ERROR_SETTINGS,
                         "--xapi %s: the path of a socket has at most %d bytes", path,
                         XAPI_SOCKET_PATH_MAX);
    target->kind = XAPI_TARGET_SOCKET;
    target->socket = mem_dup(path);
    return 0;
}

int xapi_target_parse(const char *text, struct xapi_target *ret_target, struct error *err)
{
    CLEANUP(authority_done) struct authority authority = {0};
    const char *scheme;

    if (!text || !*text)
        return target_probe(ret_target, err);
    if (*text == '/')
        return target_parse_socket(text, ret_target, err);
    if (str_starts(text, "unix:"))
        return target_parse_socket(text + strlen("unix:"), ret_target, err);
    if (url_split(text, &scheme, &authority, err)) {
        error_add(err, "--xapi %s", text);
        if (err)
            err->code = ERROR_SETTINGS;
        return -1;
    }
    const char *path = text + strlen(scheme) + 3;

    path += strcspn(path, "/?#");
    if (*path && strcmp(path, "/") != 0)
        return error_set(err, ERROR_SETTINGS,
                         "--xapi %s: give scheme, host and port only, without \"%s\"", text, path);
    ret_target->kind = XAPI_TARGET_URL;
    ret_target->url = url_make(scheme, &authority, authority.port);
    return 0;
}

static void wipe_text(struct str *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->cap);
    str_done(text);
}

int xapi_target_read_password(struct xapi_target *target, const char *file, struct error *err)
{
    CLEANUP(wipe_text) struct str text = STR_INIT;
    CLEAN_FD int fd = -1;
    size_t n;

    if (fd_open_secret(file, "password file", &fd, err))
        return -1;
    if (fd_read_upto(fd, str_reserve(&text, XAPI_PASSWORD_MAX + 1), XAPI_PASSWORD_MAX + 1, &n,
                     err))
        return error_add(err, "password file %s", file);
    str_set_len(&text, n);
    if (n > XAPI_PASSWORD_MAX)
        return error_set(err, ERROR_SETTINGS, "password file %s is longer than %d bytes", file,
                         XAPI_PASSWORD_MAX);
    size_t password_n = strcspn(str_text(&text), "\r\n");

    if (!password_n || strlen(str_text(&text)) != n)
        return error_set(err, ERROR_SETTINGS,
                         "password file %s: its first line must be the password", file);
    free(target->password);
    target->password = mem_dup_n(str_text(&text), password_n);
    return 0;
}

static bool address_is_loopback(const struct authority *authority)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (!strcmp(authority->address, "localhost"))
        return true;
    if (inet_pton(AF_INET, authority->address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, authority->address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

int xapi_target_check(const struct xapi_target *target, struct error *err)
{
    CLEANUP(authority_done) struct authority authority = {0};
    const char *scheme;

    if (target->kind == XAPI_TARGET_SOCKET)
        return 0;
    if (url_split(target->url, &scheme, &authority, err))
        return -1;
    if (!target->password)
        return error_set(err, ERROR_SETTINGS,
                         "the pool at %s asks for a password: name a file that holds it with "
                         "--xapi-password-file FILE",
                         target->url);
    if (!strcmp(scheme, "https") && !target->certificate_file)
        return error_set(err, ERROR_SETTINGS,
                         "%s needs a pinned certificate: --xapi-cert FILE; in dom0 of the master "
                         "\"xe host-get-server-certificate uuid=UUID\" prints it",
                         target->url);
    if (!strcmp(scheme, "http") && !target->is_clear_allowed && !address_is_loopback(&authority))
        return error_set(err, ERROR_SETTINGS,
                         "%s would send the password in clear: use https:// with --xapi-cert "
                         "FILE; onyxpool, but no agent, may be allowed it with --xapi-allow-http",
                         target->url);
    return 0;
}

char *xapi_target_url_of_host(const struct xapi_target *target, const char *address)
{
    CLEANUP(authority_done) struct authority own = {0};
    struct authority other = {.address = NULL, .is_ipv6 = address_is_ipv6(address)};
    const char *scheme;

    if (target->kind != XAPI_TARGET_URL || url_split(target->url, &scheme, &own, NULL))
        return NULL;
    other.address = mem_dup(address);
    char *url = url_make(scheme, &other, own.port);

    free(other.address);
    return url;
}

int xapi_target_parse_location(const struct xapi_target *target, const char *location,
                               char **ret_url, char **ret_address, struct error *err)
{
    CLEANUP(authority_done) struct authority authority = {0};
    const char *scheme;
    uint16_t port;

    if (url_split(location, &scheme, &authority, err) || strcmp(scheme, "https") != 0)
        return error_set(err, ERROR_PROTOCOL,
                         "redirected to \"%.200s\", which is no https address of a host", location);
    port = authority.port ? authority.port : target->tls_port;
    *ret_url = url_make(scheme, &authority, port == XAPI_TLS_PORT ? 0 : port);
    *ret_address = mem_dup(authority.address);
    return 0;
}
