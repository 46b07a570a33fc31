#include "lib/stats/metrics.h"

#include "lib/fft.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool metrics_counts(const float *mask, size_t i)
{
    return !mask || mask[i] != 0;
}

/* Checks the values that count and settles the range. */
static scry_status metrics_check(double *range, size_t *count, const float *est, const float *ref,
                                 const float *mask, size_t n, scry_error *err)
{
    double low = INFINITY, high = -INFINITY;
    *count = 0;
    if (!n) return SCRY_FAIL(err, SCRY_ESHAPE, "nothing to compare");
    if (!(*range >= 0) || !isfinite(*range))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "range %g, expected a positive number, or 0 for max - "
                         "min of the reference",
                         *range);
    for (size_t i = 0; i < n; i++) {
        if (!metrics_counts(mask, i)) continue;
        if (!isfinite(est[i]) || !isfinite(ref[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "entry %zu: estimate %g, reference %g", i,
                             (double)est[i], (double)ref[i]);
        low = fmin(low, ref[i]);
        high = fmax(high, ref[i]);
        ++*count;
    }
    if (!*count) return SCRY_FAIL(err, SCRY_EINVAL, "the mask selects none of %zu entries", n);
    if (*range == 0) *range = high - low;
    if (*range <= 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "the reference is %g everywhere: give a range", low);
    return SCRY_OK;
}

scry_status scry_fidelity_measure(scry_fidelity *out, const float *est, const float *ref,
                                  const float *mask, size_t n, double range, scry_error *err)
{
    if (SCRY_MISSING(err, out, est, ref)) return SCRY_EINVAL;
    *out = (scry_fidelity){.range = range};
    scry_status st = metrics_check(&out->range, &out->count, est, ref, mask, n, err);
    if (st != SCRY_OK) return st;
    const double N = (double)out->count;
    double se = 0, sr = 0, d1 = 0, d2 = 0, rr = 0;
    for (size_t i = 0; i < n; i++) {
        if (!metrics_counts(mask, i)) continue;
        const double d = (double)est[i] - ref[i];
        se += est[i];
        sr += ref[i];
        d1 += fabs(d);
        d2 += d * d;
        rr += (double)ref[i] * ref[i];
    }
    const double me = se / N, mr = sr / N;
    double vee = 0, ver = 0, vrr = 0; /* about the means: a second pass, against cancellation */
    for (size_t i = 0; i < n; i++) {
        if (!metrics_counts(mask, i)) continue;
        vee += (est[i] - me) * (est[i] - me);
        ver += (est[i] - me) * (ref[i] - mr);
        vrr += (ref[i] - mr) * (ref[i] - mr);
    }
    const double range2 = out->range * out->range;
    out->mae = d1 / N;
    out->nmse = rr > 0 ? d2 / rr : NAN;
    out->nrmse = sqrt(out->nmse);
    out->psnr = 10 * log10(range2 / (d2 / N));
    out->a = vee > 0 ? ver / vee : 0;
    out->b = mr - out->a * me;
    out->ri_psnr = 10 * log10(range2 / (fmax(vrr - out->a * ver, 0) / N));
    return SCRY_OK;
}

/* out[y][x] = sum_ij w_i w_j in[y + i][x + j], the valid part: (ny - k + 1) x (nx - k + 1). */
static void window_mean(double *out, double *rows, const double *in, size_t ny, size_t nx,
                        const double *w, size_t k)
{
    const size_t my = ny - k + 1, mx = nx - k + 1;
#pragma omp parallel for schedule(static) if (ny * nx > 65536)
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < mx; x++) {
            double s = 0;
            for (size_t j = 0; j < k; j++)
                s += w[j] * in[y * nx + x + j];
            rows[y * mx + x] = s;
        }
#pragma omp parallel for schedule(static) if (ny * nx > 65536)
    for (size_t y = 0; y < my; y++)
        for (size_t x = 0; x < mx; x++) {
            double s = 0;
            for (size_t i = 0; i < k; i++)
                s += w[i] * rows[(y + i) * mx + x];
            out[y * mx + x] = s;
        }
}

enum { SSIM_MAX = 11 };

struct ssim {
    size_t ny, nx, k;
    double w[SSIM_MAX], norm, c1, c2;
    double *product, *rows, *mean[5]; /* of e, r, e e, r r, e r */
};

