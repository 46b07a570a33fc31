/* N(mean, C) with C diagonal in the Fourier basis of a periodic grid. A filter is one transform,
 * one multiplication and one transform back; the factor 1/N of the pair goes into the multiplier.
 * */
#include "priors/gaussian_impl.h"

#include "lib/fft.h"
#include "lib/given.h"
#include "lib/parallel.h"
#include "lib/memory.h"

#include <gsl/gsl_math.h>

struct stationary {
    struct scryi_gaussian base;
    int rank;
    size_t dims[3]; /* of one copy, the last `rank` of the space */
    size_t n, bins, copies;
    double mean;
    scry_fft *fft;
    float *precision; /* 1 / S, a number a bin; 0 at a frequency that is free */
};

static void stationary_filter(const struct scryi_gaussian *G, float *out, const float *in,
                              enum scryi_gaussian_gain kind, double t, bool about_mean, void *work)
{
    const struct stationary *s = (const struct stationary *)G;
    float complex *X = work;
    void *rest = (char *)work + scry_align_up(s->bins * sizeof *X);
    const double scale = 1 / (double)s->n;
    for (size_t c = 0; c < s->copies; c++) {
        scry_fft_forward_real(s->fft, X, in + c * s->n, rest);
        if (about_mean) X[0] -= (float)((double)s->n * s->mean);
        SCRY_PARALLEL_FOR(s->bins > 1u << 21 ? scry_threads() : 1,
                          for (size_t k = 0; k < s->bins; k++) X[k] *=
                          (float)(scale * scryi_gaussian_gain(kind, (double)s->precision[k], t)););
        if (about_mean) X[0] += (float)s->mean; /* after the 1/N */
        scry_fft_backward_real(s->fft, out + c * s->n, X, rest);
    }
}

/* Parseval over the stored half: bins off the first and the middle column of the last axis stand
 * for their mirror image too. */
static double stationary_energy(const struct scryi_gaussian *G, const float *u, void *work)
{
    const struct stationary *s = (const struct stationary *)G;
    float complex *X = work;
    void *rest = (char *)work + scry_align_up(s->bins * sizeof *X);
    const size_t last = s->dims[s->rank - 1], half = last / 2 + 1;
    double energy = 0;
    for (size_t c = 0; c < s->copies; c++) {
        scry_fft_forward_real(s->fft, X, u + c * s->n, rest);
        X[0] -= (float)((double)s->n * s->mean);
        for (size_t k = 0; k < s->bins; k++) {
            const size_t column = k % half;
            const double twice = column == 0 || 2 * column == last ? 1 : 2;
            const double re = crealf(X[k]), im = cimagf(X[k]);
            energy += twice * s->precision[k] * (re * re + im * im);
        }
    }
    return energy / (double)s->n;
}

static void stationary_mean(const struct scryi_gaussian *G, float *mean)
{
    const struct stationary *s = (const struct stationary *)G;
    for (size_t i = 0; i < s->n * s->copies; i++)
        mean[i] = (float)s->mean;
}

static void stationary_spectrum(const struct scryi_gaussian *G, float *values,
                                enum scryi_gaussian_gain kind, double t)
{
    const struct stationary *s = (const struct stationary *)G;
    for (size_t k = 0; k < s->bins; k++)
        values[k] = (float)scryi_gaussian_gain(kind, (double)s->precision[k], t);
}

void scryi_stationary_destroy(scry_prior *P)
{
    struct stationary *s = (struct stationary *)P;
    if (!s) return;
    scry_fft_free(s->fft);
    scry_free(s->precision);
    scry_free(s);
}

/* Cycles per pixel of index k on an axis of n: 0, 1/n, ... 1/2 ... -1/n. */
static double stationary_frequency(size_t k, size_t n)
{
    return (k <= n / 2 ? (double)k : (double)k - (double)n) / (double)n;
}

static scry_status stationary_tabulate(struct stationary *s, scryi_precision_fn *precision,
                                       void *ctx, scry_error *err)
{
    const size_t half = s->dims[s->rank - 1] / 2 + 1;
    for (size_t k = 0; k < s->bins; k++) {
        double f[3] = {0};
        size_t row = k / half;
        f[s->rank - 1] = (double)(k % half) / (double)s->dims[s->rank - 1];
        for (int a = s->rank - 2; a >= 0; a--) {
            f[a] = stationary_frequency(row % s->dims[a], s->dims[a]);
            row /= s->dims[a];
        }
        double q = 0;
        const scry_status st = precision(&q, f, ctx, err);
        if (st != SCRY_OK) return st;
        s->precision[k] = (float)q;
        if (!(s->precision[k] > 0)) s->base.proper = false;
    }
    return SCRY_OK;
}

static scry_status check_axes(const scry_space *space, int rank, double mean, scry_error *err)
{
    const scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    if (space->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "a stationary Gaussian is real: use two channels");
    if (rank < 1 || rank > 3 || rank > space->rank)
        return SCRY_FAIL(err, SCRY_EINVAL, "stationary along %d axes, expected 1 to %d", rank,
                         space->rank < 3 ? space->rank : 3);
    if (!isfinite(mean)) return SCRY_FAIL(err, SCRY_EINVAL, "mean %g, expected a number", mean);
    return SCRY_OK;
}

