/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Placement, from place.cases, and a whole run of it against the lower bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coordinator/policy/place.h"
#include "tests/unit/coordinator/policy/pool_text.h"

#define JOBS_MAX 256
#define HOSTS_MAX 16

enum scene_state { HELD, READY, RUNNING };

struct scene_job {
    struct place_job job;
    enum scene_state state;
    const char *host, *avoid;
    uint64_t done_bytes, rate_bytes_s;
};

struct scene_host {
    const char *uuid;
    struct place_host host;
};

struct scene {
    struct scene_job jobs[JOBS_MAX];
    struct text_list hosts_of[JOBS_MAX], srs_of[JOBS_MAX];
    struct text_list names; /* of the jobs */
    size_t jobs_n;
    struct scene_host hosts[HOSTS_MAX];
    size_t hosts_n;
    struct place_limits limits;
    struct text_list texts;
};

static const char *keep(struct scene *scene, const char *text)
{
    if (!text)
        return NULL;
    text_list_add(&scene->texts, text);
    return scene->texts.items[scene->texts.n - 1];
}

static uint32_t number(const struct text_list *words, const char *key, uint32_t fallback)
{
    const char *text = pool_text_value(words, key);
    return text ? (uint32_t)strtoul(text, NULL, 10) : fallback;
}

static void split_commas(const char *text, struct text_list *list)
{
    while (text && *text) {
        size_t n = strcspn(text, ",");
        CLEAN_CHAR char *part = mem_dup_n(text, n);
        text_list_add(list, part);
        text += n + (text[n] == ',');
    }
}

static void take_job(struct scene *scene, const struct text_list *words)
{
    size_t at = scene->jobs_n++;
    struct scene_job *job = &scene->jobs[at];
    const char *kind = pool_text_value(words, "kind");
    assert_true(at < JOBS_MAX);
    text_list_add(&scene->names, words->items[1]);
    split_commas(pool_text_value(words, "hosts"), &scene->hosts_of[at]);
    split_commas(pool_text_value(words, "srs"), &scene->srs_of[at]);
    *job = (struct scene_job){
        .job = {.kind = JOB_BACKUP_VM,
                .estimate_bytes = number(words, "size", 0),
                .hosts = &scene->hosts_of[at],
                .srs = &scene->srs_of[at],
                .may_be_redirected = text_list_has(words, "redirect")},
        .state = text_list_has(words, "held") ? HELD : READY,
        .host = keep(scene, pool_text_value(words, "running")),
        .avoid = keep(scene, pool_text_value(words, "avoid")),
        .done_bytes = number(words, "done", 0),
        .rate_bytes_s = number(words, "rate", 0),
    };
    if (job->host)
        job->state = RUNNING;
    if (kind)
        assert_int_equal(job_kind_from_name(kind, &job->job.kind), 1);
}

static struct place *board_of(const struct scene *scene)
{
    struct place *place = place_new(&scene->limits);
    for (size_t i = 0; i < scene->hosts_n; i++)
        place_set_host(place, place_need_host(place, scene->hosts[i].uuid),
                       &scene->hosts[i].host);
    for (size_t i = 0; i < scene->jobs_n; i++) {
        const struct scene_job *job = &scene->jobs[i];
        assert_int_equal(place_add_job(place, &job->job), i);
        place_set_avoid(place, i, job->avoid);
        if (job->state == READY)
            place_set_ready(place, i);
        else if (job->state == RUNNING)
            place_set_running(place, i, job->host);
    }
    for (int second = 0; second <= 10; second += 10) {
        for (size_t i = 0; i < scene->jobs_n; i++)
            place_set_progress(place, i,
                               scene->jobs[i].done_bytes +
                                   scene->jobs[i].rate_bytes_s * (unsigned)second,
                               scene->jobs[i].rate_bytes_s);
        for (size_t i = 0; i < scene->hosts_n; i++)
            place_learn_host(place, scene->hosts[i].uuid, second * 1000);
    }
    place_allow_redirects(place, true);
    return place;
}

static bool ask(struct scene *scene, const char *host_name, struct str *out)
{
    CLEAN_PLACE struct place *place = board_of(scene);
    struct place_choice choice;
    if (!place_choose(place, host_name, NULL, NULL, &choice)) {
        str_add_format(out, "%s <- nothing\n", host_name);
        return false;
    }
    scene->jobs[choice.job].state = RUNNING;
    for (size_t i = 0; i < scene->hosts_n; i++) {
        if (strcmp(scene->hosts[i].uuid, host_name) == 0) {
            scene->hosts[i].host.slots_free--;
            scene->jobs[choice.job].host = scene->hosts[i].uuid;
        }
    }
    str_add_format(out, "%s <- %s%s\n", host_name, scene->names.items[choice.job],
                   choice.is_redirected ? " (redirected)" : "");
    return true;
}

