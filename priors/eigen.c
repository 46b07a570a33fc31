#include "priors/eigen_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <gsl/gsl_eigen.h>
#include <math.h>
#include <string.h>

static scry_status check_symmetric(const double *C, size_t n, scry_error *err)
{
    double largest = 0;
    for (size_t i = 0; i < n * n; i++) {
        if (!isfinite(C[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "covariance (%zu, %zu) is %g, expected a number",
                             i / n, i % n, C[i]);
        largest = fmax(largest, fabs(C[i]));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (fabs(C[i * n + j] - C[j * n + i]) > 1e-9 * largest)
                return SCRY_FAIL(err, SCRY_EINVAL,
                                 "covariance (%zu, %zu) is %g but (%zu, %zu) is %g, expected equal",
                                 i, j, C[i * n + j], j, i, C[j * n + i]);
    return SCRY_OK;
}

scry_status scryi_eigen(double *values, double *vectors, const double *C, size_t n, scry_error *err)
{
    scry_status st = check_symmetric(C, n, err);
    gsl_eigen_symmv_workspace *w = NULL;
    double *copy = NULL;
    if (st != SCRY_OK) return st;
    copy = scry_copy(C, n * n * sizeof *C);
    w = gsl_eigen_symmv_alloc(n);
    if (!copy || !w) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "eigenvectors of a %zu x %zu covariance", n, n);
        goto done;
    }
    gsl_matrix_view A = gsl_matrix_view_array(copy, n, n), U = gsl_matrix_view_array(vectors, n, n);
    gsl_vector_view l = gsl_vector_view_array(values, n);
    if (gsl_eigen_symmv(&A.matrix, &l.vector, &U.matrix, w)) {
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "no eigenvectors of a %zu x %zu covariance", n, n);
        goto done;
    }
    gsl_matrix_transpose(&U.matrix); /* GSL puts them in columns; rows are read in order */
    for (size_t k = 0; k < n; k++)
        if (!(values[k] > 0)) {
            st = SCRY_FAIL(err, SCRY_EINVAL, "covariance has eigenvalue %g, expected > 0",
                           values[k]);
            goto done;
        }
done:
    if (w) gsl_eigen_symmv_free(w);
    scry_free(copy);
    return st;
}

void scryi_eigen_analyse(double *c, const double *vectors, const double *x, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const double *u = vectors + k * n;
        double s = 0;
        for (size_t i = 0; i < n; i++)
            s += u[i] * x[i];
        c[k] = s;
    }
}

void scryi_eigen_synthesise(double *x, const double *vectors, const double *c, size_t n)
{
    memset(x, 0, n * sizeof *x);
    for (size_t k = 0; k < n; k++) {
        const double *u = vectors + k * n;
        for (size_t i = 0; i < n; i++)
            x[i] += u[i] * c[k];
    }
}
