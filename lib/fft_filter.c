/* Convolutions by boxes of a large domain.
 *
 * A filter is a transform, a product and a transform back. Along the first axis all three are done
 * on a few lines at a time that stay in the cache: the spectrum is read and written once. Planes
 * and rows outside of the boxes hold zeros on the way in and are not wanted on the way out, so that
 * they are passed over. For rank 3, axes z, y, x:
 *
 *   planes of `from`:  rows of `from` along x, turned, then y     (real to half complex)
 *   columns (x, y):    z forward, times H, z backward
 *   planes of `to`:    y, turned, then rows of `to` along x       (half complex to real)
 *
 * A plane of the spectrum is kept turned, [x][y], with a pitch that starts each line on a cache
 * line. Rank 2 has no z, rank 1 neither z nor y: axes of length 1 are not transformed.
 *
 * Rows of even length are complex transforms of half that length (lib/fft_loops_impl.h): FFTW's own
 * real transforms took twice their time at the lengths of images, 64 to 512. */
#include "lib/fft_impl.h"
#include "lib/fft_loops_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/parallel.h"
#include "lib/space.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

enum { STRIP = SCRYI_FFT_STRIP, FORWARD = 0, BACKWARD = 1 };
_Static_assert((int)STRIP == (int)SCRYI_FFT_ROWS, "rows of a strip are joined and split together");

/* Plans for STRIP lines of a complex axis, and for those that are left of `lines`. */
struct axis {
    size_t n, pitch, lines;
    fftwf_plan full[2], rest[2];
};

struct scry_fft_filter {
    int rank;
    size_t nx, half, pitch;    /* last axis; bins kept; entries from row to row of a strip */
    struct axis first, middle; /* z, and y: n 1 where the rank has none */
    fftwf_plan row[2];         /* STRIP rows of the last axis */
    float *turns;              /* exp(-2 pi i k / nx); NULL for an odd nx */
    int threads;
    size_t plane, strip, scratch; /* bytes: a plane of the spectrum, a strip; a thread's */
};

/* What one call works on. */
struct call {
    const scry_fft_filter *f;
    const float *in;
    float *out;
    scry_fft_box from, to; /* z, y, x */
    const float complex *H;
    scry_fft_filter_kind kind;
    char *X, *scratch;
    int threads;
};

/* A thread's: a plane, and two strips of lines. */
struct scratch {
    float complex *plane, *a, *b;
};

static struct scratch scratch_of(const struct call *c)
{
    const size_t slot = c->threads > 1 ? (size_t)omp_get_thread_num() : 0;
    char *at = c->scratch + slot * c->f->scratch;
    return (struct scratch){(void *)at, (void *)(at + c->f->plane),
                            (void *)(at + c->f->plane + c->f->strip)};
}

static float complex *plane_of(const struct call *c, size_t z)
{
    return (void *)(c->X + z * c->f->plane);
}

static bool is_aligned(const float *x)
{
    return (uintptr_t)x % SCRY_ALIGN == 0;
}

/* STRIP rows (or `count`, with zeros for the rest) -> entries y .. of all lines of a plane */
static void strip_in(const struct call *c, const struct scratch *s, float complex *plane, size_t y,
                     const float *in, size_t count)
{
    const scry_fft_filter *f = c->f;
    const size_t width = c->from.size[2], start = c->from.start[2], h = f->nx / 2;
    const size_t pitch = f->middle.pitch;
    float *rows = (float *)s->a;
    if (width < f->nx || count < STRIP || !is_aligned(in)) {
        memset(rows, 0, STRIP * f->nx * sizeof *rows);
        for (size_t r = 0; r < count; r++)
            memcpy(rows + r * f->nx + start, in + r * width, width * sizeof *rows);
        in = rows;
    }
    if (!f->turns) {
        fftwf_execute_dft_r2c(f->row[FORWARD], (float *)in, s->b);
        scry_transpose(plane + y, pitch, s->b, f->pitch, count, f->half);
        return;
    }
    fftwf_execute_dft(f->row[FORWARD], (float complex *)(void *)(float *)in, s->b);
    scry_transpose(s->a, STRIP, s->b, f->pitch, STRIP, h);
    SCRYI_BEST(scryi_fft_loops)
        ->split((float *)(plane + y), pitch, count, (float *)s->a, f->turns, h);
}

