#include "tests/check.h"
#include "tests/scratch.h"

#include "apps/recon/mri/mri_impl.h"
#include "apps/recon/mri/scan_file.h"
#include "datasets/scanner.h"
#include "lib/io/cfl.h"
#include "lib/io/hdf5.h"
#include "lib/io/kspace/trajectory.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/nufft.h"

#include <string.h>

/* Radial scans of a head, from arrays and from files, with coil maps from the scan itself. */

enum { C = 4, SIDE = 48, N = SIDE * SIDE, READ = 96, FULL = 90, FEW = 22 };
static const double NOISE = 0.004; /* sqrt(E|n|^2) of a sample; the head is 1 at most */

struct radial {
    size_t samples;
    float *trajectory; /* cycles per pixel */
    float complex *data;
    float truth[N]; /* root sum of squares of the noise-free coils */
    scry_scan scan;
};

static float *spokes(size_t count)
{
    float *k = scry_alloc(count * READ, 2 * sizeof *k);
    for (size_t i = 0; i < count * READ; i++) {
        const double angle = SCRY_PI * (double)(i / READ) / (double)count;
        const double radius = (double)(i % READ) / READ - .5;
        k[2 * i] = (float)(radius * sin(angle));
        k[2 * i + 1] = (float)(radius * cos(angle));
    }
    return k;
}

static struct radial *make(size_t count)
{
    scry_error err = {0};
    struct radial *r = scry_alloc(1, sizeof *r);
    float complex *maps = scry_alloc(C * N, sizeof *maps),
                  *coils = scry_alloc(C * N, sizeof *coils);
    double complex series[C * SCRY_SCANNER_TERMS];
    scry_op *A = NULL;
    assert_ok(scry_scanner_coils(maps, series, C, SIDE, SIDE, 3, &err));
    assert_ok(scry_scanner_shepp_logan(coils, series, C, SIDE, SIDE, &err));
    assert_ok(scry_fourier_transform(coils, C, SIDE, SIDE, SCRY_FOURIER_YX, true, &err));
    scry_rss(r->truth, coils, C, N);
    r->samples = count * READ;
    r->trajectory = spokes(count);
    r->data = scry_alloc(C * r->samples, sizeof *r->data);
    assert_ok(scry_nufft_create(
        &A,
        &(scry_nufft_params){
            .ny = SIDE, .nx = SIDE, .trajectory = r->trajectory, .samples = r->samples},
        &err));
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    for (size_t c = 0; c < C; c++)
        assert_ok(scry_op_forward(A, (float *)(r->data + c * r->samples),
                                  (const float *)(coils + c * N), work, &err));
    scry_scanner_noise(r->data, C * r->samples, NOISE, 2, 0);
    r->scan = (scry_scan){.name = "head",
                          .coils = C,
                          .dims = {1, SIDE, SIDE},
                          .readout = 2,
                          .data = r->data,
                          .trajectory = r->trajectory,
                          .samples = r->samples,
                          .line = READ};
    scry_op_free(A);
    scry_free(work);
    scry_free(maps);
    scry_free(coils);
    return r;
}

static void radial_free(struct radial *r)
{
    scry_free(r->trajectory);
    scry_free(r->data);
    scry_free(r);
}

static double nrmse(const float complex *a, const float *b)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < N; i++) {
        off += pow((double)cabsf(a[i]) - b[i], 2);
        all += (double)b[i] * b[i];
    }
    return sqrt(off / all);
}

static double error_of(const struct radial *r, const scry_mri_request *request)
{
    scry_error err = {0};
    scry_mri_result result;
    assert_ok(scry_reconstruct(&result, &r->scan, NULL, request, NULL, NULL, &err));
    assert_int_equal(result.ny, SIDE);
    assert_int_equal(result.nx, SIDE);
    const double e = nrmse(result.image, r->truth);
    scry_mri_result_free(&result);
    return e;
}

/* Enough spokes: the density makes A^H W y the image, but for the corners of k-space. */
static void enough_spokes(void **state)
{
    (void)state;
    struct radial *r = make(FULL);
    assert_below(error_of(r, &(scry_mri_request){.method = "zero-filled"}), 0.14);
    assert_below(
        error_of(r, &(scry_mri_request){.method = "zero-filled", .coil_maps = SCRY_COILS_NONE}),
        0.19);
    assert_below(error_of(r, &(scry_mri_request){.method = "cg-sense"}), 0.115);
    radial_free(r);
}

