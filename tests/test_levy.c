/* Levy processes: the denoiser against quadrature on the Markov chain that the signal is,
 * posteriors against importance sampling from the prior. Bounds are in standard errors. */
#include "tests/prior_check.h"

#include "datasets/gaussian_mixture.h"
#include "datasets/levy.h"
#include "lib/memory_watch.h"
#include "lib/rng_gsl.h"
#include "priors/levy.h"

#include <gsl/gsl_randist.h>

static const scry_increments processes[] = {
    {SCRY_INCREMENT_GAUSSIAN, 0.5, 0, 0},
    {SCRY_INCREMENT_LAPLACE, 1.1, 0, 0},
    {SCRY_INCREMENT_STUDENT, 0.8, 1, 0},
    {SCRY_INCREMENT_STUDENT, 0.8, 3, 0},
    {SCRY_INCREMENT_BERNOULLI_LAPLACE, 1.3, 0, 0.3},
};
enum { PROCESSES = sizeof processes / sizeof *processes, SMALL = 4, GRID = 1201 };

static gsl_rng *generator(uint64_t seed)
{
    gsl_rng *rng = gsl_rng_alloc(scry_rng_gsl());
    assert_non_null(rng);
    gsl_rng_set(rng, seed);
    return rng;
}

static double density(const scry_increments *increments, double u) /* without the mass at 0 */
{
    switch (increments->kind) {
    case SCRY_INCREMENT_LAPLACE:
        return gsl_ran_laplace_pdf(u, increments->scale);
    case SCRY_INCREMENT_STUDENT:
        return gsl_ran_tdist_pdf(u / increments->scale, increments->dof) / increments->scale;
    case SCRY_INCREMENT_BERNOULLI_LAPLACE:
        return increments->rate * gsl_ran_laplace_pdf(u, increments->scale);
    default:
        return gsl_ran_gaussian_pdf(u, increments->scale);
    }
}

/* E[x0 | x], and the sd of each entry: sums over a grid that holds 0 and all of the posterior. */
static void quadrature(const scry_increments *increments, const double *x, double s, double *mean,
                       double *sd)
{
    const double zero =
        increments->kind == SCRY_INCREMENT_BERNOULLI_LAPLACE ? 1 - increments->rate : 0;
    static double forward[SMALL][GRID], back[SMALL][GRID], kernel[GRID];
    double reach = 0;
    for (int i = 0; i < SMALL; i++)
        reach = fmax(reach, fabs(x[i]) + 7 * s);
    const double h = 2 * reach / (GRID - 1);
    for (int k = 0; k < GRID; k++)
        kernel[k] = h * density(increments, k * h) + (k ? 0 : zero);
    for (int i = 0; i < SMALL; i++) {
        for (int k = 0; k < GRID; k++) {
            const double at = (k - GRID / 2) * h, r = (x[i] - at) / s;
            double sum = i ? 0 : kernel[abs(k - GRID / 2)];
            for (int l = 0; i && l < GRID; l++)
                sum += kernel[abs(k - l)] * forward[i - 1][l];
            forward[i][k] = sum * exp(-0.5 * r * r);
        }
    }
    for (int i = SMALL - 1; i >= 0; i--) {
        double total = 0, first = 0, second = 0;
        for (int k = 0; k < GRID; k++) {
            double sum = i == SMALL - 1;
            for (int l = 0; i < SMALL - 1 && l < GRID; l++) {
                const double r = (x[i + 1] - (l - GRID / 2) * h) / s;
                sum += kernel[abs(k - l)] * back[i + 1][l] * exp(-0.5 * r * r);
            }
            back[i][k] = sum;
            const double at = (k - GRID / 2) * h, p = sum * forward[i][k];
            total += p;
            first += p * at;
            second += p * at * at;
        }
        mean[i] = first / total;
        sd[i] = sqrt(second / total - mean[i] * mean[i]);
    }
}

