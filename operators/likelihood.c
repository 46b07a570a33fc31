#include "operators/likelihood.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"
#include "operators/cg.h"
#include "operators/op_impl.h"

#include <math.h>
#include <string.h>

/* Symbols: e = data, the measurement in electrons; r = read noise; m = scale A u + base the mean;
 * v(m) its variance, see likelihood.h. n floats in u, mm floats in y. */

enum { BLOCK = 4096, NEWTON_STEPS = 30, HALVINGS = 30 };

/* No variance below this [e-^2]: 1/v is the curvature, and a mean of 0 would make it infinite. At a
 * hundredth of an electron a pixel is empty 99 times in 100, whatever the model says. */
static const double low_variance = 0.01;

struct scry_likelihood {
    const scry_op *A;
    scry_noise noise;
    scry_affine map;
    size_t n, mm;
    double r2, v0; /* read noise variance; least variance */
    float *data;   /* e; Gaussian: y */
    float *base;   /* shift A 1 + background */
    float *rhs;    /* Gaussian: A^T W b */
    float *uhb;    /* Gaussian and SVD: U^H b */
};

/* Parts of the caller's work block. */
struct work {
    void *op;
    float *cod[4]; /* 0 to 2 of a Newton step: A z, A d, W; 3: inside products with A^T W A */
    float *dom[2];
    void *cg;
    double *part; /* sums of blocks */
};

