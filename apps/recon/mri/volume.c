#include "apps/recon/mri/volume_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

scry_status scryi_mri_volume_create(scry_mri_volume *v, const scry_kspace_info *info,
                                    const scry_mri_volume_request *q, size_t problems, int across,
                                    scry_error *err)
{
    static const scry_output_maps none;
    *v = (scry_mri_volume){.frames = info->frames,
                           .slices = q->last - q->first + 1,
                           .first = q->first,
                           .problems = problems,
                           .across = across,
                           .cplx = q->cplx,
                           .asked = q->maps ? q->maps : &none};
    memcpy(v->dims, info->recon, sizeof v->dims);
    v->dims[across] = problems; /* positions of a readout are not interpolated */
    const size_t voxels = v->dims[0] * v->dims[1] * v->dims[2];
    v->count = v->frames * v->slices * voxels;
    v->mean = scry_alloc(v->count, (v->cplx ? 2 : 1) * sizeof *v->mean);
    if (v->asked->count) v->maps = scry_alloc(v->asked->count * v->count, sizeof *v->maps);
    v->entries = scry_alloc(scry_mri_volume_entries(v), sizeof *v->entries);
    if (q->zero_filled) v->zero_filled = scry_alloc(voxels, sizeof *v->zero_filled);
    if (v->mean && (v->maps || !v->asked->count) && v->entries &&
        (v->zero_filled || !q->zero_filled))
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "images of %zu voxels", v->count);
}

void scry_mri_volume_free(scry_mri_volume *v)
{
    scry_free(v->mean);
    scry_free(v->maps);
    scry_free(v->entries);
    scry_free(v->zero_filled);
    *v = (scry_mri_volume){0};
}

/* Voxel of pixel (y, x) of a plane, whose index counts along the axis that it does not have. */
static size_t voxel_of(const scry_mri_volume *v, const struct scryi_mri_place *p, const int axis[2],
                       size_t y, size_t x)
{
    size_t at[3];
    at[3 - axis[0] - axis[1]] = p->index;
    at[axis[0]] = y;
    at[axis[1]] = x;
    const size_t stack = p->frame * v->slices + p->slice - v->first;
    return ((stack * v->dims[0] + at[0]) * v->dims[1] + at[1]) * v->dims[2] + at[2];
}

size_t scryi_mri_volume_entry(const scry_mri_volume *v, const struct scryi_mri_place *p)
{
    return (p->frame * v->slices + p->slice - v->first) * v->problems + p->index;
}

struct scryi_mri_place scryi_mri_volume_place_of(const scry_mri_volume *v, size_t entry)
{
    const size_t stack = entry / v->problems;
    return (struct scryi_mri_place){stack / v->slices, v->first + stack % v->slices,
                                    entry % v->problems};
}

size_t scryi_mri_volume_item(const scry_mri_volume *v, const struct scryi_mri_place *p)
{
    return (p->slice - v->first) * (v->joined ? 1 : v->frames) + (v->joined ? 0 : p->frame);
}

static scry_mri_entry *entry_of(const scry_mri_volume *v, const struct scryi_mri_place *p)
{
    return &v->entries[scryi_mri_volume_entry(v, p)];
}

/* The two axes of a plane. */
static void plane_axes(const scry_mri_volume *v, int axis[2])
{
    axis[0] = v->across == 0 ? 1 : 0;
    axis[1] = v->across == 2 ? 1 : 2;
}

size_t scryi_mri_volume_plane_floats(const scry_mri_volume *v)
{
    const size_t pixels = v->dims[0] * v->dims[1] * v->dims[2] / v->dims[v->across];
    return pixels * ((v->cplx ? 2 : 1) + v->asked->count);
}

static void volume_move(float *inside, float *value, bool into)
{
    *(into ? inside : value) = *(into ? value : inside);
}

void scryi_mri_volume_plane(scry_mri_volume *v, const struct scryi_mri_place *p, float *values,
                            bool into)
{
    int axis[2];
    plane_axes(v, axis);
    const size_t oy = v->dims[axis[0]], ox = v->dims[axis[1]], width = v->cplx ? 2 : 1;
    for (size_t i = 0; i < oy * ox; i++) {
        const size_t at = voxel_of(v, p, axis, i / ox, i % ox);
        for (size_t k = 0; k < width; k++)
            volume_move(&v->mean[at * width + k], values++, into);
        for (size_t k = 0; k < v->asked->count; k++)
            volume_move(&v->maps[k * v->count + at], values++, into);
    }
}

