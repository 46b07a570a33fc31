#include "operators/defects.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/sort.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

/* sd of a normal distribution from its median absolute deviation: 1 / Phi^-1(3/4) */
/* and from the 80 % quantile of the same: 1 / Phi^-1(9/10) */
static const double p80_to_sd = .780304;

enum { NEAR = 24 };             /* neighbours in 5 x 5 */
enum { RUNS = 8, MIN_TOP = 8 }; /* values below the top; pixels of a cut-off peak, at least */

struct plane {
    size_t ny, nx;
    const float *y;
    unsigned char *known;
    unsigned char *flat; /* scratch: marks of the finder at work */
};

void scry_defect_opts_init(scry_defect_opts *opts)
{
    *opts = (scry_defect_opts){
        .find = SCRY_DEFECT_ALL, .saturation = INFINITY, .threshold = 8, .block = 4};
}

/* Statistics of the values of the whole image, from a sorted copy of the finite ones. */
struct values {
    double step; /* least distance of two different values: the digitisation */
    double top;  /* saturated from here on; INFINITY when nothing is */
};

static struct values study_values(const float *sorted, size_t n, double saturation)
{
    struct values v = {.step = 0, .top = saturation};
    for (size_t i = 1; i < n; i++) {
        const double step = (double)sorted[i] - sorted[i - 1];
        if (step > 0 && (v.step == 0 || step < v.step)) v.step = step;
    }
    /* Runs of equal values from the top: the longest of the next RUNS shows the usual length up
     * there.
     */
    size_t top = 0, usual = 0, end = n;
    for (int run = 0; run <= RUNS && end; run++) {
        size_t first = end;
        while (first && sorted[first - 1] == sorted[end - 1])
            first--;
        if (!run)
            top = end - first;
        else if (end - first > usual)
            usual = end - first;
        end = first;
    }
    if (usual && top >= MIN_TOP && top >= 2 * usual && sorted[n - 1] < v.top) v.top = sorted[n - 1];
    return v;
}

/* Pixels of a rectangle, clipped to the plane, that hold `value`, and all of them. */
static void count_equal(const struct plane *p, ptrdiff_t y0, ptrdiff_t y1, ptrdiff_t x0,
                        ptrdiff_t x1, float value, size_t *equal, size_t *total)
{
    for (ptrdiff_t y = y0 < 0 ? 0 : y0; y < y1 && y < (ptrdiff_t)p->ny; y++)
        for (ptrdiff_t x = x0 < 0 ? 0 : x0; x < x1 && x < (ptrdiff_t)p->nx; x++) {
            *equal += p->y[(size_t)y * p->nx + (size_t)x] == value;
            ++*total;
        }
}

/* Whether the known pixels of a line, at least half of it, hold one value, which is *value when a
 * line before set it. Pixels lost already do not count: lines cross, and saturated ones too. */
static bool is_constant(const struct plane *p, size_t first, size_t along, size_t length,
                        float *value, bool given)
{
    size_t seen = 0;
    for (size_t i = 0; i < length; i++) {
        const size_t at = first + i * along;
        if (!p->known[at]) continue;
        if (!seen && !given) *value = p->y[at];
        if (p->y[at] != *value) return false;
        seen++;
    }
    return seen > 1 && 2 * seen >= length;
}

/* Runs of constant rows (or columns) of one value, distinguished from a dark field by their
 * neighbours: half of those hold another. Returns the lines; their pixels become unknown and add to
 * *pixels. */
static size_t defects_find_lines(const struct plane *p, bool columns, size_t *pixels)
{
    const size_t lines = columns ? p->nx : p->ny, length = columns ? p->ny : p->nx;
    const size_t along = columns ? p->nx : 1, across = columns ? 1 : p->nx;
    size_t found = 0;
    for (size_t first = 0, end; first < lines; first = end) {
        float value = 0;
        for (end = first; end < lines; end++)
            if (!is_constant(p, end * across, along, length, &value, end > first)) break;
        if (end == first) {
            end++;
            continue;
        }
        size_t equal = 0, total = 0;
        const ptrdiff_t a = (ptrdiff_t)first, b = (ptrdiff_t)end, n = (ptrdiff_t)length;
        for (int side = 0; side < 2; side++) {
            const ptrdiff_t l = side ? b : a - 1;
            if (columns)
                count_equal(p, 0, n, l, l + 1, value, &equal, &total);
            else
                count_equal(p, l, l + 1, 0, n, value, &equal, &total);
        }
        if (2 * equal >= total) continue; /* also when nothing is beside: a plane of one value */
        found += end - first;
        for (size_t l = first; l < end; l++)
            for (size_t i = 0; i < length; i++) {
                unsigned char *k = &p->known[l * across + i * along];
                *pixels += *k;
                *k = 0;
            }
    }
    return found;
}

