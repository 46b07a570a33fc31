#ifndef SCRY_LIB_RNG_GSL_H
#define SCRY_LIB_RNG_GSL_H

#include <gsl/gsl_rng.h>
#include <stdint.h>

/* The generator of lib/rng.h for GSL's distributions. gsl_rng_set sets the seed, chain 0, step 0;
 * scry_rng_gsl_seek moves to the start of (seed, chain, step, element < 2^30), each of which has
 * its own 2^32 numbers. */
const gsl_rng_type *scry_rng_gsl(void);
void scry_rng_gsl_seek(gsl_rng *r, uint64_t seed, uint32_t chain, uint32_t step, uint32_t element);

#endif
