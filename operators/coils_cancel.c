#include "operators/coils_cancel_impl.h"
#include "operators/hermitian_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Noise from what samples say of one another. An object that does not fill the field of view, and
 * coils that see it smoothly, leave combinations of neighbouring samples, of all coils, in which
 * any signal cancels: the null space of the Gram matrix of small windows of k-space (Haldar 2014,
 * IEEE TMI 33:668; Shin et al. 2014, MRM 72:959). What remains in them is noise, also where signal
 * reaches every sample.
 *
 * The combinations come from the windows in the middle of k-space, where signal is strong, and are
 * applied to windows that share no sample with those: chosen by one part and measured on another,
 * the power is not lowered by the choice (as the least eigenvalues of one Gram matrix would be),
 * and what the choice misses raises it. Of the p combinations the m that cancel best in the middle
 * are averaged, for several m; signal only raises each of these powers, so the least is taken,
 * counted with its own uncertainty.
 *
 * Psi is the one whose noise has the covariance of the m combinations: N (Psi x I) N = N G N, N
 * their projector, G the Gram matrix of the outer windows, in the sense of least squares by some
 * steps of conjugate gradients from a multiple of the identity. */

enum {
    MIDDLE_WINDOWS = 2048, /* most that are looked at */
    OUTER_WINDOWS = 4096,
    MIN_OUTER = 64,
    MOST = 160, /* of the samples of a window, all coils: no more are tried */
    LEAST = 4,
    STEPS = 6, /* of conjugate gradients */
};
static const double ENOUGH = 2;
/* The middle, and where the outer half of the rest begins: shares of the axes. */
static const double MIDDLE = 0.5, FAR = 0.75;
/* Power of the combinations nearer to the middle over that farther out which is still noise. */
static const double SIGNAL = 1.1;
/* The margins of a filtered readout hold less noise than its passband; they are told by a level
 * that is less than the next one by so much, where that one lasts. */
static const double MARGIN = 0.94, FLAT = 1.04;

static bool gram_alloc(struct window_gram *g, size_t p)
{
    g->re = scry_alloc(p * p, sizeof *g->re);
    g->im = scry_alloc(p * p, sizeof *g->im);
    return g->re && g->im;
}

static void gram_free(struct window_gram *g)
{
    scry_free(g->re);
    scry_free(g->im);
}

static void windows_free(struct windows *w)
{
    gram_free(&w->middle);
    gram_free(&w->near);
    gram_free(&w->far);
    scry_free(w->G);
    scry_free(w->V);
    scry_free(w->N);
    scry_free(w->values);
    scry_free(w->power);
}

static scry_status windows_alloc(struct windows *w, scry_error *err)
{
    const size_t p = w->p;
    w->G = scry_alloc(p * p, sizeof *w->G);
    w->V = scry_alloc(p * p, sizeof *w->V);
    w->N = scry_alloc(p * p, sizeof *w->N);
    w->values = scry_alloc(p, sizeof *w->values);
    w->power = scry_alloc(3 * p, sizeof *w->power);
    if (gram_alloc(&w->middle, p) && gram_alloc(&w->near, p) && gram_alloc(&w->far, p) && w->G &&
        w->V && w->N && w->values && w->power)
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "windows of %zu samples", p);
}

double scryi_off_middle(size_t i, size_t n, double reach)
{
    return fabs((double)i - (double)(n / 2)) / reach;
}

static enum window_place place_of(const struct windows *w, size_t y, size_t x)
{
    const struct window_shape *s = &w->s;
    const size_t y1 = y + (s->h - 1) * s->sy, x1 = x + (s->w - 1) * s->sx;
    for (size_t i = y; i <= y1; i += s->sy)
        for (size_t j = x; j <= x1; j += s->sx)
            if (!w->mask[i * w->nx + j]) return PLACE_NONE;
    const double cy = (double)(w->ny / 2), cx = (double)(w->nx / 2);
    const bool over_y = (double)y <= cy && cy <= (double)y1;
    const bool over_x = (double)x <= cx && cx <= (double)x1;
    const double ay = scryi_off_middle(y, w->ny, w->reach_y),
                 by = scryi_off_middle(y1, w->ny, w->reach_y);
    const double ax = scryi_off_middle(x, w->nx, w->reach_x),
                 bx = scryi_off_middle(x1, w->nx, w->reach_x);
    if (fmax(fmax(ay, by), fmax(ax, bx)) <= MIDDLE) return PLACE_MIDDLE;
    const double least = fmax(over_y ? 0 : fmin(ay, by), over_x ? 0 : fmin(ax, bx));
    return least > FAR ? PLACE_FAR : least > MIDDLE ? PLACE_NEAR : PLACE_NONE;
}

