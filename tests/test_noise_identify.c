#include "tests/check.h"

#include "lib/lib.h"
#include "lib/numbers.h"
#include "lib/rng_gsl.h"
#include "lib/sort.h"

#include <gsl/gsl_randist.h>
#include <string.h>

/* Images whose noise is known, treated as users treat them. */

enum { N = 128, PIXELS = N * N };

static const double psf_sd = 1.6, pi = SCRY_PI;

static double transfer(double f, void *ctx)
{
    const double s = *(const double *)ctx;
    return exp(-4 * pi * pi * s * s * f * f);
}

static size_t mirror(ptrdiff_t i, size_t n)
{
    const ptrdiff_t m = (ptrdiff_t)n;
    i = i < 0 ? -i - 1 : i;
    return (size_t)(i >= m ? 2 * m - 1 - i : i);
}

/* A separable filter of 2 r + 1 weights, mirrored at the border. */
static void filter(float *to, const float *from, const double *w, ptrdiff_t r)
{
    float *half = scry_alloc(PIXELS, sizeof *half);
    for (size_t p = 0; p < 2 * (size_t)PIXELS; p++) {
        const size_t i = p % PIXELS, y = i / N, x = i % N;
        double sum = 0;
        for (ptrdiff_t k = -r; k <= r; k++)
            sum += w[k + r] * (p < PIXELS ? from[y * N + mirror((ptrdiff_t)x + k, N)]
                                          : half[mirror((ptrdiff_t)y + k, N) * N + x]);
        (p < PIXELS ? half : to)[i] = (float)sum;
    }
    scry_free(half);
}

static void blur(float *to, const float *from, double sd)
{
    double w[31], sum = 0;
    const ptrdiff_t r = (ptrdiff_t)(4 * sd + .5);
    for (ptrdiff_t k = -r; k <= r; k++)
        sum += w[k + r] = exp(-(double)(k * k) / (2 * sd * sd));
    for (ptrdiff_t k = 0; k <= 2 * r; k++)
        w[k] /= sum;
    filter(to, from, w, r);
}

/* Blurred dots and filaments, `peak` electrons above 2 % of it. */
static void scene(float *e, double peak, uint64_t seed)
{
    float u[4 * 40];
    float *sharp = scry_alloc(PIXELS, sizeof *sharp);
    scry_rng_uniform(u, 0, 160, seed, 1, 0);
    for (int d = 0; d < 40; d++) {
        const double y = N * u[4 * d], x = N * u[4 * d + 1], way = 2 * pi * u[4 * d + 2];
        const double length = d % 2 ? 90 * u[4 * d + 3] : 1;
        for (double t = 0; t < length; t += .5) {
            const ptrdiff_t i = (ptrdiff_t)(y + t * sin(way)), j = (ptrdiff_t)(x + t * cos(way));
            if (i >= 0 && j >= 0 && i < N && j < N) sharp[i * N + j] += d % 2 ? 1 : 6;
        }
    }
    blur(e, sharp, psf_sd);
    float top = 0;
    for (size_t i = 0; i < PIXELS; i++)
        top = fmaxf(top, e[i]);
    for (size_t i = 0; i < PIXELS; i++)
        e[i] = (float)(peak * (e[i] / top + .02));
    scry_free(sharp);
}

static const double gain = .5, offset = 100, read_noise = 1.5;

static void camera(float *y, const float *e, uint64_t seed)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    for (size_t i = 0; i < PIXELS; i++) {
        scry_rng_gsl_seek(r, seed, 0, 0, (uint32_t)i);
        y[i] =
            (float)((gsl_ran_poisson(r, e[i]) + gsl_ran_gaussian(r, read_noise)) / gain + offset);
    }
    gsl_rng_free(r);
}

static void round_all(float *y)
{
    for (size_t i = 0; i < PIXELS; i++)
        y[i] = rintf(y[i]);
}

