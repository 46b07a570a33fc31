/* ISMRMRD files of golden/make_ismrmrd.py (h5py), of ismrmrd-tools when installed, and our own. */

#include "tests/check.h"

#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"

#include <complex.h>
#include <string.h>

enum { NX = 12, NY = 8, NC = 2, PLANE = NX * NY };

static scry_kspace_reader *open_golden(const char *name)
{
    char path[128];
    scry_error err = {0};
    scry_kspace_reader *r = NULL;
    snprintf(path, sizeof path, "golden/ismrmrd/%s.h5", name);
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    return r;
}

/* The value of make_ismrmrd.py at a place of the matrix. */
static double complex golden(size_t coil, size_t y, size_t x, size_t slice, size_t repetition)
{
    return (double)(1000 * (y + 1) + x) + (double)(100 * coil + 10 * slice + repetition + 1) * I;
}

static void check_sample(float complex found, double complex expected, const char *where, size_t c,
                         size_t y, size_t x)
{
    if (cabs((double complex)found - expected) <= 1e-3) return;
    print_error("%s: coil %zu, y %zu, x %zu: (%g, %g), expected (%g, %g)\n", where, c, y, x,
                (double)crealf(found), (double)cimagf(found), creal(expected), cimag(expected));
    fail();
}

/* Asymmetric echoes leave out x < 4 on lines 6 and 7 of packed and aligned. */
static bool measured(size_t y, size_t x)
{
    return y < 6 || x >= 4;
}

static void check_everything(const char *name)
{
    scry_error err = {0};
    float complex data[NC * PLANE], noise[NC * 20];
    unsigned char mask[PLANE];
    scry_kspace_reader *r = open_golden(name);
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_int_equal(info->format, SCRY_KSPACE_ISMRMRD);
    assert_string_equal(info->dataset, "/dataset/data");
    assert_true(info->frames == 2 && info->slices == 2 && info->coils == NC && info->nz == 1);
    assert_true(info->ny == NY && info->nx == NX && info->readout == 2 && info->averages == 1);
    assert_memory_equal(info->recon, ((size_t[]){1, NY, NX / 2}), sizeof info->recon);
    assert_near(info->encoded_fov[2] / info->recon_fov[2], 2, 0);
    assert_true(info->has_calibration && info->has_mask && !info->has_target);
    assert_int_equal(info->noise_samples, 20);
    assert_near(info->noise_ratio, 10.0 / 5.0 / 0.8, 1e-6); /* dwell times, receiver bandwidth */
    assert_string_equal(info->trajectory, "cartesian");
    for (size_t frame = 0; frame < 2; frame++)
        for (size_t slice = 0; slice < 2; slice++) {
            assert_ok(scry_kspace_read(r, frame, slice, data, mask, &err));
            for (size_t i = 0; i < NC * PLANE; i++) {
                const size_t c = i / PLANE, y = i / NX % NY, x = i % NX;
                assert_int_equal(mask[i % PLANE], measured(y, x));
                check_sample(data[i], measured(y, x) ? golden(c, y, x, slice, frame) : 0, name, c,
                             y, x);
            }
        }
    for (size_t slice = 0; slice < 2; slice++) { /* lines 4 and 5 are doubled for calibration */
        assert_ok(scry_kspace_read_calibration(r, slice, data, mask, &err));
        for (size_t i = 0; i < NC * PLANE; i++) {
            const size_t c = i / PLANE, y = i / NX % NY, x = i % NX;
            const double scale = !measured(y, x) ? 0 : y == 4 || y == 5 ? 2 : 1;
            check_sample(data[i], scale * golden(c, y, x, slice, 0), "calibration", c, y, x);
        }
    }
    assert_ok(scry_kspace_read_noise(r, noise, &err));
    double power = 0;
    for (size_t i = 0; i < NC * 20; i++) {
        const double re = (double)crealf(noise[i]), im = (double)cimagf(noise[i]);
        assert_true(re >= -50 && re < 50 && im >= -50 && im < 50 && re == floor(re));
        power += re * re + im * im;
    }
    assert_near(power / (NC * 20), 2 * 1e4 / 12, 600);
    assert_non_null(strstr(scry_kspace_warning(r), "4 calibration lines (mode not stated)"));
    assert_null(scry_kspace_warning(r));
    scry_kspace_close(r);
}

