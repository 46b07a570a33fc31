#include "apps/recon/diagnosis.h"

#include <math.h>
#include <stdio.h>

/* An sd of the noise that is wrong by more than a factor of sqrt(2), either way: error bars are
 * then wrong by tens of percent. Posterior means have a chi2 of at most 1 on average: with n the
 * noise and S the posterior's covariance, E |y - A mean|^2 = E |n|^2 - trace(A S A^T). More than 1
 * is a fault whatever the image is; less is none, since S is as large as the noise wherever the
 * data say more than the prior. Draws have a chi2 of 1 on average, whatever S is: they show noise
 * that is given as too strong. */
#define CHI2_HIGH 2.0
#define CHI2_LOW 0.5
/* Of the statistic itself, for few measurements: its sd is sqrt(2 / measured). */
#define CHI2_ERRORS 4.0
/* Gelman et al. 2013 (sec. 11.4) take 1.1, Vehtari et al. 2021 1.01: maps hold the worst of many
 * regions, which scatter by some hundredths. */
#define RHAT_HIGH 1.05
/* The sd of a mean of 20 is a fifth of the posterior's. */
#define ESS_LOW 20.0

scry_diagnosis scry_diagnosis_of(const scry_chains *c, const struct scry_method *method)
{
    const bool known = method->kind == SCRY_POSTERIOR && c->residual > 0;
    return (scry_diagnosis){.draws = c->draws,
                            .solves = c->counts.solves,
                            .unconverged = c->counts.unconverged,
                            .chi2 = NAN,
                            .draws_chi2 = known ? c->residual * c->residual : NAN,
                            .worst_rhat = NAN,
                            .min_ess = NAN};
}

void scry_diagnosis_follow(scry_diagnosis *d, const float *rhat, const float *ess, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rhat) d->worst_rhat = fmax(d->worst_rhat, rhat[i]); /* fmax and fmin pass over NaN */
        if (ess) d->min_ess = fmin(d->min_ess, ess[i]);
    }
}

void scry_diagnosis_report(scry_json *doc, scry_json_node *to, const scry_diagnosis *d)
{
    scry_json_put_unsigned(doc, to, "draws", d->draws);
    scry_json_put_unsigned(doc, to, "data_steps", d->solves);
    scry_json_put_unsigned(doc, to, "data_steps_unconverged", d->unconverged);
    if (d->draws_chi2 >= 0) scry_json_put_number(doc, to, "chi2_of_draws", d->draws_chi2);
    if (d->worst_rhat >= 0) scry_json_put_number(doc, to, "worst_rhat", d->worst_rhat);
    if (d->min_ess >= 0) scry_json_put_number(doc, to, "min_ess", d->min_ess);
}

/* Takes in `value`, which is the worse the larger sign * value is; NaN is passed over. */
static void diagnosis_judge(scry_diagnosis_fault *f, double value, double sign, double bound,
                            const char *where)
{
    if (isnan(value)) return;
    if (sign * value > sign * bound) f->count++;
    if (f->images++ && sign * value <= sign * f->value) return;
    f->value = value;
    snprintf(f->where, sizeof f->where, "%s", where);
}

void scry_diagnosis_add(scry_diagnosis_summary *t, const scry_diagnosis *d, const char *where)
{
    const double scatter = CHI2_ERRORS * sqrt(2 / fmax((double)d->measured, 1));
    t->images++;
    t->draws += d->draws;
    t->solves += d->solves;
    t->unconverged += d->unconverged;
    if (!isnan(d->chi2)) {
        t->low = t->judged ? fmin(t->low, d->chi2) : d->chi2;
        t->high = t->judged ? fmax(t->high, d->chi2) : d->chi2;
        t->judged++;
        t->misfits += d->chi2 * (double)d->measured;
        t->measured += d->measured;
    }
    diagnosis_judge(&t->misfit, d->chi2, 1, fmax(CHI2_HIGH, 1 + scatter), where);
    diagnosis_judge(&t->overfit, d->correlated ? NAN : d->draws_chi2, -1,
                    fmin(CHI2_LOW, 1 - scatter), where);
    diagnosis_judge(&t->rhat, d->worst_rhat, 1, RHAT_HIGH, where);
    diagnosis_judge(&t->ess, d->min_ess, -1, ESS_LOW, where);
}

