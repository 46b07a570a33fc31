#include "tests/small_blur.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/vector.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "solvers/classical/difference_impl.h"

#include <gsl/gsl_linalg.h>
#include <omp.h>
#include <string.h>

/* x = Q^-1 r by Cholesky; Q is destroyed. */
static void solve_dense(double *Q, double *r, size_t n)
{
    gsl_matrix_view q = gsl_matrix_view_array(Q, n, n);
    gsl_vector_view v = gsl_vector_view_array(r, n);
    assert_int_equal(gsl_linalg_cholesky_decomp1(&q.matrix), 0);
    assert_int_equal(gsl_linalg_cholesky_svx(&q.matrix, &v.vector), 0);
}

/* Q = A^T A / sigma^2, r = A^T (y - background - A mean) / sigma^2 */
static void normal_equations(const struct setting *s, double mean, double *Q, double *r)
{
    const double w = 1 / (s->noise.sigma * s->noise.sigma);
    memset(Q, 0, N * N * sizeof *Q);
    memset(r, 0, N * sizeof *r);
    for (int k = 0; k < M; k++) {
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += s->A[k * N + i];
        for (int i = 0; i < N; i++) {
            r[i] += w * s->A[k * N + i] * (s->y[k] - s->noise.background - mean * sum);
            for (int j = 0; j < N; j++)
                Q[i * N + j] += w * s->A[k * N + i] * s->A[k * N + j];
        }
    }
}

/* The graph Laplacian of the grid, edge by edge. */
static void add_laplacian(double *Q, int h, int w, double lambda)
{
    const int n = h * w;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            const int dy = abs(i / w - j / w), dx = abs(i % w - j % w);
            if (dy + dx != 1) continue;
            Q[i * n + i] += lambda;
            Q[j * n + j] += lambda;
            Q[i * n + j] -= lambda;
            Q[j * n + i] -= lambda;
        }
}

static void test_difference(void **state)
{
    (void)state;
    const scry_space spaces[] = {SCRY_SPACE(5, 7),
                                 SCRY_SPACE(1, 7),
                                 SCRY_SPACE(3, 4, 5),
                                 {.rank = 2, .dims = {5, 3}, .cplx = true}};
    for (size_t k = 0; k < 4; k++) {
        scryi_difference G;
        scryi_difference_init(&G, &spaces[k]);
        const size_t n = scry_space_floats(&spaces[k]), np = n * (size_t)G.axes;
        float *u = scry_alloc(n, 4), *Gu = scry_alloc(np, 4), *p = scry_alloc(np, 4);
        float *Gp = scry_alloc(n, 4), *Lu = scry_alloc(n, 4);
        scry_rng_normal(u, 0, n, 1, 0, 0);
        scry_rng_normal(p, 0, np, 2, 0, 0);
        scryi_gradient(&G, Gu, u);
        scryi_gradient_adjoint(&G, Gp, p);
        assert_near(scry_dot(Gu, p, np), scry_dot(u, Gp, n), 1e-4);
        scryi_gradient_adjoint(&G, Gp, Gu);
        scryi_laplacian(&G, Lu, u);
        assert_below(scry_distance(Gp, Lu, n), 1e-5 * scry_norm(Lu, n));
        scryi_project_ball(&G, p);
        const double before = scryi_length_sum(&G, p);
        scryi_project_ball(&G, p);
        assert_near(scryi_length_sum(&G, p), before, 1e-4);
        assert_below(before, (double)n / G.parts * (1 + 1e-6));
        scry_free(u), scry_free(Gu), scry_free(p), scry_free(Gp), scry_free(Lu);
    }
    /* rows differ by 1 down, 10 across, but for the last row and column */
    scryi_difference G;
    scryi_difference_init(&G, &(scry_space){.rank = 2, .dims = {2, 3}});
    float p[12];
    const float u[6] = {0, 10, 20, 1, 11, 21};
    const float expected[12] = {10, 10, 0, 10, 10, 0, 1, 1, 1, 0, 0, 0};
    scryi_gradient(&G, p, u);
    assert_memory_equal(p, expected, sizeof p);
}

