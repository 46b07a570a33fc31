#include "operators/nufft_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"
#include "operators/nufft_loops_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { ROWS = SCRYI_ROWS, GROUPS = 4 /* of coils: sums run within one, then over all */ };

typedef struct nufft {
    scry_op base;
    size_t coils, sets, ny, nx, groups;
    int threads;
    float complex *maps;          /* (coils, sets, y, x); NULL: one channel */
    scryi_finer fine, twice;      /* of the interpolation; of the normal's convolution */
    scryi_scattered scattered;    /* samples on fine */
    float *weights;               /* of the normal: on twice, each entry twice */
    scryi_nufft_library *library; /* for the other two; NULL: fine and scattered */
} nufft;

/* One thread's share of the work block. */
struct nufft_bench {
    float complex *array, *lines, *rows;
};

static size_t nufft_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t bench_array(const nufft *A)
{
    return nufft_larger(scryi_finer_entries(&A->fine), scryi_finer_entries(&A->twice));
}

static size_t bench_lines(const nufft *A)
{
    return nufft_larger(scryi_finer_lines(&A->fine), scryi_finer_lines(&A->twice));
}

static size_t nufft_round(size_t entries) /* to whole cache lines */
{
    return scry_align_up(entries * sizeof(float complex)) / sizeof(float complex);
}

static size_t bench_entries(const nufft *A)
{
    return bench_array(A) + bench_lines(A) + nufft_round(ROWS * A->nx);
}

static size_t sum_entries(const nufft *A)
{
    return nufft_round(A->sets * A->ny * A->nx);
}

/* Scratch was sized for the threads that there were at creation. */
static int nufft_team(const nufft *A)
{
    if (A->threads == 1) return 1;
    const int now = omp_get_max_threads();
    return now < A->threads ? now : A->threads;
}

static struct nufft_bench nufft_bench_of(const nufft *A, int threads, void *work)
{
    const size_t slot = threads > 1 ? (size_t)omp_get_thread_num() : 0;
    struct nufft_bench b;
    b.array = (float complex *)work + A->groups * sum_entries(A) + slot * bench_entries(A);
    b.lines = b.array + bench_array(A);
    b.rows = b.lines + bench_lines(A);
    return b;
}

/* sum_m S_cm x_m of rows y .. y + count. */
static void nufft_see(const nufft *A, float complex *rows, const float complex *x, size_t coil,
                      size_t y, size_t count)
{
    const size_t n = A->ny * A->nx, at = y * A->nx, width = count * A->nx;
    if (!A->maps) {
        memcpy(rows, x + at, width * sizeof *rows);
        return;
    }
    const float complex *s = A->maps + coil * A->sets * n + at;
    scry_complex_multiply((float *)rows, (const float *)s, (const float *)(x + at), width);
    for (size_t m = 1; m < A->sets; m++)
        scry_complex_multiply_add((float *)rows, (const float *)(s + m * n),
                                  (const float *)(x + m * n + at), width);
}

/* Its adjoint, added to the sum. */
static void nufft_combine(const nufft *A, float complex *sum, const float complex *rows,
                          size_t coil, size_t y, size_t count)
{
    const size_t n = A->ny * A->nx, at = y * A->nx, width = count * A->nx;
    if (!A->maps) {
        memcpy(sum + at, rows, width * sizeof *rows);
        return;
    }
    const float complex *s = A->maps + coil * A->sets * n + at;
    for (size_t m = 0; m < A->sets; m++)
        scry_complex_multiply_conj_add((float *)(sum + m * n + at), (const float *)(s + m * n),
                                       (const float *)rows, width);
}

static size_t rows_left(const nufft *A, size_t y)
{
    return A->ny - y < ROWS ? A->ny - y : ROWS;
}

static void nufft_load(const nufft *A, const scryi_finer *F, const struct nufft_bench *b,
                       const float complex *x, size_t coil)
{
    for (size_t y = 0; y < A->ny; y += ROWS) {
        nufft_see(A, b->rows, x, coil, y, rows_left(A, y));
        scryi_finer_load(F, b->array, b->rows, y, rows_left(A, y), b->lines);
    }
}

