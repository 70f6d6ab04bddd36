/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All orders of what several do in one folder at the same time: the product's own code, each actor
 * on a stack of its own, stopped in front of every call that sees or changes a name. One goes on at
 * a time; who, and whether it dies there or is lied to (done, and told that it was not, as NFS
 * does), is tried in all ways. A state that was reached before (the folder, and all that each actor
 * has been told so far) is not gone on from.
 */
#ifndef ONYX_TESTS_STORE_ORDERS_H
#define ONYX_TESTS_STORE_ORDERS_H

#include "tests/unit/common/store/share.h"

#include <dirent.h>
#include <ucontext.h>

#include "common/base/text_list.h"
#include "common/store/publish.h"

#if defined(__SANITIZE_ADDRESS__)
#define ORDERS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ORDERS_ASAN 1
#endif
#endif
#ifdef ORDERS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define ACTORS_MAX  4
#define STACK_BYTES (1u << 19)
#define DEPTH_MAX   512
#define VISITED_MAX (1u << 22)

enum choice { RUN, DIE, LIE, CHOICES_N };

struct orders;

struct actor {
    struct orders *orders;
    struct store_ops ops;
    void (*body)(struct actor *actor);
    void *context; /* the body's */
    ucontext_t place;
    char *stack;      /* borrowed */
    void *fake_stack; /* the sanitizer's */
    bool is_dead, is_ended;
    bool is_change, can_lie; /* what it stands in front of */
    enum choice choice;
    uint64_t history; /* what it was told so far */
};

/* How the file system is. */
enum flavour { HAS_NOREPLACE, HAS_LINKS, HAS_NEITHER, FLAVOURS_N };

struct orders {
    struct share share;
    enum flavour flavour;
    bool lists_backwards;
    int deaths_max, lies_max;
    int switches_max; /* from one that could go on to another one; 0: any number */
    struct actor actors[ACTORS_MAX];
    size_t actors_n;
    void (*begin)(struct orders *orders);  /* the folder, and actors' contexts, for one play */
    void (*each)(struct orders *orders);   /* behind every step */
    void (*finish)(struct orders *orders); /* when all have ended */
    void *context;
    char *stacks[ACTORS_MAX];
    ucontext_t place;
    void *fake_stack;
    const void *stack;
    size_t stack_bytes;
    bool is_free;   /* nobody is stopped */
    bool is_broken; /* a play that is not gone on with */
    int deaths, lies, switches;
    const struct actor *last;
    struct {
        int at, n;
    } path[DEPTH_MAX]; /* what was done, and out of how many */
    size_t depth, replayed;
    uint64_t *visited;
    size_t visited_n, plays_n, ends_n;
};

static inline uint64_t orders_hash(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * 0x100000001b3ull;
    return hash ^ (hash >> 29);
}

static inline void orders_told(struct actor *actor, const char *call, const char *name, long result)
{
    actor->history = orders_hash(actor->history, call, strlen(call) + 1);
    actor->history = orders_hash(actor->history, name, strlen(name) + 1);
    actor->history = orders_hash(actor->history, &result, sizeof result);
}

/* From an actor to the one who says who goes on. */
static inline void orders_leave(struct actor *actor, bool for_good)
{
    struct orders *orders = actor->orders;
    actor->is_ended = for_good;
#ifdef ORDERS_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &actor->fake_stack, orders->stack,
                                   orders->stack_bytes);
#endif
    assert_int_equal(swapcontext(&actor->place, &orders->place), 0);
#ifdef ORDERS_ASAN
    __sanitizer_finish_switch_fiber(actor->fake_stack, &orders->stack, &orders->stack_bytes);
#endif
}

static inline void orders_enter(struct actor *actor)
{
    struct orders *orders = actor->orders;
#ifdef ORDERS_ASAN
    __sanitizer_start_switch_fiber(&orders->fake_stack, actor->stack, STACK_BYTES);
#endif
    assert_int_equal(swapcontext(&orders->place, &actor->place), 0);
#ifdef ORDERS_ASAN
    __sanitizer_finish_switch_fiber(orders->fake_stack, NULL, NULL);
#endif
}

