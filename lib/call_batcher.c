#include "lib/call_batcher.h"

#include "lib/memory.h"

#include <pthread.h>
#include <stdbool.h>

/* A worker in a queue, on the stack of its thread. */
struct ticket {
    struct ticket *next;
    pthread_cond_t turn;
    bool called;  /* it has a thread */
    bool answers; /* its request still waits, and this worker is to serve it */
    scry_call_batcher_run *run;
    const void *with;
    void *request;
};

struct queue {
    struct ticket *first, **last;
    size_t count;
};

/* Between calls a thread is free only when both queues are empty (batcher_dispatch). So one worker
 * always runs as long as there are workers, and each of them gets its turn. */
struct scry_call_batcher {
    pthread_mutex_t lock;
    size_t threads, workers, running;
    struct queue ready; /* able to continue */
    struct queue asking;
};

static _Thread_local scry_call_batcher *mine;

static void batcher_push(struct queue *q, struct ticket *t)
{
    t->next = NULL;
    *q->last = t;
    q->last = &t->next;
    q->count++;
}

static struct ticket *batcher_take(struct queue *q, struct ticket **at)
{
    struct ticket *t = *at;
    if (!t) return NULL;
    *at = t->next;
    if (q->last == &t->next) q->last = at;
    q->count--;
    return t;
}

scry_status scry_call_batcher_create(scry_call_batcher **out, size_t threads, scry_error *err)
{
    *out = NULL;
    if (threads < 1) return SCRY_FAIL(err, SCRY_EINVAL, "0 threads, expected at least 1");
    scry_call_batcher *m = scry_alloc(1, sizeof *m);
    if (!m || pthread_mutex_init(&m->lock, NULL)) {
        scry_free(m);
        return SCRY_FAIL(err, SCRY_ENOMEM, "batcher");
    }
    m->threads = threads;
    m->ready.last = &m->ready.first;
    m->asking.last = &m->asking.first;
    *out = m;
    return SCRY_OK;
}

void scry_call_batcher_free(scry_call_batcher *m)
{
    if (!m) return;
    pthread_mutex_destroy(&m->lock);
    scry_free(m);
}

/* Free threads go first to workers that can continue, since their next requests make batches large;
 * then to the worker whose request has waited longest, to serve the batch. */
static void batcher_dispatch(scry_call_batcher *m)
{
    while (m->running < m->threads) {
        struct ticket *t = batcher_take(&m->ready, &m->ready.first);
        if (!t && (t = batcher_take(&m->asking, &m->asking.first))) t->answers = true;
        if (!t) return;
        t->called = true;
        m->running++;
        pthread_cond_signal(&t->turn);
    }
}

static void batcher_await(scry_call_batcher *m, struct queue *q, struct ticket *t)
{
    pthread_cond_init(&t->turn, NULL);
    batcher_push(q, t);
    batcher_dispatch(m);
    while (!t->called)
        pthread_cond_wait(&t->turn, &m->lock);
    pthread_cond_destroy(&t->turn);
}

void scry_call_batcher_join(scry_call_batcher *m)
{
    struct ticket t = {.called = false};
    mine = m;
    pthread_mutex_lock(&m->lock);
    m->workers++;
    batcher_await(m, &m->ready, &t);
    pthread_mutex_unlock(&m->lock);
}

void scry_call_batcher_leave(scry_call_batcher *m)
{
    mine = NULL;
    pthread_mutex_lock(&m->lock);
    m->workers--;
    m->running--;
    batcher_dispatch(m);
    pthread_mutex_unlock(&m->lock);
}

/* How many workers there are for one thread. */
static size_t batcher_share(const scry_call_batcher *m)
{
    const size_t n = (m->workers + m->threads - 1) / m->threads;
    return n < SCRY_CALL_BATCHER_MAX ? n : SCRY_CALL_BATCHER_MAX;
}

/* Serves t and the requests of the same kind, oldest first, with the lock released meanwhile. */
static void batcher_answer(scry_call_batcher *m, struct ticket *t)
{
    struct ticket *others[SCRY_CALL_BATCHER_MAX];
    void *requests[SCRY_CALL_BATCHER_MAX] = {t->request};
    size_t count = 1;
    for (struct ticket **at = &m->asking.first; *at && count < batcher_share(m);) {
        if ((*at)->run != t->run || (*at)->with != t->with) {
            at = &(*at)->next;
            continue;
        }
        others[count] = batcher_take(&m->asking, at);
        requests[count] = others[count]->request;
        count++;
    }
    pthread_mutex_unlock(&m->lock);
    t->run(t->with, requests, count);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 1; i < count; i++)
        batcher_push(&m->ready, others[i]);
    batcher_dispatch(m);
}

void scry_call_batcher_call(scry_call_batcher_run *run, const void *with, void *request)
{
    scry_call_batcher *m = mine;
    if (!m) {
        run(with, &request, 1);
        return;
    }
    struct ticket t = {.run = run, .with = with, .request = request};
    pthread_mutex_lock(&m->lock);
    t.answers = m->asking.count + 1 >= batcher_share(m);
    if (!t.answers) {
        m->running--;
        batcher_await(m, &m->asking, &t);
    }
    if (t.answers) batcher_answer(m, &t);
    pthread_mutex_unlock(&m->lock);
}
