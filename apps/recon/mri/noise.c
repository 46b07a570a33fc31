#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/coils.h"
#include "operators/fourier.h"

#include <gsl/gsl_complex_math.h>
#include <gsl/gsl_eigen.h>
#include <string.h>

/* Two places hold little but noise. The margins of k-space hold the noise as it is, but where the
 * resolution is low also signal, which several coils share. The margins of the readout's image hold
 * no signal, but receivers filter them: the noise there has the right proportions between coils and
 * is too small. So the covariance is that of the image's margins, times the factor to the one of
 * k-space's margins: the median of the generalised eigenvalues of the two, of which signal raises
 * only a few. With one coil there is but the one of k-space. */

static scry_status mri_noise_estimate(double complex *psi, const scry_mri_slice *s,
                                      const float complex *data, scry_error *err)
{
    /* rows of all z follow one another: a row far from the centre of a slice is so in a volume */
    return scry_noise_from_kspace(psi, data, s->mask, s->coils, s->dims[0] * s->dims[1], s->dims[2],
                                  err);
}

/* The median eigenvalue of psi (n x n, Hermitian). */
static scry_status median_eigenvalue(double *median, const double complex *psi, size_t n,
                                     scry_error *err)
{
    scry_status st = SCRY_OK;
    gsl_matrix_complex *m = gsl_matrix_complex_alloc(n, n);
    gsl_vector *values = gsl_vector_alloc(n);
    gsl_eigen_herm_workspace *w = gsl_eigen_herm_alloc(n);
    float *sorted = scry_alloc(n, sizeof *sorted);
    if (!m || !values || !w || !sorted) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "eigenvalues of %zu coils", n);
        goto done;
    }
    for (size_t i = 0; i < n * n; i++)
        gsl_matrix_complex_set(m, i / n, i % n, gsl_complex_rect(creal(psi[i]), cimag(psi[i])));
    gsl_eigen_herm(m, values, w);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (float)gsl_vector_get(values, i);
    *median = (double)scry_quantile(sorted, n, 0.5, sorted);
done:
    scry_free(sorted);
    gsl_eigen_herm_free(w);
    gsl_vector_free(values);
    gsl_matrix_complex_free(m);
    return st;
}

scry_status scryi_noise_from_slice(double complex *psi, const scry_mri_slice *s,
                                   const scry_scan *scan, scry_error *err)
{
    const size_t n = s->dims[0] * s->dims[1] * s->dims[2], C = s->coils;
    const unsigned back = (s->image_axis[1] && !scan->image_axis[1] ? SCRY_FOURIER_Y : 0u) |
                          (s->image_axis[2] && !scan->image_axis[2] ? SCRY_FOURIER_X : 0u);
    double complex *outer = NULL;
    float complex *data = NULL;
    double factor = 1;
    if (!back) return mri_noise_estimate(psi, s, s->data, err);
    scry_status st = SCRY_OK;
    outer = scry_alloc(C * C, sizeof *outer);
    data = scry_copy(s->data, C * n * sizeof *data);
    if (!outer || !data) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
        goto done;
    }
    if (C > 1) { /* in coils where the noise of the image's margins is white */
        if ((st = mri_noise_estimate(psi, s, s->data, err)) != SCRY_OK) goto done;
        if ((st = scry_whiten(data, psi, C, n, err)) != SCRY_OK) goto done;
    }
    if ((st = scry_fourier_transform(data, C * s->dims[0], s->dims[1], s->dims[2], back, false,
                                     err)) != SCRY_OK)
        goto done;
    if ((st = mri_noise_estimate(C > 1 ? outer : psi, s, data, err)) != SCRY_OK) goto done;
    if (C > 1 && (st = median_eigenvalue(&factor, outer, C, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < C * C; i++)
        psi[i] *= factor;
done:
    scry_free(outer);
    scry_free(data);
    return st;
}
