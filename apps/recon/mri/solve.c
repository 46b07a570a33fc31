#include "apps/recon/mri/mri.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/progress.h"
#include "lib/vector.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "priors/complex.h"
#include "priors/gaussian.h"

#include <math.h>
#include <string.h>

/* As the priors are trained, the middle of the range of gains there. */
#define GAIN 0.75

/* What the imaginary part beside the phase of a first estimate is given, network's unit; rings of
 * its spectrum once it is learnt; and passes of learning. */
#define IMAGINARY 0.1
enum { RINGS = 33, PASSES = 2 };

/* Draws of the fast samplers have half of the variance that they should (scry verify gaussian). */
#define NARROW 2

/* The parts of one problem, freed together. */
struct parts {
    scry_op *A;
    float complex *y;     /* measured samples */
    float complex *phase; /* unit phase of the image, n; NULL: left to the method */
    unsigned char *mask;  /* samples to reconstruct from */
    unsigned char *held;  /* samples held out; NULL: none */
    scry_likelihood *L;
    scry_prior *prior, *model;
    scry_affine map;
    double sigma;            /* sd of a sample, per real component */
    double width;            /* of the blur that the phase is read through, pixels */
    double imaginary[RINGS]; /* power spectrum of the imaginary part: scry_radial */
};

static void parts_free(struct parts *p)
{
    scry_likelihood_free(p->L);
    scry_prior_free(p->prior);
    scry_prior_free(p->model);
    scry_op_free(p->A);
    scry_free(p->y);
    scry_free(p->phase);
    scry_free(p->mask);
    scry_free(p->held);
}

void scry_mri_result_free(scry_mri_result *r)
{
    scry_free(r->image);
    scry_free(r->maps);
    *r = (scry_mri_result){0};
}

/* ---- what is measured ---- */

/* The operator with the phase of the image in the maps, phase NULL: as it is. */
static scry_status mri_solve_make_operator(scry_op **A, const scry_mri_plane *plane,
                                           const unsigned char *mask, const float complex *phase,
                                           scry_error *err)
{
    const size_t n = plane->ny * plane->nx;
    scry_space image = SCRY_SPACE(plane->ny, plane->nx);
    image.cplx = true;
    if (!plane->maps) return scry_fourier_create(A, &image, mask, plane->axes, err);
    float complex *maps = plane->maps;
    if (phase) {
        maps = scry_alloc(plane->coils * n, sizeof *maps);
        if (!maps) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils", plane->coils);
        for (size_t i = 0; i < plane->coils * n; i++)
            maps[i] = plane->maps[i] * phase[i % n];
    }
    scry_status st = scry_sense_create(A, maps, plane->coils, plane->sets, plane->ny, plane->nx,
                                       mask, plane->axes, err);
    if (maps != plane->maps) scry_free(maps);
    return st;
}

static scry_status mri_solve_measure(float complex **y, const scry_op *A,
                                     const scry_mri_plane *plane, scry_error *err)
{
    *y = scry_alloc(scry_space_count(scry_op_cod(A)), sizeof **y);
    if (!*y) return SCRY_FAIL(err, SCRY_ENOMEM, "measured samples");
    return scry_fourier_gather(A, *y, plane->data, err);
}

static scry_status make_likelihood(struct parts *p, scry_affine map, scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = p->sigma};
    scry_likelihood_free(p->L);
    p->L = NULL;
    p->map = map;
    return scry_likelihood_create(&p->L, p->A, (const float *)p->y, &noise, &map, err);
}

/* ---- the phase of the image, and the prior of what is left ---- */

/* A method of the registry with its defaults, from the start to the end; u is complex (n). */
static scry_status quick_solve(float complex *u, const char *name, double weight, double iterations,
                               const struct parts *p, scry_error *err)
{
    const struct scry_method *method = scry_method_find(name);
    const scry_problem problem = {.L = p->L};
    scry_options opts;
    scry_solver *S = NULL;
    scry_options_init(&opts, method);
    scry_status st = scry_options_set(&opts, "wavelet-weight", weight, err);
    if (st == SCRY_OK) st = scry_options_set(&opts, "iterations", iterations, err);
    if (st == SCRY_OK) st = scry_solver_plan(&S, &problem, &opts, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 0, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, (float *)u, NULL, NULL, NULL, err);
    scry_solver_free(S);
    return st;
}

