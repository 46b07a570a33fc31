#include "apps/recon/run.h"

#include "apps/recon/tile.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"

#include <math.h>
#include <stdio.h>

/* 2^64 over the golden ratio: multiples are far apart in every bit (Knuth, TAOCP 3, sec. 6.4). */
#define SEED_STEP 0x9e3779b97f4a7c15u

uint64_t scry_recon_seed(uint64_t seed, uint64_t number)
{
    return seed + SEED_STEP * number;
}

/* ---- from u to the image ---- */

static const scry_space *domain_of(const scry_recon_problem *p)
{
    return p->problem.L ? scry_op_dom(scry_likelihood_op(p->problem.L))
                        : scry_prior_space(p->problem.prior);
}

/* Pixels of the image. */
static size_t count_pixels(const scry_recon_problem *p)
{
    return scry_space_count(p->window ? &p->window->inner : domain_of(p));
}

/* The pixels of the image out of values for all of the domain; real parts of complex ones. */
static void take_pixels(float *out, const scry_recon_problem *p, const float *values)
{
    if (p->window) {
        scry_window_crop(p->window, out, values);
        return;
    }
    const size_t n = count_pixels(p), stride = domain_of(p)->cplx ? 2 : 1;
    for (size_t i = 0; i < n; i++)
        out[i] = values[i * stride];
}

void scry_recon_mean(float *out, const scry_recon_problem *problem, const scry_recon_result *r)
{
    const size_t n = count_pixels(problem);
    take_pixels(out, problem, r->chains.mean);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(problem->map.scale * out[i] + problem->map.shift);
}

void scry_recon_map(float *out, const scry_recon_problem *problem, const scry_output_maps *maps,
                    size_t k, const scry_recon_result *r)
{
    const size_t n = count_pixels(problem);
    take_pixels(out, problem, scry_output_maps_values(maps, k, &r->chains));
    for (size_t i = 0; i < n; i++)
        out[i] = (float)scry_output_maps_scaled(&maps->list[k], out[i], problem->map.scale,
                                                problem->map.shift);
}

/* ---- before the chains ---- */

static void chain_options(scry_chains_opts *out, double *threshold, const scry_recon_problem *p,
                          const scry_recon_request *q)
{
    scry_chains_opts_init(out);
    out->chains = q->chains;
    out->first = q->first;
    out->seed = q->seed;
    out->threads = q->threads;
    out->keep = q->keep;
    if (!q->maps) return;
    for (size_t t = 0; t < q->maps->thresholds; t++)
        threshold[t] = (q->maps->threshold[t] - p->map.shift) / p->map.scale;
    scry_output_maps_request(out, q->maps, threshold);
}

scry_status scry_recon_forecast(size_t *bytes, const scry_recon_problem *problem,
                                const scry_recon_request *request, scry_error *err)
{
    scry_chains_opts opts;
    double threshold[SCRY_MAX_QUANTILES];
    chain_options(&opts, threshold, problem, request);
    return scry_chains_forecast(bytes, &problem->problem, request->options, &opts, err);
}

scry_status scry_recon_afford(size_t bytes, const char *what, const char *less, const scry_log *log,
                              scry_error *err)
{
    const size_t total = scry_memory_total();
    scry_log_note(log, "memory: %.3g GB for %s", (double)bytes * 1e-9, what);
    if (!total || bytes <= total) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%.3g GB needed, the machine has %.3g: %s",
                     (double)bytes * 1e-9, (double)total * 1e-9, less);
}

/* Settings that would take less memory than `bytes`. Returns buf. */
static const char *advise_less(char *buf, size_t size, const scry_recon_problem *p, double bytes)
{
    char tiles[96];
    scry_tile_print(tiles, sizeof tiles, p->window ? &p->window->inner : domain_of(p), bytes,
                    (double)scry_memory_total());
    snprintf(buf, size, "fewer --threads, a smaller --tile%s%s",
             tiles[0] ? ", or a part of the image: " : "", tiles);
    return buf;
}

static scry_status run_prepare(scry_recon_result *r, const scry_recon_problem *p,
                               const scry_recon_request *q, scry_error *err)
{
    char what[48], less[192];
    scry_status st = SCRY_OK;
    snprintf(what, sizeof what, "%zu chain%s", q->chains, q->chains == 1 ? "" : "s");
    if (q->forecast) st = scry_recon_forecast(&r->forecast_bytes, p, q, err);
    if (st == SCRY_OK && q->forecast)
        st = scry_recon_afford(r->forecast_bytes, what,
                               advise_less(less, sizeof less, p, (double)r->forecast_bytes), q->log,
                               err);
    if (st == SCRY_OK) st = scry_start_find(&r->start, &p->problem, q->options, err);
    if (st == SCRY_OK && q->start) scry_start_log(q->log, &r->start, q->start);
    return st;
}

