#include "tests/prior_check.h"

#include "lib/numbers.h"

#include "priors/gaussian.h"
#include "priors/tikhonov.h"

#include <omp.h>

/* A spectrum that falls with f and is not symmetric about anything. */
static double falling(double f, void *ctx)
{
    const double scale = *(double *)ctx;
    return scale * (0.02 + 1 / (1 + 300 * f * f));
}

/* The covariance that a stationary prior must have: C_jk = 1/N sum_f S(f) cos(2 pi f (j - k)),
 * summed as it stands. */
static double *circulant(const scry_space *s, double (*power)(const double f[3], void *ctx),
                         void *ctx)
{
    const size_t n = scry_space_count(s);
    double *C = calloc(n * n, sizeof *C);
    assert_non_null(C);
    for (size_t k = 0; k < n; k++) {
        double f[3] = {0};
        for (size_t r = k, a = (size_t)s->rank; a--; r /= s->dims[a]) {
            const double at = (double)(r % s->dims[a]) / (double)s->dims[a];
            f[a] = at > 0.5 ? at - 1 : at;
        }
        const double S = power(f, ctx);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double phase = 0;
                for (size_t ri = i, rj = j, a = (size_t)s->rank; a--;) {
                    phase += f[a] * ((double)(ri % s->dims[a]) - (double)(rj % s->dims[a]));
                    ri /= s->dims[a];
                    rj /= s->dims[a];
                }
                C[i * n + j] += S * cos(2 * SCRY_PI * phase) / (double)n;
            }
    }
    return C;
}

static double falling_radial(const double f[3], void *ctx)
{
    return falling(sqrt(f[0] * f[0] + f[1] * f[1] + f[2] * f[2]), ctx);
}

static void same_prior(const scry_prior *P, const scry_prior *Q)
{
    const size_t n = scry_space_floats(scry_prior_space(P));
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P) + scry_prior_work_bytes(Q));
    float *x = random_floats(n, 3), *a = random_floats(n, 4), *b = random_floats(n, 5);
    double p, q;
    for (int f = SCRY_GAUSSIAN_COV; f <= SCRY_GAUSSIAN_SHRINK; f++) {
        assert_ok(scry_gaussian_apply(P, a, x, (scry_gaussian_fn)f, 0.17, work, &err));
        assert_ok(scry_gaussian_apply(Q, b, x, (scry_gaussian_fn)f, 0.17, work, &err));
        assert_below(scry_distance(a, b, n), 2e-6 * scry_norm(b, n));
    }
    assert_ok(scry_prior_denoise(P, a, x, 0.6f, work, &err));
    assert_ok(scry_prior_denoise(Q, b, x, 0.6f, work, &err));
    assert_below(scry_distance(a, b, n), 2e-6 * scry_norm(b, n));
    assert_ok(scry_prior_prox(P, a, x, 0.36, work, &err));
    assert_below(scry_distance(a, b, n), 2e-6 * scry_norm(b, n));
    assert_ok(scry_prior_value(P, &p, x, work, &err));
    assert_ok(scry_prior_value(Q, &q, x, work, &err));
    assert_near(p, q, 2e-6 * q);
    assert_ok(scry_gaussian_mean(P, a, &err));
    assert_ok(scry_gaussian_mean(Q, b, &err));
    assert_memory_equal(a, b, n * sizeof *a);
    check_vjp(P, x, 0.6f, 0.05, 1e-5);
    check_prox(P, x, 0.4, 1e-6);
    scry_free(work);
    scry_free(x);
    scry_free(a);
    scry_free(b);
}

static void equals_the_dense_prior(void **state)
{
    (void)state;
    const scry_space spaces[] = {SCRY_SPACE(9),    SCRY_SPACE(6, 7),    SCRY_SPACE(7, 6),
                                 SCRY_SPACE(1, 8), SCRY_SPACE(3, 4, 5), SCRY_SPACE(2, 1, 6)};
    scry_error err = {0};
    double scale = 0.8, mean[64];
    for (int i = 0; i < 64; i++)
        mean[i] = -0.35;
    for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++) {
        scry_prior *P, *Q;
        double *C = circulant(&spaces[s], falling_radial, &scale);
        assert_ok(scry_gaussian_create(
            &P, &spaces[s],
            &(scry_gaussian_params){
                .rank = spaces[s].rank, .mean = -0.35, .spectrum = falling, .ctx = &scale},
            &err));
        assert_ok(scry_gaussian_create_dense(&Q, &spaces[s], mean, C, &err));
        assert_true(scry_prior_is_gaussian(P));
        same_prior(P, Q);
        scry_prior_free(P);
        scry_prior_free(Q);
        free(C);
    }
}