/* phase = exp(i arg(G u)), G a Gaussian blur of `width` pixels: noise and folding do not reach the
 * phase, fine anatomy of constant phase does not suffer. */
static scry_status smooth_phase(float complex *phase, const float complex *u, size_t ny, size_t nx,
                                double width, scry_error *err)
{
    memcpy(phase, u, ny * nx * sizeof *u);
    scry_status st = scry_fourier_transform(phase, 1, ny, nx, SCRY_FOURIER_YX, false, err);
    if (st != SCRY_OK) return st;
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++) {
            const double fy = ((double)y - (double)(ny / 2)) / (double)ny;
            const double fx = ((double)x - (double)(nx / 2)) / (double)nx;
            const double pi = 3.14159265358979323846;
            phase[y * nx + x] *= (float)exp(-2 * pi * pi * width * width * (fy * fy + fx * fx));
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
static scry_status choose_phase(float complex *phase, double *width, const float complex *u,
                                size_t ny, size_t nx, scry_error *err)
{
    static const double widths[] = {2, 1.5, 1, 0.7, 0.4};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
        const scry_status st = smooth_phase(phase, u, ny, nx, widths[k], err);
        if (st != SCRY_OK) return st;
        *width = widths[k];
        if (imaginary_share(u, phase, ny * nx) <= 0.01) break;
    }
    return SCRY_OK;
}

