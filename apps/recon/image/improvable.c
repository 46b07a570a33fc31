#include "apps/recon/image/improvable.h"

#include "apps/recon/image/pose_impl.h"
#include "apps/recon/image/residual.h"
#include "apps/recon/image/smooth_impl.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/blur.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Structure is found by this many standard errors: of ten million images of noise one passes, for
 * each of the widths. */
#define DETAIL_ERRORS 5.0
static const double detail_widths[] = {0.7, 1.2, 2, 3.5, 6};
/* Structure broader than this is shading, which no deconvolution of a PSF touches. */
#define SHADING 12.0
enum { WIDTHS = sizeof detail_widths / sizeof *detail_widths };

/* Of the light, held back to judge an estimate that has nearly all of it. */
#define SHARE 0.1
/* Simulated lines, points and cells of 30 to 30000 electrons leave at most 0.5 % when the psf is
 * right or 10 % too wide, 4 to 7 % when it is 25 % too wide, 18 to 29 % when half, 35 to 54 % when
 * twice as wide; 12 % are the most that a Gaussian leaves 15 % too wide for an Airy disk. From
 * about 15 % on a restoration is further from the truth than the image is. */
#define MISFIT_SHARE 0.15
/* Noise that is correlated, as of processed images, leaves up to 0.06 variances by itself. */
#define MISFIT_MIN 0.1
#define MISFIT_ERRORS 3.0
#define BRIGHTNESS_SD 1.5 /* pixels of the Gaussian whose mean gives a pixel its variance */
enum { BLOCK = 16, SIDE = 256, SIDE_MIN = 64, VOXELS = 1 << 18 };

/* ---- structure ---- */

/* An image as it is asked: its pixels without gaps, those that count, and their variance. */
struct subject {
    const scry_space *space;
    size_t n, planes, ny, nx;
    float *pixels, *variance, *brightness, *seen, *held, *scratch;
    const scry_noise_model *model;
    unsigned char *known;
};

static void subject_free(struct subject *s)
{
    scry_free(s->pixels);
    scry_free(s->variance);
    scry_free(s->brightness);
    scry_free(s->seen);
    scry_free(s->held);
    scry_free(s->scratch);
    scry_free(s->known);
}

static scry_status subject_take(struct subject *s, const scry_image *image,
                                const unsigned char *known, const scry_noise *noise,
                                scry_error *err)
{
    const scry_space *space = s->space = &image->space;
    s->n = scry_space_count(space);
    s->ny = space->dims[space->rank - 2];
    s->nx = space->dims[space->rank - 1];
    s->planes = s->n / (s->ny * s->nx);
    s->pixels = scry_copy(image->pixels, s->n * sizeof *s->pixels);
    s->known = scry_copy(known, s->n);
    s->variance = scry_alloc(s->n, sizeof *s->variance);
    s->brightness = scry_alloc(s->n, sizeof *s->brightness);
    s->seen = scry_alloc(s->n, sizeof *s->seen);
    s->held = scry_alloc(s->n, sizeof *s->held);
    s->scratch = scry_alloc(2 * s->n, sizeof *s->scratch);
    if (!s->pixels || !s->known || !s->variance || !s->brightness || !s->seen || !s->held ||
        !s->scratch)
        return SCRY_FAIL(err, SCRY_ENOMEM, "held-out light of %zu pixels", s->n);
    const scry_status st = scry_known_mirror(s->pixels, s->known, space, err);
    if (st != SCRY_OK) return st;
    /* the variance belongs to the noiseless value, of which a local mean is nearly free of noise */
    scryi_image_smooth(s->brightness, s->pixels, s->planes, s->ny, s->nx, BRIGHTNESS_SD,
                       s->scratch);
    for (size_t i = 0; i < s->n; i++)
        s->variance[i] = (float)scry_noise_variance(noise, (double)s->brightness[i]);
    return SCRY_OK;
}

static scry_status improvable_split(struct subject *s, double share, uint64_t seed, uint32_t fold,
                                    scry_error *err)
{
    const scry_status st = scry_fission_draw(s->held, s->model, s->variance, s->brightness,
                                             s->planes, s->ny, s->nx, seed, fold, err);
    return st == SCRY_OK
               ? scry_fission_split(s->seen, s->held, s->pixels, s->held, s->n, share, err)
               : st;
}

/* Takes off the mean over a wide Gaussian. */
static void take_off_shading(float *pixels, const struct subject *s)
{
    float *wide = s->scratch + s->n;
    scryi_image_smooth(wide, pixels, s->planes, s->ny, s->nx, SHADING, s->scratch);
    scry_axpy(pixels, -1, wide, s->n);
}

