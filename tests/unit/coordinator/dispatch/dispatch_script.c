/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A script is played line by line on a dispatch of its own, with a clock and chance of its own.
 */
#include "tests/unit/coordinator/dispatch/dispatch_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/num.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "coordinator/dispatch/dispatch.h"

#define WORDS_MAX 24
#define HOSTS_MAX 8

struct world {
    struct dispatch *dispatch;
    struct dispatch_now now;
    struct random random;
    uint64_t random_n;
    bool is_recording;
    struct str changes;
    struct text_map names; /* job id -> name */
    uint64_t seqs[HOSTS_MAX];
};

static void world_fill(void *context, void *bytes, size_t n)
{
    struct world *world = context;

    memset(bytes, 0xc1, n);
    ((unsigned char *)bytes)[n - 1] = (unsigned char)++world->random_n;
}

static void world_init(struct world *world)
{
    struct dispatch_settings settings = {.attempts_max = 3,
                                         .backoff_ms = 5000,
                                         .lost_ms = 60000,
                                         .strange_ms = 15000,
                                         .stall_ms = 45000,
                                         .run_max_ms = 3600000,
                                         .host_jobs_max = 2,
                                         .sr_jobs_max = 4,
                                         .store_jobs_max = 8,
                                         .space = {.threshold_percent = 20, .floor_percent = 1},
                                         .run = "00000000000000ff",
                                         .store_uuid = "store",
                                         .store_nonce = "nonce",
                                         .store_root = "/backup"};

    *world = (struct world){.is_recording = true, .now = {.ms = 1000, .at = 1763856000000}};
    world->random = (struct random){.fill = world_fill, .context = world};
    settings.random = &world->random;
    world->dispatch = dispatch_new(&settings, world->now);
    dispatch_set_lease(world->dispatch, 7, true);
}

static void world_done(struct world *world)
{
    dispatch_free(&world->dispatch);
    str_done(&world->changes);
    text_map_done(&world->names);
}

static char *make_id(const char *name)
{
    return str_format("%016x", (unsigned)name[0]);
}

static const char *world_name(struct world *world, const char *id)
{
    const char *name = text_map_get(&world->names, id);

    return name ? name : id;
}

/* Id of "A" or "clean(A#1)". */
static char *world_find_id(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->names.n; i++)
        if (strcmp(world->names.pairs[i].value, name) == 0)
            return mem_dup(world->names.pairs[i].key);
    return make_id(name);
}

static void world_record_one(struct world *world, struct dispatch_change *change)
{
    struct str *out = &world->changes;
    CLEAN_CHAR char *cleanup = NULL;

    switch (change->kind) {
    case DISPATCH_ADD_JOB:
        cleanup = str_format("clean(%s#%u)", world_name(world, change->job.job.remains[0].job),
                             change->job.job.remains[0].attempt);
        text_map_set(&world->names, change->id, cleanup);
        str_add_format(out, "add %s; ", cleanup);
        break;
    case DISPATCH_BEGIN:
        str_add_format(out, "begin %s#%u@%s; ", world_name(world, change->id), change->attempt,
                       change->host_uuid);
        if (change->prefix)
            change->stem = str_format("%sstem-%u", change->prefix, change->attempt);
        break;
    case DISPATCH_END:
        str_add_format(out, "end %s#%u %s; ", world_name(world, change->report.id),
                       change->report.attempt, job_state_name(change->report.state));
        break;
    case DISPATCH_CLEAN:
        str_add_format(out, "clean %s#%u; ", world_name(world, change->id), change->attempt);
        break;
    case DISPATCH_STATE:
        str_add_format(out, "%s %s; ", world_name(world, change->id),
                       job_state_name(change->state));
        break;
    case DISPATCH_WARN:
        str_add_format(out, "warn; ");
        break;
    }
}

static void world_record(struct world *world)
{
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(world->dispatch, &n);

    if (!world->is_recording)
        return;
    for (size_t i = 0; i < n; i++)
        world_record_one(world, &changes[i]);
    dispatch_recorded(world->dispatch);
}

static void add_words(struct text_list *list, const char *text)
{
    char *copy = mem_dup(text);

    for (char *at = copy, *next = NULL; at; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        text_list_add(list, at);
    }
    free(copy);
}

