#include "apps/cli/outputs.h"
#include "apps/cli/kspace.h"
#include "apps/cli/mri.h"

#include "lib/cancel.h"
#include "lib/io/cfl.h"
#include "lib/io/kspace/kspace.h"
#include "lib/memory.h"
#include "operators/fourier.h"
#include "operators/sensitivity.h"

#include <stdio.h>
#include <string.h>

enum { MIN_ACS = 6 }; /* lines that maps are made from, as in scry mri */

struct settings {
    const char *method, *transformed, *dataset;
    int64_t sets, acs;
    double crop, oversampling;
    bool soft, force, lowres;
};

/* One slice after another: k-space as it was read, without readout oversampling, its middle, and
 * the maps as they are computed (coil, set) and as BART orders them (set, coil). */
struct maps {
    const struct settings *s;
    const scry_kspace_info *info;
    size_t ny, nx, sets; /* of the maps */
    float complex *raw, *data, *calibration, *result, *ordered;
    unsigned char *raw_mask, *mask, *window_mask;
};

/* Readout oversampling is cut off where scry mri does so too: where the first slice has its lines
 * complete, or in the image already. */
static scry_status choose_size(struct maps *m, scry_kspace_reader *r, scry_error *err)
{
    const scry_kspace_info *i = m->info;
    const size_t dims[3] = {1, i->ny, i->nx};
    m->ny = i->ny;
    m->nx = i->nx;
    if (i->recon[i->readout] >= dims[i->readout]) return SCRY_OK;
    const scry_status st = scry_kspace_read(r, 0, 0, m->raw, m->raw_mask, err);
    if (st != SCRY_OK) return st;
    if (!i->image_axis[i->readout] && !scry_mri_complete_along(m->raw_mask, dims, i->readout))
        return SCRY_OK;
    *(i->readout == 1 ? &m->ny : &m->nx) = i->recon[i->readout];
    return SCRY_OK;
}

static scry_status kspace_maps_prepare(struct maps *m, scry_kspace_reader *r, scry_error *err)
{
    const scry_kspace_info *info = m->info = scry_kspace_describe(r);
    if (info->nz > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "k-space of %zu x %zu x %zu is encoded along z; maps are made of slices",
                         info->nz, info->ny, info->nx);
    const size_t raw = info->ny * info->nx;
    m->raw = scry_alloc(info->coils * raw, sizeof *m->raw);
    m->raw_mask = scry_alloc(raw, 1);
    if (!m->raw || !m->raw_mask)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu coils, %zu x %zu", info->coils, info->ny, info->nx);
    const scry_status st = choose_size(m, r, err);
    if (st != SCRY_OK) return st;
    const size_t n = m->ny * m->nx;
    m->data = scry_alloc(info->coils * n, sizeof *m->data);
    m->calibration = scry_alloc(info->coils * n, sizeof *m->calibration);
    m->result = scry_alloc(info->coils * m->sets * n, sizeof *m->result);
    m->ordered = scry_alloc(info->coils * m->sets * n, sizeof *m->ordered);
    m->mask = scry_alloc(n, 1);
    m->window_mask = scry_alloc(n, 1);
    if (!m->data || !m->calibration || !m->result || !m->ordered || !m->mask || !m->window_mask)
        return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils, %zu x %zu", info->coils, m->ny,
                         m->nx);
    return SCRY_OK;
}

static void kspace_maps_clear(struct maps *m)
{
    scry_free(m->raw);
    scry_free(m->data);
    scry_free(m->calibration);
    scry_free(m->result);
    scry_free(m->ordered);
    scry_free(m->raw_mask);
    scry_free(m->mask);
    scry_free(m->window_mask);
}

/* The centred (cy, cx) of (coils, ny, nx) */
static void kspace_maps_crop(float complex *out, size_t cy, size_t cx, const float complex *in,
                             size_t coils, size_t ny, size_t nx)
{
    for (size_t c = 0; c < coils; c++)
        for (size_t y = 0; y < cy; y++)
            memcpy(out + (c * cy + y) * cx,
                   in + (c * ny + ny / 2 - cy / 2 + y) * nx + nx / 2 - cx / 2, cx * sizeof *out);
}

/* data, mask <- raw without readout oversampling, k-space on both axes. Samples lie wider apart
 * after the crop of the image: one counts as acquired where the nearest was. */
