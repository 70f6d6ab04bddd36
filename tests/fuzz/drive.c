/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a fuzz target without a fuzzer: its seeds, then mutations of them from a fixed random
 * sequence, so that a failure comes back. ONYX_FUZZ_RUNS sets how many (2000).
 *
 *   fuzz_xva                     run
 *   fuzz_xva FILE ...            run these inputs
 *   fuzz_xva --write-seeds DIR   write the seeds for libFuzzer
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
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

static void run_mutations(uint64_t runs)
{
    struct sequence sequence = {.state = 88172645463325252u};
    unsigned seeds = 0;

    for (;; seeds++) {
        CLEAN_STR struct str seed = STR_INIT;
        if (!fuzz_seed(seeds, &seed))
            break;
        run_on(&seed);
    }
    for (uint64_t run = 0; run < runs && seeds; run++) {
        CLEAN_STR struct str input = STR_INIT;
        fuzz_seed((unsigned)(run % seeds), &input);
        for (size_t n = 1 + next_below(&sequence, 8); n; n--)
            mutate(&sequence, &input);
        run_on(&input);
    }
}

int main(int argc, char **argv)
{
    const char *given = getenv("ONYX_FUZZ_RUNS");
    uint64_t runs = 2000;
    struct error err = ERROR_INIT;

    if (argc == 3 && str_equal(argv[1], "--write-seeds"))
        return write_seeds(argv[2]);
    if (argc > 1)
        return run_files(argv + 1, argc - 1);
    if (given && num_parse_unsigned(given, UINT32_MAX, &runs, &err)) {
        fprintf(stderr, "ONYX_FUZZ_RUNS: %s\n", err.text);
        return 2;
    }
    run_mutations(runs);
    return 0;
}
