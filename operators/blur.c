#include "operators/blur.h"

#include "lib/fft.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"
#include "operators/op_impl.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Symbols: h the psf, F the unscaled DFT of one domain of n entries, H = F h / n: the 1/n of the
 * pair of transforms is paid once, here. */

struct blur {
    scry_op base;
    scry_fft *fft; /* periodic: for the SVD; open: NULL */
    scry_fft_filter *filter;
    scry_window w; /* of one image of the batch, blurred axes only */
    scry_fft_box image;
    size_t batch, n, bins;
    float complex *H; /* in the filter's order */
    float *values;    /* periodic: |F h| for each coefficient of the batch; open: NULL */
};

static size_t blur_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The filter's, then one image of measurements for the normal of an open blur; or, for the SVD,
 * half a spectrum, one image and the transform's. */
static size_t blur_work_bytes(const struct blur *B)
{
    const size_t filter = scry_align_up(scry_fft_filter_work_bytes(B->filter));
    if (!B->fft) return filter + scry_align_up(scry_space_count(&B->w.inner) * sizeof(float));
    return blur_larger(filter, scry_align_up(B->bins * sizeof *B->H) +
                                   scry_align_up(B->n * sizeof(float)) +
                                   scry_fft_work_bytes(B->fft));
}

static scry_status blur_forward(const scry_op *A, float *y, const float *x, void *work,
                                scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const size_t m = scry_space_count(&B->w.inner);
    for (size_t b = 0; b < B->batch; b++)
        scry_fft_filter_apply(B->filter, y + b * m, &B->image, x + b * B->n, NULL, B->H,
                              SCRY_FFT_FILTER, work);
    return SCRY_OK;
}

static scry_status blur_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const size_t m = scry_space_count(&B->w.inner);
    for (size_t b = 0; b < B->batch; b++)
        scry_fft_filter_apply(B->filter, x + b * B->n, NULL, y + b * m, &B->image, B->H,
                              SCRY_FFT_FILTER_CONJUGATE, work);
    return SCRY_OK;
}

static scry_status periodic_normal(const scry_op *A, float *out, const float *x, void *work,
                                   scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    for (size_t b = 0; b < B->batch; b++)
        scry_fft_filter_apply(B->filter, out + b * B->n, NULL, x + b * B->n, NULL, B->H,
                              SCRY_FFT_FILTER_POWER, work);
    return SCRY_OK;
}

static scry_status open_normal(const scry_op *A, float *out, const float *x, void *work,
                               scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    float *y = (void *)((char *)work + scry_align_up(scry_fft_filter_work_bytes(B->filter)));
    for (size_t b = 0; b < B->batch; b++) {
        scry_fft_filter_apply(B->filter, y, &B->image, x + b * B->n, NULL, B->H, SCRY_FFT_FILTER,
                              work);
        scry_fft_filter_apply(B->filter, out + b * B->n, NULL, y, &B->image, B->H,
                              SCRY_FFT_FILTER_CONJUGATE, work);
    }
    return SCRY_OK;
}

/* ---- the SVD of periodic blurs ---- */

/* Parts of the caller's work block. */
struct blur_scratch {
    float *X; /* pairs, bins of them */
    float *x; /* one image */
    void *fft;
};

static struct blur_scratch blur_scratch_of(const struct blur *B, void *work)
{
    char *at = work;
    struct blur_scratch p = {.X = work};
    at += scry_align_up(2 * B->bins * sizeof(float));
    p.x = (void *)at;
    p.fft = at + scry_align_up(B->n * sizeof(float));
    return p;
}

/* Images of a batch follow each other without gaps, so that only the first is sure to be aligned as
 * transforms want; the others, and callers' arrays that are not, go through p->x. */
static bool is_aligned(const float *x)
{
    return (uintptr_t)x % SCRY_ALIGN == 0;
}

static void blur_transform(const struct blur *B, const struct blur_scratch *p, const float *x)
{
    if (!is_aligned(x)) x = memcpy(p->x, x, B->n * sizeof *x);
    scry_fft_forward_real(B->fft, (float complex *)(void *)p->X, x, p->fft);
}

static void blur_invert(const struct blur *B, const struct blur_scratch *p, float *x)
{
    float *to = is_aligned(x) ? x : p->x;
    scry_fft_backward_real(B->fft, to, (float complex *)(void *)p->X, p->fft);
    if (to != x) memcpy(x, to, B->n * sizeof *x);
}

/* The row (all axes but the last) of frequency -k when k is in `row`. */
static size_t negated_row(const scry_space *s, size_t row)
{
    size_t out = 0, stride = 1;
    for (int a = s->rank - 2; a >= 0; a--) {
        const size_t k = row % s->dims[a];
        out += (k ? s->dims[a] - k : 0) * stride;
        row /= s->dims[a];
        stride *= s->dims[a];
    }
    return out;
}

