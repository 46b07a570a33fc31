#include "tests/check.h"

#include "lib/memory.h"
#include "lib/parallel.h"
#include "operators/sensitivity.h"

#include <complex.h>
#include <gsl/gsl_math.h>
#include <string.h>

/* A disc with structure, and coils whose sensitivities are trigonometric polynomials of a few terms
 * with a period of twice the field of view: smooth, complex, without a jump where the image wraps
 * unless the object reaches there. */
enum { COILS = 6, NY = 54, NX = 61, CAL = 24 };

static double complex coil(size_t c, double y, double x)
{
    const double angle = 2 * M_PI * (double)c / COILS;
    const double cy = .9 * sin(angle), cx = .9 * cos(angle);
    const double d2 = (y - cy) * (y - cy) + (x - cx) * (x - cx);
    return 1 / (.7 + d2) * cexp(I * (angle + .8 * y - .5 * x + .3 * x * y));
}

static double object(double y, double x)
{
    if (hypot(y / .62, x / .7) > 1) return 0;
    return 1 + .5 * (hypot(y - .2, x + .1) < .2) - .4 * (fabs(y + .3) < .1) + .3 * x;
}

/* Truth (coil, y, x) and calibration data: the centred Fourier transform of the coil images. */
struct scan {
    double complex truth[COILS][NY][NX];
    double image[NY][NX];
    float complex cal[COILS][CAL][CAL];
};

static void measure(struct scan *s)
{
    static double complex rows[COILS][CAL][NX];
    memset(rows, 0, sizeof rows);
    memset(s->cal, 0, sizeof s->cal);
    for (size_t c = 0; c < COILS; c++)
        for (size_t y = 0; y < NY; y++)
            for (size_t k = 0; k < CAL; k++) {
                const double complex e = cexp(-2 * M_PI * I * ((double)k - CAL / 2) *
                                              ((double)y - NY / 2) / NY);
                for (size_t x = 0; x < NX; x++)
                    rows[c][k][x] += e * s->truth[c][y][x] * s->image[y][x];
            }
    for (size_t c = 0; c < COILS; c++)
        for (size_t ky = 0; ky < CAL; ky++)
            for (size_t kx = 0; kx < CAL; kx++) {
                double complex sum = 0;
                for (size_t x = 0; x < NX; x++)
                    sum += rows[c][ky][x] * cexp(-2 * M_PI * I * ((double)kx - CAL / 2) *
                                                 ((double)x - NX / 2) / NX);
                s->cal[c][ky][kx] = (float complex)(1e-7 * sum); /* fastMRI's units */
            }
}

static struct scan *scan_of(double zoom)
{
    struct scan *s = scry_alloc(1, sizeof *s);
    for (size_t y = 0; y < NY; y++)
        for (size_t x = 0; x < NX; x++) {
            const double v = 2 * zoom * ((double)y - NY / 2) / NY;
            const double u = 2 * zoom * ((double)x - NX / 2) / NX;
            s->image[y][x] = object(v, u);
            for (size_t c = 0; c < COILS; c++) s->truth[c][y][x] = coil(c, v, u);
        }
    measure(s);
    return s;
}

/* |<S, truth>| over |truth|, S (coil stride in entries) */
static double similarity(const struct scan *s, const float complex *maps, size_t stride, size_t y,
                         size_t x)
{
    double complex dot = 0;
    double energy = 0;
    for (size_t c = 0; c < COILS; c++) {
        dot += conj((double complex)maps[c * stride + y * NX + x]) * s->truth[c][y][x];
        energy += pow(cabs(s->truth[c][y][x]), 2);
    }
    return cabs(dot) / sqrt(energy);
}

static void espirit_finds_the_coils(void **state)
{
    (void)state;
    scry_error err = { 0 };
    struct scan *s = scan_of(1);
    float complex *maps = scry_alloc(COILS * NY * NX, sizeof *maps);
    float *value = scry_alloc(NY * NX, sizeof *value);
    assert_ok(scry_espirit(maps, value, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, NULL, &err));
    double sum = 0, inside = 0, least = 1, wrong = 0;
    for (size_t y = 0; y < NY; y++)
        for (size_t x = 0; x < NX; x++) {
            double energy = 0;
            for (size_t c = 0; c < COILS; c++)
                energy += pow(cabs((double complex)maps[(c * NY + y) * NX + x]), 2);
            assert_true(energy == 0 || fabs(energy - 1) < 1e-5);
            assert_true((energy > 0) == (value[y * NX + x] > .8f));
            assert_true(value[y * NX + x] < 1.001f);
            wrong += s->image[y][x] > 0 && energy == 0;
            if (!(s->image[y][x] > 0) || energy == 0) continue;
            const double one = similarity(s, maps, NY * NX, y, x);
            sum += one;
            inside++;
            least = fmin(least, one);
        }
    print_message("similarity to the truth: mean %.6f, least %.5f; %g of the object lost\n",
                  sum / inside, least, wrong / inside);
    assert_true(sum / inside > .9995);
    assert_true(least > .98);
    assert_below(wrong / inside, .01);
    scry_free(maps);
    scry_free(value);
    scry_free(s);
}

