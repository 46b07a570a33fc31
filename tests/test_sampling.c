#include "tests/check.h"

#include "datasets/mt19937_impl.h"
#include "datasets/sampling.h"
#include "lib/memory.h"

#include <string.h>

static scry_sampling pattern_of(scry_pattern p, double accel, double centre)
{
    return (scry_sampling){.pattern = p, .accel = accel, .centre = centre, .seed = 7};
}

/* First words of the reference implementation: mt19937ar.out of Matsumoto & Nishimura for the key
 * {0x123, 0x234, 0x345, 0x456}, and 5489, whose 10000th word the C++ standard gives. */
static void words_are_those_of_the_reference(void **state)
{
    (void)state;
    scryi_mt19937 g;
    const uint32_t key[4] = {0x123, 0x234, 0x345, 0x456};
    const uint32_t first[5] = {1067595299u, 955945823u, 477289528u, 4107218783u, 4228976476u};
    scryi_mt_seed_array(&g, key, 4);
    for (int i = 0; i < 5; i++)
        assert_int_equal(scryi_mt_word(&g), first[i]);
    scryi_mt_seed(&g, 5489);
    for (int i = 1; i < 10000; i++)
        scryi_mt_word(&g);
    assert_int_equal(scryi_mt_word(&g), 4123659995u);
}

/* fastMRI's masks for file1000000.h5, made with numpy 1.26's RandomState by the published recipe:
 * lines, sum of their indices, first four. */
static void masks_are_those_of_fastmri(void **state)
{
    (void)state;
    static const struct {
        size_t n, count, sum, first[4];
        scry_pattern pattern;
    } golden[] = {
        {368, 88, 16390, {4, 9, 10, 14}, SCRY_PATTERN_RANDOM},
        {320, 39, 6304, {14, 28, 29, 35}, SCRY_PATTERN_RANDOM},
        {372, 45, 8405, {24, 29, 30, 34}, SCRY_PATTERN_RANDOM},
        {368, 114, 20877, {1, 5, 9, 13}, SCRY_PATTERN_EQUISPACED},
        {320, 52, 8199, {1, 9, 17, 25}, SCRY_PATTERN_EQUISPACED},
        {372, 61, 11346, {2, 10, 18, 26}, SCRY_PATTERN_EQUISPACED},
        {368, 93, 17109, {1, 6, 12, 17}, SCRY_PATTERN_EQUISPACED_FRACTION},
        {320, 40, 6473, {9, 20, 32, 43}, SCRY_PATTERN_EQUISPACED_FRACTION},
        {372, 45, 8360, {10, 21, 33, 44}, SCRY_PATTERN_EQUISPACED_FRACTION},
    };
    static const scry_sampling_choice both[2] = {{4, .08}, {8, .04}};
    scry_error err = {0};
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        const size_t n = golden[k].n;
        unsigned char line[372];
        scry_sampling s = {.pattern = golden[k].pattern, .seed_name = "file1000000.h5"};
        s.accel = both[n == 320].accel;
        s.centre = both[n == 320].centre;
        if (n == 372) {
            s.choices = both;
            s.n_choices = 2;
        }
        assert_ok(scry_sampling_lines(line, n, &s, &err));
        size_t count = 0, sum = 0;
        for (size_t i = 0; i < n; i++) {
            if (!line[i]) continue;
            assert_int_equal(line[i], 1);
            if (count < 4) assert_int_equal(i, golden[k].first[count]);
            count++;
            sum += i;
        }
        assert_int_equal(count, golden[k].count);
        assert_int_equal(sum, golden[k].sum);
    }
}

static const char script[] =
    "import sys\n"
    "try: import numpy as np\n"
    "except ImportError: sys.exit(3)\n"
    "def mask(kind, n, cfs, rs, seed):\n"
    "    g = np.random.RandomState(seed); k = g.randint(len(cfs)); c, r = cfs[k], rs[k]\n"
    "    nl = round(n * c); m = np.zeros(n, bool)\n"
    "    if kind == 0: m = g.uniform(size=n) < (n / r - nl) / (n - nl)\n"
    "    elif kind == 1: m[g.randint(0, round(r))::round(r)] = True\n"
    "    else:\n"
    "        a = r * (nl - n) / (nl * r - n)\n"
    "        o = g.randint(0, high=round(a))\n"
    "        m[np.around(np.arange(o, n - 1, a)).astype(int)] = True\n"
    "    p = (n - nl + 1) // 2; m[p:p + nl] = True\n"
    "    return ''.join('01'[int(x)] for x in m)\n"
    "names = ['file1000000.h5', 'file2.h5', 'h\\u00f6he\\u4e2d\\U0001f600.h5']\n"
    "for name in names + [3, 0, 4294967295]:\n"
    "    for n in [96, 127, 256, 368]:\n"
    "        for kind in range(3):\n"
    "            for cfs, rs in [([.08], [4]), ([.04], [8]), ([.08, .06, .04], [4, 6, 8])]:\n"
    "                seed = tuple(map(ord, name)) if isinstance(name, str) else name\n"
    "                print(mask(kind, n, cfs, rs, seed))\n";

