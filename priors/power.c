/* P: measured ring power, M: independent modes in the ring, H2: |H|^2, v: noise variance, S: the
 * power spectrum sought, all per ring b at mean frequency f. */
#include "priors/power.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"

#include <gsl/gsl_math.h>
#include <string.h>

enum { RINGS = 64 };

struct rings {
    double f[RINGS], P[RINGS], M[RINGS], H2[RINGS];
    double v, lowest; /* noise; the frequency of one period over the longest axis */
    size_t count;     /* rings that hold modes, packed to the front */
};

/* Frequencies between entries of the table. */
static double ring_width(void)
{
    return 0.5 * M_SQRT2 / (RINGS - 1);
}

static double power_hann(size_t i, size_t n)
{
    const double s = sin(SCRY_PI * ((double)i + 0.5) / (double)n);
    return n > 1 ? s * s : 1;
}

struct grid {
    int rank;
    size_t dims[3], n, copies;
    size_t longest;
    bool mirrored; /* the image beside its mirror images: no window */
};

static double window_at(const struct grid *g, size_t i)
{
    double w = 1;
    if (g->mirrored) return 1;
    for (int a = g->rank - 1; a >= 0; a--) {
        w *= power_hann(i % g->dims[a], g->dims[a]);
        i /= g->dims[a];
    }
    return w;
}

/* z = w (y - m), with m such that z sums to 0; returns sum w^2. */
static double power_windowed(const struct grid *g, float *z, const float *y)
{
    double total = 0, weights = 0, square = 0;
    for (size_t i = 0; i < g->n; i++) {
        const double w = window_at(g, i);
        total += w * y[i];
        weights += w;
        square += w * w;
    }
    for (size_t i = 0; i < g->n; i++)
        z[i] = (float)(window_at(g, i) * (y[i] - total / weights));
    return square;
}

/* Adds |Z|^2 / sum w^2 to its rings. Below 1.5 periods the window and the lost mean distort. */
static void add_rings(const struct grid *g, struct rings *r, const float complex *Z, double norm)
{
    const size_t last = g->dims[g->rank - 1], half = last / 2 + 1, bins = g->n / last * half;
    for (size_t k = 0; k < bins; k++) {
        const size_t column = k % half;
        double f2 = (double)column / (double)last * (double)column / (double)last;
        size_t row = k / half;
        for (int a = g->rank - 2; a >= 0; a--) {
            const double n = (double)g->dims[a], at = (double)(row % g->dims[a]);
            const double f = (2 * at <= n ? at : at - n) / n;
            f2 += f * f;
            row /= g->dims[a];
        }
        const double f = sqrt(f2);
        const size_t b = (size_t)(f / ring_width() + 0.5);
        if (f < 1.5 * r->lowest || b >= RINGS) continue;
        const double modes = column == 0 || 2 * column == last ? 1 : 2;
        const double re = crealf(Z[k]), im = cimagf(Z[k]);
        r->f[b] += modes * f;
        r->P[b] += modes * (re * re + im * im) / norm;
        r->M[b] += modes;
    }
}

/* Whether the image has its light where the window is hardly open: within it, less than a tenth of
 * the variance beyond noise. Of 120 parts of 64 to 128 pixels of microscopy images, three have. */
static bool power_at_borders(const struct grid *g, const float *y, double noise)
{
    double within = 0, all = 0;
    for (size_t c = 0; c < g->copies; c++, y += g->n) {
        double m = 0, weights = 0, square = 0, inside = 0;
        const double mean = scry_sum(y, g->n) / (double)g->n;
        for (size_t i = 0; i < g->n; i++) {
            const double w = window_at(g, i);
            m += w * y[i];
            weights += w;
            square += w * w;
        }
        for (size_t i = 0; i < g->n; i++) {
            inside += pow(window_at(g, i) * (y[i] - m / weights), 2) / square;
            all += (y[i] - mean) * (y[i] - mean) / (double)g->n;
        }
        within += inside;
    }
    const double v = noise * (double)g->copies, spread = v * sqrt(2 / (double)(g->n * g->copies));
    /* the window leaves a quarter of the pixels of a plane to average over */
    return all - v > 4 * spread && within - v < fmax(0.1 * (all - v), 2 * spread);
}

