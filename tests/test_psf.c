#include "tests/check.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "operators/psf.h"
#include "operators/psf_keys.h"
#include "tests/golden/psf_values.h"

#include <gsl/gsl_sf_bessel.h>
#include <string.h>

/* A PSF from its specification, with the sum, size and centre that every one must have. */
static float *make(const char *spec, int rank, scry_space *s, scry_psf_info *info)
{
    scry_error err = {0};
    scry_psf_params p;
    float *psf;
    assert_ok(scry_psf_parse(&p, spec, &err));
    assert_ok(scry_psf_create(&psf, s, &p, &(scry_psf_grid){.rank = rank}, info, &err));
    assert_int_equal(s->rank, rank);
    assert_near(info->stats.sum, 1, 1e-5);
    assert_true(info->stats.min >= 0);
    for (int a = 0; a < rank; a++) {
        assert_int_equal(s->dims[a] % 2, 1);
        assert_int_equal(info->stats.peak[a], s->dims[a] / 2);
    }
    return psf;
}

/* Value at an offset from the centre; z is ignored for rank 2. */
static double value(const float *psf, const scry_space *s, int z, int y, int x)
{
    const ptrdiff_t offset[3] = {z, y, x};
    size_t at = 0;
    for (int a = 0; a < s->rank; a++) {
        const ptrdiff_t i = (ptrdiff_t)(s->dims[a] / 2) + offset[3 - s->rank + a];
        assert_true(i >= 0 && i < (ptrdiff_t)s->dims[a]);
        at = at * s->dims[a] + (size_t)i;
    }
    return psf[at];
}

static double erf_voxel(double d, double sigma)
{
    const double c = 1 / (sigma * sqrt(2));
    return (erf((d + 0.5) * c) - erf((d - 0.5) * c)) / 2;
}

static void gaussian_is_erf(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    float *psf = make("gaussian:sigma=1.7,sigma_y=2.3,sigma_z=0.9", 3, &s, &info);
    assert_true(s.dims[0] < s.dims[2] && s.dims[2] < s.dims[1]);
    assert_true(info.energy > 0.999);
    for (int z = -3; z <= 3; z++)
        for (int y = -8; y <= 8; y += 4)
            for (int x = -5; x <= 5; x++) {
                const double exact = erf_voxel(z, 0.9) * erf_voxel(y, 2.3) * erf_voxel(x, 1.7);
                assert_near(value(psf, &s, z, y, x), exact / info.energy, 1e-8);
            }
    scry_free(psf);
    psf = make("gaussian:sigma=2", 2, &s, &info);
    assert_int_equal(s.dims[0], 19);
    assert_near(info.stats.fwhm[1], 2 * sqrt(2 * log(2) * (4 + 1.0 / 12)), 0.03);
    scry_free(psf);
    psf = make("gaussian:sigma=2,sigma_z=0", 3, &s, &info);
    assert_int_equal(s.dims[0], 1);
    scry_free(psf);
}

/* Pixels so small that their integral is their value. */
static void airy_vanishes_at_its_zero(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    float *psf = make("airy:na=0.8,wavelength=500,pixel=4,size=401", 2, &s, &info);
    int darkest = 50;
    for (int x = 50; x < 130; x++)
        if (value(psf, &s, 0, 0, x) < value(psf, &s, 0, 0, darkest)) darkest = x;
    assert_near(darkest * 4, 3.8317 / (2 * SCRY_PI) * 500 / 0.8, 4);
    for (int x = 0; x < 200; x += 13) {
        const double v = 2 * SCRY_PI * 0.8 * x * 4 / 500;
        const double exact = x ? pow(2 * gsl_sf_bessel_J1(v) / v, 2) : 1;
        assert_near(value(psf, &s, 0, 0, x) / value(psf, &s, 0, 0, 0), exact, 1e-3);
    }
    scry_free(psf);
}

