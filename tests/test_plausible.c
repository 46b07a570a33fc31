/* Samples that no scanner measures on purpose. */

#include "tests/check.h"

#include "datasets/scanner.h"
#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"
#include "operators/fourier.h"

#include <complex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COILS = 3, H = 48, W = 56, N = H * W };

/* Data, a reader's version of them, and its warnings. */
struct file {
    float complex data[COILS * N], read[COILS * N];
    unsigned char mask[N];
    char warning[256];
};

static struct file *head_scan(void)
{
    double complex series[COILS * SCRY_SCANNER_TERMS];
    scry_error err = {0};
    struct file *f = scry_alloc(1, sizeof *f);
    float complex *maps = scry_alloc(COILS * N, sizeof *maps);
    assert_ok(scry_scanner_coils(maps, series, COILS, H, W, 3, &err));
    assert_ok(scry_scanner_shepp_logan(f->data, series, COILS, H, W, &err));
    scry_scanner_noise(f->data, (size_t)COILS * N, 0.01, 2, 0);
    scry_free(maps);
    return f;
}

static void through_a_file(struct file *f, size_t nz)
{
    char folder[] = "/tmp/scry-plausible-XXXXXX", path[64], header[64];
    scry_error err = {0};
    scry_kspace_writer *w;
    scry_kspace_reader *r;
    const scry_kspace_info info = {.format = SCRY_KSPACE_CFL,
                                   .frames = 1,
                                   .slices = 1,
                                   .coils = COILS,
                                   .nz = nz,
                                   .ny = H / nz,
                                   .nx = W,
                                   .readout = 2,
                                   .recon = {nz, H / nz, W}};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/scan.cfl", folder);
    snprintf(header, sizeof header, "%s/scan.hdr", folder);
    assert_ok(scry_kspace_create(&w, path, &info, &err));
    assert_ok(scry_kspace_write(w, 0, 0, f->data, NULL, &err));
    assert_ok(scry_kspace_finish(w, true, &err));
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    assert_ok(scry_kspace_read(r, 0, 0, f->read, f->mask, &err));
    const char *text = scry_kspace_warning(r);
    snprintf(f->warning, sizeof f->warning, "%s", text ? text : "");
    scry_kspace_close(r);
    unlink(path);
    unlink(header);
    rmdir(folder);
}

static size_t left_out(const struct file *f)
{
    size_t count = 0;
    for (size_t i = 0; i < N; i++)
        count += !f->mask[i];
    return count;
}

static void a_scan_has_no_spikes(void **state)
{
    (void)state;
    struct file *f = head_scan();
    through_a_file(f, 1);
    assert_string_equal(f->warning, "");
    assert_int_equal(left_out(f), 0);
    assert_memory_equal(f->read, f->data, sizeof f->data);
    scry_free(f);
}

static void a_spike_is_left_out(void **state)
{
    (void)state;
    struct file *f = head_scan();
    const size_t at = 10 * W + 40;
    f->data[N + at] += 20;
    f->data[N + at + 1] += 15; /* it lasts for two samples */
    through_a_file(f, 1);
    assert_non_null(strstr(f->warning, "slice 0: the sample at z 0, y 10, x 40 is a spike"));
    assert_int_equal(left_out(f), 2);
    assert_true(f->read[at] == 0 && f->read[N + at] == 0 && f->read[N + at + 1] == 0);
    assert_true(f->read[at - 1] == f->data[at - 1]);
    scry_free(f);
}

/* A pattern that repeats all over the field of view has peaks too, at k and -k. */
static void a_pair_of_peaks_is_none(void **state)
{
    (void)state;
    struct file *f = head_scan();
    f->data[(H / 2 + 10) * W + W / 2 + 12] += 20;
    f->data[(H / 2 - 10) * W + W / 2 - 12] += 18 * I;
    through_a_file(f, 1);
    assert_string_equal(f->warning, "");
    assert_int_equal(left_out(f), 0);
    scry_free(f);
}

/* The planes of a volume need whole lines. */
static void of_a_volume_the_line_is_left_out(void **state)
{
    (void)state;
    struct file *f = head_scan();
    const size_t at = 10 * W + 40;
    f->data[at] += 500;
    through_a_file(f, 2);
    assert_non_null(strstr(f->warning, "z 0, y 10, x 40"));
    assert_non_null(strstr(f->warning, "its line is left out"));
    assert_int_equal(left_out(f), W);
    assert_int_equal(f->mask[10 * W], 0);
    scry_free(f);
}

/* Spokes: every line is the middle one of a scan, at another angle. */
static void spokes_are_suspected(void **state)
{
    (void)state;
    struct file *f = head_scan();
    for (size_t c = 0; c < COILS; c++)
        for (size_t y = 0; y < H; y++)
            for (size_t x = 0; x < W && y != H / 2; x++)
                f->data[c * N + y * W + x] =
                    f->data[c * N + H / 2 * W + x] * (float)(1 + 0.2 * sin((double)y));
    through_a_file(f, 1);
    assert_non_null(strstr(f->warning, "radial data are taken for Cartesian"));
    assert_int_equal(left_out(f), 0);
    scry_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_has_no_spikes),
        cmocka_unit_test(a_spike_is_left_out),
        cmocka_unit_test(a_pair_of_peaks_is_none),
        cmocka_unit_test(of_a_volume_the_line_is_left_out),
        cmocka_unit_test(spokes_are_suspected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
