#include "operators/fourier_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { LINES = SCRYI_LINES };

/* Samples of all coils from which threads pay: a team costs some tens of microseconds. */
enum { PARALLEL_FROM = 1 << 18 };

static scry_status fourier_forward(const scry_op *A, float *y, const float *x, void *work,
                                   scry_error *err)
{
    (void)err;
    const scryi_fourier *F = (const scryi_fourier *)A;
    scryi_fourier_forward(F, &F->samples, (float complex *)y, (const float complex *)x, work);
    return SCRY_OK;
}

static scry_status fourier_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                   scry_error *err)
{
    (void)err;
    const scryi_fourier *F = (const scryi_fourier *)A;
    scryi_fourier_adjoint(F, &F->samples, (float complex *)x, (const float complex *)y, work);
    return SCRY_OK;
}

static scry_status fourier_normal(const scry_op *A, float *out, const float *x, void *work,
                                  scry_error *err)
{
    (void)err;
    scryi_fourier_normal((const scryi_fourier *)A, (float complex *)out, (const float complex *)x,
                         work);
    return SCRY_OK;
}

/* The SVD of one channel without a map: V^H = F, coefficients all of k-space as (y, x). */
static scry_status fourier_svd_vh(const scry_op *A, float *c, const float *x, void *work,
                                  scry_error *err)
{
    (void)err;
    const scryi_fourier *F = (const scryi_fourier *)A;
    scryi_fourier_forward(F, &F->grid, (float complex *)c, (const float complex *)x, work);
    return SCRY_OK;
}

static scry_status fourier_svd_v(const scry_op *A, float *x, const float *c, void *work,
                                 scry_error *err)
{
    (void)err;
    const scryi_fourier *F = (const scryi_fourier *)A;
    scryi_fourier_adjoint(F, &F->grid, (float complex *)x, (const float complex *)c, work);
    return SCRY_OK;
}

static scry_status fourier_svd_uh(const scry_op *A, float *c, const float *y, void *work,
                                  scry_error *err)
{
    (void)work;
    return scry_fourier_scatter(A, (float complex *)c, (const float complex *)y, err);
}

static void svd_describe(const scry_op *A, scry_svd *out)
{
    const scryi_fourier *F = (const scryi_fourier *)A;
    *out = (scry_svd){.count = F->grid.count, .floats_per = 2, .values = F->values};
}

static void fourier_destroy(scry_op *A)
{
    scryi_fourier *F = (scryi_fourier *)A;
    if (!F) return;
    scry_fft_many_free(F->fft_a);
    scry_fft_many_free(F->fft_b);
    scry_free(F->line);
    scry_free(F->weight);
    scry_free(F->maps);
    scry_free(F->samples.at);
    scry_free(F->samples.phase);
    scry_free(F->grid.at);
    scry_free(F->grid.phase);
    scry_free(F->pixel);
    scry_free(F->values);
    scry_free(F);
}

static const struct scry_svd_ops fourier_svd = {
    .v = fourier_svd_v, .vh = fourier_svd_vh, .uh = fourier_svd_uh, .describe = svd_describe};
static const struct scry_op_ops fourier_ops = {
    .name = "fourier",
    .forward = fourier_forward,
    .adjoint = fourier_adjoint,
    .normal = fourier_normal,
    .svd = &fourier_svd,
    .destroy = fourier_destroy,
};
static const struct scry_op_ops sense_ops = {
    .name = "sense",
    .forward = fourier_forward,
    .adjoint = fourier_adjoint,
    .normal = fourier_normal,
    .destroy = fourier_destroy,
};

/* Between the centred index k of k-space and the index f = k - c of the plain transform; an axis
 * that is not transformed has its own index on both sides. */
static size_t fourier_plain(size_t k, size_t n, bool transformed)
{
    return transformed ? (k + n - n / 2) % n : k;
}

static size_t fourier_centred(size_t f, size_t n, bool transformed)
{
    return transformed ? (f + n / 2) % n : f;
}

/* The mask at (a, b), centred indices. */
static bool fourier_known(const scryi_fourier *F, const unsigned char *mask, size_t a, size_t b)
{
    return mask[F->a_is_x ? b * F->nx + a : a * F->nx + b];
}

