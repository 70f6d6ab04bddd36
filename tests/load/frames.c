/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hostile frames in volume against a server in this process, with honest agents in between.
 *
 *   load_frames FRAMES SEED            one line of JSON; status 0: none was accepted
 *   load_frames --write DIR KEY SEED   frames of each kind into files, for attacks over TCP
 *
 * Accepted is what reaches the handler. Each frame is also given to an agent's openers, which take
 * none of them. The clock goes on by a quarter of a millisecond with each frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "tests/load/frame_kinds.h"

#include "common/base/poison.h"

#define HONEST_EVERY    997
#define FRAMES_A_MS     4
#define TWIN_RARELY     400
#define GIANT_RARELY    20
#define WRITTEN_OF_KIND 64

struct tally {
    uint64_t sent_n[FRAME_KINDS_N];
    uint64_t accepted_n;
    uint64_t believed_n; /* by an agent's openers */
    uint64_t unheard_n;  /* turns in which an honest agent was not answered */
};

static enum frame_kind choose(struct scene *scene)
{
    enum frame_kind kind = (enum frame_kind)scene_below(scene, FRAME_KINDS_N);

    if ((kind == FRAME_stolen_key_twin && scene_below(scene, TWIN_RARELY) != 0) ||
        (kind == FRAME_giant && scene_below(scene, GIANT_RARELY) != 0))
        return FRAME_flipped_sync;
    return kind;
}

/* An agent that waits for a Welcome or for Orders takes none of it. */
static bool is_believed(struct scene *scene, const struct str *frame, enum frame_kind kind)
{
    struct scene_host *host = &scene->hosts[scene_below(scene, SCENE_HOSTS)];
    CLEANUP(seal_session_done) struct seal_session session = {0};
    CLEAN_STR struct str body = STR_INIT;

    if (kind == FRAME_back_to_sender)
        return false; /* its own Orders again: the client drops them by their counter */
    return seal_welcome_open(str_text(frame), frame->len, &host->greeting, &host->key, &session,
                             NULL) == 0 ||
           seal_frame_open(&host->session, SEAL_ORDERS, str_text(frame), frame->len, &body,
                           NULL) == 0;
}

static void attack(struct scene *scene, uint64_t frames, struct tally *tally)
{
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;

    for (uint64_t i = 0; i < frames; i++) {
        enum frame_kind kind = choose(scene);
        frame_make(scene, kind, &frame);
        uint64_t asked_n = scene->asked_n;
        str_clear(&reply);
        (void)wire_server_answer(scene->server, str_text(&frame), frame.len, &reply);
        tally->accepted_n += scene->asked_n != asked_n;
        tally->believed_n += is_believed(scene, &frame, kind);
        tally->sent_n[kind]++;
        scene->ms += i % FRAMES_A_MS == 0;
        if (i % HONEST_EVERY == 0)
            tally->unheard_n += !scene_honest_turn(scene);
    }
}

static int print_tally(const struct scene *scene, const struct tally *tally, uint64_t frames,
                       int64_t minutes)
{
    struct wire_server_counts counts;
    uint64_t lines_max = (uint64_t)minutes + 1;
    json_t *kinds = json_object();

    wire_server_count(scene->server, &counts);
    for (int i = 0; i < FRAME_KINDS_N; i++)
        (void)json_object_set_new(kinds, frame_kind_name((enum frame_kind)i),
                                  json_integer((json_int_t)tally->sent_n[i]));
    uint64_t refused = counts.foreign + counts.malformed + counts.key + counts.version +
                       counts.session + counts.unsealed + counts.old + counts.twin;
    bool is_good = tally->accepted_n == 0 && tally->believed_n == 0 && tally->unheard_n == 0 &&
                   scene->asked_n == scene->honest_n && scene->lines_n <= lines_max;
    json_t *result = json_pack(
        "{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "good", is_good, "frames", (json_int_t)frames,
        "accepted", (json_int_t)tally->accepted_n, "believed", (json_int_t)tally->believed_n,
        "counted", (json_int_t)refused, "honest", (json_int_t)scene->honest_n, "unheard",
        (json_int_t)tally->unheard_n, "lines", (json_int_t)scene->lines_n, "lines_max",
        (json_int_t)lines_max, "kinds", kinds);
    (void)json_dumpf(result, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    json_decref(result);
    return is_good ? 0 : 1;
}

static int run(uint64_t frames, uint64_t seed)
{
    struct wire_pool_key pool = {{42}};
    struct scene *scene = mem_zero(1, sizeof *scene);
    struct tally tally = {.accepted_n = 0};

    scene_init(scene, seed, &pool);
    scene->lines_n = 0;
    int64_t began_ms = scene->ms;
    attack(scene, frames, &tally);
    int status = print_tally(scene, &tally, frames, (scene->ms - began_ms) / 60000);
    scene_done(scene);
    free(scene);
    return status;
}

/* Each file holds frames, each behind its length (4 bytes, little-endian). */
static int write_kind(struct scene *scene, const char *folder, enum frame_kind kind,
                      struct error *err)
{
    CLEAN_CHAR char *path = str_format("%s/%s.frames", folder, frame_kind_name(kind));
    CLEAN_STR struct str out = STR_INIT;
    CLEAN_STR struct str frame = STR_INIT;

    for (int i = 0; i < WRITTEN_OF_KIND; i++) {
        frame_make(scene, kind, &frame);
        for (int shift = 0; shift < 32; shift += 8)
            str_add_char(&out, (char)((frame.len >> shift) & 0xff));
        str_add_n(&out, str_text(&frame), frame.len);
    }
    return fd_replace_file(path, 0600, str_text(&out), out.len, err);
}

static int write_all(const char *folder, const char *key_file, uint64_t seed)
{
    CLEAN_WIRE_POOL_KEY struct wire_pool_key pool;
    struct scene *scene = mem_zero(1, sizeof *scene);
    struct error err = ERROR_INIT;
    int status = 0;

    if (wire_pool_key_read(key_file, &pool, &err) < 0) {
        fprintf(stderr, "load_frames: %s\n", err.text);
        return 2;
    }
    scene_init(scene, seed, &pool);
    for (int i = 0; i < FRAME_KINDS_N && status == 0; i++) {
        if (write_kind(scene, folder, (enum frame_kind)i, &err) < 0) {
            fprintf(stderr, "load_frames: %s\n", err.text);
            status = 2;
        }
    }
    scene_done(scene);
    free(scene);
    return status;
}

int main(int argc, char **argv)
{
    uint64_t frames = 0;
    uint64_t seed = 0;
    bool is_writing = argc == 5 && strcmp(argv[1], "--write") == 0;

    if ((argc != 3 && !is_writing) ||
        num_parse_unsigned(argv[argc - 1], UINT64_MAX, &seed, NULL) < 0 ||
        (!is_writing && num_parse_unsigned(argv[1], UINT64_MAX, &frames, NULL) < 0)) {
        fprintf(stderr, "usage: load_frames FRAMES SEED | --write DIR KEY SEED\n");
        return 2;
    }
    return is_writing ? write_all(argv[2], argv[3], seed) : run(frames, seed);
}
