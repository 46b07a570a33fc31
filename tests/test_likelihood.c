#include "tests/check.h"
#include "lib/rng_gsl.h"
#include "tests/op_check.h"

#include "operators/blur.h"
#include "operators/identity.h"
#include "operators/likelihood.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sf_gamma.h>
#include <omp.h>
#include <string.h>

static float no_work[16]; /* of those that need none */

/* A small irregular problem: A is 9 x 6 with positive entries, so that means are positive. */
enum { N = 6, M = 9 };

static scry_op *small_op(void)
{
    scry_error err = {0};
    double matrix[M * N];
    float r[M * N];
    scry_op *A = NULL;
    scry_rng_uniform(r, 0, M * N, 77, 0, 0);
    for (size_t i = 0; i < M * N; i++)
        matrix[i] = .1 + r[i];
    const scry_space dom = SCRY_SPACE(2, 3), cod = SCRY_SPACE(M);
    assert_ok(scry_dense_create(&A, &dom, &cod, matrix, &err));
    return A;
}

static const scry_noise noises[] = {
    {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 2.385, .background = 1.5},
    {.kind = SCRY_NOISE_POISSON, .gain = .5, .offset = 100, .background = 2},
    {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
     .gain = .46,
     .offset = 101.5,
     .read_noise = 1.7,
     .background = 2},
    {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 2.1, .offset = -3, .read_noise = 0},
};
enum { NOISES = sizeof noises / sizeof *noises };

/* Data near the mean of some u, and a map that is not the identity. */
static const scry_affine skew = {.scale = 12.5, .shift = 14};

static void small_data(const scry_op *A, const scry_noise *noise, float *y, float *u)
{
    scry_error err = {0};
    float r[M], x[N];
    scry_rng_uniform(u, 0, N, 5, 1, 0);
    scry_rng_uniform(r, 0, M, 5, 2, 0);
    for (size_t i = 0; i < N; i++) {
        u[i] = 2 * u[i] - 1;
        x[i] = (float)(skew.scale * u[i] + skew.shift);
    }
    assert_ok(scry_op_forward(A, y, x, no_work, &err));
    for (size_t i = 0; i < M; i++) {
        const double e = y[i] + noise->background + 6 * (r[i] - .5);
        y[i] = (float)(noise->kind == SCRY_NOISE_GAUSSIAN ? e : e / noise->gain + noise->offset);
    }
}

/* A = diag(1, .5), y = (.8, -.2), x = (1.5, -1), variance .1: score (-7, 1.5); a Langevin drift of
 * step .2 with the prior N(0, I) ends at (-.2, -.5). */
