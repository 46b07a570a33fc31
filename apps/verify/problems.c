#include "apps/verify/exact.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "operators/blur.h"
#include "operators/dense.h"
#include "operators/fourier.h"
#include "operators/mask.h"
#include "priors/complex.h"
#include "priors/gaussian.h"
#include "priors/mixture.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <string.h>

/* Unequal and odd sizes; noise of a tenth to a third of the prior's spread, so that every problem
 * has directions that the measurement decides and others that the prior does. */
const exact_spec exact_gaussian[] = {
    {"blur", "16", EXACT_STATIONARY, 1, {16}, 0.1},
    {"blur", "7x6", EXACT_STATIONARY, 2, {7, 6}, 0.2},
    {"mask", "12", EXACT_DENSE, 1, {12}, 0.1},
    {"mask", "6x7", EXACT_STATIONARY, 2, {6, 7}, 0.3},
    {"fourier", "6x5", EXACT_STATIONARY, 2, {6, 5}, 0.1},
    {0},
};
const exact_spec exact_mixture[] = {
    {"blur", "8", EXACT_MIXTURE, 1, {8}, 0.2},
    {"mask", "6", EXACT_MIXTURE, 1, {6}, 0.3},
    {"fourier", "4x3", EXACT_MIXTURE, 2, {4, 3}, 0.3},
    {0},
};

/* A prior of real images, next to the same distribution in numbers. */
struct part {
    size_t n, count;
    double weight[2], *mean, *cov; /* count x n, count x n x n */
    scry_prior *prior;
};

static void part_clear(struct part *p)
{
    scry_free(p->mean);
    scry_free(p->cov);
    scry_prior_free(p->prior);
    *p = (struct part){0};
}

static scry_status problems_part_alloc(struct part *p, size_t n, size_t count, scry_error *err)
{
    *p = (struct part){.n = n, .count = count, .weight = {0.4, 0.6}};
    if (count == 1) p->weight[0] = 1;
    p->mean = scry_alloc(count * n, sizeof(double));
    p->cov = scry_alloc(count * n * n, sizeof(double));
    return p->mean && p->cov ? SCRY_OK
                             : SCRY_FAIL(err, SCRY_ENOMEM, "a prior in %zu dimensions", n);
}

/* Power falls with frequency as that of natural images does (Field 1987, JOSA A 4:2379), f^-2, from
 * a knee at 1 / 20 pixels. */
struct spectrum {
    double scale;
};
static double spectrum_at(double f, void *ctx)
{
    return ((struct spectrum *)ctx)->scale / (f * f + 0.05 * 0.05);
}

/* Frequency of bin k of n, cycles per pixel. */
static double problems_bin(size_t k, size_t n)
{
    return (2 * k > n ? (double)k - (double)n : (double)k) / (double)n;
}

/* Stationary, of this variance a pixel: C_ij = 1/N sum_f S(f) cos(2 pi f (i - j)). */
static scry_status make_stationary(struct part *p, const exact_spec *spec, const scry_space *space,
                                   double mean, double variance, scry_error *err)
{
    const size_t ny = spec->rank == 2 ? spec->dims[0] : 1, nx = spec->dims[spec->rank - 1];
    const size_t n = ny * nx;
    struct spectrum s = {1};
    double total = 0;
    scry_status st = problems_part_alloc(p, n, 1, err);
    if (st != SCRY_OK) return st;
    for (size_t k = 0; k < n; k++)
        total +=
            spectrum_at(hypot(problems_bin(k / nx, ny), problems_bin(k % nx, nx)), &s) / (double)n;
    s.scale = variance / total;
    for (size_t i = 0; i < n; i++) {
        p->mean[i] = mean;
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n; k++) {
                const double fy = problems_bin(k / nx, ny), fx = problems_bin(k % nx, nx);
                const double dy = (double)(i / nx) - (double)(j / nx);
                const double dx = (double)(i % nx) - (double)(j % nx);
                p->cov[i * n + j] += spectrum_at(hypot(fy, fx), &s) *
                                     cos(2 * SCRY_PI * (fy * dy + fx * dx)) / (double)n;
            }
    }
    return scry_gaussian_create(
        &p->prior, space,
        &(scry_gaussian_params){
            .rank = spec->rank, .mean = mean, .spectrum = spectrum_at, .ctx = &s},
        err);
}

/* C_ij = sd_i sd_j c^|i - j| with unequal sd. */
static void fill_markov(double *cov, size_t n, double sd, double correlation)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            cov[i * n + j] = sd * sd * (1 + 0.31 * cos(2.3 * (double)i)) *
                             (1 + 0.31 * cos(2.3 * (double)j)) *
                             pow(correlation, fabs((double)i - (double)j));
}

