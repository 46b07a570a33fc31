/* Symbols of the header: P the ring periodogram (its I), m independent frequencies of a ring, S its
 * noise, h the logarithm of |H_w|^2 at its frequency. Widths are worked with in pixels of the
 * equivalent Gaussian, on a grid of equal ratios. */
#include "lib/cancel.h"
#include "operators/psf_width.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "operators/psf.h"

#include <gsl/gsl_math.h>
#include <float.h>
#include <string.h>

enum {
    RINGS = 182,   /* up to the corner of the spectrum in steps of 1/256 */
    TRANSFER = 129 /* entries of |H|^2 from 0 to Nyquist's frequency */
};

static const double misfit = 0.4; /* of a power law, relative, for one ring */
static const double slope_mean = 1.3, slope_sd = 0.3;
static const double width_error = 0.12; /* relative, of the estimate, one sd */
static const double few_objects = 5;    /* over the side: the same, beside it */
static const double specimen_mean = 0.2, specimen_max = 0.7; /* px^2; px */
static const double widest_interval = 2.4;
static const double too_wide = 8; /* of -2 log L: widths above are out, with 2 % of false alarms */
static const double steepest = 2.2, largest = 4.3; /* slope of the specimen's spectrum; px */
static const double of_window = 0.08; /* of its side: the window itself is not much wider */
static const double first_width = 0.25, step = 0.08; /* px; logarithm of a ratio: up to 9 px */
static const double knees[] = {1e-3, 0.008, 0.016, 0.03, 0.06};
static const double first_slope = 0.4, slope_step = 0.2; /* up to 3 */

enum { KNEES = sizeof knees / sizeof *knees, SLOPES = 14, WIDTHS = 46, SMALLEST = 32 };

struct width_rings {
    size_t n;
    double f[RINGS], P[RINGS], m[RINGS], S[RINGS];
    double log_base[KNEES][RINGS]; /* log(f^2 + f0^2) */
};

/* ---- spectra ---- */

/* A plane, or the sum of a stack's planes, from in to out (rows x columns, zeros beyond). */
static void psf_width_flatten(float *out, size_t columns, const float *in, const scry_space *s)
{
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    const size_t planes = scry_space_count(s) / (ny * nx);
    for (size_t z = 0; z < planes; z++)
        for (size_t y = 0; y < ny; y++)
            for (size_t x = 0; x < nx; x++)
                out[y * columns + x] += in[(z * ny + y) * nx + x];
}

static double psf_width_hann(size_t i, size_t n)
{
    const double s = sin(SCRY_PI * ((double)i + 0.5) / (double)n);
    return s * s;
}

double scry_psf_width_weight(size_t y, size_t ny, size_t x, size_t nx)
{
    const double w = psf_width_hann(y, ny) * psf_width_hann(x, nx);
    return w * w;
}

/* v = w (v - its weighted mean); returns sum w^2. */
static double psf_width_window(float *v, size_t ny, size_t nx)
{
    double total = 0, weights = 0, square = 0;
    for (size_t i = 0; i < ny * nx; i++) {
        const double w = psf_width_hann(i / nx, ny) * psf_width_hann(i % nx, nx);
        total += w * v[i];
        weights += w;
        square += w * w;
    }
    for (size_t i = 0; i < ny * nx; i++)
        v[i] = (float)(psf_width_hann(i / nx, ny) * psf_width_hann(i % nx, nx) *
                       (v[i] - total / weights));
    return square;
}

/* Sums over frequencies, by |f|: their number, f, and |X|^2. */
struct bin {
    double modes, f, power;
};

/* |X|^2 of a real ny x nx image into bins of `width` cycles/px; frequencies beyond them are left
 * out. x is overwritten. */