static size_t likelihood_blocks_of(size_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static bool likelihood_counts(const scry_likelihood *L)
{
    return L->noise.kind != SCRY_NOISE_GAUSSIAN;
}

static char *likelihood_carve(char **at, size_t bytes)
{
    char *p = *at;
    *at += scry_align_up(bytes);
    return p;
}

static struct work likelihood_parts(const scry_likelihood *L, void *block)
{
    char *at = block;
    struct work w;
    w.op = likelihood_carve(&at, scry_op_work_bytes(L->A));
    w.part = (void *)likelihood_carve(&at, likelihood_blocks_of(L->mm) * sizeof(double));
    for (int i = 0; i < 4; i++)
        w.cod[i] = (void *)likelihood_carve(&at, L->mm * sizeof(float));
    for (int i = 0; i < 2; i++)
        w.dom[i] = (void *)likelihood_carve(&at, L->n * sizeof(float));
    w.cg = at;
    return w;
}

/* op, part and cod[0], which come first */
size_t scry_likelihood_value_bytes(const scry_likelihood *L)
{
    return scry_align_up(scry_op_work_bytes(L->A)) +
           scry_align_up(likelihood_blocks_of(L->mm) * sizeof(double)) +
           scry_align_up(L->mm * sizeof(float));
}

size_t scry_likelihood_work_bytes(const scry_likelihood *L)
{
    return scry_likelihood_value_bytes(L) + 3 * scry_align_up(L->mm * sizeof(float)) +
           2 * scry_align_up(L->n * sizeof(float)) + scry_align_up(scry_cg_work_bytes(L->n));
}

const scry_op *scry_likelihood_op(const scry_likelihood *L)
{
    return L->A;
}

const scry_noise *scry_likelihood_noise(const scry_likelihood *L)
{
    return &L->noise;
}

scry_affine scry_likelihood_map(const scry_likelihood *L)
{
    return L->map;
}

bool scry_likelihood_is_gaussian(const scry_likelihood *L)
{
    return !likelihood_counts(L);
}

static scry_status check_number(const char *name, double value, bool positive, scry_error *err)
{
    if (isfinite(value) && (!positive || value > 0)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s %g, expected a %s", name, value,
                     positive ? "number > 0" : "finite number");
}

static scry_status check_noise(const scry_noise *noise, const scry_affine *map, const scry_op *A,
                               scry_error *err)
{
    scry_status st;
    if ((st = check_number("scale of the intensity map", map->scale, true, err)) != SCRY_OK ||
        (st = check_number("shift of the intensity map", map->shift, false, err)) != SCRY_OK ||
        (st = check_number("background", noise->background, false, err)) != SCRY_OK)
        return st;
    if (noise->kind == SCRY_NOISE_GAUSSIAN)
        return check_number("noise sigma", noise->sigma, true, err);
    if (noise->kind != SCRY_NOISE_POISSON && noise->kind != SCRY_NOISE_POISSON_GAUSSIAN)
        return SCRY_FAIL(err, SCRY_EINVAL, "noise kind %d is not known", (int)noise->kind);
    if (A->cod.cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s gives complex data, which are not counts",
                         A->ops->name);
    if ((st = check_number("gain", noise->gain, true, err)) != SCRY_OK ||
        (st = check_number("offset", noise->offset, false, err)) != SCRY_OK)
        return st;
    if (noise->kind == SCRY_NOISE_POISSON_GAUSSIAN &&
        (!(noise->read_noise >= 0) || !isfinite(noise->read_noise)))
        return SCRY_FAIL(err, SCRY_EINVAL, "read noise %g e-, expected a number >= 0",
                         noise->read_noise);
    return SCRY_OK;
}

/* data = e, from ADU to electrons. */
static scry_status likelihood_fill_data(scry_likelihood *L, const float *y, scry_error *err)
{
    const scry_noise *noise = &L->noise;
    size_t below = 0, first = 0;
    for (size_t i = 0; i < L->mm; i++) {
        if (!isfinite(y[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "measurement %zu is %g, expected a finite number",
                             i, (double)y[i]);
        L->data[i] = likelihood_counts(L) ? (float)((y[i] - noise->offset) * noise->gain) : y[i];
        if (L->data[i] < 0 && !below++) first = i;
    }
    if (noise->kind == SCRY_NOISE_POISSON && below)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu measurements lie below the offset of %g (the first, entry %zu, is "
                         "%g): counts are never negative; check the offset or give a read noise",
                         below, noise->offset, first, (double)y[first]);
    return SCRY_OK;
}

/* base = shift A 1 + background, the mean at u = 0. */
static scry_status fill_base(scry_likelihood *L, float *ones, void *work, scry_error *err)
{
    const size_t per = L->A->cod.cplx ? 2 : 1, dom_per = L->A->dom.cplx ? 2 : 1;
    scry_status st = SCRY_OK;
    if (L->map.shift != 0) {
        for (size_t i = 0; i < L->n; i++)
            ones[i] = i % dom_per == 0 ? (float)L->map.shift : 0;
        st = scry_op_forward(L->A, L->base, ones, work, err);
    }
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < L->mm; i += per)
        L->base[i] += (float)L->noise.background;
    return SCRY_OK;
}

/* Vectors that a Gaussian likelihood uses again in every call. */
static scry_status likelihood_fill_gaussian(scry_likelihood *L, float *b, void *work,
                                            scry_error *err)
{
    const double w = L->map.scale * L->map.scale / (L->noise.sigma * L->noise.sigma);
    scry_status st;
    scry_svd svd;
    for (size_t i = 0; i < L->mm; i++)
        b[i] = (L->data[i] - L->base[i]) / (float)L->map.scale;
    if ((st = scry_op_adjoint(L->A, L->rhs, b, work, err)) != SCRY_OK) return st;
    scry_scale(L->rhs, w, L->n);
    if (!scry_op_has_svd(L->A)) return SCRY_OK;
    if ((st = scry_op_svd(L->A, &svd, err)) != SCRY_OK) return st;
    L->uhb = scry_alloc(svd.count * (size_t)svd.floats_per, sizeof *L->uhb);
    if (!L->uhb) return SCRY_FAIL(err, SCRY_ENOMEM, "coefficients of the measurement");
    return scry_op_svd_uh(L->A, L->uhb, b, work, err);
}

void scry_likelihood_free(scry_likelihood *L)
{
    if (!L) return;
    scry_free(L->data);
    scry_free(L->base);
    scry_free(L->rhs);
    scry_free(L->uhb);
    scry_free(L);
}

static scry_status likelihood_fill(scry_likelihood *L, const float *y, scry_error *err)
{
    scry_status st = SCRY_OK;
    const size_t larger = L->n > L->mm ? L->n : L->mm;
    float *scratch = scry_alloc(larger, sizeof *scratch);
    void *work = scry_alloc(1, scry_op_work_bytes(L->A));
    L->data = scry_alloc(L->mm, sizeof *L->data);
    L->base = scry_alloc(L->mm, sizeof *L->base);
    L->rhs = likelihood_counts(L) ? NULL : scry_alloc(L->n, sizeof *L->rhs);
    if (!scratch || !work || !L->data || !L->base || (!likelihood_counts(L) && !L->rhs)) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "likelihood of %zu measurements", L->mm);
        goto done;
    }
    if ((st = likelihood_fill_data(L, y, err)) != SCRY_OK) goto done;
    if ((st = fill_base(L, scratch, work, err)) != SCRY_OK) goto done;
    if (!likelihood_counts(L)) st = likelihood_fill_gaussian(L, scratch, work, err);
done:
    scry_free(scratch);
    scry_free(work);
    return st;
}

