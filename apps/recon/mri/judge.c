#include "apps/recon/mri/mri_impl.h"

#include "lib/cancel.h"
#include "operators/fourier.h"
#include "solvers/roles.h"

#include <math.h>
#include <stdio.h>

/* Choices by samples that the reconstruction has not seen, on the slice in the middle: the weight
 * of a method that has one (lambda), and the method. The held-out error of a weight is flat near
 * its least; of three weights around it a parabola in the logarithms tells more than the least of
 * them. */

/* Share of the lines, or samples, outside of the middle that are held out, and how often. */
static const double SHARE = 0.08;
enum { SPLITS = 4, WEIGHTS = 13, QUICK = 60 };
/* Iterations of a total variation, which converges slower. */
enum { VARIATION_QUICK = 150 };
/* Of the weight for a scan with fewer samples, that for all of them. The ridge that noise of
 * sd s, in the unit of lambda, asks for, over s^2: 16 was best for R 4, 10 for R 8, on simulated
 * scans of training slices, of noise .005 and .02. */
static const double FEWER = 0.85, RIDGE = 12;
/* Draws, and steps of each, by which a diffusion method is judged: a share of those of a run. */
enum { DRAWS = 2, DRAW_STEPS = 15, DRAW_SPLITS = 3 };
/* Processor seconds of a call of the network and its data step, a pixel: 38 s for 8 chains of 256 x
 * 256 pixels and 8 coils. What a run takes at most that nobody asked to be slow. */
static const double CALL_SECONDS = 2.4e-6, PATIENCE = 3600;

static bool judge_goes_on(const scry_chains_progress *p, void *ctx)
{
    (void)p;
    (void)ctx;
    return !scry_cancelled();
}

/* chi2 of the samples that each of the first `splits` splits holds out, under these options: splits
 * share the threads, or the chains of each do. */
static scry_status held_out_chi2(double chi2[SPLITS], const scry_reconstructor *r,
                                 const struct scryi_plane *plane, const scry_options *options,
                                 size_t chains, size_t splits, size_t threads, scry_error *err)
{
    const struct scryi_mri_watch watch = {judge_goes_on, NULL};
    const int workers = chains == 1 && threads > 1 ? (int)threads : 1;
    scry_mri_request request = *r->request;
    scry_reconstructor of = *r;
    scry_status st[SPLITS] = {0};
    scry_error why[SPLITS] = {0};
    request.holdout = SHARE;
    of.request = &request;
    of.options = *options;
    of.chains = chains;
    of.maps = (scry_output_maps){0};
#pragma omp parallel for num_threads(workers) schedule(static, 1) if (workers > 1)
    for (size_t k = 0; k < splits; k++) {
        scry_mri_result result = {0};
        st[k] = scryi_mri_solve(&result, &of, plane, k, workers > 1 ? 1 : threads, &watch, &why[k]);
        chi2[k] = result.holdout_chi2;
        scry_mri_result_free(&result);
    }
    for (size_t k = 0; k < splits; k++)
        if (st[k] != SCRY_OK) return scry_fail(err, st[k], why[k].where, "%s", why[k].text);
    return SCRY_OK;
}

static double mean_over_splits(const double *chi2, size_t splits)
{
    double sum = 0;
    for (size_t k = 0; k < splits; k++)
        sum += chi2[k];
    return sum / (double)splits;
}

/* What was tried: chi2 of the default's multiples by powers of a factor; 0: not tried. */
struct weights {
    const scry_reconstructor *r;
    const struct scryi_plane *plane;
    scry_options options;
    size_t threads;
    double first, factor, chi2[WEIGHTS];
};

static double weight_of(const struct weights *w, double k)
{
    return w->first * pow(w->factor, k - WEIGHTS / 2);
}

static scry_status try_weight(struct weights *w, int k, scry_error *err)
{
    if (w->chi2[k] > 0) return SCRY_OK;
    double chi2[SPLITS];
    scry_options_set(&w->options, "lambda", weight_of(w, k), NULL);
    const scry_status st =
        held_out_chi2(chi2, w->r, w->plane, &w->options, 1, SPLITS, w->threads, err);
    w->chi2[k] = st == SCRY_OK ? mean_over_splits(chi2, SPLITS) : 0;
    return st;
}

/* Downhill from the middle, until the neighbours of the least are known. */
static scry_status best_weight(double *best, struct weights *w, scry_error *err)
{
    int at = WEIGHTS / 2;
    for (;;) {
        scry_status st = SCRY_OK;
        for (int k = at - 1; st == SCRY_OK && k <= at + 1; k++)
            st = try_weight(w, k, err);
        if (st != SCRY_OK) return st;
        const int before = at;
        if (w->chi2[at - 1] < w->chi2[at]) at--;
        if (w->chi2[before + 1] < w->chi2[at]) at = before + 1;
        if (at == before || at == 0 || at == WEIGHTS - 1) break;
    }
    *best = weight_of(w, at);
    if (at == 0 || at == WEIGHTS - 1) return SCRY_OK;
    const double a = log(w->chi2[at - 1]), b = log(w->chi2[at]), c = log(w->chi2[at + 1]);
    if (a + c - 2 * b > 0) *best = weight_of(w, at + 0.5 * (a - c) / (a + c - 2 * b));
    return SCRY_OK;
}

