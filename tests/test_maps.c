#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/cfl.h"
#include "lib/io/hdf5.h"
#include "lib/io/kspace/maps.h"
#include "lib/memory.h"

enum {
    SLICES = 2,
    COILS = 3,
    SETS = 2,
    NY = 4,
    NX = 5,
    PLANE = NY * NX,
    COUNT = SLICES * COILS * SETS * PLANE
};

static void fill(float complex *maps)
{
    for (int i = 0; i < COUNT; i++)
        maps[i] = 2.385f * (float)(i + 1) - (float)i * I;
}

static void maps_come_back(void **state)
{
    (void)state;
    scry_error err = {0};
    const char *names[] = {"m.cfl", "m.h5"};
    float complex maps[COUNT], *back;
    size_t sets;
    fill(maps);
    for (int k = 0; k < 2; k++) {
        assert_ok(scry_maps_write(scratch(names[k]), maps, SLICES, COILS, SETS, NY, NX, &err));
        for (size_t s = 0; s < SLICES; s++) {
            assert_ok(
                scry_maps_read(&back, &sets, scratch(names[k]), s, SLICES, COILS, NY, NX, &err));
            assert_int_equal(sets, SETS);
            assert_memory_equal(back, maps + s * COUNT / SLICES, sizeof maps / SLICES);
            scry_free(back);
        }
        /* One slice serves all. */
        assert_ok(scry_maps_write(scratch(names[k]), maps, 1, COILS, SETS, NY, NX, &err));
        assert_ok(scry_maps_read(&back, &sets, scratch(names[k]), 6, 7, COILS, NY, NX, &err));
        assert_memory_equal(back, maps, sizeof maps / SLICES);
        scry_free(back);
    }
    /* The dims of BART: coils in 3, sets in 4. */
    scry_cfl *f;
    assert_ok(scry_cfl_open(&f, scratch("m.cfl"), &err));
    const size_t *d = scry_cfl_dims(f);
    assert_true(d[0] == NX && d[1] == NY && d[2] == 1 && d[3] == COILS && d[4] == SETS);
    float complex x[COUNT];
    assert_ok(scry_cfl_read(f, NULL, NULL, x, &err));
    assert_true(x[(1 * COILS + 2) * PLANE + 7] == maps[(2 * SETS + 1) * PLANE + 7]);
    scry_cfl_close(f);
    scratch_clear();
}

static void wrong_maps_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    const char *names[] = {"m.cfl", "m.h5"};
    float complex maps[COUNT], *back;
    size_t sets;
    fill(maps);
    for (int k = 0; k < 2; k++) {
        const char *path = scratch(names[k]);
        assert_ok(scry_maps_write(path, maps, SLICES, COILS, SETS, NY, NX, &err));
        const size_t wrong[][4] = {{SLICES, COILS + 1, NY, NX},
                                   {SLICES, COILS, NX, NY},
                                   {SLICES, COILS, NY, NX + 1},
                                   {5, COILS, NY, NX}};
        const char *expected[] = {"3 coils, expected 4", "4 x 5 (y, x), expected 5 x 4",
                                  "expected 4 x 6", "2 slices, expected 5"};
        for (int i = 0; i < 4; i++) {
            const scry_status st = scry_maps_read(&back, &sets, path, 0, wrong[i][0], wrong[i][1],
                                                  wrong[i][2], wrong[i][3], &err);
            assert_non_null(strstr(err.text, expected[i]));
            assert_null(back);
            assert_fails(st, SCRY_ESHAPE);
        }
        assert_fails(scry_maps_read(&back, &sets, path, 2, 2, COILS, NY, NX, &err), SCRY_EINVAL);
        maps[7] = NAN;
        assert_ok(scry_maps_write(path, maps, 1, COILS, SETS, NY, NX, &err));
        assert_fails(scry_maps_read(&back, &sets, path, 0, 1, COILS, NY, NX, &err), SCRY_ENUMERIC);
        memset(maps, 0, sizeof maps);
        assert_ok(scry_maps_write(path, maps, 1, COILS, SETS, NY, NX, &err));
        assert_fails(scry_maps_read(&back, &sets, path, 0, 1, COILS, NY, NX, &err), SCRY_ENUMERIC);
        fill(maps);
    }
    scratch_write("m.bin", "nonsense", 8);
    assert_fails(scry_maps_read(&back, &sets, scratch("m.bin"), 0, 1, 1, NY, NX, &err),
                 SCRY_EFORMAT);
    assert_fails(scry_maps_write(scratch("m.tif"), maps, 1, 1, 1, NY, NX, &err), SCRY_EINVAL);
    assert_fails(scry_maps_write(scratch("m.cfl"), maps, 1, 0, 1, NY, NX, &err), SCRY_ESHAPE);
    scratch_clear();
}