static void all_kinds_of_lines_find_their_place(void **state)
{
    (void)state;
    check_everything("packed");
    check_everything("aligned");
}

static void geometry_comes_from_the_first_acquisition_of_a_slice(void **state)
{
    (void)state;
    scry_kspace_reader *r = open_golden("packed");
    const scry_geometry *g = &scry_kspace_describe(r)->geometry;
    static const double along[3][3] = {{0, 1, 0}, {0, 0, -1}, {-1, 0, 0}};
    assert_true(g->known);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            assert_near(g->along[i][k], along[i][k], 0);
    for (int k = 0; k < 3; k++) {
        assert_near(g->position[k], ((double[]){5, -7, 20})[k], 0);
        assert_near(g->slice_gap[k], ((double[]){-8, 0, 0})[k], 0);
        assert_near(g->fov[k], ((double[]){240, 200, 6})[k], 0);
    }
    scry_kspace_close(r);
}

static void averages_are_means(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex data[NC * PLANE];
    scry_kspace_reader *r = open_golden("averages");
    assert_int_equal(scry_kspace_describe(r)->averages, 3);
    assert_false(scry_kspace_describe(r)->geometry.known);
    assert_ok(scry_kspace_read(r, 0, 0, data, NULL, &err));
    for (size_t i = 0; i < NC * PLANE; i++) {
        const size_t c = i / PLANE, y = i / NX % NY, x = i % NX;
        check_sample(data[i],
                     (y == 2   ? 2
                      : y == 3 ? 3
                               : 1) *
                         golden(c, y, x, 0, 0),
                     "averages", c, y, x);
    }
    assert_null(scry_kspace_warning(r));
    scry_kspace_close(r);
}

static void limits_place_the_centre(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex data[4 * NC * PLANE];
    unsigned char mask[4 * PLANE];
    scry_kspace_reader *r = open_golden("partial");
    const size_t recon[3] = {1, 10, 6};
    assert_memory_equal(scry_kspace_describe(r)->recon, recon, sizeof recon);
    assert_false(scry_kspace_describe(r)->has_calibration);
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    for (size_t i = 0; i < PLANE; i++) {
        assert_int_equal(mask[i], i / NX >= 3);
        check_sample(data[i], mask[i] ? golden(0, i / NX, i % NX, 0, 0) : 0, "partial", 0, i / NX,
                     i % NX);
    }
    assert_non_null(strstr(scry_kspace_warning(r), "4 acquisitions of other encodings"));
    scry_kspace_close(r);

    r = open_golden("volume"); /* steps 0 to 2 with the centre at 1 are partitions 1 to 3 of 4 */
    assert_int_equal(scry_kspace_describe(r)->nz, 4);
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    for (size_t i = 0; i < 4 * PLANE; i++) {
        const size_t z = i / PLANE, y = i / NX % NY, x = i % NX;
        assert_int_equal(mask[i], z > 0);
        check_sample(data[i], z ? golden(0, y, x, 0, z - 1) : 0, "volume", 0, y, x);
    }
    scry_kspace_close(r);
}

/* Embedded calibration lines are data of the image too, unless they differ from its lines. */
static void embedded_calibration_enters_the_image(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex data[NC * PLANE];
    unsigned char mask[PLANE];
    scry_kspace_reader *r = open_golden("embedded");
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    for (size_t i = 0; i < NC * PLANE; i++) {
        const size_t c = i / PLANE, y = i / NX % NY, x = i % NX;
        const bool there = y % 2 == 0 || y == 3 || y == 5;
        assert_int_equal(mask[i % PLANE], there);
        check_sample(data[i], there ? golden(c, y, x, 0, 0) : 0, "embedded", c, y, x);
    }
    assert_ok(scry_kspace_read_calibration(r, 0, data, mask, &err));
    assert_true(!mask[NX] && mask[NX + 4]); /* line 1, the short one */
    assert_non_null(strstr(scry_kspace_warning(r), "2 calibration lines are embedded"));
    assert_non_null(strstr(scry_kspace_warning(r), "1 embedded calibration lines differ"));
    scry_kspace_close(r);
}

/* Where no mode is stated: calibration lines between those of the image, some of which calibrate
 * too, are data of the image; those that repeat lines of the image are not. */
