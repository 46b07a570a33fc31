#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/io/tiff/tiff.h"
#include "operators/psf.h"
#include "operators/psf_keys.h"

#include <string.h>

static double erf_voxel(double d, double sigma)
{
    const double c = 1 / (sigma * sqrt(2));
    return (erf((d + 0.5) * c) - erf((d - 0.5) * c)) / 2;
}

/* A Gaussian bead in a file: where it is, how wide, its pedestal and its noise. */
static float *bead(const scry_space *s, const double *centre, const double *sigma, double peak,
                   double pedestal, double noise)
{
    const size_t n = scry_space_count(s);
    float *h = scry_alloc(n, sizeof *h);
    scry_rng_normal(h, 0, n, 11, 0, 0);
    for (size_t i = 0; i < n; i++) {
        double value = peak;
        size_t rest = i;
        for (int a = s->rank - 1; a >= 0; a--) {
            const double d = (double)(rest % s->dims[a]) - centre[a];
            value *= erf_voxel(d, sigma[a]) / erf_voxel(0, sigma[a]);
            rest /= s->dims[a];
        }
        h[i] = (float)(pedestal + noise * h[i] + value);
    }
    return h;
}

static void a_bead_is_prepared(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space is = SCRY_SPACE(21, 40, 53);
    const double centre[3] = {11.2, 22.7, 20.1}, sigma[3] = {2.1, 1.6, 1.3};
    float *in = bead(&is, centre, sigma, 3000, 107, 5), *psf;
    float *before = scry_copy(in, scry_space_count(&is) * sizeof *in);
    scry_space s;
    scry_psf_report r;
    assert_ok(scry_psf_prepare(&psf, &s, in, &is, NULL, &r, &err));
    assert_memory_equal(in, before, scry_space_count(&is) * sizeof *in);
    assert_near(r.background, 107, 0.5);
    assert_near(r.noise, 5, 0.3);
    const ptrdiff_t shift[3] = {-1, -3, 6};
    for (int a = 0; a < 3; a++) {
        assert_int_equal(s.dims[a] % 2, 1);
        assert_true(s.dims[a] <= is.dims[a]);
        assert_int_equal(r.shift[a], shift[a]);
        assert_near(r.residual[a], centre[a] - round(centre[a]), 0.05);
        assert_int_equal(r.stats.peak[a], s.dims[a] / 2);
        assert_near(r.stats.centroid[a], (double)(s.dims[a] / 2) + r.residual[a], 0.05);
        const double width = 2 * sqrt(2 * log(2) * (sigma[a] * sigma[a] + 1.0 / 12));
        assert_near(r.stats.fwhm[a], width, 0.08 * width);
    }
    assert_near(r.stats.sum, 1, 1e-5);
    assert_true(r.stats.min >= 0);
    assert_int_equal(r.warnings, 0);
    scry_free(psf);
    /* The limit is kept, and the loss is printed. */
    scry_psf_prepare_opts o;
    scry_psf_prepare_opts_init(&o);
    o.limit[0] = 4;
    assert_ok(scry_psf_prepare(&psf, &s, in, &is, &o, &r, &err));
    assert_int_equal(s.dims[0], 3);
    assert_int_equal(r.warnings, SCRY_PSF_WARN_CROPPED);
    assert_below(r.energy, 0.7);
    scry_free(psf);
    scry_free(before);
    scry_free(in);
}

/* A psf that sums to one is taken as it is: its tail is light, not background. */
static void a_normalised_psf_keeps_its_tail(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_psf_params p;
    scry_space s, os;
    scry_psf_report r;
    float *psf, *again;
    const scry_psf_prepare_opts all = {.background = NAN, .energy = 1};
    assert_ok(scry_psf_parse(&p, "airy:na=1.2,wavelength=510,pixel=90,size=31", &err));
    assert_ok(scry_psf_create(&psf, &s, &p, &(scry_psf_grid){.rank = 2}, NULL, &err));
    assert_ok(scry_psf_prepare(&again, &os, psf, &s, &all, &r, &err));
    assert_true(scry_space_equal(&s, &os));
    for (size_t i = 0; i < scry_space_count(&s); i++)
        assert_near(again[i], psf[i], 1e-7);
    assert_int_equal(r.warnings, 0);
    scry_free(again);
    scry_free(psf);
}

