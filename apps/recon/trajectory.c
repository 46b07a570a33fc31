#include "apps/recon/trajectory.h"

#include "lib/cancel.h"
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/schedule.h"

#include <gsl/gsl_eigen.h>
#include <math.h>
#include <string.h>

#define RHO 7 /* of the levels: Karras et al. 2022 */
#define PUSH .1
#define APPEARED .5

typedef struct trajectory_run {
    const scry_trajectory_request *q;
    scry_trajectory t;
    size_t n;
    void *work;
    float *slope, *next, *estimate, *state; /* n each */
} trajectory_run;

static size_t levels_of(const scry_trajectory *t)
{
    return t->levels + 1;
}

static scry_status trajectory_alloc(trajectory_run *r, scry_error *err)
{
    scry_trajectory *t = &r->t;
    const scry_trajectory_request *q = r->q;
    const size_t all = levels_of(t), n = r->n;
    size_t bytes = scry_prior_work_bytes(q->prior);
    if (q->model && bytes < scry_prior_work_bytes(q->model))
        bytes = scry_prior_work_bytes(q->model);
    double **numbers[] = {&t->sigma, &t->a, &t->b, &t->turned, &t->apart};
    float **images[] = {&t->x, &t->D, &t->model};
    float **planes[] = {&r->slope, &r->next, &r->estimate, &r->state};
    bool good = (r->work = scry_alloc(1, bytes)) != NULL;
    for (size_t i = 0; i < 5; i++)
        good = (*numbers[i] = scry_alloc(all, sizeof(double))) && good;
    for (size_t i = 0; i < (q->model ? 3 : 2); i++)
        good = (*images[i] = scry_alloc(all * n, sizeof(float))) && good;
    for (size_t i = 0; i < 4; i++)
        good = (*planes[i] = scry_alloc(n, sizeof(float))) && good;
    for (size_t i = 0; i < SCRY_TRAJECTORY_BANDS; i++)
        good = (t->band[i].share = scry_alloc(all, sizeof(double))) && good;
    return good ? SCRY_OK
                : SCRY_FAIL(err, SCRY_ENOMEM, "trajectory of %zu levels of %zu pixels", all, n);
}

/* ---- the ODE ---- */

/* x at level k to the next; D of it in r->estimate. */
static scry_status trajectory_step(trajectory_run *r, float *x, size_t k, scry_error *err)
{
    const double s = r->t.sigma[k], to = r->t.sigma[k + 1];
    const scry_prior *P = r->q->prior;
    scry_status st = scry_cancel_check(err);
    if (st == SCRY_OK) st = scry_prior_denoise(P, r->estimate, x, (float)s, r->work, err);
    if (st != SCRY_OK) return st;
    scry_axpby(r->slope, 1 / s, x, -1 / s, r->estimate, r->n);
    scry_axpby(r->next, 1, x, to - s, r->slope, r->n);
    if (to > 0) {
        float *D = r->state;
        if ((st = scry_prior_denoise(P, D, r->next, (float)to, r->work, err)) != SCRY_OK) return st;
        scry_axpby(D, 1 / to, r->next, -1 / to, D, r->n);
        scry_axpby(r->next, 1, x, (to - s) / 2, r->slope, r->n);
        scry_axpy(r->next, (to - s) / 2, D, r->n);
    }
    memcpy(x, r->next, r->n * sizeof *x);
    return SCRY_OK;
}

/* What the model makes of white noise at every level: its trajectory. Level 0 is where both begin,
 * and without a model that is noise alone. */
static scry_status trajectory_start(trajectory_run *r, scry_error *err)
{
    scry_trajectory *t = &r->t;
    const scry_trajectory_request *q = r->q;
    scry_rng_normal(r->slope, 0, r->n, q->seed, 0, scry_rng_step(0, 0));
    for (size_t k = 0; q->model && k < levels_of(t); k++) {
        float *x = t->model + k * r->n;
        const double s = t->sigma[k];
        const scry_status st = scry_gaussian_apply(
            q->model, x, r->slope, s > 0 ? SCRY_GAUSSIAN_NOISED_SQRT : SCRY_GAUSSIAN_SQRT, s * s,
            r->work, err);
        if (st != SCRY_OK) return st;
        for (size_t i = 0; i < r->n; i++)
            x[i] += (float)q->mean;
    }
    for (size_t i = 0; i < r->n; i++)
        t->x[i] = q->model ? t->model[i] : (float)(q->mean + t->sigma[0] * (double)r->slope[i]);
    return SCRY_OK;
}