scry_status scryi_mri_volume_put(scry_mri_volume *v, const struct scryi_mri_place *p,
                                 scry_mri_result *r, scry_error *err)
{
    const size_t oy = v->dims[r->axis[0]], ox = v->dims[r->axis[1]];
    const scry_status st = scry_mri_result_resize(r, v->asked, oy, ox, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < oy * ox; i++) {
        const size_t to = voxel_of(v, p, r->axis, i / ox, i % ox);
        if (v->cplx) {
            v->mean[2 * to] = crealf(r->image[i]);
            v->mean[2 * to + 1] = cimagf(r->image[i]);
        } else {
            v->mean[to] = cabsf(r->image[i]);
        }
        for (size_t k = 0; r->maps && k < v->asked->count; k++)
            v->maps[k * v->count + to] = r->maps[k * oy * ox + i];
    }
    *entry_of(v, p) = (scry_mri_entry){.done = 1,
                                       .failed_chains = r->failed,
                                       .samples = r->samples,
                                       .coils = r->coils,
                                       .diagnosis = r->diagnosis,
                                       .holdout = r->holdout,
                                       .holdout_chi2 = r->holdout_chi2,
                                       .scale = r->scale,
                                       .seconds = r->seconds,
                                       .counts = r->counts,
                                       .start = r->start};
    return SCRY_OK;
}

scry_status scryi_mri_volume_put_zero_filled(scry_mri_volume *v, size_t index, scry_mri_result *r,
                                             scry_error *err)
{
    const struct scryi_mri_place p = {0, v->first, index};
    const size_t oy = v->dims[r->axis[0]], ox = v->dims[r->axis[1]];
    const scry_status st = scry_mri_result_resize(r, NULL, oy, ox, err);
    for (size_t i = 0; st == SCRY_OK && i < oy * ox; i++)
        v->zero_filled[voxel_of(v, &p, r->axis, i / ox, i % ox)] = cabsf(r->image[i]);
    return st;
}

void scryi_mri_volume_fail(scry_mri_volume *v, const struct scryi_mri_place *p, const char *why)
{
    int axis[2];
    plane_axes(v, axis);
    const size_t oy = v->dims[axis[0]], ox = v->dims[axis[1]], width = v->cplx ? 2 : 1;
    scry_mri_entry *e = entry_of(v, p);
    for (size_t i = 0; i < oy * ox; i++) {
        const size_t to = voxel_of(v, p, axis, i / ox, i % ox);
        for (size_t k = 0; k < width; k++)
            v->mean[to * width + k] = NAN;
        for (size_t k = 0; k < v->asked->count; k++)
            v->maps[k * v->count + to] = NAN;
    }
    *e = (scry_mri_entry){.done = 1};
    strncpy(e->failure, why, sizeof e->failure - 1);
}

size_t scry_mri_volume_entries(const scry_mri_volume *v)
{
    return v->frames * v->slices * v->problems;
}

size_t scry_mri_volume_blank(scry_mri_volume *v)
{
    size_t done = 0;
    for (size_t i = 0; i < scry_mri_volume_entries(v); i++) {
        const struct scryi_mri_place p = scryi_mri_volume_place_of(v, i);
        if (v->entries[i].done && !v->entries[i].failure[0]) {
            done++;
            continue;
        }
        scryi_mri_volume_fail(v, &p, "");
        v->entries[i].done = 0;
    }
    return done;
}

const char *scry_mri_volume_place(const scry_mri_volume *v, size_t i, char *buf, size_t size)
{
    const size_t frame = i / v->problems / v->slices, plane = i % v->problems;
    const size_t slice = v->first + i / v->problems % v->slices;
    int used = v->frames > 1 ? snprintf(buf, size, "frame %zu, ", frame) : 0;
    used += snprintf(buf + used, size - (size_t)used, "slice %zu", slice);
    if (v->problems > 1) snprintf(buf + used, size - (size_t)used, ", plane %zu", plane);
    return buf;
}

scry_diagnosis_summary scry_mri_volume_summary(const scry_mri_volume *v)
{
    scry_diagnosis_summary t = {0};
    for (size_t i = 0; i < scry_mri_volume_entries(v); i++) {
        char place[96];
        if (v->entries[i].done && !v->entries[i].failure[0])
            scry_diagnosis_add(&t, &v->entries[i].diagnosis,
                               scry_mri_volume_place(v, i, place, sizeof place));
    }
    return t;
}