void scryi_windows_count(size_t counts[4], const struct windows *w)
{
    const size_t dy = (w->s.h - 1) * w->s.sy, dx = (w->s.w - 1) * w->s.sx;
    memset(counts, 0, 4 * sizeof *counts);
    if (dy >= w->ny || dx >= w->nx) return;
    for (size_t y = 0; y < w->ny - dy; y++)
        for (size_t x = 0; x < w->nx - dx; x++)
            counts[place_of(w, y, x)]++;
}

static void gram_add(struct window_gram *g, const double *re, const double *im, size_t p)
{
    for (size_t a = 0; a < p; a++) {
        const double ar = re[a], ai = im[a];
        double *restrict gr = g->re + a * p, *restrict gi = g->im + a * p;
        for (size_t b = 0; b <= a; b++) {
            gr[b] += ar * re[b] + ai * im[b];
            gi[b] += ai * re[b] - ar * im[b];
        }
    }
    g->windows++;
}

static void window_take(double *re, double *im, const struct windows *w, size_t y, size_t x)
{
    const struct window_shape *s = &w->s;
    for (size_t c = 0; c < w->coils; c++)
        for (size_t i = 0; i < s->h; i++)
            for (size_t j = 0; j < s->w; j++) {
                const float complex v = w->x[(c * w->ny + y + i * s->sy) * w->nx + x + j * s->sx];
                *re++ = crealf(v);
                *im++ = cimagf(v);
            }
}

/* The Gram matrices, of some of the windows, evenly spread, where there are many. */
static scry_status fill_grams(struct windows *w, const size_t counts[4], scry_error *err)
{
    struct window_gram *of[] = {NULL, &w->middle, &w->near, &w->far};
    const double outer = (double)(counts[PLACE_NEAR] + counts[PLACE_FAR]);
    double share[4] = {0, MIDDLE_WINDOWS / (double)counts[PLACE_MIDDLE], OUTER_WINDOWS / outer,
                       OUTER_WINDOWS / outer};
    double due[4] = {0};
    double *re = scry_alloc(2 * w->p, sizeof *re), *im = re + w->p;
    if (!re) return SCRY_FAIL(err, SCRY_ENOMEM, "window of %zu samples", w->p);
    for (size_t y = 0; y + (w->s.h - 1) * w->s.sy < w->ny && !scry_cancelled(); y++)
        for (size_t x = 0; x + (w->s.w - 1) * w->s.sx < w->nx; x++) {
            const enum window_place k = place_of(w, y, x);
            if (!of[k] || (due[k] += fmin(share[k], 1)) < 1) continue;
            due[k] -= 1;
            window_take(re, im, w, y, x);
            gram_add(of[k], re, im, w->p);
        }
    scry_free(re);
    return scry_cancel_check(err);
}

/* G = the mean over the windows of some Gram matrices. */
static void gram_mean(double complex *G, const struct window_gram *a, const struct window_gram *b,
                      size_t p)
{
    const double n = (double)(a->windows + (b ? b->windows : 0));
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) {
            const size_t k = i * p + j;
            const double re = a->re[k] + (b ? b->re[k] : 0), im = a->im[k] + (b ? b->im[k] : 0);
            G[k] = re / n + I * (i == j ? 0 : im / n);
            G[j * p + i] = conj(G[k]);
        }
}

/* v^H G v: of the lower triangle, in real arithmetic. */
static double windows_quadratic(const double complex *v, const double complex *G, size_t p)
{
    double sum = 0;
    for (size_t a = 0; a < p; a++) {
        const double ar = creal(v[a]), ai = cimag(v[a]);
        double re = 0, im = 0; /* of the sum of G[a][b] v[b] */
        for (size_t b = 0; b < a; b++) {
            const double gr = creal(G[a * p + b]), gi = cimag(G[a * p + b]);
            const double br = creal(v[b]), bi = cimag(v[b]);
            re += gr * br - gi * bi;
            im += gr * bi + gi * br;
        }
        sum += 2 * (ar * re + ai * im) + creal(G[a * (p + 1)]) * (ar * ar + ai * ai);
    }
    return sum;
}

static double mean_of(const double *x, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += x[i];
    return sum / (double)(to - from);
}

