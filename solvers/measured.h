#ifndef SCRY_SOLVERS_MEASURED_H
#define SCRY_SOLVERS_MEASURED_H

#include "solvers/registry.h"

/* What `scry verify` measured of each posterior method where the posterior is known, at its
 * defaults and at settings that buy accuracy: the label that a method carries. The numbers are in
 * solvers/measured.inc, which tests/bench/bands.py writes from `scry verify gaussian --json` and
 * `scry verify mixture --json`; a test runs the methods again and fails when one has left its band.
 */
typedef struct scry_measured_value {
    double value, error; /* standard error */
} scry_measured_value;

typedef struct scry_measured {                       /* a method on one problem */
    const char *method, *part, *operator_, *problem; /* as in the table of scry verify */
    const char *settings;                            /* scry_options_text: "" for the defaults */
    double denoise, vjp, apply; /* calls of D, of its VJP, of A and A^T per sample */
    scry_measured_value bias;   /* rms error of the mean, in sd of the prior */
    scry_measured_value sd_low; /* smallest sd / exact sd over the posterior's eigen-directions */
    scry_measured_value sd_median;
    scry_measured_value sd_high; /* largest */
    scry_measured_value cover;   /* posterior probability of the samples' 90 % intervals */
} scry_measured;

/* All rows; those of a method in a part at the same settings follow each other. */
const scry_measured *scry_measured_rows(size_t *count);

/* NULL: not measured, or the method does not serve there. */
const scry_measured *scry_measured_find(const char *method, const char *part, const char *operator_,
                                        const char *problem, const char *settings);

/* Settings other than the defaults at which the method was measured, numbered from 0; NULL: no
 * more. */
const char *scry_measured_settings(const struct scry_method *method, size_t number);

/* The extremes over the problems of a part, at these settings. */
typedef struct scry_measured_band {
    size_t problems;                                     /* 0: not measured */
    double bias, sd_low, sd_high, cover_low, cover_high; /* bias: the largest */
    double denoise, vjp, apply;                          /* means */
} scry_measured_band;
scry_measured_band scry_measured_summary(const struct scry_method *method, const char *part,
                                         const char *settings);

#endif