/* ---- after them ---- */

/* R-hat and ESS where they count. */
static scry_status run_follow(scry_diagnosis *d, const scry_recon_problem *p, const scry_chains *c,
                              scry_error *err)
{
    const size_t n = count_pixels(p);
    if (!c->rhat && !c->ess) return SCRY_OK;
    float *values = scry_alloc(2 * n, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "map of %zu pixels", n);
    if (c->rhat) take_pixels(values, p, c->rhat);
    if (c->ess) take_pixels(values + n, p, c->ess);
    for (size_t i = 0; i < n; i++)
        if (!p->judged || p->judged[i])
            scry_diagnosis_follow(d, c->rhat ? values + i : NULL, c->ess ? values + n + i : NULL,
                                  1);
    scry_free(values);
    return SCRY_OK;
}

/* Pearson's chi2 per measurement, whose expectation at the truth is 1 for any light: that of the
 * deviance is 1.07 where a camera reads 1.5 electrons of noise and sees none. */
static scry_status run_chi2(scry_diagnosis *d, const scry_likelihood *L, const float *u,
                            scry_error *err)
{
    const scry_op *A = scry_likelihood_op(L);
    const size_t m = scry_space_floats(scry_op_cod(A));
    float *Au = scry_alloc(m, sizeof *Au), *W = scry_alloc(m, sizeof *W);
    float *b = scry_alloc(m, sizeof *b);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    scry_status st =
        Au && W && b && work ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "chi2 of %zu values", m);
    if (st == SCRY_OK) st = scry_op_forward(A, Au, u, work, err);
    if (st == SCRY_OK) st = scry_likelihood_linearise(L, W, b, Au, err);
    double sum = 0;
    for (size_t i = 0; i < m && st == SCRY_OK; i++)
        sum += (double)W[i] * (Au[i] - b[i]) * (Au[i] - b[i]);
    d->measured = m;
    d->chi2 = sum / (double)m;
    scry_free(Au);
    scry_free(W);
    scry_free(b);
    scry_free(work);
    return st;
}

static scry_status run_diagnose(scry_diagnosis *d, const scry_recon_problem *p,
                                const scry_recon_request *q, const scry_chains *c, scry_error *err)
{
    const scry_likelihood *L = p->problem.L;
    *d = scry_diagnosis_of(c, q->options->method);
    scry_status st = L ? run_chi2(d, L, c->mean, err) : SCRY_OK;
    if (st != SCRY_OK) return st;
    if (p->guessed_noise) d->chi2 = d->draws_chi2 = NAN;
    return run_follow(d, p, c, err);
}

static scry_status run_finish(scry_recon_result *r, const scry_recon_problem *p,
                              const scry_recon_request *q, scry_error *err)
{
    const scry_chains *c = &r->chains;
    scry_status st = SCRY_OK;
    if (c->reason == SCRY_STOP_USER) return SCRY_FAIL(err, SCRY_ESTOP, "interrupted");
    if (q->maps) st = scry_output_maps_check(q->maps, c, err);
    if (c->failed)
        scry_log_warn(q->log, "%s%s%zu of %zu chains diverged and are left out: %s",
                      p->name ? p->name : "", p->name ? ": " : "", c->failed, q->chains,
                      c->failure.text);
    return st == SCRY_OK ? run_diagnose(&r->diagnosis, p, q, c, err) : st;
}

scry_status scry_recon_run(scry_recon_result *out, const scry_recon_problem *problem,
                           const scry_recon_request *request, scry_chains_monitor *monitor,
                           void *ctx, scry_error *err)
{
    scry_chains_opts opts;
    double threshold[SCRY_MAX_QUANTILES];
    scry_recon_result r = {0};
    *out = r;
    chain_options(&opts, threshold, problem, request);
    scry_status st = run_prepare(&r, problem, request, err);
    if (st == SCRY_OK)
        st = scry_chains_run(&r.chains, &problem->problem, request->options, &opts, monitor, ctx,
                             err);
    if (st == SCRY_OK) st = run_finish(&r, problem, request, err);
    if (st == SCRY_OK)
        *out = r;
    else {
        scry_recon_result_free(&r);
        scry_error_name(err, problem->name);
    }
    return st;
}

void scry_recon_result_free(scry_recon_result *r)
{
    scry_chains_free(&r->chains);
    *r = (scry_recon_result){0};
}
