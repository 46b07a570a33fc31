#include "apps/verify/row.h"

#include "apps/recon/run.h"
#include "lib/cancel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Number of the chain of the pilot run; those of the measurements start at 0. */
enum { PILOT = 1 << 30 };

static bool go_on(const scry_chains_progress *p, void *ctx)
{
    (void)p;
    (void)ctx;
    return !scry_cancelled();
}

scry_status verify_draw(scry_chains *out, const verify_posterior *posterior,
                        const scry_options *options, size_t first, size_t count, uint64_t seed,
                        scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = posterior->sigma};
    scry_likelihood *L = NULL;
    scry_error why = {0};
    scry_status st = SCRY_OK;
    *out = (scry_chains){0};
    if (posterior->y)
        st = scry_likelihood_create(&L, posterior->A, posterior->y, &noise, NULL, err);
    if (st != SCRY_OK) return st;
    const scry_recon_problem problem = {.problem = {.L = L,
                                                    .prior = posterior->prior,
                                                    .model = posterior->model,
                                                    .gap = posterior->gap},
                                        .map = {1, 0}};
    const scry_recon_request request = {
        .options = options, .chains = count, .first = first, .seed = seed, .keep = true};
    scry_recon_result result;
    st = scry_recon_run(&result, &problem, &request, go_on, NULL, &why);
    if (st == SCRY_OK) *out = result.chains;
    scry_likelihood_free(L);
    if (st == SCRY_OK || st == SCRY_ESTOP) return SCRY_OK;
    return scry_fail(err, st, why.where, "%s", why.text);
}

void verify_count(verify_sum *sum, const scry_chains *c)
{
    sum->counts.denoise += c->counts.denoise;
    sum->counts.vjp += c->counts.vjp;
    sum->counts.forward += c->counts.forward;
    sum->counts.adjoint += c->counts.adjoint;
    if (c->failed && !sum->failed) sum->failure = c->failure;
    sum->failed += c->failed;
    sum->samples += c->done;
}

void verify_served(verify_row *row, const verify_sum *sum)
{
    const double chains = (double)(sum->samples + sum->failed);
    row->served = true;
    row->chains = sum->samples;
    row->denoise = (double)sum->counts.denoise / chains;
    row->vjp = (double)sum->counts.vjp / chains;
    row->apply = (double)(sum->counts.forward + sum->counts.adjoint) / chains;
    if (sum->failed)
        snprintf(row->note, sizeof row->note, "%zu of %.0f chains diverged: %.100s", sum->failed,
                 chains, sum->failure.text);
}

scry_status verify_refused(verify_row *row, scry_status st, const scry_error *why, scry_error *err)
{
    if (st == SCRY_EUNSUP || st == SCRY_ENUMERIC || st == SCRY_EINVAL) {
        snprintf(row->note, sizeof row->note, "not measured: %.180s", why->text);
        return SCRY_OK;
    }
    if (err) *err = *why;
    return st;
}

verify_value verify_mean(double sum, double squares, size_t count)
{
    const double n = (double)count, mean = sum / n;
    const double variance = fmax(0, squares / n - mean * mean);
    return (verify_value){mean, count > 1 ? sqrt(variance / (n - 1)) : NAN};
}

scry_status verify_cost(double *calls, const verify_table *table, const verify_posterior *posterior,
                        const scry_options *options, double vjp, uint64_t seed, scry_error *err)
{
    scry_chains c = {0};
    for (size_t i = 0; table && i < table->count; i++) {
        const verify_row *r = &table->rows[i];
        if (!r->served || strcmp(r->method, options->method->name) != 0) continue;
        *calls = r->denoise + vjp * r->vjp + 1;
        return SCRY_OK;
    }
    const scry_status st = verify_draw(&c, posterior, options, PILOT, 1, seed, err);
    *calls = (double)c.counts.denoise + vjp * (double)c.counts.vjp + 1;
    scry_chains_free(&c);
    return st;
}
