#ifndef SCRY_LIB_SORT_H
#define SCRY_LIB_SORT_H

#include <stddef.h>

/* Sorts n values in place, smallest first. NaN has no place in an order: leave it out before. */
void scry_sort_float(float *x, size_t n);
void scry_sort_double(double *x, size_t n);

#endif