/* Averages of `runs` seeds of D and of the product with v, with their standard errors. */
static void average(const scry_increments *increments, const float *x, const float *v, float s,
                    double *D, double *D_error, double *g, double *g_error)
{
    enum { RUNS = 60 };
    scry_error err = {0};
    for (int i = 0; i < SMALL; i++)
        D[i] = D_error[i] = g[i] = g_error[i] = 0;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        scry_levy_opts opts;
        scry_prior *P;
        float x0[SMALL], product[SMALL];
        scry_levy_opts_init(&opts);
        opts.seed = seed;
        assert_ok(scry_levy_create(&P, SMALL, increments, &opts, &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(P));
        assert_ok(scry_prior_vjp(P, product, x0, x, v, s, work, &err));
        for (int i = 0; i < SMALL; i++) {
            D[i] += x0[i] / (double)RUNS;
            D_error[i] += (double)x0[i] * x0[i] / RUNS;
            g[i] += product[i] / (double)RUNS;
            g_error[i] += (double)product[i] * product[i] / RUNS;
        }
        scry_free(work);
        scry_prior_free(P);
    }
    for (int i = 0; i < SMALL; i++) {
        D_error[i] = sqrt(fmax(0, D_error[i] - D[i] * D[i]) / (RUNS - 1));
        g_error[i] = sqrt(fmax(0, g_error[i] - g[i] * g[i]) / (RUNS - 1));
    }
}

static void denoiser_is_the_posterior_mean(void **state)
{
    (void)state;
    const float x[SMALL] = {0.37f, 1.61f, 1.84f, -0.93f}, v[SMALL] = {0.7f, -1.2f, 0.4f, 0.9f};
    for (int l = 0; l < PROCESSES; l++)
        for (int level = 0; level < 3; level++) {
            const double s = (double[]){0.2, 0.55, 2.3}[level], step = 1e-3;
            double mean[SMALL], sd[SMALL], up[SMALL], down[SMALL], moved[SMALL];
            double D[SMALL], D_error[SMALL], g[SMALL], g_error[SMALL], share = 0;
            for (int i = 0; i < SMALL; i++)
                moved[i] = x[i] + step * v[i];
            quadrature(&processes[l], moved, s, up, sd);
            for (int i = 0; i < SMALL; i++)
                moved[i] = x[i] - step * v[i];
            quadrature(&processes[l], moved, s, down, sd);
            for (int i = 0; i < SMALL; i++)
                moved[i] = x[i];
            quadrature(&processes[l], moved, s, mean, sd);
            average(&processes[l], x, v, (float)s, D, D_error, g, g_error);
            for (int i = 0; i < SMALL; i++) {
                /* J is symmetric: J^T v = J v. The grid is good to 1e-4. */
                const double product = (up[i] - down[i]) / (2 * step);
                assert_near(D[i], mean[i], 4.5 * D_error[i] + 2e-4);
                assert_near(g[i], product, 4.5 * g_error[i] + 2e-3);
                share += 60 * D_error[i] * D_error[i] / (sd[i] * sd[i]) / SMALL;
            }
            print_message("%s, sigma %g: error of D %.3f posterior sd\n",
                          scry_increments_name(&processes[l]), s, sqrt(share));
            assert_below(sqrt(share), 0.25);
            if (processes[l].kind == SCRY_INCREMENT_GAUSSIAN) assert_below(share, 1e-12);
        }
}

static void denoiser_repeats_and_decorrelates(void **state)
{
    (void)state;
    enum { N = 64 };
    scry_error err = {0};
    scry_levy_opts opts;
    scry_prior *P;
    float x[N], a[N], b[N], c[N];
    scry_levy_opts_init(&opts);
    assert_ok(scry_levy_create(&P, N, &processes[1], &opts, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P)),
         *other = scry_alloc(1, scry_prior_work_bytes(P));
    assert_ok(scry_levy_signal(x, N, &processes[1], 3, 0, &err));
    assert_ok(scry_prior_denoise(P, a, x, 0.7f, work, &err));
    assert_ok(scry_prior_denoise(P, c, x, 0.9f, work, &err));
    assert_ok(scry_prior_denoise(P, b, x, 0.7f, other, &err));
    assert_memory_equal(a, b, sizeof a);
    memcpy(b, x, sizeof b);
    assert_ok(scry_prior_denoise(P, b, b, 0.7f, work, &err));
    assert_memory_equal(a, b, sizeof a);
    x[N - 1] = nextafterf(x[N - 1], 10); /* other random numbers throughout */
    assert_ok(scry_prior_denoise(P, b, x, 0.7f, work, &err));
    size_t equal = 0;
    for (size_t i = 0; i < N; i++)
        equal += a[i] == b[i];
    assert_true(equal < 4);
    scry_free(work);
    scry_free(other);
    scry_prior_free(P);
    check_refusals(P, scry_levy_create(&P, N, &processes[1], &opts, &err));
}