static void nufft_store(const nufft *A, const scryi_finer *F, const struct nufft_bench *b,
                        float complex *sum, size_t coil)
{
    for (size_t y = 0; y < A->ny; y += ROWS) {
        scryi_finer_store(F, b->rows, b->array, y, rows_left(A, y), b->lines);
        nufft_combine(A, sum, b->rows, coil, y, rows_left(A, y));
    }
}

static void nufft_columns(const scryi_finer *F, const struct nufft_bench *b, bool inverse)
{
    for (size_t k = 0; k < F->gx; k += ROWS)
        scryi_finer_columns(F, b->array, k, inverse, b->lines);
}

static scry_status library_forward(const nufft *A, float complex *y, const float complex *x,
                                   void *work, scry_error *err)
{
    const struct nufft_bench b = nufft_bench_of(A, 1, work);
    scry_status st = SCRY_OK;
    for (size_t c = 0; c < A->coils && st == SCRY_OK; c++) {
        nufft_see(A, b.array, x, c, 0, A->ny);
        st = scryi_nufft_library_forward(A->library, y + c * A->scattered.count, b.array, err);
    }
    return st;
}

static scry_status library_adjoint(const nufft *A, float complex *x, const float complex *y,
                                   void *work, scry_error *err)
{
    const struct nufft_bench b = nufft_bench_of(A, 1, work);
    scry_status st = SCRY_OK;
    memset(x, 0, A->sets * A->ny * A->nx * sizeof *x);
    for (size_t c = 0; c < A->coils && st == SCRY_OK; c++) {
        st = scryi_nufft_library_adjoint(A->library, b.array, y + c * A->scattered.count, err);
        if (st == SCRY_OK) nufft_combine(A, x, b.array, c, 0, A->ny);
    }
    return st;
}

static scry_status nufft_forward(const scry_op *base, float *y, const float *x, void *work,
                                 scry_error *err)
{
    const nufft *A = (const nufft *)base;
    if (A->library)
        return library_forward(A, (float complex *)y, (const float complex *)x, work, err);
    const int threads = nufft_team(A);
    SCRY_PARALLEL_FOR(
        threads, for (size_t c = 0; c < A->coils; c++) {
            const struct nufft_bench b = nufft_bench_of(A, threads, work);
            nufft_load(A, &A->fine, &b, (const float complex *)x, c);
            nufft_columns(&A->fine, &b, false);
            scryi_scattered_gather(&A->scattered, &A->fine,
                                   (float complex *)y + c * A->scattered.count, b.array);
        });
    return SCRY_OK;
}

/* One coil of A^H y, or with y NULL of A^H A x, added to the sum. */
static void nufft_coil(const nufft *A, const struct nufft_bench *b, float complex *sum,
                       const float complex *x, const float complex *y, size_t coil)
{
    const scryi_finer *F = y ? &A->fine : &A->twice;
    if (y) {
        scryi_scattered_spread(&A->scattered, F, b->array, y + coil * A->scattered.count);
        nufft_columns(F, b, true);
    } else {
        nufft_load(A, F, b, x, coil);
        for (size_t k = 0; k < F->gx; k += ROWS)
            scryi_finer_filter(F, b->array, k, A->weights + 2 * k * F->gy, b->lines);
    }
    nufft_store(A, F, b, sum, coil);
}

static void nufft_sum(const nufft *A, float complex *out, const float complex *x,
                      const float complex *y, void *work)
{
    const size_t n = A->sets * A->ny * A->nx;
    const int threads = nufft_team(A);
    float complex *sums = work;
    SCRY_PARALLEL_FOR(
        threads, for (size_t g = 0; g < A->groups; g++) {
            const struct nufft_bench b = nufft_bench_of(A, threads, work);
            float complex *sum = sums + g * sum_entries(A);
            memset(sum, 0, n * sizeof *sum);
            for (size_t c = g * A->coils / A->groups; c < (g + 1) * A->coils / A->groups; c++)
                nufft_coil(A, &b, sum, x, y, c);
        });
    memcpy(out, sums, n * sizeof *out);
    for (size_t g = 1; g < A->groups; g++)
        scry_axpy((float *)out, 1, (const float *)(sums + g * sum_entries(A)), 2 * n);
}

