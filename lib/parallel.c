#include "lib/parallel.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int initial; /* threads of OpenMP before the first call of scry_threads_set */

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

bool scry_machine_busy(void)
{
    double load = 0;
    FILE *f = fopen("/proc/loadavg", "r");
    if (!f) return false;
    const int read = fscanf(f, "%lf", &load);
    fclose(f);
    /* all processors, also those that this process may not run on: the load is of all */
    return read == 1 && load > 1.5 * (double)sysconf(_SC_NPROCESSORS_ONLN);
}