/* The intensity at which 99.9 % of the pixels of |u| lie below. */
static scry_status bright(double *value, const float complex *u, size_t n, scry_error *err)
{
    float *a = scry_alloc(n, sizeof *a);
    if (!a) return SCRY_FAIL(err, SCRY_ENOMEM, "percentile of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        a[i] = cabsf(u[i]);
    *value = scry_quantile(a, n, 0.999, a);
    scry_free(a);
    return SCRY_OK;
}

/* r + i q: the network on the magnitude r, a Gaussian on q, what the phase map got wrong.
 * The Gaussian model beside it has the network's mean and spectrum. */
static scry_status make_priors(struct parts *p, const scry_mri_plane *plane,
                               const scry_mri_run *run, scry_error *err)
{
    const scry_space space = SCRY_SPACE(plane->ny, plane->nx);
    const scry_prior_info *about = run->pool.info;
    const scry_radial beside = {RINGS, p->imaginary, 0};
    scry_prior_layout layout;
    scry_prior *real = NULL, *imaginary = NULL;
    scry_prior_free(p->prior);
    scry_prior_free(p->model);
    p->prior = p->model = NULL;
    const unsigned needs = run->method->needs;
    /* A method that is about to be refused for its operator: the prior has all it can have, so that
     * the message names every method that would serve. */
    const bool refused = (needs & SCRY_NEEDS_SVD) && plane->coils > 1;
    scry_status st = scry_prior_pool_make(&real, &layout, &run->pool, &space, 512,
                                          (needs & SCRY_NEEDS_VJP) || refused, 1, err);
    if (st == SCRY_OK) st = scry_gaussian_create_radial(&imaginary, &space, 2, &beside, err);
    if (st == SCRY_OK) st = scry_complex_create(&p->prior, real, imaginary, err);
    if (st == SCRY_OK) real = imaginary = NULL;
    if (st == SCRY_OK && about->radial.count) {
        st = scry_gaussian_create_radial(&real, &space, 2, &about->radial, err);
        if (st == SCRY_OK) st = scry_gaussian_create_radial(&imaginary, &space, 2, &beside, err);
        if (st == SCRY_OK) st = scry_complex_create(&p->model, real, imaginary, err);
        if (st == SCRY_OK) real = imaginary = NULL;
    }
    scry_prior_free(real);
    scry_prior_free(imaginary);
    return st;
}

/* Operator, likelihood and priors for the phase, map and imaginary part in p. */
static scry_status with_phase(struct parts *p, const scry_mri_plane *plane, const scry_mri_run *run,
                              scry_error *err)
{
    scry_likelihood_free(p->L);
    p->L = NULL;
    scry_op_free(p->A);
    p->A = NULL;
    scry_status st = mri_solve_make_operator(&p->A, plane, p->mask, p->phase, err);
    if (st == SCRY_OK) st = make_likelihood(p, p->map, err);
    return st == SCRY_OK ? make_priors(p, plane, run, err) : st;
}

static scry_problem pose_problem(const struct parts *p, const scry_mri_run *run)
{
    return (scry_problem){.L = p->L,
                          .prior = p->prior,
                          .model = p->model,
                          .departure = run->has_pool ? &run->pool.info->departure : NULL};
}

/* The variable becomes u with image = phase (scale u + scale): background at -1, as the prior has
 * it, and the brightest tissue where training images had theirs. Phase and intensity come from an
 * l1-wavelet estimate of the measured samples. */
static scry_status pose_diffusion(struct parts *p, const scry_mri_plane *plane,
                                  const scry_mri_run *run, scry_error *err)
{
    const size_t n = plane->ny * plane->nx;
    double high = 0;
    if (plane->sets > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s works on one image, --sets %zu asks for several",
                         run->method->name, plane->sets);
    float complex *u = scry_alloc(n, sizeof *u);
    p->phase = scry_alloc(n, sizeof *p->phase);
    scry_status st = SCRY_OK;
    if (!u || !p->phase) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "first estimate of %zu pixels", n);
        goto done;
    }
    if ((st = quick_solve(u, "wavelet", 0.005, 60, p, err)) != SCRY_OK) goto done;
    if ((st = bright(&high, u, n, err)) != SCRY_OK) goto done;
    p->width = run->request->phase_width;
    st = p->width > 0 ? smooth_phase(p->phase, u, plane->ny, plane->nx, p->width, err)
                      : choose_phase(p->phase, &p->width, u, plane->ny, plane->nx, err);
    if (st != SCRY_OK) goto done;
    const double scale =
        run->unit * fmax(high, 0.25) / (2 * (run->request->gain > 0 ? run->request->gain : GAIN));
    p->map = (scry_affine){scale, scale};
    const double imaginary = run->request->imaginary > 0 ? run->request->imaginary : IMAGINARY;
    for (size_t k = 0; k < RINGS; k++)
        p->imaginary[k] = imaginary * imaginary;
    st = with_phase(p, plane, run, err);
done:
    scry_free(u);
    return st;
}

/* The power of the chains' imaginary part beside `phase`, ring by ring: the spectrum that makes the
 * draws most probable, a step of expectation-maximisation. */
static scry_status learn_imaginary(struct parts *p, const scry_mri_plane *plane,
                                   const scry_chains *chains, const float complex *phase,
                                   scry_error *err)
{
    const size_t ny = plane->ny, nx = plane->nx, n = ny * nx;
    const float complex *sample = (const float complex *)chains->samples;
    double sum[RINGS] = {0}, count[RINGS] = {0}, all = 0;
    float complex *q = scry_alloc(n, sizeof *q);
    scry_status st = SCRY_OK;
    if (!q) return SCRY_FAIL(err, SCRY_ENOMEM, "imaginary part of %zu pixels", n);
    for (size_t k = 0; k < chains->done && st == SCRY_OK; k++, sample += n) {
        for (size_t i = 0; i < n; i++)
            q[i] = cimagf((sample[i] + 1) * p->phase[i] * conjf(phase[i]));
        st = scry_fourier_transform(q, 1, ny, nx, SCRY_FOURIER_YX, false, err);
        for (size_t i = 0; i < n; i++) {
            const double fy = ((double)(i / nx) - (double)(ny / 2)) / (double)ny;
            const double fx = ((double)(i % nx) - (double)(nx / 2)) / (double)nx;
            const size_t ring = (size_t)(hypot(fy, fx) / sqrt(0.5) * (RINGS - 1) + 0.5);
            const double a = (double)cabsf(q[i]);
            sum[ring] += a * a;
            count[ring]++;
            all += a * a;
        }
    }
    const double mean = all / ((double)n * (double)chains->done);
    for (size_t k = 0; k < RINGS; k++) /* a ring of no pixels, or of none that matter: not 0 */
        p->imaginary[k] = NARROW * fmax(count[k] > 0 ? sum[k] / count[k] : 0, 1e-3 * mean + 1e-8);
    scry_free(q);
    return st;
}

