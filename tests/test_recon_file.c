#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/cfl.h"
#include "lib/io/hdf5.h"
#include "lib/memory.h"
#include "lib/io/nifti.h"
#include "lib/io/recon_file.h"

enum { NX = 5, NY = 4, MAX_VALUES = 2 * 3 * 2 * 3 * NX * NY };

/* frames, slices, z, and whether complex. */
static scry_recon example(float *values, size_t frames, size_t slices, size_t nz, bool cplx)
{
    scry_recon r = {.frames = frames,
                    .slices = slices,
                    .nz = nz,
                    .ny = NY,
                    .nx = NX,
                    .cplx = cplx,
                    .values = values,
                    .tr = frames > 1 ? 2.5 : 0,
                    .geometry = {.known = true,
                                 .fov = {240, 220, 5},
                                 .position = {3.5, -12, 40},
                                 .along = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                 .slice_gap = {0, 0, slices > 1 ? 6 : 0}},
                    .description = "scry test"};
    for (int i = 0; i < MAX_VALUES; i++)
        values[i] = 2.385f * (float)i - 7;
    return r;
}

static const size_t shapes[][3] = {{1, 1, 1}, {1, 3, 1}, {2, 3, 1}, {1, 1, 3},
                                   {2, 1, 3}, {1, 2, 3}, {2, 2, 3}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void round_trip(const char *name, bool shape_too)
{
    for (int k = 0; k < 2 * SHAPES; k++) {
        scry_error err = {0};
        float values[MAX_VALUES];
        const size_t *s = shapes[k / 2];
        scry_recon r = example(values, s[0], s[1], s[2], k % 2), back;
        const size_t count = s[0] * s[1] * s[2] * NY * NX;
        assert_ok(scry_recon_write(scratch(name), &r, &err));
        assert_ok(scry_recon_read(&back, scratch(name), NULL, &err));
        assert_true(back.frames == s[0] && back.ny == NY && back.nx == NX);
        assert_int_equal(back.slices * back.nz, s[1] * s[2]);
        if (shape_too) assert_int_equal(back.nz, s[2]);
        for (size_t i = 0; i < count; i++) {
            const float *b = back.values + (back.cplx ? 2 : 1) * i;
            const float *v = values + (r.cplx ? 2 : 1) * i;
            assert_true(b[0] == v[0] && (!back.cplx || b[1] == (r.cplx ? v[1] : 0)));
            assert_true(back.cplx || !r.cplx);
        }
        scry_recon_clear(&back);
    }
    scratch_clear();
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    round_trip("o.h5", true);
    round_trip("o.hdf5", true);
    round_trip("o.cfl", true);
    round_trip("o.npy", false);
    round_trip("o.nii", false); /* slices or z, it does not say */
    round_trip("o.nii.gz", false);
}

static void shapes_are_those_of_the_formats(void **state)
{
    (void)state;
    scry_error err = {0};
    float values[MAX_VALUES];
    scry_recon r = example(values, 2, 3, 1, false);
    scry_hdf5 *h;
    scry_hdf5_info i;
    scry_cfl *c;
    scry_nifti n;
    assert_ok(scry_recon_write(scratch("o.h5"), &r, &err));
    assert_ok(scry_hdf5_open(&h, scratch("o.h5"), &err));
    assert_ok(scry_hdf5_describe(&i, h, "reconstruction", &err));
    assert_true(i.kind == SCRY_HDF5_NUMBER && i.rank == 4 && i.dims[0] == 2 && i.dims[1] == 3 &&
                i.dims[2] == NY && i.dims[3] == NX);
    scry_hdf5_close(h);
    r.frames = 1; /* as submissions to fastMRI: (slice, y, x) */
    assert_ok(scry_recon_write(scratch("o.h5"), &r, &err));
    assert_ok(scry_hdf5_open(&h, scratch("o.h5"), &err));
    assert_ok(scry_hdf5_describe(&i, h, "reconstruction", &err));
    assert_true(i.rank == 3 && i.dims[0] == 3);
    scry_hdf5_close(h);
    r.frames = 2;
    assert_ok(scry_recon_write(scratch("o.cfl"), &r, &err));
    assert_ok(scry_cfl_open(&c, scratch("o.cfl"), &err));
    const size_t *d = scry_cfl_dims(c);
    assert_true(d[0] == NX && d[1] == NY && d[2] == 1 && d[3] == 1 && d[10] == 2 && d[13] == 3);
    float complex first;
    size_t start[SCRY_CFL_RANK] = {1, 2}, count[SCRY_CFL_RANK];
    for (int k = 0; k < SCRY_CFL_RANK; k++)
        count[k] = 1;
    start[10] = 1;
    start[13] = 2;
    assert_ok(scry_cfl_read(c, start, count, &first, &err));
    assert_true(crealf(first) == values[((1 * 3 + 2) * NY + 2) * NX + 1] && cimagf(first) == 0);
    scry_cfl_close(c);
    assert_ok(scry_recon_write(scratch("o.nii"), &r, &err));
    assert_ok(scry_nifti_read(&n, scratch("o.nii"), &err));
    assert_true(n.nt == 2 && n.nz == 3 && n.placed && n.step[2] == 6 && n.tr == 2.5);
    assert_near(n.affine[0][0], -48, 1e-5);
    scry_nifti_clear(&n);
    assert_int_equal(scratch_count(), 4);
    scratch_clear();
}

static void what_is_known_comes_back(void **state)
{
    (void)state;
    scry_error err = {0};
    float values[MAX_VALUES];
    scry_recon r = example(values, 2, 3, 1, false), back;
    assert_ok(scry_recon_write(scratch("o.h5"), &r, &err));
    assert_ok(scry_recon_read(&back, scratch("o.h5"), NULL, &err));
    assert_true(back.tr == 2.5);
    assert_string_equal(back.description, "scry test");
    scry_recon_clear(&back);
    assert_ok(scry_recon_write(scratch("o.nii"), &r, &err));
    assert_ok(scry_recon_read(&back, scratch("o.nii"), NULL, &err));
    assert_string_equal(back.description, "scry test");
    assert_true(back.geometry.known && back.tr == 2.5);
    for (int a = 0; a < 3; a++) {
        assert_near(back.geometry.position[a], r.geometry.position[a], 1e-4);
        assert_near(back.geometry.fov[a], a == 2 ? 6 : r.geometry.fov[a], 1e-4);
    }
    scry_recon_clear(&back);
    /* Slabs of a volume one after another are no grid, and failed slices stay NaN. */
    r = example(values, 1, 2, 3, false);
    values[3] = NAN;
    assert_ok(scry_recon_write(scratch("o.nii"), &r, &err));
    assert_ok(scry_recon_read(&back, scratch("o.nii"), NULL, &err));
    assert_false(back.geometry.known);
    assert_true(isnan(back.values[3]));
    scry_recon_clear(&back);
    scratch_clear();
}

static void fastmri_targets_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_recon r;
    const char *path = shared_path("data/kspace/pulseq_brain_16ch_128x128.fastmri.h5");
    if (!path) skip();
    assert_ok(scry_recon_read(&r, path, NULL, &err));
    assert_true(r.slices == 1 && r.ny == 128 && r.nx == 128 && !r.cplx);
    float max = 0;
    for (int i = 0; i < 128 * 128; i++)
        max = fmaxf(max, r.values[i]);
    assert_near(max, 0.00013000193575862795, 1e-10); /* attribute `max` of the file */
    scry_recon_clear(&r);
    assert_fails(scry_recon_read(&r, path, "reconstruction_esc", &err), SCRY_EFORMAT);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    float values[MAX_VALUES];
    scry_recon r = example(values, 1, 1, 1, false), back;
    scry_recon_format format;
    assert_fails(scry_recon_format_of(&format, "a.tif", &err), SCRY_EINVAL);
    assert_fails(scry_recon_format_of(&format, ".nii", &err), SCRY_EINVAL);
    assert_ok(scry_recon_format_of(&format, "a.nii.gz", &err));
    assert_int_equal(format, SCRY_RECON_NIFTI);
    assert_fails(scry_recon_write(scratch("o.tif"), &r, &err), SCRY_EINVAL);
    assert_fails(scry_recon_read(&back, scratch("o.tif"), NULL, &err), SCRY_EINVAL);
    r.ny = 0;
    assert_fails(scry_recon_write(scratch("o.h5"), &r, &err), SCRY_ESHAPE);
    r.ny = NY;
    scratch_write("o.h5", "nonsense", 8);
    assert_fails(scry_recon_read(&back, scratch("o.h5"), NULL, &err), SCRY_EFORMAT);
    scratch_write("o.nii", "nonsense", 8);
    assert_fails(scry_recon_read(&back, scratch("o.nii"), NULL, &err), SCRY_EFORMAT);
    assert_fails(scry_recon_read(&back, scratch("none.h5"), NULL, &err), SCRY_EIO);
    const char *names[] = {"no/o.h5", "no/o.cfl", "no/o.nii"};
    for (int k = 0; k < 3; k++)
        assert_fails(scry_recon_write(scratch(names[k]), &r, &err), SCRY_EIO);
    scratch_clear();
}

