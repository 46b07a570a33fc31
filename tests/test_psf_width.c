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
        cmocka_unit_test(little_light_tells_little),
        cmocka_unit_test(stacks_are_projected),
        cmocka_unit_test(nothing_to_see),
        cmocka_unit_test(memory_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