/* phase <- that of the mean of `chains`. */
static scry_status learn_phase(struct parts *p, const scry_mri_plane *plane,
                               const scry_mri_run *run, const scry_chains *chains, scry_error *err)
{
    const size_t n = plane->ny * plane->nx;
    float complex *x = scry_alloc(2 * n, sizeof *x), *phase = x ? x + n : NULL;
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "phase of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        x[i] = (((const float complex *)chains->mean)[i] + 1) * p->phase[i];
    scry_status st = smooth_phase(phase, x, plane->ny, plane->nx, p->width, err);
    if (st == SCRY_OK && !(run->request->imaginary > 0))
        st = learn_imaginary(p, plane, chains, phase, err);
    memcpy(p->phase, phase, n * sizeof *phase);
    scry_free(x);
    return st;
}

/* The monitor may stop short chains; their steps are not those of the run: 0 chains. */
static bool refine_goes_on(const scry_chains_progress *p, void *ctx)
{
    const scry_mri_run *run = ctx;
    const scry_chains_progress told = {.p = p->p};
    return !run->monitor || run->monitor(&told, run->ctx);
}

/* Two short chains, whose mean is a better place to read the phase from than the first estimate. */
static scry_status refine(struct parts *p, const scry_mri_plane *plane, const scry_mri_run *run,
                          uint64_t seed, scry_error *err)
{
    const scry_problem problem = pose_problem(p, run);
    scry_chains_opts copts;
    scry_chains chains = {0};
    scry_options opts = run->opts;
    double steps = 0;
    scry_chains_opts_init(&copts);
    copts.chains = 2;
    copts.keep = true;
    copts.seed = ~seed; /* not the draws of the run itself */
    copts.threads = 1;
    if (scry_options_get(&opts, "steps", &steps, NULL) == SCRY_OK && steps > 20)
        scry_options_set(&opts, "steps", floor(steps / 2), NULL);
    scry_options_set(&opts, "draws", 1, NULL);
    scry_error why = {0};
    scry_status st =
        scry_chains_run(&chains, &problem, &opts, &copts, refine_goes_on, (void *)run, &why);
    if (st == SCRY_OK && chains.reason == SCRY_STOP_USER)
        st = SCRY_FAIL(err, SCRY_EIO, "interrupted");
    else if (st != SCRY_OK)
        st = SCRY_FAIL(err, st, "short chains that refine the phase: %s", why.text);
    if (st == SCRY_OK) st = learn_phase(p, plane, run, &chains, err);
    if (st == SCRY_OK) st = with_phase(p, plane, run, err);
    scry_chains_free(&chains);
    return st;
}

static scry_status pose(struct parts *p, const scry_mri_plane *plane, const scry_mri_run *run,
                        uint64_t seed, scry_error *err)
{
    scry_status st = SCRY_OK;
    p->mask = scry_copy(plane->mask, plane->ny * plane->nx);
    if (!p->mask) return SCRY_FAIL(err, SCRY_ENOMEM, "mask");
    p->sigma = run->psi ? sqrt(0.5) / plane->scale : run->unit * 1e-3;
    if (run->request->holdout > 0)
        st = scry_mri_hold_out(&p->held, p->mask, plane, run->request->holdout, seed, err);
    if (st == SCRY_OK) st = mri_solve_make_operator(&p->A, plane, p->mask, NULL, err);
    if (st == SCRY_OK) st = mri_solve_measure(&p->y, p->A, plane, err);
    if (st == SCRY_OK) st = make_likelihood(p, (scry_affine){run->unit, 0}, err);
    if (st == SCRY_OK && (run->method->needs & SCRY_NEEDS_DENOISER))
        st = pose_diffusion(p, plane, run, err);
    return st;
}

