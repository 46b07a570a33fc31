#include "lib/fft_impl.h"
#include "lib/parallel.h"

#include "lib/memory.h"
#include "lib/space.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"

#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FFTW_ESTIMATE plans of whole 2-D transforms are up to 15 times slower than measured ones at the
 * sizes microscopes use (256, 384, 512), and measured plans differ from run to run in their last
 * bits. So the default splits a transform into 1-D ones, which ESTIMATE plans well: the last axis
 * STRIP rows at a time in place, every other axis STRIP lines at a time through a transposed copy
 * that fits the second-level cache. The groups are the same for every number of threads, and so
 * are the bits. STRIP floats fill a cache line: the first row of a group is aligned as the
 * array. */
enum { STRIP = SCRYI_FFT_STRIP };

/* One axis: outer x n x inner entries, transformed along n. Index 0 forward, 1 backward; `rest`
 * takes the lines that are left when STRIP does not divide their number. */
struct axis {
    size_t outer, n, inner;
    fftwf_plan full[2], rest[2];
};

struct scry_fft {
    int rank;
    bool cplx;
    size_t dims[3], count, bins;
    struct axis axes[3];
    fftwf_plan whole[2]; /* MEASURE: the transform in one plan, and no axes */
    int threads;
    size_t lines_bytes; /* one thread's scratch: STRIP lines before, and after */
};

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;
static atomic_int effort_now = SCRY_FFT_ROWS;

void scry_fft_set_effort(scry_fft_effort effort)
{
    atomic_store(&effort_now, effort);
}

size_t scryi_fft_pitch(size_t n)
{
    return (n + 7) / 8 * 8 + (n / 8 % 2 ? 0 : 8);
}

/* The scratch was sized for the threads there were when the plan was made. */
static int fft_team(const scry_fft *f)
{
    if (f->threads == 1) return 1;
    const int now = omp_get_max_threads();
    return now < f->threads ? now : f->threads;
}

/* Scratch of the thread that asks. Without a team of its own the caller's, whatever number it has
 * in a team outside of here, has the first. */
static float complex *lines_of(const scry_fft *f, int threads, void *work)
{
    const size_t slot = threads > 1 ? (size_t)omp_get_thread_num() : 0;
    return (float complex *)((char *)work + slot * f->lines_bytes);
}

static size_t fft_strips(size_t lines)
{
    return (lines + STRIP - 1) / STRIP;
}

/* Every axis but the last, in place on X. */
static void run_axis(const scry_fft *f, const struct axis *a, int dir, float complex *X, void *work)
{
    const size_t each = fft_strips(a->inner), total = a->outer * each, ld = scryi_fft_pitch(a->n);
    const int threads = fft_team(f);
    SCRY_PARALLEL_FOR(
        threads, for (size_t s = 0; s < total; s++) {
            const size_t first = s % each * STRIP;
            const size_t left = a->inner - first, width = left < STRIP ? left : STRIP;
            float complex *lines = X + s / each * a->n * a->inner + first;
            float complex *before = lines_of(f, threads, work), *after = before + STRIP * ld;
            scry_transpose(before, ld, lines, a->inner, a->n, width);
            fftwf_execute_dft(width == STRIP ? a->full[dir] : a->rest[dir], before, after);
            scry_transpose(lines, a->inner, after, ld, width, a->n);
        });
}

static void run_axes(const scry_fft *f, int dir, float complex *X, void *work)
{
    for (int a = f->rank - 2; a >= 0; a--)
        if (f->axes[a].n > 1) run_axis(f, &f->axes[a], dir, X, work);
}

void scry_fft_forward_real(const scry_fft *f, float complex *X, const float *x, void *work)
{
    if (f->whole[0]) {
        fftwf_execute_dft_r2c(f->whole[0], (float *)x, X); /* preserves x: it is out of place */
        return;
    }
    const struct axis *a = &f->axes[f->rank - 1];
    const size_t total = fft_strips(a->outer), half = a->n / 2 + 1;
    const int threads = fft_team(f);
    SCRY_PARALLEL_FOR(
        threads, for (size_t s = 0; s < total; s++) {
            const size_t row = s * STRIP;
            fftwf_execute_dft_r2c(row + STRIP <= a->outer ? a->full[0] : a->rest[0],
                                  (float *)x + row * a->n, X + row * half);
        });
    run_axes(f, 0, X, work);
}

void scry_fft_backward_real(const scry_fft *f, float *x, float complex *X, void *work)
{
    if (f->whole[1]) {
        fftwf_execute_dft_c2r(f->whole[1], X, x);
        return;
    }
    run_axes(f, 1, X, work);
    const struct axis *a = &f->axes[f->rank - 1];
    const size_t total = fft_strips(a->outer), half = a->n / 2 + 1;
    const int threads = fft_team(f);
    SCRY_PARALLEL_FOR(
        threads, for (size_t s = 0; s < total; s++) {
            const size_t row = s * STRIP;
            fftwf_execute_dft_c2r(row + STRIP <= a->outer ? a->full[1] : a->rest[1], X + row * half,
                                  x + row * a->n);
        });
}

