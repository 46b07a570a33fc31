#include "tests/check.h"

#include "lib/io/hdf5.h"
#include "lib/io/kspace/kspace_impl.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"
#include "tests/op_check.h"
#include "tests/scratch.h"

#include <string.h>

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
    scry_error err = {0};
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
    scry_error err = {0};
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
    scry_error err = {0};
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
    for (size_t s = 0; s < SLICES; s++)
        assert_slice(r, s, COILS, "111110");
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
    static const char *const names[] = {"mask_bool", "mask_u8", "mask_f32"};
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
    scry_error err = {0};
    static const struct {
        const char *name;
        size_t coils, ny, nx;
        bool target, full;
    } files[] = {
        {"larson_brain_sag_T1_1ch_256x256", 1, 256, 256, true, true},
        {"pulseq_brain_16ch_128x128", 16, 128, 128, true, true},
        {"pulseq_brain_bodycoil_2ch_128x128", 2, 128, 128, true, true},
        {"sigpy_cartesian_ksp", 8, 230, 180, false, false},
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
        for (size_t k = 0; k < n; k++)
            kept += mask[k];
        print_message("%s: %.3f sampled\n", files[i].name, (double)kept / (double)n);
        if (files[i].full)
            assert_int_equal(kept, n);
        else
            assert_true(kept < n / 4); /* a Poisson disc in both axes */
        scry_free(data);
        scry_free(mask);
        scry_kspace_close(r);
    }
}

static void zeros_inside_lines_are_samples(void **state)
{
    (void)state;
    /* 60 rows: one accidental 0 is under 2 % of a column, 2 are not */
    const size_t coils = 1, ny = 60, nx = 3;
    const scry_kspace_info info = {.coils = coils, .nz = 1, .ny = ny, .nx = nx, .readout = 1};
    float complex data[180];
    unsigned char mask[180];
    for (size_t i = 0; i < ny * nx; i++)
        data[i] = i % nx == 1 ? 0 : 1;
    data[7 * nx] = 0;
    data[7 * nx + 2] = data[9 * nx + 2] = 0;
    scryi_kspace_mask_from_zeros(&info, data, mask);
    for (size_t i = 0; i < ny * nx; i++)
        assert_int_equal(mask[i],
                         i % nx == 0 || (i % nx == 2 && i != 7 * nx + 2 && i != 9 * nx + 2));
}

static void single_coil(void **state)
{
    (void)state;
    scry_error err = {0};
    float target[7 * 4];
    scry_kspace_reader *r = open_golden("single");
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_int_equal(info->slices, SLICES);
    assert_string_equal(info->acquisition, "CORPD_FBK");
    assert_int_equal(info->recon[1], 7); /* of the target: there is no header */
    assert_int_equal(info->recon[2], 4);
    assert_slice(r, 2, 1, "111111");
    assert_ok(scry_kspace_read_target(r, 1, target, &err));
    assert_near(target[4 * 1 + 2], 1.5 + 10 + 200, 0); /* esc, not rss, which is negative here */
    scry_kspace_close(r);
}

static void fewer_columns_than_the_image(void **state)
{
    (void)state;
    scry_kspace_reader *r = open_golden("flair203");
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_int_equal(info->recon[1], 6);
    assert_int_equal(info->recon[2], 6);
    assert_near(info->recon_fov[1], 220 * 6 / 8., 1e-12);
    assert_non_null(strstr(scry_kspace_warning(r), "8 x 8"));
    assert_null(scry_kspace_warning(r));
    scry_kspace_close(r);
}

static void members_by_name(void **state)
{
    (void)state;
    scry_kspace_reader *r = open_golden("double");
    assert_int_equal(scry_kspace_describe(r)->recon[1], 5);
    assert_slice(r, 0, COILS, "111110");
    scry_kspace_close(r);
    r = open_golden("swapped");
    assert_slice(r, 0, COILS, "111111");
    scry_kspace_close(r);
}