/* c[k] = scale (Re X[k] - Im X[k]) for all k, from the half that X holds: X[-k] = conj X[k].
 * Hartley 1942; Bracewell 1983, JOSA 73:1832. A pair (k, -k) of real coefficients spans the same
 * space as the complex X[k] does, in the shape of the image and without special cases for its
 * self-conjugate bins. */
static void hartley_from_half(const scry_space *s, float *c, const float *X, float scale)
{
    const size_t n = s->dims[s->rank - 1], half = n / 2 + 1, rows = scry_space_count(s) / n;
    for (size_t r = 0; r < rows; r++) {
        const float *in = X + 2 * r * half;
        float *low = c + r * n, *high = c + negated_row(s, r) * n;
        for (size_t k = 0; k < half; k++)
            low[k] = scale * (in[2 * k] - in[2 * k + 1]);
        for (size_t k = 1; 2 * k < n; k++)
            high[n - k] = scale * (in[2 * k] + in[2 * k + 1]);
    }
}

static void half_from_hartley(const scry_space *s, float *X, const float *c, float scale)
{
    const size_t n = s->dims[s->rank - 1], half = n / 2 + 1, rows = scry_space_count(s) / n;
    for (size_t r = 0; r < rows; r++) {
        const float *low = c + r * n, *high = c + negated_row(s, r) * n;
        float *out = X + 2 * r * half;
        for (size_t k = 0; k < half; k++) {
            const float a = low[k], b = high[k ? n - k : 0];
            out[2 * k] = scale * .5f * (a + b);
            out[2 * k + 1] = scale * .5f * (b - a);
        }
    }
}

static scry_status blur_svd_v(const scry_op *A, float *x, const float *c, void *work,
                              scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const struct blur_scratch p = blur_scratch_of(B, work);
    const float scale = (float)(1 / sqrt((double)B->n));
    for (size_t b = 0; b < B->batch; b++) {
        half_from_hartley(&B->w.outer, p.X, c + b * B->n, scale);
        blur_invert(B, &p, x + b * B->n);
    }
    return SCRY_OK;
}

static scry_status blur_svd_vh(const scry_op *A, float *c, const float *x, void *work,
                               scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const struct blur_scratch p = blur_scratch_of(B, work);
    const float scale = (float)(1 / sqrt((double)B->n));
    for (size_t b = 0; b < B->batch; b++) {
        blur_transform(B, &p, x + b * B->n);
        hartley_from_half(&B->w.outer, c + b * B->n, p.X, scale);
    }
    return SCRY_OK;
}

/* U = A V / S: the phase of H, then V. Where H = 0 any phase will do; 1 keeps U an isometry. */
static scry_status blur_svd_uh(const scry_op *A, float *c, const float *y, void *work,
                               scry_error *err)
{
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const struct blur_scratch p = blur_scratch_of(B, work);
    const float scale = (float)(1 / sqrt((double)B->n));
    for (size_t b = 0; b < B->batch; b++) {
        blur_transform(B, &p, y + b * B->n);
        for (size_t i = 0; i < B->bins; i++) {
            const float complex H = B->H[scry_fft_filter_place(B->filter, i)];
            const float hr = crealf(H), hi = cimagf(H), size = hypotf(hr, hi);
            const float re = p.X[2 * i], im = p.X[2 * i + 1];
            if (size == 0) continue;
            p.X[2 * i] = (re * hr + im * hi) / size;
            p.X[2 * i + 1] = (im * hr - re * hi) / size;
        }
        hartley_from_half(&B->w.outer, c + b * B->n, p.X, scale);
    }
    return SCRY_OK;
}

static void blur_describe(const scry_op *A, scry_svd *out)
{
    const struct blur *B = (const struct blur *)A;
    *out = (scry_svd){.count = B->batch * B->n, .floats_per = 1, .values = B->values};
}

static int sampled_rank(const scry_op *A)
{
    return ((const struct blur *)A)->w.outer.rank;
}

static void sampled_transfer(const scry_op *A, float *pairs)
{
    const struct blur *B = (const struct blur *)A;
    scry_fft_filter_unpack(B->filter, (float complex *)(void *)pairs, B->H);
    scry_scale(pairs, (double)B->n, 2 * B->bins);
}

static scry_status blur_sample(const scry_op *A, float *y, const float *x, void *work,
                               scry_error *err)
{
    (void)work;
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const size_t m = scry_space_count(&B->w.inner);
    for (size_t b = 0; b < B->batch; b++)
        scry_window_crop(&B->w, y + b * m, x + b * B->n);
    return SCRY_OK;
}

