/* Filters by boxes against the transforms of whole domains that they are made of. */
#include "tests/check.h"
#include "tests/op_check.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/rng.h"

#include <string.h>

struct filter_case {
    int rank;
    size_t dims[3];
    scry_fft_box from, to;
};

static const struct filter_case cases[] = {
    {1, {10}, {{2}, {5}}, {{0}, {10}}},
    {1, {7}, {{0}, {7}}, {{3}, {2}}},
    {1, {1}, {{0}, {1}}, {{0}, {1}}},
    {2, {6, 8}, {{1, 2}, {3, 5}}, {{0, 0}, {6, 8}}},
    {2, {37, 64}, {{0, 0}, {37, 64}}, {{4, 9}, {30, 51}}}, /* more rows than a strip */
    {2, {5, 9}, {{4, 8}, {1, 1}}, {{0, 2}, {2, 3}}},       /* odd; apart from each other */
    {2, {1, 6}, {{0, 1}, {1, 3}}, {{0, 0}, {1, 6}}},
    {2, {6, 1}, {{1, 0}, {3, 1}}, {{0, 0}, {6, 1}}},
    {3, {4, 6, 10}, {{1, 2, 3}, {2, 3, 5}}, {{0, 0, 0}, {4, 6, 10}}},
    {3, {5, 33, 34}, {{0, 0, 0}, {5, 33, 34}}, {{2, 1, 7}, {3, 29, 26}}},
    {3, {3, 18, 7}, {{0, 16, 0}, {3, 2, 7}}, {{2, 0, 1}, {1, 18, 3}}},
    {3, {1, 5, 6}, {{0, 1, 0}, {1, 3, 6}}, {{0, 0, 1}, {1, 5, 4}}},
    {3, {6, 1, 8}, {{1, 0, 1}, {3, 1, 6}}, {{0, 0, 0}, {6, 1, 8}}},
};

static size_t box_count(const scry_fft_box *b, int rank)
{
    size_t n = 1;
    for (int a = 0; a < rank; a++)
        n *= b->size[a];
    return n;
}

/* Where entry i of a box lies in the domain. */
static size_t box_at(const scry_fft_box *b, const size_t *dims, int rank, size_t i)
{
    size_t at = 0, stride = 1;
    for (int a = rank - 1; a >= 0; a--) {
        at += (i % b->size[a] + b->start[a]) * stride;
        i /= b->size[a];
        stride *= dims[a];
    }
    return at;
}

/* The same, from whole transforms; `power` counts the products with N |H|^2. */
static void reference(const struct filter_case *k, float *out, const float *in,
                      const float complex *H, scry_fft_filter_kind kind)
{
    scry_error err = {0};
    scry_fft *f;
    assert_ok(scry_fft_create_real(&f, k->rank, k->dims, &err));
    const size_t n = scry_fft_count(f), bins = scry_fft_bins(f);
    float *x = scry_alloc(n, sizeof *x);
    float complex *X = scry_alloc(bins, sizeof *X);
    void *work = scry_alloc(1, scry_fft_work_bytes(f));
    for (size_t i = 0; i < box_count(&k->from, k->rank); i++)
        x[box_at(&k->from, k->dims, k->rank, i)] = in[i];
    scry_fft_forward_real(f, X, x, work);
    for (size_t i = 0; i < bins; i++) {
        const double re = crealf(H[i]), im = cimagf(H[i]);
        X[i] *= kind == SCRY_FFT_FILTER             ? H[i]
                : kind == SCRY_FFT_FILTER_CONJUGATE ? conjf(H[i])
                                                    : (float)((double)n * (re * re + im * im));
    }
    scry_fft_backward_real(f, x, X, work);
    for (size_t i = 0; i < box_count(&k->to, k->rank); i++)
        out[i] = x[box_at(&k->to, k->dims, k->rank, i)];
    scry_free(x);
    scry_free(X);
    scry_free(work);
    scry_fft_free(f);
}

/* The spectrum of a real kernel, with the 1/N of a filter. */
static float complex *kernel_spectrum(const struct filter_case *k)
{
    scry_error err = {0};
    scry_fft *f;
    assert_ok(scry_fft_create_real(&f, k->rank, k->dims, &err));
    const size_t n = scry_fft_count(f);
    float *h = check_random(n, 17);
    float complex *H = scry_alloc(scry_fft_bins(f), sizeof *H);
    void *work = scry_alloc(1, scry_fft_work_bytes(f));
    for (size_t i = 0; i < n; i++)
        h[i] = (h[i] + 1.385f) / (float)n;
    scry_fft_forward_real(f, H, h, work);
    scry_free(h);
    scry_free(work);
    scry_fft_free(f);
    return H;
}