static void run_complex(const scry_fft *f, int dir, float complex *out, const float complex *in,
                        void *work)
{
    if (f->whole[dir]) {
        if (in == out) in = memcpy(work, in, f->count * sizeof *in);
        fftwf_execute_dft(f->whole[dir], (float complex *)in, out);
        return;
    }
    const struct axis *a = &f->axes[f->rank - 1];
    const size_t total = fft_strips(a->outer);
    const int threads = fft_team(f);
    SCRY_PARALLEL_FOR(
        threads, for (size_t s = 0; s < total; s++) {
            const size_t row = s * STRIP, left = a->outer - row, rows = left < STRIP ? left : STRIP;
            float complex *to = in == out ? lines_of(f, threads, work) : out + row * a->n;
            fftwf_execute_dft(rows == STRIP ? a->full[dir] : a->rest[dir],
                              (float complex *)in + row * a->n, to);
            if (in == out) memcpy(out + row * a->n, to, rows * a->n * sizeof *to);
        });
    run_axes(f, dir, out, work);
}

void scry_fft_forward(const scry_fft *f, float complex *X, const float complex *x, void *work)
{
    run_complex(f, 0, X, x, work);
}

void scry_fft_backward(const scry_fft *f, float complex *x, const float complex *X, void *work)
{
    run_complex(f, 1, x, X, work);
}

size_t scry_fft_count(const scry_fft *f)
{
    return f->count;
}

size_t scry_fft_bins(const scry_fft *f)
{
    return f->bins;
}

size_t scry_fft_work_bytes(const scry_fft *f)
{
    if (f->whole[0]) return f->cplx ? f->count * sizeof(float complex) : SCRY_ALIGN;
    return (size_t)f->threads * f->lines_bytes;
}

/* Wisdom: the plans of FFTW_MEASURE, kept as $XDG_CACHE_HOME/scry/fftwf-wisdom (else ~/.cache). A
 * cache that cannot be read or writtencosts time at the next start and nothing else, so there is no
 * message. FFTW itself refuses wisdom of another version or processor. */
static bool wisdom_path(char *path, size_t size, bool make)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (cache && cache[0] == '/')
        n = snprintf(path, size, "%s", cache);
    else if (home && home[0] == '/')
        n = snprintf(path, size, "%s/.cache", home);
    else
        return false;
    if (n < 0 || (size_t)n + 64 > size) return false;
    if (make) mkdir(path, 0700);
    strcat(path, "/scry");
    if (make) mkdir(path, 0700);
    strcat(path, "/fftwf-wisdom");
    return true;
}

static void wisdom_load(void)
{
    char path[4096];
    if (wisdom_path(path, sizeof path, false)) fftwf_import_wisdom_from_filename(path);
}

static void wisdom_store(void)
{
    char path[4096], temp[4096 + 32];
    if (!wisdom_path(path, sizeof path, true)) return;
    fftwf_import_wisdom_from_filename(path); /* another process may have added to it */
    snprintf(temp, sizeof temp, "%s.%ld", path, (long)getpid());
    if (!fftwf_export_wisdom_to_filename(temp) || rename(temp, path)) remove(temp);
}

unsigned scryi_fft_planner_begin(void)
{
    static bool loaded; /* guarded by the lock */
    pthread_mutex_lock(&planner);
    if (atomic_load(&effort_now) != SCRY_FFT_MEASURE) return FFTW_ESTIMATE;
    if (!loaded) wisdom_load();
    loaded = true;
    return FFTW_MEASURE;
}

void scryi_fft_planner_end(bool planned)
{
    if (planned && atomic_load(&effort_now) == SCRY_FFT_MEASURE) wisdom_store();
    pthread_mutex_unlock(&planner);
}

