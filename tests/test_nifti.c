#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/memory.h"
#include "lib/io/nifti.h"
#include "lib/io/recon_file_impl.h"

enum { NX = 5, NY = 4, NZ = 3, NT = 2, COUNT = NX * NY * NZ * NT };

static unsigned char bytes[4096];

static size_t slurp(const char *name)
{
    FILE *f = fopen(scratch(name), "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return n;
}

static int16_t i16(size_t at)
{
    return (int16_t)(bytes[at] | bytes[at + 1] << 8);
}

static float f32(size_t at)
{
    float x;
    memcpy(&x, bytes + at, sizeof x);
    return x;
}

static scry_nifti example(float *values)
{
    for (int i = 0; i < 2 * COUNT; i++)
        values[i] = 2.385f * (float)i - 7;
    return (scry_nifti){.nt = NT,
                        .nz = NZ,
                        .ny = NY,
                        .nx = NX,
                        .values = values,
                        .step = {1.25, 1.5, 4},
                        .tr = 2.5,
                        .placed = true,
                        .affine = {{-1.25, 0, 0, 60.5}, {0, -1.5, 0, 41}, {0, 0, 4, -9.5}},
                        .description = "scry, test"};
}

/* The offsets are those of the standard, not of a library. */
static void header_is_standard(void **state)
{
    (void)state;
    scry_error err = {0};
    float values[2 * COUNT];
    const scry_nifti n = example(values);
    assert_ok(scry_nifti_write(scratch("o.nii"), &n, &err));
    assert_int_equal(slurp("o.nii"), 352 + 4 * COUNT);
    assert_int_equal(i16(0), 348);
    assert_true(i16(40) == 4 && i16(42) == NX && i16(44) == NY && i16(46) == NZ && i16(48) == NT);
    assert_true(i16(50) == 1 && i16(70) == 16 && i16(72) == 32);
    assert_true(f32(80) == 1.25f && f32(84) == 1.5f && f32(88) == 4 && f32(92) == 2.5f);
    assert_true(f32(108) == 352 && f32(112) == 1 && f32(116) == 0 && bytes[123] == 10);
    assert_string_equal((char *)bytes + 148, "scry, test");
    assert_true(i16(252) == 1 && i16(254) == 1);
    assert_true(f32(280) == -1.25f && f32(292) == 60.5f && f32(300) == -1.5f && f32(308) == 41 &&
                f32(320) == 4 && f32(324) == -9.5f);
    /* Half a turn about z: a = 0, (b, c, d) = (0, 0, 1), right-handed. */
    assert_true(f32(76) == 1);
    assert_near(f32(256), 0, 1e-6);
    assert_near(f32(260), 0, 1e-6);
    assert_near(fabs((double)f32(264)), 1, 1e-6);
    assert_true(f32(268) == 60.5f && f32(272) == 41 && f32(276) == -9.5f);
    assert_memory_equal(bytes + 344, "n+1", 4);
    assert_memory_equal(bytes + 348, "\0\0\0", 4);
    assert_memory_equal(bytes + 352, values, 4 * COUNT);
    assert_int_equal(scratch_count(), 1);
    scratch_clear();
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const char *names[] = {"o.nii", "o.nii.gz"};
    for (int k = 0; k < 4; k++) {
        scry_error err = {0};
        float values[2 * COUNT];
        scry_nifti n = example(values), back;
        n.cplx = k / 2;
        assert_ok(scry_nifti_write(scratch(names[k % 2]), &n, &err));
        assert_ok(scry_nifti_read(&back, scratch(names[k % 2]), &err));
        assert_true(back.nt == NT && back.nz == NZ && back.ny == NY && back.nx == NX);
        assert_int_equal(back.cplx, n.cplx);
        assert_memory_equal(back.values, values, sizeof *values * COUNT * (n.cplx ? 2u : 1u));
        assert_memory_equal(back.affine, n.affine, sizeof n.affine);
        assert_true(back.placed && back.tr == 2.5 && back.step[0] == 1.25);
        assert_string_equal(back.description, n.description);
        assert_int_equal(slurp(names[k % 2]) > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b, k % 2);
        scry_nifti_clear(&back);
    }
    assert_int_equal(scratch_count(), 2);
    scratch_clear();
}

/* Voxel (i, j, k) in RAS, from the geometry, term by term. */
static void expected_place(double ras[3], const scry_geometry *g, const double index[3],
                           const size_t dims[3], bool slices)
{
    for (int r = 0; r < 3; r++) {
        double at = g->position[r];
        at += (index[0] - (double)(dims[0] / 2)) * g->fov[0] / (double)dims[0] * g->along[0][r];
        at += (index[1] - (double)(dims[1] / 2)) * g->fov[1] / (double)dims[1] * g->along[1][r];
        const double middle = (double)(dims[2] / 2), dz = g->fov[2] / (double)dims[2];
        at += slices ? index[2] * g->slice_gap[r] : (index[2] - middle) * dz * g->along[2][r];
        ras[r] = r < 2 ? -at : at;
    }
}

static void check_place(const scry_geometry *g, size_t slices, bool written)
{
    scry_error err = {0};
    float values[NX * NY * NZ] = {0};
    scry_nifti n = {.nt = 1, .nz = NZ, .ny = NY, .nx = NX, .values = values}, back;
    const size_t dims[3] = {NX, NY, NZ};
    scryi_nifti_place(&n, g, slices);
    assert_true(n.placed);
    if (written) assert_ok(scry_nifti_write(scratch("p.nii"), &n, &err));
    if (written) assert_ok(scry_nifti_read(&back, scratch("p.nii"), &err));
    for (int k = 0; k < 8; k++) {
        const double index[3] = {k & 1 ? NX - 1 : 0, k & 2 ? NY - 1 : 0, k & 4 ? NZ - 1 : 0};
        double ras[3];
        expected_place(ras, g, index, dims, slices > 1);
        for (int r = 0; r < 3; r++) {
            double at = n.affine[r][3], seen = written ? back.affine[r][3] : 0;
            for (int a = 0; a < 3; a++)
                at += n.affine[r][a] * index[a];
            for (int a = 0; a < 3 && written; a++)
                seen += back.affine[r][a] * index[a];
            assert_near(at, ras[r], 1e-9);
            if (written) assert_near(seen, ras[r], 1e-4);
        }
    }
    if (written) scry_nifti_clear(&back);
}

static const scry_geometry axial = {.known = true,
                                    .fov = {240, 220, 5},
                                    .position = {3.5, -12.25, 40},
                                    .along = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                    .slice_gap = {0, 0, 6}};
/* x: anterior to posterior, y: head to foot, slices from right to left */
static const scry_geometry sagittal = {.known = true,
                                       .fov = {256, 250, 4},
                                       .position = {-20, 5, 11},
                                       .along = {{0, 1, 0}, {0, 0, -1}, {1, 0, 0}},
                                       .slice_gap = {4.4, 0, 0}};

/* Rotated by 30 degrees about x, then by 20 about z. */
static scry_geometry oblique(void)
{
    const double pi = acos(-1), a = pi / 6, b = pi / 9;
    scry_geometry g = {.known = true, .fov = {230, 230, 60}, .position = {1, 2, 3}};
    const double along[3][3] = {{cos(b), sin(b), 0},
                                {-sin(b) * cos(a), cos(b) * cos(a), sin(a)},
                                {sin(b) * sin(a), -cos(b) * sin(a), cos(a)}};
    memcpy(g.along, along, sizeof along);
    for (int r = 0; r < 3; r++)
        g.slice_gap[r] = 7 * along[2][r];
    return g;
}

static void geometry_becomes_affine(void **state)
{
    (void)state;
    const scry_geometry tilted = oblique();
    check_place(&axial, NZ, true);
    check_place(&axial, 1, true);
    check_place(&sagittal, NZ, true);
    check_place(&tilted, NZ, true);
    check_place(&tilted, 1, true);
    /* Numbers by hand, for the first voxel and the steps of the axial one: pixels of 48 x 55 mm,
     * LPS of voxel 0: 3.5 - 2 * 48 = -92.5, -12.25 - 2 * 55 = -122.25, 40. */
    scry_nifti n = {.nt = 1, .nz = NZ, .ny = NY, .nx = NX};
    scryi_nifti_place(&n, &axial, NZ);
    const double hand[3][4] = {{-48, 0, 0, 92.5}, {0, -55, 0, 122.25}, {0, 0, 6, 40}};
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            assert_near(n.affine[r][c], hand[r][c], 1e-12);
    /* Sagittal: x steps 51.2 mm to posterior = -51.2 in y; y steps 62.5 mm to the feet; slices step
     * to the left = -4.4 in x. Voxel 0 in LPS: -20, 5 - 2 * 51.2, 11 + 2 * 62.5. */
    scryi_nifti_place(&n, &sagittal, NZ);
    const double side[3][4] = {{0, 0, -4.4, 20}, {-51.2, 0, 0, 97.4}, {0, -62.5, 0, 136}};
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            assert_near(n.affine[r][c], side[r][c], 1e-12);
    scratch_clear();
}

static void qform_agrees_with_sform(void **state)
{
    (void)state;
    const scry_geometry tilted = oblique();
    const scry_geometry *all[] = {&axial, &sagittal, &tilted};
    for (int k = 0; k < 3; k++) {
        scry_error err = {0};
        float values[NX * NY * NZ] = {0};
        scry_nifti n = {.nt = 1, .nz = NZ, .ny = NY, .nx = NX, .values = values}, back;
        scryi_nifti_place(&n, all[k], NZ);
        assert_ok(scry_nifti_write(scratch("q.nii"), &n, &err));
        const size_t size = slurp("q.nii");
        assert_int_equal(i16(252), 1);
        bytes[254] = 0; /* without sform, readers fall back on qform */
        scratch_write("q.nii", bytes, size);
        assert_ok(scry_nifti_read(&back, scratch("q.nii"), &err));
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 4; c++)
                assert_near(back.affine[r][c], n.affine[r][c], 2e-4);
        scry_nifti_clear(&back);
    }
    /* Slices that are shifted sideways: no quaternion says that. */
    scry_error err = {0};
    float values[NX * NY * NZ] = {0};
    scry_nifti n = {.nt = 1, .nz = NZ, .ny = NY, .nx = NX, .values = values};
    scry_geometry sheared = axial;
    sheared.slice_gap[0] = 1;
    scryi_nifti_place(&n, &sheared, NZ);
    assert_ok(scry_nifti_write(scratch("q.nii"), &n, &err));
    slurp("q.nii");
    assert_true(i16(252) == 0 && i16(254) == 1);
    scratch_clear();
}

