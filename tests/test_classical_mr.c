#include "tests/options.h"
#include "tests/op_check.h"

#include "operators/identity.h"
#include "operators/likelihood.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "priors/wavelet.h"
#include "solvers/classical/difference_impl.h"
#include "solvers/registry.h"

#include <gsl/gsl_linalg.h>
#include <string.h>

static float no_work[16]; /* of those that need none */

/* The sd of a part of whitened noise, and an intensity map as a scale rule would give. */
#define SIGMA 0.70710678118654752
static const scry_affine map = {2.385, 0};

struct setup {
    const char *name;
    double value;
};

static scry_status plan(scry_solver **S, const char *name, const scry_problem *problem,
                        const struct setup *set, scry_error *err)
{
    scry_options opts;
    const struct scry_method *method = scry_method_find(name);
    assert_non_null(method);
    scry_options_init(&opts, method);
    for (; set && set->name; set++) {
        scry_status st = scry_options_set(&opts, set->name, set->value, err);
        if (st != SCRY_OK) return st;
    }
    return scry_solver_plan(S, problem, &opts, err);
}

static scry_progress run_seed(const char *name, const scry_likelihood *L, const struct setup *set,
                              float *x, uint64_t seed)
{
    scry_error err = {0};
    scry_solver *S = NULL;
    scry_progress end;
    const scry_problem problem = {.L = L};
    assert_ok(plan(&S, name, &problem, set, &err));
    assert_ok(scry_solver_start(S, seed, 0, &err));
    assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
    assert_int_equal(end.reason, SCRY_DONE);
    scry_solver_free(S);
    return end;
}

static scry_progress run(const char *name, const scry_likelihood *L, const struct setup *set,
                         float *x)
{
    return run_seed(name, L, set, x, 7);
}

static scry_likelihood *whitened(const scry_op *A, const float *y)
{
    scry_error err = {0};
    scry_likelihood *L;
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = SIGMA};
    assert_ok(scry_likelihood_create(&L, A, y, &noise, &map, &err));
    return L;
}

/* A complex-linear matrix of `rows` x `columns` as a real one on pairs, and its operator. */
static scry_op *complex_dense(double *M, const scry_space *dom, size_t rows, uint64_t seed)
{
    scry_error err = {0};
    scry_op *A;
    const size_t columns = scry_space_count(dom);
    float *r = check_random(2 * rows * columns, seed);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const double re = r[2 * (i * columns + j)], im = r[2 * (i * columns + j) + 1];
            M[2 * i * 2 * columns + 2 * j] = M[(2 * i + 1) * 2 * columns + 2 * j + 1] = 0.2 * re;
            M[2 * i * 2 * columns + 2 * j + 1] = -0.2 * im;
            M[(2 * i + 1) * 2 * columns + 2 * j] = 0.2 * im;
        }
    const scry_space cod = {1, {rows}, true};
    assert_ok(scry_dense_create(&A, dom, &cod, M, &err));
    scry_free(r);
    return A;
}

enum { NY = 5, NX = 4, N2 = 2 * NY * NX, ROWS = 33, M2 = 2 * ROWS };
static const scry_space small = {2, {NY, NX}, true};

/* u = (A^H A + lambda I)^-1 A^H (y / scale), in double */
static void ridge(double *u, const double *A, const float *y, double lambda)
{
    double Q[N2 * N2] = {0};
    for (size_t i = 0; i < N2; i++) {
        u[i] = 0;
        for (size_t k = 0; k < M2; k++)
            u[i] += A[k * N2 + i] * y[k] / map.scale;
        for (size_t j = 0; j < N2; j++)
            for (size_t k = 0; k < M2; k++)
                Q[i * N2 + j] += A[k * N2 + i] * A[k * N2 + j];
        Q[i * N2 + i] += lambda;
    }
    gsl_matrix_view q = gsl_matrix_view_array(Q, N2, N2);
    gsl_vector_view v = gsl_vector_view_array(u, N2);
    assert_int_equal(gsl_linalg_cholesky_decomp1(&q.matrix), 0);
    assert_int_equal(gsl_linalg_cholesky_svx(&q.matrix, &v.vector), 0);
}