static void airy_holds_the_energy_of_rayleigh(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    float *psf = make("airy:na=1.37,wavelength=523,pixel=61,size=151", 2, &s, &info);
    /* Sum inside circles against 1 - J0^2 - J1^2; a circle of pixels has a ragged edge, so the mean
     * over several radii is compared. */
    double off = 0;
    int n = 0;
    for (double r = 20; r < 70; r += 0.37, n++) {
        double sum = 0;
        for (int y = -75; y <= 75; y++)
            for (int x = -75; x <= 75; x++)
                if (y * y + x * x <= r * r) sum += value(psf, &s, 0, y, x);
        const double v = 2 * SCRY_PI * 1.37 * r * 61 / 523;
        const double j0 = gsl_sf_bessel_J0(v), j1 = gsl_sf_bessel_J1(v);
        off += sum * info.energy - (1 - j0 * j0 - j1 * j1);
    }
    assert_near(off / n, 0, 1e-4);
    scry_free(psf);
    /* The automatic support holds the stated energy. */
    psf = make("airy:na=1.37,wavelength=523,pixel=161,energy=0.97", 2, &s, &info);
    assert_true(info.energy >= 0.97 && info.energy < 0.985);
    scry_free(psf);
    psf = make("airy:na=1.37,wavelength=523,pixel=61", 3, &s, &info);
    assert_int_equal(s.dims[0], 1);
    scry_free(psf);
}

static void coarse_pixels_hold_everything(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    float *psf = make("airy:na=0.9,wavelength=500,pixel=6500,size=3", 2, &s, &info);
    assert_true(value(psf, &s, 0, 0, 0) > 0.97 && info.energy > 0.99 && info.energy <= 1);
    scry_free(psf);
}

static void born_wolf_meets_its_closed_forms(void **state)
{
    (void)state;
    scry_space s, f;
    scry_psf_info info;
    float *bw = make("born-wolf:na=0.73,wavelength=611,pixel=83,size=61", 2, &s, &info);
    const double energy = info.energy;
    float *airy = make("airy:na=0.73,wavelength=611,pixel=83,size=61", 2, &f, &info);
    assert_near(energy, info.energy, 1e-4);
    for (int y = 0; y <= 30; y += 3)
        for (int x = -30; x <= 30; x += 5)
            assert_near(value(bw, &s, 0, y, x), value(airy, &f, 0, y, x), 2e-5 * info.stats.max);
    scry_free(bw);
    scry_free(airy);
    /* On axis sinc^2(k NA^2 z / 4 n): first zero where the argument is SCRY_PI. Each plane holds
     * the same energy, so that values of different planes compare. */
    bw = make("born-wolf:na=0.73,wavelength=611,pixel=4,spacing=230,ni=1.1,size=3,size_z=61", 3, &s,
              &info);
    for (int z = -30; z <= 30; z++) {
        const double u = 2 * SCRY_PI / 0.611 * 0.73 * 0.73 * z * 0.23 / (4 * 1.1);
        const double exact = z ? pow(sin(u) / u, 2) : 1;
        assert_near(value(bw, &s, z, 0, 0) / value(bw, &s, 0, 0, 0), exact, 2e-4);
    }
    scry_free(bw);
}

static void gibson_lanni_without_mismatch_is_born_wolf(void **state)
{
    (void)state;
    scry_space s, g;
    scry_psf_info info;
    float *bw = make("born-wolf:na=0.2,wavelength=500,pixel=400,spacing=3000,size=41,size_z=21", 3,
                     &s, &info);
    float *gl = make("gibson-lanni:na=0.2,wavelength=500,pixel=400,spacing=3000,size=41,size_z=21,"
                     "depth=13",
                     3, &g, &info);
    assert_near(info.focus_shift, 0, 1e-6);
    for (int z = -10; z <= 10; z++)
        for (int x = -20; x <= 20; x += 2)
            assert_near(value(gl, &g, z, 3, x), value(bw, &s, z, 3, x), 0.02 * info.stats.max);
    scry_free(bw);
    scry_free(gl);
}

