#include "apps/cli/restore_output.h"

#include "lib/vector.h"

#include <stdlib.h>
#include <string.h>

void restore_output_abort(restore_output *o)
{
    result_file_abort(o->mean);
    image_writer_abort(o->residual);
    for (size_t k = 0; k < o->maps; k++)
        image_writer_abort(o->map[k]);
    free(o->preview_path);
    *o = (restore_output){0};
}

/* A map is written as float32: a spread below one grey value must not become 0. */
static scry_status open_map(image_writer **out, const restore_output_request *q, size_t i,
                            const char *name, const scry_tiff_info *info,
                            image_writer_options options, scry_error *err)
{
    char *path;
    scry_status st = batch_side(&path, q->files, i, name, "tif", options.tiff.force, err);
    options.tiff.type = SCRY_TIFF_F32;
    if (st == SCRY_OK) st = image_writer_create(out, path, info, &options, err);
    free(path);
    return st;
}

scry_status restore_output_open(restore_output *o, const restore_output_request *q, size_t i,
                                const scry_tiff_info *info, scry_error *err)
{
    const restore_settings *s = q->settings;
    image_writer_options options = {.tiff = {.force = s->force, .provenance = q->provenance},
                                    .zarr = (int)s->zarr};
    scry_status st = SCRY_OK;
    o->maps = q->maps->count;
    if (s->preview)
        st = batch_side(&o->preview_path, q->files, i, s->preview, "png", s->force, err);
    if (s->bigtiff) options.tiff.size = SCRY_TIFF_SIZE_BIG;
    if (s->compress && !strcmp(s->compress, "deflate")) options.tiff.packing = SCRY_TIFF_DEFLATE;
    if (s->compress && !strcmp(s->compress, "lzw")) options.tiff.packing = SCRY_TIFF_LZW;
    for (size_t k = 0; st == SCRY_OK && k < o->maps; k++)
        if (q->map_files->name[k][0])
            st = open_map(&o->map[k], q, i, q->map_files->name[k], info, options, err);
    if (st == SCRY_OK && s->residual)
        st = open_map(&o->residual, q, i, s->residual, info, options, err);
    if (s->type) options.tiff.type = scry_tiff_type_parse(s->type);
    if (st == SCRY_OK)
        st = result_file_create(&o->mean, q->files->files[i].out, info, &options, err);
    return st;
}

bool restore_output_has_nan(const restore_output *o)
{
    return result_file_holds_nan(o->mean);
}

static scry_status write_planes(image_writer *w, const scry_stack_image *at, const float *pixels,
                                scry_error *err)
{
    const size_t plane = scry_space_count(&at->image.space) / at->planes;
    scry_status st = SCRY_OK;
    for (size_t z = 0; w && pixels && st == SCRY_OK && z < at->planes; z++)
        st = image_writer_plane(w, scry_stack_channel(at, z), scry_stack_slice(at, z), at->t,
                                pixels + z * plane, err);
    return st;
}

/* Of the image, background removed, in the unit of the file. */
static double flux_of(const scry_restore_result *r)
{
    return r->noise.kind == SCRY_NOISE_GAUSSIAN ? r->flux_out : r->flux_out / r->noise.gain;
}

/* Of plane z: all of a volume's with the first, and of colours their own. */
static double flux_at(const scry_stack_image *at, const scry_restore_result *r, size_t z)
{
    const size_t n = scry_space_count(&at->image.space), plane = n / at->planes;
    if (!at->image.colour) return z ? 0 : flux_of(r);
    const double all = scry_sum(r->mean, n);
    return all > 0 || all < 0 ? flux_of(r) * scry_sum(r->mean + z * plane, plane) / all : 0;
}

scry_status restore_output_write(restore_output *o, const scry_stack_image *at,
                                 const scry_restore_result *r, const float *residual,
                                 scry_error *err)
{
    const size_t n = scry_space_count(&at->image.space), plane = n / at->planes;
    scry_status st = SCRY_OK;
    for (size_t z = 0; st == SCRY_OK && z < at->planes; z++)
        st = result_file_write(o->mean, scry_stack_channel(at, z), scry_stack_slice(at, z), at->t,
                               r->mean + z * plane, flux_at(at, r, z), err);
    if (st == SCRY_OK) st = write_planes(o->residual, at, residual, err);
    for (size_t k = 0; st == SCRY_OK && k < o->maps; k++)
        st = write_planes(o->map[k], at, r->maps + k * n, err);
    return st;
}

scry_status restore_output_finish(restore_output *o, scry_tiff_written *written,
                                  double *flux_change, const scry_log *log, scry_error *err)
{
    scry_status st = SCRY_OK;
    image_writer *w;
    for (size_t k = 0; st == SCRY_OK && k < o->maps; k++) {
        w = o->map[k];
        o->map[k] = NULL;
        if (w) st = image_writer_finish(w, NULL, err);
    }
    if (st == SCRY_OK && o->residual) {
        w = o->residual;
        o->residual = NULL;
        st = image_writer_finish(w, NULL, err);
    }
    if (st != SCRY_OK) return st;
    result_file *mean = o->mean;
    o->mean = NULL;
    return result_file_finish(mean, written, flux_change, log, err);
}