static scry_status nufft_adjoint(const scry_op *base, float *x, const float *y, void *work,
                                 scry_error *err)
{
    const nufft *A = (const nufft *)base;
    if (A->library)
        return library_adjoint(A, (float complex *)x, (const float complex *)y, work, err);
    nufft_sum(A, (float complex *)x, NULL, (const float complex *)y, work);
    return SCRY_OK;
}

static scry_status nufft_normal(const scry_op *A, float *out, const float *x, void *work,
                                scry_error *err)
{
    (void)err;
    nufft_sum((const nufft *)A, (float complex *)out, (const float complex *)x, NULL, work);
    return SCRY_OK;
}

static void nufft_destroy(scry_op *base)
{
    nufft *A = (nufft *)base;
    if (!A) return;
    scryi_finer_clear(&A->fine);
    scryi_finer_clear(&A->twice);
    scryi_scattered_clear(&A->scattered);
    scry_free(A->maps);
    scry_free(A->weights);
    scryi_nufft_library_free(A->library);
    scry_free(A);
}

static const struct scry_op_ops nufft_ops = {
    .name = "nufft",
    .forward = nufft_forward,
    .adjoint = nufft_adjoint,
    .normal = nufft_normal,
    .destroy = nufft_destroy,
};

/* ---- creation ---- */

/* At least twice the kernel, for images of a few pixels. */
static size_t fine_size(size_t n)
{
    const size_t least = 2 * SCRYI_WIDTH, finer = (3 * n + 1) / 2;
    return scry_fft_good_size(finer < least ? least : finer, 1);
}

static scry_status make_fine(scryi_finer *F, scryi_scattered *S, size_t ny, size_t nx,
                             const float *trajectory, size_t samples, scry_error *err)
{
    scry_status st = scryi_finer_create(F, (size_t[]){ny, nx}, (size_t[]){ny / 2, nx / 2},
                                        (size_t[]){fine_size(ny), fine_size(nx)}, err);
    return st == SCRY_OK ? scryi_scattered_create(S, F, trajectory, samples, err) : st;
}

/* q[d] = sum_s exp(2 pi i k_s . d), |d_a| < n_a, as an image of twice the size with d = 0 in its
 * middle: the adjoint of ones. */
static scry_status point_spread(float complex **out, const scry_nufft_params *p, scry_error *err)
{
    scryi_finer F = {0};
    scryi_scattered S = {0};
    const size_t ny = 2 * p->ny, nx = 2 * p->nx;
    float complex *array = NULL, *lines = NULL, *image = NULL, *ones = NULL;
    scry_status st = make_fine(&F, &S, ny, nx, p->trajectory, p->samples, err);
    if (st != SCRY_OK) goto done;
    array = scry_alloc(scryi_finer_entries(&F), sizeof *array);
    lines = scry_alloc(scryi_finer_lines(&F), sizeof *lines);
    image = scry_alloc(ny * nx, sizeof *image);
    ones = scry_alloc(p->samples, sizeof *ones);
    if (!array || !lines || !image || !ones) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "point spread of %zu samples", p->samples);
        goto done;
    }
    for (size_t s = 0; s < p->samples; s++)
        ones[s] = 1;
    scryi_scattered_spread(&S, &F, array, ones);
    for (size_t k = 0; k < F.gx; k += ROWS)
        scryi_finer_columns(&F, array, k, true, lines);
    for (size_t y = 0; y < ny; y += ROWS)
        scryi_finer_store(&F, image + y * nx, array, y, ny - y < ROWS ? ny - y : ROWS, lines);
    *out = image;
    image = NULL;
done:
    scryi_finer_clear(&F);
    scryi_scattered_clear(&S);
    scry_free(array);
    scry_free(lines);
    scry_free(image);
    scry_free(ones);
    return st;
}

/* Row and column d = -n have no partner and never meet a pixel; without them q is Hermitian and its
 * transform real. */
