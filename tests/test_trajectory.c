#include "tests/check.h"

#include "apps/recon/trajectory.h"
#include "priors/gaussian.h"

#include <string.h>

static double spectrum(double f, void *ctx)
{
    (void)ctx;
    return .5 / (1 + pow(f / .02, 2)) + 1e-4;
}

static double table[64];

static scry_trajectory_request gaussian_request(scry_prior **P, scry_radial *radial)
{
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(36, 48);
    for (size_t i = 0; i < 64; i++)
        table[i] = spectrum((double)i * .5 * sqrt(2) / 63, NULL);
    *radial = (scry_radial){.count = 64, .power = table, .mean = -.6};
    assert_ok(scry_gaussian_create_radial(P, &space, 2, radial, &err));
    return (scry_trajectory_request){.prior = *P,
                                     .model = *P,
                                     .radial = radial,
                                     .mean = -.6,
                                     .std = .3,
                                     .low = .002,
                                     .high = 50,
                                     .steps = 60,
                                     .seed = 5};
}

/* With the Gaussian as the prior, everything that is measured has a closed form beside it. */
static void a_gaussian_follows_its_closed_form(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    scry_radial radial;
    scry_trajectory t;
    const scry_trajectory_request q = gaussian_request(&P, &radial);
    assert_ok(scry_trajectory_run(&t, &q, &err));
    assert_int_equal(t.levels, 60);
    assert_near(t.sigma[60], 0, 0);
    for (size_t k = 0; k <= t.levels; k++)
        assert_below(t.apart[k], .05);
    for (size_t i = 0; i < t.push_count; i++)
        assert_near(log(t.push[i].gain / t.push[i].gaussian), 0, i < 3 ? .6 : .1);
    assert_below(t.push[0].gain, .05);
    assert_true(t.push[t.push_count - 1].gain > .9);
    /* half of a band is there at sqrt(3 S) */
    assert_int_equal(t.band_count, 5);
    for (size_t b = 1; b < t.band_count; b++)
        assert_near(log(t.band[b].sigma / t.band[b].gaussian), 0, .35);
    assert_true(t.coarse_to_fine);
    /* ends of the path are themselves; the first axes hold most, in their order */
    assert_near(t.a[t.levels], 1, 1e-6);
    assert_near(t.b[0], 1, 1e-6);
    assert_near(t.turned[t.levels], 1, 1e-6);
    assert_true(t.rotation > .8 && t.explained[0] + t.explained[1] > .8);
    for (size_t i = 1; i < SCRY_TRAJECTORY_AXES; i++)
        assert_true(t.explained[i] <= t.explained[i - 1]);
    scry_trajectory_free(&t);
    scry_prior_free(P);
}

/* White images: all frequencies shrink alike, and standardised, the state is the same all along. */
static void white_images_stay_in_a_line(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    scry_trajectory t;
    const scry_space space = SCRY_SPACE(16, 24);
    const double flat[2] = {.25, .25};
    const scry_radial radial = {.count = 2, .power = flat};
    assert_ok(scry_gaussian_create_radial(&P, &space, 2, &radial, &err));
    const scry_trajectory_request q = {
        .prior = P, .std = .5, .low = .002, .high = 50, .steps = 40, .seed = 2};
    assert_ok(scry_trajectory_run(&t, &q, &err));
    for (size_t k = 0; k <= t.levels; k++) {
        assert_true(isnan(t.apart[k]));
        assert_near(t.a[k], 1, .05);
        assert_near(t.b[k], 0, 0);
    }
    assert_null(t.model);
    scry_trajectory_free(&t);
    scry_prior_free(P);
}

static void failures_are_reported(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    scry_radial radial;
    scry_trajectory t;
    scry_trajectory_request q = gaussian_request(&P, &radial);
    const size_t live = scry_memory_live();
    q.steps = 3;
    assert_fails(scry_trajectory_run(&t, &q, &err), SCRY_EINVAL);
    q.steps = 4;
    for (size_t nth = 1;; nth++) {
        scry_memory_fail_at(nth);
        const scry_status st = scry_trajectory_run(&t, &q, &err);
        scry_memory_fail_at(0);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        err = (scry_error){0};
        assert_int_equal(scry_memory_live(), live);
    }
    scry_trajectory_free(&t);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gaussian_follows_its_closed_form),
        cmocka_unit_test(white_images_stay_in_a_line),
        cmocka_unit_test(failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
