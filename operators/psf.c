/* From a model to voxels: the size of the support, then the integral over each pixel.
 *
 * The optical models are rotationally symmetric about the axis, so that a pixel value is the
 * integral of a radial profile over a square. One octant is computed, by a Gauss-Legendre rule of
 * enough points for the band limit 2 NA / lambda, and copied to the other seven. */
#include "operators/psf.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "operators/psf_impl.h"

#include <gsl/gsl_integration.h>
#include <math.h>
#include <string.h>

#define DEFAULT_HALF 64 /* an automatic support ends at 129 voxels unless a limit is given */
#define MAX_POINTS 64   /* of the rule along one side of a pixel */

/* Largest half size that `limit` allows on an axis. Planes far from focus spread their light over a
 * cone that leaves 129 voxels soon, so that a volume has the size of its limit. */
static size_t half_cap(const size_t *limit, int axis, int rank)
{
    if (!limit || !limit[axis]) return DEFAULT_HALF;
    const size_t half = (limit[axis] - 1) / 2;
    return half < DEFAULT_HALF || rank == 3 ? half : DEFAULT_HALF;
}

/* The half size that the user gave on an axis, or -1. */
static ptrdiff_t half_given(const scry_psf_params *p, bool axial)
{
    const scry_psf_key key = axial ? SCRY_PSF_SIZE_Z : SCRY_PSF_SIZE;
    return p->origin[key] == SCRY_PSF_UNSET ? -1 : (ptrdiff_t)p->value[key] / 2;
}

static scry_status psf_allocate(float **psf, scry_space *s, int rank, const size_t *half,
                                scry_error *err)
{
    *s = (scry_space){.rank = rank};
    for (int a = 0; a < rank; a++)
        s->dims[a] = 2 * half[a] + 1;
    scry_status st = scry_space_check(s, err);
    if (st != SCRY_OK) return st;
    char text[64];
    *psf = scry_alloc(scry_space_count(s), sizeof **psf);
    if (!*psf)
        return SCRY_FAIL(err, SCRY_ENOMEM, "psf of %s voxels",
                         scry_space_print(s, text, sizeof text));
    return SCRY_OK;
}

/* Integral of the unit normal density over the voxel at distance d, in voxels. */
static double gaussian_voxel(double d, double sigma)
{
    if (sigma == 0) return d == 0 ? 1 : 0;
    const double c = 1 / (sigma * sqrt(2));
    return d < 0 ? gaussian_voxel(-d, sigma) : (erfc((d - 0.5) * c) - erfc((d + 0.5) * c)) / 2;
}

static scry_status psf_gaussian(float **psf, scry_space *s, const scry_psf_params *p, int rank,
                                const size_t *limit, double *energy, scry_error *err)
{
    const double reach = sqrt(-2 * log(1 - p->value[SCRY_PSF_ENERGY]));
    size_t half[3];
    double sigma[3], sum = 0;
    for (int a = 0; a < rank; a++) {
        sigma[a] = p->value[SCRY_PSF_SIGMA_X + (rank - 1 - a)];
        const ptrdiff_t given = half_given(p, rank - a == 3);
        const size_t cap = half_cap(limit, a, rank), need = (size_t)ceil(reach * sigma[a]);
        half[a] = given >= 0 ? (size_t)given : need < cap ? need : cap;
    }
    scry_status st = psf_allocate(psf, s, rank, half, err);
    if (st != SCRY_OK) return st;
    const size_t count = scry_space_count(s);
    for (size_t i = 0; i < count; i++) {
        double value = 1;
        size_t rest = i;
        for (int a = rank - 1; a >= 0; a--) {
            value *= gaussian_voxel((double)(rest % s->dims[a]) - (double)half[a], sigma[a]);
            rest /= s->dims[a];
        }
        (*psf)[i] = (float)value;
        sum += value;
    }
    for (size_t i = 0; i < count; i++)
        (*psf)[i] = (float)((*psf)[i] / sum);
    *energy = sum;
    return SCRY_OK;
}

