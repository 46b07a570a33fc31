#include "priors/network/unet.h"
#include "priors/network/network.h"

#include "lib/call_batcher.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "priors/prior_impl.h"
#include "priors/network/model_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The network as a prior: coefficients between sigma and the network's own variables, and the
 * assembly of a model from layers and plans. */

typedef struct scryi_unet {
    scry_prior base;
    scry_network *owned;
    scryi_model model;
    int label; /* row of the class embedding; -1: none */
    double guidance;
    size_t guide_at; /* floats of work before those of guidance */
} scryi_unet;

/* D = skip x + offset + out F(in x + shift, t) */
typedef struct scryi_unet_map {
    double skip, offset, out, in, shift, t;
} scryi_unet_map;

static scryi_unet_map unet_map(const scry_network *net, double sigma)
{
    const double mean = net->config.mean, std = net->config.std;
    const scryi_coefficients c = scryi_network_coefficients(net, sigma / std);
    return (scryi_unet_map){.skip = c.skip,
                            .offset = (1 - c.skip) * mean,
                            .out = std * c.out,
                            .in = c.in / std,
                            .shift = -c.in * mean / std,
                            .t = c.t};
}

static void run_denoise(const void *model, void *const *images, size_t count)
{
    const scryi_model *m = model;
    scryi_plan_run(m, &m->denoise, images, count);
}

static void run_vjp(const void *model, void *const *images, size_t count)
{
    const scryi_model *m = model;
    scryi_plan_run(m, &m->vjp, images, count);
}

/* to = skip x + offset + out F, from the network's planes to the pixels they came from; to == x
 * allowed. */
static void unet_place_planes(const scryi_unet *u, float *to, const float *F, double out,
                              const float *x, double skip, double offset)
{
    const scryi_model *m = &u->model;
    const size_t block = m->net->config.unshuffle, h = m->height, w = m->width;
    const float a = (float)skip, b = (float)offset, c = (float)out;
    for (size_t r = 0; r < m->net->config.channels * h; r++) {
        const size_t at = scryi_unshuffled_row(m, r);
        for (size_t i = 0; i < w; i++)
            to[at + i * block] = a * x[at + i * block] + b + c * F[r * w + i];
    }
}

static scry_status unet_run_label(const scryi_unet *u, scryi_unet_map c, int label, float *D,
                                  float *g, const float *x, const float *v, void *work,
                                  scry_error *err)
{
    const double stretch = u->model.net->config.center_input ? 2 : 1;
    scryi_image image = {.x = x,
                         .v = v,
                         .scale = stretch * c.in,
                         .shift = stretch * c.shift - (stretch - 1),
                         .time = c.t,
                         .label = label,
                         .work = work,
                         .err = err};
    scry_call_batcher_call(v ? run_vjp : run_denoise, &u->model, &image);
    if (image.status != SCRY_OK) return image.status;
    if (D) unet_place_planes(u, D, image.F, c.out, x, c.skip, c.offset);
    if (v) unet_place_planes(u, g, image.g, c.out * c.in * stretch, v, c.skip, 0);
    return SCRY_OK;
}

/* to = (1 - w) from + w to */
static void unet_guide(const scryi_unet *u, float *to, const float *from)
{
    const size_t n = scry_space_count(&u->base.space);
    const float w = (float)u->guidance;
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] + w * (to[i] - from[i]);
}

static bool unet_is_guided(const scryi_unet *u)
{
    return u->label != u->model.net->config.unlabelled && (u->guidance < 1 || u->guidance > 1);
}

static scry_status unet_run(const scryi_unet *u, scryi_unet_map c, float *D, float *g,
                            const float *x, const float *v, void *work, scry_error *err)
{
    if (!unet_is_guided(u)) return unet_run_label(u, c, u->label, D, g, x, v, work, err);
    const size_t n = scry_space_count(&u->base.space);
    float *D0 = (float *)work + u->guide_at, *g0 = v ? D0 + n : NULL;
    scry_status st =
        unet_run_label(u, c, u->model.net->config.unlabelled, D ? D0 : NULL, g0, x, v, work, err);
    if (st == SCRY_OK) st = unet_run_label(u, c, u->label, D, g, x, v, work, err);
    if (st != SCRY_OK) return st;
    if (D) unet_guide(u, D, D0);
    if (v) unet_guide(u, g, g0);
    return SCRY_OK;
}