/* Round and round until one whole round gave nothing, counted from the last gift. */
static void ask_all(struct scene *scene, const struct text_list *words, struct str *out)
{
    size_t refused_n = 0;
    for (size_t i = 1; refused_n < words->n - 1; i = i + 1 < words->n ? i + 1 : 1)
        refused_n = ask(scene, words->items[i], out) ? 0 : refused_n + 1;
}

static void say_why(const struct scene *scene, const char *name, struct str *out)
{
    CLEAN_PLACE struct place *place = board_of(scene);
    char text[PLACE_WHY_MAX];
    for (size_t i = 0; i < scene->jobs_n; i++) {
        if (strcmp(scene->names.items[i], name) == 0)
            str_add_format(out, "why %s: %s\n", name, place_why_waiting(place, i, text));
    }
}

static void take_line(struct scene *scene, const char *line, struct str *out)
{
    CLEAN_TEXT_LIST struct text_list words = TEXT_LIST_INIT;
    pool_text_words(line, &words);
    const char *first = words.items[0];
    if (strcmp(first, "host") == 0) {
        assert_true(scene->hosts_n < HOSTS_MAX);
        scene->hosts[scene->hosts_n++] =
            (struct scene_host){keep(scene, words.items[1]),
                                {.is_ready = !text_list_has(&words, "not-ready"),
                                 .is_near = !text_list_has(&words, "far"),
                                 .slots_free = number(&words, "slots", 2)}};
    } else if (strcmp(first, "limits") == 0) {
        scene->limits = (struct place_limits){number(&words, "host", 0), number(&words, "sr", 0),
                                              number(&words, "store", 0),
                                              number(&words, "pool", 0)};
    } else if (strcmp(first, "job") == 0) {
        take_job(scene, &words);
    } else if (strcmp(first, "ask") == 0) {
        ask_all(scene, &words, out);
    } else if (strcmp(first, "why") == 0) {
        say_why(scene, words.items[1], out);
    } else if (strcmp(first, "bound") == 0) {
        CLEAN_PLACE struct place *place = board_of(scene);
        str_add_format(out, "bound %" PRIu64 "\n", place_lower_bound_bytes(place));
    } else {
        fail_msg("what is \"%s\"?", line);
    }
}

static void scene_done(struct scene *scene)
{
    for (size_t i = 0; i < scene->jobs_n; i++) {
        text_list_done(&scene->hosts_of[i]);
        text_list_done(&scene->srs_of[i]);
    }
    text_list_done(&scene->names);
    text_list_done(&scene->texts);
}

static void run_case(const struct text_list *lines, struct str *out)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    for (size_t i = 0; i < lines->n; i++)
        take_line(scene, lines->items[i], out);
    scene_done(scene);
    free(scene);
}

static void hosts_when_they_ask_then_as_the_case_file_says(void **state)
{
    (void)state;
    pool_text_run_cases("tests/unit/coordinator/policy/place.cases", run_case);
}

/* Run a whole plan on hosts of equal speed, two slots each: a slot works at half the host's speed
 * while the other is busy too. Gives the time at which all is done, in bytes of one host. */
static uint64_t play(struct scene *scene)
{
    uint64_t left[JOBS_MAX] = {0}, now = 0;
    for (size_t i = 0; i < scene->jobs_n; i++)
        left[i] = scene->jobs[i].job.estimate_bytes;
    for (;;) {
        CLEAN_STR struct str out = STR_INIT;
        for (bool is_given = true; is_given;) {
            is_given = false;
            for (size_t h = 0; h < scene->hosts_n; h++)
                is_given = ask(scene, scene->hosts[h].uuid, &out) || is_given;
        }
        bool is_busy = false;
        for (size_t h = 0; h < scene->hosts_n; h++) {
            struct scene_host *host = &scene->hosts[h];
            size_t running_n = 0;
            for (size_t i = 0; i < scene->jobs_n; i++)
                running_n += scene->jobs[i].state == RUNNING &&
                             scene->jobs[i].host == host->uuid;
            for (size_t i = 0; running_n && i < scene->jobs_n; i++) {
                if (scene->jobs[i].state != RUNNING || scene->jobs[i].host != host->uuid)
                    continue;
                uint64_t step = 2 / running_n;
                left[i] -= step < left[i] ? step : left[i];
                is_busy = true;
                if (left[i] == 0) {
                    scene->jobs[i].state = HELD;
                    host->host.slots_free++;
                }
            }
        }
        if (!is_busy)
            return now;
        now += 2;
    }
}