/* rms over the image of the noise of raw pixels, ADU */
static double raw_sd(const float *e)
{
    double sum = 0;
    for (size_t i = 0; i < PIXELS; i++)
        sum += (e[i] + read_noise * read_noise) / PIXELS;
    return sqrt(sum) / gain;
}

/* rms that the model claims for the passband */
static double claimed_sd(const scry_noise_model *m, const float *y)
{
    double sum = 0;
    if (!m->counts) return m->sigma;
    for (size_t i = 0; i < PIXELS; i++)
        sum += (fmax((y[i] - m->offset) * m->gain, 0) + m->read_noise * m->read_noise) / PIXELS;
    return sqrt(sum) / m->gain;
}

/* With a PSF of this sd, and a treatment that was found before, which may be NULL. */
static scry_noise_model identify_with(const float *y, double sd, const scry_noise_treatment *found)
{
    scry_error err = {0};
    scry_noise_model m;
    scry_noise_context c;
    scry_noise_context_init(&c);
    c.transfer = transfer;
    c.ctx = &sd;
    c.integer = true;
    if (found) c.treatment = *found;
    assert_ok(scry_noise_identify(&m, y, NULL, 1, N, N, &c, &err));
    assert_true(m.line[0] && m.sigma > 0);
    return m;
}

static scry_noise_model identify(const float *y)
{
    return identify_with(y, psf_sd, NULL);
}

static void raw_images_are_white(void **state)
{
    (void)state;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        scene(e, seed % 2 ? 50 : 3000, seed);
        camera(y, e, seed);
        round_all(y);
        const scry_noise_model m = identify(y);
        if (m.findings & SCRY_NOISE_CORRELATED) fail_msg("seed %d: %s", (int)seed, m.line);
        assert_near(m.inflation, 1, 0);
        assert_near(claimed_sd(&m, y), raw_sd(e), .1 * raw_sd(e));
        if (m.counts) assert_near(m.gain, gain, .25 * gain);
    }
    scry_free(e);
}

/* In-band: a filter of sum 1 leaves low frequencies as they were, so at most the noise of raw
 * pixels, less the power that the filter takes where signal and noise are level. That is further
 * out than the mean of the passband. */
static void smoothed_images_are_noticed(void **state)
{
    (void)state;
    const double box[5] = {.2, .2, .2, .2, .2}, three[3] = {1. / 3, 1. / 3, 1. / 3};
    float *e = scry_alloc(3 * PIXELS, sizeof *e), *y = e + PIXELS, *z = y + PIXELS;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        scene(e, seed % 2 ? 50 : 1000, seed);
        camera(z, e, seed);
        filter(y, z, seed % 3 ? three : box, seed % 3 ? 1 : 2);
        round_all(y);
        const scry_noise_model m = identify(y);
        assert_true(m.findings & SCRY_NOISE_CORRELATED);
        assert_string_equal(m.treatment.name, "box");
        assert_near(m.treatment.size, seed % 3 ? 3 : 5, 0);
        const double kept = seed % 3 ? .88 : .73; /* sqrt of |M|^2 weighted by |H|^2 */
        assert_true(claimed_sd(&m, y) > .45 * kept * raw_sd(e));
        assert_true(claimed_sd(&m, y) < 1.1 * kept * raw_sd(e));
    }
    scry_free(e);
}

/* Windows brighter than the dark spots in them tell a line of variances whose zero is above those
 * spots, as of phase contrast: light is negative nowhere. */
