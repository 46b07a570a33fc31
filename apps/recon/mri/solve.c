#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/progress.h"
#include "lib/vector.h"
#include "operators/fourier.h"
#include "solvers/roles.h"

#include <math.h>

void scry_mri_result_free(scry_mri_result *r)
{
    scry_free(r->image);
    scry_free(r->maps);
    *r = (scry_mri_result){0};
}

scry_status scryi_mri_misfit(float complex **misfit, size_t *count, double *size,
                             const struct scryi_plane *plane, const unsigned char *mask,
                             const float complex *phase, const float complex *x, scry_error *err)
{
    scry_op *A = NULL;
    float complex *y = NULL, *Ax = NULL;
    void *work = NULL;
    *misfit = NULL;
    scry_status st = scryi_mri_operator(&A, plane, mask, phase, err);
    if (st != SCRY_OK) return st;
    const size_t m = *count = scry_space_count(scry_op_cod(A));
    Ax = scry_alloc(m, sizeof *Ax);
    work = scry_alloc(1, scry_op_work_bytes(A));
    if (!Ax || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "misfit of %zu samples", m);
        goto done;
    }
    if ((st = scryi_mri_samples(&y, A, plane, mask, err)) != SCRY_OK) goto done;
    if ((st = scry_op_forward(A, (float *)Ax, (const float *)x, work, err)) != SCRY_OK) goto done;
    *size = scry_norm((float *)y, 2 * m);
    for (size_t i = 0; i < m; i++)
        y[i] -= Ax[i];
    *misfit = y;
    y = NULL;
done:
    scry_op_free(A);
    scry_free(y);
    scry_free(Ax);
    scry_free(work);
    return st;
}

/* |y - A x| / |y| on the samples that were held out, and its chi2. x in the unit of the file,
 * without the phase. */
static scry_status judge_by_held_out(scry_mri_result *r, const struct scryi_mri_posterior *p,
                                     const float complex *x, scry_error *err)
{
    const struct scryi_plane *plane = p->r->judged_on ? p->r->judged_on : p->plane;
    const double sigma = scryi_mri_sigma(p->r, plane);
    float complex *misfit;
    size_t m;
    double size;
    const scry_status st = scryi_mri_misfit(&misfit, &m, &size, plane, p->held, p->phase, x, err);
    if (st != SCRY_OK) return st;
    const double d = scry_norm((float *)misfit, 2 * m);
    r->holdout = size > 0 ? d / size : NAN;
    r->holdout_chi2 = d * d / (2 * (double)m * sigma * sigma);
    scry_free(misfit);
    return SCRY_OK;
}

/* Where no coil sees anything nothing was measured, and pixels that a prior drew there are no
 * image: the mean is 0 there, and so are its maps. R-hat and ESS are not numbers there, and in
 * regions of which most is such: drift of unmeasured pixels would pass for that of the image. */
static void blank_unseen(scry_mri_result *r, const unsigned char *seen, size_t n,
                         const scry_output_maps *asked)
{
    for (size_t i = 0; i < n; i++) {
        if (!seen[i]) r->image[i] = 0;
        for (size_t k = 0; k < asked->count; k++) {
            const bool followed = asked->list[k].kind >= SCRY_OUTPUT_RHAT;
            if (followed && seen[i] < SCRYI_SEEN_AROUND)
                r->maps[k * n + i] = NAN;
            else if (!seen[i])
                r->maps[k * n + i] = 0;
        }
    }
}

/* Whether a coil sees pixel i through this set of maps: a prior fills the image of the others. */
static bool set_sees(const struct scryi_plane *p, size_t set, size_t i)
{
    const size_t n = p->ny * p->nx;
    for (size_t c = 0; c < p->coils; c++)
        if (cabsf(p->maps[(c * p->sets + set) * n + i]) > 0) return true;
    return false;
}

/* The magnitudes of several sets of maps add up by squares; a map beside them is at each pixel that
 * of the set which is brightest there. */
static scry_status collect_sets(scry_mri_result *r, const struct scryi_mri_posterior *p,
                                const scry_recon_result *run, scry_error *err)
{
    const scry_output_maps *maps = &p->r->maps;
    const scry_affine map = p->problem.map;
    const size_t n = p->plane->ny * p->plane->nx, sets = p->plane->sets;
    const float complex *u = (const float complex *)run->chains.mean;
    unsigned char *brightest = scry_alloc(n, 1);
    float *all = scry_alloc(sets * n, sizeof *all);
    if (!brightest || !all) {
        scry_free(brightest);
        scry_free(all);
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu sets of %zu pixels", sets, n);
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0, most = -1;
        for (size_t m = 0; m < sets; m++) {
            if (!set_sees(p->plane, m, i)) continue;
            const double complex v = map.scale * (double complex)u[m * n + i] + map.shift;
            const double power = creal(v) * creal(v) + cimag(v) * cimag(v);
            if (power > most) brightest[i] = (unsigned char)m;
            most = fmax(most, power);
            sum += power;
        }
        r->image[i] = (float)sqrt(sum);
    }
    for (size_t k = 0; k < maps->count; k++) {
        scry_recon_map(all, &p->problem, maps, k, run);
        for (size_t i = 0; i < n; i++)
            r->maps[k * n + i] = all[brightest[i] * n + i];
    }
    scry_free(brightest);
    scry_free(all);
    return SCRY_OK;
}