static void plain_files(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r = open_golden("plain2");
    assert_int_equal(scry_kspace_describe(r)->format, SCRY_KSPACE_PLAIN);
    assert_string_equal(scry_kspace_describe(r)->dataset, "raw/data");
    assert_non_null(strstr(scry_kspace_warning(r), "y is assumed"));
    assert_slice(r, 0, 1, "111111");
    scry_kspace_close(r);

    r = open_golden("plain3"); /* its mask is over y: the readout is x */
    const scry_kspace_info *info = scry_kspace_describe(r);
    unsigned char mask[N];
    float complex data[2 * COILS * N];
    assert_int_equal(info->coils, COILS);
    assert_int_equal(info->readout, 2);
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    for (size_t i = 0; i < N; i++) {
        const bool kept = strchr("0236789", (char)('0' + i / W)) != NULL;
        assert_int_equal(mask[i], kept);
        assert_sample(data[N + i], kept ? sample(0, 1, i / W, i % W) : 0);
    }
    assert_non_null(strstr(scry_kspace_warning(r), "outside the mask"));
    scry_kspace_close(r);

    r = open_golden("plain4");
    assert_slice(r, 2, COILS, "111111");
    scry_kspace_close(r);

    r = open_golden("plain5");
    info = scry_kspace_describe(r);
    assert_int_equal(info->slices, SLICES);
    assert_int_equal(info->nz, 2);
    assert_int_equal(info->recon[0], 2);
    assert_ok(scry_kspace_read(r, 0, 1, data, NULL, &err));
    assert_sample(data[2 * N + 3 * W + 1], sample(1, 1, 3, 1));
    assert_near(crealf(data[3 * N + 3 * W + 1]), 1 + crealf(sample(1, 1, 3, 1)), 1e-6);
    scry_kspace_close(r);

    assert_int_equal(scry_kspace_open(&r, golden("two"), NULL, &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "a (complex64 {r, i}, 10 x 6), b (complex64 {r, i}, 2 x 10"));
    assert_null(strstr(err.text, "int64"));
    err = (scry_error){0};
    const scry_kspace_choice choice = {.dataset = "b"};
    assert_ok(scry_kspace_open(&r, golden("two"), &choice, &err));
    assert_slice(r, 0, COILS, "111111");
    scry_kspace_close(r);
    const scry_kspace_choice wrong = {.dataset = "c"};
    assert_fails(scry_kspace_open(&r, golden("two"), &wrong, &err), SCRY_EFORMAT);

    /* fastMRI's three axes are slices, those of a dataset that is asked for coils */
    const scry_kspace_choice coils = {.dataset = "kspace"};
    assert_ok(scry_kspace_open(&r, golden("single"), &coils, &err));
    assert_int_equal(scry_kspace_describe(r)->coils, SLICES);
    assert_int_equal(scry_kspace_describe(r)->slices, 1);
    scry_kspace_close(r);
}

/* ---- errors ---- */

