#ifndef SCRY_LIB_THREADS_H
#define SCRY_LIB_THREADS_H

#include "lib/api.h"

SCRY_BEGIN

/* How many threads the inner loops use, for the whole process. Results do not depend on it. */

/* n >= 1; 0 restores the default: OMP_NUM_THREADS, else all processors. */
void scry_threads_set(int n);
int scry_threads(void);

SCRY_END

#endif
