#include "lib/stats/noise_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which pixels can follow a noise model. */

enum {
    EDGE = 2, /* pixels around it that a filter mixed with it */
    SAMPLE = 1 << 22
};

static int mask_ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* From sorted values: the distance of neighbouring ones, as the median pixel has it (stretched
 * values leave gaps; 0 when more than half of all differ from each other: continuous), and piles at
 * both ends. A pile holds more than one pixel in a thousand and twice as many as the next value
 * has. */
static void study_ends(struct scryi_noise_mask *m, const float *v, size_t n, bool *low_pile,
                       bool *high_pile, float *gaps)
{
    size_t distinct = 1, first = 1, last = 1, second, before;
    for (size_t i = n - 1; i > 0; i--) { /* of each pixel, to the next value above */
        const bool rises = v[i] > v[i - 1];
        distinct += rises;
        gaps[i - 1] = rises ? v[i] - v[i - 1] : i + 1 < n ? gaps[i] : 0;
    }
    m->step = 2 * distinct > n ? 0 : scry_quantile(gaps, n - 1, .5, gaps);
    m->lowest = v[0];
    m->highest = v[n - 1];
    while (first < n && v[first] <= v[0])
        first++;
    for (second = first; second < n && v[second] <= v[first];)
        second++;
    while (last < n && v[n - 1 - last] >= v[n - 1])
        last++;
    for (before = last; before < n && v[n - 1 - before] >= v[n - 1 - last];)
        before++;
    *low_pile = 1000 * first > n && first > 2 * (second - first) && first < n;
    *high_pile = 1000 * last > n && last > 2 * (before - last) && last < n;
}

/* Squares of one value, with the pixels next to them that a filter has mixed. */
static size_t mask_constant(unsigned char *state, const float *y, size_t ny, size_t nx,
                            size_t square)
{
    size_t marked = 0;
    for (size_t a = 0; a + square <= ny; a++)
        for (size_t b = 0; b + square <= nx; b++) {
            const float v = y[a * nx + b];
            bool same = true;
            for (size_t i = 0; i < square * square && same; i++)
                same = y[(a + i / square) * nx + b + i % square] == v;
            if (!same) continue;
            const size_t y0 = a > EDGE ? a - EDGE : 0, x0 = b > EDGE ? b - EDGE : 0;
            for (size_t i = y0; i < a + square + EDGE && i < ny; i++)
                for (size_t j = x0; j < b + square + EDGE && j < nx; j++) {
                    marked += state[i * nx + j] != SCRYI_PIXEL_BAD;
                    state[i * nx + j] = SCRYI_PIXEL_BAD;
                }
        }
    return marked;
}

/* Single pixels far above their eight neighbours: further than 8 sd of the plane, 5 times the
 * spread of the neighbours, and 3 times as far as the second highest of them. The image of a point
 * through optics of 0.7 pixel or more is wider. */
static size_t mask_hot(unsigned char *state, const float *y, size_t ny, size_t nx, double sd)
{
    size_t marked = 0;
    for (size_t a = 1; a + 1 < ny; a++)
        for (size_t b = 1; b + 1 < nx; b++) {
            const size_t at = a * nx + b;
            if (state[at] == SCRYI_PIXEL_BAD) continue;
            float v[8];
            size_t n = 0, above = 0;
            for (size_t i = a - 1; i <= a + 1; i++)
                for (size_t j = b - 1; j <= b + 1; j++)
                    if (i != a || j != b) {
                        v[n++] = y[i * nx + j];
                        above += y[i * nx + j] < y[at];
                    }
            if (above < 8 || !scry_finite(v, 8)) continue;
            qsort(v, 8, sizeof *v, mask_ascending);
            const double middle = ((double)v[3] + v[4]) / 2, far = y[at] - middle;
            if (far <= 8 * sd || far <= 5 * ((double)v[6] - v[1]) || far <= 3 * (v[6] - middle))
                continue;
            state[at] = SCRYI_PIXEL_BAD;
            marked++;
        }
    return marked;
}

/* sd of the difference of neighbours along x over sqrt 2; how often they are equal, and how often
 * that is to be expected from how often they differ by one and by two steps: the logarithm of a
 * Gaussian histogram falls by 1 : 3 there, that of a mixture of many sds more evenly, at most by 1
 * : 1, which is allowed for. */
static double study_neighbours(struct scryi_noise_mask *m, const float *image, size_t rows,
                               size_t nx, float *scratch)
{
    size_t n = 0, equal = 0, one = 0, two = 0;
    double sum = 0;
    for (size_t a = 0; a < rows; a++)
        for (size_t b = 0; b + 1 < nx; b++) {
            const size_t at = a * nx + b;
            if (m->state[at] != SCRYI_PIXEL_GOOD || m->state[at + 1] != SCRYI_PIXEL_GOOD) continue;
            const double d = fabs((double)image[at + 1] - image[at]);
            equal += d <= 0;
            one += d > .5 * m->step && d < 1.5 * m->step;
            two += d > 1.5 * m->step && d < 2.5 * m->step;
            sum += d * d;
            scratch[n++] = (float)d;
        }
    if (!n) return 0;
    const double robust = SCRY_MAD_TO_SD * scry_quantile(scratch, n, .5, scratch);
    const double sd = robust > 0 ? robust : sqrt(sum / (double)n);
    const double p1 = .5 * (double)one / (double)n, p2 = .5 * (double)two / (double)n;
    m->ties = (double)equal / (double)n;
    m->ties_expected = m->step <= 0 ? 0 : p2 > 0 ? p1 * fmax(p1 / p2, 1) : 1;
    return sd / sqrt(2);
}