static void refused_at_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        scry_status status;
        const char *expected[3]; /* all of them in the message */
    } files[] = {
        {"bad_real", SCRY_EFORMAT, {"kspace is float32 of 3 x 2 x 10 x 6", "{r, i}"}},
        {"bad_pairs", SCRY_EFORMAT, {"(re, im) pairs"}},
        {"bad_rank", SCRY_EFORMAT, {"3 x 2 x 10 x 6 x 1", "(slice, coil, y, x)"}},
        {"bad_mask_length", SCRY_EFORMAT, {"mask is 7", "expected 6", "3 x 2 x 10 x 6"}},
        {"bad_mask_nan", SCRY_ENUMERIC, {"entry 2 of mask is nan"}},
        {"bad_mask_empty", SCRY_ENUMERIC, {"all 6 entries of mask"}},
        {"bad_mask_text", SCRY_EFORMAT, {"mask holds text"}},
        {"bad_limits", SCRY_EFORMAT, {"from 0 to 6 with centre 3", "6 encoded columns"}},
        {"bad_center", SCRY_EFORMAT, {"centre 4"}},
        {"bad_header", SCRY_EFORMAT, {"ismrmrd_header"}},
        {"bad_target", SCRY_EFORMAT, {"rss is float32 of 2 x 7 x 4", "3 slices"}},
        {"images", SCRY_EFORMAT, {"images, not k-space", "reconstruction (float32"}},
        {"header_only", SCRY_EFORMAT, {"no k-space", "ismrmrd_header (text, scalar)"}},
        {"nothing", SCRY_EFORMAT, {"without datasets"}},
        {"bad_empty", SCRY_EFORMAT, {"0 x 2 x 10 x 6"}},
        {"bad_claim", SCRY_EFORMAT, {"1048576 x 64 x 640 x 372", "more than can be packed"}},
        {"absent", SCRY_EIO, {"No such file"}},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        scry_error err = {0};
        scry_kspace_reader *r;
        const scry_status st = scry_kspace_open(&r, golden(files[i].name), NULL, &err);
        if (st != files[i].status || r) fail_msg("%s: %d, \"%s\"", files[i].name, st, err.text);
        if (!strstr(err.text, golden(files[i].name))) fail_msg("no path in \"%s\"", err.text);
        for (int k = 0; k < 3 && files[i].expected[k]; k++)
            if (!strstr(err.text, files[i].expected[k]))
                fail_msg("\"%s\" is not in \"%s\"", files[i].expected[k], err.text);
        assert_int_equal(scry_memory_live(), 0);
    }
}

static void refused_at_read(void **state)
{
    (void)state;
    static const struct {
        const char *name, *expected[2];
    } files[] = {
        {"bad_nan", {"slice 0: 2 of 120 samples", "coil 1, z 0, y 7, x 2"}},
        {"bad_zeros", {"all samples are 0", "slice 0"}},
        {"bad_disjoint", {"all 30 samples that the mask keeps are 0", "30 outside"}},
    };
    float complex data[COILS * N];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        scry_error err = {0};
        scry_kspace_reader *r = open_golden(files[i].name);
        assert_int_equal(scry_kspace_read(r, 0, 0, data, NULL, &err), SCRY_ENUMERIC);
        for (int k = 0; k < 2; k++)
            if (!strstr(err.text, files[i].expected[k]))
                fail_msg("\"%s\" is not in \"%s\"", files[i].expected[k], err.text);
        err = (scry_error){0};
        assert_fails(scry_kspace_read(r, 0, 3, data, NULL, &err), SCRY_EINVAL);
        assert_fails(scry_kspace_read(r, 1, 0, data, NULL, &err), SCRY_EINVAL);
        assert_fails(scry_kspace_read_target(r, 0, NULL, &err), SCRY_EUNSUP);
        scry_kspace_close(r);
    }
}

/* Every prefix is a truncated file; the last bytes of one may be padding. */
static void truncated(void **state)
{
    (void)state;
    static char bytes[1 << 14];
    const char *path = scratch("truncated.h5");
    FILE *file = fopen(golden("multi"), "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t n = 0; n < size - 8; n += 97) {
        scry_error err = {0};
        scry_kspace_reader *r;
        scratch_write("truncated.h5", bytes, n);
        assert_fails(scry_kspace_open(&r, path, NULL, &err), SCRY_EFORMAT);
    }
    remove(path);
}

/* ---- writing ---- */

static scry_kspace_info a_volume(int readout, size_t coils)
{
    return (scry_kspace_info){
        .format = SCRY_KSPACE_FASTMRI,
        .frames = 1,
        .slices = SLICES,
        .coils = coils,
        .nz = 1,
        .ny = H,
        .nx = W,
        .readout = readout,
        .recon = {1, 5, 4},
        .averages = 1,
        .encoded_fov = {5, 400, 240},
        .recon_fov = {5, 200, 160},
        .field_strength = 2.89,
        .tr = 2000,
        .te = 11.5,
        .acquisition = "AXT1",
        .system = "Skyra",
    };
}

/* The mask: lines along the readout, every third is missing unless all are. */
static void a_slice(float complex *data, unsigned char *mask, const scry_kspace_info *info,
                    size_t s, bool all)
{
    for (size_t c = 0; c < info->coils; c++)
        for (size_t i = 0; i < N; i++) {
            const size_t line = info->readout == 1 ? i % W : i / W;
            mask[i] = all || line % 3 != 1;
            data[c * N + i] = mask[i] ? sample(s, c, i / W, i % W) : 0;
        }
}

