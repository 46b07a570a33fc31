#include "tests/check.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/rng.h"

#include <omp.h>
#include <string.h>

struct shape {
    int rank;
    size_t dims[3];
};

/* Odd, even, prime and length-1 axes; more and fewer lines than one strip of 16. */
static const struct shape shapes[] = {
    {1, {1}},        {1, {17}},        {1, {64}},       {2, {1, 12}},
    {2, {11, 1}},    {2, {5, 8}},      {2, {37, 53}},   {2, {32, 36}},
    {3, {3, 7, 10}}, {3, {1, 20, 34}}, {3, {18, 1, 5}}, {3, {6, 17, 33}},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

static size_t count_of(const struct shape *s)
{
    size_t n = 1;
    for (int a = 0; a < s->rank; a++)
        n *= s->dims[a];
    return n;
}

/* X[k] = sum_j x[j] exp(sign 2 pi i sum_a j_a k_a / n_a), in double. */
static double complex direct(const struct shape *s, const float complex *x, size_t k, int sign)
{
    double complex sum = 0;
    const size_t n = count_of(s);
    for (size_t j = 0; j < n; j++) {
        double turns = 0;
        size_t jj = j, kk = k;
        for (int a = s->rank - 1; a >= 0; a--) {
            turns += (double)((jj % s->dims[a]) * (kk % s->dims[a])) / (double)s->dims[a];
            jj /= s->dims[a];
            kk /= s->dims[a];
        }
        sum += x[j] * cexp(sign * 2 * acos(-1) * turns * I);
    }
    return sum;
}

/* The flat index in the full transform of a bin of the half one. */
static size_t full_index(const struct shape *s, size_t bin)
{
    const size_t n = s->dims[s->rank - 1], half = n / 2 + 1;
    return bin / half * n + bin % half;
}

static void compare(const struct shape *s)
{
    scry_error err = {0};
    const size_t n = count_of(s);
    scry_fft *real, *cplx;
    assert_ok(scry_fft_create_real(&real, s->rank, s->dims, &err));
    assert_ok(scry_fft_create_complex(&cplx, s->rank, s->dims, &err));
    const size_t bins = scry_fft_bins(real),
                 bytes = scry_fft_work_bytes(real) + scry_fft_work_bytes(cplx);
    assert_int_equal(scry_fft_count(real), n);
    assert_int_equal(scry_fft_bins(cplx), n);
    float complex *z = scry_alloc(n, sizeof *z), *Z = scry_alloc(n, sizeof *Z);
    float *x = scry_alloc(n, sizeof *x), *back = scry_alloc(n, sizeof *back);
    void *work = scry_alloc(1, bytes);
    const double tol = 2e-6 * sqrt((double)n) * (1 + log2((double)n));

    scry_rng_normal((float *)z, 0, 2 * n, 5, 0, 0);
    for (int sign = -1; sign <= 1; sign += 2) {
        if (sign < 0)
            scry_fft_forward(cplx, Z, z, work);
        else
            scry_fft_backward(cplx, Z, z, work);
        for (size_t k = 0; k < n; k += 1 + n / 50)
            assert_below(cabs(Z[k] - direct(s, z, k, sign)), tol);
        float complex *in_place = scry_copy(z, n * sizeof *z);
        if (sign < 0)
            scry_fft_forward(cplx, in_place, in_place, work);
        else
            scry_fft_backward(cplx, in_place, in_place, work);
        assert_memory_equal(in_place, Z, n * sizeof *Z);
        scry_free(in_place);
    }

    for (size_t i = 0; i < n; i++)
        x[i] = crealf(z[i]), z[i] = x[i];
    float *kept = scry_copy(x, n * sizeof *x);
    scry_fft_forward_real(real, Z, x, work);
    assert_memory_equal(x, kept, n * sizeof *x);
    for (size_t k = 0; k < bins; k += 1 + n / 50)
        assert_below(cabs(Z[k] - direct(s, z, full_index(s, k), -1)), tol);
    scry_fft_backward_real(real, back, Z, work);
    for (size_t i = 0; i < n; i++)
        assert_near(back[i] / (double)n, x[i], 1e-5);

    scry_free(kept);
    scry_free(work);
    scry_free(back);
    scry_free(x);
    scry_free(Z);
    scry_free(z);
    scry_fft_free(cplx);
    scry_fft_free(real);
}

static void rows_equal_the_direct_sum(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        compare(&shapes[i]);
}

static void measured_plans_equal_the_direct_sum(void **state)
{
    (void)state;
    char cache[] = "/tmp/scry-fft-XXXXXX", path[64];
    assert_non_null(mkdtemp(cache));
    setenv("XDG_CACHE_HOME", cache, 1);
    scry_fft_set_effort(SCRY_FFT_MEASURE);
    for (int i = 0; i < SHAPES; i++)
        compare(&shapes[i]);
    snprintf(path, sizeof path, "%s/scry/fftwf-wisdom", cache);
    assert_int_equal(access(path, R_OK), 0);
    remove(path);
    snprintf(path, sizeof path, "%s/scry", cache);
    rmdir(path);
    rmdir(cache);
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1); /* a cache that cannot be made does no harm */
    compare(&(struct shape){2, {9, 14}});
    scry_fft_set_effort(SCRY_FFT_ROWS);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    scry_error err = {0};
    const size_t dims[3] = {6, 210, 233}, n = 6 * 210 * 233;
    float *x = scry_alloc(n, sizeof *x), *back[2];
    float complex *X[2], *C[2];
    scry_rng_normal(x, 0, n, 1, 0, 0);
    for (int i = 0; i < 2; i++) {
        scry_fft *real, *cplx;
        omp_set_num_threads(i ? 4 : 1);
        assert_ok(scry_fft_create_real(&real, 3, dims, &err));
        assert_ok(scry_fft_create_complex(&cplx, 2, dims + 1, &err));
        void *work = scry_alloc(1, scry_fft_work_bytes(real) + scry_fft_work_bytes(cplx));
        X[i] = scry_alloc(scry_fft_bins(real), sizeof **X);
        C[i] = scry_alloc(n, sizeof **C);
        back[i] = scry_alloc(n, sizeof *x);
        scry_fft_forward_real(real, X[i], x, work);
        scry_fft_forward(cplx, C[i], X[i], work);
        scry_fft_backward_real(real, back[i], X[i], work);
        if (i) assert_memory_equal(X[0], X[1], scry_fft_bins(real) * sizeof **X);
        scry_free(work);
        scry_fft_free(real);
        scry_fft_free(cplx);
    }
    assert_memory_equal(back[0], back[1], n * sizeof *x);
    assert_memory_equal(C[0], C[1], n * sizeof **C);
    for (int i = 0; i < 2; i++) {
        scry_free(X[i]);
        scry_free(C[i]);
        scry_free(back[i]);
    }
    scry_free(x);
}