static void no_pixel_is_darker_than_noise_explains(void **state)
{
    (void)state;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS, u[80];
    scene(e, 2000, 3);
    for (size_t i = 0; i < PIXELS; i++)
        e[i] += 200;
    camera(y, e, 3);
    scry_rng_uniform(u, 0, 80, 5, 1, 0);
    for (size_t i = 0; i < PIXELS; i++)
        for (size_t k = 0; k < 40; k++) {
            const double dy = (double)(i / N) - N * u[2 * k],
                         dx = (double)(i % N) - N * u[2 * k + 1];
            y[i] -= (float)(600 * exp(-(dy * dy + dx * dx) / (2 * psf_sd * psf_sd)));
        }
    round_all(y);
    const scry_noise_model m = identify(y);
    const double most = 1.6 * raw_sd(e);
    float *sorted = memcpy(e, y, PIXELS * sizeof *y);
    const double dark = scry_quantile(sorted, PIXELS, 0.001, sorted);
    assert_true(m.counts && dark < offset - 100);
    assert_below(m.offset, dark + 12 / gain);
    assert_below(claimed_sd(&m, y), most);
    scry_free(e);
}

/* 44 x 44 pixels are too few to tell their darkest, and have noise as others do. */
static void small_images_have_finite_noise(void **state)
{
    (void)state;
    enum { SIDE = 44 };
    scry_error err = {0};
    scry_noise_model m;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS;
    scene(e, 300, 4);
    camera(y, e, 4);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        y[i] = rintf(y[i / SIDE * N + i % SIDE]);
    scry_noise_context c;
    scry_noise_context_init(&c);
    c.transfer = transfer;
    c.ctx = (void *)&psf_sd;
    c.integer = true;
    assert_ok(scry_noise_identify(&m, y, NULL, 1, SIDE, SIDE, &c, &err));
    assert_true(isfinite(m.intercept));
    assert_below(m.sigma, 200);
    scry_free(e);
}

/* With a PSF that is narrowed later, structure may reach all frequencies, and no longer be told
 * from what was done to the noise of raw pixels. */
static void a_treatment_that_was_found_is_kept(void **state)
{
    (void)state;
    const scry_noise_treatment found = {"gaussian", 0.6, 0, "both"};
    const double narrow = 0.4;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS;
    scene(e, 1000, 1);
    camera(y, e, 1);
    round_all(y);
    assert_false(identify_with(y, narrow, NULL).findings & SCRY_NOISE_CORRELATED);
    const scry_noise_model m = identify_with(y, narrow, &found);
    assert_true(m.findings & SCRY_NOISE_CORRELATED);
    assert_string_equal(m.treatment.name, found.name);
    assert_near(m.treatment.size, found.size, 0);
    scry_free(e);
}

static void median3(float *to, const float *from)
{
    for (size_t i = 0; i < PIXELS; i++) {
        float v[9];
        for (ptrdiff_t k = 0; k < 9; k++)
            v[k] = from[mirror((ptrdiff_t)(i / N) + k / 3 - 1, N) * N +
                        mirror((ptrdiff_t)(i % N) + k % 3 - 1, N)];
        scry_sort_float(v, 9);
        to[i] = v[4];
    }
}

/* Every other line from the mean of its neighbours. */
static void interlace(float *y)
{
    for (size_t a = 1; a + 1 < N; a += 2)
        for (size_t b = 0; b < N; b++)
            y[a * N + b] = (y[(a - 1) * N + b] + y[(a + 1) * N + b]) / 2;
}

/* The first quadrant, twice as large by linear interpolation. */
static void enlarge(float *to, const float *from)
{
    for (size_t i = 0; i < PIXELS; i++) {
        const double y = ((double)(i / N) + .5) / 2 - .5, x = ((double)(i % N) + .5) / 2 - .5;
        const ptrdiff_t a = (ptrdiff_t)floor(y), b = (ptrdiff_t)floor(x);
        const double v = y - floor(y), u = x - floor(x);
        double sum = 0;
        for (ptrdiff_t k = 0; k < 4; k++)
            sum += (k / 2 ? v : 1 - v) * (k % 2 ? u : 1 - u) *
                   from[mirror(a + k / 2, N) * N + mirror(b + k % 2, N)];
        to[i] = (float)sum;
    }
}

