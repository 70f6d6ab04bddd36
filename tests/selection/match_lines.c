/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Matches patterns as list entries are matched, for comparison with another implementation.
 *
 * Input: one JSON array a line, [pattern, name, name, ...]. Output: one line each: "1" or "0" for
 * every name ("!" over the limits), or "bad TEXT" when the pattern is refused.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "coordinator/policy/regex.h"

#include "common/base/poison.h"

static void match_line(const json_t *line)
{
    CLEAN_REGEX struct regex *regex = NULL;
    struct error err = ERROR_INIT;
    if (regex_compile(json_string_value(json_array_get(line, 0)), &regex, &err) < 0) {
        printf("bad %s\n", err.text);
        return;
    }
    for (size_t i = 1; i < json_array_size(line); i++) {
        int matches = regex_match(regex, json_string_value(json_array_get(line, i)), &err);
        putchar(matches < 0 ? '!' : matches ? '1' : '0');
    }
    putchar('\n');
}

int main(void)
{
    char *text = NULL;
    size_t size = 0;
    while (getline(&text, &size, stdin) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        if (!json_is_array(line))
            return EXIT_FAILURE;
        match_line(line);
        json_decref(line);
    }
    free(text);
    return EXIT_SUCCESS;
}
