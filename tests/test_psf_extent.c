/* The length of the PSF of a stack by light that was held back. */

#include "tests/check.h"
#define STACK_PLANES 12
#define STACK_SIDE 24
#include "tests/blurred_stack.h"

#include "apps/recon/image/restore_impl.h"

/* The factor along z for a stack of points of 1.5 planes; 0: as it was given. */
static double factor_for(const float *y, const char *psf, size_t number)
{
    scry_error err = {0};
    const scry_restore_request request = {.psf.model = psf, .noise.sigma = 1};
    const scry_image image = {
        .space = SCRY_SPACE(NZ, N, N), .pixels = y, .number = number, .name = "stack"};
    const struct image_task task = {.image = &image, .whole = &image, .sample = &image, .seed = 3};
    scry_restorer *r;
    scry_restore_result found = {0};
    assert_ok(scry_restorer_create(&r, &request, &err));
    r->setup.psf.request.depth = 1;
    assert_ok(scryi_restore_settle_extent(&found, r, &task, &err));
    const double used = r->setup.psf.request.depth;
    assert_near(used, found.psf_depth > 0 ? found.psf_depth : 1, 0);
    assert_near(r->settled.psf.depth, found.psf_depth > 0 || !number ? used : 0, 0);
    assert_near(r->settled.psf.width, number ? 0 : 1, 0);
    scry_restorer_free(r);
    return found.psf_depth;
}

static void a_psf_that_is_too_long_is_shortened(void **state)
{
    (void)state;
    float *y = scry_alloc(COUNT, sizeof *y);
    make_stack(y, 1.5, 60, false, 5);
    const double half = factor_for(y, "gaussian:sigma=1.2,sigma_z=3", 0);
    assert_true(half > 0.35 && half < 0.7);
    assert_near(factor_for(y, "gaussian:sigma=1.2,sigma_z=1.5", 0), 0, 0);
    assert_near(factor_for(y, "gaussian:sigma=1.2,sigma_z=3", 1), 0, 0); /* as the first image's */
    scry_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_psf_that_is_too_long_is_shortened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