/* ---- what comes of it ---- */

/* |y - A x| / |y| on the samples that were held out, and its chi2. x in the unit of the file,
 * without the phase. */
static scry_status mri_solve_judge(scry_mri_result *r, const struct parts *p,
                                   const scry_mri_plane *plane, const float complex *x,
                                   scry_error *err)
{
    scry_op *H = NULL;
    float complex *y = NULL, *Ax = NULL;
    void *work = NULL;
    scry_status st = mri_solve_make_operator(&H, plane, p->held, p->phase, err);
    if (st != SCRY_OK) return st;
    const size_t m = scry_space_count(scry_op_cod(H));
    Ax = scry_alloc(m, sizeof *Ax);
    work = scry_alloc(1, scry_op_work_bytes(H));
    if (!Ax || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples held out", m);
        goto done;
    }
    if ((st = mri_solve_measure(&y, H, plane, err)) != SCRY_OK) goto done;
    if ((st = scry_op_forward(H, (float *)Ax, (const float *)x, work, err)) != SCRY_OK) goto done;
    const double d = scry_distance((float *)Ax, (float *)y, 2 * m);
    const double size = scry_norm((float *)y, 2 * m);
    r->holdout = size > 0 ? d / size : NAN;
    r->holdout_chi2 = d * d / (2 * (double)m * p->sigma * p->sigma);
done:
    scry_op_free(H);
    scry_free(y);
    scry_free(Ax);
    scry_free(work);
    return st;
}

/* Where no coil sees anything nothing was measured, and what a prior drew there is not an image: it
 * is 0, and so is what is said of it. R-hat and ESS are not numbers there, and in regions of which
 * most is such: drift of what nobody measures would pass for that of the image. */
static void blank_unseen(scry_mri_result *r, const unsigned char *seen, size_t n,
                         const scry_output_maps *asked)
{
    for (size_t i = 0; i < n; i++) {
        if (!seen[i]) r->image[i] = 0;
        for (size_t k = 0; k < asked->count; k++) {
            const bool followed = asked->list[k].kind >= SCRY_OUTPUT_RHAT;
            if (followed && seen[i] < SCRY_MRI_SEEN_AROUND)
                r->maps[k * n + i] = NAN;
            else if (!seen[i])
                r->maps[k * n + i] = 0;
        }
    }
}

/* What the chains say of the real part of u, which is the magnitude's direction where the phase is
 * in the maps. */
static void take_products(float *out, size_t n, const scry_affine *map,
                          const scry_output_maps *asked, const scry_chains *chains)
{
    for (size_t k = 0; k < asked->count; k++) {
        const float *u = scry_output_maps_values(asked, k, chains);
        for (size_t i = 0; i < n; i++)
            out[k * n + i] =
                (float)scry_output_maps_scaled(&asked->list[k], u[2 * i], map->scale, map->shift);
    }
}

/* Keeps what is said to what is seen: the image, its products, and the worst of R-hat and ESS. */
static scry_status keep_seen(scry_mri_result *r, const scry_mri_plane *plane,
                             const scry_output_maps *asked, const scry_chains *chains,
                             scry_error *err)
{
    const size_t n = plane->ny * plane->nx;
    unsigned char *seen;
    const scry_status st = scry_mri_plane_seen(&seen, plane, asked->region, err);
    if (st != SCRY_OK) return st;
    blank_unseen(r, seen, n, asked);
    for (size_t i = 0; i < n; i++)
        if (seen[i] == SCRY_MRI_SEEN_AROUND)
            scry_diagnosis_follow(&r->diagnosis, chains->rhat ? chains->rhat + 2 * i : NULL,
                                  chains->ess ? chains->ess + 2 * i : NULL, 1);
    scry_free(seen);
    return SCRY_OK;
}

