#include "tests/exact/exact.h"

#include "lib/rng.h"

/* Prior N(mean, diag(variance)): every pixel is a scalar problem whose samplers are known exactly.
 */
enum { N = 6 };
static const double variance[N] = {0.04, 0.23, 0.7, 1, 1.9, 3.1};
static const double mean[N] = {0.3, -0.2, 0, 0.11, 0.5, -0.7};

static scry_prior *diagonal_prior(void)
{
    scry_error err = {0};
    scry_prior *P;
    double C[N * N] = {0};
    for (size_t i = 0; i < N; i++)
        C[i * N + i] = variance[i];
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(2, 3), mean, C, &err));
    return P;
}

/* Estimate of the image at the end of one deterministic run. */
static void solve_ode(float *x, const char *name, size_t steps, const scry_problem *problem)
{
    scry_error err = {0};
    scry_solver *S;
    scry_options o;
    scry_options_init(&o, scry_method_find(name));
    option_set(&o, "steps", steps);
    option_set(&o, "sigma-max", 20);
    option_set(&o, "sigma-min", 0.05);
    assert_ok(scry_solver_plan(&S, problem, &o, &err));
    assert_ok(scry_solver_start(S, 5, 2, &err));
    assert_ok(scry_solver_run(S, x, NULL, NULL, NULL, &err));
    scry_solver_free(S);
}

/* dx/ds = s (x - mean) / (v + s^2) has the solution x - mean ~ sqrt(v + s^2). Halving the step
 * divides the error of Euler by 2, that of Heun by 4. */
static void ode_orders(void **state)
{
    (void)state;
    scry_prior *P = diagonal_prior();
    const scry_problem problem = {.prior = P, .model = P};
    float z[N];
    scry_rng_normal(z, 0, N, 5, 2, scry_rng_step(0, 0));
    double error[2][2];
    for (size_t k = 0; k < 4; k++) {
        float x[N];
        error[k / 2][k % 2] = 0;
        solve_ode(x, k / 2 ? "heun" : "euler", k % 2 ? 81 : 41, &problem);
        for (size_t i = 0; i < N; i++) {
            const double v = variance[i], end = v + 0.05 * 0.05;
            const double truth = mean[i] + 20 * z[i] * sqrt(end / (v + 400)) * v / end;
            error[k / 2][k % 2] += pow(x[i] - truth, 2);
        }
    }
    assert_near(sqrt(error[0][0] / error[0][1]), 2, 0.15);
    assert_near(sqrt(error[1][0] / error[1][1]), 4, 0.6);
    assert_below(error[1][1], 0.01 * error[0][1]);
    scry_prior_free(P);
}

/* Variance of the estimate that `steps` ancestral steps give on a scalar prior of variance v, from
 * the recursion x' = D + s' (sqrt(1 - tau) (x - D) / s + sqrt(tau) z), D = v x / (v + s^2). */
static double ancestral_variance(double v, size_t steps, double high, double low, double eta)
{
    double var = high * high;
    for (size_t i = 0; i < steps; i++) {
        const double a = pow(high, 1 / 7.0), b = pow(low, 1 / 7.0), last = (double)(steps - 1);
        const double s = pow(a + (double)i / last * (b - a), 7), gain = v / (v + s * s);
        if (i + 1 == steps) return gain * gain * var;
        const double next = pow(a + (double)(i + 1) / last * (b - a), 7);
        const double tau = eta * (1 - next * next / (s * s));
        const double keep = gain + next * sqrt(1 - tau) * (1 - gain) / s;
        var = keep * keep * var + next * next * tau;
    }
    return var;
}

static void ancestral_moments(void **state)
{
    (void)state;
    enum { K = 4000 };
    scry_prior *P = diagonal_prior();
    const scry_problem problem = {.prior = P, .model = P};
    static const struct {
        const char *name;
        double eta;
    } cases[] = {{"ddpm", 1}, {"ddim", 0.6}, {"ddim", 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        scry_options o;
        scry_chains chains;
        scry_options_init(&o, scry_method_find(cases[c].name));
        option_set(&o, "steps", 40);
        option_set(&o, "sigma-max", 20);
        option_set(&o, "sigma-min", 0.05);
        option_set(&o, "eta", cases[c].eta);
        draw(&chains, &problem, &o, K, 11);
        for (size_t i = 0; i < N; i++) {
            const double sd = sqrt(ancestral_variance(variance[i], 40, 20, 0.05, cases[c].eta));
            assert_near(chains.mean[i], mean[i], 4.5 * sd / sqrt(K));
            assert_near(chains.sd[i], sd, 4.5 * sd / sqrt(2.0 * K));
            assert_near(sd / sqrt(variance[i]), 1, 0.12); /* the error of 40 steps: at most 12 % */
        }
        scry_chains_free(&chains);
    }
    scry_prior_free(P);
}

/* All of a correlated covariance, by the sampler of least discretisation error. */
static void heun_draws_the_prior(void **state)
{
    (void)state;
    enum { K = 4000 };
    static struct world w;
    scry_error err = {0};
    scry_prior *P;
    scry_chains c;
    scry_options o;
    world_prior(&w, N, 0.8);
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(N), w.mean, w.C, &err));
    const scry_problem problem = {.prior = P};
    scry_options_init(&o, scry_method_find("heun"));
    option_set(&o, "steps", 60);
    option_set(&o, "sigma-min", 0.01);
    draw(&c, &problem, &o, K, 13);
    const struct verdict v = judge(c.samples, K, N, w.mean, w.C);
    if (v.bias > 4.5 * v.se || v.whitened > 0.01 + 4.5 * sqrt(2.0 / K)) {
        verdict_print("heun", &v);
        fail();
    }
    scry_chains_free(&c);
    scry_prior_free(P);
}

