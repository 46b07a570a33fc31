#ifndef SCRY_LIB_CALL_BATCHER_H
#define SCRY_LIB_CALL_BATCHER_H

#include "lib/status.h"

#include <stddef.h>

/* Collects calls that several threads make independently, and answers them together: each chain of
 * a posterior calls D, and one pass through the network serves all chains that wait.
 *
 * Workers are threads. A batcher lets `threads` of them run at a time, so there may be more workers
 * than processors. A worker that makes a request pauses, and another worker runs in its place. When
 * ceil(workers / threads) requests wait (the share of one thread), or no worker can continue, one
 * worker runs the whole batch. A worker never waits for a worker that has failed, left early or
 * requested something else. With as many threads as workers, no worker waits at all. */
typedef struct scry_call_batcher scry_call_batcher;

enum { SCRY_CALL_BATCHER_MAX = 16 }; /* largest batch */

/* ENOMEM; EINVAL: threads 0. */
scry_status scry_call_batcher_create(scry_call_batcher **out, size_t threads, scry_error *err);
void scry_call_batcher_free(scry_call_batcher *m); /* accepts NULL; all workers have left */

/* The calling thread becomes a worker, or stops being one. A thread is a worker of one batcher at
 * most. scry_call_batcher_call finds the batcher by the thread, not by an argument: priors lie
 * between a solver and its network, and they need not know of the batcher. */
void scry_call_batcher_join(scry_call_batcher *m);
void scry_call_batcher_leave(scry_call_batcher *m);

/* Serves `count` requests that share the same `run` and the same `with`. */
typedef void scry_call_batcher_run(const void *with, void *const *requests, size_t count);

/* Returns when run(with, ..) has served `request`, in this thread or in another worker's, alone or
 * in a batch. A thread that is not a worker runs it at once, alone. Only the caller and `run`
 * interpret the contents of a request. */
void scry_call_batcher_call(scry_call_batcher_run *run, const void *with, void *request);

#endif