static void medians_enlargements_and_interlacing(void **state)
{
    (void)state;
    float *e = scry_alloc(3 * PIXELS, sizeof *e), *y = e + PIXELS, *z = y + PIXELS;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        scene(e, 60, seed);
        camera(z, e, seed);
        median3(y, z);
        round_all(y);
        scry_noise_model m = identify(y);
        assert_string_equal(m.treatment.name, "median");
        /* the median of 9 keeps low frequencies, and takes .4 of the power of those level with
         * the signal; on filaments it filters less, and the model knows it */
        assert_true(claimed_sd(&m, y) > .6 * raw_sd(e) && claimed_sd(&m, y) < 1.2 * raw_sd(e));

        enlarge(y, z); /* one sample in four: the noise is that of a quarter of the light */
        round_all(y);
        const double wide = 2 * psf_sd;
        scry_noise_context c;
        scry_error err = {0};
        scry_noise_context_init(&c);
        c.transfer = transfer;
        c.ctx = (void *)&wide;
        c.integer = true;
        assert_ok(scry_noise_identify(&m, y, NULL, 1, N, N, &c, &err));
        assert_true(m.findings & SCRY_NOISE_CORRELATED);
        double quadrant = 0;
        for (size_t i = 0; i < PIXELS / 4; i++)
            quadrant += 4 * (e[i / (N / 2) * N + i % (N / 2)] + 2.25) / PIXELS;
        assert_near(claimed_sd(&m, y), 2 * sqrt(quadrant) / gain, .3 * 2 * sqrt(quadrant) / gain);

        memcpy(y, z, PIXELS * sizeof *y);
        interlace(y);
        round_all(y);
        m = identify(y);
        assert_true(m.findings & SCRY_NOISE_DIRECTIONAL);
        const double twice = sqrt(2) * raw_sd(e); /* each second line adds no information */
        assert_true(claimed_sd(&m, y) > .75 * twice && claimed_sd(&m, y) < 1.6 * twice);
    }
    scry_free(e);
}

/* Each pixel becomes the mean of the patches around it that look alike (Buades, Coll & Morel 2005):
 * flat parts lose their noise, rare structure keeps it. */
static void denoise(float *to, const float *from, double sd)
{
    enum { REACH = 4, PATCH = 1, AREA = 9 };
    for (size_t i = 0; i < PIXELS; i++) {
        const ptrdiff_t y = (ptrdiff_t)(i / N), x = (ptrdiff_t)(i % N);
        double sum = 0, weights = 0;
        for (ptrdiff_t k = 0; k < (2 * REACH + 1) * (2 * REACH + 1); k++) {
            const ptrdiff_t dy = k / (2 * REACH + 1) - REACH, dx = k % (2 * REACH + 1) - REACH;
            double apart = -2 * sd * sd;
            for (ptrdiff_t p = 0; p < AREA; p++) {
                const ptrdiff_t v = y + p / 3 - PATCH, u = x + p % 3 - PATCH;
                const double a = from[mirror(v, N) * N + mirror(u, N)];
                const double b = from[mirror(v + dy, N) * N + mirror(u + dx, N)];
                apart += (a - b) * (a - b) / AREA;
            }
            const double w = exp(-fmax(apart, 0) / (.64 * sd * sd));
            sum += w * from[mirror(y + dy, N) * N + mirror(x + dx, N)];
            weights += w;
        }
        to[i] = (float)(sum / weights);
    }
}

/* The noise of a denoised image is that of its structure: that of the flat parts, a tenth of it,
 * would sharpen the rest. */
static void denoised_images_have_the_noise_of_their_structure(void **state)
{
    (void)state;
    float *e = scry_alloc(3 * PIXELS, sizeof *e), *y = e + PIXELS, *z = y + PIXELS;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        scene(e, seed % 2 ? 300 : 3000, seed);
        camera(z, e, seed);
        denoise(y, z, raw_sd(e));
        round_all(y);
        const scry_noise_model m = identify(y);
        const bool told = (m.findings & SCRY_NOISE_DENOISED) || seed % 2;
        if (!told || !(claimed_sd(&m, y) > .5 * raw_sd(e)))
            fail_msg("seed %d: %g of %g: %s", (int)seed, claimed_sd(&m, y), raw_sd(e), m.line);
        round_all(z);
        assert_false(identify(z).findings & SCRY_NOISE_DENOISED);
    }
    scry_free(e);
}

