#include "tests/prior_check.h"

#include "priors/tv.h"

#include <omp.h>

/* tests/golden/tv.py, scikit-image 0.19: argmin |u - v|^2 / 2 + tau TV(u), good to 5e-5 */
static const float golden_flat[35] = {
    0.6822112f,  0.8750307f,  -0.3309397f, -0.6230203f, 1.4170925f, 1.1708259f, 0.5042905f,
    0.1783862f,  0.5561507f,  -0.1481192f, -0.7404379f, 1.2228583f, 1.2924551f, 1.2924551f,
    -0.2045659f, 0.0142944f,  0.0691386f,  0.0691386f,  0.8769717f, 1.2924551f, 1.2924551f,
    -0.2730367f, -0.1440903f, 0.0691386f,  -0.0354085f, 0.4588222f, 1.2924551f, 1.2924551f,
    -0.1955925f, -0.1589560f, 0.2547964f,  0.2547964f,  0.3432913f, 1.2924551f, 1.2924551f,
};
static const float golden_deep[60] = {
    1.0215966f,  1.0411939f,  -0.3529437f, -0.7680483f, 1.7905513f, 0.9508402f, 0.2333235f,
    0.0927191f,  0.7336175f,  0.0282875f,  -0.9888711f, 0.9870359f, 0.9870483f, 0.8926888f,
    0.0282875f,  0.3200992f,  0.3200992f,  0.1046588f,  0.7876551f, 0.7876551f, 1.1573621f,
    -0.2395328f, -0.2134578f, 0.0346544f,  -0.2989643f, 0.5674843f, 1.1221036f, 0.7240899f,
    0.1756744f,  0.0282875f,  0.3913963f,  0.3598521f,  0.4720970f, 0.7879983f, 0.7879684f,
    0.3200992f,  -0.5330052f, 0.2472700f,  0.7876551f,  0.5612717f, 0.2198544f, 1.0611821f,
    0.7812170f,  -0.5615755f, -0.3572828f, 0.9380847f,  1.1366757f, 0.4908495f, 0.5375621f,
    0.3954793f,  0.2047189f,  -0.0700599f, 0.3818404f,  0.7879629f, 0.3954793f, 0.2700849f,
    0.2700849f,  0.3257528f,  -0.6866344f, 0.3954793f,
};

static void golden_image(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double k = (double)i;
        v[i] = (float)(sin(1.7 * k + 0.3) + 0.6 * cos(0.41 * k * k) + (i % 7 > 3 ? 1 : 0));
    }
}

static scry_prior *tv_prior(scry_space space, int rank, double lambda, double tolerance)
{
    scry_error err = {0};
    scry_tv_opts opts;
    scry_prior *P;
    scry_tv_opts_init(&opts);
    opts.tolerance = tolerance;
    opts.iterations = 20000;
    assert_ok(scry_tv_create(&P, &space, rank, lambda, &opts, &err));
    return P;
}

static void golden_case(scry_space space, int rank, double tau, const float *expected)
{
    const size_t n = scry_space_floats(&space);
    scry_error err = {0};
    scry_prior *P = tv_prior(space, rank, tau / 0.4, 1e-5);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float *v = random_floats(n, 1), *z = random_floats(n, 2);
    golden_image(v, n);
    assert_ok(scry_prior_prox(P, z, v, 0.4, work, &err)); /* only lambda t counts */
    for (size_t i = 0; i < n; i++)
        assert_near(z[i], expected[i], 1e-4);
    check_prox(P, v, 0.4, 1e-7);
    scry_free(work);
    scry_free(v);
    scry_free(z);
    scry_prior_free(P);
}

static void agrees_with_scikit_image(void **state)
{
    (void)state;
    golden_case(SCRY_SPACE(5, 7), 2, 0.37, golden_flat);
    golden_case(SCRY_SPACE(1, 5, 7), 3, 0.37, golden_flat);
    golden_case(SCRY_SPACE(3, 4, 5), 3, 0.23, golden_deep);
}

/* Two levels a and b of m pixels each move towards each other by tau / m until they meet, along any
 * axis and times its weight: closed form. */
