#ifndef SCRY_LIB_MEMORY_WATCH_H
#define SCRY_LIB_MEMORY_WATCH_H

#include <stddef.h>

/* What blocks of lib/memory.h there are: for forecasts and for tests. */

/* For tests: live blocks; and refuse the nth allocation from now (1 = the next; 0 = never). */
size_t scry_memory_live(void);
void scry_memory_fail_at(size_t nth);

/* Bytes that the calling thread has asked of scry_alloc so far: the difference around a call is
 * what that call asked for, which makes a forecast of many such calls. */
size_t scry_memory_asked(void);

/* High-water mark of the process in bytes (resident), 0 where the system does not tell. */
size_t scry_memory_peak(void);

/* Physical memory of the machine in bytes, 0 where the system does not tell. */
size_t scry_memory_total(void);

#endif
