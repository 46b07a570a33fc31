#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/cfl.h"
#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"

enum { NX = 7, NY = 10, COILS = 3, SLICES = 2, FRAMES = 2, PLANE = NY * NX };

static float complex value(size_t f, size_t s, size_t c, size_t y, size_t x)
{
    return 2.385f * (float)(1 + x + 10 * y) + (float)(c + 10 * s + 100 * f) * I;
}

/* A file of these dims, value number i being 1 + i, or 0 where keep says so. */
static void make(const size_t *dims, bool (*keep)(const size_t *at))
{
    scry_error err = {0};
    scry_cfl_writer *w;
    size_t count = 1, at[SCRY_CFL_RANK] = {0};
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        count *= dims[d];
    float complex *x = scry_alloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        x[i] = !keep || keep(at) ? 1 + (float)i : 0;
        for (int d = 0; d < SCRY_CFL_RANK && ++at[d] == dims[d]; d++)
            at[d] = 0;
    }
    assert_ok(scry_cfl_create(&w, scratch("k"), dims, &err));
    assert_ok(scry_cfl_write(w, NULL, NULL, x, &err));
    assert_ok(scry_cfl_finish(w, true, &err));
    scry_free(x);
}

static void dims_are_placed(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r;
    float complex data[2 * 4 * 3];
    unsigned char mask[4 * 3];
    assert_ok(scry_kspace_open(&r, "golden/cfl/counted", NULL, &err));
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_true(info->format == SCRY_KSPACE_CFL && info->frames == 1 && info->slices == 1 &&
                info->coils == 2 && info->nz == 1 && info->ny == 4 && info->nx == 3 &&
                info->readout == 2 && info->averages == 1);
    assert_true(info->recon[0] == 1 && info->recon[1] == 4 && info->recon[2] == 3);
    assert_string_equal(info->dataset, "counted.cfl");
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    for (int c = 0; c < 2; c++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 3; x++)
                assert_true(data[(c * 4 + y) * 3 + x] == (float)(x + 10 * y + 100 * c));
    scry_kspace_close(r);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_info info = {.format = SCRY_KSPACE_CFL,
                             .frames = FRAMES,
                             .slices = SLICES,
                             .coils = COILS,
                             .nz = 1,
                             .ny = NY,
                             .nx = NX,
                             .readout = 2,
                             .recon = {1, NY, NX}};
    scry_kspace_writer *w;
    scry_kspace_reader *r;
    float complex data[COILS * PLANE], back[COILS * PLANE];
    unsigned char mask[PLANE], found[PLANE];
    for (size_t i = 0; i < PLANE; i++)
        mask[i] = i / NX % 3 == 1;
    for (int pass = 0; pass < 2; pass++) { /* write, then read */
        if (!pass)
            assert_ok(scry_kspace_create(&w, scratch("o.cfl"), &info, &err));
        else
            assert_ok(scry_kspace_open(&r, scratch("o"), NULL, &err));
        for (size_t k = 0; k < FRAMES * SLICES; k++) {
            const size_t f = k / SLICES, s = k % SLICES;
            for (size_t i = 0; i < COILS * PLANE; i++)
                data[i] = mask[i % PLANE] ? value(f, s, i / PLANE, i / NX % NY, i % NX) : 0;
            if (!pass) {
                assert_ok(scry_kspace_write(w, f, s, data, mask, &err));
                continue;
            }
            assert_ok(scry_kspace_read(r, f, s, back, found, &err));
            assert_memory_equal(back, data, sizeof data);
            assert_memory_equal(found, mask, sizeof mask);
        }
        if (!pass)
            assert_ok(scry_kspace_finish(w, true, &err));
        else
            scry_kspace_close(r);
    }
    assert_ok(scry_kspace_create(&w, scratch("p.cfl"), &info, &err));
    assert_fails(scry_kspace_finish(w, true, &err), SCRY_EINVAL); /* no slice was given */
    assert_int_equal(scratch_count(), 2);
    scratch_clear();
}

