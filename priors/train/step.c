#include "priors/train/trainer_impl.h"

#include "lib/rng.h"
#include "priors/train/optim_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define SIGMA_LIMIT                                                                                \
    40. /* in z; ln s is normal without end, and above there is nothing to learn                   \
         */

/* Plane p of the network at its pixel (y, x) in the lanes of a tensor. */
static size_t lane_of(const scryi_graph *g, size_t p, size_t row)
{
    return (p / scryi_lanes() * g->height * g->width + row * g->width) * scryi_lanes() +
           p % scryi_lanes();
}

/* Where row r of the network's planes has its first pixel in an image; see scryi_unshuffled_row. */
static size_t image_row(const scry_trainer *t, size_t r)
{
    const size_t u = t->opts.unshuffle, h = t->graph->height, w = t->graph->width, p = r / h;
    return (p / (u * u) * h * u + r % h * u + p / u % u) * w * u + p % u;
}

static void step_enter(const scry_trainer *t, float *to, const float *z, const float *noise,
                       double sigma)
{
    const scryi_graph *g = t->graph;
    const size_t u = t->opts.unshuffle, planes = t->net->config.channels, lanes = scryi_lanes();
    const double in = scryi_network_coefficients(t->net, sigma).in;
    const float a = (float)in, b = (float)(in * sigma);
    memset(to, 0, g->tensors[g->input].floats * sizeof *to);
    for (size_t r = 0; r < planes * g->height; r++) {
        const size_t from = image_row(t, r), at = lane_of(g, r / g->height, r % g->height);
        for (size_t i = 0; i < g->width; i++)
            to[at + i * lanes] = a * z[from + i * u] + b * noise[from + i * u];
    }
}

/* The error of an image, |F - v|^2 / N, and its gradient in F times `weight`; v, the F that makes
 * D the image itself, is (z - skip (z + sigma n)) / out. */
static double step_compare(const scry_trainer *t, float *grad, const float *F, const float *z,
                           const float *noise, double sigma, double weight)
{
    const scryi_graph *g = t->graph;
    const size_t u = t->opts.unshuffle, planes = t->net->config.channels, lanes = scryi_lanes();
    const scryi_coefficients c = scryi_network_coefficients(t->net, sigma);
    const double of_noise = -c.skip * sigma / c.out, of_image = (1 - c.skip) / c.out;
    const float back = (float)(2 * weight / (double)t->pixels);
    double total = 0;
    memset(grad, 0, g->tensors[g->output].floats * sizeof *grad);
    for (size_t r = 0; r < planes * g->height; r++) {
        const size_t from = image_row(t, r), at = lane_of(g, r / g->height, r % g->height);
        for (size_t i = 0; i < g->width; i++) {
            const double v =
                of_noise * (double)noise[from + i * u] + of_image * (double)z[from + i * u];
            const double d = (double)F[at + i * lanes] - v;
            total += d * d;
            grad[at + i * lanes] = back * (float)d;
        }
    }
    return total / (double)t->pixels;
}

static double step_uncertainty(const scryi_uncertainty *u, double sigma)
{
    double sum = (double)u->value[SCRYI_WAVES];
    for (size_t k = 0; k < SCRYI_WAVES; k++)
        sum +=
            (double)u->value[k] * cos((double)u->frequency[k] * log(sigma) + (double)u->phase[k]);
    return sum;
}

/* dL/du of an image, to the weights of u. */
static void uncertainty_back(scryi_uncertainty *u, double sigma, double g)
{
    u->grad[SCRYI_WAVES] += (float)g;
    for (size_t k = 0; k < SCRYI_WAVES; k++)
        u->grad[k] += (float)(g * cos((double)u->frequency[k] * log(sigma) + (double)u->phase[k]));
}

static scry_status group_gradient(scry_trainer *t, size_t group, size_t worker, scry_error *err)
{
    const scryi_graph *g = t->graph;
    const size_t batch = g->batch, first = group * batch;
    float *arena = t->arena[worker];
    float *in = scryi_train_at(g, arena, g->input);
    const int *labels = t->label ? t->label + first : NULL;
    for (size_t b = 0; b < batch; b++) {
        const size_t i = first + b;
        t->time[i] = scryi_network_coefficients(t->net, t->sigma[i]).t;
        step_enter(t, in + b * g->tensors[g->input].floats, t->z + i * t->pixels,
                   t->noise + i * t->pixels, t->sigma[i]);
    }
    const scry_status st = scryi_graph_forward(g, arena, t->time + first, labels, worker, err);
    if (st != SCRY_OK) return st;
    const size_t step = g->tensors[g->output].floats;
    for (size_t b = 0; b < batch; b++) {
        const size_t i = first + b;
        t->uncertain[i] = step_uncertainty(&t->u, t->sigma[i]);
        t->error[i] = step_compare(t, scryi_train_at(g, arena, g->output_grad) + b * step,
                                   scryi_train_at(g, arena, g->output) + b * step,
                                   t->z + i * t->pixels, t->noise + i * t->pixels, t->sigma[i],
                                   exp(-t->uncertain[i]) / (double)t->opts.batch);
    }
    return scryi_graph_backward(g, arena, t->group_grad[group], labels, worker, err);
}