static void calibration_that_fills_gaps_enters_the_image(void **state)
{
    (void)state;
    for (int repeated = 0; repeated < 2; repeated++) {
        scry_error err = {0};
        float complex data[NC * PLANE];
        unsigned char mask[PLANE];
        scry_kspace_reader *r = open_golden(repeated ? "repeated" : "integrated");
        assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
        for (size_t i = 0; i < NC * PLANE; i++) {
            const size_t c = i / PLANE, y = i / NX % NY, x = i % NX;
            const bool there = y % 2 == 0 || (!repeated && (y == 3 || y == 5));
            assert_int_equal(mask[i % PLANE], there);
            check_sample(data[i], there ? golden(c, y, x, 0, 0) : 0, "integrated", c, y, x);
        }
        assert_non_null(strstr(scry_kspace_warning(r), repeated
                                                           ? "3 calibration lines (mode not stated)"
                                                           : "2 calibration lines fill its gaps"));
        scry_kspace_close(r);
    }
}

static void one_of_several_measurements_is_chosen(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "dataset_1", "/dataset_1/data", "dataset_1/xml"};
    for (size_t i = 0; i < 4; i++) {
        scry_error err = {0};
        scry_kspace_reader *r = NULL;
        const scry_kspace_choice choice = {.dataset = names[i]};
        assert_ok(scry_kspace_open(&r, "golden/ismrmrd/several.h5", &choice, &err));
        const scry_kspace_info *info = scry_kspace_describe(r);
        assert_int_equal(info->ny, i ? NY : 4);
        assert_string_equal(info->dataset, i ? "/dataset_1/data" : "/dataset/data");
        const char *warning = scry_kspace_warning(r);
        if (i) assert_null(warning);
        if (!i) assert_non_null(strstr(warning, "2 measurements: dataset is read"));
        if (!i) assert_non_null(strstr(warning, "dataset_1"));
        scry_kspace_close(r);
    }
}

static void slices_are_sorted_by_position(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex data[NC * PLANE];
    scry_kspace_reader *r = open_golden("interleaved");
    const scry_geometry *g = &scry_kspace_describe(r)->geometry;
    static const size_t numbered[] = {0, 2, 1};
    assert_true(g->known);
    assert_near(g->slice_gap[2], 8, 1e-6);
    for (size_t s = 0; s < 3; s++) {
        assert_ok(scry_kspace_read(r, 0, s, data, NULL, &err));
        check_sample(data[0], golden(0, 0, 0, numbered[s], 0), "interleaved", 0, 0, 0);
    }
    assert_non_null(strstr(scry_kspace_warning(r), "sorted by position"));
    scry_kspace_close(r);
}

static void contrasts_and_sets_are_frames(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex data[NC * PLANE];
    scry_kspace_reader *r = open_golden("frames");
    assert_int_equal(scry_kspace_describe(r)->frames, 6);
    for (size_t frame = 0; frame < 6; frame++) { /* contrasts are slower than sets */
        assert_ok(scry_kspace_read(r, frame, 0, data, NULL, &err));
        check_sample(data[PLANE + 17], golden(1, 1, 5, 0, frame), "frames", 1, 1, 5);
    }
    scry_kspace_close(r);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *said;
    } cases[] = {
        {"bad_line", "acquisition 8: kspace_encode_step_1 is 9, expected 0 to 7"},
        {"bad_limits", "kspace_encoding_step_1 from 0 to 8 with centre 4 reaches outside"},
        {"bad_center", "from 0 to 7 with centre 0 reaches outside"},
        {"bad_samples", "acquisition 3: 14 samples"},
        {"bad_echo", "acquisition 3: 8 samples with center_sample 1"},
        {"bad_discard", "acquisition 3: 6 samples (4 discarded in front, 2 behind)"},
        {"bad_channels", "acquisition 3: 3 active channels, expected 2"},
        {"bad_reference", "acquisition 3: encoding_space_ref is 2, but the header has 1"},
        {"bad_partition", "acquisition 8: kspace_encode_step_2 is 4, expected 0 to 3"},
        {"only_noise", "none of the 1 acquisitions is for imaging (1 noise"},
        {"no_member", "head.center_sample is missing, expected an integer"},
        {"bad_member", "head.flags is a string, expected an integer"},
        {"bad_array", "head.position is an array, expected an array of 3 numbers"},
        {"bad_data", "data is an array, expected floating-point numbers of variable length"},
        {"no_head", "head is missing, expected a compound"},
        {"numbers", "its element is a floating-point number, expected a compound"},
        {"empty", "1 axes and 0 acquisitions"},
        {"no_xml", "without xml"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        scry_error err = {0};
        scry_kspace_reader *r;
        snprintf(path, sizeof path, "golden/ismrmrd/%s.h5", cases[i].name);
        assert_int_equal(scry_kspace_open(&r, path, NULL, &err), SCRY_EFORMAT);
        assert_null(r);
        if (strncmp(err.text, path, strlen(path)) || !strstr(err.text, cases[i].said)) {
            print_error("said \"%s\", expected \"%s\"\n", err.text, cases[i].said);
            fail();
        }
    }
}