/* How many combinations hold noise alone, and where the first of them is. */
static double choose_level(size_t *from, size_t *to, double *bound, const struct windows *w,
                           size_t outer)
{
    const size_t p = w->p, side = w->s.h * w->s.w;
    double level = INFINITY;
    *bound = INFINITY;
    for (size_t parts = 16; parts >= 2; parts /= 2) {
        const size_t m = p / parts;
        if (!m) continue;
        const double mean = mean_of(w->power, 0, m);
        /* values of overlapping windows, and of one coil's combinations, are not independent */
        const double independent = fmin((double)(m * outer) / (double)side, (double)outer);
        const double high = mean * (1 + 2 / sqrt(independent));
        if (high >= *bound) continue;
        *bound = high;
        level = mean;
        *from = 0;
        *to = m;
    }
    const size_t a = p / 16, b = p / 8, c = p / 4;
    if (!a) return level;
    const double first = mean_of(w->power, 0, a), next = mean_of(w->power, a, b);
    const double last = mean_of(w->power, b, c);
    if (*to <= b && first < MARGIN * next && last < FLAT * next) {
        *from = a;
        *to = c;
        *bound *= mean_of(w->power, a, c) / level;
        level = mean_of(w->power, a, c);
    }
    return level;
}

/* out (coils, coils) = sum over the places of a window of the blocks of N (P x I) N, or of N X N
 * where P is NULL. X: p p */
static void windows_project(double complex *out, double complex *work, const struct windows *w,
                            const double complex *P, const double complex *X)
{
    const size_t p = w->p, C = w->coils, side = p / C;
    for (size_t i = 0; i < p; i++) /* work = (P x I) N, or X N */
        for (size_t j = 0; j < p; j++) {
            double complex s = 0;
            if (P)
                for (size_t c = 0; c < C; c++)
                    s += P[i / side * C + c] * w->N[(c * side + i % side) * p + j];
            else
                for (size_t k = 0; k < p; k++)
                    s += X[i * p + k] * w->N[k * p + j];
            work[i * p + j] = s;
        }
    for (size_t a = 0; a < C; a++)
        for (size_t b = 0; b < C; b++) {
            double complex s = 0;
            for (size_t o = 0; o < side; o++)
                for (size_t k = 0; k < p; k++)
                    s += w->N[(a * side + o) * p + k] * work[k * p + b * side + o];
            out[a * C + b] = s;
        }
}

static double windows_dot(const double complex *a, const double complex *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += creal(conj(a[i]) * b[i]);
    return sum;
}

/* psi from G and N by conjugate gradients on the normal equations, from level times I. */
static scry_status fit_covariance(double complex *psi, const struct windows *w, double level,
                                  scry_error *err)
{
    const size_t C = w->coils, n = C * C;
    double complex *r = scry_alloc(3 * n, sizeof *r), *d = r + n, *q = d + n;
    double complex *work = scry_alloc(w->p * w->p, sizeof *work);
    if (!r || !work) {
        scry_free(r);
        scry_free(work);
        return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", C);
    }
    for (size_t i = 0; i < n; i++)
        psi[i] = i % (C + 1) ? 0 : level;
    windows_project(r, work, w, NULL, w->G);
    windows_project(q, work, w, psi, NULL);
    for (size_t i = 0; i < n; i++)
        d[i] = r[i] -= q[i];
    double rr = windows_dot(r, r, n);
    for (int k = 0; k < STEPS && C > 1 && rr > 0; k++) {
        windows_project(q, work, w, d, NULL);
        const double step = rr / windows_dot(d, q, n), before = rr;
        if (!isfinite(step)) break;
        for (size_t i = 0; i < n; i++) {
            psi[i] += step * d[i];
            r[i] -= step * q[i];
        }
        rr = windows_dot(r, r, n);
        for (size_t i = 0; i < n; i++)
            d[i] = r[i] + rr / before * d[i];
    }
    scry_free(r);
    scry_free(work);
    return SCRY_OK;
}

/* The covariance from all outer windows, drawn to a multiple of the identity by the share of it on
 * which the nearer and the farther ones do not agree: its errors would choose, of the next round's
 * combinations, those that look quiet by chance. Nothing but its size is taken from fewer samples
 * than ENOUGH for each entry. */
