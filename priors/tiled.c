#include "priors/tiled.h"

#include "priors/parallel_map_impl.h"
#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <string.h>

/* The windows along one axis. */
struct axis {
    size_t count, window;
    size_t *start; /* count */
    float *weight; /* count x window; sums to 1 over the windows at each pixel */
};

struct tiled {
    scry_prior base;
    struct scry_prior_ops ops; /* without vjp when the inner prior has none */
    scry_prior *inner;
    struct axis axes[SCRY_MAX_RANK];
    size_t count, workers, per; /* windows; at a time; floats an entry */
    size_t tile_bytes, slot_bytes;
};

struct call {
    const struct tiled *p;
    const float *x, *v;
    float sigma;
    bool want_x0;
};

/* A slot: the window of x, of v, g and x0, then the inner prior's work. */
static float *slot_part(const struct tiled *p, void *slot, int part)
{
    return (float *)((char *)slot + (size_t)part * p->tile_bytes);
}

/* A window is walked row by row, a row being a run along the last axis. */
struct walk {
    size_t index[SCRY_MAX_RANK]; /* of the window along each axis */
    size_t rows;
};

static struct walk walk_start(const struct tiled *p, size_t tile)
{
    struct walk w = {.rows = 1};
    const int rank = p->base.space.rank;
    for (int a = rank - 1; a >= 0; a--) {
        w.index[a] = tile % p->axes[a].count;
        tile /= p->axes[a].count;
        if (a < rank - 1) w.rows *= p->axes[a].window;
    }
    return w;
}

/* Where the row begins in the image, in entries, and the weight that the leading axes give it. */
static size_t walk_row(const struct tiled *p, const struct walk *w, size_t row, double *scale)
{
    const int last = p->base.space.rank - 1;
    const struct axis *along = &p->axes[last];
    size_t at = along->start[w->index[last]], stride = p->base.space.dims[last];
    *scale = 1;
    for (int a = last - 1; a >= 0; a--) {
        const struct axis *axis = &p->axes[a];
        const size_t i = row % axis->window;
        at += (axis->start[w->index[a]] + i) * stride;
        *scale *= axis->weight[w->index[a] * axis->window + i];
        stride *= p->base.space.dims[a];
        row /= axis->window;
    }
    return at;
}

static const float *row_weights(const struct tiled *p, const struct walk *w)
{
    const int last = p->base.space.rank - 1;
    return p->axes[last].weight + w->index[last] * p->axes[last].window;
}

/* tile = R_i x, times w_i when weighted */
static void tiled_gather(const struct tiled *p, size_t tile, float *to, const float *x,
                         bool weighted)
{
    const struct walk w = walk_start(p, tile);
    const size_t width = p->axes[p->base.space.rank - 1].window, per = p->per;
    const float *weights = row_weights(p, &w);
    double scale;
    for (size_t row = 0; row < w.rows; row++) {
        const float *from = x + per * walk_row(p, &w, row, &scale);
        float *out = to + per * row * width;
        if (!weighted) {
            memcpy(out, from, per * width * sizeof *out);
            continue;
        }
        for (size_t i = 0; i < width; i++)
            for (size_t c = 0; c < per; c++)
                out[per * i + c] = (float)(scale * weights[i]) * from[per * i + c];
    }
}

/* x += R_i^T tile, times w_i when weighted */
static void tiled_scatter(const struct tiled *p, size_t tile, float *x, const float *from,
                          bool weighted)
{
    const struct walk w = walk_start(p, tile);
    const size_t width = p->axes[p->base.space.rank - 1].window, per = p->per;
    const float *weights = row_weights(p, &w);
    double scale;
    for (size_t row = 0; row < w.rows; row++) {
        float *to = x + per * walk_row(p, &w, row, &scale);
        const float *in = from + per * row * width;
        for (size_t i = 0; i < width; i++) {
            const float weight = weighted ? (float)(scale * weights[i]) : 1.0f;
            for (size_t c = 0; c < per; c++)
                to[per * i + c] += weight * in[per * i + c];
        }
    }
}

static scry_status denoise_tile(void *ctx, size_t tile, void *slot, scry_error *err)
{
    const struct call *c = ctx;
    float *x = slot_part(c->p, slot, 0);
    tiled_gather(c->p, tile, x, c->x, false);
    return scry_prior_denoise(c->p->inner, x, x, c->sigma, slot_part(c->p, slot, 4), err);
}

