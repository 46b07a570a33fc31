#include "apps/recon/mri/scan_file.h"

#include "lib/io/kspace/maps.h"
#include "lib/io/kspace/trajectory.h"
#include "lib/memory.h"

#include <string.h>

struct scry_scan_file {
    scry_scan_file_request request;
    scry_kspace_reader *reader;
    scry_kspace_info info; /* of the image's grid, with a trajectory */
    scry_kspace_trajectory trajectory;
    bool own_trajectory; /* in the file, for each slice; that of the last one is in trajectory */
    scry_scan scan;
    unsigned char *mask;  /* of the request; NULL: none */
    float complex *noise; /* the noise scan; NULL: none */
    float complex *maps;  /* of one slice, kept while the slice stays the same */
    size_t maps_slice, maps_sets;
    float complex *calibration; /* of one slice of a series, kept like its maps */
    unsigned char *calibration_mask;
    size_t calibration_slice;
};

/* ---- data of all slices ---- */

static scry_status read_mask(scry_scan_file *f, scry_error *err)
{
    const scry_kspace_info *i = &f->info;
    if (!f->request.mask) return SCRY_OK;
    if (!(f->mask = scry_alloc(i->nz * i->ny * i->nx, 1)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "mask");
    return scry_mask_read(f->mask, f->request.mask, NULL, i->nz * i->ny, i->nx, i->readout, err);
}

/* The samples of a slice without signal, as noise (coils, n). */
static scry_status read_as_noise(scry_scan_file *f, scry_kspace_reader *reader,
                                 const scry_kspace_info *i, scry_error *err)
{
    const size_t n = i->nz * i->ny * i->nx;
    float complex *data = scry_alloc(i->coils * n, sizeof *data);
    unsigned char *mask = scry_alloc(n, 1);
    size_t count = 0;
    scry_status st = SCRY_OK;
    f->noise = scry_alloc(i->coils * n, sizeof *f->noise);
    if (!data || !mask || !f->noise)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils x %zu samples", i->coils, n);
    if (st == SCRY_OK) st = scry_kspace_read(reader, 0, 0, data, mask, err);
    for (size_t k = 0; st == SCRY_OK && k < n; k++)
        count += mask[k] = mask[k] != 0;
    for (size_t c = 0, to = 0; st == SCRY_OK && c < i->coils; c++)
        for (size_t k = 0; k < n; k++)
            if (mask[k]) f->noise[to++] = data[c * n + k];
    f->scan.noise_samples = count;
    scry_free(data);
    scry_free(mask);
    return st;
}

static scry_status read_noise_file(scry_scan_file *f, scry_error *err)
{
    const char *path = f->request.noise_file;
    scry_kspace_reader *reader = NULL;
    scry_status st = scry_kspace_open(&reader, path, &(scry_kspace_choice){0}, err);
    if (st != SCRY_OK) return st;
    const scry_kspace_info *i = scry_kspace_describe(reader);
    f->scan.noise_ratio = i->noise_samples ? i->noise_ratio : 1;
    if (i->coils != f->info.coils) {
        st = SCRY_FAIL(err, SCRY_ESHAPE, "%s holds noise of %zu coils, expected the %zu of %s",
                       path, i->coils, f->info.coils, f->request.path);
    } else if (i->noise_samples) {
        f->scan.noise_samples = i->noise_samples;
        f->noise = scry_alloc(i->coils * i->noise_samples, sizeof *f->noise);
        st = f->noise ? scry_kspace_read_noise(reader, f->noise, err)
                      : SCRY_FAIL(err, SCRY_ENOMEM, "noise scan");
    } else {
        st = read_as_noise(f, reader, i, err);
    }
    f->scan.noise = f->noise;
    f->scan.noise_name = path;
    scry_kspace_close(reader);
    return st;
}

/* The file has samples in any arrangement; the image is on a grid of the trajectory's size. */
static scry_status read_trajectory(scry_scan_file *f, scry_error *err)
{
    const char *path = f->request.trajectory;
    scry_kspace_info *i = &f->info;
    scry_kspace_trajectory *t = &f->trajectory;
    const size_t samples = i->nz * i->ny * i->nx;
    if (f->request.mask)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--mask %s with --trajectory %s: expected one of them, masks are of the "
                         "grid",
                         f->request.mask, path);
    const scry_status st = scry_kspace_trajectory_read(t, path, err);
    if (st != SCRY_OK) return st;
    if (t->samples != samples)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: %zu samples, expected the %zu of a slice of %s",
                         path, t->samples, samples, f->request.path);
    const size_t own = scry_kspace_trajectory_size(t);
    for (int a = 1; a < 3; a++) {
        size_t n = f->request.size[a - 1];
        if (!n) n = own;
        if (!n)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s: coordinates up to %g are in cycles per pixel; expected --size, "
                             "the size of the image",
                             path, t->largest);
        i->recon[a] = n;
        i->image_axis[a] = false;
        *(a == 1 ? &i->ny : &i->nx) = n;
    }
    i->nz = i->recon[0] = 1;
    scry_kspace_trajectory_scale(t, i->ny, i->nx);
    return SCRY_OK;
}

