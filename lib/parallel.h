#ifndef SCRY_LIB_PARALLEL_H
#define SCRY_LIB_PARALLEL_H

#include "lib/threads.h"

#include <stdbool.h>

/* A loop with the static schedule and a team of `threads`, where that is more than 1. (`omp
 * parallel for if (...)` would start a team of one otherwise, which allocates and signals: more
 * work than a small loop itself.) Pragmas inside are written _Pragma. */
#define SCRY_PARALLEL_FOR(threads, ...)                                                            \
    do {                                                                                           \
        const int team_ = (threads);                                                               \
        if (team_ > 1) {                                                                           \
            _Pragma("omp parallel for schedule(static) num_threads(team_)") __VA_ARGS__            \
        } else {                                                                                   \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    } while (0)

/* More than three processes on every two processors (mean of the last minute; false where there is
 * no /proc/loadavg). The threads of a leaf loop then wait for each other, milliseconds at every
 * loop: one thread is faster. Running whole chains or slices in parallel still helps. */
bool scry_machine_busy(void);

#endif
