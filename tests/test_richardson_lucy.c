/* Richardson-Lucy on a problem that is small enough for plain loops. */
#include "tests/small_blur.h"

#include "lib/memory.h"
#include "solvers/classical/difference_impl.h"

struct trace {
    const struct setting *s;
    double nll[400];
    size_t count;
    void *work;
};

static bool record(const scry_progress *p, void *ctx)
{
    struct trace *t = ctx;
    scry_error err = {0};
    assert_ok(scry_likelihood_value(t->s->L, &t->nll[t->count++], p->x0, t->work, &err));
    return true;
}

/* EM never lowers the likelihood; accelerated, it gets there in far fewer iterations. */
static void test_rl_likelihood(void **state)
{
    (void)state;
    struct setting s;
    float x[N];
    setting_init(&s, camera, 15);
    struct trace plain = {.s = &s}, fast = {.s = &s};
    plain.work = fast.work = scry_alloc(1, scry_likelihood_work_bytes(s.L));
    struct setup set[] = {{"accelerate", 0}, {"stop", 0}, {"iterations", 300}, {0}};
    run("richardson-lucy", &s.problem, set, x, record, &plain);
    assert_int_equal(plain.count, 300);
    for (int i = 1; i < 300; i++)
        assert_below(plain.nll[i], plain.nll[i - 1] + 1e-3);
    set[2].value = 60;
    for (int kind = 1; kind <= 2; kind++) {
        fast.count = 0;
        set[0].value = kind;
        run("richardson-lucy", &s.problem, set, x, record, &fast);
        assert_below(fast.nll[59], plain.nll[299] + 0.02);
    }
    scry_free(plain.work);
    setting_free(&s);
}

/* A circulant blur without background keeps the flux of the data at every iteration, and a plain
 * loop in double gives the same image. */
static void test_rl_flux(void **state)
{
    (void)state;
    enum { n = 11 };
    scry_error err = {0};
    scry_op *op;
    scry_likelihood *L;
    double A[n * n] = {0}, e[n], m[n];
    float y[n], x[n];
    const double k[3] = {.25, .6, .15};
    for (int i = 0; i < n; i++) {
        y[i] = (float)(3 + (i * 7 % 5) * 11);
        for (int j = 0; j < 3; j++)
            A[i * n + (i + j + n - 1) % n] = k[j];
    }
    const scry_space space = SCRY_SPACE(n);
    const scry_noise noise = {.kind = SCRY_NOISE_POISSON, .gain = 1};
    const scry_affine map = {1, 0};
    assert_ok(scry_dense_create(&op, &space, &space, A, &err));
    assert_ok(scry_likelihood_create(&L, op, y, &noise, &map, &err));
    const scry_problem problem = {.L = L, .positive = true};
    const struct setup set[] = {{"accelerate", 0}, {"stop", 0}, {"iterations", 17}, {0}};
    run("richardson-lucy", &problem, set, x, NULL, NULL);
    assert_near(scry_sum(x, n), scry_sum(y, n), 1e-3);
    for (int i = 0; i < n; i++)
        e[i] = scry_sum(y, n) / n;
    for (int t = 0; t < 17; t++) {
        for (int i = 0; i < n; i++) {
            m[i] = 0;
            for (int j = 0; j < n; j++)
                m[i] += A[i * n + j] * e[j];
        }
        for (int j = 0; j < n; j++) {
            double factor = 0;
            for (int i = 0; i < n; i++)
                factor += A[i * n + j] * y[i] / m[i];
            e[j] *= factor;
        }
    }
    for (int i = 0; i < n; i++)
        assert_near(x[i], e[i], 1e-3);
    scry_likelihood_free(L);
    scry_op_free(op);
}

static void test_rl_stop(void **state)
{
    (void)state;
    struct setting s;
    float x[N], tv[N];
    setting_init(&s, camera, 16);
    const struct setup set[] = {{"accelerate", 0}, {"stop", 1 /* discrepancy */}, {0}};
    scry_progress end = run("richardson-lucy", &s.problem, set, x, NULL, NULL);
    assert_below(end.residual, 1 + 1e-9);
    assert_true(end.step > 1);
    const struct setup one_less[] = {
        {"accelerate", 0}, {"stop", 0}, {"iterations", (double)(end.step - 1)}, {0}};
    end = run("richardson-lucy", &s.problem, one_less, x, NULL, NULL);
    assert_below(1, end.residual);
    end = run("richardson-lucy", &s.problem, NULL, x, NULL, NULL);
    assert_true(end.step > 3 && end.step < 200);
    for (int i = 0; i < N; i++)
        assert_true(x[i] >= 0);

    /* total variation falls with its weight */
    scryi_difference G;
    float p[2 * N];
    double before = INFINITY;
    scryi_difference_init(&G, scry_op_dom(s.op));
    for (double weight = 0; weight < 0.07; weight += 0.03) {
        const struct setup with[] = {{"tv", weight}, {"stop", 0}, {"iterations", 50}, {0}};
        run("richardson-lucy", &s.problem, with, tv, NULL, NULL);
        scryi_gradient(&G, p, tv);
        const double variation = scryi_length_sum(&G, p);
        assert_below(variation, before);
        before = variation;
    }
    setting_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rl_likelihood),
        cmocka_unit_test(test_rl_flux),
        cmocka_unit_test(test_rl_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
