#include "tests/check.h"

#include "lib/memory.h"
#include "lib/parallel.h"
#include "operators/sensitivity.h"

#include <complex.h>
#include <gsl/gsl_math.h>
#include <stdbool.h>
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
                const double complex e =
                    cexp(-2 * M_PI * I * ((double)k - CAL / 2) * ((double)y - NY / 2) / NY);
                for (size_t x = 0; x < NX; x++)
                    rows[c][k][x] += e * s->truth[c][y][x] * s->image[y][x];
            }
    for (size_t c = 0; c < COILS; c++)
        for (size_t ky = 0; ky < CAL; ky++)
            for (size_t kx = 0; kx < CAL; kx++) {
                double complex sum = 0;
                for (size_t x = 0; x < NX; x++)
                    sum += rows[c][ky][x] *
                           cexp(-2 * M_PI * I * ((double)kx - CAL / 2) * ((double)x - NX / 2) / NX);
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
            for (size_t c = 0; c < COILS; c++)
                s->truth[c][y][x] = coil(c, v, u);
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
    scry_error err = {0};
    struct scan *s = scan_of(1);
    float complex *maps = scry_alloc(COILS * NY * NX, sizeof *maps);
    float *value = scry_alloc(NY * NX, sizeof *value);
    assert_ok(scry_espirit(maps, value, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, NULL, &err));
    double sum = 0, inside = 0, min = 1, wrong = 0;
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
            min = fmin(min, one);
        }
    print_message("similarity to the truth: mean %.6f, least %.5f; %g of the object lost\n",
                  sum / inside, min, wrong / inside);
    assert_true(sum / inside > .9995);
    assert_true(min > .98);
    assert_below(wrong / inside, .01);
    scry_free(maps);
    scry_free(value);
    scry_free(s);
}

/* A mask without a gap has the windows one by one, no mask the sums of their lags. */
static void lags_and_windows_agree(void **state)
{
    (void)state;
    enum { H = 17, W = 24 };
    scry_error err = {0};
    struct scan *s = scan_of(1);
    float complex *cal = scry_alloc(COILS * H * W, sizeof *cal);
    float complex *maps = scry_alloc(2 * COILS * NY * NX, sizeof *maps);
    unsigned char all[H * W];
    scry_espirit_opts o;
    memset(all, 1, sizeof all);
    for (size_t c = 0; c < COILS; c++)
        memcpy(cal + c * H * W, s->cal[c][4], H * W * sizeof *cal);
    for (size_t k = 3; k <= 7; k += 2) {
        float complex *other = maps + COILS * NY * NX;
        double off = 0;
        scry_espirit_opts_init(&o);
        o.kernel = k;
        o.crop = 0;
        assert_ok(scry_espirit(maps, NULL, cal, COILS, H, W, NY, NX, &o, &err));
        o.mask = all;
        assert_ok(scry_espirit(other, NULL, cal, COILS, H, W, NY, NX, &o, &err));
        for (size_t i = 0; i < NY * NX; i++) {
            if (!(s->image[i / NX][i % NX] > 0)) continue;
            for (size_t c = 0; c < COILS; c++)
                off = fmax(off, cabs((double complex)maps[c * NY * NX + i] -
                                     (double complex)other[c * NY * NX + i]));
        }
        print_message("kernels of %zu: maps differ by %.1e at most\n", k, off);
        assert_below(off, 2e-3);
    }
    scry_free(cal);
    scry_free(maps);
    scry_free(s);
}

/* Soft weights: the same directions, |S| between 0 and 1 and continuous where the crop jumps. */
static void soft_weights_fade(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scan *s = scan_of(1);
    const size_t n = NY * NX;
    scry_espirit_opts o;
    scry_espirit_opts_init(&o);
    o.soft = 1;
    float complex *hard = scry_alloc(COILS * n, sizeof *hard);
    float complex *soft = scry_alloc(COILS * n, sizeof *soft);
    float *value = scry_alloc(n, sizeof *value);
    assert_ok(scry_espirit(hard, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, NULL, &err));
    assert_ok(scry_espirit(soft, value, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &o, &err));
    size_t between = 0;
    for (size_t i = 0; i < n; i++) {
        double size = 0, complex_dot = 0;
        for (size_t c = 0; c < COILS; c++) {
            const double complex a = soft[c * n + i], b = hard[c * n + i];
            size += creal(a * conj(a));
            complex_dot += creal(conj(b) * a);
        }
        size = sqrt(size);
        assert_true(size <= 1.00001);
        if (value[i] > .8f) assert_near(complex_dot, size, 1e-5);
        if (value[i] < .6f) assert_near(size, 0, 0);
        assert_true((size > .5) == (value[i] > .8f) || fabs(size - .5) < 1e-4);
        between += size > .01 && size < .99;
    }
    assert_true(between > 20);
    scry_free(hard);
    scry_free(soft);
    scry_free(value);
    scry_free(s);
}

