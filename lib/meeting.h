#ifndef SCRY_LIB_MEETING_H
#define SCRY_LIB_MEETING_H

#include "lib/status.h"

#include <stddef.h>

/* Where calls that threads make on their own meet, to be answered together: the chains of a
 * posterior each ask for their D, and one pass through the network answers all that wait.
 *
 * Members are threads. A meeting lets `threads` of them run at a time, so it may have more members
 * than the machine has processors. Who asks steps aside, and a member that can go on takes the
 * thread; when ceil(members / threads) ask (each thread has its share), or nobody can go on, one of
 * them answers for all. A member never waits for one that is not running or about to: whether some
 * fail, leave early or ask for something else, those that remain are answered. With as many threads
 * as members nobody waits at all. */
typedef struct scry_meeting scry_meeting;

enum { SCRY_MEETING_MOST = 16 }; /* requests answered together */

/* ENOMEM; EINVAL: threads 0. */
scry_status scry_meeting_create(scry_meeting **out, size_t threads, scry_error *err);
void scry_meeting_free(scry_meeting *m); /* accepts NULL; nobody is a member any more */

/* The calling thread becomes a member, and one no longer. It is a member of one meeting at most. It
 * is by the thread, not by an argument, that scry_meet knows: between a solver and the network it
 * calls lie priors that have no interest in who else is there. */
void scry_meeting_join(scry_meeting *m);
void scry_meeting_leave(scry_meeting *m);

/* Answers `count` requests, all made with the same `run` and the same `with`. */
typedef void scry_meeting_run(const void *with, void *const *requests, size_t count);

/* Returns when `request` has been answered: by run(with, ..) here or in another member's thread,
 * together with requests of others or alone; here and alone where the calling thread is no member.
 * What a request holds is between the caller and `run`. */
void scry_meet(scry_meeting_run *run, const void *with, void *request);

#endif