static void misplaced_light_is_named(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_psf_report r;
    scry_space s;
    const scry_space is = SCRY_SPACE(40, 41);
    const double sigma[2] = {1.5, 1.5}, far[2] = {20, 8}, corner[2] = {0, 0};
    float *psf, *in = bead(&is, far, sigma, 100, 0, 0);
    assert_ok(scry_psf_prepare(&psf, &s, in, &is, NULL, &r, &err));
    assert_int_equal(r.warnings, SCRY_PSF_WARN_OFF_CENTRE);
    assert_int_equal(r.shift[1], 12);
    scry_free(psf);

    /* Fourier order: the four corners belong together. */
    scry_free(in);
    in = bead(&is, corner, sigma, 100, 0, 0);
    for (size_t y = 0; y < 40; y++)
        for (size_t x = 0; x < 41; x++) {
            const double dy = y < 20 ? (double)y : (double)y - 40;
            const double dx = x <= 20 ? (double)x : (double)x - 41;
            in[y * 41 + x] = (float)exp(-(dy * dy + dx * dx) / 4.5);
        }
    assert_ok(scry_psf_prepare(&psf, &s, in, &is, NULL, &r, &err));
    assert_int_equal(r.warnings, SCRY_PSF_WARN_CORNER);
    assert_near(r.stats.fwhm[0], 2 * sqrt(2 * log(2)) * 1.5, 0.02);
    assert_near(r.stats.fwhm[1], r.stats.fwhm[0], 1e-4);
    scry_free(psf);

    /* A small box, whose border is bright, and a pedestal: nothing of that is background. */
    const scry_space box = SCRY_SPACE(15, 15);
    float *low = scry_alloc(225, sizeof *low);
    for (size_t i = 0; i < 225; i++) {
        const double dy = (double)((i / 15 + 7) % 15) - 7, dx = (double)((i + 7) % 15) - 7;
        low[i] = (float)(exp(-(dy * dy + dx * dx) / (2 * 1.6 * 1.6)) + 0.01);
    }
    assert_ok(scry_psf_prepare(&psf, &s, low, &box, NULL, &r, &err));
    assert_int_equal(r.warnings, SCRY_PSF_WARN_CORNER);
    assert_near(r.background, 0.01, 1e-4);
    assert_int_equal(s.dims[0], 11);
    assert_int_equal(s.dims[1], s.dims[0]);
    scry_free(low);
    scry_free(psf);

    scry_free(in);
}

static void other_light_is_named(void **state)
{
    (void)state;
    const scry_space is = SCRY_SPACE(40, 41);
    const double sigma[2] = {1.5, 1.5};
    scry_error err = {0};
    scry_psf_report r;
    scry_space s;
    float *psf, *in;
    /* Cut through its light, background known. */
    const scry_space small = SCRY_SPACE(7, 7);
    const double middle[2] = {3, 3}, wide[2] = {3, 3};
    scry_psf_prepare_opts o;
    scry_psf_prepare_opts_init(&o);
    o.background = 10;
    in = bead(&small, middle, wide, 100, 10, 0);
    assert_ok(scry_psf_prepare(&psf, &s, in, &small, &o, &r, &err));
    assert_int_equal(r.warnings, SCRY_PSF_WARN_BORDER);
    assert_near(r.stats.fwhm[0], 0, 1e-6 + 2 * 3.6);
    scry_free(psf);

    /* Two beads are no psf, and a background above half of the image is none either. */
    const double second[2] = {20, 27}, first[2] = {20, 20};
    float *other = bead(&is, second, sigma, 90, 0, 0);
    scry_free(in);
    in = bead(&is, first, sigma, 100, 0, 0);
    for (size_t i = 0; i < scry_space_count(&is); i++)
        in[i] += other[i];
    assert_ok(scry_psf_prepare(&psf, &s, in, &is, NULL, &r, &err));
    assert_true(r.warnings & SCRY_PSF_WARN_ASYMMETRIC);
    scry_free(psf);
    o.background = 1;
    assert_ok(scry_psf_prepare(&psf, &s, in, &is, &o, &r, &err));
    assert_true(r.warnings & SCRY_PSF_WARN_NEGATIVE);
    scry_free(psf);
    for (unsigned bit = 1; bit <= SCRY_PSF_WARN_NEGATIVE; bit <<= 1)
        assert_true(strlen(scry_psf_warning(bit)) > 20);
    scry_free(other);
    scry_free(in);
}

