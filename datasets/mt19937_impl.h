#ifndef SCRY_DATASETS_MT19937_IMPL_H
#define SCRY_DATASETS_MT19937_IMPL_H

#include <stddef.h>
#include <stdint.h>

/* The Mersenne twister MT19937 (Matsumoto & Nishimura 1998, ACM TOMACS 8:3), with the seedings of
 * its authors' 2002 revision and the draws of NumPy's legacy RandomState. Only for masks that other
 * programs must agree on: everything else uses lib/rng.h. GSL has this generator with the scalar
 * seeding alone, and maps seed 0 to 4357. */
typedef struct scryi_mt19937 {
    uint32_t state[624];
    size_t at;
} scryi_mt19937;

/* init_genrand and init_by_array (n > 0) of the authors */
void scryi_mt_seed(scryi_mt19937 *g, uint32_t seed);
void scryi_mt_seed_array(scryi_mt19937 *g, const uint32_t *key, size_t n);
uint32_t scryi_mt_word(scryi_mt19937 *g);

/* RandomState.randint(n), n >= 1: words & (2^bits - 1) until one is below n; no draw when n is 1 */
uint32_t scryi_mt_randint(scryi_mt19937 *g, uint32_t n);
/* RandomState.uniform(): 53 bits of two words, in [0, 1) */
double scryi_mt_uniform(scryi_mt19937 *g);

#endif
