#include "tests/check.h"

#include "apps/recon/mri/scan_file.h"
#include "lib/io/kspace/kspace.h"
#include "lib/memory.h"

#include <string.h>

/* Radial and spiral ISMRMRD files with trajectories of their own (tests/golden/make_radial.py). */

enum { SIDE = 32, COILS = 3, SPOKES = 40, READ = 64 };

static const scry_kspace_choice own = {.own_trajectory = true};

static scry_kspace_reader *opened(const char *path, const scry_kspace_choice *choice)
{
    scry_error err = {0};
    scry_kspace_reader *r = NULL;
    assert_ok(scry_kspace_open(&r, path, choice, &err));
    return r;
}

/* Spokes of `count`, the first at an angle, in cycles per pixel. */
static void are_spokes(const float *k, size_t count, double angle)
{
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < READ; i++) {
            const double a = angle + 3.14159265358979 * (double)s / (double)count;
            const double radius = ((double)i - READ / 2) / READ;
            assert_near(k[2 * (s * READ + i)], radius * sin(a), 1e-6);
            assert_near(k[2 * (s * READ + i) + 1], radius * cos(a), 1e-6);
        }
}

static void spokes_of_slices(void **state)
{
    (void)state;
    scry_error err = {0};
    static float complex data[COILS * SPOKES * READ], same[COILS * SPOKES * READ];
    static unsigned char mask[SPOKES * READ];
    static float k[2 * SPOKES * READ];
    scry_kspace_reader *r = opened("golden/radial/radial.h5", &own);
    const scry_kspace_info *i = scry_kspace_describe(r);
    assert_true(i->scattered && i->slices == 2 && i->frames == 1 && i->coils == COILS);
    assert_true(i->nz == 1 && i->ny == SPOKES && i->nx == READ);
    assert_true(i->grid[0] == 1 && i->grid[1] == SIDE && i->grid[2] == SIDE);
    assert_near(i->recon_fov[2], 200, 1e-9);
    assert_non_null(strstr(scry_kspace_warning(r), "up to 0.5, are taken as cycles per pixel"));
    for (size_t s = 0; s < 2; s++) {
        assert_ok(scry_kspace_read_trajectory(r, 0, s, k, &err));
        are_spokes(k, SPOKES, s ? 0.02 : 0);
    }
    assert_int_equal(scry_kspace_read_trajectory(r, 0, 2, k, &err), SCRY_EINVAL);
    err = (scry_error){0};
    assert_ok(scry_kspace_read(r, 0, 0, data, mask, &err));
    scry_kspace_close(r);
    r = opened("golden/radial/radial.cfl", &(scry_kspace_choice){.scattered = true});
    assert_ok(scry_kspace_read(r, 0, 0, same, NULL, &err));
    assert_memory_equal(data, same, sizeof data);
    for (size_t n = 0; n < SPOKES * READ; n++)
        assert_int_equal(mask[n], 1);
    assert_int_equal(scry_kspace_read_trajectory(r, 0, 0, k, &err), SCRY_EUNSUP);
    scry_kspace_close(r);
}

/* Units of 1 / field of view, weights, samples that are discarded. */
static void spirals(void **state)
{
    (void)state;
    enum { TURNS = 14, ALL = 150, KEPT = 145 };
    scry_error err = {0};
    static float k[2 * TURNS * KEPT];
    scry_kspace_reader *r = opened("golden/radial/spiral.h5", &own);
    assert_int_equal(scry_kspace_describe(r)->nx, KEPT);
    assert_string_equal(scry_kspace_describe(r)->trajectory, "spiral");
    assert_non_null(strstr(scry_kspace_warning(r), "are taken as weights"));
    assert_non_null(strstr(scry_kspace_warning(r), "units of 1 / field of view"));
    assert_ok(scry_kspace_read_trajectory(r, 0, 0, k, &err));
    for (size_t n = 0; n < TURNS * KEPT; n++) {
        const double turn = pow((double)(n % KEPT) / (ALL - 3), 0.6);
        const double angle = 6.28318530717959 * (5 * turn + (double)(n / KEPT) / TURNS);
        assert_near(k[2 * n], 0.5 * turn * sin(angle), 1e-6);
        assert_near(k[2 * n + 1], 0.5 * turn * cos(angle), 1e-6);
    }
    scry_kspace_close(r);
}