static void unusable_ones_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_space s, is = SCRY_SPACE(5, 6), line = SCRY_SPACE(9), four = SCRY_SPACE(1, 1, 5, 6);
    float in[30] = {0}, *psf;
    assert_fails(scry_psf_prepare(&psf, &s, in, &is, NULL, NULL, &err), SCRY_EINVAL);
    in[7] = NAN;
    assert_int_equal(scry_psf_prepare(&psf, &s, in, &is, NULL, NULL, &err), SCRY_ENUMERIC);
    assert_non_null(strstr(err.text, "y 1, x 1"));
    err = (scry_error){0};
    in[7] = INFINITY;
    assert_fails(scry_psf_prepare(&psf, &s, in, &is, NULL, NULL, &err), SCRY_ENUMERIC);
    in[7] = -3;
    assert_fails(scry_psf_prepare(&psf, &s, in, &is, NULL, NULL, &err), SCRY_EINVAL);
    in[7] = 3;
    assert_fails(scry_psf_prepare(&psf, &s, in, &line, NULL, NULL, &err), SCRY_ESHAPE);
    assert_fails(scry_psf_prepare(&psf, &s, in, &four, NULL, NULL, &err), SCRY_ESHAPE);
    is.cplx = true;
    assert_fails(scry_psf_prepare(&psf, &s, in, &is, NULL, NULL, &err), SCRY_ESHAPE);
    is.cplx = false;
    const scry_psf_prepare_opts o = {.background = NAN, .energy = 1.5};
    assert_fails(scry_psf_prepare(&psf, &s, in, &is, &o, NULL, &err), SCRY_EINVAL);
    assert_null(psf);
}

static void resampling_keeps_sum_width_and_centre(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space is = SCRY_SPACE(22, 37, 41);
    const double centre[3] = {11, 18, 20}, sigma[3] = {2.2, 3.1, 2.7};
    const double scale[3] = {0.6, 1.7, 1};
    float *in = bead(&is, centre, sigma, 1, 0, 0), *out;
    scry_space s;
    assert_ok(scry_psf_resample(&out, &s, in, &is, scale, &err));
    assert_int_equal(s.dims[2], 41);
    scry_psf_stats a, b;
    assert_ok(scry_psf_measure(&a, in, &is, &err));
    assert_ok(scry_psf_measure(&b, out, &s, &err));
    assert_near(b.sum / a.sum, 1, 1e-5);
    assert_true(b.min >= 0);
    for (int i = 0; i < 3; i++) {
        assert_near(b.centroid[i], (double)(s.dims[i] / 2), 0.02);
        const double wide = sigma[i] * scale[i];
        assert_near(b.fwhm[i], 2 * sqrt(2 * log(2) * (wide * wide + 1.0 / 12)), 0.05 * b.fwhm[i]);
    }
    /* Larger voxels are sums: thirds of a length-9 axis. */
    const scry_space line = SCRY_SPACE(9);
    const float nine[9] = {1, 2, 3, 4, 9, 4, 3, 2, 1};
    float *three;
    assert_ok(scry_psf_resample(&three, &s, nine, &line, (double[]){1.0 / 3}, &err));
    assert_int_equal(s.dims[0], 3);
    assert_near(three[0], 6, 1e-5);
    assert_near(three[1], 17, 1e-5);
    assert_near(three[2], 6, 1e-5);
    scry_free(three);
    scry_free(out);
    assert_fails(scry_psf_resample(&out, &s, in, &is, (double[]){1, 0, 1}, &err), SCRY_EINVAL);
    assert_fails(scry_psf_resample(&out, &s, in, &is, (double[]){1, 1, NAN}, &err), SCRY_EINVAL);
    assert_null(out);
    scry_free(in);
}

