/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Only committed ends count, so that what justifies an expire job is in the catalog before it.
 */
#include "coordinator/run/control_expire.h"

#include "common/base/error.h"

#include "common/base/poison.h"

void control_expire_done(struct control_expire *expire)
{
    expiry_rules_list_done(&expire->rules);
    text_list_done(&expire->folders);
}

void control_expire_add(struct control_expire *expire, const char *folder)
{
    if (!text_list_has(&expire->folders, folder))
        text_list_add(&expire->folders, folder);
}

void control_expire_note(struct control_expire *expire, const struct dispatch *dispatch,
                         const struct dispatch_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct run_job job;

        if (changes[i].kind != DISPATCH_STATE || !job_state_is_end(changes[i].state) ||
            !dispatch_find_job(dispatch, changes[i].id, &job))
            continue;
        if (job_kind_is_backup(job.kind) && job.folder)
            control_expire_add(expire, job.folder);
    }
}

static int expire_folder(struct control_expire *expire, const char *folder,
                         struct catalog *catalog, struct dispatch *dispatch,
                         struct dispatch_now now, struct error *err)
{
    const struct retain_rules *rules = expiry_rules_list_find(&expire->rules, folder);
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    CLEAN_EXPIRY struct expiry expiry = {0};
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};

    if (!rules || !dispatch_is_folder_saved(dispatch, folder))
        return 0;
    if (expiry_judge(catalog, folder, rules, &expiry, err) < 0)
        return -1;
    expiry_add_warnings(&expiry, &warnings);
    for (size_t i = 0; i < warnings.n; i++)
        dispatch_add_warning(dispatch, warnings.items[i]);
    if (expiry_make_job(&expiry, &job))
        dispatch_add_expire(dispatch, &job, now);
    return 0;
}

void control_expire_step(struct control_expire *expire, struct catalog *catalog,
                         struct dispatch *dispatch, struct dispatch_now now)
{
    for (size_t i = 0; i < expire->folders.n; i++) {
        struct error error = ERROR_INIT;

        if (expire_folder(expire, expire->folders.items[i], catalog, dispatch, now, &error) < 0)
            dispatch_add_warning(dispatch, error.text);
    }
    text_list_done(&expire->folders);
}