scry_status scry_likelihood_create(scry_likelihood **out, const scry_op *A, const float *y,
                                   const scry_noise *noise, const scry_affine *map, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, A, y, noise)) return SCRY_EINVAL;
    const scry_affine same = {.scale = 1};
    scry_status st = check_noise(noise, map ? map : &same, A, err);
    if (st != SCRY_OK) return st;
    scry_likelihood *L = scry_alloc(1, sizeof *L);
    if (!L) return SCRY_FAIL(err, SCRY_ENOMEM, "likelihood");
    L->A = A;
    L->noise = *noise;
    L->map = map ? *map : same;
    L->n = scry_space_floats(&A->dom);
    L->mm = scry_space_floats(&A->cod);
    if (noise->kind == SCRY_NOISE_POISSON_GAUSSIAN) L->r2 = noise->read_noise * noise->read_noise;
    L->v0 = fmax(L->r2, low_variance);
    if ((st = likelihood_fill(L, y, err)) != SCRY_OK) {
        scry_likelihood_free(L);
        return st;
    }
    *out = L;
    return SCRY_OK;
}

/* -log p of e + r^2 = k counts at a shifted mean s = m + r^2, with its parabola below v0. */
static inline double count_nll(double s, double k, double v0)
{
    if (s >= v0) return s - k * log(s);
    const double d = s - v0;
    return v0 - k * log(v0) + d * (v0 - k) / v0 + d * d / (2 * v0);
}

static inline double likelihood_pixel_mean(const scry_likelihood *L, float Au, size_t i)
{
    return L->map.scale * Au + L->base[i];
}

static inline double likelihood_pixel_variance(const scry_likelihood *L, double m)
{
    return likelihood_counts(L) ? fmax(m + L->r2, L->v0) : L->noise.sigma * L->noise.sigma;
}

static double pixel_nll(const scry_likelihood *L, float Au, size_t i)
{
    const double m = likelihood_pixel_mean(L, Au, i), e = L->data[i];
    if (likelihood_counts(L)) return count_nll(m + L->r2, e + L->r2, L->v0);
    return (e - m) * (e - m) / (2 * L->noise.sigma * L->noise.sigma);
}

/* The least of -log p over all means is at m = e, on either branch. */
static double pixel_deviance(const scry_likelihood *L, float Au, size_t i)
{
    const double k = L->data[i] + L->r2, nll = pixel_nll(L, Au, i);
    return 2 * (likelihood_counts(L) ? nll - count_nll(k, k, L->v0) : nll);
}