/* E[x | y] by self-normalised importance sampling from the prior; error: its standard errors. */
static void importance(const scry_levy *p, const float *y, double *mean, double *error)
{
    enum { DRAWS = 150000 };
    gsl_rng *rng = generator(77);
    double total = 0, squares[8] = {0}, first[8] = {0}, second[8] = {0}, mixed[8] = {0};
    double weights = 0;
    for (int k = 0; k < DRAWS; k++) {
        double x[8], at = 0, chi2 = 0;
        for (size_t i = 0; i < p->n; i++)
            x[i] = at += scry_increments_draw(&p->increments, rng);
        for (size_t j = 0; j < p->m; j++) {
            double r = y[j];
            for (size_t i = 0; i < p->n; i++)
                r -= p->A[j * p->n + i] * x[i];
            chi2 += r * r / (p->sigma * p->sigma);
        }
        const double w = exp(-0.5 * chi2);
        total += w;
        weights += w * w;
        for (size_t i = 0; i < p->n; i++) {
            first[i] += w * x[i];
            mixed[i] += w * w * x[i];
            second[i] += w * w * x[i] * x[i];
        }
    }
    assert_true(total * total / weights > 500); /* effective samples */
    for (size_t i = 0; i < p->n; i++) {
        mean[i] = first[i] / total;
        squares[i] = second[i] - 2 * mean[i] * mixed[i] + mean[i] * mean[i] * weights;
        error[i] = sqrt(squares[i]) / total;
    }
    gsl_rng_free(rng);
}

static void posterior_matches_importance_sampling(void **state)
{
    (void)state;
    enum { N = 5 };
    scry_error err = {0};
    const scry_levy_gibbs opts = {.burn_in = 200, .sweeps = 8000, .keep = 4, .seed = 5};
    for (int l = 0; l < PROCESSES; l++)
        for (int kind = 0; kind < 4; kind++) {
            scry_levy p;
            scry_levy_posterior gold;
            float x[N], y[N];
            double mean[N], error[N];
            assert_ok(scry_levy_problem(&p,
                                        &(scry_levy_params){.n = N,
                                                            .increments = processes[l],
                                                            .kind = (scry_levy_kind)kind,
                                                            .snr = 3,
                                                            .seed = 1},
                                        &err));
            assert_ok(
                scry_levy_signal(x, N, &processes[l], 9, (uint32_t)(l == 2 ? 3 : kind), &err));
            assert_ok(scry_levy_measure(y, &p, x, 9, 0, &err));
            assert_ok(scry_levy_condition(&gold, &p, y, &opts, &err));
            importance(&p, y, mean, error);
            assert_int_equal(gold.kept, 4);
            for (int i = 0; i < N; i++)
                assert_near(gold.mean[i], mean[i], 4.5 * hypot(gold.error[i], error[i]) + 1e-9);
            scry_levy_posterior_clear(&gold);
            scry_levy_clear(&p);
        }
}

/* Gaussian increments: the posterior in closed form, at the benchmark's own length. */
static void gaussian_posterior_is_exact(void **state)
{
    (void)state;
    enum { N = 64, SWEEPS = 4000 };
    static double cov[N * N], exact[N], y2[N];
    static const double zero[N], whole = 1;
    static float x[N], y[N];
    const scry_increments increments = {SCRY_INCREMENT_GAUSSIAN, 0.13, 0, 0};
    const scry_levy_gibbs opts = {.burn_in = 20, .sweeps = SWEEPS, .keep = 20, .seed = 3};
    scry_error err = {0};
    for (int kind = 0; kind < 4; kind++) {
        scry_levy p;
        scry_levy_posterior gold;
        scry_gaussian_mixture *prior, *posterior;
        assert_ok(scry_levy_problem(&p,
                                    &(scry_levy_params){.n = N,
                                                        .increments = increments,
                                                        .kind = (scry_levy_kind)kind,
                                                        .snr = 25,
                                                        .seed = 1},
                                    &err));
        assert_ok(scry_levy_signal(x, N, &increments, 9, (uint32_t)kind, &err));
        assert_ok(scry_levy_measure(y, &p, x, 9, 0, &err));
        assert_ok(scry_levy_condition(&gold, &p, y, &opts, &err));
        for (int i = 0; i < N * N; i++)
            cov[i] = increments.scale * increments.scale * (fmin(i / N, i % N) + 1);
        for (size_t j = 0; j < p.m; j++)
            y2[j] = y[j];
        assert_ok(scry_gaussian_mixture_create(
            &prior,
            &(scry_gaussian_mixture_params){
                .n = N, .count = 1, .weight = &whole, .mean = zero, .cov = cov},
            &err));
        assert_ok(scry_gaussian_mixture_condition(
            &posterior, prior, &(scry_linear_data){.A = p.A, .m = p.m, .y = y2, .sigma = p.sigma},
            &err));
        scry_gaussian_mixture_moments(posterior, exact, cov);
        double worst = 0;
        for (int i = 0; i < N; i++) {
            /* no latent variable varies: every sweep knows the mean */
            assert_near(gold.mean[i], exact[i], 1e-7 * sqrt(cov[i * N + i]));
            worst = fmax(worst, fabs(gold.sd[i] / sqrt(cov[i * N + i]) - 1));
        }
        assert_true(worst < 5 / sqrt(2.0 * SWEEPS)); /* the most of 64 normal deviates */
        scry_gaussian_mixture_free(prior);
        scry_gaussian_mixture_free(posterior);
        scry_levy_posterior_clear(&gold);
        scry_levy_clear(&p);
    }
}

