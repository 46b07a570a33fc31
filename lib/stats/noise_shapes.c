#include "lib/stats/noise_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Treatments and the spectrum that they give to white noise. */

enum shape_kind {
    SHAPE_NONE,
    SHAPE_BOX,
    SHAPE_GAUSSIAN,
    SHAPE_SHIFT,       /* linear interpolation at a fixed fraction of a pixel */
    SHAPE_SHIFT_CUBIC, /* the same by Keys' cubic */
    SHAPE_SHIFT_SPLINE,
    SHAPE_MEDIAN,
    SHAPE_LINEAR,    /* resampling at phases that are spread evenly */
    SHAPE_CUBIC,     /* Keys 1981, a = -1/2 */
    SHAPE_SPLINE,    /* cubic spline through the samples */
    SHAPE_DOUBLED,   /* linear, twice or three times, at fixed phases */
    SHAPE_COPIED,    /* each pixel n times */
    SHAPE_INTERLACED /* every other line is the mean of its neighbours */
};

enum shape_axes { AXES_BOTH, AXES_X, AXES_Y };

struct shape {
    enum shape_kind kind;
    double size, angle;
    enum shape_axes axes;
};

#define BOTH_WAYS(kind, size)                                                                      \
    {kind, size, 0, AXES_BOTH}, {kind, size, 0, AXES_X},                                           \
    {                                                                                              \
        kind, size, 0, AXES_Y                                                                      \
    }

static const struct shape shapes[] = {
    {SHAPE_NONE, 1, 0, AXES_BOTH},
    BOTH_WAYS(SHAPE_BOX, 2),
    BOTH_WAYS(SHAPE_BOX, 3),
    BOTH_WAYS(SHAPE_BOX, 5),
    {SHAPE_BOX, 7, 0, AXES_BOTH},
    {SHAPE_BOX, 9, 0, AXES_BOTH},
    BOTH_WAYS(SHAPE_GAUSSIAN, .4),
    BOTH_WAYS(SHAPE_GAUSSIAN, .5),
    BOTH_WAYS(SHAPE_GAUSSIAN, .6),
    BOTH_WAYS(SHAPE_GAUSSIAN, .7),
    BOTH_WAYS(SHAPE_GAUSSIAN, .85),
    BOTH_WAYS(SHAPE_GAUSSIAN, 1),
    BOTH_WAYS(SHAPE_GAUSSIAN, 1.25),
    BOTH_WAYS(SHAPE_GAUSSIAN, 1.5),
    {SHAPE_GAUSSIAN, 1.75, 0, AXES_BOTH},
    {SHAPE_GAUSSIAN, 2, 0, AXES_BOTH},
    {SHAPE_GAUSSIAN, 2.5, 0, AXES_BOTH},
    {SHAPE_GAUSSIAN, 3, 0, AXES_BOTH},
    BOTH_WAYS(SHAPE_SHIFT, .1),
    BOTH_WAYS(SHAPE_SHIFT, .2),
    BOTH_WAYS(SHAPE_SHIFT, .3),
    BOTH_WAYS(SHAPE_SHIFT, .4),
    BOTH_WAYS(SHAPE_SHIFT_CUBIC, .5),
    BOTH_WAYS(SHAPE_SHIFT_SPLINE, .5),
    {SHAPE_MEDIAN, 3, 0, AXES_BOTH},
    {SHAPE_MEDIAN, 5, 0, AXES_BOTH},
    {SHAPE_LINEAR, 1, 0, AXES_BOTH},
    {SHAPE_LINEAR, 1, 10, AXES_BOTH},
    {SHAPE_LINEAR, 1, -10, AXES_BOTH},
    {SHAPE_LINEAR, 1, 25, AXES_BOTH},
    {SHAPE_LINEAR, 1, -25, AXES_BOTH},
    {SHAPE_LINEAR, 1, 45, AXES_BOTH},
    {SHAPE_LINEAR, 1.25, 0, AXES_BOTH},
    {SHAPE_LINEAR, 1.5, 0, AXES_BOTH},
    {SHAPE_LINEAR, 1.75, 0, AXES_BOTH},
    {SHAPE_LINEAR, 2, 0, AXES_BOTH},
    {SHAPE_LINEAR, 2.5, 0, AXES_BOTH},
    {SHAPE_LINEAR, 3, 0, AXES_BOTH},
    {SHAPE_LINEAR, 4, 0, AXES_BOTH},
    {SHAPE_CUBIC, 1, 0, AXES_BOTH},
    {SHAPE_CUBIC, 1, 20, AXES_BOTH},
    {SHAPE_CUBIC, 1, -20, AXES_BOTH},
    {SHAPE_CUBIC, 1, 45, AXES_BOTH},
    {SHAPE_CUBIC, 1.25, 0, AXES_BOTH},
    {SHAPE_CUBIC, 1.5, 0, AXES_BOTH},
    {SHAPE_CUBIC, 2, 0, AXES_BOTH},
    {SHAPE_CUBIC, 3, 0, AXES_BOTH},
    {SHAPE_SPLINE, 1, 0, AXES_BOTH},
    {SHAPE_SPLINE, 1, 20, AXES_BOTH},
    {SHAPE_SPLINE, 1, -20, AXES_BOTH},
    {SHAPE_SPLINE, 1, 45, AXES_BOTH},
    {SHAPE_SPLINE, 1.25, 0, AXES_BOTH},
    {SHAPE_SPLINE, 1.5, 0, AXES_BOTH},
    {SHAPE_SPLINE, 2, 0, AXES_BOTH},
    {SHAPE_SPLINE, 3, 0, AXES_BOTH},
    {SHAPE_DOUBLED, 2, 0, AXES_BOTH},
    {SHAPE_DOUBLED, 3, 0, AXES_BOTH},
    BOTH_WAYS(SHAPE_COPIED, 2),
    BOTH_WAYS(SHAPE_COPIED, 3),
    {SHAPE_COPIED, 4, 0, AXES_BOTH},
    {SHAPE_INTERLACED, 2, 0, AXES_Y},
    {SHAPE_INTERLACED, 2, 0, AXES_X},
};