static scry_status improvable_find_detail(scry_improvement *out, struct subject *s, uint64_t seed,
                                          scry_error *err)
{
    float *a = s->scratch + s->n;
    scry_status st = improvable_split(s, 0.5, seed, 0, err);
    if (st != SCRY_OK) return st;
    take_off_shading(s->seen, s);
    take_off_shading(s->held, s);
    out->detail = -INFINITY;
    for (size_t w = 0; w < WIDTHS; w++) {
        double sum = 0, squares = 0;
        scryi_image_smooth(a, s->seen, s->planes, s->ny, s->nx, detail_widths[w], s->scratch);
        for (size_t i = 0; i < s->n; i++) {
            if (!s->known[i] || !(s->variance[i] > 0)) continue;
            sum += (double)a[i] * s->held[i] / s->variance[i];
            squares += 2 * (double)a[i] * a[i] / s->variance[i]; /* half the light: twice v */
        }
        const double z = squares > 0 ? sum / sqrt(squares) : 0;
        if (z <= out->detail) continue;
        out->detail = z;
        out->detail_width = detail_widths[w];
    }
    return SCRY_OK;
}

/* ---- sharpness ---- */

/* Mean over the known neighbours of a pixel, of eight. */
static double improvable_mean_around(const struct subject *s, const float *r, size_t z, size_t y,
                                     size_t x)
{
    double sum = 0, count = 0;
    for (size_t i = y ? y - 1 : 0; i <= y + 1 && i < s->ny; i++)
        for (size_t j = x ? x - 1 : 0; j <= x + 1 && j < s->nx; j++) {
            const size_t at = (z * s->ny + i) * s->nx + j;
            if ((i == y && j == x) || !s->known[at]) continue;
            sum += (double)r[at];
            count++;
        }
    return count > 0 ? sum / count : 0;
}

/* Windows of BLOCK x BLOCK pixels that hold a known one: the mean of a times b of the neighbours,
 * over v; their count. */
static size_t correlate_blocks(double *mean, const struct subject *s, const float *a,
                               const float *b)
{
    const size_t rows = (s->ny + BLOCK - 1) / BLOCK, columns = (s->nx + BLOCK - 1) / BLOCK;
    size_t used = 0;
    for (size_t block = 0; block < s->planes * rows * columns; block++) {
        const size_t z = block / (rows * columns), y0 = block / columns % rows * BLOCK,
                     x0 = block % columns * BLOCK;
        double sum = 0, count = 0;
        for (size_t y = y0; y < y0 + BLOCK && y < s->ny; y++)
            for (size_t x = x0; x < x0 + BLOCK && x < s->nx; x++) {
                const size_t i = (z * s->ny + y) * s->nx + x;
                if (!s->known[i] || !(s->variance[i] > 0)) continue;
                sum += (double)a[i] * improvable_mean_around(s, b, z, y, x) / s->variance[i];
                count++;
            }
        if (count > 0) mean[used++] = sum / count;
    }
    return used;
}

/* The window of at most `side` pixels a side in which the structure `a` is strongest against the
 * noise: flat background says nothing of a psf. */
static void strongest_window(size_t *top, size_t *left, size_t height, size_t width,
                             const struct subject *s, const float *a)
{
    const float *plane = a + s->planes / 2 * s->ny * s->nx;
    const float *variance = s->variance + s->planes / 2 * s->ny * s->nx;
    double best = -1;
    *top = *left = 0;
    for (size_t y0 = 0; y0 + height <= s->ny; y0 += (height + 1) / 2)
        for (size_t x0 = 0; x0 + width <= s->nx; x0 += (width + 1) / 2) {
            double sum = 0;
            for (size_t y = y0; y < y0 + height; y++)
                for (size_t x = x0; x < x0 + width; x++) {
                    const size_t i = y * s->nx + x;
                    if (variance[i] > 0) sum += (double)plane[i] * plane[i] / variance[i];
                }
            if (sum <= best) continue;
            best = sum;
            *top = y0;
            *left = x0;
        }
}

