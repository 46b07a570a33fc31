#include "tests/check.h"
#include "tests/op_check.h"

#include "apps/recon/mri/reconstruct.h"
#include "datasets/scanner.h"
#include "lib/memory.h"
#include "operators/fourier.h"
#include "operators/real_part.h"

#include <math.h>

/* Half of k-space and a little more, of the head of Shepp & Logan with a smooth phase: an image
 * that is constrained to be real beside that phase is far nearer to the truth than one that is not,
 * whichever part is missing. */

enum { NY = 72, NX = 64, N = NY * NX };

static void the_real_part_is_a_projection(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_space s = SCRY_SPACE(2, 3);
    assert_fails(scry_real_part_create(&A, &s, 0, &err), SCRY_ESHAPE);
    s.cplx = true;
    assert_fails(scry_real_part_create(&A, &s, 1.5, &err), SCRY_EINVAL);
    for (int k = 0; k < 2; k++) {
        double M[12 * 12] = {0};
        const double beside = 0.25 * k;
        for (int i = 0; i < 12; i++)
            M[13 * i] = i % 2 ? beside : 1;
        assert_ok(scry_real_part_create(&A, &s, beside, &err));
        check_matrix(A, M, 1e-6);
        scry_op_free(A);
    }
}

static bool measured(size_t i, int missing)
{
    const size_t y = i / NX, x = i % NX;
    const bool kept[] = {y >= NY * 3 / 8, y < NY * 5 / 8, x >= NX * 3 / 8, x < NX * 5 / 8};
    return kept[missing];
}

/* |a| against |truth|. */
static double difference_of(const float complex *a, const float complex *truth)
{
    double d = 0, size = 0;
    for (size_t i = 0; i < N; i++) {
        const double m = cabsf(a[i]), t = cabsf(truth[i]);
        d += (m - t) * (m - t);
        size += t * t;
    }
    return sqrt(d / size);
}

static double error_of(const float complex *kspace, const unsigned char *mask,
                       const float complex *truth, const char *method, scry_image_phase phase)
{
    scry_error err = {0};
    scry_mri_result result;
    const scry_scan scan = {.coils = 1, .dims = {1, NY, NX}, .readout = 2, .data = kspace};
    const scry_mri_request request = {.method = method, .phase = phase, .samples = 2};
    assert_ok(scry_reconstruct(&result, &scan, mask, &request, NULL, NULL, &err));
    const double e = difference_of(result.image, truth);
    scry_mri_result_free(&result);
    return e;
}

static void a_smooth_phase_stands_in_for_what_is_missing(void **state)
{
    static const char *const methods[] = {"cg-sense", "wavelet", "tv", "dds"};
    (void)state;
    scry_error err = {0};
    float complex *truth = scry_alloc(N, sizeof *truth), *full = scry_alloc(N, sizeof *full);
    unsigned char mask[N];
    assert_ok(scry_scanner_shepp_logan(truth, NULL, 1, NY, NX, &err));
    assert_ok(scry_fourier_transform(truth, 1, NY, NX, SCRY_FOURIER_YX, true, &err));
    scry_scanner_phase(truth, NY, NX, 0.8, 3);
    assert_ok(scry_scanner_image(full, truth, NULL, 1, NY, NX, &err));
    scry_scanner_noise(full, N, 0.005, 1, 0);
    for (int missing = 0; missing < 4; missing++) {
        float complex *part = scry_copy(full, N * sizeof *part);
        for (size_t i = 0; i < N; i++) {
            mask[i] = measured(i, missing);
            if (!mask[i]) part[i] = 0;
        }
        for (size_t k = 0; k < (missing % 2 ? 3 : 4); k++) {
            const double none = error_of(part, mask, truth, methods[k], SCRY_PHASE_FREE);
            const double smooth = error_of(part, mask, truth, methods[k], SCRY_PHASE_AUTO);
            print_message("%d %-9s free %.4f, smooth %.4f\n", missing, methods[k], none, smooth);
            assert_below(smooth, (k == 2 ? 0.9 : k == 3 ? 0.45 : 0.5) * none);
        }
        scry_free(part);
    }
    scry_free(truth);
    scry_free(full);
}

int main(void)
{
    setenv("SCRY_PRIORS", "../priors/pretrained", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_part_is_a_projection),
        cmocka_unit_test(a_smooth_phase_stands_in_for_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
