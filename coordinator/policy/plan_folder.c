/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A VM's folder is the one its former backups are in; a new one is its encoded name, unless that
 * folder is another VM's.
 */
#include <string.h>
#include <strings.h>

#include "common/base/str.h"
#include "common/model/name_on_share.h"
#include "coordinator/policy/plan_inside.h"

#include "common/base/poison.h"

void plan_own_folder(struct planner *p, const char *folder, const char *uuid)
{
    p->folders = mem_grow(p->folders, &p->folders_cap, p->folders_n + 1, sizeof *p->folders);
    p->folders[p->folders_n++] = (struct folder_owner){mem_dup(folder), uuid};
}

const struct plan_known *plan_find_known(const struct planner *p, const char *uuid)
{
    for (size_t i = 0; i < p->settings->known_n; i++) {
        if (str_equal(p->settings->known[i].vm_uuid, uuid))
            return &p->settings->known[i];
    }
    return NULL;
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* name_on_share_same, quicker for the thousands of plain pairs. */
static bool is_same_folder(const char *a, const char *b)
{
    if (is_ascii(a) && is_ascii(b))
        return strcasecmp(a, b) == 0;
    return name_on_share_same(a, b);
}

static bool is_taken(const struct planner *p, const char *folder, const char *uuid)
{
    for (size_t i = 0; i < p->folders_n; i++) {
        if (is_same_folder(p->folders[i].folder, folder) && !str_equal(p->folders[i].uuid, uuid))
            return true;
    }
    return false;
}

char *plan_choose_folder(struct planner *p, const struct vm *vm, struct text_list *warnings)
{
    for (size_t i = 0; i < p->folders_n; i++) {
        if (str_equal(p->folders[i].uuid, vm->uuid))
            return mem_dup(p->folders[i].folder);
    }
    char *folder = name_on_share_encode(vm->name, vm->uuid);
    if (is_taken(p, folder, vm->uuid)) {
        char *twin = name_on_share_encode_twin(vm->name, vm->uuid);
        text_list_add_format(warnings,
                             "%s: the folder %s belongs to another VM; this one goes to %s",
                             vm->name, folder, twin);
        mem_free_char(&folder);
        folder = twin;
    } else if (!name_on_share_is_plain(vm->name)) {
        text_list_add_format(warnings, "%s: the name can't be a folder's name; the folder is %s",
                             vm->name, folder);
    }
    plan_own_folder(p, folder, vm->uuid);
    return folder;
}
