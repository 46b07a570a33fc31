#ifndef SCRY_LIB_MEMORY_H
#define SCRY_LIB_MEMORY_H

#include "lib/api.h"

#include <stddef.h>

SCRY_BEGIN

#define SCRY_ALIGN 64 /* bytes: one cache line, one AVX-512 vector */

/* count * size bytes, zeroed, aligned to SCRY_ALIGN; NULL on overflow or refusal. count or size 0
 * gives a valid pointer. Release with scry_free. */
void *scry_alloc(size_t count, size_t size);

/* Accepts NULL. */
void scry_free(void *p);

/* A copy of n bytes, as scry_alloc. */
void *scry_copy(const void *src, size_t bytes);

/* Bytes rounded up to a multiple of SCRY_ALIGN: for carving arrays out of one block of scratch
 * memory. */
size_t scry_align_up(size_t bytes);

SCRY_END

#include <stdbool.h>

/* Room for one more in a list of *capacity entries of `size` bytes, of which `count` are used:
 * doubled, from 16 on, where it is full. `list` points to the pointer to the entries. false: memory
 * was refused, and the list is as before. */
bool scryi_memory_grow(void *list, size_t *capacity, size_t count, size_t size);

#endif