static void test_tikhonov(void **state)
{
    (void)state;
    struct setting s;
    static double Q[N * N], r[N];
    float x[N];
    setting_init(&s, gaussian, 11);
    for (double lambda = 1e-2; lambda < 1e3; lambda *= 31.6) {
        const struct setup set[] = {{"lambda", lambda}, {"tol", 1e-7}, {"inner", 5000}, {0}};
        run("tikhonov", &s.problem, set, x, NULL, NULL);
        normal_equations(&s, 0, Q, r);
        add_laplacian(Q, PH, PW, lambda);
        solve_dense(Q, r, N);
        for (int i = 0; i < N; i++)
            assert_near(x[i], r[i], 2e-3);
    }
    /* stiff: a constant, the mean of the data by their weights */
    const struct setup stiff[] = {{"lambda", 1e5}, {"tol", 1e-7}, {"inner", 5000}, {0}};
    run("tikhonov", &s.problem, stiff, x, NULL, NULL);
    for (int i = 1; i < N; i++)
        assert_near(x[i], x[0], 0.05);
    setting_free(&s);
}

/* The weight found against a search over the exact cross-validation function, and the
 * discrepancy. */
static void test_tikhonov_weight(void **state)
{
    (void)state;
    struct setting s;
    float x[N], best[N];
    setting_init(&s, gaussian, 12);
    const struct setup set[] = {{"stop", 0 /* discrepancy */}, {"tol", 1e-6}, {0}};
    scry_progress end = run("tikhonov", &s.problem, set, x, NULL, NULL);
    assert_near(end.residual * end.residual, 1, 0.02);

    run("tikhonov", &s.problem, NULL, x, NULL, NULL);
    double min = INFINITY;
    for (double lambda = 1e-4; lambda < 1e2; lambda *= 2) {
        const struct setup at[] = {{"lambda", lambda}, {0}};
        run("tikhonov", &s.problem, at, best, NULL, NULL);
        min = fmin(min, scry_distance(best, s.truth, N));
    }
    assert_below(scry_distance(x, s.truth, N), 1.25 * min);
    setting_free(&s);
}

static void test_wiener(void **state)
{
    (void)state;
    struct setting s;
    static double C[N * N], P[N * N], Q[N * N];
    double mean[N], r[N];
    float x[N];
    scry_error err = {0};
    scry_prior *model;
    const scry_space dom = SCRY_SPACE(PH, PW);
    setting_init(&s, gaussian, 13);
    for (int i = 0; i < N; i++) {
        mean[i] = 23.7;
        for (int j = 0; j < N; j++)
            C[i * N + j] = 180 * exp(-0.5 * hypot(i / PW - j / PW, i % PW - j % PW)) + (i == j);
    }
    assert_ok(scry_gaussian_create_dense(&model, &dom, mean, C, &err));
    s.problem.model = model;
    for (double lambda = 0.5; lambda < 3; lambda += 1.5) {
        const struct setup set[] = {{"lambda", lambda}, {"tol", 1e-7}, {0}};
        run("wiener", &s.problem, set, x, NULL, NULL);
        normal_equations(&s, 23.7, Q, r);
        memcpy(P, C, sizeof P);
        gsl_matrix_view p = gsl_matrix_view_array(P, N, N);
        gsl_linalg_cholesky_decomp1(&p.matrix);
        gsl_linalg_cholesky_invert(&p.matrix);
        for (int i = 0; i < N * N; i++)
            Q[i] += lambda * P[i];
        solve_dense(Q, r, N);
        for (int i = 0; i < N; i++)
            assert_near(x[i], 23.7 + r[i], 2e-3);
    }
    scry_prior_free(model);
    setting_free(&s);
}

/* Counted light: at the fixed point the gradient of the likelihood balances that of the model. */
static void test_wiener_counts(void **state)
{
    (void)state;
    struct setting s;
    static double C[N * N];
    double mean[N];
    float x[N], g[N], Ci[N];
    scry_error err = {0};
    scry_prior *model;
    const scry_space dom = SCRY_SPACE(PH, PW);
    setting_init(&s, camera, 14);
    for (int i = 0; i < N; i++) {
        mean[i] = 23.7;
        for (int j = 0; j < N; j++)
            C[i * N + j] = 80 * exp(-0.5 * hypot(i / PW - j / PW, i % PW - j % PW)) + (i == j);
    }
    assert_ok(scry_gaussian_create_dense(&model, &dom, mean, C, &err));
    s.problem.model = model;
    run("wiener", &s.problem, (struct setup[]){{"steps", 20}, {0}}, x, NULL, NULL);
    void *work = scry_alloc(1, scry_likelihood_work_bytes(s.L) + scry_prior_work_bytes(model));
    assert_ok(scry_likelihood_score(s.L, g, x, work, &err));
    for (int i = 0; i < N; i++)
        x[i] -= 23.7f;
    assert_ok(scry_gaussian_apply(model, Ci, x, SCRY_GAUSSIAN_PRECISION, 0, work, &err));
    assert_below(scry_distance(g, Ci, N), 0.01 * scry_norm(g, N));
    scry_free(work);
    scry_prior_free(model);
    setting_free(&s);
}