/* Squares of 4 x 4 pixels of one value are padding, unless neighbours are often equal everywhere:
 * coarse values fill small squares by chance. Returns the sd of pixels. */
static double mask_padding(struct scryi_noise_mask *m, scry_noise_model *out, const float *image,
                           size_t planes, size_t ny, size_t nx, float *scratch)
{
    const size_t n = planes * ny * nx;
    unsigned char *before = scry_copy(m->state, n);
    double sd = 0;
    for (size_t square = 4; square <= 16 && !scry_cancelled(); square *= 2) {
        if (before) memcpy(m->state, before, n);
        out->constant = 0;
        for (size_t p = 0; p < planes; p++)
            out->constant +=
                mask_constant(m->state + p * ny * nx, image + p * ny * nx, ny, nx, square);
        sd = study_neighbours(m, image, planes * ny, nx, scratch);
        if (!before || m->ties < (square == 4 ? .3 : .8)) break;
    }
    scry_free(before);
    return sd;
}

static void mask_values(struct scryi_noise_mask *m, scry_noise_model *out, const float *image,
                        size_t n, const scry_noise_context *context, float *scratch, size_t finite)
{
    bool low, high;
    qsort(scratch, finite, sizeof *scratch, mask_ascending);
    study_ends(m, scratch, finite, &low, &high, scratch + n);
    for (size_t i = 0; i < n; i++) {
        if (m->state[i] == SCRYI_PIXEL_BAD) continue;
        if (image[i] >= context->saturation || (high && image[i] >= m->highest)) {
            m->state[i] = SCRYI_PIXEL_BAD;
            out->highest++;
        } else if (low && image[i] <= m->lowest) {
            m->state[i] = SCRYI_PIXEL_LOWEST;
            out->lowest++;
        }
    }
}

enum { ENOUGH_DARK = 2000 };

static void mask_brightness(struct scryi_noise_mask *m, scry_noise_model *out, const float *image,
                            float *scratch)
{
    double sum = 0;
    for (size_t i = 0; i < m->planes * m->ny * m->nx; i++)
        if (m->state[i] == SCRYI_PIXEL_GOOD) {
            scratch[out->good++] = image[i];
            sum += image[i];
        }
    if (out->good) m->mean = sum / (double)out->good;
    m->dark = out->good < ENOUGH_DARK ? INFINITY : scry_quantile(scratch, out->good, .001, scratch);
}

scry_status scryi_noise_mask(struct scryi_noise_mask *m, scry_noise_model *out, const float *image,
                             const unsigned char *known, size_t planes, size_t ny, size_t nx,
                             const scry_noise_context *context, scry_error *err)
{
    const size_t n = planes * ny * nx;
    size_t finite = 0;
    m->planes = planes;
    m->ny = ny;
    m->nx = nx;
    const size_t every = n / SAMPLE + 1; /* values of large images are studied on a sample */
    float *scratch = scry_alloc(2 * n, sizeof *scratch);
    if (!scratch) return SCRY_FAIL(err, SCRY_ENOMEM, "values of %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        const bool bad = !isfinite(image[i]), hidden = known && !known[i];
        m->state[i] = bad || hidden ? SCRYI_PIXEL_BAD : SCRYI_PIXEL_GOOD;
        out->invalid += bad;
        out->masked += hidden && !bad;
        if (!bad && !hidden && i % every == 0) scratch[finite++] = image[i];
    }
    out->pixels = n;
    scry_status st = SCRY_OK;
    if (!finite)
        st = SCRY_FAIL(err, SCRY_EINVAL, "none of %zu pixels is known and finite", n);
    else {
        mask_values(m, out, image, n, context, scratch, finite);
        if (m->highest <= m->lowest)
            st = SCRY_FAIL(err, SCRY_EINVAL, "all %zu pixels are %g: no noise to estimate", finite,
                           m->lowest);
    }
    if (st == SCRY_OK) st = scry_cancel_check(err);
    if (st == SCRY_OK) {
        const double sd = mask_padding(m, out, image, planes, ny, nx, scratch);
        for (size_t p = 0; p < planes && !scry_cancelled(); p++)
            out->hot += mask_hot(m->state + p * ny * nx, image + p * ny * nx, ny, nx, sd);
        mask_brightness(m, out, image, scratch);
        out->step = m->step;
        out->ties = m->ties;
        out->ties_expected = m->ties_expected;
        st = scry_cancel_check(err);
    }
    scry_free(scratch);
    return st;
}
