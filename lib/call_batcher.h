#ifndef SCRY_LIB_CALL_BATCHER_H
#define SCRY_LIB_CALL_BATCHER_H

#include "lib/status.h"

#include <stddef.h>

/* Where calls that threads make on their own meet, to be answered together: the chains of a
 * posterior each ask for their D, and one pass through the network answers all that wait.
 *
 * Workers are threads. A batcher lets `threads` of them run at a time, so it may have more workers
 * than the machine has processors. Who asks steps aside, and a worker that can go on takes the
 * thread; when ceil(workers / threads) ask (each thread has its share), or nobody can go on, one of
 * them answers for all. A worker never waits for one that is not running or about to: whether some
 * fail, leave early or ask for something else, those that remain are answered. With as many threads
 * as workers nobody waits at all. */
typedef struct scry_call_batcher scry_call_batcher;

enum { SCRY_CALL_BATCHER_MAX = 16 }; /* requests answered together */

/* ENOMEM; EINVAL: threads 0. */
scry_status scry_call_batcher_create(scry_call_batcher **out, size_t threads, scry_error *err);
void scry_call_batcher_free(scry_call_batcher *m); /* accepts NULL; nobody is a worker any more */

/* The calling thread becomes a worker, and one no longer. It is a worker of one batcher at most. It
 * is by the thread, not by an argument, that scry_call_batcher_call knows: between a solver and the
 * network it calls lie priors that have no interest in who else is there. */
void scry_call_batcher_join(scry_call_batcher *m);
void scry_call_batcher_leave(scry_call_batcher *m);

/* Answers `count` requests, all made with the same `run` and the same `with`. */
typedef void scry_call_batcher_run(const void *with, void *const *requests, size_t count);

/* Returns when `request` has been answered: by run(with, ..) here or in another worker's thread,
 * together with requests of others or alone; here and alone where the calling thread is no worker.
 * What a request holds is between the caller and `run`. */
void scry_call_batcher_call(scry_call_batcher_run *run, const void *with, void *request);

#endif
