#include "apps/cli/result_file.h"

#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLIPPED_MAX 0.001
#define FLUX_MAX 0.005

/* The effect of an integer type on a channel. */
struct channel {
    double flux, change; /* of all images; written minus computed, summed over pixels */
    uint64_t pixels, clipped;
};

struct result_file {
    image_writer *writer, *wide; /* wide: float32, where the type is not settled */
    char *path;
    size_t count, pixels; /* channels; pixels of a plane */
    struct channel *channels;
    scry_tiff_type type;
    double low, high; /* of the type */
};

static bool holds_fractions(scry_tiff_type type)
{
    return type == SCRY_TIFF_F32 || type == SCRY_TIFF_F64;
}

static void result_file_free(result_file *f)
{
    scry_free(f->path);
    scry_free(f->channels);
    scry_free(f);
}

void result_file_abort(result_file *f)
{
    if (!f) return;
    image_writer_abort(f->writer);
    image_writer_abort(f->wide);
    result_file_free(f);
}

scry_status result_file_create(result_file **out, const char *path, const scry_tiff_info *like,
                               const image_writer_options *options, scry_error *err)
{
    image_writer_options wide = *options;
    scry_status st = SCRY_OK;
    result_file *f = scry_alloc(1, sizeof *f);
    *out = NULL;
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a file to write", path);
    f->count = like->c;
    f->pixels = like->y * like->x;
    f->path = scry_copy(path, strlen(path) + 1);
    f->channels = scry_alloc(like->c, sizeof *f->channels);
    if (!f->path || !f->channels) st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu channels", like->c);
    if (st == SCRY_OK) st = image_writer_create(&f->writer, path, like, options, err);
    if (st == SCRY_OK) {
        f->type = image_writer_planned(f->writer)->type;
        scry_tiff_type_range(f->type, &f->low, &f->high);
    }
    wide.tiff.type = SCRY_TIFF_F32;
    if (st == SCRY_OK && options->tiff.type == SCRY_TIFF_KEEP && !holds_fractions(f->type))
        st = image_writer_create(&f->wide, path, like, &wide, err);
    if (st == SCRY_OK)
        *out = f;
    else
        result_file_abort(f);
    return st;
}

bool result_file_holds_nan(const result_file *f)
{
    return holds_fractions(f->type);
}

scry_status result_file_write(result_file *f, size_t c, size_t z, size_t t, const float *plane,
                              double flux, scry_error *err)
{
    struct channel *to = &f->channels[c];
    scry_status st = image_writer_plane(f->writer, c, z, t, plane, err);
    if (st != SCRY_OK || holds_fractions(f->type)) return st;
    to->flux += flux;
    to->pixels += f->pixels;
    for (size_t i = 0; i < f->pixels; i++) {
        const double whole = rint((double)plane[i]), kept = fmin(fmax(whole, f->low), f->high);
        to->clipped += whole < f->low || whole > f->high;
        to->change += kept - (double)plane[i];
    }
    return f->wide ? image_writer_plane(f->wide, c, z, t, plane, err) : st;
}

static double result_file_share(uint64_t part, uint64_t all)
{
    return all ? (double)part / (double)all : 0;
}

static double change_of(const struct channel *c)
{
    const double flux = fabs(c->flux);
    return flux > 0 ? c->change / flux : c->change != 0 ? INFINITY : 0;
}

/* How far a channel is beyond the allowed change: 1 is the bound. */
static double result_file_excess(const struct channel *c)
{
    return fmax(result_file_share(c->clipped, c->pixels) / CLIPPED_MAX,
                fabs(change_of(c)) / FLUX_MAX);
}

static const struct channel *worst_channel(const result_file *f)
{
    const struct channel *worst = &f->channels[0];
    for (size_t c = 1; c < f->count; c++)
        if (result_file_excess(&f->channels[c]) > result_file_excess(worst))
            worst = &f->channels[c];
    return worst;
}

static void log_type(const result_file *f, const struct channel *worst, const scry_log *log)
{
    const char *type = scry_tiff_type_name(f->type);
    char where[48] = "";
    if (f->count > 1)
        snprintf(where, sizeof where, " of channel %zu", (size_t)(worst - f->channels));
    if (f->wide)
        scry_log_warn(log,
                      "%s: written as float32: as %s, %.2g %% of the pixels%s would be clipped and "
                      "the flux change by %.2g %%; --type %s keeps the type",
                      f->path, type, 100 * result_file_share(worst->clipped, worst->pixels), where,
                      100 * change_of(worst), type);
    else
        scry_log_warn(log,
                      "%s: %.2g %% of the pixels%s are clipped to the range of %s, the flux "
                      "changes by %.2g %%; --type float32 keeps them",
                      f->path, 100 * result_file_share(worst->clipped, worst->pixels), where, type,
                      100 * change_of(worst));
}

scry_status result_file_finish(result_file *f, scry_tiff_written *written, double *flux_change,
                               const scry_log *log, scry_error *err)
{
    const struct channel *worst = worst_channel(f);
    image_writer *keep = f->writer, *other = f->wide;
    const bool beyond = !holds_fractions(f->type) && !(result_file_excess(worst) <= 1);
    if (beyond && f->wide) {
        keep = f->wide;
        other = f->writer;
    }
    *flux_change = keep == f->wide || holds_fractions(f->type) ? 0 : change_of(worst);
    f->writer = NULL;
    image_writer_abort(other);
    const scry_status st = image_writer_finish(keep, written, err);
    if (st == SCRY_OK && beyond) log_type(f, worst, log);
    f->wide = NULL;
    result_file_free(f);
    return st;
}

void result_file_expect(const char *path, scry_tiff_type type, uint64_t low, uint64_t high,
                        uint64_t count, const scry_log *log)
{
    double least, most;
    if (holds_fractions(type) || result_file_share(low + high, count) <= CLIPPED_MAX) return;
    scry_tiff_type_range(type, &least, &most);
    scry_log_note(log,
                  "%s: %.2g %% of the pixels are at %g and %.2g %% at %g, the ends of %s: if a "
                  "result lies beyond them at more than %g %% of the pixels, or its flux would "
                  "change by %g %%, float32 is written; --type %s keeps the type",
                  path, 100 * result_file_share(low, count), least,
                  100 * result_file_share(high, count), most, scry_tiff_type_name(type),
                  100 * CLIPPED_MAX, 100 * FLUX_MAX, scry_tiff_type_name(type));
}