/* Dim 0 is the readout: data read out along y are turned, and comes back along x. */
static void the_readout_becomes_dim_0(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_kspace_info info = {.format = SCRY_KSPACE_CFL,
                                   .frames = 1,
                                   .slices = 1,
                                   .coils = COILS,
                                   .nz = 1,
                                   .ny = NY,
                                   .nx = NX,
                                   .readout = 1,
                                   .recon = {1, NY, NX}};
    scry_kspace_writer *w;
    scry_kspace_reader *r;
    float complex data[COILS * PLANE], back[COILS * PLANE];
    for (size_t i = 0; i < COILS * PLANE; i++)
        data[i] = value(0, 0, i / PLANE, i / NX % NY, i % NX);
    assert_ok(scry_kspace_create(&w, scratch("o.cfl"), &info, &err));
    assert_ok(scry_kspace_write(w, 0, 0, data, NULL, &err));
    assert_ok(scry_kspace_finish(w, true, &err));
    assert_ok(scry_kspace_open(&r, scratch("o"), NULL, &err));
    assert_true(scry_kspace_describe(r)->nx == NY && scry_kspace_describe(r)->ny == NX);
    assert_ok(scry_kspace_read(r, 0, 0, back, NULL, &err));
    for (size_t c = 0; c < COILS; c++)
        for (size_t y = 0; y < NY; y++)
            for (size_t x = 0; x < NX; x++)
                assert_true(back[(c * NX + x) * NY + y] == value(0, 0, c, y, x));
    scry_kspace_close(r);
    scratch_clear();
}

static bool every_third_column(const size_t *at)
{
    return at[SCRY_CFL_READ] % 3 == 0;
}

static bool every_third_ph1(const size_t *at)
{
    return at[SCRY_CFL_PH1] % 3 == 0;
}

static bool every_third_ph2(const size_t *at)
{
    return at[SCRY_CFL_PH2] % 3 == 0;
}

static bool scattered(const size_t *at)
{
    return (at[1] * 7 + at[2] * 3) % 5 < 2;
}