/* The reverse: `count` rows from entries y .. of all lines. */
static void strip_out(const struct call *c, const struct scratch *s, const float complex *plane,
                      size_t y, float *out, size_t count)
{
    const scry_fft_filter *f = c->f;
    const size_t width = c->to.size[2], start = c->to.start[2], h = f->nx / 2;
    const size_t pitch = f->middle.pitch;
    const bool direct = width == f->nx && count == STRIP && is_aligned(out);
    float *rows = direct ? out : (float *)s->a;
    if (!f->turns) {
        scry_transpose(s->b, f->pitch, plane + y, pitch, f->half, count);
        fftwf_execute_dft_c2r(f->row[BACKWARD], s->b, rows);
    } else {
        SCRYI_BEST(scryi_fft_loops)
            ->join((float *)s->a, (const float *)(plane + y), pitch, f->turns, h);
        scry_transpose(s->b, f->pitch, s->a, STRIP, h, STRIP);
        fftwf_execute_dft(f->row[BACKWARD], s->b, (float complex *)(void *)rows);
    }
    for (size_t r = 0; !direct && r < count; r++)
        memcpy(out + r * width, rows + r * f->nx + start, width * sizeof *out);
}

/* All lines of a plane along y. */
static void middle_lines(const struct axis *a, int dir, float complex *out, float complex *in)
{
    for (size_t x = 0; x < a->lines; x += STRIP)
        fftwf_execute_dft(x + STRIP <= a->lines ? a->full[dir] : a->rest[dir], in + x * a->pitch,
                          out + x * a->pitch);
}

/* What lies around `size` entries from `start` on of a line is 0. */
static void clear_around(const struct axis *a, float complex *line, size_t start, size_t size)
{
    memset(line, 0, start * sizeof *line);
    memset(line + start + size, 0, (a->n - start - size) * sizeof *line);
}

static size_t strip_rows(const scry_fft_box *b, size_t y)
{
    return b->size[1] - y < STRIP ? b->size[1] - y : STRIP;
}

static void plane_in(const struct call *c, size_t p)
{
    const struct axis *a = &c->f->middle;
    const struct scratch s = scratch_of(c);
    float complex *X = plane_of(c, c->from.start[0] + p), *plane = a->n > 1 ? s.plane : X;
    const size_t rows = c->from.size[1], width = c->from.size[2], start = c->from.start[1];
    for (size_t x = 0; rows < a->n && x < a->lines; x++)
        clear_around(a, plane + x * a->pitch, start, rows);
    for (size_t y = 0; y < rows; y += STRIP)
        strip_in(c, &s, plane, start + y, c->in + (p * rows + y) * width, strip_rows(&c->from, y));
    if (a->n > 1) middle_lines(a, FORWARD, X, plane);
}

static void plane_out(const struct call *c, size_t p)
{
    const struct axis *a = &c->f->middle;
    const struct scratch s = scratch_of(c);
    float complex *X = plane_of(c, c->to.start[0] + p), *plane = a->n > 1 ? s.plane : X;
    const size_t rows = c->to.size[1], width = c->to.size[2];
    if (a->n > 1) middle_lines(a, BACKWARD, plane, X);
    for (size_t y = 0; y < rows; y += STRIP)
        strip_out(c, &s, plane, c->to.start[1] + y, c->out + (p * rows + y) * width,
                  strip_rows(&c->to, y));
}

