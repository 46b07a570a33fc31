/* Writing ISMRMRD: an acquisition for each line that holds samples, laid out as by libismrmrd. */

#include "lib/io/kspace/ismrmrd_impl.h"
#include "lib/io/kspace/kspace_write.h"

#include "lib/memory.h"

#include <string.h>

/* Acquisitions to a chunk of the dataset. Libismrmrd writes 1; then the index takes longer to read
 * than the heads. */
enum { CHUNK = 32 };

struct writer {
    scry_hdf5 *file;
    hid_t data;
    hsize_t lines;                       /* written so far */
    size_t slices;                       /* written so far */
    size_t *done;                        /* slices of each frame */
    float *samples;                      /* of a slice, [line][coil][sample](re, im) */
    scryi_mrd_acquisition *acquisitions; /* of a slice */
};

/* A slice as ISMRMRD sees it: `lines` lines of `samples` each along the readout. */
struct layout {
    size_t lines, samples; /* in a plane */
    size_t line_step, sample_step;
};

static struct layout mrd_write_layout_of(const scry_kspace_info *info)
{
    if (info->readout == 2)
        return (struct layout){
            .lines = info->ny, .samples = info->nx, .line_step = info->nx, .sample_step = 1};
    return (struct layout){
        .lines = info->nx, .samples = info->ny, .line_step = 1, .sample_step = info->nx};
}

static scry_status ismrmrd_finish(scry_kspace_writer *w, bool commit, scry_error *err)
{
    struct writer *s = w->state;
    scry_status st = SCRY_OK;
    if (!s) return SCRY_OK;
    H5E_BEGIN_TRY
    if (s->data >= 0) H5Dclose(s->data);
    H5E_END_TRY
    if (s->file) st = scry_hdf5_finish(s->file, commit, err);
    scry_free(s->done);
    scry_free(s->samples);
    scry_free(s->acquisitions);
    scry_free(s);
    return st;
}

/* The run of acquired samples of a line, from *first on; 0 when there are none, SIZE_MAX when
 * there are gaps. */
static size_t mrd_write_acquired(const unsigned char *mask, const struct layout *at, size_t *first)
{
    size_t held = 0, last = 0;
    for (size_t i = 0; i < at->samples; i++) {
        if (!mask[i * at->sample_step]) continue;
        if (!held++) *first = i;
        last = i;
    }
    return held && last - *first + 1 != held ? SIZE_MAX : held;
}

/* The header that all lines of a slice share. */
static void fill_head(scryi_mrd_head *h, const scry_kspace_info *info, size_t frame, size_t slice)
{
    const scry_geometry *g = &info->geometry;
    const int read = info->readout == 2 ? 0 : 1;
    *h = (scryi_mrd_head){.version = 1,
                          .available_channels = (uint16_t)info->coils,
                          .active_channels = (uint16_t)info->coils,
                          .sample_time_us = (float)info->sample_time,
                          .idx = {.slice = (uint16_t)slice, .repetition = (uint16_t)frame}};
    if (!g->known) return;
    for (int k = 0; k < 3; k++) {
        h->position[k] = (float)(g->position[k] + (double)slice * g->slice_gap[k]);
        h->read_dir[k] = (float)g->along[read][k];
        h->phase_dir[k] = (float)g->along[1 - read][k];
        h->slice_dir[k] = (float)g->along[2][k];
    }
}

/* Samples and head of one line; *out moves behind the samples. */
static scry_status fill_line(const scry_kspace_writer *w, scryi_mrd_acquisition *a, float **out,
                             size_t z, size_t line, const float complex *data,
                             const unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *info = &w->info;
    const struct layout at = mrd_write_layout_of(info);
    const size_t plane = info->ny * info->nx, base = z * plane + line * at.line_step;
    size_t first = 0;
    const size_t count = mrd_write_acquired(mask + base, &at, &first), center = at.samples / 2;
    a->head.number_of_samples = 0;
    if (!count) return SCRY_OK;
    if (count == SIZE_MAX || first > center || first + count <= center)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: the samples of line %zu (z %zu) have gaps or miss its centre %zu, "
                         "which ISMRMRD cannot say: write .cfl or fastMRI instead",
                         w->path, line, z, center);
    a->head.number_of_samples = (uint16_t)count;
    a->head.center_sample = (uint16_t)(center - first);
    a->head.idx.step_1 = (uint16_t)line;
    a->head.idx.step_2 = (uint16_t)z;
    a->data = (hvl_t){.len = 2 * info->coils * count, .p = *out};
    for (size_t c = 0; c < info->coils; c++) {
        const float complex *in = data + c * info->nz * plane + base + first * at.sample_step;
        for (size_t i = 0; i < count; i++, *out += 2) {
            (*out)[0] = crealf(in[i * at.sample_step]);
            (*out)[1] = cimagf(in[i * at.sample_step]);
        }
    }
    return SCRY_OK;
}