/* chi2 counts in the noise of the coils, which is a guess where they were not whitened by it. */
static scry_status diagnose(scry_mri_result *r, const struct parts *p, const scry_mri_run *run,
                            const scry_chains *chains, scry_error *err)
{
    double deviance;
    void *work = scry_alloc(1, scry_likelihood_work_bytes(p->L));
    if (!work) return SCRY_FAIL(err, SCRY_ENOMEM, "deviance");
    r->diagnosis = scry_diagnosis_of(chains, run->method);
    const scry_status st =
        scry_likelihood_deviance(p->L, &deviance, &r->diagnosis.measured, chains->mean, work, err);
    scry_free(work);
    if (run->psi)
        r->diagnosis.chi2 = deviance / (double)r->diagnosis.measured;
    else
        r->diagnosis.draws_chi2 = NAN;
    return st;
}

static scry_status mri_solve_collect(scry_mri_result *r, const struct parts *p,
                                     const scry_mri_plane *plane, const scry_mri_run *run,
                                     const scry_chains *chains, scry_error *err)
{
    const size_t n = plane->ny * plane->nx, asked = run->maps.count;
    const float complex *u = (const float complex *)chains->mean;
    scry_status st = scry_output_maps_check(&run->maps, chains, err);
    if (st == SCRY_OK) st = diagnose(r, p, run, chains, err);
    if (st != SCRY_OK) return st;
    r->image = scry_alloc(n, sizeof *r->image);
    if (asked) r->maps = scry_alloc(n * asked, sizeof *r->maps);
    if (!r->image || (asked && !r->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + asked, n);
    for (size_t i = 0; i < n; i++)
        r->image[i] = (float)p->map.scale * u[i] + (float)p->map.shift;
    r->holdout = r->holdout_chi2 = NAN;
    if (p->held && plane->sets == 1 &&
        (st = mri_solve_judge(r, p, plane, r->image, err)) != SCRY_OK)
        return st;
    for (size_t i = 0; p->phase && i < n; i++)
        r->image[i] *= p->phase[i];
    for (size_t i = 0; plane->sets > 1 && i < n; i++) { /* magnitudes add up by squares */
        double sum = 0;
        for (size_t m = 0; m < plane->sets; m++) {
            const double complex v = u[m * n + i];
            sum += creal(v) * creal(v) + cimag(v) * cimag(v);
        }
        r->image[i] = (float)(p->map.scale * sqrt(sum));
    }
    take_products(r->maps, n, &p->map, &run->maps, chains);
    if ((st = keep_seen(r, plane, &run->maps, chains, err)) != SCRY_OK) return st;
    r->samples = chains->done;
    r->failed = chains->failed;
    r->counts = chains->counts;
    r->coils = plane->coils;
    r->scale = p->map.scale;
    return SCRY_OK;
}

/* Root sum of squares of the channels, as they are. */
static scry_status solve_rss(scry_mri_result *r, const scry_mri_plane *plane, scry_error *err)
{
    const size_t n = plane->ny * plane->nx;
    float complex *images = scry_copy(plane->data, plane->coils * n * sizeof *images);
    float *rss = scry_alloc(n, sizeof *rss);
    scry_status st = SCRY_OK;
    r->image = scry_alloc(n, sizeof *r->image);
    if (!images || !rss || !r->image) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu coil images", plane->coils);
        goto done;
    }
    st = scry_fourier_transform(images, plane->coils, plane->ny, plane->nx, plane->axes, true, err);
    if (st != SCRY_OK) goto done;
    scry_rss(rss, images, plane->coils, n);
    for (size_t i = 0; i < n; i++)
        r->image[i] = rss[i];
    r->samples = 1;
    r->coils = plane->coils;
    r->holdout = r->holdout_chi2 = NAN;
    r->diagnosis = (scry_diagnosis){
        .draws = 1, .chi2 = NAN, .draws_chi2 = NAN, .worst_rhat = NAN, .least_ess = NAN};
    r->scale = 1;
    for (size_t i = 0; i < n; i++)
        r->diagnosis.measured += plane->mask[i] * plane->coils;
done:
    scry_free(images);
    scry_free(rss);
    return st;
}

