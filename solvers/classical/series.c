/* Series of images, (frames, y, x), whose frames resemble each other; FISTA (fista_impl.h) with the
 * prox of a penalty that joins them:
 *
 *   min 1/2 |A u - b|^2 + lambda R(u)
 *
 *   temporal-tv  R = sum over pixels of sum_t |u_(t+1) - u_t|: pixels that change seldom (Feng et
 *                al. 2014, MRM 72:707). The prox is solved in its dual, |z_t| <= mu,
 *                u = g - D^T z, by projected gradients that go on from those of the last iteration.
 *   llr          R = sum over blocks of SIDE x SIDE pixels of the nuclear norm of (pixels, frames):
 *                few time courses in each block (Zhang et al. 2015, MRM 73:655). Blocks are shifted
 *                at random in each iteration, which leaves no seams. The norm is weighted with
 *                sqrt(pixels) + sqrt(frames): the largest singular value of noise of sd s is s
 *                times that.
 *
 * lambda = weight * sd of a sample's complex noise in the unit of u: the noise in an estimate
 * grows with that of the data, so that one weight serves scans of any noise. */
#include "solvers/classical/fista_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"

#include <complex.h>
#include <gsl/gsl_complex_math.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <string.h>

enum { SIDE = 8, DUAL_STEPS = 6, MAX_FRAMES = 512 };

struct series_options {
    double weight, tolerance;
    size_t iterations;
};

struct series {
    scry_solver base;
    scryi_fista fista;
    size_t frames, ny, nx;
    float complex *dual; /* temporal-tv: (pixels, frames - 1) */
    /* llr: eigenvectors of a block */
    gsl_eigen_hermv_workspace *work;
    gsl_matrix_complex *gram, *vectors;
    gsl_vector *values;
    double noise; /* sd of a sample in the unit of u, complex */
};

static void series_solver_destroy(scry_solver *S)
{
    struct series *F = (struct series *)S;
    if (!F) return;
    scryi_fista_free(&F->fista);
    scry_free(F->dual);
    if (F->work) gsl_eigen_hermv_free(F->work);
    if (F->gram) gsl_matrix_complex_free(F->gram);
    if (F->vectors) gsl_matrix_complex_free(F->vectors);
    if (F->values) gsl_vector_free(F->values);
    scry_free(F);
}

static scry_status series_start(scry_solver *S, scry_error *err)
{
    struct series *F = (struct series *)S;
    if (F->dual) memset(F->dual, 0, F->ny * F->nx * (F->frames - 1) * sizeof *F->dual);
    return scryi_fista_start(&F->fista, err);
}

/* ---- total variation in time ---- */

/* D^T z of one pixel at frame t; z_t belongs to the step from t to t + 1. */
static float complex dual_pull(const float complex *z, size_t t, size_t frames)
{
    return (t ? z[t - 1] : 0) - (t + 1 < frames ? z[t] : 0);
}

/* u <- prox of mu sum |u_(t+1) - u_t| at g, pixel by pixel, in place. Steps of 1/4 (|D D^T| <= 4).
 */
static void temporal_tv_prox(struct series *F, float complex *g, float mu)
{
    const size_t T = F->frames, n = F->ny * F->nx;
    for (size_t i = 0; i < n; i++) {
        float complex *z = F->dual + i * (T - 1);
        for (int k = 0; k < DUAL_STEPS; k++) {
            float complex before = g[i] - dual_pull(z, 0, T), kept = z[0];
            for (size_t t = 0; t + 1 < T; t++) {
                /* u_(t+1) by the duals of this round */
                const float complex next = t + 2 < T ? z[t + 1] : 0;
                const float complex after = g[(t + 1) * n + i] - (kept - next);
                float complex v = kept + 0.25f * (after - before);
                const float size = cabsf(v);
                if (size > mu) v *= mu / size;
                z[t] = v;
                kept = next;
                before = after;
            }
        }
        for (size_t t = 0; t < T; t++)
            g[t * n + i] -= dual_pull(z, t, T);
    }
}

/* ---- locally low rank ---- */