/* 24 VMs on three hosts, a third of them bound to one host each: within a fifth of the bound. */
static void run_when_played_whole_then_close_to_the_lower_bound(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct scene *scene = calloc(1, sizeof *scene);
        CLEAN_STR struct str out = STR_INIT;
        uint32_t random = seed * 2654435761u;
        assert_non_null(scene);
        take_line(scene, "host h1", &out);
        take_line(scene, "host h2", &out);
        take_line(scene, "host h3", &out);
        for (int i = 0; i < 24; i++) {
            random = random * 1664525u + 1013904223u;
            CLEAN_CHAR char *line =
                i % 3 == 0 ? str_format("job j%d size=%u hosts=h%u", i, 20 + (random >> 20) % 80,
                                        1 + (random >> 8) % 3)
                           : str_format("job j%d size=%u hosts=h1,h2,h3", i,
                                        20 + (random >> 20) % 200);
            take_line(scene, line, &out);
        }
        CLEAN_PLACE struct place *place = board_of(scene);
        uint64_t bound = place_lower_bound_bytes(place);
        uint64_t took = play(scene);
        for (size_t i = 0; i < scene->jobs_n; i++)
            assert_int_equal(scene->jobs[i].state, HELD);
        if (took < bound || took * 5 > bound * 6)
            fail_msg("seed %u: %" PRIu64 ", bound %" PRIu64, seed, took, bound);
        scene_done(scene);
        free(scene);
    }
}

/* 64 hosts ask again and again while 5,000 jobs come and go: a look costs no more than it must. */
static void pool_when_huge_then_a_look_takes_microseconds(void **state)
{
    (void)state;
    enum { HOSTS = 64, JOBS = 5000, ASKS = 10000 };
    CLEAN_TEXT_LIST struct text_list uuids = TEXT_LIST_INIT, srs = TEXT_LIST_INIT;
    CLEAN_PLACE struct place *place = place_new(&(struct place_limits){.sr_n = 4, .store_n = 8});
    text_list_add(&srs, "sr");
    for (int i = 0; i < HOSTS; i++) {
        text_list_add_format(&uuids, "00000000-0000-4000-8000-%012d", i);
        place_set_host(place, place_need_host(place, uuids.items[i]),
                       &(struct place_host){true, true, 2});
    }
    for (size_t i = 0; i < JOBS; i++) {
        const struct place_job job = {.kind = JOB_BACKUP_VM, .estimate_bytes = 1 + i % 97,
                                      .hosts = &uuids, .srs = &srs};
        place_set_ready(place, place_add_job(place, &job));
    }
    clock_t begin = clock();
    size_t given_n = 0;
    for (size_t i = 0; i < ASKS; i++) {
        struct place_choice choice;
        if (place_choose(place, uuids.items[i % HOSTS], NULL, NULL, &choice) == 0)
            continue;
        place_set_running(place, choice.job, uuids.items[i % HOSTS]);
        place_set_progress(place, choice.job, 0, 10);
        place_set_over(place, choice.job);
        given_n++;
    }
    double us = (double)(clock() - begin) * 1e6 / CLOCKS_PER_SEC / ASKS;
    assert_true(given_n >= 8);
    if (us > 5000) /* some 20 here; sanitizers and a busy machine have room */
        fail_msg("%.1f us for one look", us);
}

static bool is_allowed(void *context, size_t job)
{
    return job != *(const size_t *)context;
}

/* Who was thought to want the only place and turns out not to have a job is not waited for. */
static void place_when_the_other_wants_nothing_then_it_is_not_yielded_to(void **state)
{
    (void)state;
    CLEAN_TEXT_LIST struct text_list h1 = TEXT_LIST_INIT, h2 = TEXT_LIST_INIT;
    CLEAN_PLACE struct place *place = place_new(&(struct place_limits){.store_n = 1});
    struct place_choice choice;
    size_t none = SIZE_MAX, large = 1;
    text_list_add(&h1, "h1");
    text_list_add(&h2, "h2");
    place_set_host(place, place_need_host(place, "h1"), &(struct place_host){true, true, 2});
    place_set_host(place, place_need_host(place, "h2"), &(struct place_host){true, true, 2});
    place_set_ready(place, place_add_job(place, &(struct place_job){
                                                    JOB_BACKUP_VM, 5, &h1, NULL, false}));
    place_set_ready(place, place_add_job(place, &(struct place_job){
                                                    JOB_BACKUP_VM, 9, &h2, NULL, false}));
    assert_int_equal(place_choose(place, "h1", is_allowed, &none, &choice), 0);
    assert_int_equal(place_choose(place, "h2", is_allowed, &large, &choice), 0);
    assert_int_equal(place_choose(place, "h1", is_allowed, &large, &choice), 1);
    assert_int_equal(choice.job, 0);
}