size_t scryi_noise_shape_count(void)
{
    return sizeof shapes / sizeof *shapes;
}

scry_noise_treatment scryi_noise_shape(size_t k)
{
    static const char *const names[] = {[SHAPE_NONE] = "none",
                                        [SHAPE_BOX] = "box",
                                        [SHAPE_GAUSSIAN] = "gaussian",
                                        [SHAPE_SHIFT] = "linear",
                                        [SHAPE_SHIFT_CUBIC] = "cubic",
                                        [SHAPE_SHIFT_SPLINE] = "cubic",
                                        [SHAPE_MEDIAN] = "median",
                                        [SHAPE_LINEAR] = "linear",
                                        [SHAPE_CUBIC] = "cubic",
                                        [SHAPE_SPLINE] = "cubic",
                                        [SHAPE_DOUBLED] = "linear",
                                        [SHAPE_COPIED] = "copied",
                                        [SHAPE_INTERLACED] = "interlaced"};
    static const char *const axes[] = {"both", "x", "y"};
    const struct shape *s = &shapes[k];
    return (scry_noise_treatment){names[s->kind], s->size, s->angle, axes[s->axes]};
}

bool scryi_noise_shape_is(size_t k, const scry_noise_treatment *t)
{
    const scry_noise_treatment s = scryi_noise_shape(k);
    return !strcmp(s.name, t->name) && s.size == t->size && s.angle == t->angle &&
           !strcmp(s.axes, t->axes);
}

bool scryi_noise_shape_nonlinear(size_t k)
{
    return shapes[k].kind == SHAPE_MEDIAN;
}

double scryi_noise_shape_factor(size_t k)
{
    const enum shape_kind kind = shapes[k].kind;
    const bool resampled = kind == SHAPE_LINEAR || kind == SHAPE_CUBIC || kind == SHAPE_SPLINE ||
                           kind == SHAPE_DOUBLED;
    return resampled ? shapes[k].size : 1;
}

bool scryi_noise_shape_repeats(size_t k)
{
    return shapes[k].kind == SHAPE_COPIED;
}

static double shape_sinc(double u)
{
    return fabs(u) < 1e-9 ? 1 : sin(pi * u) / (pi * u);
}