static scry_status trajectory_follow(trajectory_run *r, scry_error *err)
{
    scry_trajectory *t = &r->t;
    const size_t n = r->n;
    scry_status st = trajectory_start(r, err);
    for (size_t k = 0; k < t->levels && st == SCRY_OK; k++) {
        float *x = t->x + (k + 1) * n;
        memcpy(x, t->x + k * n, n * sizeof *x);
        st = trajectory_step(r, x, k, err);
        if (st == SCRY_OK) memcpy(t->D + k * n, r->estimate, n * sizeof *x);
    }
    if (st == SCRY_OK) memcpy(t->D + t->levels * n, t->x + t->levels * n, n * sizeof *t->D);
    return st;
}

/* ---- the plane ---- */

static double spread_at(const trajectory_run *r, size_t k)
{
    return hypot(r->q->std, r->t.sigma[k]);
}

/* <u_i, u_j> of standardised states. */
static double trajectory_dot(const trajectory_run *r, size_t i, size_t j)
{
    const float *a = r->t.x + i * r->n, *b = r->t.x + j * r->n;
    const double m = r->q->mean, n = (double)r->n;
    const double sum =
        scry_dot(a, b, r->n) - m * (scry_sum(a, r->n) + scry_sum(b, r->n)) + n * m * m;
    return sum / (spread_at(r, i) * spread_at(r, j));
}

static void trajectory_turn(trajectory_run *r, const double *gram)
{
    scry_trajectory *t = &r->t;
    const size_t all = levels_of(t), end = t->levels;
    const double ee = gram[end * all + end], ss = gram[0], es = gram[end];
    const double det = ee * ss - es * es;
    const bool one_line = !(det > 1e-4 * ee * ss); /* both ends point the same way */
    for (size_t k = 0; k < all; k++) {
        const double ke = gram[k * all + end], ks = gram[k * all], kk = gram[k * all + k];
        const double c = r->q->std / spread_at(r, k), s = t->sigma[k] / spread_at(r, k);
        t->a[k] = one_line ? ke / ee : (ke * ss - ks * es) / det;
        t->b[k] = one_line ? 0 : (ks * ee - ke * es) / det;
        const double off = kk - 2 * (c * ke + s * ks) + c * c * ee + s * s * ss + 2 * c * s * es;
        t->turned[k] = 1 - off / kk;
        t->rotation += t->turned[k] / (double)all;
    }
}

/* Shares of the variance along the first principal axes: eigenvalues of the centred Gram matrix. */
static scry_status trajectory_axes(trajectory_run *r, double *gram, scry_error *err)
{
    scry_trajectory *t = &r->t;
    const size_t all = levels_of(t);
    double total = 0;
    gsl_eigen_symm_workspace *w = gsl_eigen_symm_alloc(all);
    gsl_vector *values = gsl_vector_alloc(all);
    double *means = scry_alloc(all + 1, sizeof *means);
    scry_status st = SCRY_OK;
    if (!w || !values || !means) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "principal axes of %zu levels", all);
        goto done;
    }
    for (size_t i = 0; i < all * all; i++) {
        means[i / all] += gram[i] / (double)all;
        means[all] += gram[i] / (double)(all * all);
    }
    for (size_t i = 0; i < all; i++)
        for (size_t j = 0; j < all; j++)
            gram[i * all + j] += means[all] - means[i] - means[j];
    gsl_matrix_view G = gsl_matrix_view_array(gram, all, all);
    gsl_eigen_symm(&G.matrix, values, w);
    double *list = values->data;
    for (size_t i = 0; i < all; i++) {
        size_t max = i;
        for (size_t j = i + 1; j < all; j++)
            if (list[j] > list[max]) max = j;
        const double value = list[max];
        list[max] = list[i];
        list[i] = value;
        total += value;
    }
    for (size_t i = 0; i < SCRY_TRAJECTORY_AXES && i < all; i++)
        t->explained[i] = list[i] / total;
done:
    gsl_eigen_symm_free(w);
    gsl_vector_free(values);
    scry_free(means);
    return st;
}

