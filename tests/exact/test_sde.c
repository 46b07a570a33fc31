#include "tests/exact/exact.h"

#include "lib/rng.h"

/* Unconditional samplers: reverse SDEs, predictor-corrector and DPM-Solver++ against the prior. */
enum { N = 6 };

static const char *const stochastic[] = {"sde-ve", "sde-vp", "sde-subvp", "pc"};

static double scale(const char *method, double s)
{
    if (strcmp(method, "sde-vp") == 0) return 1 / sqrt(1 + s * s);
    if (strcmp(method, "sde-subvp") == 0) return (sqrt(s * s + 4) - s) / 2;
    return 1;
}

static double karras(double high, double low, size_t i, size_t steps)
{
    const double a = pow(high, 1 / 7.0), b = pow(low, 1 / 7.0);
    return i < steps ? pow(a + (double)i / (double)(steps - 1) * (b - a), 7) : 0;
}

/* Variance that a method leaves of a scalar prior of variance v, and how much is left of the
 * distance between its start and the mean: from the forward chains, in their own coordinate,
 *   x = a X,  forward x_i = (a / a') x_i-1 + G z,  reverse x' = (2 - a / a') x + G^2 score + G z,
 * where G^2 takes the variance of x_i given the image from that at s' to that at s. */
static double reverse_variance(const char *method, const scry_options *o, double v, double *start)
{
    const double high = option_value(o, "sigma-max"), low = option_value(o, "sigma-min");
    const size_t steps = (size_t)option_value(o, "steps");
    const double corrections = option_value(o, "inner"), size = option_value(o, "gamma");
    double var = high * high;
    *start = 1;
    for (size_t i = 0; i + 1 < steps; i++) {
        const double s = karras(high, low, i, steps);
        const double next = karras(high, low, i + 1, steps);
        const double a = scale(method, s), b = scale(method, next), f = a / b;
        const double G2 = a * a * s * s - f * f * b * b * next * next;
        const double keep = (2 - f - G2 / (a * a * (v + s * s))) * a / b;
        var = keep * keep * var + G2 / (b * b);
        *start *= keep;
        for (int k = 0; k < corrections; k++) {
            const double e = 2 * pow(size * next, 2), pull = 1 - e / (v + next * next);
            var = pull * pull * var + 2 * e;
            *start *= pull;
        }
    }
    const double gain = v / (v + low * low);
    *start *= gain;
    return gain * gain * var;
}

static void moments_are_those_of_the_recursion(void **state)
{
    (void)state;
    enum { K = 1500 };
    static const double variance[N] = {0.04, 0.23, 0.7, 1, 1.9, 3.1};
    static const double mean[N] = {0.3, -0.2, 0, 0.11, 0.5, -0.7};
    scry_error err = {0};
    scry_prior *P;
    double C[N * N] = {0};
    for (size_t i = 0; i < N; i++)
        C[i * N + i] = variance[i];
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(2, 3), mean, C, &err));
    const scry_problem problem = {.prior = P};
    for (size_t m = 0; m < sizeof stochastic / sizeof *stochastic; m++) {
        scry_options o;
        scry_chains c;
        scry_options_init(&o, scry_method_find(stochastic[m]));
        option_set(&o, "steps", 60);
        option_set(&o, "sigma-max", 20);
        option_set(&o, "sigma-min", 0.02);
        draw(&c, &problem, &o, K, 11);
        for (size_t i = 0; i < N; i++) {
            double start;
            const double sd = sqrt(reverse_variance(stochastic[m], &o, variance[i], &start));
            assert_near(c.mean[i], mean[i] * (1 - start), 4.5 * sd / sqrt(K));
            assert_near(c.sd[i], sd, 4.5 * sd / sqrt(2.0 * K));
            assert_near(sd / sqrt(variance[i]), 1, 0.1);
        }
        scry_chains_free(&c);
    }
    scry_prior_free(P);
}

/* With enough steps the recursion, and so the method, is within 1 % of the prior. */
static void steps_take_the_error_away(void **state)
{
    (void)state;
    static const double variance[N] = {0.04, 0.23, 0.7, 1, 1.9, 3.1};
    for (size_t m = 0; m < sizeof stochastic / sizeof *stochastic; m++) {
        double worst[2] = {0};
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < N; i++) {
                scry_options o;
                double start;
                scry_options_init(&o, scry_method_find(stochastic[m]));
                option_set(&o, "steps", k ? 800 : 200);
                option_set(&o, "sigma-max", 40);
                option_set(&o, "sigma-min", 0.005);
                const double got = reverse_variance(stochastic[m], &o, variance[i], &start);
                worst[k] = fmax(worst[k], fabs(sqrt(got / variance[i]) - 1));
            }
        assert_below(worst[0], 0.03);
        assert_below(worst[1], 0.01);
    }
}

