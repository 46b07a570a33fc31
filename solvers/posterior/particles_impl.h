#ifndef SCRY_SOLVERS_POSTERIOR_PARTICLES_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_PARTICLES_IMPL_H

#include "solvers/posterior/guided_impl.h"

/* The common part of particle samplers: K weighted states that go down the levels together. A chain
 * is one run of all of them and returns one state, drawn by weight. The particles of one run
 * descend from few ancestors, so several of them would not be independent samples.
 *
 * The random numbers of particle k in step i are those of SCRYI_DRAW_SPARE from element k n, so
 * that they do not depend on the order in which particles move. */
struct scryi_particles {
    struct scryi_guided *G; /* borrowed */
    size_t count;           /* K */
    float *x, *D;           /* K states and their estimates of the image, n floats each */
    float *extra;           /* K n more, for the method */
    double *logw;           /* K, up to a constant */
    double *score;          /* K numbers of the method */
    size_t *children;       /* K */
};

/* `count` particles for a G that scryi_guided_init has made. P is zeroed; clear also after a
 * failure. */
scry_status scryi_particles_init(struct scryi_particles *P, struct scryi_guided *G, size_t count,
                                 scry_error *err);
void scryi_particles_clear(struct scryi_particles *P);

/* As scryi_guided_start; the state S->x is the centre of the first level, the mean of the
 * model or 0. The method draws its particles around it. */
scry_status scryi_particles_start(struct scryi_particles *P, scry_error *err);

/* Variance of the prior's move x' ~ N(D + (s'/s)^2 (x - D), t^2 I) from s to s' > 0: the ancestral
 * s'^2 (1 - (s'/s)^2), which treats D as the image, and the contribution of the variance of an
 * image of unit variance given x, s^2 / (1 + s^2). It is the larger of the two choices of Ho et al.
 * 2020, sec. 3.2, beta_t, the best for x0 ~ N(0, I); with the smaller one, 60 levels lose up to 13
 * % of the spread. */
double scryi_particles_variance(double s, double next);

/* z ~ N(0, I) for particle k in this step; step 0 of the generator is the start. */
void scryi_particles_draw(const struct scryi_particles *P, float *z, size_t k, bool start);

/* Systematic resampling when the effective sample size (sum w)^2 / sum w^2 is below `share` of K:
 * states, estimates, extra and score are copied to their children and all weights become equal.
 * ENUMERIC when no weight is finite. */
scry_status scryi_particles_resample(struct scryi_particles *P, double share, scry_error *err);

/* Ends a step: x0 = the estimate of the heaviest particle or, after the last level, of one drawn by
 * weight; counts the step and reports. */
scry_status scryi_particles_move(struct scryi_particles *P, scry_progress *p, scry_error *err);

#endif