/* On signals drawn from the distribution itself, (x - mean) / sd has mean square 1 and the 90 %
 * interval of the samples holds 90 % of the entries; both follow from p(x, y) alone, whatever n. */
static void posterior_is_calibrated(void **state)
{
    (void)state;
    enum { N = 24, SIGNALS = 40, KEEP = 39 };
    scry_error err = {0};
    for (int l = 0; l < PROCESSES; l++) {
        scry_levy p;
        double below = 0, square = 0;
        if (processes[l].kind == SCRY_INCREMENT_STUDENT && processes[l].dof < 2) continue;
        assert_ok(scry_levy_problem(&p,
                                    &(scry_levy_params){.n = N,
                                                        .increments = processes[l],
                                                        .kind = SCRY_LEVY_DECONVOLVE,
                                                        .snr = 15,
                                                        .seed = 1},
                                    &err));
        for (uint32_t k = 0; k < SIGNALS; k++) {
            const scry_levy_gibbs opts = {.burn_in = 50, .sweeps = 780, .keep = KEEP, .seed = k};
            scry_levy_posterior gold;
            float x[N], y[N];
            assert_ok(scry_levy_signal(x, N, &processes[l], 4, k, &err));
            assert_ok(scry_levy_measure(y, &p, x, 4, k, &err));
            assert_ok(scry_levy_condition(&gold, &p, y, &opts, &err));
            size_t rank = 0; /* of one entry a signal: these are independent */
            const size_t i = k % N;
            for (size_t s = 0; s < KEEP; s++)
                rank += gold.samples[s * N + i] < x[i];
            below += rank >= 2 && rank < 38;
            const double r = (x[i] - gold.mean[i]) / gold.sd[i];
            square += r * r / SIGNALS;
            scry_levy_posterior_clear(&gold);
        }
        assert_near(below / SIGNALS, 0.9, 4 * sqrt(0.09 / SIGNALS));
        assert_near(square, 1, 4 * sqrt(6.0 / SIGNALS)); /* heavier tails than a Gaussian's 2 */
        scry_levy_clear(&p);
    }
}

/* Mixing over w gives the distribution back: draws of u | w, w | u, in turn, have the
 * distribution's tails. */
static void latents_leave_the_law_unchanged(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    gsl_rng *rng = generator(11);
    for (int l = 0; l < 4; l++) {
        size_t chain = 0, direct = 0;
        double u = 0;
        for (int k = 0; k < DRAWS; k++) {
            for (int again = 0; again < 4; again++)
                u = sqrt(scry_increments_latent(&processes[l], true, u, rng)) *
                    gsl_ran_gaussian(rng, 1);
            chain += fabs(u) > 1.5 * processes[l].scale;
            direct += fabs(scry_increments_draw(&processes[l], rng)) > 1.5 * processes[l].scale;
        }
        const double p = (double)direct / DRAWS;
        /* Thinned by 4, the chain is worth at least a sixth of its length. */
        assert_near((double)chain / DRAWS, p, 4.5 * sqrt(7 * p * (1 - p) / DRAWS));
    }
    gsl_rng_free(rng);
}

