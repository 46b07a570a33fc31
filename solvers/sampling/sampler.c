#include "solvers/sampling/sampler_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "priors/schedule.h"

#include <math.h>
#include <string.h>

/* The first and last level by default, in the prior's unit. Images span about 2 there, so at 40 the
 * content of a noisy image is lost, and 0.03 is near the grain of 8-bit pictures: below it, trained
 * networks only add error. */
static const double DEFAULT_HIGH = 40, DEFAULT_LOW = 0.03;
/* A chain this many times larger than at its start, or than the unit of the prior, has diverged:
 * unstable steps multiply the state, and a few more would make it infinite. */
static const double DIVERGED = 1e4;
/* Steps for which scry_rng_step has different numbers. */
enum { STEPS_MAX = (1 << 28) - 2 };

scry_status scryi_sampler_levels(const scry_problem *problem, const struct scryi_schedule *schedule,
                                 double *low, double *high, scry_error *err)
{
    double lowest, highest;
    scry_prior_sigma_range(problem->prior, &lowest, &highest);
    *high = schedule->sigma_max > 0 ? schedule->sigma_max : fmin(DEFAULT_HIGH, highest);
    *low = schedule->sigma_min > 0 ? schedule->sigma_min : fmax(DEFAULT_LOW, lowest);
    if (*low >= lowest * (1 - 1e-6) && *high <= highest * (1 + 1e-6) && *low <= *high)
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "noise levels from %g down to %g: expected them in order and within the range "
                     "of the prior %s, %g to %g",
                     *high, *low, scry_prior_name(problem->prior), lowest, highest);
}

/* base.steps and, for chains with several draws, where these are. */
static scry_status count_steps(struct scryi_sampler *S, const struct scryi_sampler_options *o,
                               scry_error *err)
{
    struct scry_solver *base = &S->base;
    base->steps =
        o->schedule.steps * S->visits; /* options are 10^7 at most: no product overflows */
    if (o->draws.count) {
        base->first = base->steps;
        base->thin = o->draws.thin;
        base->steps += (o->draws.count - 1) * o->draws.thin;
    }
    if (base->steps <= STEPS_MAX) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: %zu steps in all, expected at most %d",
                     base->method->name, base->steps, STEPS_MAX);
}

scry_status scryi_sampler_init(struct scryi_sampler *S, const scry_problem *problem,
                               const scry_options *options, const struct scryi_sampler_options *o,
                               scry_error *err)
{
    scry_status st;
    double low, high, closed;
    struct scry_solver *base = &S->base;
    const size_t steps = o->schedule.steps;
    base->method = options->method;
    base->problem = *problem;
    base->options = *options;
    base->space = *scry_prior_space(problem->prior);
    base->n = scry_space_floats(&base->space);
    S->visits = o->schedule.visits > 1 ? o->schedule.visits : 1;
    S->coherence = o->schedule.coherence;
    if ((st = count_steps(S, o, err)) != SCRY_OK) return st;
    if ((st = scryi_sampler_levels(problem, &o->schedule, &low, &high, err)) != SCRY_OK) return st;
    if ((st = scryi_start_sigma(&closed, base->method->name, problem, o, err)) != SCRY_OK)
        return st;
    S->gaussian_start = closed > 0;
    size_t work = scry_prior_work_bytes(problem->prior);
    if (closed > 0 && scry_prior_work_bytes(problem->model) > work)
        work = scry_prior_work_bytes(problem->model);
    S->sigma = scry_alloc(base->steps + 1, sizeof *S->sigma);
    S->x = scry_alloc(base->n, sizeof *S->x);
    S->x0 = scry_alloc(base->n, sizeof *S->x0);
    S->z = scry_alloc(base->n, sizeof *S->z);
    S->prior_work = scry_alloc(1, work);
    if (!S->sigma || !S->x || !S->x0 || !S->z || !S->prior_work)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: state of %zu values", base->method->name, base->n);
    st = scry_schedule_karras(S->sigma, steps, low, closed > 0 ? closed : high, o->schedule.power,
                              err);
    for (size_t i = steps;
         S->visits > 1 && i-- > 0;) /* from the end, so that no level is overwritten too early */
        for (size_t k = 0; k < S->visits; k++)
            S->sigma[i * S->visits + k] = S->sigma[i];
    for (size_t i = steps * S->visits; i < base->steps; i++)
        S->sigma[i] = S->sigma[i - 1];
    S->sigma[base->steps] = 0;
    return st;
}