/* All of a correlated covariance. */
static void the_prior_is_drawn(void **state)
{
    (void)state;
    enum { K = 1500 };
    static const char *const names[] = {"sde-ve", "sde-vp", "sde-subvp", "pc", "dpm++"};
    static struct world w;
    scry_error err = {0};
    scry_prior *P;
    world_prior(&w, N, 0.8);
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(N), w.mean, w.C, &err));
    const scry_problem problem = {.prior = P, .model = P};
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        scry_chains c;
        scry_options o;
        scry_options_init(&o, scry_method_find(names[m]));
        option_set(&o, "steps", 300);
        option_set(&o, "sigma-min", 0.01);
        draw(&c, &problem, &o, K, 13);
        const struct verdict v = judge(c.samples, K, N, w.mean, w.C);
        if (v.bias > 4.5 * v.se || v.whitened > 0.05 + 4.5 * sqrt(2.0 / K)) {
            verdict_print(names[m], &v);
            fail();
        }
        scry_chains_free(&c);
    }
    scry_prior_free(P);
}

/* Two modes, 3.2 apart with sd 0.3: counted. */
static void modes_have_their_weights(void **state)
{
    (void)state;
    enum { K = 2000 };
    static const char *const names[] = {"sde-ve", "sde-vp", "sde-subvp", "pc", "dpm++"};
    static const double means[2][4] = {{-0.9, 0.4, -0.6, 1.1}, {0.9, -0.7, 0.5, -1.0}};
    const scry_mixture_component parts[2] = {
        {.weight = 0.35, .mean = means[0], .variance = 0.09},
        {.weight = 0.65, .mean = means[1], .variance = 0.09},
    };
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_mixture_create(&P, &SCRY_SPACE(2, 2), parts, 2, &err));
    const scry_problem problem = {.prior = P};
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        size_t first = 0;
        scry_chains c;
        scry_options o;
        scry_options_init(&o, scry_method_find(names[m]));
        option_set(&o, "steps", 100);
        option_set(&o, "sigma-min", 0.01);
        draw(&c, &problem, &o, K, 17);
        for (size_t k = 0; k < K; k++) {
            double d[2] = {0};
            for (size_t i = 0; i < 4; i++)
                for (int j = 0; j < 2; j++)
                    d[j] += pow(c.samples[k * 4 + i] - means[j][i], 2);
            first += d[0] < d[1];
        }
        assert_near((double)first / K, 0.35, 0.005 + 4 * sqrt(0.35 * 0.65 / K));
        scry_chains_free(&c);
    }
    scry_prior_free(P);
}

/* Distance to the exact solution x - mean ~ sqrt(v + s^2) of the flow, at the estimate. */
static double flow_error(const char *method, size_t steps)
{
    static const double variance[N] = {0.04, 0.23, 0.7, 1, 1.9, 3.1}, mean[N] = {0};
    scry_error err = {0};
    scry_prior *P;
    scry_solver *S;
    scry_options o;
    double C[N * N] = {0}, sum = 0;
    float z[N], x[N];
    for (size_t i = 0; i < N; i++)
        C[i * N + i] = variance[i];
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(N), mean, C, &err));
    const scry_problem problem = {.prior = P};
    scry_options_init(&o, scry_method_find(method));
    option_set(&o, "steps", steps);
    option_set(&o, "sigma-max", 20);
    option_set(&o, "sigma-min", 0.05);
    assert_ok(scry_solver_plan(&S, &problem, &o, &err));
    assert_ok(scry_solver_start(S, 5, 2, &err));
    assert_ok(scry_solver_run(S, x, NULL, NULL, NULL, &err));
    assert_int_equal(scry_solver_counts(S).denoise, steps);
    scry_rng_normal(z, 0, N, 5, 2, scry_rng_step(0, 0));
    for (size_t i = 0; i < N; i++) {
        const double v = variance[i], end = v + 0.05 * 0.05;
        sum += pow(x[i] - 20 * z[i] * sqrt(end / (v + 400)) * v / end, 2);
    }
    scry_solver_free(S);
    scry_prior_free(P);
    return sqrt(sum);
}

/* At one call a step, the error falls fourfold where Euler's halves. */
static void multistep_is_of_second_order(void **state)
{
    (void)state;
    const double coarse = flow_error("dpm++", 41), fine = flow_error("dpm++", 81);
    assert_near(coarse / fine, 4, 0.6);
    assert_below(fine, 0.05 * flow_error("euler", 81));
    assert_below(flow_error("dpm++", 15), 0.25 * flow_error("euler", 15));
}

static void plans_survive_lack_of_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"sde-ve", "sde-vp", "sde-subvp", "pc", "dpm++"};
    scry_error err = {0};
    scry_prior *P;
    const double mean[1] = {0}, C[1] = {1};
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(1), mean, C, &err));
    const scry_problem problem = {.prior = P};
    for (size_t m = 0; m < sizeof names / sizeof *names; m++)
        assert_plan_survives(names[m], &problem);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_those_of_the_recursion),
        cmocka_unit_test(steps_take_the_error_away),
        cmocka_unit_test(the_prior_is_drawn),
        cmocka_unit_test(modes_have_their_weights),
        cmocka_unit_test(multistep_is_of_second_order),
        cmocka_unit_test(plans_survive_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