/* Copies of bright structure in the spectrum of an enlarged image are no noise and no detail. */
static void bright_enlargements_keep_their_noise(void **state)
{
    (void)state;
    float *e = scry_alloc(3 * PIXELS, sizeof *e), *y = e + PIXELS, *z = y + PIXELS;
    const double wide = 2 * psf_sd;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        scene(e, 30000, seed);
        camera(z, e, seed);
        enlarge(y, z);
        round_all(y);
        scry_noise_model m;
        scry_noise_context c;
        scry_error err = {0};
        scry_noise_context_init(&c);
        c.transfer = transfer;
        c.ctx = (void *)&wide;
        c.integer = true;
        assert_ok(scry_noise_identify(&m, y, NULL, 1, N, N, &c, &err));
        assert_non_null(strstr(m.line, "enlarged 2 times"));
        double quadrant = 0;
        for (size_t i = 0; i < PIXELS / 4; i++)
            quadrant += 4 * (e[i / (N / 2) * N + i % (N / 2)] + 2.25) / PIXELS;
        assert_near(claimed_sd(&m, y), 2 * sqrt(quadrant) / gain, .4 * 2 * sqrt(quadrant) / gain);
    }
    scry_free(e);
}

/* Rounding hides the noise that a wide filter leaves: the model may be too cautious, never far too
 * bold. */
static void noise_below_the_rounding_is_not_believed(void **state)
{
    (void)state;
    float *e = scry_alloc(3 * PIXELS, sizeof *e), *y = e + PIXELS, *z = y + PIXELS;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        scene(e, seed % 2 ? 30 : 2000, seed);
        camera(z, e, seed);
        blur(y, z, 2);
        round_all(y);
        const scry_noise_model m = identify(y);
        const double kept = .61; /* sqrt of |M|^2 weighted by |H|^2: 1.6 over hypot(1.6, 2) */
        if (!(claimed_sd(&m, y) > .6 * kept * raw_sd(e)))
            fail_msg("seed %d: %g of %g: %s", (int)seed, claimed_sd(&m, y), kept * raw_sd(e),
                     m.line);
    }
    scry_free(e);
}

/* Borders, hot pixels, pixels that are not numbers and clipping leave the noise model as it is. */
static void pixels_without_a_noise_model_are_left_out(void **state)
{
    (void)state;
    float *e = scry_alloc(3 * PIXELS, sizeof *e), *y = e + PIXELS, *z = y + PIXELS;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        scene(e, 60, seed);
        camera(z, e, seed);
        round_all(z);
        const double sd = raw_sd(e);
        for (int kind = 0; kind < 4; kind++) {
            memcpy(y, z, PIXELS * sizeof *y);
            for (size_t i = 0; i < PIXELS; i++) {
                const bool edge = i / N < 12 || i % N >= N - 9;
                if (kind == 0 && edge) y[i] = 0;
                if (kind == 1 && edge) y[i] = NAN;
                if (kind == 2 && i % 997 == 0) y[i] += 3000;
                if (kind == 3) y[i] = fmaxf(y[i] - 104, 0); /* half of the background */
            }
            const scry_noise_model m = identify(y);
            if (m.findings & SCRY_NOISE_CORRELATED) fail_msg("kind %d: %s", kind, m.line);
            /* where half of the background is cut off, structure is all that is left to ask */
            assert_true(m.pixel_sigma > .75 * sd && m.pixel_sigma < (kind == 3 ? 2 : 1.25) * sd);
            if (kind == 0) assert_true(m.constant > 2000);
            if (kind == 1) assert_int_equal(m.invalid, N * N - (N - 12) * (N - 9));
            if (kind == 2) assert_in_range(m.hot, 14, 18);
            if (kind == 3) assert_true((m.findings & SCRY_NOISE_CLIPPED) && m.lowest > 1000);
        }
    }
    scry_free(e);
}

