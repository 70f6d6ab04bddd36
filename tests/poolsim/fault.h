/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Faults that a test asked for: of calls, of streams, of stream sources.
 *
 * A fault fits by method or stream kind, object, host and originator; it is used count times (0:
 * for ever). Which faults exist and what they did is read and changed by control calls
 * (README.md). Lock: held.
 */
#ifndef ONYX_TESTS_POOLSIM_FAULT_H
#define ONYX_TESTS_POOLSIM_FAULT_H

#include <jansson.h>

#include "tests/poolsim/rpc.h"

struct error;
struct sim_faults;

enum fault_action {
    FAULT_CALL,       /* error, delay, hold or drop of a call */
    FAULT_CUT,        /* the stream ends at at_byte */
    FAULT_RESET,      /* the same with a reset */
    FAULT_CORRUPT,    /* bytes bytes from at_byte on are inverted */
    FAULT_STALL,      /* nothing more from at_byte on, until released */
    FAULT_SLOW,       /* rate_bytes_per_s from at_byte on */
    FAULT_PAD,        /* bytes zero bytes behind the end */
    FAULT_LATE_500,   /* a second reply in the data at at_byte, then the end; the task fails */
    FAULT_TASK_FAILS, /* the stream is good, the task fails with error */
    FAULT_NO_REPLY,   /* the connection closes before the first byte */
    FAULT_SOURCE_SHORT,
    FAULT_SOURCE_EIO,
    FAULT_ATTACH_FAILS,
    FAULT_DETACH_FAILS,
    FAULT_CHILD_KILLED
};

struct fault {
    int id;
    enum fault_action action;
    char *method; /* "VM.snapshot", or the stream's kind; NULL: any */
    char *object; /* reference, uuid or name */
    char *host;
    char *originator;
    int left; /* uses left; -1 for ever */
    int hits;
    int held;      /* calls or streams that wait in it now */
    bool is_after; /* the call took effect first */
    bool is_hold;
    bool is_drop;
    bool is_released;
    int64_t delay_ms;
    uint64_t at_byte;
    uint64_t bytes;
    uint64_t rate_bytes_per_s;
    int disk; /* source faults: number of the disk in the stream, -1 the first */
    struct text_list error;
    struct fault *next;
};

struct sim_faults *faults_new(void);
void faults_free(struct sim_faults *faults);

/* Before the method runs: 0 go on, -1 failure is set (or drops_connection). May wait. */
int fault_before_call(struct call *call);
/* After it: may replace the answer by an error, wait, or drop the connection. */
int fault_after_call(struct call *call, int result);

/* A step of the storage driver ("SM.snapshot", "SM.destroy", "SM.clone", "SM.copy") on a VDI: the
 * same faults of calls as they hit the driver inside a call. May wait: look objects up again. */
int fault_of_driver(struct pool *pool, const char *step, const char *vdi_ref,
                    struct failure *failure);

/* The first fault of a stream that fits; uses it up. NULL if there is none. Until stream's end the
 * pointer stays valid (faults that were used live on for the reports). */
struct fault *fault_of_stream(struct pool *pool, const struct host *host, const char *kind,
                              const char *ref);

/* Whether an object, given by reference, is the one that a test named by reference, uuid or name.
 */
bool fault_names(struct pool *pool, const char *wanted, const char *ref);

/* Control calls fault.*: 0 and a new value, -1. */
int fault_control(struct pool *pool, const char *method, const json_t *params, json_t **ret_result,
                  struct error *err);

#endif