/* The image and its mirror images, twice as long along every axis, in *out. */
static scry_status power_mirror(float **out, struct grid *g, const float *y, scry_error *err)
{
    const struct grid from = *g;
    g->n = 1;
    g->mirrored = true;
    for (int a = 0; a < g->rank; a++)
        g->n *= g->dims[a] *= from.dims[a] > 1 ? 2 : 1;
    *out = scry_alloc(g->n * g->copies, sizeof **out);
    if (!*out) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu pixels and their mirror images", from.n);
    for (size_t i = 0; i < g->n * g->copies; i++) {
        size_t rest = i % g->n, at = 0, step = 1;
        for (int a = g->rank - 1; a >= 0; a--) {
            const size_t k = rest % g->dims[a], n = from.dims[a];
            at += step * (k < n ? k : g->dims[a] - 1 - k);
            rest /= g->dims[a];
            step *= n;
        }
        (*out)[i] = y[i / g->n * from.n + at];
    }
    return SCRY_OK;
}

/* Means over rings, packed. A Hann window correlates neighbours: along each axis only 1 / 1.94 of
 * the modes are independent (the inverse of n sum w^4 / (sum w^2)^2), and real data count modes
 * twice. Mirrored, an axis has two modes for one. */
static scry_status finish_rings(const struct grid *g, struct rings *r,
                                const scry_power_model *model, scry_error *err)
{
    double shared = 2;
    size_t to = 0;
    for (int a = 0; a < g->rank; a++)
        shared *= g->dims[a] == 1 ? 1 : g->mirrored ? 2 : 1.94;
    for (size_t b = 0; b < RINGS; b++) {
        if (!(r->M[b] > 0)) continue;
        const double f = r->f[b] / r->M[b];
        const double H2 = model->transfer ? model->transfer(f, model->ctx) : 1;
        if (!(H2 >= 0 && H2 <= 1 + 1e-6))
            return SCRY_FAIL(err, SCRY_EINVAL, "|H|^2 is %g at frequency %g, expected 0 to 1", H2,
                             f);
        r->f[to] = f;
        r->P[to] = r->P[b] / r->M[b];
        r->M[to] = r->M[b] / shared;
        r->H2[to++] = H2;
    }
    r->count = to;
    return SCRY_OK;
}

struct fit {
    double log_A, f0, alpha, cost;
};

static double fit_power(const struct fit *p, double f)
{
    return exp(p->log_A - 0.5 * p->alpha * log(p->f0 * p->f0 + f * f));
}

/* Power falls as f^-2 in natural scenes (Field 1987, JOSA A 4:2379) and as up to f^-4 where edges
 * are sharp and interiors flat. It enters as alpha ~ N(3, 1), which a few tens of modes overrule,
 * and which keeps the slope sane when the noise leaves fewer than that. */
#define USUAL_ALPHA 3.0

/* Fisher scoring in log A for given f0 and alpha, then the cost: Whittle's
 * -log L = sum M [P / m + log m], m = S H2 + v, and -log p(alpha). */
static void fit_amplitude(struct fit *p, const struct rings *r)
{
    const double floor = 1e-12 + r->v * 1e-6;
    for (int pass = 0; pass < 30; pass++) {
        double slope = 0, information = 1e-30;
        for (size_t b = 0; b < r->count; b++) {
            const double s = fit_power(p, r->f[b]) * r->H2[b], m = s + r->v + 1e-300;
            slope += r->M[b] * (r->P[b] - m) * s / (m * m);
            information += r->M[b] * s * s / (m * m);
        }
        const double step = slope / information;
        p->log_A += step > 2 ? 2 : step < -2 ? -2 : step;
        if (fit_power(p, r->lowest) < floor) { /* nothing but noise: keep S a positive number */
            p->log_A += log(floor / fit_power(p, r->lowest));
            break;
        }
        if (fabs(step) < 1e-6) break;
    }
    p->cost = 0.5 * (p->alpha - USUAL_ALPHA) * (p->alpha - USUAL_ALPHA);
    for (size_t b = 0; b < r->count; b++) {
        const double m = fit_power(p, r->f[b]) * r->H2[b] + r->v + 1e-300;
        p->cost += r->M[b] * (r->P[b] / m + log(m));
    }
}

