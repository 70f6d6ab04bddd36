/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Crontabs are read as lines; whoever starts OnyxBackupVM names its program.
 */
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/adopt.h"

#include "common/base/poison.h"

#define CRON_MAX (1u << 20)
#define OLD_PROGRAM "onyxbackup-vm"
#define OWN_PROGRAM "/onyxpool"

/* Whether the program that a line names is one of our own names for onyxpool. */
static bool is_own(const char *line)
{
    const char *name = strstr(line, OLD_PROGRAM);
    const char *begin = name;
    char path[PATH_MAX], real[PATH_MAX];

    while (begin > line && begin[-1] != ' ' && begin[-1] != '\t')
        begin--;
    size_t n = (size_t)(name - begin) + strcspn(name, " \t;&|>");
    if (n >= sizeof path)
        return false;
    memcpy(path, begin, n);
    path[n] = '\0';
    return path[0] == '/' && realpath(path, real) && str_ends(real, OWN_PROGRAM);
}

static void read_crontab(const char *path, struct text_list *lines)
{
    CLEAN_STR struct str text = STR_INIT;

    if (fd_read_file(path, CRON_MAX, &text, NULL) < 0)
        return;
    CLEAN_CHAR char *copy = mem_dup(str_text(&text));
    char *rest = NULL;
    for (char *at = strtok_r(copy, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
        const char *line = str_trim(at);

        if (line[0] != '#' && strstr(line, OLD_PROGRAM) && !is_own(line))
            text_list_add_format(lines, "%s: %s", path, line);
    }
}

static void read_crontabs(const char *parent, const char *name, struct text_list *lines)
{
    CLEAN_CHAR char *folder = str_format("%s/%s", parent, name);
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    DIR *dir = opendir(folder);
    const struct dirent *item = NULL;

    while (dir && (item = readdir(dir)))
        if (item->d_name[0] != '.')
            text_list_add(&names, item->d_name);
    if (dir)
        closedir(dir);
    text_list_sort(&names);
    for (size_t i = 0; i < names.n; i++) {
        CLEAN_CHAR char *path = str_format("%s/%s", folder, names.items[i]);

        read_crontab(path, lines);
    }
}

void adopt_find_cron(const char *etc, const char *spool, struct text_list *ret_lines)
{
    static const char *const folders[] = {"cron.d", "cron.hourly", "cron.daily", "cron.weekly",
                                          "cron.monthly"};
    CLEAN_CHAR char *crontab = str_format("%s/crontab", etc);

    read_crontab(crontab, ret_lines);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        read_crontabs(etc, folders[i], ret_lines);
    read_crontabs(spool, "crontabs", ret_lines); /* Debian */
    read_crontabs(spool, ".", ret_lines);        /* Red Hat, dom0 */
}