static scry_status remove_oversampling(struct maps *m, scry_error *err)
{
    const scry_kspace_info *i = m->info;
    const size_t ny = i->ny, nx = i->nx;
    const bool cropped = m->ny != ny || m->nx != nx;
    const unsigned along = i->readout == 1 ? SCRY_FOURIER_Y : SCRY_FOURIER_X;
    unsigned image = 0, back = cropped ? along : 0;
    scry_status st = SCRY_OK;
    if (i->image_axis[1]) image |= SCRY_FOURIER_Y;
    if (i->image_axis[2]) image |= SCRY_FOURIER_X;
    if (cropped && !(image & along))
        st = scry_fourier_transform(m->raw, i->coils, ny, nx, along, true, err);
    if (st != SCRY_OK) return st;
    kspace_maps_crop(m->data, m->ny, m->nx, m->raw, i->coils, ny, nx);
    for (size_t y = 0; y < m->ny; y++)
        for (size_t x = 0; x < m->nx; x++) {
            const size_t fy = ny / 2 + y * ny / m->ny - m->ny / 2 * ny / m->ny;
            const size_t fx = nx / 2 + x * nx / m->nx - m->nx / 2 * nx / m->nx;
            m->mask[y * m->nx + x] =
                m->raw_mask[(fy < ny ? fy : ny - 1) * nx + (fx < nx ? fx : nx - 1)];
        }
    back |= image;
    if (back) st = scry_fourier_transform(m->data, i->coils, m->ny, m->nx, back, false, err);
    return st;
}

static scry_status kspace_maps_solve(struct maps *m, scry_error *err)
{
    const size_t coils = m->info->coils, n = m->ny * m->nx;
    const size_t limit = m->s->acs ? (size_t)m->s->acs : SCRY_CALIBRATION_AUTO;
    scry_calibration at = {0};
    scry_espirit_opts o;
    scry_espirit_opts_init(&o);
    o.crop = m->s->crop;
    o.soft = m->s->soft;
    o.sets = m->sets;
    scry_status st = remove_oversampling(m, err);
    if (st != SCRY_OK) return st;
    st = m->s->lowres
             ? scry_calibration_region(&at.cy, &at.cx, m->mask, m->ny, m->nx, limit, MIN_ACS, err)
             : scry_calibration_find(&at, m->mask, m->ny, m->nx, limit, MIN_ACS, err);
    if (st != SCRY_OK) return st;
    const size_t cy = at.cy, cx = at.cx;
    o.kernel = at.kernel;
    for (size_t y = 0; y < cy; y++)
        memcpy(m->window_mask + y * cx,
               m->mask + (m->ny / 2 - cy / 2 + y) * m->nx + m->nx / 2 - cx / 2, cx);
    if (at.gaps) o.mask = m->window_mask;
    kspace_maps_crop(m->calibration, cy, cx, m->data, coils, m->ny, m->nx);
    st = m->s->lowres
             ? scry_lowres_maps(m->result, m->calibration, coils, cy, cx, m->ny, m->nx, err)
             : scry_espirit(m->result, NULL, m->calibration, coils, cy, cx, m->ny, m->nx, &o, err);
    for (size_t c = 0; c < coils && st == SCRY_OK; c++)
        for (size_t s = 0; s < m->sets; s++)
            memcpy(m->ordered + (s * coils + c) * n, m->result + (c * m->sets + s) * n,
                   n * sizeof *m->ordered);
    return st;
}

static scry_status solve_slices(struct maps *m, scry_kspace_reader *r, scry_cfl_writer *w,
                                scry_error *err)
{
    for (size_t slice = 0; slice < m->info->slices; slice++) {
        size_t start[SCRY_CFL_RANK] = {0}, count[SCRY_CFL_RANK];
        if (scry_cancelled()) return scry_cancel_check(err);
        scry_status st = scry_kspace_read_calibration(r, slice, m->raw, m->raw_mask, err);
        if (st == SCRY_OK) st = kspace_maps_solve(m, err);
        if (st != SCRY_OK) return st;
        for (int a = 0; a < SCRY_CFL_RANK; a++)
            count[a] = 1;
        count[SCRY_CFL_READ] = m->nx;
        count[SCRY_CFL_PH1] = m->ny;
        count[SCRY_CFL_COIL] = m->info->coils;
        count[SCRY_CFL_MAPS] = m->sets;
        start[SCRY_CFL_SLICE] = slice;
        if ((st = scry_cfl_write(w, start, count, m->ordered, err)) != SCRY_OK) return st;
    }
    return SCRY_OK;
}