/* A grid over the two shape parameters, then a finer one around the best. Sixty rings make it
 * cheap, and unlike a descent it cannot stop in a local minimum next to the start. */
static struct fit fit_shape(const struct rings *r)
{
    struct fit best = {.cost = INFINITY};
    double f0 = log(0.08), f0_step = log(1.5), alpha = 3, alpha_step = 0.5;
    double mean_power = 0;
    for (size_t b = 0; b < r->count; b++)
        mean_power += r->P[b] / (double)r->count;
    for (int level = 0; level < 3; level++) {
        const double f0_centre = f0, alpha_centre = alpha;
        for (int i = -6; i <= 6; i++)
            for (int j = -6; j <= 6; j++) {
                struct fit p = {.f0 = exp(f0_centre + i * f0_step),
                                .alpha = alpha_centre + j * alpha_step};
                if (p.alpha < 0 || p.f0 < 0.5 * r->lowest) continue;
                p.log_A = log(mean_power) + 0.5 * p.alpha * log(p.f0 * p.f0 + 0.01);
                fit_amplitude(&p, r);
                if (p.cost >= best.cost) continue;
                best = p;
                f0 = log(p.f0);
                alpha = p.alpha;
            }
        f0_step /= 4;
        alpha_step /= 4;
    }
    return best;
}

/* log S / fit at each ring, shrunk by its standard error. */
static void power_ring_ratios(double *ratio, const struct rings *r, const struct fit *fit)
{
    const double spread = 0.5; /* of images about the parametric form, in log power */
    for (size_t b = 0; b < r->count; b++) {
        const double signal = r->P[b] - r->v, expected = fit_power(fit, r->f[b]) * r->H2[b];
        const double m = expected + r->v, error = m / (sqrt(r->M[b]) * fmax(expected, 1e-300));
        const double keep = spread * spread / (spread * spread + error * error);
        /* a ring that fell to or below the noise says no more than "one standard error low" */
        const double seen = signal > 0 && expected > 0 ? log(signal / expected) : -error;
        ratio[b] = keep * fmin(fmax(seen, -3), 3);
    }
}

static double ratio_at(const double *ratio, const struct rings *r, double f)
{
    size_t b = 0;
    if (f <= r->f[0]) return ratio[0];
    while (b + 1 < r->count && r->f[b + 1] < f)
        b++;
    if (b + 1 >= r->count) return ratio[r->count - 1];
    const double t = (f - r->f[b]) / (r->f[b + 1] - r->f[b]);
    return ratio[b] + t * (ratio[b + 1] - ratio[b]);
}

/* The closest non-increasing sequence in least squares: pool neighbours that rise. */
static void power_isotonic(double *x, size_t n)
{
    double level[RINGS], size[RINGS];
    size_t blocks = 0;
    for (size_t i = 0; i < n; i++) {
        level[blocks] = x[i];
        size[blocks++] = 1;
        while (blocks > 1 && level[blocks - 1] > level[blocks - 2]) {
            const double total = size[blocks - 2] + size[blocks - 1];
            level[blocks - 2] =
                (level[blocks - 2] * size[blocks - 2] + level[blocks - 1] * size[blocks - 1]) /
                total;
            size[blocks - 2] = total;
            blocks--;
        }
    }
    for (size_t k = 0, i = 0; k < blocks; k++)
        for (size_t c = 0; c < (size_t)size[k]; c++)
            x[i++] = level[k];
}

static void power_table(double *power, const struct rings *r)
{
    const struct fit fit = fit_shape(r);
    double ratio[RINGS], raw[RINGS], lg[RINGS];
    power_ring_ratios(ratio, r, &fit);
    for (size_t i = 0; i < RINGS; i++)
        raw[i] = ratio_at(ratio, r, (double)i * ring_width());
    for (size_t i = 0; i < RINGS; i++) { /* 1 2 1, the ends as they are */
        const double low = raw[i ? i - 1 : 0], high = raw[i + 1 < RINGS ? i + 1 : RINGS - 1];
        lg[i] = log(fit_power(&fit, (double)i * ring_width())) + (low + 2 * raw[i] + high) / 4;
    }
    power_isotonic(lg, RINGS);
    for (size_t i = 0; i < RINGS; i++)
        power[i] = exp(fmax(lg[i], lg[0] - 30));
}