static void ssim_window(struct ssim *q, scry_ssim_window window, double range)
{
    q->k = window == SCRY_SSIM_GAUSSIAN ? SSIM_MAX : 7;
    double sum = 0;
    for (size_t i = 0; i < q->k; i++) {
        const double d = ((double)i - (double)(q->k / 2)) / 1.5;
        q->w[i] = window == SCRY_SSIM_GAUSSIAN ? exp(-d * d / 2) : 1;
        sum += q->w[i];
    }
    for (size_t i = 0; i < q->k; i++)
        q->w[i] /= sum;
    const double np = (double)(q->k * q->k);
    q->norm = window == SCRY_SSIM_GAUSSIAN ? 1 : np / (np - 1);
    q->c1 = .01 * range * .01 * range;
    q->c2 = .03 * range * .03 * range;
}

/* Adds the map of one plane to *sum, *count. */
static void ssim_plane(const struct ssim *q, const float *e, const float *r, const float *mask,
                       double *sum, size_t *count)
{
    const size_t n = q->ny * q->nx, k = q->k, my = q->ny - k + 1, mx = q->nx - k + 1;
    for (int m = 0; m < 5; m++) {
        const float *a = m == 1 || m == 3 ? r : e, *b = m == 2 ? e : r;
        for (size_t i = 0; i < n; i++)
            q->product[i] = m < 2 ? a[i] : (double)a[i] * b[i];
        window_mean(q->mean[m], q->rows, q->product, q->ny, q->nx, q->w, k);
    }
    for (size_t y = 0; y < my; y++)
        for (size_t x = 0; x < mx; x++) {
            const size_t i = y * mx + x;
            if (!metrics_counts(mask, (y + k / 2) * q->nx + x + k / 2)) continue;
            const double me = q->mean[0][i], mr = q->mean[1][i];
            const double vee = q->norm * (q->mean[2][i] - me * me);
            const double vrr = q->norm * (q->mean[3][i] - mr * mr);
            const double ver = q->norm * (q->mean[4][i] - me * mr);
            *sum += (2 * me * mr + q->c1) * (2 * ver + q->c2) /
                    ((me * me + mr * mr + q->c1) * (vee + vrr + q->c2));
            ++*count;
        }
}

scry_status scry_ssim(double *ssim, const float *est, const float *ref, const float *mask,
                      const scry_space *s, double range, scry_ssim_window window, scry_error *err)
{
    if (SCRY_MISSING(err, ssim, est, ref, s)) return SCRY_EINVAL;
    struct ssim q = {0};
    size_t count, used = 0;
    double sum = 0;
    scry_status st = scry_space_check(s, err);
    if (st != SCRY_OK) return st;
    if (s->cplx || s->rank < 2)
        return SCRY_FAIL(err, SCRY_ESHAPE, "SSIM of rank %d%s, expected planes of real values",
                         s->rank, s->cplx ? " complex" : "");
    const size_t total = scry_space_count(s);
    if ((st = metrics_check(&range, &count, est, ref, mask, total, err)) != SCRY_OK) return st;
    ssim_window(&q, window, range);
    q.ny = s->dims[s->rank - 2];
    q.nx = s->dims[s->rank - 1];
    if (q.ny < q.k || q.nx < q.k)
        return SCRY_FAIL(err, SCRY_ESHAPE, "plane %zu x %zu is smaller than the window %zu x %zu",
                         q.ny, q.nx, q.k, q.k);
    const size_t n = q.ny * q.nx;
    double *block = scry_alloc(n, 7 * sizeof *block);
    if (!block) return SCRY_FAIL(err, SCRY_ENOMEM, "SSIM of %zu pixels", n);
    q.product = block;
    q.rows = block + n;
    for (int m = 0; m < 5; m++)
        q.mean[m] = block + (size_t)(2 + m) * n;
    for (size_t p = 0; p < total; p += n)
        ssim_plane(&q, est + p, ref + p, mask ? mask + p : NULL, &sum, &used);
    scry_free(block);
    if (!used)
        return SCRY_FAIL(err, SCRY_EINVAL, "the mask selects no pixel %zu or more from the border",
                         q.k / 2);
    *ssim = sum / (double)used;
    return SCRY_OK;
}

