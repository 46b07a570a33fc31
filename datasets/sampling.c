#include "datasets/sampling.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

#include "datasets/mt19937_impl.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/space.h"

static const char *const names[] = {"random",   "equispaced", "equispaced-fraction",
                                    "regular",  "poisson",    "radial",
                                    "gaussian", NULL};

const char *const *scry_pattern_names(void)
{
    return names;
}

bool scry_pattern_of_lines(scry_pattern p)
{
    return p != SCRY_PATTERN_POISSON && p != SCRY_PATTERN_RADIAL;
}

static bool of_fastmri(scry_pattern p)
{
    return p <= SCRY_PATTERN_EQUISPACED_FRACTION;
}

/* ---- fastMRI ---- */

/* One code point of UTF-8; a byte that is none becomes U+DC00 + byte, as in Python's names of
 * files. */
static uint32_t code_point(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    const int more = s[0] < 0x80   ? 0
                     : s[0] < 0xc2 ? -1
                     : s[0] < 0xe0 ? 1
                     : s[0] < 0xf0 ? 2
                     : s[0] < 0xf5 ? 3
                                   : -1;
    uint32_t c = more > 0 ? s[0] & (0x3fu >> more) : s[0];
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            (*text)++;
            return 0xdc00u + s[0];
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    *text += more > 0 ? more + 1 : 1;
    return more < 0 ? 0xdc00u + s[0] : c;
}

static scry_status sampling_seed(scryi_mt19937 *g, const scry_sampling *s, scry_error *err)
{
    if (s->seed_name && *s->seed_name) {
        size_t n = 0;
        uint32_t *key = scry_alloc(strlen(s->seed_name), sizeof *key);
        if (!key) return SCRY_FAIL(err, SCRY_ENOMEM, "seed '%s'", s->seed_name);
        for (const char *p = s->seed_name; *p;)
            key[n++] = code_point(&p);
        scryi_mt_seed_array(g, key, n);
        scry_free(key);
    } else if (s->seed >> 32) {
        const uint32_t halves[2] = {(uint32_t)s->seed, (uint32_t)(s->seed >> 32)};
        scryi_mt_seed_array(g, halves, 2);
    } else {
        scryi_mt_seed(g, (uint32_t)s->seed);
    }
    return SCRY_OK;
}

/* numpy.arange(offset, n - 1, step), rounded: its entries are offset + k ((offset + step) - offset)
 * in double, and their number is ceil(((n - 1) - offset) / step). */
static void take_range(unsigned char *line, size_t n, double offset, double step)
{
    const double last = (double)n - 1, delta = (offset + step) - offset;
    const size_t count = offset < last ? (size_t)ceil((last - offset) / step) : 0;
    for (size_t k = 0; k < count; k++) {
        const size_t i = (size_t)rint(offset + (double)k * delta);
        if (i < n) line[i] = 1;
    }
}

static scry_status sampling_fastmri(unsigned char *line, size_t n, size_t central, double accel,
                                    scry_pattern pattern, scryi_mt19937 *g, scry_error *err)
{
    const double width = (double)n, low = (double)central;
    if (pattern == SCRY_PATTERN_RANDOM) {
        const double p = (width / accel - low) / (width - low);
        for (size_t i = 0; i < n; i++)
            line[i] = scryi_mt_uniform(g) < p;
    } else if (pattern == SCRY_PATTERN_EQUISPACED) {
        const size_t step = (size_t)rint(accel);
        for (size_t i = scryi_mt_randint(g, (uint32_t)step); i < n; i += step)
            line[i] = 1;
    } else {
        if (low * accel >= width)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "acceleration %g of %zu lines leaves %.4g, expected "
                             "more than the %zu of the centre",
                             accel, n, width / accel, central);
        const double step = accel * (low - width) / (low * accel - width);
        take_range(line, n, scryi_mt_randint(g, (uint32_t)rint(step)), step);
    }
    return SCRY_OK;
}

/* ---- density that other patterns draw from ---- */

static gsl_rng *sampling_generator(uint64_t seed_number, scry_error *err)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    if (r)
        scry_rng_gsl_seek(r, seed_number, 0, 0, 0);
    else
        SCRY_FAIL(err, SCRY_ENOMEM, "random numbers");
    return r;
}

