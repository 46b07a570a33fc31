#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "operators/coils.h"
#include "operators/fourier.h"

#include <math.h>
#include <string.h>

/* Places that hold noise alone: those of k-space which the normals of edges miss; where the readout
 * is whole, those of its image beside the object; and, where a part of k-space is whole (all, an
 * ellipse, half of it and more), those of an image of that part, faded out towards its border so
 * that the object does not reach beyond itself. Signal raises each of these estimates, so the least
 * is taken.
 *
 * Receivers filter the margins of the readout's image: the noise there has the right proportions
 * between coils and is too small (by half and more in scans with two and sixteen coils). Several
 * coils tell a filter from signal (scry_noise_floor). With one coil a filter is told by its shape:
 * the level of its roll-off holds on a few pixels, that of empty space on many. */
static const double FLAT = 0.15; /* share of an image, as many as count as empty space */

enum { FADE = 16 }; /* of a side: width of the boxes, applied twice, that fade the borders out */

struct noise_choice {
    double complex *psi, *try; /* the best so far; another */
    const float complex *kspace;
    const scry_mri_slice *s;
    size_t rows, n; /* of all z, one after another; samples of a coil */
};

static double noise_power(const double complex *psi, size_t C)
{
    double trace = 0;
    for (size_t c = 0; c < C; c++)
        trace += creal(psi[c * (C + 1)]);
    return trace;
}

/* Takes the noise of these samples in place of the one so far, if it is less. Data that say nothing
 * are no failure: k-space has said something. */
static scry_status try_domain(struct noise_choice *w, const float complex *data,
                              const unsigned char *mask, double independent, scry_error *err)
{
    const size_t C = w->s->coils;
    double used, floor = 1;
    scry_error why = {0};
    scry_status st = scry_noise_from_quiet(w->try, &used, data, mask, C, w->rows, w->s->dims[2],
                                           independent, &why);
    if (st == SCRY_OK && C > 1)
        st = scry_noise_floor(&floor, w->try, w->kspace, w->s->mask, C, w->rows, w->s->dims[2],
                              &why);
    if (st == SCRY_ENOMEM || st == SCRY_ESTOP) return scry_fail(err, st, why.where, "%s", why.text);
    if (st != SCRY_OK || (C == 1 && used < FLAT)) return SCRY_OK;
    for (size_t i = 0; i < C * C; i++)
        w->try[i] *= fmax(floor, 1);
    if (noise_power(w->try, C) < noise_power(w->psi, C))
        memcpy(w->psi, w->try, C * C * sizeof *w->psi);
    return SCRY_OK;
}

/* Means over boxes of `width` along an axis of x (ny, nx), zeros beyond; in place. */
static void box_filter(float *x, float *line, size_t n, size_t step, size_t lines, size_t next,
                       size_t width)
{
    const ptrdiff_t half = (ptrdiff_t)width / 2;
    for (size_t l = 0; l < lines; l++, x += next) {
        for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {
            float sum = 0;
            for (ptrdiff_t k = i - half; k <= i + half; k++)
                if (k >= 0 && k < (ptrdiff_t)n) sum += x[(size_t)k * step];
            line[i] = sum / (float)width;
        }
        for (size_t i = 0; i < n; i++)
            x[i * step] = line[i];
    }
}

static size_t fade_width(size_t n)
{
    const size_t width = n / FADE | 1;
    return width < 3 ? 3 : width;
}

/* Fades the whole parts of the mask out towards their borders, and removes all else. */
static scry_status fade_window(float *w, const unsigned char *mask, size_t ny, size_t nx,
                               scry_error *err)
{
    float *line = scry_alloc(ny > nx ? ny : nx, sizeof *line);
    if (!line) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples", ny * nx);
    for (size_t i = 0; i < ny * nx; i++)
        w[i] = mask[i] != 0;
    for (int pass = 0; pass < 2; pass++) {
        box_filter(w, line, ny, nx, nx, 1, fade_width(ny));
        box_filter(w, line, nx, 1, ny, nx, fade_width(nx));
    }
    for (size_t i = 0; i < ny * nx; i++) {
        const float inside = mask[i] ? fmaxf(2 * w[i] - 1, 0) : 0;
        w[i] = inside * inside;
    }
    scry_free(line);
    return SCRY_OK;
}

/* The image of the whole parts of k-space, with the variance of the samples. */
static scry_status try_image(struct noise_choice *c, scry_error *err)
{
    const scry_mri_slice *s = c->s;
    float complex *image = scry_copy(c->kspace, s->coils * c->n * sizeof *image);
    float *w = scry_alloc(c->n, sizeof *w);
    scry_status st = SCRY_OK;
    double two = 0, four = 0;
    if (!image || !w) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "images of %zu coils", s->coils);
        goto done;
    }
    if ((st = fade_window(w, s->mask, c->rows, s->dims[2], err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < c->n; i++) {
        two += (double)w[i] * w[i];
        four += pow((double)w[i], 4);
    }
    if (!(two > 0)) goto done;
    const float scale = (float)sqrt((double)c->n / two);
    for (size_t i = 0; i < s->coils * c->n; i++)
        image[i] *= scale * w[i % c->n];
    if ((st = scry_fourier_transform(image, s->coils, c->rows, s->dims[2], SCRY_FOURIER_YX, true,
                                     err)) != SCRY_OK)
        goto done;
    st = try_domain(c, image, NULL, two * two / four / (double)c->n, err);
done:
    scry_free(image);
    scry_free(w);
    return st;
}

scry_status scryi_noise_from_slice(double complex *psi, const scry_mri_slice *s,
                                   const scry_scan *scan, scry_error *err)
{
    const size_t n = s->dims[0] * s->dims[1] * s->dims[2], C = s->coils;
    const unsigned back = (s->image_axis[1] && !scan->image_axis[1] ? SCRY_FOURIER_Y : 0u) |
                          (s->image_axis[2] && !scan->image_axis[2] ? SCRY_FOURIER_X : 0u);
    const bool image = s->dims[0] == 1 && !scan->image_axis[1] && !scan->image_axis[2];
    double complex *try = scry_alloc(C * C, sizeof *try);
    float complex *kspace = scry_copy(s->data, C * n * sizeof *kspace);
    struct noise_choice c = {psi, try, kspace, s, s->dims[0] * s->dims[1], n};
    scry_status st = SCRY_OK;
    if (!try || !kspace) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
        goto done;
    }
    if (back && (st = scry_fourier_transform(kspace, C * s->dims[0], s->dims[1], s->dims[2], back,
                                             false, err)) != SCRY_OK)
        goto done;
    if ((st = scry_noise_from_kspace(psi, kspace, s->mask, C, c.rows, s->dims[2], err)) != SCRY_OK)
        goto done;
    if (back && (st = try_domain(&c, s->data, s->mask, 1, err)) != SCRY_OK) goto done;
    if (image) st = try_image(&c, err);
done:
    scry_free(try);
    scry_free(kspace);
    return st;
}
