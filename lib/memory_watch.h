#ifndef SCRY_LIB_MEMORY_WATCH_H
#define SCRY_LIB_MEMORY_WATCH_H

#include <stddef.h>

/* Counts the blocks that scry_alloc gave out: for forecasts and for tests. */

/* For tests: the number of live blocks; and refusal of the nth allocation from now on (1: the next;
 * 0: never). */
size_t scry_memory_live(void);
void scry_memory_fail_at(size_t nth);

/* Bytes that the calling thread has requested from scry_alloc so far. The difference before and
 * after a call is the memory that the call requested: a forecast for many such calls. */
size_t scry_memory_requested(void);

/* High-water mark of the process in bytes (resident), 0 where the system does not say. */
size_t scry_memory_peak(void);

/* Memory that the process can have, in bytes: that of the machine, or the bound of its control
 * group or `ulimit -v` allows where that is less; 0 where the system does not say. */
size_t scry_memory_total(void);

/* Bytes that the process has now and that it could have beside all others, at most the total; 0
 * where the system does not say. */
size_t scry_memory_available(void);

#endif