static void gibson_lanni_meets_quadpack(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    float *psf = make("gibson-lanni:na=1.27,wavelength=541,pixel=83,spacing=217,ni=1.334,ni0=1.333,"
                      "ns=1.402,ng=1.522,ng0=1.5255,tg=168,tg0=170,wd=231,depth=4.7,size=31,"
                      "size_z=13",
                      3, &s, &info);
    assert_near(info.focus_shift, golden_focus_shift, 1e-4);
    for (size_t i = 0; i < sizeof golden_pixels / sizeof *golden_pixels; i++) {
        const double got =
            value(psf, &s, golden_pixels[i].z, golden_pixels[i].y, golden_pixels[i].x) /
            value(psf, &s, 0, 0, 0);
        assert_near(got, golden_pixels[i].ratio, 2e-4);
    }
    scry_free(psf);
}

/* NA above the sample's index, and a depth of hundreds of waves: the pupil is cut, nothing
 * breaks. */
static void gibson_lanni_survives_total_reflection(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    float *psf = make("gibson-lanni:na=1.4,wavelength=520,pixel=100,spacing=300,ns=1.33,depth=40,"
                      "size=41,size_z=21",
                      3, &s, &info);
    /* Into a thinner medium the focus falls short: nominally it must go deeper, for rays near the
     * axis by ni / ns - 1 = 14 % of the depth, for steep ones by more. */
    assert_true(info.focus_shift > 0.14 * 40 && info.focus_shift < 0.35 * 40);
    scry_free(psf);
}

static void confocal_is_a_product(void **state)
{
    (void)state;
    scry_space s, e, d;
    scry_psf_info info;
#define LENS "na=1.2,pixel=20,spacing=150,size=41,size_z=9,ns=1.38,depth=6"
    float *co = make("confocal:wavelength=525,excitation=488,pinhole=0," LENS, 3, &s, &info);
    const double shift = info.focus_shift;
    float *ex = make("gibson-lanni:wavelength=488," LENS, 3, &e, &info);
    float *em = make("gibson-lanni:wavelength=525," LENS, 3, &d, &info);
    assert_near(info.focus_shift, shift, 0.05);
    const double scale = value(co, &s, 0, 0, 0) / value(ex, &e, 0, 0, 0) / value(em, &d, 0, 0, 0);
    for (int z = -4; z <= 4; z++)
        for (int x = 0; x <= 20; x += 4)
            assert_near(value(co, &s, z, 0, x),
                        scale * value(ex, &e, z, 0, x) * value(em, &d, z, 0, x),
                        0.01 * value(co, &s, 0, 0, 0));
    scry_free(ex);
    scry_free(em);
    scry_free(co);
    /* A wide pinhole leaves the excitation alone; one Airy unit widens the axial response. */
    co = make("confocal:wavelength=525,excitation=488,pinhole=20," LENS, 3, &s, &info);
    const double wide = info.stats.fwhm[2];
    ex = make("gibson-lanni:wavelength=488," LENS, 3, &e, &info);
    assert_near(wide, info.stats.fwhm[2], 0.02 * wide);
    scry_free(ex);
    scry_free(co);
    co = make("confocal:wavelength=525,excitation=488,pinhole=1," LENS, 3, &s, &info);
    assert_true(info.stats.fwhm[2] < wide);
    scry_free(co);
}

