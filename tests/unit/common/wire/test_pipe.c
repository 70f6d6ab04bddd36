/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pipe between agent and worker: whole notes, notes in pieces, ends and lies.
 */
#include "common/wire/pipe.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "tests/unit/common/wire/samples.h"

static void make_pipe(int *in, int *out)
{
    assert_int_equal(fd_pipe(in, out, NULL), 0);
    assert_int_equal(fcntl(*in, F_SETFL, O_NONBLOCK), 0);
}

static void notes_arrive_in_order_when_written_one_after_the_other(void **state)
{
    (void)state;
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    make_pipe(&in, &out);
    CLEAN_WIRE_TASK struct wire_task task = {.session = NULL};
    CLEAN_JOB_REPORT struct job_report report = {.id = ""};
    struct wire_log_line line = {0};
    sample_task(&task);
    sample_report_done(&report);
    sample_log(&line);
    assert_int_equal(wire_pipe_write_task(out, &task, NULL), 0);
    assert_int_equal(wire_pipe_write_report(out, &report, NULL), 0);
    assert_int_equal(wire_pipe_write_log(out, &line, NULL), 0);
    CLEAN_WIRE_PIPE_READER struct wire_pipe_reader reader = WIRE_PIPE_READER_INIT(in);
    enum wire_pipe_found found;
    for (int kind = WIRE_NOTE_TASK; kind <= WIRE_NOTE_LOG; kind++) {
        CLEAN_WIRE_NOTE struct wire_note note = {0};
        assert_int_equal(wire_pipe_read(&reader, &found, &note, NULL), 0);
        assert_int_equal(found, WIRE_PIPE_NOTE);
        assert_int_equal(note.kind, kind);
        if (kind == WIRE_NOTE_TASK)
            assert_string_equal(note.task.session, task.session);
    }
    struct wire_note none = {0};
    assert_int_equal(wire_pipe_read(&reader, &found, &none, NULL), 0);
    assert_int_equal(found, WIRE_PIPE_LATER);
    fd_close(&out);
    assert_int_equal(wire_pipe_read(&reader, &found, &none, NULL), 0);
    assert_int_equal(found, WIRE_PIPE_END);
    wire_log_line_done(&line);
}

static void a_note_waits_until_its_last_byte_has_come(void **state)
{
    (void)state;
    CLEAN_FD int first_in = -1;
    CLEAN_FD int first_out = -1;
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    char bytes[4096];
    size_t n = 0;
    struct wire_log_line line = {0};
    enum wire_pipe_found found;
    CLEAN_WIRE_NOTE struct wire_note note = {0};
    make_pipe(&first_in, &first_out);
    make_pipe(&in, &out);
    sample_log(&line);
    assert_int_equal(wire_pipe_write_log(first_out, &line, NULL), 0);
    fd_close(&first_out);
    assert_int_equal(fd_read_upto(first_in, bytes, sizeof bytes, &n, NULL), 0);
    CLEAN_WIRE_PIPE_READER struct wire_pipe_reader reader = WIRE_PIPE_READER_INIT(in);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(wire_pipe_read(&reader, &found, &note, NULL), 0);
        assert_int_equal(found, WIRE_PIPE_LATER);
        assert_int_equal(write(out, bytes + i, 1), 1);
    }
    assert_int_equal(wire_pipe_read(&reader, &found, &note, NULL), 0);
    assert_int_equal(found, WIRE_PIPE_NOTE);
    assert_string_equal(note.line.text, line.text);
    wire_log_line_done(&line);
    /* The other side dies in the middle of the next one. */
    struct error err = ERROR_INIT;
    struct wire_note none = {0};
    assert_int_equal(write(out, bytes, n - 1), n - 1);
    fd_close(&out);
    assert_int_equal(wire_pipe_read(&reader, &found, &none, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
}

static void lies_about_lengths_and_contents_are_refused(void **state)
{
    (void)state;
    static const char *const lies[] = {"\xff\xff\xff\xff", "\xd9\xff\x00\x01",
                                       "\x01\x00\x00\x00\xff"};
    static const size_t sizes[] = {4, 4, 5};
    for (size_t i = 0; i < 3; i++) {
        CLEAN_FD int in = -1;
        CLEAN_FD int out = -1;
        struct error err = ERROR_INIT;
        struct wire_note none = {0};
        enum wire_pipe_found found;
        make_pipe(&in, &out);
        assert_int_equal(write(out, lies[i], sizes[i]), sizes[i]);
        CLEAN_WIRE_PIPE_READER struct wire_pipe_reader reader = WIRE_PIPE_READER_INIT(in);
        assert_int_equal(wire_pipe_read(&reader, &found, &none, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
    }
}

static void the_largest_task_goes_into_an_empty_pipe_without_waiting(void **state)
{
    (void)state;
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    CLEAN_WIRE_TASK struct wire_task task = {.session = NULL};
    struct error err = ERROR_INIT;
    make_pipe(&in, &out);
    assert_int_equal(fcntl(out, F_SETFL, O_NONBLOCK), 0);
    sample_task(&task);
    job_done(&task.job);
    sample_cleanup_job(&task.job, JOB_REMAINS_MAX);
    for (size_t i = 0; i < task.job.remains_n; i++) {
        free(task.job.remains[i].folder);
        task.job.remains[i].folder = str_format("%0130d", 1);
    }
    assert_int_equal(wire_job_check(&task.job, &err), 0);
    assert_int_equal(wire_pipe_write_task(out, &task, &err), 0);
}

static void writing_to_a_dead_worker_is_an_error(void **state)
{
    (void)state;
    CLEAN_FD int in = -1;
    CLEAN_FD int out = -1;
    struct error err = ERROR_INIT;
    struct wire_log_line line = {0};
    make_pipe(&in, &out);
    fd_close(&in);
    signal(SIGPIPE, SIG_IGN);
    sample_log(&line);
    assert_int_equal(wire_pipe_write_log(out, &line, &err), -1);
    assert_int_equal(err.code, ERROR_IO);
    wire_log_line_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_arrive_in_order_when_written_one_after_the_other),
        cmocka_unit_test(a_note_waits_until_its_last_byte_has_come),
        cmocka_unit_test(lies_about_lengths_and_contents_are_refused),
        cmocka_unit_test(the_largest_task_goes_into_an_empty_pipe_without_waiting),
        cmocka_unit_test(writing_to_a_dead_worker_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