static scry_status power_check(struct grid *g, const scry_space *space, int rank, const float *y,
                               const scry_power_model *model, scry_error *err)
{
    const scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    if (space->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "power spectrum of a complex image: use two channels");
    if (rank < 1 || rank > 3 || rank > space->rank)
        return SCRY_FAIL(err, SCRY_EINVAL, "power spectrum along %d axes, expected 1 to %d", rank,
                         space->rank < 3 ? space->rank : 3);
    if (!(model->noise >= 0 && isfinite(model->noise)))
        return SCRY_FAIL(err, SCRY_EINVAL, "noise variance %g, expected >= 0", model->noise);
    *g = (struct grid){.rank = rank, .n = 1, .longest = 0};
    for (int a = 0; a < rank; a++) {
        g->dims[a] = space->dims[space->rank - rank + a];
        g->n *= g->dims[a];
        if (g->dims[a] > g->longest) g->longest = g->dims[a];
    }
    if (g->longest < 8)
        return SCRY_FAIL(err, SCRY_EINVAL, "longest axis %zu, expected at least 8 for a spectrum",
                         g->longest);
    g->copies = scry_space_count(space) / g->n;
    if (!scry_finite(y, g->n * g->copies))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "image holds NaN or infinity");
    return SCRY_OK;
}

/* The rings of y; *largest receives the greatest ring power. */
static scry_status power_measure(const struct grid *g, struct rings *r, const float *y,
                                 const scry_power_model *model, scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_fft *fft = NULL;
    float *z = NULL;
    float complex *Z = NULL;
    void *work = NULL;
    double largest = 0;
    if ((st = scry_fft_create_real(&fft, g->rank, g->dims, err)) != SCRY_OK) goto done;
    z = scry_alloc(g->n, sizeof *z);
    Z = scry_alloc(scry_fft_bins(fft), sizeof *Z);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!z || !Z || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "periodogram of %zu pixels", g->n);
        goto done;
    }
    r->v = model->noise;
    r->lowest = 1 / (double)g->longest;
    for (size_t c = 0; c < g->copies; c++) {
        const double norm = power_windowed(g, z, y + c * g->n);
        scry_fft_forward_real(fft, Z, z, work);
        add_rings(g, r, Z, norm);
    }
    if ((st = finish_rings(g, r, model, err)) != SCRY_OK) goto done;
    for (size_t b = 0; b < r->count; b++)
        largest = fmax(largest, r->P[b]);
    if (!(largest > 1e-30))
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "no power spectrum: power %g at most; the image is constant, or "
                       "its values are too small for single precision",
                       largest);
done:
    scry_fft_free(fft);
    scry_free(z);
    scry_free(Z);
    scry_free(work);
    return st;
}

scry_status scry_power_estimate(scry_radial *out, const scry_space *space, int rank, const float *y,
                                const scry_power_model *model, scry_error *err)
{
    const scry_power_model sharp = {0};
    struct grid g;
    struct rings r = {.count = 0};
    *out = (scry_radial){0};
    if (!model) model = &sharp;
    scry_status st = power_check(&g, space, rank, y, model, err);
    if (st != SCRY_OK) return st;
    const size_t count = g.n * g.copies;
    float *mirrored = NULL;
    if (power_at_borders(&g, y, model->noise)) st = power_mirror(&mirrored, &g, y, err);
    if (st == SCRY_OK) st = power_measure(&g, &r, mirrored ? mirrored : y, model, err);
    scry_free(mirrored);
    if (st != SCRY_OK) return st;
    double *power = scry_alloc(RINGS, sizeof *power);
    if (!power) return SCRY_FAIL(err, SCRY_ENOMEM, "radial power spectrum");
    power_table(power, &r);
    *out =
        (scry_radial){.count = RINGS, .power = power, .mean = scry_sum(y, count) / (double)count};
    return SCRY_OK;
}

void scry_radial_free(scry_radial *radial)
{
    scry_free((void *)radial->power); /* ours: the const is for tables that are not */
    *radial = (scry_radial){0};
}