static scry_status trajectory_plane(trajectory_run *r, scry_error *err)
{
    scry_trajectory *t = &r->t;
    const size_t all = levels_of(t);
    double *gram = scry_alloc(all * all, sizeof *gram);
    if (!gram) return SCRY_FAIL(err, SCRY_ENOMEM, "principal axes of %zu levels", all);
    for (size_t i = 0; i < all; i++)
        for (size_t j = 0; j <= i; j++)
            gram[i * all + j] = gram[j * all + i] = trajectory_dot(r, i, j);
    trajectory_turn(r, gram);
    const scry_status st = trajectory_axes(r, gram, err);
    scry_free(gram);
    for (size_t k = 0; k < all; k++)
        t->apart[k] = t->model ? scry_distance(t->x + k * r->n, t->model + k * r->n, r->n) /
                                     sqrt((double)r->n) / spread_at(r, k)
                               : NAN;
    return st;
}

/* ---- the order of frequencies ---- */

/* Octaves up to the corners; how many have a frequency in an image of this size. */
static void trajectory_octaves(scry_trajectory *t)
{
    const double least = 1. / (double)(t->ny < t->nx ? t->ny : t->nx);
    t->band_count = 0;
    for (int k = SCRY_TRAJECTORY_BANDS - 1; k >= 0; k--) {
        const double high = k ? .5 / pow(2, k) : .71, low = .25 / pow(2, k);
        if (high < least) continue;
        t->band[t->band_count].low = k == SCRY_TRAJECTORY_BANDS - 1 ? least / 2 : low;
        t->band[t->band_count++].high = high;
    }
}

static double bin_frequency(const scry_trajectory *t, size_t bin)
{
    const size_t half = t->nx / 2 + 1, i = bin / half;
    const double fy = (double)(i <= t->ny / 2 ? i : t->ny - i) / (double)t->ny;
    return hypot(fy, (double)(bin % half) / (double)t->nx);
}

/* How often a bin of the half spectrum stands in the whole one. */
static double bin_weight(const scry_trajectory *t, size_t bin)
{
    const size_t half = t->nx / 2 + 1, j = bin % half;
    return j == 0 || 2 * j == t->nx ? 1 : 2;
}

static void trajectory_appear(trajectory_run *r, scry_trajectory_band *b)
{
    const scry_trajectory *t = &r->t;
    b->sigma = NAN;
    for (size_t k = 0; k + 1 < t->levels; k++) {
        const double here = b->share[k], next = b->share[k + 1];
        if (!(here < APPEARED && next >= APPEARED)) continue;
        const double f = (APPEARED - here) / (next - here);
        b->sigma = exp((1 - f) * log(t->sigma[k]) + f * log(t->sigma[k + 1]));
    }
    const double f = sqrt(b->low * fmin(b->high, .5));
    b->gaussian = r->q->radial ? sqrt(3 * scry_radial_power(r->q->radial, f)) : NAN;
}

static scry_status trajectory_bands(trajectory_run *r, scry_error *err)
{
    scry_trajectory *t = &r->t;
    scry_fft *fft = NULL;
    const size_t dims[] = {t->ny, t->nx};
    scry_status st = scry_fft_create_real(&fft, 2, dims, err);
    if (st != SCRY_OK) return st;
    const size_t bins = scry_fft_bins(fft);
    float complex *end = scry_alloc(2 * bins, sizeof *end), *D = end + bins;
    void *work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!end || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu x %zu pixels", t->ny, t->nx);
        goto done;
    }
    trajectory_octaves(t);
    scry_fft_forward_real(fft, end, t->x + t->levels * r->n, work);
    for (size_t k = 0; k < levels_of(t); k++) {
        double with[SCRY_TRAJECTORY_BANDS] = {0}, power[SCRY_TRAJECTORY_BANDS] = {0};
        scry_fft_forward_real(fft, D, t->D + k * r->n, work);
        for (size_t i = 1; i < bins; i++) {
            const double f = bin_frequency(t, i), w = bin_weight(t, i);
            size_t b = 0;
            while (b < t->band_count && f > t->band[b].high)
                b++;
            if (b == t->band_count || f < t->band[b].low) continue;
            with[b] += w * (double)crealf(conjf(end[i]) * D[i]);
            power[b] += w * (double)crealf(conjf(end[i]) * end[i]);
        }
        for (size_t b = 0; b < t->band_count; b++)
            t->band[b].share[k] = power[b] > 0 ? with[b] / power[b] : 0;
    }
    double last = HUGE_VAL;
    t->coarse_to_fine = true;
    for (size_t b = 0; b < t->band_count; b++) {
        trajectory_appear(r, &t->band[b]);
        if (isnan(t->band[b].sigma)) continue;
        t->coarse_to_fine = t->coarse_to_fine && t->band[b].sigma < last;
        last = t->band[b].sigma;
    }
