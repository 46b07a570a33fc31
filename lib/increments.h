#ifndef SCRY_LIB_INCREMENTS_H
#define SCRY_LIB_INCREMENTS_H

#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Distributions of the independent increments u of a discrete Levy process x_i = u_1 + ... + u_i,
 * each written as a mixture of Gaussians over a latent variance, u | v, w ~ N(0, v w):
 *
 *   gaussian           u ~ N(0, scale^2)           w = scale^2
 *   laplace            p(u) = exp(-|u|/scale) / (2 scale)   w ~ exponential of mean 2 scale^2
 *   student            u = scale t_dof             1/w ~ gamma(dof/2, rate dof scale^2 / 2)
 *   bernoulli-laplace  0 with probability 1 - rate, else Laplace    v ~ Bernoulli(rate), w as there
 *
 * (v = 1 except for the last one.) Given w the increments are Gaussian, and given u each w has a
 * distribution that is drawn exactly, so that Gibbs sampling alternates between the two. Andrews &
 * Mallows 1974, JRSS B 36:99; Unser & Tafti 2014, An Introduction to Sparse Stochastic Processes,
 * ch. 4. */
typedef enum scry_increment_kind {
    SCRY_INCREMENT_GAUSSIAN = 0,
    SCRY_INCREMENT_LAPLACE,
    SCRY_INCREMENT_STUDENT,
    SCRY_INCREMENT_BERNOULLI_LAPLACE
} scry_increment_kind;

typedef struct scry_increments {
    scry_increment_kind kind;
    double scale; /* > 0 */
    double dof;   /* student: degrees of freedom > 0 */
    double rate;  /* bernoulli-laplace: probability of a jump, in (0, 1) */
} scry_increments;

/* EINVAL with the number that is out of range. */
scry_status scry_increments_check(const scry_increments *increments, scry_error *err);

/* "gaussian", "laplace", "student", "bernoulli-laplace" */
const char *scry_increments_name(const scry_increments *increments);

/* The variance of one increment; infinite for Student distributions of 2 degrees of freedom or
 * fewer. */
double scry_increments_variance(const scry_increments *increments);

/* true when v may be 0 */
bool scry_increments_sparse(const scry_increments *increments);

/* One increment. */
double scry_increments_draw(const scry_increments *increments, gsl_rng *rng);

/* w given v and u: inverse gamma, or generalised inverse Gaussian with index 1/2 for Laplace
 * distributions, drawn through its reciprocal (Michael, Schucany & Haas 1976, Am. Stat. 30:88); the
 * prior of w where v = 0. Any finite u, 0 included. */
double scry_increments_latent(const scry_increments *increments, bool v, double u, gsl_rng *rng);

/* A typical w: the start of a chain. */
double scry_increments_typical(const scry_increments *increments);

#endif
