/* Missing lines of k-space from acquired ones: against a reference in numpy (tests/golden/
 * make_grappa.py), against the lines that were left out, and refusals. */

#include "tests/check.h"

#include "datasets/scanner.h"
#include "lib/io/npy.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "operators/grappa.h"

#include <string.h>

static float complex *read_array(const char *path, struct scry_grappa_grid *grid)
{
    scry_error err = {0};
    scry_npy *f;
    assert_ok(scry_npy_open(&f, path, &err));
    const scry_npy_info *a = scry_npy_get(f, 0);
    assert_int_equal(a->rank, 3);
    *grid = (struct scry_grappa_grid){a->dims[0], a->dims[1], a->dims[2], 2};
    float complex *values = scry_alloc(a->count, sizeof *values);
    assert_ok(scry_npy_read_complex(f, 0, a->count, values, &err));
    scry_npy_close(f);
    return values;
}

static void mask_of(unsigned char *mask, const float complex *k, const struct scry_grappa_grid *g)
{
    for (size_t i = 0; i < g->ny * g->nx; i++)
        mask[i] = cabsf(k[i]) > 0;
}

static double off(const float complex *a, const float complex *b, size_t n)
{
    double d = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        d += pow((double)cabsf(a[i] - b[i]), 2);
        size += pow((double)cabsf(b[i]), 2);
    }
    return sqrt(d / size);
}

static void as_the_reference_does(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scry_grappa_grid g;
    float complex *k = read_array("golden/grappa/kspace.npy", &g);
    float complex *want = read_array("golden/grappa/filled.npy", &g);
    const size_t n = g.ny * g.nx;
    unsigned char *mask = scry_alloc(n, 1);
    float complex *turned = scry_alloc(g.coils * n, sizeof *turned);
    unsigned char *turned_mask = scry_alloc(n, 1);
    mask_of(mask, k, &g);
    for (size_t c = 0; c < g.coils; c++)
        for (size_t i = 0; i < n; i++)
            turned[c * n + i % g.nx * g.ny + i / g.nx] = k[c * n + i];
    for (size_t i = 0; i < n; i++)
        turned_mask[i % g.nx * g.ny + i / g.nx] = mask[i];
    const double missing = off(k, want, g.coils * n);
    float complex *calibration = scry_copy(k, g.coils * n * sizeof *k);
    assert_ok(scry_grappa(k, mask, calibration, mask, &g, NULL, &err));
    print_message("filled part %.3f of k-space; off the reference by %.2g\n", missing,
                  off(k, want, g.coils * n));
    assert_true(missing > 0.1);
    assert_below(off(k, want, g.coils * n), 2e-4);
    /* the readout along y: the same, turned */
    const struct scry_grappa_grid other = {g.coils, g.nx, g.ny, 1};
    memcpy(calibration, turned, g.coils * n * sizeof *k);
    assert_ok(scry_grappa(turned, turned_mask, calibration, turned_mask, &other, NULL, &err));
    for (size_t c = 0; c < g.coils; c++)
        for (size_t i = 0; i < n; i++)
            assert_true(turned[c * n + i % g.nx * g.ny + i / g.nx] == k[c * n + i]);
    scry_free(k);
    scry_free(want);
    scry_free(mask);
    scry_free(turned);
    scry_free(turned_mask);
    scry_free(calibration);
}

/* A head, R 2: the lines that were left out come back. */
static void lines_come_back(void **state)
{
    (void)state;
    enum { COILS = 6, H = 48, W = 40, N = H * W };
    scry_error err = {0};
    const struct scry_grappa_grid g = {COILS, H, W, 2};
    double complex series[COILS * SCRY_SCANNER_TERMS];
    float complex *full = scry_alloc(COILS * N, sizeof *full);
    float complex *maps = scry_alloc(COILS * N, sizeof *maps);
    unsigned char mask[N];
    assert_ok(scry_scanner_coils(maps, series, COILS, H, W, 3, &err));
    assert_ok(scry_scanner_shepp_logan(full, series, COILS, H, W, &err));
    scry_scanner_noise(full, (size_t)COILS * N, 0.001, 2, 0);
    float complex *k = scry_copy(full, COILS * N * sizeof *k);
    for (size_t i = 0; i < N; i++)
        mask[i] = i / W % 2 == 0 || (i / W + 10 >= H / 2 && i / W < H / 2 + 10);
    for (size_t i = 0; i < (size_t)COILS * N; i++)
        if (!mask[i % N]) k[i] = 0;
    const double before = off(k, full, COILS * N);
    float complex *calibration = scry_copy(k, COILS * N * sizeof *k);
    assert_ok(scry_grappa(k, mask, calibration, mask, &g, NULL, &err));
    const double after = off(k, full, COILS * N);
    print_message("of k-space %.4f is missing, off by %.4f when filled\n", before, after);
    assert_below(after, before / 4);
    for (size_t i = 0; i < (size_t)COILS * N; i++) /* measured samples stay */
        if (mask[i % N]) assert_true(k[i] == calibration[i]);
    scry_free(full);
    scry_free(maps);
    scry_free(k);
    scry_free(calibration);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    enum { COILS = 2, H = 24, W = 10, N = H * W };
    scry_error err = {0};
    struct scry_grappa_grid g = {COILS, H, W, 2};
    scry_grappa_opts o;
    float complex *k = scry_alloc(COILS * N, sizeof *k), *c = scry_alloc(COILS * N, sizeof *c);
    unsigned char mask[N], all[N];
    memset(all, 1, sizeof all);
    for (size_t i = 0; i < N; i++)
        mask[i] = i / W % 2 == 0;
    for (size_t i = 0; i < (size_t)COILS * N; i++)
        k[i] = c[i] = (float)(i % 17) + (float)(i % 5) * I;
    assert_int_equal(scry_grappa(k, mask, c, mask, &g, NULL, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "no calibration line"));
    err = (scry_error){0};
    mask[3] = 0;
    assert_int_equal(scry_grappa(k, mask, c, all, &g, NULL, &err), SCRY_EUNSUP);
    assert_non_null(strstr(err.text, "line 0 of the samples has 9 of 10 samples"));
    mask[3] = 1;
    scry_grappa_opts_init(&o);
    o.lines = 3;
    assert_fails(scry_grappa(k, mask, c, all, &g, &o, &err), SCRY_EINVAL);
    scry_grappa_opts_init(&o);
    o.samples = 4;
    assert_fails(scry_grappa(k, mask, c, all, &g, &o, &err), SCRY_EINVAL);
    scry_grappa_opts_init(&o);
    o.ridge = -1;
    assert_fails(scry_grappa(k, mask, c, all, &g, &o, &err), SCRY_EINVAL);
    g.nx = 3;
    assert_fails(scry_grappa(k, mask, c, all, &g, NULL, &err), SCRY_ESHAPE);
    g.nx = W;
    scry_status st = SCRY_ENOMEM;
    const size_t live = scry_memory_live();
    for (size_t nth = 1; st == SCRY_ENOMEM && nth < 200; nth++) {
        err = (scry_error){0};
        scry_memory_fail_at(nth);
        st = scry_grappa(k, mask, c, all, &g, NULL, &err);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
    }
    assert_int_equal(st, SCRY_OK);
    memset(c, 0, COILS * N * sizeof *c);
    assert_fails(scry_grappa(k, mask, c, all, &g, NULL, &err), SCRY_ENUMERIC);
    scry_free(k);
    scry_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_reference_does),
        cmocka_unit_test(lines_come_back),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
