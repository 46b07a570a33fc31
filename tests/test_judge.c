/* Methods judged by light that they have not seen: the ranking agrees with the truth where the
 * truth is known, from few photons to many; failures of one method are reported; the prediction
 * that it stands on is A x. */
#include "tests/check.h"

#include "apps/recon/image/judge.h"
#include "apps/recon/image/restore_impl.h"
#include "apps/recon/image/smooth_impl.h"
#include "datasets/phantom.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "operators/psf.h"

#include <gsl/gsl_randist.h>
#include <stdlib.h>
#include <string.h>

enum { H = 96, W = 80, N = H * W };
#define GAIN 0.5
#define OFFSET 100.0
#define READ 1.5
static const char psf_model[] = "gaussian:sigma=1.6";

static float truth[N], camera[N];

/* The camera's image of the truth, blurred, counted and digitised. */
static void take_image(void)
{
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    scry_psf_params params;
    scry_space ps;
    scry_op *A = NULL;
    float *psf = NULL, blurred[N], noise[N];
    gsl_rng *rng = gsl_rng_alloc(scry_rng_gsl());
    assert_ok(scry_psf_parse(&params, psf_model, &err));
    assert_ok(scry_psf_create(&psf, &ps, &params, &(scry_psf_grid){.rank = 2}, NULL, &err));
    assert_ok(scry_blur_create(&A, &space, &(scry_blur_params){.psf = psf, .psf_space = ps}, &err));
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_ok(scry_op_forward(A, blurred, truth, work, &err));
    gsl_rng_set(rng, 8);
    scry_rng_normal(noise, 0, N, 3, 0, 0);
    for (size_t i = 0; i < N; i++) {
        const double counted = gsl_ran_poisson(rng, fmax((double)blurred[i], 0));
        camera[i] = (float)rint((counted + READ * (double)noise[i]) / GAIN + OFFSET);
    }
    gsl_rng_free(rng);
    scry_free(work);
    scry_op_free(A);
    scry_free(psf);
}

/* Cells of `photons` at the peak on a background of 2 %. */
static void expose(double photons)
{
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    assert_ok(scry_phantom_cells(truth, &space, 9, 4, &err));
    for (size_t i = 0; i < N; i++)
        truth[i] = (float)(photons * (truth[i] + 0.02));
    take_image();
}

static scry_restore_request request(void)
{
    return (scry_restore_request){.psf = {.model = psf_model},
                                  .boundary = SCRY_BOUNDARY_PERIODIC,
                                  .defects = SCRY_DEFECTS_KEEP,
                                  .noise = {.gain = GAIN, .offset = OFFSET, .read_noise = READ}};
}

static scry_image image(void)
{
    return (scry_image){.name = "camera", .space = SCRY_SPACE(H, W), .pixels = camera};
}

static scry_options settings(const char *method, const char *text)
{
    scry_error err = {0};
    scry_options o;
    scry_options_init(&o, scry_method_find(method));
    assert_ok(scry_options_parse(&o, text, &err));
    return o;
}

static double square_error(const scry_options *options)
{
    scry_restore_request q = request();
    const scry_image im = image();
    scry_restorer *r = NULL;
    scry_restore_result result = {0};
    scry_error err = {0};
    double sum = 0;
    q.options = options;
    assert_ok(scry_restorer_create(&r, &q, &err));
    assert_ok(scry_restorer_run(&result, r, &im, 1, NULL, NULL, &err));
    for (size_t i = 0; i < N; i++) {
        const double d = (double)(result.mean[i] - OFFSET) * GAIN - truth[i];
        sum += d * d;
    }
    scry_restore_result_free(&result);
    scry_restorer_free(r);
    return sqrt(sum / N);
}

/* Three strengths of one method, too weak, right and too strong at some light: the one that is
 * judged best is not far from the one that is. */