/* The object is larger than the field of view along y: each pixel at the top and bottom sums two
 * places, with two vectors of sensitivities, and two sets of maps span both. */
static void two_sets_hold_a_wrapped_object(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scan *s = scry_alloc(1, sizeof *s);
    double complex(*other)[NY][NX] = scry_alloc(COILS, sizeof *other);
    bool *twice = scry_alloc(NY * NX, sizeof *twice);
    for (size_t y = 0; y < NY; y++)
        for (size_t x = 0; x < NX; x++) {
            const double u = 1.1 * 2 * ((double)x - NX / 2) / NX;
            int found = 0;
            s->image[y][x] = 1; /* the object goes into the truth: coils differ where it wraps */
            for (int wrap = -1; wrap <= 1; wrap++) {
                const double v = .8 * 2 * ((double)y + wrap * NY - NY / 2) / NY;
                const double a = object(v * .62 / .95, u);
                for (size_t c = 0; c < COILS && a > 0; c++) {
                    s->truth[c][y][x] += a * coil(c, v * .8, u);
                    if (found) other[c][y][x] = a * coil(c, v * .8, u);
                }
                found += a > 0;
            }
            twice[y * NX + x] = found == 2;
        }
    measure(s);
    scry_espirit_opts o;
    scry_espirit_opts_init(&o);
    o.sets = 2;
    float complex *maps = scry_alloc(COILS * 2 * NY * NX, sizeof *maps);
    assert_ok(scry_espirit(maps, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &o, &err));
    double one = 0, both = 0, count = 0, cross = 0;
    for (size_t y = 0; y < NY; y++)
        for (size_t x = 0; x < NX; x++) {
            if (!twice[y * NX + x]) continue;
            double complex p = 0, q = 0, between = 0;
            double energy = 0;
            for (size_t c = 0; c < COILS; c++) {
                const double complex a = maps[(c * 2 * NY + y) * NX + x];
                const double complex b = maps[((c * 2 + 1) * NY + y) * NX + x];
                p += conj(a) * other[c][y][x];
                q += conj(b) * other[c][y][x];
                between += conj(a) * b;
                energy += creal(other[c][y][x] * conj(other[c][y][x]));
            }
            one += creal(p * conj(p)) / energy;
            both += creal(p * conj(p) + q * conj(q)) / energy;
            cross = fmax(cross, cabs(between));
            count++;
        }
    print_message("%g wrapped pixels: one set holds %.4f of the energy, both %.4f\n", count,
                  one / count, both / count);
    assert_true(count > 100);
    assert_true(both / count > .97);
    assert_below(one / count, .9);
    assert_below(cross, 1e-4);
    scry_free(maps);
    scry_free(twice);
    scry_free(other);
    scry_free(s);
}

static void low_resolution_maps_point_the_same_way(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scan *s = scan_of(1);
    const size_t n = NY * NX;
    float complex *maps = scry_alloc(COILS * n, sizeof *maps);
    assert_ok(scry_lowres_maps(maps, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &err));
    double sum = 0, count = 0;
    for (size_t y = 0; y < NY; y++)
        for (size_t x = 0; x < NX; x++) {
            double energy = 0;
            for (size_t c = 0; c < COILS; c++)
                energy += pow(cabs((double complex)maps[(c * NY + y) * NX + x]), 2);
            assert_near(energy, 1, 1e-5);
            if (!(s->image[y][x] > 0)) continue;
            sum += similarity(s, maps, n, y, x);
            count++;
        }
    print_message("similarity to the truth: mean %.6f\n", sum / count);
    assert_true(sum / count > .995);
    assert_fails(scry_lowres_maps(maps, &s->cal[0][0][0], COILS, CAL, CAL, 20, NX, &err),
                 SCRY_ESHAPE);
    for (size_t nth = 1;; nth++) {
        const size_t live = scry_memory_live();
        scry_memory_fail_at(nth);
        scry_status st = scry_lowres_maps(maps, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &err);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        err = (scry_error){0};
    }
    s->cal[0][0][0] = NAN;
    assert_fails(scry_lowres_maps(maps, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &err),
                 SCRY_ENUMERIC);
    memset(s->cal, 0, sizeof s->cal);
    assert_fails(scry_lowres_maps(maps, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &err),
                 SCRY_ENUMERIC);
    scry_free(maps);
    scry_free(s);
}

