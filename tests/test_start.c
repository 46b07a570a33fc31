#include "tests/options.h"

#include "priors/gaussian.h"
#include "priors/gaussian_gap.h"
#include "solvers/start.h"

/* Departures that come back up once, as measured curves do. */
static const double levels[] = {0.1, 1, 2, 8, 32};
static const double values[] = {0.6, 0.05, 0.2, -0.1, -3};
static const scry_gaussian_gap curve = {5, levels, values};

static void the_switch_is_where_the_gap_stays_small(void **state)
{
    (void)state;
    /* not at 1, where it is small and rises again */
    assert_near(scry_gaussian_gap_switch(&curve, 0.05), 4, 1e-12);
    assert_near(scry_gaussian_gap_switch(&curve, 0.2), 1 / pow(10, 0.15 / 0.55), 1e-12);
    assert_near(scry_gaussian_gap_switch(&curve, 0), 2 * pow(4, 2.0 / 3), 1e-12);
    assert_near(scry_gaussian_gap_switch(&curve, 0.6), 0.1, 0); /* everywhere */
    assert_near(scry_gaussian_gap_switch(&curve, 1), 0.1, 0);
    const double flat[] = {0.5, 0.5, 0.5, 0.5, 0.5};
    const scry_gaussian_gap never = {5, levels, flat};
    assert_near(scry_gaussian_gap_switch(&never, 0.4), 32, 0);
    assert_near(scry_gaussian_gap_switch(&never, 0.5), 0.1, 0);
}

static void the_curve_is_linear_in_the_logarithm(void **state)
{
    (void)state;
    for (size_t i = 0; i < curve.count; i++)
        assert_near(scry_gaussian_gap_at(&curve, levels[i]), values[i], 1e-12);
    assert_near(scry_gaussian_gap_at(&curve, 4), 0.05, 1e-12);
    assert_near(scry_gaussian_gap_at(&curve, 0.01), 0.6, 0);
    assert_near(scry_gaussian_gap_at(&curve, 100), -3, 0);
    for (double amount = 0; amount < 0.2; amount += 0.05)
        assert_near(scry_gaussian_gap_at(&curve, scry_gaussian_gap_switch(&curve, amount)), amount,
                    1e-12);
}

static double white(double f, void *ctx)
{
    (void)f;
    (void)ctx;
    return 1;
}

/* The options of a method, and the resulting level; 0: noise. */
struct row {
    const char *method;
    bool model, curve;
    const char *start;
    double start_sigma, gap, sigma_max, sigma_min, expected;
};

static const struct row rows[] = {
    {"diffpir", true, true, "auto", 0, 0.05, 0, 0, 4},
    {"diffpir", true, true, "gaussian", 0, 0.05, 0, 0, 4},
    {"diffpir", true, true, "noise", 0, 0.05, 0, 0, 0},
    {"diffpir", true, false, "auto", 0, 0.05, 0, 0, 2},
    {"diffpir", false, true, "auto", 0, 0.05, 0, 0, 0},
    {"diffpir", true, true, "auto", 1.25, 0.05, 0, 0, 1.25},
    {"diffpir", true, true, "auto", 0, 0.05, 3, 0, 3},    /* not above the first level */
    {"diffpir", true, true, "auto", 0, 0.6, 0, 0.5, 0.5}, /* nor below the last */
    {"heun", true, true, "auto", 0, 0.05, 0, 0, 4},
    {"heun", true, true, "noise", 0, 0.05, 0, 0, 0},
    {"pnp-ula", true, true, "auto", 0, 0.05, 0, 0.05, 0}, /* stays at one level */
    {"wiener", true, true, "auto", 0, 0.05, 0, 0, 0},
};

static void a_start_is_chosen_from_the_prior(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    const scry_gaussian_gap unknown = {0};
    double sigma;
    assert_ok(scry_gaussian_create(&P, &SCRY_SPACE(4, 4),
                                   &(scry_gaussian_params){.rank = 2, .spectrum = white}, &err));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        const struct scry_method *method = scry_method_find(r->method);
        const scry_problem problem = {
            .prior = P, .model = r->model ? P : NULL, .gap = r->curve ? &curve : &unknown};
        scry_options o;
        scry_options_init(&o, method);
        option_word(&o, "start", r->start);
        option_set(&o, "start-sigma", r->start_sigma);
        option_set(&o, "start-departure", r->gap);
        option_set(&o, "sigma-max", r->sigma_max);
        option_set(&o, "sigma-min", r->sigma_min);
        assert_ok(scry_start_sigma(&sigma, &problem, &o, &err));
        assert_near(sigma, r->expected, 1e-9);
    }
    const struct scry_method *method = scry_method_find("jfps");
    const scry_problem none = {.prior = P};
    scry_options o;
    scry_options_init(&o, method);
    option_word(&o, "start", "gaussian");
    assert_fails(scry_start_sigma(&sigma, &none, &o, &err), SCRY_EUNSUP);
    assert_fails(scry_options_set(&o, "start-departure", -0.1, &err), SCRY_EINVAL);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_switch_is_where_the_gap_stays_small),
        cmocka_unit_test(the_curve_is_linear_in_the_logarithm),
        cmocka_unit_test(a_start_is_chosen_from_the_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