/* The same where the file has a trajectory of its own. */
static scry_status take_own_trajectory(scry_scan_file *f, scry_error *err)
{
    scry_kspace_info *i = &f->info;
    if (f->request.mask)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--mask %s with samples off the grid, expected none: masks are of the "
                         "grid",
                         f->request.mask);
    f->trajectory.samples = i->ny * i->nx;
    f->trajectory.line = i->nx;
    f->trajectory.k = scry_alloc(f->trajectory.samples, 2 * sizeof *f->trajectory.k);
    if (!f->trajectory.k)
        return SCRY_FAIL(err, SCRY_ENOMEM, "trajectory of %zu samples", f->trajectory.samples);
    f->own_trajectory = true;
    i->ny = i->grid[1];
    i->nx = i->grid[2];
    return SCRY_OK;
}

static scry_status describe_scan(scry_scan_file *f, scry_error *err)
{
    const scry_kspace_info *i = &f->info;
    f->scan = (scry_scan){.name = f->request.path,
                          .coils = i->coils,
                          .dims = {i->nz, i->ny, i->nx},
                          .readout = i->readout,
                          .noise_ratio = i->noise_ratio};
    memcpy(f->scan.image_axis, i->image_axis, sizeof f->scan.image_axis);
    memcpy(f->scan.image, i->recon, sizeof f->scan.image);
    f->scan.trajectory = f->trajectory.k;
    f->scan.samples = f->trajectory.samples;
    f->scan.line = f->trajectory.line;
    if (f->request.noise_file) return read_noise_file(f, err);
    if (!i->noise_samples || !f->request.noise) return SCRY_OK;
    f->noise = scry_alloc(i->coils * i->noise_samples, sizeof *f->noise);
    if (!f->noise) return SCRY_FAIL(err, SCRY_ENOMEM, "noise scan");
    f->scan.noise = f->noise;
    f->scan.noise_samples = i->noise_samples;
    return scry_kspace_read_noise(f->reader, f->noise, err);
}

scry_status scry_scan_file_open(scry_scan_file **out, const scry_scan_file_request *request,
                                scry_error *err)
{
    scry_scan_file *f = scry_alloc(1, sizeof *f);
    *out = NULL;
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "scan");
    f->request = *request;
    f->request.choice.own_trajectory = true;
    scry_status st = scry_kspace_open(&f->reader, request->path, &f->request.choice, err);
    if (st == SCRY_OK) {
        f->info = *scry_kspace_describe(f->reader);
        st = request->trajectory ? read_trajectory(f, err)
             : f->info.scattered ? take_own_trajectory(f, err)
                                 : read_mask(f, err);
    }
    if (st == SCRY_OK) st = describe_scan(f, err);
    if (st == SCRY_OK)
        *out = f;
    else
        scry_scan_file_close(f);
    return st;
}

void scry_scan_file_close(scry_scan_file *f)
{
    if (!f) return;
    scry_kspace_close(f->reader);
    scry_free(f->mask);
    scry_free(f->noise);
    scry_free(f->maps);
    scry_free(f->calibration);
    scry_free(f->calibration_mask);
    scry_kspace_trajectory_free(&f->trajectory);
    scry_free(f);
}

const scry_kspace_info *scry_scan_file_info(const scry_scan_file *f)
{
    return &f->info;
}

const scry_scan *scry_scan_file_scan(const scry_scan_file *f)
{
    return &f->scan;
}

const char *scry_scan_file_warning(scry_scan_file *f)
{
    return scry_kspace_warning(f->reader);
}

/* ---- slices ---- */

/* Leaves out the samples that the mask of the request leaves out. */
static scry_status apply_mask(const scry_scan_file *f, unsigned char *mask, size_t n,
                              scry_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += mask[i] = mask[i] && (!f->mask || f->mask[i]);
    if (kept) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s keeps none of the samples that %s holds, expected some",
                     f->request.mask ? f->request.mask : "the mask", f->info.dataset);
}

