#ifndef SCRY_OPERATORS_HERMITIAN_IMPL_H
#define SCRY_OPERATORS_HERMITIAN_IMPL_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* Hermitian matrices: small dense ones in double precision, and the leading part of large ones.
 * Matrices are row-major. */

/* A = L L^H: L, lower triangle, the rest 0; L == A allowed. Returns n, or the index of the first
 * pivot that is not positive (relative to the largest diagonal entry, 1e-12). */
size_t scryi_cholesky(double complex *L, const double complex *A, size_t n);

/* values descending; row k of vectors holds v with A v = values[k] v, |v| = 1, its largest entry
 * real and positive. A is destroyed. Cyclic Jacobi (Forsythe & Henrici 1960): gsl_eigen_hermv
 * takes ten times as long at n = 100. ENUMERIC: not finite; ENOMEM. */
scry_status scryi_hermitian_eigen(double *values, double complex *vectors, double complex *A,
                                  size_t n, scry_error *err);

/* Complex matrices as two planes of floats, rows ld floats apart. ld is a multiple of
 * SCRYI_TILE and the columns that pad it are zero. */
enum { SCRYI_TILE = 32 };
typedef struct scryi_planes {
    size_t rows, cols, ld;
    float *re, *im;
} scryi_planes;

/* Zeroed; NULL planes when memory is refused. */
scryi_planes scryi_planes_alloc(size_t rows, size_t cols);
void scryi_planes_free(scryi_planes *m);

/* C = A B; A (m, k), B (k, n), C (m, n); distinct. At most `threads` threads; sums run in one
 * order. */
void scryi_product(scryi_planes *C, const scryi_planes *A, const scryi_planes *B, int threads);
/* One tile of it: SCRYI_TILE columns of C and B, of any ld. */
void scryi_product_tile(scryi_planes *C, const scryi_planes *A, const scryi_planes *B);
/* C = B^H B; B (k, n), C (n, n). */
void scryi_gram(scryi_planes *C, const scryi_planes *B, int threads);

/* The eigenvectors of G whose eigenvalue is over `threshold` times the largest: row q of V holds v
 * with v^T G^T = value v^T. G_T is the transpose of the positive semidefinite G.
 * V->rows of them, descending; V is allocated here. guess: about how many there are.
 * Subspace iteration with Rayleigh-Ritz (Stewart 1976, Numer. Math. 25:123), enlarged until it
 * holds all of them. ENUMERIC: G is zero or not finite; ENOMEM. */
scry_status scryi_leading(scryi_planes *V, const scryi_planes *G_T, double threshold, size_t guess,
                          scry_error *err);

#endif
