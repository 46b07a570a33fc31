/* Frames with their own measurements, and the methods that join them: on a beating heart whose
 * frames sample every eighth line, each with others. */

#include "tests/check.h"
#include "tests/op_check.h"

#include "datasets/cine.h"
#include "datasets/scanner.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "operators/dense.h"
#include "operators/fourier.h"
#include "operators/series.h"
#include "solvers/chains.h"

#include <complex.h>
#include <string.h>

enum { T = 12, C = 6, H = 64, W = 48, N = H * W, R = 8 };

static void frames_are_measured_apart(void **state)
{
    (void)state;
    scry_error err = {0};
    static const double a[] = {1, 2, -1, 0.5, 3, 0, 2, 1, 1}, b[] = {-1, 0, 4, 2, 1, 0.5};
    const scry_space image = SCRY_SPACE(3), three = SCRY_SPACE(3), two = SCRY_SPACE(2);
    scry_op *parts[2], *A = NULL;
    double worst;
    assert_ok(scry_dense_create(&parts[0], &image, &three, a, &err));
    assert_ok(scry_dense_create(&parts[1], &image, &two, b, &err));
    const size_t live = scry_memory_live();
    scry_memory_fail_at(1);
    assert_fails(scry_series_create(&A, parts, 2, &err), SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_int_equal(scry_memory_live(), live);
    assert_fails(scry_series_create(&A, parts, 0, &err), SCRY_EINVAL);
    assert_ok(scry_series_create(&A, parts, 2, &err));
    assert_true(scry_op_dom(A)->rank == 2 && scry_op_dom(A)->dims[0] == 2);
    assert_int_equal(scry_space_count(scry_op_cod(A)), 5);
    const float x[] = {1, 2, 3, -1, 0.5f, 2};
    float y[5];
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_ok(scry_op_forward(A, y, x, work, &err));
    const float want[] = {2, 6.5f, 7, 9, -0.5f};
    for (int i = 0; i < 5; i++)
        assert_near(y[i], want[i], 1e-6);
    assert_ok(scry_op_check(A, 3, 4, &worst, &err));
    scry_free(work);
    scry_op_free(A);
}

/* ---- a heart ---- */

struct heart {
    float complex truth[T * N], maps[C * N];
    unsigned char mask[T][N];
    scry_op *A;
    float *y;
    double sigma;
};

/* Lines t, t + 8, ... of frame t, and the six in the middle. */
static struct heart *beating(uint64_t seed)
{
    scry_error err = {0};
    struct heart *h = scry_alloc(1, sizeof *h);
    scry_op *frame[T];
    float complex *k = scry_alloc(C * N, sizeof *k);

    h->sigma = 0.01;
    assert_ok(scry_scanner_coils(h->maps, NULL, C, H, W, seed, &err));
    for (size_t t = 0; t < T; t++) {
        for (size_t i = 0; i < N; i++)
            h->mask[t][i] = i / W % R == t * 3 % R || (i / W + 3 >= H / 2 && i / W < H / 2 + 3);
        assert_ok(scry_sense_create(&frame[t],
                                    &(scry_sense_params){.maps = h->maps,
                                                         .coils = C,
                                                         .sets = 1,
                                                         .ny = H,
                                                         .nx = W,
                                                         .mask = h->mask[t],
                                                         .axes = SCRY_FOURIER_YX},
                                    &err));
    }
    assert_ok(scry_series_create(&h->A, frame, T, &err));
    h->y = scry_alloc(scry_space_floats(scry_op_cod(h->A)), sizeof *h->y);
    float *y = h->y;
    for (size_t t = 0; t < T; t++) {
        float complex *truth = h->truth + t * N;
        assert_ok(scry_cine_frame(truth, H, W, (double)t / T, seed, &err));
        assert_ok(scry_scanner_image(k, truth, h->maps, C, H, W, &err));
        scry_scanner_noise(k, C * N, h->sigma, seed, t * C * N);
        assert_ok(scry_fourier_gather(frame[t], (float complex *)y, k, &err));
        y += scry_space_floats(scry_op_cod(frame[t]));
    }
    scry_free(k);
    return h;
}

static void heart_free(struct heart *h)
{
    scry_op_free(h->A);
    scry_free(h->y);
    scry_free(h);
}

static double psnr(const float complex *x, const float complex *truth, size_t n)
{
    double off = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        off += pow((double)cabsf(x[i]) - cabsf(truth[i]), 2);
        high = fmax(high, (double)cabsf(truth[i]));
    }
    return 10 * log10(high * high * (double)n / off);
}

static double solve(const struct heart *h, const scry_op *A, const float *y, const char *method,
                    double weight, size_t frame)
{
    scry_error err = {0};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = h->sigma / sqrt(2)};
    scry_likelihood *L = NULL;
    scry_options options;
    scry_chains_opts opts;
    scry_chains r;
    const size_t count = frame < T ? 1 : T;
    assert_ok(scry_likelihood_create(&L, A, y, &noise, &(scry_affine){1, 0}, &err));
    scry_options_init(&options, scry_method_find(method));
    if (weight > 0) assert_ok(scry_options_set(&options, "lambda", weight, &err));
    scry_chains_opts_init(&opts);
    assert_ok(scry_chains_run(&r, &(scry_problem){.L = L}, &options, &opts, NULL, NULL, &err));
    const double db =
        psnr((float complex *)r.mean, h->truth + (frame < T ? frame : 0) * N, count * N);
    scry_chains_free(&r);
    scry_likelihood_free(L);
    return db;
}

/* The mean of the wavelet method over some frames, each by itself; weight 0: its default. */
static double frame_by_frame(const struct heart *h, double weight)
{
    scry_error err = {0};
    const float *y = h->y;
    double sum = 0;
    size_t count = 0;
    for (size_t t = 0; t < T; t++) {
        scry_op *A;
        assert_ok(scry_sense_create(&A,
                                    &(scry_sense_params){.maps = (float complex *)h->maps,
                                                         .coils = C,
                                                         .sets = 1,
                                                         .ny = H,
                                                         .nx = W,
                                                         .mask = h->mask[t],
                                                         .axes = SCRY_FOURIER_YX},
                                    &err));
        if (t % 4 == 0) {
            sum += solve(h, A, y, "wavelet", weight, t);
            count++;
        }
        y += scry_space_floats(scry_op_cod(A));
        scry_op_free(A);
    }
    return sum / (double)count;
}

static void joined_frames_beat_frames_alone(void **state)
{
    (void)state;
    struct heart *h = beating(7);
    const double wavelet = fmax(frame_by_frame(h, 0), frame_by_frame(h, 0.0008)); /* the best */
    const double tv = solve(h, h->A, h->y, "temporal-tv", 0, T);
    const double llr = solve(h, h->A, h->y, "llr", 0, T);
    print_message("R %d: wavelet frame by frame %.2f dB, temporal-tv %.2f dB, llr %.2f dB\n", R,
                  wavelet, tv, llr);
    assert_true(tv > wavelet + 2);
    assert_true(llr > wavelet + 2);
    heart_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_measured_apart),
        cmocka_unit_test(joined_frames_beat_frames_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
