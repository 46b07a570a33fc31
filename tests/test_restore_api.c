#include "tests/check.h"

#include "apps/recon/image/restore.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "operators/blur.h"

#include <string.h>

/* Images from arrays to arrays: a known truth comes back, bad input is refused in words, and
 * refused memory leaves nothing behind. Networks are left out where a method without one shows as
 * much. */

enum { H = 40, W = 52, N = H * W };
static const scry_space space = {.rank = 2, .dims = {H, W}};
static const double NOISE = 0.6; /* sd, of a truth from 5 to 45 */

/* Smooth spots on a slope. */
static void make_truth(float *x)
{
    static const double spots[][4] = {{9, 11, 2.1, 31}, {27, 17, 3.3, 22}, {20, 40, 2.6, 35}};
    for (size_t i = 0; i < N; i++) {
        const double y = (double)(i / W), c = (double)(i % W);
        double v = 5 + 0.07 * y;
        for (size_t k = 0; k < 3; k++) {
            const double dy = y - spots[k][0], dx = c - spots[k][1], s = spots[k][2];
            v += spots[k][3] * exp(-(dy * dy + dx * dx) / (2 * s * s));
        }
        x[i] = (float)v;
    }
}

enum { P = 11 };
static void make_psf(float *psf, double sd)
{
    double sum = 0;
    for (int i = 0; i < P * P; i++) {
        const double y = i / P - P / 2, x = i % P - P / 2;
        psf[i] = (float)exp(-(x * x + y * y) / (2 * sd * sd));
        sum += psf[i];
    }
    for (int i = 0; i < P * P; i++)
        psf[i] = (float)(psf[i] / sum);
}

static void make_blurred(float *y, const float *truth)
{
    scry_error err = {0};
    const scry_space ps = SCRY_SPACE(P, P);
    float psf[P * P], noise[N];
    scry_op *A;
    make_psf(psf, 1.7);
    assert_ok(scry_blur_create(&A, &space, &(scry_blur_params){.psf = psf, .psf_space = ps}, &err));
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_ok(scry_op_forward(A, y, truth, work, &err));
    scry_rng_normal(noise, 0, N, 4, 0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] += (float)NOISE * noise[i];
    scry_free(work);
    scry_op_free(A);
}

static double rms(const float *a, const float *b, const unsigned char *where)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < N; i++) {
        if (where && !where[i]) continue;
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        count++;
    }
    return sqrt(sum / count);
}

/* The request of most tests: a blur with a known noise, and a method without a network. */
static scry_restore_request classical(void)
{
    return (scry_restore_request){.psf.model = "gaussian:sigma=1.7",
                                  .noise.sigma = NOISE,
                                  .method = "tikhonov",
                                  .threads = 1};
}

static void a_blur_is_undone(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[N], psf[P * P];
    scry_restore_result a, b;
    make_truth(truth);
    make_blurred(y, truth);
    make_psf(psf, 1.7);
    const scry_image image = {.space = space, .pixels = y};
    scry_restore_request request = classical();
    request.boundary = SCRY_BOUNDARY_PERIODIC;
    assert_ok(scry_restore(&a, &image, &request, NULL, NULL, &err));
    const double before = rms(y, truth, NULL), after = rms(a.mean, truth, NULL);
    assert_below(after, 0.5 * before);
    assert_near(a.diagnosis.chi2, 1, 0.15); /* by the discrepancy principle */
    assert_int_equal(a.diagnosis.measured, N);
    assert_int_equal(a.noise.kind, SCRY_NOISE_GAUSSIAN);
    assert_null(a.maps);

    /* the same PSF as pixels says the same */
    request.psf = (scry_psf_request){.pixels = psf, .space = SCRY_SPACE(P, P)};
    assert_ok(scry_restore(&b, &image, &request, NULL, NULL, &err));
    assert_below(rms(a.mean, b.mean, NULL), 0.1 * after);
    scry_restore_result_free(&a);
    scry_restore_result_free(&b);
}