/* A frame with fewer readouts than another: the others are not sampled. */
static void frames_of_different_length(void **state)
{
    (void)state;
    scry_error err = {0};
    static float complex data[COILS * SPOKES * READ];
    static unsigned char mask[SPOKES * READ];
    static float k[2 * SPOKES * READ];
    scry_kspace_reader *r = opened("golden/radial/frames.h5", &own);
    assert_int_equal(scry_kspace_describe(r)->frames, 2);
    assert_int_equal(scry_kspace_describe(r)->ny, SPOKES);
    assert_ok(scry_kspace_read_trajectory(r, 1, 0, k, &err));
    are_spokes(k, SPOKES - 12, 0.01);
    assert_ok(scry_kspace_read(r, 1, 0, data, mask, &err));
    for (size_t n = 0; n < SPOKES * READ; n++)
        assert_int_equal(mask[n], n < (SPOKES - 12) * READ);
    scry_kspace_close(r);
}

/* The image is made of the same numbers as from a .cfl with its trajectory beside it. */
static void as_from_two_files(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_scan_file *one = NULL, *two = NULL;
    scry_mri_slice a, b;
    float complex *maps;
    const scry_scan_file_request in_one = {.path = "golden/radial/radial.h5"},
                                 in_two = {.path = "golden/radial/radial.cfl",
                                           .choice.scattered = true,
                                           .trajectory = "golden/radial/radial_traj.cfl"};
    assert_ok(scry_scan_file_open(&one, &in_one, &err));
    assert_ok(scry_scan_file_open(&two, &in_two, &err));
    assert_int_equal(scry_scan_file_info(one)->ny, SIDE);
    assert_memory_equal(scry_scan_file_scan(one)->dims, scry_scan_file_scan(two)->dims,
                        sizeof scry_scan_file_scan(one)->dims);
    assert_ok(scry_scan_file_read(&a, &maps, one, 0, 0, &err));
    assert_ok(scry_scan_file_read(&b, &maps, two, 0, 0, &err));
    assert_int_equal(a.scattered.samples, SPOKES * READ);
    assert_int_equal(b.scattered.samples, SPOKES * READ);
    assert_memory_equal(a.scattered.data, b.scattered.data,
                        COILS * SPOKES * READ * sizeof(float complex));
    for (size_t n = 0; n < 2 * SPOKES * READ; n++)
        assert_near(a.scattered.trajectory[n], b.scattered.trajectory[n], 1e-7);
    scry_mri_slice_free(&b);
    assert_ok(scry_scan_file_read(&b, &maps, one, 0, 1, &err)); /* the other slice's angles */
    assert_true(fabsf(a.scattered.trajectory[0] - b.scattered.trajectory[0]) > 1e-3F);
    scry_mri_slice_free(&a);
    scry_mri_slice_free(&b);
    scry_scan_file_close(one);
    scry_scan_file_close(two);

    const scry_scan_file_request masked = {.path = "golden/radial/radial.h5", .mask = "x.cfl"};
    assert_int_equal(scry_scan_file_open(&one, &masked, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "masks are of the grid"));
}

/* A field of view twice as large as the image's: the grid is that of the encoding. */
static void larger_field_of_view(void **state)
{
    (void)state;
    scry_kspace_reader *r = opened("golden/radial/oversampled.h5", &own);
    const scry_kspace_info *i = scry_kspace_describe(r);
    assert_true(i->grid[1] == 2 * SIDE && i->grid[2] == 2 * SIDE);
    assert_true(i->recon[1] == SIDE && i->recon[2] == SIDE);
    scry_kspace_close(r);
}