/* makecontext hands over nothing but ints. */
static inline void orders_act(unsigned high, unsigned low)
{
    struct actor *actor = (struct actor *)(((uintptr_t)high << 16 << 16) | low);
#ifdef ORDERS_ASAN
    __sanitizer_finish_switch_fiber(NULL, &actor->orders->stack, &actor->orders->stack_bytes);
#endif
    actor->body(actor);
    orders_leave(actor, true);
}

enum call { LOOKS, WRITES, NAMES };

/* Where an actor stops; false when it is dead. Who dies in front of a look dies in front of what he
 * would change next. */
static inline bool orders_stop(struct actor *actor, enum call call)
{
    actor->choice = RUN;
    if (actor->is_dead || actor->orders->is_broken) {
        errno = EIO;
        return false;
    }
    if (actor->orders->is_free)
        return true;
    actor->is_change = call != LOOKS;
    actor->can_lie = call == NAMES;
    orders_leave(actor, false);
    if (actor->choice == DIE || actor->orders->is_broken) {
        actor->is_dead = true;
        errno = EIO;
        return false;
    }
    actor->history = orders_hash(actor->history, "went on", 1);
    return true;
}

static inline int orders_answer(struct actor *actor, const char *call, const char *name, int result,
                                int lie)
{
    int why = errno;
    if (actor->choice == LIE && result == 0) {
        result = -1;
        why = lie;
    }
    orders_told(actor, call, name, result == 0 ? 0 : -why);
    errno = why;
    return result;
}

static inline int orders_open(void *context, int folder, const char *name, int flags, mode_t mode)
{
    struct actor *actor = context;
    bool is_folder = (flags & O_DIRECTORY) != 0;
    if (!is_folder && !orders_stop(actor, (flags & O_CREAT) != 0 ? WRITES : LOOKS))
        return -1;
    int fd = store_ops_system()->open(NULL, folder, name, flags, mode);
    int why = errno;
    if (!is_folder)
        orders_told(actor, "open", name, fd >= 0 ? 0 : -why);
    errno = why;
    return fd;
}

static inline ssize_t orders_read(void *context, int fd, void *bytes, size_t n)
{
    ssize_t got = store_ops_system()->read(NULL, fd, bytes, n);
    orders_told(context, "read", "", got);
    return got;
}

/* In two halves: a .meta is torn in between. */
static inline ssize_t orders_write(void *context, int fd, const void *bytes, size_t n)
{
    struct actor *actor = context;
    if (!orders_stop(actor, WRITES))
        return -1;
    return store_ops_system()->write(NULL, fd, bytes, n > 1 ? n / 2 : n);
}

static inline int orders_sync(void *context, int fd)
{
    struct actor *actor = context;
    (void)fd;
    errno = EIO;
    return actor->is_dead || actor->orders->is_broken ? -1 : 0;
}

static inline int orders_rename(void *context, int folder, const char *from, const char *to)
{
    if (!orders_stop(context, NAMES))
        return -1;
    int result = store_ops_system()->rename(NULL, folder, from, to);
    return orders_answer(context, "rename", from, result, ENOENT);
}

static inline int orders_rename_new(void *context, int folder, const char *from, const char *to)
{
    struct actor *actor = context;
    if (actor->orders->flavour != HAS_NOREPLACE) {
        errno = actor->orders->flavour == HAS_LINKS ? EINVAL : ENOSYS;
        return -1;
    }
    if (!orders_stop(actor, NAMES))
        return -1;
    int result = store_ops_system()->rename_new(NULL, folder, from, to);
    return orders_answer(actor, "rename_new", from, result, ENOENT);
}

static inline int orders_link(void *context, int folder, const char *from, const char *to)
{
    struct actor *actor = context;
    if (actor->orders->flavour == HAS_NEITHER) {
        errno = EPERM;
        return -1;
    }
    if (!orders_stop(actor, NAMES))
        return -1;
    int result = store_ops_system()->link(NULL, folder, from, to);
    return orders_answer(actor, "link", from, result, EEXIST);
}

static inline int orders_unlink(void *context, int folder, const char *name)
{
    if (!orders_stop(context, NAMES))
        return -1;
    int result = store_ops_system()->unlink(NULL, folder, name);
    return orders_answer(context, "unlink", name, result, ENOENT);
}

