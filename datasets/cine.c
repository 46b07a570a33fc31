#include "datasets/cine.h"
#include "datasets/scanner.h"

#include "lib/numbers.h"
#include "lib/rng.h"

#include <complex.h>
#include <math.h>

/* Coordinates: fields of view, the middle is 0. */
struct ellipse {
    double y, x, a, b, value; /* centre, half axes along y and x, added value */
};

enum { STILL = 6, MOVING = 4, NUMBERS = 8 };

/* 1 inside, 0 outside, smooth over a pixel. */
static double cine_inside(const struct ellipse *e, double y, double x, double pixel)
{
    const double r = hypot((y - e->y) / e->a, (x - e->x) / e->b);
    const double depth = (1 - r) * fmin(e->a, e->b) / pixel;
    return depth >= 0.5 ? 1 : depth <= -0.5 ? 0 : 0.5 + depth;
}

static void cine_ellipses(struct ellipse e[STILL + MOVING], double phase, const float *vary)
{
    /* the systole is shorter than the diastole */
    const double beat = pow(sin(SCRY_PI * phase), 2), y = 0.02 + 0.04 * vary[0],
                 x = -0.04 + 0.04 * vary[1], r = 0.13 + 0.02 * vary[2];
    const struct ellipse all[STILL + MOVING] = {
        {0, 0, 0.4, 0.44, 0.45},                         /* chest */
        {0.02, 0.22 + 0.02 * vary[3], 0.2, 0.13, -0.3},  /* lung */
        {0.02, -0.27, 0.17, 0.1 + 0.02 * vary[4], -0.3}, /* the other lung */
        {0.33, 0.01 + 0.02 * vary[5], 0.05, 0.06, 0.3},  /* spine */
        {-0.36, 0, 0.02, 0.3, 0.35},                     /* fat */
        {0.2, 0.05, 0.04, 0.05 + 0.02 * vary[6], -0.15}, /* gullet */
        {y, x, r, r, 0.1},                               /* wall of the left ventricle */
        {y, x, r * (0.72 - 0.36 * beat), r * (0.7 - 0.35 * beat), 0.35}, /* its blood */
        {y - 0.05, x - 0.15 + 0.03 * beat, 0.1 - 0.03 * beat, 0.05 - 0.015 * beat, 0.4},
        {0.22, -0.06, 0.028 + 0.008 * beat, 0.028 + 0.008 * beat, 0.45 - 0.1 * beat}, /* vessel */
    };
    for (int i = 0; i < STILL + MOVING; i++)
        e[i] = all[i];
}

scry_status scry_cine_frame(float complex *image, size_t ny, size_t nx, double phase, uint64_t seed,
                            scry_error *err)
{
    struct ellipse e[STILL + MOVING];
    float vary[NUMBERS];
    if (!ny || !nx) return SCRY_FAIL(err, SCRY_ESHAPE, "a frame of %zu x %zu pixels", ny, nx);
    const double pixel = 1 / (double)(ny < nx ? ny : nx);
    scry_rng_uniform(vary, 0, NUMBERS, seed, 0, 0);
    cine_ellipses(e, phase, vary);
    for (size_t i = 0; i < ny * nx; i++) {
        const double y = ((double)(i / nx) - (double)(ny / 2)) / (double)ny;
        const double x = ((double)(i % nx) - (double)(nx / 2)) / (double)nx;
        double v = 0;
        for (int k = 0; k < STILL + MOVING; k++)
            v += e[k].value * cine_inside(&e[k], y, x, pixel);
        image[i] = (float)fmax(v, 0);
    }
    scry_scanner_phase(image, ny, nx, 1.2, seed);
    return SCRY_OK;
}
