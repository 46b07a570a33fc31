/* Tables of radial profiles h(r, z), from which the pixels are integrated.
 *
 * The intensity has the band limit 2 NA / lambda; the tables sample 32 times finer than its Nyquist
 * rate, where cubic interpolation is good to 1e-5 of the peak. All planes share one table of J0, so
 * the integrals are two matrix-vector products a plane. */
#include "operators/psf_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"

#include <gsl/gsl_integration.h>
#include <gsl/gsl_sf_bessel.h>
#include <math.h>
#include <string.h>

#define STEPS_PER_RESOLUTION 64 /* radii per lambda / NA */

double scryi_radial_at(const double *h, size_t n, double x)
{
    size_t i = (size_t)x;
    if (i + 2 >= n) i = n - 3;
    const double t = x - (double)i;
    const double a = h[i ? i - 1 : 1]; /* even in r */
    const double b = h[i], c = h[i + 1], d = h[i + 2];
    /* Lagrange through -1, 0, 1, 2 */
    return b + t * ((c - a / 3 - b / 2 - d / 6) +
                    t * ((a + c) / 2 - b + t * ((b - c) / 2 + (d - a) / 6)));
}

void scryi_radial_free(scryi_radial *t)
{
    scry_free(t->h);
    *t = (scryi_radial){0};
}

static scry_status radial_alloc(scryi_radial *t, size_t planes, double step, double reach,
                                scry_error *err)
{
    const double count = ceil(reach / step) + 4;
    size_t total = 0;
    *t = (scryi_radial){.planes = planes, .step = step};
    if (count < 1e7) {
        t->n = (size_t)count;
        if (scry_mul(&total, planes, t->n)) t->h = scry_alloc(total, sizeof *t->h);
    }
    if (!t->h)
        return SCRY_FAIL(err, SCRY_ENOMEM,
                         "psf: %zu profiles of %.3g radii; ask for a smaller size", planes, count);
    return SCRY_OK;
}

/* |sum_i weight_i J0(k s_i r) exp(i phase_i)|^2 for all radii of one plane. */
static void fill_plane(double *h, size_t n, const double *bessel, const scryi_pupil *P, double z,
                       double *re, double *im)
{
    for (size_t i = 0; i < P->n; i++) {
        const double phase = P->k * (P->base[i] - (P->focus + z) * P->axial[i]);
        re[i] = P->weight[i] * cos(phase);
        im[i] = P->weight[i] * sin(phase);
    }
    for (size_t j = 0; j < n; j++) {
        const double *J = bessel + j * P->n;
        double a = 0, b = 0;
        for (size_t i = 0; i < P->n; i++) {
            a += J[i] * re[i];
            b += J[i] * im[i];
        }
        h[j] = a * a + b * b;
    }
}

/* t->h has room; every plane of a lens. */
static scry_status fill_lens(scryi_radial *t, const scryi_pupil *P, double dz, scry_error *err)
{
    size_t cells = 0;
    double *bessel = NULL, *scratch = scry_alloc(t->planes, 2 * P->n * sizeof *scratch);
    if (scry_mul(&cells, t->n, P->n) && cells < (size_t)1 << 28)
        bessel = scry_alloc(cells, sizeof *bessel);
    scry_status st = SCRY_OK;
    if (!bessel || !scratch) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "psf: %zu radii times %zu nodes; ask for a smaller size",
                       t->n, P->n);
        goto done;
    }
#pragma omp parallel for schedule(static)
    for (size_t j = 0; j < t->n; j++)
        for (size_t i = 0; i < P->n; i++)
            bessel[j * P->n + i] = gsl_sf_bessel_J0(P->k * P->s[i] * (double)j * t->step);
#pragma omp parallel for schedule(static)
    for (size_t m = 0; m < t->planes; m++) {
        double *re = scratch + m * 2 * P->n;
        const double z = ((double)m - (double)(t->planes / 2)) * dz;
        fill_plane(t->h + m * t->n, t->n, bessel, P, z, re, re + P->n);
    }
    t->light = P->light * (double)t->planes;
    t->shift = P->focus - P->depth;
done:
    scry_free(bessel);
    scry_free(scratch);
    return st;
}

static double step_for(double lambda_nm, double na)
{
    return lambda_nm * 1e-3 / na / STEPS_PER_RESOLUTION;
}

static scry_status psf_radial_lens(scryi_radial *t, const scry_psf_params *p, double lambda_nm,
                                   double step, size_t planes, double dz, double reach,
                                   scry_error *err)
{
    scryi_pupil P = {0};
    const double reach_z = dz * (double)(planes / 2);
    scry_status st = scryi_pupil_create(&P, p, lambda_nm, reach, reach_z, err);
    if (st == SCRY_OK) st = radial_alloc(t, planes, step, reach, err);
    if (st == SCRY_OK) st = fill_lens(t, &P, dz, err);
    scryi_pupil_free(&P);
    return st;
}