static void the_best_is_found(void **state)
{
    (void)state;
    static const double photons[] = {10, 100, 2000};
    const scry_options list[] = {
        settings("richardson-lucy", "--stop steps --accelerate none --iterations 3"),
        settings("richardson-lucy", "--stop steps --accelerate none --iterations 30"),
        settings("richardson-lucy", "--stop steps --accelerate none --iterations 300"),
    };
    const scry_options *const options[] = {&list[0], &list[1], &list[2]};
    size_t different = 0, last = 3;
    for (size_t p = 0; p < 3; p++) {
        scry_judgement j;
        scry_error err = {0};
        const scry_restore_request q = request();
        double error[3], min = INFINITY, weights = 0;
        expose(photons[p]);
        const scry_image im = image();
        assert_ok(scry_judge_methods(&j, &q, &im, options, 3, 7, NULL, NULL, &err));
        for (size_t k = 0; k < 3; k++) {
            error[k] = square_error(options[k]);
            min = fmin(min, error[k]);
            assert_true(j.of[k].behind.mean >= 0 && !j.of[k].failure[0]);
            weights += j.of[k].weight;
        }
        assert_near(weights, 1, 1e-12);
        assert_true(j.of[j.best].weight > 0);
        print_message("%g photons: rmse %.3g %.3g %.3g, behind %.4f %.4f %.4f\n", photons[p],
                      error[0], error[1], error[2], j.of[0].behind.mean, j.of[1].behind.mean,
                      j.of[2].behind.mean);
        assert_below(error[j.best], 1.06 * min);
        different += j.best != last;
        last = j.best;
    }
    assert_true(different >= 2); /* one strength does not serve all */
}

static void a_method_that_fails_is_named(void **state)
{
    (void)state;
    char expected[256];
    const scry_options good = settings("tikhonov", ""), bad = settings("biharmonic", "");
    const scry_options *const both[] = {&bad, &good}, *const none[] = {&bad};
    scry_judgement j;
    scry_error err = {0};
    const scry_restore_request q = request();
    expose(50);
    const scry_image im = image();
    assert_ok(scry_judge_methods(&j, &q, &im, both, 2, 7, NULL, NULL, &err));
    assert_int_equal(j.best, 1);
    assert_true(j.of[0].failure[0] != '\0');
    assert_non_null(
        strstr(scry_judgement_print(&j, expected, sizeof expected), "biharmonic failed"));
    assert_fails(scry_judge_methods(&j, &q, &im, none, 1, 7, NULL, NULL, &err), SCRY_EUNSUP);
    assert_fails(scry_judge_methods(&j, &q, &im, both, 0, 7, NULL, NULL, &err), SCRY_EINVAL);
}

static bool count_trials(const scry_chains_progress *p, void *ctx)
{
    assert_true(p->trial);
    ++*(size_t *)ctx;
    return true;
}

/* A chain tells how long all of the image takes. */
static void a_method_that_takes_too_long_is_left_out(void **state)
{
    (void)state;
    const scry_options draws = settings("diffpir", "--steps 1"), fits = settings("tikhonov", "");
    const scry_options *const both[] = {&draws, &fits};
    scry_judgement j;
    size_t trials = 0;
    scry_error err = {0};
    scry_restore_request q = request();
    expose(50);
    const scry_image im = image();
    q.seconds = 1e-9;
    assert_ok(scry_judge_methods(&j, &q, &im, both, 2, 7, NULL, NULL, &err));
    assert_int_equal(j.best, 1);
    assert_non_null(strstr(j.of[0].failure, "as long as allowed (--time)"));
    q.seconds = 1e9;
    assert_ok(scry_judge_methods(&j, &q, &im, both, 2, 7, count_trials, &trials, &err));
    assert_int_equal(j.of[0].failure[0], '\0');
    assert_true(trials > 0);
}

/* The networks know planes. */
static void volumes_are_fitted(void **state)
{
    (void)state;
    enum { D = 6, R = 40, C = 32 };
    scry_restore_request q = request();
    scry_restorer *r = NULL;
    scry_restore_result result = {0};
    scry_error err = {0};
    float volume[D * R * C];
    scry_rng_normal(volume, 0, D * R * C, 5, 0, 0);
    for (size_t i = 0; i < D * R * C; i++)
        volume[i] = (float)(OFFSET + 60 + 8 * (double)volume[i]);
    for (size_t i = R * C * 3 / 2; i < D * R * C; i += 977)
        volume[i] += 900;
    const scry_image im = {.name = "volume", .space = SCRY_SPACE(D, R, C), .pixels = volume};
    q.psf.model = "gaussian:sigma=1.2,sigma_z=1.7";
    q.prior = SCRY_PRIOR_MICROSCOPY;
    assert_ok(scry_restorer_create(&r, &q, &err));
    assert_ok(scry_restorer_run(&result, r, &im, 1, NULL, NULL, &err));
    assert_int_equal(result.judgement.count, 2);
    for (size_t k = 0; k < 2; k++)
        assert_string_equal(result.judgement.of[k].method->name, "richardson-lucy");
    scry_restore_result_free(&result);
    scry_restorer_free(r);
}

