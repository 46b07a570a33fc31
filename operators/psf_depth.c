/* Symbols of the header. */
#include "operators/psf_depth.h"

#include "lib/cancel.h"
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "operators/psf.h"

#include <gsl/gsl_math.h>
#include <string.h>

enum { RINGS = 12, SMALLEST = 32 };      /* rings up to half a cycle a pixel; ring 0 is left out */
enum { LAGS = 16, REACH = 32 };          /* planes between two of the stack, and of the psf */
enum { PSF_LEAST = 64, PSF_MOST = 128 }; /* pixels of the psf's planes that are looked at */

static const double signal_least = 2;  /* over the noise */
static const double noise_error = 0.2; /* of the noise's level, relative */
static const double errors = 2;        /* standard ones, of a likeness */
static const double hann_modes = 1.94; /* frequencies of an axis for one that is independent */
static const double least = 0.02, most = 0.98; /* of a likeness that says something */

/* ---- spectra of planes ---- */

/* Planes of ny x nx pixels by their transforms, and the ring of each frequency. */
struct depth_planes {
    size_t nz, ny, nx, bins;
    float complex *Y; /* nz x bins */
    unsigned char *ring;
    double modes[RINGS]; /* frequencies of a ring; of a real image half are independent */
};

static void depth_planes_free(struct depth_planes *p)
{
    scry_free(p->Y);
    scry_free(p->ring);
}

static void depth_planes_rings(struct depth_planes *p)
{
    const size_t half = p->nx / 2 + 1;
    for (size_t k = 0; k < p->bins; k++) {
        const size_t row = k / half, column = k % half;
        const double fy = (double)(2 * row <= p->ny ? row : p->ny - row) / (double)p->ny;
        const double f = hypot(fy, (double)column / (double)p->nx);
        const double ring = 2 * RINGS * f + 0.5;
        p->ring[k] = ring < RINGS ? (unsigned char)ring : RINGS;
        if (p->ring[k] < RINGS) p->modes[p->ring[k]] += column == 0 || 2 * column == p->nx ? 1 : 2;
    }
}

/* The plane under a Hann window, its weighted mean taken off; scaled to keep white noise. */
static void depth_window(float *v, const float *plane, size_t ny, size_t nx)
{
    double total = 0, weights = 0, square = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < ny * nx; i++) {
            const double a = sin(SCRY_PI * ((double)(i / nx) + 0.5) / (double)ny);
            const double b = sin(SCRY_PI * ((double)(i % nx) + 0.5) / (double)nx);
            const double w = a * a * b * b;
            if (pass) v[i] = (float)(w / sqrt(square) * ((double)plane[i] - total / weights));
            if (pass) continue;
            total += w * (double)plane[i];
            weights += w;
            square += w * w;
        }
}

/* The middle my x mx of a plane of ny x nx in one of `to`, zeros around it. */
static void depth_pad(float *v, const struct depth_planes *to, const float *plane, size_t ny,
                      size_t nx)
{
    const size_t my = ny < to->ny ? ny : to->ny, mx = nx < to->nx ? nx : to->nx;
    memset(v, 0, to->ny * to->nx * sizeof *v);
    for (size_t y = 0; y < my; y++)
        memcpy(v + y * to->nx, plane + ((ny - my) / 2 + y) * nx + (nx - mx) / 2, mx * sizeof *v);
}

/* window: under a Hann window; else padded or cut to p->ny x p->nx. */
static scry_status depth_planes_take(struct depth_planes *p, const float *in, const scry_space *s,
                                     bool window, scry_error *err)
{
    const size_t dims[2] = {p->ny, p->nx}, ny = s->dims[1], nx = s->dims[2];
    scry_fft *fft = NULL;
    void *work = NULL;
    float *v = scry_alloc(p->ny * p->nx, sizeof *v);
    scry_status st = scry_fft_create_real(&fft, 2, dims, err);
    if (st != SCRY_OK) goto done;
    p->nz = s->dims[0];
    p->bins = scry_fft_bins(fft);
    p->Y = scry_alloc(p->nz * p->bins, sizeof *p->Y);
    p->ring = scry_alloc(p->bins, 1);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!v || !p->Y || !p->ring || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu planes of %zu x %zu pixels", p->nz, p->ny,
                       p->nx);
        goto done;
    }
    depth_planes_rings(p);
    for (size_t z = 0; z < p->nz && st == SCRY_OK; z++) {
        const float *plane = in + z * ny * nx;
        if (window)
            depth_window(v, plane, ny, nx);
        else
            depth_pad(v, p, plane, ny, nx);
        scry_fft_forward_real(fft, p->Y + z * p->bins, v, work);
        st = scry_cancel_check(err);
    }
done:
    scry_fft_free(fft);
    scry_free(work);
    scry_free(v);
    return st;
}

/* Sums over the rings of Re a* b, frequencies that are not stored counted. */
static void depth_across(double sum[RINGS], const struct depth_planes *p, size_t a, size_t b)
{
    const float complex *u = p->Y + a * p->bins, *v = p->Y + b * p->bins;
    const size_t half = p->nx / 2 + 1;
    for (size_t k = 0; k < p->bins; k++) {
        const size_t column = k % half;
        if (p->ring[k] >= RINGS) continue;
        const double weight = column == 0 || 2 * column == p->nx ? 1 : 2;
        sum[p->ring[k]] += weight * ((double)crealf(u[k]) * (double)crealf(v[k]) +
                                     (double)cimagf(u[k]) * (double)cimagf(v[k]));
    }
}

/* ---- the bound ---- */

