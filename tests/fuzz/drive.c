/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a fuzz target without a fuzzer: its seeds and its corpus (tests/fuzz/corpus/NAME), then
 * mutations of them from a fixed random sequence, so that a failure comes back, then for a moment
 * from a new one, whose number is told. ONYX_FUZZ_RUNS sets how many (2000; with
 * ONYX_TEST_FORM=long 20,000), ONYX_FUZZ_SECONDS how long the moment is (0.2; long 60), and
 * ONYX_FUZZ_SEED the number to repeat one.
 *
 *   fuzz_xva                     run
 *   fuzz_xva FILE ...            run these inputs
 *   fuzz_xva --write-seeds DIR   write the seeds for libFuzzer
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

#define INPUT_MAX (1u << 20)

struct sequence {
    uint64_t state;
};

/* xorshift64; below n. */
static size_t next_below(struct sequence *sequence, size_t n)
{
    sequence->state ^= sequence->state << 13;
    sequence->state ^= sequence->state >> 7;
    sequence->state ^= sequence->state << 17;
    return n ? (size_t)(sequence->state % n) : 0;
}

static void mutate(struct sequence *sequence, struct str *input)
{
    static const char *const words[] = {"\n", "%", "=", "]", "[", ";", "<", ">", "&", "\xff"};
    size_t at = next_below(sequence, input->len);

    if (!input->len)
        return;
    switch (next_below(sequence, 6)) {
    case 0:
        input->data[at] ^= (char)(1 << next_below(sequence, 8));
        break;
    case 1:
        input->data[at] = (char)next_below(sequence, 256);
        break;
    case 2:
        str_set_len(input, at);
        break;
    case 3: { /* a piece again at the end */
        size_t n = next_below(sequence, input->len - at) % 2048;
        CLEAN_CHAR char *piece = mem_dup_n(input->data + at, n);
        str_add_n(input, piece, n);
        break;
    }
    case 4: { /* a piece is gone */
        size_t n = next_below(sequence, input->len - at) % 1024;
        memmove(input->data + at, input->data + at + n, input->len - at - n);
        str_set_len(input, input->len - n);
        break;
    }
    default:
        input->data[at] = words[next_below(sequence, sizeof words / sizeof *words)][0];
    }
}

static void run_on(const struct str *input)
{
    /* A copy of exactly this size, so that the sanitizer sees every byte too far. */
    uint8_t *bytes = mem_copy(str_text(input), input->len);

    LLVMFuzzerTestOneInput(bytes, input->len);
    free(bytes);
}

static int run_files(char **paths, int n)
{
    for (int i = 0; i < n; i++) {
        CLEAN_STR struct str input = STR_INIT;
        struct error err = ERROR_INIT;
        if (fd_read_file(paths[i], INPUT_MAX, &input, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 2;
        }
        run_on(&input);
    }
    return 0;
}

static int write_seeds(const char *folder)
{
    for (unsigned i = 0;; i++) {
        CLEAN_STR struct str seed = STR_INIT;
        CLEAN_CHAR char *path = str_format("%s/seed-%u", folder, i);
        struct error err = ERROR_INIT;
        if (!fuzz_seed(i, &seed))
            return 0;
        if (fd_replace_file(path, 0644, str_text(&seed), seed.len, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 2;
        }
    }
}

/* What there is to begin with: seeds that are made, files that are kept. */
struct inputs {
    struct str *items;
    size_t n;
    size_t cap;
};

static struct str *add_input(struct inputs *inputs)
{
    inputs->items = mem_grow(inputs->items, &inputs->cap, inputs->n + 1, sizeof *inputs->items);
    inputs->items[inputs->n] = (struct str)STR_INIT;
    return &inputs->items[inputs->n++];
}

static void inputs_done(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->n; i++)
        str_done(&inputs->items[i]);
    free(inputs->items);
}

/* Files of the target's folder in the corpus, if it has one; in the order of their names. */
static int read_corpus(const char *program, struct inputs *inputs)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    CLEAN_CHAR char *folder = str_format("%s/%s", FUZZ_CORPUS, name + strlen("fuzz_"));
    struct dirent **entries = NULL;
    struct error err = ERROR_INIT;
    int status = 0;
    int n = scandir(folder, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        CLEAN_CHAR char *path = str_format("%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' &&
            fd_read_file(path, INPUT_MAX, add_input(inputs), &err)) {
            fprintf(stderr, "%s\n", err.text);
            status = 2;
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

static void run_one(const struct inputs *inputs, struct sequence *sequence, size_t which)
{
    CLEAN_STR struct str input = STR_INIT;

    str_add_n(&input, str_text(&inputs->items[which]), inputs->items[which].len);
    for (size_t n = 1 + next_below(sequence, 8); n; n--)
        mutate(sequence, &input);
    run_on(&input);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    uint64_t value = otherwise;

    if (given && num_parse_unsigned(given, UINT64_MAX, &value, NULL)) {
        fprintf(stderr, "%s: '%s' is no number\n", name, given);
        exit(2);
    }
    return value;
}

/* New ground in each run of the tests; what is found there can be gone to again by its number. */
static void run_for_a_moment(const struct inputs *inputs, int64_t ms)
{
    uint64_t seed = setting("ONYX_FUZZ_SEED", random_u64(random_system()) | 1);
    struct sequence sequence = {.state = seed};
    int64_t until_ms = clock_monotonic_ms(clock_system()) + ms;

    printf("ONYX_FUZZ_SEED=%llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    while (clock_monotonic_ms(clock_system()) < until_ms)
        run_one(inputs, &sequence, next_below(&sequence, inputs->n));
}

static int run(const char *program)
{
    CLEANUP(inputs_done) struct inputs inputs = {.n = 0};
    struct sequence sequence = {.state = 88172645463325252u};
    bool is_long = str_equal(getenv("ONYX_TEST_FORM"), "long");
    uint64_t runs = setting("ONYX_FUZZ_RUNS", is_long ? 20000 : 2000);
    uint64_t seconds = setting("ONYX_FUZZ_SECONDS", is_long ? 60 : 0);

    for (unsigned i = 0; fuzz_seed(i, add_input(&inputs)); i++)
        continue;
    str_done(&inputs.items[--inputs.n]);
    if (read_corpus(program, &inputs) != 0)
        return 2;
    for (size_t i = 0; i < inputs.n; i++)
        run_on(&inputs.items[i]);
    for (uint64_t i = 0; i < runs && inputs.n > 0; i++)
        run_one(&inputs, &sequence, (size_t)(i % inputs.n));
    if (inputs.n > 0)
        run_for_a_moment(&inputs, seconds > 0 ? (int64_t)seconds * 1000 : 200);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && str_equal(argv[1], "--write-seeds"))
        return write_seeds(argv[2]);
    if (argc > 1)
        return run_files(argv + 1, argc - 1);
    return run(argv[0]);
}
