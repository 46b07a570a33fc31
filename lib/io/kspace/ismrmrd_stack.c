/* Volumes whose readouts off the grid are the same in every partition, and whose partitions are a
 * grid along z: stacks of stars and of spirals. The inverse transform along z makes slices of them,
 * each a problem in two dimensions. */

#include "lib/io/kspace/ismrmrd_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Readouts of partitions are the same within this, in units of 1 / field of view: what gradients
 * deviate by. */
static const double SAME = 0.05;

struct scryi_mrd_stack {
    size_t frame, present;    /* present: partitions that were acquired */
    float complex *volume;    /* (z, coil, y, x): k-space */
    float *k;                 /* (y, x, 2); NULL: the file has no coordinates that are wanted */
    unsigned char *mask, *at; /* (y, x); at: (z, y), readouts that were acquired */
};

void scryi_mrd_stack_free(struct scryi_mrd_stack *stack)
{
    if (!stack) return;
    scry_free(stack->volume);
    scry_free(stack->k);
    scry_free(stack->mask);
    scry_free(stack->at);
    scry_free(stack);
}

scry_status scryi_mrd_stack_describe(scry_kspace_reader *r, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    scry_kspace_info *i = &r->info;
    scry_geometry *g = &i->geometry;
    const size_t n = s->partitions;
    if (i->slices > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: %zu slabs of %zu partitions with samples off the grid, expected one",
                         r->path, i->slices, n);
    i->slices = n;
    const double step = i->encoded_fov[0] / (double)n;
    const bool turned = !strcasecmp(s->header.vendor, "siemens"); /* see ismrmrd_lines.c */
    for (int a = 0; a < 3; a++) {
        if (turned) g->along[2][a] = -g->along[2][a];
        g->slice_gap[a] = step * g->along[2][a];
        g->position[a] -= (double)(n / 2) * g->slice_gap[a];
    }
    g->fov[2] = step;
    g->known = g->known && step > 0;
    scryi_kspace_warn(r,
                      "%zu partitions with readouts off the grid: their transform along z makes "
                      "%zu slices",
                      n, n);
    return SCRY_OK;
}

/* ---- one frame ---- */

static scry_status stack_add_samples(const scry_kspace_reader *r, const scryi_mrd_line *l,
                                     const float *samples, void *ctx, scry_error *err)
{
    (void)err;
    struct scryi_mrd_stack *to = ctx;
    const scry_kspace_info *i = &r->info;
    const size_t plane = i->ny * i->nx;
    to->at[l->z * i->ny + l->y] = 1;
    for (size_t c = 0; c < i->coils; c++)
        memcpy(to->volume + (l->z * i->coils + c) * plane + l->y * i->nx,
               samples + 2 * (c * l->samples + l->skipped), l->count * sizeof *to->volume);
    memset(to->mask + l->y * i->nx, 1, l->count);
    return SCRY_OK;
}

/* The first partition that comes decides; the others may not deviate. */
static scry_status stack_add_places(const scry_kspace_reader *r, const scryi_mrd_line *l,
                                    const float *coordinates, void *ctx, scry_error *err)
{
    struct scryi_mrd_stack *to = ctx;
    const scry_kspace_info *i = &r->info;
    float *k = to->k + 2 * l->y * i->nx;
    bool first = true;
    for (size_t n = 0; n < 2 * l->count && first; n++)
        first = !(k[n] < 0) && !(k[n] > 0);
    if (first) {
        scryi_mrd_scatter_place(r, l, coordinates, k);
        return SCRY_OK;
    }
    float *own = scry_alloc(l->count, 2 * sizeof *own);
    if (!own) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu coordinates", r->path, l->count);
    double apart = 0;
    scryi_mrd_scatter_place(r, l, coordinates, own);
    for (size_t n = 0; n < 2 * l->count; n++)
        apart = fmax(apart, fabs((double)(own[n] - k[n])) * (double)i->grid[1 + n % 2]);
    scry_free(own);
    if (apart <= SAME) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: acquisition %zu: readout %zu of partition %zu is %.3g units of 1 / field "
                     "of view from that of another, expected the same readouts in every partition",
                     r->path, l->acquisition, l->y, l->z, apart);
}

