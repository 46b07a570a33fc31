/* Richardson-Lucy ended by the Fourier ring correlation of two halves of the counts. */
#include "tests/options.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "operators/blur.h"
#include "operators/dense.h"
#include "solvers/registry.h"

#include <omp.h>
#include <string.h>

enum { SY = 32, SX = 40 };

static const scry_noise camera = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                                  .gain = 0.5,
                                  .offset = 97,
                                  .read_noise = 1.5,
                                  .background = 2.385};

/* Plain EM; iterations 0: as many as the option has by default. */
static size_t run(const scry_problem *problem, const char *stop, size_t iterations, float *x)
{
    scry_error err = {0};
    scry_solver *S = NULL;
    scry_options opts;
    scry_progress end;
    const struct scry_method *rl = scry_method_find("richardson-lucy");
    scry_options_init(&opts, rl);
    option_word(&opts, "stop", stop);
    option_word(&opts, "accelerate", "none");
    if (iterations) option_set(&opts, "iterations", iterations);
    assert_ok(scry_solver_plan(&S, problem, &opts, &err));
    assert_ok(scry_solver_start(S, 7, 0, &err));
    assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
    assert_int_equal(end.reason, SCRY_DONE);
    scry_solver_free(S);
    return end.step;
}

/* An image of 32 x 40 with fine structure under a blur whose taps are 1 4 6 4 1 along each axis,
 * periodic, and as many photons as `peak` at its brightest: large enough for Fourier rings. */
struct scene {
    scry_op *op;
    scry_likelihood *L;
    scry_problem problem;
    float truth[SY * SX];
};

static void scene_init(struct scene *s, double peak, uint64_t seed)
{
    scry_error err = {0};
    float psf[25], y[SY * SX], z[SY * SX];
    const double taps[5] = {1, 4, 6, 4, 1};
    const scry_space space = SCRY_SPACE(SY, SX), five = SCRY_SPACE(5, 5);
    const scry_affine map = {1, 0};
    for (int k = 0; k < 25; k++)
        psf[k] = (float)(taps[k / 5] * taps[k % 5] / 256);
    for (int i = 0; i < SY * SX; i++) {
        const int r = i / SX, c = i % SX;
        const bool lit = (r * 7 + c * 3) % 13 < 2 || hypot(r - 15.3, c - 21.7) < 6;
        s->truth[i] = (float)(peak * (lit ? 1 : 0.04));
    }
    assert_ok(
        scry_blur_create(&s->op, &space, &(scry_blur_params){.psf = psf, .psf_space = five}, &err));
    void *work = scry_alloc(1, scry_op_work_bytes(s->op));
    assert_ok(scry_op_forward(s->op, y, s->truth, work, &err));
    scry_free(work);
    scry_rng_normal(z, 0, SY * SX, seed, 0, 0);
    for (int i = 0; i < SY * SX; i++) {
        const double m = fmax(y[i], 0) + camera.background;
        y[i] = (float)((m + sqrt(m + camera.read_noise * camera.read_noise) * z[i]) / camera.gain +
                       camera.offset);
    }
    assert_ok(scry_likelihood_create(&s->L, s->op, y, &camera, &map, &err));
    s->problem = (scry_problem){.L = s->L, .positive = true};
}

static void scene_free(struct scene *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->op);
}

static double scene_error(const struct scene *s, const float *x)
{
    double sum = 0;
    for (int i = 0; i < SY * SX; i++)
        sum += pow((double)x[i] - s->truth[i], 2);
    return sum / (SY * SX);
}

/* Fourier rings stop it near the best iteration, long before noise has taken over, with the same
 * bytes every time and at any number of threads; the estimate is an iteration of the whole data. */
static void stops_near_the_best(void **state)
{
    (void)state;
    struct scene s;
    float x[SY * SX], again[SY * SX];
    const int threads = omp_get_max_threads();
    for (int k = 0; k < 3; k++) {
        scene_init(&s, (double[]){25, 60, 150}[k], 31 + (uint64_t)k);
        omp_set_num_threads(1);
        const size_t end = run(&s.problem, "frc", 0, x);
        assert_true(end > 3 && end < 200);
        omp_set_num_threads(4);
        run(&s.problem, "frc", 0, again);
        omp_set_num_threads(threads);
        assert_memory_equal(x, again, sizeof x);

        double best = INFINITY, last = 0;
        bool found = false;
        for (size_t n = 1; n <= 300; n += n < end ? 1 : 1 + n / 8) {
            run(&s.problem, "steps", n, again);
            last = scene_error(&s, again);
            best = fmin(best, last);
            found = found || !memcmp(x, again, sizeof x);
        }
        assert_true(found);
        assert_below(scene_error(&s, x), 1.25 * best);
        assert_below(1.2 * scene_error(&s, x), last);
        scene_free(&s);
    }
}

/* Cut short before the first comparison it is the iteration that was reached. */
static void keeps_early_iterations(void **state)
{
    (void)state;
    struct scene s;
    float x[SY * SX], steps[SY * SX];
    scene_init(&s, 60, 5);
    for (size_t n = 1; n <= 2; n++) {
        assert_int_equal(run(&s.problem, "frc", n, x), 2 * n); /* of the halves, then of all */
        run(&s.problem, "steps", n, steps);
        assert_memory_equal(x, steps, sizeof x);
    }
    scene_free(&s);
}

/* Rings need planes of 8 x 8 measured pixels: not a line, and not 7 x 9. */
static void refuses_without_rings(void **state)
{
    (void)state;
    const scry_space spaces[] = {SCRY_SPACE(63), SCRY_SPACE(7, 9)};
    const struct scry_method *rl = scry_method_find("richardson-lucy");
    const scry_affine map = {1, 0};
    static double identity[63 * 63];
    float y[63];
    scry_options opts;
    scry_options_init(&opts, rl);
    option_word(&opts, "stop", "frc");
    for (int i = 0; i < 63; i++)
        identity[i * 64] = 1;
    for (int i = 0; i < 63; i++)
        y[i] = (float)(120 + i % 7);
    for (int k = 0; k < 2; k++) {
        scry_error err = {0};
        scry_op *op;
        scry_likelihood *L;
        scry_solver *S = NULL;
        assert_ok(scry_dense_create(&op, &spaces[k], &spaces[k], identity, &err));
        assert_ok(scry_likelihood_create(&L, op, y, &camera, &map, &err));
        const scry_problem problem = {.L = L, .positive = true};
        const scry_status st = scry_solver_plan(&S, &problem, &opts, &err);
        assert_int_equal(st, k ? SCRY_OK : SCRY_EUNSUP);
        if (k) assert_int_equal(scry_solver_start(S, 1, 0, &err), SCRY_ESHAPE);
        assert_non_null(strstr(err.text, k ? "7 x 9" : "rank 1"));
        scry_solver_free(S);
        scry_likelihood_free(L);
        scry_op_free(op);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_near_the_best),
        cmocka_unit_test(keeps_early_iterations),
        cmocka_unit_test(refuses_without_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
