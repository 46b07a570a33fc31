#ifndef SCRY_PRIORS_PRIOR_IMPL_H
#define SCRY_PRIORS_PRIOR_IMPL_H

#include "priors/prior.h"

/* The range of priors in closed form, which have none: wide enough for any use, finite so that it
 * can be printed and that schedules can be built between its ends. */
#define SCRYI_SIGMA_LOW 1e-6
#define SCRYI_SIGMA_HIGH 1e6

/* For sources that implement a prior. Arguments are checked before the hooks are called. */
struct scry_prior_ops {
    const char *name;
    scry_status (*denoise)(const scry_prior *P, float *x0, const float *x, float sigma, void *work,
                           scry_error *err);
    scry_status (*vjp)(const scry_prior *P, float *g, float *x0, const float *x, const float *v,
                       float sigma, void *work, scry_error *err);
    scry_status (*prox)(const scry_prior *P, float *z, const float *v, double t, void *work,
                        scry_error *err);
    scry_status (*value)(const scry_prior *P, double *value, const float *u, void *work,
                         scry_error *err);
    void (*destroy)(scry_prior *P); /* accepts NULL and half-built objects */
};

struct scry_prior {
    const struct scry_prior_ops *ops;
    scry_space space;
    size_t work_bytes;
    double sigma_low, sigma_high; /* of denoise and vjp */
    size_t batch;                 /* scry_prior_batch; 0 counts as 1 */
};

#endif
