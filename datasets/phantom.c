#include "datasets/phantom.h"

#include "datasets/phantom_impl.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"

#include <gsl/gsl_randist.h>
#include <math.h>

/* Everything is drawn as a volume; an image is a volume of one plane with flat objects. */
struct field {
    float *out;
    size_t n[3]; /* z, y, x */
    double scale;
    gsl_rng *r;
};

struct cell {
    double at[3], axis[3], cos, sin; /* nucleus: centre, half axes, turn in the plane */
    double brightness;
};

enum { WAVES = 32, STEPS_MAX = 4096 };

struct box {
    size_t from[3], to[3];
};

static struct box phantom_around(const struct field *f, const double at[3], const double reach[3])
{
    struct box b;
    for (int a = 0; a < 3; a++) {
        const double last = (double)f->n[a];
        b.from[a] = (size_t)fmin(fmax(floor(at[a] - reach[a]), 0), last);
        b.to[a] = (size_t)fmin(fmax(ceil(at[a] + reach[a]) + 1, 0), last);
    }
    return b;
}

static double phantom_uniform(struct field *f, double low, double high)
{
    return low + (high - low) * gsl_rng_uniform(f->r);
}

/* Smooth random field of unit variance: plane waves of random direction and phase. */
struct texture {
    double k[WAVES][3], phase[WAVES];
};

static void draw_texture(struct field *f, struct texture *t, double wavelength)
{
    for (int w = 0; w < WAVES; w++) {
        double d[3];
        const double k = 2 * acos(-1) / (wavelength * phantom_uniform(f, .6, 2.2));
        gsl_ran_dir_3d(f->r, &d[0], &d[1], &d[2]);
        if (f->n[0] == 1) gsl_ran_dir_2d(f->r, &d[1], &d[2]);
        for (int a = 0; a < 3; a++)
            t->k[w][a] = k * d[a];
        t->phase[w] = phantom_uniform(f, 0, 2 * acos(-1));
    }
}

static double texture_at(const struct texture *t, const double p[3])
{
    double s = 0;
    for (int w = 0; w < WAVES; w++)
        s += cos(t->k[w][0] * p[0] + t->k[w][1] * p[1] + t->k[w][2] * p[2] + t->phase[w]);
    return s * sqrt(2. / WAVES);
}

/* Distance from the centre of the cell in units of its half axes. */
static double phantom_radius(const struct cell *c, const double p[3])
{
    const double dy = p[1] - c->at[1], dx = p[2] - c->at[2], dz = (p[0] - c->at[0]) / c->axis[0];
    const double u = (c->cos * dx + c->sin * dy) / c->axis[2];
    const double v = (c->cos * dy - c->sin * dx) / c->axis[1];
    return sqrt(u * u + v * v + dz * dz);
}

/* Nucleus: a soft edge of one pixel around chromatin, with dark nucleoli; cytoplasm: a faint cloud
 * three nuclei wide. */
static void add_nucleus(struct field *f, const struct cell *c)
{
    struct texture fine, coarse;
    struct cell nucleolus[3];
    const double reach[3] = {4 * c->axis[0], 3.2 * c->axis[2], 3.2 * c->axis[2]};
    const struct box b = phantom_around(f, c->at, reach);
    draw_texture(f, &fine, .13 * f->scale);
    draw_texture(f, &coarse, .45 * f->scale);
    for (int k = 0; k < 3; k++) {
        nucleolus[k] = *c;
        for (int a = 1; a < 3; a++)
            nucleolus[k].at[a] += phantom_uniform(f, -.5, .5) * c->axis[1];
        for (int a = 0; a < 3; a++)
            nucleolus[k].axis[a] *= phantom_uniform(f, .13, .22);
    }
    for (size_t z = b.from[0]; z < b.to[0]; z++)
        for (size_t y = b.from[1]; y < b.to[1]; y++)
            for (size_t x = b.from[2]; x < b.to[2]; x++) {
                const double p[3] = {(double)z, (double)y, (double)x};
                const double wobble = .06 * texture_at(&coarse, p),
                             q = phantom_radius(c, p) + wobble;
                double v = .035 * exp(-.5 * q * q / 1.7);
                if (q < 1.5) {
                    const double inside = .5 * erfc((q - 1) * c->axis[1] / 1.2);
                    double chromatin =
                        .62 + .12 * texture_at(&fine, p) + .1 * texture_at(&coarse, p);
                    for (int k = 0; k < 3; k++) {
                        const double d = phantom_radius(&nucleolus[k], p);
                        chromatin *= 1 - .7 * exp(-.5 * pow(d, 4));
                    }
                    v += .45 * c->brightness * inside * fmax(chromatin, .08);
                }
                f->out[(z * f->n[1] + y) * f->n[2] + x] += (float)v;
            }
}