/* A^H y of whitened coils is shaded by sum |S|^2, which is not 1 everywhere: over that sum it is
 * the coil-combined image of least variance where all is sampled (Roemer et al. 1990). */
static void unshade(float complex *image, const scry_mri_plane *plane)
{
    const size_t n = plane->ny * plane->nx;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t c = 0; c < plane->coils; c++) {
            const float complex v = plane->maps[c * n + i];
            sum += (double)crealf(v) * crealf(v) + (double)cimagf(v) * cimagf(v);
        }
        image[i] = sum > 0 ? image[i] / (float)sum : 0;
    }
}

scry_status scry_mri_solve(scry_mri_result *out, const scry_mri_plane *plane,
                           const scry_mri_run *run, uint64_t seed, size_t threads, scry_error *err)
{
    struct parts p = {0};
    scry_chains chains = {0};
    scry_chains_opts copts = run->chains;
    double threshold[SCRY_MAX_QUANTILES];
    scry_mri_result r = {0};
    const double began = scry_clock();
    scry_status st;
    if (!plane->maps && plane->coils > 1) {
        st = solve_rss(&r, plane, err);
        goto done;
    }
    copts.seed = seed;
    copts.threads = threads;
    if ((st = pose(&p, plane, run, seed, err)) != SCRY_OK) goto done;
    for (int pass = 0; p.phase && pass < PASSES; pass++)
        if ((st = refine(&p, plane, run, seed + (uint64_t)pass, err)) != SCRY_OK) goto done;
    for (size_t t = 0; t < run->maps.thresholds; t++)
        threshold[t] = (run->maps.threshold[t] - p.map.shift) / p.map.scale;
    scry_output_maps_request(&copts, &run->maps, threshold);
    const scry_problem problem = pose_problem(&p, run);
    st = scry_start_find(&r.start, &problem, &run->opts, err);
    if (st == SCRY_OK)
        st = scry_chains_run(&chains, &problem, &run->opts, &copts, run->monitor, run->ctx, err);
    if (st != SCRY_OK) goto done;
    if (chains.reason == SCRY_STOP_USER)
        st = SCRY_FAIL(err, SCRY_EIO, "interrupted");
    else
        st = mri_solve_collect(&r, &p, plane, run, &chains, err);
    if (st == SCRY_OK && plane->maps && plane->sets == 1 &&
        !strcmp(run->method->name, "zero-filled"))
        unshade(r.image, plane);
done:
    r.seconds = scry_clock() - began;
    scry_chains_free(&chains);
    parts_free(&p);
    if (st != SCRY_OK)
        scry_mri_result_free(&r);
    else
        *out = r;
    return st;
}

scry_status scry_mri_forecast(size_t *bytes, const scry_mri_plane *plane, const scry_mri_run *run,
                              scry_error *err)
{
    struct parts p = {0};
    const size_t before = scry_memory_asked();
    *bytes = 0;
    if (!plane->maps && plane->coils > 1) return SCRY_OK;
    scry_status st = pose(&p, plane, run, 0, err);
    if (st == SCRY_OK) {
        const scry_problem problem = pose_problem(&p, run);
        const size_t posed = scry_memory_asked() - before;
        scry_start_point start;
        scry_chains_opts copts = run->chains;
        scry_output_maps_request(&copts, &run->maps, run->maps.threshold); /* their count matters */
        st = scry_chains_forecast(bytes, &problem, &run->opts, &copts, err);
        *bytes += posed;
        if (st == SCRY_OK) st = scry_start_find(&start, &problem, &run->opts, err);
        if (st == SCRY_OK) scry_start_log(&run->request->log, &start, "Gaussian posterior");
    }
    parts_free(&p);
    return st;
}