static void the_worked_numbers(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(2);
    const double matrix[4] = {1, 0, 0, .5};
    const float y[2] = {.8f, -.2f}, x[2] = {1.5f, -1};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = sqrt(.1)};
    float g[2];
    scry_op *A;
    scry_likelihood *L;
    assert_ok(scry_dense_create(&A, &s, &s, matrix, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
    assert_ok(scry_likelihood_score(L, g, x, work, &err));
    assert_near(g[0], -7, 1e-5);
    assert_near(g[1], 1.5, 1e-5);
    assert_near(x[0] + .2 * (g[0] - x[0]), -.2, 1e-5);
    assert_near(x[1] + .2 * (g[1] - x[1]), -.5, 1e-5);
    double nll;
    assert_ok(scry_likelihood_value(L, &nll, x, work, &err));
    assert_near(nll, (.49 + .09) / .2, 1e-5);
    scry_free(work);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* Central differences of the value, also where means are negative; g may alias u. */
static void score_is_the_gradient_of_the_value(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A = small_op();
    for (size_t k = 0; k < NOISES; k++)
        for (int far = 0; far < 3; far++) {
            float y[M], u[N], g[N];
            scry_likelihood *L;
            small_data(A, &noises[k], y, u);
            assert_ok(scry_likelihood_create(&L, A, y, &noises[k], &skew, &err));
            void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
            for (int i = 0; i < N; i++)
                u[i] += (float)(far * (i - 3.3));
            assert_ok(scry_likelihood_score(L, g, u, work, &err));
            for (int i = 0; i < N; i++) {
                const float at = u[i], h = 1e-2f;
                double up, down;
                u[i] = at + h;
                const double above = u[i];
                assert_ok(scry_likelihood_value(L, &up, u, work, &err));
                u[i] = at - h;
                const double width = above - (double)u[i];
                assert_ok(scry_likelihood_value(L, &down, u, work, &err));
                u[i] = at;
                assert_true(isfinite(up) && isfinite(down));
                assert_near(g[i], -(up - down) / width, 4e-3 * (fabs((double)g[i]) + 1));
            }
            const float first = g[0];
            assert_ok(scry_likelihood_score(L, u, u, work, &err));
            assert_near(u[0], first, 0);
            scry_free(work);
            scry_likelihood_free(L);
        }
    scry_op_free(A);
}

/* A^T W (b - A u) = score, and the Gaussian model needs no point. */
static void linearise_has_the_gradient_of_the_score(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A = small_op();
    for (size_t k = 0; k < NOISES; k++)
        for (int far = 0; far < 3; far++) {
            float y[M], u[N], g[N], model[N], Au[M], W[M], b[M], r[M];
            scry_likelihood *L;
            small_data(A, &noises[k], y, u);
            assert_ok(scry_likelihood_create(&L, A, y, &noises[k], &skew, &err));
            void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
            for (int i = 0; i < N; i++)
                u[i] += (float)(far * (i - 3.3));
            assert_ok(scry_op_forward(A, Au, u, work, &err));
            if (scry_likelihood_is_gaussian(L))
                assert_ok(scry_likelihood_linearise(L, W, b, NULL, &err));
            else
                assert_ok(scry_likelihood_linearise(L, W, b, Au, &err));
            for (int i = 0; i < M; i++) {
                assert_true(W[i] > 0);
                r[i] = W[i] * (b[i] - Au[i]);
            }
            assert_ok(scry_op_adjoint(A, model, r, work, &err));
            assert_ok(scry_likelihood_score(L, g, u, work, &err));
            /* far from the data the weights of counts are damped on purpose */
            if (far == 0 || scry_likelihood_is_gaussian(L))
                assert_below(scry_distance(model, g, N), 1e-5 * (scry_norm(g, N) + 10));
            if (!scry_likelihood_is_gaussian(L))
                assert_fails(scry_likelihood_linearise(L, W, b, NULL, &err), SCRY_EINVAL);
            scry_free(work);
            scry_likelihood_free(L);
        }
    scry_op_free(A);
}

/* A bright pixel that a stray estimate takes for dark keeps the variance of bright light, so that
 * the next estimate is not thrown further. */
static void bright_light_stays_uncertain(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_noise camera = {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 2, .read_noise = 1.5};
    const scry_space s = SCRY_SPACE(1);
    const float y = 5000, Au = -300;
    float W, b;
    scry_op *A;
    scry_likelihood *L;
    assert_ok(scry_identity_create(&A, &s, &err));
    assert_ok(scry_likelihood_create(&L, A, &y, &camera, NULL, &err));
    assert_ok(scry_likelihood_linearise(L, &W, &b, &Au, &err));
    assert_near(W, 1 / (10000 - 6 * sqrt(10002.25) + 2.25), 1e-9);
    assert_near(b, 10000, 1e-2);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* The prox lowers its objective below every neighbour, and the gradient vanishes there. */
static void check_prox(const scry_likelihood *L, double t, uint64_t seed, void *work)
{
    scry_error err = {0};
    scry_prox_result end;
    float v[N], z[N], g[N], g0[N] = {0};
    scry_rng_normal(v, 0, N, seed, 0, 0);
    assert_ok(scry_likelihood_score(L, g0, g0, work, &err));
    memcpy(z, v, sizeof z);
    assert_ok(scry_likelihood_prox(L, z, v, t, 200, 1e-6, work, &end, &err));
    assert_ok(scry_likelihood_score(L, g, z, work, &err));
    double left = 0, size = 0;
    for (int i = 0; i < N; i++) {
        left += pow(t * g[i] - ((double)z[i] - v[i]), 2);
        size += pow(t * g0[i], 2) + pow(v[i], 2); /* the scale of the terms that cancel */
    }
    assert_below(sqrt(left / size), 2e-6);
    double best;
    assert_ok(scry_likelihood_value(L, &best, z, work, &err));
    best += pow(scry_distance(z, v, N), 2) / (2 * t);
    for (uint64_t k = 0; k < 200; k++) { /* brute force: no better point, near or far */
        float d[N], p[N];
        double value;
        scry_rng_normal(d, 0, N, seed, 1, (uint32_t)k);
        const double reach = pow(10, -3 + 4.0 * (double)k / 200);
        for (int i = 0; i < N; i++)
            p[i] = z[i] + (float)reach * d[i];
        assert_ok(scry_likelihood_value(L, &value, p, work, &err));
        value += pow(scry_distance(p, v, N), 2) / (2 * t);
        assert_true(value >= best - 1e-6 * (fabs(best) + 1));
    }
}

static void prox_is_the_minimum(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A = small_op();
    for (size_t k = 0; k < NOISES; k++) {
        float y[M], u[N];
        scry_likelihood *L;
        small_data(A, &noises[k], y, u);
        assert_ok(scry_likelihood_create(&L, A, y, &noises[k], &skew, &err));
        void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
        const double steps[] = {1e-3, .0347, 1, 20};
        for (uint64_t i = 0; i < 4; i++)
            check_prox(L, steps[i], 10 * k + i, work);
        scry_prox_result end;
        float v[N] = {0}, z[N] = {0};
        assert_fails(scry_likelihood_prox(L, z, v, 0, 9, 1e-5, work, &end, &err), SCRY_EINVAL);
        assert_fails(scry_likelihood_prox(L, z, v, NAN, 9, 1e-5, work, &end, &err), SCRY_EINVAL);
        if (k) { /* a closed form has no start, and hands a NaN on */
            v[2] = NAN;
            assert_fails(scry_likelihood_prox(L, z, v, 1, 9, 1e-5, work, NULL, &err),
                         SCRY_ENUMERIC);
        }
        scry_free(work);
        scry_likelihood_free(L);
    }
    scry_op_free(A);
}

/* e = Poisson(m) + r n by its sum over counts; against the shifted Poisson, as differences in m of
 * the same e so that constants drop out. What decides between two means one sd apart, the expected
 * difference of log p, agrees to 4 % of itself at 1 e-, 1.2 % at 20 and 0.2 % at 100. */
static double exact_log(double e, double m, double r)
{
    double p = 0;
    for (unsigned k = 0; k < 400; k++)
        p += exp(k * log(m) - m - gsl_sf_lnfact(k) - pow((e - k) / r, 2) / 2);
    return log(p);
}

static void shifted_poisson_is_close_to_exact(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(1);
    scry_op *A;
    assert_ok(scry_identity_create(&A, &s, &err));
    const double means[] = {1, 5, 20, 100}, bounds[] = {.045, .035, .015, .003};
    for (size_t i = 0; i < 4; i++)
        for (double r = 1; r < 4; r += 1.5) {
            const double m = means[i], sd = sqrt(m + r * r), other = m + sd;
            double exact = 0, model = 0, mass = 0;
            const scry_noise noise = {
                .kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = r};
            for (double e = m - 6 * sd; e < m + 6 * sd; e += sd / 8) { /* expectation over e */
                const float y = (float)e;
                const double weight = exp(exact_log(y, m, r));
                scry_likelihood *L;
                double near, far;
                assert_ok(scry_likelihood_create(&L, A, &y, &noise, NULL, &err));
                void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
                assert_ok(scry_likelihood_value(L, &near, &(float){(float)m}, work, &err));
                assert_ok(scry_likelihood_value(L, &far, &(float){(float)other}, work, &err));
                exact += weight * (exact_log(y, m, r) - exact_log(y, other, r));
                model += weight * (far - near);
                mass += weight;
                scry_free(work);
                scry_likelihood_free(L);
            }
            assert_near(model / mass, exact / mass, bounds[i] * exact / mass);
        }
    scry_op_free(A);
}

/* Simulated counts explained by their own mean have chi2 1 per pixel: z-test against the sd of the
 * mean of chi2 (variance 2 + O(1/m) each) with Poisson's known bias 1/(6 m). */
static void deviance_of_the_truth_is_one(void **state)
{
    (void)state;
    enum { PIXELS = 20000 };
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(PIXELS);
    float *y = scry_alloc(PIXELS, sizeof *y), *u = scry_alloc(PIXELS, sizeof *u);
    gsl_rng *rng = gsl_rng_alloc(scry_rng_gsl());
    scry_op *A;
    assert_ok(scry_identity_create(&A, &s, &err));
    for (size_t k = 0; k < NOISES; k++)
        for (double photons = 20; photons <= 1000; photons *= 7.07) {
            const scry_noise *noise = &noises[k];
            double bias = 0;
            scry_rng_uniform(u, 0, PIXELS, 8, 0, 0);
            for (uint32_t i = 0; i < PIXELS; i++) {
                u[i] = (float)photons * (.3f + .7f * u[i]);
                const double m = u[i] + noise->background;
                scry_rng_gsl_seek(rng, 3, (uint32_t)k, (uint32_t)photons, i);
                if (noise->kind == SCRY_NOISE_GAUSSIAN) {
                    y[i] = (float)(m + gsl_ran_gaussian(rng, noise->sigma));
                    continue;
                }
                const double e = gsl_ran_poisson(rng, m) + gsl_ran_gaussian(rng, noise->read_noise);
                y[i] = (float)(e / noise->gain + noise->offset);
                bias += 1 / (6 * m) / PIXELS;
            }
            scry_likelihood *L;
            double deviance;
            size_t count;
            assert_ok(scry_likelihood_create(&L, A, y, noise, NULL, &err));
            void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
            assert_ok(scry_likelihood_deviance(L, &deviance, &count, u, work, &err));
            assert_int_equal(count, PIXELS);
            assert_near(deviance / PIXELS - bias, 1, 4 * sqrt(2.2 / PIXELS));
            assert_true(deviance >= 0);
            scry_free(work);
            scry_likelihood_free(L);
        }
    gsl_rng_free(rng);
    scry_op_free(A);
    scry_free(y);
    scry_free(u);
}

/* Large enough for teams in the transforms, the sums and the conjugate gradients. */
static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    enum { SIDE = 520 };
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(SIDE, SIDE), ps = SCRY_SPACE(5, 4);
    float h[20], *y = scry_alloc(SIDE * SIDE, sizeof *y);
    const int before = omp_get_max_threads();
    scry_op *A;
    scry_rng_uniform(h, 0, 20, 2, 0, 0);
    scry_rng_uniform(y, 0, SIDE * SIDE, 3, 0, 0);
    for (size_t i = 0; i < SIDE * SIDE; i++)
        y[i] = 150 + 20 * y[i];
    omp_set_num_threads(4);
    assert_ok(scry_blur_create(
        &A, &s,
        &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = SCRY_OPEN, .multiple = 8},
        &err));
    const size_t n = scry_space_count(scry_op_dom(A));
    float *v = check_random(n, 4);
    float *z[2] = {scry_copy(v, n * sizeof *v), scry_copy(v, n * sizeof *v)};
    for (int k = 0; k < 3; k += 2) {
        double nll[2];
        scry_likelihood *L;
        assert_ok(scry_likelihood_create(&L, A, y, &noises[k], &skew, &err));
        void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
        for (int i = 0; i < 2; i++) {
            omp_set_num_threads(i ? 1 : 4);
            memcpy(z[i], v, n * sizeof *v);
            assert_ok(scry_likelihood_prox(L, z[i], v, .1, 5, 1e-3, work, NULL, &err));
            assert_ok(scry_likelihood_value(L, &nll[i], z[i], work, &err));
        }
        assert_memory_equal(z[0], z[1], n * sizeof *v);
        assert_true(nll[0] == nll[1]);
        scry_free(work);
        scry_likelihood_free(L);
    }
    omp_set_num_threads(before);
    scry_op_free(A);
    scry_free(y);
    scry_free(v);
    scry_free(z[0]);
    scry_free(z[1]);
}

static void refuses_bad_settings(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A, *C;
    scry_likelihood *L;
    scry_space s = SCRY_SPACE(2);
    float y[4] = {1, 2, 3, 4};
    assert_ok(scry_identity_create(&A, &s, &err));
    s.cplx = true;
    assert_ok(scry_identity_create(&C, &s, &err));
    const scry_noise good = {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = 1};
    const scry_noise bad[] = {
        {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0},
        {.kind = SCRY_NOISE_GAUSSIAN, .sigma = NAN},
        {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 1, .background = INFINITY},
        {.kind = SCRY_NOISE_POISSON, .gain = -1},
        {.kind = SCRY_NOISE_POISSON, .gain = 1, .offset = NAN},
        {.kind = SCRY_NOISE_POISSON, .gain = 1, .offset = 1.5}, /* a pixel below the offset */
        {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = -1},
        {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = INFINITY},
        {.kind = (scry_noise_kind)17},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(scry_likelihood_create(&L, A, y, &bad[i], NULL, &err), SCRY_EINVAL);
        assert_null(L);
    }
    const scry_affine flat = {.scale = 0}, lost = {.scale = 1, .shift = NAN};
    assert_fails(scry_likelihood_create(&L, A, y, &good, &flat, &err), SCRY_EINVAL);
    assert_fails(scry_likelihood_create(&L, A, y, &good, &lost, &err), SCRY_EINVAL);
    assert_fails(scry_likelihood_create(&L, C, y, &good, NULL, &err), SCRY_EUNSUP);
    const scry_affine map = {.scale = 2, .shift = 1};
    CHECK_ALLOCATIONS(scry_likelihood_create(&L, A, y, &good, &map, &err), scry_likelihood_free(L));
    const scry_noise plain = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 1};
    CHECK_ALLOCATIONS(scry_likelihood_create(&L, A, y, &plain, &map, &err),
                      scry_likelihood_free(L));
    y[1] = NAN;
    assert_fails(scry_likelihood_create(&L, A, y, &plain, NULL, &err), SCRY_ENUMERIC);
    scry_op_free(A);
    scry_op_free(C);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worked_numbers),
        cmocka_unit_test(score_is_the_gradient_of_the_value),
        cmocka_unit_test(linearise_has_the_gradient_of_the_score),
        cmocka_unit_test(bright_light_stays_uncertain),
        cmocka_unit_test(prox_is_the_minimum),
        cmocka_unit_test(shifted_poisson_is_close_to_exact),
        cmocka_unit_test(deviance_of_the_truth_is_one),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(refuses_bad_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