static void spirals_are_not_supported(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_kspace_reader *r;
    assert_int_equal(scry_kspace_open(&r, "golden/ismrmrd/bad_trajectory.h5", NULL, &err),
                     SCRY_EUNSUP);
    assert_non_null(strstr(err.text, "trajectory \"spiral\""));
}

static void bad_samples_are_named_when_read(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex data[NC * PLANE];
    scry_kspace_reader *r = open_golden("bad_length");
    assert_int_equal(scry_kspace_read(r, 0, 0, data, NULL, &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "acquisition 5: data holds 44 numbers, expected 48"));
    scry_kspace_close(r);
    err = (scry_error){0};
    r = open_golden("nan");
    assert_fails(scry_kspace_read(r, 0, 0, data, NULL, &err), SCRY_ENUMERIC);
    assert_fails(scry_kspace_read_noise(r, data, &err), SCRY_EUNSUP);
    scry_kspace_close(r);
}

/* ---- writing ---- */

enum { FRAMES = 2, SLICES = 3, WNY = 10, WNX = 14, WPLANE = WNY * WNX };

static const scry_kspace_info written = {
    .format = SCRY_KSPACE_ISMRMRD,
    .frames = FRAMES,
    .slices = SLICES,
    .coils = NC,
    .nz = 1,
    .ny = WNY,
    .nx = WNX,
    .readout = 2,
    .recon = {1, WNY, WNX / 2},
    .encoded_fov = {5, 211.5, 402},
    .recon_fov = {5, 211.5, 201},
    .averages = 1,
    .acquisition = "t2 <tse>",
    .system = "maker model",
    .trajectory = "cartesian",
    .field_strength = 2.89,
    .tr = 4000,
    .te = 99.5,
    .geometry = {.known = true,
                 .fov = {201, 211.5, 5},
                 .position = {3.5, -20.25, 7.125},
                 .along = {{0.8, 0.6, 0}, {-0.6, 0.8, 0}, {0, 0, 1}},
                 .slice_gap = {0, 0, 6.5}},
};