/* An HDF5 file with one dataset of `rank` axes of 2. */
static void with_dataset(const char *name, int rank)
{
    scry_error err = {0};
    scry_hdf5 *f;
    const size_t dims[6] = {2, 2, 2, 2, 2, 2};
    const float values[64] = {0};
    assert_ok(scry_hdf5_create(&f, scratch("o.h5"), &err));
    assert_ok(scry_hdf5_add(f, name, SCRY_HDF5_F32, rank, dims, &err));
    assert_ok(scry_hdf5_write_float(f, name, NULL, NULL, values, &err));
    assert_ok(scry_hdf5_finish(f, true, &err));
}

static void datasets_are_named(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_recon r;
    with_dataset("other", 3);
    assert_fails(scry_recon_read(&r, scratch("o.h5"), NULL, &err), SCRY_EFORMAT);
    assert_ok(scry_recon_read(&r, scratch("o.h5"), "other", &err));
    assert_true(r.frames == 1 && r.slices == 2);
    scry_recon_clear(&r);
    with_dataset("reconstruction", 1);
    assert_fails(scry_recon_read(&r, scratch("o.h5"), NULL, &err), SCRY_EFORMAT);
    with_dataset("reconstruction", 6);
    assert_fails(scry_recon_read(&r, scratch("o.h5"), NULL, &err), SCRY_EFORMAT);
    with_dataset("reconstruction", 2);
    assert_ok(scry_recon_read(&r, scratch("o.h5"), NULL, &err));
    assert_true(r.frames == 1 && r.slices == 1 && r.ny == 2);
    scry_recon_clear(&r);
    scratch_clear();
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const char *names[] = {"o.h5", "o.cfl", "o.nii"};
    const size_t live = scry_memory_live();
    for (int k = 0; k < 3; k++)
        for (size_t nth = 1;; nth++) {
            scry_error err = {0};
            float values[MAX_VALUES];
            scry_recon r = example(values, 2, 3, 1, false), back = {0};
            scry_memory_fail_at(nth);
            scry_status st = scry_recon_write(scratch(names[k]), &r, &err);
            if (st == SCRY_OK) st = scry_recon_read(&back, scratch(names[k]), NULL, &err);
            scry_memory_fail_at(0);
            scry_recon_clear(&back);
            assert_int_equal(scry_memory_live(), live);
            scratch_clear();
            if (st == SCRY_OK) break;
            assert_fails(st, SCRY_ENOMEM);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(shapes_are_those_of_the_formats),
        cmocka_unit_test(what_is_known_comes_back),
        cmocka_unit_test(fastmri_targets_are_read),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(datasets_are_named),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
