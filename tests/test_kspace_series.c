/* What calibrates the coils of a series: the frames that have the middle of k-space, or the mean of
 * all where they interleave their lines. */

#include "tests/check.h"

#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"

#include <complex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 3, COILS = 2, H = 40, W = 30, N = H * W };

/* Which lines a frame has. */
typedef bool acquired_fn(size_t frame, size_t y);

static bool interleaved(size_t frame, size_t y)
{
    return y % FRAMES == frame;
}

/* Frame 1 has the middle, the others every third line. */
static bool one_has_the_middle(size_t frame, size_t y)
{
    return y % 3 == 0 || (frame == 1 && y + 12 >= H / 2 && y < H / 2 + 12);
}

/* Frame 0 is empty. */
static bool one_is_empty(size_t frame, size_t y)
{
    return frame > 0 && y % 2 == frame - 1;
}

static float complex value(size_t frame, size_t coil, size_t i)
{
    return (float)(1 + i % 7 + 10 * coil) + (float)(1 + frame) * I;
}

static void write_series(const char *path, acquired_fn *acquired)
{
    static float complex data[COILS * N];
    static unsigned char mask[N];
    scry_error err = {0};
    scry_kspace_writer *w;
    const scry_kspace_info info = {.format = SCRY_KSPACE_CFL,
                                   .frames = FRAMES,
                                   .slices = 1,
                                   .coils = COILS,
                                   .nz = 1,
                                   .ny = H,
                                   .nx = W,
                                   .readout = 2,
                                   .recon = {1, H, W}};
    assert_ok(scry_kspace_create(&w, path, &info, &err));
    for (size_t f = 0; f < FRAMES; f++) {
        for (size_t i = 0; i < N; i++)
            mask[i] = acquired(f, i / W);
        for (size_t i = 0; i < (size_t)COILS * N; i++)
            data[i] = mask[i % N] ? value(f, i / N, i % N) : 0;
        assert_ok(scry_kspace_write(w, f, 0, data, mask, &err));
    }
    assert_ok(scry_kspace_finish(w, true, &err));
}

/* The calibration of such a series, and from how many frames it is. */
static size_t calibrate(acquired_fn *acquired, float complex *data, unsigned char *mask,
                        size_t *first)
{
    char folder[] = "/tmp/scry-series-XXXXXX", path[64], header[64];
    scry_error err = {0};
    scry_kspace_reader *r;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/series.cfl", folder);
    snprintf(header, sizeof header, "%s/series.hdr", folder);
    write_series(path, acquired);
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    assert_ok(scry_kspace_read_calibration(r, 0, data, mask, &err));
    const size_t frames = scry_kspace_describe(r)->calibration_frames;
    *first = scry_kspace_describe(r)->calibration_first;
    scry_kspace_close(r);
    unlink(path);
    unlink(header);
    rmdir(folder);
    return frames;
}

static void interleaved_frames_complete_each_other(void **state)
{
    (void)state;
    static float complex data[COILS * N];
    static unsigned char mask[N];
    size_t first;
    assert_int_equal(calibrate(interleaved, data, mask, &first), FRAMES);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(mask[i], 1);
        assert_true(data[N + i] == value(i / W % FRAMES, 1, i));
    }
}

static void a_frame_with_the_middle_calibrates_all(void **state)
{
    (void)state;
    static float complex data[COILS * N];
    static unsigned char mask[N];
    size_t first;
    assert_int_equal(calibrate(one_has_the_middle, data, mask, &first), 1);
    assert_int_equal(first, 1);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(mask[i], one_has_the_middle(1, i / W));
        assert_true(data[i] == (mask[i] ? value(1, 0, i) : 0));
    }
}

static bool all_lines(size_t frame, size_t y)
{
    (void)frame;
    (void)y;
    return true;
}

static void equal_frames_are_averaged(void **state)
{
    (void)state;
    static float complex data[COILS * N];
    static unsigned char mask[N];
    size_t first;
    assert_int_equal(calibrate(all_lines, data, mask, &first), FRAMES);
    assert_true(data[5] == value(1, 0, 5)); /* frame 1 is the mean of 0, 1 and 2 */
}

static void an_empty_frame_is_left_out(void **state)
{
    (void)state;
    static float complex data[COILS * N];
    static unsigned char mask[N];
    size_t first;
    assert_int_equal(calibrate(one_is_empty, data, mask, &first), 2);
    for (size_t i = 0; i < N; i++)
        assert_true(data[i] == value(1 + i / W % 2, 0, i));
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    char folder[] = "/tmp/scry-series-XXXXXX", path[64], header[64];
    static float complex data[COILS * N];
    scry_error err = {0};
    scry_kspace_reader *r;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/series.cfl", folder);
    snprintf(header, sizeof header, "%s/series.hdr", folder);
    write_series(path, interleaved);
    assert_ok(scry_kspace_open(&r, path, NULL, &err));
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 4; nth++) {
        err = (scry_error){0};
        scry_memory_fail_at(nth);
        assert_int_equal(scry_kspace_read_calibration(r, 0, data, NULL, &err), SCRY_ENOMEM);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_kspace_close(r);
    unlink(path);
    unlink(header);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interleaved_frames_complete_each_other),
        cmocka_unit_test(a_frame_with_the_middle_calibrates_all),
        cmocka_unit_test(equal_frames_are_averaged),
        cmocka_unit_test(an_empty_frame_is_left_out),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
