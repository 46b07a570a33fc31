#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "operators/fourier.h"
#include "solvers/calibration_labels.h"

#include <math.h>
#include <string.h>

/* Chains that learn: a second pass, from what the first has learnt, changes images by less than .1
 * dB and takes as long (tests/bench/RESULTS.md). */
enum { CHAINS = 2 };

/* Steps that a short chain has at least, where the method is given as many: it has half of them. */
enum { MIN_STEPS = 20 };

/* Share of the energy that may lie beside the phase. */
static const double BESIDE = 0.01;

scry_status scryi_phase_smooth(float complex *phase, const float complex *u, size_t ny, size_t nx,
                               double width, scry_error *err)
{
    memcpy(phase, u, ny * nx * sizeof *u);
    scry_status st = scry_fourier_transform(phase, 1, ny, nx, SCRY_FOURIER_YX, false, err);
    if (st != SCRY_OK) return st;
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++) {
            const double fy = ((double)y - (double)(ny / 2)) / (double)ny;
            const double fx = ((double)x - (double)(nx / 2)) / (double)nx;
            phase[y * nx + x] *=
                (float)exp(-2 * SCRY_PI * SCRY_PI * width * width * (fy * fy + fx * fx));
        }
    st = scry_fourier_transform(phase, 1, ny, nx, SCRY_FOURIER_YX, true, err);
    for (size_t i = 0; i < ny * nx; i++) {
        const float a = cabsf(phase[i]);
        phase[i] = a > 0 ? phase[i] / a : 1;
    }
    return st;
}

/* The share of the energy of u that is not in the direction of `phase`. */
static double imaginary_share(const float complex *u, const float complex *phase, size_t n)
{
    double beside = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const double complex v = (double complex)u[i] * conjf(phase[i]);
        beside += cimag(v) * cimag(v);
        all += creal(v) * creal(v) + cimag(v) * cimag(v);
    }
    return all > 0 ? beside / all : 0;
}

/* The smoothest phase that explains nearly all of u: a wider blur hears less noise, and is right
 * where the phase is smooth; where it is not (fat beside water) it leaves more than 1 %. */
scry_status scryi_phase_choose(float complex *phase, double *width, const float complex *u,
                               size_t ny, size_t nx, scry_error *err)
{
    static const double widths[] = {2, 1.5, 1, 0.7, 0.4};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
        const scry_status st = scryi_phase_smooth(phase, u, ny, nx, widths[k], err);
        if (st != SCRY_OK) return st;
        *width = widths[k];
        if (imaginary_share(u, phase, ny * nx) <= BESIDE) break;
    }
    return SCRY_OK;
}

/* What the variance of draws lacks: that of exact posteriors over that of the method's draws there,
 * where it was measured at these settings (scry verify gaussian); 2 for the defaults of dds. 1: not
 * measured, or not too narrow. */
static double lacking_variance(const scry_options *options)
{
    char settings[512];
    if (scry_options_text(options, settings, sizeof settings, NULL) != SCRY_OK) return 1;
    const scry_calibration_band b = scry_calibration_summary(options->method, "gaussian", settings);
    const double sd = 0.5 * (b.sd_low + b.sd_high);
    return b.problems && sd > 0 && sd < 1 ? 1 / (sd * sd) : 1;
}

/* The power of the chains' imaginary part beside `phase`, ring by ring: the spectrum that makes the
 * draws most probable, a step of expectation-maximisation. */
