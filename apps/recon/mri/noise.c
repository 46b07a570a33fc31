#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/coils.h"
#include "operators/fourier.h"

#include <math.h>
#include <stdio.h>
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
/* Power of the outermost margins of a readout over that farther in which is a filter's. */
static const double ROLLED_OFF = 0.4;

enum { FADE = 16 }; /* of a side: width of the boxes, applied twice, that fade the borders out */

struct noise_choice {
    double complex *psi, *try; /* the best so far; another */
    const float complex *kspace;
    const scry_mri_slice *s;
    size_t rows, n; /* of all z, one after another; samples of a coil */
    struct scryi_noise_source *source;
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
                              const unsigned char *mask, double independent, const char *from,
                              scry_error *err)
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
    if (!(noise_power(w->try, C) < noise_power(w->psi, C))) return SCRY_OK;
    memcpy(w->psi, w->try, C * C * sizeof *w->psi);
    w->source->from = from;
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
    st = try_domain(c, image, NULL, two * two / four / (double)c->n, "the empty part of the image",
                    err);
done:
    scry_free(image);
    scry_free(w);
    return st;
}

/* Samples with one axis, whose lines are whole, in the image domain. */
struct hybrid {
    float complex *data; /* (coils, dims) */
    unsigned char *mask; /* (dims) */
    size_t dims[2];
    bool along_y;
};

static void hybrid_free(struct hybrid *h)
{
    scry_free(h->data);
    scry_free(h->mask);
    *h = (struct hybrid){0};
}

static bool lines_are_whole(const struct noise_choice *c, bool along_y)
{
    const size_t nx = c->s->dims[2];
    for (size_t i = 0; i < c->n; i++)
        if (!c->s->mask[i] != !c->s->mask[along_y ? i % nx : i / nx * nx]) return false;
    return true;
}

static scry_status hybrid_make(struct hybrid *h, const struct noise_choice *c, bool along_y,
                               scry_error *err)
{
    *h = (struct hybrid){.data = scry_copy(c->kspace, c->s->coils * c->n * sizeof *h->data),
                         .mask = scry_copy(c->s->mask, c->n),
                         .dims = {c->rows, c->s->dims[2]},
                         .along_y = along_y};
    if (!h->data || !h->mask) return SCRY_FAIL(err, SCRY_ENOMEM, "lines of %zu samples", c->n);
    return scry_fourier_transform(h->data, c->s->coils, h->dims[0], h->dims[1],
                                  along_y ? SCRY_FOURIER_Y : SCRY_FOURIER_X, true, err);
}

/* The quarter quantile of the power of entries [from, to) of the readout, in units of its coil's
 * noise, over the lines: signal is in few of those at the margins. */
static double readout_power(float *scratch, const struct noise_choice *c, const struct hybrid *h,
                            size_t from, size_t to)
{
    const size_t C = c->s->coils, nx = h->dims[1], lines = h->along_y ? nx : h->dims[0];
    size_t count = 0;
    for (size_t k = 0; k < C * lines * (to - from); k++) {
        const size_t i = from + k % (to - from), l = k / (to - from) % lines;
        const size_t a = k / (to - from) / lines, at = h->along_y ? i * nx + l : l * nx + i;
        const float complex v = h->data[a * c->n + at];
        if (h->mask[at])
            scratch[count++] =
                (crealf(v) * crealf(v) + cimagf(v) * cimagf(v)) / (float)creal(c->psi[a * (C + 1)]);
    }
    return count ? scry_quantile(scratch, count, 0.25, scratch) : 0;
}

/* Whether a receiver's filter has taken noise from both margins of the readout's image. */
static scry_status is_filtered(bool *filtered, const struct noise_choice *c, const struct hybrid *h,
                               scry_error *err)
{
    const size_t n = h->dims[h->along_y ? 0 : 1], part = n / 32;
    float *scratch = scry_alloc(c->s->coils * c->n, sizeof *scratch);
    if (!scratch) return SCRY_FAIL(err, SCRY_ENOMEM, "margins of %zu samples", c->n);
    *filtered = part > 0;
    for (int side = 0; side < 2 && *filtered; side++) {
        const double outer = side ? readout_power(scratch, c, h, n - part, n)
                                  : readout_power(scratch, c, h, 0, part);
        const double inner = side ? readout_power(scratch, c, h, n - 6 * part, n - 4 * part)
                                  : readout_power(scratch, c, h, 4 * part, 6 * part);
        *filtered = outer < ROLLED_OFF * inner;
    }
    scry_free(scratch);
    return SCRY_OK;
}

/* k-space of the middle 5/8 of the image, within the passband: there are fewer samples, and their
 * noise is what it was. */