/* Gauss-Legendre points over one pixel. */
struct rule {
    size_t n;
    double at[MAX_POINTS], weight[MAX_POINTS]; /* in pixels from the centre; weights sum to 1 */
};

/* Over a pixel, the highest frequency 2 NA / lambda turns by `phase`; n points resolve 2 n
 * radians. */
static scry_status rule_for(struct rule *rule, double phase, scry_error *err)
{
    const double n = fmin(3 + ceil(phase / 2), MAX_POINTS);
    rule->n = (size_t)n;
    gsl_integration_glfixed_table *table = gsl_integration_glfixed_table_alloc(rule->n);
    if (!table) return SCRY_FAIL(err, SCRY_ENOMEM, "psf: rule of %zu points", rule->n);
    for (size_t i = 0; i < rule->n; i++)
        gsl_integration_glfixed_point(-0.5, 0.5, i, &rule->at[i], &rule->weight[i], table);
    gsl_integration_glfixed_table_free(table);
    return SCRY_OK;
}

/* Mean of the profile over the pixel (y, x); scale = pixel / radial step. */
static double psf_pixel_mean(const double *h, size_t n, const struct rule *rule, double y, double x,
                             double scale)
{
    double sum = 0;
    for (size_t i = 0; i < rule->n; i++) {
        const double dy = y + rule->at[i];
        for (size_t j = 0; j < rule->n; j++) {
            const double dx = x + rule->at[j];
            sum += rule->weight[i] * rule->weight[j] *
                   scryi_radial_at(h, n, sqrt(dy * dy + dx * dx) * scale);
        }
    }
    return fmax(sum, 0); /* interpolation may undershoot a zero by 1e-6 of the peak */
}

/* All eight images of (y, x), 0 <= x <= y, in a plane of (2 half + 1)^2. */
static void psf_mirror(float *plane, size_t half, size_t y, size_t x, float value)
{
    const size_t w = 2 * half + 1;
    const size_t ys[2] = {half - y, half + y}, xs[2] = {half - x, half + x};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            plane[ys[i] * w + xs[j]] = value;
            plane[xs[j] * w + ys[i]] = value;
        }
}

/* Fills psf; returns through *energy the fraction of the light in it. */
static scry_status integrate_pixels(float *psf, const scry_psf_params *p, const scryi_radial *t,
                                    size_t half, double *energy, scry_error *err)
{
    const double pixel = p->value[SCRY_PSF_PIXEL] * 1e-3;
    double wavelength = p->value[SCRY_PSF_WAVELENGTH] * 1e-3;
    if (p->model == SCRY_PSF_CONFOCAL) /* the band limits of both add up */
        wavelength = 1 / (1 / wavelength + 1e3 / p->value[SCRY_PSF_EXCITATION]);
    struct rule rule;
    scry_status st = rule_for(&rule, 4 * SCRY_PI * p->value[SCRY_PSF_NA] / wavelength * pixel, err);
    if (st != SCRY_OK) return st;
    const size_t w = 2 * half + 1, rows = t->planes * (half + 1);
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t row = 0; row < rows; row++) {
        const size_t m = row / (half + 1), y = row % (half + 1);
        for (size_t x = 0; x <= y; x++) {
            const double value =
                psf_pixel_mean(t->h + m * t->n, t->n, &rule, (double)y, (double)x, pixel / t->step);
            psf_mirror(psf + m * w * w, half, y, x, (float)value);
        }
    }
    double sum = 0;
    for (size_t i = 0; i < t->planes * w * w; i++)
        sum += psf[i];
    for (size_t i = 0; i < t->planes * w * w; i++)
        psf[i] = (float)(psf[i] / sum);
    *energy = fmin(sum * pixel * pixel / t->light, 1);
    return SCRY_OK;
}