/* The Gram matrix over frames of the block whose pixels are `at`. */
static void block_gram(const struct series *F, const float complex *g, const size_t *at,
                       size_t count)
{
    const size_t T = F->frames, n = F->ny * F->nx;
    for (size_t a = 0; a < T; a++)
        for (size_t b = 0; b <= a; b++) {
            double re = 0, im = 0;
            for (size_t k = 0; k < count; k++) {
                const float complex p = g[a * n + at[k]], q = g[b * n + at[k]];
                re += (double)crealf(p) * crealf(q) + (double)cimagf(p) * cimagf(q);
                im += (double)crealf(p) * cimagf(q) - (double)cimagf(p) * crealf(q);
            }
            gsl_matrix_complex_set(F->gram, a, b, gsl_complex_rect(re, im));
            gsl_matrix_complex_set(F->gram, b, a, gsl_complex_rect(re, -im));
        }
}

/* Soft-thresholds the singular values of a block: C <- C V diag((1 - mu / s)_+) V^H. */
static scry_status block_shrink(const struct series *F, float complex *g, const size_t *at,
                                size_t count, double mu, scry_error *err)
{
    const size_t T = F->frames, n = F->ny * F->nx;
    float complex course[MAX_FRAMES], kept[MAX_FRAMES];
    block_gram(F, g, at, count);
    if (gsl_eigen_hermv(F->gram, F->values, F->vectors, F->work))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "singular values of a block do not converge");
    for (size_t k = 0; k < count; k++) {
        for (size_t t = 0; t < T; t++) {
            course[t] = g[t * n + at[k]];
            kept[t] = 0;
        }
        for (size_t v = 0; v < T; v++) {
            const double value = gsl_vector_get(F->values, v), s = value > 0 ? sqrt(value) : 0;
            if (s <= mu) continue;
            double complex dot = 0;
            for (size_t t = 0; t < T; t++) {
                const gsl_complex e = gsl_matrix_complex_get(F->vectors, t, v);
                dot += (GSL_REAL(e) + GSL_IMAG(e) * I) * (double complex)course[t];
            }
            dot *= 1 - mu / s;
            for (size_t t = 0; t < T; t++) {
                const gsl_complex e = gsl_matrix_complex_get(F->vectors, t, v);
                kept[t] += (float complex)((GSL_REAL(e) - GSL_IMAG(e) * I) * dot);
            }
        }
        for (size_t t = 0; t < T; t++)
            g[t * n + at[k]] = kept[t];
    }
    return SCRY_OK;
}

/* Blocks of this iteration; they wrap around the edges of the image. */
static scry_status llr_prox(struct series *F, float complex *g, double mu, scry_error *err)
{
    const scry_solver *S = &F->base;
    const size_t h = F->ny < SIDE ? F->ny : SIDE, w = F->nx < SIDE ? F->nx : SIDE;
    const double weight = mu * (sqrt((double)(h * w)) + sqrt((double)F->frames));
    float r[2];
    scry_status st = SCRY_OK;
    scry_rng_uniform(r, 0, 2, S->seed, S->chain, scry_rng_step(S->step, 0));
    const size_t dy = (size_t)(r[0] * (float)h), dx = (size_t)(r[1] * (float)w);
    for (size_t y = 0; y < F->ny && st == SCRY_OK; y += h)
        for (size_t x = 0; x < F->nx && st == SCRY_OK; x += w) {
            size_t at[SIDE * SIDE], count = 0;
            for (size_t v = y; v < y + h && v < F->ny; v++)
                for (size_t u = x; u < x + w && u < F->nx; u++)
                    at[count++] = (v + dy) % F->ny * F->nx + (u + dx) % F->nx;
            st = block_shrink(F, g, at, count, weight, err);
        }
    return st;
}

/* ---- iterations ---- */

static scry_status series_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct series *F = (struct series *)S;
    scryi_fista *f = &F->fista;
    const struct series_options *o = scry_options_block(&S->options);
    const double mu = f->tau * o->weight * F->noise;
    scry_status st = scryi_fista_descend(f, err);
    if (st != SCRY_OK) return st;
    if (F->dual)
        temporal_tv_prox(F, (float complex *)f->g, (float)mu);
    else if ((st = llr_prox(F, (float complex *)f->g, mu, err)) != SCRY_OK)
        return st;
    return scryi_fista_extrapolate(f, S, o->tolerance, p, err);
}

/* ---- plans ---- */