/* Wavelets, or whatever the default for scans is, of this weight (0: its own), and quick. */
static void quick_options(scry_options *out, double weight)
{
    scry_role_options(out, SCRY_ROLE_SCAN);
    scry_options_set(out, "iterations", QUICK, NULL);
    if (weight > 0) scry_options_set(out, "lambda", weight, NULL);
}

scry_status scryi_mri_weight(struct scryi_mri_weighed *found, const scry_reconstructor *r,
                             const struct scryi_plane *plane, const struct scryi_plane *judge,
                             double first, size_t threads, scry_error *err)
{
    scry_reconstructor of = *r;
    struct weights w = {.r = &of, .plane = plane, .threads = threads, .first = first, .factor = 2};
    scry_status st = SCRY_OK;
    of.judged_on = judge;
    quick_options(&w.options, 0);
    if (!(first > 0)) st = scry_options_get(&w.options, "lambda", &w.first, err);
    if (st == SCRY_OK) st = best_weight(&found->weight, &w, err);
    found->chi2 = INFINITY;
    for (int k = 0; k < WEIGHTS && st == SCRY_OK; k++)
        if (w.chi2[k] > 0) found->chi2 = fmin(found->chi2, w.chi2[k]);
    return st;
}

scry_status scryi_mri_quick_image(scry_mri_result *out, const scry_reconstructor *r,
                                  const struct scryi_plane *plane, double weight, size_t threads,
                                  scry_error *err)
{
    const struct scryi_mri_watch watch = {judge_goes_on, NULL};
    scry_mri_request request = *r->request;
    scry_reconstructor of = *r;
    request.holdout = 0;
    of.request = &request;
    of.chains = 1;
    of.maps = (scry_output_maps){0};
    quick_options(&of.options, weight);
    return scryi_mri_solve(out, &of, plane, 0, threads, &watch, err);
}

/* The weight of the method whose default is `before`. */
static scry_status choose_by_samples(double *best, const scry_reconstructor *r,
                                     const struct scryi_plane *plane, double before, size_t threads,
                                     scry_error *err)
{
    const struct scry_method *method = r->options.method;
    const bool ridge = method == scry_method_find("cg-sense");
    const bool variation = method == scry_method_find("tv");
    const bool wavelets = method == scry_role_method(SCRY_ROLE_SCAN);
    struct weights w = {.r = r,
                        .plane = plane,
                        .options = r->options,
                        .threads = threads,
                        .first = before,
                        .factor = ridge ? 3 : 2};
    double iterations;
    if (wavelets && r->weight > 0) {
        *best = FEWER * r->weight;
        return SCRY_OK;
    }
    if (scry_options_get(&w.options, "iterations", &iterations, NULL) == SCRY_OK)
        scry_options_set(&w.options, "iterations",
                         fmin(iterations, variation ? VARIATION_QUICK : QUICK), NULL);
    const scry_status st = best_weight(best, &w, err);
    if (!ridge) *best *= FEWER;
    return st;
}

static scry_status choose_weight(scry_reconstructor *r, const struct scryi_plane *plane,
                                 size_t threads, scry_error *err)
{
    const struct scry_method *method = r->options.method;
    double best, before;
    if (!r->request->tune || !scry_option_find(method, "lambda")) return SCRY_OK;
    if (scry_options_get(&r->options, "lambda", &before, NULL) != SCRY_OK || !(before > 0))
        return SCRY_OK;
    /* no ridge predicts whole lines, and the heaviest does least harm to those held out */
    const bool asks =
        method == scry_method_find("cg-sense") && r->psi && plane->axes != SCRY_FOURIER_YX;
    if (asks)
        best = RIDGE * pow(plane->scale * r->unit, -2);
    else {
        const scry_status st = choose_by_samples(&best, r, plane, before, threads, err);
        if (st != SCRY_OK) return st;
    }
    scry_log_note(&r->request->log, "lambda: %.3g, by %s (default %.3g; --lambda: another)", best,
                  asks ? "the noise" : "samples that are held out", before);
    return scry_options_set(&r->options, "lambda", best, err);
}