static void cg_sense_solves_the_ridge(void **state)
{
    (void)state;
    static double M[M2 * N2];
    scry_op *A = complex_dense(M, &small, ROWS, 11);
    float *y = check_random(M2, 12), u[N2];
    scry_likelihood *L = whitened(A, y);
    for (int i = 0; i < 3; i++) {
        const double lambda = (double[]){0, 0.01, 0.73}[i];
        double expected[N2];
        const struct setup set[] = {{"lambda", lambda}, {"iterations", 100}, {0}};
        const scry_progress end = run("cg-sense", L, set, u);
        ridge(expected, M, y, lambda);
        double chi2 = 0;
        for (size_t k = 0; k < N2; k++)
            assert_near(u[k], expected[k], 2e-5);
        for (size_t k = 0; k < M2; k++) {
            double r = y[k];
            for (size_t j = 0; j < N2; j++)
                r -= map.scale * M[k * N2 + j] * u[j];
            chi2 += r * r / (SIGMA * SIGMA * M2);
        }
        assert_near(end.residual, sqrt(chi2), 1e-4 * (1 + sqrt(chi2)));
    }
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_free(y);
}

static void zero_filled_is_the_adjoint(void **state)
{
    (void)state;
    static double M[M2 * N2];
    scry_op *A = complex_dense(M, &small, ROWS, 21);
    float *y = check_random(M2, 22), u[N2];
    scry_likelihood *L = whitened(A, y);
    run("zero-filled", L, NULL, u);
    for (size_t i = 0; i < N2; i++) {
        double expected = 0;
        for (size_t k = 0; k < M2; k++)
            expected += M[k * N2 + i] * y[k] / map.scale;
        assert_near(u[i], expected, 1e-5);
    }
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_free(y);
}

/* Half of the pixels of a piecewise smooth complex image; A A^H = I. */
enum { WY = 34, WX = 49, WN = WY * WX };

static scry_op *half_mask(float *y, float *truth, uint64_t seed)
{
    scry_error err = {0};
    scry_op *A;
    unsigned char known[WN];
    float *z = check_random(2 * WN, seed), *r = check_random(WN, seed + 1);
    const scry_space space = {2, {WY, WX}, true};
    for (size_t i = 0; i < WN; i++) {
        const double row = (double)(i / WX), col = (double)(i % WX);
        const double size = row > 9 && row < 27 && col > 12 && col < 40 ? 1 : 0.2;
        truth[2 * i] = (float)(size * cos(0.05 * row));
        truth[2 * i + 1] = (float)(size * sin(0.05 * row));
        known[i] = r[i] > 0;
    }
    assert_ok(scry_mask_create(&A, &space, known, &err));
    assert_ok(scry_op_forward(A, y, truth, no_work, &err));
    for (size_t i = 0; i < scry_space_floats(scry_op_cod(A)); i++)
        y[i] = (float)(map.scale * (y[i] + 0.03 * z[i]));
    scry_free(z);
    scry_free(r);
    return A;
}

/* At the minimum g = A^H (b - A u) has |W g| <= lambda everywhere, and W g = lambda c / |c| where
 * c = W u is not 0. The mask converges slowly where nothing is known, hence the iterations. */