/* 8 x 8 cosine transforms, quantised by q. */
static void compress(float *y, double q)
{
    double t[8][8], C[8][8];
    for (int u = 0; u < 8; u++)
        for (int i = 0; i < 8; i++)
            t[u][i] = (u ? .5 : sqrt(.125)) * cos((2 * i + 1) * u * pi / 16);
    for (size_t k = 0; k < PIXELS / 64; k++) {
        float *p = y + (k / (N / 8) * N + k % (N / 8)) * 8;
        for (int c = 0; c < 64; c++) {
            double sum = 0;
            for (int i = 0; i < 64; i++)
                sum += t[c / 8][i / 8] * t[c % 8][i % 8] * p[i / 8 * N + i % 8];
            C[c / 8][c % 8] = q * rint(sum / q);
        }
        for (int i = 0; i < 64; i++) {
            double sum = 0;
            for (int c = 0; c < 64; c++)
                sum += t[c / 8][i / 8] * t[c % 8][i % 8] * C[c / 8][c % 8];
            p[i / 8 * N + i % 8] = (float)rint(sum);
        }
    }
}

static void compression_is_noticed(void **state)
{
    (void)state;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        scene(e, 60, seed);
        camera(y, e, seed);
        round_all(y);
        assert_false(identify(y).findings & SCRY_NOISE_BLOCKS);
        compress(y, 5 * raw_sd(e));
        const scry_noise_model m = identify(y);
        assert_true(m.findings & SCRY_NOISE_BLOCKS);
        if (!(claimed_sd(&m, y) > .7 * raw_sd(e))) fail_msg("%g: %s", raw_sd(e), m.line);
    }
    scry_free(e);
}

/* Noise that grows with brightness, and coefficients rounded to less than it where the image is
 * bright: their rounding is noise where the image is dark as well. */
static void compressed_counts_keep_the_rounding(void **state)
{
    (void)state;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        scene(e, 3000, seed);
        camera(y, e, seed);
        round_all(y);
        const double q = 2 * raw_sd(e);
        compress(y, q);
        const scry_noise_model m = identify(y);
        assert_true(m.findings & SCRY_NOISE_BLOCKS);
        double dark = y[0];
        for (size_t i = 1; i < PIXELS; i++)
            dark = fmin(dark, (double)y[i]);
        const double variance = m.inflation * scry_noise_model_variance(&m, dark);
        if (!(variance > .5 * q * q / 12)) fail_msg("%g, q %g: %s", sqrt(variance), q, m.line);
    }
    scry_free(e);
}

/* Values that the user gives are kept; refused memory is reported and nothing leaks. */
static void known_gains_win_and_memory_may_be_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_noise_model m;
    scry_noise_context c;
    float *e = scry_alloc(2 * PIXELS, sizeof *e), *y = e + PIXELS;
    scene(e, 60, 1);
    camera(y, e, 1);
    round_all(y);
    scry_noise_context_init(&c);
    c.known.gain = .9;
    c.known.offset = 97;
    assert_ok(scry_noise_identify(&m, y, NULL, 1, N, N, &c, &err));
    assert_true(m.counts);
    assert_near(m.gain, .9, 0);
    assert_near(m.offset, 97, 0);
    const size_t live = scry_memory_live();
    for (size_t nth = 1;; nth++) {
        scry_memory_fail_at(nth);
        const scry_status st = scry_noise_identify(&m, y, NULL, 1, N, N, NULL, &err);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        err = (scry_error){0};
        assert_true(nth < 100);
    }
    scry_free(e);
}

