#include "apps/recon/image/restore_impl.h"

#include "apps/recon/image/improvable.h"

#include <math.h>

/* chi2 a pixel of the light that was seen; of raw images .8 to 1, 30 to 30000 electrons. */
#define MISFIT_MAX 1.5
#define PLAIN_STEPS "--iterations 20 --stop steps --acceleration none"
enum { ROUNDS = 3 }; /* of judging, each with more noise */

/* Maps come from draws: of the contenders that have some, the first. */
static scry_status choose_draws(scry_restorer *r, scry_error *err)
{
    const scry_judgement *j = &r->judgement;
    size_t draws = 0;
    while (draws < r->contenders && r->contender[draws].method->kind != SCRY_POSTERIOR)
        draws++;
    if (draws == r->contenders)
        return SCRY_FAIL(err, SCRY_EINVAL, "maps need a method that draws, and a prior");
    if (j->of[draws].weight < 1)
        scry_log_warn(&r->setup.request->log, "%s is used alone, since maps are made from draws",
                      j->of[draws].method->name);
    for (size_t k = 0; k < r->contenders; k++)
        r->share[k] = k == draws;
    return SCRY_OK;
}

/* Of a volume, those that do not draw: the networks know planes, and on stacks with a known truth
 * their draws are 1 to 6 dB further from it than Richardson-Lucy, at 30 to 3000 electrons (points,
 * threads, shells), and averages with a quarter of them from .1 dB nearer to 1 dB further, also
 * where they predict better within the passband of the optics; and they take a hundred times as
 * long. */
static size_t choose_count(const scry_restorer *r, const scry_image *image)
{
    const bool volume = scry_image_axes(image) == 3 && image->space.dims[0] > 1;
    return volume && r->fits && !r->maps.count ? r->fits : r->contenders;
}

/* The least residual of a contender in the light that it has seen, over its noise. */
static double choose_min_misfit(const scry_judgement *j)
{
    double least = INFINITY;
    for (size_t k = 0; k < j->count; k++)
        if (!j->of[k].failure[0]) least = fmin(least, j->of[k].misfit);
    return isfinite(least) ? least : 1;
}

/* Judges, and where no contender explains the light within the noise that was estimated, takes the
 * rest for noise as well: a filter that is not linear, a gamma or a wrong PSF leave an error that
 * is no noise but must not be sharpened into the image. */
static scry_status choose_with_excess(scry_restorer *r, const scry_options *const *list,
                                      const struct image_task *task, scry_error *err)
{
    scry_noise_request *noise = &r->settled.noise;
    const bool estimated = !(noise->sigma > 0) && !(noise->gain > 0);
    double misfit = 1;
    noise->excess = 1;
    for (int round = 0;; round++) {
        scry_restore_request q = *r->setup.request;
        q.seconds *= (double)scry_space_count(&task->sample->space) /
                     (double)scry_space_count(&task->whole->space);
        const scry_status st =
            scry_judge_methods(&r->judgement, &q, task->sample, list, choose_count(r, task->image),
                               task->seed, task->monitor, task->ctx, err);
        if (st != SCRY_OK) return st;
        misfit = choose_min_misfit(&r->judgement);
        r->judgement.excess = noise->excess;
        if (!estimated || misfit <= MISFIT_MAX || round == ROUNDS) break;
        noise->excess *= misfit;
    }
    if (noise->excess > 1)
        scry_log_warn(
            &r->setup.request->log,
            "no method explains the image within the noise that it shows: it was filtered "
            "or its psf is another; %.3g times that variance is taken for noise",
            noise->excess);
    return SCRY_OK;
}

/* After a large filter that is not linear, light that is held out is no longer independent: a
 * median's change of structure is in both parts, and the more a method follows it, the better it
 * seems. The method that fits without a network follows it least (median of 5 x 5 pixels, 300
 * electrons: 36.6 dB, where the one that was judged best gives 35.5). */