static scry_status unet_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                void *work, scry_error *err)
{
    const scryi_unet *u = (const scryi_unet *)P;
    return unet_run(u, unet_map(u->model.net, (double)sigma), x0, NULL, x, NULL, work, err);
}

static scry_status unet_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                            const float *v, float sigma, void *work, scry_error *err)
{
    const scryi_unet *u = (const scryi_unet *)P;
    return unet_run(u, unet_map(u->model.net, (double)sigma), x0, g, x, v, work, err);
}

static void unet_destroy(scry_prior *P)
{
    scryi_unet *u = (scryi_unet *)P;
    if (!u) return;
    scryi_plan_free(&u->model.denoise);
    scryi_plan_free(&u->model.vjp);
    scryi_layers_free(&u->model);
    scry_free(u->model.times);
    scry_network_free(u->owned);
    scry_free(u);
}

static const struct scry_prior_ops with_vjp = {
    .name = "unet", .denoise = unet_denoise, .vjp = unet_vjp, .destroy = unet_destroy};
static const struct scry_prior_ops without_vjp = {
    .name = "unet", .denoise = unet_denoise, .destroy = unet_destroy};

void scry_unet_opts_init(scry_unet_opts *opts)
{
    *opts =
        (scry_unet_opts){.threads = 1, .vjp = true, .winograd = true, .label = -1, .guidance = 1};
}

static scry_status unet_check_space(const scry_network *net, const scry_space *space,
                                    scry_error *err)
{
    char text[96];
    const size_t channels = scry_network_channels(net), multiple = scry_network_multiple(net);
    const scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    scry_space_print(space, text, sizeof text);
    const size_t planes = space->rank == 3 ? space->dims[0] : 1;
    if (space->cplx || space->rank < 2 || space->rank > 3 || planes != channels)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "image %s for a network of %zu channel%s, expected real %s%zu x H x W",
                         text, channels, channels > 1 ? "s" : "", channels > 1 ? "" : "H x W or ",
                         channels);
    for (int i = space->rank - 2; i < space->rank; i++)
        if (space->dims[i] % multiple)
            return SCRY_FAIL(
                err, SCRY_ESHAPE,
                "image %s: axis %d has length %zu, the network needs a multiple of %zu", text, i,
                space->dims[i], multiple);
    return SCRY_OK;
}

static void add_time(scryi_model *m, const scryi_resnet *r)
{
    if (m->times) m->times[m->time_count] = (scryi_time_row){r, m->time_floats};
    m->time_count++;
    m->time_floats += scryi_time_floats(m->net, r);
}

static void add_times(scryi_model *m, const scryi_block *b)
{
    for (size_t j = 0; j < b->count; j++)
        add_time(m, &b->resnet[j]);
    if (b->resamples && b->by_resnet) add_time(m, &b->resampler);
}

/* In the order in which the plan meets them. */
static void list_times(scryi_model *m)
{
    const scry_network *net = m->net;
    m->time_count = m->time_floats = 0;
    for (size_t i = 0; i < net->config.levels; i++)
        add_times(m, &net->down[i]);
    add_times(m, &net->mid);
    for (size_t i = 0; i < net->config.levels; i++)
        add_times(m, &net->up[i]);
}