static scry_status bin_spectrum(struct bin *bins, size_t count, double width, const float *x,
                                size_t ny, size_t nx, scry_error *err)
{
    const size_t dims[2] = {ny, nx};
    scry_fft *fft = NULL;
    float complex *X = NULL;
    void *work = NULL;
    scry_status st = scry_fft_create_real(&fft, 2, dims, err);
    if (st != SCRY_OK) return st;
    X = scry_alloc(scry_fft_bins(fft), sizeof *X);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!X || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of %zu x %zu pixels", ny, nx);
        goto done;
    }
    scry_fft_forward_real(fft, X, x, work);
    const size_t half = nx / 2 + 1;
    for (size_t k = 0; k < ny * half; k++) {
        const size_t row = k / half, column = k % half;
        const double fy = (double)(2 * row <= ny ? row : ny - row) / (double)ny;
        const double f = hypot(fy, (double)column / (double)nx);
        const size_t b = (size_t)(f / width + 0.5);
        if (b >= count) continue;
        const double modes = column == 0 || 2 * column == nx ? 1 : 2;
        const double re = crealf(X[k]), im = cimagf(X[k]);
        bins[b].modes += modes;
        bins[b].f += modes * f;
        bins[b].power += modes * (re * re + im * im);
    }
done:
    scry_free(X);
    scry_free(work);
    scry_fft_free(fft);
    return st;
}

/* The rings of y that carry information. A Hann window leaves 1 / 1.94 of the frequencies
 * independent along an axis, a real image half of all; the two lowest rings it distorts. */
static scry_status measure_rings(struct width_rings *r, const float *y, const scry_space *s,
                                 scry_psf_width_noise *noise, void *ctx, scry_error *err)
{
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    const double planes = (double)(scry_space_count(s) / (ny * nx));
    const double width = fmax(1.0 / (double)(ny < nx ? ny : nx), 1.0 / 256);
    struct bin bins[RINGS] = {{0, 0, 0}};
    float *v = scry_alloc(ny * nx, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "a plane of %zu x %zu pixels", ny, nx);
    psf_width_flatten(v, nx, y, s);
    const double square = psf_width_window(v, ny, nx);
    const scry_status st = bin_spectrum(bins, RINGS, width, v, ny, nx, err);
    scry_free(v);
    for (size_t b = 2; st == SCRY_OK && b < RINGS; b++) {
        if (!(bins[b].modes > 0)) continue;
        const size_t i = r->n++;
        const double m = bins[b].modes / (2 * 1.94 * 1.94);
        r->f[i] = bins[b].f / bins[b].modes;
        r->P[i] = bins[b].power / bins[b].modes / square;
        r->m[i] = m / (1 + misfit * misfit * m);
        r->S[i] = planes * noise(r->f[i], ctx);
        if (r->S[i] > DBL_MAX) {
            r->n--;
            continue;
        }
        if (!(r->S[i] >= 0))
            return SCRY_FAIL(err, SCRY_EINVAL, "noise spectrum %g at frequency %g, expected >= 0",
                             r->S[i], r->f[i]);
        for (size_t k = 0; k < KNEES; k++)
            r->log_base[k][i] = log(r->f[i] * r->f[i] + knees[k] * knees[k]);
    }
    return st;
}

/* The noise level at the highest frequencies, within the trust that an estimate of it deserves. */
static void level_noise(struct width_rings *r)
{
    double seen = 0, said = 0;
    for (size_t i = r->n - r->n / 8 - 1; i < r->n; i++) {
        seen += r->m[i] * r->P[i];
        said += r->m[i] * r->S[i];
    }
    if (!(said > 0)) return;
    const double level = fmin(fmax(seen / said, 0.7), 1.3);
    for (size_t i = 0; i < r->n; i++)
        r->S[i] *= level;
}

/* log |H(f)|^2 of the psf, relative to f = 0, averaged over directions. */
static scry_status measure_transfer(double *h, const float *psf, const scry_space *ps,
                                    scry_error *err)
{
    size_t n[2];
    for (int a = 0; a < 2; a++) {
        const size_t size = ps->dims[ps->rank - 2 + a];
        n[a] = scry_fft_good_size(size < 256 ? 256 : size, 1);
    }
    struct bin bins[TRANSFER] = {{0, 0, 0}};
    float *v = scry_alloc(n[0] * n[1], sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "transfer function");
    psf_width_flatten(v, n[1], psf, ps);
    const scry_status st = bin_spectrum(bins, TRANSFER, 0.5 / (TRANSFER - 1), v, n[0], n[1], err);
    scry_free(v);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < TRANSFER; i++) {
        const double ratio = bins[i].power / bins[i].modes / (bins[0].power / bins[0].modes);
        h[i] = log(fmin(fmax(ratio, 1e-12), 1));
    }
    return SCRY_OK;
}