/* Appends n acquisitions. */
static scry_status mrd_write_append(struct writer *s, size_t n, scry_error *err)
{
    const hsize_t count = n, from = s->lines, total = s->lines + n;
    herr_t failed = -1;
    const hid_t type = scryi_mrd_memory_type(SCRYI_MRD_BOTH);
    H5E_BEGIN_TRY
    if (H5Dset_extent(s->data, &total) >= 0) {
        const hid_t file = H5Dget_space(s->data), memory = H5Screate_simple(1, &count, NULL);
        failed = H5Sselect_hyperslab(file, H5S_SELECT_SET, &from, NULL, &count, NULL);
        if (failed >= 0)
            failed = H5Dwrite(s->data, type, memory, file, H5P_DEFAULT, s->acquisitions);
        H5Sclose(memory);
        H5Sclose(file);
    }
    H5Tclose(type);
    H5E_END_TRY
    s->lines = total;
    return failed >= 0 ? SCRY_OK
                       : scryi_hdf5_fail(s->file, err, SCRY_EIO, "/%s: %zu lines cannot be written",
                                         SCRYI_MRD_DATA, n);
}

/* The acquired lines of a slice, *count of them, into s->acquisitions. */
static scry_status fill_lines_of(scry_kspace_writer *w, size_t *count, size_t frame, size_t slice,
                                 const float complex *data, const unsigned char *mask,
                                 scry_error *err)
{
    struct writer *s = w->state;
    const scry_kspace_info *info = &w->info;
    const size_t lines = mrd_write_layout_of(info).lines;
    float *out = s->samples;
    size_t n = 0;
    for (size_t i = 0; i < info->nz * lines; i++) {
        scryi_mrd_acquisition *a = &s->acquisitions[n];
        *a = (scryi_mrd_acquisition){.head = {0}};
        fill_head(&a->head, info, frame, slice);
        const scry_status st = fill_line(w, a, &out, i / lines, i % lines, data, mask, err);
        if (st != SCRY_OK) return st;
        if (!a->head.number_of_samples) continue;
        a->head.scan_counter = (uint32_t)(s->lines + ++n);
    }
    *count = n;
    return SCRY_OK;
}

static scry_status ismrmrd_write(scry_kspace_writer *w, size_t frame, size_t slice,
                                 const float complex *data, const unsigned char *mask,
                                 scry_error *err)
{
    struct writer *s = w->state;
    const scry_kspace_info *info = &w->info;
    size_t n = 0;
    const scry_status st = fill_lines_of(w, &n, frame, slice, data, mask, err);
    if (st != SCRY_OK) return st;
    if (!n)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: frame %zu, slice %zu: the mask keeps no line",
                         w->path, frame, slice);
    uint64_t *first = &s->acquisitions[0].head.flags, *last = &s->acquisitions[n - 1].head.flags;
    *first |= SCRYI_MRD_FLAG(SCRYI_MRD_FIRST_IN_SLICE);
    *last |= SCRYI_MRD_FLAG(SCRYI_MRD_LAST_IN_SLICE);
    if (!s->done[frame]++) *first |= SCRYI_MRD_FLAG(SCRYI_MRD_FIRST_IN_REPETITION);
    if (s->done[frame] == info->slices) *last |= SCRYI_MRD_FLAG(SCRYI_MRD_LAST_IN_REPETITION);
    if (++s->slices == info->frames * info->slices)
        *last |= SCRYI_MRD_FLAG(SCRYI_MRD_LAST_IN_MEASUREMENT);
    return mrd_write_append(s, n, err);
}

static scry_status ismrmrd_write_calibration(scry_kspace_writer *w, size_t slice,
                                             const float complex *data, const unsigned char *mask,
                                             scry_error *err)
{
    struct writer *s = w->state;
    size_t n = 0;
    const scry_status st = fill_lines_of(w, &n, 0, slice, data, mask, err);
    if (st != SCRY_OK || !n) return st;
    for (size_t i = 0; i < n; i++)
        s->acquisitions[i].head.flags |= SCRYI_MRD_FLAG(SCRYI_MRD_CALIBRATION);
    return mrd_write_append(s, n, err);
}

/* In acquisitions of 4096 samples and fewer; its variance is told by its sample time, or by the
 * bandwidth in the header where the image's is not known (add_header). */
static scry_status ismrmrd_write_noise(scry_kspace_writer *w, const float complex *noise,
                                       scry_error *err)
{
    enum { MAX_SAMPLES = 4096 };
    struct writer *s = w->state;
    const scry_kspace_info *info = &w->info;
    const size_t all = info->noise_samples;
    scry_status st = SCRY_OK;
    float *samples = scry_alloc(info->coils * MAX_SAMPLES, 2 * sizeof *samples);
    if (!samples) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: noise scan", w->path);
    for (size_t from = 0, n; from < all && st == SCRY_OK; from += n) {
        scryi_mrd_acquisition *a = &s->acquisitions[0];
        n = all - from < MAX_SAMPLES ? all - from : MAX_SAMPLES;
        *a = (scryi_mrd_acquisition){.data = {.len = 2 * info->coils * n, .p = samples}};
        fill_head(&a->head, info, 0, 0);
        a->head.flags = SCRYI_MRD_FLAG(SCRYI_MRD_NOISE);
        a->head.number_of_samples = (uint16_t)n;
        a->head.sample_time_us = (float)(info->sample_time * info->noise_ratio);
        a->head.scan_counter = (uint32_t)(s->lines + 1);
        for (size_t c = 0; c < info->coils; c++)
            memcpy(samples + 2 * c * n, noise + c * all + from, n * sizeof *noise);
        st = mrd_write_append(s, 1, err);
    }
    scry_free(samples);
    return st;
}

