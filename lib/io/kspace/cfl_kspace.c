/* k-space in the dims of BART: 0 readout, 1 and 2 phase encodes, 3 coils, 13 slices, 14 averages;
 * contrasts and times (5 to 12, 15) are frames. Nothing says where samples are missing: they are
 * exact zeros.
 *
 * Where dim 0 is 1 and dim 2 is not, the readout has been transformed and this is one position of
 * it: the slice is (ph2, ph1). Otherwise it is (ph1, read), or (ph2, ph1, read) for a volume. */

#include "lib/io/cfl.h"
#include "lib/io/kspace/kspace_impl.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"

#include <stdio.h>
#include <string.h>

static const int frame_dims[] = {15, 12, 11, 10, 9, 8, 7, 6, 5}; /* the slowest first */
enum { FRAME_DIMS = sizeof frame_dims / sizeof *frame_dims };

bool scryi_cfl_recognise(const char *path)
{
    return scry_cfl_recognise(path);
}

static void close_cfl(scry_kspace_reader *r)
{
    scry_cfl_close(r->state);
}

/* start and count of one (coil, z, y, x). */
static void cfl_kspace_place(const size_t *dims, size_t frame, size_t slice, size_t average,
                             size_t *start, size_t *count)
{
    for (int d = 0; d < SCRY_CFL_RANK; d++) {
        start[d] = 0;
        count[d] = d <= SCRY_CFL_COIL ? dims[d] : 1;
    }
    for (int i = FRAME_DIMS - 1; i >= 0; i--) {
        start[frame_dims[i]] = frame % dims[frame_dims[i]];
        frame /= dims[frame_dims[i]];
    }
    start[SCRY_CFL_SLICE] = slice;
    start[SCRY_CFL_AVERAGE] = average;
}

/* data += one average; times += 1 where it was acquired. Averages of a line may be incomplete. */
static scry_status add_average(scry_kspace_reader *r, const size_t *start, const size_t *count,
                               float complex *data, unsigned char *acquired, unsigned *times,
                               float complex *one, scry_error *err)
{
    const scry_kspace_info *info = &r->info;
    const size_t n = info->nz * info->ny * info->nx;
    const scry_status st = scry_cfl_read(r->state, start, count, one, err);
    if (st != SCRY_OK) return st;
    scryi_kspace_mask_from_zeros(info, one, acquired);
    for (size_t c = 0; c < info->coils; c++)
        for (size_t i = 0; i < n; i++)
            data[c * n + i] += one[c * n + i];
    for (size_t i = 0; i < n; i++)
        times[i] += acquired[i];
    return SCRY_OK;
}

static scry_status read_averages(scry_kspace_reader *r, size_t frame, size_t slice,
                                 float complex *data, unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *info = &r->info;
    const size_t n = info->nz * info->ny * info->nx;
    size_t start[SCRY_CFL_RANK], count[SCRY_CFL_RANK];
    scry_status st = SCRY_OK;
    unsigned *times = scry_alloc(n, sizeof *times);
    float complex *one = scry_alloc(info->coils * n, sizeof *one);
    if (!times || !one) st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: averages of one slice", r->path);
    for (size_t a = 0; a < info->averages && st == SCRY_OK; a++) {
        cfl_kspace_place(scry_cfl_dims(r->state), frame, slice, a, start, count);
        st = add_average(r, start, count, data, mask, times, one, err);
    }
    for (size_t i = 0; i < n && st == SCRY_OK; i++) {
        mask[i] = times[i] > 0;
        for (size_t c = 0; c < info->coils && times[i] > 1; c++)
            data[c * n + i] /= (float)times[i];
    }
    scry_free(times);
    scry_free(one);
    return st;
}

