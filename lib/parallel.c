#include "lib/parallel.h"

#include <omp.h>
#include <stdatomic.h>

static atomic_int initial; /* what OpenMP offered before the first call of scry_threads_set */

void scry_threads_set(int n)
{
    int none = 0;
    atomic_compare_exchange_strong(&initial, &none, omp_get_max_threads());
    omp_set_num_threads(n > 0 ? n : atomic_load(&initial));
}

int scry_threads(void)
{
    return omp_get_max_threads();
}
