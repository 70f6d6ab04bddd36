/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool adopt: the backups that OnyxBackupVM wrote into the store become known (found), so that
 * they count and expire by our rules. Its cron lines are shown: two rotations in one folder would
 * take each other's files.
 */
#include "coordinator/command/command.h"

#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/store/marker.h"
#include "common/store/root.h"
#include "coordinator/adopt.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/catalog/lock.h"
#include "coordinator/pins.h"
#include "coordinator/verified.h"

#include "common/base/poison.h"

#define SHOWN_MAX 20 /* paths of each kind; all of them with --json */
#define ETC "/etc"
#define SPOOL "/var/spool/cron"

/* Be the coordinator of this catalog: nobody else changes it meanwhile. */
static int take_lock(const char *catalog_path, int *ret_fd, struct error *err)
{
    struct lock_holder self = {.pid = getpid(), .since_at = clock_wall_ms(clock_system())};
    struct lock_holder holder = {0};

    random_uuid(random_system(), self.owner);
    int taken = lock_take(catalog_path, &self, ret_fd, &holder, err);
    if (taken == 0)
        return error_set(err, ERROR_BUSY,
                         "process %lld is using the catalog %s: adopt when its run has ended",
                         (long long)holder.pid, catalog_path);
    return taken < 0 ? -1 : 0;
}

/* The catalog's backups must be of this very store. */
static int check_store(struct catalog *catalog, struct store *store, struct error *err)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {.state = CATALOG_RUN_RUNNING};
    struct marker marker;

    if (marker_check(store, NULL, &marker, err) < 0)
        return -1;
    int found = catalog_find_run(catalog, NULL, &run, err);
    if (found < 0)
        return -1;
    if (found > 0 && run.store_uuid && !str_equal(run.store_uuid, marker.store_uuid))
        return error_set(err, ERROR_STORE_FOREIGN,
                         "%s is the store %s, the catalog is of the store %s: is the right share "
                         "mounted?",
                         store_root(store), marker.store_uuid, run.store_uuid);
    return 0;
}

static json_t *texts_json(const struct text_list *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->n; i++)
        (void)json_array_append_new(list, command_json_text(texts->items[i]));
    return list;
}

static int print_json(const struct adopt_result *result, const struct text_list *cron,
                      struct error *err)
{
    return command_print_json_take(
        json_pack("{s:o,s:I,s:o,s:I,s:I,s:o,s:o,s:o}", "found", texts_json(&result->found),
                  "found_bytes", (json_int_t)result->found_bytes, "regained",
                  texts_json(&result->regained), "regained_bytes",
                  (json_int_t)result->regained_bytes, "known", (json_int_t)result->known_n,
                  "missing", texts_json(&result->missing), "strays", texts_json(&result->strays),
                  "cron", texts_json(cron)),
        err);
}

static void add_list(const char *title, const struct text_list *list, struct str *out)
{
    if (list->n == 0)
        return;
    str_add_format(out, "%s\n", title);
    for (size_t i = 0; i < list->n && i < SHOWN_MAX; i++)
        str_add_format(out, "  %s\n", list->items[i]);
    if (list->n > SHOWN_MAX)
        str_add_format(out, "  and %zu more (--json has all)\n", list->n - SHOWN_MAX);
}

static int print_text(const struct adopt_result *result, const struct text_list *cron,
                      struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    char found[NUM_TEXT_MAX], regained[NUM_TEXT_MAX];

    add_list("No longer in the store, protect nothing any more:", &result->missing, &text);
    add_list("Left as they are, no .meta speaks of them or their name is no UTF-8:",
             &result->strays, &text);
    add_list("Remove these cron lines: OnyxBackupVM's rotation would take our files.", cron, &text);
    str_add_format(&text, "%zu backup%s of OnyxBackupVM adopted, %s.\n", result->found.n,
                   result->found.n == 1 ? "" : "s", num_format_bytes(result->found_bytes, found));
    if (result->found.n > 0)
        str_add(&text, "They wait to be verified: the next run takes some along, onyxpool verify\n"
                       "reads all of them. Until then they are only found, and protect nothing.\n");
    if (result->regained.n > 0)
        str_add_format(&text, "%zu of ours came back into the catalog, %s.\n", result->regained.n,
                       num_format_bytes(result->regained_bytes, regained));
    str_add_format(&text, "%zu %s known already.\n", result->known_n,
                   result->known_n == 1 ? "was" : "were");
    return command_print(&text, err);
}

int command_adopt(const struct settings *settings, struct error *err)
{
    CLEAN_CHAR char *fallback = settings->catalog ? NULL : catalog_default_path();
    const char *catalog_path = settings->catalog ? settings->catalog : fallback;
    CLEAN_FD int lock_fd = -1;
    CLEAN_STORE struct store *store = NULL;
    CLEAN_CATALOG struct catalog *catalog = NULL;
    CLEAN_ADOPT_RESULT struct adopt_result result = {.known_n = 0};
    CLEAN_TEXT_LIST struct text_list cron = TEXT_LIST_INIT;

    if (command_check_operands(settings, 0, 0, "", err) != 0 ||
        store_open(settings->backup_dir, NULL, &store, err) != 0 ||
        take_lock(catalog_path, &lock_fd, err) != 0 ||
        catalog_open(catalog_path, CATALOG_WRITE, &catalog, err) < 0 ||
        check_store(catalog, store, err) != 0 ||
        adopt_store(catalog, store, settings->is_share_forced, &result, err) < 0 ||
        pins_regain(catalog, store, err) < 0 || verified_regain(catalog, store, err) < 0)
        return -1;
    adopt_find_cron(ETC, SPOOL, &cron);
    return settings->is_json ? print_json(&result, &cron, err) : print_text(&result, &cron, err);
}