static void geometry_comes_back(void **state)
{
    (void)state;
    const scry_geometry tilted = oblique();
    const scry_geometry *all[] = {&axial, &sagittal, &tilted};
    for (int k = 0; k < 3; k++) {
        scry_nifti n = {.nt = 1, .nz = NZ, .ny = NY, .nx = NX};
        scry_geometry g;
        scryi_nifti_place(&n, all[k], NZ);
        scryi_nifti_geometry(&g, &n);
        for (int r = 0; r < 3; r++) {
            assert_near(g.position[r], all[k]->position[r], 1e-9);
            assert_near(g.slice_gap[r], all[k]->slice_gap[r], 1e-9);
            for (int a = 0; a < 3; a++)
                assert_near(g.along[a][r], all[k]->along[a][r], 1e-9);
        }
        assert_near(g.fov[0], all[k]->fov[0], 1e-9);
        assert_near(g.fov[1], all[k]->fov[1], 1e-9);
    }
    scry_nifti n = {.nt = 1, .nz = 1, .ny = NY, .nx = NX};
    const scry_geometry nowhere = {.fov = {240, 220, 5}};
    scryi_nifti_place(&n, &nowhere, 1);
    assert_false(n.placed);
    assert_near(n.step[0], 48, 1e-12);
}

/* A header of the standard, of `type`, 3 x 2 voxels, with values from byte 352 on. */
static size_t make(int type, int bits, const void *values, size_t size)
{
    const int16_t shape[8] = {2, 3, 2, 1, 1, 1, 1, 1};
    const int16_t kind[2] = {(int16_t)type, (int16_t)bits};
    const float offset = 352, scale[2] = {0.5f, 10};
    const int32_t head = 348;
    memset(bytes, 0, 352);
    memcpy(bytes, &head, 4);
    memcpy(bytes + 40, shape, sizeof shape);
    memcpy(bytes + 70, kind, sizeof kind);
    memcpy(bytes + 108, &offset, 4);
    memcpy(bytes + 112, scale, sizeof scale);
    memcpy(bytes + 344, "n+1", 4);
    memcpy(bytes + 352, values, size);
    return 352 + size;
}