/* Half the number of planes. */
static scry_status choose_planes(size_t *half, const scry_psf_params *p, int rank,
                                 const size_t *limit, scry_error *err)
{
    const ptrdiff_t given = half_given(p, true);
    *half = 0;
    if (rank == 2 || p->model == SCRY_PSF_AIRY) return SCRY_OK;
    if (given >= 0) {
        *half = (size_t)given;
        return SCRY_OK;
    }
    const double dz = p->value[SCRY_PSF_SPACING] * 1e-3;
    const size_t cap = half_cap(limit, 0, rank);
    if (limit && limit[0] && p->model != SCRY_PSF_CONFOCAL) {
        *half = cap;
        return SCRY_OK;
    }
    double extent = 0;
    scry_status st = scryi_axial_extent(&extent, p, dz * (double)cap, err);
    const size_t need = (size_t)ceil(extent / dz);
    *half = need < cap ? need : cap;
    return st;
}

static scry_status psf_optical(float **psf, scry_space *s, const scry_psf_params *p, int rank,
                               const size_t *limit, scry_psf_info *info, scry_error *err)
{
    const double pixel = p->value[SCRY_PSF_PIXEL] * 1e-3, energy = p->value[SCRY_PSF_ENERGY];
    const double dz = rank == 3 ? p->value[SCRY_PSF_SPACING] * 1e-3 : 0;
    const ptrdiff_t given = half_given(p, false);
    size_t half_z, half;
    double bound;
    scryi_radial t = {0};
    scry_status st = choose_planes(&half_z, p, rank, limit, err);
    if (st != SCRY_OK) goto done;
    st = scryi_lateral_bound(&bound, p, energy, dz * (double)half_z, err);
    if (st != SCRY_OK) goto done;
    size_t cap = half_cap(limit, rank - 1, rank);
    if (rank >= 2 && half_cap(limit, rank - 2, rank) < cap) cap = half_cap(limit, rank - 2, rank);
    /* The corner of the square, and a pixel for the rule. */
    double reach = sqrt(2) * (fmin((double)cap * pixel, bound) + 2 * pixel);
    if (given >= 0) reach = sqrt(2) * ((double)given + 1) * pixel;
    if (p->model == SCRY_PSF_CONFOCAL) reach = fmax(reach, bound); /* its light is the table's */
    st = scryi_radial_create(&t, p, 2 * half_z + 1, dz, reach, err);
    if (st != SCRY_OK) goto done;
    double held;
    const double radius = fmin(scryi_radial_support(&t, energy, &held), bound);
    const size_t need = (size_t)fmax(ceil(radius / pixel - 0.5), 0);
    half = given >= 0 ? (size_t)given : need < cap ? need : cap;
    const size_t halves[3] = {rank == 3 ? half_z : half, half, half};
    st = psf_allocate(psf, s, rank, halves, err);
    if (st != SCRY_OK) goto done;
    st = integrate_pixels(*psf, p, &t, half, &info->energy, err);
    info->focus_shift = t.shift;
done:
    scryi_radial_free(&t);
    return st;
}

scry_status scry_psf_create(float **psf, scry_space *s, const scry_psf_params *p,
                            const scry_psf_grid *grid, scry_psf_info *info, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, psf, s, p, grid)) return SCRY_EINVAL;
    const int rank = grid->rank;
    const size_t *limit = grid->limit;
    scry_psf_params all = *p;
    scry_psf_info found = {0};
    if (p->find_width)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf: sigma=auto needs an image to estimate it from");
    scry_status st = scry_psf_complete(&all, rank, err);
    if (st != SCRY_OK) return st;
    if (all.model == SCRY_PSF_GAUSSIAN)
        st = psf_gaussian(psf, s, &all, rank, limit, &found.energy, err);
    else
        st = psf_optical(psf, s, &all, rank, limit, &found, err);
    if (st == SCRY_OK) st = scry_psf_measure(&found.stats, *psf, s, err);
    if (st != SCRY_OK) {
        scry_free(*psf);
        *psf = NULL;
    } else if (info)
        *info = found;
    return st;
}