/* g[l][k] of the psf; its count of lags. */
static size_t depth_expect(double g[REACH][RINGS], const struct depth_planes *p)
{
    const size_t lags = p->nz < REACH ? p->nz : REACH;
    for (size_t l = 0; l < lags; l++) {
        memset(g[l], 0, sizeof g[l]);
        for (size_t z = 0; z + l < p->nz; z++)
            depth_across(g[l], p, z, z + l);
    }
    for (size_t k = 0; k < RINGS; k++) {
        const double all = g[0][k];
        for (size_t l = 0; l < lags; l++)
            g[l][k] = all > 0 ? g[l][k] / all : 0;
    }
    return lags;
}

/* The distance at which the psf's planes are as alike as `rho`; 0: none within its reach. */
static double depth_distance(double (*g)[RINGS], size_t lags, size_t k, double rho)
{
    size_t l = 1;
    while (l < lags && g[l][k] >= rho)
        l++;
    if (l == lags) return 0;
    return (double)l - 1 + (g[l - 1][k] - rho) / (g[l - 1][k] - g[l][k]);
}

/* The largest factor that planes `lag` apart allow. */
static double depth_of_lag(const struct depth_planes *p, size_t lag, const double noise[RINGS],
                           double (*g)[RINGS], size_t lags)
{
    double alike[RINGS] = {0}, power[RINGS] = {0}, high = INFINITY;
    const double pairs = (double)(p->nz - lag);
    for (size_t z = 0; z + lag < p->nz; z++) {
        depth_across(alike, p, z, z + lag);
        depth_across(power, p, z, z);
        depth_across(power, p, z + lag, z + lag);
    }
    for (size_t k = 1; k < RINGS; k++) {
        const double signal = power[k] / (2 * pairs * p->modes[k]) - noise[k];
        if (!(signal > signal_least * noise[k])) continue;
        double length = 1; /* planes that say the same */
        for (size_t l = 1; l < lags; l++)
            length += 2 * g[l][k] * g[l][k];
        const double rho = alike[k] / (pairs * p->modes[k]) / signal;
        const double count = p->modes[k] / (2 * hann_modes * hann_modes) * fmax(pairs / length, 1);
        const double scatter = (1 - fmin(rho * rho, 1)) / sqrt(2 * count);
        const double error = hypot(scatter, noise_error * noise[k] / signal * rho);
        const double upper = fmax(rho + errors * error, least);
        const double distance = upper < most ? depth_distance(g, lags, k, upper) : 0;
        if (distance > 0) high = fmin(high, (double)lag / distance);
    }
    return high;
}

static scry_status depth_noise(double level[RINGS], const struct depth_planes *p,
                               scry_psf_width_noise *noise, void *ctx, scry_error *err)
{
    double lowest = INFINITY, power[RINGS] = {0};
    for (size_t z = 0; z < p->nz; z++)
        depth_across(power, p, z, z);
    for (size_t k = 1; k < RINGS; k++)
        lowest = fmin(lowest, power[k] / ((double)p->nz * p->modes[k]));
    for (size_t k = 1; k < RINGS; k++) {
        const double said = noise((double)k / (2 * RINGS), ctx);
        if (!(said >= 0))
            return SCRY_FAIL(err, SCRY_EINVAL, "noise spectrum %g at frequency %g, expected >= 0",
                             said, (double)k / (2 * RINGS));
        level[k] = fmax(said, lowest);
    }
    return SCRY_OK;
}

static scry_status depth_check(const float *y, const scry_space *s, const scry_space *ps,
                               scry_error *err)
{
    const scry_space *const spaces[] = {s, ps};
    for (int i = 0; i < 2; i++)
        if (spaces[i]->cplx || spaces[i]->rank != 3 || !scry_space_count(spaces[i]))
            return SCRY_FAIL(
                err, SCRY_ESHAPE, "length of the psf: the %s has %d axes%s, expected 3 (z, y, x)",
                i ? "psf" : "image", spaces[i]->rank, spaces[i]->cplx ? " and is complex" : "");
    if (!scry_finite(y, scry_space_count(s)))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "length of the psf: NaN or infinite pixels");
    return SCRY_OK;
}

static size_t depth_side(size_t pixels)
{
    return pixels < PSF_LEAST ? PSF_LEAST : PSF_MOST;
}

scry_status scry_psf_depth_estimate(scry_psf_depth *out, const float *y, const scry_space *s,
                                    const float *psf, const scry_space *ps,
                                    scry_psf_width_noise *noise, void *ctx, scry_error *err)
{
    *out = (scry_psf_depth){.high = INFINITY};
    scry_psf_stats stats;
    double level[RINGS], g[REACH][RINGS];
    scry_status st = depth_check(y, s, ps, err);
    if (st == SCRY_OK) st = scry_psf_measure(&stats, psf, ps, err);
    if (st != SCRY_OK) return st;
    out->sigma = stats.fwhm[0] / (2 * sqrt(2 * M_LN2));
    const size_t nz = s->dims[0], ny = s->dims[1], nx = s->dims[2];
    if (nz < 2 || ny < SMALLEST || nx < SMALLEST || ps->dims[0] < 2) return SCRY_OK;
    struct depth_planes image = {.ny = ny, .nx = nx};
    struct depth_planes point = {.ny = depth_side(ps->dims[1]), .nx = depth_side(ps->dims[2])};
    st = depth_planes_take(&image, y, s, true, err);
    if (st == SCRY_OK) st = depth_planes_take(&point, psf, ps, false, err);
    if (st == SCRY_OK) st = depth_noise(level, &image, noise, ctx, err);
    if (st == SCRY_OK) {
        const size_t lags = depth_expect(g, &point);
        for (size_t l = 1; l < nz && l < LAGS; l++)
            out->high = fmin(out->high, depth_of_lag(&image, l, level, g, lags));
    }
    depth_planes_free(&image);
    depth_planes_free(&point);
    return st;
}