/* Transforms of interpolation kernels, u in cycles per source pixel. */
static double kernel_transform(enum shape_kind kind, double u)
{
    const double s = shape_sinc(u);
    if (kind == SHAPE_LINEAR) return s * s;
    if (kind == SHAPE_SPLINE) /* cardinal: B-spline over its samples' transform */
        return s * s * s * s / ((2 + cos(2 * pi * u)) / 3);
    /* Keys 1981, IEEE TASSP 29:1153, Eq. 16 with a = -1/2 */
    if (fabs(u) < 1e-3) return 1;
    const double w = pi * u, t = shape_sinc(2 * u);
    return 3 / (w * w) * (s * s - t) + 1 / (w * w) * (2 * t + shape_sinc(4 * u) - 3 * t * t);
}

double scryi_noise_interpolation(bool cubic, double u)
{
    return kernel_transform(cubic ? SHAPE_CUBIC : SHAPE_LINEAR, u);
}

/* Mean over evenly spread phases of the spectrum of resampled white noise: the kernel's power,
 * folded at the new grid. */
static double resampled_power(const struct shape *s, double fy, double fx)
{
    const double a = s->size, c = cos(s->angle * pi / 180), d = sin(s->angle * pi / 180);
    double sum = 0;
    for (int j = -2; j <= 2; j++)
        for (int i = -2; i <= 2; i++) {
            const double gy = fy + j, gx = fx + i;
            const double h = kernel_transform(s->kind, a * (c * gx + d * gy)) *
                             kernel_transform(s->kind, a * (c * gy - d * gx));
            sum += h * h;
        }
    return a * a * sum;
}

/* Autocorrelation of median-filtered white Gaussian noise at lags |l| x |k|, relative to its
 * variance: 120 fields of 600 x 600 pixels, scatter below 5e-4. */
static const double median3[3][3] = {
    {1, .57125, .27031}, {.57125, .36612, .17784}, {.27031, .17784, .08778}};
static const double median5[5][5] = {{1, .73417, .53272, .34684, .17006},
                                     {.73417, .57143, .41984, .27526, .13559},
                                     {.53272, .41984, .31075, .20481, .10124},
                                     {.34684, .27526, .20481, .1356, .06727},
                                     {.17006, .13559, .10124, .06727, .03339}};

static double median_power(double size, double fy, double fx)
{
    const int n = size < 4 ? 3 : 5;
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            sum += (n == 3 ? median3[i][j] : median5[i][j]) * (i ? 2 : 1) * (j ? 2 : 1) *
                   cos(2 * pi * i * fy) * cos(2 * pi * j * fx);
    return fmax(sum, 0) * (n == 3 ? .16599 : .06169);
}

double scryi_noise_shape_on_slope(size_t k, double slope)
{
    /* at slopes 0, 1/8, 1/4, ... 16: tests/bench/median_slope.py */
    static const double power3[] = {.0487, .0498, .0512, .0590, .0910, .2058, .4288, .6481, .8192};
    static const double power5[] = {.0097, .0105, .0121, .0181, .0406, .1226, .2790, .5772, .7179};
    if (shapes[k].kind != SHAPE_MEDIAN) return 1;
    const double *power = shapes[k].size < 4 ? power3 : power5;
    const double at = slope > .0625 ? fmin(log2(slope * 16), 8) : 0;
    const int low = at >= 8 ? 7 : (int)at;
    return (power[low] + (at - low) * (power[low + 1] - power[low])) / power[0];
}

/* |transform|^2 of the Gaussian as filters sample it, cut at 4 sd. */
static double gaussian_power(double sd, double f)
{
    const int radius = (int)(4 * sd + .5);
    double sum = 0, total = 0;
    for (int i = -radius; i <= radius; i++) {
        const double w = exp(-i * i / (2 * sd * sd));
        sum += w * cos(2 * pi * f * i);
        total += w;
    }
    return sum * sum / (total * total);
}

static double noise_shapes_keys(double x)
{
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((2.5 - .5 * x) * x - 4) * x + 2 : 0;
}