static scry_status vjp_tile(void *ctx, size_t tile, void *slot, scry_error *err)
{
    const struct call *c = ctx;
    float *x = slot_part(c->p, slot, 0), *v = slot_part(c->p, slot, 1),
          *g = slot_part(c->p, slot, 2), *x0 = c->want_x0 ? slot_part(c->p, slot, 3) : NULL;
    tiled_gather(c->p, tile, x, c->x, false);
    tiled_gather(c->p, tile, v, c->v, true);
    return scry_prior_vjp(c->p->inner, g, x0, x, v, c->sigma, slot_part(c->p, slot, 4), err);
}

/* Waves of `workers` windows; each wave is added in order by one thread, so that the sums in the
 * overlaps do not depend on how many ran. x0 of denoise may be x, so it is summed in `sum`. */
static scry_status denoise_waves(struct call *call, float *sum, void *slots, scry_error *err)
{
    const struct tiled *p = call->p;
    memset(sum, 0, scry_space_floats(&p->base.space) * sizeof *sum);
    for (size_t first = 0; first < p->count; first += p->workers) {
        const size_t left = p->count - first, n = left < p->workers ? left : p->workers;
        const scry_status st =
            scryi_parallel_map(denoise_tile, call, first, n, slots, p->slot_bytes, err);
        if (st != SCRY_OK) return st;
        for (size_t i = 0; i < n; i++)
            tiled_scatter(p, first + i, sum, slot_part(p, (char *)slots + i * p->slot_bytes, 0),
                          true);
    }
    return SCRY_OK;
}

static scry_status tiled_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                 void *work, scry_error *err)
{
    const struct tiled *p = (const struct tiled *)P;
    struct call call = {.p = p, .x = x, .sigma = sigma};
    const size_t bytes = scry_space_floats(&P->space) * sizeof(float);
    float *sum = x0 == x ? work : x0;
    const scry_status st = denoise_waves(&call, sum, (char *)work + scry_align_up(bytes), err);
    if (st == SCRY_OK && sum != x0) memcpy(x0, sum, bytes);
    return st;
}

static scry_status tiled_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                             const float *v, float sigma, void *work, scry_error *err)
{
    const struct tiled *p = (const struct tiled *)P;
    struct call call = {.p = p, .x = x, .v = v, .sigma = sigma, .want_x0 = x0 != NULL};
    const size_t bytes = scry_space_floats(&P->space) * sizeof(float);
    char *slots = (char *)work + scry_align_up(bytes);
    memset(g, 0, bytes);
    if (x0) memset(x0, 0, bytes);
    for (size_t first = 0; first < p->count; first += p->workers) {
        const size_t left = p->count - first, n = left < p->workers ? left : p->workers;
        const scry_status st =
            scryi_parallel_map(vjp_tile, &call, first, n, slots, p->slot_bytes, err);
        if (st != SCRY_OK) return st;
        for (size_t i = 0; i < n; i++) {
            char *slot = slots + i * p->slot_bytes;
            tiled_scatter(p, first + i, g, slot_part(p, slot, 2), false);
            if (x0) tiled_scatter(p, first + i, x0, slot_part(p, slot, 3), true);
        }
    }
    return SCRY_OK;
}

static void tiled_destroy(scry_prior *P)
{
    struct tiled *p = (struct tiled *)P;
    if (!p) return;
    for (int a = 0; a < SCRY_MAX_RANK; a++) {
        scry_free(p->axes[a].start);
        scry_free(p->axes[a].weight);
    }
    scry_prior_free(p->inner);
    scry_free(p);
}

static const struct scry_prior_ops tiled_ops = {
    .name = "tiled",
    .denoise = tiled_denoise,
    .vjp = tiled_vjp,
    .destroy = tiled_destroy,
};

/* Rise over an overlap: 0 in its first quarter, 1 in its last, sin^2 between, so that the fall of
 * the neighbour, mirrored, adds to 1. */
static double tiled_ramp(size_t i, size_t overlap)
{
    if (!overlap) return 1;
    const double o = (double)overlap, t = ((double)i + 0.5 - o / 4) / (o / 2);
    const double s = sin((SCRY_PI / 2) * (t < 0 ? 0 : t > 1 ? 1 : t));
    return s * s;
}

/* With more than two windows at a pixel (overlap above half a window) the ramps do not add to 1 by
 * themselves, hence the division. */
static void axis_weights(struct axis *axis, size_t length, double *sum)
{
    const size_t window = axis->window;
    memset(sum, 0, length * sizeof *sum);
    for (int pass = 0; pass < 2; pass++)
        for (size_t t = 0; t < axis->count; t++) {
            const size_t at = axis->start[t];
            const size_t left = t ? axis->start[t - 1] + window - at : 0;
            const size_t right = t + 1 < axis->count ? at + window - axis->start[t + 1] : 0;
            for (size_t i = 0; i < window; i++) {
                const double w = tiled_ramp(i, left) * tiled_ramp(window - 1 - i, right);
                if (!pass)
                    sum[at + i] += w;
                else
                    axis->weight[t * window + i] = (float)(w / sum[at + i]);
            }
        }
}

