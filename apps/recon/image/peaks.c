#include "apps/recon/image/peaks_impl.h"

#include "lib/memory.h"
#include "operators/cg.h"

#include <string.h>

/* The spectrum needs no more: tests/test_psf_fit.c has the widths that it gives. */
static const double tolerance = 1e-3;
enum { ITERATIONS = 300 };

struct peaks {
    size_t ny, nx, count;
    const size_t *index; /* of the cut pixels of a plane */
    float *plane, *bent; /* ny x nx */
};

/* Minus the Laplacian, with reflecting borders. */
static void peaks_laplacian(const struct peaks *p, float *out, const float *in)
{
    const size_t ny = p->ny, nx = p->nx;
    for (size_t y = 0; y < ny; y++) {
        const float *row = in + y * nx;
        const float *above = y ? row - nx : row, *below = y + 1 < ny ? row + nx : row;
        for (size_t x = 0; x < nx; x++)
            out[y * nx + x] =
                4 * row[x] - above[x] - below[x] - row[x ? x - 1 : x] - row[x + 1 < nx ? x + 1 : x];
    }
}

/* The cut pixels of L L u, u in p->plane. */
static void peaks_bend(struct peaks *p, float *out)
{
    peaks_laplacian(p, p->bent, p->plane);
    peaks_laplacian(p, p->plane, p->bent);
    for (size_t k = 0; k < p->count; k++)
        out[k] = p->plane[p->index[k]];
}

static scry_status peaks_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct peaks *p = ctx;
    (void)err;
    memset(p->plane, 0, p->ny * p->nx * sizeof *p->plane);
    for (size_t k = 0; k < p->count; k++)
        p->plane[p->index[k]] = in[k];
    peaks_bend(p, out);
    return SCRY_OK;
}

static scry_status peaks_plane(struct peaks *p, float *pixels, float *change, float *rhs,
                               void *work, scry_error *err)
{
    memcpy(p->plane, pixels, p->ny * p->nx * sizeof *pixels);
    peaks_bend(p, rhs);
    for (size_t k = 0; k < p->count; k++) {
        rhs[k] = -rhs[k];
        change[k] = 0;
    }
    const scry_status st =
        scry_cg(peaks_apply, p, change, rhs, p->count, tolerance, ITERATIONS, work, NULL, err);
    for (size_t k = 0; st == SCRY_OK && k < p->count; k++)
        pixels[p->index[k]] += change[k];
    return st;
}

scry_status scryi_peaks_restore(float *pixels, const unsigned char *saturated,
                                const scry_space *space, scry_error *err)
{
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t plane = ny * nx, planes = scry_space_count(space) / plane;
    scry_status st = SCRY_OK;
    float *lists = scry_alloc(4 * plane, sizeof *lists);
    size_t *index = scry_alloc(plane, sizeof *index);
    void *work = scry_alloc(1, scry_cg_work_bytes(plane));
    struct peaks p = {ny, nx, 0, index, lists, lists ? lists + plane : NULL};
    if (!lists || !index || !work)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "saturated pixels of %zu x %zu", ny, nx);
    for (size_t z = 0; z < planes && st == SCRY_OK; z++) {
        p.count = 0;
        for (size_t i = 0; i < plane; i++)
            if (saturated[z * plane + i]) index[p.count++] = i;
        if (p.count && p.count < plane)
            st = peaks_plane(&p, pixels + z * plane, lists + 2 * plane, lists + 3 * plane, work,
                             err);
    }
    scry_free(work);
    scry_free(index);
    scry_free(lists);
    return st;
}
