/* What no scanner would measure on purpose: spikes, and spokes that are taken for lines. */

#include "lib/io/kspace/kspace_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A discharge in the scanner room lasts for one to three samples. k-space of an object has no
 * sample that is MARGIN times as large as all around it, but for k = 0 and for patterns that repeat
 * all over the field of view, whose peaks come in pairs at k and -k. The largest of 40 samples of
 * noise is 2.7 times their sd; a spike of MARGIN times this is strong enough to see. */
static const float MARGIN = 10, PAIR = 3;
enum { REACH = 3, CENTRE = 4, MIN_NEIGHBOURS = 12, MAX_SPIKES = 8 };

struct plane {
    const scry_kspace_info *info;
    const unsigned char *mask; /* (y, x) */
    const float *size;         /* (y, x): root sum of squares of the coils */
};

static void plausible_sizes(float *size, const scry_kspace_info *info, const float complex *data)
{
    const size_t n = info->nz * info->ny * info->nx;
    memset(size, 0, n * sizeof *size);
    for (size_t c = 0; c < info->coils; c++)
        for (size_t i = 0; i < n; i++) {
            const float re = crealf(data[c * n + i]), im = cimagf(data[c * n + i]);
            size[i] += re * re + im * im;
        }
    for (size_t i = 0; i < n; i++)
        size[i] = sqrtf(size[i]);
}

/* The largest sample around (y, x), but for those beside it on its line; *count of them. */
static float plausible_around(const struct plane *p, size_t y, size_t x, size_t *count)
{
    const size_t ny = p->info->ny, nx = p->info->nx;
    const bool along_x = p->info->readout == 2;
    float largest = 0;
    *count = 0;
    for (size_t v = y < REACH ? 0 : y - REACH; v <= y + REACH && v < ny; v++)
        for (size_t u = x < REACH ? 0 : x - REACH; u <= x + REACH && u < nx; u++) {
            const size_t dy = v > y ? v - y : y - v, dx = u > x ? u - x : x - u;
            const bool on_line = along_x ? dy == 0 && dx < 2 : dx == 0 && dy < 2;
            if (on_line || !p->mask[v * nx + u]) continue;
            largest = fmaxf(largest, p->size[v * nx + u]);
            ++*count;
        }
    return largest;
}

static bool plausible_spike(const struct plane *p, size_t y, size_t x)
{
    const size_t ny = p->info->ny, nx = p->info->nx, cy = ny / 2, cx = nx / 2;
    const float here = p->size[y * nx + x];
    const bool along_x = p->info->readout == 2;
    const size_t step = along_x ? 1 : nx, at = along_x ? x : y, n = along_x ? nx : ny;
    size_t count;
    /* most samples are refused by two of their line */
    if (!p->mask[y * nx + x] || !(here > 0)) return false;
    if (at >= 2 && here <= MARGIN * p->size[y * nx + x - 2 * step]) return false;
    if (at + 2 < n && here <= MARGIN * p->size[y * nx + x + 2 * step]) return false;
    if ((y > cy ? y - cy : cy - y) <= CENTRE && (x > cx ? x - cx : cx - x) <= CENTRE) return false;
    if (here <= MARGIN * plausible_around(p, y, x, &count) || count < MIN_NEIGHBOURS) return false;
    const size_t my = 2 * cy - y, mx = 2 * cx - x; /* wraps around below 0 */
    return my >= ny || mx >= nx || !p->mask[my * nx + mx] || here > PAIR * p->size[my * nx + mx];
}

/* Takes a sample out: of a volume its line, since its planes need whole ones. */
static void plausible_leave_out(const scry_kspace_info *info, float complex *data,
                                unsigned char *mask, size_t i)
{
    const size_t n = info->nz * info->ny * info->nx,
                 along = info->readout == 2 ? info->nx : info->ny;
    const size_t step = info->readout == 2 ? 1 : info->nx;
    const size_t first =
        info->nz == 1 ? i
                      : i - (info->readout == 2 ? i % info->nx : i / info->nx % info->ny) * step;
    for (size_t k = 0; k < (info->nz == 1 ? 1 : along); k++) {
        mask[first + k * step] = 0;
        for (size_t c = 0; c < info->coils; c++)
            data[c * n + first + k * step] = 0;
    }
}