done:
    scry_free(end);
    scry_free(work);
    scry_fft_free(fft);
    return st;
}

/* ---- pushes ---- */

/* sqrt(mean of S / (S + s^2) over all frequencies), from the eigenvalues of C. */
static double push_gaussian(const trajectory_run *r, const float *power, double s)
{
    const scry_trajectory *t = &r->t;
    const size_t bins = t->ny * (t->nx / 2 + 1);
    double sum = 0;
    for (size_t i = 0; i < bins; i++)
        sum += bin_weight(t, i) * (double)power[i] / ((double)power[i] + s * s);
    return sqrt(sum / (double)r->n);
}

static scry_status trajectory_pushes(trajectory_run *r, scry_error *err)
{
    scry_trajectory *t = &r->t;
    const size_t n = r->n;
    scry_status st = SCRY_OK;
    float *x = scry_alloc(n, sizeof *x);
    float *power = scry_alloc(t->ny * (t->nx / 2 + 1), sizeof *power);
    if (!x || !power) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "pushes of %zu pixels", n);
        goto done;
    }
    if (r->q->model) st = scry_gaussian_spectrum(r->q->model, power, SCRY_GAUSSIAN_COV, 0, err);
    for (size_t i = 0; i < SCRY_TRAJECTORY_PUSHES && st == SCRY_OK; i++) {
        scry_trajectory_push *p = &t->push[t->push_count++];
        p->level = i * (t->levels - 1) / (SCRY_TRAJECTORY_PUSHES - 1);
        p->sigma = t->sigma[p->level];
        scry_rng_normal(r->slope, 0, n, r->q->seed, 0, scry_rng_step(1, 0));
        scry_axpby(x, 1, t->x + p->level * n, PUSH * p->sigma, r->slope, n);
        const double length = PUSH * p->sigma * scry_norm(r->slope, n);
        for (size_t k = p->level; k < t->levels && st == SCRY_OK; k++)
            st = trajectory_step(r, x, k, err);
        p->gain = scry_distance(x, t->x + t->levels * n, n) / length;
        p->gaussian = r->q->model ? push_gaussian(r, power, p->sigma) : NAN;
    }
done:
    scry_free(x);
    scry_free(power);
    return st;
}

scry_status scry_trajectory_run(scry_trajectory *out, const scry_trajectory_request *q,
                                scry_error *err)
{
    const scry_space *space = scry_prior_space(q->prior);
    trajectory_run r = {.q = q, .n = scry_space_count(space)};
    double low, high;
    *out = (scry_trajectory){0};
    if (q->steps < 4)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu steps of a trajectory, expected at least 4",
                         q->steps);
    r.t.ny = space->dims[0];
    r.t.nx = space->dims[1];
    r.t.levels = q->steps;
    scry_prior_sigma_range(q->prior, &low, &high);
    if (q->low > 0) low = q->low;
    if (q->high > 0) high = q->high;
    scry_status st = trajectory_alloc(&r, err);
    if (st == SCRY_OK) st = scry_schedule_karras(r.t.sigma, q->steps, low, high, RHO, err);
    if (st == SCRY_OK) st = trajectory_follow(&r, err);
    if (st == SCRY_OK) st = trajectory_plane(&r, err);
    if (st == SCRY_OK) st = trajectory_bands(&r, err);
    if (st == SCRY_OK) st = trajectory_pushes(&r, err);
    void *blocks[] = {r.work, r.slope, r.next, r.estimate, r.state};
    for (size_t i = 0; i < 5; i++)
        scry_free(blocks[i]);
    if (st == SCRY_OK)
        *out = r.t;
    else
        scry_trajectory_free(&r.t);
    return st;
}

void scry_trajectory_free(scry_trajectory *t)
{
    void *blocks[] = {t->sigma, t->x, t->D, t->model, t->a, t->b, t->turned, t->apart};
    for (size_t i = 0; i < 8; i++)
        scry_free(blocks[i]);
    for (size_t i = 0; i < SCRY_TRAJECTORY_BANDS; i++)
        scry_free(t->band[i].share);
    *t = (scry_trajectory){0};
}
