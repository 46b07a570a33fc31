/* Radial, spiral and other scans in ISMRMRD files: readouts in the order of acquisition, and where
 * their samples lie (member traj, kx and ky of each sample). */

#include "lib/io/kspace/ismrmrd_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <string.h>

/* Coordinates in cycles per pixel do not exceed one half, those in units of 1 / field of view half
 * of the matrix; a little more for rounding, and for readouts that are a sample longer. */
static const double HALF_CYCLE = 0.5 + 1e-3, BEYOND_MATRIX = 1.1;

bool scryi_mrd_is_scattered(const scryi_mrd_encoding *e)
{
    return e->trajectory[0] && strcmp(e->trajectory, "cartesian") != 0 &&
           strcmp(e->trajectory, "epi") != 0;
}

static bool scattered_imaging(const scryi_mrd_state *s, const scryi_mrd_head *h)
{
    return scryi_mrd_kind_of(h) == SCRYI_MRD_IMAGING && h->encoding_space_ref == s->encoding;
}

void scryi_mrd_scatter_matrix(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count)
{
    scryi_mrd_state *s = r->state;
    const scryi_mrd_encoding *e = &s->header.encoding[s->encoding];
    scry_kspace_info *info = &r->info;
    info->nx = 1;
    s->partitions = 1;
    for (size_t i = 0; i < count; i++) {
        const scryi_mrd_head *h = &heads[i];
        if (!scattered_imaging(s, h)) continue;
        if (h->idx.step_2) s->partitions = e->encoded[0];
        const size_t dropped = (size_t)h->discard_pre + h->discard_post;
        if (h->number_of_samples > dropped && h->number_of_samples - dropped > info->nx)
            info->nx = h->number_of_samples - dropped;
    }
    info->nz = info->ny = 1; /* ny: when readouts are counted */
    memcpy(info->recon, e->recon, sizeof info->recon);
    info->recon[0] = 1;
    info->grid[0] = 1;
    info->grid[1] = e->encoded[1];
    info->grid[2] = e->encoded[2];
}

scry_status scryi_mrd_scatter_line(const scry_kspace_reader *r, size_t acquisition,
                                   const scryi_mrd_head *h, scryi_mrd_line *line, scry_error *err)
{
    const size_t dropped = (size_t)h->discard_pre + h->discard_post;
    line->samples = h->number_of_samples;
    line->skipped = h->discard_pre;
    line->axes = h->trajectory_dimensions;
    if (dropped >= line->samples)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: acquisition %zu: %zu samples (%u discarded in front, %u behind), "
                         "expected some to be left",
                         r->path, acquisition, line->samples, h->discard_pre, h->discard_post);
    line->count = line->samples - dropped;
    return SCRY_OK;
}

/* Lines are sorted by frame and slice; each partition counts its own. */
scry_status scryi_mrd_scatter_number(scry_kspace_reader *r, scry_error *err)
{
    scryi_mrd_state *s = r->state;
    scryi_mrd_line *lines = s->lines + s->first[SCRYI_MRD_IMAGING];
    size_t *count = scry_alloc(s->partitions, sizeof *count);
    if (!count) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu partitions", r->path, s->partitions);
    for (size_t i = 0; i < s->n[SCRYI_MRD_IMAGING]; i++) {
        if (i && (lines[i].frame != lines[i - 1].frame || lines[i].slice != lines[i - 1].slice))
            memset(count, 0, s->partitions * sizeof *count);
        lines[i].y = count[lines[i].z]++;
        if (lines[i].y >= r->info.ny) r->info.ny = lines[i].y + 1;
    }
    scry_free(count);
    return SCRY_OK;
}

/* ---- coordinates ---- */

struct extent {
    double largest;          /* |kx|, |ky| */
    double third, third_low; /* of third numbers: the largest |k|, and the smallest */
};

static scry_status scattered_measure(const scry_kspace_reader *r, const scryi_mrd_line *l,
                                     const float *k, void *ctx, scry_error *err)
{
    struct extent *e = ctx;
    k += l->axes * l->skipped;
    for (size_t i = 0; i < l->count; i++)
        for (size_t a = 0; a < l->axes; a++) {
            const double v = (double)k[i * l->axes + a];
            if (!isfinite(v))
                return SCRY_FAIL(err, SCRY_ENUMERIC,
                                 "%s: acquisition %zu: coordinate %zu of sample %zu is %g", r->path,
                                 l->acquisition, a, l->skipped + i, v);
            if (a < 2) e->largest = fmax(e->largest, fabs(v));
            if (a == 2) e->third = fmax(e->third, fabs(v));
            if (a == 2) e->third_low = fmin(e->third_low, v);
        }
    return SCRY_OK;
}