static void automatic_supports_are_sane(void **state)
{
    (void)state;
    scry_space s;
    scry_psf_info info;
    scry_error err = {0};
    scry_psf_params p;
    float *psf = make("gibson-lanni:na=1.4,wavelength=520,pixel=65,spacing=200", 3, &s, &info);
    assert_true(s.dims[0] >= 15 && s.dims[0] <= 129 && s.dims[1] <= 129);
    assert_true(info.energy > 0.9);
    scry_free(psf);
    psf = make("confocal:na=1.4,wavelength=520,excitation=488,pixel=45,spacing=130", 3, &s, &info);
    assert_true(s.dims[1] < 60 && info.energy > 0.98);
    scry_free(psf);
    const size_t deep[3] = {61, 401, 401}, limit[3] = {8, 31, 24};
    assert_ok(scry_psf_parse(&p, "born-wolf:na=1.2,wavelength=520,pixel=100,spacing=300", &err));
    assert_ok(
        scry_psf_create(&psf, &s, &p, &(scry_psf_grid){.rank = 3, .limit = deep}, &info, &err));
    assert_int_equal(s.dims[0], 61); /* each plane of a widefield psf holds the same light */
    assert_true(s.dims[1] > 129 && info.energy > 0.98);
    scry_free(psf);
    assert_ok(scry_psf_parse(&p, "born-wolf:na=1.4,wavelength=520,pixel=65,spacing=200", &err));
    assert_ok(
        scry_psf_create(&psf, &s, &p, &(scry_psf_grid){.rank = 3, .limit = limit}, &info, &err));
    assert_int_equal(s.dims[0], 7);
    assert_int_equal(s.dims[1], 23);
    assert_int_equal(s.dims[2], 23);
    scry_free(psf);
    assert_ok(
        scry_psf_parse(&p, "gibson-lanni:na=1.3,wavelength=100,pixel=65,ns=2.5,depth=5000", &err));
    assert_fails(scry_psf_create(&psf, &s, &p, &(scry_psf_grid){.rank = 2}, NULL, &err),
                 SCRY_EINVAL);
    assert_null(psf);
}

static void specifications_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } wrong[] = {
        {"moffat:beta=2", "gaussian, airy, born-wolf, gibson-lanni, confocal"},
        {"gausian:sigma=2", "\"gausian\" (did you mean \"gaussian\"?"},
        {"gibson-lany", "did you mean \"gibson-lanni\"?"},
        {"gaussian:sigam=2", "\"sigam\" (did you mean \"sigma\"?"},
        {"airy:wavelenght=520", "did you mean \"wavelength\"?"},
        {"moffat:beta=2", "\"moffat\"; the models are"},
        {"gaussian:radius=2", "sigma, sigma_x, sigma_y, sigma_z, size"},
        {"gaussian:na=1.4", "no key \"na\""},
        {"gaussian:sigma", "key=value"},
        {"gaussian:sigma=", "not a number"},
        {"gaussian:sigma=2x", "\"2x\" is not a number"},
        {"gaussian:sigma=2,", "key=value"},
        {"gaussian:", "key=value"},
        {"gaussian:sigma=2,sigma=3", "twice"},
        {"gaussian:sigma=-1", "0.01 to 1000 px"},
        {"gaussian:sigma=nan", "expected"},
        {"airy:na=1.4,wavelength=0.52", "100 to 20000 nm"},
        {"airy:size=32", "odd"},
    };
    scry_error err = {0};
    scry_psf_params p;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(scry_psf_parse(&p, wrong[i].spec, &err), SCRY_EINVAL);
        if (!strstr(err.text, wrong[i].says)) fail_msg("%s: %s", wrong[i].spec, err.text);
        err = (scry_error){0};
    }
    static const struct {
        const char *spec, *says;
        int rank;
    } incomplete[] = {
        {"airy:wavelength=520,pixel=65", "LensNA", 2},
        {"airy:na=1.4,pixel=65", "EmissionWavelength", 2},
        {"born-wolf:na=1.4,wavelength=520", "PhysicalSizeX", 2},
        {"born-wolf:na=1.4,wavelength=520,pixel=65", "PhysicalSizeZ", 3},
        {"confocal:na=1.4,wavelength=520,pixel=65", "excitation=", 2},
        {"gibson-lanni:na=1.4,wavelength=520,pixel=65,ni=1.33", "na = 1.4 exceeds", 2},
        {"gaussian", "gaussian:sigma=", 2},
        {"gaussian:sigma=2", "not 4", 4},
    };
    for (size_t i = 0; i < sizeof incomplete / sizeof *incomplete; i++) {
        assert_ok(scry_psf_parse(&p, incomplete[i].spec, &err));
        assert_int_equal(scry_psf_complete(&p, incomplete[i].rank, &err), SCRY_EINVAL);
        if (!strstr(err.text, incomplete[i].says)) fail_msg("%s: %s", incomplete[i].spec, err.text);
        err = (scry_error){0};
    }
    assert_true(scry_psf_is_model("airy:na=1") && scry_psf_is_model("gibson-lanni"));
    assert_false(scry_psf_is_model("airy.tif") || scry_psf_is_model("psf.tif") ||
                 scry_psf_is_model(""));
}