/* A model that is too narrow for the data is made wider, unless its weight was given. */
static void test_wiener_narrow(void **state)
{
    (void)state;
    struct setting s;
    static double C[N * N];
    double mean[N];
    float x[N];
    scry_error err = {0};
    scry_prior *model;
    const scry_space dom = SCRY_SPACE(PH, PW);
    const double most = 1 + 3 * sqrt(2.0 / M);
    for (int counted = 0; counted < 2; counted++) {
        setting_init(&s, counted ? camera : gaussian, 15);
        for (int i = 0; i < N; i++) {
            mean[i] = 23.7;
            for (int j = 0; j < N; j++)
                C[i * N + j] = i == j ? 1e-2 : 0;
        }
        assert_ok(scry_gaussian_create_dense(&model, &dom, mean, C, &err));
        s.problem.model = model;
        scry_progress end = run("wiener", &s.problem, NULL, x, NULL, NULL);
        assert_below(end.residual * end.residual, most);
        end = run("wiener", &s.problem, (struct setup[]){{"lambda", 0.99}, {0}}, x, NULL, NULL);
        assert_true(end.residual * end.residual > 1.5 * most);
        scry_prior_free(model);
        setting_free(&s);
    }
}

/* Denoising of a step by total variation is known: the plateaus move by lambda sigma^2 / width. */
static void test_tv_step(void **state)
{
    (void)state;
    enum { n = 20 };
    scry_error err = {0};
    scry_op *op;
    scry_likelihood *L;
    double A[n * n] = {0};
    float y[n], x[n];
    for (int i = 0; i < n; i++) {
        A[i * n + i] = 1;
        y[i] = i < 8 ? 1.7f : 5.2f;
    }
    const scry_space space = SCRY_SPACE(n);
    const scry_noise noise = {.sigma = 0.7};
    const scry_affine map = {1, 0};
    assert_ok(scry_dense_create(&op, &space, &space, A, &err));
    assert_ok(scry_likelihood_create(&L, op, y, &noise, &map, &err));
    const scry_problem problem = {.L = L};
    const struct setup set[] = {{"lambda", 3.1}, {"tol", 0}, {"iterations", 3000}, {0}};
    run("tv", &problem, set, x, NULL, NULL);
    for (int i = 0; i < n; i++)
        assert_near(x[i], i < 8 ? 1.7 + 3.1 * 0.49 / 8 : 5.2 - 3.1 * 0.49 / 12, 1e-3);
    /* heavy: the mean; light: the data */
    const struct setup heavy[] = {{"lambda", 1e3}, {"tol", 0}, {"iterations", 5000}, {0}};
    run("tv", &problem, heavy, x, NULL, NULL);
    for (int i = 0; i < n; i++)
        assert_near(x[i], (8 * 1.7 + 12 * 5.2) / 20, 5e-3);
    const struct setup light[] = {{"lambda", 1e-4}, {"tol", 0}, {"iterations", 3000}, {0}};
    run("tv", &problem, light, x, NULL, NULL);
    for (int i = 0; i < n; i++)
        assert_near(x[i], y[i], 1e-3);
    scry_likelihood_free(L);
    scry_op_free(op);
}

static double variation(const struct setting *s, const float *x)
{
    float p[2 * N];
    scryi_difference G;
    scryi_difference_init(&G, scry_op_dom(s->op));
    scryi_gradient(&G, p, x);
    return scryi_length_sum(&G, p);
}

/* The constraint is met, and no image on a weighted problem's path with its chi2 varies less. */
static void test_tv_discrepancy(void **state)
{
    (void)state;
    float x[N], other[N];
    for (int kind = 0; kind < 2; kind++) {
        struct setting s;
        setting_init(&s, kind ? camera : gaussian, 17);
        const struct setup set[] = {{"tol", 0}, {"iterations", 4000}, {0}};
        scry_progress end = run("tv", &s.problem, set, x, NULL, NULL);
        assert_near(end.residual * end.residual, 1, 0.02);
        const double min = variation(&s, x);
        for (double lambda = 0.02; lambda < 10; lambda *= 3) {
            const struct setup at[] = {{"lambda", lambda}, {"tol", 0}, {"iterations", 3000}, {0}};
            end = run("tv", &s.problem, at, other, NULL, NULL);
            if (end.residual < 0.98) assert_below(min, variation(&s, other) * (1 + 1e-2));
        }
        setting_free(&s);
    }
}

