#include "apps/recon/image/padding.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

enum { MIN_PATCH = 64, MIXED = 2, FAR = 4, FEW = 16 };
/* The image beside padding differs from it by so many sd of its noise, already next to the border
 * by so much of the difference farther in. */
#define STEP_ERRORS 5
#define STEP_SHARE .5

/* One plane at work. */
struct plane {
    const float *y;
    size_t ny, nx;
    size_t *queue;
    unsigned char
        *layer; /* 0 unseen; k + 1: k steps from the patch; UCHAR_MAX: of a patch before */
    float *values;
};

enum { DONE = 255 };

static size_t padding_neighbours(size_t next[4], const struct plane *p, size_t i)
{
    const size_t y = i / p->nx, x = i % p->nx;
    size_t n = 0;
    if (x) next[n++] = i - 1;
    if (x + 1 < p->nx) next[n++] = i + 1;
    if (y) next[n++] = i - p->nx;
    if (y + 1 < p->ny) next[n++] = i + p->nx;
    return n;
}

/* The patch of equal pixels around i, marked 1; their number. */
static size_t grow_patch(const struct plane *p, size_t i)
{
    size_t size = 1, next[4];
    p->queue[0] = i;
    p->layer[i] = 1;
    for (size_t q = 0; q < size; q++)
        for (size_t k = padding_neighbours(next, p, p->queue[q]); k-- > 0;)
            if (!p->layer[next[k]] && p->y[next[k]] == p->y[i]) {
                p->layer[next[k]] = 1;
                p->queue[size++] = next[k];
            }
    return size;
}

/* Layers around the patch, up to FAR steps, after it in the queue; the whole length of it. */
static size_t grow_layers(const struct plane *p, size_t size)
{
    size_t next[4], end = size;
    for (size_t q = 0; q < end; q++) {
        const unsigned char here = p->layer[p->queue[q]];
        if (here > FAR) continue;
        for (size_t k = padding_neighbours(next, p, p->queue[q]); k-- > 0;)
            if (!p->layer[next[k]]) {
                p->layer[next[k]] = (unsigned char)(here + 1);
                p->queue[end++] = next[k];
            }
    }
    return end;
}

/* Median distance from the patch's value, `steps` away; NAN where nothing is. */
static double distance_at(const struct plane *p, size_t size, size_t end, int steps)
{
    const double value = p->y[p->queue[0]];
    size_t n = 0;
    for (size_t q = size; q < end; q++)
        if (p->layer[p->queue[q]] == steps + 1 && isfinite(p->y[p->queue[q]]))
            p->values[n++] = (float)(p->y[p->queue[q]] - value);
    return n ? scry_quantile(p->values, n, .5, p->values) : NAN;
}

/* sd of pixels from the median difference of unequal neighbours along x. */
static double plane_sd(const struct plane *p)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < p->ny * p->nx; i++) {
        const float d = fabsf(p->y[i + 1] - p->y[i]);
        if ((i + 1) % p->nx && isfinite(d) && d > 0) p->values[n++] = d;
    }
    return n ? scry_quantile(p->values, n, .5, p->values) * SCRY_MAD_TO_SD / sqrt(2) : 0;
}

/* The same of the layers beside the patch that are no mixture: structure elsewhere does not count.
 * INFINITY where they are few, and where pixels are darker than the patch: what is cut off at the
 * top falls from there. */
static double beside_sd(const struct plane *p, size_t size, size_t end)
{
    size_t n = 0;
    const float value = p->y[p->queue[0]];
    for (size_t q = size; q < end; q++) {
        const size_t i = p->queue[q];
        if (p->y[i] < value) return INFINITY;
        if (p->layer[i] <= MIXED + 1 || !((i + 1) % p->nx)) continue;
        const float d = fabsf(p->y[i + 1] - p->y[i]);
        if (p->layer[i + 1] > MIXED + 1 && p->layer[i + 1] != DONE && isfinite(d) && d > 0)
            p->values[n++] = d;
    }
    if (n < FEW) return INFINITY;
    return scry_quantile(p->values, n, .5, p->values) * SCRY_MAD_TO_SD / sqrt(2);
}

static size_t search_plane(unsigned char *outside, unsigned char *near, const struct plane *p)
{
    const double sd = plane_sd(p);
    size_t count = 0;
    for (size_t i = 0; i < p->ny * p->nx; i++) {
        const size_t y = i / p->nx, x = i % p->nx;
        if (p->layer[i] || (y && x && y + 1 < p->ny && x + 1 < p->nx)) continue;
        const size_t size = grow_patch(p, i);
        const bool large = size >= MIN_PATCH && size < p->ny * p->nx;
        const size_t end = large ? grow_layers(p, size) : size;
        const double by = distance_at(p, size, end, MIXED), far = distance_at(p, size, end, FAR);
        const double noise = large ? fmin(sd, beside_sd(p, size, end)) : sd;
        const bool padding =
            large && fabs(by) > STEP_ERRORS * noise && fabs(by) > STEP_SHARE * fabs(far);
        for (size_t q = 0; q < end; q++) {
            const size_t at = p->queue[q];
            if (padding && q < size) outside[at] = 1;
            if (padding && p->layer[at] <= MIXED + 1) near[at] = 1;
            p->layer[at] = q < size ? DONE : 0;
        }
        count += padding ? size : 0;
    }
    return count;
}

scry_status scry_padding_find(unsigned char *outside, unsigned char *near, size_t *count,
                              const float *image, const scry_space *space, scry_error *err)
{
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t n = scry_space_count(space), each = ny * nx;
    struct plane p = {.ny = ny, .nx = nx};
    scry_status st = SCRY_OK;
    p.queue = scry_alloc(each, sizeof *p.queue);
    p.layer = scry_alloc(each, 1);
    p.values = scry_alloc(each, sizeof *p.values);
    memset(outside, 0, n);
    memset(near, 0, n);
    *count = 0;
    if (!p.queue || !p.layer || !p.values) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "padding of %zu x %zu pixels", ny, nx);
        goto done;
    }
    for (size_t at = 0; at < n; at += each) {
        if ((st = scry_cancel_check(err)) != SCRY_OK) goto done;
        p.y = image + at;
        memset(p.layer, 0, each);
        *count += search_plane(outside + at, near + at, &p);
    }
done:
    scry_free(p.queue);
    scry_free(p.layer);
    scry_free(p.values);
    return st;
}