static bool plan_axis(scry_fft *f, struct axis *a, bool rows, float complex *s0, float complex *s1)
{
    const int n = (int)a->n, ld = rows ? n : (int)scryi_fft_pitch(a->n), half = n / 2 + 1;
    const size_t lines = rows ? a->outer : a->inner;
    for (int part = 0; part < 2; part++) {
        const int many = part ? (int)(lines % STRIP) : STRIP;
        fftwf_plan *p = part ? a->rest : a->full;
        if (!many || (size_t)many > lines) continue;
        if (rows && !f->cplx) {
            p[0] = fftwf_plan_many_dft_r2c(1, &n, many, (float *)s0, NULL, 1, n, s1, NULL, 1, half,
                                           FFTW_ESTIMATE);
            p[1] = fftwf_plan_many_dft_c2r(1, &n, many, s0, NULL, 1, half, (float *)s1, NULL, 1, n,
                                           FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
        } else {
            for (int dir = 0; dir < 2; dir++)
                p[dir] = fftwf_plan_many_dft(1, &n, many, s0, NULL, 1, ld, s1, NULL, 1, ld,
                                             dir ? FFTW_BACKWARD : FFTW_FORWARD, FFTW_ESTIMATE);
        }
        if (!p[0] || !p[1]) return false;
    }
    return true;
}

static scry_status plan_rows(scry_fft *f, scry_error *err)
{
    size_t longest = 0, outer = 1; /* of pitches: a shorter axis may have the larger one */
    const size_t last = f->cplx ? f->dims[f->rank - 1] : f->dims[f->rank - 1] / 2 + 1;
    for (int a = 0; a < f->rank; a++) {
        struct axis *x = &f->axes[a];
        *x = (struct axis){.outer = outer, .n = f->dims[a], .inner = 1};
        outer *= f->dims[a];
        for (int b = a + 1; b < f->rank; b++)
            x->inner *= b == f->rank - 1 ? last : f->dims[b];
        if (scryi_fft_pitch(x->n) > longest) longest = scryi_fft_pitch(x->n);
    }
    f->threads = f->count >= SCRYI_FFT_PARALLEL_FROM ? omp_get_max_threads() : 1;
    f->lines_bytes = 2 * STRIP * longest * sizeof(float complex);
    float complex *s0 = scry_alloc(1, f->lines_bytes), *s1 = scry_alloc(1, f->lines_bytes);
    bool ok = s0 && s1;
    pthread_mutex_lock(&planner);
    for (int a = 0; a < f->rank && ok; a++)
        ok = plan_axis(f, &f->axes[a], a == f->rank - 1, s0, s1);
    pthread_mutex_unlock(&planner);
    scry_free(s0);
    scry_free(s1);
    return ok ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "FFT plan of %zu entries", f->count);
}

static scry_status plan_whole(scry_fft *f, scry_error *err)
{
    int n[3];
    for (int a = 0; a < f->rank; a++)
        n[a] = (int)f->dims[a];
    float complex *s0 = scry_alloc(f->count + f->bins, sizeof *s0);
    float complex *s1 = scry_alloc(f->bins, sizeof *s1);
    scryi_fft_planner_begin();
    if (s0 && s1) {
        if (f->cplx) {
            f->whole[0] = fftwf_plan_dft(f->rank, n, s0, s1, FFTW_FORWARD, FFTW_MEASURE);
            f->whole[1] = fftwf_plan_dft(f->rank, n, s0, s1, FFTW_BACKWARD, FFTW_MEASURE);
        } else {
            f->whole[0] = fftwf_plan_dft_r2c(f->rank, n, (float *)s0, s1, FFTW_MEASURE);
            f->whole[1] = fftwf_plan_dft_c2r(f->rank, n, s1, (float *)s0, FFTW_MEASURE);
        }
    }
    scryi_fft_planner_end(true);
    scry_free(s0);
    scry_free(s1);
    return f->whole[0] && f->whole[1]
               ? SCRY_OK
               : SCRY_FAIL(err, SCRY_ENOMEM, "FFT plan of %zu entries", f->count);
}

scry_status scryi_fft_check(int rank, const size_t *dims, scry_error *err)
{
    if (rank < 1 || rank > 3)
        return SCRY_FAIL(err, SCRY_ESHAPE, "FFT of rank %d, expected 1 to 3", rank);
    scry_space s = {.rank = rank, .cplx = true};
    for (int a = 0; a < rank; a++) {
        if (dims[a] > INT_MAX / (2 * STRIP))
            return SCRY_FAIL(err, SCRY_ESHAPE, "axis %d: length %zu, an FFT takes at most %d", a,
                             dims[a], INT_MAX / (2 * STRIP));
        s.dims[a] = dims[a];
    }
    return scry_space_check(&s, err);
}

static scry_status fft_create(scry_fft **out, int rank, const size_t *dims, bool cplx,
                              scry_error *err)
{
    *out = NULL;
    scry_status st = scryi_fft_check(rank, dims, err);
    if (st != SCRY_OK) return st;
    scry_fft *f = scry_alloc(1, sizeof *f);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "FFT plan");
    f->rank = rank;
    f->cplx = cplx;
    memcpy(f->dims, dims, (size_t)rank * sizeof *dims);
    f->count = 1;
    for (int a = 0; a < rank; a++)
        f->count *= dims[a];
    f->bins = cplx ? f->count : f->count / dims[rank - 1] * (dims[rank - 1] / 2 + 1);
    st = atomic_load(&effort_now) == SCRY_FFT_MEASURE ? plan_whole(f, err) : plan_rows(f, err);
    if (st == SCRY_OK)
        *out = f;
    else
        scry_fft_free(f);
    return st;
}

