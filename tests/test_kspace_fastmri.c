#include "tests/check.h"

#include "lib/hdf5.h"
#include "lib/kspace/kspace.h"
#include "lib/memory.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

/* fastMRI and plain HDF5, on files that h5py wrote: tests/golden/make_fastmri.py, whose samples are
 * (0.25 + s + 10 c + 100 y + 1000 x + i) 1e-6. */

enum { SLICES = 3, COILS = 2, H = 10, W = 6, N = H * W };

static const char *golden(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "golden/kspace/%s.h5", name);
    return path;
}

static scry_kspace_reader *open_golden(const char *name)
{
    scry_error err = { 0 };
    scry_kspace_reader *r;
    assert_ok(scry_kspace_open(&r, golden(name), NULL, &err));
    return r;
}

static float complex sample(size_t s, size_t c, size_t y, size_t x)
{
    return 1e-6f * (float)(0.25 + (double)(s + 10 * c + 100 * y + 1000 * x)) + 1e-6f * I;
}

static void assert_sample(float complex a, float complex b)
{
    assert_near(crealf(a), crealf(b), 1e-9);
    assert_near(cimagf(a), cimagf(b), 1e-12);
}

/* Slice s of a file with `coils` coils: samples where columns says so, 0 elsewhere. */
static void assert_slice(scry_kspace_reader *r, size_t s, size_t coils, const char *columns)
{
    scry_error err = { 0 };
    float complex data[COILS * N];
    unsigned char mask[N];
    assert_int_equal(scry_kspace_describe(r)->coils, coils);
    assert_ok(scry_kspace_read(r, 0, s, data, mask, &err));
    for (size_t c = 0; c < coils; c++)
        for (size_t y = 0; y < H; y++)
            for (size_t x = 0; x < W; x++) {
                const bool kept = columns[x] == '1';
                assert_int_equal(mask[y * W + x], kept);
                assert_sample(data[c * N + y * W + x], kept ? sample(s, c, y, x) : 0);
            }
    assert_ok(scry_kspace_read(r, 0, s, data, NULL, &err));
}

static void a_training_file(void **state)
{
    (void)state;
    scry_error err = { 0 };
    float target[5 * 4];
    scry_kspace_reader *r = open_golden("multi");
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_int_equal(info->format, SCRY_KSPACE_FASTMRI);
    assert_string_equal(info->dataset, "kspace");
    assert_int_equal(info->frames * info->nz * info->averages, 1);
    assert_int_equal(info->slices, SLICES);
    assert_int_equal(info->ny, H);
    assert_int_equal(info->nx, W);
    assert_int_equal(info->readout, 1);
    assert_int_equal(info->recon[0], 1);
    assert_int_equal(info->recon[1], 5); /* the header's x */
    assert_int_equal(info->recon[2], 4);
    assert_near(info->encoded_fov[1], 440, 0);
    assert_near(info->encoded_fov[2], 264, 0);
    assert_near(info->recon_fov[1], 220, 0);
    assert_near(info->recon_fov[2], 176, 0);
    assert_near(info->geometry.fov[0], 176, 0);
    assert_near(info->geometry.fov[1], 220, 0);
    assert_near(info->geometry.fov[2], 5, 0);
    assert_false(info->geometry.known);
    assert_false(info->has_mask);
    assert_true(info->has_target);
    assert_string_equal(info->acquisition, "AXT2");
    assert_non_null(strstr(info->system, "SIEMENS"));
    assert_near(info->field_strength, 1.494, 0);
    assert_near(info->tr, 2800, 0);
    assert_near(info->te, 3.5, 0);
    for (size_t s = 0; s < SLICES; s++) assert_slice(r, s, COILS, "111110");
    /* 7 x 4, of which the centre 5 x 4 */
    assert_ok(scry_kspace_read_target(r, 2, target, &err));
    for (size_t y = 0; y < 5; y++)
        for (size_t x = 0; x < 4; x++)
            assert_near(target[y * 4 + x], 2.5 + 10.0 * (double)(y + 1) + 100.0 * (double)x, 0);
    assert_null(scry_kspace_warning(r));
    assert_fails(scry_kspace_read_noise(r, NULL, &err), SCRY_EUNSUP);
    scry_kspace_close(r);
}

static void masks_of_three_types(void **state)
{
    (void)state;
    static const char *const names[] = { "mask_bool", "mask_u8", "mask_f32" };
    for (int i = 0; i < 3; i++) {
        scry_kspace_reader *r = open_golden(names[i]);
        assert_true(scry_kspace_describe(r)->has_mask);
        assert_slice(r, 1, COILS, "101100");
        assert_null(scry_kspace_warning(r));
        scry_kspace_close(r);
    }
    scry_kspace_reader *r = open_golden("zeros");
    assert_false(scry_kspace_describe(r)->has_mask);
    assert_slice(r, 1, COILS, "101100");
    scry_kspace_close(r);
}

static void shared_files(void **state)
{
    (void)state;
    scry_error err = { 0 };
    static const struct {
        const char *name;
        size_t coils, ny, nx;
        bool target, full;
    } files[] = {
        { "larson_brain_sag_T1_1ch_256x256", 1, 256, 256, true, true },
        { "pulseq_brain_16ch_128x128", 16, 128, 128, true, true },
        { "pulseq_brain_bodycoil_2ch_128x128", 2, 128, 128, true, true },
        { "sigpy_cartesian_ksp", 8, 230, 180, false, false },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[128];
        scry_kspace_reader *r;
        snprintf(name, sizeof name, "data/kspace/%s.fastmri.h5", files[i].name);
        const char *path = shared_path(name);
        if (!path) skip();
        assert_ok(scry_kspace_open(&r, path, NULL, &err));
        const scry_kspace_info *info = scry_kspace_describe(r);
        const size_t n = info->ny * info->nx;
        assert_int_equal(info->slices, 1);
        assert_int_equal(info->coils, files[i].coils);
        assert_int_equal(info->ny, files[i].ny);
        assert_int_equal(info->nx, files[i].nx);
        assert_int_equal(info->has_target, files[i].target);
        float complex *data = scry_alloc(info->coils * n, sizeof *data);
        unsigned char *mask = scry_alloc(n, 1);
        assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
        size_t kept = 0;
        for (size_t k = 0; k < n; k++) kept += mask[k];
        print_message("%s: %.3f sampled\n", files[i].name, (double)kept / (double)n);
        if (files[i].full) assert_int_equal(kept, n);
        else assert_true(kept < n / 4); /* a Poisson disc in both axes */
        scry_free(data);
        scry_free(mask);
        scry_kspace_close(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_file),
        cmocka_unit_test(masks_of_three_types),
        cmocka_unit_test(shared_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
