#include "datasets/levy.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/sort.h"
#include "operators/dense.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* Streams of (seed, chain, step): the use of a number. */
enum { STREAM_SIGNAL = 1, STREAM_NOISE, STREAM_ROWS, STREAM_SCALE };
enum { SCALE_SIGNALS = 1001, MAX_N = 4096 };
static const double KERNEL_SD = 2, SHARE = 0.4;
static const size_t KERNEL_REACH = 6, LOWEST = 5;

static const char *const kinds[] = {"denoise", "deconvolve", "impute", "fourier", NULL};

const char *const *scry_levy_kinds(void)
{
    return kinds;
}

static gsl_rng *levy_generator(uint64_t seed, uint32_t k, uint32_t stream, scry_error *err)
{
    gsl_rng *rng = gsl_rng_alloc(scry_rng_gsl());
    if (!rng)
        SCRY_FAIL(err, SCRY_ENOMEM, "random generator");
    else
        scry_rng_gsl_seek(rng, seed, k, stream, 0);
    return rng;
}

static void levy_cumulate(double *x, size_t n, const scry_increments *increments, gsl_rng *rng)
{
    double at = 0;
    for (size_t i = 0; i < n; i++)
        x[i] = at += scry_increments_draw(increments, rng);
}

/* ---- operators ---- */

static void fill_convolution(double *A, size_t n)
{
    const size_t reach = (n - 1) / 2 < KERNEL_REACH ? (n - 1) / 2 : KERNEL_REACH;
    double tap[7], sum = 0;
    for (size_t k = 0; k <= reach; k++) {
        tap[k] = exp(-0.5 * (double)(k * k) / (KERNEL_SD * KERNEL_SD));
        sum += k ? 2 * tap[k] : tap[k];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= reach; k++)
            A[i * n + (i + k) % n] = A[i * n + (i + n - k) % n] = tap[k] / sum;
}

/* A random `count` of the `n` numbers, in order. */
static void levy_choose(unsigned char *taken, size_t n, size_t count, gsl_rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        taken[i] = gsl_rng_uniform(rng) * (double)(n - i) < (double)count;
        count -= taken[i];
    }
}

/* Row for the cosine (sine) of frequency f; false where it vanishes. */
static bool fourier_row(double *row, size_t n, size_t f, bool sine)
{
    const bool edge = f == 0 || 2 * f == n;
    if (sine && edge) return false;
    const double scale = sqrt((edge ? 1.0 : 2.0) / (double)n);
    for (size_t i = 0; i < n; i++) {
        const double angle = 2 * SCRY_PI * (double)(f * i % n) / (double)n;
        row[i] = scale * (sine ? sin(angle) : cos(angle));
    }
    return true;
}

/* A (up to n rows) and how many there are. */
static size_t fill_operator(double *A, size_t n, scry_levy_kind kind, unsigned char *taken,
                            gsl_rng *rng)
{
    size_t m = 0;
    if (kind == SCRY_LEVY_DECONVOLVE) {
        fill_convolution(A, n);
        return n;
    }
    if (kind == SCRY_LEVY_FOURIER) {
        const size_t frequencies = n / 2 + 1, low = frequencies < LOWEST ? frequencies : LOWEST;
        memset(taken, 1, low);
        levy_choose(taken + low, frequencies - low,
                    (size_t)(SHARE * (double)(frequencies - low) + 0.5), rng);
        for (size_t f = 0; f < frequencies; f++)
            for (int sine = 0; taken[f] && sine < 2; sine++)
                m += fourier_row(A + m * n, n, f, sine);
        return m;
    }
    memset(taken, 1, n);
    const size_t known = (size_t)(SHARE * (double)n + 0.5);
    if (kind == SCRY_LEVY_IMPUTE) levy_choose(taken, n, known ? known : 1, rng);
    for (size_t i = 0; i < n; i++)
        if (taken[i]) A[m++ * n + i] = 1;
    return m;
}

static void levy_apply(double *y, const double *A, size_t m, size_t n, const double *x)
{
    for (size_t j = 0; j < m; j++) {
        y[j] = 0;
        for (size_t i = 0; i < n; i++)
            y[j] += A[j * n + i] * x[i];
    }
}