static void plausible_spikes(scry_kspace_reader *r, const char *what, float complex *data,
                             unsigned char *mask, const float *size)
{
    const scry_kspace_info *info = &r->info;
    const size_t plane = info->ny * info->nx;
    size_t at[MAX_SPIKES], count = 0;
    for (size_t i = 0; i < info->nz * plane; i++) {
        const struct plane p = {info, mask + i / plane * plane, size + i / plane * plane};
        if (!plausible_spike(&p, i / info->nx % info->ny, i % info->nx)) continue;
        if (count == MAX_SPIKES) return; /* so many are no spikes */
        at[count++] = i;
    }
    for (size_t k = 0; k < count; k++) {
        const size_t i = at[k];
        scryi_kspace_warn(r,
                          "%s: the sample at z %zu, y %zu, x %zu is a spike, %.3g where its "
                          "neighbours allow %.3g: %s is left out",
                          what, i / plane, i / info->nx % info->ny, i % info->nx, (double)size[i],
                          (double)(size[i] / MARGIN), info->nz == 1 ? "it" : "its line");
        plausible_leave_out(info, data, mask, i);
    }
}

/* ---- spokes ---- */

static int plausible_by_value(const void *a, const void *b)
{
    const float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

/* All spokes pass through k = 0, so that each is as strong there as the others; of lines those in
 * the middle are. Is the weakest tenth of the lines half as strong at its centre as the strongest,
 * and stronger than at its ends? */
static bool plausible_spokes(const scry_kspace_info *info, const unsigned char *mask,
                             const float *size, float *of_line)
{
    const bool along_x = info->readout == 2;
    const size_t lines = along_x ? info->ny : info->nx, n = along_x ? info->nx : info->ny;
    const size_t step = along_x ? 1 : info->nx, next = along_x ? info->nx : 1;
    double middle = 0, ends = 0;
    size_t count = 0;
    for (size_t l = 0; l < lines; l++) {
        float most = 0;
        size_t held = 0;
        for (size_t k = 0; k < n; k++) {
            const float v = size[l * next + k * step];
            held += mask[l * next + k * step];
            if (k + 2 >= n / 2 && k <= n / 2 + 2) most = fmaxf(most, v);
            if (k < n / 8 || k >= n - n / 8) ends += v;
        }
        if (held * 2 < n) continue;
        of_line[count++] = most;
        middle += most;
    }
    if (count < 8 || n < 16) return false;
    qsort(of_line, count, sizeof *of_line, plausible_by_value);
    return of_line[count / 10] > 0.5f * of_line[count - 1 - count / 10] &&
           middle * (double)(n / 8 * 2) > 4 * ends;
}

scry_status scryi_kspace_examine(scry_kspace_reader *r, const char *what, float complex *data,
                                 unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *info = &r->info;
    const size_t lines = info->nz * info->ny * info->nx;
    if (r->scattered || info->image_axis[0] || info->image_axis[1] || info->image_axis[2])
        return SCRY_OK;
    float *size = scry_alloc(lines + info->ny + info->nx, sizeof *size);
    if (!size) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: sizes of %zu samples", r->path, lines);
    plausible_sizes(size, info, data);
    if (info->nz == 1 && plausible_spokes(info, mask, size, size + lines))
        scryi_kspace_warn(r,
                          "%s: every line is strong at its centre, as spokes are: radial data are "
                          "taken for Cartesian here",
                          what);
    else
        plausible_spikes(r, what, data, mask, size);
    scry_free(size);
    return SCRY_OK;
}