static scry_status unet_build(scryi_model *m, bool vjp_too, scry_error *err)
{
    scry_status st;
    list_times(m);
    if (!(m->times = scry_alloc(m->time_count, sizeof *m->times)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "time embedding of the network");
    list_times(m);
    if ((st = scryi_edges_create(m, err)) != SCRY_OK) return st;
    if ((st = scryi_plan_create(m, &m->denoise, false, err)) != SCRY_OK) return st;
    return vjp_too ? scryi_plan_create(m, &m->vjp, true, err) : SCRY_OK;
}

/* A batch reads weights once for all its images, which is worth a fifth of D at 32 x 32 and 7 % at
 * 64 x 64 and 128 x 128, most of it with four images (tests/bench/bench_batch.c). Each image costs
 * its work, and above the limit weights no longer count beside it. */
static size_t batch_of(size_t work_bytes)
{
    const size_t max = 4, fit = ((size_t)128 << 20) / work_bytes;
    return fit < 1 ? 1 : fit < max ? fit : max;
}

scry_status scry_unet_create(scry_prior **out, const scry_network *net, const scry_space *space,
                             const scry_unet_opts *opts, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, net, space)) return SCRY_EINVAL;
    scry_unet_opts o;
    scry_status st;
    scry_unet_opts_init(&o);
    if (opts) o = *opts;
    if (o.threads < 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "%d threads, expected at least 1", o.threads);
    const size_t classes = scry_network_classes(net);
    if (o.label < -1 || (o.label >= 0 && (size_t)o.label >= classes))
        return SCRY_FAIL(err, SCRY_EINVAL, "class %d of a network of %zu classes", o.label,
                         classes);
    if (!(fabs(o.guidance) <= 1000))
        return SCRY_FAIL(err, SCRY_EINVAL, "guidance %g, expected within 1000", o.guidance);
    if ((st = unet_check_space(net, space, err)) != SCRY_OK) return st;
    scryi_unet *u = scry_alloc(1, sizeof *u);
    if (!u) return SCRY_FAIL(err, SCRY_ENOMEM, "network prior");
    u->base = (scry_prior){.ops = o.vjp ? &with_vjp : &without_vjp, .space = *space};
    scry_network_sigma_range(net, &u->base.sigma_low, &u->base.sigma_high);
    u->model = (scryi_model){.net = net,
                             .threads = o.threads,
                             .winograd = o.winograd,
                             .height = space->dims[space->rank - 2] / net->config.unshuffle,
                             .width = space->dims[space->rank - 1] / net->config.unshuffle};
    u->label = o.label < 0 ? net->config.unlabelled : o.label;
    u->guidance = o.guidance;
    if ((st = unet_build(&u->model, o.vjp, err)) != SCRY_OK) goto done;
    const size_t a = u->model.denoise.floats, b = u->model.vjp.floats;
    u->guide_at = a > b ? a : b;
    const size_t guide = unet_is_guided(u) ? 2 * scry_space_count(space) : 0;
    u->base.work_bytes = (u->guide_at + guide) * sizeof(float);
    u->base.batch = batch_of(u->base.work_bytes);
    *out = &u->base;
    u = NULL;
done:
    unet_destroy((scry_prior *)u);
    return st;
}

scry_status scry_unet_load(scry_prior **out, const char *folder, const scry_space *space,
                           const scry_unet_opts *opts, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, folder, space)) return SCRY_EINVAL;
    scry_network *net;
    scry_status st = scry_network_load(&net, folder, err);
    if (st != SCRY_OK) return st;
    st = scry_unet_create(out, net, space, opts, err);
    if (st == SCRY_OK)
        ((scryi_unet *)*out)->owned = net;
    else
        scry_network_free(net);
    return st;
}

static const scryi_unet *as_unet(const scry_prior *P)
{
    return P->ops == &with_vjp || P->ops == &without_vjp ? (const scryi_unet *)P : NULL;
}

scry_status scry_unet_evaluate(const scry_prior *P, float *F, float *g, const float *x,
                               const float *v, double t, void *work, scry_error *err)
{
    const scryi_unet *u = as_unet(P);
    if (!u) return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a network prior", scry_prior_name(P));
    if (v && !P->ops->vjp)
        return SCRY_FAIL(err, SCRY_EUNSUP, "the network was planned without its vjp");
    const scryi_unet_map c = {.out = 1, .in = 1, .t = t};
    return unet_run(u, c, F, g, x, v, work, err);
}

scry_unet_cost scry_unet_cost_of(const scry_prior *P)
{
    const scryi_unet *u = as_unet(P);
    if (!u) return (scry_unet_cost){0};
    const double forward = u->model.denoise.flops, both = u->model.vjp.flops;
    return (scry_unet_cost){.weight_bytes = scryi_layers_bytes(&u->model),
                            .flops_denoise = forward,
                            .flops_vjp = both > 0 ? both - forward : 0};
}