/* Properties of the mask that decide on transforms: does it change along y, along x; how many rows
 * and columns hold samples. */
struct shape {
    bool vary_y, vary_x;
    size_t samples, rows, columns;
};

static struct shape fourier_shape_of(const unsigned char *mask, size_t ny, size_t nx)
{
    struct shape s = {0};
    for (size_t y = 0; y < ny; y++) {
        bool any = false;
        for (size_t x = 0; x < nx; x++) {
            const bool m = mask[y * nx + x];
            any |= m;
            s.samples += m;
            s.vary_y |= m != (mask[x] != 0);
            s.vary_x |= m != (mask[y * nx] != 0);
        }
        s.rows += any;
    }
    for (size_t x = 0; x < nx; x++) {
        size_t y = 0;
        while (y < ny && !mask[y * nx + x])
            y++;
        s.columns += y < ny;
    }
    return s;
}

/* The axis whose transform comes first: the only one; the only one that the normal needs; or that
 * after which fewer lines are left for the other. */
static bool x_first(const struct shape *s, size_t ny, size_t nx, unsigned axes)
{
    if (axes != SCRY_FOURIER_YX) return axes == SCRY_FOURIER_X;
    if (s->vary_y != s->vary_x) return s->vary_x;
    const double ly = log2((double)ny), lx = log2((double)nx), n = (double)ny * (double)nx;
    return n * lx + (double)s->columns * (double)ny * ly <
           n * ly + (double)s->rows * (double)nx * lx;
}

/* The panel is written a cache line of each of its lines at a time: they are an odd number of cache
 * lines apart, or all would fall into the same cache sets. */
static void fourier_arrange(scryi_fourier *F, const struct shape *s, size_t ny, size_t nx,
                            unsigned axes)
{
    F->ny = ny;
    F->nx = nx;
    F->axes = axes;
    F->a_is_x = x_first(s, ny, nx, axes);
    F->na = F->a_is_x ? nx : ny;
    F->nb = F->a_is_x ? ny : nx;
    F->blocks = (F->nb + LINES - 1) / LINES;
    F->pitch = (F->nb + 7) / 8 * 8;
    F->pitch += F->pitch % 16 ? 0 : 8;
    F->normal_a = F->a_is_x ? s->vary_x : s->vary_y;
    F->normal_b = axes == SCRY_FOURIER_YX && (F->a_is_x ? s->vary_y : s->vary_x);
    F->samples.count = s->samples;
}

static bool has_b(const scryi_fourier *F)
{
    return F->axes == SCRY_FOURIER_YX;
}

/* The frequencies of a that hold samples, ascending; all of them for the SVD. */
static scry_status fourier_find_lines(scryi_fourier *F, const unsigned char *mask, scry_error *err)
{
    F->line = scry_alloc(F->na, sizeof *F->line);
    if (!F->line) return SCRY_FAIL(err, SCRY_ENOMEM, "index of %zu lines", F->na);
    for (size_t f = 0; f < F->na; f++) {
        const size_t k = fourier_centred(f, F->na, true);
        size_t b = 0;
        while (b < F->nb && !fourier_known(F, mask, k, b))
            b++;
        if (b < F->nb || !F->maps) F->line[F->lines++] = (uint32_t)f;
    }
    return SCRY_OK;
}

/* M in the order of the blocks or of the panel, with the scale of a forward and a backward
 * transform. One line where all are alike. */
static scry_status make_weight(scryi_fourier *F, const unsigned char *mask, scry_error *err)
{
    const size_t n = F->normal_b ? F->nb : F->na;
    bool alike = !F->normal_b;
    for (size_t b = 1; b < F->nb && alike; b++)
        for (size_t a = 0; a < F->na && alike; a++)
            alike = !fourier_known(F, mask, a, b) == !fourier_known(F, mask, a, 0);
    const size_t count = F->normal_b ? F->lines : alike ? 1 : F->nb;
    F->weight_step = alike ? 0 : 2 * n;
    F->weight = scry_alloc((count + LINES - 1) / LINES * LINES, 2 * n * sizeof *F->weight);
    if (!F->weight) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu x %zu", F->ny, F->nx);
    const size_t entries = (F->normal_a ? F->na : 1) * (F->normal_b ? F->nb : 1);
    const float scale = (float)(1 / (double)entries);
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < n; t++) {
            const size_t a = fourier_centred(F->normal_b ? F->line[i] : t, F->na, true);
            const size_t b = F->normal_b ? fourier_centred(t, F->nb, true) : i;
            float *w = F->weight + 2 * (i * n + t);
            w[0] = w[1] = fourier_known(F, mask, a, b) ? scale : 0;
        }
    return SCRY_OK;
}