scry_status scryi_mrd_scatter_lines(const scryi_mrd_line ***out, size_t *n,
                                    const scry_kspace_reader *r, size_t frame, size_t slice,
                                    bool places, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    size_t from = s->first[SCRYI_MRD_IMAGING];
    *n = slice == SIZE_MAX ? s->n[SCRYI_MRD_IMAGING]
                           : scryi_mrd_find(s, SCRYI_MRD_IMAGING, frame, slice, &from);
    if (!(*out = scry_alloc(*n ? *n : 1, sizeof **out)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu lines", r->path, *n);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] = &s->lines[from + i];
        if (!places || (*out)[i]->axes == 2 || (*out)[i]->axes == 3) continue;
        const scry_status st =
            SCRY_FAIL(err, SCRY_EFORMAT,
                      "%s: acquisition %zu: trajectory \"%s\" with %zu coordinates a sample "
                      "(trajectory_dimensions), expected 2, or a file of them by --trajectory",
                      r->path, (*out)[i]->acquisition, s->header.encoding[s->encoding].trajectory,
                      (*out)[i]->axes);
        scry_free(*out);
        *out = NULL;
        return st;
    }
    return SCRY_OK;
}

/* Units of 1 / field of view: of the smaller one, as pixels are as large along both axes. */
static void scattered_set_unit(scry_kspace_reader *r)
{
    scryi_mrd_state *s = r->state;
    const scry_kspace_info *i = &r->info;
    const double *fov = i->encoded_fov;
    for (int a = 0; a < 2; a++) {
        const double n = (double)i->grid[a + 1];
        const bool known = fov[1] > 0 && fov[2] > 0;
        s->unit[a] = known ? fov[a + 1] / n / fmin(fov[1], fov[2]) : 1 / n;
    }
}

static scry_status scattered_choose_unit(scry_kspace_reader *r, const struct extent *e,
                                         scry_error *err)
{
    scryi_mrd_state *s = r->state;
    const size_t ny = r->info.grid[1], nx = r->info.grid[2], n = ny > nx ? ny : nx;
    s->unit[0] = s->unit[1] = 1;
    if (e->third > 1e-6 && e->third_low < 0)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: kz from %g on, expected 0: samples off the grid of slices, not of a "
                         "volume",
                         r->path, e->third_low);
    if (e->third > 1e-6)
        scryi_kspace_warn(r,
                          "third numbers of traj, up to %g, are taken as weights of samples: "
                          "they are not used",
                          e->third);
    if (!(e->largest > 0))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: all coordinates of traj are 0", r->path);
    if (e->largest <= HALF_CYCLE) {
        scryi_kspace_warn(r,
                          "coordinates of traj, up to %.4g, are taken as cycles per pixel of the "
                          "encoded matrix, %zu x %zu",
                          e->largest, ny, nx);
        return SCRY_OK;
    }
    if (e->largest > BEYOND_MATRIX * (double)n / 2)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: coordinates of traj up to %g, expected up to .5 (cycles per pixel) "
                         "or up to %zu (half of the encoded matrix, units of 1 / field of view)",
                         r->path, e->largest, n / 2);
    scattered_set_unit(r);
    scryi_kspace_warn(r,
                      "coordinates of traj, up to %.4g, are taken as units of 1 / field of view, "
                      "of which half of the encoded matrix, %zu x %zu, holds %zu",
                      e->largest, ny, nx, n / 2);
    return SCRY_OK;
}

scry_status scryi_mrd_scatter_units(scry_kspace_reader *r, scry_error *err)
{
    const scryi_mrd_line **lines = NULL;
    struct extent e = {0};
    size_t n = 0;
    scry_status st = scryi_mrd_scatter_lines(&lines, &n, r, 0, SIZE_MAX, true, err);
    if (st == SCRY_OK)
        st = scryi_mrd_for_lines(r, lines, n, SCRYI_MRD_PLACES, scattered_measure, &e, err);
    if (st == SCRY_OK) st = scattered_choose_unit(r, &e, err);
    r->info.scattered = st == SCRY_OK;
    scry_free(lines);
    return st;
}

void scryi_mrd_scatter_place(const scry_kspace_reader *r, const scryi_mrd_line *l,
                             const float *coordinates, float *k)
{
    const scryi_mrd_state *s = r->state;
    coordinates += l->axes * l->skipped;
    for (size_t i = 0; i < l->count; i++) {
        k[2 * i] = (float)(s->unit[0] * (double)coordinates[i * l->axes + 1]);
        k[2 * i + 1] = (float)(s->unit[1] * (double)coordinates[i * l->axes]);
    }
}

static scry_status scattered_place(const scry_kspace_reader *r, const scryi_mrd_line *l,
                                   const float *coordinates, void *ctx, scry_error *err)
{
    (void)err;
    scryi_mrd_scatter_place(r, l, coordinates, (float *)ctx + 2 * l->y * r->info.nx);
    return SCRY_OK;
}

scry_status scryi_mrd_trajectory(scry_kspace_reader *r, size_t frame, size_t slice, float *k,
                                 scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const scryi_mrd_line **lines = NULL;
    size_t n = 0;
    if (s->partitions > 1) return scryi_mrd_stack_trajectory(r, frame, k, err);
    scry_status st = scryi_mrd_scatter_lines(&lines, &n, r, frame, slice, true, err);
    if (st == SCRY_OK)
        st = scryi_mrd_for_lines(r, lines, n, SCRYI_MRD_PLACES, scattered_place, k, err);
    scry_free(lines);
    return st;
}
