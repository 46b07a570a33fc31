#include "apps/cli/image_writer.h"

#include "lib/io/zarr/zarr.h"
#include "lib/memory.h"

struct image_writer {
    scry_tiff_writer *tiff;
    scry_zarr_writer *zarr; /* one of the two */
};

scry_status image_writer_create(image_writer **out, const char *path, const scry_tiff_info *like,
                                const image_writer_options *options, scry_error *err)
{
    image_writer *w = scry_alloc(1, sizeof *w);
    *out = NULL;
    if (!w) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", path);
    const scry_status st = scry_zarr_is_name(path)
                               ? scry_zarr_create(&w->zarr, path, options->zarr ? options->zarr : 2,
                                                  like, &options->tiff, err)
                               : scry_tiff_create(&w->tiff, path, like, &options->tiff, err);
    if (st == SCRY_OK)
        *out = w;
    else
        scry_free(w);
    return st;
}

const scry_tiff_info *image_writer_planned(const image_writer *w)
{
    return w->zarr ? scry_zarr_planned(w->zarr) : scry_tiff_planned(w->tiff);
}

scry_status image_writer_plane(image_writer *w, size_t c, size_t z, size_t t, const float *in,
                               scry_error *err)
{
    return w->zarr ? scry_zarr_write_plane(w->zarr, c, z, t, in, err)
                   : scry_tiff_write_plane(w->tiff, c, z, t, in, err);
}

scry_status image_writer_finish(image_writer *w, scry_tiff_written *result, scry_error *err)
{
    const scry_status st =
        w->zarr ? scry_zarr_finish(w->zarr, result, err) : scry_tiff_finish(w->tiff, result, err);
    scry_free(w);
    return st;
}

void image_writer_abort(image_writer *w)
{
    if (!w) return;
    scry_zarr_abort(w->zarr);
    scry_tiff_abort(w->tiff);
    scry_free(w);
}