/* Every partition that was acquired has every readout. */
static scry_status stack_check(scry_kspace_reader *r, struct scryi_mrd_stack *stack,
                               scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const size_t ny = r->info.ny;
    size_t most = 0;
    for (size_t y = 0; y < ny; y++)
        for (size_t z = 0; z < s->partitions; z++)
            if (stack->at[z * ny + y] && y >= most) most = y + 1;
    for (size_t z = 0; z < s->partitions; z++) {
        size_t held = 0;
        for (size_t y = 0; y < ny; y++)
            held += stack->at[z * ny + y];
        stack->present += held > 0;
        if (held && held != most)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "%s: frame %zu: partition %zu has %zu readouts, another %zu: expected "
                             "the same ones in every partition",
                             r->path, stack->frame, z, held, most);
    }
    if (stack->present < s->partitions)
        scryi_kspace_warn(r, "%zu of %zu partitions were acquired: the others are taken as 0",
                          stack->present, s->partitions);
    return SCRY_OK;
}

static scry_status stack_load(scry_kspace_reader *r, size_t frame, scry_error *err)
{
    scryi_mrd_state *s = r->state;
    const scry_kspace_info *i = &r->info;
    const scryi_mrd_line **lines = NULL;
    const size_t plane = i->ny * i->nx;
    size_t n = 0;
    if (s->stack && s->stack->frame == frame) return SCRY_OK;
    scryi_mrd_stack_free(s->stack);
    s->stack = NULL;
    struct scryi_mrd_stack *stack = scry_alloc(1, sizeof *stack);
    if (!stack) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a stack", r->path);
    stack->frame = frame;
    scry_status st = scryi_mrd_scatter_lines(&lines, &n, r, frame, 0, i->scattered, err);
    if (st != SCRY_OK) goto done;
    stack->volume = scry_alloc(s->partitions * i->coils, plane * sizeof *stack->volume);
    stack->mask = scry_alloc(plane, 1);
    stack->at = scry_alloc(s->partitions, i->ny);
    if (i->scattered) stack->k = scry_alloc(plane, 2 * sizeof *stack->k);
    if (!stack->volume || !stack->mask || !stack->at || (i->scattered && !stack->k)) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu partitions of %zu coils x %zu samples", r->path,
                       s->partitions, i->coils, plane);
        goto done;
    }
    st = scryi_mrd_for_lines(r, lines, n, SCRYI_MRD_SAMPLES, stack_add_samples, stack, err);
    if (st == SCRY_OK) st = stack_check(r, stack, err);
    if (st == SCRY_OK && stack->k)
        st = scryi_mrd_for_lines(r, lines, n, SCRYI_MRD_PLACES, stack_add_places, stack, err);
done:
    scry_free(lines);
    if (st == SCRY_OK)
        s->stack = stack;
    else
        scryi_mrd_stack_free(stack);
    return st;
}

/* ---- slices ---- */

scry_status scryi_mrd_stack_read(scry_kspace_reader *r, size_t frame, size_t slice,
                                 float complex *data, unsigned char *mask, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const size_t n = s->partitions, all = r->info.coils * r->info.ny * r->info.nx;
    const scry_status st = stack_load(r, frame, err);
    if (st != SCRY_OK) return st;
    const double scale = 1 / sqrt((double)n);
    for (size_t z = 0; z < n; z++) {
        const double turn = ((double)z - (double)(n / 2)) * ((double)slice - (double)(n / 2));
        const double phase = 2 * SCRY_PI * fmod(turn, (double)n) / (double)n;
        const float re = (float)(scale * cos(phase)), im = (float)(scale * sin(phase));
        const float *from = (const float *)(s->stack->volume + z * all);
        float *to = (float *)data;
        for (size_t i = 0; i < all; i++) {
            to[2 * i] += re * from[2 * i] - im * from[2 * i + 1];
            to[2 * i + 1] += re * from[2 * i + 1] + im * from[2 * i];
        }
    }
    memcpy(mask, s->stack->mask, r->info.ny * r->info.nx);
    return SCRY_OK;
}

scry_status scryi_mrd_stack_trajectory(scry_kspace_reader *r, size_t frame, float *k,
                                       scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const scry_status st = stack_load(r, frame, err);
    if (st == SCRY_OK) memcpy(k, s->stack->k, 2 * r->info.ny * r->info.nx * sizeof *k);
    return st;
}