/* Not timed: the choice is a function of the data alone, for --resume and for all processes. */
static double forecast_draws(const scry_reconstructor *r, const struct scryi_plane *plane,
                             const scry_options *draws, size_t chains)
{
    const double planes = r->request->planes ? (double)r->request->planes : 1;
    double steps = 0;
    scry_options_get(draws, "steps", &steps, NULL);
    const double trials = DRAW_STEPS * (1 + DRAWS * DRAW_SPLITS); /* once, not for each plane */
    return CALL_SECONDS * (double)(plane->ny * plane->nx) *
           (planes * steps * ((double)chains + 2) + trials);
}

/* chi2 of the mean of `chains` draws, expected from that of DRAWS. A mean of K has bias + variance
 * / K, and one draw, which is the first of them, tells the two apart. */
static scry_status draws_chi2(double *expected, const scry_reconstructor *r,
                              const struct scryi_plane *plane, const scry_options *draws,
                              size_t chains, size_t threads, scry_error *err)
{
    double one[SPLITS], some[SPLITS];
    scry_status st = held_out_chi2(one, r, plane, draws, 1, 1, threads, err);
    if (st == SCRY_OK) st = held_out_chi2(some, r, plane, draws, DRAWS, DRAW_SPLITS, threads, err);
    if (st != SCRY_OK) return st;
    const double variance = fmax(one[0] - some[0], 0) / (1 - 1.0 / DRAWS);
    *expected =
        mean_over_splits(some, DRAW_SPLITS) - variance * (1.0 / DRAWS - 1.0 / (double)chains);
    return SCRY_OK;
}

static scry_status choose_method(scry_reconstructor *r, const struct scryi_plane *plane,
                                 size_t threads, scry_error *err)
{
    scry_options draws;
    double fits[SPLITS], classical, diffusion;
    if (!r->request->automatic || !r->has_pool) return SCRY_OK;
    scry_role_options(&draws, SCRY_ROLE_SCAN_DRAWS);
    const size_t chains = r->request->samples ? r->request->samples : SCRYI_DEFAULT_SAMPLES;
    const double seconds = forecast_draws(r, plane, &draws, chains);
    if (seconds > PATIENCE) {
        snprintf(r->choice, sizeof r->choice,
                 "%s; all by %s would take %.0f minutes of a processor", r->options.method->name,
                 draws.method->name, seconds / 60);
        scry_log_note(&r->request->log, "method: %s (--method %s)", r->choice, draws.method->name);
        return SCRY_OK;
    }
    scry_options quick = draws;
    scry_options_set(&quick, "steps", DRAW_STEPS, NULL);
    scry_status st = held_out_chi2(fits, r, plane, &r->options, 1, DRAW_SPLITS, threads, err);
    if (st == SCRY_OK) st = draws_chi2(&diffusion, r, plane, &quick, chains, threads, err);
    if (st != SCRY_OK) return st;
    classical = mean_over_splits(fits, DRAW_SPLITS);
    const bool better = diffusion < classical;
    const char *names[] = {r->options.method->name, draws.method->name};
    snprintf(r->choice, sizeof r->choice,
             "%s predicts samples that are held out best: chi2 %.3g, %s %.3g", names[better],
             better ? diffusion : classical, names[!better], better ? classical : diffusion);
    scry_log_note(&r->request->log, "method: %s (--method: another)", r->choice);
    if (!better) return SCRY_OK;
    r->options = draws;
    r->chains = chains;
    return SCRY_OK;
}

scry_status scryi_mri_prefers(bool *wider_is_better, const scry_reconstructor *r,
                              const struct scryi_plane *plane, const struct scryi_plane *wider,
                              size_t threads, scry_error *err)
{
    scry_options options;
    double narrow[SPLITS], wide[SPLITS];
    quick_options(&options, 0);
    *wider_is_better = false;
    scry_status st = held_out_chi2(narrow, r, plane, &options, 1, SPLITS, threads, err);
    if (st == SCRY_OK) st = held_out_chi2(wide, r, wider, &options, 1, SPLITS, threads, err);
    if (st == SCRY_OK)
        *wider_is_better = mean_over_splits(wide, SPLITS) < mean_over_splits(narrow, SPLITS);
    return st;
}

scry_status scryi_mri_choose(scry_reconstructor *r, const struct scryi_plane *plane, size_t threads,
                             scry_error *err)
{
    scry_error why = {0};
    if (!r->request->tune && !r->request->automatic) return SCRY_OK;
    if (plane->sets > 1 || !plane->maps || scryi_grappa_chosen(r)) return SCRY_OK;
    scry_status st = choose_weight(r, plane, threads, &why);
    if (st == SCRY_OK) st = choose_method(r, plane, threads, &why);
    if (st == SCRY_OK || st == SCRY_ENOMEM || st == SCRY_ESTOP)
        return st == SCRY_OK ? st : scry_fail(err, st, why.where, "%s", why.text);
    scry_log_note(&r->request->log, "%s by its defaults: %s", r->options.method->name, why.text);
    return SCRY_OK;
}
