#ifndef SCRY_LIB_THREADS_H
#define SCRY_LIB_THREADS_H

#include "lib/api.h"

SCRY_BEGIN

/* Threads of the leaf loops, for the whole process. Results never depend on it. */

/* n >= 1; 0 gives back the default: OMP_NUM_THREADS, else every processor. */
void scry_threads_set(int n);
int scry_threads(void);

SCRY_END

#endif
