/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The simulated pool: its hosts, its objects and the one lock over them.
 *
 * Locking: everything that the store, tasks, sessions, faults or host states hold is read and
 * changed with the pool's lock held. Handlers and methods take it for short moments, never across
 * reads and writes of sockets. pool_wait gives it up until something changes (any store change, a
 * released call, the wish to end). Functions of store.h, task.h and session.h expect the lock to
 * be held unless they say otherwise.
 */
#ifndef ONYX_TESTS_POOLSIM_POOL_H
#define ONYX_TESTS_POOLSIM_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/random.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"
#include "tests/poolsim/schema.h"

#define REF_MAX        64 /* "OpaqueRef:" and a uuid, or "DummyRef:|uuid|name" cut */
#define POOL_HOSTS_MAX 256

enum profile_id { PROFILE_XS71, PROFILE_CH82, PROFILE_XCP83, PROFILE_XS8, PROFILE_HEAD };

/* What differs between the releases that we play. Constant. */
struct profile {
    enum profile_id id;
    const char *name;          /* "ch82" */
    int64_t since_max;         /* fields and methods published later are not there (schema.h) */
    const char *product_brand; /* software_version */
    const char *product_version;
    const char *xapi_version;
    int api_major;
    int api_minor;
    bool has_ignore_vdis;      /* VM.snapshot takes a third argument */
    bool has_quiesce;          /* VM.snapshot_with_quiesce is there */
    bool has_jsonrpc2;         /* answers /jsonrpc as JSON-RPC 2.0 */
    bool escapes_location;     /* the query of a 302 is percent-encoded */
    bool sends_keepalives;     /* XVA: zero-length members while zeros are scanned */
    bool has_zero_clusters;    /* VHD/raw reads skip zero clusters */
    bool has_xxhash;           /* XVA: .xxhash, else .checksum (sha1) */
    bool has_zstd;             /* use_compression=zstd */
    bool has_excluded_devices; /* /export_metadata excluded_device_types */
    bool in_progress_has_op;   /* OTHER_OPERATION_IN_PROGRESS has four items, else two */
};

const struct profile *profile_find(const char *name); /* NULL if there is none */

struct host;
struct disks;      /* disks.h */
struct store;      /* store.h */
struct sim_faults; /* fault.h */
struct call_log;
struct nbd; /* nbd.h */

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;
    const struct random *random;
    const struct profile *profile;
    char *dir;  /* where disks and sockets live */
    char *user; /* root */
    char *password;
    int64_t login_delay_ms; /* before a wrong password is refused */
    int64_t collected_ms;   /* when garbage was last looked for */
    int64_t heartbeat_ms;   /* how often the pool's record is said to have changed */
    int64_t beat_next_ms;
    bool has_qcow2;         /* disks are exported and imported as QCOW2 */
    bool guests_report;     /* a VM that boots from a disk has tools that say so */
    bool coalesces_at_once; /* base copies go with the snapshot; else when gc.run says so */
    struct store *store;
    struct disks *disks;
    struct sim_faults *faults;
    struct call_log *calls;
    struct nbd *nbd; /* opened with the server */
    struct host *hosts[POOL_HOSTS_MAX];
    size_t hosts_n;
    struct host *master;
    char pool_ref[REF_MAX];
    struct text_list kept_vbds; /* of dom0, left attached by a xapi that died */
    int64_t next_domid;
    uint64_t next_xva_ref;         /* process-wide number of "Ref:N"; handlers take and raise it */
    int64_t old_events_n;          /* answers of event.next */
    struct text_map registrations; /* session to class, of event.register */
    int queued_calls;              /* that wait behind another operation */
    int background_n; /* threads of Async calls and connections that are still running */
};

/* One simulated dom0. Its record in the store carries what XAPI says of it; this is the machine. */
struct host {
    struct pool *pool;
    size_t index;
    char ref[REF_MAX];
    char dom0_ref[REF_MAX]; /* its control domain */
    char *name;
    char *address; /* 127.0.x.y */
    int port;
    int tls_port;
    int nbd_port; /* of its NBD server, 0: XAPI's own */
    char *socket_path;
    struct text_list local_sessions; /* of slave_local_login_with_password */
    int64_t clock_offset_ms;         /* its wall clock against ours */
    uint64_t rate_bytes_per_s;       /* 0: no limit; what this dom0 reads and writes in streams */
    int64_t rate_next_free_ns;       /* limiter's state, under the pool's lock */
    int tcp_n;                       /* open connections; TLS comes to xapi over TCP */
    int unix_n;
    bool is_silent;        /* accepts, then says nothing; running streams stop */
    bool is_emergency;     /* its xapi is starting: HOST_STILL_BOOTING before any dispatch */
    bool is_down;          /* connections are refused or reset */
    struct server *server; /* http.h */
};

void pool_lock(struct pool *pool);
void pool_unlock(struct pool *pool);

/* Tell all waiters that something changed. Lock held. */
void pool_notify(struct pool *pool);

/* Give the lock up until a change or the time-out (monotonic, pool_now_ms). Lock held before and
 * after. false when the time was over. */
bool pool_wait_until(struct pool *pool, int64_t deadline_ms);

/* Monotonic ms. No lock. */
int64_t pool_now_ms(void);

/* Sleep without the lock; ends early (false) when the pool ends. */
bool pool_sleep(struct pool *pool, int64_t ms);

bool pool_is_master(const struct host *host);
struct host *pool_host_by_ref(struct pool *pool, const char *ref);   /* NULL if absent */
struct host *pool_host_by_name(struct pool *pool, const char *name); /* name, uuid or ref */

/* The host's wall clock as XAPI writes it: "20261122T20:27:34Z". */
char *pool_format_time(const struct host *host, char text[32]);

/* Whether a plugged PBD joins host and SR, and the host is up. */
bool pool_host_sees_sr(struct pool *pool, const struct host *host, const char *sr_ref);

/* A live, enabled host that sees every SR of the list; prefer is tried first. NULL if none. */
struct host *pool_host_that_sees(struct pool *pool, const char *const *sr_refs, size_t n,
                                 struct host *prefer);

/* Wait until n bytes may pass at the host's rate. Takes the lock itself; call without it. */
void pool_pace(struct host *host, size_t n);

#endif