/* That window of `from`. */
static scry_status cut_window(struct subject *to, scry_space *space, const struct subject *from,
                              scry_error *err)
{
    const size_t fits = (size_t)sqrt((double)VOXELS / (double)from->planes);
    const size_t side = fits < SIDE_MIN ? SIDE_MIN : fits > SIDE ? SIDE : fits;
    size_t top, left;
    *space = *from->space;
    to->space = space;
    to->planes = from->planes;
    to->model = from->model;
    to->ny = space->dims[space->rank - 2] = from->ny < side ? from->ny : side;
    to->nx = space->dims[space->rank - 1] = from->nx < side ? from->nx : side;
    to->n = scry_space_count(space);
    strongest_window(&top, &left, to->ny, to->nx, from, from->scratch + from->n);
    to->pixels = scry_alloc(to->n, sizeof *to->pixels);
    to->known = scry_alloc(to->n, 1);
    to->variance = scry_alloc(to->n, sizeof *to->variance);
    to->brightness = scry_alloc(to->n, sizeof *to->brightness);
    to->seen = scry_alloc(to->n, sizeof *to->seen);
    to->held = scry_alloc(to->n, sizeof *to->held);
    to->scratch = scry_alloc(2 * to->n, sizeof *to->scratch);
    if (!to->pixels || !to->known || !to->variance || !to->brightness || !to->seen || !to->held ||
        !to->scratch)
        return SCRY_FAIL(err, SCRY_ENOMEM, "held-out light of %zu pixels", to->n);
    for (size_t i = 0; i < to->n; i++) {
        const size_t z = i / (to->ny * to->nx), y = i / to->nx % to->ny, x = i % to->nx;
        const size_t at = (z * from->ny + top + y) * from->nx + left + x;
        to->pixels[i] = from->pixels[at];
        to->known[i] = from->known[at];
        to->variance[i] = from->variance[at];
        to->brightness[i] = from->brightness[at];
    }
    return SCRY_OK;
}

/* The estimate from the first part, blurred. */
static scry_status predict_blurred(scry_restore_result *r, const scry_restore_request *request,
                                   const scry_image *seen, const scry_noise *noise,
                                   const scry_options *options, scry_error *err)
{
    scry_restore_request q = *request;
    q.options = options;
    q.draws = NULL;
    q.maps = NULL;
    q.predict = true;
    q.defects = SCRY_DEFECTS_KEEP;
    q.noise = scry_noise_seen(noise, SHARE);
    q.psf.width_choice = SCRY_WIDTH_KEEP;
    q.log = (scry_log){0};
    return scry_restore(r, seen, &q, NULL, NULL, err);
}

/* The error of a prediction that both parts share: their residuals are independent but for the
 * structure that both lack. The pixel itself is left out, so that noise of another strength than
 * was thought, which the two parts then share, counts for nothing. */
static scry_status find_misfit(scry_margin *out, const struct subject *s, const float *predicted,
                               scry_error *err)
{
    const size_t blocks = s->planes * ((s->ny + BLOCK - 1) / BLOCK) * ((s->nx + BLOCK - 1) / BLOCK);
    float *a = scry_alloc(2 * s->n, sizeof *a), *b = a + s->n;
    double *mean = scry_alloc(2 * blocks, sizeof *mean); /* and zeros to compare with */
    scry_status st = SCRY_OK;
    if (!a || !mean) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "residuals of %zu pixels", s->n);
        goto done;
    }
    for (size_t i = 0; i < s->n; i++) {
        const bool known = s->known[i] && isfinite(predicted[i]);
        a[i] = known ? s->held[i] - predicted[i] : 0;
        b[i] = known ? s->seen[i] - predicted[i] : 0;
    }
    take_off_shading(a, s);
    take_off_shading(b, s);
    *out = scry_margin_of(mean, mean + blocks, correlate_blocks(mean, s, a, b));
done:
    scry_free(a);
    scry_free(mean);
    return st;
}

/* *to = A y: the image blurred once more. */
static scry_status blur_image(float **to, const float *y, const scry_restore_request *request,
                              const scry_image *image, scry_error *err)
{
    const scry_boundary boundary = scry_boundary_of(request->boundary, image);
    const scry_psf_setting setting = {.image = image, .boundary = boundary};
    scry_psf_source source = {0};
    scry_window window;
    scry_space ps;
    scry_op *A = NULL;
    float *psf = NULL, *x = NULL;
    void *work = NULL;
    scry_status st = scry_psf_source_init(&source, &request->psf, NULL, err);
    if (st == SCRY_OK) st = scry_psf_source_make(&psf, &ps, &source, &setting, err);
    if (st == SCRY_OK) st = scry_blur_domain(&window, &image->space, &ps, boundary, 1, err);
    if (st == SCRY_OK)
        st = scry_blur_create(
            &A, &image->space,
            &(scry_blur_params){.psf = psf, .psf_space = ps, .boundary = boundary}, err);
    if (st != SCRY_OK) goto done;
    x = scry_alloc(scry_space_count(&window.outer), sizeof *x);
    *to = scry_alloc(scry_space_count(&image->space), sizeof **to);
    work = scry_alloc(1, scry_op_work_bytes(A));
    if (!x || !*to || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "blur of %zu pixels", scry_space_count(&window.outer));
        goto done;
    }
    scry_window_extend(&window, x, y);
    st = scry_op_forward(A, *to, x, work, err);
done:
    scry_op_free(A);
    scry_psf_source_free(&source);
    scry_free(psf);
    scry_free(x);
    scry_free(work);
    return st;
}

