/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Model values to bytes and back: what an agent tells (Sync), what it is answered (Orders), and
 * what goes between an agent and its worker (Task, Report, log line).
 *
 * message.c is the only room that knows protobuf-c. Packing checks counts and ranges, cuts and
 * mends texts that are for people, and never gives more than WIRE_BODY_MAX bytes. Unpacking takes
 * at most WIRE_MEMORY_MAX of memory and gives a whole, checked value or ERROR_PROTOCOL with the
 * name of the field. docs/PROTOCOL.md has the conversation.
 */
#ifndef ONYX_COMMON_WIRE_MESSAGE_H
#define ONYX_COMMON_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/model/job.h"

#define WIRE_FRAME_MAX  65536        /* a sealed frame, whole */
#define WIRE_BODY_MAX   (65536 - 40) /* a message in it: less header (24) and tag (16) */
#define WIRE_PART_MAX   61440        /* a job or a report in it: room is left for the rest */
#define WIRE_MEMORY_MAX (4u << 20)   /* what unpacking one message may take */

/* Counts. What may be cut is state that comes again, or text for people; the rest is refused. */
#define WIRE_REPORTS_MAX  256 /* in a Sync; more follow in the next one */
#define WIRE_LOG_MAX      64  /* in a Sync */
#define WIRE_ASSIGN_MAX   16  /* in Orders; more follow */
#define WIRE_LIST_MAX     512 /* cancel, forget in Orders; more follow */
#define WIRE_WARNINGS_MAX 32  /* in a report; cut */
#define WIRE_FILES_MAX    255 /* in a report */
#define WIRE_SETTINGS_MAX 32  /* in a task */

/* Bytes of a text, without the NUL. */
#define WIRE_PEOPLE_MAX 1024 /* VM names, warnings, log texts, chosen_by; cut */
#define WIRE_FOLDER_MAX 255  /* one component: no "/", not "." or ".." */
#define WIRE_STEM_MAX   96   /* one component */
#define WIRE_FILE_MAX   128  /* one component */
#define WIRE_WORD_MAX   64   /* device, room, nonce, version, setting's key */
#define WIRE_PROOF_MAX  16
#define WIRE_SHA256_BYTES 32
#define WIRE_XXH128_BYTES 16
#define WIRE_PATH_MAX   1024 /* absolute, without ".." */
#define WIRE_SECRET_MAX 256  /* session reference */

/* One attempt of a job by name. */
struct wire_attempt {
    char id[JOB_ID_MAX];
    uint32_t attempt;
};

/* A line of an agent's or a worker's log. */
struct wire_log_line {
    int64_t at; /* wall ms UTC, agent's clock */
    enum log_level level;
    char job[JOB_ID_MAX]; /* "" when of no job */
    char *room;
    char *text;
};
void wire_log_line_done(struct wire_log_line *line);

/* The share as an agent sees it. */
struct wire_store {
    char *root;  /* NULL: none was named yet */
    char *uuid;  /* of the marker; NULL: not read */
    char *nonce; /* as it stands in the store; NULL: not read */
    uint64_t free_bytes;
    uint64_t total_bytes;
    struct error error; /* why it can't be used; ERROR_NONE: it can */
};

/* All that an agent tells, each time. */
struct wire_sync {
    char host_uuid[UUID_TEXT_MAX]; /* set by the server from the session: not in the bytes */
    uint64_t boot;                 /* the same: another boot is another agent process */
    uint64_t seq;                  /* rises with each Sync of a boot */
    char *version;                 /* of the agent program */
    uint64_t lease;                /* highest n it has seen in Orders, 0 none */
    uint32_t slots;
    uint32_t free_slots;
    uint32_t load_percent; /* load average of the last minute, 100 = one core */
    bool is_draining;      /* takes no new jobs */
    bool is_partial;       /* more is listed than fits: that a job is not here means nothing */
    uint32_t cpu_percent;  /* of its processors in use by others than our workers */
    char *hold_back;       /* why it takes no job and paces the running ones down; NULL: it does not */
    uint64_t rate_limit;   /* what its workers may take together, bytes a second; 0: no limit */
    struct wire_store store;
    struct job_report *reports; /* running ones, and finished ones until told to forget */
    size_t reports_n;
    size_t reports_cap;
    struct wire_log_line *log;
    size_t log_n;
    size_t log_cap;
};