static void the_user_wins_over_the_file(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_psf_params p;
    char text[4096], small[16];
    assert_ok(scry_psf_parse(&p, "gibson-lanni:na=1.2", &err));
    const scry_psf_metadata m = {
        .na = 1.4, .ni = 1.33, .wavelength_nm = 525, .pixel_um = 0.0652, .spacing_um = -1};
    scry_psf_merge(&p, &m);
    assert_near(p.value[SCRY_PSF_NA], 1.2, 0);
    assert_int_equal(p.origin[SCRY_PSF_WAVELENGTH], SCRY_PSF_FILE);
    assert_near(p.value[SCRY_PSF_PIXEL], 65.2, 1e-9);
    assert_int_equal(p.origin[SCRY_PSF_SPACING], SCRY_PSF_UNSET);
    assert_int_equal(p.origin[SCRY_PSF_EXCITATION], SCRY_PSF_UNSET);
    assert_ok(scry_psf_complete(&p, 2, &err));
    assert_near(p.value[SCRY_PSF_NS], 1.33, 0);
    assert_int_equal(p.origin[SCRY_PSF_NS], SCRY_PSF_DEFAULT);
    const size_t n = scry_psf_describe(&p, text, sizeof text);
    assert_int_equal(n, strlen(text));
    assert_int_equal(scry_psf_describe(&p, small, sizeof small), n);
    assert_int_equal(strlen(small), sizeof small - 1);
    assert_int_equal(scry_psf_describe(&p, NULL, 0), n);
    assert_non_null(strstr(text, "given"));
    assert_non_null(strstr(text, "from file"));
    assert_non_null(strstr(text, "default"));
    assert_true(scry_psf_help(text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "gibson-lanni"));
}

/* Allocations refused one by one: an error each time, nothing left behind. */
static void memory_is_returned(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "gaussian:sigma=1", "airy:na=1,wavelength=500,pixel=100,size=9",
        "confocal:na=1,wavelength=500,excitation=480,pixel=100,size=9"};
    const size_t live = scry_memory_live();
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        for (size_t nth = 1, done = 0; !done; nth++) {
            scry_error err = {0};
            scry_psf_params p;
            scry_space s;
            float *psf;
            assert_ok(scry_psf_parse(&p, specs[i], &err));
            scry_memory_fail_at(nth);
            const scry_status st =
                scry_psf_create(&psf, &s, &p, &(scry_psf_grid){.rank = 2}, NULL, &err);
            scry_memory_fail_at(0);
            if (st == SCRY_OK) {
                done = 1;
                scry_free(psf);
            } else
                assert_int_equal(st, SCRY_ENOMEM);
            assert_int_equal(scry_memory_live(), live);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_is_erf),
        cmocka_unit_test(airy_vanishes_at_its_zero),
        cmocka_unit_test(airy_holds_the_energy_of_rayleigh),
        cmocka_unit_test(coarse_pixels_hold_everything),
        cmocka_unit_test(born_wolf_meets_its_closed_forms),
        cmocka_unit_test(gibson_lanni_without_mismatch_is_born_wolf),
        cmocka_unit_test(gibson_lanni_meets_quadpack),
        cmocka_unit_test(gibson_lanni_survives_total_reflection),
        cmocka_unit_test(confocal_is_a_product),
        cmocka_unit_test(automatic_supports_are_sane),
        cmocka_unit_test(specifications_are_checked),
        cmocka_unit_test(the_user_wins_over_the_file),
        cmocka_unit_test(memory_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