/* How many of n places `accel` leaves, with words when the centre alone is more. */
static scry_status sampling_target(size_t *out, size_t n, size_t central, double accel,
                                   const char *what, scry_error *err)
{
    *out = (size_t)rint((double)n / accel);
    if (*out < central || !*out)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "acceleration %g leaves %zu of %zu %s, expected at "
                         "least the %zu of the centre",
                         accel, *out, n, what, central);
    return SCRY_OK;
}

static scry_status sampling_gaussian(unsigned char *line, size_t n, size_t central,
                                     const scry_sampling *s, scry_error *err)
{
    size_t wanted, taken = 0;
    double total = 0;
    scry_status st = sampling_target(&wanted, n, central, s->accel, "lines", err);
    if (st != SCRY_OK) return st;
    double *weight = scry_alloc(n, sizeof *weight);
    gsl_rng *r = sampling_generator(s->seed, err);
    if (!weight || !r) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "weights of %zu lines", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        const double d = ((double)i - (double)(n / 2)) / ((double)n / 6);
        weight[i] = line[i] ? 0 : exp(-.5 * d * d);
        total += weight[i];
        taken += line[i];
    }
    for (; taken < wanted; taken++) { /* one at a time by inversion: n^2 steps of nothing */
        double u = gsl_rng_uniform_pos(r) * total;
        size_t pick = n;
        for (size_t i = 0; i < n && u > 0; i++) {
            if (line[i]) continue;
            pick = i;
            u -= weight[i];
        }
        line[pick] = 1;
        total -= weight[pick];
    }
done:
    gsl_rng_free(r);
    scry_free(weight);
    return st;
}

/* ---- whole lines ---- */

static scry_status sampling_check(const scry_sampling *s, size_t n, double accel, double centre,
                                  scry_error *err)
{
    if ((unsigned)s->pattern > SCRY_PATTERN_GAUSSIAN)
        return SCRY_FAIL(err, SCRY_EINVAL, "pattern %d, expected 0 to %d", (int)s->pattern,
                         (int)SCRY_PATTERN_GAUSSIAN);
    if (!n || n > 1u << 20)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu lines, expected 1 to %d", n, 1 << 20);
    if (!(accel > 1 && accel <= (double)n))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "acceleration %g of %zu lines, expected more than 1 and "
                         "at most %zu",
                         accel, n, n);
    if (!(centre >= 0 && centre < 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "centre %g, expected a share of the lines from 0 to 1",
                         centre);
    if (centre > 0 && rint((double)n * centre) < 1)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "acceleration %g with centre %g of %zu lines leaves no "
                         "line in the centre, expected a centre of at least %.3g",
                         accel, centre, n, .5 / (double)n);
    return SCRY_OK;
}

scry_status scry_sampling_lines(unsigned char *line, size_t n, const scry_sampling *s,
                                scry_error *err)
{
    if (SCRY_MISSING(err, line, s)) return SCRY_EINVAL;
    scryi_mt19937 g = {.at = 0};
    scry_sampling_choice picked = {s->accel, s->centre};
    scry_status st = SCRY_OK;
    if (!scry_pattern_of_lines(s->pattern) || (s->n_choices && !of_fastmri(s->pattern)))
        return SCRY_FAIL(err, SCRY_EUNSUP, "pattern %s has no %s", names[s->pattern],
                         s->n_choices ? "list of accelerations" : "lines");
    if (of_fastmri(s->pattern)) {
        if ((st = sampling_seed(&g, s, err)) != SCRY_OK) return st;
        if (s->n_choices) picked = s->choices[scryi_mt_randint(&g, (uint32_t)s->n_choices)];
    }
    if ((st = sampling_check(s, n, picked.accel, picked.centre, err)) != SCRY_OK) return st;
    const size_t central = (size_t)rint((double)n * picked.centre), first = (n - central + 1) / 2;
    memset(line, 0, n);
    if (of_fastmri(s->pattern))
        st = sampling_fastmri(line, n, central, picked.accel, s->pattern, &g, err);
    if (st != SCRY_OK) return st;
    for (size_t i = first; i < first + central; i++)
        line[i] = 1;
    for (size_t k = 0; s->pattern == SCRY_PATTERN_REGULAR; k++) {
        const double at = rint((double)k * picked.accel);
        if (at >= (double)n) break;
        line[(size_t)at] = 1;
    }
    if (s->pattern == SCRY_PATTERN_GAUSSIAN) st = sampling_gaussian(line, n, central, s, err);
    if (st == SCRY_OK && !line[n / 2])
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "acceleration %g with centre %g of %zu lines leaves out "
                       "line %zu, the centre of k-space: raise the centre",
                       picked.accel, picked.centre, n, n / 2);
    return st;
}

