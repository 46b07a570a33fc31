/* The width of a PSF from the image: scenes whose blur is known, at every light level. */

#include "tests/check.h"
#include "tests/blurred_scene.h"

#include "operators/psf.h"
#include "operators/psf_keys.h"
#include "operators/psf_width.h"

static double white(double f, void *ctx)
{
    (void)f;
    return *(const double *)ctx;
}

static float *gaussian(scry_space *ps, double sigma)
{
    scry_error err = {0};
    scry_psf_params p;
    float *psf;
    scry_psf_params_init(&p, SCRY_PSF_GAUSSIAN);
    assert_ok(scry_psf_set(&p, SCRY_PSF_SIGMA, sigma, &err));
    assert_ok(scry_psf_create(&psf, ps, &p, &(scry_psf_grid){.rank = 2}, NULL, &err));
    return psf;
}

static scry_psf_width width_of(enum content what, double sigma, double given, double peak,
                               uint64_t seed)
{
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(N, N);
    scry_space ps;
    scry_psf_width w;
    float *y = scry_alloc(N * N, sizeof *y), *psf = gaussian(&ps, given);
    double noise = blurred_image(y, what, sigma, peak, seed);
    assert_ok(scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &noise, &err));
    assert_near(w.sigma, given, 0.08);
    scry_free(psf);
    scry_free(y);
    return w;
}

/* In px, whatever the PSF that was given. */
static void lines_and_points_give_the_width(void **state)
{
    (void)state;
    static const double widths[] = {0.8, 1.6, 2.4, 4}, peaks[] = {300, 30000};
    size_t images = 0, found = 0, right = 0;
    for (int what = LINES; what <= POINTS; what++)
        for (size_t i = 0; i < 4; i++)
            for (size_t k = 0; k < 2; k++) {
                const scry_psf_width w =
                    width_of((enum content)what, widths[i], 1.6, peaks[k], 7 + i);
                const double px = w.factor * w.sigma;
                images++;
                if (!w.determined) continue;
                found++;
                right += w.low * w.sigma <= widths[i] && w.high * w.sigma >= widths[i];
                assert_true(px > 0.6 * widths[i] && px < 1.35 * widths[i]);
                assert_true(w.low < w.factor && w.factor < w.high);
            }
    if (found < images - 4 || right < found - 1)
        fail_msg("of %zu images %zu found the width, %zu of them right", images, found, right);
}

static void soft_nuclei_give_an_upper_bound_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const double sigma = 0.8 + 0.8 * (double)i;
        const scry_psf_width w = width_of(NUCLEI, sigma, 1.6, i % 2 ? 300 : 30000, 3 + i);
        assert_false(w.determined);
        assert_near(w.low, 0, 0);
        assert_true(w.high * w.sigma > sigma);
    }
}

static void a_wrong_psf_is_contradicted(void **state)
{
    (void)state;
    for (int what = LINES; what <= POINTS; what++) {
        scry_psf_width w = width_of((enum content)what, 1.6, 1.6, 3000, 5);
        assert_false(scry_psf_width_contradicts(&w));
        w = width_of((enum content)what, 1.6, 3.2, 3000, 5);
        assert_true(scry_psf_width_contradicts(&w) && w.factor < 1);
        w = width_of((enum content)what, 1.6, 0.7, 3000, 5);
        assert_true(scry_psf_width_contradicts(&w) && w.factor > 1);
    }
    /* too wide for soft nuclei as well: their upper bound is enough */
    const scry_psf_width w = width_of(NUCLEI, 1, 5, 3000, 5);
    assert_true(scry_psf_width_contradicts(&w) && !w.determined);
}

/* An image of round spots of this sd, `peak` electrons at the brightest on 2 % of it, and the noise
 * of its periodogram. */
static double spots(float *y, size_t ny, size_t nx, size_t count, double sd, double peak,
                    uint64_t seed)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    double *t = scry_alloc(ny * nx, sizeof *t), max = 0, noise = 0, weights = 0;
    scry_rng_gsl_seek(r, seed, (uint32_t)ny, (uint32_t)nx, 0);
    for (size_t k = 0; k < count; k++) {
        const double a = gsl_ran_flat(r, 0.3, 1);
        const double cy = (double)ny * (count == 1 ? 0.5 : gsl_ran_flat(r, 0, 1));
        const double cx = (double)nx * (count == 1 ? 0.5 : gsl_ran_flat(r, 0, 1));
        for (size_t i = 0; i < ny * nx; i++) {
            const double dy = (double)(i / nx) - cy, dx = (double)(i % nx) - cx;
            if (fabs(dy) < 6 * sd && fabs(dx) < 6 * sd)
                t[i] += a * exp(-(dy * dy + dx * dx) / (2 * sd * sd));
        }
    }
    for (size_t i = 0; i < ny * nx; i++)
        max = fmax(max, t[i]);
    for (size_t i = 0; i < ny * nx; i++) {
        const double w = scry_psf_width_weight(i / nx, ny, i % nx, nx);
        const double light = peak * (t[i] / max + 0.02);
        y[i] = (float)(gsl_ran_poisson(r, light) + gsl_ran_gaussian(r, 1.5));
        noise += w * (light + 1.5 * 1.5);
        weights += w;
    }
    scry_free(t);
    gsl_rng_free(r);
    return noise / weights;
}

/* The right PSF is not called too wide, however small and smooth the image is; one that is twice as
 * wide is, where points tell it. */