/* Colours are blurred each by itself: three times the same plane comes out as the plane does, also
 * where the PSF has a depth or planes, which only stacks use. */
static void light_stays_in_its_colour(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[3 * N], psf[3 * P * P] = {0};
    scry_restore_result one, three;
    make_truth(truth);
    make_blurred(y, truth);
    memcpy(y + N, y, sizeof truth);
    memcpy(y + 2 * N, y, sizeof truth);
    make_psf(psf, 2.6);
    make_psf(psf + P * P, 1.7); /* the brightest, which planes use */
    make_psf(psf + 2 * P * P, 2.6);
    const scry_image grey = {.space = space, .pixels = y};
    const scry_image colours = {.space = SCRY_SPACE(3, H, W), .colour = true, .pixels = y};
    scry_restore_request q = classical();
    const scry_psf_request psfs[] = {
        {.model = "gaussian:sigma=1.7,sigma_z=2", .width_choice = SCRY_WIDTH_KEEP},
        {.pixels = psf, .space = SCRY_SPACE(3, P, P), .width_choice = SCRY_WIDTH_KEEP}};
    for (size_t k = 0; k < 2; k++) {
        q.psf = psfs[k];
        assert_ok(scry_restore(&one, &grey, &q, NULL, NULL, &err));
        assert_ok(scry_restore(&three, &colours, &q, NULL, NULL, &err));
        assert_int_equal(three.psf_space.rank, 2);
        assert_true(scry_space_equal(&three.psf_space, &one.psf_space));
        for (size_t c = 0; c < 3; c++)
            assert_below(rms(three.mean + c * N, one.mean, NULL), 0.1 * NOISE);
        scry_restore_result_free(&one);
        scry_restore_result_free(&three);
    }
}

/* Dim light of counted noise, whose bright spots total variation lowers. */
static void the_flux_is_that_of_the_image(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[N], noise[N];
    scry_restore_result r;
    make_truth(truth);
    make_blurred(y, truth);
    for (size_t i = 0; i < N; i++) /* light that enters at the left border */
        y[i] += 150 * expf(-0.8f * (float)(i % W));
    scry_rng_normal(noise, 0, N, 6, 0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] = 0.1f * y[i] + sqrtf(0.1f * fmaxf(y[i], 0) + 1) * noise[i] + 100;
    const scry_image image = {.space = space, .pixels = y};
    scry_restore_request request = classical();
    request.noise = (scry_noise_request){.gain = 1, .offset = 100, .read_noise = 1};
    request.method = "tv";
    for (int leaves = 0; leaves < 2; leaves++) { /* light, by the borders */
        request.boundary = leaves ? SCRY_BOUNDARY_OPEN : SCRY_BOUNDARY_PERIODIC;
        assert_ok(scry_restore(&r, &image, &request, NULL, NULL, &err));
        assert_near(r.flux_out / r.flux_in, 1, 1e-3);
        for (size_t i = 0; i < N; i++)
            assert_true(r.mean[i] >= 100 - 1e-3f);
        scry_restore_result_free(&r);
    }
}

static void holes_are_filled(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[N];
    unsigned char known[N], missing[N];
    scry_restore_result r;
    make_truth(truth);
    for (size_t i = 0; i < N; i++) {
        known[i] = i * 7919 % 5 > 1;
        missing[i] = !known[i];
        y[i] = known[i] ? truth[i] : -400;
    }
    const scry_image image = {.name = "spots", .space = space, .pixels = y, .known = known};
    const scry_restore_request request = {.method = "biharmonic"};
    assert_ok(scry_restore(&r, &image, &request, NULL, NULL, &err));
    assert_below(rms(r.mean, truth, known), 0.3);
    assert_below(rms(r.mean, truth, missing), 1);
    scry_restore_result_free(&r);
}

/* ---- a posterior, by the shipped network ---- */

static void hear_error_bars(scry_log_kind kind, const char *text, void *ctx)
{
    (void)kind;
    *(int *)ctx += strstr(text, "times their sd") != NULL;
}