/* [2 J1(v)/v]^2, whose integral over the plane is 4 pi / (k NA)^2; in every plane. */
static scry_status psf_radial_airy(scryi_radial *t, const scry_psf_params *p, size_t planes,
                                   double reach, scry_error *err)
{
    const double na = p->value[SCRY_PSF_NA], lambda = p->value[SCRY_PSF_WAVELENGTH];
    const double k = 2 * SCRY_PI * na / (lambda * 1e-3);
    scry_status st = radial_alloc(t, planes, step_for(lambda, na), reach, err);
    if (st != SCRY_OK) return st;
    for (size_t j = 0; j < t->n; j++) {
        const double v = k * (double)j * t->step;
        const double a = j ? 2 * gsl_sf_bessel_J1(v) / v : 1;
        t->h[j] = a * a;
    }
    for (size_t m = 1; m < planes; m++)
        memcpy(t->h + m * t->n, t->h, t->n * sizeof *t->h);
    t->light = 4 * SCRY_PI / (k * k) * (double)planes;
    return SCRY_OK;
}

/* Points of a quadrature over a disc of radius a: Gauss-Legendre in the square of the radius, equal
 * angles. Both converge exponentially for a band-limited profile. */
struct disc {
    size_t n;
    double *radius, *cosine, *weight; /* weights sum to 1 */
};

static scry_status disc_create(struct disc *d, double a, double step, scry_error *err)
{
    const size_t rings = 8 + (size_t)(a / step / 16), angles = 8 + (size_t)(a / step / 8);
    gsl_integration_glfixed_table *rule = gsl_integration_glfixed_table_alloc(rings);
    d->n = rings * angles;
    d->radius = scry_alloc(3 * d->n, sizeof *d->radius);
    if (!rule || !d->radius) {
        if (rule) gsl_integration_glfixed_table_free(rule);
        return SCRY_FAIL(err, SCRY_ENOMEM, "psf: pinhole of %zu points", d->n);
    }
    d->cosine = d->radius + d->n;
    d->weight = d->radius + 2 * d->n;
    for (size_t m = 0; m < rings; m++) {
        double u, w;
        gsl_integration_glfixed_point(0, 1, m, &u, &w, rule);
        for (size_t l = 0; l < angles; l++) {
            const size_t i = m * angles + l;
            d->radius[i] = a * sqrt(u) / step;
            d->cosine[i] = cos(SCRY_PI * ((double)l + 0.5) / (double)angles);
            d->weight[i] = w / (double)angles;
        }
    }
    gsl_integration_glfixed_table_free(rule);
    return SCRY_OK;
}

/* The mean of a profile over the disc around each of n radii. */
static void disc_convolve(double *out, size_t n, const double *in, size_t in_n,
                          const struct disc *d)
{
    for (size_t j = 0; j < n; j++) {
        const double r = (double)j;
        double sum = 0;
        for (size_t i = 0; i < d->n; i++) {
            const double s = d->radius[i];
            const double r2 = r * r + s * s - 2 * r * s * d->cosine[i];
            sum += d->weight[i] * scryi_radial_at(in, in_n, sqrt(fmax(r2, 0)));
        }
        out[j] = sum;
    }
}

/* Integral of h 2 pi r dr over the table, trapezoids, up to radius index j. */
static void psf_radial_cumulate(double *total, const scryi_radial *t)
{
    const double area = 2 * SCRY_PI * t->step * t->step;
    for (size_t j = 0; j < t->n; j++) {
        double h = 0;
        for (size_t m = 0; m < t->planes; m++)
            h += t->h[m * t->n + j];
        total[j] = area * h * (double)j;
    }
    for (size_t j = t->n - 1; j > 0; j--)
        total[j] = (total[j] + total[j - 1]) / 2;
    total[0] = 0;
    for (size_t j = 1; j < t->n; j++)
        total[j] += total[j - 1];
}

static scry_status psf_radial_confocal(scryi_radial *t, const scry_psf_params *p, size_t planes,
                                       double dz, double reach, scry_error *err)
{
    const double na = p->value[SCRY_PSF_NA];
    const double excitation = p->value[SCRY_PSF_EXCITATION];
    const double emission = p->value[SCRY_PSF_WAVELENGTH];
    const double step = step_for(fmin(excitation, emission), na);
    const double pinhole = p->value[SCRY_PSF_PINHOLE] * 0.61 * emission * 1e-3 / na; /* radius */
    scryi_radial detect = {0};
    struct disc disc = {0};
    double *sums = NULL;
    scry_status st = psf_radial_lens(t, p, excitation, step, planes, dz, reach, err);
    if (st == SCRY_OK)
        st = psf_radial_lens(&detect, p, emission, step, planes, dz, reach + pinhole + 4 * step,
                             err);
    if (st == SCRY_OK) st = disc_create(&disc, pinhole, step, err);
    if (st != SCRY_OK) goto done;
    sums = scry_alloc(planes * t->n, sizeof *sums);
    if (!sums) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "psf: %zu detection profiles", planes);
        goto done;
    }