static scry_status make_maps(const char *in, const char *out, const struct settings *s,
                             scry_error *err)
{
    scry_kspace_reader *r = NULL;
    scry_cfl_writer *w = NULL;
    struct maps m = {.s = s, .sets = (size_t)s->sets};
    size_t dims[SCRY_CFL_RANK];
    const scry_kspace_choice choice = {.dataset = s->dataset,
                                       .transformed = s->transformed != NULL,
                                       .oversampling = s->oversampling};
    scry_status st = scry_kspace_open(&r, in, &choice, err);
    if (st != SCRY_OK) return st;
    if ((st = kspace_maps_prepare(&m, r, err)) != SCRY_OK) goto done;
    for (int a = 0; a < SCRY_CFL_RANK; a++)
        dims[a] = 1;
    dims[SCRY_CFL_READ] = m.nx;
    dims[SCRY_CFL_PH1] = m.ny;
    dims[SCRY_CFL_COIL] = m.info->coils;
    dims[SCRY_CFL_MAPS] = m.sets;
    dims[SCRY_CFL_SLICE] = m.info->slices;
    if ((st = scry_cfl_create(&w, out, dims, err)) != SCRY_OK) goto done;
    st = solve_slices(&m, r, w, err);
    for (const char *text; (text = scry_kspace_warning(r));)
        fprintf(stderr, "scry kspace maps: %s: %s\n", in, text);
    const scry_status end = scry_cfl_finish(w, st == SCRY_OK, err);
    if (st == SCRY_OK) st = end;
done:
    kspace_maps_clear(&m);
    scry_kspace_close(r);
    return st;
}

static int kspace_maps_check(const cli_command *self, struct settings *s, const char *out)
{
    const char *end = strrchr(out, '.');
    s->lowres = !strcmp(s->method, "lowres");
    if (!end || strcmp(end, ".cfl"))
        return cli_usage(self, "%s: maps are written as name.cfl (and name.hdr)", out);
    if (s->sets < 1 || s->sets > 8)
        return cli_usage(self, "--sets %lld, expected 1 to 8", (long long)s->sets);
    if (s->acs && (s->acs < 6 || s->acs > 4096))
        return cli_usage(self, "--acs %lld, expected 6 to 4096", (long long)s->acs);
    if (!(s->crop >= 0 && s->crop < 1))
        return cli_usage(self, "--crop %g, expected 0 <= crop < 1", s->crop);
    if (s->lowres && (s->sets > 1 || s->soft))
        return cli_usage(self, "--sets and --soft are for --method espirit");
    return CLI_OK;
}

static int kspace_maps_run(const cli_command *self, int argc, char **argv)
{
    scry_espirit_opts o;
    scry_espirit_opts_init(&o);
    struct settings s = {.method = "espirit", .sets = 1, .crop = o.crop};
    const cli_option options[] = {
        {"method", CLI_TEXT, &s.method, "espirit|lowres",
         "from calibration matrices, or from the images of the middle of k-space [espirit]"},
        {"sets", CLI_INTEGER, &s.sets, "N", "maps of each coil: 2 where the object wraps"},
        {"soft", CLI_FLAG, &s.soft, NULL, "let maps fade at the edge of the object"},
        {"crop", CLI_REAL, &s.crop, "X", "maps are 0 where the eigenvalue is below (0.8)"},
        {"acs", CLI_INTEGER, &s.acs, "N",
         "samples of the middle, at most so many along each axis (64, and "
         "all of a complete readout)"},
        {"oversampling", CLI_REAL, &s.oversampling, "F",
         "of the readout, where the file does not say (as scry mri)"},
        {"transformed", CLI_TEXT, &s.transformed, "read",
         "the readout is in the image already (as scry mri)"},
        {"dataset", CLI_TEXT, &s.dataset, "NAME",
         "complex dataset, or measurement, of an HDF5 input that has several"},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing output"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (p.count != 2)
        status = cli_usage(self, "%d files named, expected k-space and the maps to write", p.count);
    else if ((status = kspace_maps_check(self, &s, p.args[1])) == CLI_OK &&
             (outputs_check(&(output_names){p.args + 1, p.args, 1, 1}, s.force, &err) != SCRY_OK ||
              make_maps(p.args[0], p.args[1], &s, &err) != SCRY_OK))
        status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command kspace_maps = {
    "kspace maps",
    "[options] in out.cfl",
    "estimate coil sensitivities",
    "Maps have the size that images are reconstructed at: readout oversampling is removed where "
    "lines are complete, phase encodes are as many as in k-space. They are written as BART does, "
    "(x, y, 1, coil, set), with slices in dim 13, and bart pics and scry mri --maps read them.",
    kspace_maps_run,
};