static inline int orders_stat(void *context, int folder, const char *name, struct stat *ret)
{
    if (!orders_stop(context, LOOKS))
        return -1;
    int result = store_ops_system()->stat(NULL, folder, name, ret);
    int why = errno;
    orders_told(context, "stat", name, result == 0 ? (long)ret->st_size : -why);
    errno = why;
    return result;
}

static inline int orders_note_name(void *context, const char *name)
{
    text_list_add(context, name);
    return 0;
}

/* In two halves, partial names in one of them: what is renamed in between may be seen twice, or not
 * at all. */
static inline int orders_list(void *context, int folder, store_list_fn *entry, void *entry_context)
{
    struct actor *actor = context;
    for (int half = 0; half < 2; half++) {
        CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
        if (!orders_stop(actor, LOOKS) ||
            store_ops_system()->list(NULL, folder, orders_note_name, &names) != 0)
            return -1;
        text_list_sort(&names);
        for (size_t i = 0; i < names.n; i++) {
            bool is_late = str_ends(names.items[i], PUBLISH_PARTIAL);
            if ((is_late != actor->orders->lists_backwards) != (half == 1))
                continue;
            orders_told(actor, "list", names.items[i], half);
            int result = entry(entry_context, names.items[i]);
            if (result != 0)
                return result;
        }
    }
    return 0;
}

static inline void orders_add_actor(struct orders *orders, void (*body)(struct actor *actor),
                                    void *context)
{
    struct actor *actor = &orders->actors[orders->actors_n++];
    *actor = (struct actor){.orders = orders, .body = body, .context = context};
    actor->ops = *store_ops_system();
    actor->ops.open = orders_open;
    actor->ops.read = orders_read;
    actor->ops.write = orders_write;
    actor->ops.sync = orders_sync;
    actor->ops.rename = orders_rename;
    actor->ops.rename_new = orders_rename_new;
    actor->ops.link = orders_link;
    actor->ops.unlink = orders_unlink;
    actor->ops.stat = orders_stat;
    actor->ops.list = orders_list;
    actor->ops.context = actor;
}

/* Up to where it stops first. */
static inline void orders_begin_actor(struct actor *actor)
{
    uintptr_t at = (uintptr_t)actor;
    size_t number = (size_t)(actor - actor->orders->actors);
    if (actor->orders->stacks[number] == NULL)
        actor->orders->stacks[number] = mem_zero(1, STACK_BYTES);
    actor->stack = actor->orders->stacks[number];
    assert_int_equal(getcontext(&actor->place), 0);
    actor->place.uc_stack.ss_sp = actor->stack;
    actor->place.uc_stack.ss_size = STACK_BYTES;
    makecontext(&actor->place, (void (*)(void))orders_act, 2, (unsigned)(at >> 16 >> 16),
                (unsigned)at);
    orders_enter(actor);
}