static scry_status mri_solve_collect(scry_mri_result *r, const struct scryi_mri_posterior *p,
                                     const scry_recon_result *run, scry_error *err)
{
    const struct scryi_plane *plane = p->plane;
    const scry_output_maps *maps = &p->r->maps;
    const scry_affine map = p->problem.map;
    const size_t n = plane->ny * plane->nx;
    const float complex *u = (const float complex *)run->chains.mean;
    scry_status st = SCRY_OK;
    r->image = scry_alloc(n, sizeof *r->image);
    if (maps->count) r->maps = scry_alloc(n * maps->count, sizeof *r->maps);
    if (!r->image || (maps->count && !r->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + maps->count, n);
    for (size_t i = 0; i < n; i++)
        r->image[i] = (float)map.scale * u[i] + (float)map.shift;
    for (size_t i = 0; i < n; i++)
        ((float *)r->image)[2 * i + 1] *= (float)p->beside;
    r->holdout = r->holdout_chi2 = NAN;
    if (p->held && plane->sets == 1 && (st = judge_by_held_out(r, p, r->image, err)) != SCRY_OK)
        return st;
    for (size_t i = 0; p->phase && i < n; i++)
        r->image[i] *= p->phase[i];
    if (plane->sets > 1 && (st = collect_sets(r, p, run, err)) != SCRY_OK) return st;
    for (size_t k = 0; plane->sets == 1 && k < maps->count; k++)
        scry_recon_map(r->maps + k * n, &p->problem, maps, k, run);
    blank_unseen(r, p->seen, n, maps);
    r->samples = run->chains.done;
    r->failed = run->chains.failed;
    r->counts = run->chains.counts;
    r->start = run->start;
    r->diagnosis = run->diagnosis;
    r->coils = plane->coils;
    r->scale = map.scale;
    return SCRY_OK;
}

/* A^H y of whitened coils is shaded by sum |S|^2, which is not 1 everywhere: over that sum it is
 * the coil-combined image of least variance where all is sampled (Roemer et al. 1990). */
static void mri_solve_unshade(float complex *image, const struct scryi_plane *plane)
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

/* Poses and runs the problem; results in *r. */
static scry_status solve_posed(scry_mri_result *r, struct scryi_mri_posterior *p, uint64_t seed,
                               size_t threads, const struct scryi_mri_watch *watch, scry_error *err)
{
    const scry_reconstructor *rec = p->r;
    const scry_recon_request request = {.options = &rec->options,
                                        .chains = rec->chains,
                                        .seed = seed,
                                        .threads = threads,
                                        .maps = &rec->maps};
    scry_recon_result run = {0};
    scry_status st = scryi_phase_learn(p, seed, threads, watch, err);
    if (st == SCRY_OK)
        st = scry_recon_run(&run, &p->problem, &request, watch->monitor, watch->ctx, err);
    if (st == SCRY_OK) st = mri_solve_collect(r, p, &run, err);
    scry_recon_result_free(&run);
    if (st == SCRY_OK && p->plane->maps && p->plane->sets == 1 &&
        rec->options.method == scry_role_method(SCRY_ROLE_ADJOINT))
        mri_solve_unshade(r->image, p->plane);
    return st;
}

scry_status scryi_mri_solve(scry_mri_result *out, const scry_reconstructor *r,
                            const struct scryi_plane *plane, uint64_t seed, size_t threads,
                            const struct scryi_mri_watch *watch, scry_error *err)
{
    struct scryi_mri_posterior p = {0};
    if (scryi_grappa_chosen(r) || (!plane->maps && plane->coils > 1))
        return scryi_solve_coil_images(out, plane, err);
    scry_status st = scryi_mri_pose(&p, r, plane, seed, err);
    if (st == SCRY_OK) st = solve_posed(out, &p, seed, threads, watch, err);
    scryi_mri_posterior_free(&p);
    return st;
}

scry_status scry_reconstructor_run(scry_mri_result *out, const scry_reconstructor *r,
                                   const scry_mri_slice *slice, size_t index,
                                   const float complex *maps, uint64_t seed, size_t threads,
                                   scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    const struct scryi_mri_watch watch = {monitor, ctx};
    const double began = scry_clock();
    struct scryi_plane plane = {0};
    *out = (scry_mri_result){0};
    scry_status st = scryi_plane_make(&plane, r, slice, index, maps, err);
    if (st == SCRY_OK) st = scryi_mri_solve(out, r, &plane, seed, threads, &watch, err);
    out->ny = plane.ny;
    out->nx = plane.nx;
    out->axis[0] = plane.axis[0];
    out->axis[1] = plane.axis[1];
    out->seconds = scry_clock() - began;
    scryi_plane_free(&plane);
    if (st != SCRY_OK) scry_mri_result_free(out);
    return st;
}

scry_status scry_reconstructor_adjoint(scry_mri_result *out, const scry_reconstructor *r,
                                       const scry_mri_slice *slice, size_t index,
                                       const float complex *maps, scry_error *err)
{
    scry_mri_request request = *r->request;
    scry_reconstructor plain = *r;
    request.holdout = 0;
    plain.request = &request;
    plain.chains = 1;
    plain.maps = (scry_output_maps){0};
    scry_role_options(&plain.options, SCRY_ROLE_ADJOINT);
    return scry_reconstructor_run(out, &plain, slice, index, maps, 0, 1, NULL, NULL, err);
}
