#include "tests/check.h"

#include "apps/recon/mri/mri_impl.h"
#include "datasets/sampling.h"
#include "datasets/scanner.h"
#include "lib/memory.h"
#include "operators/coils.h"

#include <math.h>
#include <string.h>

/* The noise that is told from a scan itself, against the noise that was put in: the head of Shepp &
 * Logan in exact k-space, 8 coils whose noise is correlated, and every sampling that users bring.
 */

enum { N = 160, C = 8, SEEDS = 1 };

typedef bool sampled(size_t y, size_t x, const unsigned char *pattern);

static double from_middle(size_t i)
{
    return fabs((double)i - N / 2) / (N / 2);
}

static bool all(size_t y, size_t x, const unsigned char *pattern)
{
    (void)y, (void)x, (void)pattern;
    return true;
}

static bool given(size_t y, size_t x, const unsigned char *pattern)
{
    return pattern[y * N + x];
}

static bool in_ellipse(size_t y, size_t x, const unsigned char *pattern)
{
    (void)pattern;
    return hypot(from_middle(y), from_middle(x)) <= 1;
}

static bool given_in_ellipse(size_t y, size_t x, const unsigned char *pattern)
{
    return given(y, x, pattern) && in_ellipse(y, x, NULL);
}

static bool five_eighths(size_t y, size_t x, const unsigned char *pattern)
{
    (void)x, (void)pattern;
    return y >= N * 3 / 8;
}

static bool short_echo(size_t y, size_t x, const unsigned char *pattern)
{
    (void)y, (void)pattern;
    return x >= N / 4;
}

static bool unpadded(size_t y, size_t x, const unsigned char *pattern)
{
    (void)pattern;
    return from_middle(y) < 0.75 && from_middle(x) < 0.75;
}

static const struct sampling_case {
    const char *name;
    scry_sampling pattern;
    sampled *keeps;
    double sigma; /* of the object's 1: where its signal leaves the bound within reach */
} cases[] = {
    {"full", {.accel = 4}, all, 0.002},
    {"equispaced, R 4",
     {.pattern = SCRY_PATTERN_REGULAR, .accel = 4, .centre = 0.08},
     given,
     0.002},
    {"equispaced, R 8",
     {.pattern = SCRY_PATTERN_REGULAR, .accel = 8, .centre = 0.06},
     given,
     0.002},
    {"Poisson disc, R 4",
     {.pattern = SCRY_PATTERN_POISSON, .accel = 4, .centre = 0.12},
     given,
     0.03},
    {"Poisson disc, R 6",
     {.pattern = SCRY_PATTERN_POISSON, .accel = 6, .centre = 0.12},
     given,
     0.03},
    {"Poisson disc in an ellipse",
     {.pattern = SCRY_PATTERN_POISSON, .accel = 4, .centre = 0.12},
     given_in_ellipse,
     0.03},
    {"ellipse", {.accel = 4}, in_ellipse, 0.002},
    {"partial Fourier, 5/8", {.accel = 4}, five_eighths, 0.002},
    {"partial echo", {.accel = 4}, short_echo, 0.002},
    {"padded with zeros", {.accel = 4}, unpadded, 0.002},
};

/* A scan of noise sd sigma, of which the samples that the case keeps are left. */
static void simulate(scry_mri_samples *out, double complex *psi, const struct sampling_case *k,
                     double sigma, uint64_t seed)
{
    scry_error err = {0};
    double complex *coils = scry_alloc(C * SCRY_SCANNER_TERMS, sizeof *coils);
    float complex *noise = scry_alloc(C * N * N, sizeof *noise);
    unsigned char pattern[N * N];
    *out = (scry_mri_samples){.data = scry_alloc(C * N * N, sizeof *out->data),
                              .mask = scry_alloc(N * N, 1)};
    assert_ok(scry_scanner_coils(NULL, coils, C, N, N, seed, &err));
    assert_ok(scry_scanner_shepp_logan(out->data, coils, C, N, N, &err));
    scry_scanner_noise(noise, C * N * N, sigma, seed, 0);
    if (k->pattern.pattern) assert_ok(scry_sampling_mask(pattern, N, N, 2, &k->pattern, &err));
    memset(psi, 0, C * C * sizeof *psi);
    for (size_t c = 0; c < C; c++) { /* each coil hears the next one, and they are not alike */
        const double gain = 0.8 + 0.05 * (double)c, mixed = 0.3;
        psi[c * (C + 1)] += gain * gain * (1 + mixed * mixed) * sigma * sigma;
        for (size_t i = 0; i < N * N; i++) {
            const size_t y = i / N, x = i % N;
            if (!k->keeps(y, x, pattern)) continue;
            out->mask[i] = 1;
            out->data[c * N * N + i] +=
                (float)gain *
                (noise[c * N * N + i] + (float)mixed * noise[(c + 1) % C * N * N + i]);
        }
    }
    scry_free(coils);
    scry_free(noise);
}

static double sd_of(const double complex *psi)
{
    double trace = 0;
    for (size_t c = 0; c < C; c++)
        trace += creal(psi[c * (C + 1)]);
    return sqrt(trace / C);
}

/* sd found over sd put in. */
static double ratio(const struct sampling_case *k, double sigma, uint64_t seed)
{
    scry_error err = {0};
    scry_mri_samples samples;
    scry_mri_slice slice;
    struct scryi_noise_source source;
    double complex psi[C * C], truth[C * C];
    simulate(&samples, truth, k, sigma, seed);
    const scry_scan scan = {.coils = C, .dims = {1, N, N}, .readout = 2};
    assert_ok(scry_mri_slice_take(&slice, &scan, &samples, &err));
    assert_ok(scryi_noise_from_slice(psi, &source, &slice, &scan, &err));
    scry_mri_slice_free(&slice);
    return sd_of(psi) / sd_of(truth);
}

static void every_sampling_tells_the_noise(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double mean = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            mean += ratio(&cases[i], cases[i].sigma, seed) / SEEDS;
        print_message("%-28s sd %.3f: found / true %.3f\n", cases[i].name, cases[i].sigma, mean);
        assert_near(mean, 1, 0.05);
    }
}

/* Noise of two coils that see one signal, 40 x 40. */
static void refused_memory_leaves_nothing(void **state)
{
    (void)state;
    enum { SIDE = 40, COUNT = SIDE * SIDE };
    float complex *x = scry_alloc(2 * COUNT, sizeof *x);
    unsigned char mask[COUNT];
    scry_status st = SCRY_ENOMEM;
    size_t nth = 1;
    scry_scanner_noise(x, 2 * COUNT, 0.1, 3, 0);
    memset(mask, 1, sizeof mask);
    x[COUNT / 2 + SIDE / 2] += 100;
    for (; st != SCRY_OK && nth < 1000; nth++) {
        scry_error err = {0};
        double complex psi[4] = {1, 0, 0, 1};
        scry_noise_certainty how;
        const size_t before = scry_memory_live();
        scry_memory_fail_at(nth);
        st = scry_noise_from_windows(psi, &how, x, mask, 2, SIDE, SIDE, &err);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), before);
        if (st == SCRY_OK) assert_near(creal(psi[0] + psi[3]), 0.02, 0.002);
        if (st != SCRY_OK) assert_int_equal(st, SCRY_ENOMEM);
    }
    assert_true(nth > 20 && nth < 1000);
    scry_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sampling_tells_the_noise),
                                       cmocka_unit_test(refused_memory_leaves_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