static void operators_are_as_described(void **state)
{
    (void)state;
    enum { N = 64 };
    scry_error err = {0};
    scry_levy p;
    for (int kind = 0; kind < 4; kind++) {
        assert_ok(scry_levy_problem(&p,
                                    &(scry_levy_params){.n = N,
                                                        .increments = processes[0],
                                                        .kind = (scry_levy_kind)kind,
                                                        .snr = 25,
                                                        .seed = 2},
                                    &err));
        for (size_t j = 0; j < p.m; j++) {
            double sum = 0, square = 0, next = 0;
            for (size_t i = 0; i < N; i++) {
                sum += p.A[j * N + i];
                square += p.A[j * N + i] * p.A[j * N + i];
                if (j + 1 < p.m) next += p.A[j * N + i] * p.A[(j + 1) * N + i];
            }
            if (kind == SCRY_LEVY_DECONVOLVE) {
                assert_near(sum, 1, 1e-12);
                assert_near(p.A[j * N + j] / p.A[j * N + (j + 2) % N], exp(0.5), 1e-12);
                assert_true(p.A[j * N + (j + N - 6) % N] > 0);
                assert_true(p.A[j * N + (j + 7) % N] == 0);
            } else {
                assert_near(square, 1, 1e-12);
                assert_near(next, 0, 1e-12);
            }
        }
        /* 5 + 11 of 33 frequencies with two rows each, but one for 0 and for the highest */
        if (kind == SCRY_LEVY_FOURIER)
            assert_true(p.m == 30 || p.m == 31);
        else
            assert_int_equal(p.m, kind == SCRY_LEVY_IMPUTE ? 26 : 64);
        scry_levy_clear(&p);
    }
    /* Brownian motion of 64 steps of variance 1/4: mean power 8.1, its median somewhat less. */
    double amplitude;
    assert_ok(scry_levy_amplitude(&amplitude, N, &processes[0], &err));
    assert_true(amplitude > 1.9 && amplitude < 2.7);
}

static void bad_numbers_are_named(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    scry_levy p;
    scry_levy_posterior gold;
    scry_levy_opts opts;
    scry_increments increments = processes[4];
    float y[4] = {0};
    scry_levy_opts_init(&opts);
    increments.rate = 1;
    assert_fails(scry_levy_create(&P, 4, &increments, &opts, &err), SCRY_EINVAL);
    increments = processes[2];
    increments.dof = 0;
    assert_fails(scry_levy_create(&P, 4, &increments, &opts, &err), SCRY_EINVAL);
    increments.scale = NAN;
    assert_fails(scry_levy_create(&P, 4, &increments, &opts, &err), SCRY_EINVAL);
    assert_fails(scry_levy_create(&P, 0, &processes[1], &opts, &err), SCRY_EINVAL);
    opts.sweeps = 1;
    assert_fails(scry_levy_create(&P, 4, &processes[1], &opts, &err), SCRY_EINVAL);
    assert_null(P);
    assert_fails(scry_levy_problem(&p,
                                   &(scry_levy_params){.n = 4,
                                                       .increments = processes[1],
                                                       .kind = SCRY_LEVY_IMPUTE,
                                                       .snr = INFINITY,
                                                       .seed = 0},
                                   &err),
                 SCRY_EINVAL);
    assert_fails(
        scry_levy_problem(
            &p,
            &(scry_levy_params){
                .n = 0, .increments = processes[1], .kind = SCRY_LEVY_IMPUTE, .snr = 25, .seed = 0},
            &err),
        SCRY_EINVAL);
    assert_ok(scry_levy_problem(
        &p,
        &(scry_levy_params){
            .n = 4, .increments = processes[1], .kind = SCRY_LEVY_DENOISE, .snr = 25, .seed = 0},
        &err));
    assert_fails(
        scry_levy_condition(&gold, &p, y, &(scry_levy_gibbs){.burn_in = 1, .sweeps = 30}, &err),
        SCRY_EINVAL);
    scry_levy_clear(&p);
}

static void refused_memory_leaves_nothing(void **state)
{
    (void)state;
    const float y[4] = {0};
    scry_error err = {0};
    scry_levy p;
    scry_levy_posterior gold;
    assert_ok(scry_levy_problem(
        &p,
        &(scry_levy_params){
            .n = 4, .increments = processes[1], .kind = SCRY_LEVY_DENOISE, .snr = 25, .seed = 0},
        &err));
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth < 200; nth++) {
        scry_memory_fail_at(nth);
        const scry_status st =
            scry_levy_condition(&gold, &p, y, &(scry_levy_gibbs){.sweeps = 20}, &err);
        scry_memory_fail_at(0);
        if (st == SCRY_OK) {
            scry_levy_posterior_clear(&gold);
            break;
        }
        assert_int_equal(st, SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
        err = (scry_error){0};
    }
    scry_levy_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denoiser_is_the_posterior_mean),
        cmocka_unit_test(denoiser_repeats_and_decorrelates),
        cmocka_unit_test(posterior_matches_importance_sampling),
        cmocka_unit_test(gaussian_posterior_is_exact),
        cmocka_unit_test(posterior_is_calibrated),
        cmocka_unit_test(latents_leave_the_law_unchanged),
        cmocka_unit_test(operators_are_as_described),
        cmocka_unit_test(bad_numbers_are_named),
        cmocka_unit_test(refused_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
