#ifndef SCRY_APPS_VERIFY_EXACT_H
#define SCRY_APPS_VERIFY_EXACT_H

#include "datasets/gaussian_mixture.h"
#include "operators/op.h"
#include "priors/prior.h"

/* Problems whose posterior is known in closed form: linear operators, white Gaussian noise, priors
 * that are Gaussians or mixtures of them, with their denoisers in closed form. */
typedef enum exact_family {
    EXACT_STATIONARY, /* a power spectrum: the model that natural images start from */
    EXACT_DENSE,      /* a covariance without structure */
    EXACT_MIXTURE     /* modes that the measurement leaves open */
} exact_family;

typedef struct exact_spec {
    const char *operator_; /* "blur", "mask", "fourier" (complex images) */
    const char *name;      /* "16 px" */
    exact_family family;
    int rank;
    size_t dims[2];
    double sigma; /* noise, per real component; the prior's sd is about 1 */
} exact_spec;

typedef struct exact_problem {
    const exact_spec *spec;
    size_t n, m; /* floats of an image, of a measurement */
    scry_op *A;
    double *matrix;                 /* A as m x n */
    scry_prior *prior, *model;      /* model: a Gaussian of the prior's mean and covariance */
    scry_gaussian_mixture *mixture; /* the prior again, for the exact posterior */
} exact_problem;

extern const exact_spec exact_gaussian[], exact_mixture[]; /* end with operator_ NULL */

scry_status exact_problem_open(exact_problem *p, const exact_spec *spec, scry_error *err);
void exact_problem_close(exact_problem *p); /* accepts a zeroed one */

/* Measurement `number`: an image from the prior, measured, noise added; and its posterior.
 * y: m floats. */
scry_status exact_problem_measure(const exact_problem *p, float *y,
                                  scry_gaussian_mixture **posterior, uint64_t seed, uint32_t number,
                                  scry_error *err);

#endif
