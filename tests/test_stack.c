/* Stacks whose PSF is taller than they are: the error of a truncated one, the whole one does
 * not. */
#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "solvers/registry.h"

#include <string.h>

enum { Z = 6, Y = 20, X = 18, TALL = 2 * Z - 1, SIDE = 9 };

static const scry_space stack = {.rank = 3, .dims = {Z, Y, X}};

/* sigma 2.6 planes and 1.4 pixels; `planes` of TALL, sum 1. */
static void fill_psf(float *h, size_t planes)
{
    double sum = 0;
    for (size_t i = 0; i < planes * SIDE * SIDE; i++) {
        const double z = (double)(i / (SIDE * SIDE)) - (double)(planes / 2);
        const double y = (double)(i / SIDE % SIDE) - SIDE / 2, x = (double)(i % SIDE) - SIDE / 2;
        h[i] = (float)exp(-z * z / (2 * 2.6 * 2.6) - (x * x + y * y) / (2 * 1.4 * 1.4));
        sum += h[i];
    }
    scry_scale(h, 1 / sum, planes * SIDE * SIDE);
}

struct scene {
    scry_op *A;
    scry_window window;
    float truth[Z * Y * X], y[Z * Y * X];
};

/* Beads inside the stack, measured by the whole PSF; 800 electrons in the brightest. */
static void scene_init(struct scene *s, size_t planes, scry_boundary boundary)
{
    scry_error err = {0};
    scry_op *whole;
    scry_window w;
    float h[TALL * SIDE * SIDE];
    scry_space ps = SCRY_SPACE(TALL, SIDE, SIDE);
    static const size_t beads[][3] = {{2, 9, 6}, {3, 5, 12}, {1, 14, 10}, {4, 11, 11}, {2, 6, 5}};
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < sizeof beads / sizeof *beads; i++)
        s->truth[(beads[i][0] * Y + beads[i][1]) * X + beads[i][2]] = 800 - 90 * (float)i;
    fill_psf(h, TALL);
    assert_ok(scry_blur_domain(&w, &stack, &ps, SCRY_OPEN, 1, &err));
    assert_ok(scry_blur_create(
        &whole, &stack, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = SCRY_OPEN},
        &err));
    float *full = scry_alloc(scry_space_count(&w.outer), sizeof *full);
    void *work = scry_alloc(1, scry_op_work_bytes(whole));
    scry_window_pad(&w, full, s->truth);
    assert_ok(scry_op_forward(whole, s->y, full, work, &err));
    scry_free(full);
    scry_free(work);
    scry_op_free(whole);
    float noise[Z * Y * X];
    scry_rng_normal(noise, 0, Z * Y * X, 5, 0, 0);
    for (size_t i = 0; i < Z * Y * X; i++)
        s->y[i] += 0.05f * noise[i];
    fill_psf(h, planes);
    ps.dims[0] = planes;
    assert_ok(scry_blur_domain(&s->window, &stack, &ps, boundary, 1, &err));
    assert_ok(scry_blur_create(
        &s->A, &stack, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = boundary}, &err));
}

/* Light of the estimate inside the stack over that of the truth. */
static double flux_of(const struct scene *s, size_t iterations)
{
    scry_error err = {0};
    scry_likelihood *L;
    scry_solver *S;
    scry_options options;
    scry_progress end;
    const struct scry_method *rl = scry_method_find("richardson-lucy");
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.05};
    const scry_affine map = {1, 0};
    assert_ok(scry_likelihood_create(&L, s->A, s->y, &noise, &map, &err));
    const scry_problem problem = {.L = L, .positive = true};
    scry_options_init(&options, rl);
    assert_ok(scry_options_set(&options, "iterations", (double)iterations, &err));
    assert_ok(scry_options_read(&options, "stop", "steps", &err));
    assert_ok(scry_solver_plan(&S, &problem, &options, &err));
    assert_ok(scry_solver_start(S, 1, 0, &err));
    float *x = scry_alloc(scry_space_count(&s->window.outer), sizeof *x), inside[Z * Y * X];
    assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
    scry_window_crop(&s->window, inside, x);
    const double flux = scry_sum(inside, Z * Y * X) / scry_sum(s->truth, Z * Y * X);
    scry_free(x);
    scry_solver_free(S);
    scry_likelihood_free(L);
    return flux;
}

static void flux_survives_a_tall_psf(void **state)
{
    (void)state;
    const scry_boundary open[] = {SCRY_OPEN, SCRY_JOINED};
    struct scene *s = malloc(sizeof *s);
    assert_non_null(s);
    for (int i = 0; i < 2; i++) {
        scene_init(s, TALL, open[i]);
        assert_near(flux_of(s, 200), 1, 0.01);
        scry_op_free(s->A);
    }
    scene_init(s, Z - 1, SCRY_OPEN); /* the planes that fit the stack are not enough */
    const double cut = flux_of(s, 200);
    print_message("flux of a truncated psf %.3f\n", cut);
    assert_true(fabs(cut - 1) > 0.03);
    scry_op_free(s->A);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flux_survives_a_tall_psf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