#pragma omp parallel for schedule(static)
    for (size_t m = 0; m < planes; m++) {
        double *seen = sums + m * t->n, *h = t->h + m * t->n;
        if (pinhole > 0)
            disc_convolve(seen, t->n, detect.h + m * detect.n, detect.n, &disc);
        else
            memcpy(seen, detect.h + m * detect.n, t->n * sizeof *seen);
        for (size_t j = 0; j < t->n; j++)
            h[j] *= seen[j];
    }
    /* No closed form for the light; the profile falls as r^-6, so the table holds all that
     * counts. */
    psf_radial_cumulate(sums, t);
    t->light = sums[t->n - 1];
done:
    scryi_radial_free(&detect);
    scry_free(disc.radius);
    scry_free(sums);
    return st;
}

scry_status scryi_radial_create(scryi_radial *t, const scry_psf_params *p, size_t planes, double dz,
                                double reach, scry_error *err)
{
    const double lambda = p->value[SCRY_PSF_WAVELENGTH];
    scry_status st;
    *t = (scryi_radial){0};
    if (p->model == SCRY_PSF_AIRY)
        st = psf_radial_airy(t, p, planes, reach, err);
    else if (p->model == SCRY_PSF_CONFOCAL)
        st = psf_radial_confocal(t, p, planes, dz, reach, err);
    else
        st = psf_radial_lens(t, p, lambda, step_for(lambda, p->value[SCRY_PSF_NA]), planes, dz,
                             reach, err);
    if (st != SCRY_OK) scryi_radial_free(t);
    return st;
}

double scryi_radial_support(const scryi_radial *t, double energy, double *held)
{
    double sum = 0, before = 0;
    const double area = 2 * SCRY_PI * t->step * t->step;
    size_t j = 0;
    for (; j < t->n && sum < energy * t->light; j++) {
        double h = 0;
        for (size_t m = 0; m < t->planes; m++)
            h += t->h[m * t->n + j];
        h *= area * (double)j;
        sum += (h + before) / 2;
        before = h;
    }
    *held = fmin(sum / t->light, 1);
    return (double)(j ? j - 1 : 0) * t->step;
}

/* The lens that bounds the extent: for confocal the excitation, whose product decays faster
 * still. */
static double bounding_wavelength(const scry_psf_params *p)
{
    return p->value[p->model == SCRY_PSF_CONFOCAL ? SCRY_PSF_EXCITATION : SCRY_PSF_WAVELENGTH];
}

scry_status scryi_axial_extent(double *extent, const scry_psf_params *p, double cap,
                               scry_error *err)
{
    scryi_pupil P = {0};
    scry_status st = scryi_pupil_create(&P, p, bounding_wavelength(p), 0, cap, err);
    if (st != SCRY_OK) return st;
    /* A product of two such profiles is below 1 % where each is below 10 %. */
    const double dark = p->model == SCRY_PSF_CONFOCAL ? 0.1 : 0.01;
    const double peak = scryi_pupil_on_axis(&P, 0);
    const int steps = 512;
    *extent = 0;
    for (int i = 1; i <= steps; i++) {
        const double z = cap * i / steps;
        const double value = fmax(scryi_pupil_on_axis(&P, z), scryi_pupil_on_axis(&P, -z));
        if (value >= dark * peak) *extent = z;
    }
    scryi_pupil_free(&P);
    return SCRY_OK;
}

scry_status scryi_lateral_bound(double *bound, const scry_psf_params *p, double energy, double z,
                                scry_error *err)
{
    /* Diffraction at a sharp edge: 1 - E(v) ~ 2 / (pi v), Born & Wolf 8.5.2. */
    const double lambda = bounding_wavelength(p), na = p->value[SCRY_PSF_NA];
    *bound = lambda * 1e-3 / na / (SCRY_PI * SCRY_PI * (1 - energy));
    if (p->model == SCRY_PSF_AIRY) return SCRY_OK;
    scryi_pupil P = {0};
    scry_status st = scryi_pupil_create(&P, p, lambda, 0, z, err);
    if (st != SCRY_OK) return st;
    *bound += fmax(scryi_pupil_ray(&P, z), scryi_pupil_ray(&P, -z));
    scryi_pupil_free(&P);
    return SCRY_OK;
}
