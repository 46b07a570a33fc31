#ifndef SCRY_LIB_IO_SAMPLES_IMPL_H
#define SCRY_LIB_IO_SAMPLES_IMPL_H

#include "lib/io/tiff/tiff.h"

/* Between the samples of image files, in the byte order of the machine, and floats. */

/* out[n] = samples `step` bytes apart, unaligned. *rounded grows by those that no float is equal
 * to; *overflow is set where a double exceeds the range of float. */
void scryi_samples_to_floats(scry_tiff_type type, float *out, const unsigned char *in, size_t n,
                             size_t step, uint64_t *rounded, bool *overflow);

struct scryi_sample_counts {
    size_t clipped, rounded, nonfinite;
    double low, high; /* of the samples; begin with INFINITY and -INFINITY */
};

/* out = n samples of in + shift. Integers are rounded to nearest, ties to even, and clipped to
 * their range; NaN becomes the lowest. Counts are added. */
void scryi_samples_from_floats(scry_tiff_type type, unsigned char *out, const float *in, size_t n,
                               double shift, struct scryi_sample_counts *counts);

#endif