static scry_status crop_readout(struct hybrid *h, size_t coils, scry_error *err)
{
    const size_t axis = h->along_y ? 0 : 1, nx = h->dims[1], all = h->dims[0] * nx;
    const size_t keep = h->dims[axis] * 5 / 8, skip = h->dims[axis] / 2 - keep / 2;
    h->dims[axis] = keep;
    const size_t n = h->dims[0] * h->dims[1];
    for (size_t i = 0; i < coils * n; i++) { /* towards the front: in place */
        const size_t y = i % n / h->dims[1] + (h->along_y ? skip : 0);
        const size_t x = i % h->dims[1] + (h->along_y ? 0 : skip);
        h->data[i] = h->data[i / n * all + y * nx + x];
        if (i < n) h->mask[i] = h->mask[y * nx + x];
    }
    return scry_fourier_transform(h->data, coils, h->dims[0], h->dims[1],
                                  h->along_y ? SCRY_FOURIER_Y : SCRY_FOURIER_X, false, err);
}

/* Samples of the passband of a filtered readout; h->data is NULL where there is none. */
static scry_status find_passband(struct hybrid *h, const struct noise_choice *c, scry_error *err)
{
    for (int axis = 0; axis < 2; axis++) {
        bool filtered = false;
        if (!lines_are_whole(c, axis == 0)) continue;
        scry_status st = hybrid_make(h, c, axis == 0, err);
        if (st == SCRY_OK) st = is_filtered(&filtered, c, h, err);
        if (st != SCRY_OK) return st;
        if (filtered) return crop_readout(h, c->s->coils, err);
        hybrid_free(h);
    }
    return SCRY_OK;
}

/* The noise that windows of samples tell, where it is less. */
static scry_status try_windows(struct noise_choice *c, scry_error *err)
{
    const size_t C = c->s->coils;
    struct hybrid h = {0};
    scry_noise_certainty certainty;
    scry_error why = {0};
    scry_status st = find_passband(&h, c, err);
    if (st != SCRY_OK) goto done;
    memcpy(c->try, c->psi, C * C * sizeof *c->psi);
    const size_t ny = h.data ? h.dims[0] : c->rows, nx = h.data ? h.dims[1] : c->s->dims[2];
    st = scry_noise_from_windows(c->try, &certainty, h.data ? h.data : c->kspace,
                                 h.data ? h.mask : c->s->mask, C, ny, nx, &why);
    if (st == SCRY_OK && noise_power(c->try, C) < noise_power(c->psi, C)) {
        memcpy(c->psi, c->try, C * C * sizeof *c->psi);
        *c->source = (struct scryi_noise_source){"samples in which signal cancels", certainty};
    }
    st = st == SCRY_ENOMEM || st == SCRY_ESTOP ? scry_fail(err, st, why.where, "%s", why.text)
                                               : SCRY_OK;
done:
    hybrid_free(&h);
    return st;
}

/* Power nearer to the middle over that farther out which is not so by chance. */
static const double SIGNAL_LEFT = 1.15;

void scryi_noise_describe(char *words, size_t bytes, const struct scryi_noise_source *source)
{
    const scry_noise_certainty *c = &source->certainty;
    if (!(c->spread > 0))
        snprintf(words, bytes, "%s: signal there would raise it", source->from);
    else if (c->reach > SIGNAL_LEFT)
        snprintf(words, bytes,
                 "%s: some is left, their power is %.2g times as much nearer to the middle",
                 source->from, c->reach);
    else
        snprintf(words, bytes, "%s: sure to %.2g %%, if the coils are smooth", source->from,
                 100 * c->spread);
}

scry_status scryi_noise_from_slice(double complex *psi, struct scryi_noise_source *source,
                                   const scry_mri_slice *s, const scry_scan *scan, scry_error *err)
{
    const size_t n = s->dims[0] * s->dims[1] * s->dims[2], C = s->coils;
    const unsigned back = (s->image_axis[1] && !scan->image_axis[1] ? SCRY_FOURIER_Y : 0u) |
                          (s->image_axis[2] && !scan->image_axis[2] ? SCRY_FOURIER_X : 0u);
    const bool image = s->dims[0] == 1 && !scan->image_axis[1] && !scan->image_axis[2];
    double complex *try = scry_alloc(C * C, sizeof *try);
    float complex *kspace = scry_copy(s->data, C * n * sizeof *kspace);
    struct noise_choice c = {psi, try, kspace, s, s->dims[0] * s->dims[1], n, source};
    *source = (struct scryi_noise_source){.from = "the quiet part of k-space"};
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
    if (back &&
        (st = try_domain(&c, s->data, s->mask, 1, "the empty part of the readout", err)) != SCRY_OK)
        goto done;
    if (image && (st = try_image(&c, err)) != SCRY_OK) goto done;
    if (s->dims[0] == 1) st = try_windows(&c, err);
done:
    scry_free(try);
    scry_free(kspace);
    return st;
}