static void few_spokes(void **state)
{
    (void)state;
    struct radial *r = make(FEW);
    const double folded = error_of(r, &(scry_mri_request){.method = "zero-filled"});
    assert_below(folded, 0.18); /* half of that of maps from the sum by density alone */
    assert_below(error_of(r, &(scry_mri_request){0}), 0.6 * folded);
    assert_below(error_of(r, &(scry_mri_request){.coils = 3}), 0.6 * folded);
    radial_free(r);
}

/* Whole readouts are held out; one that was not acquired is as if it were not there. */
static void readouts(void **state)
{
    (void)state;
    scry_error err = {0};
    struct radial *r = make(FEW);
    scry_mri_result a, b;
    const scry_mri_request request = {.method = "cg-sense", .holdout = 0.2, .seed = 3};
    unsigned char *mask = scry_alloc(r->samples, 1);
    memset(mask, 1, r->samples - READ); /* the last is lost */
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < READ; i++)
            r->data[(c + 1) * r->samples - READ + i] = 1000;
    assert_ok(scry_reconstruct(&a, &r->scan, mask, &request, NULL, NULL, &err));
    assert_true(a.holdout > 0 && a.holdout < 1);
    const size_t less = r->samples - READ;
    for (size_t c = 1; c < C; c++)
        memmove(r->data + c * less, r->data + c * r->samples, less * sizeof *r->data);
    r->scan.samples = less;
    assert_ok(scry_reconstruct(&b, &r->scan, NULL, &request, NULL, NULL, &err));
    assert_memory_equal(a.image, b.image, N * sizeof *a.image);
    scry_mri_result_free(&a);
    scry_mri_result_free(&b);
    scry_free(mask);
    radial_free(r);
}

/* ---- files ---- */

static void write_cfl(const char *path, const size_t *dims, const float complex *values)
{
    scry_error err = {0};
    size_t all[SCRY_CFL_RANK];
    scry_cfl_writer *w;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        all[d] = d < 4 ? dims[d] : 1;
    assert_ok(scry_cfl_create(&w, path, all, &err));
    assert_ok(scry_cfl_write(w, NULL, NULL, values, &err));
    assert_ok(scry_cfl_finish(w, true, &err));
}

/* (kx, ky, kz) in units of 1/FOV, as BART has them. */
static float complex *in_bart(const struct radial *r)
{
    float complex *t = scry_alloc(r->samples, 3 * sizeof *t);
    for (size_t i = 0; i < r->samples; i++) {
        t[3 * i] = SIDE * r->trajectory[2 * i + 1];
        t[3 * i + 1] = SIDE * r->trajectory[2 * i];
    }
    return t;
}

static void files_are_the_arrays(void **state)
{
    (void)state;
    scry_error err = {0};
    const char *ksp = scratch("ksp.cfl"), *traj = scratch("traj.cfl"), *h5 = scratch("traj.h5");
    struct radial *r = make(FEW);
    float complex *t = in_bart(r);
    write_cfl(ksp, (size_t[]){1, READ, FEW, C}, r->data);
    write_cfl(traj, (size_t[]){3, READ, FEW, 1}, t);
    scry_scan_file *file;
    scry_mri_slice slice, array;
    float complex *maps;
    scry_scan_file_request request = {.path = ksp, .trajectory = traj};
    assert_ok(scry_scan_file_open(&file, &request, &err));
    const scry_kspace_info *info = scry_scan_file_info(file);
    assert_int_equal(info->ny, SIDE);
    assert_int_equal(info->recon[2], SIDE);
    assert_ok(scry_scan_file_read(&slice, &maps, file, 0, 0, &err));
    float complex *data = scry_copy(r->data, C * r->samples * sizeof *data);
    unsigned char *mask = scry_alloc(r->samples, 1);
    memset(mask, 1, r->samples);
    assert_ok(scry_mri_slice_take(&array, &r->scan, &(scry_mri_samples){.data = data, .mask = mask},
                                  &err));
    assert_int_equal(slice.scattered.samples, r->samples);
    assert_int_equal(slice.scattered.line, READ);
    for (size_t i = 0; i < 2 * r->samples; i++)
        assert_near(slice.scattered.trajectory[i], r->trajectory[i], 1e-7);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(slice.mask[i], array.mask[i]);
    scry_mri_slice_free(&slice);
    scry_mri_slice_free(&array);
    scry_scan_file_close(file);

    scry_hdf5 *f; /* the same in cycles per pixel, which have no size */
    assert_ok(scry_hdf5_create(&f, h5, &err));
    assert_ok(scry_hdf5_add(f, "traj", SCRY_HDF5_F32, 3, (size_t[]){FEW, READ, 2}, &err));
    float *xy = scry_alloc(r->samples, 2 * sizeof *xy);
    for (size_t i = 0; i < 2 * r->samples; i++)
        xy[i] = r->trajectory[i ^ 1];
    assert_ok(scry_hdf5_write_float(f, "traj", NULL, NULL, xy, &err));
    assert_ok(scry_hdf5_finish(f, true, &err));
    request.trajectory = h5;
    assert_int_equal(scry_scan_file_open(&file, &request, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "expected --size"));
    err = (scry_error){0};
    request.size[0] = SIDE;
    request.size[1] = SIDE + 2;
    assert_ok(scry_scan_file_open(&file, &request, &err));
    assert_int_equal(scry_scan_file_info(file)->nx, SIDE + 2);
    scry_scan_file_close(file);
    scry_free(xy);
    scry_free(t);
    radial_free(r);
}