/* Leading axes are copies. */
static void copies_are_independent(void **state)
{
    (void)state;
    const scry_space one = SCRY_SPACE(6, 5), three = SCRY_SPACE(3, 6, 5);
    scry_error err = {0};
    scry_prior *P, *Q;
    double scale = 0.8, p, q, sum = 0;
    float *x = random_floats(90, 1), a[90], b[30];
    assert_ok(scry_gaussian_create(
        &P, &three,
        &(scry_gaussian_params){.rank = 2, .mean = 0.4, .spectrum = falling, .ctx = &scale}, &err));
    assert_ok(scry_gaussian_create(
        &Q, &one,
        &(scry_gaussian_params){.rank = 2, .mean = 0.4, .spectrum = falling, .ctx = &scale}, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_ok(scry_prior_denoise(P, a, x, 0.6f, work, &err));
    for (size_t c = 0; c < 3; c++) {
        assert_ok(scry_prior_denoise(Q, b, x + 30 * c, 0.6f, work, &err));
        assert_memory_equal(a + 30 * c, b, sizeof b);
        assert_ok(scry_prior_value(Q, &q, x + 30 * c, work, &err));
        sum += q;
    }
    assert_ok(scry_prior_value(P, &p, x, work, &err));
    assert_near(p, sum, 1e-5 * p);
    scry_free(work);
    scry_free(x);
    scry_prior_free(P);
    scry_prior_free(Q);
}

/* A wave is an eigenvector: apply and spectrum have to agree on its eigenvalue. */
static void spectrum_holds_the_eigenvalues(void **state)
{
    (void)state;
    enum { H = 6, W = 7, HALF = W / 2 + 1 };
    const scry_space space = SCRY_SPACE(2, H, W);
    scry_error err = {0};
    double scale = 2.385;
    scry_prior *P, *Q;
    float wave[2 * H * W], out[2 * H * W], S[H * HALF];
    assert_ok(scry_gaussian_create(
        &P, &space,
        &(scry_gaussian_params){.rank = 2, .mean = 0.3, .spectrum = falling, .ctx = &scale}, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_int_equal(scry_gaussian_rank(P), 2);
    assert_ok(scry_gaussian_spectrum(P, S, SCRY_GAUSSIAN_SHRINK, 0.7, &err));
    for (size_t ky = 0; ky < H; ky++)
        for (size_t kx = 0; kx < HALF; kx++) {
            for (size_t i = 0; i < 2 * H * W; i++)
                wave[i] = (float)cos(6.283185307179586 *
                                     ((double)(ky * (i / W % H)) / H + (double)(kx * (i % W)) / W));
            assert_ok(scry_gaussian_apply(P, out, wave, SCRY_GAUSSIAN_SHRINK, 0.7, work, &err));
            for (size_t i = 0; i < 2 * H * W; i++)
                assert_near(out[i], S[ky * HALF + kx] * wave[i], 1e-5);
        }
    assert_fails(scry_gaussian_spectrum(P, S, SCRY_GAUSSIAN_SHRINK, 0, &err), SCRY_EINVAL);
    scry_free(work);
    scry_prior_free(P);
    const scry_space one = SCRY_SPACE(1);
    const double mean = 0, C = 1;
    assert_ok(scry_gaussian_create_dense(&Q, &one, &mean, &C, &err));
    assert_int_equal(scry_gaussian_rank(Q), 0);
    assert_fails(scry_gaussian_spectrum(Q, S, SCRY_GAUSSIAN_COV, 0, &err), SCRY_EUNSUP);
    scry_prior_free(Q);
}

static void radial_table(void **state)
{
    (void)state;
    const double power[4] = {8, 1, 0.5, 0.125};
    const scry_radial radial = {.count = 4, .power = power, .mean = 0.2};
    const double step = 0.5 * sqrt(2) / 3;
    assert_near(scry_radial_power(&radial, 0), 8, 1e-12);
    assert_near(scry_radial_power(&radial, 2 * step), 0.5, 1e-12);
    assert_near(scry_radial_power(&radial, 0.5 * step), sqrt(8), 1e-12);
    assert_near(scry_radial_power(&radial, 2.5 * step), 0.25, 1e-12);
    assert_near(scry_radial_power(&radial, 3 * step), 0.125, 1e-12);
    assert_near(scry_radial_power(&radial, 9), 0.125, 1e-12);
}

static const double tikhonov_weights[3] = {0.4, 1.3, 1};

static double tikhonov_power(const double f[3], void *ctx)
{
    double q = *(double *)ctx;
    for (int a = 0; a < 3; a++) {
        const double d = 2 * tikhonov_weights[a] * sin(SCRY_PI * f[a]);
        q += 0.7 * d * d;
    }
    return 1 / q;
}

static void tikhonov_is_a_gaussian(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(3, 4, 5);
    scry_error err = {0};
    scry_prior *P, *Q;
    double ridge = 0.09, mean[60];
    for (int i = 0; i < 60; i++)
        mean[i] = 0.25;
    double *C = circulant(&space, tikhonov_power, &ridge);
    assert_ok(scry_tikhonov_create(
        &P, &space,
        &(scry_tikhonov_params){
            .rank = 3, .lambda = 0.7, .ridge = ridge, .mean = 0.25, .weights = tikhonov_weights},
        &err));
    assert_ok(scry_gaussian_create_dense(&Q, &space, mean, C, &err));
    same_prior(P, Q);
    scry_prior_free(P);
    scry_prior_free(Q);
    free(C);
}

/* Without ridge: the energy as differences, constants untouched, no covariance. */
static void tikhonov_improper(void **state)
{
    (void)state;
    enum { H = 5, W = 6 };
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    scry_prior *P;
    float *u = random_floats(H * W, 2), out[H * W];
    double energy = 0, value;
    assert_ok(
        scry_tikhonov_create(&P, &space, &(scry_tikhonov_params){.rank = 2, .lambda = 0.7}, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++) {
            const double here = u[y * W + x];
            energy += pow(u[y * W + (x + 1) % W] - here, 2) + pow(u[(y + 1) % H * W + x] - here, 2);
        }
    assert_ok(scry_prior_value(P, &value, u, work, &err));
    assert_near(value, 0.35 * energy, 1e-5 * energy);
    check_prox(P, u, 0.8, 1e-6);
    check_vjp(P, u, 0.8f, 0.05, 1e-5);
    for (size_t i = 0; i < H * W; i++)
        u[i] = 2.385f;
    assert_ok(scry_prior_prox(P, out, u, 1e3, work, &err));
    for (size_t i = 0; i < H * W; i++)
        assert_near(out[i], 2.385, 1e-5);
    assert_false(scry_prior_is_gaussian(P));
    assert_fails(scry_gaussian_apply(P, out, u, SCRY_GAUSSIAN_COV, 0, work, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_apply(P, out, u, SCRY_GAUSSIAN_SQRT, 0, work, &err), SCRY_EINVAL);
    assert_ok(scry_gaussian_apply(P, out, u, SCRY_GAUSSIAN_SHRINK, 0.3, work, &err));
    for (size_t i = 0; i < H * W; i++)
        assert_near(out[i], 0.3 * 2.385, 1e-5);
    scry_free(work);
    scry_free(u);
    scry_prior_free(P);
}

static double bad_spectrum(double f, void *ctx)
{
    return f > 0.3 ? *(double *)ctx : 1;
}

static void gaussian_refuses(void **state)
{
    (void)state;
    scry_space space = SCRY_SPACE(8, 9), bad = SCRY_SPACE(0);
    double scale = 1, wrong[] = {0, -1, NAN, INFINITY};
    const double power[3] = {1, 0, 1};
    const scry_radial zero = {.count = 3, .power = power}, one = {.count = 1, .power = power};
    scry_error err = {0};
    scry_prior *P;
    for (size_t i = 0; i < 4; i++)
        assert_fails(
            scry_gaussian_create(
                &P, &space,
                &(scry_gaussian_params){.rank = 2, .spectrum = bad_spectrum, .ctx = &wrong[i]},
                &err),
            SCRY_EINVAL);
    assert_fails(
        scry_gaussian_create(
            &P, &bad, &(scry_gaussian_params){.rank = 1, .spectrum = falling, .ctx = &scale}, &err),
        SCRY_ESHAPE);
    assert_fails(scry_gaussian_create(
                     &P, &space,
                     &(scry_gaussian_params){.rank = 3, .spectrum = falling, .ctx = &scale}, &err),
                 SCRY_EINVAL);
    assert_fails(scry_gaussian_create(
                     &P, &space,
                     &(scry_gaussian_params){.rank = 0, .spectrum = falling, .ctx = &scale}, &err),
                 SCRY_EINVAL);
    assert_fails(
        scry_gaussian_create(
            &P, &space,
            &(scry_gaussian_params){.rank = 2, .mean = NAN, .spectrum = falling, .ctx = &scale},
            &err),
        SCRY_EINVAL);
    assert_fails(scry_gaussian_create_radial(&P, &space, 2, &zero, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_create_radial(&P, &space, 2, &one, &err), SCRY_EINVAL);
    space.cplx = true;
    assert_fails(scry_gaussian_create(
                     &P, &space,
                     &(scry_gaussian_params){.rank = 2, .spectrum = falling, .ctx = &scale}, &err),
                 SCRY_EUNSUP);
    assert_null(P);
    space.cplx = false;
    check_refusals(P, scry_gaussian_create(
                          &P, &space,
                          &(scry_gaussian_params){.rank = 2, .spectrum = falling, .ctx = &scale},
                          &err));
}

static void tikhonov_refuses(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(8, 9);
    const double weights[2] = {1, 0};
    scry_error err = {0};
    scry_prior *P;
    assert_fails(
        scry_tikhonov_create(&P, &space, &(scry_tikhonov_params){.rank = 2, .lambda = 0}, &err),
        SCRY_EINVAL);
    assert_fails(scry_tikhonov_create(&P, &space,
                                      &(scry_tikhonov_params){.rank = 2, .lambda = 1, .ridge = -1},
                                      &err),
                 SCRY_EINVAL);
    assert_fails(
        scry_tikhonov_create(
            &P, &space, &(scry_tikhonov_params){.rank = 2, .lambda = 1, .weights = weights}, &err),
        SCRY_EINVAL);
    assert_fails(
        scry_tikhonov_create(&P, &space, &(scry_tikhonov_params){.rank = 4, .lambda = 1}, &err),
        SCRY_EINVAL);
    check_refusals(
        P, scry_tikhonov_create(&P, &space, &(scry_tikhonov_params){.rank = 2, .lambda = 1}, &err));
}

static void same_bytes(void **state)
{
    (void)state;
    enum { N = 210 * 200 };
    const scry_space space = SCRY_SPACE(210, 200);
    float *x = random_floats(N, 6), *one = random_floats(N, 7), *four = random_floats(N, 8);
    double scale = 1;
    scry_error err = {0};
    scry_prior *P;
    const int before = omp_get_max_threads();
    assert_ok(scry_gaussian_create(
        &P, &space,
        &(scry_gaussian_params){.rank = 2, .mean = 0.3, .spectrum = falling, .ctx = &scale}, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    omp_set_num_threads(1);
    assert_ok(scry_prior_denoise(P, one, x, 0.5f, work, &err));
    omp_set_num_threads(4);
    assert_ok(scry_prior_denoise(P, four, x, 0.5f, work, &err));
    omp_set_num_threads(before);
    assert_memory_equal(one, four, N * sizeof *one);
    scry_free(work);
    scry_free(x);
    scry_free(one);
    scry_free(four);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_dense_prior),
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(spectrum_holds_the_eigenvalues),
        cmocka_unit_test(radial_table),
        cmocka_unit_test(tikhonov_is_a_gaussian),
        cmocka_unit_test(tikhonov_improper),
        cmocka_unit_test(gaussian_refuses),
        cmocka_unit_test(tikhonov_refuses),
        cmocka_unit_test(same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