/* ---- points ---- */

struct grid {
    unsigned char *mask;
    size_t ny, nx;
};

/* Distance from the centre of k-space, 1 at the middle of an edge. */
static double sampling_eccentricity(const struct grid *g, size_t y, size_t x)
{
    const double dy = ((double)y - (double)(g->ny / 2)) / fmax((double)g->ny / 2, 1);
    const double dx = ((double)x - (double)(g->nx / 2)) / fmax((double)g->nx / 2, 1);
    return sqrt(dy * dy + dx * dx);
}

static size_t take_block(const struct grid *g, double centre)
{
    const size_t cy = (size_t)rint((double)g->ny * centre), y0 = (g->ny - cy + 1) / 2;
    const size_t cx = (size_t)rint((double)g->nx * centre), x0 = (g->nx - cx + 1) / 2;
    memset(g->mask, 0, g->ny * g->nx);
    for (size_t y = y0; y < y0 + cy; y++)
        memset(g->mask + y * g->nx + x0, 1, cx);
    return cy * cx;
}

/* blocked = 1 inside the disc of (y, x): nothing more is taken there. */
static void sampling_block(const struct grid *g, unsigned char *blocked, size_t y, size_t x,
                           double radius)
{
    const size_t reach = (size_t)radius;
    const size_t y1 = y + reach < g->ny ? y + reach : g->ny - 1, x0 = x > reach ? x - reach : 0;
    const size_t x1 = x + reach < g->nx ? x + reach : g->nx - 1;
    for (size_t i = y > reach ? y - reach : 0; i <= y1; i++)
        for (size_t j = x0; j <= x1; j++) {
            const double dy = (double)i - (double)y, dx = (double)j - (double)x;
            if (dy * dy + dx * dx < radius * radius) blocked[i * g->nx + j] = 1;
        }
}

struct darts {
    size_t *order; /* of the points */
    float *radius; /* of their discs, for r0 = 1 */
    unsigned char *blocked;
};

/* Points in their order, each taken unless it is blocked, until `wanted` are. */
static size_t throw_darts(const struct grid *g, const struct darts *d, double r0, size_t wanted,
                          double centre)
{
    const size_t n = g->ny * g->nx;
    size_t taken = take_block(g, centre);
    memset(d->blocked, 0, n);
    for (size_t i = 0; i < n; i++)
        if (g->mask[i]) sampling_block(g, d->blocked, i / g->nx, i % g->nx, r0 * d->radius[i]);
    for (size_t k = 0; k < n && taken < wanted; k++) {
        const size_t i = d->order[k];
        if (d->blocked[i]) continue;
        g->mask[i] = 1;
        sampling_block(g, d->blocked, i / g->nx, i % g->nx, r0 * d->radius[i]);
        taken++;
    }
    return taken;
}

static void sampling_prepare(const struct grid *g, const struct darts *d, gsl_rng *r)
{
    const size_t n = g->ny * g->nx, central = g->ny / 2 * g->nx + g->nx / 2;
    for (size_t i = 0; i < n; i++) {
        d->order[i] = i;
        d->radius[i] = (float)((1 + 2 * sampling_eccentricity(g, i / g->nx, i % g->nx)) *
                               (.75 + .5 * gsl_rng_uniform(r)));
    }
    gsl_ran_shuffle(r, d->order, n, sizeof *d->order);
    /* The centre of k-space first: it is there without a block, too. */
    for (size_t k = 0; k < n; k++)
        if (d->order[k] == central) {
            d->order[k] = d->order[0];
            d->order[0] = central;
        }
}

static scry_status sampling_poisson(const struct grid *g, size_t wanted, const scry_sampling *s,
                                    scry_error *err)
{
    const size_t n = g->ny * g->nx;
    scry_status st = SCRY_OK;
    const struct darts d = {scry_alloc(n, sizeof *d.order), scry_alloc(n, sizeof *d.radius),
                            scry_alloc(n, 1)};
    gsl_rng *r = sampling_generator(s->seed, err);
    if (!d.order || !d.radius || !d.blocked || !r) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "order of %zu points", n);
        goto done;
    }
    sampling_prepare(g, &d, r);
    /* Discs of .2, .96 at most, leave every point free. Discs of 3 sqrt R hold fewer than one point
     * in R each (densest packing: 2/sqrt 3 a square of the radius). */
    double low = .2, high = 3 * sqrt(s->accel);
    for (int i = 0; i < 16; i++) { /* to 1e-4 of a sample or so: the count is made up exactly */
        const double r0 = .5 * (low + high);
        if (throw_darts(g, &d, r0, wanted, s->centre) == wanted)
            low = r0;
        else
            high = r0;
    }
    throw_darts(g, &d, low, wanted, s->centre);
