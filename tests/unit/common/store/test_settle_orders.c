/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/publish and settle against each other: a publisher that was taken for dead and one
 * or two settlers of its attempt in the same moment, in all orders of their calls, each dying at
 * each of them, and told that what they did was not done. At any moment no .meta is without its
 * data; when all have ended, and one more has settled, a whole backup is there or nothing.
 */
#include "tests/unit/common/store/orders.h"

#include "common/base/fd.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/settle.h"

#define JOB       "0123456789abcdef"
#define STEM      "backup_20261122-202734"
#define DATA      "the bytes of a disk"
#define FILES_MAX 2

struct part {
    struct store *store;
    struct publish *publish[FILES_MAX]; /* a publisher's */
    int result;
    enum settle_outcome outcome;
};

struct game {
    struct orders orders;
    size_t files_n; /* 1: a VM's, 2: disks */
    size_t settlers_n;
    bool gives_up;                 /* the publisher fails behind its last .meta.partial */
    bool begins_late;              /* its data is begun when the settlers are there already */
    struct part parts[ACTORS_MAX]; /* the publisher's first */
    size_t whole_n, nothing_n, failed_n, lost_n;
};

static const char *const devices[FILES_MAX] = {"xvda", "xvdb"};

static char *stem_of(const struct game *game, size_t i)
{
    return game->files_n == 1 ? mem_dup(STEM) : backup_disk_stem(STEM, devices[i]);
}

static const char *suffix_of(const struct game *game)
{
    return game->files_n == 1 ? ".xva" : ".raw";
}

static void make_meta(const struct game *game, size_t i, struct str *text)
{
    CLEAN_META struct meta meta = {.is_ours = true, .compress = JOB_COMPRESS_NONE};
    CLEAN_CHAR char *stem = stem_of(game, i);
    meta.backup.file = str_format("%s%s", stem, suffix_of(game));
    meta.backup.kind = game->files_n == 1 ? JOB_BACKUP_VM : JOB_BACKUP_DISK;
    meta.backup.vm_uuid = mem_dup("11111111-2222-4333-8444-555555555555");
    meta.backup.size_bytes = strlen(DATA);
    meta.backup.sha256 =
        mem_dup("caaa1ec72aad941131c793afeb7ec92a569dfd2759a58ce5d61fbf82f2d436d2");
    meta.backup.proof = mem_dup("blocks");
    (void)str_copy(meta.backup.job, sizeof meta.backup.job, JOB);
    (void)str_copy(meta.backup.run, sizeof meta.backup.run, JOB);
    meta.backup.attempt = 2;
    meta.backup.started_at = meta.backup.finished_at = meta.backup.snapshot_at = 1700000000000;
    meta.tool = mem_dup("onyxpool test");
    meta_format(&meta, text);
}

/* --- the actors ------------------------------------------------------------------------------- */

static int begin_publish(struct game *game, struct part *part, struct error *err)
{
    for (size_t i = 0; i < game->files_n; i++) {
        CLEAN_CHAR char *stem = stem_of(game, i);
        struct publish_place place = {
            .folder = "web1", .stem = stem, .suffix = suffix_of(game), .job = JOB, .attempt = 2};
        if (publish_begin(part->store, &place, &part->publish[i], err) != 0 ||
            publish_write(part->publish[i], DATA, strlen(DATA), err) != 0 ||
            publish_end_data(part->publish[i], err) != 0)
            return -1;
    }
    return 0;
}

static int publish_files(struct game *game, struct part *part, bool *ret_is_committing,
                         struct error *err)
{
    for (size_t i = 0; i < game->files_n; i++) {
        CLEAN_STR struct str meta = STR_INIT;
        make_meta(game, i, &meta);
        if (publish_prepare(part->publish[i], str_text(&meta), meta.len, err) != 0)
            return -1;
    }
    if (game->gives_up)
        return error_set(err, ERROR_CANCELLED, "given up");
    *ret_is_committing = true;
    for (size_t i = 0; i < game->files_n; i++)
        if (publish_commit(part->publish[i], NULL, 0, err) != 0)
            return -1;
    return 0;
}

