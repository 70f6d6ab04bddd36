/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool pin BACKUP: it never expires, until unpin. All files of its copy go with it. While a run
 * goes on its coordinator does it for us, by a request in the catalog.
 */
#include "coordinator/command/command.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/store/root.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/catalog/lock.h"
#include "coordinator/pins.h"

#include "common/base/poison.h"

#define ANSWER_MS 30000
#define LOOK_MS 200

/* Ask whoever holds the lock. 1 answered, 0 the lock has become free, -1 failed. */
static int ask(const char *catalog_path, const char *verb, const char *path, char **ret_answer,
               int *ret_status, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_CHAR char *verb_copy = mem_dup(verb);
    CLEAN_CHAR char *path_copy = mem_dup(path);
    const struct clock *clock = clock_system();
    const int64_t until_ms = clock_monotonic_ms(clock) + ANSWER_MS;
    const struct catalog_request request = {.verb = verb_copy, .arguments = path_copy,
                                            .pid = getpid(), .asked_at = clock_wall_ms(clock)};
    int64_t id = 0;

    if (catalog_open(catalog_path, CATALOG_ASK, &catalog, err) < 0 ||
        catalog_add_request(catalog, &request, &id, err) < 0)
        return -1;
    while (clock_monotonic_ms(clock) < until_ms) {
        CLEAN_CATALOG_REQUEST struct catalog_request answer = {0};
        struct lock_holder holder = {0};

        if (catalog_find_request(catalog, id, &answer, err) < 0)
            return -1;
        if (answer.state == REQUEST_ANSWERED) {
            *ret_answer = mem_dup(answer.answer ? answer.answer : "");
            *ret_status = answer.exit_status;
            return 1;
        }
        if (lock_look(catalog_path, &holder, err) == 0)
            return 0;
        (void)poll(NULL, 0, LOOK_MS);
    }
    return error_set(err, ERROR_BUSY, "the coordinator that has the catalog %s does not answer",
                     catalog_path);
}

/* The folder and file that a name stands for. */
static int find_path(const struct settings *settings, const char *catalog_path, char **ret_path,
                     struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_BACKUP struct backup backup = {.folder = NULL};

    if (catalog_open(catalog_path, CATALOG_READ, &catalog, err) < 0 ||
        command_find_backup(catalog, settings->operands.items[0], &backup, err) < 0)
        return -1;
    if (backup.state == BACKUP_EXPIRED)
        return error_set(err, ERROR_NOT_FOUND, "%s/%s has expired: it is gone", backup.folder,
                         backup.file);
    *ret_path = str_format("%s/%s", backup.folder, backup.file);
    return 0;
}

/* With the lock held. The store's copy follows if the store is there, else with the next run. */
static int change(const struct settings *settings, const char *catalog_path, char *path,
                  bool is_pinned, size_t *ret_n, struct error *err)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_STORE struct store *store = NULL;
    struct error why = ERROR_INIT;
    char *slash = strchr(path, '/');

    *slash = '\0';
    int result = catalog_open(catalog_path, CATALOG_WRITE, &catalog, err);
    if (result == 0)
        result = catalog_pin_backup(catalog, path, slash + 1, is_pinned, ret_n, err);
    *slash = '/';
    if (result < 0)
        return -1;
    if (store_open(settings->backup_dir, NULL, &store, &why) < 0 ||
        pins_publish(catalog, store, &why) < 0)
        log_warn("pin", "the store learns of it at the end of the next run: %s", why.text);
    return 0;
}

static int tell(const struct settings *settings, const char *path, bool is_pinned,
                struct error *err)
{
    if (settings->is_json)
        return command_print_json_take(
            json_pack("{s:o,s:b}", "backup", command_json_text(path), "pinned", (int)is_pinned),
            err);
    CLEAN_STR struct str text = STR_INIT;
    str_add_format(&text, is_pinned ? "%s is pinned: it never expires.\n"
                                    : "%s is no longer pinned.\n",
                   path);
    return command_print(&text, err);
}

static int pin(const struct settings *settings, bool is_pinned, struct error *err)
{
    CLEAN_CHAR char *fallback = settings->catalog ? NULL : catalog_default_path();
    const char *catalog_path = settings->catalog ? settings->catalog : fallback;
    struct lock_holder self = {.pid = getpid(), .since_at = clock_wall_ms(clock_system())};
    struct lock_holder holder = {0};
    CLEAN_CHAR char *path = NULL;
    CLEAN_CHAR char *answer = NULL;
    CLEAN_FD int lock_fd = -1;
    int status = 0;
    size_t n = 0;

    if (command_check_operands(settings, 1, 1, "BACKUP", err) != 0 ||
        find_path(settings, catalog_path, &path, err) < 0)
        return -1;
    random_uuid(random_system(), self.owner);
    int taken = lock_take(catalog_path, &self, &lock_fd, &holder, err);
    if (taken == 0) {
        int asked = ask(catalog_path, is_pinned ? "pin" : "unpin", path, &answer, &status, err);
        if (asked < 0)
            return -1;
        if (asked > 0 && status != 0)
            return error_set(err, ERROR_NOT_FOUND, "%s", answer);
        if (asked > 0)
            return tell(settings, path, is_pinned, err);
        taken = lock_take(catalog_path, &self, &lock_fd, &holder, err);
    }
    if (taken == 0)
        return error_set(err, ERROR_BUSY, "process %lld has the catalog %s: try again",
                         (long long)holder.pid, catalog_path);
    if (taken < 0 || change(settings, catalog_path, path, is_pinned, &n, err) < 0)
        return -1;
    return tell(settings, path, is_pinned, err);
}

int command_pin(const struct settings *settings, struct error *err)
{
    return pin(settings, true, err);
}

int command_unpin(const struct settings *settings, struct error *err)
{
    return pin(settings, false, err);
}