/* n entries of X times H, conj(H), or N |H|^2 with the 1/N of two transforms in each H. */
static void filter_multiply(const struct call *c, float complex *X, const float complex *H,
                            size_t n)
{
    const scry_fft_filter *f = c->f;
    float *to = (float *)X;
    const float *by = (const float *)H;
    if (c->kind != SCRY_FFT_FILTER_CONJUGATE) scry_complex_multiply(to, by, to, n);
    if (c->kind != SCRY_FFT_FILTER) scry_complex_multiply_conj(to, by, to, n);
    if (c->kind == SCRY_FFT_FILTER_POWER)
        scry_scale(to, (double)f->first.n * (double)f->middle.n * (double)f->nx, 2 * n);
}

/* Columns of line x along z, STRIP of them at a time: forward, times H, backward. */
static void filter_columns(const struct call *c, size_t x)
{
    const scry_fft_filter *f = c->f;
    const struct axis *a = &f->first;
    const struct scratch s = scratch_of(c);
    const size_t apart = f->plane / sizeof *s.a, low = c->from.start[0], size = c->from.size[0];
    for (size_t y = 0; y < a->lines; y += STRIP) {
        const size_t width = a->lines - y < STRIP ? a->lines - y : STRIP;
        const fftwf_plan *plan = width == STRIP ? a->full : a->rest;
        float complex *X = plane_of(c, 0) + x * f->middle.pitch + y;
        const float complex *H = c->H + (x * a->lines + y) * a->n;
        scry_transpose(s.a + low, a->pitch, X + low * apart, apart, size, width);
        for (size_t j = 0; size < a->n && j < width; j++)
            clear_around(a, s.a + j * a->pitch, low, size);
        fftwf_execute_dft(plan[FORWARD], s.a, s.b);
        for (size_t j = 0; j < width; j++)
            filter_multiply(c, s.b + j * a->pitch, H + j * a->n, a->n);
        fftwf_execute_dft(plan[BACKWARD], s.b, s.a);
        scry_transpose(X + c->to.start[0] * apart, apart, s.a + c->to.start[0], a->pitch, width,
                       c->to.size[0]);
    }
}

/* Without z: STRIP lines along y from x on, forward, times H, backward. */
static void lines_of_plane(const struct call *c, size_t x)
{
    const struct axis *a = &c->f->middle;
    const struct scratch s = scratch_of(c);
    const size_t width = a->lines - x < STRIP ? a->lines - x : STRIP;
    const fftwf_plan *plan = width == STRIP ? a->full : a->rest;
    float complex *X = plane_of(c, 0) + x * a->pitch, *F = a->n > 1 ? s.a : X;
    for (size_t j = 0; j < width; j++)
        clear_around(a, X + j * a->pitch, c->from.start[1], c->from.size[1]);
    if (a->n > 1) fftwf_execute_dft(plan[FORWARD], X, F);
    for (size_t j = 0; j < width; j++)
        filter_multiply(c, F + j * a->pitch, c->H + (x + j) * a->n, a->n);
    if (a->n > 1) fftwf_execute_dft(plan[BACKWARD], F, X);
}

static void apply_volume(const struct call *c)
{
    SCRY_PARALLEL_FOR(c->threads, for (size_t p = 0; p < c->from.size[0]; p++) plane_in(c, p););
    SCRY_PARALLEL_FOR(c->threads, for (size_t x = 0; x < c->f->half; x++) filter_columns(c, x););
    SCRY_PARALLEL_FOR(c->threads, for (size_t p = 0; p < c->to.size[0]; p++) plane_out(c, p););
}

static void apply_plane(const struct call *c)
{
    float complex *X = plane_of(c, 0);
    SCRY_PARALLEL_FOR(
        c->threads, for (size_t y = 0; y < c->from.size[1]; y += STRIP) {
            const struct scratch s = scratch_of(c);
            strip_in(c, &s, X, c->from.start[1] + y, c->in + y * c->from.size[2],
                     strip_rows(&c->from, y));
        });
    SCRY_PARALLEL_FOR(c->threads,
                      for (size_t x = 0; x < c->f->half; x += STRIP) lines_of_plane(c, x););
    SCRY_PARALLEL_FOR(
        c->threads, for (size_t y = 0; y < c->to.size[1]; y += STRIP) {
            const struct scratch s = scratch_of(c);
            strip_out(c, &s, X, c->to.start[1] + y, c->out + y * c->to.size[2],
                      strip_rows(&c->to, y));
        });
}

