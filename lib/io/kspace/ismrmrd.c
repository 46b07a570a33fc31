/* Reading ISMRMRD (MRD) raw data: /dataset/xml, and /dataset/data with one element per line of
 * k-space, in any order and of several kinds. Format: Inati et al. 2017, Magn. Reson. Med. 77:411;
 * conventions for flags as in the format's documentation.
 *
 * Heads are read at once when a file is opened, samples line by line of the slice that is wanted,
 * many lines in each call into HDF5. */

#include "lib/io/kspace/ismrmrd_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <stdio.h>
#include <string.h>

/* Samples that a single call may bring into memory besides the slice. 2048 lines of 16 x 512 take
 * 0.22 s with 4 MB, which stay in the cache, 0.5 s with 32 MB; a call for each line takes 4 s. */
enum { BATCH_BYTES = 1 << 22 };

static void ismrmrd_close(scry_kspace_reader *r)
{
    scryi_mrd_state *s = r->state;
    if (!s) return;
    H5E_BEGIN_TRY
    if (s->data >= 0) H5Dclose(s->data);
    H5E_END_TRY
    scryi_mrd_stack_free(s->stack);
    scry_free(s->lines);
    scry_free(s);
}

/* ---- lines ---- */

/* The batch's samples, each with memory of HDF5's own, which release_samples gives back. */
static scry_status read_samples(const scry_kspace_reader *r, const scryi_mrd_line *const *lines,
                                size_t n, scryi_mrd_members which, hvl_t *out, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const hsize_t count = n;
    herr_t failed = -1;
    hsize_t *at = scry_alloc(n, sizeof *at);
    if (!at) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu lines", r->path, n);
    for (size_t i = 0; i < n; i++)
        at[i] = lines[i]->acquisition;
    const hid_t type = scryi_mrd_memory_type(which);
    H5E_BEGIN_TRY
    const hid_t file = H5Dget_space(s->data), memory = H5Screate_simple(1, &count, NULL);
    if (at[n - 1] - at[0] == n - 1)
        failed = H5Sselect_hyperslab(file, H5S_SELECT_SET, at, NULL, &count, NULL);
    else
        failed = H5Sselect_elements(file, H5S_SELECT_SET, n, at);
    if (failed >= 0) failed = H5Dread(s->data, type, memory, file, H5P_DEFAULT, out);
    H5Sclose(memory);
    H5Sclose(file);
    H5Tclose(type);
    H5E_END_TRY
    scry_free(at);
    if (failed >= 0) return SCRY_OK;
    return scryi_hdf5_fail(r->file, err, SCRY_EFORMAT,
                           "%s: the samples of acquisitions %zu to "
                           "%zu cannot be read: truncated or damaged",
                           r->dataset, lines[0]->acquisition, lines[n - 1]->acquisition);
}

static void release_samples(size_t n, scryi_mrd_members which, hvl_t *samples)
{
    const hsize_t count = n;
    const hid_t type = scryi_mrd_memory_type(which);
    H5E_BEGIN_TRY
    const hid_t memory = H5Screate_simple(1, &count, NULL);
    H5Dvlen_reclaim(type, memory, H5P_DEFAULT, samples);
    H5Sclose(memory);
    H5Tclose(type);
    H5E_END_TRY
}

