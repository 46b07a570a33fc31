#ifndef SCRY_LIB_RNG_H
#define SCRY_LIB_RNG_H

#include "lib/api.h"

#include <stddef.h>
#include <stdint.h>

SCRY_BEGIN

/* Counter-based random numbers, Philox4x32-10 (Salmon et al., SC 2011). A draw is a function of
 * (seed, chain, step, element) alone: no state, so results do not depend on threads, on batch size
 * or on earlier draws. `step` numbers the draws inside a chain; a method that draws several
 * times in a step uses scry_rng_step(step, draw). */

/* Combines step and draw (< 16) into one number. */
uint32_t scry_rng_step(size_t step, unsigned draw);

/* out[i] ~ N(0, 1) for elements first .. first + n - 1. */
void scry_rng_normal(float *out, size_t first, size_t n, uint64_t seed, uint32_t chain,
                     uint32_t step);

/* out[i] uniform on (0, 1). */
void scry_rng_uniform(float *out, size_t first, size_t n, uint64_t seed, uint32_t chain,
                      uint32_t step);

SCRY_END

#endif
