/* A PSF on another voxel grid, by its cumulative sum. */
#include "operators/psf.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <gsl/gsl_interp.h>
#include <math.h>
#include <string.h>

/* Length of an axis afterwards: the old one's extent, rounded up to an odd number of new voxels. */
static scry_status new_length(size_t *n, size_t old, double scale, int axis, scry_error *err)
{
    if (!(scale >= 1.0 / 64 && scale <= 64))
        return SCRY_FAIL(err, SCRY_EINVAL, "psf axis %d: scale %g, expected 1/64 to 64", axis,
                         scale);
    /* From the centre of voxel old/2 to the farther border. */
    const double reach = ((double)(old / 2) + 0.5) * scale;
    *n = scale == 1 && old % 2 ? old : 2 * (size_t)fmax(ceil(reach - 0.5 - 1e-9), 0) + 1;
    return SCRY_OK;
}

/* One line. edge: n + 1 borders of the old voxels in units of the new, from the centre; sum: the
 * cumulative sum there. Outside, the sum is constant. */
static void resample_line(float *out, size_t m, size_t out_step, const double *edge,
                          const double *sum, size_t n, gsl_interp *spline, gsl_interp_accel *where)
{
    gsl_interp_init(spline, edge, sum, n + 1);
    gsl_interp_accel_reset(where);
    double before = 0;
    for (size_t i = 0; i < m; i++) {
        const double border = (double)i + 0.5 - (double)(m / 2);
        double now = sum[n];
        if (border <= edge[0])
            now = 0;
        else if (border < edge[n])
            now = gsl_interp_eval(spline, edge, sum, border, where);
        out[i * out_step] = (float)fmax(now - before, 0);
        before = now;
    }
}

/* in: (outer, n, inner) -> out: (outer, m, inner) */
static scry_status resample_axis(float *out, const float *in, size_t outer, size_t n, size_t m,
                                 size_t inner, double scale, scry_error *err)
{
    scry_status st = SCRY_OK;
    double *edge = scry_alloc(2 * (n + 3), sizeof *edge), *sum = NULL;
    /* A voxel of zeros on both sides: Steffen's interpolant wants three points. */
    const size_t padded = n + 2;
    gsl_interp *spline = gsl_interp_alloc(gsl_interp_steffen, padded + 1);
    gsl_interp_accel *where = gsl_interp_accel_alloc();
    if (!edge || !spline || !where) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "resampling %zu voxels", n);
        goto done;
    }
    sum = edge + padded + 1;
    for (size_t i = 0; i <= padded; i++)
        edge[i] = ((double)i - 1.5 - (double)(n / 2)) * scale;
    for (size_t o = 0; o < outer; o++)
        for (size_t k = 0; k < inner; k++) {
            const float *line = in + o * n * inner + k;
            sum[0] = sum[1] = 0;
            for (size_t i = 0; i < n; i++)
                sum[i + 2] = sum[i + 1] + line[i * inner];
            sum[padded] = sum[padded - 1];
            resample_line(out + o * m * inner + k, m, inner, edge, sum, padded, spline, where);
        }
done:
    if (spline) gsl_interp_free(spline);
    if (where) gsl_interp_accel_free(where);
    scry_free(edge);
    return st;
}

scry_status scry_psf_resample(float **out, scry_space *os, const float *psf, const scry_space *s,
                              const double *scale, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, os, psf, s, scale)) return SCRY_EINVAL;
    if (s->cplx || s->rank < 1 || s->rank > SCRY_PSF_MAX_RANK)
        return SCRY_FAIL(err, SCRY_ESHAPE, "a psf is real and has 1 to %d axes; this one has %d%s",
                         SCRY_PSF_MAX_RANK, s->rank, s->cplx ? ", complex" : "");
    scry_status st = scry_space_check(s, err);
    float *now = st == SCRY_OK ? scry_copy(psf, scry_space_count(s) * sizeof *psf) : NULL;
    if (st == SCRY_OK && !now) st = SCRY_FAIL(err, SCRY_ENOMEM, "a copy of the psf");
    scry_space shape = *s;
    for (int a = 0; a < s->rank && st == SCRY_OK; a++) {
        scry_space next = shape;
        if ((st = new_length(&next.dims[a], shape.dims[a], scale[a], a, err)) != SCRY_OK) break;
        if (scale[a] == 1 && next.dims[a] == shape.dims[a]) continue;
        if ((st = scry_space_check(&next, err)) != SCRY_OK) break;
        size_t outer = 1, inner = 1;
        for (int i = 0; i < a; i++)
            outer *= shape.dims[i];
        for (int i = a + 1; i < s->rank; i++)
            inner *= shape.dims[i];
        float *fresh = scry_alloc(scry_space_count(&next), sizeof *fresh);
        if (!fresh) {
            st = SCRY_FAIL(err, SCRY_ENOMEM, "the resampled psf");
            break;
        }
        st = resample_axis(fresh, now, outer, shape.dims[a], next.dims[a], inner, scale[a], err);
        scry_free(now);
        now = fresh;
        shape = next;
    }
    if (st != SCRY_OK) {
        scry_free(now);
        return st;
    }
    *out = now;
    *os = shape;
    return SCRY_OK;
}