/* The whole masks against numpy itself, where it is installed. */
static void masks_are_those_of_numpy(void **state)
{
    (void)state;
    static const char *const texts[3] = {"file1000000.h5", "file2.h5",
                                         "h\xc3\xb6he\xe4\xb8\xad\xf0\x9f\x98\x80.h5"};
    static const uint64_t numbers[3] = {3, 0, 4294967295u};
    static const size_t sizes[4] = {96, 127, 256, 368};
    static const scry_sampling_choice all[3] = {{4, .08}, {6, .06}, {8, .04}};
    scry_error err = {0};
    char path[] = "/tmp/scry_sampling_XXXXXX", command[80], text[400];
    const int file = mkstemp(path);
    assert_true(file >= 0 && write(file, script, sizeof script - 1) == sizeof script - 1);
    close(file);
    snprintf(command, sizeof command, "PATH=/usr/bin:$PATH python3 %s 2>/dev/null", path);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    int compared = 0;
    bool off = false;
    for (int k = 0; k < 6; k++)
        for (int n = 0; n < 4; n++)
            for (unsigned kind = 0; kind < 3; kind++)
                for (int c = 0; c < 3; c++) {
                    unsigned char line[368];
                    scry_sampling s = pattern_of((scry_pattern)kind, all[c].accel, all[c].centre);
                    s.accel = c ? 8 : 4;
                    s.centre = c ? .04 : .08;
                    s.seed = k < 3 ? 99 : numbers[k - 3];
                    s.seed_name = k < 3 ? texts[k] : NULL;
                    if (c == 2) {
                        s.choices = all;
                        s.n_choices = 3;
                    }
                    if (!fgets(text, sizeof text, in)) continue;
                    assert_ok(scry_sampling_lines(line, sizes[n], &s, &err));
                    for (size_t i = 0; i < sizes[n]; i++)
                        off = off || line[i] != text[i] - '0';
                    compared++;
                }
    const int status = pclose(in);
    unlink(path);
    if (status != 0) {
        print_message("skipped: python3 with numpy is not there\n");
        skip();
    }
    assert_int_equal(compared, 216);
    assert_false(off);
}

/* Lines 0, R, 2R, ... and round(n c) lines from (n - nl + 1) / 2 on. */
static void regular_lines_are_where_they_are_said(void **state)
{
    (void)state;
    scry_error err = {0};
    unsigned char line[131];
    static const struct {
        size_t n, central, first;
        double accel, centre;
    } cases[] = {{128, 10, 59, 4, .08}, {131, 8, 62, 8, .06}, {37, 3, 17, 2.5, .08}};
    for (int k = 0; k < 3; k++) {
        const scry_sampling s = pattern_of(SCRY_PATTERN_REGULAR, cases[k].accel, cases[k].centre);
        assert_ok(scry_sampling_lines(line, cases[k].n, &s, &err));
        for (size_t i = 0; i < cases[k].n; i++) {
            bool on = i >= cases[k].first && i < cases[k].first + cases[k].central;
            for (int j = 0; j < 64; j++)
                on = on || rint(j * cases[k].accel) == (double)i;
            assert_int_equal(line[i], on);
        }
    }
}

static size_t count_of(const unsigned char *mask, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += mask[i];
    return count;
}

static void gaussian_lines_are_exact_in_number_and_denser_inside(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { SIZE = 301, RUNS = 200 };
    unsigned char line[SIZE], again[SIZE];
    size_t inner = 0, outer = 0;
    for (uint64_t k = 0; k < RUNS; k++) {
        scry_sampling s = pattern_of(SCRY_PATTERN_GAUSSIAN, 5, .06);
        s.seed = k;
        assert_ok(scry_sampling_lines(line, SIZE, &s, &err));
        assert_ok(scry_sampling_lines(again, SIZE, &s, &err));
        assert_memory_equal(line, again, SIZE);
        assert_int_equal(count_of(line, SIZE), 60);
        assert_int_equal(count_of(line + 142, 18), 18);
        inner += count_of(line + 75, 67) + count_of(line + 160, 66);
        outer += count_of(line, 75) + count_of(line + 226, 75);
    }
    /* A normal variate of sd n/6 lies beyond n/4 with probability .134; without replacement the
     * inner places run out, so that the share outside can only be larger. */
    const double share = (double)outer / (double)(inner + outer);
    assert_true(share > .134 && share < .35);
}