static scry_status windows_covariance(struct window_result *out, struct windows *w,
                                      size_t combinations, scry_error *err)
{
    const size_t C = w->coils, n = C * C;
    const size_t least = w->near.windows < w->far.windows ? w->near.windows : w->far.windows;
    double complex *part = scry_alloc(2 * n, sizeof *part);
    if (!part) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", C);
    scry_status st = SCRY_OK;
    for (size_t k = 0; k < 2 && st == SCRY_OK; k++) {
        const struct window_gram *g = k ? &w->far : &w->near;
        if (g->windows) gram_mean(w->G, g, NULL, w->p);
        st = fit_covariance(part + k * n, w, out->power, err);
    }
    gram_mean(w->G, &w->far, &w->near, w->p);
    if (st == SCRY_OK) st = fit_covariance(out->psi, w, out->power, err);
    for (size_t i = 0; i < n; i += C + 1) {
        part[i] -= out->power;
        part[n + i] -= out->power;
    }
    double agreed = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const double complex d = out->psi[i] - (i % (C + 1) ? 0 : out->power);
        agreed += creal(conj(part[i]) * part[n + i]);
        all += creal(d) * creal(d) + cimag(d) * cimag(d);
    }
    const bool told =
        (double)least * (double)combinations / (double)(w->p / C) >= ENOUGH * (double)n;
    const double share = told && all > 0 ? fmin(fmax(agreed / all, 0), 1) : 0;
    for (size_t i = 0; i < n; i++)
        out->psi[i] = share * out->psi[i] + (i % (C + 1) ? 0 : (1 - share) * out->power);
    scry_free(part);
    return st;
}

/* Powers of the combinations on the windows of g, the best of the middle first. */
static void combination_powers(double *power, struct windows *w, const struct window_gram *g,
                               const struct window_gram *h)
{
    gram_mean(w->G, g, h, w->p);
    for (size_t k = 0; k < w->p; k++)
        power[k] = windows_quadratic(w->V + (w->p - 1 - k) * w->p, w->G, w->p);
}

/* More combinations than the level was taken from, as long as they have the same power nearer to
 * the middle and farther out, as signal has not: noise that differs between coils, or that they
 * share, differs between combinations. */
static size_t windows_extend(double *reach, size_t to, struct windows *w)
{
    const size_t p = w->p;
    double *near = w->power + p, *far = w->power + 2 * p;
    const size_t least = w->near.windows < w->far.windows ? w->near.windows : w->far.windows;
    *reach = NAN;
    if (least < MIN_OUTER) return to;
    combination_powers(near, w, &w->near, NULL);
    combination_powers(far, w, &w->far, NULL);
    *reach = mean_of(near, 0, to) / mean_of(far, 0, to);
    const double most = SIGNAL + 2 / sqrt((double)least);
    while (2 * to <= p / 2 && mean_of(near, to, 2 * to) < most * mean_of(far, to, 2 * to))
        to *= 2;
    return to;
}

/* The combinations from the middle, their power farther out, and from them the noise. */
static scry_status windows_judge(struct window_result *out, struct windows *w, scry_error *err)
{
    const size_t p = w->p;
    size_t from = 0, to = p;
    gram_mean(w->G, &w->middle, NULL, p);
    scry_status st = scryi_hermitian_eigen(w->values, w->V, w->G, p, err);
    if (st != SCRY_OK) return st;
    combination_powers(w->power, w, &w->near, &w->far);
    out->power = choose_level(&from, &to, &out->bound, w, w->near.windows + w->far.windows);
    to = windows_extend(&out->reach, to, w);
    memset(w->N, 0, p * p * sizeof *w->N);
    for (size_t k = from; k < to; k++) {
        const double complex *v = w->V + (p - 1 - k) * p;
        for (size_t a = 0; a < p; a++)
            for (size_t b = 0; b < p; b++)
                w->N[a * p + b] += v[a] * conj(v[b]);
    }
    return windows_covariance(out, w, to - from, err);
}

scry_status scryi_windows_tell(struct window_result *out, struct windows w, const size_t counts[4],
                               scry_error *err)
{
    const size_t outer = counts[PLACE_NEAR] + counts[PLACE_FAR];
    w.p = w.coils * w.s.h * w.s.w;
    if (w.p > MOST || w.p < LEAST || counts[PLACE_MIDDLE] < w.p || outer < MIN_OUTER)
        return SCRY_OK;
    scry_status st = windows_alloc(&w, err);
    if (st == SCRY_OK) st = fill_grams(&w, counts, err);
    if (st == SCRY_OK) st = windows_judge(out, &w, err);
    if (st == SCRY_OK) out->shape = w.s;
    windows_free(&w);
    return st;
}
