#include "tests/check.h"

#include "lib/lib.h"

#include <gsl/gsl_randist.h>
#include <string.h>

/* Images whose noise is known, treated as users treat them. */

enum { N = 128, PIXELS = N * N };

static const double psf_sd = 1.6, pi = 3.14159265358979323846;

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

/* rms of what the model claims for the passband */
static double claimed_sd(const scry_noise_model *m, const float *y)
{
    double sum = 0;
    if (!m->counts) return m->sigma;
    for (size_t i = 0; i < PIXELS; i++)
        sum += (fmax((y[i] - m->offset) * m->gain, 0) + m->read_noise * m->read_noise) / PIXELS;
    return sqrt(sum) / m->gain;
}

static scry_noise_model identify(const float *y)
{
    scry_error err = {0};
    scry_noise_model m;
    scry_noise_context c;
    scry_noise_context_init(&c);
    c.transfer = transfer;
    c.ctx = (void *)&psf_sd;
    c.integer = true;
    assert_ok(scry_noise_identify(&m, y, NULL, 1, N, N, &c, &err));
    assert_true(m.line[0] && m.sigma > 0);
    return m;
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
 * pixels, and less by what the filter takes inside the passband. */
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
        assert_near(claimed_sd(&m, y), kept * raw_sd(e), .2 * kept * raw_sd(e));
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
    y[0] = 8; /* too few windows for a law, but a standard deviation */
    assert_ok(scry_noise_identify(&m, y, NULL, 1, 5, 5, NULL, &err));
    assert_true((m.findings & SCRY_NOISE_UNTOLD) && m.sigma > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_images_are_white),
        cmocka_unit_test(smoothed_images_are_noticed),
        cmocka_unit_test(draws_have_the_spectrum),
        cmocka_unit_test(errors_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