/* log |H(f)|^2; beyond Nyquist's frequency, where the samples of the psf say nothing, as that of a
 * Gaussian goes on. */
static double transfer_log(const double *h, double f)
{
    const double at = f / 0.5 * (TRANSFER - 1);
    if (at >= TRANSFER - 1) return h[TRANSFER - 1] * 4 * f * f;
    const size_t i = (size_t)at;
    return h[i] + (at - (double)i) * (h[i + 1] - h[i]);
}

/* ---- the likelihood ---- */

/* Minimises -2 log L over log c by Newton's method from *log_c; g: the specimen's spectrum through
 * the psf for c = 1, in units of its largest value. */
static double fit_scale(double *log_c, const struct width_rings *r, const double *g)
{
    double value = 0;
    for (int k = 0; k < 30; k++) {
        double slope = 0, curve = 1e-9;
        const double c = exp(*log_c);
        value = 0;
        for (size_t i = 0; i < r->n; i++) {
            const double all = c * g[i] + r->S[i], share = c * g[i] / all;
            value += 2 * r->m[i] * (log(all) + r->P[i] / all);
            slope += r->m[i] * share * (1 - r->P[i] / all);
            curve += r->m[i] * share * share;
        }
        const double move = fmin(fmax(slope / curve, -1), 1);
        *log_c -= move;
        if (fabs(move) < 1e-3) break;
    }
    return value;
}

struct fit {
    double value, slope, knee; /* -2 log L with the prior, and where */
};

/* The best over c, p and f0; h: log |H_w|^2 of the rings. scale: log c of each p and f0, from the
 * width before (NAN: none) to this one. */
static struct fit fit_specimen(double (*scale)[SLOPES], const struct width_rings *r,
                               const double *h)
{
    struct fit best = {INFINITY, 0, 0};
    double g[RINGS];
    for (size_t k = 0; k < KNEES; k++)
        for (size_t j = 0; j < SLOPES; j++) {
            const double p = first_slope + slope_step * (double)j,
                         off = (p - slope_mean) / slope_sd;
            double max = -INFINITY, light = 0, shape = 0;
            for (size_t i = 0; i < r->n; i++) {
                g[i] = h[i] - p * r->log_base[k][i];
                max = fmax(max, g[i]);
            }
            for (size_t i = 0; i < r->n; i++) {
                g[i] = exp(g[i] - max);
                light += r->m[i] * fmax(r->P[i] - r->S[i], 0);
                shape += r->m[i] * g[i];
            }
            double log_c = isnan(scale[k][j]) ? log(light / shape) : scale[k][j] + max;
            const double value = fit_scale(&log_c, r, g) + off * off;
            scale[k][j] = log_c - max;
            if (value < best.value) best = (struct fit){value, p, knees[k]};
        }
    return best;
}

/* Where the profile, linear between its points, crosses `level` on one side of its minimum. */
static double psf_width_crossing(const double *profile, size_t at, int dir, double level)
{
    for (size_t i = at; dir < 0 ? i > 0 : i + 1 < WIDTHS; i += (size_t)dir) {
        const double a = profile[i], b = profile[i + (size_t)dir];
        if (b >= level) return (double)i + dir * (level - a) / (b - a);
    }
    return dir < 0 ? 0 : WIDTHS - 1;
}