static scry_status series_allocate(struct series *F, bool low_rank, scry_error *err)
{
    const size_t T = F->frames;
    F->base.n = F->fista.fit.n;
    if (low_rank) {
        F->work = gsl_eigen_hermv_alloc(T);
        F->gram = gsl_matrix_complex_alloc(T, T);
        F->vectors = gsl_matrix_complex_alloc(T, T);
        F->values = gsl_vector_alloc(T);
    } else {
        F->dual = scry_alloc(F->ny * F->nx * (T - 1), sizeof *F->dual);
    }
    const bool blocks = F->work && F->gram && F->vectors && F->values;
    if (low_rank ? blocks : F->dual != NULL) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "series of %zu frames", T);
}

static scry_status series_plan(scry_solver **out, const struct scry_method *method,
                               const scry_problem *problem, const scry_options *options,
                               bool low_rank, scry_error *err)
{
    const struct series_options *o = scry_options_block(options);
    const scry_op *A = scry_likelihood_op(problem->L);
    const scry_space *space = scry_op_dom(A);
    scry_status st = scryi_fit_needs_gaussian(problem, method->name, err);
    if (st != SCRY_OK) return st;
    if (space->dims[0] < 2 || space->dims[0] > MAX_FRAMES)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s of %zu frames, expected 2 to %d", method->name,
                         space->dims[0], MAX_FRAMES);
    struct series *F = scry_alloc(1, sizeof *F);
    if (!F) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", method->name);
    F->base = (scry_solver){.method = method,
                            .problem = *problem,
                            .options = *options,
                            .space = *space,
                            .steps = o->iterations,
                            .start_fn = series_start,
                            .step_fn = series_step,
                            .destroy = series_solver_destroy};
    F->frames = space->dims[0];
    F->ny = space->dims[1];
    F->nx = space->dims[2];
    st = scryi_fista_create(&F->fista, problem, &F->base.counts, method->name, err);
    if (st == SCRY_OK) st = series_allocate(F, low_rank, err);
    if (st != SCRY_OK) goto done;
    F->noise =
        sqrt(2) * scry_likelihood_noise(problem->L)->sigma / scry_likelihood_map(problem->L).scale;
    *out = &F->base;
    F = NULL;
done:
    if (F) series_solver_destroy(&F->base);
    return st;
}

static scry_status temporal_tv_plan(scry_solver **out, const scry_problem *problem,
                                    const scry_options *options, scry_error *err);
static scry_status llr_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err);

#define SERIES_ITERATIONS                                                                          \
    {"iterations",                                                                                 \
     NULL,                                                                                         \
     SCRY_FIELD(struct series_options, iterations),                                                \
     100,                                                                                          \
     1,                                                                                            \
     1000000,                                                                                      \
     NULL,                                                                                         \
     "iterations at most"},                                                                        \
        {"tolerance", "tol", SCRY_FIELD(struct series_options, tolerance),  0, 0,                  \
         1,           NULL,  "relative change of the series that ends them"},                      \
    {                                                                                              \
        0                                                                                          \
    }

static const scry_option temporal_tv_options[] = {
    {"temporal-weight", "lambda", SCRY_FIELD(struct series_options, weight), 0.3, 0, 1e12, NULL,
     "weight of the changes from frame to frame, in the sd of the noise of a sample"},
    SERIES_ITERATIONS};

static const scry_option llr_options[] = {
    {"rank-weight", "lambda", SCRY_FIELD(struct series_options, weight), 0.12, 0, 1e12, NULL,
     "weight of the singular values of blocks, in the sd of the noise of a sample"},
    SERIES_ITERATIONS};

const struct scry_method scry_method_temporal_tv = {
    .name = "temporal-tv",
    .title = "Temporal TV",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN | SCRY_NEEDS_SERIES,
    .exact = "point estimate: mode for pixels that change seldom",
    .citation = "Feng et al. 2014, MRM 72:707",
    .options = temporal_tv_options,
    .plan = temporal_tv_plan,
};

const struct scry_method scry_method_llr = {
    .name = "llr",
    .title = "Locally low rank",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN | SCRY_NEEDS_SERIES,
    .exact = "point estimate: mode for blocks of few time courses",
    .citation = "Zhang, Pauly & Levesque 2015, MRM 73:655",
    .options = llr_options,
    .plan = llr_plan,
};

static scry_status temporal_tv_plan(scry_solver **out, const scry_problem *problem,
                                    const scry_options *options, scry_error *err)
{
    return series_plan(out, &scry_method_temporal_tv, problem, options, false, err);
}

static scry_status llr_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    return series_plan(out, &scry_method_llr, problem, options, true, err);
}