/* flat = 1 on the union of all squares of side `side` that hold one value. */
static void mark_flat(const struct plane *p, size_t side)
{
    memset(p->flat, 0, p->ny * p->nx);
    for (size_t y = 0; y + side <= p->ny; y++)
        for (size_t x = 0; x + side <= p->nx; x++) {
            const float *at = p->y + y * p->nx + x;
            size_t equal = 0;
            for (size_t i = 0; i < side && equal == i * side; i++) {
                size_t j = 0;
                while (j < side && at[i * p->nx + j] == at[0])
                    j++;
                equal += j;
            }
            if (equal < side * side) continue;
            for (size_t i = 0; i < side; i++)
                memset(p->flat + (y + i) * p->nx + x, 1, side);
        }
}

/* One patch from `seed`: its pixels in queue, flat = 2. */
static size_t defects_collect(const struct plane *p, size_t seed, size_t *queue)
{
    size_t size = 1;
    queue[0] = seed;
    p->flat[seed] = 2;
    for (size_t at = 0; at < size; at++) {
        const size_t i = queue[at], x = i % p->nx, y = i / p->nx;
        const size_t next[4] = {i - 1, i + 1, i - p->nx, i + p->nx};
        const bool inside[4] = {x > 0, x + 1 < p->nx, y > 0, y + 1 < p->ny};
        for (int k = 0; k < 4; k++)
            if (inside[k] && p->flat[next[k]] == 1 && p->y[next[k]] == p->y[seed]) {
                p->flat[next[k]] = 2;
                queue[size++] = next[k];
            }
    }
    return size;
}

static size_t find_blocks(const struct plane *p, size_t side, size_t *queue)
{
    size_t pixels = 0;
    mark_flat(p, side);
    for (size_t seed = 0; seed < p->ny * p->nx; seed++) {
        if (p->flat[seed] != 1) continue;
        const size_t size = defects_collect(p, seed, queue);
        size_t equal = 0, total = 0;
        for (size_t q = 0; q < size; q++) { /* the ring around: neighbours outside the patch */
            const size_t i = queue[q], x = i % p->nx, y = i / p->nx;
            const size_t next[4] = {i - 1, i + 1, i - p->nx, i + p->nx};
            const bool inside[4] = {x > 0, x + 1 < p->nx, y > 0, y + 1 < p->ny};
            for (int k = 0; k < 4; k++)
                if (inside[k] && p->flat[next[k]] == 0) {
                    equal += p->y[next[k]] == p->y[seed];
                    total++;
                }
        }
        /* a dark field that counted nothing frays at its border, a lost block does not */
        if (10 * equal >= total) continue;
        for (size_t q = 0; q < size; q++) {
            pixels += p->known[queue[q]];
            p->known[queue[q]] = 0;
        }
    }
    return pixels;
}

/* Deviation from the mean of the 4 next pixels, a high pass; its robust sd over the plane. */
static double plane_noise(const struct plane *p, float *scratch)
{
    size_t n = 0;
    for (size_t y = 1; y + 1 < p->ny; y++)
        for (size_t x = 1; x + 1 < p->nx; x++) {
            const size_t i = y * p->nx + x;
            const double d =
                p->y[i] -
                ((double)p->y[i - 1] + p->y[i + 1] + p->y[i - p->nx] + p->y[i + p->nx]) / 4;
            if (isfinite(d)) scratch[n++] = (float)fabs(d);
        }
    /* white noise of variance 1 passes with 1 + 4/16 */
    return n ? SCRY_MAD_TO_SD * scry_quantile(scratch, n, .5, scratch) / sqrt(1.25) : 0;
}