/* The groups' gradients into the first of them, in their order at any number of threads. */
static void sum_groups(scry_trainer *t)
{
    const size_t n = t->graph->gradient_floats;
    float *sum = t->group_grad[0];
#pragma omp parallel for schedule(static) num_threads(t->opts.threads) if (t->opts.threads > 1)
    for (size_t start = 0; start < n; start += 4096)
        for (size_t k = 1; k < t->group_count; k++) {
            const float *from = t->group_grad[k];
            for (size_t i = start; i < n && i < start + 4096; i++)
                sum[i] += from[i];
        }
}

static bool team_owns(const scry_trainer *t, size_t group)
{
    const scry_train_team *team = &t->opts.team;
    return team->size < 2 || group % team->size == team->rank;
}

/* The worst status of the team, on all of it; one process words it. */
static scry_status team_agree(const scry_trainer *t, scry_status mine, scry_error *err)
{
    const scry_train_team *team = &t->opts.team;
    scry_status worst = mine;
    for (size_t r = 0; r < team->size && team->size > 1; r++) {
        scry_status theirs = mine;
        team->share(&theirs, sizeof theirs, r);
        if (theirs > worst) worst = theirs;
    }
    if (worst == mine) return mine;
    return SCRY_FAIL(err, worst, "another process of the training failed");
}

/* Each group's gradient and the errors of its images, from the process that has them. */
static void team_share(scry_trainer *t)
{
    const scry_train_team *team = &t->opts.team;
    const size_t n = t->opts.group;
    for (size_t k = 0; k < t->group_count && team->size > 1; k++) {
        const size_t root = k % team->size;
        team->share(t->group_grad[k], t->graph->gradient_floats * sizeof(float), root);
        team->share(t->error + k * n, n * sizeof *t->error, root);
        team->share(t->uncertain + k * n, n * sizeof *t->uncertain, root);
    }
}

/* The gradients of the groups that are this process's own. */
static scry_status step_groups(scry_trainer *t, scry_error *err)
{
    const size_t workers = (size_t)t->opts.threads;
#pragma omp parallel for schedule(static, 1) num_threads(t->opts.threads) if (t->opts.threads > 1)
    for (size_t w = 0; w < workers; w++)
        for (size_t k = w; k < t->group_count; k += workers) {
            t->errors[k] = (scry_error){0};
            t->status[k] = team_owns(t, k) ? group_gradient(t, k, w, &t->errors[k]) : SCRY_OK;
        }
    for (size_t k = 0; k < t->group_count; k++)
        if (t->status[k] != SCRY_OK) {
            if (err) *err = t->errors[k];
            return t->status[k];
        }
    return SCRY_OK;
}

scry_status scryi_trainer_gradient(scry_trainer *t, scry_error *err)
{
    const scry_status st = team_agree(t, step_groups(t, err), err);
    if (st != SCRY_OK) return st;
    team_share(t);
    sum_groups(t);
    memset(t->u.grad, 0, sizeof t->u.grad);
    for (size_t i = 0; i < t->opts.batch; i++)
        uncertainty_back(&t->u, t->sigma[i],
                         (1 - t->error[i] * exp(-t->uncertain[i])) / (double)t->opts.batch);
    return scryi_graph_unload(t->graph, t->grad, t->group_grad[0], t->opts.threads, err);
}

/* Of the gradients that AdamW takes, the factor that clips their norm to 1; of all others too,
 * whether they are finite. */
static scry_status step_clip(scry_trainer *t, float *factor, scry_error *err)
{
    double adam = 0, muon = 0;
    for (size_t i = 0; i < t->entry_count; i++) {
        const scryi_entry *e = &t->entries[i];
        const float *g = t->grad + (e->value - t->net->pool);
        double sum = 0;
        for (size_t k = 0; k < e->count; k++)
            sum += (double)g[k] * (double)g[k];
        *(scryi_learns_by_muon(e) ? &muon : &adam) += sum;
    }
    for (size_t k = 0; k <= SCRYI_WAVES; k++)
        adam += (double)t->u.grad[k] * (double)t->u.grad[k];
    if (!isfinite(adam + muon))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "gradient of step %zu is not finite", t->step + 1);
    *factor = (float)fmin(1, 1 / (sqrt(adam) + 1e-6));
    return SCRY_OK;
}

static scry_status update_entry(scry_trainer *t, const scryi_entry *e, const scryi_adamw *adam,
                                double muon, float factor, size_t worker, scry_error *err)
{
    const size_t at = (size_t)(e->value - t->net->pool);
    if (scryi_learns_by_muon(e))
        return scryi_muon_step(e->value, t->m + at, t->grad + at, e->dims[0], e->count / e->dims[0],
                               muon, t->opts.decay, t->muon[worker], err);
    for (size_t k = 0; k < e->count; k++)
        t->grad[at + k] *= factor;
    scryi_adamw_step(adam, e->value, t->m + at, t->v + at, t->grad + at, e->count);
    return SCRY_OK;
}