double scry_diagnosis_chi2(const scry_diagnosis_summary *t)
{
    return t->measured ? t->misfits / (double)t->measured : NAN;
}

/* "a.tif, slice 3 (the worst of 4 of 20 images): ", for a warning to go on from. */
static const char *name_place(char *buf, size_t size, const scry_diagnosis_summary *t,
                              const scry_diagnosis_texts *w, const scry_diagnosis_fault *f)
{
    const int used = snprintf(buf, size, "%s%s%s", w->file, f->where[0] ? ", " : "", f->where);
    if (t->images > 1 && used >= 0 && (size_t)used < size)
        snprintf(buf + used, size - (size_t)used, " (the worst of %zu of %zu images)", f->count,
                 t->images);
    return buf;
}

static void warn_of_noise(const scry_diagnosis_summary *t, const scry_diagnosis_texts *w,
                          const scry_log *log)
{
    char place[512];
    const char *end = t->draws > t->images ? "; error bars are not to be trusted" : "";
    if (t->misfit.count)
        scry_log_warn(
            log,
            "%s: chi2 of the mean is %.3g, expected 1 or less: it misses the measurement by %.2g "
            "times the noise. Either the noise is stronger than given or estimated (%s), %s, "
            "or the method does not fit%s",
            name_place(place, sizeof place, t, w, &t->misfit), t->misfit.value,
            sqrt(t->misfit.value), w->noise, w->model, end);
    if (t->overfit.count)
        scry_log_warn(
            log,
            "%s: chi2 of the draws is %.3g, expected 1: they are nearer to the measurement than "
            "its noise. Either the noise is weaker than given or estimated (%s), or the method "
            "follows it%s",
            name_place(place, sizeof place, t, w, &t->overfit), t->overfit.value, w->noise, end);
}

static void note_summary(const scry_diagnosis_summary *t, const scry_diagnosis_texts *w,
                         const scry_log *log)
{
    char chi2[160] = "", range[96] = "", rhat[48] = "", ess[48] = "", steps[96] = "";
    const size_t draws = t->draws / t->images;
    if (t->judged > 1)
        snprintf(range, sizeof range, " (%.3g to %.3g in %zu images)", t->low, t->high, t->judged);
    if (t->judged)
        snprintf(chi2, sizeof chi2, "chi2 %.3g of the mean, measured again%s; ",
                 scry_diagnosis_chi2(t), range);
    if (t->rhat.images) snprintf(rhat, sizeof rhat, ", worst R-hat %.4g", t->rhat.value);
    if (t->ess.images) snprintf(ess, sizeof ess, ", least ESS %.3g", t->ess.value);
    if (t->unconverged)
        snprintf(steps, sizeof steps, ", data steps that did not converge: %zu of %zu",
                 t->unconverged, t->solves);
    scry_log_note(log, "%s: %s%zu draw%s%s%s%s", w->file, chi2, draws, draws == 1 ? "" : "s", rhat,
                  ess, steps);
}

void scry_diagnosis_log(const scry_diagnosis_summary *t, const scry_diagnosis_texts *w,
                        const scry_log *log)
{
    char place[512];
    if (t->images) note_summary(t, w, log);
    if (w->noise) warn_of_noise(t, w, log);
    if (w->rhat && t->rhat.count)
        scry_log_warn(log,
                      "%s: R-hat is up to %.3g, expected %g or less: chains do not agree yet; give "
                      "more --steps before the draws, --draws or --thin",
                      name_place(place, sizeof place, t, w, &t->rhat), t->rhat.value, RHAT_HIGH);
    if (w->ess && t->ess.count)
        scry_log_warn(log,
                      "%s: as few as %.3g independent draws, expected %g or more: mean and error "
                      "bars are rough there; give more --samples%s",
                      name_place(place, sizeof place, t, w, &t->ess), t->ess.value, ESS_LOW,
                      w->multi_draw ? ", --draws or --thin" : "");
}
