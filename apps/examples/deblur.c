/* A blurred and noisy image, from array to array. The image itself chooses between classical
 * methods and a shipped network, found beside the library, by light that is held back; beside the
 * result comes a map of the pixels not to trust. Here the image is simulated, so that the truth is
 * known.
 *
 *     cc -std=c11 deblur.c -o deblur $(pkg-config --cflags --libs scry) */
#include <scry/scry.h>

#include <stdio.h>

enum { H = 64, W = 64, N = H * W };

/* y = A truth + noise of sd 20, A the blur of a PSF model. */
static scry_status simulate(float *y, const float *truth, const scry_space *space,
                            const char *model, scry_error *err)
{
    static float noise[N];
    scry_psf_params params;
    scry_blur_params blur = {0};
    scry_op *A = NULL;
    float *psf = NULL;
    void *work = NULL;
    const scry_psf_grid plane = {.rank = 2};
    scry_status st = scry_psf_parse(&params, model, err);
    if (st == SCRY_OK) st = scry_psf_create(&psf, &blur.psf_space, &params, &plane, NULL, err);
    blur.psf = psf;
    if (st == SCRY_OK) st = scry_blur_create(&A, space, &blur, err);
    if (st == SCRY_OK && !(work = scry_alloc(1, scry_op_work_bytes(A))))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "work of the blur");
    if (st == SCRY_OK) st = scry_op_forward(A, y, truth, work, err);
    scry_rng_normal(noise, 0, N, 1, 0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] += 20 * noise[i];
    scry_free(work);
    scry_op_free(A);
    scry_free(psf);
    return st;
}

/* Messages of the restoration about the noise, the PSF and the method. */
static void print_line(scry_log_kind kind, const char *text, void *ctx)
{
    (void)ctx;
    printf("%s%s\n", kind == SCRY_LOG_WARNING ? "warning: " : "", text);
}

int main(void)
{
    static float truth[N], y[N];
    const scry_image image = {.name = "cells", .space = SCRY_SPACE(H, W), .pixels = y};
    scry_output_maps maps = {0};
    const scry_restore_request request = {.psf.model = "gaussian:sigma=1.5",
                                          .method = "diffpir",
                                          .samples = 4,
                                          .maps = &maps,
                                          .log.write = print_line};
    scry_restore_result result = {0};
    scry_fidelity before = {0}, after = {0};
    scry_error err = {0};
    scry_status st = scry_phantom_cells(truth, &image.space, 24, 1, &err);
    for (size_t i = 0; i < N; i++)
        truth[i] = 100 + 1000 * truth[i];
    if (st == SCRY_OK) st = simulate(y, truth, &image.space, request.psf.model, &err);
    if (st == SCRY_OK) st = scry_output_maps_add(&maps, SCRY_OUTPUT_SD, 0, &err);
    if (st == SCRY_OK) st = scry_restore(&result, &image, &request, NULL, NULL, &err);
    if (st == SCRY_OK) st = scry_fidelity_measure(&before, y, truth, NULL, N, 1000, &err);
    if (st == SCRY_OK) st = scry_fidelity_measure(&after, result.mean, truth, NULL, N, 1000, &err);
    if (st != SCRY_OK)
        fprintf(stderr, "%s: %s\n", err.where, err.text);
    else
        printf("%s: %.1f dB, restored %.1f dB; sd of pixel (%d, %d): %.1f\n", image.name,
               before.psnr, after.psnr, H / 2, W / 2, result.maps[H / 2 * W + W / 2]);
    scry_restore_result_free(&result);
    return st != SCRY_OK;
}