scry_status scry_volume_measure(scry_fidelity *out, double *ssim, const float *est,
                                const float *ref, const scry_space *s, double range,
                                scry_error *err)
{
    if (SCRY_MISSING(err, out, ssim, est, ref, s)) return SCRY_EINVAL;
    *ssim = NAN;
    scry_status st = scry_space_check(s, err);
    if (st != SCRY_OK) return st;
    if (s->cplx || s->rank != 3)
        return SCRY_FAIL(err, SCRY_ESHAPE, "a volume of rank %d%s, expected real (slice, y, x)",
                         s->rank, s->cplx ? " complex" : "");
    const size_t n = scry_space_count(s);
    double max = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, ref[i]);
    if (range == 0 && max == 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "no value of the reference is positive: give a range");
    st = scry_fidelity_measure(out, est, ref, NULL, n, range == 0 ? max : range, err);
    if (st != SCRY_OK || s->dims[1] < 7 || s->dims[2] < 7) return st;
    /* slices are of one size: the mean over all pixels is the mean over slices */
    return scry_ssim(ssim, est, ref, NULL, s, out->range, SCRY_SSIM_UNIFORM, err);
}

void scry_frc_clear(scry_frc *frc)
{
    scry_free(frc->frequency);
    *frc = (scry_frc){0};
}

/* Frequency, correlation and samples live in one block, and accumulators behind them. */
static scry_status frc_alloc(scry_frc *out, size_t ny, size_t nx, scry_error *err)
{
    const size_t n = ny < nx ? ny : nx;
    *out = (scry_frc){.rings = n / 2 + 1};
    out->frequency = scry_alloc(out->rings, 5 * sizeof *out->frequency);
    if (!out->frequency) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu rings", out->rings);
    out->correlation = out->frequency + out->rings;
    out->samples = out->correlation + out->rings;
    return SCRY_OK;
}

static scry_status tapered_spectrum(float complex *F, const float *x, size_t ny, size_t nx,
                                    const scry_fft *fft, float *t, void *work, scry_error *err)
{
    double mean = 0, energy = 0;
    for (size_t i = 0; i < ny * nx; i++)
        mean += x[i];
    mean /= (double)(ny * nx);
    for (size_t y = 0; y < ny; y++) {
        const double wy = .5 - .5 * cos(2 * acos(-1) * ((double)y + .5) / (double)ny);
        for (size_t i = 0; i < nx; i++) {
            const double wx = .5 - .5 * cos(2 * acos(-1) * ((double)i + .5) / (double)nx);
            const double v = x[y * nx + i] - mean;
            t[y * nx + i] = (float)(wy * wx * v);
            energy += v * v;
        }
    }
    if (energy <= 1e-12 * mean * mean * (double)(ny * nx))
        return SCRY_FAIL(err, SCRY_EINVAL, "the image is %g everywhere: no ring to correlate",
                         mean);
    scry_fft_forward_real(fft, F, t, work);
    return SCRY_OK;
}

/* Adds cross and self powers of a pair; the pixels of b lie (sy, sx) beyond those of a. */
static scry_status frc_add(scry_frc *f, const float *a, const float *b, size_t ny, size_t nx,
                           double sy, double sx, scry_error *err)
{
    scry_status st;
    scry_fft *fft = NULL;
    float complex *A = NULL, *B = NULL;
    float *t = NULL;
    void *work = NULL;
    double *paa = f->samples + f->rings, *pbb = paa + f->rings;
    if ((st = scry_fft_create_real(&fft, 2, (size_t[]){ny, nx}, err)) != SCRY_OK) goto done;
    A = scry_alloc(scry_fft_bins(fft), sizeof *A);
    B = scry_alloc(scry_fft_bins(fft), sizeof *B);
    t = scry_alloc(ny * nx, sizeof *t);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!A || !B || !t || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "Fourier rings");
        goto done;
    }
    if ((st = tapered_spectrum(A, a, ny, nx, fft, t, work, err)) != SCRY_OK) goto done;
    if ((st = tapered_spectrum(B, b, ny, nx, fft, t, work, err)) != SCRY_OK) goto done;
    const size_t half = nx / 2 + 1, n = ny < nx ? ny : nx;
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < half; x++) {
            const double fy = ((double)y - (y > ny / 2 ? (double)ny : 0)) / (double)ny;
            const double fx = (double)x / (double)nx, q = hypot(fy, fx);
            const size_t ring = (size_t)(q * (double)n + .5);
            if (ring >= f->rings) continue;
            /* a bin off the axis of symmetry stands for its mirror too */
            const double w = x == 0 || 2 * x == nx ? 1 : 2;
            const double complex p = A[y * half + x], r = B[y * half + x];
            const double turn = 2 * acos(-1) * (fy * sy + fx * sx);
            f->correlation[ring] += w * creal(p * conj(r) * (cos(turn) + I * sin(turn)));
            f->frequency[ring] += w * q;
            f->samples[ring] += w;
            paa[ring] += w * creal(p * conj(p));
            pbb[ring] += w * creal(r * conj(r));
        }