/* One axis of a separable treatment. */
static double axis_power(const struct shape *s, double f)
{
    const double w = 2 * pi * f, n = s->size;
    double re = 0, im = 0;
    switch (s->kind) {
    case SHAPE_BOX: {
        const double d = n * shape_sinc(f);
        return fabs(d) < 1e-9 ? 0 : pow(n * shape_sinc(n * f) / d, 2);
    }
    case SHAPE_GAUSSIAN:
        return gaussian_power(n, f);
    case SHAPE_SHIFT:
        return 1 - 2 * n * (1 - n) * (1 - cos(w));
    case SHAPE_SHIFT_CUBIC:
        for (int i = -2; i <= 3; i++) {
            re += noise_shapes_keys(n - i) * cos(w * i);
            im += noise_shapes_keys(n - i) * sin(w * i);
        }
        return re * re + im * im;
    case SHAPE_SHIFT_SPLINE: /* the B-spline halfway between knots, over it at knots */
        return pow((23 * cos(w / 2) + cos(1.5 * w)) / (16 + 8 * cos(w)), 2);
    /* phases -1/4, 1/4 (factor 2) and -1/3, 0, 1/3 (factor 3) of aligned grids: the triangle of
     * interpolation, sampled there; folded once more by the factor */
    case SHAPE_DOUBLED:
        if (n < 2.5) return pow(.75 * 2 * cos(w / 2) + .25 * 2 * cos(1.5 * w), 2) / 2;
        return pow(1 + 4. / 3 * cos(w) + 2. / 3 * cos(2 * w), 2) / 3;
    case SHAPE_COPIED:
        return pow(n * shape_sinc(n * f) / shape_sinc(f), 2) / n;
    /* autocorrelation 3/4, 1/2, 1/8 at lags 0, 1, 2, mean over both parities of lines */
    case SHAPE_INTERLACED:
        return .75 + cos(w) + .25 * cos(2 * w);
    default:
        return 1;
    }
}

double scryi_noise_shape_power(size_t k, double fy, double fx)
{
    const struct shape *s = &shapes[k];
    if (s->kind == SHAPE_MEDIAN) return median_power(s->size, fy, fx);
    if (s->kind == SHAPE_LINEAR || s->kind == SHAPE_CUBIC || s->kind == SHAPE_SPLINE)
        return resampled_power(s, fy, fx);
    return (s->axes == AXES_X ? 1 : axis_power(s, fy)) *
           (s->axes == AXES_Y ? 1 : axis_power(s, fx));
}

double scryi_noise_shape_transfer(size_t k, double fy, double fx)
{
    const enum shape_kind kind = shapes[k].kind;
    const bool filter = kind == SHAPE_BOX || kind == SHAPE_GAUSSIAN || kind == SHAPE_SHIFT ||
                        kind == SHAPE_SHIFT_CUBIC || kind == SHAPE_SHIFT_SPLINE;
    return filter ? scryi_noise_shape_power(k, fy, fx) : 1;
}

void scry_noise_treatment_words(char *to, size_t size, const scry_noise_treatment *t)
{
    const char *along = !strcmp(t->axes, "x")   ? " along x"
                        : !strcmp(t->axes, "y") ? " along y"
                                                : "";
    const bool interpolated = !strcmp(t->name, "linear") || !strcmp(t->name, "cubic");
    if (!strcmp(t->name, "none"))
        snprintf(to, size, "not processed");
    else if (!strcmp(t->name, "box"))
        snprintf(to, size, "smoothed by the mean of %g pixels%s", t->size,
                 *along ? along : " each way");
    else if (!strcmp(t->name, "gaussian"))
        snprintf(to, size, "smoothed by a Gaussian of %g pixels%s", t->size, along);
    else if (!strcmp(t->name, "median"))
        snprintf(to, size, "median-filtered, %g x %g pixels", t->size, t->size);
    else if (interpolated && t->size > 1)
        snprintf(to, size, "enlarged %g times by %s interpolation", t->size, t->name);
    else if (interpolated)
        snprintf(to, size, "rotated or shifted by %s interpolation%s", t->name, along);
    else if (!strcmp(t->name, "copied"))
        snprintf(to, size, "enlarged %g times by copies of pixels%s", t->size, along);
    else if (!strcmp(t->name, "interlaced"))
        snprintf(to, size, "interlaced: every other line is interpolated");
    else
        snprintf(to, size, "processed in a way that is not known");
}