static bool bart_file(const char *name, float complex *x, bool write)
{
    char path[128];
    FILE *f;
    bool ok = true;
    if (write) {
        snprintf(path, sizeof path, "%s.hdr", name);
        f = fopen(path, "w");
        ok = f && fprintf(f, "# Dimensions\n%d %d 1 %d\n", NX, NY, COILS) > 0;
        if (f) fclose(f);
    }
    snprintf(path, sizeof path, "%s.cfl", name);
    f = fopen(path, write ? "wb" : "rb");
    const size_t n = (size_t)COILS * NY * NX;
    ok = ok && f && (write ? fwrite(x, sizeof *x, n, f) : fread(x, sizeof *x, n, f)) == n;
    if (f) fclose(f);
    return ok;
}

/* BART 0.8 on the same calibration data, where it is installed. Outside of the object M(r) has no
 * eigenvector that stands out, and each program has its own. */
static void agrees_with_bart(void **state)
{
    (void)state;
    char folder[] = "/tmp/scry_bart_XXXXXX", name[64], command[256];
    if (system("command -v bart >/dev/null 2>&1")) {
        print_message("skipped: bart is not installed\n");
        skip();
    }
    scry_error err = {0};
    struct scan *s = scan_of(1);
    const size_t n = NY * NX;
    float complex *maps = scry_alloc(COILS * n, sizeof *maps);
    float complex *bart = scry_alloc(COILS * n, sizeof *bart);
    for (size_t c = 0; c < COILS; c++)
        for (size_t y = 0; y < CAL; y++)
            memcpy(bart + (c * NY + NY / 2 - CAL / 2 + y) * NX + NX / 2 - CAL / 2, s->cal[c][y],
                   CAL * sizeof *bart);
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/ksp", folder);
    assert_true(bart_file(name, bart, true));
    snprintf(command, sizeof command, "cd %s && bart ecalib -m1 -r24 ksp maps >/dev/null 2>&1",
             folder);
    assert_int_equal(system(command), 0);
    snprintf(name, sizeof name, "%s/maps", folder);
    assert_true(bart_file(name, bart, false));
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_ok(scry_espirit(maps, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, NULL, &err));
    double sum = 0, both = 0, agree = 0;
    for (size_t i = 0; i < n; i++) {
        double complex dot = 0;
        double a = 0, b = 0;
        for (size_t c = 0; c < COILS; c++) {
            const double complex u = maps[c * n + i], v = bart[c * n + i];
            dot += conj(u) * v;
            a += creal(u * conj(u));
            b += creal(v * conj(v));
        }
        agree += (a > 0) == (b > 0);
        if (!(a > 0 && b > 0) || !(s->image[i / NX][i % NX] > 0)) continue;
        sum += cabs(dot) / sqrt(a * b);
        both++;
    }
    print_message("similarity to BART: mean %.6f; support agrees in %.3f %%\n", sum / both,
                  100 * agree / (double)n);
    assert_true(sum / both > .999);
    assert_true(agree / (double)n > .995);
    scry_free(maps);
    scry_free(bart);
    scry_free(s);
}

/* All of a readout that is complete, beside at most 64 lines; of a full scan 64 each way. */
static void calibration_takes_complete_readouts(void **state)
{
    (void)state;
    enum { H = 100, W = 90 };
    scry_error err = {0};
    static unsigned char mask[H * W];
    size_t cy, cx;
    memset(mask, 1, sizeof mask);
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_int_equal(cy, 64);
    assert_int_equal(cx, 64);
    for (int i = 0; i < H * W; i++)
        mask[i] = abs(i % W - W / 2) <= 4;
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_int_equal(cy, H);
    assert_int_equal(cx, 9);
    for (int i = 0; i < H * W; i++)
        mask[i] = abs(i / W - H / 2) <= 4;
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_int_equal(cy, 9);
    assert_int_equal(cx, W);
    mask[H / 2 * W + 3] = 0; /* a readout with a hole is not complete */
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_int_equal(cy, 9);
    assert_int_equal(cx, 64);
}

/* What is calibrated from where the middle is no full block: a line is missing beside k = 0, or the
 * middle is an ellipse. */