static const struct scryi_kspace_writer_ops ismrmrd_ops = {
    .write = ismrmrd_write,
    .calibration = ismrmrd_write_calibration,
    .noise = ismrmrd_write_noise,
    .finish = ismrmrd_finish,
};

/* Counters and sizes are 16 bits wide. */
static scry_status check_widths(const scry_kspace_writer *w, scry_error *err)
{
    const scry_kspace_info *info = &w->info;
    const struct {
        const char *name;
        size_t value;
    } fields[] = {{"frames", info->frames}, {"slices", info->slices}, {"coils", info->coils},
                  {"nz", info->nz},         {"ny", info->ny},         {"nx", info->nx}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value > UINT16_MAX)
            return SCRY_FAIL(err, SCRY_EUNSUP, "%s: %zu %s, ISMRMRD counts up to %d", w->path,
                             fields[i].value, fields[i].name, UINT16_MAX);
    return SCRY_OK;
}

/* As ASCII: HDF5 1.10 does not convert other text for libismrmrd, which asks for that. */
static scry_status mrd_write_put_header(const struct writer *s, const char *text, scry_error *err)
{
    const hsize_t one = 1;
    herr_t failed = -1;
    H5E_BEGIN_TRY
    const hid_t space = H5Screate_simple(1, &one, NULL), type = H5Tcopy(H5T_C_S1);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE), how = scryi_hdf5_creation();
    H5Tset_size(type, H5T_VARIABLE);
    H5Pset_create_intermediate_group(links, 1);
    const hid_t data =
        H5Dcreate2(scryi_hdf5_id(s->file), SCRYI_MRD_XML, type, space, links, how, H5P_DEFAULT);
    failed = H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text);
    H5Dclose(data);
    H5Pclose(how);
    H5Pclose(links);
    H5Tclose(type);
    H5Sclose(space);
    H5E_END_TRY
    return failed >= 0
               ? SCRY_OK
               : scryi_hdf5_fail(s->file, err, SCRY_EIO, "/%s cannot be written", SCRYI_MRD_XML);
}

static scry_status add_header(const scry_kspace_writer *w, scry_error *err)
{
    scryi_mrd_header header;
    char *text;
    scryi_mrd_from_info(&header, &w->info);
    if (w->info.noise_samples && w->info.noise_ratio > 0 && !(w->info.sample_time > 0))
        header.noise_bandwidth = 1 / w->info.noise_ratio;
    scry_status st = scryi_mrd_format(&text, &header, err);
    if (st == SCRY_OK) st = mrd_write_put_header(w->state, text, err);
    scry_free(text);
    return st;
}

static scry_status add_data(struct writer *s, scry_error *err)
{
    const hsize_t none = 0, max = H5S_UNLIMITED, chunk = CHUNK;
    const hid_t type = scryi_mrd_file_type();
    H5E_BEGIN_TRY
    const hid_t space = H5Screate_simple(1, &none, &max);
    const hid_t how = scryi_hdf5_creation();
    if (H5Pset_chunk(how, 1, &chunk) >= 0)
        s->data = H5Dcreate2(scryi_hdf5_id(s->file), SCRYI_MRD_DATA, type, space, H5P_DEFAULT, how,
                             H5P_DEFAULT);
    H5Pclose(how);
    H5Sclose(space);
    H5Tclose(type);
    H5E_END_TRY
    return s->data >= 0
               ? SCRY_OK
               : scryi_hdf5_fail(s->file, err, SCRY_EIO, "/%s cannot be created", SCRYI_MRD_DATA);
}

scry_status scryi_ismrmrd_create(scry_kspace_writer *w, scry_error *err)
{
    const scry_kspace_info *info = &w->info;
    w->ops = &ismrmrd_ops;
    scry_status st = check_widths(w, err);
    if (st != SCRY_OK) return st;
    struct writer *s = scry_alloc(1, sizeof *s);
    if (!s) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", w->path);
    s->data = H5I_INVALID_HID;
    w->state = s;
    const size_t lines = info->nz * mrd_write_layout_of(info).lines;
    s->done = scry_alloc(info->frames, sizeof *s->done);
    s->acquisitions = scry_alloc(lines, sizeof *s->acquisitions);
    s->samples = scry_alloc(info->coils * info->nz * info->ny * info->nx, 2 * sizeof *s->samples);
    if (!s->done || !s->acquisitions || !s->samples)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu lines", w->path, lines);
    if ((st = scry_hdf5_create(&s->file, w->path, err)) != SCRY_OK) return st;
    if ((st = add_header(w, err)) != SCRY_OK) return st;
    return add_data(s, err);
}