static scry_status compare_sharpness(scry_improvement *out, const struct subject *whole,
                                     const scry_restore_request *request, const scry_image *image,
                                     const scry_noise *noise, const scry_options *options,
                                     uint64_t seed, scry_error *err)
{
    struct subject s = {0};
    scry_space space;
    scry_restore_result r = {0};
    float *blurred = NULL;
    scry_margin own;
    scry_status st = cut_window(&s, &space, whole, err);
    if (st == SCRY_OK) st = improvable_split(&s, SHARE, seed, 1, err);
    scry_image seen = *image;
    seen.space = space;
    seen.pixels = s.seen;
    seen.known = s.known;
    if (st == SCRY_OK) st = predict_blurred(&r, request, &seen, noise, options, err);
    if (st == SCRY_OK) st = find_misfit(&out->misfit, &s, r.predicted, err);
    if (st == SCRY_OK) st = blur_image(&blurred, s.pixels, request, &seen, err);
    if (st == SCRY_OK) st = find_misfit(&own, &s, blurred, err);
    if (st == SCRY_OK) out->own_misfit = own.mean;
    scry_restore_result_free(&r);
    scry_free(blurred);
    subject_free(&s);
    return st;
}

/* ---- both ---- */

static void judge_improvement(scry_improvement *out)
{
    const double share = out->misfit.mean / out->own_misfit;
    const bool misfit = out->misfit.mean > MISFIT_ERRORS * out->misfit.error;
    if (out->detail < DETAIL_ERRORS) {
        out->verdict = SCRY_ONLY_NOISE;
        snprintf(out->line, sizeof out->line,
                 "nothing stands out of the noise: structure in one half of the light is not found "
                 "again in the other half (%.1f standard errors, %g would be enough)",
                 out->detail, DETAIL_ERRORS);
    } else if (misfit && out->misfit.mean > MISFIT_MIN && share > MISFIT_SHARE) {
        out->verdict = SCRY_SHARPER_THAN_PSF;
        snprintf(out->line, sizeof out->line,
                 "the image is sharper than the psf lets an image be: of the detail that the psf "
                 "would take from it, %.0f %% cannot be explained by any estimate that the psf has "
                 "blurred",
                 100 * fmin(share, 1));
    }
}

scry_status scry_improvement_find(scry_improvement *out, const scry_restore_request *request,
                                  const scry_image *image, const scry_options *options,
                                  uint64_t seed, scry_error *err)
{
    scry_noise noise;
    scry_noise_model model = {0};
    struct subject s = {.model = &model};
    unsigned char *known = scry_alloc(scry_space_count(&image->space), 1);
    *out = (scry_improvement){.misfit = {NAN, NAN}, .own_misfit = NAN};
    if (!known)
        return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", scry_space_count(&image->space));
    scry_status st = scryi_image_study(&noise, &model, known, request, image, err);
    if (st == SCRY_OK) st = subject_take(&s, image, known, &noise, err);
    if (st == SCRY_OK) st = improvable_find_detail(out, &s, seed, err);
    /* filters that are not linear, and compression, make edges that no psf has blurred */
    if (st == SCRY_OK && options && out->detail >= DETAIL_ERRORS &&
        !(model.findings & (SCRY_NOISE_CORRELATED | SCRY_NOISE_BLOCKS | SCRY_NOISE_DENOISED)))
        st = compare_sharpness(out, &s, request, image, &noise, options, seed, err);
    if (st == SCRY_OK) judge_improvement(out);
    subject_free(&s);
    scry_free(known);
    return st;
}

/* ---- the image itself ---- */

static float map_value(const scry_output_map *map, double value, double sd)
{
    switch (map->kind) {
    case SCRY_OUTPUT_SD:
        return (float)sd;
    case SCRY_OUTPUT_QUANTILE:
        return (float)(value + gsl_cdf_gaussian_Pinv(map->at, sd));
    case SCRY_OUTPUT_ABOVE:
        return (float)gsl_cdf_gaussian_Q(map->at - value, sd);
    default:
        return NAN;
    }
}

scry_status scry_improvement_keep(scry_restore_result *out, const scry_image *image,
                                  const scry_noise *noise, const scry_output_maps *maps,
                                  scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    out->mean = scry_copy(image->pixels, n * sizeof *out->mean);
    if (maps->count) out->maps = scry_alloc(n * maps->count, sizeof *out->maps);
    if (!out->mean || (maps->count && !out->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + maps->count, n);
    for (size_t k = 0; k < maps->count; k++)
        for (size_t i = 0; i < n; i++) {
            const double value = (double)image->pixels[i];
            out->maps[k * n + i] =
                map_value(&maps->list[k], value, sqrt(scry_noise_variance(noise, value)));
        }
    out->diagnosis =
        (scry_diagnosis){.chi2 = NAN, .draws_chi2 = NAN, .worst_rhat = NAN, .min_ess = NAN};
    return SCRY_OK;
}
