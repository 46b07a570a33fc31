#include "operators/planes_loops_impl.h"

/* Sixteen floats, loaded from anywhere: one AVX-512 register, or several smaller ones. */
typedef float lanes __attribute__((vector_size(64), aligned(4)));
enum { LANES = 16, ROWS = 4 };

/* `rows` (ROWS or, for the last ones, 1) rows of a tile of TILE columns, kept in registers while k
 * runs. */
static inline void planes_tile(float *cre, float *cim, size_t ldc, const struct scryi_left *a,
                               const float *bre, const float *bim, size_t ldb, const int rows)
{
    lanes sr[ROWS][2] = {{{0}}}, si[ROWS][2] = {{{0}}};
    for (size_t k = 0; k < a->k; k++) {
        lanes br[2], bi[2];
        for (int h = 0; h < 2; h++) {
            br[h] = *(const lanes *)(bre + k * ldb + LANES * h);
            bi[h] = *(const lanes *)(bim + k * ldb + LANES * h);
        }
        for (int r = 0; r < rows; r++) {
            const float ar = a->re[(size_t)r * a->row + k * a->col];
            const float ai = a->sign * a->im[(size_t)r * a->row + k * a->col];
            for (int h = 0; h < 2; h++) {
                sr[r][h] += ar * br[h];
                sr[r][h] -= ai * bi[h];
                si[r][h] += ar * bi[h];
                si[r][h] += ai * br[h];
            }
        }
    }
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < 2; h++) {
            *(lanes *)(cre + (size_t)r * ldc + LANES * h) = sr[r][h];
            *(lanes *)(cim + (size_t)r * ldc + LANES * h) = si[r][h];
        }
}

/* All rows of a tile. */
static void planes_product(scryi_planes *C, struct scryi_left a, const scryi_planes *B, size_t x)
{
    const struct scryi_left all = a;
    for (size_t r = 0; r < C->rows;) {
        float *cre = C->re + r * C->ld + x, *cim = C->im + r * C->ld + x;
        a.re = all.re + r * a.row;
        a.im = all.im + r * a.row;
        if (r + ROWS <= C->rows) {
            planes_tile(cre, cim, C->ld, &a, B->re + x, B->im + x, B->ld, ROWS);
            r += ROWS;
        } else {
            planes_tile(cre, cim, C->ld, &a, B->re + x, B->im + x, B->ld, 1);
            r++;
        }
    }
}

/* Padding is zero, so whole registers will do. */
static double complex planes_inner(const scryi_planes *X, size_t x, const scryi_planes *Y, size_t y)
{
    const float *xr = X->re + x * X->ld, *xi = X->im + x * X->ld;
    const float *yr = Y->re + y * Y->ld, *yi = Y->im + y * Y->ld;
    lanes re = {0}, im = {0};
    for (size_t i = 0; i < X->ld; i += LANES) {
        const lanes a = *(const lanes *)(xr + i), b = *(const lanes *)(xi + i);
        const lanes c = *(const lanes *)(yr + i), d = *(const lanes *)(yi + i);
        re += a * c + b * d;
        im += a * d - b * c;
    }
    double sr = 0, si = 0;
    for (int i = 0; i < LANES; i++) {
        sr += re[i];
        si += im[i];
    }
    return sr + I * si;
}

static void planes_subtract(scryi_planes *Y, size_t y, double complex z, const scryi_planes *X,
                            size_t x)
{
    const float zr = (float)creal(z), zi = (float)cimag(z);
    const float *xr = X->re + x * X->ld, *xi = X->im + x * X->ld;
    float *yr = Y->re + y * Y->ld, *yi = Y->im + y * Y->ld;
    for (size_t i = 0; i < Y->ld; i += LANES) {
        const lanes a = *(const lanes *)(xr + i), b = *(const lanes *)(xi + i);
        *(lanes *)(yr + i) -= zr * a - zi * b;
        *(lanes *)(yi + i) -= zr * b + zi * a;
    }
}

static void planes_scale(scryi_planes *Y, size_t y, double factor)
{
    for (size_t i = 0; i < Y->ld; i++) {
        Y->re[y * Y->ld + i] *= (float)factor;
        Y->im[y * Y->ld + i] *= (float)factor;
    }
}

const struct scryi_planes_loops SCRYI_VARIANT(scryi_planes_loops) = {.product = planes_product,
                                                                     .inner = planes_inner,
                                                                     .subtract = planes_subtract,
                                                                     .scale = planes_scale};