done:
    gsl_rng_free(r);
    scry_free(d.blocked);
    scry_free(d.radius);
    scry_free(d.order);
    return st;
}

/* One diameter, half a sample a step; returns how many points it adds. */
static size_t add_spoke(const struct grid *g, double angle)
{
    const double hy = .5 * (double)g->ny, hx = .5 * (double)g->nx;
    const long steps = (long)(2 * fmax(hy, hx));
    size_t added = 0;
    for (long t = -steps; t <= steps; t++) {
        const double at = (double)t / (double)steps;
        const double y = rint((double)(g->ny / 2) + at * hy * sin(angle));
        const double x = rint((double)(g->nx / 2) + at * hx * cos(angle));
        if (!(y >= 0 && y < (double)g->ny && x >= 0 && x < (double)g->nx)) continue;
        unsigned char *m = &g->mask[(size_t)y * g->nx + (size_t)x];
        added += !*m;
        *m = 1;
    }
    return added;
}

static size_t sampling_spokes(const struct grid *g, size_t count, double first, double centre)
{
    const double golden = acos(-1) * (sqrt(5) - 1) / 2;
    size_t taken = take_block(g, centre);
    for (size_t k = 0; k < count; k++)
        taken += add_spoke(g, first + (double)k * golden);
    return taken;
}

static scry_status sampling_radial(const struct grid *g, size_t wanted, const scry_sampling *s,
                                   scry_error *err)
{
    const size_t max = 4 * (g->ny > g->nx ? g->ny : g->nx); /* the ellipse is full by then */
    const double n = (double)g->ny * (double)g->nx;
    gsl_rng *r = sampling_generator(s->seed, err);
    if (!r) return SCRY_ENOMEM;
    const double first = acos(-1) * gsl_rng_uniform(r), golden = acos(-1) * (sqrt(5) - 1) / 2;
    size_t taken = take_block(g, s->centre), before = taken, count = 0;
    gsl_rng_free(r);
    for (; taken < wanted && count < max; count++) {
        before = taken;
        taken += add_spoke(g, first + (double)count * golden);
    }
    if (taken < wanted)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "acceleration %g: spokes fill the ellipse inside %zu x "
                         "%zu, expected at least %.3g",
                         s->accel, g->ny, g->nx, n / (double)taken);
    if (count > 1 && wanted - before < taken - wanted)
        sampling_spokes(g, count - 1, first, s->centre);
    return SCRY_OK;
}

scry_status scry_sampling_mask(unsigned char *mask, size_t ny, size_t nx, int readout,
                               const scry_sampling *s, scry_error *err)
{
    if (SCRY_MISSING(err, mask, s)) return SCRY_EINVAL;
    const struct grid g = {mask, ny, nx};
    size_t n, wanted = 0, central;
    if (readout != 1 && readout != 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "readout axis %d, expected 1 (y) or 2 (x)", readout);
    if (!scry_mul(&n, ny, nx) || n > 1u << 30)
        return SCRY_FAIL(err, SCRY_ESHAPE, "mask of %zu x %zu points, at most 2^30", ny, nx);
    if (scry_pattern_of_lines(s->pattern)) {
        const size_t lines = readout == 1 ? nx : ny;
        unsigned char *line = scry_alloc(lines, 1);
        if (!line) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu lines", lines);
        const scry_status st = scry_sampling_lines(line, lines, s, err);
        for (size_t i = 0; st == SCRY_OK && i < n; i++)
            mask[i] = line[readout == 1 ? i % nx : i / nx];
        scry_free(line);
        return st;
    }
    if (s->n_choices)
        return SCRY_FAIL(err, SCRY_EUNSUP, "pattern %s has no list of accelerations",
                         names[s->pattern]);
    scry_status st = sampling_check(s, ny < nx ? ny : nx, s->accel, s->centre, err);
    if (st != SCRY_OK) return st;
    central = take_block(&g, s->centre);
    if ((st = sampling_target(&wanted, n, central, s->accel, "points", err)) != SCRY_OK) return st;
    return s->pattern == SCRY_PATTERN_POISSON ? sampling_poisson(&g, wanted, s, err)
                                              : sampling_radial(&g, wanted, s, err);
}