/* Slices of a stack of stars are those of the inverse transform along z. */
static void stack_of_stars(void **state)
{
    (void)state;
    enum { FEW = 20 };
    scry_error err = {0};
    static float complex data[COILS * FEW * READ], expected[COILS * FEW * READ];
    static unsigned char mask[FEW * READ];
    static float k[2 * FEW * READ];
    scry_kspace_reader *r = opened("golden/radial/stack.h5", &own);
    const scry_kspace_info *i = scry_kspace_describe(r);
    assert_true(i->slices == 4 && i->frames == 1 && i->nz == 1 && i->ny == FEW && i->nx == READ);
    assert_true(i->grid[0] == 1 && i->grid[1] == SIDE);
    assert_true(i->geometry.known);
    assert_near(i->geometry.slice_gap[2], 5, 1e-9);
    assert_near(i->geometry.position[2], -10, 1e-9);
    assert_ok(scry_kspace_read(r, 0, 1, data, mask, &err));
    assert_ok(scry_kspace_read_trajectory(r, 0, 1, k, &err));
    are_spokes(k, FEW, 0);
    scry_kspace_close(r);
    r = opened("golden/radial/stack_slice.cfl", &(scry_kspace_choice){.scattered = true});
    assert_ok(scry_kspace_read(r, 0, 0, expected, NULL, &err));
    scry_kspace_close(r);
    for (size_t n = 0; n < COILS * FEW * READ; n++)
        assert_near(cabsf(data[n] - expected[n]), 0, 1e-5);
    for (size_t n = 0; n < FEW * READ; n++)
        assert_int_equal(mask[n], 1);
    /* what no slice can be made of */
    r = opened("golden/radial/bad_turned.h5", &own);
    assert_int_equal(scry_kspace_read(r, 0, 0, data, mask, &err), SCRY_EUNSUP);
    assert_non_null(strstr(err.text, "expected the same readouts in every partition"));
    scry_kspace_close(r);
    err = (scry_error){0};
    r = opened("golden/radial/bad_lacks.h5", &own);
    assert_int_equal(scry_kspace_read(r, 0, 0, data, mask, &err), SCRY_EUNSUP);
    assert_non_null(strstr(err.text, "expected the same ones in every partition"));
    scry_kspace_close(r);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        scry_status status;
        const char *words;
    } cases[] = {
        {"radial/bad_nan", SCRY_ENUMERIC, "acquisition 1: coordinate 1 of sample 2 is nan"},
        {"radial/bad_large", SCRY_EUNSUP, "up to 20, expected up to .5"},
        {"radial/bad_deep", SCRY_EUNSUP, "kz from -0.25"},
        {"radial/bad_step", SCRY_EFORMAT, "kspace_encode_step_2 is 1"},
        {"radial/bad_none", SCRY_EFORMAT, "with 0 coordinates a sample"},
        {"radial/bad_one", SCRY_EFORMAT, "with 1 coordinates a sample"},
        {"radial/bad_discard", SCRY_EFORMAT, "2 discarded in front, 2 behind"},
        {"ismrmrd/bad_trajectory", SCRY_EFORMAT, "\"spiral\" with 0 coordinates"}};
    char path[80];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        scry_error err = {0};
        scry_kspace_reader *r = NULL;
        snprintf(path, sizeof path, "golden/%s.h5", cases[k].name);
        const scry_status st = scry_kspace_open(&r, path, &own, &err);
        if (st != cases[k].status || !strstr(err.text, cases[k].words)) {
            print_error("%s: status %d, \"%s\", expected \"%s\"\n", path, (int)st, err.text,
                        cases[k].words);
            fail();
        }
        assert_null(r);
    }
    scry_error err = {0};
    scry_kspace_reader *r = NULL; /* those who expect a grid */
    assert_int_equal(scry_kspace_open(&r, "golden/radial/radial.h5", NULL, &err), SCRY_EUNSUP);
    assert_non_null(strstr(err.text, "trajectory \"radial\", expected a cartesian one"));
    /* a trajectory that is given takes the place of one that is missing */
    r = opened("golden/radial/bad_none.h5", &(scry_kspace_choice){.scattered = true});
    assert_false(scry_kspace_describe(r)->scattered);
    assert_int_equal(scry_kspace_describe(r)->ny, 2);
    scry_kspace_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spokes_of_slices),  cmocka_unit_test(spirals),
        cmocka_unit_test(as_from_two_files), cmocka_unit_test(frames_of_different_length),
        cmocka_unit_test(stack_of_stars),    cmocka_unit_test(larger_field_of_view),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