scry_status scryi_mrd_for_lines(const scry_kspace_reader *r, const scryi_mrd_line *const *lines,
                                size_t n, scryi_mrd_members which, scryi_mrd_take *take, void *ctx,
                                scry_error *err)
{
    scry_status st = SCRY_OK;
    const bool places = which == SCRYI_MRD_PLACES;
    const size_t coils = r->info.coils;
    for (size_t i = 0, batch; i < n && st == SCRY_OK; i += batch) {
        const size_t fits = BATCH_BYTES / (8 * coils * lines[i]->samples);
        batch = fits < 1 ? 1 : fits < n - i ? fits : n - i;
        hvl_t *samples = scry_alloc(batch, sizeof *samples);
        if (!samples) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu lines", r->path, batch);
        st = read_samples(r, lines + i, batch, which, samples, err);
        for (size_t k = 0; k < batch && st == SCRY_OK; k++) {
            const scryi_mrd_line *l = lines[i + k];
            if (samples[k].len == (places ? l->axes : 2 * coils) * l->samples)
                st = take(r, l, samples[k].p, ctx, err);
            else if (places)
                st = SCRY_FAIL(err, SCRY_EFORMAT,
                               "%s: acquisition %zu: traj holds %zu numbers, expected %zu (%zu "
                               "coordinates of %zu samples)",
                               r->path, l->acquisition, samples[k].len, l->axes * l->samples,
                               l->axes, l->samples);
            else
                st = SCRY_FAIL(err, SCRY_EFORMAT,
                               "%s: acquisition %zu: data holds %zu numbers, expected %zu (%zu "
                               "channels of %zu samples, re and im)",
                               r->path, l->acquisition, samples[k].len, 2 * coils * l->samples,
                               coils, l->samples);
        }
        release_samples(batch, which, samples);
        scry_free(samples);
    }
    return st;
}

struct slice {
    float complex *data; /* [coil][z][y][x]: sums */
    unsigned *times;     /* [z][y][x]: how many samples went in */
};

static scry_status add_line(const scry_kspace_reader *r, const scryi_mrd_line *l,
                            const float *samples, void *ctx, scry_error *err)
{
    (void)err;
    const struct slice *to = ctx;
    const scry_kspace_info *info = &r->info;
    const size_t plane = info->nz * info->ny * info->nx;
    const size_t at = (l->z * info->ny + l->y) * info->nx + l->x;
    for (size_t i = 0; i < l->count; i++)
        to->times[at + i]++;
    for (size_t c = 0; c < info->coils; c++) {
        const float *in = samples + 2 * (c * l->samples + l->skipped);
        float *out = (float *)(to->data + c * plane + at);
        for (size_t i = 0; i < l->count; i++) {
            const size_t k = l->reversed ? l->count - 1 - i : i;
            out[2 * i] += in[2 * k];
            out[2 * i + 1] += in[2 * k + 1];
        }
    }
    return SCRY_OK;
}

/* Adds these lines to data, then makes means of sums where there is more than one. */
static scry_status ismrmrd_gather(const scry_kspace_reader *r, const scryi_mrd_line *const *lines,
                                  size_t n, float complex *data, unsigned char *mask,
                                  scry_error *err)
{
    const scry_kspace_info *info = &r->info;
    const size_t plane = info->nz * info->ny * info->nx;
    struct slice to = {data, scry_alloc(plane, sizeof *to.times)};
    if (!to.times) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: counts of %zu samples", r->path, plane);
    const scry_status st = scryi_mrd_for_lines(r, lines, n, SCRYI_MRD_SAMPLES, add_line, &to, err);
    for (size_t i = 0; i < plane && st == SCRY_OK; i++) {
        if (!to.times[i]) continue;
        mask[i] = 1;
        if (to.times[i] == 1) continue;
        const float share = 1.0f / (float)to.times[i];
        for (size_t c = 0; c < info->coils; c++)
            data[c * plane + i] *= share;
    }
    scry_free(to.times);
    return st;
}

static scry_status ismrmrd_read(scry_kspace_reader *r, size_t frame, size_t slice,
                                float complex *data, unsigned char *mask, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    size_t from;
    if (s->partitions > 1) return scryi_mrd_stack_read(r, frame, slice, data, mask, err);
    const size_t n = scryi_mrd_find(s, SCRYI_MRD_IMAGING, frame, slice, &from);
    if (!n)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s: no imaging acquisitions of frame %zu, slice "
                         "%zu",
                         r->path, r->dataset, frame, slice);
    const scryi_mrd_line **lines = scry_alloc(n, sizeof *lines);
    if (!lines) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu lines", r->path, n);
    for (size_t i = 0; i < n; i++)
        lines[i] = &s->lines[from + i];
    const scry_status st = ismrmrd_gather(r, lines, n, data, mask, err);
    scry_free(lines);
    return st;
}