static void poisson_discs_keep_their_distance(void **state)
{
    (void)state;
    scry_error err = {0};
    static const struct {
        size_t ny, nx;
        double accel, centre;
    } cases[] = {{128, 131, 4, .1}, {96, 60, 8, .08}, {73, 150, 15, .05},
                 {64, 64, 2, 0},    {9, 97, 3, 0},    {320, 368, 6, .07}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const size_t ny = cases[k].ny, nx = cases[k].nx, n = ny * nx;
        unsigned char *mask = scry_alloc(n, 1), *again = scry_alloc(n, 1);
        scry_sampling s = pattern_of(SCRY_PATTERN_POISSON, cases[k].accel, cases[k].centre);
        assert_ok(scry_sampling_mask(mask, ny, nx, 1, &s, &err));
        assert_ok(scry_sampling_mask(again, ny, nx, 2, &s, &err));
        assert_memory_equal(mask, again, n);
        assert_int_equal(count_of(mask, n), rint((double)n / cases[k].accel));
        assert_int_equal(mask[ny / 2 * nx + nx / 2], 1);
        s.seed++;
        assert_ok(scry_sampling_mask(again, ny, nx, 1, &s, &err));
        assert_memory_not_equal(mask, again, n);
        /* Towards the edges no two are neighbours in a row; of points at random at this
         * acceleration, every tenth would have one. The middle is denser. */
        size_t neighbours = 0, edge = 0, middle = 0;
        for (size_t y = 0; y < ny; y++)
            for (size_t x = 0; x + 1 < nx; x++) {
                const bool outside = y < ny / 8 || y >= ny - ny / 8;
                edge += outside && mask[y * nx + x];
                middle += y >= ny / 2 - ny / 8 && y < ny / 2 + ny / 8 && mask[y * nx + x];
                neighbours += outside && mask[y * nx + x] && mask[y * nx + x + 1];
            }
        if (cases[k].accel >= 6) assert_int_equal(neighbours, 0);
        if (ny > 32) assert_true((double)middle > 1.3 * (double)edge);
        scry_free(mask);
        scry_free(again);
    }
}