static scry_status make_dense(struct part *p, const scry_space *space, scry_error *err)
{
    const size_t n = scry_space_count(space);
    scry_status st = problems_part_alloc(p, n, 1, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++)
        p->mean[i] = 0.3 * sin(1.7 * (double)i + 0.4);
    fill_markov(p->cov, n, 1, 0.8);
    return scry_gaussian_create_dense(&p->prior, space, p->mean, p->cov, err);
}

/* Two modes of unequal weight, width and correlation, apart along a pattern that changes sign from
 * pixel to pixel, which blurs suppress, masks hide in part and low frequencies do not contain. */
static scry_status make_mixture(struct part *p, const scry_space *space, scry_error *err)
{
    const size_t n = scry_space_count(space);
    scry_mixture_component c[2];
    scry_status st = problems_part_alloc(p, n, 2, err);
    if (st != SCRY_OK) return st;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < n; i++)
            p->mean[k * n + i] =
                0.2 + (k ? 0.6 : -0.9) * (i % 2 ? -1 : 1) * (1 + 0.3 * sin(1.3 * (double)i));
        fill_markov(p->cov + k * n * n, n, k ? 0.6 : 0.4, k ? 0.7 : 0.3);
        c[k] = (scry_mixture_component){
            .weight = p->weight[k], .mean = p->mean + k * n, .cov = p->cov + k * n * n};
    }
    return scry_mixture_create(&p->prior, space, c, 2, err);
}

/* re + i im, independent: pairs of the distributions and the prior of the pairs. im has one
 * component. */
static scry_status verify_problems_join(exact_problem *p, struct part *re, struct part *im,
                                        scry_error *err)
{
    const size_t n = 2 * re->n, half = re->n;
    double *mean = scry_alloc(re->count * n, sizeof *mean);
    double *cov = scry_alloc(re->count * n * n, sizeof *cov);
    scry_status st = mean && cov ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%zu pairs", half);
    for (size_t k = 0; k < re->count && st == SCRY_OK; k++)
        for (size_t i = 0; i < half; i++) {
            mean[k * n + 2 * i] = re->mean[k * half + i];
            mean[k * n + 2 * i + 1] = im->mean[i];
            for (size_t j = 0; j < half; j++) {
                double *at = cov + (k * n + 2 * i) * n + 2 * j;
                at[0] = re->cov[(k * half + i) * half + j];
                at[n + 1] = im->cov[i * half + j];
            }
        }
    if (st == SCRY_OK)
        st = scry_gaussian_mixture_create(
            &p->mixture,
            &(scry_gaussian_mixture_params){
                .n = n, .count = re->count, .weight = re->weight, .mean = mean, .cov = cov},
            err);
    if (st == SCRY_OK) st = scry_complex_create(&p->prior, re->prior, im->prior, err);
    if (st == SCRY_OK) re->prior = im->prior = NULL; /* they belong to it now */
    scry_free(mean);
    scry_free(cov);
    return st;
}

static scry_status make_real(struct part *part, const exact_spec *spec, const scry_space *space,
                             scry_error *err)
{
    switch (spec->family) {
    case EXACT_STATIONARY:
        return make_stationary(part, spec, space, 0.3, 1, err);
    case EXACT_DENSE:
        return make_dense(part, space, err);
    default:
        return make_mixture(part, space, err);
    }
}

static scry_status make_prior(exact_problem *p, const scry_space *space, bool pairs,
                              scry_error *err)
{
    struct part re = {0}, im = {0};
    scry_status st = make_real(&re, p->spec, space, err);
    if (st == SCRY_OK && pairs) st = make_stationary(&im, p->spec, space, 0, 0.25, err);
    if (st == SCRY_OK && pairs) st = verify_problems_join(p, &re, &im, err);
    if (st == SCRY_OK && !pairs) {
        st = scry_gaussian_mixture_create(
            &p->mixture,
            &(scry_gaussian_mixture_params){
                .n = re.n, .count = re.count, .weight = re.weight, .mean = re.mean, .cov = re.cov},
            err);
        p->prior = re.prior;
        re.prior = NULL;
    }
    part_clear(&re);
    part_clear(&im);
    return st;
}

/* The model stored beside a trained prior: mean and covariance, whatever its true distribution. */
static scry_status verify_problems_make_model(exact_problem *p, scry_error *err)
{
    const size_t n = p->n;
    if (scry_prior_is_gaussian(p->prior)) {
        p->model = p->prior;
        return SCRY_OK;
    }
    double *mean = scry_alloc(n + n * n, sizeof *mean);
    if (!mean) return SCRY_FAIL(err, SCRY_ENOMEM, "a covariance of %zu x %zu", n, n);
    scry_gaussian_mixture_moments(p->mixture, mean, mean + n);
    scry_status st =
        scry_gaussian_create_dense(&p->model, scry_prior_space(p->prior), mean, mean + n, err);
    scry_free(mean);
    return st;
}