static void right_psfs_are_kept_at_all_sizes(void **state)
{
    (void)state;
    static const size_t sides[][2] = {{32, 32}, {37, 53}, {64, 64}, {128, 128}, {256, 200}};
    scry_error err = {0};
    scry_space ps, ws;
    float *y = scry_alloc(256 * 256, sizeof *y), *psf = gaussian(&ps, 1.6);
    float *wide = gaussian(&ws, 3.2);
    size_t asked = 0, wrong = 0, points = 0, told = 0;
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < (i < 3 ? 24 : 8); k++) {
            const size_t ny = sides[i][0], nx = sides[i][1];
            const bool smooth = k % 2;
            const double peak = 30 * pow(10, (double)(k / 2 % 4)), side = (double)ny;
            double noise =
                spots(y, ny, nx, smooth ? 1 : ny * nx / 100, smooth ? side / 6 : 1.6, peak, k);
            const scry_space s = SCRY_SPACE(ny, nx);
            scry_psf_width w;
            assert_ok(scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &noise, &err));
            asked++;
            wrong += w.high < 1;
            if (smooth || peak < 100) continue;
            assert_ok(scry_psf_width_estimate(&w, y, &s, wide, &ws, white, &noise, &err));
            points++;
            told += w.high < 1;
        }
    if (wrong > asked / 40 || told < points * 8 / 10)
        fail_msg("%zu of %zu right PSFs are called too wide; of %zu that are, %zu", wrong, asked,
                 points, told);
    scry_free(wide);
    scry_free(psf);
    scry_free(y);
}

static void little_light_tells_little(void **state)
{
    (void)state;
    scry_psf_width dim = width_of(LINES, 2.4, 2.4, 8, 5),
                   bright = width_of(LINES, 2.4, 2.4, 3000, 5);
    assert_false(dim.determined);
    assert_true(dim.high / fmax(dim.low, 0.1) > bright.high / bright.low);
    assert_false(scry_psf_width_contradicts(&dim));
}

/* A stack is summed over z, and so is its psf: here the same plane twice, and a psf in three. */
static void stacks_are_projected(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(2, N, N);
    scry_space ps, deep;
    scry_psf_width one = width_of(LINES, 1.6, 1.6, 3000, 5), two;
    float *y = scry_alloc(2 * N * N, sizeof *y), *psf = gaussian(&ps, 1.6);
    double noise =
        2 * blurred_image(y, LINES, 1.6, 3000, 5); /* noise of the sum, 4 v, is that of 2 planes */
    memcpy(y + N * N, y, N * N * sizeof *y);
    deep = SCRY_SPACE(3, ps.dims[0], ps.dims[1]);
    float *stack = scry_alloc(scry_space_count(&deep), sizeof *stack);
    for (size_t z = 0; z < 3; z++)
        for (size_t i = 0; i < scry_space_count(&ps); i++)
            stack[z * scry_space_count(&ps) + i] = psf[i] / (z == 1 ? 2.0f : 4.0f);
    assert_ok(scry_psf_width_estimate(&two, y, &s, stack, &deep, white, &noise, &err));
    assert_near(two.factor, one.factor, 1e-3);
    assert_near(two.high, one.high, 1e-3);
    scry_free(stack);
    scry_free(psf);
    scry_free(y);
}

static void nothing_to_see(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_space ps, s = SCRY_SPACE(N, N), small = SCRY_SPACE(20, N), line = SCRY_SPACE(N);
    scry_psf_width w;
    double noise = 1, negative = -1;
    const float dot = 1;
    const scry_space one = SCRY_SPACE(1, 1);
    float *y = scry_alloc(N * N, sizeof *y), *psf = gaussian(&ps, 1.6);
    assert_ok(scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &noise, &err)); /* constant */
    assert_false(w.determined || scry_psf_width_contradicts(&w));
    assert_near(w.factor, 1, 0);
    blurred_image(y, LINES, 1.6, 300, 1);
    assert_ok(scry_psf_width_estimate(&w, y, &small, psf, &ps, white, &noise, &err));
    assert_false(w.determined || scry_psf_width_contradicts(&w));
    assert_ok(scry_psf_width_estimate(&w, y, &s, &dot, &one, white, &noise, &err));
    assert_false(w.determined);
    assert_fails(scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &negative, &err), SCRY_EINVAL);
    assert_fails(scry_psf_width_estimate(&w, y, &line, psf, &ps, white, &noise, &err), SCRY_ESHAPE);
    s.cplx = true;
    assert_fails(scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &noise, &err), SCRY_ESHAPE);
    s.cplx = false;
    y[17] = NAN;
    assert_fails(scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &noise, &err), SCRY_ENUMERIC);
    scry_free(psf);
    scry_free(y);
}

static void memory_is_returned(void **state)
{
    (void)state;
    const scry_space s = SCRY_SPACE(N, N);
    scry_space ps;
    float *y = scry_alloc(N * N, sizeof *y), *psf = gaussian(&ps, 1.6);
    double noise = blurred_image(y, LINES, 1.6, 300, 1);
    const size_t live = scry_memory_live();
    scry_status st = SCRY_ENOMEM;
    for (size_t nth = 1; st != SCRY_OK; nth++) {
        scry_error err = {0};
        scry_psf_width w;
        scry_memory_fail_at(nth);
        st = scry_psf_width_estimate(&w, y, &s, psf, &ps, white, &noise, &err);
        scry_memory_fail_at(0);
        if (st != SCRY_OK) assert_int_equal(st, SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_free(psf);
    scry_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_points_give_the_width),
        cmocka_unit_test(soft_nuclei_give_an_upper_bound_only),
        cmocka_unit_test(a_wrong_psf_is_contradicted),
        cmocka_unit_test(right_psfs_are_kept_at_all_sizes),
        cmocka_unit_test(little_light_tells_little),
        cmocka_unit_test(stacks_are_projected),
        cmocka_unit_test(nothing_to_see),
        cmocka_unit_test(memory_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