/* A .cfl of these dims, 1 at the indices that are set in `bits`. */
static void cfl_mask(size_t d0, size_t d1, size_t d2, const unsigned char *bits)
{
    scry_error err = {0};
    float complex x[64];
    size_t dims[SCRY_CFL_RANK];
    scry_cfl_writer *w;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[0] = d0;
    dims[1] = d1;
    dims[2] = d2;
    for (size_t i = 0; i < d0 * d1 * d2; i++)
        x[i] = bits[i];
    assert_ok(scry_cfl_create(&w, scratch("k.cfl"), dims, &err));
    assert_ok(scry_cfl_write(w, NULL, NULL, x, &err));
    assert_ok(scry_cfl_finish(w, true, &err));
}

static void hdf5_mask(const char *name, scry_hdf5_type type, int rank, const size_t *dims,
                      const unsigned char *bits)
{
    scry_error err = {0};
    scry_hdf5 *f;
    size_t n = 1;
    float x[64];
    float complex z[64];
    for (int a = 0; a < rank; a++)
        n *= dims[a];
    for (size_t i = 0; i < n; i++)
        z[i] = x[i] = bits[i] ? 0.5f : 0;
    assert_ok(scry_hdf5_create(&f, scratch("k.h5"), &err));
    assert_ok(scry_hdf5_add(f, name, type, rank, dims, &err));
    if (type == SCRY_HDF5_BOOL)
        assert_ok(scry_hdf5_write_bool(f, name, bits, &err));
    else if (type == SCRY_HDF5_F32)
        assert_ok(scry_hdf5_write_float(f, name, NULL, NULL, x, &err));
    else
        assert_ok(scry_hdf5_write_complex(f, name, NULL, NULL, z, &err));
    assert_ok(scry_hdf5_finish(f, true, &err));
}

static const unsigned char bits[PLANE] = {1, 0, 0, 1, 1, 0, 1, 0, 1, 1,
                                          1, 1, 0, 0, 0, 1, 0, 0, 1, 0};

/* The mask at (y, x) is bits[y * step_y + x * step_x]. */
static void expect(const char *name, const char *dataset, int readout, size_t step_y, size_t step_x)
{
    scry_error err = {0};
    unsigned char mask[PLANE];
    assert_ok(scry_mask_read(mask, scratch(name), dataset, NY, NX, readout, &err));
    for (size_t y = 0; y < NY; y++)
        for (size_t x = 0; x < NX; x++)
            assert_int_equal(mask[y * NX + x], bits[y * step_y + x * step_x]);
}

