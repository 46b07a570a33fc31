#include "tests/check.h"

#include "lib/memory.h"
#include "priors/schedule.h"

/* abar at t = 0, 500, 999 by the float64 recipe of diffusers 0.27 (schedulers/scheduling_ddpm.py)
 * in numpy: cumprod(1 - linspace(1e-4, .02, 1000)), linspace(sqrt(.00085), sqrt(.012))^2, and
 * betas_for_alpha_bar(1000). */
static void alpha_bar_matches_diffusers(void **state)
{
    (void)state;
    const struct {
        scry_beta kind;
        double start, end, expected[3];
    } cases[] = {
        {SCRY_BETA_LINEAR, 1e-4, .02, {0.9999, 0.07779665836502389, 4.035829765375676e-05}},
        {SCRY_BETA_SCALED_LINEAR,
         .00085,
         .012,
         {0.99915, 0.2763326838229746, 0.004660098513077238}},
        {SCRY_BETA_COSINE, 0, 0, {0.999958715775178, 0.49228517244880304, 2.4287669070348567e-09}},
    };
    const size_t times[] = {0, 500, 999};
    for (size_t c = 0; c < 3; c++) {
        scry_error err = {0};
        scry_schedule *s;
        assert_ok(
            scry_schedule_create(&s, cases[c].kind, 1000, cases[c].start, cases[c].end, &err));
        assert_int_equal(scry_schedule_steps(s), 1000);
        for (size_t i = 0; i < 3; i++) {
            const double abar = cases[c].expected[i];
            assert_near(scry_schedule_alpha_bar(s, times[i]), abar, 1e-11 * abar);
            assert_near(scry_schedule_sigma(s, (double)times[i]) / sqrt((1 - abar) / abar), 1,
                        1e-9);
        }
        scry_schedule_free(s);
    }
}

static void time_inverts_sigma(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_schedule *s;
    assert_ok(scry_schedule_create(&s, SCRY_BETA_LINEAR, 1000, 1e-4, .02, &err));
    double before = 0;
    for (double t = 0; t <= 999; t += .2385) {
        const double sigma = scry_schedule_sigma(s, t);
        assert_true(sigma > before);
        assert_near(scry_schedule_time(s, sigma), t, 1e-9 * (1 + t));
        before = sigma;
    }
    assert_near(scry_schedule_time(s, 1e-9), 0, 0);
    assert_near(scry_schedule_time(s, 1e9), 999, 0);
    assert_near(scry_schedule_time(s, 0), 0, 0);
    scry_schedule_free(s);
}

static void betas_are_taken_as_given(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_schedule *s;
    const double betas[] = {.01, .2, .385}, bad[] = {.01, 1.2, .3};
    assert_ok(scry_schedule_create_betas(&s, betas, 3, &err));
    assert_near(scry_schedule_alpha_bar(s, 2), .99 * .8 * .615, 1e-15);
    scry_schedule_free(s);
    assert_fails(scry_schedule_create_betas(&s, bad, 3, &err), SCRY_EINVAL);
    assert_null(s);
    assert_fails(scry_schedule_create_betas(&s, betas, 1, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_create(&s, SCRY_BETA_LINEAR, 1, 1e-4, .02, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_create(&s, SCRY_BETA_LINEAR, 100, .02, 1e-4, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_create(&s, SCRY_BETA_LINEAR, 100, NAN, .02, &err), SCRY_EINVAL);
}

static void levels_follow_their_formulas(void **state)
{
    (void)state;
    scry_error err = {0};
    double sigma[20];
    assert_ok(scry_schedule_karras(sigma, 20, .03, 40, 7, &err));
    assert_true(sigma[0] == 40 && sigma[19] == .03);
    const double a = pow(40, 1 / 7.), b = pow(.03, 1 / 7.);
    assert_near(sigma[7], pow(a + 7 / 19. * (b - a), 7), 1e-12);
    assert_ok(scry_schedule_karras(sigma, 5, 1, 3, 1, &err));
    assert_near(sigma[1], 2.5, 1e-12);
    assert_ok(scry_schedule_log(sigma, 4, .1, 100, &err));
    assert_near(sigma[1], 10, 1e-12);
    assert_near(sigma[2], 1, 1e-12);
    assert_ok(scry_schedule_log(sigma, 1, .1, 100, &err));
    assert_true(sigma[0] == 100);
    assert_fails(scry_schedule_karras(sigma, 0, .1, 1, 7, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_karras(sigma, 5, 2, 1, 7, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_karras(sigma, 5, .1, 1, 0, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_log(sigma, 5, 0, 1, &err), SCRY_EINVAL);
    assert_fails(scry_schedule_log(sigma, 5, NAN, 1, &err), SCRY_EINVAL);
}

static void uniform_time_is_uniform_in_time(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_schedule *s;
    double sigma[11];
    assert_ok(scry_schedule_create(&s, SCRY_BETA_COSINE, 400, 0, 0, &err));
    const double low = scry_schedule_sigma(s, 3.5), high = scry_schedule_sigma(s, 393.5);
    assert_ok(scry_schedule_uniform_time(sigma, 11, low, high, s, &err));
    for (int i = 0; i < 11; i++)
        assert_near(scry_schedule_time(s, sigma[i]), 393.5 - 39 * i, 1e-8);
    assert_fails(scry_schedule_uniform_time(sigma, 11, high, low, s, &err), SCRY_EINVAL);
    scry_schedule_free(s);
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 4; nth++) {
        scry_error err = {0};
        scry_schedule *s;
        scry_memory_fail_at(nth);
        assert_fails(scry_schedule_create(&s, SCRY_BETA_LINEAR, 100, 1e-4, .02, &err), SCRY_ENOMEM);
        assert_null(s);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alpha_bar_matches_diffusers),
        cmocka_unit_test(time_inverts_sigma),
        cmocka_unit_test(betas_are_taken_as_given),
        cmocka_unit_test(levels_follow_their_formulas),
        cmocka_unit_test(uniform_time_is_uniform_in_time),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