static void refusal(const char *ksp, const char *traj, scry_status status, const char *words)
{
    scry_error err = {0};
    scry_scan_file *file;
    const scry_scan_file_request request = {.path = ksp, .trajectory = traj};
    assert_int_equal(scry_scan_file_open(&file, &request, &err), status);
    if (!strstr(err.text, words)) fail_msg("'%s' without '%s'", err.text, words);
}

static void bad_trajectories(void **state)
{
    (void)state;
    const char *ksp = scratch("ksp.cfl"), *traj = scratch("bad.cfl");
    struct radial *r = make(FEW);
    float complex *t = in_bart(r);
    write_cfl(ksp, (size_t[]){1, READ, FEW, C}, r->data);
    write_cfl(traj, (size_t[]){3, READ, FEW - 1, 1}, t);
    refusal(ksp, traj, SCRY_ESHAPE, "2016 samples, expected the 2112 of a slice");
    write_cfl(traj, (size_t[]){2, READ, FEW, 1}, t);
    refusal(ksp, traj, SCRY_EFORMAT, "expected 3 coordinates");
    t[3 * 7 + 1] = NAN;
    write_cfl(traj, (size_t[]){3, READ, FEW, 1}, t);
    refusal(ksp, traj, SCRY_ENUMERIC, "ky of sample 7 is nan");
    t[3 * 7 + 1] = 0;
    t[3 * 9 + 2] = 5;
    write_cfl(traj, (size_t[]){3, READ, FEW, 1}, t);
    refusal(ksp, traj, SCRY_EUNSUP, "kz of sample 9 is 5");
    refusal(ksp, ksp, SCRY_EFORMAT, "expected 3 coordinates");
    refusal(ksp, "/dev/null", SCRY_EFORMAT, "expected a trajectory");
    scry_free(t);
    radial_free(r);
}

/* The noise found along the readouts over that put in; 0: none was found. */
static double noise_found(const struct radial *r)
{
    scry_error err = {0};
    double complex psi[C * C];
    double trace = 0;
    bool found;
    const scry_mri_scattered s = {.samples = r->scan.samples,
                                  .line = r->scan.line,
                                  .data = r->data,
                                  .trajectory = r->trajectory};
    assert_ok(scryi_noise_along_lines(psi, &found, &s, C, SIDE, SIDE, &err));
    for (size_t c = 0; c < C; c++)
        trace += creal(psi[c * (C + 1)]);
    return found ? sqrt(trace / C) / NOISE : 0;
}

/* Spokes sampled twice as densely as the field of view asks have frequencies without a signal;
 * those of every second sample have none. */
static void noise_of_spokes(void **state)
{
    (void)state;
    for (int few = 0; few < 2; few++) {
        struct radial *r = make(few ? FEW : FULL);
        const double found = noise_found(r);
        print_message("noise of %d spokes: %.3f of the true\n", few ? FEW : FULL, found);
        assert_near(found, 1, 0.05);
        radial_free(r);
    }
    struct radial *r = make(FULL);
    size_t to = 0;
    for (size_t i = 0; i < r->samples; i += 2, to++)
        memmove(r->trajectory + 2 * to, r->trajectory + 2 * i, 2 * sizeof(float));
    for (size_t i = 0; i < C * r->samples; i += 2)
        r->data[i / 2] = r->data[i];
    r->scan.samples = to;
    r->scan.line = READ / 2;
    assert_near(noise_found(r), 0, 0);
    radial_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_of_spokes),      cmocka_unit_test(enough_spokes),
        cmocka_unit_test(few_spokes),           cmocka_unit_test(readouts),
        cmocka_unit_test(files_are_the_arrays), cmocka_unit_test(bad_trajectories),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