scry_status scryi_stationary_create(scry_prior **out, const struct scry_prior_ops *ops,
                                    const scry_space *space,
                                    const struct scryi_stationary_params *params, scry_error *err)
{
    const int rank = params->rank;
    struct stationary *s = NULL;
    *out = NULL;
    scry_status st = check_axes(space, rank, params->mean, err);
    if (st != SCRY_OK) goto done;
    s = scry_alloc(1, sizeof *s);
    if (!s) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "stationary Gaussian prior");
        goto done;
    }
    s->base = (struct scryi_gaussian){.base = {.ops = ops,
                                               .space = *space,
                                               .sigma_low = SCRYI_SIGMA_LOW,
                                               .sigma_high = SCRYI_SIGMA_HIGH},
                                      .proper = true,
                                      .filter = stationary_filter,
                                      .energy = stationary_energy,
                                      .mean = stationary_mean,
                                      .rank = rank,
                                      .spectrum = stationary_spectrum};
    s->rank = rank;
    s->mean = params->mean;
    for (int a = 0; a < rank; a++)
        s->dims[a] = space->dims[space->rank - rank + a];
    if ((st = scry_fft_create_real(&s->fft, rank, s->dims, err)) != SCRY_OK) goto done;
    s->n = scry_fft_count(s->fft);
    s->bins = scry_fft_bins(s->fft);
    s->copies = scry_space_count(space) / s->n;
    s->base.base.work_bytes =
        scry_align_up(s->bins * sizeof(float complex)) + scry_fft_work_bytes(s->fft);
    s->precision = scry_alloc(s->bins, sizeof *s->precision);
    if (!s->precision) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of %zu frequencies", s->bins);
        goto done;
    }
    if ((st = stationary_tabulate(s, params->precision, params->ctx, err)) != SCRY_OK) goto done;
    *out = &s->base.base;
    s = NULL;
done:
    scryi_stationary_destroy((scry_prior *)s);
    return st;
}

static const struct scry_prior_ops stationary_ops = {
    .name = "gaussian",
    .denoise = scryi_gaussian_denoise,
    .vjp = scryi_gaussian_vjp,
    .prox = scryi_gaussian_prox,
    .value = scryi_gaussian_value,
    .destroy = scryi_stationary_destroy,
};

static scry_status precision_of_spectrum(double *q, const double f[3], void *ctx, scry_error *err)
{
    const scry_gaussian_params *s = ctx;
    const double radius = sqrt(f[0] * f[0] + f[1] * f[1] + f[2] * f[2]);
    const double power = s->spectrum(radius, s->ctx);
    if (!(power > 1e-37 && power < 1e37)) /* 1 / power has to fit in a float */
        return SCRY_FAIL(err, SCRY_EINVAL, "power %g at frequency %g, expected 1e-37 to 1e37",
                         power, radius);
    *q = 1 / power;
    return SCRY_OK;
}

scry_status scry_gaussian_create(scry_prior **out, const scry_space *space,
                                 const scry_gaussian_params *params, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, params)) return SCRY_EINVAL;
    if (!params->spectrum) return SCRY_FAIL(err, SCRY_EINVAL, "params->spectrum is NULL");
    scry_gaussian_params copy = *params; /* the callback takes no const */
    return scryi_stationary_create(
        out, &stationary_ops, space,
        &(struct scryi_stationary_params){.rank = params->rank,
                                          .mean = params->mean,
                                          .precision = precision_of_spectrum,
                                          .ctx = &copy},
        err);
}

double scry_radial_power(const scry_radial *radial, double f)
{
    const double at = f / (0.5 * M_SQRT2) * (double)(radial->count - 1);
    const size_t i = at < (double)(radial->count - 1) ? (size_t)at : radial->count - 1;
    if (i + 1 >= radial->count) return radial->power[radial->count - 1];
    const double low = log(radial->power[i]), high = log(radial->power[i + 1]);
    return exp(low + (at - (double)i) * (high - low));
}

static double power_of_radial(double f, void *ctx)
{
    return scry_radial_power(ctx, f);
}

scry_status scry_gaussian_create_radial(scry_prior **out, const scry_space *space, int rank,
                                        const scry_radial *radial, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, radial)) return SCRY_EINVAL;
    scry_radial table = *radial; /* the callback takes no const */
    if (radial->count < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "radial spectrum of %zu entries, expected at least 2",
                         radial->count);
    for (size_t i = 0; i < radial->count; i++)
        if (!(radial->power[i] > 0 && isfinite(radial->power[i])))
            return SCRY_FAIL(err, SCRY_EINVAL, "radial power %zu is %g, expected > 0", i,
                             radial->power[i]);
    return scry_gaussian_create(
        out, space,
        &(scry_gaussian_params){
            .rank = rank, .mean = radial->mean, .spectrum = power_of_radial, .ctx = &table},
        err);
}