/* N^(-1/2) exp(2 pi i c f / n) for one axis; 1 where there is no transform. c f is reduced modulo n
 * before it becomes an angle. */
static double complex phase_of(size_t f, size_t n, bool transformed)
{
    if (!transformed) return 1;
    const double angle = 2 * SCRY_PI * (double)(n / 2 * f % n) / (double)n;
    return (cos(angle) + I * sin(angle)) / sqrt((double)n);
}

/* One entry for each nonzero byte of the mask, or for all of k-space with mask NULL. */
static scry_status fourier_make_samples(scryi_fourier *F, scryi_samples *table,
                                        const unsigned char *mask, scry_error *err)
{
    size_t s = 0;
    uint32_t *place = scry_alloc(F->na, sizeof *place); /* of a frequency of a in the panel */
    table->at = scry_alloc(table->count, sizeof *table->at);
    table->phase = scry_alloc(table->count, sizeof *table->phase);
    if (!place || !table->at || !table->phase) {
        scry_free(place);
        return SCRY_FAIL(err, SCRY_ENOMEM, "index of %zu samples", table->count);
    }
    for (size_t i = 0; i < F->lines; i++)
        place[F->line[i]] = (uint32_t)i;
    for (size_t i = 0; i < F->ny * F->nx; i++) {
        if (mask && !mask[i]) continue;
        const size_t y = i / F->nx, x = i % F->nx;
        const size_t fa = fourier_plain(F->a_is_x ? x : y, F->na, true);
        const size_t fb = fourier_plain(F->a_is_x ? y : x, F->nb, has_b(F));
        table->at[s] = (uint32_t)(place[fa] * F->pitch + fb);
        table->phase[s++] =
            (float complex)(phase_of(fa, F->na, true) * phase_of(fb, F->nb, has_b(F)));
    }
    scry_free(place);
    return SCRY_OK;
}

static scry_status copy_maps(scryi_fourier *F, const float complex *maps, scry_error *err)
{
    const size_t images = F->coils * F->sets, n = F->ny * F->nx;
    bool any = false;
    for (size_t i = 0; i < images * n; i++) {
        const float re = crealf(maps[i]), im = cimagf(maps[i]);
        if (!isfinite(re) || !isfinite(im))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "the map of coil %zu, set %zu is %g%+gi at (%zu, %zu), expected "
                             "finite numbers",
                             i / n / F->sets, i / n % F->sets, (double)re, (double)im,
                             i % n / F->nx, i % F->nx);
        any |= re != 0 || im != 0;
    }
    if (!any)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "the maps of %zu coils are zero everywhere, expected coils that see the "
                         "image",
                         F->coils);
    F->maps = scry_alloc(F->blocks * images, LINES * F->na * sizeof *F->maps);
    if (!F->maps) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils", F->coils);
    for (size_t image = 0; image < images; image++)
        for (size_t b = 0; b < F->nb; b++) {
            const float complex *from = maps + image * n;
            float complex *to =
                F->maps + ((b / LINES * images + image) * LINES + b % LINES) * F->na;
            if (F->a_is_x)
                memcpy(to, from + b * F->nx, F->nx * sizeof *to);
            else
                scry_transpose(to, F->ny, from + b, F->nx, F->ny, 1);
        }
    return SCRY_OK;
}

static scry_status make_plans(scryi_fourier *F, scry_error *err)
{
    scry_status st = scry_fft_many_create(&F->fft_a, F->na, LINES, F->na, err);
    if (st != SCRY_OK || !has_b(F)) return st;
    return scry_fft_many_create(&F->fft_b, F->nb, LINES, F->pitch, err);
}