static void masks_are_read(void **state)
{
    (void)state;
    cfl_mask(NX, NY, 1, bits);
    expect("k.cfl", NULL, 2, NX, 1);
    cfl_mask(1, NX, NY, bits);
    expect("k", NULL, 2, NX, 1);
    cfl_mask(1, NY, 1, bits);
    expect("k.cfl", NULL, 2, 1, 0);
    cfl_mask(NX, 1, 1, bits);
    expect("k.cfl", NULL, 2, 0, 1);
    cfl_mask(NY, 1, 1, bits); /* a line on the wrong dim */
    expect("k.cfl", NULL, 2, 1, 0);
    const scry_hdf5_type types[] = {SCRY_HDF5_F32, SCRY_HDF5_C64, SCRY_HDF5_BOOL};
    const size_t plane[] = {NY, NX}, along_x[] = {1, 1, NX, 1}, along_y[] = {NY};
    for (int t = 0; t < 3; t++) {
        hdf5_mask("mask", types[t], 2, plane, bits);
        expect("k.h5", NULL, 1, NX, 1);
        hdf5_mask("other", types[t], 4, along_x, bits);
        expect("k.h5", "other", 1, 0, 1);
        expect("k.h5", "other", 2, 0, 1);
        hdf5_mask("mask", types[t], 1, along_y, bits);
        expect("k.h5", NULL, 2, 1, 0);
    }
    /* A line that fits both axes lies along the phase encodes. */
    scry_error err = {0};
    unsigned char mask[NX * NX];
    hdf5_mask("mask", SCRY_HDF5_BOOL, 1, plane + 1, bits);
    for (int readout = 1; readout <= 2; readout++) {
        assert_ok(scry_mask_read(mask, scratch("k.h5"), NULL, NX, NX, readout, &err));
        for (size_t i = 0; i < NX * NX; i++)
            assert_int_equal(mask[i], bits[readout == 1 ? i % NX : i / NX]);
    }
    scratch_clear();
}

static void wrong_masks_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    unsigned char mask[PLANE];
    const unsigned char none[PLANE] = {0};
    const size_t cube[] = {2, 2, 2};
    cfl_mask(NY, NX, 1, bits);
    assert_fails(scry_mask_read(mask, scratch("k.cfl"), NULL, NY, NX, 2, &err), SCRY_ESHAPE);
    cfl_mask(3, 1, 1, bits);
    assert_fails(scry_mask_read(mask, scratch("k.cfl"), NULL, NY, NX, 2, &err), SCRY_ESHAPE);
    cfl_mask(2, 2, 2, bits);
    assert_fails(scry_mask_read(mask, scratch("k.cfl"), NULL, NY, NX, 2, &err), SCRY_ESHAPE);
    cfl_mask(NX, NY, 1, none);
    assert_fails(scry_mask_read(mask, scratch("k.cfl"), NULL, NY, NX, 2, &err), SCRY_EINVAL);
    hdf5_mask("mask", SCRY_HDF5_F32, 3, cube, bits);
    assert_fails(scry_mask_read(mask, scratch("k.h5"), NULL, NY, NX, 2, &err), SCRY_ESHAPE);
    assert_fails(scry_mask_read(mask, scratch("k.h5"), "other", NY, NX, 2, &err), SCRY_EFORMAT);
    scratch_write("k.bin", "nonsense", 8);
    assert_fails(scry_mask_read(mask, scratch("k.bin"), NULL, NY, NX, 2, &err), SCRY_EFORMAT);
    scratch_clear();
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const char *names[] = {"m.cfl", "m.h5"};
    const size_t live = scry_memory_live(), plane[] = {NY, NX};
    float complex maps[COUNT], *back = NULL;
    unsigned char mask[PLANE];
    size_t sets;
    fill(maps);
    hdf5_mask("mask", SCRY_HDF5_F32, 2, plane, bits);
    for (int k = 0; k < 2; k++)
        for (size_t nth = 1;; nth++) {
            scry_error err = {0};
            const char *path = scratch(names[k]);
            scry_memory_fail_at(nth);
            scry_status st = scry_maps_write(path, maps, SLICES, COILS, SETS, NY, NX, &err);
            if (st == SCRY_OK)
                st = scry_maps_read(&back, &sets, path, 1, SLICES, COILS, NY, NX, &err);
            if (st == SCRY_OK) st = scry_mask_read(mask, scratch("k.h5"), NULL, NY, NX, 2, &err);
            scry_memory_fail_at(0);
            scry_free(back);
            back = NULL;
            assert_int_equal(scry_memory_live(), live);
            if (st == SCRY_OK) break;
            assert_fails(st, SCRY_ENOMEM);
        }
    scratch_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_come_back),
        cmocka_unit_test(wrong_maps_are_refused),
        cmocka_unit_test(masks_are_read),
        cmocka_unit_test(wrong_masks_are_refused),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
