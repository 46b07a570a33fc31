#ifndef SCRY_LIB_INSTRUCTIONS_H
#define SCRY_LIB_INSTRUCTIONS_H

#include "lib/api.h"
#include "lib/status.h"

SCRY_BEGIN

/* The instruction set that the inner loops of this process use. A portable build holds each of
 * those loops several times, and takes the widest set that the processor has:
 *   avx512    AVX-512 F, BW, CD, DQ and VL
 *   avx2      AVX2 and FMA
 *   baseline  the set that the compiler may assume of every processor
 * A build for one processor (SCRY_NATIVE=ON) has `native` alone. Results of the sets differ by the
 * rounding of single operations. */
const char *scry_instructions(void);

/* Chooses the set of this name. Call it before any other function: existing objects keep the layout
 * of the set for which they were made.
 * errors  EINVAL: no such name; EUNSUP: the build or the processor lacks this set */
scry_status scry_instructions_set(const char *name, scry_error *err);

SCRY_END

#endif