static void windows_calibrate_where_blocks_do_not(void **state)
{
    (void)state;
    enum { H = 96, W = 90 };
    scry_error err = {0};
    static unsigned char mask[H * W];
    scry_calibration at;
    for (int i = 0; i < H * W; i++)
        mask[i] = i / W % 4 == 0 || abs(i / W - H / 2) <= 12;
    assert_ok(scry_calibration_find(&at, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_true(!at.gaps && at.kernel == 6 && at.cy == 25 && at.cx == W);
    for (int i = 0; i < W; i++)
        mask[(H / 2 + 1) * W + i] = 0;
    assert_ok(scry_calibration_find(&at, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_true(at.gaps && at.kernel == 6 && at.cy >= 24 && at.cx == W);
    for (int i = 0; i < H * W; i++)
        mask[i] = hypot((i / W - H / 2) / 12., (i % W - W / 2) / 16.) < 1;
    assert_ok(scry_calibration_find(&at, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err));
    assert_true(at.gaps && at.kernel == 6 && at.cy >= 23 && at.cy <= 26 && at.cx >= 30);
    for (int i = 0; i < H * W; i++)
        mask[i] = i / W % 4 == 0;
    assert_fails(scry_calibration_find(&at, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err),
                 SCRY_EINVAL);
    memset(mask, 1, sizeof mask);
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 3; nth++) {
        err = (scry_error){0};
        scry_memory_fail_at(nth);
        assert_int_equal(scry_calibration_find(&at, mask, H, W, SCRY_CALIBRATION_AUTO, 6, &err),
                         SCRY_ENOMEM);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
    }
}

/* Coils from the windows that lack nothing of a block that lacks two of its lines. */
static void espirit_leaves_windows_with_gaps_out(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scan *s = scan_of(1);
    static unsigned char mask[CAL * CAL];
    scry_espirit_opts o;
    scry_espirit_opts_init(&o);
    o.mask = mask;
    float complex *maps = scry_alloc(COILS * NY * NX, sizeof *maps);
    for (size_t i = 0; i < CAL * CAL; i++)
        mask[i] = i / CAL != CAL / 2 + 1 && i / CAL != CAL / 2 + 2;
    for (size_t c = 0; c < COILS; c++)
        for (size_t i = 0; i < CAL * CAL; i++)
            if (!mask[i]) s->cal[c][i / CAL][i % CAL] = 0;
    double mean[2] = {0};
    for (int with = 0; with < 2; with++) {
        double sum = 0, inside = 0;
        o.mask = with ? mask : NULL;
        assert_ok(scry_espirit(maps, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &o, &err));
        for (size_t y = 0; y < NY; y++)
            for (size_t x = 0; x < NX; x++) {
                if (!(s->image[y][x] > 0)) continue;
                sum += similarity(s, maps, NY * NX, y, x);
                inside++;
            }
        mean[with] = sum / inside;
    }
    print_message("similarity to the truth: %.5f, with gaps as zeros %.5f\n", mean[1], mean[0]);
    assert_true(mean[1] > .999);
    assert_true(1 - mean[0] > 5 * (1 - mean[1]));
    memset(mask, 0, sizeof mask);
    o.mask = mask;
    assert_fails(scry_espirit(maps, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, &o, &err),
                 SCRY_EINVAL);
    scry_free(maps);
    scry_free(s);
}

static void calibration_region_is_the_middle(void **state)
{
    (void)state;
    enum { H = 41, W = 50 };
    scry_error err = {0};
    unsigned char mask[H * W];
    size_t cy, cx;
    memset(mask, 0, sizeof mask);
    assert_int_equal(scry_calibration_region(&cy, &cx, mask, H, W, 24, 8, &err), SCRY_EINVAL);
    assert_string_equal(err.text, "the centre of k-space is not fully sampled: found 0 x 0 lines, "
                                  "at least 8 x 8 are needed");
    err = (scry_error){0};
    memset(mask, 1, sizeof mask);
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, 0, 8, &err));
    assert_int_equal(cy, H);
    assert_int_equal(cx, W);
    assert_ok(scry_calibration_region(&cy, &cx, mask, H, W, 24, 8, &err));
    assert_int_equal(cy, 24);
    assert_int_equal(cx, 24);
    /* columns 21 to 29: 9 around the centre, index 25, which is one more than to its left */
    for (int i = 0; i < H * W; i++)
        mask[i] = i % W >= 21 && i % W <= 29;
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
    scry_error err = {0};
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
    scry_error err = {0};
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
        scry_error err = {0};
        scry_memory_fail_at(nth);
        scry_status st =
            scry_espirit(maps, NULL, &s->cal[0][0][0], COILS, CAL, CAL, NY, NX, NULL, &err);
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
        cmocka_unit_test(lags_and_windows_agree),
        cmocka_unit_test(agrees_with_bart),
        cmocka_unit_test(soft_weights_fade),
        cmocka_unit_test(two_sets_hold_a_wrapped_object),
        cmocka_unit_test(low_resolution_maps_point_the_same_way),
        cmocka_unit_test(calibration_region_is_the_middle),
        cmocka_unit_test(windows_calibrate_where_blocks_do_not),
        cmocka_unit_test(espirit_leaves_windows_with_gaps_out),
        cmocka_unit_test(calibration_takes_complete_readouts),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(words_its_failures),
        cmocka_unit_test(refusals_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