static void every_real_type_is_read(void **state)
{
    (void)state;
    const uint8_t u1[6] = {0, 1, 2, 3, 4, 255};
    const int8_t i1[6] = {0, 1, 2, 3, 4, -128};
    const uint16_t u2[6] = {0, 1, 2, 3, 4, 65535};
    const int16_t i2[6] = {0, 1, 2, 3, 4, -32768};
    const uint32_t u4[6] = {0, 1, 2, 3, 4, 4000000000u};
    const int32_t i4[6] = {0, 1, 2, 3, 4, -2000000000};
    const uint64_t u8[6] = {0, 1, 2, 3, 4, UINT64_C(1) << 63};
    const int64_t i8[6] = {0, 1, 2, 3, 4, INT64_MIN};
    const float f4[6] = {0, 1, 2, 3, 4, 2.5f};
    const double f8[6] = {0, 1, 2, 3, 4, -2.5};
    const struct {
        int type, bits;
        const void *values;
        double last;
    } types[] = {{2, 8, u1, 255},        {256, 8, i1, -128},      {512, 16, u2, 65535},
                 {4, 16, i2, -32768},    {768, 32, u4, 4e9},      {8, 32, i4, -2e9},
                 {1280, 64, u8, 0x1p63}, {1024, 64, i8, -0x1p63}, {16, 32, f4, 2.5},
                 {64, 64, f8, -2.5}};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        scry_error err = {0};
        scry_nifti n;
        const size_t size =
            make(types[k].type, types[k].bits, types[k].values, 6 * (size_t)types[k].bits / 8);
        scratch_write("t.nii", bytes, size);
        assert_ok(scry_nifti_read(&n, scratch("t.nii"), &err));
        assert_true(n.nx == 3 && n.ny == 2 && n.nz == 1 && !n.cplx && !n.placed);
        for (int i = 0; i < 5; i++)
            assert_true(n.values[i] == 10 + 0.5f * (float)i);
        assert_true(n.values[5] == (float)(10 + 0.5 * types[k].last));
        scry_nifti_clear(&n);
    }
    scratch_clear();
}