/* Calibration lines of the first frame that has any, then imaging lines of frame 0 elsewhere. */
static scry_status ismrmrd_calibration(scry_kspace_reader *r, size_t slice, float complex *data,
                                       unsigned char *mask, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    scry_status st = SCRY_OK;
    size_t from = 0, n = 0, image, extra = 0;
    for (size_t frame = 0; frame < r->info.frames && !n; frame++)
        n = scryi_mrd_find(s, SCRYI_MRD_CALIBRATING, frame, slice, &from);
    const size_t more = scryi_mrd_find(s, SCRYI_MRD_IMAGING, 0, slice, &image);
    const scryi_mrd_line **lines = scry_alloc(n + more, sizeof *lines);
    bool *taken = scry_alloc(r->info.nz * r->info.ny, sizeof *taken);
    if (!lines || !taken) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu lines", r->path, n + more);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        lines[i] = &s->lines[from + i];
        taken[lines[i]->z * r->info.ny + lines[i]->y] = true;
    }
    if (n) st = ismrmrd_gather(r, lines, n, data, mask, err);
    for (size_t i = image; i < image + more; i++)
        if (!taken[s->lines[i].z * r->info.ny + s->lines[i].y]) lines[extra++] = &s->lines[i];
    if (st == SCRY_OK && extra) st = ismrmrd_gather(r, lines, extra, data, mask, err);
done:
    scry_free(taken);
    scry_free(lines);
    return st;
}

struct noise {
    float complex *out; /* [coil][noise_samples] */
    size_t at;
};

static scry_status add_noise(const scry_kspace_reader *r, const scryi_mrd_line *l,
                             const float *samples, void *ctx, scry_error *err)
{
    (void)err;
    struct noise *to = ctx;
    for (size_t c = 0; c < r->info.coils; c++)
        memcpy(to->out + c * r->info.noise_samples + to->at,
               samples + 2 * (c * l->samples + l->skipped), 2 * l->count * sizeof *samples);
    to->at += l->count;
    return SCRY_OK;
}

static scry_status ismrmrd_noise(scry_kspace_reader *r, float complex *noise, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    struct noise to = {noise, 0};
    const size_t n = s->n[SCRYI_MRD_NOISY];
    const scryi_mrd_line **lines = scry_alloc(n, sizeof *lines);
    if (!lines) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu noise scans", r->path, n);
    for (size_t i = 0; i < n; i++)
        lines[i] = &s->lines[s->first[SCRYI_MRD_NOISY] + i];
    const scry_status st = scryi_mrd_for_lines(r, lines, n, SCRYI_MRD_SAMPLES, add_noise, &to, err);
    scry_free(lines);
    return st;
}

static const struct scryi_kspace_reader_ops ismrmrd_ops = {
    .read = ismrmrd_read,
    .calibration = ismrmrd_calibration,
    .noise = ismrmrd_noise,
    .trajectory = scryi_mrd_trajectory,
    .close = ismrmrd_close,
};

/* ---- opening ---- */

static scry_status mrd_read_header(scry_kspace_reader *r, scry_error *err)
{
    scryi_mrd_state *s = r->state;
    char name[sizeof r->path + sizeof s->xml + 8], *text = NULL;
    const char *absent = !scry_hdf5_has_dataset(r->file, s->xml)           ? "xml"
                         : !scry_hdf5_has_dataset(r->file, r->dataset + 1) ? "data"
                                                                           : NULL;
    if (absent)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: a group \"%s\" without %s, expected ISMRMRD with /%s and %s", r->path,
                         s->group, absent, s->xml, r->dataset);
    scry_status st = scry_hdf5_read_text(&text, r->file, s->xml, err);
    if (st != SCRY_OK) return st;
    snprintf(name, sizeof name, "%s: /%s", r->path, s->xml);
    st = scryi_mrd_parse(&s->header, text, strlen(text), name, err);
    scry_free(text);
    return st;
}