/* Names, sizes, and which of them are one file. */
static inline uint64_t orders_folder(const struct orders *orders)
{
    CLEAN_CHAR char *path = str_format("%s/web1", orders->share.root);
    struct dirent **entries = NULL;
    uint64_t hash = 0xcbf29ce484222325ull;
    ino_t inodes[64];
    int n = scandir(path, &entries, NULL, alphasort);
    assert_true(n >= 0 && n < 64);
    for (int i = 0; i < n; i++) {
        struct stat st = {0};
        CLEAN_CHAR char *name = str_format("%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && stat(name, &st) == 0) {
            int first = 0;
            inodes[i] = st.st_ino;
            while (first < i && inodes[first] != st.st_ino)
                first++;
            hash = orders_hash(hash, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
            hash = orders_hash(hash, &st.st_size, sizeof st.st_size);
            hash = orders_hash(hash, &first, sizeof first);
        } else {
            inodes[i] = 0;
        }
        free(entries[i]);
    }
    free(entries);
    return hash;
}

/* Whether this state is new. */
static inline bool orders_visit(struct orders *orders)
{
    uint64_t hash = orders_folder(orders);
    for (size_t i = 0; i < orders->actors_n; i++) {
        const struct actor *actor = &orders->actors[i];
        unsigned char is[2] = {actor->is_dead, actor->is_ended};
        hash = orders_hash(hash, &actor->history, sizeof actor->history);
        hash = orders_hash(hash, is, sizeof is);
    }
    if (orders->switches_max > 0) {
        hash = orders_hash(hash, &orders->switches, sizeof orders->switches);
        hash = orders_hash(hash, &orders->last, sizeof orders->last);
    }
    hash = orders_hash(hash, &orders->lies, sizeof orders->lies) | 1;
    size_t at = hash & (VISITED_MAX - 1);
    while (orders->visited[at] != 0 && orders->visited[at] != hash)
        at = (at + 1) & (VISITED_MAX - 1);
    if (orders->visited[at] == hash)
        return false;
    orders->visited[at] = hash;
    assert_true(++orders->visited_n < VISITED_MAX / 2);
    return true;
}

static inline bool orders_is_switch(const struct orders *orders, const struct actor *actor)
{
    return orders->last != NULL && orders->last != actor && !orders->last->is_ended;
}

static inline bool orders_may(const struct orders *orders, const struct actor *actor,
                              enum choice choice)
{
    if (orders->switches_max > 0 && orders->switches >= orders->switches_max &&
        orders_is_switch(orders, actor))
        return false;
    return !actor->is_ended && !actor->is_dead &&
           (choice == RUN ||
            (choice == DIE && actor->is_change && orders->deaths < orders->deaths_max) ||
            (choice == LIE && actor->can_lie && orders->lies < orders->lies_max));
}

/* The at-th thing that could be done now; how many there are. */
static inline int orders_pick(struct orders *orders, int at, struct actor **ret_actor,
                              enum choice *ret_choice)
{
    int n = 0;
    for (size_t i = 0; i < orders->actors_n; i++)
        for (int choice = RUN; choice < CHOICES_N; choice++)
            if (orders_may(orders, &orders->actors[i], (enum choice)choice) && n++ == at) {
                *ret_actor = &orders->actors[i];
                *ret_choice = (enum choice)choice;
            }
    return n;
}

static inline void orders_go(struct orders *orders, struct actor *actor, enum choice choice)
{
    orders->deaths += choice == DIE;
    orders->lies += choice == LIE;
    orders->switches += orders_is_switch(orders, actor);
    orders->last = actor;
    actor->choice = choice;
    orders_enter(actor);
}

/* One play: what the stack says, then the first of what is left to do. */
static inline void orders_play(struct orders *orders)
{
    size_t depth = 0;
    orders->deaths = orders->lies = orders->switches = 0;
    orders->last = NULL;
    orders->is_broken = false;
    orders->is_free = true;
    orders->begin(orders);
    orders->is_free = false;
    for (size_t i = 0; i < orders->actors_n; i++)
        orders_begin_actor(&orders->actors[i]);
    for (;;) {
        struct actor *actor = NULL;
        enum choice choice = RUN;
        if (depth >= orders->replayed) {
            orders->each(orders);
            if (!orders_visit(orders)) {
                orders->is_broken = true;
                break;
            }
        }
        int at = depth < orders->depth ? orders->path[depth].at : 0;
        int n = orders_pick(orders, at, &actor, &choice);
        if (n == 0)
            break;
        assert_true(depth < DEPTH_MAX);
        if (depth == orders->depth)
            orders->path[orders->depth++].at = 0;
        orders->path[depth].n = n;
        depth++;
        orders_go(orders, actor, choice);
    }
    for (size_t i = 0; i < orders->actors_n; i++) {
        struct actor *actor = &orders->actors[i];
        while (!actor->is_ended) /* a broken play: all of its calls fail */
            orders_go(orders, actor, RUN);
    }
    orders->plays_n++;
    orders->ends_n += !orders->is_broken;
    orders->is_free = true;
    orders->finish(orders);
    orders->actors_n = 0;
}

/* All plays. */
static inline void orders_run(struct orders *orders)
{
    orders->visited = mem_zero(VISITED_MAX, sizeof *orders->visited);
    do {
        orders_play(orders);
        while (orders->depth > 0 &&
               orders->path[orders->depth - 1].at + 1 >= orders->path[orders->depth - 1].n)
            orders->depth--;
        if (orders->depth > 0)
            orders->path[orders->depth - 1].at++;
        orders->replayed = orders->depth;
    } while (orders->depth > 0);
    free(orders->visited);
    for (size_t i = 0; i < ACTORS_MAX; i++)
        free(orders->stacks[i]);
}

#endif