/* A Gaussian spot of the given width and height. */
static void add_spot(struct field *f, const double at[3], double sigma, double height)
{
    const double reach[3] = {4 * sigma, 4 * sigma, 4 * sigma};
    const struct box b = phantom_around(f, at, reach);
    for (size_t z = b.from[0]; z < b.to[0]; z++)
        for (size_t y = b.from[1]; y < b.to[1]; y++)
            for (size_t x = b.from[2]; x < b.to[2]; x++) {
                const double dz = (double)z - at[0], dy = (double)y - at[1], dx = (double)x - at[2];
                const double d2 = (dz * dz + dy * dy + dx * dx) / (sigma * sigma);
                f->out[(z * f->n[1] + y) * f->n[2] + x] += (float)(height * exp(-.5 * d2));
            }
}

/* A worm-like chain: the direction turns by a random walk, steps of half a pixel. It starts near
 * the nuclear envelope, leaves it roughly tangentially and bends back towards the cell. */
static void add_filament(struct field *f, const struct cell *c)
{
    const double start = phantom_uniform(f, 0, 2 * acos(-1)), out = phantom_uniform(f, .95, 1.5);
    const double side = gsl_rng_uniform(f->r) < .5 ? -1 : 1, step = .5;
    double at[3] = {c->at[0] + phantom_uniform(f, -.5, .5) * c->axis[0] * (f->n[0] > 1),
                    c->at[1] + out * c->axis[2] * sin(start),
                    c->at[2] + out * c->axis[2] * cos(start)};
    double heading = start + side * phantom_uniform(f, .1, 1.2), bend = 0;
    const double height = phantom_uniform(f, .06, .2), width = phantom_uniform(f, .9, 1.3);
    const double length = f->scale * phantom_uniform(f, .8, 2.6),
                 climb = gsl_ran_gaussian(f->r, .04);
    const double stiff = 1 / f->scale;
    for (int i = 0; i < STEPS_MAX && i * step < length; i++) {
        const double t = i * step / length, fade = fmin(1, fmin(8 * t, 8 * (1 - t)));
        add_spot(f, at, width, height * fade * step / (width * 2.5066));
        bend += gsl_ran_gaussian(f->r, .35 * stiff) - .03 * bend;
        heading += (bend + side * .35 * stiff) * step;
        at[1] += step * sin(heading);
        at[2] += step * cos(heading);
        if (f->n[0] > 1) at[0] += step * climb;
    }
}

static void add_puncta(struct field *f, const struct cell *c, int count)
{
    for (int i = 0; i < count; i++) {
        const double turn = phantom_uniform(f, 0, 2 * acos(-1)), far = phantom_uniform(f, 1.1, 2.3);
        const double at[3] = {c->at[0] + phantom_uniform(f, -.8, .8) * c->axis[0] * (f->n[0] > 1),
                              c->at[1] + far * c->axis[2] * sin(turn),
                              c->at[2] + far * c->axis[2] * cos(turn)};
        add_spot(f, at, phantom_uniform(f, .8, 1.3), phantom_uniform(f, .15, .65));
    }
}

/* Cells sit on a jittered hexagonal grid, so that they neither overlap nor line up. The random
 * numbers of each are its own: a cell does not change when another one draws more. */
static void add_cell(struct field *f, uint64_t seed, uint32_t number, double y, double x)
{
    struct cell c;
    scry_rng_gsl_seek(f->r, seed, 0, 0, number);
    const double turn = phantom_uniform(f, 0, acos(-1));
    c.at[0] = .5 * (double)(f->n[0] - 1);
    c.at[1] = y + phantom_uniform(f, -.3, .3) * f->scale;
    c.at[2] = x + phantom_uniform(f, -.3, .3) * f->scale;
    c.axis[2] = .5 * f->scale * phantom_uniform(f, .95, 1.2);
    c.axis[1] = c.axis[2] * phantom_uniform(f, .65, .9);
    c.axis[0] = f->n[0] > 1 ? fmax(.3 * (double)f->n[0], 1) : c.axis[1];
    c.cos = cos(turn);
    c.sin = sin(turn);
    c.brightness = phantom_uniform(f, .7, 1.3);
    add_nucleus(f, &c);
    for (int i = 0; i < 14; i++)
        add_filament(f, &c);
    add_puncta(f, &c, 14);
}