static void draws_are_functions_of_the_seed(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[N];
    scry_restore_result a, b, c;
    scry_output_maps maps = {0};
    scry_options options;
    int heard = 0;
    make_truth(truth);
    make_blurred(y, truth);
    scry_options_init(&options, scry_method_find("diffpir"));
    assert_ok(scry_options_set(&options, "steps", 12, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_SD, 0, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_ABOVE, 20, &err));
    const scry_image image = {.space = space, .pixels = y};
    scry_restore_request request = classical();
    request.options = &options;
    request.samples = 3;
    request.maps = &maps;
    request.seed = 8;
    request.log = (scry_log){hear_error_bars, &heard};
    assert_ok(scry_restore(&a, &image, &request, NULL, NULL, &err));
    assert_int_equal(heard, 1);
    assert_int_equal(a.samples, 3);
    assert_int_equal(a.diagnosis.draws, 3);
    for (size_t i = 0; i < N; i++) {
        assert_true(a.maps[i] >= 0);
        const float share = a.maps[N + i] * 3;
        assert_near(share, roundf(share), 1e-5);
    }
    assert_below(rms(a.mean, truth, NULL), rms(y, truth, NULL));
    request.threads = 2;
    assert_ok(scry_restore(&b, &image, &request, NULL, NULL, &err));
    assert_memory_equal(a.mean, b.mean, N * sizeof *a.mean);
    assert_memory_equal(a.maps, b.maps, 2 * N * sizeof *a.maps);
    request.seed = 9;
    assert_ok(scry_restore(&c, &image, &request, NULL, NULL, &err));
    assert_true(memcmp(a.mean, c.mean, N * sizeof *a.mean) != 0);
    scry_restore_result_free(&a);
    scry_restore_result_free(&b);
    scry_restore_result_free(&c);
}

static bool stop_at_third(const scry_chains_progress *p, void *ctx)
{
    (void)p;
    return ++*(size_t *)ctx < 3;
}

static void a_monitor_stops_it(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[N];
    size_t calls = 0;
    scry_restore_result r;
    make_truth(truth);
    make_blurred(y, truth);
    const scry_image image = {.name = "spots", .space = space, .pixels = y};
    scry_restore_request request = classical();
    request.method = "richardson-lucy";
    const size_t before = scry_memory_live();
    assert_int_equal(scry_restore(&r, &image, &request, stop_at_third, &calls, &err), SCRY_ESTOP);
    assert_string_equal(err.text, "spots: interrupted");
    assert_int_equal(calls, 3);
    assert_null(r.mean);
    assert_int_equal(scry_memory_live(), before);
}

/* ---- several images ---- */

static void a_restorer_takes_image_after_image(void **state)
{
    (void)state;
    scry_error err = {0};
    float truth[N], y[N], small[N / 4];
    scry_restorer *restorer;
    scry_restore_result a, b, c;
    make_truth(truth);
    make_blurred(y, truth);
    memcpy(small, y, sizeof small);
    const scry_image image = {.space = space, .pixels = y};
    const scry_image other = {.space = {.rank = 2, .dims = {H / 4, W}}, .pixels = small};
    const scry_restore_request request = classical();
    assert_ok(scry_restorer_create(&restorer, &request, &err));
    assert_ok(scry_restorer_run(&a, restorer, &image, 0, NULL, NULL, &err));
    assert_ok(scry_restorer_run(&b, restorer, &other, 0, NULL, NULL, &err));
    assert_ok(scry_restorer_run(&c, restorer, &image, 0, NULL, NULL, &err));
    assert_memory_equal(a.mean, c.mean, N * sizeof *a.mean);
    assert_null(scry_restorer_network(restorer));
    assert_int_equal(scry_restorer_rank(restorer, 5), 2); /* one sigma says nothing of z */
    scry_restore_result_free(&a);
    scry_restore_result_free(&b);
    scry_restore_result_free(&c);
    scry_restorer_free(restorer);
}