/* What the agent shall do now. */
struct wire_orders {
    uint64_t lease;       /* an agent refuses a lower one than it has seen; 0: none is held */
    char run[RUN_ID_MAX]; /* "" before a run has begun */
    char *store_root;     /* for agents without a root of their own; NULL: not known yet */
    char *store_uuid;     /* the store to expect; NULL: not known yet */
    struct job *assign;
    size_t assign_n;
    size_t assign_cap;
    struct wire_attempt *cancel;
    size_t cancel_n;
    size_t cancel_cap;
    struct wire_attempt *forget;
    size_t forget_n;
    size_t forget_cap;
    uint32_t next_ms; /* when to come again, 50 to 600000 */
    uint64_t rate_limit; /* for all workers of this host together, bytes a second; 0: no limit */
};

/* What a worker is given on its standard input. Holds a session reference: a secret. */
struct wire_task {
    struct job job;
    char *host_uuid;
    char *session;     /* lent by the agent, wiped by wire_task_done */
    char *xapi_socket; /* one of socket and url */
    char *xapi_url;
    char *xapi_certificate; /* file of the pinned certificate, NULL none */
    uint32_t xapi_tls_port;
    char *store_root;
    char *store_uuid;
    char *store_nonce;
    enum log_level log_level;
    struct text_map settings; /* the agent's own affair */
};

/* What goes through a pipe between agent and worker; the kind says which part is filled. */
enum wire_note_kind {
    WIRE_NOTE_TASK = 1,
    WIRE_NOTE_REPORT = 2,
    WIRE_NOTE_LOG = 3,
    WIRE_NOTE_PACE = 4
};

struct wire_note {
    enum wire_note_kind kind;
    struct wire_task task;
    struct job_report report;
    struct wire_log_line line;
    uint64_t rate_limit; /* pace: bytes a second from now on; 0: no limit */
};

/* All of them start as zeroes and are released by their _done, which leaves zeroes. */
void wire_sync_done(struct wire_sync *sync);
void wire_orders_done(struct wire_orders *orders);
void wire_task_done(struct wire_task *task);
void wire_note_done(struct wire_note *note);
#define CLEAN_WIRE_SYNC   CLEANUP(wire_sync_done)
#define CLEAN_WIRE_ORDERS CLEANUP(wire_orders_done)
#define CLEAN_WIRE_TASK   CLEANUP(wire_task_done)
#define CLEAN_WIRE_NOTE   CLEANUP(wire_note_done)

/* Append a zeroed item, borrowed until the next add; wire_orders_add_* take texts by copy. */
struct job_report *wire_sync_add_report(struct wire_sync *sync);
struct wire_log_line *wire_sync_add_log(struct wire_sync *sync);
struct job *wire_orders_add_job(struct wire_orders *orders);
void wire_orders_add_cancel(struct wire_orders *orders, const char *id, uint32_t attempt);
void wire_orders_add_forget(struct wire_orders *orders, const char *id, uint32_t attempt);

/* How much of a Sync went into its bytes. */
struct wire_packed {
    size_t reports_n; /* from first_report on, round the end */
    size_t log_n;     /* the first ones */
};

/*
 * Append a Sync's bytes to out. When not all fits, reports from first_report on go in as far as
 * they fit and is_partial is set; log lines take what room is left (at most half a message).
 *
 * Fails: ERROR_PROTOCOL names the field that is out of range; nothing is appended then.
 */
int wire_sync_pack(const struct wire_sync *sync, size_t first_report, struct str *out,
                   struct wire_packed *ret_packed, struct error *err);
int wire_sync_unpack(const void *bytes, size_t n, struct wire_sync *ret_sync, struct error *err);

/* As far as it fits: cancel, forget, then jobs in order; what is left out comes with the next
 * Orders, as all of it is state. A job that can't cross by itself is ERROR_LIMIT. */
int wire_orders_pack(const struct wire_orders *orders, struct str *out, struct error *err);
int wire_orders_unpack(const void *bytes, size_t n, struct wire_orders *ret_orders,
                       struct error *err);

/* Whether Orders with this job alone pass; ERROR_PROTOCOL or ERROR_LIMIT says why not. A cleanup
 * with very many remains is to be split. */
int wire_job_check(const struct job *job, struct error *err);

/* The same for a path: absolute, without "..", UTF-8, not too long. ERROR_PROTOCOL. */
int wire_path_check(const char *field, const char *path, struct error *err);

/* The part that kind names. Reports have their warnings cut to what fits. */
int wire_note_pack(const struct wire_note *note, struct str *out, struct error *err);
int wire_note_unpack(const void *bytes, size_t n, struct wire_note *ret_note, struct error *err);

#endif