static scry_status blur_scatter(const scry_op *A, float *x, const float *y, void *work,
                                scry_error *err)
{
    (void)work;
    (void)err;
    const struct blur *B = (const struct blur *)A;
    const size_t m = scry_space_count(&B->w.inner);
    for (size_t b = 0; b < B->batch; b++)
        scry_window_pad(&B->w, x + b * B->n, y + b * m);
    return SCRY_OK;
}

static void blur_destroy(scry_op *A)
{
    struct blur *B = (struct blur *)A;
    if (!B) return;
    scry_fft_free(B->fft);
    scry_fft_filter_free(B->filter);
    scry_free(B->H);
    scry_free(B->values);
    scry_free(B);
}

static const struct scry_sampled_ops blur_sampled = {.rank = sampled_rank,
                                                     .transfer = sampled_transfer,
                                                     .sample = blur_sample,
                                                     .scatter = blur_scatter};
static const struct scry_svd_ops periodic_svd = {
    .v = blur_svd_v, .vh = blur_svd_vh, .uh = blur_svd_uh, .describe = blur_describe};
static const struct scry_op_ops periodic_ops = {
    .name = "periodic blur",
    .forward = blur_forward,
    .adjoint = blur_adjoint,
    .normal = periodic_normal,
    .svd = &periodic_svd,
    .sampled = &blur_sampled,
    .destroy = blur_destroy,
};
static const struct scry_op_ops open_ops = {
    .name = "open blur",
    .forward = blur_forward,
    .adjoint = blur_adjoint,
    .normal = open_normal,
    .sampled = &blur_sampled,
    .destroy = blur_destroy,
};

static scry_status blur_check_spaces(const scry_space *image, const scry_space *psf,
                                     scry_boundary boundary, scry_error *err)
{
    scry_status st;
    if ((st = scry_space_check(image, err)) != SCRY_OK) return st;
    if ((st = scry_space_check(psf, err)) != SCRY_OK) return st;
    if (image->cplx || psf->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "a complex %s, expected a real one",
                         image->cplx ? "image" : "psf");
    if (psf->rank > 3 || psf->rank > image->rank)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "psf of %d axes for an image of %d, expected at most 3 and no more than "
                         "the image",
                         psf->rank, image->rank);
    const int first = image->rank - psf->rank;
    for (int a = 0; a < psf->rank; a++) {
        const size_t n = image->dims[first + a];
        const size_t longest = boundary == SCRY_PERIODIC ? n : 2 * n - 1;
        if (psf->dims[a] > longest)
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "axis %d: a psf of %zu for an image of %zu, expected at most %zu",
                             first + a, psf->dims[a], n, longest);
    }
    return SCRY_OK;
}

static scry_status check_multiple(size_t multiple, scry_error *err)
{
    size_t rest = multiple;
    const size_t primes[] = {2, 3, 5, 7};
    for (int i = 0; i < 4 && rest; i++)
        while (rest % primes[i] == 0)
            rest /= primes[i];
    if (rest == 1) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "multiple %zu, expected a product of 2, 3, 5 and 7",
                     multiple);
}

scry_status scry_blur_domain(scry_window *out, const scry_space *image, const scry_space *psf,
                             scry_boundary boundary, size_t multiple, scry_error *err)
{
    if (SCRY_MISSING(err, out, image, psf)) return SCRY_EINVAL;
    scry_status st;
    if ((st = blur_check_spaces(image, psf, boundary, err)) != SCRY_OK) return st;
    if ((st = check_multiple(multiple, err)) != SCRY_OK) return st;
    *out = (scry_window){.outer = *image, .inner = *image};
    const int first = image->rank - psf->rank;
    for (int a = first; boundary != SCRY_PERIODIC && a < image->rank; a++) {
        const size_t k = psf->dims[a - first], round = a >= image->rank - 2 ? multiple : 1;
        /* y[0] needs x down to c - (k - 1), the last pixel up to c more; see the sum in blur.h */
        const size_t below = k - 1 - k / 2, above = k / 2;
        const size_t margin = boundary == SCRY_OPEN ? below + above : above;
        const size_t min = image->dims[a] + margin;
        /* padding of a volume costs less than slow transforms; of planes that a network sees, more
         */
        const size_t size = psf->rank == 3 && multiple == 1
                                ? scry_fft_quick_size(min, a == image->rank - 1)
                                : scry_fft_good_size(min, round);
        out->outer.dims[a] = size;
        out->offset[a] =
            boundary == SCRY_OPEN ? below + (size - min) / 2 : (size - image->dims[a]) / 2;
    }
    return scry_window_check(out, err);
}

