#include "datasets/structure.h"

#include "lib/rng_gsl.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Lengths are in pixels. Edges are soft over about a pixel, so that nothing is drawn finer than the
 * grid can carry. */

enum { WAVES = 24, CELLS_MAX = 128 };

typedef struct structure_page {
    float *out;
    size_t ny, nx;
    double side; /* the geometric mean of the two */
    gsl_rng *r;
} structure_page;

static double structure_between(structure_page *p, double low, double high)
{
    return low + (high - low) * gsl_rng_uniform(p->r);
}

static size_t structure_number(structure_page *p, double low, double high)
{
    const double area = (double)(p->ny * p->nx) / 65536; /* numbers are those of 256 x 256 */
    return 1 + (size_t)(exp(structure_between(p, log(low), log(high))) * area);
}

/* A smooth random field of unit variance: plane waves. */
typedef struct structure_field {
    double ky[WAVES], kx[WAVES], phase[WAVES];
} structure_field;

static structure_field structure_waves(structure_page *p, double wavelength)
{
    structure_field f;
    for (int w = 0; w < WAVES; w++) {
        const double k = 2 * acos(-1) / (wavelength * structure_between(p, .6, 2));
        gsl_ran_dir_2d(p->r, &f.ky[w], &f.kx[w]);
        f.ky[w] *= k;
        f.kx[w] *= k;
        f.phase[w] = structure_between(p, 0, 2 * acos(-1));
    }
    return f;
}

static double structure_field_at(const structure_field *f, double y, double x)
{
    double s = 0;
    for (int w = 0; w < WAVES; w++)
        s += cos(f->ky[w] * y + f->kx[w] * x + f->phase[w]);
    return s * sqrt(2. / WAVES);
}

/* Pixels from `at - reach` to `at + reach` along an axis of n. */
static void structure_range(size_t *from, size_t *to, double at, double reach, size_t n)
{
    *from = (size_t)fmin(fmax(floor(at - reach), 0), (double)n);
    *to = (size_t)fmin(fmax(ceil(at + reach) + 1, 0), (double)n);
}

static void structure_spot(structure_page *p, double cy, double cx, double sd, double height)
{
    size_t y0, y1, x0, x1;
    structure_range(&y0, &y1, cy, 3.5 * sd, p->ny);
    structure_range(&x0, &x1, cx, 3.5 * sd, p->nx);
    for (size_t y = y0; y < y1; y++)
        for (size_t x = x0; x < x1; x++) {
            const double d2 = pow((double)y - cy, 2) + pow((double)x - cx, 2);
            p->out[y * p->nx + x] += (float)(height * exp(-.5 * d2 / (sd * sd)));
        }
}

/* A walk whose direction drifts, drawn as spots half a width apart. */
static void structure_filament(structure_page *p, double width, double ragged)
{
    const size_t steps = (size_t)structure_between(p, 40, 3.5 * p->side);
    const double bend = structure_between(p, .002, .03), height = structure_between(p, .2, 1);
    double angle = structure_between(p, 0, 2 * acos(-1)), turn = structure_between(p, -.01, .01);
    double y = structure_between(p, -.1, 1.1) * (double)p->ny, slow = 0;
    double x = structure_between(p, -.1, 1.1) * (double)p->nx;
    for (size_t k = 0; k < steps; k++) {
        turn = .97 * turn + bend * .2 * gsl_ran_gaussian(p->r, 1);
        slow = .9 * slow + .44 * gsl_ran_gaussian(p->r, 1);
        angle += turn;
        y += .6 * sin(angle);
        x += .6 * cos(angle);
        structure_spot(p, y, x, width, height * fmax(.05, 1 + ragged * slow) * .6 / width);
    }
}

static void structure_filaments(structure_page *p)
{
    const size_t count = structure_number(p, 4, 60);
    const double width = structure_between(p, .55, 1.6), ragged = structure_between(p, 0, .6);
    for (size_t k = 0; k < count; k++)
        structure_filament(p, width, ragged);
}

static void structure_puncta(structure_page *p)
{
    const size_t count = structure_number(p, 20, 1000);
    const double width = structure_between(p, .6, 2);
    for (size_t k = 0; k < count; k++)
        structure_spot(p, structure_between(p, 0, (double)p->ny),
                       structure_between(p, 0, (double)p->nx), width,
                       pow(10, structure_between(p, -1, 0)));
}

