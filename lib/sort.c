#include "lib/sort.h"

#include <stdlib.h>

static int sort_compare_float(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int sort_compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void scry_sort_float(float *x, size_t n)
{
    qsort(x, n, sizeof *x, sort_compare_float);
}

void scry_sort_double(double *x, size_t n)
{
    qsort(x, n, sizeof *x, sort_compare_double);
}