/* A method that iterates takes fewer steps, and says so. */
static void iterations_are_bounded_by_the_time(void **state)
{
    (void)state;
    scry_restore_request q = request();
    scry_restorer *r = NULL;
    scry_restore_result result = {0};
    scry_error err = {0};
    double value;
    expose(100);
    const scry_image im = image();
    q.seconds = 1e-9;
    assert_ok(scry_restorer_create(&r, &q, &err));
    assert_ok(scry_restorer_run(&result, r, &im, 1, NULL, NULL, &err));
    assert_non_null(strstr(result.judgement.kept, "3 of "));
    assert_ok(scry_options_get(&result.options, "iterations", &value, &err));
    assert_near(value, 3, 0);
    assert_true(result.judgement.of[0].iterations > 3);
    assert_true(result.judgement.of[0].steps > result.judgement.of[0].iterations);
    scry_restore_result_free(&result);
    scry_restorer_free(r);
}

/* Without options the restorer chooses, says so, and its prediction explains the data. */
static void the_restorer_chooses(void **state)
{
    (void)state;
    scry_restore_request q = request();
    scry_restorer *r = NULL;
    scry_restore_result result = {0};
    scry_error err = {0};
    double chi2 = 0;
    expose(100);
    const scry_image im = image();
    q.predict = true;
    assert_ok(scry_restorer_create(&r, &q, &err)); /* no prior: no network contends */
    assert_ok(scry_restorer_run(&result, r, &im, 1, NULL, NULL, &err));
    assert_int_equal(result.judgement.count, 2); /* with twenty plain steps of the same */
    assert_string_equal(result.judgement.of[0].name, "richardson-lucy");
    assert_non_null(strstr(result.judgement.of[1].name, "richardson-lucy --iterations 20"));
    assert_string_equal(result.options.method->name, "richardson-lucy");
    for (size_t i = 0; i < N; i++) {
        const double e = fmax(((double)result.predicted[i] - OFFSET) * GAIN, 0) + READ * READ;
        const double d = ((double)camera[i] - result.predicted[i]) * GAIN;
        chi2 += d * d / e / N;
    }
    assert_near(chi2, 1, 0.15);
    /* the psf is right: held-out light does not follow what the spectrum prefers */
    assert_false(result.psf_width.determined);
    assert_below(result.psf_width.factor, 0.88);
    assert_near(result.psf_factor, 0.946, 0.01);
    scry_restore_result_free(&result);
    scry_restorer_free(r);
}

/* The weight of diffpir, of which `weight` was judged best, with a fit that is behind by so many
 * standard errors. */
static double halved(double weight, double errors, const char *failure)
{
    scry_judgement j = {.count = 3, .best = 2};
    j.of[0] = (scry_judged){.method = scry_method_find("richardson-lucy"), .behind = {errors, 1}};
    j.of[1] = (scry_judged){.method = j.of[0].method, .behind = {9, 1}, .weight = 1 - weight};
    j.of[2] = (scry_judged){.method = scry_method_find("diffpir"), .weight = weight};
    snprintf(j.of[0].failure, sizeof j.of[0].failure, "%s", failure);
    scry_judgement_halve(&j);
    assert_near(j.of[0].weight + j.of[1].weight + j.of[2].weight, 1, 1e-12);
    assert_true(j.of[0].weight == 0 || j.of[0].weight == 0.5);
    return j.of[2].weight;
}

static void draws_have_half_unless_certain(void **state)
{
    (void)state;
    assert_true(halved(1, 4, "") == 0.5 && halved(0.75, 4, "") == 0.5);
    assert_true(halved(1, 6, "") == 1 && halved(0.75, 6, "") == 0.75);
    assert_true(halved(0.25, 4, "") == 0.25);
    assert_true(halved(1, 4, "none") == 1); /* the next fit is behind by nine */
}

static void listen(scry_log_kind kind, const char *text, void *ctx)
{
    (void)kind;
    *(int *)ctx += strstr(text, "narrower psfs") != NULL;
}

static bool noise_is_given = true;

/* The psf that is used for clouds on darkness, a specimen that is smooth by itself. */
static double width_used(const char *psf, int *said)
{
    scry_error err = {0};
    scry_restore_result result = {0};
    scry_restore_request q = request();
    const scry_image im = image();
    q.psf.model = psf;
    q.psf.width_choice = SCRY_WIDTH_CHECK;
    if (!noise_is_given) q.noise = (scry_noise_request){.choice = SCRY_NOISE_ESTIMATED};
    q.log = (scry_log){listen, said};
    assert_ok(scry_restore(&result, &im, &q, NULL, NULL, &err));
    assert_false(result.psf_width.determined);
    const double factor = result.psf_factor;
    scry_restore_result_free(&result);
    return factor;
}