void scryi_sampler_clear(struct scryi_sampler *S)
{
    scry_free(S->sigma);
    scry_free(S->x);
    scry_free(S->x0);
    scry_free(S->z);
    scry_free(S->prior_work);
}

void scryi_sampler_cohere(const struct scryi_sampler *S, float *z)
{
    const scry_space *s = &S->base.space;
    const size_t turn = S->coherence, planes = s->dims[0];
    if (turn < 2 || s->rank != 3) return;
    const size_t n = S->base.n / planes;
    for (size_t k = 0; k < planes; k++) {
        const size_t a = k / turn * turn, b = a + turn < planes ? a + turn : planes - 1;
        if (k == a || k == b) continue;
        const double angle = SCRY_PI / 2 * (double)(k - a) / (double)(b - a);
        scry_axpby(z + k * n, cos(angle), z + a * n, 0, z + a * n, n);
        scry_axpy(z + k * n, sin(angle), z + b * n, n);
    }
}

void scryi_sampler_draw(const struct scryi_sampler *S, float *out, enum scryi_draw draw)
{
    const struct scry_solver *base = &S->base;
    scry_rng_normal(out, 0, base->n, base->seed, base->chain, scry_rng_step(base->step + 1, draw));
    scryi_sampler_cohere(S, out);
}

scry_status scryi_sampler_start(struct scry_solver *base, scry_error *err)
{
    struct scryi_sampler *S = (struct scryi_sampler *)base;
    const scry_prior *model = base->problem.model;
    const double s = S->sigma[0];
    scry_status st = SCRY_OK;
    scry_rng_normal(S->z, 0, base->n, base->seed, base->chain, scry_rng_step(0, SCRYI_DRAW_STATE));
    memset(S->x, 0, base->n * sizeof *S->x);
    if (model) st = scry_gaussian_mean(model, S->x, err);
    if (st == SCRY_OK && S->gaussian_start)
        st = scry_gaussian_apply(model, S->z, S->z, SCRY_GAUSSIAN_NOISED_SQRT, s * s, S->prior_work,
                                 err);
    else
        scry_scale(S->z, s, base->n);
    if (st != SCRY_OK) return st;
    scry_axpy(S->x, 1, S->z, base->n);
    scryi_sampler_limit(S);
    return SCRY_OK;
}

void scryi_sampler_limit(struct scryi_sampler *S)
{
    const size_t n = S->base.n;
    S->base.limit = DIVERGED * fmax(1, scry_norm(S->x, n) / sqrt((double)n));
}

scry_status scryi_sampler_denoise(struct scryi_sampler *S, float *D, const float *x, double sigma,
                                  scry_error *err)
{
    S->base.counts.denoise++;
    return scry_prior_denoise(S->base.problem.prior, D, x, (float)sigma, S->prior_work, err);
}

/* The level below that of this step. */
static double sampler_lower(const struct scryi_sampler *S)
{
    return S->sigma[(S->base.step / S->visits + 1) * S->visits];
}

double scryi_sampler_ddim_share(const struct scryi_sampler *S, double eta)
{
    const double ratio = sampler_lower(S) / S->sigma[S->base.step];
    return eta * (1 - ratio * ratio);
}

void scryi_sampler_move(struct scryi_sampler *S, double share, scry_progress *p)
{
    struct scry_solver *base = &S->base;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    if ((base->step + 1) % S->visits) { /* down and up again */
        const double ratio = sampler_lower(S) / s;
        share = 1 - (1 - share) * ratio * ratio;
    }
    const float keep = (float)(next * sqrt(1 - share) / s), fresh = (float)(next * sqrt(share));
    if (fresh > 0)
        scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    else
        memset(S->z, 0, base->n * sizeof *S->z);
    for (size_t i = 0; i < base->n; i++)
        S->x[i] = S->x0[i] + keep * (S->x[i] - S->x0[i]) + fresh * S->z[i];
    base->step++;
    p->sigma = s;
    p->x = S->x;
    p->x0 = S->x0;
    p->reason = base->step == base->steps ? SCRY_DONE : SCRY_RUNNING;
}