done:
    scry_free(work);
    scry_free(t);
    scry_free(B);
    scry_free(A);
    scry_fft_free(fft);
    return st;
}

/* From sums to the curve and its crossing; `pixel` is the sampling in pixels of the user's
 * image. */
static void frc_finish(scry_frc *f, double pixel)
{
    const double *paa = f->samples + f->rings, *pbb = paa + f->rings, threshold = 1. / 7;
    double before = 1;
    for (size_t i = 0; i < f->rings; i++) {
        const double norm = sqrt(paa[i] * pbb[i]);
        f->correlation[i] = norm > 0 ? f->correlation[i] / norm : 0;
        f->frequency[i] = f->samples[i] > 0 ? f->frequency[i] / f->samples[i] / pixel : 0;
    }
    f->cutoff = f->frequency[f->rings - 1];
    /* ring 0 holds the mean that was removed */
    for (size_t i = 1; i + 1 < f->rings && !f->crossed; i++) {
        const double first = f->correlation[i > 1 ? i - 1 : i];
        const double now = (first + f->correlation[i] + f->correlation[i + 1]) / 3;
        if (now < threshold) {
            const double t = before > now ? (before - threshold) / (before - now) : 1;
            f->cutoff = f->frequency[i - 1] + t * (f->frequency[i] - f->frequency[i - 1]);
            f->crossed = 1;
        }
        before = now;
    }
    f->resolution = 1 / f->cutoff;
}

static scry_status frc_check(const float *x, size_t ny, size_t nx, size_t min, scry_error *err)
{
    if (ny < min || nx < min)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu x %zu pixels, Fourier rings need %zu x %zu", ny, nx,
                         min, min);
    return scry_finite(x, ny * nx) ? SCRY_OK
                                   : SCRY_FAIL(err, SCRY_ENUMERIC, "a pixel is NaN or infinite");
}

scry_status scry_frc_two(scry_frc *out, const float *a, const float *b, size_t ny, size_t nx,
                         scry_error *err)
{
    if (SCRY_MISSING(err, out, a, b)) return SCRY_EINVAL;
    *out = (scry_frc){0};
    scry_status st = frc_check(a, ny, nx, 8, err);
    if (st == SCRY_OK) st = frc_check(b, ny, nx, 8, err);
    if (st == SCRY_OK) st = frc_alloc(out, ny, nx, err);
    if (st == SCRY_OK) st = frc_add(out, a, b, ny, nx, 0, 0, err);
    if (st == SCRY_OK)
        frc_finish(out, 1);
    else
        scry_frc_clear(out);
    return st;
}

/* Every second pixel from (oy, ox). */
static void metrics_split(float *out, const float *in, size_t ny, size_t nx, size_t full, size_t oy,
                          size_t ox)
{
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++)
            out[y * nx + x] = in[(2 * y + oy) * full + 2 * x + ox];
}

scry_status scry_frc_one(scry_frc *out, const float *image, size_t ny, size_t nx, scry_error *err)
{
    if (SCRY_MISSING(err, out, image)) return SCRY_EINVAL;
    *out = (scry_frc){0};
    scry_status st = frc_check(image, ny, nx, 16, err);
    if (st != SCRY_OK) return st;
    const size_t hy = ny / 2, hx = nx / 2;
    float *a = scry_alloc(hy * hx, 2 * sizeof *a), *b = a ? a + hy * hx : NULL;
    if (!a) return SCRY_FAIL(err, SCRY_ENOMEM, "halves of %zu x %zu pixels", ny, nx);
    st = frc_alloc(out, hy, hx, err);
    for (size_t pair = 0; pair < 2 && st == SCRY_OK; pair++) {
        metrics_split(a, image, hy, hx, nx, 0, pair);
        metrics_split(b, image, hy, hx, nx, 1, 1 - pair);
        st = frc_add(out, a, b, hy, hx, .5, pair ? -.5 : .5, err);
    }
    scry_free(a);
    if (st == SCRY_OK)
        frc_finish(out, 2);
    else
        scry_frc_clear(out);
    return st;
}