scry_status scryi_trainer_update(scry_trainer *t, double rate, scry_error *err)
{
    float factor;
    scry_status st = step_clip(t, &factor, err);
    if (st != SCRY_OK) return st;
    t->step++;
    const scryi_adamw adam = {t->opts.rate_adam * rate, t->opts.decay, t->step};
    const double keep = pow(1 - 1 / (double)t->step, t->opts.average + 1);
    const float fresh = (float)(1 - keep);
#pragma omp parallel for schedule(dynamic) num_threads(t->opts.threads) if (t->opts.threads > 1)
    for (size_t i = 0; i < t->entry_count; i++) {
        const scryi_entry *e = &t->entries[i];
        float *average = t->average + (e->value - t->net->pool);
        const scry_status s = update_entry(t, e, &adam, t->opts.rate_muon * rate, factor,
                                           (size_t)omp_get_thread_num(), i ? NULL : err);
        if (s != SCRY_OK)
#pragma omp critical
            st = s;
        for (size_t k = 0; k < e->count; k++)
            average[k] += fresh * (e->value[k] - average[k]);
    }
    if (st != SCRY_OK) return SCRY_FAIL(err, st, "update of step %zu", t->step);
    for (size_t k = 0; k <= SCRYI_WAVES; k++)
        t->u.grad[k] *= factor;
    scryi_adamw_step(&adam, t->u.value, t->u.m, t->u.v, t->u.grad, SCRYI_WAVES + 1);
    return scryi_graph_load(t->graph, t->opts.threads, err);
}

/* The row of the class embedding for a crop: a share of them, and all without labels, go without.
 */
static int step_label(const scry_trainer *t, void *context, size_t step, size_t i)
{
    const scry_train_opts *o = &t->opts;
    float left_out;
    scry_rng_uniform(&left_out, 0, 1, o->seed, (uint32_t)i, scry_rng_step(step, 4));
    if (!o->classes || (double)left_out < o->label_dropout) return t->net->config.unlabelled;
    return (int)o->label(context, step, i);
}

static scry_status step_draw_image(scry_trainer *t, scry_crop_fn *source, void *context, size_t i,
                                   scry_error *err)
{
    const scry_train_opts *o = &t->opts;
    const size_t step = t->step + 1;
    float *z = t->z + i * t->pixels, level;
    const double low = scry_schedule_sigma(t->net->schedule, 0);
    const bool mine = team_owns(t, i / o->group);
    const scry_status st = mine ? source(context, z, step, i, err) : SCRY_OK;
    for (size_t k = 0; mine && k < t->pixels; k++)
        z[k] = (z[k] - (float)o->mean) / (float)o->std;
    scry_rng_normal(&level, 0, 1, o->seed, (uint32_t)i, scry_rng_step(step, 0));
    if (t->label) t->label[i] = step_label(t, context, step, i);
    t->sigma[i] =
        fmin(SIGMA_LIMIT, fmax(low, exp(o->log_sigma_mean + o->log_sigma_sd * (double)level)));
    if (mine)
        scry_rng_normal(t->noise + i * t->pixels, 0, t->pixels, o->seed, (uint32_t)i,
                        scry_rng_step(step, 1));
    return st;
}

scry_status scry_trainer_step(scry_trainer *t, scry_crop_fn *source, void *context, double rate,
                              double *loss, scry_error *err)
{
    double sum = 0;
#pragma omp parallel for schedule(static) num_threads(t->opts.threads) if (t->opts.threads > 1)
    for (size_t i = 0; i < t->opts.batch; i++) {
        t->errors[i] = (scry_error){0};
        t->status[i] = step_draw_image(t, source, context, i, &t->errors[i]);
    }
    scry_status st = SCRY_OK;
    for (size_t i = 0; i < t->opts.batch && st == SCRY_OK; i++)
        if ((st = t->status[i]) != SCRY_OK && err) *err = t->errors[i];
    if ((st = team_agree(t, st, err)) != SCRY_OK) return st;
    if ((st = scryi_trainer_gradient(t, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < t->opts.batch; i++)
        sum += t->error[i];
    *loss = sum / (double)t->opts.batch;
    return scryi_trainer_update(t, rate, err);
}

scry_status scry_trainer_probe(scry_trainer *t, double *seconds, scry_error *err)
{
    scry_status st = SCRY_OK;
    for (size_t i = 0; i < t->opts.batch; i++) {
        t->sigma[i] = 1;
        if (t->label) t->label[i] = t->net->config.unlabelled;
    }
    for (int turn = 0; turn < 2 && st == SCRY_OK; turn++) { /* the first touches all memory */
        *seconds = omp_get_wtime();
        st = scryi_trainer_gradient(t, err);
        *seconds = omp_get_wtime() - *seconds;
    }
    return st;
}
