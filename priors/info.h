#ifndef SCRY_PRIORS_INFO_H
#define SCRY_PRIORS_INFO_H

#include "priors/gaussian_gap.h"
#include "priors/gaussian.h"

/* prior.json, scry's own notes beside a pretrained network: its origin, the scaling of images that
 * it expects, and the Gaussian of the same mean and spectrum. Immutable. */
typedef struct scry_prior_info {
    const char *name, *description, *training_data, *licence; /* "" where not stated */
    const char *weights_sha256;                               /* "" or 64 digits */
    size_t channels;                                          /* 0: not stated */
    size_t class_count;                                       /* 0: not stated */
    const char *const
        *classes; /* of the training images; the labels of a network that has classes */
    /* x = 2 g (v - lo) / (hi - lo) - 1, lo and hi these percentiles of an image, g of this range */
    double low_percentile, high_percentile, gain_low, gain_high;
    double variance;       /* per pixel, in x; 0: not stated */
    scry_radial radial;    /* in x; count 0: not stated. radial.mean is the mean of x */
    scry_gaussian_gap gap; /* from the Gaussian of `radial`; count 0: not stated */
} scry_prior_info;

/* Reads the notes in a folder. Without a prior.json: OK, with the name of the folder, the
 * percentiles .5 and 99.9, gains .5 to 1, and nothing stated. EFORMAT: the file is malformed. */
scry_status scry_prior_info_read(scry_prior_info **out, const char *folder, scry_error *err);
void scry_prior_info_free(scry_prior_info *info); /* accepts NULL */

#endif
