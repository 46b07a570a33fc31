#ifndef SCRY_SOLVERS_CALIBRATION_LABELS_H
#define SCRY_SOLVERS_CALIBRATION_LABELS_H

#include "solvers/registry.h"

/* The accuracy of each posterior method as `scry verify` measured it where the posterior is known,
 * at its defaults and at settings that cost more and are more accurate: the method's label. The
 * numbers are in solvers/calibration_labels.inc, which tests/bench/bands.py writes from `scry
 * verify gaussian --json` and `scry verify mixture --json`; a test runs the methods again and fails
 * when one is outside its label. */
typedef struct scry_calibration_value {
    double value, error; /* standard error */
} scry_calibration_value;

typedef struct scry_calibration_label {              /* a method on one problem */
    const char *method, *part, *operator_, *problem; /* as in the table of scry verify */
    const char *settings;                            /* scry_options_text: "" for the defaults */
    double denoise, vjp, apply;  /* calls of D, of its VJP, of A and A^T per sample */
    scry_calibration_value bias; /* rms error of the mean, in sd of the prior */
    scry_calibration_value
        sd_low; /* smallest sd / exact sd over the posterior's eigen-directions */
    scry_calibration_value sd_median;
    scry_calibration_value sd_high; /* largest */
    scry_calibration_value cover;   /* posterior probability of the samples' 90 % intervals */
} scry_calibration_label;

/* The label of a method on one problem of a part, at these settings (scry_options_text). NULL: not
 * measured, or the method cannot serve there. */
const scry_calibration_label *scry_calibration_label_find(const char *method, const char *part,
                                                          const char *operator_,
                                                          const char *problem,
                                                          const char *settings);

/* Settings other than the defaults at which the method was measured, numbered from 0; NULL: no
 * more. */
const char *scry_calibration_label_settings(const struct scry_method *method, size_t number);

/* The extremes over the problems of a part, at these settings. */
typedef struct scry_calibration_band {
    size_t problems;                                     /* 0: not measured */
    double bias, sd_low, sd_high, cover_low, cover_high; /* bias: the largest */
    double denoise, vjp, apply;                          /* means */
} scry_calibration_band;
scry_calibration_band scry_calibration_summary(const struct scry_method *method, const char *part,
                                               const char *settings);

#endif