static scry_status write_volume(const char *path, const scry_kspace_info *info, bool all,
                                scry_error *err)
{
    scry_kspace_writer *w;
    float complex data[COILS * N];
    unsigned char mask[N];
    float target[5 * 4];
    scry_status st = scry_kspace_create(&w, path, info, err);
    if (st != SCRY_OK) return st;
    for (size_t s = SLICES; st == SCRY_OK && s-- > 0;) { /* in any order */
        a_slice(data, mask, info, s, all);
        st = scry_kspace_write(w, 0, s, data, mask, err);
        for (size_t i = 0; i < 20; i++)
            target[i] = (float)(s + 10 * i);
        if (st == SCRY_OK) st = scry_kspace_write_target(w, s, target, err);
    }
    const scry_status end = scry_kspace_finish(w, st == SCRY_OK, err);
    return st == SCRY_OK ? end : st;
}

#define OUT scratch("written.h5")

/* Turned, so that the readout is along the rows' axis: (y, x) of the file is (x, y) given. */
static void check_written(const scry_kspace_info *given, bool all)
{
    scry_error err = {0};
    scry_kspace_reader *r;
    float complex data[COILS * N], want[COILS * N];
    unsigned char mask[N], kept[N];
    float target[20];
    const bool turned = given->readout == 2;
    assert_ok(scry_kspace_open(&r, OUT, NULL, &err));
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_int_equal(info->ny, turned ? W : H);
    assert_int_equal(info->nx, turned ? H : W);
    assert_int_equal(info->recon[1], turned ? 4 : 5);
    assert_int_equal(info->recon[2], turned ? 5 : 4);
    assert_near(info->recon_fov[turned ? 2 : 1], 200, 1e-9);
    assert_near(info->encoded_fov[turned ? 1 : 2], 240, 1e-9);
    assert_near(info->tr, 2000, 0);
    assert_near(info->field_strength, 2.89, 0);
    assert_string_equal(info->acquisition, "AXT1");
    assert_int_equal(info->has_mask, !all);
    for (size_t s = 0; s < SLICES; s++) {
        a_slice(want, kept, given, s, all);
        assert_ok(scry_kspace_read(r, 0, s, data, mask, &err));
        assert_ok(scry_kspace_read_target(r, s, target, &err));
        for (size_t c = 0; c < given->coils; c++)
            for (size_t i = 0; i < N; i++) {
                const size_t j = turned ? i % W * H + i / W : i;
                assert_sample(data[c * N + j], want[c * N + i]);
                assert_int_equal(mask[j], kept[i]);
            }
        for (size_t i = 0; i < 20; i++)
            assert_near(target[turned ? i % 4 * 5 + i / 4 : i], (double)(s + 10 * i), 0);
    }
    assert_null(scry_kspace_warning(r));
    scry_kspace_close(r);
}

static void written_is_read(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        scry_error err = {0};
        const scry_kspace_info info = a_volume(1 + k % 2, 1 + (size_t)k / 2 % 2);
        assert_ok(write_volume(OUT, &info, k < 4, &err));
        check_written(&info, k < 4);
    }
    scry_hdf5 *f;
    scry_error err = {0};
    double max, norm;
    assert_ok(scry_hdf5_open(&f, OUT, &err));
    assert_true(scry_hdf5_attribute_number(f, "", "max", &max));
    assert_near(max, 192, 0);
    assert_true(scry_hdf5_attribute_number(f, "", "norm", &norm));
    double energy = 0;
    for (size_t i = 0; i < 60; i++)
        energy += pow((double)(i / 20 + 10 * (i % 20)), 2);
    assert_near(norm, sqrt(energy), 1e-9);
    scry_hdf5_close(f);
    remove(OUT);
}

static void no_trace(void)
{
    assert_int_equal(scratch_count(), 0);
}

