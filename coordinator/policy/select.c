/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All entries of a list are first matched against all VMs: an entry that goes over its limits on
 * any name is out as a whole, so that what is chosen does not depend on the order of the VMs.
 */
#include "coordinator/policy/select.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "coordinator/policy/entry.h"

#include "common/base/poison.h"

#define ROOT_DISK "xvda"
#define EVERYTHING ".*"

struct chooser {
    const struct pool *pool;
    const struct select_request *request;
    struct selection *selection;
    size_t *vms; /* those that are VMs in a person's sense, by name */
    size_t vms_n;
    bool *is_out; /* by position in vms: excluded, or taken by a VDI export when preferred */
};

static void list_done(struct selected_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free_char(&list->items[i].by);
        mem_free_char(&list->items[i].hook);
        text_list_done(&list->items[i].disks);
    }
    mem_free_void(&list->items);
    *list = (struct selected_list){0};
}

void selection_done(struct selection *selection)
{
    list_done(&selection->excludes);
    list_done(&selection->vdi_exports);
    list_done(&selection->vm_exports);
    text_list_done(&selection->warnings);
}

static void chooser_done(struct chooser *chooser)
{
    mem_free_void(&chooser->vms);
    mem_free_void(&chooser->is_out);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int compare_names(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && lower(a[i]) == lower(b[i]))
        i++;
    return (int)(unsigned char)lower(a[i]) - (int)(unsigned char)lower(b[i]);
}

struct sort_item {
    const struct vm *vm;
    size_t index;
};

static int compare_vms(const void *left, const void *right)
{
    const struct vm *a = ((const struct sort_item *)left)->vm;
    const struct vm *b = ((const struct sort_item *)right)->vm;
    int order = compare_names(a->name, b->name);
    if (order == 0)
        order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->uuid, b->uuid);
}

static void sort_vms(struct chooser *chooser)
{
    const struct pool *pool = chooser->pool;
    struct sort_item *items = mem_zero(pool->vms_n + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < pool->vms_n; i++) {
        if (vm_is_plain(&pool->vms[i]))
            items[n++] = (struct sort_item){&pool->vms[i], i};
    }
    qsort(items, n, sizeof *items, compare_vms);
    chooser->vms = mem_zero(n + 1, sizeof *chooser->vms);
    chooser->is_out = mem_zero(n + 1, sizeof *chooser->is_out);
    chooser->vms_n = n;
    for (size_t i = 0; i < n; i++)
        chooser->vms[i] = items[i].index;
    mem_free_void(&items);
}

static const char *vm_name(const struct chooser *chooser, size_t position)
{
    return chooser->pool->vms[chooser->vms[position]].name;
}

/* A bad entry: a warning, or the error when strict. */
static int complain(struct chooser *chooser, const char *list, const struct error *why,
                    struct error *err)
{
    if (chooser->request->is_strict)
        return error_set(err, ERROR_SETTINGS, "%s: %s", list, why->text);
    text_list_add_format(&chooser->selection->warnings, "%s: %s; skipped", list, why->text);
    return 0;
}

/* Match one entry against every VM; false when it is out. */
static bool match_all(const struct chooser *chooser, const struct entry *entry, bool *ret_matches,
                      struct error *why)
{
    for (size_t i = 0; i < chooser->vms_n; i++) {
        int matches = entry_match(entry, vm_name(chooser, i), why);
        if (matches < 0)
            return false;
        ret_matches[i] = matches == 1;
    }
    return true;
}

static void select_vm(const struct chooser *chooser, const char *list, const struct entry *entry,
                      bool is_vdi, size_t position, struct selected *item)
{
    *item = (struct selected){.vm = chooser->vms[position],
                              .by = str_format("%s: %s", list, entry->text),
                              .max_backups = entry->max_backups};
    if (is_vdi && entry->disks.n > 0)
        text_list_copy(&item->disks, &entry->disks);
    else if (is_vdi)
        text_list_add(&item->disks, ROOT_DISK);
}

/* What an entry that took nothing may have meant. */
static const char *hint_of(const struct chooser *chooser, const struct entry *entry,
                           size_t out_n)
{
    const struct pool *pool = chooser->pool;
    if (out_n > 0)
        return chooser->request->prefer_vdi ? " but those that are excluded or exported by VDI"
                                            : " but those that are excluded";
    for (size_t i = 0; entry->is_name && i < pool->vms_n; i++) {
        if (strcasecmp(pool->vms[i].uuid, entry->pattern) == 0)
            return ": it is the uuid of one; entries are names";
        if (!vm_is_plain(&pool->vms[i]) && strcmp(pool->vms[i].name, entry->pattern) == 0)
            return ": what has this name is a template, a snapshot or a control domain, which are "
                   "not backed up";
    }
    return entry->is_name ? " (names are matched exactly)" : "";
}

/* What an entry says that its list has no use for. */
static void warn_unused(struct chooser *chooser, const char *list, const struct entry *entry,
                        bool is_vdi)
{
    if (!is_vdi && entry->disks.n > 0)
        text_list_add_format(&chooser->selection->warnings,
                             "%s: entry \"%s\" names disks, but this list takes whole VMs; single "
                             "disks are exported by vdi_exports",
                             list, entry->text);
}

