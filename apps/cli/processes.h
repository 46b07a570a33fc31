#ifndef SCRY_APPS_CLI_PROCESSES_H
#define SCRY_APPS_CLI_PROCESSES_H

#include "lib/status.h"

#include <stddef.h>

/* The processes that mpirun started, or this one alone. Built without MPI, or not under mpirun,
 * there is one rank and all of the below do nothing. */
void processes_begin(int *argc, char ***argv);
void processes_end(void);
int processes_rank(void); /* 0 .. processes_count() - 1; 0 writes files and messages */
int processes_count(void);

/* On the first rank: values[i] <- the sum over ranks. Each entry is 0 on all ranks but one. */
void processes_sum(float *values, size_t n);
/* The same for plain records whose bytes are 0 on all ranks but one. */
void processes_merge(void *records, size_t bytes);
/* On all ranks: the bytes of rank `root`. */
void processes_share(void *data, size_t bytes, size_t root);
/* The worst status of all ranks, on all of them. */
scry_status processes_worst(scry_status mine);

#endif
