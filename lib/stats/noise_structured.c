#include "lib/stats/noise_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>

/* Denoisers (non-local means, wavelets, total variation, bilateral filters) take the noise where an
 * image is flat and leave it beside edges and on texture, where it is then restored as structure if
 * the flat parts set its level. Cameras do not: their noise depends on brightness alone. */

static const double corner = .42;        /* cycles a pixel: beyond any psf that is sampled */
static const double from = .1, to = .25; /* cycles a pixel: the structure of a window */
static const double uneven = 1.5;        /* noise of structured windows over that of flat ones */
static const double clear_errors = 6;    /* windows overlap: as 4 of independent ones */
static const double least_of_mean = .02; /* of the line, where it goes below zero */
enum { ENOUGH = 18 };

struct noise_parts {
    float *corner, *structure, *ratio, *scratch;
};

/* Returns the bins of a corner. */
static double measure_parts(const struct noise_parts *p, const struct scryi_noise_windows *w)
{
    double fy, fx, bins = 0;
    for (size_t k = 0; k < w->count; k++) {
        double sum[2] = {0}, n[2] = {0};
        for (size_t i = 0; i < w->bins; i++) {
            scryi_noise_frequency(&fy, &fx, i, w->side);
            const double f = hypot(fy, fx);
            const int part = f > corner ? 0 : f > from && f < to ? 1 : -1;
            if (part < 0) continue;
            sum[part] += (double)w->power[k * w->bins + i];
            n[part]++;
        }
        p->corner[k] = (float)(sum[0] / n[0]);
        p->structure[k] = (float)(sum[1] / n[1]);
        bins = n[0];
    }
    return bins;
}

/* Median of the ratios of windows whose structure is at least, or at most, `bound`. */
static double median_ratio(const struct noise_parts *p, size_t count, double bound, bool above)
{
    size_t n = 0;
    for (size_t k = 0; k < count; k++)
        if (above ? p->structure[k] >= bound : p->structure[k] <= bound)
            p->scratch[n++] = p->ratio[k];
    return scry_quantile(p->scratch, n, .5, p->scratch);
}

/* Whether windows with structure have more noise beyond every passband than flat ones, beyond the
 * share that their brightness explains; *bound is the structure of the upper third. */
static bool noise_is_uneven(double *bound, const struct noise_parts *p,
                            const struct scryi_noise_blocks *all, double scatter)
{
    const size_t n = all->count;
    struct scryi_noise_blocks b = *all;
    scry_camera_estimate line;
    double mean = 0;
    b.var = p->corner;
    b.scatter = scatter;
    scryi_noise_line(&line, &b, NAN);
    if (!(line.slope > 0)) scryi_noise_line(&line, &b, 0);
    for (size_t k = 0; k < n; k++)
        mean += (double)p->corner[k] / (double)n;
    for (size_t k = 0; k < n; k++) {
        const double v =
            fmax(line.slope * (double)b.mean[k] + line.intercept, least_of_mean * mean);
        p->ratio[k] = (float)((double)p->corner[k] / v);
    }
    const double low = scry_quantile(p->structure, n, 1. / 3, p->scratch);
    *bound = scry_quantile(p->structure, n, 2. / 3, p->scratch);
    const double more = median_ratio(p, n, *bound, true), less = median_ratio(p, n, low, false);
    const double error = 1.25 * scatter * sqrt(2 / ((double)n / 3));
    return more > uneven * less && log(more / fmax(less, 1e-9 * more)) > clear_errors * error;
}

scry_status scryi_noise_keep_structured(bool *kept, struct scryi_noise_blocks *b,
                                        const struct scryi_noise_windows *w, scry_error *err)
{
    double bound;
    size_t n = 0;
    *kept = false;
    if (b->count < ENOUGH) return SCRY_OK;
    float *block = scry_alloc(4 * b->count, sizeof *block);
    if (!block) return SCRY_FAIL(err, SCRY_ENOMEM, "structure of %zu windows", b->count);
    const struct noise_parts p = {block, block + b->count, block + 2 * b->count,
                                  block + 3 * b->count};
    const double scatter = 1 / sqrt(SCRYI_BIN_FREEDOM * measure_parts(&p, w));
    *kept = noise_is_uneven(&bound, &p, b, scatter);
    for (size_t k = 0; k < b->count && *kept; k++) {
        if (p.structure[k] < bound) continue;
        b->mean[n] = b->mean[k];
        b->var[n++] = b->var[k];
    }
    if (*kept) b->count = n;
    scry_free(block);
    return SCRY_OK;
}