static const char *word_value(char **words, size_t n, const char *key, const char *otherwise)
{
    size_t length = strlen(key);

    for (size_t i = 0; i < n; i++)
        if (strncmp(words[i], key, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    return otherwise;
}

static bool has_word(char **words, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static unsigned word_number(char **words, size_t n, const char *key, unsigned otherwise)
{
    const char *text = word_value(words, n, key, NULL);
    int64_t value = otherwise;

    if (text)
        assert_int_equal(num_parse(text, 0, 1000000, &value, NULL), 0);
    return (unsigned)value;
}

static void do_job(struct world *world, char **words, size_t n)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};
    CLEAN_CHAR char *id = make_id(words[1]);
    const char *vm = word_value(words, n, "vm", words[1]);

    str_copy(job.job.id, sizeof job.job.id, id);
    text_map_set(&world->names, id, words[1]);
    job.job.kind = JOB_BACKUP_VM;
    job.job.vm_uuid = mem_dup(vm);
    job.job.vm_name = mem_dup(vm);
    job.job.folder = mem_dup(vm);
    job.job.attempt = word_number(words, n, "attempt", 0);
    job.job.estimate_bytes = word_number(words, n, "est", 100);
    job.job.is_estimate_proven = has_word(words, n, "proven");
    job.is_open = has_word(words, n, "open");
    if (has_word(words, n, "at=h2"))
        job.open_host_uuid = mem_dup("h2");
    job.may_be_redirected = has_word(words, n, "redirect");
    add_words(&job.hosts, word_value(words, n, "hosts", "h1"));
    add_words(&job.srs, word_value(words, n, "srs", "s1"));
    assert_true(job_state_from_name(word_value(words, n, "state", "planned"), &job.state));
    dispatch_add_job(world->dispatch, &job, world->now);
}

/* "A#1=failed:IO:clean" into a report. */
static void parse_report(struct world *world, char *word, struct job_report *report)
{
    char *hash = strrchr(word, '#');
    char *equal = strchr(hash, '=');
    int64_t attempt = 0;

    *hash = '\0';
    *equal = '\0';
    CLEAN_CHAR char *id = world_find_id(world, word);
    assert_int_equal(num_parse(hash + 1, 1, 99, &attempt, NULL), 0);
    str_copy(report->id, sizeof report->id, id);
    report->attempt = (uint32_t)attempt;
    report->phase = JOB_PHASE_STREAM;
    char *rest = strchr(equal + 1, ':');
    if (rest)
        *rest++ = '\0';
    assert_true(job_state_from_name(equal + 1, &report->state));
    report->is_clean = report->state == JOB_STATE_DONE;
    if (rest && str_ends(rest, "clean"))
        report->is_clean = true;
    if (rest && str_ends(rest, "dirty"))
        report->is_clean = false;
    if (rest && str_ends(rest, "hung"))
        report->is_hung = true;
    struct run_job view;
    bool is_backup = dispatch_find_job(world->dispatch, id, &view) == 1 &&
                     job_kind_is_backup(view.kind);
    if ((rest && str_ends(rest, "saved")) ||
        (is_backup && report->state == JOB_STATE_DONE && !(rest && str_ends(rest, "empty"))))
        job_report_add_file(report)->name = mem_dup("backup.xva");
    if (report->state == JOB_STATE_FAILED)
        error_set(&report->error,
                  rest && strstr(rest, "GONE") ? ERROR_XAPI_GONE : ERROR_IO, "broken");
}

static void add_attempts(struct world *world, struct str *out, const char *verb,
                         const struct wire_attempt *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_add_format(out, "%s%s %s#%u", out->len ? " " : "", verb,
                       world_name(world, items[i].id), items[i].attempt);
}

static char *format_orders(struct world *world, const struct wire_orders *orders)
{
    CLEAN_STR struct str out = STR_INIT;

    for (size_t i = 0; i < orders->assign_n; i++) {
        const struct job *job = &orders->assign[i];

        str_add_format(&out, "%sassign %s#%u", out.len ? " " : "", world_name(world, job->id),
                       job->attempt);
        if (job->kind == JOB_BACKUP_VM)
            assert_string_equal(job->stem + strlen(job->stem) - 2,
                                job->attempt == 1   ? "-1"
                                : job->attempt == 2 ? "-2"
                                                    : "-3");
    }
    add_attempts(world, &out, "cancel", orders->cancel, orders->cancel_n);
    add_attempts(world, &out, "forget", orders->forget, orders->forget_n);
    assert_int_equal(orders->lease, 7);
    return out.len ? str_take(&out) : mem_dup("nothing");
}

static char *do_sync(struct world *world, char **words, size_t n)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    uint64_t *seq = &world->seqs[(unsigned)words[1][1] % HOSTS_MAX];

    str_copy(sync.host_uuid, sizeof sync.host_uuid, words[1]);
    sync.boot = word_number(words, n, "boot", 1);
    sync.seq = word_number(words, n, "seq", (unsigned)++*seq);
    sync.slots = 4;
    sync.free_slots = word_number(words, n, "free", 2);
    sync.is_partial = has_word(words, n, "partial");
    sync.is_draining = has_word(words, n, "drain");
    if (has_word(words, n, "hold"))
        sync.hold_back = mem_dup("CPU at 93 %");
    sync.store.root = mem_dup("/backup");
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup(word_value(words, n, "nonce", "nonce"));
    sync.store.free_bytes = word_number(words, n, "space", 0);
    sync.store.total_bytes = word_number(words, n, "total", (unsigned)sync.store.free_bytes);
    for (size_t i = 2; i < n; i++)
        if (strchr(words[i], '#'))
            parse_report(world, words[i], wire_sync_add_report(&sync));
    assert_int_equal(dispatch_hear(world->dispatch, &sync, world->now, NULL), 0);
    dispatch_place(world->dispatch, words[1], world->now);
    world_record(world);
    dispatch_orders(world->dispatch, words[1], world->now, &orders);
    return format_orders(world, &orders);
}