/* A box of rank 1 to 3 as one of (z, y, x). */
static scry_fft_box as_box(const scry_fft_filter *f, const scry_fft_box *b)
{
    scry_fft_box out = {.size = {f->first.n, f->middle.n, f->nx}};
    for (int a = 0; b && a < f->rank; a++) {
        out.start[3 - f->rank + a] = b->start[a];
        out.size[3 - f->rank + a] = b->size[a];
    }
    return out;
}

size_t scry_fft_filter_bins(const scry_fft_filter *f)
{
    return f->first.n * f->middle.n * f->half;
}

size_t scry_fft_filter_work_bytes(const scry_fft_filter *f)
{
    return f->first.n * f->plane + (size_t)f->threads * f->scratch;
}

size_t scry_fft_filter_place(const scry_fft_filter *f, size_t bin)
{
    const size_t x = bin % f->half, y = bin / f->half % f->middle.n;
    return (x * f->middle.n + y) * f->first.n + bin / f->half / f->middle.n;
}

void scry_fft_filter_pack(const scry_fft_filter *f, float complex *H, const float complex *natural)
{
    const size_t nz = f->first.n, ny = f->middle.n;
    for (size_t y = 0; y < ny; y++)
        scry_transpose(H + y * nz, ny * nz, natural + y * f->half, ny * f->half, nz, f->half);
}

void scry_fft_filter_unpack(const scry_fft_filter *f, float complex *natural,
                            const float complex *H)
{
    const size_t nz = f->first.n, ny = f->middle.n;
    for (size_t y = 0; y < ny; y++)
        scry_transpose(natural + y * f->half, ny * f->half, H + y * nz, ny * nz, f->half, nz);
}

void scry_fft_filter_apply(const scry_fft_filter *f, float *out, const scry_fft_box *to,
                           const float *in, const scry_fft_box *from, const float complex *H,
                           scry_fft_filter_kind kind, void *work)
{
    const int now = omp_get_max_threads();
    const struct call c = {.f = f,
                           .in = in,
                           .out = out,
                           .from = as_box(f, from),
                           .to = as_box(f, to),
                           .H = H,
                           .kind = kind,
                           .X = work,
                           .scratch = (char *)work + f->first.n * f->plane,
                           .threads = f->threads < now ? f->threads : now};
    if (f->first.n > 1)
        apply_volume(&c);
    else
        apply_plane(&c);
}

static bool plan_axis(struct axis *a, float complex *s0, float complex *s1, unsigned flags)
{
    const int n = (int)a->n, apart = (int)a->pitch;
    for (int part = 0; part < 2 && n > 1; part++) {
        const int count = part ? (int)(a->lines % STRIP) : STRIP;
        fftwf_plan *p = part ? a->rest : a->full;
        if (!count) continue;
        for (int dir = 0; dir < 2; dir++) {
            p[dir] = fftwf_plan_many_dft(1, &n, count, s0, NULL, 1, apart, s1, NULL, 1, apart,
                                         dir ? FFTW_BACKWARD : FFTW_FORWARD, flags);
            if (!p[dir]) return false;
        }
    }
    return true;
}

static bool plan_row(scry_fft_filter *f, float complex *s0, float complex *s1, unsigned flags)
{
    const int n = (int)f->nx, h = n / 2, apart = (int)f->pitch;
    if (f->turns) {
        f->row[FORWARD] = fftwf_plan_many_dft(1, &h, STRIP, s0, NULL, 1, h, s1, NULL, 1, apart,
                                              FFTW_FORWARD, flags);
        f->row[BACKWARD] = fftwf_plan_many_dft(1, &h, STRIP, s1, NULL, 1, apart, s0, NULL, 1, h,
                                               FFTW_BACKWARD, flags);
    } else {
        f->row[FORWARD] = fftwf_plan_many_dft_r2c(1, &n, STRIP, (float *)s0, NULL, 1, n, s1, NULL,
                                                  1, apart, flags);
        f->row[BACKWARD] = fftwf_plan_many_dft_c2r(1, &n, STRIP, s1, NULL, 1, apart, (float *)s0,
                                                   NULL, 1, n, flags | FFTW_DESTROY_INPUT);
    }
    return f->row[FORWARD] && f->row[BACKWARD];
}