static void wavelet_minimises(void **state)
{
    (void)state;
    scry_error err = {0};
    float y[2 * WN], truth[2 * WN], u[2 * WN], g[2 * WN], c[2 * WN];
    const double lambda = 0.02;
    scry_op *A = half_mask(y, truth, 31);
    scry_likelihood *L = whitened(A, y);
    const struct setup set[] = {{"lambda", lambda}, {"iterations", 3000}, {"shifts", 0}, {0}};
    run("wavelet", L, set, u);

    scry_prior *W;
    assert_ok(scry_wavelet_create(&W, scry_op_dom(A), &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(W));
    const size_t m = scry_space_floats(scry_op_cod(A));
    assert_ok(scry_op_forward(A, c, u, no_work, &err));
    for (size_t i = 0; i < m; i++)
        c[i] = (float)(y[i] / map.scale) - c[i];
    assert_ok(scry_op_adjoint(A, g, c, no_work, &err));
    assert_ok(scry_wavelet_analyse(W, g, g, work, &err));
    assert_ok(scry_wavelet_analyse(W, c, u, work, &err));
    size_t active = 0;
    for (size_t i = 0; i < 2 * WN; i += 2) {
        const double size = hypot((double)c[i], (double)c[i + 1]);
        assert_below(hypot((double)g[i], (double)g[i + 1]), lambda * 1.005);
        if (size < 0.01) continue;
        active++;
        for (size_t k = i; k < i + 2; k++)
            assert_near(g[k], lambda * c[k] / size, 0.01 * lambda);
    }
    assert_true(active > 50 && active < WN / 2);
    scry_free(work);
    scry_prior_free(W);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* The identity has its solution in closed form: one shrinkage. Real images too. */
static void wavelet_denoises_by_shrinking(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space spaces[] = {{2, {40, 67}, false}, {3, {2, 33, 36}, true}};
    for (size_t i = 0; i < 2; i++) {
        scry_op *A;
        scry_prior *W;
        const size_t n = scry_space_floats(&spaces[i]);
        float *y = check_random(n, 41), *u = check_random(n, 42), *z = check_random(n, 43);
        assert_ok(scry_identity_create(&A, &spaces[i], &err));
        assert_ok(scry_wavelet_create(&W, &spaces[i], &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(W));
        scry_likelihood *L = whitened(A, y);
        const struct setup set[] = {{"lambda", 0.31}, {"shifts", 0}, {0}};
        run("wavelet", L, set, u);
        scry_scale(y, 1 / map.scale, n);
        assert_ok(scry_prior_prox(W, z, y, 0.31, work, &err));
        assert_below(scry_distance(u, z, n), 1e-4 * scry_norm(z, n));
        scry_likelihood_free(L);
        scry_prior_free(W);
        scry_op_free(A);
        scry_free(work);
        scry_free(y);
        scry_free(u);
        scry_free(z);
    }
}

/* Shifts: a function of the seed alone, closer to the truth, and without them none is drawn. */
static void shifts_are_seeded(void **state)
{
    (void)state;
    float y[2 * WN], truth[2 * WN], a[2 * WN], b[2 * WN], still[2 * WN];
    scry_op *A = half_mask(y, truth, 51);
    scry_likelihood *L = whitened(A, y);
    const struct setup set[] = {{"lambda", 0.02}, {"iterations", 200}, {0}};
    const struct setup none[] = {{"lambda", 0.02}, {"iterations", 200}, {"shifts", 0}, {0}};
    run_seed("wavelet", L, set, a, 1);
    run_seed("wavelet", L, set, b, 1);
    assert_memory_equal(a, b, sizeof a);
    run_seed("wavelet", L, set, b, 2);
    assert_true(scry_distance(a, b, 2 * WN) > 0);
    run_seed("wavelet", L, none, still, 1);
    assert_below(scry_distance(a, truth, 2 * WN), scry_distance(still, truth, 2 * WN));
    run_seed("wavelet", L, none, b, 2);
    assert_memory_equal(still, b, sizeof b);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* Two pixels, nothing but noise: the mean stays, and the difference d shrinks to
 * d max(0, 1 - 2 lambda / |d|). With three sets of them, each by itself. */
static void tv_of_two_pixels(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { SETS = 3 };
    const scry_space space = {3, {SETS, 1, 2}, true};
    const double lambda = 0.21;
    scry_op *A;
    float y[4 * SETS] = {1.1f, 0.3f, -0.4f, 2.2f, 5, 5, 5.2f, 4.9f, 0.7f, 0.1f, 0.1f, -0.9f};
    float u[4 * SETS];
    assert_ok(scry_identity_create(&A, &space, &err));
    scry_likelihood *L = whitened(A, y);
    const struct setup set[] = {{"lambda", lambda}, {"iterations", 3000}, {"tol", 0}, {0}};
    run("tv", L, set, u);
    for (size_t s = 0; s < SETS; s++) {
        const float *b = y + 4 * s, *v = u + 4 * s;
        const double d = hypot((double)b[2] - b[0], (double)b[3] - b[1]) / map.scale;
        const double k = fmax(0, 1 - 2 * lambda / d);
        for (size_t part = 0; part < 2; part++) {
            const double mean = (b[part] + b[2 + part]) / map.scale / 2;
            const double half = k * (b[2 + part] - b[part]) / map.scale / 2;
            assert_near(v[part], mean - half, 1e-4);
            assert_near(v[2 + part], mean + half, 1e-4);
        }
    }
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* 1/2 |A u - b|^2 + lambda TV(u), Neumann, by loops of its own. */
static double tv_objective(const scry_op *A, const float *u, const float *y, double lambda,
                           double *tv)
{
    scry_error err = {0};
    static float Au[2 * WN];
    double fit = 0;
    assert_ok(scry_op_forward(A, Au, u, no_work, &err));
    for (size_t i = 0; i < scry_space_floats(scry_op_cod(A)); i++)
        fit += pow(Au[i] - y[i] / map.scale, 2) / 2;
    *tv = 0;
    for (size_t i = 0; i < WN; i++) {
        double s = 0;
        for (size_t part = 0; part < 2; part++) {
            if (i % WX + 1 < WX) s += pow(u[2 * i + 2 + part] - u[2 * i + part], 2);
            if (i / WX + 1 < WY) s += pow(u[2 * (i + WX) + part] - u[2 * i + part], 2);
        }
        *tv += sqrt(s);
    }
    return fit + lambda * *tv;
}

/* No small step lowers the objective: towards the truth, to zero, at random. */
static void tv_minimises(void **state)
{
    (void)state;
    float y[2 * WN], truth[2 * WN], u[2 * WN], v[2 * WN];
    const double lambda = 0.03;
    scry_op *A = half_mask(y, truth, 71);
    scry_likelihood *L = whitened(A, y);
    const struct setup set[] = {{"lambda", lambda}, {"iterations", 3000}, {"tol", 0}, {0}};
    double tv;
    run("tv", L, set, u);
    const double best = tv_objective(A, u, y, lambda, &tv);
    for (uint64_t trial = 0; trial < 40; trial++) {
        float *r = check_random(2 * WN, 80 + trial);
        const double length = pow(10, -1 - (double)(trial % 4));
        if (trial < 4)
            scry_axpby(v, 1 - length, u, length, truth, 2 * WN);
        else if (trial < 8)
            scry_axpby(v, 1 - length, u, 0, u, 2 * WN);
        else
            scry_axpby(v, 1, u, 0.1 * length, r, 2 * WN);
        assert_true(tv_objective(A, v, y, lambda, &tv) > best * (1 - 1e-5));
        scry_free(r);
    }
    assert_below(scry_distance(u, truth, 2 * WN), 0.1 * scry_norm(truth, 2 * WN));
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* By default: as little variation as chi2 1 allows, so less than the truth has. */
static void tv_meets_the_noise(void **state)
{
    (void)state;
    float y[2 * WN], truth[2 * WN], u[2 * WN];
    double ours, theirs;
    scry_op *A = half_mask(y, truth, 91);
    const size_t m = scry_space_floats(scry_op_cod(A));
    for (size_t i = 0; i < m; i++)
        y[i] *= (float)(SIGMA / (0.03 * map.scale)); /* whitened */
    scry_likelihood *L = whitened(A, y);
    const scry_progress end = run("tv", L, NULL, u);
    assert_near(end.residual, 1, 0.02);
    scry_scale(truth, SIGMA / (0.03 * map.scale), 2 * WN);
    tv_objective(A, u, y, 1, &ours);
    tv_objective(A, truth, y, 1, &theirs);
    assert_below(ours, theirs);
    assert_below(scry_distance(u, truth, 2 * WN), 0.12 * scry_norm(truth, 2 * WN));
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* More data than pixels, half of which the model does not explain: chi2 1 is out of reach, and what
 * the least squares fit leaves says so. Data of noise of sd 3 in place of 1/sqrt 2. */
static void tv_knows_what_it_cannot_reach(void **state)
{
    (void)state;
    static double M[M2 * N2];
    scry_op *A = complex_dense(M, &small, ROWS, 101);
    float *y = check_random(M2, 102), u[N2], fit[N2];
    scry_scale(y, 3, M2);
    scry_likelihood *L = whitened(A, y);
    const struct setup min[] = {{"lambda", 0}, {"iterations", 200}, {0}};
    const struct setup set[] = {{"iterations", 5000}, {"tol", 0}, {0}};
    const double best = run("cg-sense", L, min, fit).residual;
    const double left = run("tv", L, set, u).residual;
    assert_true(best > 1.5);
    assert_near(left * left, best * best + (double)N2 / M2, 0.02 * left * left);
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_free(y);
}

/* (A^H A + lambda/w G^T G) u = A^H b, w the weight of the data. */
static void tikhonov_takes_complex_images(void **state)
{
    (void)state;
    static double M[M2 * N2];
    scry_op *A = complex_dense(M, &small, ROWS, 111);
    float *y = check_random(M2, 112), u[N2], Gu[N2];
    scry_likelihood *L = whitened(A, y);
    scryi_difference G;
    const double w = map.scale * map.scale / (SIGMA * SIGMA), lambda = 3.1;
    const struct setup set[] = {{"lambda", lambda}, {"tol", 1e-7}, {"inner", 500}, {0}};
    run("tikhonov", L, set, u);
    scryi_difference_init(&G, &small);
    scryi_laplacian(&G, Gu, u);
    for (size_t i = 0; i < N2; i++) {
        double left = lambda / w * Gu[i];
        for (size_t k = 0; k < M2; k++) {
            double r = -y[k] / map.scale;
            for (size_t j = 0; j < N2; j++)
                r += M[k * N2 + j] * u[j];
            left += M[k * N2 + i] * r;
        }
        assert_near(left, 0, 2e-5);
    }
    /* and with the weight found from the data */
    for (int stop = 0; stop < 2; stop++) { /* discrepancy, holdout */
        const struct setup found[] = {{"stop", stop}, {0}};
        assert_true(isfinite(run("tikhonov", L, found, u).residual));
    }
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_free(y);
}

/* Wiener with a dense model on pairs: (A^T A w + C^-1) (u - mean) = A^T w (b - A mean). */
static void wiener_takes_complex_images(void **state)
{
    (void)state;
    scry_error err = {0};
    static double M[M2 * N2], C[N2 * N2], centre[N2];
    scry_op *A = complex_dense(M, &small, ROWS, 121);
    float *y = check_random(M2, 122), *mean = check_random(N2, 123), u[N2];
    scry_likelihood *L = whitened(A, y);
    scry_prior *model;
    scry_solver *S;
    scry_options opts;
    scry_progress end;
    for (size_t i = 0; i < N2; i++)
        for (size_t j = 0; j < N2; j++)
            C[i * N2 + j] = 0.7 * exp(-fabs((double)i - (double)j) / 3);
    for (size_t i = 0; i < N2; i++)
        centre[i] = mean[i];
    assert_ok(scry_gaussian_create_dense(&model, &small, centre, C, &err));
    const scry_problem problem = {.L = L, .model = model};
    const struct scry_method *method = scry_method_find("wiener");
    scry_options_init(&opts, method);
    option_set(&opts, "tol", 1e-7);
    assert_ok(scry_solver_plan(&S, &problem, &opts, &err));
    assert_ok(scry_solver_start(S, 1, 0, &err));
    assert_ok(scry_solver_run(S, u, NULL, NULL, &end, &err));
    scry_solver_free(S);
    /* u - mean = C A^T w (b - A u) */
    double g[N2];
    const double w = map.scale * map.scale / (SIGMA * SIGMA);
    for (size_t i = 0; i < N2; i++) {
        g[i] = 0;
        for (size_t k = 0; k < M2; k++) {
            double r = y[k] / map.scale;
            for (size_t j = 0; j < N2; j++)
                r -= M[k * N2 + j] * u[j];
            g[i] += w * M[k * N2 + i] * r;
        }
    }
    for (size_t i = 0; i < N2; i++) {
        double expected = mean[i];
        for (size_t j = 0; j < N2; j++)
            expected += C[i * N2 + j] * g[j];
        assert_near(u[i], expected, 1e-3);
    }
    scry_prior_free(model);
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_free(y);
    scry_free(mean);
}

/* Biharmonic keeps known pixels, complex as they are; Richardson-Lucy has no use for them. */
static void the_others_say_what_they_take(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_solver *S;
    float y[2 * WN], truth[2 * WN], u[2 * WN], Au[2 * WN];
    scry_op *A = half_mask(y, truth, 131);
    scry_likelihood *L = whitened(A, y);
    run("biharmonic", L, NULL, u);
    assert_ok(scry_op_forward(A, Au, u, no_work, &err));
    for (size_t i = 0; i < scry_space_floats(scry_op_cod(A)); i++)
        assert_near(Au[i], y[i] / map.scale, 1e-4);
    assert_below(scry_distance(u, truth, 2 * WN), 0.3 * scry_norm(truth, 2 * WN));
    const scry_problem positive = {.L = L, .positive = true}, any = {.L = L};
    assert_fails(plan(&S, "richardson-lucy", &positive, NULL, &err), SCRY_EUNSUP);
    assert_fails(plan(&S, "richardson-lucy", &any, NULL, &err), SCRY_EUNSUP);
    assert_fails(plan(&S, "pnp-admm", &any, NULL, &err), SCRY_EUNSUP);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* Every plan survives refused memory, and counts are refused where their weights would be lost. */
static void plans_fail_with_words(void **state)
{
    (void)state;
    scry_error err = {0};
    const char *names[] = {"zero-filled", "cg-sense", "wavelet", "tv"};
    const scry_space real = SCRY_SPACE(6, 7);
    const scry_noise counts = {.kind = SCRY_NOISE_POISSON, .gain = 1};
    static double M[M2 * N2];
    scry_op *A = complex_dense(M, &small, ROWS, 61), *I;
    float *y = check_random(M2, 62), photons[42];
    scry_likelihood *L = whitened(A, y), *P;
    for (size_t i = 0; i < 42; i++)
        photons[i] = (float)(i % 5);
    assert_ok(scry_identity_create(&I, &real, &err));
    assert_ok(scry_likelihood_create(&P, I, photons, &counts, NULL, &err));
    const scry_problem problem = {.L = L}, counted = {.L = P};
    for (size_t i = 0; i < 4; i++) {
        scry_solver *S;
        CHECK_ALLOCATIONS(plan(&S, names[i], &problem, NULL, &err), scry_solver_free(S));
        const bool weighs = i == 1 || i == 2;
        if (weighs) assert_fails(plan(&S, names[i], &counted, NULL, &err), SCRY_EUNSUP);
    }
    scry_likelihood_free(L);
    scry_likelihood_free(P);
    scry_op_free(A);
    scry_op_free(I);
    scry_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cg_sense_solves_the_ridge),
        cmocka_unit_test(zero_filled_is_the_adjoint),
        cmocka_unit_test(wavelet_minimises),
        cmocka_unit_test(wavelet_denoises_by_shrinking),
        cmocka_unit_test(shifts_are_seeded),
        cmocka_unit_test(tv_of_two_pixels),
        cmocka_unit_test(tv_minimises),
        cmocka_unit_test(tv_meets_the_noise),
        cmocka_unit_test(tv_knows_what_it_cannot_reach),
        cmocka_unit_test(tikhonov_takes_complex_images),
        cmocka_unit_test(wiener_takes_complex_images),
        cmocka_unit_test(the_others_say_what_they_take),
        cmocka_unit_test(plans_fail_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