/* Against the dense system, and holes filled by the other methods. */
static void test_biharmonic(void **state)
{
    (void)state;
    enum { h = 12, w = 15, n = h * w };
    scry_error err = {0};
    scry_op *op;
    scry_likelihood *L;
    unsigned char known[n];
    float y[n], x[n], truth[n];
    size_t m = 0;
    static double Q[n * n], B[n * n];
    double r[n];
    for (int i = 0; i < n; i++) {
        truth[i] = (float)(3.1 + sin(0.4 * (i / w)) * cos(0.3 * (i % w)));
        known[i] = (i * 37 + 11) % 7 < 3;
        if (known[i]) y[m++] = truth[i];
    }
    const scry_space space = SCRY_SPACE(h, w);
    const scry_noise noise = {.sigma = 0.01};
    const scry_affine map = {1, 0};
    assert_ok(scry_mask_create(&op, &space, known, &err));
    assert_ok(scry_likelihood_create(&L, op, y, &noise, &map, &err));
    const scry_problem problem = {.L = L};
    run("biharmonic", &problem, (struct setup[]){{"tol", 1e-7}, {0}}, x, NULL, NULL);
    /* dense: (P L L P + K) u = K truth - P L L K truth, K the known ones */
    memset(B, 0, sizeof B);
    add_laplacian(B, h, w, 1);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            Q[i * n + j] = 0;
            for (int k = 0; k < n; k++)
                Q[i * n + j] += B[i * n + k] * B[k * n + j];
        }
    for (int i = 0; i < n; i++) {
        r[i] = known[i] ? truth[i] : 0;
        for (int j = 0; j < n && !known[i]; j++)
            if (known[j]) r[i] -= Q[i * n + j] * truth[j];
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (known[i] || known[j]) Q[i * n + j] = i == j;
    solve_dense(Q, r, n);
    for (int i = 0; i < n; i++)
        assert_near(x[i], r[i], 1e-4);

    /* tikhonov and tv fill holes too */
    run("tikhonov", &problem, (struct setup[]){{"lambda", 1}, {0}}, x, NULL, NULL);
    assert_below(scry_distance(x, truth, n), 0.1 * sqrt(n));
    run("tv", &problem, (struct setup[]){{"tol", 0}, {"iterations", 2000}, {0}}, x, NULL, NULL);
    assert_below(scry_distance(x, truth, n), 0.15 * sqrt(n)); /* stairs */
    scry_likelihood_free(L);
    scry_op_free(op);
}

/* With the exact denoiser of a Gaussian prior and lambda 1, the fixed point of ADMM at level s
 * solves A^T W (A x - b) + C^-1 (x - mean) = 0: the denoiser is the proximal map of s^2 times -log
 * p. */
static void test_pnp(void **state)
{
    (void)state;
    struct setting s;
    static double C[N * N];
    double mean[N];
    float x[N], expected[N];
    scry_error err = {0};
    scry_prior *prior;
    const scry_space dom = SCRY_SPACE(PH, PW);
    setting_init(&s, gaussian, 18);
    for (int i = 0; i < N; i++) {
        mean[i] = 23.7;
        for (int j = 0; j < N; j++)
            C[i * N + j] = 180 * exp(-0.5 * hypot(i / PW - j / PW, i % PW - j % PW)) + (i == j);
    }
    assert_ok(scry_gaussian_create_dense(&prior, &dom, mean, C, &err));
    s.problem.model = s.problem.prior = prior;
    run("wiener", &s.problem, (struct setup[]){{"tol", 1e-7}, {0}}, expected, NULL, NULL);
    const struct setup set[] = {{"steps", 400},   {"lambda", 1},  {"sigma-max", 9},
                                {"sigma-min", 2}, {"inner", 200}, {0}};
    run("pnp-admm", &s.problem, set, x, NULL, NULL);
    for (int i = 0; i < N; i++)
        assert_near(x[i], expected[i], 0.05);
    scry_prior_free(prior);
    setting_free(&s);
}