/* Fields of the header that are reversed in a file of the other byte order: offset, size, count. */
static void other_byte_order_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_nifti n;
    const int16_t values[6] = {0, 1, 2, 3, 4, -300};
    const size_t fields[][3] = {{0, 4, 1},  {40, 2, 8},  {70, 2, 2},
                                {76, 4, 8}, {108, 4, 3}, {352, 2, 6}};
    const size_t size = make(4, 16, values, sizeof values);
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t i = 0; i < fields[f][2]; i++)
            for (size_t b = 0; b < fields[f][1] / 2; b++) {
                unsigned char *p = bytes + fields[f][0] + i * fields[f][1];
                const unsigned char held = p[b];
                p[b] = p[fields[f][1] - 1 - b];
                p[fields[f][1] - 1 - b] = held;
            }
    scratch_write("t.nii", bytes, size);
    assert_ok(scry_nifti_read(&n, scratch("t.nii"), &err));
    assert_true(n.nx == 3 && n.values[4] == 12 && n.values[5] == -140);
    scry_nifti_clear(&n);
    scratch_clear();
}

static void refuse(size_t at, const void *with, size_t count, scry_status code, const char *words)
{
    scry_error err = {0};
    scry_nifti n;
    const int16_t values[6] = {0, 1, 2, 3, 4, 5};
    const size_t size = make(4, 16, values, sizeof values), live = scry_memory_live();
    memcpy(bytes + at, with, count);
    scratch_write("t.nii", bytes, size);
    assert_int_equal(scry_nifti_read(&n, scratch("t.nii"), &err), code);
    assert_int_equal(scry_memory_live(), live);
    assert_null(n.values);
    if (!strstr(err.text, words)) {
        print_error("\"%s\" does not say \"%s\"\n", err.text, words);
        fail();
    }
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_nifti n;
    const int16_t negative = -3, many = 9, four[2] = {4, 16}, rgb = 128, huge = 32767;
    const int16_t all_huge[5] = {4, huge, huge, huge, huge}, five[6] = {5, 1, 1, 1, 1, 6};
    const int32_t second = 540, other = 1234;
    const float low = 12, wild = NAN, far = 1e30f;
    refuse(0, &other, 4, SCRY_EFORMAT, "does not begin");
    refuse(0, &second, 4, SCRY_EUNSUP, "NIfTI-2");
    refuse(344, "abc", 3, SCRY_EFORMAT, "does not begin");
    refuse(344, "ni1", 3, SCRY_EUNSUP, "another file");
    refuse(40, &many, 2, SCRY_EFORMAT, "9 axes");
    refuse(42, &negative, 2, SCRY_EFORMAT, "axis 1 has -3");
    refuse(42, four, 2, SCRY_EFORMAT, "truncated or damaged: 1 x 1 x 2 x 4");
    refuse(40, five, sizeof five, SCRY_EUNSUP, "axis 5 has 6");
    refuse(40, all_huge, sizeof all_huge, SCRY_ENOMEM, "32767 x 32767");
    refuse(70, &rgb, 2, SCRY_EUNSUP, "type 128");
    refuse(108, &low, 4, SCRY_EFORMAT, "from byte 12");
    refuse(108, &wild, 4, SCRY_EFORMAT, "from byte");
    refuse(108, &far, 4, SCRY_EFORMAT, "from byte 1e+30");
    refuse(112, &wild, 4, SCRY_EFORMAT, "slope nan");
    scratch_write("t.nii", bytes, 200);
    assert_fails(scry_nifti_read(&n, scratch("t.nii"), &err), SCRY_EFORMAT);
    assert_fails(scry_nifti_read(&n, scratch("none.nii"), &err), SCRY_EIO);
    float values[2 * COUNT];
    scry_nifti o = example(values);
    o.nx = 32768;
    assert_fails(scry_nifti_write(scratch("o.nii"), &o, &err), SCRY_ESHAPE);
    o.nx = 0;
    assert_fails(scry_nifti_write(scratch("o.nii"), &o, &err), SCRY_ESHAPE);
    o.nx = NX;
    o.affine[1][1] = NAN;
    assert_fails(scry_nifti_write(scratch("o.nii"), &o, &err), SCRY_EINVAL);
    o.affine[1][1] = 1;
    assert_fails(scry_nifti_write(scratch("no/o.nii"), &o, &err), SCRY_EIO);
    assert_int_equal(scratch_count(), 1);
    scratch_clear();
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    for (size_t nth = 1;; nth++) {
        scry_error err = {0};
        float values[2 * COUNT];
        scry_nifti n = example(values), back = {0};
        scry_memory_fail_at(nth);
        scry_status st = scry_nifti_write(scratch("o.nii"), &n, &err);
        if (st == SCRY_OK) st = scry_nifti_read(&back, scratch("o.nii"), &err);
        scry_memory_fail_at(0);
        scry_nifti_clear(&back);
        assert_int_equal(scry_memory_live(), live);
        scratch_clear();
        if (st == SCRY_OK) break;
        assert_fails(st, SCRY_ENOMEM);
    }
}

static void real_files_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_nifti n;
    const char *path = shared_path("data/mri/ds002748_sub-05_T1w.nii.gz");
    if (!path) skip();
    assert_ok(scry_nifti_read(&n, path, &err));
    double sum = 0;
    for (size_t i = 0; i < n.nt * n.nz * n.ny * n.nx; i++)
        sum += (double)n.values[i];
    /* numpy 1.24 on the same bytes */
    assert_true(n.placed && n.nt == 1 && n.nz == 181 && n.ny == 288 && n.nx == 288);
    assert_near(sum, 1456804434.00072, 1e-2);
    assert_near(n.affine[0][0], -0.86805558, 1e-6);
    scry_nifti_clear(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_standard),         cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(geometry_becomes_affine),    cmocka_unit_test(qform_agrees_with_sform),
        cmocka_unit_test(geometry_comes_back),        cmocka_unit_test(every_real_type_is_read),
        cmocka_unit_test(other_byte_order_is_read),   cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(refused_memory_is_reported), cmocka_unit_test(real_files_are_read),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