/* ---- bad input ---- */

static float pixels[N]; /* of the images below */
static const scry_image plain = {
    .name = "a.tif", .space = {.rank = 2, .dims = {H, W}}, .pixels = pixels};

static void refused(const scry_image *image, const scry_restore_request *request, scry_status st,
                    const char *words)
{
    scry_error err = {0};
    scry_restore_result r;
    const size_t before = scry_memory_live();
    assert_int_equal(scry_restore(&r, image, request, NULL, NULL, &err), st);
    if (!strstr(err.text, words)) {
        print_error("said '%s', expected '%s' in it\n", err.text, words);
        fail();
    }
    assert_null(r.mean);
    assert_int_equal(scry_memory_live(), before);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    scry_output_maps maps = {0};
    scry_error err = {0};
    make_truth(pixels);
    scry_restore_request q = classical();
    q.method = "magic";
    refused(&plain, &q, SCRY_EINVAL, "no method 'magic'");
    q.method = "heun";
    refused(&plain, &q, SCRY_EINVAL, "heun is not a method that restores");
    q = classical();
    q.low = 5;
    q.high = 1;
    refused(&plain, &q, SCRY_EINVAL, "from 5 to 1");
    q = classical();
    q.noise.sigma = -2;
    refused(&plain, &q, SCRY_EINVAL, "sigma -2");
    q.noise.sigma = NAN;
    refused(&plain, &q, SCRY_EINVAL, "sigma nan");
    q = classical();
    q.noise.gain = 1;
    refused(&plain, &q, SCRY_EINVAL, "two noise models");
    q = classical();
    q.psf.model = "gaussian:sigmo=2";
    refused(&plain, &q, SCRY_EINVAL, "sigmo");
    q = classical();
    q.psf.pixels = pixels;
    q.psf.space = space;
    refused(&plain, &q, SCRY_EINVAL, "expected one of them");
    q.psf.model = NULL;
    q.psf.space.rank = 1;
    refused(&plain, &q, SCRY_ESHAPE, "psf of 1 axes");
    q = classical();
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_SD, 0, &err));
    q.maps = &maps;
    refused(&plain, &q, SCRY_EINVAL, "only one estimate");
    q.maps = NULL;
    q.method = "diffpir";
    q.prior = "tea-leaves";
    refused(&plain, &q, SCRY_EINVAL, "tea-leaves");
}

static void bad_images_are_refused(void **state)
{
    (void)state;
    make_truth(pixels);
    const scry_restore_request q = classical();
    unsigned char none[N] = {0};
    scry_image image = plain;
    image.pixels = NULL;
    refused(&image, &q, SCRY_EINVAL, "without pixels");
    image = plain;
    image.space.rank = 1;
    refused(&image, &q, SCRY_ESHAPE, "a.tif: real image of 1 axes");
    image = plain;
    image.space.cplx = true;
    refused(&image, &q, SCRY_ESHAPE, "complex image");
    image = plain;
    image.known = none;
    refused(&image, &q, SCRY_EINVAL, "a.tif: no pixel of 2080 is known");
    image = plain;
    for (size_t i = 0; i < N; i++)
        pixels[i] = 7;
    refused(&image, &q, SCRY_EINVAL, "7");
    for (size_t i = 0; i < N; i++)
        pixels[i] = NAN;
    refused(&image, &q, SCRY_EINVAL, "2080 are NaN or infinite");
}

/* ---- messages, and refused memory ---- */

static void count_words(scry_log_kind kind, const char *text, void *ctx)
{
    size_t *count = ctx;
    assert_non_null(text);
    count[kind]++;
}

static void it_says_what_it_does(void **state)
{
    (void)state;
    scry_error err = {0};
    size_t count[2] = {0};
    scry_restore_result r;
    make_truth(pixels);
    scry_restore_request q = classical();
    q.log = (scry_log){count_words, count};
    assert_ok(scry_restore(&r, &plain, &q, NULL, NULL, &err));
    assert_true(count[SCRY_LOG_NOTE] >= 2); /* the psf, and the memory */
    assert_int_equal(count[SCRY_LOG_WARNING], 0);
    scry_restore_result_free(&r);
}