static char *do_state(struct world *world, char **words)
{
    CLEAN_CHAR char *id = world_find_id(world, words[1]);

    for (size_t i = 0; i < dispatch_jobs_n(world->dispatch); i++) {
        struct run_job job;

        dispatch_view_job(world->dispatch, i, &job);
        if (strcmp(job.id, id) == 0)
            return job.reason && job.reason[0]
                       ? str_format("%s: %s", job_state_name(job.state), job.reason)
                       : mem_dup(job_state_name(job.state));
    }
    return mem_dup("unknown");
}

static void do_remains(struct world *world, char **words, size_t n)
{
    struct job_remains remains = {0};
    char *hash = strchr(words[1], '#');
    int64_t attempt = 0;

    *hash = '\0';
    CLEAN_CHAR char *id = make_id(words[1]);
    assert_int_equal(num_parse(hash + 1, 1, 99, &attempt, NULL), 0);
    if (!text_map_get(&world->names, id))
        text_map_set(&world->names, id, words[1]);
    str_copy(remains.job, sizeof remains.job, id);
    remains.attempt = (uint32_t)attempt;
    CLEAN_CHAR char *vm = mem_dup(word_value(words, n, "vm", words[1]));
    remains.vm_uuid = vm;
    dispatch_add_remains(world->dispatch, &remains, world->now);
}

static char *world_do(struct world *world, char **words, size_t n)
{
    struct dispatch *dispatch = world->dispatch;
    const char *verb = words[0];

    if (strcmp(verb, "sync") == 0)
        return do_sync(world, words, n);
    if (strcmp(verb, "state") == 0)
        return do_state(world, words);
    if (strcmp(verb, "job") == 0)
        do_job(world, words, n);
    else if (strcmp(verb, "remains") == 0)
        do_remains(world, words, n);
    else if (strcmp(verb, "start") == 0)
        dispatch_start(dispatch, world->now);
    else if (strcmp(verb, "cancel") == 0)
        dispatch_cancel(dispatch, world->now);
    else if (strcmp(verb, "record") == 0)
        world->is_recording = strcmp(words[1], "on") == 0;
    else if (strcmp(verb, "lease") == 0)
        dispatch_set_lease(dispatch, 7, strcmp(words[1], "renewed") == 0);
    else if (strcmp(verb, "is") == 0)
        return mem_dup(dispatch_is_over(dispatch) ? "yes" : "no");
    else if (strcmp(verb, "changes") == 0)
        return str_take(&world->changes);
    else if (strcmp(verb, "release") == 0) {
        CLEAN_CHAR char *id = make_id(words[1]);
        dispatch_release_job(dispatch, id);
    } else if (strcmp(verb, "wait") == 0) {
        int64_t ms = 0;
        assert_int_equal(num_parse(words[1], 0, 100000000, &ms, NULL), 0);
        world->now.ms += ms;
        world->now.at += ms;
        dispatch_tick(dispatch, world->now);
    } else {
        fail_msg("no such line: %s", verb);
    }
    world_record(world);
    return mem_dup("");
}

static void run_line(struct world *world, const char *line)
{
    CLEAN_CHAR char *copy = mem_dup(line);
    char *expected = strstr(copy, "=>");
    char *words[WORDS_MAX];
    size_t n = 0;

    if (expected) {
        *expected = '\0';
        expected = str_trim(expected + 2);
    }
    for (char *at = str_trim(copy); *at && n < WORDS_MAX;) {
        words[n++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
        at += strspn(at, " ");
    }
    if (n == 0)
        return;
    CLEAN_CHAR char *got = world_do(world, words, n);
    size_t n_same = expected && str_ends(expected, "...") ? strlen(expected) - 3 : SIZE_MAX;
    if (expected && strncmp(str_trim(got), expected, n_same) != 0)
        fail_msg("line: %s\n  got: %s", line, got);
}

void dispatch_script_run(const char *script)
{
    struct world world;
    CLEAN_CHAR char *copy = mem_dup(script);

    world_init(&world);
    for (char *at = copy, *next = NULL; at && *at; at = next) {
        next = strchr(at, '\n');
        if (next)
            *next++ = '\0';
        run_line(&world, at);
    }
    world_done(&world);
}