static void test_threads(void **state)
{
    (void)state;
    const char *const names[] = {"tikhonov", "richardson-lucy", "tv"};
    struct setting s;
    float one[N], four[N];
    const int before = omp_get_max_threads();
    setting_init(&s, camera, 19);
    for (int k = 0; k < 3; k++) {
        omp_set_num_threads(1);
        run(names[k], &s.problem, NULL, one, NULL, NULL);
        omp_set_num_threads(4);
        run(names[k], &s.problem, NULL, four, NULL, NULL);
        assert_memory_equal(one, four, sizeof one);
    }
    omp_set_num_threads(before);
    setting_free(&s);
}

static void test_errors(void **state)
{
    (void)state;
    struct setting s;
    scry_error err = {0};
    scry_options opts;
    scry_solver *S = NULL;
    setting_init(&s, camera, 20);
    const struct scry_method *rl = scry_method_find("richardson-lucy");
    scry_options_init(&opts, rl);
    assert_fails(scry_options_set(&opts, "iterations", 0, &err), SCRY_EINVAL);
    assert_fails(scry_options_set(&opts, "tv", -1, &err), SCRY_EINVAL);
    assert_fails(scry_options_set(&opts, "lambda", 1, &err), SCRY_EINVAL);
    scry_problem signs = s.problem;
    signs.positive = false;
    assert_fails(scry_solver_plan(&S, &signs, &opts, &err), SCRY_EUNSUP);
    const struct scry_method *wiener = scry_method_find("wiener");
    scry_options_init(&opts, wiener);
    assert_fails(scry_solver_plan(&S, &s.problem, &opts, &err), SCRY_EUNSUP);
    const struct scry_method *biharmonic = scry_method_find("biharmonic");
    scry_options_init(&opts, biharmonic);
    assert_fails(scry_solver_plan(&S, &s.problem, &opts, &err), SCRY_EUNSUP);

    /* an operator with negative columns is no place for Richardson-Lucy */
    for (int i = 0; i < M * N; i++)
        s.A[i] = i % N == 3 ? -0.5 : s.A[i];
    scry_op *op;
    scry_likelihood *L;
    const scry_space dom = SCRY_SPACE(PH, PW), cod = SCRY_SPACE(H, W);
    const scry_affine map = {1, 0};
    assert_ok(scry_dense_create(&op, &dom, &cod, s.A, &err));
    assert_ok(scry_likelihood_create(&L, op, s.y, &camera, &map, &err));
    const scry_problem negative = {.L = L, .positive = true};
    scry_options_init(&opts, rl);
    assert_ok(scry_solver_plan(&S, &negative, &opts, &err));
    assert_fails(scry_solver_start(S, 1, 0, &err), SCRY_EINVAL);
    scry_solver_free(S);
    scry_likelihood_free(L);
    scry_op_free(op);
    setting_free(&s);
}

/* Every allocation of every plan refused in turn: a worded failure and nothing left behind. */
static void test_memory(void **state)
{
    (void)state;
    const char *const names[] = {"tikhonov", "richardson-lucy", "tv", "richardson-lucy"};
    struct setting s;
    setting_init(&s, camera, 21);
    const size_t live = scry_memory_live();
    for (int k = 0; k < 4; k++) {
        const struct scry_method *method = scry_method_find(names[k]);
        scry_options opts;
        scry_options_init(&opts, method);
        if (k == 3) option_word(&opts, "stop", "frc");
        for (size_t nth = 1;; nth++) {
            scry_error err = {0};
            scry_solver *S = NULL;
            scry_memory_fail_at(nth);
            const scry_status st = scry_solver_plan(&S, &s.problem, &opts, &err);
            scry_memory_fail_at(0);
            scry_solver_free(S);
            assert_int_equal(scry_memory_live(), live);
            if (st == SCRY_OK) break;
            assert_int_equal(st, SCRY_ENOMEM);
            assert_true(nth < 100 && err.text[0]);
        }
    }
    setting_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_difference),      cmocka_unit_test(test_tikhonov),
        cmocka_unit_test(test_tikhonov_weight), cmocka_unit_test(test_wiener),
        cmocka_unit_test(test_wiener_counts),   cmocka_unit_test(test_wiener_narrow),
        cmocka_unit_test(test_tv_step),         cmocka_unit_test(test_tv_discrepancy),
        cmocka_unit_test(test_biharmonic),      cmocka_unit_test(test_pnp),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
