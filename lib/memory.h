#ifndef SCRY_LIB_MEMORY_H
#define SCRY_LIB_MEMORY_H

#include <stddef.h>

#define SCRY_ALIGN 64 /* bytes: one cache line, one AVX-512 vector */

/* count * size bytes, zeroed, aligned to SCRY_ALIGN; NULL on overflow or refusal. count or size 0
 * gives a valid pointer. Release with scry_free. */
void *scry_alloc(size_t count, size_t size);

/* Accepts NULL. */
void scry_free(void *p);

/* A copy of n bytes, as scry_alloc. */
void *scry_copy(const void *src, size_t bytes);

/* Bytes rounded up to SCRY_ALIGN: for carving one work block into parts. */
size_t scry_align_up(size_t bytes);

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
