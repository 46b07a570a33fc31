/* Expectation maximisation: the accelerated iteration against a plain one in double, its flux, and
 * the number of iterations that held-out counts choose. */
#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "operators/dense.h"
#include "solvers/classical/em_impl.h"
#include "solvers/registry.h"

#include <string.h>

enum { N = 23, M = 19 };

/* Row i sees columns i .. i + 4. */
static void fill_matrix(double *A)
{
    const double k[5] = {.06, .21, .44, .19, .1};
    memset(A, 0, M * N * sizeof *A);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < 5; j++)
            A[i * N + i + j] = k[j];
}

struct setting {
    double A[M * N];
    float y[M];
    scry_noise noise;
    scry_op *op;
    scry_likelihood *L;
    scry_problem problem;
};

static void setting_init(struct setting *s, scry_noise noise)
{
    scry_error err = {0};
    const scry_space dom = SCRY_SPACE(N), cod = SCRY_SPACE(M);
    const scry_affine map = {2.5, 7};
    float z[M];
    fill_matrix(s->A);
    scry_rng_normal(z, 0, M, 4, 0, 0);
    for (int i = 0; i < M; i++) {
        const double mean = (i % 6 == 2 ? 61.7 : 9.3) + noise.background;
        s->y[i] = (float)((mean + sqrt(mean) * z[i]) / noise.gain + noise.offset);
    }
    s->noise = noise;
    assert_ok(scry_dense_create(&s->op, &dom, &cod, s->A, &err));
    assert_ok(scry_likelihood_create(&s->L, s->op, s->y, &noise, &map, &err));
    s->problem = (scry_problem){.L = s->L, .positive = true};
}

static void setting_free(struct setting *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->op);
}

/* Runs to the end; x in the physical unit. */
static scry_progress run(const struct setting *s, const char *words, float *x)
{
    scry_error err = {0};
    scry_solver *S;
    scry_options options;
    scry_progress end;
    const scry_affine map = scry_likelihood_map(s->L);
    scry_options_init(&options, scry_method_find("richardson-lucy"));
    assert_ok(scry_options_parse(&options, words, &err));
    assert_ok(scry_solver_plan(&S, &s->problem, &options, &err));
    assert_ok(scry_solver_start(S, 3, 0, &err));
    assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
    const size_t n = scry_space_count(scry_op_dom(s->op));
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(map.scale * x[i] + map.shift);
    scry_solver_free(S);
    return end;
}

static void product(double *y, const double *A, const double *x)
{
    for (int i = 0; i < M; i++) {
        y[i] = 0;
        for (int j = 0; j < N; j++)
            y[i] += A[i * N + j] * x[j];
    }
}

/* Light beyond that of the data comes off as a constant. */
static void take_pedestal(double *x, const double *w, double flux)
{
    double low = 0, high = 1e4;
    for (int k = 0; k < 100; k++) {
        const double t = (low + high) / 2;
        double sum = 0;
        for (int j = 0; j < N; j++)
            sum += w[j] * fmax(x[j] - t, 0);
        *(sum > flux ? &low : &high) = t;
    }
    for (int j = 0; j < N; j++)
        x[j] = fmax(x[j] - low, 0);
}

/* em_impl.h, written down in double. */
static void reference(const struct setting *s, double *x, int iterations)
{
    double d[M], w[N] = {0}, old[N], step[N] = {0}, flux = 0, sum = 0, pace = 0;
    const double c = s->noise.background + s->noise.read_noise * s->noise.read_noise;
    for (int i = 0; i < M; i++) {
        d[i] =
            (s->y[i] - s->noise.offset) * s->noise.gain + s->noise.read_noise * s->noise.read_noise;
        flux += d[i] - c;
        d[i] = fmax(d[i], 0);
        for (int j = 0; j < N; j++)
            w[j] += s->A[i * N + j];
    }
    for (int j = 0; j < N; j++)
        sum += w[j];
    for (int j = 0; j < N; j++)
        x[j] = old[j] = flux / sum;
    for (int t = 0; t < iterations; t++) {
        double v[N], m[M], mold[M], gg = 0, gh = 0;
        const double a = t && pace > 0 ? fmin(pace, 0.999) : 0;
        for (int j = 0; j < N; j++)
            v[j] = fmax(x[j] + a * (x[j] - old[j]), 1e-6 * flux / sum);
        product(m, s->A, x);
        product(mold, s->A, old);
        for (int i = 0; i < M; i++)
            m[i] = fmax(m[i] + a * (m[i] - mold[i]), 0);
        for (int j = 0; j < N; j++) {
            double z = 0;
            for (int i = 0; i < M; i++)
                z += s->A[i * N + j] * d[i] / (m[i] + c);
            const double next = v[j] * z / w[j], g = next - v[j];
            gg += step[j] * step[j];
            gh += step[j] * g;
            step[j] = g;
            old[j] = x[j];
            x[j] = next;
        }
        pace = gg > 0 ? gh / gg : 0;
    }
    take_pedestal(x, w, flux);
}

static const scry_noise camera = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                                  .gain = 0.5,
                                  .offset = 97,
                                  .read_noise = 1.5,
                                  .background = 2.385};

/* Steps and weights in half the memory of floats leave the iteration as it is. */
static void follows_the_formula(void **state)
{
    (void)state;
    struct setting s;
    double x[N];
    float u[N];
    setting_init(&s, camera);
    const int counts[] = {1, 2, 12, 40};
    for (int k = 0; k < 4; k++) {
        char words[64];
        snprintf(words, sizeof words, "--stop steps --iterations %d", counts[k]);
        run(&s, words, u);
        reference(&s, x, counts[k]);
        double largest = 0;
        for (int j = 0; j < N; j++)
            largest = fmax(largest, x[j]);
        for (int j = 0; j < N; j++)
            assert_near(u[j], x[j], (k < 2 ? 1e-4 : 3e-3) * largest);
    }
    setting_free(&s);
}