static void two_levels(void **state)
{
    (void)state;
    const scry_space spaces[3] = {SCRY_SPACE(8, 1, 1), SCRY_SPACE(1, 8, 1), SCRY_SPACE(1, 1, 8)};
    const double weights[3] = {0.5, 1, 2};
    scry_error err = {0};
    for (int axis = 0; axis < 3; axis++) {
        scry_tv_opts opts;
        scry_prior *P;
        float v[8], z[8];
        double value;
        scry_tv_opts_init(&opts);
        memcpy(opts.weights, weights, sizeof weights);
        opts.tolerance = 1e-5;
        opts.iterations = 20000;
        for (int i = 0; i < 8; i++)
            v[i] = i < 4 ? -0.3f : 1.1f;
        assert_ok(scry_tv_create(&P, &spaces[axis], 3, 0.7, &opts, &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(P));
        assert_ok(scry_prior_value(P, &value, v, work, &err));
        assert_near(value, 0.7 * weights[axis] * 1.4, 1e-6);
        assert_ok(scry_prior_prox(P, z, v, 0.5, work, &err));
        const double move = 0.35 * weights[axis] / 4;
        for (int i = 0; i < 8; i++)
            assert_near(z[i], i < 4 ? -0.3 + move : 1.1 - move, 2e-5);
        assert_ok(scry_prior_prox(P, z, v, 500, work, &err)); /* met */
        for (int i = 0; i < 8; i++)
            assert_near(z[i], 0.4, 2e-5);
        scry_free(work);
        scry_prior_free(P);
    }
}

/* The stated bound holds: rms distance to a far more accurate solution. */
static void tolerance_is_kept(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(2, 33, 40);
    const size_t n = 2 * 33 * 40;
    scry_error err = {0};
    float *v = random_floats(n, 3), *best = random_floats(n, 4), *z = random_floats(n, 5);
    scry_prior *P = tv_prior(space, 2, 0.3, 1e-5);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t i = 0; i < n; i++)
        v[i] = 0.3f * v[i] + (i / 40 % 33 > 15) + 10.0f * (i >= n / 2);
    assert_ok(scry_prior_prox(P, best, v, 1, work, &err));
    scry_prior_free(P);
    for (double tolerance = 0.3; tolerance > 1e-3; tolerance /= 5) {
        P = tv_prior(space, 2, 0.3, tolerance);
        assert_ok(scry_prior_prox(P, z, v, 1, work, &err));
        assert_below(scry_distance(z, best, n) / sqrt((double)n), 0.3 * tolerance);
        scry_prior_free(P);
    }
    scry_free(work);
    scry_free(v);
    scry_free(best);
    scry_free(z);
}

static void same_bytes(void **state)
{
    (void)state;
    enum { SIDE = 160 };
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    float *v = random_floats(SIDE * SIDE, 6), *one = random_floats(SIDE * SIDE, 7),
          *four = random_floats(SIDE * SIDE, 8);
    scry_error err = {0};
    scry_prior *P = tv_prior(space, 2, 0.5, 1e-2);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    const int before = omp_get_max_threads();
    double a, b;
    omp_set_num_threads(1);
    assert_ok(scry_prior_prox(P, one, v, 1, work, &err));
    assert_ok(scry_prior_value(P, &a, one, work, &err));
    omp_set_num_threads(4);
    assert_ok(scry_prior_prox(P, four, v, 1, work, &err));
    assert_ok(scry_prior_value(P, &b, four, work, &err));
    omp_set_num_threads(before);
    assert_memory_equal(one, four, SIDE * SIDE * sizeof *one);
    assert_true(a == b);
    scry_free(work);
    scry_free(v);
    scry_free(one);
    scry_free(four);
    scry_prior_free(P);
}

static void refuses(void **state)
{
    (void)state;
    scry_space space = SCRY_SPACE(4, 5), bad = SCRY_SPACE(0);
    float x[20] = {0};
    scry_error err = {0};
    scry_prior *P;
    scry_tv_opts opts;
    assert_fails(scry_tv_create(&P, &bad, 1, 1, NULL, &err), SCRY_ESHAPE);
    assert_fails(scry_tv_create(&P, &space, 0, 1, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_tv_create(&P, &space, 3, 1, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_tv_create(&P, &space, 2, 0, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_tv_create(&P, &space, 2, NAN, NULL, &err), SCRY_EINVAL);
    scry_tv_opts_init(&opts);
    opts.weights[1] = 0;
    assert_fails(scry_tv_create(&P, &space, 2, 1, &opts, &err), SCRY_EINVAL);
    scry_tv_opts_init(&opts);
    opts.tolerance = 0;
    assert_fails(scry_tv_create(&P, &space, 2, 1, &opts, &err), SCRY_EINVAL);
    scry_tv_opts_init(&opts);
    opts.iterations = 0;
    assert_fails(scry_tv_create(&P, &space, 2, 1, &opts, &err), SCRY_EINVAL);
    space.cplx = true;
    assert_fails(scry_tv_create(&P, &space, 2, 1, NULL, &err), SCRY_EUNSUP);
    assert_null(P);
    space.cplx = false;
    check_refusals(P, scry_tv_create(&P, &space, 2, 1, NULL, &err));
    assert_ok(scry_tv_create(&P, &space, 2, 1, NULL, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_fails(scry_prior_denoise(P, x, x, 1, work, &err), SCRY_EUNSUP);
    assert_fails(scry_prior_vjp(P, x, NULL, x, x, 1, work, &err), SCRY_EUNSUP);
    x[7] = NAN;
    assert_fails(scry_prior_prox(P, x, x, 1, work, &err), SCRY_ENUMERIC);
    scry_free(work);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_scikit_image),
        cmocka_unit_test(two_levels),
        cmocka_unit_test(tolerance_is_kept),
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