static void draws_have_the_spectrum(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_noise_spectrum s;
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++)
            s.power[i][j] = 3 * (1 + .9 * cos(2 * pi * j / 32.)); /* along x only */
    assert_ok(scry_noise_spectrum_normalise(&s, &err));
    assert_near(scry_noise_spectrum_at(&s, .3, 0), 1.9, .02);
    assert_near(scry_noise_spectrum_at(&s, -.7, .5), .1, .02);
    float *g = scry_alloc(4 * PIXELS, sizeof *g);
    float *v = scry_alloc(PIXELS, sizeof *v);
    for (size_t i = 0; i < PIXELS; i++)
        v[i] = 4;
    assert_ok(scry_noise_spectrum_draw(g, &s, NULL, 4, N, N, 3, 0, 0, &err));
    double square = 0, right = 0, below = 0;
    const size_t n = 4 * PIXELS;
    for (size_t i = 0; i + N < n; i++) {
        square += g[i] * g[i] / (double)n;
        right += g[i] * g[i + 1] / (double)n;
        below += g[i] * g[i + N] / (double)n;
    }
    assert_near(square, 1, 5 * sqrt(3.) / sqrt((double)n));
    assert_near(right, .45, 5 * sqrt(2.) / sqrt((double)n) + .01);
    assert_near(below, 0, 5 * sqrt(2.) / sqrt((double)n) + .01);
    assert_ok(scry_noise_spectrum_draw(v, &s, v, 1, N, N, 3, 0, 0, &err));
    for (size_t i = 0; i < PIXELS; i++)
        assert_near(v[i], 2 * g[i], 1e-6);
    v[7] = -1;
    assert_fails(scry_noise_spectrum_draw(g, &s, v, 1, N, N, 3, 0, 0, &err), SCRY_EINVAL);
    assert_fails(scry_noise_spectrum_draw(g, &s, v, 0, N, N, 3, 0, 0, &err), SCRY_ESHAPE);
    scry_free(g);
    scry_free(v);
}

static void errors_are_worded(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_noise_model m;
    scry_noise_context c;
    float y[400];
    unsigned char known[400] = {0};
    for (size_t i = 0; i < 400; i++)
        y[i] = 7;
    assert_fails(scry_noise_identify(&m, y, NULL, 1, 20, 20, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_noise_identify(&m, y, known, 1, 20, 20, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_noise_identify(&m, y, NULL, 1, 0, 20, NULL, &err), SCRY_ESHAPE);
    scry_noise_context_init(&c);
    c.known.gain = -1;
    assert_fails(scry_noise_identify(&m, y, NULL, 1, 20, 20, &c, &err), SCRY_EINVAL);
    y[0] = 8; /* too few windows for a noise model, but a standard deviation */
    assert_ok(scry_noise_identify(&m, y, NULL, 1, 5, 5, NULL, &err));
    assert_true((m.findings & SCRY_NOISE_UNTOLD) && m.sigma > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_images_are_white),
        cmocka_unit_test(smoothed_images_are_noticed),
        cmocka_unit_test(small_images_have_finite_noise),
        cmocka_unit_test(no_pixel_is_darker_than_noise_explains),
        cmocka_unit_test(a_treatment_that_was_found_is_kept),
        cmocka_unit_test(medians_enlargements_and_interlacing),
        cmocka_unit_test(denoised_images_have_the_noise_of_their_structure),
        cmocka_unit_test(bright_enlargements_keep_their_noise),
        cmocka_unit_test(noise_below_the_rounding_is_not_believed),
        cmocka_unit_test(pixels_without_a_noise_model_are_left_out),
        cmocka_unit_test(compression_is_noticed),
        cmocka_unit_test(compressed_counts_keep_the_rounding),
        cmocka_unit_test(known_gains_win_and_memory_may_be_refused),
        cmocka_unit_test(draws_have_the_spectrum),
        cmocka_unit_test(errors_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