/* Sum over pixels in fixed blocks, added in order: independent of the number of threads. */
static double sum_pixels(const scry_likelihood *L, const float *Au, double *part,
                         double (*pixel)(const scry_likelihood *, float, size_t))
{
    const size_t blocks = likelihood_blocks_of(L->mm);
    double sum = 0;
    SCRY_PARALLEL_FOR(
        blocks > 512 ? scry_threads() : 1, for (size_t b = 0; b < blocks; b++) {
            const size_t end = L->mm < (b + 1) * BLOCK ? L->mm : (b + 1) * BLOCK;
            double s = 0;
            for (size_t i = b * BLOCK; i < end; i++)
                s += pixel(L, Au[i], i);
            part[b] = s;
        });
    for (size_t b = 0; b < blocks; b++)
        sum += part[b];
    return sum;
}

/* out = d log p / d(A u) = scale (e - m) / v. out == Au allowed. */
static void score_data(const scry_likelihood *L, float *out, const float *Au)
{
    const double scale = L->map.scale;
    SCRY_PARALLEL_FOR(
        L->mm > 1u << 21 ? scry_threads() : 1, for (size_t i = 0; i < L->mm; i++) {
            const double m = likelihood_pixel_mean(L, Au[i], i);
            out[i] = (float)(scale * (L->data[i] - m) / likelihood_pixel_variance(L, m));
        });
}

scry_status scry_likelihood_value(const scry_likelihood *L, double *nll, const float *u, void *work,
                                  scry_error *err)
{
    if (SCRY_MISSING(err, L, nll, u, work)) return SCRY_EINVAL;
    struct work w = likelihood_parts(L, work);
    scry_status st = scry_op_forward(L->A, w.cod[0], u, w.op, err);
    if (st == SCRY_OK) *nll = sum_pixels(L, w.cod[0], w.part, pixel_nll);
    return st;
}

scry_status scry_likelihood_deviance(const scry_likelihood *L, double *deviance, size_t *count,
                                     const float *u, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, L, deviance, count, u, work)) return SCRY_EINVAL;
    struct work w = likelihood_parts(L, work);
    scry_status st = scry_op_forward(L->A, w.cod[0], u, w.op, err);
    if (st != SCRY_OK) return st;
    *deviance = sum_pixels(L, w.cod[0], w.part, pixel_deviance);
    *count = L->mm;
    return SCRY_OK;
}

scry_status scry_likelihood_score(const scry_likelihood *L, float *g, const float *u, void *work,
                                  scry_error *err)
{
    if (SCRY_MISSING(err, L, g, u, work)) return SCRY_EINVAL;
    struct work w = likelihood_parts(L, work);
    scry_status st = scry_op_forward(L->A, w.cod[0], u, w.op, err);
    if (st != SCRY_OK) return st;
    score_data(L, w.cod[0], w.cod[0]);
    return scry_op_adjoint(L->A, g, w.cod[0], w.op, err);
}

scry_status scry_likelihood_linearise(const scry_likelihood *L, float *W, float *b, const float *Au,
                                      scry_error *err)
{
    if (SCRY_MISSING(err, L, W, b)) return SCRY_EINVAL;
    const double scale = L->map.scale;
    if (likelihood_counts(L) && !Au)
        return SCRY_FAIL(err, SCRY_EINVAL, "no point of expansion: counts have no global W");
    for (size_t i = 0; i < L->mm; i++) {
        double m = likelihood_counts(L) ? likelihood_pixel_mean(L, Au[i], i) : 0;
        /* A stray estimate of bright light as dark would claim a variance hundreds of times too
         * small, and the next estimate would stray further. */
        const double e = L->data[i];
        if (likelihood_counts(L)) m = fmax(m, e - 6 * sqrt(fmax(e, 0) + L->r2));
        W[i] = (float)(scale * scale / likelihood_pixel_variance(L, m));
        b[i] = (float)(((double)L->data[i] - L->base[i]) / scale);
    }
    return SCRY_OK;
}

/* t A^T W A + I, W constant (weights NULL) or one a pixel. */
struct hessian {
    const scry_likelihood *L;
    const float *weights;
    double t, w;
    float *Ap;
    void *work;
};