/* What calibrates a slice, from the file. */
static scry_status read_calibration(scry_scan_file *f, size_t slice, float complex *data,
                                    unsigned char *mask, scry_error *err)
{
    const size_t n = f->scan.dims[0] * f->scan.dims[1] * f->scan.dims[2], all = f->scan.coils * n;
    scry_status st = SCRY_OK;
    if (f->info.frames == 1) return scry_kspace_read_calibration(f->reader, slice, data, mask, err);
    if (!f->calibration || f->calibration_slice != slice) {
        scry_free(f->calibration);
        scry_free(f->calibration_mask);
        f->calibration = scry_alloc(all, sizeof *f->calibration);
        f->calibration_mask = scry_alloc(n, 1);
        if (!f->calibration || !f->calibration_mask)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "calibration of %zu coils", f->scan.coils);
        if (st == SCRY_OK)
            st = scry_kspace_read_calibration(f->reader, slice, f->calibration, f->calibration_mask,
                                              err);
        f->calibration_slice = slice;
        const scry_kspace_info *read = scry_kspace_describe(f->reader);
        f->info.calibration_frames = read->calibration_frames;
        f->info.calibration_first = read->calibration_first;
    }
    if (st == SCRY_OK) {
        memcpy(data, f->calibration, all * sizeof *data);
        memcpy(mask, f->calibration_mask, n);
        return SCRY_OK;
    }
    scry_free(f->calibration);
    f->calibration = NULL;
    return st;
}

static scry_status read_slice(scry_mri_slice *out, scry_scan_file *f, size_t frame, size_t slice,
                              scry_error *err)
{
    const scry_scan *scan = &f->scan;
    const size_t n =
        scan->trajectory ? scan->samples : scan->dims[0] * scan->dims[1] * scan->dims[2];
    const bool own = !scan->trajectory && (f->info.has_calibration || f->info.frames > 1);
    float complex *data = scry_alloc(scan->coils * n, sizeof *data), *calibration = NULL;
    unsigned char *mask = scry_alloc(n, 1), *calibration_mask = NULL;
    scry_status st = SCRY_OK;
    if (own) {
        calibration = scry_alloc(scan->coils * n, sizeof *calibration);
        calibration_mask = scry_alloc(n, 1);
    }
    if (!data || !mask || (own && (!calibration || !calibration_mask)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "k-space of %zu coils x %zu samples", scan->coils, n);
    if (st == SCRY_OK) st = scry_kspace_read(f->reader, frame, slice, data, mask, err);
    if (st == SCRY_OK && f->own_trajectory)
        st = scry_kspace_read_trajectory(f->reader, frame, slice, f->trajectory.k, err);
    if (st == SCRY_OK && own) st = read_calibration(f, slice, calibration, calibration_mask, err);
    if (st == SCRY_OK) st = apply_mask(f, mask, n, err);
    if (st == SCRY_OK)
        return scry_mri_slice_take(
            out, scan, &(scry_mri_samples){data, mask, calibration, calibration_mask}, err);
    scry_free(data);
    scry_free(mask);
    scry_free(calibration);
    scry_free(calibration_mask);
    return st;
}

/* The maps of a slice, into f->maps. */
static scry_status load_maps(scry_scan_file *f, const scry_mri_slice *s, size_t slice,
                             scry_error *err)
{
    if (f->maps && f->maps_slice == slice) return SCRY_OK;
    if (s->dims[0] > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "--maps %s for a volume encoded along z; expected espirit, lowres or none",
                         f->request.maps);
    scry_free(f->maps);
    f->maps = NULL;
    f->maps_slice = slice;
    const scry_status st =
        scry_maps_read(&f->maps, &f->maps_sets, f->request.maps, slice, f->info.slices,
                       f->info.coils, s->dims[1], s->dims[2], err);
    if (st == SCRY_OK) f->scan.sets = f->maps_sets; /* one file: the same for all slices */
    return st;
}

scry_status scry_scan_file_read(scry_mri_slice *out, float complex **maps, scry_scan_file *f,
                                size_t frame, size_t slice, scry_error *err)
{
    *maps = NULL;
    scry_status st = read_slice(out, f, frame, slice, err);
    if (st != SCRY_OK || !f->request.maps) return st;
    if ((st = load_maps(f, out, slice, err)) == SCRY_OK) {
        const size_t n = out->coils * f->maps_sets * out->dims[1] * out->dims[2];
        *maps = scry_copy(f->maps, n * sizeof **maps);
        if (!*maps) st = SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu values", n);
    }
    if (st != SCRY_OK) scry_mri_slice_free(out);
    return st;
}

scry_status scry_scan_file_read_middle(scry_mri_slice *out, float complex **maps, scry_scan_file *f,
                                       size_t first, size_t last, scry_error *err)
{
    const size_t count = last - first + 1, middle = first + (count - 1) / 2;
    scry_status of_middle = SCRY_OK;
    for (size_t k = 0; k < count; k++) {
        scry_error one = {0};
        const size_t slice = k % 2 ? middle + (k + 1) / 2 : middle - k / 2;
        const scry_status st = scry_scan_file_read(out, maps, f, 0, slice, &one);
        if (st == SCRY_OK) return SCRY_OK;
        if (!k) {
            of_middle = st;
            if (err) *err = one;
        }
        if (st != SCRY_ENUMERIC) break;
    }
    return of_middle;
}