scry_status scry_fft_create_real(scry_fft **out, int rank, const size_t *dims, scry_error *err)
{
    return fft_create(out, rank, dims, false, err);
}

scry_status scry_fft_create_complex(scry_fft **out, int rank, const size_t *dims, scry_error *err)
{
    return fft_create(out, rank, dims, true, err);
}

void scry_fft_free(scry_fft *f)
{
    if (!f) return;
    pthread_mutex_lock(&planner);
    for (int dir = 0; dir < 2; dir++) {
        for (int a = 0; a < 3; a++) {
            fftwf_destroy_plan(f->axes[a].full[dir]); /* NULL is fine: FFTW checks */
            fftwf_destroy_plan(f->axes[a].rest[dir]);
        }
        fftwf_destroy_plan(f->whole[dir]);
    }
    pthread_mutex_unlock(&planner);
    scry_free(f);
}

struct scry_fft_many {
    fftwf_plan plan[2];
};

scry_status scry_fft_many_create(scry_fft_many **out, size_t n, size_t count, size_t distance,
                                 scry_error *err)
{
    const size_t max = INT_MAX / (2 * STRIP);
    *out = NULL;
    if (!n || !count || distance < n || distance > max / count)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%zu FFTs of %zu entries, %zu apart: expected 1 to %zu in all, and no "
                         "overlap",
                         count, n, distance, max);
    const size_t all = count * distance;
    scry_fft_many *f = scry_alloc(1, sizeof *f);
    float complex *s0 = scry_alloc(all, sizeof *s0), *s1 = scry_alloc(all, sizeof *s1);
    const int length = (int)n, howmany = (int)count, apart = (int)distance;
    if (f && s0 && s1) {
        pthread_mutex_lock(&planner);
        for (int dir = 0; dir < 2; dir++)
            f->plan[dir] = fftwf_plan_many_dft(1, &length, howmany, s0, NULL, 1, apart, s1, NULL, 1,
                                               apart, dir ? FFTW_BACKWARD : FFTW_FORWARD,
                                               FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
        pthread_mutex_unlock(&planner);
    }
    scry_free(s0);
    scry_free(s1);
    if (f && f->plan[0] && f->plan[1]) {
        *out = f;
        return SCRY_OK;
    }
    scry_fft_many_free(f);
    return SCRY_FAIL(err, SCRY_ENOMEM, "plan of %zu FFTs of %zu entries", count, n);
}

void scry_fft_many_free(scry_fft_many *f)
{
    if (!f) return;
    pthread_mutex_lock(&planner);
    for (int dir = 0; dir < 2; dir++)
        fftwf_destroy_plan(f->plan[dir]);
    pthread_mutex_unlock(&planner);
    scry_free(f);
}

void scry_fft_many_forward(const scry_fft_many *f, float complex *X, const float complex *x)
{
    fftwf_execute_dft(f->plan[0], (float complex *)x, X);
}

void scry_fft_many_backward(const scry_fft_many *f, float complex *x, const float complex *X)
{
    fftwf_execute_dft(f->plan[1], (float complex *)X, x);
}

size_t scry_fft_good_size(size_t n, size_t multiple)
{
    static const size_t factors[] = {2, 3, 5, 7};
    if (!multiple) multiple = 1;
    for (size_t size = n ? (n + multiple - 1) / multiple * multiple : multiple;; size += multiple) {
        size_t left = size;
        for (size_t i = 0; i < 4; i++)
            while (left % factors[i] == 0)
                left /= factors[i];
        if (left == 1) return size;
    }
}

/* ns an entry, measured for 16 to 640 entries: see fft.h. */
static double line_cost(size_t n)
{
    static const size_t lucky[] = {120, 144, 200, 240, 400}; /* and no others of their kind */
    for (size_t i = 0; i < sizeof lucky / sizeof *lucky; i++)
        if (n == lucky[i]) return 0.9;
    if (n % 4) return 2.8;
    size_t left = n / 16;
    while (left && left % 2 == 0)
        left /= 2;
    return n % 16 == 0 && (left == 1 || left == 3 || left == 5) ? 0.9 : 1.9;
}

size_t scry_fft_quick_size(size_t n, bool last)
{
    const double other = 5;
    size_t best = 0;
    double least = 0;
    for (size_t size = scry_fft_good_size(n, last ? 2 : 1);
         !best || (double)size * (other + 0.45) < least;
         size = scry_fft_good_size(size + 1, last ? 2 : 1)) {
        const double cost =
            (double)size * (other + (last ? line_cost(size / 2) / 2 : line_cost(size)));
        if (best && cost >= least) continue;
        best = size;
        least = cost;
    }
    return best;
}
