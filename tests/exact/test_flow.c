#include "tests/exact/small.h"

/* PnP-Flow is a point estimate: near the mean of the posterior here, and with a third of its spread
 * between seeds. */
static void the_estimate_is_one_point(void **state)
{
    (void)state;
    enum { K = 60 };
    static struct world blur, mask;
    unsigned char known[EXACT_MAX];
    struct setup s[2];
    world_blur(&blur);
    world_mask(&mask, known);
    build(&s[0], &blur, NULL);
    build(&s[1], &mask, known);
    for (int k = 0; k < 2; k++) {
        const struct world *w = k ? &mask : &blur;
        scry_options o;
        scry_chains c;
        scry_options_init(&o, scry_method_find("pnp-flow"));
        draw(&c, &s[k].problem, &o, K, 7);
        const struct verdict v = judge(c.samples, c.done, w->n, w->post, w->P);
        assert_below(v.high, 0.5);
        assert_below(v.bias, 0.5);
        assert_below(c.residual, 0.9); /* in sd of the noise; truth would leave 1 */
        assert_plan_survives("pnp-flow", &s[k].problem);
        scry_chains_free(&c);
        drop(&s[k]);
    }
}

/* With a prior and data that know no neighbours, every pixel is a recursion of its own:
 *   x' = mean + v / (v + s^2) (x + gamma (1 - t) (y - x) + s n / sqrt(draws) - mean). */
static void moments_are_those_of_the_recursion(void **state)
{
    (void)state;
    enum { N = 4, K = 500, STEPS = 40, DRAWS = 3 };
    static const double variance[N] = {0.04, 0.23, 0.7, 1.9}, mean[N] = {0.3, -0.2, 0.11, 0.5};
    static const float y[N - 1] = {0.7f, -0.9f, 1.3f};
    const unsigned char known[N] = {1, 1, 0, 1};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.3};
    scry_error err = {0};
    scry_op *A;
    scry_likelihood *L;
    scry_prior *P;
    scry_options o;
    scry_chains c;
    double C[N * N] = {0};
    for (size_t i = 0; i < N; i++)
        C[i * N + i] = variance[i];
    assert_ok(scry_mask_create(&A, &SCRY_SPACE(N), known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(N), mean, C, &err));
    const scry_problem problem = {.L = L, .prior = P};
    scry_options_init(&o, scry_method_find("pnp-flow"));
    option_set(&o, "steps", STEPS);
    option_set(&o, "inner", DRAWS);
    option_set(&o, "gamma", 0.8);
    draw(&c, &problem, &o, K, 11);
    for (size_t i = 0, j = 0; i < N; i++) {
        double m = 0, var = 0;
        const double b = known[i] ? y[j++] : 0;
        for (int k = 1; k <= STEPS; k++) {
            const double t = k / (STEPS + 1.0), s = (1 - t) / t;
            const double pull = known[i] ? 0.8 * (1 - t) / 1.002 : 0;
            const double gain = variance[i] / (variance[i] + s * s);
            m = mean[i] + gain * (m + pull * (b - m) - mean[i]);
            var = gain * gain * ((1 - pull) * (1 - pull) * var + s * s / DRAWS);
        }
        assert_near(c.mean[i], m, 0.001 + 4.5 * sqrt(var / K));
        assert_near(c.sd[i] / sqrt(var), 1, 0.002 + 4.5 / sqrt(2.0 * K));
    }
    scry_chains_free(&c);
    scry_prior_free(P);
    scry_likelihood_free(L);
    scry_op_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_estimate_is_one_point),
        cmocka_unit_test(moments_are_those_of_the_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