struct learner {
    struct place *place;
    struct text_list h1, h2, both, x, y;
    int64_t now_ms;
    uint64_t bytes; /* that each running job has done */
};

static size_t add_ready(struct learner *learner, uint64_t bytes, const struct text_list *hosts,
                        const struct text_list *srs)
{
    size_t job = place_add_job(learner->place, &(struct place_job){JOB_BACKUP_VM, bytes, hosts,
                                                                   srs, false});
    place_set_ready(learner->place, job);
    return job;
}

/* Ten seconds pass, in which each of these jobs on h1 does so much a second. */
static void pass(struct learner *learner, const size_t *jobs, size_t jobs_n, uint64_t rate)
{
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < jobs_n; k++)
            place_set_progress(learner->place, jobs[k], learner->bytes, rate);
        place_learn_host(learner->place, "h1", learner->now_ms);
        learner->bytes += rate * 10;
        learner->now_ms += 10000;
    }
}

/* h1 is as fast with one job as with two, and has one. */
static void learner_init(struct learner *learner)
{
    *learner = (struct learner){.place = place_new(&(struct place_limits){.host_n = 2, .sr_n = 4})};
    text_list_add(&learner->h1, "h1");
    text_list_add(&learner->h2, "h2");
    text_list_add(&learner->both, "h1");
    text_list_add(&learner->both, "h2");
    text_list_add(&learner->x, "x");
    text_list_add(&learner->y, "y");
    for (size_t i = 0; i < learner->both.n; i++)
        place_set_host(learner->place, place_need_host(learner->place, learner->both.items[i]),
                       &(struct place_host){.is_ready = true, .slots_free = i == 0 ? 2 : 0});
    const size_t jobs[] = {add_ready(learner, 2000, &learner->h1, &learner->y),
                           add_ready(learner, 2000, &learner->h1, &learner->y)};
    place_set_running(learner->place, jobs[0], "h1");
    pass(learner, jobs, 1, 10);
    place_set_running(learner->place, jobs[1], "h1");
    pass(learner, jobs, 2, 5);
    place_set_over(learner->place, jobs[1]);
    pass(learner, jobs, 1, 10);
}

static void learner_done(struct learner *learner)
{
    place_free(&learner->place);
    text_list_done(&learner->h1);
    text_list_done(&learner->h2);
    text_list_done(&learner->both);
    text_list_done(&learner->x);
    text_list_done(&learner->y);
}

static void host_when_two_bring_no_more_than_one_then_it_gets_no_second(void **state)
{
    (void)state;
    CLEANUP(learner_done) struct learner learner;
    struct place_choice choice;
    char text[PLACE_WHY_MAX];
    learner_init(&learner);
    size_t own = add_ready(&learner, 900, &learner.h1, &learner.y);
    add_ready(&learner, 100, &learner.both, &learner.x);
    add_ready(&learner, 100000, &learner.h2, NULL); /* the end hangs on it, not on what h1 does */
    assert_int_equal(place_choose(learner.place, "h1", NULL, NULL, &choice), 0);
    assert_string_equal(place_why_waiting(learner.place, own, text),
                        "every host that may do it works, and a further job there would not end "
                        "the run sooner");
}

static void host_when_two_bring_no_more_but_an_sr_has_no_time_to_lose_then_it_gets_one(void **state)
{
    (void)state;
    CLEANUP(learner_done) struct learner learner;
    struct place_choice choice;
    learner_init(&learner);
    add_ready(&learner, 900, &learner.h1, &learner.y);
    size_t urgent = add_ready(&learner, 9000, &learner.both, &learner.x);
    for (int i = 0; i < 8; i++)
        add_ready(&learner, 9000, &learner.both, &learner.x);
    assert_int_equal(place_choose(learner.place, "h1", NULL, NULL, &choice), 1);
    assert_int_equal(choice.job, urgent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_when_they_ask_then_as_the_case_file_says),
        cmocka_unit_test(run_when_played_whole_then_close_to_the_lower_bound),
        cmocka_unit_test(place_when_the_other_wants_nothing_then_it_is_not_yielded_to),
        cmocka_unit_test(host_when_two_bring_no_more_than_one_then_it_gets_no_second),
        cmocka_unit_test(
            host_when_two_bring_no_more_but_an_sr_has_no_time_to_lose_then_it_gets_one),
        cmocka_unit_test(pool_when_huge_then_a_look_takes_microseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