/* Median over fixed signals of the mean square of A x; A NULL: of x. */
static scry_status levy_median_power(double *power, const double *A, size_t m, size_t n,
                                     const scry_increments *increments, scry_error *err)
{
    gsl_rng *rng = levy_generator(0, 0, STREAM_SCALE, err);
    double *x = scry_alloc(2 * n, sizeof *x), *all = scry_alloc(SCALE_SIGNALS, sizeof *all);
    scry_status st = SCRY_OK;
    if (!rng || !x || !all) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "signals of %zu values", n);
        goto done;
    }
    for (size_t k = 0; k < SCALE_SIGNALS; k++) {
        const double *y = A ? x + n : x;
        levy_cumulate(x, n, increments, rng);
        if (A) levy_apply(x + n, A, m, n, x);
        for (size_t j = 0; j < m; j++)
            all[k] += y[j] * y[j] / (double)m;
    }
    scry_sort_double(all, SCALE_SIGNALS);
    *power = all[SCALE_SIGNALS / 2];
    if (!(*power > 0))
        st = SCRY_FAIL(err, SCRY_EINVAL, "more than half of all signals measure as 0");
done:
    if (rng) gsl_rng_free(rng);
    scry_free(x);
    scry_free(all);
    return st;
}

static scry_status levy_check(size_t n, const scry_increments *increments, scry_error *err)
{
    if (!n || n > MAX_N)
        return SCRY_FAIL(err, SCRY_EINVAL, "signals of %zu values, expected 1 to %d", n, MAX_N);
    return scry_increments_check(increments, err);
}

scry_status scry_levy_amplitude(double *amplitude, size_t n, const scry_increments *increments,
                                scry_error *err)
{
    scry_status st = levy_check(n, increments, err);
    if (st != SCRY_OK ||
        (st = levy_median_power(amplitude, NULL, n, n, increments, err)) != SCRY_OK)
        return st;
    *amplitude = sqrt(*amplitude);
    return SCRY_OK;
}

scry_status scry_levy_problem(scry_levy *out, const scry_levy_params *params, scry_error *err)
{
    const size_t n = params->n;
    const scry_increments *increments = &params->increments;
    const scry_levy_kind kind = params->kind;
    scry_levy p = {.n = n, .increments = *increments};
    unsigned char *taken = NULL;
    gsl_rng *rng = NULL;
    double power = 0;
    scry_status st = levy_check(n, increments, err);
    if (st != SCRY_OK) return st;
    if (!isfinite(params->snr) || kind > SCRY_LEVY_FOURIER)
        return SCRY_FAIL(err, SCRY_EINVAL, "operator %d at %g dB, expected 0 to 3 at a finite one",
                         (int)kind, params->snr);
    p.A = scry_alloc(n * n, sizeof *p.A);
    taken = scry_alloc(n, 1);
    rng = levy_generator(params->seed, 0, STREAM_ROWS, err);
    if (!p.A || !taken || !rng) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "operator on %zu values", n);
        goto done;
    }
    p.m = fill_operator(p.A, n, kind, taken, rng);
    if ((st = levy_median_power(&power, p.A, p.m, n, increments, err)) != SCRY_OK) goto done;
    p.sigma = sqrt(power * pow(10, -params->snr / 10));
    st = scry_dense_create(&p.op, &SCRY_SPACE(n), &SCRY_SPACE(p.m), p.A, err);
    if (st != SCRY_OK) goto done;
    *out = p;
    p = (scry_levy){0};
done:
    scry_levy_clear(&p);
    scry_free(taken);
    if (rng) gsl_rng_free(rng);
    return st;
}

void scry_levy_clear(scry_levy *problem)
{
    scry_free(problem->A);
    scry_op_free(problem->op);
    *problem = (scry_levy){0};
}

scry_status scry_levy_signal(float *x, size_t n, const scry_increments *increments, uint64_t seed,
                             uint32_t k, scry_error *err)
{
    double at = 0;
    scry_status st = scry_increments_check(increments, err);
    if (st != SCRY_OK) return st;
    gsl_rng *rng = levy_generator(seed, k, STREAM_SIGNAL, err);
    if (!rng) return SCRY_ENOMEM;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(at += scry_increments_draw(increments, rng));
    gsl_rng_free(rng);
    return SCRY_OK;
}

scry_status scry_levy_measure(float *y, const scry_levy *problem, const float *x, uint64_t seed,
                              uint32_t k, scry_error *err)
{
    gsl_rng *rng = levy_generator(seed, k, STREAM_NOISE, err);
    if (!rng) return SCRY_ENOMEM;
    for (size_t j = 0; j < problem->m; j++) {
        double sum = gsl_ran_gaussian_ziggurat(rng, problem->sigma);
        for (size_t i = 0; i < problem->n; i++)
            sum += problem->A[j * problem->n + i] * x[i];
        y[j] = (float)sum;
    }
    gsl_rng_free(rng);
    return SCRY_OK;
}