/* Members that only the operators need, not the transform by itself. */
static scry_status make_index(scryi_fourier *F, const unsigned char *mask, scry_error *err)
{
    const size_t n = F->ny * F->nx;
    size_t s = 0;
    F->pixel = scry_alloc(F->samples.count, sizeof *F->pixel);
    if (!F->pixel) return SCRY_FAIL(err, SCRY_ENOMEM, "index of %zu samples", F->samples.count);
    for (size_t i = 0; i < n; i++)
        if (mask[i]) F->pixel[s++] = (uint32_t)i;
    if (F->maps) return SCRY_OK;
    F->values = scry_alloc(n, sizeof *F->values);
    if (!F->values) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu singular values", n);
    for (size_t i = 0; i < n; i++)
        F->values[i] = mask[i] ? 1 : 0;
    F->grid.count = n;
    return fourier_make_samples(F, &F->grid, NULL, err);
}

static scry_status fourier_check(size_t ny, size_t nx, unsigned axes, size_t samples,
                                 scry_error *err)
{
    if (!axes || axes & ~(unsigned)SCRY_FOURIER_YX)
        return SCRY_FAIL(err, SCRY_EINVAL, "axes %u, expected 1 (x), 2 (y) or 3 (both)", axes);
    if (!samples)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "the mask of %zu x %zu holds no sample, expected at least one nonzero "
                         "entry",
                         ny, nx);
    return SCRY_OK;
}

/* Indices are 32 bits, of an image padded to LINES on both axes. */
static scry_status fourier_check_size(size_t ny, size_t nx, scry_error *err)
{
    const size_t max = 1u << 25;
    if (ny && nx && ny <= max / nx) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ESHAPE, "an image of %zu x %zu, expected 1 to %zu pixels", ny, nx,
                     max);
}

/* p->maps NULL: one channel. */
static scry_status fourier_create(scry_op **out, const scry_sense_params *p, scry_error *err)
{
    const size_t coils = p->coils, sets = p->sets, ny = p->ny, nx = p->nx;
    const unsigned char *mask = p->mask;
    const struct shape s = fourier_shape_of(mask, ny, nx);
    scry_status st = fourier_check(ny, nx, p->axes, s.samples, err);
    if (st != SCRY_OK) return st;
    scryi_fourier *F = scry_alloc(1, sizeof *F);
    if (!F) return SCRY_FAIL(err, SCRY_ENOMEM, "Fourier operator");
    F->coils = coils;
    F->sets = sets;
    F->groups = coils < SCRYI_GROUPS ? coils : SCRYI_GROUPS;
    F->threads = coils >= PARALLEL_FROM / (ny * nx) ? omp_get_max_threads() : 1;
    fourier_arrange(F, &s, ny, nx, p->axes);
    F->base.ops = p->maps ? &sense_ops : &fourier_ops;
    F->base.dom = sets > 1 ? SCRY_SPACE(sets, ny, nx) : SCRY_SPACE(ny, nx);
    F->base.cod = p->maps ? SCRY_SPACE(coils, s.samples) : SCRY_SPACE(s.samples);
    F->base.dom.cplx = F->base.cod.cplx = true;
    if (p->maps && (st = copy_maps(F, p->maps, err)) != SCRY_OK) goto done;
    if ((st = fourier_find_lines(F, mask, err)) != SCRY_OK) goto done;
    if ((st = make_plans(F, err)) != SCRY_OK) goto done;
    if ((st = make_weight(F, mask, err)) != SCRY_OK) goto done;
    if ((st = fourier_make_samples(F, &F->samples, mask, err)) != SCRY_OK) goto done;
    if ((st = make_index(F, mask, err)) != SCRY_OK) goto done;
    scryi_fourier_size_work(F);
    *out = &F->base;
    F = NULL;
done:
    fourier_destroy((scry_op *)F);
    return st;
}

scry_status scry_fourier_create(scry_op **out, const scry_space *image, const unsigned char *mask,
                                unsigned axes, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, image, mask)) return SCRY_EINVAL;
    char text[96];
    scry_status st = scry_space_check(image, err);
    if (st != SCRY_OK) return st;
    if (image->rank != 2 || !image->cplx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "an image of %s, expected two complex axes (y, x)",
                         scry_space_print(image, text, sizeof text));
    if ((st = fourier_check_size(image->dims[0], image->dims[1], err)) != SCRY_OK) return st;
    return fourier_create(out,
                          &(scry_sense_params){.coils = 1,
                                               .sets = 1,
                                               .ny = image->dims[0],
                                               .nx = image->dims[1],
                                               .mask = mask,
                                               .axes = axes},
                          err);
}