static void spokes_pass_through_the_centre(void **state)
{
    (void)state;
    scry_error err = {0};
    static const struct {
        size_t ny, nx;
        double accel, centre;
    } cases[] = {{256, 256, 8, 0}, {255, 192, 4, .1}, {320, 368, 12, 0}, {64, 64, 1.5, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const size_t ny = cases[k].ny, nx = cases[k].nx, n = ny * nx;
        unsigned char *mask = scry_alloc(n, 1);
        const scry_sampling s = pattern_of(SCRY_PATTERN_RADIAL, cases[k].accel, cases[k].centre);
        assert_ok(scry_sampling_mask(mask, ny, nx, 1, &s, &err));
        /* within one half of the points of a spoke */
        const double longest = (double)(ny > nx ? ny : nx);
        assert_near((double)count_of(mask, n), (double)n / cases[k].accel, .5 * longest + 1);
        assert_int_equal(mask[ny / 2 * nx + nx / 2], 1);
        assert_int_equal(mask[0] + mask[nx - 1] + mask[n - nx] + mask[n - 1], 0);
        /* the density falls off as 1/radius: the middle ninth holds more than its share */
        size_t middle = 0;
        for (size_t y = ny / 3; y < 2 * ny / 3; y++)
            middle += count_of(mask + y * nx + nx / 3, nx / 3);
        assert_true(middle * 9 > count_of(mask, n));
        scry_free(mask);
    }
}

static void lines_follow_the_readout(void **state)
{
    (void)state;
    scry_error err = {0};
    unsigned char rows[12 * 17], columns[12 * 17], line[17], short_line[12];
    const scry_sampling s = pattern_of(SCRY_PATTERN_EQUISPACED, 3, .2);
    assert_ok(scry_sampling_mask(columns, 12, 17, 1, &s, &err));
    assert_ok(scry_sampling_mask(rows, 12, 17, 2, &s, &err));
    assert_ok(scry_sampling_lines(line, 17, &s, &err));
    assert_ok(scry_sampling_lines(short_line, 12, &s, &err));
    for (size_t y = 0; y < 12; y++)
        for (size_t x = 0; x < 17; x++) {
            assert_int_equal(columns[y * 17 + x], line[x]);
            assert_int_equal(rows[y * 17 + x], short_line[y]);
        }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    unsigned char m[64 * 64];
    scry_sampling s = pattern_of(SCRY_PATTERN_EQUISPACED, 8, .001);
    assert_int_equal(scry_sampling_lines(m, 128, &s, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "acceleration 8 with centre 0.001 of 128 lines leaves no "));
    err = (scry_error){0};
    for (unsigned p = 0; p <= SCRY_PATTERN_GAUSSIAN; p++) {
        static const double bad[][2] = {{1, .1},        {.5, .1}, {-4, .1}, {NAN, .1}, {65, .1},
                                        {INFINITY, .1}, {4, -.1}, {4, 1},   {4, NAN},  {4, .001}};
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            s = pattern_of((scry_pattern)p, bad[k][0], bad[k][1]);
            assert_fails(scry_sampling_mask(m, 64, 64, 1, &s, &err), SCRY_EINVAL);
        }
    }
    /* the centre alone is more than acceleration leaves */
    s = pattern_of(SCRY_PATTERN_EQUISPACED_FRACTION, 8, .2);
    assert_fails(scry_sampling_lines(m, 64, &s, &err), SCRY_EINVAL);
    s.pattern = SCRY_PATTERN_GAUSSIAN;
    assert_fails(scry_sampling_lines(m, 64, &s, &err), SCRY_EINVAL);
    s = pattern_of(SCRY_PATTERN_POISSON, 30, .3);
    assert_fails(scry_sampling_mask(m, 64, 64, 1, &s, &err), SCRY_EINVAL);
    /* spokes do not reach the corners */
    s = pattern_of(SCRY_PATTERN_RADIAL, 1.1, 0);
    assert_fails(scry_sampling_mask(m, 64, 64, 1, &s, &err), SCRY_EINVAL);
    /* no centre: lines 0, 7, 14, ... miss line 32 */
    s = pattern_of(SCRY_PATTERN_REGULAR, 7, 0);
    assert_fails(scry_sampling_lines(m, 64, &s, &err), SCRY_EINVAL);
    s = pattern_of(SCRY_PATTERN_POISSON, 4, .1);
    assert_fails(scry_sampling_lines(m, 64, &s, &err), SCRY_EUNSUP);
    const scry_sampling_choice one = {4, .1};
    s.choices = &one;
    s.n_choices = 1;
    assert_fails(scry_sampling_mask(m, 64, 64, 1, &s, &err), SCRY_EUNSUP);
    s.pattern = SCRY_PATTERN_REGULAR;
    assert_fails(scry_sampling_lines(m, 64, &s, &err), SCRY_EUNSUP);
    s = pattern_of(SCRY_PATTERN_RANDOM, 4, .1);
    assert_fails(scry_sampling_mask(m, 64, 64, 0, &s, &err), SCRY_EINVAL);
    assert_fails(scry_sampling_lines(m, 0, &s, &err), SCRY_EINVAL);
    s.pattern = (scry_pattern)17;
    assert_fails(scry_sampling_mask(m, 64, 64, 1, &s, &err), SCRY_EINVAL);
}

static void refused_memory_is_told(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    unsigned char m[32 * 32];
    for (unsigned p = 0; p <= SCRY_PATTERN_GAUSSIAN; p++)
        for (size_t nth = 1; nth < 8; nth++) {
            scry_error err = {0};
            scry_sampling s = pattern_of((scry_pattern)p, 4, .1);
            s.seed_name = "file";
            scry_memory_fail_at(nth);
            const scry_status st = scry_sampling_mask(m, 32, 32, 1, &s, &err);
            scry_memory_fail_at(0);
            assert_true(st == SCRY_OK || (st == SCRY_ENOMEM && err.text[0]));
            assert_int_equal(scry_memory_live(), live);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_reference),
        cmocka_unit_test(masks_are_those_of_fastmri),
        cmocka_unit_test(masks_are_those_of_numpy),
        cmocka_unit_test(regular_lines_are_where_they_are_said),
        cmocka_unit_test(gaussian_lines_are_exact_in_number_and_denser_inside),
        cmocka_unit_test(poisson_discs_keep_their_distance),
        cmocka_unit_test(spokes_pass_through_the_centre),
        cmocka_unit_test(lines_follow_the_readout),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(refused_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