static scry_status cfl_kspace_read_cfl(scry_kspace_reader *r, size_t frame, size_t slice,
                                       float complex *data, unsigned char *mask, scry_error *err)
{
    size_t start[SCRY_CFL_RANK], count[SCRY_CFL_RANK];
    if (r->info.averages > 1) return read_averages(r, frame, slice, data, mask, err);
    cfl_kspace_place(scry_cfl_dims(r->state), frame, slice, 0, start, count);
    const scry_status st = scry_cfl_read(r->state, start, count, data, err);
    if (st == SCRY_OK) scryi_kspace_mask_from_zeros(&r->info, data, mask);
    return st;
}

static const struct scryi_kspace_reader_ops cfl_ops = {.read = cfl_kspace_read_cfl,
                                                       .close = close_cfl};

static scry_status cfl_kspace_describe(scry_kspace_reader *r, scry_error *err)
{
    scry_kspace_info *info = &r->info;
    const size_t *dims = scry_cfl_dims(r->state);
    char text[400];
    const char *path = scry_cfl_path(r->state), *slash = strrchr(path, '/');
    if (dims[SCRY_CFL_MAPS] > 1)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: dimensions %s: dimension 4 is %zu, as of coil "
                         "maps, expected 1 in k-space",
                         path, scry_cfl_print(dims, text, sizeof text), dims[SCRY_CFL_MAPS]);
    const bool transformed = dims[SCRY_CFL_READ] == 1 && dims[SCRY_CFL_PH2] > 1;
    info->nx = dims[transformed ? SCRY_CFL_PH1 : SCRY_CFL_READ];
    info->ny = dims[transformed ? SCRY_CFL_PH2 : SCRY_CFL_PH1];
    info->nz = transformed ? 1 : dims[SCRY_CFL_PH2];
    info->coils = dims[SCRY_CFL_COIL];
    info->slices = dims[SCRY_CFL_SLICE];
    info->averages = dims[SCRY_CFL_AVERAGE];
    info->frames = 1;
    for (int i = 0; i < FRAME_DIMS; i++)
        info->frames *= dims[frame_dims[i]];
    info->readout = 2;
    info->recon[0] = info->nz;
    info->recon[1] = info->ny;
    info->recon[2] = info->nx;
    info->noise_ratio = 1;
    snprintf(info->trajectory, sizeof info->trajectory, "cartesian");
    snprintf(r->dataset, sizeof r->dataset, "%s", slash ? slash + 1 : path);
    return SCRY_OK;
}

/* Are the samples, exact zeros aside, those of whole columns and not of whole rows? Two in a
 * hundred acquired ones may be 0, as in scryi_kspace_mask_from_zeros. */
static bool lines_along_y(const scry_kspace_info *info, const unsigned char *acquired,
                          size_t *by_column)
{
    size_t total = 0, columns = 0, rows = 0;
    for (size_t y = 0; y < info->ny; y++) {
        size_t row = 0;
        for (size_t x = 0; x < info->nx; x++) {
            row += acquired[y * info->nx + x];
            by_column[x] += acquired[y * info->nx + x];
        }
        total += row;
        rows += row > 0;
    }
    for (size_t x = 0; x < info->nx; x++)
        columns += by_column[x] > 0;
    const bool whole_rows = total * 50 >= rows * info->nx * 49;
    const bool whole_columns = total * 50 >= columns * info->ny * 49;
    return whole_columns && !whole_rows;
}

/* Which axis was read out: that along which the lines of the first slice are whole. Along x when
 * both are (nothing is missing) or neither is (patterns in both axes), and in volumes. */