scry_status scry_sense_create(scry_op **out, const scry_sense_params *params, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, params)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, params->maps, params->mask)) return SCRY_EINVAL;
    const size_t coils = params->coils, sets = params->sets, ny = params->ny, nx = params->nx;
    scry_status st = fourier_check_size(ny, nx, err);
    if (st != SCRY_OK) return st;
    if (!coils || !sets)
        return SCRY_FAIL(err, SCRY_ESHAPE, "maps of %zu coils and %zu sets, expected at least 1",
                         coils, sets);
    size_t images, all;
    if (!scry_mul(&images, coils, sets) ||
        !scry_mul(&all, images, 64 * ny * nx * sizeof *params->maps))
        return SCRY_FAIL(err, SCRY_ESHAPE, "maps of %zu coils, %zu sets, %zu x %zu are too large",
                         coils, sets, ny, nx);
    if (!params->maps)
        return SCRY_FAIL(err, SCRY_EINVAL, "sense: no maps, expected one for each of %zu coils",
                         coils);
    return fourier_create(out, params, err);
}

static const scryi_fourier *fourier_ours(const scry_op *A, scry_error *err)
{
    if (A->ops == &fourier_ops || A->ops == &sense_ops) return (const scryi_fourier *)A;
    SCRY_FAIL(err, SCRY_EINVAL, "samples of the operator %s, expected fourier or sense",
              A->ops->name);
    return NULL;
}

scry_status scry_fourier_gather(const scry_op *A, float complex *samples, const float complex *grid,
                                scry_error *err)
{
    if (SCRY_MISSING(err, A, samples, grid)) return SCRY_EINVAL;
    const scryi_fourier *F = fourier_ours(A, err);
    if (!F) return SCRY_EINVAL;
    for (size_t c = 0; c < F->coils; c++, grid += F->ny * F->nx)
        for (size_t s = 0; s < F->samples.count; s++)
            *samples++ = grid[F->pixel[s]];
    return SCRY_OK;
}

scry_status scry_fourier_scatter(const scry_op *A, float complex *grid,
                                 const float complex *samples, scry_error *err)
{
    if (SCRY_MISSING(err, A, grid, samples)) return SCRY_EINVAL;
    const scryi_fourier *F = fourier_ours(A, err);
    if (!F) return SCRY_EINVAL;
    memset(grid, 0, F->coils * F->ny * F->nx * sizeof *grid);
    for (size_t c = 0; c < F->coils; c++, grid += F->ny * F->nx)
        for (size_t s = 0; s < F->samples.count; s++)
            grid[F->pixel[s]] = *samples++;
    return SCRY_OK;
}

scry_status scry_fourier_transform(float complex *images, size_t count, size_t ny, size_t nx,
                                   unsigned axes, bool inverse, scry_error *err)
{
    if (SCRY_MISSING(err, images)) return SCRY_EINVAL;
    scry_op *A = NULL;
    scry_status st = fourier_check_size(ny, nx, err);
    if (st != SCRY_OK) return st;
    const size_t n = ny * nx;
    scry_space image = SCRY_SPACE(ny, nx);
    image.cplx = true;
    void *work = NULL;
    unsigned char *mask = scry_alloc(n, 1);
    if (!mask) return SCRY_FAIL(err, SCRY_ENOMEM, "transform of %zu x %zu", ny, nx);
    memset(mask, 1, n);
    if ((st = scry_fourier_create(&A, &image, mask, axes, err)) != SCRY_OK) goto done;
    work = scry_alloc(1, A->work_bytes);
    if (!work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "transform of %zu x %zu", ny, nx);
        goto done;
    }
    const scryi_fourier *F = (const scryi_fourier *)A;
    for (size_t i = 0; i < count; i++, images += n) {
        if (inverse)
            scryi_fourier_adjoint(F, &F->samples, images, images, work);
        else
            scryi_fourier_forward(F, &F->samples, images, images, work);
    }
done:
    scry_free(work);
    scry_free(mask);
    fourier_destroy((scry_op *)A);
    return st;
}