static scry_status axis_plan(struct axis *axis, size_t length, size_t window, size_t overlap,
                             scry_error *err)
{
    scry_status st = SCRY_OK;
    const size_t shared = window == 1 ? 0 : overlap, step = window - shared, gap = length - window;
    size_t entries;
    double *sum = NULL;
    axis->window = window;
    axis->count = gap ? (gap - 1) / step + 2 : 1;
    axis->start = scry_alloc(axis->count, sizeof *axis->start);
    if (scry_mul(&entries, axis->count, window))
        axis->weight = scry_alloc(entries, sizeof *axis->weight);
    sum = scry_alloc(length, sizeof *sum);
    if (!axis->start || !axis->weight || !sum) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu windows of %zu", axis->count, window);
        goto done;
    }
    for (size_t t = 1; t < axis->count; t++) /* spread evenly, the last one flush with the end */
        axis->start[t] = (size_t)((double)gap * (double)t / (double)(axis->count - 1) + 0.5);
    axis_weights(axis, length, sum);
done:
    scry_free(sum);
    return st;
}

static scry_status tiled_check_spaces(const scry_space *space, const scry_prior *inner,
                                      size_t overlap, scry_error *err)
{
    char large[128], small[128];
    const scry_space *s = scry_prior_space(inner);
    const scry_status st = scry_space_check(space, err);
    bool fits = st == SCRY_OK && space->rank == s->rank && space->cplx == s->cplx;
    if (st != SCRY_OK) return st;
    for (int a = 0; fits && a < space->rank; a++)
        fits = space->dims[a] >= s->dims[a];
    if (!fits)
        return SCRY_FAIL(err, SCRY_ESHAPE, "image %s cannot be tiled by windows %s of the prior %s",
                         scry_space_print(space, large, sizeof large),
                         scry_space_print(s, small, sizeof small), scry_prior_name(inner));
    for (int a = 0; a < space->rank; a++)
        if (space->dims[a] > s->dims[a] && s->dims[a] > 1 && overlap >= s->dims[a])
            return SCRY_FAIL(err, SCRY_EINVAL, "overlap %zu, expected below the window %zu",
                             overlap, s->dims[a]);
    if (!scry_prior_has_denoise(inner))
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s cannot denoise", scry_prior_name(inner));
    return SCRY_OK;
}

scry_status scry_tiled_create(scry_prior **out, const scry_space *space, scry_prior *inner,
                              size_t overlap, size_t workers, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, inner)) return SCRY_EINVAL;
    struct tiled *p = NULL;
    scry_status st = tiled_check_spaces(space, inner, overlap, err);
    if (st != SCRY_OK || (st = scryi_parallel_map_check(workers, err)) != SCRY_OK) return st;
    p = scry_alloc(1, sizeof *p);
    if (!p) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "tiled prior");
        goto done;
    }
    p->ops = tiled_ops;
    if (!scry_prior_has_vjp(inner)) p->ops.vjp = NULL;
    p->base = (scry_prior){.ops = &p->ops,
                           .space = *space,
                           .sigma_low = inner->sigma_low,
                           .sigma_high = inner->sigma_high,
                           .batch = inner->batch};
    p->per = space->cplx ? 2 : 1;
    p->count = 1;
    for (int a = 0; a < space->rank; a++) {
        st = axis_plan(&p->axes[a], space->dims[a], inner->space.dims[a], overlap, err);
        if (st != SCRY_OK) goto done;
        p->count *= p->axes[a].count; /* at most the pixels of the image, which fit */
    }
    p->workers = workers < p->count ? workers : p->count;
    p->tile_bytes = scry_align_up(scry_space_floats(&inner->space) * sizeof(float));
    p->slot_bytes = 4 * p->tile_bytes + scry_align_up(inner->work_bytes);
    p->base.work_bytes =
        scry_align_up(scry_space_floats(space) * sizeof(float)) + p->workers * p->slot_bytes;
    p->inner = inner;
    *out = &p->base;
    p = NULL;
done:
    tiled_destroy((scry_prior *)p); /* inner is not in it yet, and stays the caller's */
    return st;
}

size_t scry_tiled_count(const scry_prior *P)
{
    return P->ops->denoise == tiled_denoise ? ((const struct tiled *)P)->count : 1;
}