/* Whether a settled attempt is published after all. */
static bool is_settled_forward(struct game *game, struct part *part)
{
    enum settle_outcome outcome;
    if (settle_files(part->store, "web1", STEM, JOB, 2, &outcome, NULL) != 0)
        return false;
    for (size_t i = 0; i < game->files_n; i++) {
        CLEAN_CHAR char *stem = stem_of(game, i);
        if (settle_attempt(part->store, "web1", stem, JOB, 2, &outcome, NULL) != 0 ||
            (outcome != SETTLE_WAS_DONE && outcome != SETTLE_ROLLED_FORWARD))
            return false;
    }
    return true;
}

static void take_back(struct game *game, struct part *part, bool is_committing)
{
    enum settle_outcome outcome;
    if ((!is_committing && publish_withdraw(part->publish[0], NULL) != 0) ||
        settle_files(part->store, "web1", STEM, JOB, 2, &outcome, NULL) != 0)
        return;
    if (is_committing)
        (void)publish_take_back(part->publish[0], NULL);
    for (size_t i = game->files_n; i > 0 && !is_committing; i--)
        if (publish_abandon(part->publish[i - 1], NULL) != 0)
            return;
}

/* As agent/job/attempt does it. */
static void play_publisher(struct actor *actor)
{
    struct part *part = actor->context;
    struct game *game = actor->orders->context;
    struct error err = ERROR_INIT;
    bool is_committing = false;
    if (game->begins_late && begin_publish(game, part, &err) != 0) {
        for (size_t i = 0; i < game->files_n; i++)
            if (part->publish[i] != NULL)
                (void)publish_abandon(part->publish[i], NULL);
        return;
    }
    part->result = publish_files(game, part, &is_committing, &err);
    if (part->result != 0 && is_committing && is_settled_forward(game, part))
        part->result = 0;
    if (part->result == 0)
        return;
    game->lost_n += is_committing && !actor->is_dead && err.code == ERROR_LOST;
    take_back(game, part, is_committing);
}

static void play_settler(struct actor *actor)
{
    struct part *part = actor->context;
    struct error err = ERROR_INIT;
    part->result = settle_files(part->store, "web1", STEM, JOB, 2, &part->outcome, &err);
    if (part->result != 0 && !actor->is_dead && !actor->orders->is_broken)
        print_message("a settler: %s\n", err.text);
}

/* --- one play --------------------------------------------------------------------------------- */

static void begin_play(struct orders *orders)
{
    struct game *game = orders->context;
    share_make_folder(&orders->share, "web1");
    for (size_t i = 0; i < 1 + game->settlers_n; i++) {
        struct part *part = &game->parts[i];
        *part = (struct part){.result = -1};
        orders_add_actor(orders, i == 0 ? play_publisher : play_settler, part);
        assert_int_equal(store_open(orders->share.root, &orders->actors[i].ops, &part->store, NULL),
                         0);
        struct error err = ERROR_INIT;
        if (i == 0 && !game->begins_late && begin_publish(game, part, &err) != 0)
            fail_msg("%s", err.text);
    }
}

static bool has(const struct game *game, size_t i, const char *suffix)
{
    CLEAN_CHAR char *stem = stem_of(game, i);
    CLEAN_CHAR char *path = str_format("web1/%s%s", stem, suffix);
    return share_has(&game->orders.share, path);
}

