/* Undersampled k-space of several coils, from array to array: coil maps from the middle of k-space,
 * then the default method for scans. Here the scanner is simulated.
 *
 *     cc -std=c11 mri.c -o mri $(pkg-config --cflags --libs scry) -lm */
#include <scry/scry.h>

#include <complex.h>
#include <math.h>
#include <stdio.h>

enum { COILS = 4, H = 96, W = 96, N = H * W };

/* Shepp & Logan's head as four coils see it; every third line along y is acquired, and the middle.
 */
static scry_status scan(float complex *kspace, unsigned char *mask, scry_error *err)
{
    double complex coils[COILS * SCRY_SCANNER_TERMS];
    const scry_sampling every_third = {
        .pattern = SCRY_PATTERN_EQUISPACED, .accel = 3, .centre = 0.16, .seed = 1};
    scry_status st = scry_scanner_coils(NULL, coils, COILS, H, W, 3, err);
    if (st == SCRY_OK) st = scry_scanner_shepp_logan(kspace, coils, COILS, H, W, err);
    if (st == SCRY_OK) st = scry_sampling_mask(mask, H, W, 2, &every_third, err);
    scry_scanner_noise(kspace, COILS * N, 0.01, 1, 0);
    return st;
}

/* Distance of a reconstruction of the acquired samples from one of all samples. */
static scry_status error_of(double *nrmse, const scry_mri_result *r, const scry_mri_result *full,
                            scry_error *err)
{
    static float image[N], truth[N];
    scry_fidelity f = {0};
    for (size_t i = 0; i < N; i++) {
        image[i] = cabsf(r->image[i]);
        truth[i] = cabsf(full->image[i]);
    }
    const scry_status st = scry_fidelity_measure(&f, image, truth, NULL, N, 0, err);
    *nrmse = f.nrmse;
    return st;
}

int main(void)
{
    static float complex kspace[COILS * N];
    static unsigned char mask[N];
    const scry_scan head = {
        .name = "head", .data = kspace, .coils = COILS, .dims = {1, H, W}, .readout = 2};
    scry_mri_result full = {0}, folded = {0}, result = {0};
    scry_error err = {0};
    double before = 0, after = 0;
    scry_status st = scan(kspace, mask, &err);
    if (st == SCRY_OK)
        st = scry_reconstruct(&full, &head, NULL, &(scry_mri_request){.method = "zero-filled"},
                              NULL, NULL, &err);
    if (st == SCRY_OK)
        st = scry_reconstruct(&folded, &head, mask, &(scry_mri_request){.method = "zero-filled"},
                              NULL, NULL, &err);
    if (st == SCRY_OK)
        st = scry_reconstruct(&result, &head, mask, &(scry_mri_request){0}, NULL, NULL, &err);
    if (st == SCRY_OK) st = error_of(&before, &folded, &full, &err);
    if (st == SCRY_OK) st = error_of(&after, &result, &full, &err);
    if (st == SCRY_OK)
        printf("%zu coils; zero filling is off by %.3f, the reconstruction by %.3f\n", result.coils,
               before, after);
    scry_mri_result_free(&full);
    scry_mri_result_free(&folded);
    scry_mri_result_free(&result);
    if (st != SCRY_OK) return fprintf(stderr, "%s: %s\n", err.where, err.text), 1;
    return 0;
}