static void the_readout_is_deduced(void **state)
{
    (void)state;
    const struct {
        size_t dims[3];
        bool (*keep)(const size_t *at);
        size_t nz, ny, nx;
        int readout;
    } cases[] = {
        {{12, 18, 1}, NULL, 1, 18, 12, 2},
        {{12, 18, 1}, every_third_ph1, 1, 18, 12, 2},
        {{12, 18, 1}, every_third_column, 1, 18, 12, 1},
        {{1, 12, 18}, NULL, 1, 18, 12, 2},
        {{1, 12, 18}, every_third_ph1, 1, 18, 12, 1},
        {{1, 12, 18}, every_third_ph2, 1, 18, 12, 2},
        {{1, 12, 18}, scattered, 1, 18, 12, 2},
        {{4, 12, 18}, every_third_ph1, 18, 12, 4, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scry_error err = {0};
        scry_kspace_reader *r;
        static float complex data[2 * 4 * 12 * 18];
        static unsigned char mask[4 * 12 * 18];
        size_t dims[SCRY_CFL_RANK], kept = 0, full = 0, at[SCRY_CFL_RANK] = {0};
        for (int d = 0; d < SCRY_CFL_RANK; d++)
            dims[d] = d < 3 ? cases[i].dims[d] : 1;
        dims[SCRY_CFL_COIL] = 2;
        make(dims, cases[i].keep);
        assert_ok(scry_kspace_open(&r, scratch("k.hdr"), NULL, &err));
        const scry_kspace_info *info = scry_kspace_describe(r);
        assert_int_equal(info->nz, cases[i].nz);
        assert_int_equal(info->ny, cases[i].ny);
        assert_int_equal(info->nx, cases[i].nx);
        assert_int_equal(info->readout, cases[i].readout);
        assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
        scry_kspace_close(r);
        for (size_t k = 0; k < dims[0] * dims[1] * dims[2]; k++) {
            kept += mask[k];
            full += !cases[i].keep || cases[i].keep(at);
            for (int d = 0; d < 3 && ++at[d] == dims[d]; d++)
                at[d] = 0;
        }
        assert_int_equal(kept, full);
    }
    scratch_clear();
}

static bool second_average_is_partial(const size_t *at)
{
    return !at[SCRY_CFL_AVERAGE] || at[SCRY_CFL_PH1] < 2;
}

/* Value number i is 1 + i: the mean of two averages of n values each lies n/2 above the first. */
static void averages_are_means(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r;
    float complex data[20];
    unsigned char mask[20];
    size_t dims[SCRY_CFL_RANK];
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[0] = 4;
    dims[1] = 5;
    dims[SCRY_CFL_AVERAGE] = 2;
    make(dims, second_average_is_partial);
    assert_ok(scry_kspace_open(&r, scratch("k"), NULL, &err));
    assert_int_equal(scry_kspace_describe(r)->averages, 2);
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    for (int i = 0; i < 20; i++) {
        assert_true(data[i] == (i < 8 ? 11 + (float)i : 1 + (float)i));
        assert_true(mask[i]);
    }
    scry_kspace_close(r);
    scratch_clear();
}

static void frames_count_the_slowest_first(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r;
    float complex data[6];
    size_t dims[SCRY_CFL_RANK];
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[0] = 2;
    dims[1] = 3;
    dims[SCRY_CFL_TE] = 2;
    dims[SCRY_CFL_TIME] = 3;
    dims[SCRY_CFL_SLICE] = 2;
    make(dims, NULL);
    assert_ok(scry_kspace_open(&r, scratch("k"), NULL, &err));
    assert_int_equal(scry_kspace_describe(r)->frames, 6);
    for (size_t f = 0; f < 6; f++)
        for (size_t s = 0; s < 2; s++) {
            assert_ok(scry_kspace_read(r, f, s, data, NULL, &err));
            assert_true(data[0] == 1 + 6 * (float)(f + 6 * s));
        }
    assert_fails(scry_kspace_read(r, 6, 0, data, NULL, &err), SCRY_EINVAL);
    scry_kspace_close(r);
    scratch_clear();
}

static bool nothing(const size_t *at)
{
    (void)at;
    return false;
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r;
    float complex data[12];
    size_t dims[SCRY_CFL_RANK];
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[0] = 4;
    dims[1] = 3;
    make(dims, nothing); /* as a tool that was aborted leaves it */
    assert_ok(scry_kspace_open(&r, scratch("k"), NULL, &err));
    assert_fails(scry_kspace_read(r, 0, 0, data, NULL, &err), SCRY_ENUMERIC);
    scry_kspace_close(r);
    dims[SCRY_CFL_MAPS] = 2;
    make(dims, NULL);
    assert_fails(scry_kspace_open(&r, scratch("k"), NULL, &err), SCRY_EFORMAT);
    unlink(scratch("k.hdr"));
    assert_fails(scry_kspace_open(&r, scratch("k.cfl"), NULL, &err), SCRY_EIO);
    assert_fails(scry_kspace_open(&r, scratch("k"), NULL, &err), SCRY_EIO);
    scratch_clear();
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    size_t dims[SCRY_CFL_RANK];
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[0] = 4;
    dims[1] = 3;
    dims[SCRY_CFL_AVERAGE] = 2;
    make(dims, NULL);
    for (size_t nth = 1;; nth++) {
        scry_error err = {0};
        scry_kspace_reader *r;
        float complex data[12];
        scry_memory_fail_at(nth);
        scry_status st = scry_kspace_open(&r, scratch("k"), NULL, &err);
        if (st == SCRY_OK) st = scry_kspace_read(r, 0, 0, data, NULL, &err);
        scry_memory_fail_at(0);
        scry_kspace_close(r);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_fails(st, SCRY_ENOMEM);
    }
    scratch_clear();
}

static void real_files_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r;
    const char *path = shared_path("data/kspace/gre.cfl");
    if (!path) skip();
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_true(info->coils == 2 && info->ny == 160 && info->nx == 320 && info->readout == 2);
    float complex *data = scry_alloc(2 * 160 * 320, sizeof *data);
    unsigned char *mask = scry_alloc(160, 320);
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    size_t kept = 0;
    for (size_t i = 0; i < 160 * 320; i++)
        kept += mask[i];
    assert_int_equal(kept, 160 * 320); /* fully sampled */
    assert_null(scry_kspace_warning(r));
    scry_kspace_close(r);
    scry_free(data);
    scry_free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dims_are_placed),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_readout_becomes_dim_0),
        cmocka_unit_test(the_readout_is_deduced),
        cmocka_unit_test(averages_are_means),
        cmocka_unit_test(frames_count_the_slowest_first),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(refused_memory_is_reported),
        cmocka_unit_test(real_files_are_read),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