static const char *scratch(char *path)
{
    strcpy(path, "/tmp/scry-mrd-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

/* Every second line, and lines 4 to 6; line 6 lacks its first 3 samples and its last. */
static void sample_mask(unsigned char *mask, size_t ny, size_t nx)
{
    for (size_t i = 0; i < ny * nx; i++) {
        const size_t y = i / nx, x = i % nx;
        mask[i] = (y % 2 == 0 || y == 5) && (y != 6 || (x >= 3 && x + 1 < nx));
    }
}

static void fill_sample(float complex *data, const unsigned char *mask, size_t nx, size_t plane,
                        size_t frame, size_t slice)
{
    for (size_t i = 0; i < NC * plane; i++) {
        const double complex v = golden(i / plane, i % plane / nx, i % nx, slice, frame);
        ((float *)data)[2 * i] = mask[i % plane] ? (float)creal(v) : 0;
        ((float *)data)[2 * i + 1] = mask[i % plane] ? (float)cimag(v) : 0;
    }
}

static void write_sample(const char *path)
{
    scry_error err = {0};
    scry_kspace_writer *w = NULL;
    float complex data[NC * WPLANE];
    unsigned char mask[WPLANE];
    sample_mask(mask, WNY, WNX);
    assert_ok(scry_kspace_create(&w, path, &written, &err));
    for (size_t slice = SLICES; slice-- > 0;) /* in any order */
        for (size_t frame = 0; frame < FRAMES; frame++) {
            fill_sample(data, mask, WNX, WPLANE, frame, slice);
            assert_ok(scry_kspace_write(w, frame, slice, data, mask, &err));
        }
    assert_ok(scry_kspace_finish(w, true, &err));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    char path[64];
    scry_error err = {0};
    scry_kspace_reader *r = NULL;
    float complex data[NC * WPLANE], expected[NC * WPLANE];
    unsigned char mask[WPLANE], same[WPLANE];
    write_sample(scratch(path));
    sample_mask(same, WNY, WNX);
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    const scry_kspace_info *info = scry_kspace_describe(r);
    assert_true(info->frames == FRAMES && info->slices == SLICES && info->coils == NC);
    assert_true(info->nz == 1 && info->ny == WNY && info->nx == WNX && info->readout == 2);
    assert_memory_equal(info->recon, written.recon, sizeof info->recon);
    assert_string_equal(info->acquisition, written.acquisition);
    assert_string_equal(info->system, written.system);
    for (int k = 0; k < 3; k++) {
        assert_near(info->encoded_fov[k], written.encoded_fov[k], 1e-9);
        assert_near(info->geometry.fov[k], written.geometry.fov[k], 1e-9);
        assert_near(info->geometry.position[k], written.geometry.position[k], 1e-5);
        assert_near(info->geometry.slice_gap[k], written.geometry.slice_gap[k], 1e-5);
        for (int i = 0; i < 3; i++)
            assert_near(info->geometry.along[i][k], written.geometry.along[i][k], 1e-6);
    }
    assert_true(info->geometry.known);
    for (size_t frame = 0; frame < FRAMES; frame++)
        for (size_t slice = 0; slice < SLICES; slice++) {
            fill_sample(expected, same, WNX, WPLANE, frame, slice);
            assert_ok(scry_kspace_read(r, frame, slice, data, mask, &err));
            assert_memory_equal(mask, same, sizeof mask);
            assert_memory_equal(data, expected, sizeof data);
        }
    assert_null(scry_kspace_warning(r));
    scry_kspace_close(r);
    unlink(path);
}

static void gaps_in_lines_are_refused(void **state)
{
    (void)state;
    char path[64];
    scry_error err = {0};
    scry_kspace_writer *w = NULL;
    float complex data[NC * WPLANE] = {0};
    unsigned char mask[WPLANE];
    scry_kspace_info info = written;
    info.frames = info.slices = 1;
    sample_mask(mask, WNY, WNX);
    unlink(scratch(path));
    for (int what = 0; what < 2; what++) { /* a hole; a run beyond the centre */
        if (what) memset(mask + 2 * WNX, 0, WNX / 2 + 1);
        mask[2 * WNX + 3] = 0;
        assert_ok(scry_kspace_create(&w, path, &info, &err));
        assert_int_equal(scry_kspace_write(w, 0, 0, data, mask, &err), SCRY_EUNSUP);
        assert_non_null(strstr(err.text, "line 2 (z 0)"));
        err = (scry_error){0};
        assert_fails(scry_kspace_finish(w, true, &err), SCRY_EUNSUP);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    info.coils = 70000;
    info.ny = info.nx = info.recon[1] = info.recon[2] = 1;
    assert_fails(scry_kspace_create(&w, path, &info, &err), SCRY_EUNSUP);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* FastMRI's readout runs along y; lines of ISMRMRD run along it, so that axes trade places. */
static void the_readout_may_run_along_y(void **state)
{
    (void)state;
    char path[64];
    scry_error err = {0};
    scry_kspace_writer *w = NULL;
    scry_kspace_reader *r = NULL;
    float complex data[NC * WPLANE], back[NC * WPLANE];
    scry_kspace_info info = written;
    info.frames = info.slices = 1;
    info.readout = 1;
    for (size_t i = 0; i < NC * WPLANE; i++) {
        const double complex v = golden(i / WPLANE, i % WPLANE / WNX, i % WNX, 0, 0);
        ((float *)data)[2 * i] = (float)creal(v);
        ((float *)data)[2 * i + 1] = (float)cimag(v);
    }
    assert_ok(scry_kspace_create(&w, scratch(path), &info, &err));
    assert_ok(scry_kspace_write(w, 0, 0, data, NULL, &err));
    assert_ok(scry_kspace_finish(w, true, &err));
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    const scry_kspace_info *found = scry_kspace_describe(r);
    assert_true(found->nx == WNY && found->ny == WNX);
    assert_true(found->recon[1] == info.recon[2] && found->recon[2] == info.recon[1]);
    assert_near(found->encoded_fov[1], info.encoded_fov[2], 1e-9);
    for (int k = 0; k < 3; k++)
        assert_near(found->geometry.along[0][k], info.geometry.along[1][k], 1e-6);
    assert_ok(scry_kspace_read(r, 0, 0, back, NULL, &err));
    for (size_t c = 0; c < NC; c++)
        for (size_t y = 0; y < WNY; y++)
            for (size_t x = 0; x < WNX; x++)
                check_sample(back[(c * WNX + x) * WNY + y], golden(c, y, x, 0, 0), "turned", c, y,
                             x);
    scry_kspace_close(r);
    unlink(path);
}

static scry_status read_all(const char *path, scry_error *err)
{
    static float complex data[NC * PLANE];
    scry_kspace_reader *r = NULL;
    scry_status st = scry_kspace_open(&r, path, NULL, err);
    if (st == SCRY_OK) st = scry_kspace_read(r, 1, 1, data, NULL, err);
    if (st == SCRY_OK) st = scry_kspace_read_calibration(r, 1, data, NULL, err);
    if (st == SCRY_OK) st = scry_kspace_read_noise(r, data, err);
    scry_kspace_close(r);
    return st;
}

static scry_status write_all(const char *path, scry_error *err)
{
    static float complex data[NC * WPLANE];
    scry_kspace_writer *w = NULL;
    scry_kspace_info info = written;
    info.frames = info.slices = 1;
    for (size_t i = 0; i < NC * WPLANE; i++)
        data[i] = (float)(i + 1);
    scry_status st = scry_kspace_create(&w, path, &info, err);
    if (st != SCRY_OK) return st;
    st = scry_kspace_write(w, 0, 0, data, NULL, err);
    const scry_status end = scry_kspace_finish(w, st == SCRY_OK, err);
    return st == SCRY_OK ? end : st;
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    char path[64];
    scry_status st = SCRY_ENOMEM;
    const size_t before = scry_memory_live();
    for (size_t nth = 1; st != SCRY_OK; nth++) {
        scry_error err = {0};
        scry_memory_fail_at(nth);
        st = read_all("golden/ismrmrd/packed.h5", &err);
        scry_memory_fail_at(0);
        assert_true(st == SCRY_OK || err.text[0]);
        assert_int_equal(scry_memory_live(), before);
    }
    unlink(scratch(path));
    st = SCRY_ENOMEM;
    for (size_t nth = 1; st != SCRY_OK; nth++) {
        scry_error err = {0};
        scry_memory_fail_at(nth);
        st = write_all(path, &err);
        scry_memory_fail_at(0);
        assert_true(st == SCRY_OK || err.text[0]);
        assert_int_equal(scry_memory_live(), before);
        assert_true((access(path, F_OK) == 0) == (st == SCRY_OK));
    }
    unlink(path);
}

/* A copy of a golden file that ends early: no slice of it is read as if it were whole. */
static void truncated_files_are_refused(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 16];
    char path[64];
    FILE *file = fopen("golden/ismrmrd/averages.h5", "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    scratch(path);
    for (size_t keep = 0; keep < size; keep += 700) {
        scry_error err = {0};
        scry_kspace_reader *r;
        file = fopen(path, "wb");
        assert_true(file && fwrite(bytes, 1, keep, file) == keep);
        fclose(file);
        assert_fails(scry_kspace_open(&r, path, NULL, &err), SCRY_EFORMAT);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_of_lines_find_their_place),
        cmocka_unit_test(geometry_comes_from_the_first_acquisition_of_a_slice),
        cmocka_unit_test(averages_are_means),
        cmocka_unit_test(limits_place_the_centre),
        cmocka_unit_test(embedded_calibration_enters_the_image),
        cmocka_unit_test(calibration_that_fills_gaps_enters_the_image),
        cmocka_unit_test(one_of_several_measurements_is_chosen),
        cmocka_unit_test(slices_are_sorted_by_position),
        cmocka_unit_test(contrasts_and_sets_are_frames),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(spirals_are_not_supported),
        cmocka_unit_test(bad_samples_are_named_when_read),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(gaps_in_lines_are_refused),
        cmocka_unit_test(the_readout_may_run_along_y),
        cmocka_unit_test(refused_memory_is_reported),
        cmocka_unit_test(truncated_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
