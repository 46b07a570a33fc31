/* A PSF out of an image of beads whose PSF is known. */

#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/vector.h"
#include "operators/psf_beads.h"

#include <gsl/gsl_randist.h>
#include <string.h>

/* Adds a bead at (z, y, x), between voxels where they are not whole. */
static void add_bead(float *v, const scry_space *s, const double *at, const double *sigma,
                     double peak)
{
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    for (size_t i = 0; i < scry_space_count(s); i++) {
        const double d[3] = {(double)(i / nx / ny) - at[0], (double)(i / nx % ny) - at[1],
                             (double)(i % nx) - at[2]};
        double q = 0;
        for (int a = s->rank == 3 ? 0 : 1; a < 3; a++)
            q += d[a] * d[a] / (2 * sigma[a] * sigma[a]);
        if (q < 40) v[i] += (float)(peak * exp(-q));
    }
}

/* To camera counts: Poisson, read noise 1.5 e-, gain 0.5 e-/ADU, offset 100. */
static void expose(float *v, size_t n, uint64_t seed)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    for (size_t i = 0; i < n; i++) {
        scry_rng_gsl_seek(r, seed, 0, 0, (uint32_t)i);
        v[i] =
            (float)((gsl_ran_poisson(r, 2 + (double)v[i]) + gsl_ran_gaussian(r, 1.5)) / 0.5 + 100);
    }
    gsl_rng_free(r);
}

static const double wide[3] = {2.2, 1.6, 1.6};

/* Twelve beads on a loose grid, off their pixels by different parts of one. */
static float *field(const scry_space *s, double peak)
{
    float *v = scry_alloc(scry_space_count(s), sizeof *v);
    for (size_t k = 0; k < 12; k++) {
        const double at[3] = {s->rank == 3 ? 5.3 + 0.37 * (double)(k % 5) : 0,
                              24.1 + 36.29 * (double)(k / 4), 22.7 + 33.17 * (double)(k % 4)};
        add_bead(v, s, at, wide, peak * (0.7 + 0.05 * (double)k));
    }
    return v;
}

static double difference(const float *psf, const scry_space *s)
{
    double worst = 0, peak = 0, sum = 0;
    float *truth = scry_alloc(scry_space_count(s), sizeof *truth);
    double centre[3] = {0};
    for (int a = 3 - s->rank; a < 3; a++)
        centre[a] = (double)(s->dims[a - 3 + s->rank] / 2);
    add_bead(truth, s, centre, wide, 1);
    sum = scry_sum(truth, scry_space_count(s));
    for (size_t i = 0; i < scry_space_count(s); i++) {
        peak = fmax(peak, truth[i] / sum);
        worst = fmax(worst, fabs(psf[i] - truth[i] / sum));
    }
    scry_free(truth);
    return worst / peak;
}

static void beads_in_a_plane(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(130, 150);
    scry_space ps;
    scry_psf_beads b;
    scry_psf_report r;
    float *psf, *v = field(&s, 4000);
    expose(v, scry_space_count(&s), 1);
    assert_ok(scry_psf_distil(&psf, &ps, v, &s, NULL, &b, &r, &err));
    assert_int_equal(b.found, 12);
    assert_int_equal(b.used, 12);
    assert_near(b.background, 104, 0.5);
    assert_near(b.noise, sqrt(2 + 2.25) / 0.5, 0.7);
    assert_true(b.signal > 600 && b.signal < 2000);
    assert_near(b.fwhm[0], 2.3548 * 1.6, 0.25);
    assert_true(b.spread[0] < 0.4);
    assert_near(r.stats.fwhm[0], 2.3548 * 1.6, 0.08);
    assert_near(r.stats.fwhm[1], 2.3548 * 1.6, 0.08);
    assert_near(scry_sum(psf, scry_space_count(&ps)), 1, 1e-5);
    assert_below(difference(psf, &ps), 0.03);
    scry_free(psf);
    scry_free(v);
}

static void beads_in_a_stack(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(13, 130, 150);
    scry_space ps;
    scry_psf_beads b;
    scry_psf_report r;
    float *psf, *v = field(&s, 4000);
    expose(v, scry_space_count(&s), 2);
    assert_ok(scry_psf_distil(&psf, &ps, v, &s, NULL, &b, &r, &err));
    assert_int_equal(b.used, 12);
    assert_near(b.fwhm[0], 2.3548 * 2.2, 0.4);
    assert_near(r.stats.fwhm[0], 2.3548 * 2.2, 0.15);
    assert_near(r.stats.fwhm[2], 2.3548 * 1.6, 0.08);
    assert_below(difference(psf, &ps), 0.04);
    scry_free(psf);
    scry_free(v);
}