/* Few photons on a dark background: light is not made out of noise. */
static void keeps_the_flux_of_dim_images(void **state)
{
    (void)state;
    enum { SIDE = 48, TAPS = 9 };
    scry_error err = {0};
    struct setting s = {
        .noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = 1.5}};
    const scry_space image = SCRY_SPACE(SIDE, SIDE), ps = SCRY_SPACE(TAPS, TAPS);
    const scry_affine map = {1, 0};
    float h[TAPS * TAPS], y[SIDE * SIDE], z[SIDE * SIDE], x[SIDE * SIDE];
    double sum = 0, flux = 0;
    for (int i = 0; i < TAPS * TAPS; i++) {
        h[i] = (float)exp(-(pow(i / TAPS - 4, 2) + pow(i % TAPS - 4, 2)) / 5.12);
        sum += h[i];
    }
    scry_scale(h, 1 / sum, TAPS * TAPS);
    assert_ok(scry_blur_create(
        &s.op, &image, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = SCRY_PERIODIC},
        &err));
    memset(x, 0, sizeof x);
    for (int k = 0; k < 14; k++)
        x[(k * 619 + 77) % (SIDE * SIDE)] = 90;
    void *work = scry_alloc(1, scry_op_work_bytes(s.op));
    assert_ok(scry_op_forward(s.op, y, x, work, &err));
    scry_free(work);
    scry_rng_normal(z, 0, SIDE * SIDE, 8, 0, 0);
    for (int i = 0; i < SIDE * SIDE; i++) {
        y[i] = rintf(y[i] + sqrtf(fmaxf(y[i], 0) + 2.25f) * z[i]);
        flux += y[i];
    }
    assert_ok(scry_likelihood_create(&s.L, s.op, y, &s.noise, &map, &err));
    s.problem = (scry_problem){.L = s.L, .positive = true};
    const char *const ways[] = {"", "--stop discrepancy", "--stop frc", "--acceleration none",
                                "--stop steps --iterations 30 --acceleration nesterov --tv 0.01"};
    for (int k = 0; k < 5; k++) {
        run(&s, ways[k], x);
        assert_near(scry_sum(x, SIDE * SIDE), flux, 1e-3 * flux);
        for (int i = 0; i < SIDE * SIDE; i++)
            assert_true(x[i] >= 0);
    }
    /* an offset above most of the data: their light is negative, and so is the image's */
    const double above = 3 * flux / (SIDE * SIDE);
    s.noise.offset = above;
    scry_likelihood_free(s.L);
    assert_ok(scry_likelihood_create(&s.L, s.op, y, &s.noise, &map, &err));
    s.problem.L = s.L;
    run(&s, "", x);
    flux -= above * SIDE * SIDE;
    assert_near(scry_sum(x, SIDE * SIDE), flux, 1e-3 * fabs(flux));
    setting_free(&s);
}

/* Held-out counts choose a count of iterations, and the result is that iteration of all. */
static void the_search_leaves_no_trace(void **state)
{
    (void)state;
    struct setting s;
    float x[N], same[N];
    setting_init(&s, camera);
    const scry_progress end = run(&s, "", x);
    bool found = false;
    for (size_t n = 1; n <= end.step && !found; n++) {
        char words[64];
        snprintf(words, sizeof words, "--stop steps --iterations %zu", n);
        run(&s, words, same);
        found = !memcmp(x, same, sizeof x);
    }
    assert_true(found);
    setting_free(&s);
}

/* The sums that stop it, against the C library's logarithm. */
static void judges_like_the_library(void **state)
{
    (void)state;
    enum { COUNT = 5003 };
    float *m = scry_alloc(COUNT, sizeof *m), *d = scry_alloc(COUNT, sizeof *d);
    float *held = scry_alloc(COUNT, sizeof *held);
    scry_rng_uniform(m, 0, COUNT, 1, 0, 0);
    for (int i = 0; i < COUNT; i++) {
        m[i] = (float)exp(30 * m[i] - 18);
        d[i] = rintf(m[i] * (i % 3 ? 0.9f : 1.3f));
        held[i] = (float)(i % 7);
    }
    scryi_em E = {.m = COUNT, .c = 0.3};
    const scryi_em_estimate e = {.m = m, .d = d, .share = 0.8};
    double chi2 = 0, fit = 0, gaussian = 0;
    for (int i = 0; i < COUNT; i++) {
        const double a = m[i] + 0.3;
        chi2 += pow(d[i] - 0.8 * a, 2) / (0.8 * a) / COUNT;
        fit += (held[i] * log(a) - 0.2 * a) / COUNT;
        gaussian -= pow(held[i] - a, 2) / COUNT;
    }
    struct scryi_em_judgement j = scryi_em_judge(&E, &e, held, 0);
    assert_near(j.chi2, chi2, 1e-5 * chi2);
    assert_near(j.fit, fit, 1e-6 * fabs(fit));
    j = scryi_em_judge(&E, &e, held, 4);
    assert_near(j.fit, gaussian, 1e-5 * fabs(gaussian));
    scry_free(m);
    scry_free(d);
    scry_free(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formula),
        cmocka_unit_test(keeps_the_flux_of_dim_images),
        cmocka_unit_test(the_search_leaves_no_trace),
        cmocka_unit_test(judges_like_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