/* +1 hot, -1 dead, 0 neither. */
static int defects_judge(const struct plane *p, size_t y, size_t x, double threshold, double noise)
{
    const float here = p->y[y * p->nx + x];
    float all[NEAR], next[8];
    size_t n = 0, m = 0, above = 0;
    for (size_t v = y > 1 ? y - 2 : 0; v <= y + 2 && v < p->ny; v++)
        for (size_t u = x > 1 ? x - 2 : 0; u <= x + 2 && u < p->nx; u++) {
            const size_t i = v * p->nx + u;
            if ((v == y && u == x) || !p->known[i]) continue;
            all[n++] = p->y[i];
            if (v + 1 >= y && v <= y + 1 && u + 1 >= x && u <= x + 1) {
                next[m++] = p->y[i];
                above += p->y[i] < here;
            }
        }
    /* beyond all but two neighbours, or ordinary: this spares most medians */
    const int sign = above + 2 >= m ? 1 : above <= 2 ? -1 : 0;
    if (!sign || n < 8 || m < 3) return 0;
    const double median = scry_quantile(all, n, .5, all);
    const double far = sign * (here - median);
    if (far <= threshold * noise) return 0;
    for (size_t i = 0; i < n; i++)
        all[i] = fabsf(all[i] - (float)median);
    /* not their median: of 8 to 24 whole numbers it is now and then close to 0. The fifth largest
     * still leaves room for a cluster of four. */
    const double local = p80_to_sd * scry_quantile(all, n, .8, all);
    if (far <= threshold * local) return 0;
    for (size_t i = 0; i < m; i++)
        next[i] = (float)(sign * (next[i] - median));
    scry_sort_float(next, m);
    return far > 3 * next[m - 3] ? sign : 0;
}

static void find_outliers(const struct plane *p, const scry_defect_opts *o, double step,
                          float *scratch, scry_defects *found)
{
    const double noise = fmax(plane_noise(p, scratch), step);
    signed char *verdict = (signed char *)p->flat;
    memset(verdict, 0, p->ny * p->nx);
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t y = 0; y < p->ny; y++)
        for (size_t x = 0; x < p->nx && !scry_cancelled(); x++)
            if (p->known[y * p->nx + x])
                verdict[y * p->nx + x] = (signed char)defects_judge(p, y, x, o->threshold, noise);
    for (size_t i = 0; i < p->ny * p->nx; i++) { /* after: verdicts rest on the same neighbours */
        const bool hot = verdict[i] > 0 && (o->find & SCRY_DEFECT_HOT);
        const bool dead = verdict[i] < 0 && (o->find & SCRY_DEFECT_DEAD);
        found->hot += hot;
        found->dead += dead;
        if (hot || dead) p->known[i] = 0;
    }
}

static scry_status defects_check(const scry_space *space, const scry_defect_opts *o,
                                 scry_error *err)
{
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    if (space->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "a complex image has no hot or saturated pixels");
    if (!(o->threshold > 0))
        return SCRY_FAIL(err, SCRY_EINVAL, "threshold %g sd, expected a number > 0", o->threshold);
    if (o->block < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "block side %zu, expected at least 2", o->block);
    if (isnan(o->saturation)) return SCRY_FAIL(err, SCRY_EINVAL, "the saturation level is NaN");
    return SCRY_OK;
}

scry_status scry_defects_find(unsigned char *known, scry_defects *found, const float *y,
                              const scry_space *space, const scry_defect_opts *opts,
                              scry_error *err)
{
    scry_defect_opts o;
    scry_defect_opts_init(&o);
    if (opts) o = *opts;
    *found = (scry_defects){0};
    scry_status st = defects_check(space, &o, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_space_count(space), nx = space->dims[space->rank - 1];
    const size_t ny = space->rank > 1 ? space->dims[space->rank - 2] : 1;
    float *sorted = scry_alloc(n, sizeof *sorted);
    size_t *queue = scry_alloc(ny * nx, sizeof *queue), finite = 0;
    unsigned char *flat = scry_alloc(ny * nx, 1);
    if (!sorted || !queue || !flat) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "defects of %zu pixels", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if ((known[i] = isfinite(y[i]) != 0)) sorted[finite++] = y[i];
    found->invalid = n - finite;
    scry_sort_float(sorted, finite);
    const struct values v = study_values(sorted, finite, o.saturation);
    for (size_t i = 0; i < n; i++)
        if (known[i] && (o.find & SCRY_DEFECT_SATURATED) && y[i] >= v.top) {
            known[i] = 0;
            found->saturated++;
        }
    for (size_t at = 0; at < n && st == SCRY_OK; at += ny * nx) {
        const struct plane p = {ny, nx, y + at, known + at, flat};
        if (o.find & SCRY_DEFECT_LINES) {
            found->rows += defects_find_lines(&p, false, &found->line_pixels);
            found->columns += defects_find_lines(&p, true, &found->line_pixels);
        }
        if (o.find & SCRY_DEFECT_BLOCKS) found->block_pixels += find_blocks(&p, o.block, queue);
        if (o.find & (SCRY_DEFECT_HOT | SCRY_DEFECT_DEAD))
            find_outliers(&p, &o, v.step, sorted, found);
        st = scry_cancel_check(err);
    }
    for (size_t i = 0; i < n; i++)
        found->unknown += !known[i];
done:
    scry_free(sorted);
    scry_free(queue);
    scry_free(flat);
    return st;
}