static scry_status transform_spread(nufft *A, float complex *q, scry_error *err)
{
    scryi_finer F = {0};
    const size_t ny = 2 * A->ny, nx = 2 * A->nx;
    float complex *array = NULL, *lines = NULL;
    scry_status st = scryi_finer_create(&F, (size_t[]){ny, nx}, (size_t[]){A->ny, A->nx},
                                        (size_t[]){A->twice.gy, A->twice.gx}, err);
    if (st != SCRY_OK) goto done;
    F.wy[0] = F.wx[0] = 0;
    array = scry_alloc(scryi_finer_entries(&F), sizeof *array);
    lines = scry_alloc(scryi_finer_lines(&F), sizeof *lines);
    A->weights = scry_alloc((F.gx + ROWS - 1) / ROWS * ROWS, 2 * F.gy * sizeof *A->weights);
    if (!array || !lines || !A->weights) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "normal operator of %zu x %zu", A->ny, A->nx);
        goto done;
    }
    for (size_t y = 0; y < ny; y += ROWS)
        scryi_finer_load(&F, array, q + y * nx, y, ny - y < ROWS ? ny - y : ROWS, lines);
    /* q has the scale (4 N)^(-1/2) of its own image instead of 1/N; the transforms have none. */
    const double scale = 2 / (sqrt((double)(A->ny * A->nx)) * (double)(F.gy * F.gx));
    for (size_t k = 0; k < F.gx; k++) {
        if (k % ROWS == 0) scryi_finer_columns(&F, array, k, false, lines);
        const float complex *line = array + (k + SCRYI_MARGIN) * F.pitch + SCRYI_MARGIN;
        float *to = A->weights + 2 * k * F.gy;
        for (size_t i = 0; i < F.gy; i++)
            to[2 * i] = to[2 * i + 1] = (float)(scale * (double)crealf(line[i]));
    }
done:
    scryi_finer_clear(&F);
    scry_free(array);
    scry_free(lines);
    return st;
}

static scry_status make_normal(nufft *A, const scry_nufft_params *p, scry_error *err)
{
    float complex *q = NULL;
    scry_status st = scryi_finer_create(
        &A->twice, (size_t[]){A->ny, A->nx}, (size_t[]){0, 0},
        (size_t[]){scry_fft_good_size(2 * A->ny, 1), scry_fft_good_size(2 * A->nx, 1)}, err);
    if (st == SCRY_OK) st = point_spread(&q, p, err);
    if (st == SCRY_OK) st = transform_spread(A, q, err);
    scry_free(q);
    return st;
}

static scry_status nufft_check(const scry_nufft_params *p, scry_error *err)
{
    const size_t max = (size_t)1 << 25;
    if (!p->ny || !p->nx || p->ny > max / p->nx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "an image of %zu x %zu, expected 1 to %zu pixels", p->ny,
                         p->nx, max);
    if (!p->samples || p->samples > UINT32_MAX)
        return SCRY_FAIL(err, SCRY_ESHAPE, "a trajectory of %zu samples, expected 1 to %u",
                         p->samples, UINT32_MAX);
    size_t images, floats;
    if (p->maps && (!p->coils || !p->sets || !scry_mul(&images, p->coils, p->sets) ||
                    !scry_mul(&floats, images, 2 * p->ny * p->nx * sizeof(float))))
        return SCRY_FAIL(err, SCRY_ESHAPE, "maps of %zu coils and %zu sets, expected at least 1",
                         p->coils, p->sets);
    return SCRY_OK;
}

static scry_status nufft_copy_maps(nufft *A, const scry_nufft_params *p, scry_error *err)
{
    const size_t n = A->coils * A->sets * A->ny * A->nx;
    const float *parts = (const float *)p->maps;
    if (!scry_finite(parts, 2 * n))
        return SCRY_FAIL(err, SCRY_EINVAL, "a map is not finite, expected finite numbers");
    size_t i = 0;
    while (i < 2 * n && parts[i] == 0)
        i++;
    if (i == 2 * n)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "the maps of %zu coils are zero everywhere, expected coils that see the "
                         "image",
                         A->coils);
    A->maps = scry_copy(p->maps, n * sizeof *A->maps);
    if (!A->maps) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils", A->coils);
    return SCRY_OK;
}