/* A psf of 101 x 101 pixels, of whose light `far` lies beyond what 40 x 52 pixels see. */
static void a_psf_is_cut_to_what_the_image_sees(void **state)
{
    (void)state;
    enum { SIDE = 101, FAR = 44 };
    static const double shares[] = {0.05, 0.3};
    float truth[N], y[N], small[P * P];
    static float psf[SIDE * SIDE];
    make_truth(truth);
    make_blurred(y, truth);
    make_psf(small, 1.7);
    const scry_image image = {.space = space, .pixels = y};
    for (int k = 0; k < 2; k++) {
        scry_error err = {0};
        scry_restore_result r;
        size_t count[2] = {0};
        for (int i = 0; i < SIDE * SIDE; i++) {
            const int dy = i / SIDE - SIDE / 2, dx = i % SIDE - SIDE / 2;
            const bool near = abs(dy) <= P / 2 && abs(dx) <= P / 2;
            psf[i] = abs(dy) == FAR && abs(dx) < 5 ? (float)(shares[k] / 18) : 0;
            if (near) psf[i] = (float)(1 - shares[k]) * small[(dy + P / 2) * P + dx + P / 2];
        }
        scry_restore_request q = classical();
        q.psf = (scry_psf_request){.pixels = psf, .space = SCRY_SPACE(SIDE, SIDE)};
        q.log = (scry_log){count_words, count};
        const scry_status st = scry_restore(&r, &image, &q, NULL, NULL, &err);
        assert_int_equal(st, k ? SCRY_ESHAPE : SCRY_OK);
        if (k)
            assert_non_null(strstr(err.text, "30 % of its light lies beyond"));
        else
            assert_int_equal(count[SCRY_LOG_WARNING], 1);
        if (!k) assert_below(rms(r.mean, truth, NULL), 0.6 * rms(y, truth, NULL));
        scry_restore_result_free(&r);
    }
}

static void refused_memory_leaves_nothing(void **state)
{
    (void)state;
    float truth[N], y[N];
    unsigned char known[N];
    make_truth(truth);
    make_blurred(y, truth);
    for (size_t i = 0; i < N; i++)
        known[i] = i % 17 != 3;
    const scry_image image = {.name = "a.tif", .space = space, .pixels = y, .known = known};
    const scry_restore_request q = classical();
    scry_status st = SCRY_ENOMEM;
    size_t nth = 1;
    for (; st != SCRY_OK && nth < 2000; nth++) {
        scry_error err = {0};
        scry_restore_result r;
        const size_t before = scry_memory_live();
        scry_memory_fail_at(nth);
        st = scry_restore(&r, &image, &q, NULL, NULL, &err);
        scry_memory_fail_at(0);
        if (st != SCRY_OK) {
            assert_int_equal(st, SCRY_ENOMEM);
            assert_true(err.text[0] != '\0');
            assert_null(r.mean);
        }
        scry_restore_result_free(&r);
        assert_int_equal(scry_memory_live(), before);
    }
    assert_true(nth > 20 && nth < 2000);
}

int main(void)
{
    setenv("SCRY_PRIORS", "../priors/pretrained", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blur_is_undone),
        cmocka_unit_test(a_psf_is_cut_to_what_the_image_sees),
        cmocka_unit_test(light_stays_in_its_colour),
        cmocka_unit_test(the_flux_is_that_of_the_image),
        cmocka_unit_test(holes_are_filled),
        cmocka_unit_test(draws_are_functions_of_the_seed),
        cmocka_unit_test(a_monitor_stops_it),
        cmocka_unit_test(a_restorer_takes_image_after_image),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(bad_images_are_refused),
        cmocka_unit_test(it_says_what_it_does),
        cmocka_unit_test(refused_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
