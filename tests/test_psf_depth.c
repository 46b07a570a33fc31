/* The length of a PSF along z from the stack: points whose blur is known. */

#include "tests/check.h"
#include "tests/blurred_stack.h"

#include "operators/psf.h"
#include "operators/psf_depth.h"
#include "operators/psf_keys.h"

#include <math.h>

static double white(double f, void *ctx)
{
    (void)f;
    return *(const double *)ctx;
}

static float *gaussian(scry_space *ps, double sigma, double sigma_z)
{
    scry_error err = {0};
    scry_psf_params p;
    float *psf;
    scry_psf_params_init(&p, SCRY_PSF_GAUSSIAN);
    assert_ok(scry_psf_set(&p, SCRY_PSF_SIGMA, sigma, &err));
    assert_ok(scry_psf_set(&p, SCRY_PSF_SIGMA_Z, sigma_z, &err));
    assert_ok(scry_psf_create(&psf, ps, &p, &(scry_psf_grid){.rank = 3}, NULL, &err));
    return psf;
}

/* The bound in planes, for a psf that is given too long and too wide by some factor. */
static double bound_of(const float *y, double sigma, double sigma_z)
{
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(NZ, N, N);
    scry_space ps;
    scry_psf_depth d;
    double variance = 1;
    float *psf = gaussian(&ps, sigma, sigma_z);
    assert_ok(scry_psf_depth_estimate(&d, y, &s, psf, &ps, white, &variance, &err));
    scry_free(psf);
    return d.high * sigma_z;
}

static void points_bound_the_length_of_the_psf(void **state)
{
    (void)state;
    static const double lengths[] = {1, 2}, peaks[] = {20, 200};
    float *y = scry_alloc(COUNT, sizeof *y);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < 2; i++) {
            make_stack(y, lengths[i], peaks[k], false, 3 + i);
            const double right = bound_of(y, 1.2, lengths[i]);
            if (right < 1.02 * lengths[i] || right > 1.4 * lengths[i])
                fail_msg("a psf of %g planes is bounded by %g", lengths[i], right);
            assert_near(bound_of(y, 1.2, 1.5 * lengths[i]), right, 0.15 * right);
            assert_near(bound_of(y, 1.2, 0.7 * lengths[i]), right, 0.15 * right);
            assert_near(bound_of(y, 1.7, lengths[i]), right, 0.05 * right); /* too wide besides */
        }
    scry_free(y);
}

static void planes_that_are_strangers_leave_no_length(void **state)
{
    (void)state;
    float *y = scry_alloc(COUNT, sizeof *y);
    make_stack(y, 0, 100, false, 5);
    assert_true(bound_of(y, 1.2, 1.5) < 0.45);
    scry_free(y);
}

static void planes_that_are_alike_and_noise_have_no_bound(void **state)
{
    (void)state;
    float *y = scry_alloc(COUNT, sizeof *y);
    make_stack(y, 0, 100, true, 5);
    assert_true(bound_of(y, 1.2, 1.5) > 6);
    make_stack(y, 1.5, 0, false, 5);
    assert_true(isinf(bound_of(y, 1.2, 1.5)));
    scry_free(y);
}

static void images_that_cannot_be_asked(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_space ps, s = SCRY_SPACE(NZ, N, N);
    const scry_space small = SCRY_SPACE(4, 16, 16), plane = SCRY_SPACE(N, N);
    scry_psf_depth d;
    double variance = 1, negative = -1;
    float *y = scry_alloc(COUNT, sizeof *y), *psf = gaussian(&ps, 1.2, 1.5);
    make_stack(y, 1, 50, false, 5);
    assert_ok(scry_psf_depth_estimate(&d, y, &small, psf, &ps, white, &variance, &err));
    assert_true(isinf(d.high));
    assert_near(d.sigma, 1.5, 0.1);
    assert_fails(scry_psf_depth_estimate(&d, y, &plane, psf, &ps, white, &variance, &err),
                 SCRY_ESHAPE);
    assert_fails(scry_psf_depth_estimate(&d, y, &s, psf, &plane, white, &variance, &err),
                 SCRY_ESHAPE);
    assert_fails(scry_psf_depth_estimate(&d, y, &s, psf, &ps, white, &negative, &err), SCRY_EINVAL);
    y[7] = NAN;
    assert_fails(scry_psf_depth_estimate(&d, y, &s, psf, &ps, white, &variance, &err),
                 SCRY_ENUMERIC);
    scry_free(psf);
    scry_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_bound_the_length_of_the_psf),
        cmocka_unit_test(planes_that_are_strangers_leave_no_length),
        cmocka_unit_test(planes_that_are_alike_and_noise_have_no_bound),
        cmocka_unit_test(images_that_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