static void tell_play(const struct game *game)
{
    const struct orders *orders = &game->orders;
    print_message("flavour %d, what was done:", (int)orders->flavour);
    for (size_t i = 0; i < orders->depth; i++)
        print_message(" %d/%d", orders->path[i].at, orders->path[i].n);
    print_message("\n");
    for (size_t i = 0; i < 1 + game->settlers_n; i++)
        print_message("actor %zu: dead %d, result %d, outcome %s\n", i, orders->actors[i].is_dead,
                      game->parts[i].result, settle_outcome_name(game->parts[i].outcome));
    CLEAN_CHAR char *path = str_format("%s/web1", orders->share.root);
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        print_message("  %s\n", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void check_step(struct orders *orders)
{
    struct game *game = orders->context;
    for (size_t i = 0; i < game->files_n; i++)
        if (has(game, i, ".meta") && !has(game, i, suffix_of(game))) {
            tell_play(game);
            fail_msg("a .meta is without its data");
        }
}

/* How many files stand whole; all that is there is told when it is not as it must be. */
static size_t count_whole(struct game *game)
{
    size_t n = 0;
    for (size_t i = 0; i < game->files_n; i++)
        n += has(game, i, ".meta") && has(game, i, suffix_of(game));
    return n;
}

static size_t count_names(const struct game *game)
{
    CLEAN_CHAR char *path = str_format("%s/web1", game->orders.share.root);
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(store_ops_system()->list(NULL, fd, orders_note_name, &names), 0);
    return names.n;
}

static void check_end(struct game *game)
{
    enum settle_outcome outcome;
    struct error err = ERROR_INIT;
    bool is_told = game->parts[0].result == 0;
    check_step(&game->orders);
    CLEAN_STORE struct store *store = share_store(&game->orders.share);
    size_t before_n = count_whole(game), names_n = count_names(game);
    if (settle_files(store, "web1", STEM, JOB, 2, &outcome, &err) != 0)
        fail_msg("%s", err.text);
    size_t n = count_whole(game);
    bool is_calm = game->orders.deaths == 0 && game->orders.lies == 0;
    bool is_wrong = (is_calm && names_n != 2 * before_n) || (n != 0 && n != game->files_n) ||
                    count_names(game) != 2 * n || (is_told && before_n != game->files_n) ||
                    n < before_n;
    for (size_t i = 1; i <= game->settlers_n; i++)
        if (game->parts[i].result == 0 && !game->orders.actors[i].is_dead) {
            enum settle_outcome said = game->parts[i].outcome;
            is_wrong = is_wrong || said == SETTLE_FOREIGN_DATA ||
                       (said == SETTLE_ROLLED_BACK && n != 0) ||
                       ((said == SETTLE_ROLLED_FORWARD || said == SETTLE_WAS_DONE) && n == 0);
        } else if (!game->orders.actors[i].is_dead) {
            game->failed_n++;
        }
    if (is_wrong) {
        tell_play(game);
        fail_msg("%zu of %zu files are whole, %zu were, %zu names", n, game->files_n, before_n,
                 count_names(game));
    }
    game->whole_n += n != 0;
    game->nothing_n += n == 0;
}

static void end_play(struct orders *orders)
{
    struct game *game = orders->context;
    if (!orders->is_broken)
        check_end(game);
    for (size_t i = 0; i < 1 + game->settlers_n; i++) {
        for (size_t k = 0; k < game->files_n; k++)
            publish_free(game->parts[i].publish[k]);
        store_close(game->parts[i].store);
    }
    CLEAN_CHAR char *folder = str_format("%s/web1", orders->share.root);
    assert_int_equal(nftw(folder, share_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void play(struct game *game, enum flavour flavour)
{
    struct orders *orders = &game->orders;
    share_init_in(&orders->share, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    orders->flavour = flavour;
    orders->context = game;
    orders->begin = begin_play;
    orders->each = check_step;
    orders->finish = end_play;
    orders_run(orders);
    print_message(
        "files %zu, settlers %zu, flavour %d: %zu states, %zu plays, %zu ends: %zu whole, "
        "%zu nothing, %zu settlers without an answer, "
        "%zu told that they were settled\n",
        game->files_n, game->settlers_n, (int)flavour, orders->visited_n, orders->plays_n,
        orders->ends_n, game->whole_n, game->nothing_n, game->failed_n, game->lost_n);
    assert_true(game->nothing_n > 0);
    assert_true(game->gives_up || game->whole_n > 0);
    assert_int_equal(game->failed_n, 0);
    share_done(&orders->share);
}

struct sizes {
    size_t files_n, settlers_n;
    int deaths_max, lies_max;
    int switches_max; /* how often one is stopped for another; in the long form once more, but for
                         two settlers of two files, which would take an hour */
    bool gives_up, begins_late;
};

static void play_all(const struct sizes *sizes)
{
    const char *form = getenv("ONYX_TEST_FORM");
    bool is_long = form != NULL && strcmp(form, "long") == 0;
    int more = is_long && sizes->files_n + sizes->settlers_n < 4;
    int flavours_n = sizes->files_n > 1 && !is_long ? HAS_NEITHER : FLAVOURS_N;
    for (int flavour = 0; flavour < flavours_n; flavour++) {
        struct game game = {.files_n = sizes->files_n,
                            .settlers_n = sizes->settlers_n,
                            .gives_up = sizes->gives_up,
                            .begins_late = sizes->begins_late};
        game.orders.lists_backwards = flavour == HAS_LINKS;
        game.orders.deaths_max = sizes->deaths_max;
        game.orders.lies_max = sizes->lies_max;
        game.orders.switches_max = sizes->switches_max + more;
        play(&game, (enum flavour)flavour);
    }
}

static void one_settler_when_one_dies_in_all_orders_then_whole_or_nothing(void **state)
{
    (void)state;
    play_all(&(struct sizes){1, 1, .deaths_max = 1, .switches_max = 1});
}

static void one_settler_when_told_that_nothing_was_done_then_whole_or_nothing(void **state)
{
    (void)state;
    play_all(&(struct sizes){1, 1, .lies_max = 1, .switches_max = 1});
}

static void one_settler_when_the_publisher_gives_up_then_whole_or_nothing(void **state)
{
    (void)state;
    play_all(&(struct sizes){1, 1, .deaths_max = 1, .switches_max = 1, .gives_up = true});
}

static void two_settlers_in_all_orders_then_whole_or_nothing(void **state)
{
    (void)state;
    play_all(&(struct sizes){1, 2, .switches_max = 1});
}

static void disks_in_all_orders_then_all_or_none(void **state)
{
    (void)state;
    play_all(&(struct sizes){2, 1, .switches_max = 1});
}

static void disks_when_begun_among_settlers_then_all_or_none(void **state)
{
    (void)state;
    play_all(&(struct sizes){2, 1, .switches_max = 1, .begins_late = true});
}

static void disks_when_one_dies_in_all_orders_then_all_or_none(void **state)
{
    (void)state;
    play_all(&(struct sizes){2, 1, .deaths_max = 1, .switches_max = 1});
}

static void disks_with_two_settlers_in_all_orders_then_all_or_none(void **state)
{
    (void)state;
    play_all(&(struct sizes){2, 2, .switches_max = 1});
}

static void disks_when_the_publisher_gives_up_then_all_or_none(void **state)
{
    (void)state;
    play_all(&(struct sizes){2, 1, .switches_max = 1, .gives_up = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_settler_when_one_dies_in_all_orders_then_whole_or_nothing),
        cmocka_unit_test(one_settler_when_told_that_nothing_was_done_then_whole_or_nothing),
        cmocka_unit_test(one_settler_when_the_publisher_gives_up_then_whole_or_nothing),
        cmocka_unit_test(two_settlers_in_all_orders_then_whole_or_nothing),
        cmocka_unit_test(disks_in_all_orders_then_all_or_none),
        cmocka_unit_test(disks_when_begun_among_settlers_then_all_or_none),
        cmocka_unit_test(disks_when_one_dies_in_all_orders_then_all_or_none),
        cmocka_unit_test(disks_with_two_settlers_in_all_orders_then_all_or_none),
        cmocka_unit_test(disks_when_the_publisher_gives_up_then_all_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