static void calibration_region_is_the_middle(void **state)
{
    (void)state;
    enum { H = 41, W = 50 };
    scry_error err = { 0 };
    unsigned char mask[H * W];
    size_t cy, cx;
    memset(mask, 0, sizeof mask);
    assert_int_equal(scry_calibration_region(&cy, &cx, mask, H, W, 24, 8, &err), SCRY_EINVAL);
    assert_string_equal(err.text, "the centre of k-space is not fully sampled: found 0 x 0 lines, "
                                  "at least 8 x 8 are needed");
    err = (scry_error){ 0 };
    memset(mask, 1, sizeof mask);
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, 0, 8, &err));
    assert_int_equal(cy, H);
    assert_int_equal(cx, W);
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, 24, 8, &err));
    assert_int_equal(cy, 24);
    assert_int_equal(cx, 24);
    /* columns 21 to 29: 9 around the centre, index 25, which is one more than to its left */
    for (int i = 0; i < H * W; i++) mask[i] = i % W >= 21 && i % W <= 29;
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, 24, 8, &err));
    assert_int_equal(cy, 24);
    assert_int_equal(cx, 9);
    assert_fails(scry_calibration_region(&cy, &cx, mask, H, W, 24, 10, &err), SCRY_EINVAL);
    /* a cross: the long thin block of its arms is larger, and of no use */
    for (int i = 0; i < H * W; i++)
        mask[i] = i / W == H / 2 || (abs(i / W - H / 2) <= 2 && abs(i % W - W / 2) <= 4);
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, 0, 4, &err));
    assert_int_equal(cy, 5);
    assert_int_equal(cx, 9);
    const size_t live = scry_memory_live();
    scry_memory_fail_at(1);
    assert_fails(scry_calibration_region(&cy, &cx, mask, H, W, 0, 4, &err), SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_int_equal(scry_memory_live(), live);
}

static void threads_do_not_show(void **state)
{
    (void)state;
    scry_error err = { 0 };
    struct scan *s = scan_of(1);
    scry_espirit_opts o;
    scry_espirit_opts_init(&o);
    o.sets = 2;
    o.crop = 0;
    const size_t n = (size_t)COILS * 2 * NY * NX;
    float complex *one = scry_alloc(n, sizeof *one), *two = scry_alloc(n, sizeof *two);
    scry_threads_set(1);
    assert_ok(scry_espirit(one, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &o, &err));
    scry_threads_set(2);
    assert_ok(scry_espirit(two, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &o, &err));
    scry_threads_set(0);
    assert_memory_equal(one, two, n * sizeof *one);
    scry_free(one);
    scry_free(two);
    scry_free(s);
}

static void words_its_failures(void **state)
{
    (void)state;
    scry_error err = { 0 };
    struct scan *s = scan_of(1);
    const float complex *cal = &s->cal[0][0][0];
    scry_espirit_opts o;
    float complex *maps = scry_alloc(2 * COILS * NY * NX, sizeof *maps);
    scry_espirit_opts_init(&o);
    assert_fails(scry_espirit(maps, NULL, cal, 0, CAL, CAL, NY, NX, &o, &err), SCRY_ESHAPE);
    assert_fails(scry_espirit(maps, NULL, cal, COILS, 5, CAL, NY, NX, &o, &err), SCRY_EINVAL);
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, 20, NX, &o, &err), SCRY_ESHAPE);
    o.kernel = 1;
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, NY, NX, &o, &err), SCRY_EINVAL);
    scry_espirit_opts_init(&o);
    o.threshold = 0;
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, NY, NX, &o, &err), SCRY_EINVAL);
    scry_espirit_opts_init(&o);
    o.crop = 1;
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, NY, NX, &o, &err), SCRY_EINVAL);
    scry_espirit_opts_init(&o);
    o.sets = COILS + 1;
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, NY, NX, &o, &err), SCRY_EINVAL);
    s->cal[1][2][3] = NAN;
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, NY, NX, NULL, &err), SCRY_ENUMERIC);
    memset(s->cal, 0, sizeof s->cal);
    assert_fails(scry_espirit(maps, NULL, cal, COILS, CAL, CAL, NY, NX, NULL, &err), SCRY_ENUMERIC);
    scry_free(maps);
    scry_free(s);
}

static void refusals_leak_nothing(void **state)
{
    (void)state;
    struct scan *s = scan_of(1);
    float complex *maps = scry_alloc(COILS * NY * NX, sizeof *maps);
    const size_t live = scry_memory_live();
    size_t nth = 1;
    for (;; nth++) {
        scry_error err = { 0 };
        scry_memory_fail_at(nth);
        scry_status st = scry_espirit(maps, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, NULL,
                                      &err);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        assert_true(err.text[0]);
    }
    assert_true(nth > 12);
    scry_free(maps);
    scry_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(espirit_finds_the_coils),
        cmocka_unit_test(calibration_region_is_the_middle),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(words_its_failures),
        cmocka_unit_test(refusals_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