static void statistics_of_odd_cases(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_psf_stats st;
    const scry_space one = SCRY_SPACE(1, 1), line = SCRY_SPACE(1, 5);
    const float dot = 2, ramp[5] = {0, 1, 2, 3, 4};
    assert_ok(scry_psf_measure(&st, &dot, &one, &err));
    assert_near(st.sum, 2, 0);
    assert_near(st.fwhm[0], 0, 0);
    assert_ok(scry_psf_measure(&st, ramp, &line, &err));
    assert_int_equal(st.peak[1], 4);
    assert_near(st.fwhm[1], 0, 0);
    assert_near(st.asymmetry[1], 0.6, 1e-6); /* the outside of 0, 1, 2, 3 has no mirror image */
}

/* Real measured point-spread functions: size, width and centre as an eye sees them. */
static void real_ones_look_right(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double low[3], high[3]; /* FWHM in voxels */
    } files[] = {
        {"data/microscopy/haase_psf_measured/psf.tif", {3, 8, 5}, {6, 13, 9}},
        {"data/microscopy/pycudadecon_psf/psf.tif", {5, 2.5, 2.5}, {9, 4, 4}},
        {"data/microscopy/redlionfish_psf/PSF_RFI_8bit.tif", {14, 5, 5}, {25, 11, 11}},
    };
    size_t seen = 0;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        scry_error err = {0};
        scry_tiff_reader *reader;
        const char *path = shared_path(files[f].name);
        if (!path) continue;
        seen++;
        assert_ok(scry_tiff_open(&reader, path, &err));
        const scry_tiff_info *info = scry_tiff_describe(reader);
        /* A stack without metadata may count its pages as z or t. */
        const scry_space is = SCRY_SPACE(info->z > 1 ? info->z : info->t, info->y, info->x);
        float *in = scry_alloc(scry_space_count(&is), sizeof *in), *psf;
        for (size_t z = 0; z < is.dims[0]; z++)
            assert_ok(scry_tiff_read_plane(reader, 0, info->z > 1 ? z : 0, info->z > 1 ? 0 : z,
                                           in + z * info->y * info->x, &err));
        scry_space s;
        scry_psf_report r;
        assert_ok(scry_psf_prepare(&psf, &s, in, &is, NULL, &r, &err));
        assert_near(r.stats.sum, 1, 1e-4);
        assert_true(r.energy > 0.99);
        for (int a = 0; a < 3; a++) {
            assert_true(s.dims[a] < 2 * is.dims[a] && s.dims[a] % 2 == 1);
            assert_true(r.stats.fwhm[a] > files[f].low[a] && r.stats.fwhm[a] < files[f].high[a]);
            assert_near(r.stats.centroid[a], (double)(s.dims[a] / 2), 0.6);
        }
        scry_free(psf);
        scry_free(in);
        scry_tiff_close(reader);
    }
    if (!seen) skip();
}

static void memory_is_returned(void **state)
{
    (void)state;
    const scry_space is = SCRY_SPACE(9, 10, 11);
    const double corner[3] = {0, 0, 0}, sigma[3] = {1, 1, 1};
    float *in = bead(&is, corner, sigma, 100, 5, 1);
    const size_t live = scry_memory_live();
    for (int what = 0; what < 2; what++)
        for (size_t nth = 1, done = 0; !done; nth++) {
            scry_error err = {0};
            scry_space s;
            float *out;
            scry_memory_fail_at(nth);
            const scry_status st =
                what ? scry_psf_resample(&out, &s, in, &is, (double[]){1.3, 0.8, 2}, &err)
                     : scry_psf_prepare(&out, &s, in, &is, NULL, NULL, &err);
            scry_memory_fail_at(0);
            if (st == SCRY_OK) {
                done = 1;
                scry_free(out);
            } else {
                assert_int_equal(st, SCRY_ENOMEM);
                assert_null(out);
            }
            assert_int_equal(scry_memory_live(), live);
        }
    scry_free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bead_is_prepared),
        cmocka_unit_test(a_normalised_psf_keeps_its_tail),
        cmocka_unit_test(misplaced_light_is_named),
        cmocka_unit_test(other_light_is_named),
        cmocka_unit_test(unusable_ones_are_refused),
        cmocka_unit_test(resampling_keeps_sum_width_and_centre),
        cmocka_unit_test(statistics_of_odd_cases),
        cmocka_unit_test(real_ones_look_right),
        cmocka_unit_test(memory_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