static scry_status find_readout(scry_kspace_reader *r, scry_error *err)
{
    scry_kspace_info *info = &r->info;
    size_t start[SCRY_CFL_RANK], count[SCRY_CFL_RANK];
    if (info->nz > 1 || info->ny == 1 || info->nx == 1) return SCRY_OK;
    const size_t n = info->ny * info->nx, all = info->coils * n; /* in bytes, a file holds them */
    scry_status st = SCRY_OK;
    float complex *data = scry_alloc(all, sizeof *data);
    unsigned char *acquired = scry_alloc(n, 1);
    size_t *columns = scry_alloc(info->nx, sizeof *columns);
    if (!data || !acquired || !columns) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu coils x %zu x %zu samples", r->path,
                       info->coils, info->ny, info->nx);
        goto done;
    }
    cfl_kspace_place(scry_cfl_dims(r->state), 0, 0, 0, start, count);
    if ((st = scry_cfl_read(r->state, start, count, data, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < all; i++)
        if (crealf(data[i]) != 0 || cimagf(data[i]) != 0) acquired[i % n] = 1;
    if (lines_along_y(info, acquired, columns)) info->readout = 1;
done:
    scry_free(data);
    scry_free(acquired);
    scry_free(columns);
    return st;
}

scry_status scryi_cfl_open(scry_kspace_reader *r, const scry_kspace_choice *choice, scry_error *err)
{
    scry_cfl *f;
    r->ops = &cfl_ops;
    scry_status st = scry_cfl_open(&f, r->path, err);
    if (st != SCRY_OK) return st;
    r->state = f;
    if ((st = cfl_kspace_describe(r, err)) != SCRY_OK) return st;
    if ((choice->transformed || choice->oversampling > 0) && scry_cfl_dims(f)[SCRY_CFL_READ] == 1)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: dimension 0, the readout, is 1: one position of it "
                         "in the image, with nothing to transform or to cut",
                         r->path);
    return choice->transformed ? SCRY_OK : find_readout(r, err);
}

/* ---- writing ---- */

/* Dim 0 is the readout: slices that have it along y are turned. */
struct output {
    scry_cfl_writer *file;
    float complex *turned; /* one slice; NULL: as it is */
};

static void volume_dims(const scry_kspace_info *info, size_t *dims)
{
    const bool turn = info->readout == 1;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[SCRY_CFL_READ] = turn ? info->ny : info->nx;
    dims[SCRY_CFL_PH1] = turn ? info->nx : info->ny;
    dims[SCRY_CFL_PH2] = info->nz;
    dims[SCRY_CFL_COIL] = info->coils;
}

static scry_status cfl_kspace_write_cfl(scry_kspace_writer *w, size_t frame, size_t slice,
                                        const float complex *data, const unsigned char *mask,
                                        scry_error *err)
{
    const struct output *o = w->state;
    const size_t ny = w->info.ny, nx = w->info.nx, planes = w->info.coils * w->info.nz;
    size_t start[SCRY_CFL_RANK] = {0}, count[SCRY_CFL_RANK];
    (void)mask; /* zeros in the data say it */
    volume_dims(&w->info, count);
    start[SCRY_CFL_SLICE] = slice;
    start[SCRY_CFL_TIME] = frame;
    for (size_t i = 0; i < planes * ny * nx && o->turned; i++)
        o->turned[(i / (ny * nx) * nx + i % nx) * ny + i / nx % ny] = data[i];
    return scry_cfl_write(o->file, start, count, o->turned ? o->turned : data, err);
}

static scry_status finish_cfl(scry_kspace_writer *w, bool commit, scry_error *err)
{
    struct output *o = w->state;
    if (!o) return SCRY_OK;
    const scry_status st = scry_cfl_finish(o->file, commit, err);
    scry_free(o->turned);
    scry_free(o);
    return st;
}

static const struct scryi_kspace_writer_ops cfl_writer_ops = {.write = cfl_kspace_write_cfl,
                                                              .finish = finish_cfl};

scry_status scryi_cfl_create(scry_kspace_writer *w, scry_error *err)
{
    const scry_kspace_info *info = &w->info;
    size_t dims[SCRY_CFL_RANK];
    w->ops = &cfl_writer_ops;
    struct output *o = w->state = scry_alloc(1, sizeof *o);
    if (o && info->readout == 1)
        o->turned = scry_alloc(info->coils * info->nz * info->ny * info->nx, sizeof *o->turned);
    if (!o || (info->readout == 1 && !o->turned))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer of one slice", w->path);
    volume_dims(info, dims);
    dims[SCRY_CFL_SLICE] = info->slices;
    dims[SCRY_CFL_TIME] = info->frames;
    return scry_cfl_create(&o->file, w->path, dims, err);
}