/* The number of acquisitions, after a check of their type. */
static scry_status open_data(scry_kspace_reader *r, size_t *count, scry_error *err)
{
    scryi_mrd_state *s = r->state;
    hssize_t n = -1;
    hsize_t stored = 0;
    int rank = -1;
    hid_t type = H5I_INVALID_HID;
    H5E_BEGIN_TRY
    s->data = H5Dopen2(scryi_hdf5_id(r->file), r->dataset, H5P_DEFAULT);
    if (s->data >= 0) {
        const hid_t space = H5Dget_space(s->data);
        type = H5Dget_type(s->data);
        stored = H5Dget_storage_size(s->data);
        rank = H5Sget_simple_extent_ndims(space);
        n = H5Sget_simple_extent_npoints(space);
        H5Sclose(space);
    }
    H5E_END_TRY
    if (type < 0 || n < 0)
        return scryi_hdf5_fail(r->file, err, SCRY_EFORMAT, "%s cannot be opened", r->dataset);
    scry_status st = scryi_mrd_check_type(r->file, r->dataset + 1, type, err);
    H5Tclose(type);
    if (st != SCRY_OK) return st;
    *count = (size_t)n;
    if (rank != 1 || n == 0)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s has %d axes and %zu acquisitions, expected 1 "
                         "axis with some",
                         r->path, r->dataset, rank, *count);
    /* An element has 340 bytes and more; deflate, the only common filter, saves a factor of 1032 at
     * most. No memory is asked for impossible lines. */
    if (*count / 4 > stored)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s has %zu acquisitions in %llu bytes: truncated "
                         "or damaged",
                         r->path, r->dataset, *count, (unsigned long long)stored);
    return SCRY_OK;
}

static scry_status read_heads(const scry_kspace_reader *r, size_t count, scryi_mrd_head **heads,
                              scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    herr_t failed = -1;
    if (!(*heads = scry_alloc(count, sizeof **heads)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu acquisitions", r->path, count);
    const hid_t type = scryi_mrd_memory_type(SCRYI_MRD_HEADS);
    H5E_BEGIN_TRY
    failed = H5Dread(s->data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *heads);
    H5Tclose(type);
    H5E_END_TRY
    if (failed >= 0) return SCRY_OK;
    return scryi_hdf5_fail(r->file, err, SCRY_EFORMAT,
                           "%s: the heads of its %zu acquisitions "
                           "cannot be read",
                           r->dataset, count);
}

/* The encoding with most imaging lines; others are for calibration, navigation, and the like. */
static scry_status choose_encoding(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count,
                                   scry_error *err)
{
    scryi_mrd_state *s = r->state;
    size_t lines[SCRYI_MRD_MAX_ENCODINGS] = {0}, kinds[SCRYI_MRD_SKIPPED + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        const scryi_mrd_kind kind = scryi_mrd_kind_of(&heads[i]);
        const size_t ref = heads[i].encoding_space_ref;
        kinds[kind]++;
        if (kind > SCRYI_MRD_CALIBRATING) continue;
        if (ref >= s->header.encodings)
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: acquisition %zu: encoding_space_ref is %zu, "
                             "but the header has %zu <encoding>",
                             r->path, i, ref, s->header.encodings);
        lines[ref] += kind == SCRYI_MRD_IMAGING;
        if (lines[ref] > lines[s->encoding]) s->encoding = ref;
    }
    if (kinds[SCRYI_MRD_IMAGING]) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: %s: none of the %zu acquisitions is for imaging (%zu noise, %zu "
                     "calibration, %zu navigation, correction, feedback or dummy)",
                     r->path, r->dataset, count, kinds[SCRYI_MRD_NOISY],
                     kinds[SCRYI_MRD_CALIBRATING], kinds[SCRYI_MRD_SKIPPED]);
}

static scry_status check_limit(const scry_kspace_reader *r, int which, size_t n, scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const scryi_mrd_limit *l = &s->header.encoding[s->encoding].limits[which];
    const int step = which == SCRYI_MRD_STEP_1 ? 1 : 2;
    if (!l->stated || n == 1) return SCRY_OK;
    if (l->minimum + n / 2 >= l->center && l->maximum + n / 2 - l->center < n) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: /%s: encodingLimits: kspace_encoding_step_%d from %zu to %zu with centre "
                     "%zu reaches outside the matrix: encodedSpace.%s is %zu, its centre %zu",
                     r->path, s->xml, step, l->minimum, l->maximum, l->center,
                     step == 1 ? "y" : "z", n, n / 2);
}