static scry_status problems_make_blur(scry_op **out, const scry_space *space, scry_error *err)
{
    static const float line[5] = {0.12f, 0.27f, 0.3f, 0.2f, 0.11f};
    float psf[25];
    const scry_space size = space->rank == 1 ? SCRY_SPACE(5) : SCRY_SPACE(5, 5);
    for (size_t i = 0; i < 25; i++)
        psf[i] = line[i / 5] * line[4 - i % 5];
    return scry_blur_create(
        out, space, &(scry_blur_params){.psf = space->rank == 1 ? line : psf, .psf_space = size},
        err);
}

/* Two pixels of five are hidden, some of them neighbours. */
static scry_status make_mask(scry_op **out, const scry_space *space, scry_error *err)
{
    unsigned char known[64];
    for (size_t i = 0; i < scry_space_count(space); i++)
        known[i] = (i * i + i / 3) % 5 < 3;
    return scry_mask_create(out, space, known, err);
}

/* The middle of k-space and every third line. */
static scry_status make_fourier(scry_op **out, const scry_space *space, scry_error *err)
{
    unsigned char mask[64];
    const size_t ny = space->dims[0], nx = space->dims[1];
    for (size_t i = 0; i < ny * nx; i++)
        mask[i] = i / nx == ny / 2 || i / nx % 3 == 1;
    return scry_fourier_create(out, space, mask, SCRY_FOURIER_YX, err);
}

static scry_status verify_problems_make_operator(exact_problem *p, const scry_space *space,
                                                 scry_error *err)
{
    const char *name = p->spec->operator_;
    scry_status st = !strcmp(name, "blur")   ? problems_make_blur(&p->A, space, err)
                     : !strcmp(name, "mask") ? make_mask(&p->A, space, err)
                                             : make_fourier(&p->A, space, err);
    if (st != SCRY_OK) return st;
    p->n = scry_space_floats(scry_op_dom(p->A));
    p->m = scry_space_floats(scry_op_cod(p->A));
    p->matrix = scry_alloc(p->m * p->n, sizeof *p->matrix);
    if (!p->matrix) return SCRY_FAIL(err, SCRY_ENOMEM, "a matrix of %zu x %zu", p->m, p->n);
    return scry_dense_of(p->A, p->matrix, err);
}

scry_status exact_problem_open(exact_problem *p, const exact_spec *spec, scry_error *err)
{
    const bool pairs = !strcmp(spec->operator_, "fourier");
    const scry_space real = {.rank = spec->rank, .dims = {spec->dims[0], spec->dims[1]}};
    scry_space space = real;
    space.cplx = pairs;
    *p = (exact_problem){.spec = spec};
    scry_status st = verify_problems_make_operator(p, &space, err);
    if (st == SCRY_OK) st = make_prior(p, &real, pairs, err);
    if (st == SCRY_OK) st = verify_problems_make_model(p, err);
    if (st != SCRY_OK) exact_problem_close(p);
    return st;
}

void exact_problem_close(exact_problem *p)
{
    if (p->model != p->prior) scry_prior_free(p->model);
    scry_prior_free(p->prior);
    scry_gaussian_mixture_free(p->mixture);
    scry_free(p->matrix);
    scry_op_free(p->A);
    *p = (exact_problem){0};
}

scry_status exact_problem_measure(const exact_problem *p, float *y,
                                  scry_gaussian_mixture **posterior, uint64_t seed, uint32_t number,
                                  scry_error *err)
{
    *posterior = NULL;
    double *x = scry_alloc(p->n + p->m, sizeof *x), *exact = x + p->n;
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "an image of %zu values", p->n);
    scry_gaussian_mixture_draw(p->mixture, x, seed, number);
    scry_rng_normal(y, 0, p->m, seed, number, 2); /* the draw above took 0 and 1 */
    for (size_t i = 0; i < p->m; i++) {
        double s = p->spec->sigma * y[i];
        for (size_t j = 0; j < p->n; j++)
            s += p->matrix[i * p->n + j] * x[j];
        exact[i] = y[i] = (float)s;
    }
    const scry_status st = scry_gaussian_mixture_condition(
        posterior, p->mixture,
        &(scry_linear_data){.A = p->matrix, .m = p->m, .y = exact, .sigma = p->spec->sigma}, err);
    scry_free(x);
    return st;
}
