/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lines of seven parts. What could end a line or a part inside a text becomes a blank.
 */
#include "common/store/verdicts.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/store/pins.h"
#include "common/store/root.h"

#include "common/base/poison.h"

#define PARTS_N 7
#define NONE "-"
#define DIGEST_DIGITS 64

/* 1 open, 0 not there (and not wanted), -1 failed. */
static int open_folder(struct store *store, bool create, int *ret_fd, struct error *err)
{
    CLEAN_FD int own = -1;
    CLEAN_FD int state = -1;
    struct error why = ERROR_INIT;

    if (store_open_own(store, create, &own, &why) == 0 &&
        store_open_below(store, own, PINS_FOLDER, create, &state, &why) == 0 &&
        store_open_below(store, state, VERDICTS_FOLDER, create, ret_fd, &why) == 0)
        return 1;
    if (why.code == ERROR_NOT_FOUND && !create)
        return 0;
    return error_set(err, why.code, "%s", why.text);
}

/* ---- reading ---- */

static char *none_or(char *text)
{
    return strcmp(text, NONE) == 0 ? NULL : text;
}

static enum job_verdict_kind kind_of(const char *name)
{
#define X(constant, text, number)                                                                  \
    if (strcmp(name, text) == 0)                                                                   \
        return JOB_VERDICT_##constant;
    JOB_VERDICT_TABLE(X)
#undef X
    return JOB_VERDICT_NONE;
}

/* Parts of a line, which is cut up. false: it is none. */
static bool parse_line(char *line, struct verdicts_entry *entry)
{
    char *parts[PARTS_N] = {line};
    int64_t size = 0;

    for (size_t i = 1; i < PARTS_N; i++) {
        char *tab = strchr(parts[i - 1], '\t');
        if (tab == NULL)
            return false;
        *tab = '\0';
        parts[i] = tab + 1;
    }
    *entry = (struct verdicts_entry){.verdict = {.kind = kind_of(parts[1]),
                                                 .file = parts[0],
                                                 .sha256 = none_or(parts[4]),
                                                 .proof = none_or(parts[5]),
                                                 .text = none_or(parts[6])}};
    const char *sum = entry->verdict.sha256;
    if (entry->verdict.kind == JOB_VERDICT_NONE || store_check_name(parts[0], NULL) != 0 ||
        clock_parse_utc(parts[2], &entry->at, NULL) != 0 ||
        num_parse(parts[3], 0, INT64_MAX, &size, NULL) != 0 ||
        (sum != NULL && (strspn(sum, "0123456789abcdef") != DIGEST_DIGITS ||
                         sum[DIGEST_DIGITS] != '\0')))
        return false;
    entry->size_bytes = (uint64_t)size;
    return true;
}

static int read_text(struct store *store, const char *folder, struct str *text, struct error *err)
{
    CLEAN_FD int fd = -1;
    int opened = store_check_name(folder, err) != 0 ? -1 : open_folder(store, false, &fd, err);

    if (opened != 1)
        return opened;
    return store_read_small(store, fd, folder, text, err);
}

int verdicts_read(struct store *store, const char *folder, verdicts_fn *each, void *context,
                  struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    if (read_text(store, folder, &text, err) < 0)
        return error_add(err, "read what was verified in %s", folder);
    for (const char *at = str_text(&text); *at != '\0';) {
        size_t n = strcspn(at, "\n");
        CLEAN_CHAR char *line = mem_dup_n(at, n);
        struct verdicts_entry entry;

        if (parse_line(line, &entry) && each(context, &entry, err) != 0)
            return -1;
        at += at[n] == '\n' ? n + 1 : n;
    }
    return 0;
}

/* ---- writing ---- */

static void add_part(struct str *out, const char *text, char end)
{
    for (const char *at = text != NULL && *text != '\0' ? text : NONE; *at != '\0'; at++)
        str_add_char(out, (unsigned char)*at < ' ' ? ' ' : *at);
    str_add_char(out, end);
}

static void add_line(struct str *out, const struct verdicts_entry *entry)
{
    char at[CLOCK_ISO_MAX];

    add_part(out, entry->verdict.file, '\t');
    add_part(out, job_verdict_name(entry->verdict.kind), '\t');
    add_part(out, clock_format_utc(entry->at, at), '\t');
    str_add_format(out, "%llu\t", (unsigned long long)entry->size_bytes);
    add_part(out, entry->verdict.sha256, '\t');
    add_part(out, entry->verdict.proof, '\t');
    add_part(out, entry->verdict.text, '\n');
}

int verdicts_write(struct store *store, const char *folder, const struct verdicts_entry *entries,
                   size_t n, struct error *err)
{
    CLEAN_STR struct str old = STR_INIT;
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_FD int fd = -1;

    for (size_t i = 0; i < n; i++)
        add_line(&text, &entries[i]);
    if (read_text(store, folder, &old, err) < 0)
        return error_add(err, "read what was verified in %s", folder);
    if (strcmp(str_text(&old), str_text(&text)) == 0)
        return 0;
    if (open_folder(store, true, &fd, err) < 0 ||
        store_replace_small(store, fd, folder, 0644, str_text(&text), text.len, err) != 0)
        return error_add(err, "write what was verified in %s", folder);
    return 0;
}