scry_status scry_nufft_create(scry_op **out, const scry_nufft_params *params, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, params)) return SCRY_EINVAL;
    const scry_nufft_params *p = params;
    if (SCRY_MISSING(err, p->trajectory)) return SCRY_EINVAL;
    scry_status st = nufft_check(p, err);
    if (st != SCRY_OK) return st;
    nufft *A = scry_alloc(1, sizeof *A);
    if (!A) return SCRY_FAIL(err, SCRY_ENOMEM, "operator of a trajectory");
    A->coils = p->maps ? p->coils : 1;
    A->sets = p->maps ? p->sets : 1;
    A->ny = p->ny;
    A->nx = p->nx;
    A->groups = A->coils < GROUPS ? A->coils : GROUPS;
    A->threads = A->coils > 1 ? omp_get_max_threads() : 1;
    A->base.ops = &nufft_ops;
    A->base.dom = A->sets > 1 ? SCRY_SPACE(A->sets, A->ny, A->nx) : SCRY_SPACE(A->ny, A->nx);
    A->base.cod = p->maps ? SCRY_SPACE(A->coils, p->samples) : SCRY_SPACE(p->samples);
    A->base.dom.cplx = A->base.cod.cplx = true;
    if (p->maps && (st = nufft_copy_maps(A, p, err)) != SCRY_OK) goto done;
    st = make_fine(&A->fine, &A->scattered, A->ny, A->nx, p->trajectory, p->samples, err);
    if (st == SCRY_OK) st = make_normal(A, p, err);
    if (st == SCRY_OK) st = scryi_nufft_library_create(&A->library, p, err);
    if (st != SCRY_OK) goto done;
    A->base.work_bytes = (A->groups * sum_entries(A) + (size_t)A->threads * bench_entries(A)) *
                         sizeof(float complex);
    *out = &A->base;
    A = NULL;
done:
    nufft_destroy((scry_op *)A);
    return st;
}

/* C w = the kernel's gathering from the kernel's spread of w. Where samples are d to a cell of the
 * finer grid, C w = w d (integral of the kernel)^2. */
scry_status scry_nufft_density(float *weights, const scry_nufft_params *params, size_t iterations,
                               scry_error *err)
{
    if (SCRY_MISSING(err, weights, params)) return SCRY_EINVAL;
    const scry_nufft_params *p = params;
    if (SCRY_MISSING(err, p->trajectory)) return SCRY_EINVAL;
    if (!iterations)
        return SCRY_FAIL(err, SCRY_EINVAL, "0 iterations of the density, expected at least 1");
    scry_status st = nufft_check(p, err);
    if (st != SCRY_OK) return st;
    scryi_finer F = {0};
    scryi_scattered S = {0};
    float complex *array = NULL, *w = NULL, *seen = NULL;
    st = make_fine(&F, &S, p->ny, p->nx, p->trajectory, p->samples, err);
    if (st != SCRY_OK) goto done;
    array = scry_alloc(scryi_finer_entries(&F), sizeof *array);
    w = scry_alloc(p->samples, sizeof *w);
    seen = scry_alloc(p->samples, sizeof *seen);
    if (!array || !w || !seen) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "density of %zu samples", p->samples);
        goto done;
    }
    for (size_t s = 0; s < p->samples; s++)
        w[s] = 1;
    for (size_t i = 0; i < iterations; i++) {
        scryi_scattered_spread(&S, &F, array, w);
        scryi_scattered_gather(&S, &F, seen, array);
        for (size_t s = 0; s < p->samples; s++)
            w[s] /= crealf(seen[s]);
    }
    const double integral = scryi_kernel_integral(&F);
    const double cells = (double)(F.gy * F.gx) / (double)(p->ny * p->nx);
    for (size_t s = 0; s < p->samples; s++)
        weights[s] = (float)((double)crealf(w[s]) * integral * integral / cells);
done:
    scryi_finer_clear(&F);
    scryi_scattered_clear(&S);
    scry_free(array);
    scry_free(w);
    scry_free(seen);
    return st;
}
