/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two small texts of the kernel, read once each.
 */
#include "common/store/mount.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define FDINFO_MAX 65536
#define FIELD_POINT 4    /* of a line of mountinfo, from 0 */
#define FIELD_OPTIONAL 6 /* the first of any number, ended by "-" */

void mount_done(struct mount *mount)
{
    free(mount->point);
    free(mount->source);
    memset(mount, 0, sizeof *mount);
}

enum mount_kind mount_kind_of(const char *type)
{
    if (str_equal(type, "nfs") || str_equal(type, "nfs4"))
        return MOUNT_NFS;
    if (str_equal(type, "cifs") || str_equal(type, "smb3"))
        return MOUNT_SMB;
    return MOUNT_OTHER;
}

enum mount_kind mount_kind_of_share(const char *share_type)
{
    return str_equal(share_type, "smb") ? MOUNT_SMB : MOUNT_NFS;
}

const char *mount_kind_name(enum mount_kind kind)
{
    switch (kind) {
    case MOUNT_NFS:
        return "NFS";
    case MOUNT_SMB:
        return "SMB";
    case MOUNT_OTHER:
        break;
    }
    return "other";
}

/* "\040" and the like, three octal digits each, as the kernel writes blanks and backslashes. */
static char *unescape(const char *text, size_t n)
{
    char *out = mem_zero(n + 1, 1);
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' && n - i > 3 && text[i + 1] >= '0' && text[i + 1] <= '3' &&
            text[i + 2] >= '0' && text[i + 2] <= '7' && text[i + 3] >= '0' && text[i + 3] <= '7') {
            out[to++] = (char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
            i += 3;
        } else {
            out[to++] = text[i];
        }
    }
    return out;
}

/* The next field of a line; false at its end. */
static bool next_field(const char **at, const char *end, const char **ret_field, size_t *ret_n)
{
    while (*at < end && **at == ' ')
        (*at)++;
    *ret_field = *at;
    while (*at < end && **at != ' ')
        (*at)++;
    *ret_n = (size_t)(*at - *ret_field);
    return *ret_n > 0;
}

/* Skip to behind the "-" that ends the optional fields. */
static bool skip_optional(const char **at, const char *end)
{
    const char *field;
    size_t n;
    while (next_field(at, end, &field, &n))
        if (n == 1 && *field == '-')
            return true;
    return false;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw". */
static int parse_line(const char *line, const char *end, struct mount *ret, struct error *err)
{
    const char *at = line, *field = NULL, *point = NULL;
    size_t n = 0, point_n = 0;
    for (int i = 0; i < FIELD_OPTIONAL; i++) {
        if (!next_field(&at, end, &field, &n))
            return error_set(err, ERROR_BAD_INPUT, "a line of mountinfo has too few fields");
        if (i == FIELD_POINT) {
            point = field;
            point_n = n;
        }
    }
    if (!skip_optional(&at, end) || !next_field(&at, end, &field, &n) || n >= MOUNT_TYPE_MAX)
        return error_set(err, ERROR_BAD_INPUT, "a line of mountinfo names no file system");
    memcpy(ret->type, field, n);
    ret->type[n] = '\0';
    ret->point = unescape(point, point_n);
    ret->source = next_field(&at, end, &field, &n) ? unescape(field, n) : mem_dup("");
    return 0;
}

/* The number that a line begins with, -1 none. */
static int64_t parse_id(const char *line, const char *end)
{
    int64_t id = 0;
    const char *at = line;
    for (; at < end && *at >= '0' && *at <= '9' && id < INT32_MAX; at++)
        id = id * 10 + (*at - '0');
    return at > line && at < end && *at == ' ' ? id : -1;
}

int mount_find(const char *mountinfo, int64_t id, struct mount *ret_mount, struct error *err)
{
    for (const char *line = mountinfo; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        if (parse_id(line, end) == id) {
            struct mount mount = {.id = id};
            if (parse_line(line, end, &mount, err) != 0)
                return -1;
            *ret_mount = mount;
            return 1;
        }
        line = *end != '\0' ? end + 1 : end;
    }
    return 0;
}

int mount_parse_fdinfo(const char *fdinfo, int64_t *ret_id)
{
    static const char key[] = "mnt_id:";
    for (const char *line = fdinfo; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        if (strncmp(line, key, sizeof key - 1) == 0) {
            CLEAN_CHAR char *value =
                mem_dup_n(line + sizeof key - 1, (size_t)(end - line) - (sizeof key - 1));
            return num_parse(str_trim(value), 0, INT32_MAX, ret_id, NULL) == 0 ? 1 : 0;
        }
        line = *end != '\0' ? end + 1 : end;
    }
    return 0;
}

int mount_of_fd(int fd, struct mount *ret_mount, struct error *err)
{
    CLEAN_CHAR char *path = str_format("/proc/self/fdinfo/%d", fd);
    CLEAN_STR struct str fdinfo = STR_INIT;
    CLEAN_STR struct str table = STR_INIT;
    int64_t id = 0;
    if (fd_read_file(path, FDINFO_MAX, &fdinfo, err) != 0 ||
        fd_read_file("/proc/self/mountinfo", MOUNT_TABLE_MAX, &table, err) != 0)
        return error_add(err, "find out what is mounted");
    if (mount_parse_fdinfo(str_text(&fdinfo), &id) == 0)
        return error_set(err, ERROR_STORE_MISSING, "%s tells no number of a mount", path);
    int found = mount_find(str_text(&table), id, ret_mount, err);
    if (found == 0)
        return error_set(err, ERROR_STORE_MISSING,
                         "mount %" PRId64 " is not in /proc/self/mountinfo", id);
    return found < 0 ? -1 : 0;
}

bool mount_is_share(const struct mount *mount, enum mount_kind kind)
{
    return mount_kind_of(mount->type) == kind && !str_equal(mount->point, "/");
}
