/* From the directions in an ISMRMRD file to the affine of a NIfTI file. The affines are derived by
 * hand: a voxel's place in LPS is position + (i - nx/2) dx read + (j - ny/2) dy phase + k gap; RAS
 * changes the sign of the first two coordinates. */

#include "tests/check.h"

#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"
#include "lib/io/nifti.h"
#include "lib/io/recon_file.h"

#include <complex.h>
#include <string.h>

/* Unequal, so that swapped axes show: 16 x 10 samples over 240 x 200 mm (oversampled in x), the
 * image 8 x 10 over 120 x 200 mm: voxels of 15 x 20 mm. */
enum { NX = 16, NY = 10, RX = 8, SLICES = 3 };

static scry_kspace_info scan_of(scry_geometry g)
{
    g.known = true;
    memcpy(g.fov, (double[]){120, 200, 4}, sizeof g.fov);
    return (scry_kspace_info){
        .format = SCRY_KSPACE_ISMRMRD,
        .frames = 1,
        .slices = SLICES,
        .coils = 1,
        .nz = 1,
        .ny = NY,
        .nx = NX,
        .readout = 2,
        .recon = {1, NY, RX},
        .encoded_fov = {4, 200, 240},
        .recon_fov = {4, 200, 120},
        .geometry = g,
    };
}

/* Through an ISMRMRD file and a NIfTI file. */
static void travel(const scry_kspace_info *info, double affine[3][4])
{
    char folder[] = "/tmp/scry-place-XXXXXX", scan[64], image[64];
    scry_error err = {0};
    scry_kspace_writer *w = NULL;
    scry_kspace_reader *r = NULL;
    scry_nifti n;
    float complex data[NX * NY];
    float values[SLICES * NY * RX];
    assert_non_null(mkdtemp(folder));
    snprintf(scan, sizeof scan, "%s/scan.h5", folder);
    snprintf(image, sizeof image, "%s/image.nii", folder);
    for (size_t i = 0; i < NX * NY; i++)
        data[i] = (float)(i + 1);
    for (size_t i = 0; i < SLICES * NY * RX; i++)
        values[i] = (float)i;
    assert_ok(scry_kspace_create(&w, scan, info, &err));
    for (size_t s = 0; s < SLICES; s++)
        assert_ok(scry_kspace_write(w, 0, s, data, NULL, &err));
    assert_ok(scry_kspace_finish(w, true, &err));
    assert_ok(scry_kspace_open(&r, scan, NULL, &err));
    const scry_kspace_info *found = scry_kspace_describe(r);
    assert_true(found->geometry.known);
    const scry_recon recon = {.frames = 1,
                              .slices = found->slices,
                              .nz = found->recon[0],
                              .ny = found->recon[1],
                              .nx = found->recon[2],
                              .values = values,
                              .geometry = found->geometry};
    assert_ok(scry_recon_write(image, &recon, &err));
    scry_kspace_close(r);
    assert_ok(scry_nifti_read(&n, image, &err));
    assert_true(n.placed && n.nx == RX && n.ny == NY && n.nz == SLICES);
    memcpy(affine, n.affine, sizeof n.affine);
    scry_nifti_clear(&n);
    unlink(scan);
    unlink(image);
    rmdir(folder);
}

static void check_affine(const scry_geometry *g, const double expected[3][4])
{
    double affine[3][4];
    const scry_kspace_info info = scan_of(*g);
    travel(&info, affine);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            assert_near(affine[r][c], expected[r][c], 1e-4);
}

/* Rows run to the left (L), columns to the back (P), slices to the head; 5 mm apart, centre of the
 * first at L 7, P -11, S 13. Voxel (0, 0, 0) lies 4 * 15 = 60 mm to the right and 5 * 20 = 100 mm
 * to the front of it: L -53, P -111, S 13, which in RAS is (53, 111, 13). */
static void axial_slices(void **state)
{
    (void)state;
    const scry_geometry g = {.position = {7, -11, 13},
                             .slice_gap = {0, 0, 5},
                             .along = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
    const double expected[3][4] = {{-15, 0, 0, 53}, {0, -20, 0, 111}, {0, 0, 5, 13}};
    check_affine(&g, expected);
}

/* Rows run to the back (P), columns to the feet (-S), slices from right to left (L), which makes
 * a left-handed set; 6 mm apart, centre of the first at L 30, P 2, S -4. Voxel (0, 0, 0): 60 mm to
 * the front and 100 mm to the head, L 30, P -58, S 96; RAS (-30, 58, 96). Steps in RAS: i (0, -15,
 * 0), j (0, 0, -20), k (-6, 0, 0). */
static void sagittal_slices(void **state)
{
    (void)state;
    const scry_geometry g = {.position = {30, 2, -4},
                             .slice_gap = {6, 0, 0},
                             .along = {{0, 1, 0}, {0, 0, -1}, {1, 0, 0}}};
    const double expected[3][4] = {{0, 0, -6, -30}, {-15, 0, 0, 58}, {0, -20, 0, 96}};
    check_affine(&g, expected);
}

/* Axial slices, tilted about the left axis so that columns run (0, 0.8, 0.6) and slices
 * (0, -0.6, 0.8), 5 mm apart; centre of the first at (1, 2, 3). Steps in LPS: i (15, 0, 0),
 * j (0, 16, 12), k (0, -3, 4). Voxel (0, 0, 0): (1 - 60, 2 - 80, 3 - 60) = (-59, -78, -57). */
static void oblique_slices(void **state)
{
    (void)state;
    const scry_geometry g = {.position = {1, 2, 3},
                             .slice_gap = {0, -3, 4},
                             .along = {{1, 0, 0}, {0, 0.8, 0.6}, {0, -0.6, 0.8}}};
    const double expected[3][4] = {{-15, 0, 0, 59}, {0, -16, 3, 78}, {0, 12, 4, -57}};
    check_affine(&g, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axial_slices),
        cmocka_unit_test(sagittal_slices),
        cmocka_unit_test(oblique_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