static void a_width_that_only_held_out_light_tells(void **state)
{
    (void)state;
    int said = 0;
    float plane[N];
    scry_rng_normal(truth, 0, N, 3, 0, 0);
    scryi_image_smooth(truth, truth, 1, H, W, 6, plane);
    for (size_t i = 0; i < N; i++)
        truth[i] = 4e5F * fmaxf(truth[i], 0) + 20;
    scryi_image_smooth(truth, truth, 1, H, W, 1.2, plane);
    take_image();
    assert_true(width_used("gaussian:sigma=1.6", &said) == 1);
    assert_int_equal(said, 0);
    assert_below(width_used("gaussian:sigma=2.24", &said), 0.81);
    assert_int_equal(said, 1);
}

/* Blocks of 8 x 8 pixels whose cosine coefficients are multiples of `step`. */
static void compress(float *y, double step)
{
    double C[8][8], a[8][8], b[8][8];
    for (int k = 0; k < 64; k++)
        C[k / 8][k % 8] = cos(SCRY_PI * (k / 8) * (k % 8 + 0.5) / 8) * (k < 8 ? sqrt(0.125) : 0.5);
    for (size_t at = 0; at < N; at += at % W == W - 8 ? 7 * W + 8 : 8) {
        for (int k = 0; k < 64; k++) {
            a[k / 8][k % 8] = 0;
            for (int i = 0; i < 64; i++)
                a[k / 8][k % 8] += C[k / 8][i / 8] * C[k % 8][i % 8] *
                                   y[at + (size_t)(i / 8) * W + (size_t)(i % 8)];
        }
        for (int k = 0; k < 64; k++)
            b[k / 8][k % 8] = step * rint(a[k / 8][k % 8] / step);
        for (int i = 0; i < 64; i++) {
            double sum = 0;
            for (int k = 0; k < 64; k++)
                sum += C[k / 8][i / 8] * C[k % 8][i % 8] * b[k / 8][k % 8];
            y[at + (size_t)(i / 8) * W + (size_t)(i % 8)] = (float)rint(sum);
        }
    }
}

/* The spectrum of a JPEG is not asked. */
static void a_width_after_compression(void **state)
{
    (void)state;
    int said = 0;
    expose(3000);
    for (size_t i = 0; i < N; i++)
        camera[i] = (camera[i] - (float)OFFSET) / 30;
    compress(camera, 8);
    noise_is_given = false;
    assert_below(width_used("gaussian:sigma=3.2", &said), 0.81);
    assert_int_equal(said, 1);
    noise_is_given = true;
}

/* Gains of .8 and .64 of the given width, 1e-3 nats a pixel, the first with an error of .2. */
static bool doubted(double first, double second, double factor, bool contradicted)
{
    const scry_margin gain[] = {{0}, {1e-3 * first, 2e-4}, {1e-3 * second, 2e-4}};
    return scryi_width_is_doubted(gain, factor, contradicted);
}

static void spectra_are_doubted(void **state)
{
    (void)state;
    assert_true(doubted(0.3, -0.1, 0.85, false));
    assert_false(doubted(0.3, -0.1, 0.85, true));  /* the spectrum is sure enough */
    assert_false(doubted(0.5, -0.1, 0.85, false)); /* .8 of it is better */
    assert_false(doubted(0.3, 0.1, 0.85, false));  /* .64 is better still */
    assert_false(doubted(0.3, -0.1, 1, false));
    assert_true(doubted(1.5, 0.1, 0.5, true)); /* twice too wide would show */
    assert_false(doubted(7, -0.5, 0.5, true));
    assert_false(doubted(0.3, 0.6, 0.5, true));
}

int main(void)
{
    setenv("SCRY_PRIORS", "../priors/pretrained", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_is_found),
        cmocka_unit_test(a_method_that_fails_is_named),
        cmocka_unit_test(a_method_that_takes_too_long_is_left_out),
        cmocka_unit_test(iterations_are_bounded_by_the_time),
        cmocka_unit_test(volumes_are_fitted),
        cmocka_unit_test(the_restorer_chooses),
        cmocka_unit_test(draws_have_half_unless_certain),
        cmocka_unit_test(spectra_are_doubted),
        cmocka_unit_test(a_width_after_compression),
        cmocka_unit_test(a_width_that_only_held_out_light_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