/* Are there steps along z? Multi-slice scans may state the number of slices as encodedSpace.z. */
static bool encoded_along_z(const scryi_mrd_state *s, const scryi_mrd_head *heads, size_t count)
{
    const scryi_mrd_limit *l = &s->header.encoding[s->encoding].limits[SCRYI_MRD_STEP_2];
    if (l->stated && l->maximum > l->minimum) return true;
    for (size_t i = 0; i < count; i++)
        if (scryi_mrd_kind_of(&heads[i]) == SCRYI_MRD_IMAGING &&
            heads[i].encoding_space_ref == s->encoding && heads[i].idx.step_2)
            return true;
    return false;
}

static scry_status set_matrix(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count,
                              scry_error *err)
{
    const scryi_mrd_state *s = r->state;
    const scryi_mrd_encoding *e = &s->header.encoding[s->encoding];
    scry_kspace_info *info = &r->info;
    const bool epi = !strcmp(e->trajectory, "epi");
    if (scryi_mrd_is_scattered(e) && !s->scattered)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: /%s: trajectory \"%s\", expected a cartesian one: 'scry mri' reads "
                         "others",
                         r->path, s->xml, e->trajectory);
    info->readout = 2;
    scryi_mrd_describe(info, &s->header, s->encoding);
    info->has_mask = true;
    if (s->scattered) {
        scryi_mrd_scatter_matrix(r, heads, count);
        return check_limit(r, SCRYI_MRD_STEP_2, s->partitions, err);
    }
    info->nz = e->encoded[0];
    info->ny = e->encoded[1];
    info->nx = e->encoded[2];
    memcpy(info->recon, e->recon, sizeof info->recon);
    if (info->nz > 1 && !encoded_along_z(s, heads, count)) {
        scryi_kspace_warn(r,
                          "encodedSpace.z is %zu, but no acquisition is encoded along z: slices "
                          "are taken as two-dimensional",
                          info->nz);
        info->nz = info->recon[0] = 1;
    }
    if (epi)
        scryi_kspace_warn(r, "trajectory epi: lines are taken as Cartesian, without regridding of "
                             "ramp samples and correction of ghosts");
    const scry_status st = check_limit(r, SCRYI_MRD_STEP_1, info->ny, err);
    return st == SCRY_OK ? check_limit(r, SCRYI_MRD_STEP_2, info->nz, err) : st;
}

/* ---- which measurement ---- */

/* The group of dataset `name` if that is the header of a measurement, "GROUP/xml", whose samples
 * are there too. */
static bool measurement_of(const scry_hdf5 *f, const char *name, char *group, size_t size)
{
    char samples[sizeof((scry_hdf5_info *)0)->name + 8];
    const char *last = strrchr(name, '/');
    if (!last || last == name || strcmp(last, "/xml")) return false;
    if ((size_t)snprintf(group, size, "%.*s", (int)(last - name), name) >= size) return false;
    snprintf(samples, sizeof samples, "%s/data", group);
    return scry_hdf5_has_dataset(f, samples);
}