static scry_status filter_plan(scry_fft_filter *f, scry_error *err)
{
    bool ok = true;
    if (f->nx % 2 == 0) {
        ok = (f->turns = scry_alloc(f->half, 2 * sizeof *f->turns)) != NULL;
        for (size_t k = 0; ok && k < f->half; k++) {
            const double angle = 2 * SCRY_PI * (double)k / (double)f->nx;
            f->turns[2 * k] = (float)cos(angle);
            f->turns[2 * k + 1] = (float)-sin(angle);
        }
    }
    char *s0 = scry_alloc(1, f->scratch);
    if (ok && s0) {
        float complex *a = (void *)(s0 + f->plane), *b = (void *)(s0 + f->plane + f->strip);
        const unsigned flags = scryi_fft_planner_begin();
        ok = plan_row(f, a, b, flags) && plan_axis(&f->first, a, b, flags) &&
             plan_axis(&f->middle, a, b, flags);
        scryi_fft_planner_end(true);
    }
    ok = ok && s0;
    scry_free(s0);
    return ok ? SCRY_OK
              : SCRY_FAIL(err, SCRY_ENOMEM, "FFT filter of %zu bins", scry_fft_filter_bins(f));
}

static size_t filter_largest(size_t a, size_t b, size_t c)
{
    const size_t ab = a > b ? a : b;
    return ab > c ? ab : c;
}

scry_status scry_fft_filter_create(scry_fft_filter **out, int rank, const size_t *dims,
                                   scry_error *err)
{
    *out = NULL;
    scry_status st = scryi_fft_check(rank, dims, err);
    if (st != SCRY_OK) return st;
    scry_fft_filter *f = scry_alloc(1, sizeof *f);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "FFT filter");
    const size_t nz = rank > 2 ? dims[0] : 1, ny = rank > 1 ? dims[rank - 2] : 1;
    f->rank = rank;
    f->nx = dims[rank - 1];
    f->half = f->nx / 2 + 1;
    f->pitch = scryi_fft_pitch(f->half);
    f->first = (struct axis){.n = nz, .pitch = scryi_fft_pitch(nz), .lines = ny};
    f->middle = (struct axis){.n = ny, .pitch = scryi_fft_pitch(ny), .lines = f->half};
    f->strip = scry_align_up(STRIP * filter_largest(f->first.pitch, f->middle.pitch, f->pitch) *
                             sizeof(float complex));
    /* rows that a strip has beyond those of a plane are read, and not used */
    f->plane = scry_align_up((f->half * f->middle.pitch + STRIP) * sizeof(float complex));
    f->scratch = f->plane + 2 * f->strip;
    f->threads = nz * ny * f->nx >= SCRYI_FFT_PARALLEL_FROM ? omp_get_max_threads() : 1;
    st = filter_plan(f, err);
    if (st == SCRY_OK)
        *out = f;
    else
        scry_fft_filter_free(f);
    return st;
}

static void free_pair(fftwf_plan *p)
{
    fftwf_destroy_plan(p[FORWARD]); /* NULL is fine: FFTW checks */
    fftwf_destroy_plan(p[BACKWARD]);
}

void scry_fft_filter_free(scry_fft_filter *f)
{
    if (!f) return;
    scryi_fft_planner_begin();
    free_pair(f->row);
    free_pair(f->first.full);
    free_pair(f->first.rest);
    free_pair(f->middle.full);
    free_pair(f->middle.rest);
    scryi_fft_planner_end(false);
    scry_free(f->turns);
    scry_free(f);
}