static scry_status learn_imaginary(struct scryi_mri_posterior *p, const scry_chains *chains,
                                   const float complex *phase, scry_error *err)
{
    const size_t ny = p->plane->ny, nx = p->plane->nx, n = ny * nx, sets = p->plane->sets;
    const float complex *sample = (const float complex *)chains->samples;
    double sum[SCRYI_RINGS] = {0}, count[SCRYI_RINGS] = {0}, all = 0;
    float complex *q = scry_alloc(n, sizeof *q);
    scry_status st = SCRY_OK;
    if (!q) return SCRY_FAIL(err, SCRY_ENOMEM, "imaginary part of %zu pixels", n);
    for (size_t k = 0; k < sets * chains->done && st == SCRY_OK; k++, sample += n) {
        const size_t set = k % sets * n;
        for (size_t i = 0; i < n; i++)
            q[i] = cimagf((sample[i] + 1) * p->phase[set + i] * conjf(phase[set + i]));
        st = scry_fourier_transform(q, 1, ny, nx, SCRY_FOURIER_YX, false, err);
        for (size_t i = 0; i < n; i++) {
            const double fy = ((double)(i / nx) - (double)(ny / 2)) / (double)ny;
            const double fx = ((double)(i % nx) - (double)(nx / 2)) / (double)nx;
            const size_t ring = (size_t)(hypot(fy, fx) / sqrt(0.5) * (SCRYI_RINGS - 1) + 0.5);
            const double a = (double)cabsf(q[i]);
            sum[ring] += a * a;
            count[ring]++;
            all += a * a;
        }
    }
    const double mean = all / ((double)(sets * n) * (double)chains->done);
    const double lacking = lacking_variance(&p->r->options);
    for (size_t k = 0; k < SCRYI_RINGS;
         k++) /* a ring of no pixels, or of none that matter: not 0 */
        p->imaginary[k] = lacking * fmax(count[k] > 0 ? sum[k] / count[k] : 0, 1e-3 * mean + 1e-8);
    scry_free(q);
    return st;
}

/* phase <- that of the mean of `chains`. */
static scry_status learn_phase(struct scryi_mri_posterior *p, const scry_chains *chains,
                               scry_error *err)
{
    const size_t ny = p->plane->ny, nx = p->plane->nx, each = ny * nx, n = p->plane->sets * each;
    float complex *x = scry_alloc(2 * n, sizeof *x), *phase = x ? x + n : NULL;
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "phase of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        x[i] = (((const float complex *)chains->mean)[i] + 1) * p->phase[i];
    scry_status st = SCRY_OK;
    for (size_t at = 0; st == SCRY_OK && at < n; at += each)
        st = scryi_phase_smooth(phase + at, x + at, ny, nx, p->width, err);
    if (st == SCRY_OK && !(p->r->request->imaginary > 0) && !p->constrained)
        st = learn_imaginary(p, chains, phase, err);
    memcpy(p->phase, phase, n * sizeof *phase);
    scry_free(x);
    return st;
}

/* Steps of short chains are not those of the run: 0 chains. */
static bool goes_on(const scry_chains_progress *p, void *ctx)
{
    const struct scryi_mri_watch *watch = ctx;
    const scry_chains_progress progress = {.p = p->p};
    return !watch->monitor || watch->monitor(&progress, watch->ctx);
}

/* Two short chains, whose mean is a better place to read the phase from than the first estimate. */
static scry_status phase_refine(struct scryi_mri_posterior *p, uint64_t seed, size_t threads,
                                const struct scryi_mri_watch *watch, scry_error *err)
{
    scry_options options = p->r->options;
    const scry_recon_request request = {.options = &options,
                                        .chains = CHAINS,
                                        .seed = ~seed, /* not the draws of the run itself */
                                        .threads = threads,
                                        .keep = true};
    scry_recon_result result = {0};
    scry_error why = {0};
    double steps = 0;
    if (scry_options_get(&options, "steps", &steps, NULL) == SCRY_OK && steps > MIN_STEPS)
        scry_options_set(&options, "steps", floor(steps / 2), NULL);
    scry_options_set(&options, "draws", 1, NULL);
    scry_status st = scry_recon_run(&result, &p->problem, &request, goes_on, (void *)watch, &why);
    if (st == SCRY_ESTOP)
        st = SCRY_FAIL(err, st, "%s", why.text);
    else if (st != SCRY_OK)
        st = SCRY_FAIL(err, st, "short chains that refine the phase: %s", why.text);
    if (st == SCRY_OK) st = learn_phase(p, &result.chains, err);
    if (st == SCRY_OK) st = scryi_mri_apply_phase(p, err);
    scry_recon_result_free(&result);
    return st;
}

scry_status scryi_phase_learn(struct scryi_mri_posterior *p, uint64_t seed, size_t threads,
                              const struct scryi_mri_watch *watch, scry_error *err)
{
    const bool learns = p->phase && p->prior; /* other methods keep the phase that they are given */
    return learns ? phase_refine(p, seed, threads, watch, err) : SCRY_OK;
}
