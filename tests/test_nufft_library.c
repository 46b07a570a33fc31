#include "tests/check.h"

#include "lib/memory.h"
#include "operators/nufft.h"

#include <complex.h>
#include <string.h>
#include <sys/wait.h>

/* A library in place of our own gridding. $SCRY_FINUFFT is tests/nufft_engine/direct.c, or
 * libfinufft itself: SCRY_FINUFFT=/path/libfinufft.so build/tests/test_nufft_library */

enum { NY = 10, NX = 9, SAMPLES = 37, COILS = 3, SETS = 2 };

static float trajectory[2 * SAMPLES];
static float complex maps[COILS * SETS * NY * NX], image[SETS * NY * NX];

static float drawn(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (1 << 24) - 0.5F;
}

static void draw_all(void)
{
    unsigned state = 5;
    for (size_t i = 0; i < 2 * SAMPLES; i++)
        trajectory[i] = 3 * drawn(&state); /* beyond one cycle too */
    for (size_t i = 0; i < COILS * SETS * NY * NX; i++)
        maps[i] = drawn(&state) + drawn(&state) * (float complex)I;
    for (size_t i = 0; i < SETS * NY * NX; i++)
        image[i] = drawn(&state) + drawn(&state) * (float complex)I;
}

static scry_op *made(bool with_maps)
{
    scry_error err = {0};
    scry_op *A = NULL;
    const scry_nufft_params p = {.maps = with_maps ? maps : NULL,
                                 .coils = COILS,
                                 .sets = SETS,
                                 .ny = NY,
                                 .nx = NX,
                                 .trajectory = trajectory,
                                 .samples = SAMPLES};
    assert_ok(scry_nufft_create(&A, &p, &err));
    return A;
}

/* The definition in operators/nufft.h, in double. */
static double complex one_sample(size_t coil, size_t s, bool with_maps)
{
    double complex sum = 0;
    for (size_t m = 0; m < (with_maps ? SETS : 1); m++)
        for (size_t j = 0; j < NY * NX; j++) {
            const double y = (double)(j / NX) - NY / 2, x = (double)(j % NX) - NX / 2;
            const double turn = (double)trajectory[2 * s] * y + (double)trajectory[2 * s + 1] * x;
            const double complex seen =
                with_maps ? (double complex)maps[(coil * SETS + m) * NY * NX + j] : 1;
            sum += seen * (double complex)image[m * NY * NX + j] *
                   cexp(-2 * 3.14159265358979323846 * turn * (double complex)I);
        }
    return sum / sqrt(NY * NX);
}

static void forward_is_the_sum(void **state)
{
    (void)state;
    for (int with_maps = 0; with_maps < 2; with_maps++) {
        scry_error err = {0};
        const size_t coils = with_maps ? COILS : 1;
        float complex y[COILS * SAMPLES];
        double wrong = 0, all = 0;
        scry_op *A = made(with_maps);
        void *work = scry_alloc(1, scry_op_work_bytes(A));
        assert_ok(scry_op_forward(A, (float *)y, (const float *)image, work, &err));
        for (size_t i = 0; i < coils * SAMPLES; i++) {
            const double complex expected = one_sample(i / SAMPLES, i % SAMPLES, with_maps);
            wrong += pow(cabs((double complex)y[i] - expected), 2);
            all += pow(cabs(expected), 2);
        }
        assert_below(sqrt(wrong / all), 3e-5);
        scry_free(work);
        scry_op_free(A);
    }
}

static void adjoint_and_normal_are_its(void **state)
{
    (void)state;
    for (int with_maps = 0; with_maps < 2; with_maps++) {
        scry_error err = {0};
        scry_op *A = made(with_maps);
        const size_t n = (with_maps ? SETS : 1) * NY * NX, m = (with_maps ? COILS : 1) * SAMPLES;
        float complex y[COILS * SAMPLES], back[SETS * NY * NX], normal[SETS * NY * NX];
        double complex left = 0, right = 0;
        double wrong = 0, all = 0;
        void *work = scry_alloc(1, scry_op_work_bytes(A));
        assert_ok(scry_op_forward(A, (float *)y, (const float *)image, work, &err));
        assert_ok(scry_op_adjoint(A, (float *)back, (const float *)y, work, &err));
        assert_ok(scry_op_normal(A, (float *)normal, (const float *)image, work, &err));
        for (size_t i = 0; i < m; i++)
            left += conj((double complex)y[i]) * (double complex)y[i];
        for (size_t i = 0; i < n; i++) {
            right += conj((double complex)image[i]) * (double complex)back[i];
            wrong += pow(cabs((double complex)(back[i] - normal[i])), 2);
            all += pow(cabs((double complex)back[i]), 2);
        }
        assert_near(creal(right / left), 1, 3e-5);
        assert_near(cimag(right / left), 0, 3e-5);
        assert_below(sqrt(wrong / all), 5e-5);
        scry_free(work);
        scry_op_free(A);
    }
}

static void what_it_refuses(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A = NULL;
    if (!strstr(scry_nufft_engine(), "direct")) skip();
    const scry_nufft_params p = {.ny = 4, .nx = 13, .trajectory = trajectory, .samples = SAMPLES};
    assert_int_equal(scry_nufft_create(&A, &p, &err), SCRY_EIO);
    assert_non_null(strstr(err.text, "refuses 37 samples of 4 x 13: code 17"));
    assert_null(A);
}

/* In a process of its own: the variable is read once. 0: the message holds the words. */
static int bad_library(const char *name, const char *words)
{
    const pid_t child = fork();
    if (!child) {
        scry_error err = {0};
        scry_op *A = NULL;
        setenv("SCRY_FINUFFT", name, 1);
        const scry_nufft_params p = {
            .ny = NY, .nx = NX, .trajectory = trajectory, .samples = SAMPLES};
        const scry_status st = scry_nufft_create(&A, &p, &err);
        _exit(st == SCRY_EIO && strstr(err.text, name) && strstr(err.text, words) ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_the_sum),
        cmocka_unit_test(adjoint_and_normal_are_its),
        cmocka_unit_test(what_it_refuses),
    };
    draw_all();
    if (!getenv("SCRY_FINUFFT")) {
        printf("skipped: SCRY_FINUFFT names no library\n");
        return 77;
    }
    if (bad_library("/nonexistent.so", "cannot open") ||
        bad_library("libm.so.6", "it has no function finufftf")) {
        printf("a library that cannot be used is not refused as it should be\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