/* One entry: chosen[] gets what no entry before it has taken. */
static int apply_entry(struct chooser *chooser, const char *list, const char *text, bool is_vdi,
                       struct selected *chosen, struct error *err)
{
    CLEAN_ENTRY struct entry entry = {0};
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    struct error why = ERROR_INIT;
    bool *matches = mem_zero(chooser->vms_n + 1, sizeof *matches);
    size_t matches_n = 0, out_n = 0;
    int bad = 0;
    if (entry_parse(text, &entry, &warnings, &why) < 0 ||
        !match_all(chooser, &entry, matches, &why)) {
        bad = complain(chooser, list, &why, err);
    } else {
        for (size_t i = 0; i < chooser->vms_n; i++) {
            if (!matches[i])
                continue;
            if (chooser->is_out[i]) {
                out_n++;
                continue;
            }
            matches_n++;
            if (!chosen[i].by)
                select_vm(chooser, list, &entry, is_vdi, i, &chosen[i]);
        }
        for (size_t i = 0; i < warnings.n; i++)
            text_list_add_format(&chooser->selection->warnings, "%s: %s", list,
                                 warnings.items[i]);
        warn_unused(chooser, list, &entry, is_vdi);
        if (matches_n == 0 && !str_equal(entry.pattern, EVERYTHING))
            text_list_add_format(&chooser->selection->warnings,
                                 "%s: entry \"%s\" matches no VM%s", list, entry.text,
                                 hint_of(chooser, &entry, out_n));
    }
    mem_free_void(&matches);
    return bad;
}

static int apply_list(struct chooser *chooser, const char *name, const struct text_list *texts,
                      bool is_vdi, struct selected_list *ret_list, struct error *err)
{
    struct selected *chosen = mem_zero(chooser->vms_n + 1, sizeof *chosen);
    int bad = 0;
    for (size_t i = 0; i < texts->n && !bad; i++)
        bad = apply_entry(chooser, name, texts->items[i], is_vdi, chosen, err);
    for (size_t i = 0; i < chooser->vms_n; i++) {
        if (!chosen[i].by)
            continue;
        ret_list->items = mem_grow(ret_list->items, &ret_list->cap, ret_list->n + 1,
                                   sizeof *ret_list->items);
        ret_list->items[ret_list->n++] = chosen[i];
    }
    mem_free_void(&chosen);
    return bad;
}

/* What a list has taken, the lists behind it do not see. */
static void put_out(struct chooser *chooser, const struct selected_list *list)
{
    for (size_t k = 0, i = 0; k < list->n; k++) { /* both are in the same order */
        while (chooser->vms[i] != list->items[k].vm)
            i++;
        chooser->is_out[i] = true;
    }
}

static void warn_overlap(struct chooser *chooser)
{
    struct selection *s = chooser->selection;
    for (size_t k = 0; k < s->vdi_exports.n; k++) {
        const struct selected *vdi = &s->vdi_exports.items[k];
        for (size_t m = 0; m < s->vm_exports.n; m++) {
            if (s->vm_exports.items[m].vm == vdi->vm)
                text_list_add_format(&s->warnings,
                                     "VM %s is exported both by VDI (%s) and whole (%s); both "
                                     "count in its folder, the larger number of backups holds",
                                     chooser->pool->vms[vdi->vm].name, vdi->by,
                                     s->vm_exports.items[m].by);
        }
    }
}

/* An empty night must not look like a good one. */
static void warn_nothing(struct chooser *chooser)
{
    struct selection *s = chooser->selection;
    if (chooser->vms_n > 0 && s->vdi_exports.n == 0 && s->vm_exports.n == 0)
        text_list_add_format(&s->warnings,
                             "no VM is chosen, so none is backed up (%zu of the pool's %zu are "
                             "excluded)",
                             s->excludes.n, chooser->vms_n);
}

int select_make(const struct pool *pool, const struct select_request *request,
                struct selection *ret_selection, struct error *err)
{
    CLEAN_SELECTION struct selection selection = {0};
    CLEANUP(chooser_done)
    struct chooser chooser = {.pool = pool, .request = request, .selection = &selection};
    CLEAN_TEXT_LIST struct text_list everything = TEXT_LIST_INIT;
    const struct text_list *vm_exports = request->vm_exports;
    if (request->vdi_exports->n == 0 && vm_exports->n == 0) {
        text_list_add(&everything, EVERYTHING);
        vm_exports = &everything;
    }
    sort_vms(&chooser);
    if (apply_list(&chooser, "excludes", request->excludes, false, &selection.excludes, err) < 0)
        return -1;
    put_out(&chooser, &selection.excludes);
    if (apply_list(&chooser, "vdi_exports", request->vdi_exports, true, &selection.vdi_exports,
                   err) < 0)
        return -1;
    if (request->prefer_vdi)
        put_out(&chooser, &selection.vdi_exports);
    if (apply_list(&chooser, "vm_exports", vm_exports, false, &selection.vm_exports, err) < 0)
        return -1;
    warn_overlap(&chooser);
    warn_nothing(&chooser);
    *ret_selection = selection;
    selection = (struct selection){0};
    return 0;
}