bool scryi_ismrmrd_names(const scry_hdf5 *f, const char *dataset)
{
    char xml[sizeof((scryi_mrd_state *)0)->xml], group[sizeof((scryi_mrd_state *)0)->group];
    size_t n = strlen(dataset);
    while (*dataset == '/') {
        dataset++;
        n--;
    }
    if (n > 5 && !strcmp(dataset + n - 5, "/data")) n -= 5;
    if (n > 4 && !strncmp(dataset + n - 4, "/xml", 4)) n -= 4;
    if (!n || (size_t)snprintf(xml, sizeof xml, "%.*s/xml", (int)n, dataset) >= sizeof xml)
        return false;
    return scry_hdf5_has_dataset(f, xml) && measurement_of(f, xml, group, sizeof group);
}

/* The group that the caller names; else "dataset", as everybody calls it, or the first one where
 * there is none of that name. Names the others: converters put adjustment scans of a few lines
 * beside the image, in either order. */
static scry_status choose_measurement(scry_kspace_reader *r, const char *wanted, scry_error *err)
{
    scryi_mrd_state *s = r->state;
    scry_hdf5_info *all = NULL;
    char others[128] = "", group[sizeof s->group];
    size_t n = 0, count = 0, used = 0;
    scry_status st = scry_hdf5_list(&all, &n, r->file, err);
    if (st != SCRY_OK) return st;
    if (wanted) {
        while (*wanted == '/')
            wanted++;
        snprintf(s->group, sizeof s->group, "%s", wanted);
        char *last = strrchr(s->group, '/');
        if (last && (!strcmp(last, "/data") || !strcmp(last, "/xml"))) *last = '\0';
    } else {
        for (size_t i = 0; i < n; i++)
            if (measurement_of(r->file, all[i].name, group, sizeof group) &&
                (!s->group[0] || !strcmp(group, "dataset")))
                memcpy(s->group, group, sizeof group);
        if (!s->group[0]) snprintf(s->group, sizeof s->group, "dataset");
    }
    for (size_t i = 0; i < n; i++) {
        if (!measurement_of(r->file, all[i].name, group, sizeof group)) continue;
        count++;
        if (strcmp(group, s->group) && used + strlen(group) + 3 < sizeof others)
            used += (size_t)snprintf(others + used, sizeof others - used, "%s%s", used ? ", " : "",
                                     group);
    }
    if (!wanted && count > 1)
        scryi_kspace_warn(r, "%zu measurements: %s is read; choose another with --dataset: %s",
                          count, s->group, others);
    scry_free(all);
    return SCRY_OK;
}

scry_status scryi_ismrmrd_open(scry_kspace_reader *r, const scry_kspace_choice *choice,
                               scry_error *err)
{
    scryi_mrd_head *heads = NULL;
    size_t count = 0;
    r->ops = &ismrmrd_ops;
    scryi_mrd_state *s = scry_alloc(1, sizeof *s);
    if (!s) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: reader", r->path);
    s->data = H5I_INVALID_HID;
    s->partitions = 1;
    r->state = s;
    scry_status st = choose_measurement(r, choice->dataset, err);
    if (st != SCRY_OK) return st;
    snprintf(s->xml, sizeof s->xml, "%s/xml", s->group);
    snprintf(r->dataset, sizeof r->dataset, "/%s/data", s->group);
    st = mrd_read_header(r, err);
    if (st == SCRY_OK) st = open_data(r, &count, err);
    if (st == SCRY_OK) st = read_heads(r, count, &heads, err);
    if (st == SCRY_OK) st = choose_encoding(r, heads, count, err);
    if (st == SCRY_OK)
        s->scattered = scryi_mrd_is_scattered(&s->header.encoding[s->encoding]) &&
                       (choice->own_trajectory || choice->scattered);
    if (st == SCRY_OK && !s->scattered) st = scryi_mrd_embed(r, heads, count, err);
    if (st == SCRY_OK) st = set_matrix(r, heads, count, err);
    if (st == SCRY_OK) st = scryi_mrd_sort(r, heads, count, err);
    if (st == SCRY_OK && s->scattered && choice->own_trajectory && !choice->scattered)
        st = scryi_mrd_scatter_units(r, err);
    if (st == SCRY_OK && s->partitions > 1) st = scryi_mrd_stack_describe(r, err);
    scry_free(heads);
    return st;
}
