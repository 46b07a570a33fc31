#ifndef SCRY_APPS_CLI_RANKS_H
#define SCRY_APPS_CLI_RANKS_H

#include "lib/status.h"

#include <stddef.h>

/* The processes that mpirun started, or this one alone. Built without MPI, or not under mpirun,
 * there is one rank and all of the below do nothing. */
void ranks_begin(int *argc, char ***argv);
void ranks_end(void);
int ranks_rank(void); /* 0 .. ranks_size() - 1; 0 writes and speaks */
int ranks_size(void);

/* On the first rank: values[i] <- the sum over ranks. Each entry is 0 on all ranks but one. */
void ranks_sum(float *values, size_t n);
/* The same for plain records whose bytes are 0 on all ranks but one. */
void ranks_merge(void *records, size_t bytes);
/* The worst status of all ranks, on all of them. */
scry_status ranks_worst(scry_status mine);

#endif
