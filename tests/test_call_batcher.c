#include "tests/check.h"

#include "lib/call_batcher.h"
#include "lib/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum { MEMBERS = 9 };

/* The calls that were answered, and how. */
struct book {
    pthread_mutex_t lock;
    size_t running, max_running, runs, answers, largest, arrived, expected;
};

/* Requests for different kinds are not answered together. */
struct kind {
    struct book *book;
    int number;
};

struct request {
    int kind, answered;
};

struct worker {
    pthread_t thread;
    scry_call_batcher *batcher;
    const struct kind *kinds;
    struct book *book;
    size_t kind_count, number, calls;
    bool wrong;
};

static void pause_for(long nanoseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

static bool all_arrived(struct book *b)
{
    pthread_mutex_lock(&b->lock);
    const bool all = b->arrived >= b->expected;
    pthread_mutex_unlock(&b->lock);
    return all;
}

static void answer(const void *with, void *const *requests, size_t count)
{
    const struct kind *kind = with;
    struct book *b = kind->book;
    pthread_mutex_lock(&b->lock);
    b->running++;
    b->runs++;
    b->answers += count;
    if (b->running > b->max_running) b->max_running = b->running;
    if (count > b->largest) b->largest = count;
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < count; i++) {
        struct request *r = requests[i];
        r->answered += r->kind == kind->number ? 1 : 100;
    }
    while (!all_arrived(b))
        pause_for(100000);
    if (b->expected) pause_for(500000);
    pthread_mutex_lock(&b->lock);
    b->running--;
    pthread_mutex_unlock(&b->lock);
}

static void *attend(void *ctx)
{
    struct worker *me = ctx;
    pthread_mutex_lock(&me->book->lock);
    me->book->arrived++;
    pthread_mutex_unlock(&me->book->lock);
    scry_call_batcher_join(me->batcher);
    for (size_t i = 0; i < me->calls; i++) {
        const struct kind *kind = &me->kinds[(me->number + i) % me->kind_count];
        struct request r = {.kind = kind->number};
        scry_call_batcher_call(answer, kind, &r);
        me->wrong = me->wrong || r.answered != 1;
    }
    scry_call_batcher_leave(me->batcher);
    return NULL;
}

/* Member i makes calls[i] calls, which alternate between the kinds. With `wait`, an answer takes
 * half a millisecond, and the first one until all are there. */
static struct book hold(size_t count, size_t threads, const size_t *calls, size_t kind_count,
                        bool wait)
{
    scry_error err = {0};
    scry_call_batcher *m;
    struct worker worker[MEMBERS];
    struct book b = {.expected = wait ? count : 0};
    const struct kind kinds[2] = {{&b, 0}, {&b, 1}};
    pthread_mutex_init(&b.lock, NULL);
    assert_ok(scry_call_batcher_create(&m, threads, &err));
    for (size_t i = 0; i < count; i++) {
        worker[i] = (struct worker){.batcher = m,
                                    .kinds = kinds,
                                    .kind_count = kind_count,
                                    .book = &b,
                                    .number = i,
                                    .calls = calls[i]};
        assert_int_equal(pthread_create(&worker[i].thread, NULL, attend, &worker[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(worker[i].thread, NULL);
        assert_false(worker[i].wrong);
    }
    scry_call_batcher_free(m);
    pthread_mutex_destroy(&b.lock);
    return b;
}

static const size_t equal[MEMBERS] = {40, 40, 40, 40, 40, 40, 40, 40, 40};
static const size_t uneven[MEMBERS] = {40, 3, 0, 17, 1, 90, 25, 2, 60};

/* Whoever is no worker, before, after and while others are, is answered alone. */
static void strangers_are_answered_alone(void **state)
{
    (void)state;
    struct book b = {.expected = 0};
    const struct kind kind = {&b, 7};
    struct request r = {.kind = 7};
    pthread_mutex_init(&b.lock, NULL);
    scry_call_batcher_call(answer, &kind, &r);
    scry_error err = {0};
    scry_call_batcher *m;
    assert_ok(scry_call_batcher_create(&m, 1, &err));
    scry_call_batcher_call(answer, &kind, &r);
    scry_call_batcher_join(m);
    scry_call_batcher_call(answer, &kind, &r);
    scry_call_batcher_leave(m);
    scry_call_batcher_call(answer, &kind, &r);
    assert_int_equal(r.answered, 4);
    assert_int_equal(b.runs, 4);
    scry_call_batcher_free(m);
    pthread_mutex_destroy(&b.lock);
}

/* All five at once from the second answer on; the first may find fewer there. */
static void members_are_answered_together(void **state)
{
    (void)state;
    const struct book b = hold(5, 1, equal, 1, true);
    assert_int_equal(b.answers, 5 * 40);
    assert_int_equal(b.largest, 5);
    assert_int_equal(b.max_running, 1);
    assert_in_range(b.runs, 40, 60);
}

/* However many come, ask for one thing or another, and leave early. */
static void everyone_is_answered_once(void **state)
{
    (void)state;
    for (size_t count = 1; count <= MEMBERS; count++)
        for (size_t threads = 1; threads <= 4; threads++)
            for (size_t kinds = 1; kinds <= 2; kinds++) {
                const struct book b = hold(count, threads, uneven, kinds, false);
                size_t calls = 0;
                for (size_t i = 0; i < count; i++)
                    calls += uneven[i];
                assert_int_equal(b.answers, calls);
                assert_in_range(b.max_running, 1, threads);
                assert_in_range(b.largest, 1, (count + threads - 1) / threads);
            }
}

static void a_thread_each_needs_no_company(void **state)
{
    (void)state;
    const struct book b = hold(4, 4, uneven, 1, true);
    assert_int_equal(b.largest, 1);
    assert_int_equal(b.runs, b.answers);
}

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_call_batcher *m;
    assert_fails(scry_call_batcher_create(&m, 0, &err), SCRY_EINVAL);
    assert_null(m);
    scry_memory_fail_at(1);
    assert_fails(scry_call_batcher_create(&m, 1, &err), SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_null(m);
    scry_call_batcher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_answered_alone),
        cmocka_unit_test(members_are_answered_together),
        cmocka_unit_test(everyone_is_answered_once),
        cmocka_unit_test(a_thread_each_needs_no_company),
        cmocka_unit_test(wrong_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