/* From the profile over the grid to the answer, for a field of so many pixels a side. */
static void psf_width_conclude(scry_psf_width *out, const double *profile, size_t best, double side)
{
    const double error = hypot(width_error, few_objects / side);
    const double level = profile[best] + 3.84; /* 95 % of chi^2 with one degree of freedom */
    double at = (double)best;
    if (best > 0 && best + 1 < WIDTHS) {
        const double a = profile[best - 1], b = profile[best], c = profile[best + 1];
        at += a - 2 * b + c > 0 ? 0.5 * (a - c) / (a - 2 * b + c) : 0;
    }
    const double from = psf_width_crossing(profile, best, -1, level);
    const double to = psf_width_crossing(profile, best, 1, profile[best] + too_wide);
    const double width = first_width * exp(step * at);
    const double down = hypot(step * (at - from), 2 * error);
    const double up = hypot(step * (to - at), 2 * error);
    const double low = width * exp(-down), high = width * exp(up);
    /* The slope of the specimen's spectrum, -d log S / d log f, where the psf starts to act. Points
     * and lines, which have a flat one, are not smooth by themselves. */
    const double f2 = gsl_pow_2(1 / (4 * SCRY_PI * width));
    const double slope = 2 * out->slope * f2 / (f2 + out->knee * out->knee);
    const double own = specimen_mean * fmin(slope / 1.5, 1);
    const double sigma = sqrt(fmax(width * width - own, width * width / 4));
    const bool soft = slope > steepest || sigma > fmin(largest, of_window * side);
    out->determined = from > 0 && to < WIDTHS - 1 && high / low < widest_interval && !soft;
    out->factor = sigma / out->sigma;
    out->low =
        from > 0 && !soft ? sqrt(fmax(low * low - specimen_max * specimen_max, 0)) / out->sigma : 0;
    out->high = to < WIDTHS - 1 ? high / out->sigma : INFINITY;
}

static scry_status width_check(const scry_space *s, const char *what, scry_error *err)
{
    if (s->cplx || s->rank < 2 || s->rank > 3)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "width of the psf: the %s has %d axes%s, expected 2 or 3", what, s->rank,
                         s->cplx ? " and is complex" : "");
    return scry_space_check(s, err);
}

static bool has_light(const struct width_rings *r)
{
    double light = 0;
    for (size_t i = 0; i < r->n; i++)
        light += r->m[i] * fmax(r->P[i] - r->S[i], 0);
    return light > 0;
}

scry_status scry_psf_width_estimate(scry_psf_width *out, const float *y, const scry_space *s,
                                    const float *psf, const scry_space *ps,
                                    scry_psf_width_noise *noise, void *ctx, scry_error *err)
{
    struct width_rings *r = NULL;
    double transfer[TRANSFER], h[RINGS], profile[WIDTHS], scale[KNEES][SLOPES];
    scry_psf_stats stats;
    *out = (scry_psf_width){.factor = 1, .high = INFINITY};
    scry_status st = width_check(s, "image", err);
    if (st == SCRY_OK) st = width_check(ps, "psf", err);
    if (st == SCRY_OK && !scry_finite(y, scry_space_count(s)))
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "width of the psf: NaN or infinite pixels");
    if (st == SCRY_OK) st = scry_psf_measure(&stats, psf, ps, err);
    if (st != SCRY_OK) return st;
    const double fwhm = (stats.fwhm[ps->rank - 1] + stats.fwhm[ps->rank - 2]) / 2;
    out->sigma = fwhm / (2 * sqrt(2 * M_LN2));
    if (s->dims[s->rank - 1] < SMALLEST || s->dims[s->rank - 2] < SMALLEST || !(fwhm > 0))
        return SCRY_OK;
    r = scry_alloc(1, sizeof *r);
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of the image");
    if ((st = measure_rings(r, y, s, noise, ctx, err)) != SCRY_OK) goto done;
    if ((st = measure_transfer(transfer, psf, ps, err)) != SCRY_OK) goto done;
    level_noise(r);
    if (!has_light(r)) goto done;
    size_t best = 0;
    for (size_t k = 0; k < KNEES * SLOPES; k++)
        scale[k / SLOPES][k % SLOPES] = NAN;
    for (size_t k = 0; k < WIDTHS; k++) {
        if ((st = scry_cancel_check(err)) != SCRY_OK) goto done;
        const double factor = first_width * exp(step * (double)k) / out->sigma;
        for (size_t i = 0; i < r->n; i++)
            h[i] = transfer_log(transfer, factor * r->f[i]);
        const struct fit now = fit_specimen(scale, r, h);
        profile[k] = now.value;
        if (profile[k] >= profile[best] && k) continue;
        best = k;
        out->slope = now.slope;
        out->knee = now.knee;
    }
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    psf_width_conclude(out, profile, best, (double)(ny < nx ? ny : nx));
done:
    scry_free(r);
    return st;
}

bool scry_psf_width_contradicts(const scry_psf_width *w)
{
    return w->high < 1 || (w->determined && w->low > 1);
}