static void refused_to_write(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_writer *w;
    float complex data[COILS * N];
    unsigned char mask[N];
    scry_kspace_info info = a_volume(1, COILS);
    info.frames = 2;
    assert_fails(scry_kspace_create(&w, OUT, &info, &err), SCRY_EUNSUP);
    info = a_volume(3, COILS);
    assert_fails(scry_kspace_create(&w, OUT, &info, &err), SCRY_EINVAL);
    info = a_volume(1, 0);
    assert_fails(scry_kspace_create(&w, OUT, &info, &err), SCRY_EFORMAT);
    info = a_volume(1, COILS);
    info.format = SCRY_KSPACE_PLAIN;
    assert_fails(scry_kspace_create(&w, OUT, &info, &err), SCRY_EUNSUP);
    info.format = SCRY_KSPACE_FASTMRI;
    info.image_axis[1] = true;
    assert_fails(scry_kspace_create(&w, OUT, &info, &err), SCRY_EUNSUP);
    info.image_axis[1] = false;
    assert_fails(scry_kspace_create(&w, "no/such/folder.h5", &info, &err), SCRY_EIO);

    a_slice(data, mask, &info, 0, false);
    assert_ok(scry_kspace_create(&w, OUT, &info, &err));
    assert_ok(scry_kspace_write(w, 0, 0, data, mask, &err));
    assert_fails(scry_kspace_finish(w, true, &err), SCRY_EINVAL); /* slices 1, 2 are missing */
    no_trace();
    assert_ok(scry_kspace_create(&w, OUT, &info, &err));
    assert_ok(scry_kspace_write(w, 0, 0, data, mask, &err));
    assert_fails(scry_kspace_write(w, 0, 0, data, mask, &err), SCRY_EINVAL); /* twice */
    assert_fails(scry_kspace_write(w, 0, 3, data, mask, &err), SCRY_EINVAL);
    assert_fails(scry_kspace_finish(w, true, &err), SCRY_EINVAL);
    assert_ok(scry_kspace_create(&w, OUT, &info, &err));
    data[3] = NAN;
    assert_fails(scry_kspace_write(w, 0, 1, data, mask, &err), SCRY_ENUMERIC);
    data[3] = 1;
    mask[3] = 0;
    assert_fails(scry_kspace_write(w, 0, 1, data, mask, &err), SCRY_EINVAL);
    assert_ok(scry_kspace_finish(w, false, &err));
    no_trace();
}

/* ---- memory ---- */

static scry_status read_all(scry_error *err)
{
    scry_kspace_reader *r;
    float complex data[COILS * N];
    scry_status st = scry_kspace_open(&r, golden("mask_bool"), NULL, err);
    if (st == SCRY_OK) st = scry_kspace_read(r, 0, 0, data, NULL, err);
    scry_kspace_close(r);
    return st;
}

static scry_status read_plain(scry_error *err)
{
    scry_kspace_reader *r;
    const scry_status st = scry_kspace_open(&r, golden("plain3"), NULL, err);
    scry_kspace_close(r);
    return st;
}

static scry_status write_all(scry_error *err)
{
    const scry_kspace_info info = a_volume(2, COILS);
    const scry_status st = write_volume(OUT, &info, false, err);
    if (st == SCRY_OK) remove(OUT);
    return st;
}

static void memory_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    CHECK_ALLOCATIONS(read_all(&err), (void)0);
    CHECK_ALLOCATIONS(read_plain(&err), (void)0);
    CHECK_ALLOCATIONS(write_all(&err), (void)0);
    no_trace();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_file),
        cmocka_unit_test(masks_of_three_types),
        cmocka_unit_test(zeros_inside_lines_are_samples),
        cmocka_unit_test(single_coil),
        cmocka_unit_test(fewer_columns_than_the_image),
        cmocka_unit_test(members_by_name),
        cmocka_unit_test(plain_files),
        cmocka_unit_test(refused_at_open),
        cmocka_unit_test(refused_at_read),
        cmocka_unit_test(truncated),
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(refused_to_write),
        cmocka_unit_test(memory_refused),
        cmocka_unit_test(shared_files),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