static scry_status hessian_apply(void *ctx, float *out, const float *p, scry_error *err)
{
    struct hessian *H = ctx;
    const scry_likelihood *L = H->L;
    scry_status st;
    if (!H->weights) {
        if ((st = scry_op_normal(L->A, out, p, H->work, err)) != SCRY_OK) return st;
    } else {
        if ((st = scry_op_forward(L->A, H->Ap, p, H->work, err)) != SCRY_OK) return st;
        for (size_t i = 0; i < L->mm; i++)
            H->Ap[i] *= H->weights[i];
        if ((st = scry_op_adjoint(L->A, out, H->Ap, H->work, err)) != SCRY_OK) return st;
    }
    scry_axpby(out, H->t * (H->weights ? 1 : H->w), out, 1, p, L->n);
    return SCRY_OK;
}

/* z = V c with c = (t w s U^H b + V^H v) / (1 + t w s^2): the least of each coefficient alone. */
static scry_status prox_svd(const scry_likelihood *L, float *z, const float *v, double t, double w,
                            struct work *k, scry_error *err)
{
    scry_svd svd;
    scry_status st = scry_op_svd(L->A, &svd, err);
    float *c = k->cg; /* no conjugate gradients here */
    if (st != SCRY_OK) return st;
    const size_t per = (size_t)svd.floats_per;
    if ((st = scry_op_svd_vh(L->A, c, v, k->op, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < svd.count; i++) {
        const double s = svd.values[i], q = 1 / (1 + t * w * s * s), p = t * w * s * q;
        for (size_t j = per * i; j < per * (i + 1); j++)
            c[j] = (float)(q * c[j] + (s > 0 ? p * L->uhb[j] : 0));
    }
    return scry_op_svd_v(L->A, z, c, k->op, err);
}

static scry_status prox_gaussian(const scry_likelihood *L, float *z, const float *v, double t,
                                 size_t iterations, double tol, struct work *k,
                                 scry_prox_result *result, scry_error *err)
{
    const double w = L->map.scale * L->map.scale / (L->noise.sigma * L->noise.sigma);
    struct hessian H = {.L = L, .t = t, .w = w, .work = k->op};
    scry_cg_result cg;
    scry_axpby(k->dom[0], t, L->rhs, 1, v, L->n);
    scry_status st =
        scry_cg(hessian_apply, &H, z, k->dom[0], L->n, tol, iterations, k->cg, &cg, err);
    if (st == SCRY_OK)
        *result = (scry_prox_result){.outer = 1, .inner = cg.iterations, .residual = cg.residual};
    return st;
}

/* Curvature for a Newton step: the second derivative k / s^2 where the distribution is Poisson's,
 * but never below a tenth of Fisher's 1/s. Pixels that counted nothing (k <= 0) have no curvature
 * of their own, and without some a step may leap far beyond s = 0. */
static void newton_weights(const scry_likelihood *L, float *W, const float *Az)
{
    const double scale2 = L->map.scale * L->map.scale;
    for (size_t i = 0; i < L->mm; i++) {
        const double s = likelihood_pixel_mean(L, Az[i], i) + L->r2, k = L->data[i] + L->r2;
        W[i] = (float)(scale2 * (s < L->v0 ? 1 / L->v0 : fmax(k / s, 0.1) / s));
    }
}

/* The step length 1, 1/2, 1/4 ... that lowers f(z + a d) enough (Armijo, 1e-4 of the slope); 0 when
 * none does, which is the rounding of f at its minimum. A (z + a d) is A z + a A d: no products. */
static double line_search(const scry_likelihood *L, const float *z, const float *v, const float *d,
                          double t, double slope, struct work *k)
{
    const float *Az = k->cod[0], *Ad = k->cod[1];
    float *trial = k->cod[3];
    const double f0 = sum_pixels(L, Az, k->part, pixel_nll);
    /* |z + a d - v|^2 - |z - v|^2 = a (2 <d, z - v> + a |d|^2): no cancellation of large sums */
    const double dd = scry_dot(d, d, L->n);
    const double dv = scry_dot(d, z, L->n) - scry_dot(d, v, L->n);
    double a = 1;
    for (int i = 0; i < HALVINGS; i++, a /= 2) {
        scry_axpby(trial, 1, Az, a, Ad, L->mm);
        const double change =
            sum_pixels(L, trial, k->part, pixel_nll) - f0 + a * (2 * dv + a * dd) / (2 * t);
        if (change <= 1e-4 * a * slope) return a;
    }
    return 0;
}

static scry_status prox_counts(const scry_likelihood *L, float *z, const float *v, double t,
                               size_t iterations, double tol, struct work *k,
                               scry_prox_result *result, scry_error *err)
{
    struct hessian H = {.L = L, .weights = k->cod[2], .t = t, .Ap = k->cod[3], .work = k->op};
    float *gradient = k->dom[0], *d = k->dom[1];
    scry_cg_result cg;
    scry_status st = scry_op_forward(L->A, k->cod[0], z, k->op, err);
    if (st != SCRY_OK) return st;
    for (;;) {
        /* gradient = -t grad f = t score - (z - v) */
        score_data(L, k->cod[1], k->cod[0]);
        if ((st = scry_op_adjoint(L->A, gradient, k->cod[1], k->op, err)) != SCRY_OK) return st;
        const double size = scry_norm(v, L->n) + t * scry_norm(gradient, L->n);
        for (size_t i = 0; i < L->n; i++)
            gradient[i] = (float)(t * gradient[i] - ((double)z[i] - v[i]));
        const double left = scry_norm(gradient, L->n);
        if (!isfinite(left)) return SCRY_FAIL(err, SCRY_ENUMERIC, "start or centre not finite");
        result->residual = size > 0 ? left / size : 0;
        if (left <= tol * size || result->outer == NEWTON_STEPS) return SCRY_OK;
        newton_weights(L, k->cod[2], k->cod[0]);
        memset(d, 0, L->n * sizeof *d);
        /* An inner residual of 2 % gains more than a digit a step, which Newton's own error
         * allows until the last steps. */
        st = scry_cg(hessian_apply, &H, d, gradient, L->n, fmax(tol, 0.02), iterations, k->cg, &cg,
                     err);
        if (st != SCRY_OK) return st;
        result->outer++;
        result->inner += cg.iterations;
        if ((st = scry_op_forward(L->A, k->cod[1], d, k->op, err)) != SCRY_OK) return st;
        const double slope = -scry_dot(gradient, d, L->n) / t;
        const double a = line_search(L, z, v, d, t, slope, k);
        if (a == 0) return SCRY_OK;
        scry_axpy(z, a, d, L->n);
        scry_axpy(k->cod[0], a, k->cod[1], L->mm);
    }
}

scry_status scry_likelihood_prox(const scry_likelihood *L, float *z, const float *v, double t,
                                 size_t iterations, double tol, void *work,
                                 scry_prox_result *result, scry_error *err)
{
    if (SCRY_MISSING(err, L, z, v, work)) return SCRY_EINVAL;
    struct work k = likelihood_parts(L, work);
    scry_prox_result end = {0};
    scry_status st;
    if (!(t > 0) || !isfinite(t))
        return SCRY_FAIL(err, SCRY_EINVAL, "prox step %g, expected a number > 0", t);
    if (likelihood_counts(L)) {
        st = prox_counts(L, z, v, t, iterations, tol, &k, &end, err);
    } else if (L->uhb) {
        const double w = L->map.scale * L->map.scale / (L->noise.sigma * L->noise.sigma);
        st = prox_svd(L, z, v, t, w, &k, err);
    } else {
        st = prox_gaussian(L, z, v, t, iterations, tol, &k, &end, err);
    }
    if (result) *result = end;
    return st;
}