/* Threads of a team that each bring their own scratch stay inside of it, whatever their number. */
static void callers_may_be_a_team(void **state)
{
    (void)state;
    enum { TEAM = 3, N = 5 * 8, GUARD = 4096 };
    const size_t dims[2] = {5, 8};
    scry_error err = {0};
    scry_fft *f;
    int spoiled = 0;
    assert_ok(scry_fft_create_real(&f, 2, dims, &err));
    const size_t bytes = scry_fft_work_bytes(f);
#pragma omp parallel num_threads(TEAM) reduction(+ : spoiled)
    {
        float x[N] = {1};
        float complex X[5 * 5];
        unsigned char *work = scry_alloc(bytes + GUARD, 1);
        memset(work + bytes, 0x5a, GUARD);
        scry_fft_forward_real(f, X, x, work);
        scry_fft_backward_real(f, x, X, work);
        for (size_t i = 0; i < GUARD; i++)
            spoiled += work[bytes + i] != 0x5a;
        scry_free(work);
    }
    scry_fft_free(f);
    assert_int_equal(spoiled, 0);
}

static void many_equal_the_direct_sum(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_fft_many *f;
    const size_t lengths[] = {1, 2, 5, 12, 17, 64}, counts[] = {1, 3, 8};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 3; j++) {
            const size_t n = lengths[i], count = counts[j], distance = n + j;
            const size_t all = count * distance;
            const struct shape line = {1, {n}};
            assert_ok(scry_fft_many_create(&f, n, count, distance, &err));
            float complex *x = scry_alloc(all, sizeof *x), *X = scry_alloc(all, sizeof *X);
            float complex *back = scry_alloc(all, sizeof *back);
            scry_rng_normal((float *)x, 0, 2 * all, 3, 1, 0);
            scry_fft_many_forward(f, X, x);
            scry_fft_many_backward(f, back, X);
            for (size_t l = 0; l < count; l++)
                for (size_t k = 0; k < distance; k++) {
                    const size_t at = l * distance + k;
                    const double complex want = k < n ? direct(&line, x + l * distance, k, -1) : 0;
                    assert_near(cabs(X[at] - want), 0, 1e-5);
                    assert_near(cabsf(back[at] / (float)n - (k < n ? x[at] : 0)), 0, 1e-6);
                }
            scry_free(x);
            scry_free(X);
            scry_free(back);
            scry_fft_many_free(f);
        }
    assert_fails(scry_fft_many_create(&f, 0, 8, 8, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_many_create(&f, 8, 0, 8, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_many_create(&f, 8, 4, 7, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_many_create(&f, (size_t)1 << 40, 8, (size_t)1 << 40, &err), SCRY_ESHAPE);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_fft *f;
    const size_t zero[2] = {4, 0}, huge[3] = {1u << 26, 1u << 26, 1u << 26};
    const size_t longer[1] = {(size_t)1 << 40}, good[2] = {20, 30};
    assert_fails(scry_fft_create_real(&f, 0, good, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_create_real(&f, 4, good, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_create_real(&f, 2, zero, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_create_complex(&f, 3, huge, &err), SCRY_ESHAPE);
    assert_fails(scry_fft_create_complex(&f, 1, longer, &err), SCRY_ESHAPE);
    assert_null(f);
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 3; nth++) {
        scry_memory_fail_at(nth);
        assert_fails(scry_fft_create_real(&f, 2, good, &err), SCRY_ENOMEM);
    }
    scry_memory_fail_at(0);
    assert_int_equal(scry_memory_live(), live);
    scry_fft_free(NULL);
}

static void good_sizes_are_smooth(void **state)
{
    (void)state;
    const size_t n[][3] = {{0, 1, 1},     {1, 1, 1},       {11, 1, 12},  {13, 8, 16},
                           {257, 1, 270}, {1021, 1, 1024}, {61, 16, 64}, {121, 1, 125}};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++)
        assert_int_equal(scry_fft_good_size(n[i][0], n[i][1]), n[i][2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_equal_the_direct_sum),
        cmocka_unit_test(measured_plans_equal_the_direct_sum),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(callers_may_be_a_team),
        cmocka_unit_test(many_equal_the_direct_sum),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(good_sizes_are_smooth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