static void check_case(const struct filter_case *k)
{
    scry_error err = {0};
    scry_fft_filter *f;
    assert_ok(scry_fft_filter_create(&f, k->rank, k->dims, &err));
    const size_t bins = scry_fft_filter_bins(f), m = box_count(&k->to, k->rank);
    float complex *natural = kernel_spectrum(k), *H = scry_alloc(bins, sizeof *H);
    float complex *back = scry_alloc(bins, sizeof *back);
    scry_fft_filter_pack(f, H, natural);
    scry_fft_filter_unpack(f, back, H);
    assert_memory_equal(back, natural, bins * sizeof *back);
    for (size_t i = 0; i < bins; i++)
        assert_memory_equal(&H[scry_fft_filter_place(f, i)], &natural[i], sizeof *H);
    const size_t n = box_count(&k->from, k->rank);
    float *in = check_random(n, 23), *out = scry_alloc(m + 1, sizeof *out);
    float *expected = scry_alloc(m, sizeof *expected);
    void *work = scry_alloc(1, scry_fft_filter_work_bytes(f));
    for (int kind = 0; kind < 3; kind++)
        for (size_t shift = 0; shift < 2; shift++) { /* aligned, and not */
            reference(k, expected, in, natural, (scry_fft_filter_kind)kind);
            memset(work, 0xff, scry_fft_filter_work_bytes(f)); /* NaN, should it be used */
            scry_fft_filter_apply(f, out + shift, &k->to, in, &k->from, H,
                                  (scry_fft_filter_kind)kind, work);
            double largest = 0;
            for (size_t i = 0; i < m; i++)
                largest = fmax(largest, fabs((double)expected[i]));
            for (size_t i = 0; i < m; i++)
                assert_near(out[i + shift], expected[i], 4e-6 * (1 + largest));
        }
    scry_free(natural);
    scry_free(H);
    scry_free(back);
    scry_free(in);
    scry_free(out);
    scry_free(expected);
    scry_free(work);
    scry_fft_filter_free(f);
}

static void boxes_are_parts_of_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i]);
}

/* In place, the whole domain, on one thread and on more: the same bytes. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    const struct filter_case large[] = {
        {2, {1500, 1408}, {{0}, {1500, 1408}}, {{0}, {1500, 1408}}},
        {3, {20, 330, 320}, {{0}, {20, 330, 320}}, {{0}, {20, 330, 320}}}};
    for (int i = 0; i < 2; i++) {
        scry_error err = {0};
        scry_fft_filter *f;
        const size_t n = box_count(&large[i].from, large[i].rank);
        float *x = check_random(n, 3), *y = scry_copy(x, n * sizeof *x);
        float complex *natural = kernel_spectrum(&large[i]), *H;
        scry_threads_set(3);
        assert_ok(scry_fft_filter_create(&f, large[i].rank, large[i].dims, &err));
        H = scry_alloc(scry_fft_filter_bins(f), sizeof *H);
        scry_fft_filter_pack(f, H, natural);
        void *work = scry_alloc(1, scry_fft_filter_work_bytes(f));
        scry_fft_filter_apply(f, x, NULL, x, NULL, H, SCRY_FFT_FILTER, work);
        scry_threads_set(1);
        scry_fft_filter_apply(f, y, NULL, y, NULL, H, SCRY_FFT_FILTER, work);
        scry_threads_set(0);
        assert_memory_equal(x, y, n * sizeof *x);
        scry_free(x);
        scry_free(y);
        scry_free(natural);
        scry_free(H);
        scry_free(work);
        scry_fft_filter_free(f);
    }
}

static void filters_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_fft_filter *f;
    const size_t none[2] = {4, 0}, dims[3] = {4, 6, 8};
    assert_fails(scry_fft_filter_create(&f, 2, none, &err), SCRY_ESHAPE);
    assert_null(f);
    assert_fails(scry_fft_filter_create(&f, 4, dims, &err), SCRY_ESHAPE);
    CHECK_ALLOCATIONS(scry_fft_filter_create(&f, 3, dims, &err), scry_fft_filter_free(f));
    scry_fft_filter_free(NULL);
}

static void quick_sizes_are_no_smaller(void **state)
{
    (void)state;
    assert_int_equal(scry_fft_quick_size(262, false), 320); /* not 270, which costs 3.8 ns */
    assert_int_equal(scry_fft_quick_size(71, false), 80);
    assert_int_equal(scry_fft_quick_size(255, true), 256);
    assert_int_equal(scry_fft_quick_size(1, false), 1);
    for (size_t n = 1; n < 700; n++) {
        const size_t size = scry_fft_quick_size(n, true);
        assert_true(size >= n && size % 2 == 0 && (double)size <= 1.35 * (double)(n + 3));
        assert_int_equal(scry_fft_good_size(size, 1), size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_are_parts_of_the_whole),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(filters_are_refused),
        cmocka_unit_test(quick_sizes_are_no_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