/* The distance of a point to the border of its cell, which halves the way between the two sites
 * nearest to it: (second^2 - first^2) / (2 |their distance|). */
static double structure_border(double at[CELLS_MAX][2], size_t cells, double y, double x)
{
    double first = HUGE_VAL, second = HUGE_VAL;
    size_t near = 0, next = 0;
    for (size_t c = 0; c < cells; c++) {
        const double d = pow(y - at[c][0], 2) + pow(x - at[c][1], 2);
        if (d < first) {
            second = first;
            next = near;
            first = d;
            near = c;
        } else if (d < second) {
            second = d;
            next = c;
        }
    }
    const double apart = hypot(at[near][0] - at[next][0], at[near][1] - at[next][1]);
    return cells > 1 ? (second - first) / (2 * fmax(apart, 1e-6)) : HUGE_VAL;
}

static void structure_membranes(structure_page *p)
{
    double at[CELLS_MAX][2];
    size_t cells = structure_number(p, 8, 120);
    if (cells > CELLS_MAX) cells = CELLS_MAX;
    const double width = structure_between(p, .7, 2), faint = structure_between(p, 0, .2);
    const structure_field bend[2] = {structure_waves(p, 40), structure_waves(p, 40)};
    const structure_field bright = structure_waves(p, structure_between(p, 8, 50));
    const structure_field cloud = structure_waves(p, 12);
    for (size_t c = 0; c < cells; c++) {
        at[c][0] = structure_between(p, 0, (double)p->ny);
        at[c][1] = structure_between(p, 0, (double)p->nx);
    }
    for (size_t i = 0; i < p->ny * p->nx; i++) {
        const double y0 = (double)(i / p->nx), x0 = (double)(i % p->nx);
        const double y = y0 + 3 * structure_field_at(&bend[0], y0, x0);
        const double x = x0 + 3 * structure_field_at(&bend[1], y0, x0);
        const double gap = fmin(structure_border(at, cells, y, x), 1e3) / width;
        const double ragged = fmax(.1, 1 + .4 * structure_field_at(&bright, y0, x0));
        p->out[i] = (float)(ragged * exp(-.5 * gap * gap) +
                            faint * fmax(0, 1 + structure_field_at(&cloud, y0, x0)));
    }
}

/* A pixel of an ellipse: how far inside, in pixels, and the place along its long axis. */
typedef struct structure_ellipse {
    double y, x, radius, flat, cos, sin;
} structure_ellipse;

static structure_ellipse structure_draw_ellipse(structure_page *p, double radius)
{
    const double turn = structure_between(p, 0, acos(-1));
    return (structure_ellipse){structure_between(p, -.1, 1.1) * (double)p->ny,
                               structure_between(p, -.1, 1.1) * (double)p->nx,
                               radius,
                               structure_between(p, .5, 1),
                               cos(turn),
                               sin(turn)};
}

static double structure_inside(const structure_ellipse *e, double y, double x, double *along)
{
    const double u = e->cos * (x - e->x) + e->sin * (y - e->y);
    const double v = (e->cos * (y - e->y) - e->sin * (x - e->x)) / e->flat;
    *along = u / e->radius;
    return e->radius - hypot(u, v);
}

static double structure_step(double inside)
{
    return fmin(1, fmax(0, inside + .5));
}

static void structure_vesicles(structure_page *p)
{
    const size_t count = structure_number(p, 20, 200);
    for (size_t k = 0; k < count; k++) {
        const double radius = structure_between(p, 1.5, 10),
                     cy = structure_between(p, 0, (double)p->ny),
                     cx = structure_between(p, 0, (double)p->nx);
        const double height = structure_between(p, .2, 1), wall = structure_between(p, .55, 1.2);
        const bool ring = gsl_rng_uniform(p->r) < .6;
        size_t y0, y1, x0, x1;
        structure_range(&y0, &y1, cy, radius + 4 * wall, p->ny);
        structure_range(&x0, &x1, cx, radius + 4 * wall, p->nx);
        for (size_t y = y0; y < y1; y++)
            for (size_t x = x0; x < x1; x++) {
                const double d = hypot((double)y - cy, (double)x - cx) - radius;
                p->out[y * p->nx + x] +=
                    (float)(height * (ring ? exp(-.5 * pow(d / wall, 2)) : structure_step(-d)));
            }
    }
}

