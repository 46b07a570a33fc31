/* Against the programs of ismrmrd-tools 1.8, where they are installed. */

#include "tests/check.h"

#include "lib/fft.h"
#include "lib/io/hdf5.h"
#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"

#include <complex.h>
#include <string.h>

enum { N = 48, NX = 2 * N, NC = 4, PLANE = N * NX, FRAMES = 2 };
#define NOISE 0.02

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/scry-tools-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static const char *generate(const char *name, const char *options)
{
    static char path[128];
    char command[400];
    if (system("command -v ismrmrd_generate_cartesian_shepp_logan >/dev/null && "
               "command -v ismrmrd_recon_cartesian_2d >/dev/null")) {
        print_message("skipped: ismrmrd-tools are not there\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(command, sizeof command,
             "ismrmrd_generate_cartesian_shepp_logan -m %d -c %d -n %g %s -o %s >/dev/null", N, NC,
             NOISE, options, path);
    assert_int_equal(system(command), 0);
    return path;
}

/* Unitary, centred, in place; N/2 of both axes is even, so that the centre is a change of signs. */
static void to_image(float complex *data)
{
    scry_error err = {0};
    scry_fft *fft = NULL;
    assert_ok(scry_fft_create_complex(&fft, 2, (size_t[]){N, NX}, &err));
    void *work = scry_alloc(1, scry_fft_work_bytes(fft));
    float complex *plane = scry_alloc(PLANE, sizeof *plane);
    assert_true(work && plane);
    for (size_t c = 0; c < NC; c++) {
        for (size_t i = 0; i < PLANE; i++)
            plane[i] = data[c * PLANE + i] * ((i / NX + i % NX) % 2 ? -1.0f : 1.0f);
        scry_fft_backward(fft, plane, plane, work);
        for (size_t i = 0; i < PLANE; i++)
            data[c * PLANE + i] =
                plane[i] * ((i / NX + i % NX) % 2 ? -1.0f : 1.0f) / sqrtf((float)PLANE);
    }
    scry_free(plane);
    scry_free(work);
    scry_fft_free(fft);
}

static void the_generator_s_phantom_comes_back(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r = NULL;
    scry_hdf5 *file = NULL;
    const char *path = generate("noise.h5", "-C -r 2");
    float complex *data = scry_alloc(NC * PLANE, sizeof *data);
    float complex *truth = scry_alloc(NC * PLANE, sizeof *truth), noise[NC * NX];
    unsigned char mask[PLANE];
    assert_true(data && truth);
    assert_ok(scry_hdf5_open(&file, path, &err));
    assert_ok(scry_hdf5_read_complex(file, "dataset/coil_images", NULL, NULL, truth, &err));
    scry_hdf5_close(file);
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_true(info->frames == FRAMES && info->slices == 1 && info->coils == NC);
    assert_true(info->ny == N && info->nx == NX && info->nz == 1 && info->averages == 1);
    assert_true(info->recon[1] == N && info->recon[2] == N && info->recon[0] == 1);
    assert_near(info->encoded_fov[2] / info->recon_fov[2], 2, 1e-12);
    assert_int_equal(info->noise_samples, NX);
    assert_near(info->noise_ratio, 1, 0);
    assert_false(info->geometry.known); /* its directions are zeros */
    for (size_t frame = 0; frame < FRAMES; frame++) {
        double error = 0;
        assert_ok(scry_kspace_read(r, frame, 0, data, mask, &err));
        for (size_t i = 0; i < PLANE; i++)
            assert_int_equal(mask[i], 1);
        to_image(data);
        for (size_t i = 0; i < NC * PLANE; i++)
            error += pow((double)cabsf(data[i] - truth[i]), 2);
        /* the rest is the noise that was asked for, of that sd in re and in im */
        assert_near(sqrt(error / (2 * NC * PLANE)), NOISE, 0.02 * NOISE);
    }
    double power = 0;
    assert_ok(scry_kspace_read_noise(r, noise, &err));
    for (size_t i = 0; i < NC * NX; i++)
        power += pow((double)cabsf(noise[i]), 2);
    assert_near(sqrt(power / (2 * NC * NX)), NOISE, 0.1 * NOISE);
    scry_kspace_close(r);
    scry_free(truth);
    scry_free(data);
}

/* Three times fewer lines in each repetition; between them, in the centre, lines that are flagged
 * as for calibration only. */
static void calibration_lines_fill_the_centre(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r = NULL;
    const char *path = generate("fast.h5", "-a 3 -w 8");
    float complex *data = scry_alloc(NC * PLANE, sizeof *data);
    unsigned char mask[PLANE];
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    assert_int_equal(scry_kspace_describe(r)->frames, 3);
    assert_true(scry_kspace_describe(r)->has_calibration);
    for (size_t frame = 0; frame < 3; frame++) {
        assert_ok(scry_kspace_read(r, frame, 0, data, mask, &err));
        for (size_t i = 0; i < PLANE; i++)
            assert_int_equal(mask[i], i / NX % 3 == frame);
    }
    assert_ok(scry_kspace_read_calibration(r, 0, data, mask, &err));
    for (size_t i = 0; i < PLANE; i++) {
        const size_t y = i / NX;
        assert_int_equal(mask[i], y % 3 == 0 || (y >= N / 2 - 4 && y < N / 2 + 4));
    }
    scry_kspace_close(r);
    scry_free(data);
}

static void copy_kspace(const char *from, const char *to)
{
    scry_error err = {0};
    scry_kspace_reader *r = NULL;
    scry_kspace_writer *w = NULL;
    float complex *data = scry_alloc(NC * PLANE, sizeof *data);
    unsigned char mask[PLANE];
    assert_ok(scry_kspace_open(&r, from, NULL, &err));
    assert_ok(scry_kspace_create(&w, to, scry_kspace_describe(r), &err));
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    assert_ok(scry_kspace_write(w, 0, 0, data, mask, &err));
    assert_ok(scry_kspace_finish(w, true, &err));
    scry_kspace_close(r);
    scry_free(data);
}

/* The image that the reference program makes. */
static void reconstruct(const char *path, float *image)
{
    char command[256];
    scry_error err = {0};
    scry_hdf5 *file = NULL;
    snprintf(command, sizeof command, "ismrmrd_recon_cartesian_2d %s >/dev/null", path);
    assert_int_equal(system(command), 0);
    assert_ok(scry_hdf5_open(&file, path, &err));
    assert_ok(scry_hdf5_read_float(file, "dataset/cpp/data", NULL, NULL, image, &err));
    scry_hdf5_close(file);
}

static void the_reference_program_reads_what_is_written(void **state)
{
    (void)state;
    char copy[128];
    float theirs[N * N], ours[N * N], largest = 0;
    const char *path = generate("plain.h5", "");
    snprintf(copy, sizeof copy, "%s/copy.h5", folder);
    copy_kspace(path, copy);
    reconstruct(path, theirs);
    reconstruct(copy, ours);
    for (size_t i = 0; i < N * N; i++) {
        assert_near(ours[i], theirs[i], 0);
        if (theirs[i] > largest) largest = theirs[i];
    }
    assert_true(largest > 1); /* there is an image */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generator_s_phantom_comes_back),
        cmocka_unit_test(calibration_lines_fill_the_centre),
        cmocka_unit_test(the_reference_program_reads_what_is_written),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