/* Where the prior is the model its flow has the solution that a Gaussian start uses: with the same
 * noise, a start low down ends where many small steps from far above end. */
static void a_gaussian_start_is_on_the_trajectory(void **state)
{
    (void)state;
    static const char *const names[] = {"euler", "heun", "dpm++", "ddim"};
    scry_error err = {0};
    scry_prior *P = diagonal_prior();
    const scry_problem problem = {.prior = P, .model = P};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        float x[2][N];
        for (size_t low = 0; low < 2; low++) {
            scry_solver *S;
            scry_options o;
            scry_options_init(&o, scry_method_find(names[k]));
            option_set(&o, "steps", 1500);
            option_word(&o, "start", "gaussian");
            option_set(&o, "start-sigma", low ? 0.7 : 20);
            option_set(&o, "sigma-min", 0.05);
            assert_ok(scry_solver_plan(&S, &problem, &o, &err));
            assert_ok(scry_solver_start(S, 5, 2, &err));
            assert_ok(scry_solver_run(S, x[low], NULL, NULL, NULL, &err));
            scry_solver_free(S);
        }
        /* Euler's error falls as the step: 1500 of them leave a few thousandths */
        for (size_t i = 0; i < N; i++)
            assert_near(x[1][i], x[0][i], k % 3 ? 1e-4 : 1e-2);
    }
    scry_prior_free(P);
}

/* One step from a tiny level leaves the draw that a chain started from, of all the covariance. */
static void a_gaussian_start_draws_the_model(void **state)
{
    (void)state;
    enum { K = 4000 };
    static const char *const names[] = {"ddpm", "sde-ve", "sde-vp", "sde-subvp", "heun"};
    static struct world w;
    scry_error err = {0};
    scry_prior *P;
    world_prior(&w, N, 0.8);
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(N), w.mean, w.C, &err));
    const scry_problem problem = {.prior = P, .model = P};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        scry_chains c;
        scry_options o;
        scry_options_init(&o, scry_method_find(names[k]));
        option_set(&o, "steps", 1);
        option_word(&o, "start", "gaussian");
        option_set(&o, "start-sigma", 0.01);
        option_set(&o, "sigma-min", 0.01);
        draw(&c, &problem, &o, K, 17);
        const struct verdict v = judge(c.samples, K, N, w.mean, w.C);
        if (v.bias > 4.5 * v.se || v.whitened > 0.01 + 4.5 * sqrt(2.0 / K)) {
            verdict_print(names[k], &v);
            fail();
        }
        scry_chains_free(&c);
    }
    scry_prior_free(P);
}

static void a_gaussian_start_needs_its_model(void **state)
{
    (void)state;
    const double one[4] = {1, 0, 0, 1}, zero[2] = {0};
    scry_error err = {0};
    scry_solver *S;
    scry_options o;
    scry_prior *P = diagonal_prior(), *other;
    assert_ok(scry_gaussian_create_dense(&other, &SCRY_SPACE(2), zero, one, &err));
    scry_problem problem = {.prior = P};
    scry_options_init(&o, scry_method_find("heun"));
    option_word(&o, "start", "gaussian");
    assert_fails(scry_solver_plan(&S, &problem, &o, &err), SCRY_EUNSUP);
    problem.model = other;
    assert_fails(scry_solver_plan(&S, &problem, &o, &err), SCRY_ESHAPE);
    scry_prior_free(other);
    scry_prior_free(P);
}

static void a_measurement_is_not_ignored(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_likelihood *L;
    scry_solver *S;
    scry_options o;
    const unsigned char known[N] = {1, 1, 0, 1, 1, 1};
    const float y[N - 1] = {0};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 1};
    scry_prior *P = diagonal_prior();
    assert_ok(scry_mask_create(&A, &SCRY_SPACE(2, 3), known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    const scry_problem problem = {.prior = P, .L = L};
    scry_options_init(&o, scry_method_find("heun"));
    assert_fails(scry_solver_plan(&S, &problem, &o, &err), SCRY_EINVAL);
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ode_orders),
        cmocka_unit_test(ancestral_moments),
        cmocka_unit_test(heun_draws_the_prior),
        cmocka_unit_test(a_gaussian_start_is_on_the_trajectory),
        cmocka_unit_test(a_gaussian_start_draws_the_model),
        cmocka_unit_test(a_gaussian_start_needs_its_model),
        cmocka_unit_test(a_measurement_is_not_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