static void structure_nuclei(structure_page *p)
{
    const size_t count = structure_number(p, 3, 25);
    const structure_field texture = structure_waves(p, structure_between(p, 4, 14));
    for (size_t k = 0; k < count; k++) {
        const structure_ellipse e = structure_draw_ellipse(p, structure_between(p, 8, 34));
        const double height = structure_between(p, .3, 1), depth = structure_between(p, .05, .35);
        const double soft = structure_between(p, .5, 2);
        size_t y0, y1, x0, x1;
        structure_range(&y0, &y1, e.y, e.radius + 2, p->ny);
        structure_range(&x0, &x1, e.x, e.radius + 2, p->nx);
        for (size_t y = y0; y < y1; y++)
            for (size_t x = x0; x < x1; x++) {
                double along;
                const double in = structure_inside(&e, (double)y, (double)x, &along);
                const double t =
                    fmax(.1, 1 + depth * structure_field_at(&texture, (double)y, (double)x));
                float *to = &p->out[y * p->nx + x];
                *to = fmaxf(*to, (float)(height * t * structure_step(in / soft)));
            }
    }
}

/* Radii with a density like r^-3, which makes the picture the same at every scale. */
static void structure_leaves(structure_page *p)
{
    const size_t count = structure_number(p, 300, 3000);
    const double high = p->side / 3, low = 2;
    const float ground = (float)structure_between(p, 0, .5);
    for (size_t i = 0; i < p->ny * p->nx; i++)
        p->out[i] = ground;
    for (size_t k = 0; k < count; k++) {
        const double radius = 1 / sqrt(structure_between(p, 1 / (high * high), 1 / (low * low)));
        const structure_ellipse e = structure_draw_ellipse(p, radius);
        const double grey = gsl_rng_uniform(p->r);
        const double ramp = gsl_rng_uniform(p->r) < .5 ? structure_between(p, -.2, .2) : 0;
        size_t y0, y1, x0, x1;
        structure_range(&y0, &y1, e.y, radius + 2, p->ny);
        structure_range(&x0, &x1, e.x, radius + 2, p->nx);
        for (size_t y = y0; y < y1; y++)
            for (size_t x = x0; x < x1; x++) {
                double along;
                const double w = structure_step(structure_inside(&e, (double)y, (double)x, &along));
                float *to = &p->out[y * p->nx + x];
                *to += (float)(w * (fmax(0, grey + ramp * along) - (double)*to));
            }
    }
}

static const struct {
    const char *name;
    void (*draw)(structure_page *p);
} structures[SCRY_STRUCTURES] = {
    {"filaments", structure_filaments}, {"puncta", structure_puncta},
    {"membranes", structure_membranes}, {"vesicles", structure_vesicles},
    {"nuclei", structure_nuclei},       {"leaves", structure_leaves},
};

const char *scry_structure_name(scry_structure kind)
{
    return kind < SCRY_STRUCTURES ? structures[kind].name : "";
}

scry_status scry_structure_draw(float *out, scry_structure kind, size_t ny, size_t nx,
                                uint64_t seed, scry_error *err)
{
    if (kind >= SCRY_STRUCTURES)
        return SCRY_FAIL(err, SCRY_EINVAL, "structure %d, expected 0 to %d", (int)kind,
                         SCRY_STRUCTURES - 1);
    if (ny < 16 || nx < 16 || ny > 4096 || nx > 4096)
        return SCRY_FAIL(err, SCRY_ESHAPE, "image of %zu x %zu pixels, expected 16 to 4096", ny,
                         nx);
    float max = 0;
    structure_page p = {.out = out,
                        .ny = ny,
                        .nx = nx,
                        .side = sqrt((double)(ny * nx)),
                        .r = gsl_rng_alloc(scry_rng_gsl())};
    if (!p.r) return SCRY_FAIL(err, SCRY_ENOMEM, "random numbers");
    memset(out, 0, ny * nx * sizeof *out);
    scry_rng_gsl_seek(p.r, seed, (uint32_t)kind, 0, 0);
    structures[kind].draw(&p);
    gsl_rng_free(p.r);
    for (size_t i = 0; i < ny * nx; i++)
        max = fmaxf(max, out[i]);
    for (size_t i = 0; i < ny * nx && max > 0; i++)
        out[i] = fmaxf(0, out[i]) / max;
    return SCRY_OK;
}