static void choose_fit(scry_judgement *j)
{
    size_t fit = 0;
    while (fit < j->count && (j->of[fit].failure[0] || j->of[fit].method->kind == SCRY_POSTERIOR))
        fit++;
    for (size_t k = 0; k < j->count && fit < j->count; k++)
        j->of[k].weight = k == fit;
    if (fit < j->count) j->best = fit;
}

scry_status scryi_restore_choose(scry_restorer *r, const struct image_task *task, scry_error *err)
{
    const scry_options *list[SCRY_JUDGE_MAX];
    char text[400];
    if (!r->contenders || (r->judged && r->channel == task->image->channel)) return SCRY_OK;
    for (size_t k = 0; k < r->contenders; k++)
        list[k] = &r->contender[k];
    scry_status st = choose_with_excess(r, list, task, err);
    if (st != SCRY_OK) return st;
    scry_judgement_halve(&r->judgement);
    if (r->nonlinear) choose_fit(&r->judgement);
    for (size_t k = 0; k < r->contenders; k++)
        r->share[k] = k < r->judgement.count ? r->judgement.of[k].weight : 0;
    scry_log_note(&r->setup.request->log, "method: %s",
                  scry_judgement_print(&r->judgement, text, sizeof text));
    if (r->maps.count) st = choose_draws(r, err);
    for (size_t k = 0; k < r->contenders; k++)
        r->chosen[k] = r->contender[k];
    if (st == SCRY_OK) st = scryi_restore_keep_time(r, task->whole, err);
    r->judged = st == SCRY_OK;
    r->channel = task->image->channel;
    return st;
}

const scry_options *scryi_restore_classical(const scry_restorer *r)
{
    for (size_t k = 0; k < r->contenders; k++)
        if (!(r->contender[k].method->needs & SCRY_NEEDS_DENOISER)) return &r->contender[k];
    return NULL;
}

scry_status scryi_restore_improvement(scry_improvement *out, scry_restorer *r,
                                      const struct image_task *task, scry_error *err)
{
    const scry_image *image = task->sample;
    const bool asked = r->sharp_channel == image->channel + 1;
    scry_status st = scry_improvement_find(
        out, r->setup.request, image, asked ? NULL : scryi_restore_classical(r), task->seed, err);
    if (st != SCRY_OK || out->verdict == SCRY_ONLY_NOISE) return st;
    if (!asked) r->too_sharp = out->verdict == SCRY_SHARPER_THAN_PSF;
    if (!asked) r->sharp_channel = image->channel + 1;
    if (r->too_sharp) out->verdict = SCRY_SHARPER_THAN_PSF;
    return st;
}

/* Twenty plain steps contend as well. Held-out counts tell when to stop where the noise is known;
 * of a treated image they stop too early or too late. */
static scry_status add_plain_steps(scry_restorer *r, scry_error *err)
{
    const scry_options *first = scryi_restore_classical(r);
    if (!first || r->contenders == SCRY_JUDGE_MAX || !scry_option_find(first->method, "stop"))
        return SCRY_OK;
    scry_options *plain = &r->contender[r->contenders++];
    *plain = *first;
    return scry_options_parse(plain, PLAIN_STEPS, err);
}

static void add_contenders(scry_restorer *r, bool draws)
{
    size_t count;
    const scry_options *asked = r->setup.request->draws;
    const struct scry_method *const *all = scry_methods(&count);
    for (size_t k = 0; k < count && r->contenders < SCRY_JUDGE_MAX; k++) {
        if (!all[k]->contends || (all[k]->kind == SCRY_POSTERIOR) != draws) continue;
        if ((all[k]->needs & SCRY_NEEDS_DENOISER) && !r->setup.request->prior) continue;
        scry_options *one = &r->contender[r->contenders++];
        scry_options_init(one, all[k]);
        if (asked && asked->method == all[k]) *one = *asked;
    }
}

scry_status scryi_restore_contenders(scry_restorer *r, scry_error *err)
{
    add_contenders(r, false);
    const scry_status st = add_plain_steps(r, err);
    r->fits = r->contenders;
    add_contenders(r, true);
    if (st != SCRY_OK || r->contenders) return st;
    return SCRY_FAIL(err, SCRY_EINVAL, "no method contends: name one");
}