scry_status scry_phantom_cells(float *out, const scry_space *s, double scale, uint64_t seed,
                               scry_error *err)
{
    if (SCRY_MISSING(err, out, s)) return SCRY_EINVAL;
    scry_status st = scry_space_check(s, err);
    if (st != SCRY_OK) return st;
    if (s->cplx || s->rank < 2 || s->rank > 3)
        return SCRY_FAIL(err, SCRY_ESHAPE, "phantom of rank %d%s, expected 2 or 3, real", s->rank,
                         s->cplx ? " complex" : "");
    if (scale == 0) scale = 48;
    if (!(scale >= 4 && scale <= 1000))
        return SCRY_FAIL(err, SCRY_EINVAL, "nucleus of %g pixels, expected 4 to 1000, or 0", scale);
    struct field f = {.out = out, .scale = scale, .r = gsl_rng_alloc(scry_rng_gsl())};
    if (!f.r) return SCRY_FAIL(err, SCRY_ENOMEM, "random numbers");
    const size_t total = scry_space_count(s);
    for (int a = 0; a < 3; a++)
        f.n[a] = a + s->rank < 3 ? 1 : s->dims[a + s->rank - 3];
    for (size_t i = 0; i < total; i++)
        out[i] = .02f;
    const double pitch_x = 2.3 * scale, pitch_y = pitch_x * sqrt(.75);
    const int rows = (int)ceil((double)f.n[1] / pitch_y) + 1;
    const int cols = (int)ceil((double)f.n[2] / pitch_x) + 1;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
            add_cell(&f, seed, (uint32_t)(i * cols + j), ((double)i + .3) * pitch_y,
                     ((double)j + .35 - .5 * (i % 2)) * pitch_x);
    gsl_rng_free(f.r);
    float top = 0;
    for (size_t i = 0; i < total; i++)
        top = fmaxf(top, out[i]);
    for (size_t i = 0; i < total; i++)
        out[i] /= top;
    return SCRY_OK;
}

const double scryi_head[SCRYI_HEAD_ELLIPSES][6] = {
    {1, .69, .92, 0, 0, 0},         {-.8, .6624, .874, 0, -.0184, 0}, {-.2, .11, .31, .22, 0, -18},
    {-.2, .16, .41, -.22, 0, 18},   {.1, .21, .25, 0, .35, 0},        {.1, .046, .046, 0, .1, 0},
    {.1, .046, .046, 0, -.1, 0},    {.1, .046, .023, -.08, -.605, 0}, {.1, .023, .023, 0, -.606, 0},
    {.1, .023, .046, .06, -.605, 0}};

scry_status scry_phantom_shepp_logan(float *out, size_t ny, size_t nx, scry_error *err)
{
    if (SCRY_MISSING(err, out)) return SCRY_EINVAL;
    if (!ny || !nx) return SCRY_FAIL(err, SCRY_ESHAPE, "phantom of %zu x %zu pixels", ny, nx);
    for (size_t i = 0; i < ny; i++)
        for (size_t j = 0; j < nx; j++) {
            const double y = 1 - (2 * (double)i + 1) / (double)ny;
            const double x = (2 * (double)j + 1) / (double)nx - 1;
            double v = 0;
            for (int k = 0; k < SCRYI_HEAD_ELLIPSES; k++) {
                const double *e = scryi_head[k], t = e[5] * acos(-1) / 180;
                const double dx = x - e[3], dy = y - e[4];
                const double a = (dx * cos(t) + dy * sin(t)) / e[1];
                const double b = (dy * cos(t) - dx * sin(t)) / e[2];
                if (a * a + b * b <= 1) v += e[0];
            }
            out[i * nx + j] = (float)fmax(v, 0); /* sums of tenths leave -1e-17 */
        }
    return SCRY_OK;
}