/* Pairs, cut ones, a saturated one, a cluster and a blur are left out, and said to be. */
static void bad_ones_are_left_out(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(150, 230);
    scry_space ps;
    scry_psf_beads b;
    float *psf, *v = field(&s, 400);
    const double pair[3] = {0, 60.39, 64.2}, cut[3] = {0, 3, 210}, full[3] = {0, 25, 200.4},
                 heap[3] = {0, 60, 180.3}, blur[3] = {0, 100.2, 190}, broad[3] = {3, 3, 3};
    add_bead(v, &s, pair, wide, 300);
    add_bead(v, &s, cut, wide, 300);
    add_bead(v, &s, heap, wide, 2000);
    add_bead(v, &s, blur, broad, 300);
    add_bead(v, &s, full, wide, 9000);
    expose(v, scry_space_count(&s), 3);
    for (size_t i = 0; i < scry_space_count(&s); i++)
        v[i] = fminf(v[i], 4095);
    assert_ok(scry_psf_distil(&psf, &ps, v, &s, NULL, &b, NULL, &err));
    assert_int_equal(b.border, 1);
    assert_int_equal(b.close, 2);
    assert_int_equal(b.unlike + b.saturated, 3);
    assert_true(b.saturated >= 1);
    assert_int_equal(b.used, 11);
    assert_int_equal(b.found, 17);
    assert_below(difference(psf, &ps), 0.04);
    scry_free(psf);
    scry_free(v);
}

static void images_of_beads_are_told_from_psfs(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(130, 150), box = SCRY_SPACE(9, 41, 41);
    bool beads = false;
    float *v = field(&s, 400), *psf = scry_alloc(scry_space_count(&box), sizeof *psf);
    expose(v, scry_space_count(&s), 1);
    assert_ok(scry_psf_is_beads(&beads, v, &s, &err));
    assert_true(beads);
    memset(v, 0, scry_space_count(&s) * sizeof *v); /* two are no field of beads */
    add_bead(v, &s, (double[]){0, 40, 40}, wide, 400);
    add_bead(v, &s, (double[]){0, 90, 100}, wide, 400);
    expose(v, scry_space_count(&s), 1);
    assert_ok(scry_psf_is_beads(&beads, v, &s, &err));
    assert_false(beads);
    /* a PSF with rings and defocused planes: maxima all over, on one axis */
    for (size_t i = 0; i < scry_space_count(&box); i++) {
        const double z = (double)(i / 1681) - 4,
                     rho = hypot((double)(i / 41 % 41) - 20, (double)(i % 41) - 20);
        const double width = 1.5 + 0.8 * fabs(z), t = rho / width;
        psf[i] = (float)(1000 / (width * width) * exp(-t * t / 4) * (0.6 + 0.4 * cos(3 * t)));
    }
    expose(psf, scry_space_count(&box), 5);
    assert_ok(scry_psf_is_beads(&beads, psf, &box, &err));
    assert_false(beads);
    scry_free(psf);
    scry_free(v);
}

static void nothing_to_distil(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_space s = SCRY_SPACE(64, 64), ps, line = SCRY_SPACE(64), small = SCRY_SPACE(4, 64);
    scry_psf_beads b;
    bool beads = true;
    float *psf, *v = scry_alloc(64 * 64, sizeof *v);
    expose(v, 64 * 64, 1);
    assert_int_equal(scry_psf_distil(&psf, &ps, v, &s, NULL, &b, NULL, &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "no bead"));
    err = (scry_error){0};
    assert_ok(scry_psf_is_beads(&beads, v, &s, &err));
    assert_false(beads);
    add_bead(v, &s, (double[]){0, 3, 30}, wide, 5000);
    assert_int_equal(scry_psf_distil(&psf, &ps, v, &s, NULL, &b, NULL, &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text,
                           "1 beads, of which none can be used: 0 too close to another, 1 "
                           "at the border"));
    err = (scry_error){0};
    assert_null(psf);
    assert_fails(scry_psf_distil(&psf, &ps, v, &line, NULL, &b, NULL, &err), SCRY_ESHAPE);
    assert_fails(scry_psf_distil(&psf, &ps, v, &small, NULL, &b, NULL, &err), SCRY_EFORMAT);
    v[5] = INFINITY;
    assert_fails(scry_psf_distil(&psf, &ps, v, &s, NULL, &b, NULL, &err), SCRY_ENUMERIC);
    assert_fails(scry_psf_is_beads(&beads, v, &s, &err), SCRY_ENUMERIC);
    scry_free(v);
}

static void memory_is_returned(void **state)
{
    (void)state;
    const scry_space s = SCRY_SPACE(130, 150);
    float *v = field(&s, 400);
    expose(v, scry_space_count(&s), 1);
    const size_t live = scry_memory_live();
    scry_status st = SCRY_ENOMEM;
    for (size_t nth = 1; st != SCRY_OK; nth++) {
        scry_error err = {0};
        scry_space ps;
        float *psf;
        scry_memory_fail_at(nth);
        st = scry_psf_distil(&psf, &ps, v, &s, NULL, NULL, NULL, &err);
        scry_memory_fail_at(0);
        scry_free(psf);
        if (st != SCRY_OK) assert_int_equal(st, SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beads_in_a_plane),
        cmocka_unit_test(beads_in_a_stack),
        cmocka_unit_test(bad_ones_are_left_out),
        cmocka_unit_test(images_of_beads_are_told_from_psfs),
        cmocka_unit_test(nothing_to_distil),
        cmocka_unit_test(memory_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