/* H = F h / n, h wrapped around so that its centre is entry 0; with the plan `fft`. */
static scry_status fill_transfer(struct blur *B, const scry_fft *fft, const float *psf,
                                 const scry_space *ps, scry_error *err)
{
    const scry_space *s = &B->w.outer;
    const size_t count = scry_space_count(ps);
    scry_status st = SCRY_OK;
    size_t nonzero = 0;
    B->H = scry_alloc(B->bins, sizeof *B->H);
    float complex *H = scry_alloc(B->bins, sizeof *H);
    float *h = scry_alloc(B->n, sizeof *h);
    void *work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!B->H || !H || !h || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "transfer function of %zu bins", B->bins);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        size_t rest = i, at = 0, stride = 1;
        for (int a = ps->rank - 1; a >= 0; a--) {
            const size_t k = rest % ps->dims[a], c = ps->dims[a] / 2;
            at += (k >= c ? k - c : s->dims[a] + k - c) * stride;
            rest /= ps->dims[a];
            stride *= s->dims[a];
        }
        if (!isfinite(psf[i])) {
            st = SCRY_FAIL(err, SCRY_EINVAL, "psf entry %zu is %g, expected a finite number", i,
                           (double)psf[i]);
            goto done;
        }
        nonzero += psf[i] != 0;
        h[at] = (float)(psf[i] / (double)B->n);
    }
    if (!nonzero) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "all %zu entries of the psf are 0", count);
        goto done;
    }
    scry_fft_forward_real(fft, H, h, work);
    scry_fft_filter_pack(B->filter, B->H, H);
done:
    scry_free(H);
    scry_free(h);
    scry_free(work);
    return st;
}

/* |F h| in the order of the Hartley coefficients, once for each image of the batch. */
static scry_status fill_values(struct blur *B, scry_error *err)
{
    const scry_space *s = &B->w.outer;
    const size_t n = s->dims[s->rank - 1], half = n / 2 + 1, rows = B->n / n;
    B->values = scry_alloc(B->batch, B->n * sizeof *B->values);
    if (!B->values) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu singular values", B->batch * B->n);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < half; k++) {
            const float complex H = B->H[scry_fft_filter_place(B->filter, r * half + k)];
            const float size = (float)((double)B->n * hypot((double)crealf(H), (double)cimagf(H)));
            B->values[r * n + k] = size;
            B->values[negated_row(s, r) * n + (k ? n - k : 0)] = size;
        }
    for (size_t b = 1; b < B->batch; b++)
        memcpy(B->values + b * B->n, B->values, B->n * sizeof *B->values);
    return SCRY_OK;
}

/* The blurred axes of a window, which is one image of the batch. */
static scry_window last_axes(const scry_window *w, int rank)
{
    scry_window out = {.outer.rank = rank, .inner.rank = rank};
    for (int a = 0; a < rank; a++) {
        const int from = w->outer.rank - rank + a;
        out.outer.dims[a] = w->outer.dims[from];
        out.inner.dims[a] = w->inner.dims[from];
        out.offset[a] = w->offset[from];
    }
    return out;
}

scry_status scry_blur_create(scry_op **out, const scry_space *image, const scry_blur_params *params,
                             scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, image, params)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, params->psf)) return SCRY_EINVAL;
    const bool open = params->boundary != SCRY_PERIODIC;
    const size_t multiple = open && params->multiple ? params->multiple : 1;
    const scry_space *psf_space = &params->psf_space;
    scry_window w;
    scry_fft *fft = NULL;
    struct blur *B = NULL;
    scry_status st = scry_blur_domain(&w, image, psf_space, params->boundary, multiple, err);
    if (st != SCRY_OK) goto done;
    if (!(B = scry_alloc(1, sizeof *B))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "blur operator");
        goto done;
    }
    B->base = (scry_op){.ops = open ? &open_ops : &periodic_ops, .dom = w.outer, .cod = w.inner};
    B->w = last_axes(&w, psf_space->rank);
    memcpy(B->image.start, B->w.offset, sizeof B->image.start);
    memcpy(B->image.size, B->w.inner.dims, sizeof B->image.size);
    if ((st = scry_fft_create_real(&fft, B->w.outer.rank, B->w.outer.dims, err)) != SCRY_OK)
        goto done;
    st = scry_fft_filter_create(&B->filter, B->w.outer.rank, B->w.outer.dims, err);
    if (st != SCRY_OK) goto done;
    B->n = scry_fft_count(fft);
    B->bins = scry_fft_bins(fft);
    B->batch = scry_space_count(&w.outer) / B->n;
    if ((st = fill_transfer(B, fft, params->psf, psf_space, err)) != SCRY_OK) goto done;
    if (!open) {
        if ((st = fill_values(B, err)) != SCRY_OK) goto done;
        B->fft = fft; /* for the SVD */
        fft = NULL;
    }
    B->base.work_bytes = blur_work_bytes(B);
    *out = &B->base;
    B = NULL; /* ownership moved to the caller */
done:
    scry_fft_free(fft);
    blur_destroy((scry_op *)B);
    return st;
}
