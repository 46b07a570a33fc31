#include "datasets/scanner.h"

#include <gsl/gsl_complex_math.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_sf_bessel.h>
#include <math.h>
#include <string.h>

#include "datasets/phantom_impl.h"
#include "lib/cancel.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/space.h"
#include "operators/fourier.h"

enum {
    ORDER = SCRY_SCANNER_ORDER,
    SIDE = 2 * ORDER + 1,
    TERMS = SCRY_SCANNER_TERMS,
    FIT = 33,      /* points of the fit along an axis */
    SEGMENTS = 96, /* of a loop */
    WAVES = 6,
    MAX_COILS = 64
};
enum { STEP_COILS = 1, STEP_PHASE = 2 }; /* of the generator, apart from masks of the same seed */

/* CMPLX, which clang on glibc lacks, and exp(i x) */
static double complex scanner_cd(double re, double im)
{
    union {
        double part[2];
        double complex z;
    } u = {{re, im}};
    return u.z;
}

static double complex scanner_turn(double x)
{
    return scanner_cd(cos(x), sin(x));
}

/* ---- coils ---- */

struct loop {
    double angle, distance, radius; /* on the ring; half fields of view */
    double complex gain;
};

/* Loops overlap their neighbours a little, as arrays are built, and stay outside of the corners of
 * the field of view, so that low orders can follow their field. */
static void scanner_place(struct loop *loops, size_t coils, gsl_rng *r)
{
    const double start = 2 * SCRY_PI * gsl_rng_uniform(r);
    for (size_t c = 0; c < coils; c++) {
        const double jitter = .3 * (gsl_rng_uniform(r) - .5);
        loops[c].angle = start + 2 * SCRY_PI * ((double)c + jitter) / (double)coils;
        loops[c].distance = 1.8 + .15 * gsl_rng_uniform(r);
        loops[c].radius = fmin(fmax(1.2 * SCRY_PI * 1.8 / (double)coils, .6), 1);
        loops[c].gain =
            (.85 + .3 * gsl_rng_uniform(r)) * scanner_turn(2 * SCRY_PI * gsl_rng_uniform(r));
    }
}

/* B_x - i B_y at (x, y, 0) by Biot-Savart, in arbitrary units: the field that the loop
 * receives of transverse magnetisation, by reciprocity (Hoult & Richards 1976, J. Magn. Reson.
 * 24:71). The loop looks at the middle; its axis e lies in the plane. */
static double complex scanner_field(const struct loop *l, double x, double y)
{
    const double ex = cos(l->angle), ey = sin(l->angle), ds = 2 * SCRY_PI / SEGMENTS;
    double bx = 0, by = 0;
    for (int i = 0; i < SEGMENTS; i++) {
        const double t = (i + .5) * ds, side = l->radius * cos(t), up = l->radius * sin(t);
        const double dside = -up * ds, dup = side * ds; /* along (-ey, ex, 0) and z */
        const double rx = x - (l->distance * ex - side * ey);
        const double ry = y - (l->distance * ey + side * ex), rz = -up;
        const double cube = pow(rx * rx + ry * ry + rz * rz, 1.5);
        bx += (dside * ex * rz - dup * ry) / cube; /* dl x r, dl = (-ey dside, ex dside, dup) */
        by += (dup * rx + dside * ey * rz) / cube;
    }
    return l->gain * scanner_cd(bx, -by);
}

/* The pseudo-inverse (SIDE, FIT) of the polynomials on the points of the fit along one axis. Over
 * half a period they are close to dependent (the frame of Huybrechs 2010, SIAM J. Numer. Anal.
 * 47:4326): a ridge of 1e-8 keeps the coefficients small. */
static scry_status invert_basis(double complex inverse[SIDE][FIT], scry_error *err)
{
    gsl_matrix_complex *gram = gsl_matrix_complex_calloc(SIDE, SIDE);
    gsl_vector_complex *b = gsl_vector_complex_calloc(SIDE);
    scry_status st = SCRY_OK;
    if (!gram || !b) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "fit of coils");
        goto done;
    }
    for (int p = 0; p < SIDE; p++)
        for (int q = 0; q < SIDE; q++) {
            double complex s = p == q ? 1e-8 * FIT : 0;
            for (int i = 0; i < FIT; i++)
                s += scanner_turn(SCRY_PI * (q - p) * (i / (FIT - 1.) - .5));
            gsl_matrix_complex_set(gram, (size_t)p, (size_t)q,
                                   gsl_complex_rect(creal(s), cimag(s)));
        }
    if (gsl_linalg_complex_cholesky_decomp(gram) != 0) {
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "fit of coils");
        goto done;
    }
    for (int i = 0; i < FIT; i++) {
        for (int p = 0; p < SIDE; p++) {
            const double complex e = scanner_turn(-SCRY_PI * (p - ORDER) * (i / (FIT - 1.) - .5));
            gsl_vector_complex_set(b, (size_t)p, gsl_complex_rect(creal(e), cimag(e)));
        }
        gsl_linalg_complex_cholesky_svx(gram, b);
        for (int p = 0; p < SIDE; p++) {
            const gsl_complex z = gsl_vector_complex_get(b, (size_t)p);
            inverse[p][i] = scanner_cd(GSL_REAL(z), GSL_IMAG(z));
        }
    }
done:
    gsl_matrix_complex_free(gram);
    gsl_vector_complex_free(b);
    return st;
}

/* a = P D P^T: least squares on a product of two grids is that along each axis. */
static void scanner_fit(double complex a[TERMS], const struct loop *l,
                        double complex inverse[SIDE][FIT])
{
    double complex half[FIT][SIDE] = {{0}};
    memset(a, 0, TERMS * sizeof *a);
    for (int i = 0; i < FIT; i++)
        for (int j = 0; j < FIT; j++) {
            const double complex f =
                scanner_field(l, 2 * j / (FIT - 1.) - 1, 2 * i / (FIT - 1.) - 1);
            for (int p = 0; p < SIDE; p++)
                half[i][p] += inverse[p][j] * f;
        }
    for (int q = 0; q < SIDE; q++)
        for (int i = 0; i < FIT; i++)
            for (int p = 0; p < SIDE; p++)
                a[q * SIDE + p] += inverse[q][i] * half[i][p];
}

static double complex scanner_sensitivity(const double complex a[TERMS], double y, double x)
{
    const double complex step = scanner_turn(SCRY_PI * x), down = scanner_turn(SCRY_PI * y);
    double complex s = 0, wy = scanner_turn(-SCRY_PI * ORDER * y);
    for (int q = 0; q < SIDE; q++, wy *= down) {
        double complex row = 0, wx = scanner_turn(-SCRY_PI * ORDER * x);
        for (int p = 0; p < SIDE; p++, wx *= step)
            row += a[q * SIDE + p] * wx;
        s += row * wy;
    }
    return s;
}

static void scanner_normalise(double complex *a, size_t coils)
{
    double top = 0;
    for (int i = 0; i < FIT; i++)
        for (int j = 0; j < FIT; j++) {
            double sum = 0;
            for (size_t c = 0; c < coils; c++) {
                const double complex s =
                    scanner_sensitivity(a + c * TERMS, i / (FIT - 1.) - .5, j / (FIT - 1.) - .5);
                sum += creal(s * conj(s));
            }
            top = fmax(top, sum);
        }
    for (size_t k = 0; k < coils * TERMS; k++)
        a[k] /= sqrt(top);
}

static scry_status scanner_check(size_t coils, size_t ny, size_t nx, scry_error *err)
{
    size_t n;
    if (!coils || coils > MAX_COILS)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu coils, expected 1 to %d", coils, MAX_COILS);
    if (!ny || !nx || !scry_mul(&n, ny, nx) || n > 1u << 30)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu x %zu pixels, expected 1 to 2^30 of them", ny, nx);
    return SCRY_OK;
}

static double scanner_position(size_t i, size_t n)
{
    return ((double)i - (double)(n / 2)) / (double)n;
}

scry_status scry_scanner_coils(float complex *maps, double complex *coefficients, size_t coils,
                               size_t ny, size_t nx, uint64_t seed, scry_error *err)
{
    struct loop loops[MAX_COILS];
    double complex inverse[SIDE][FIT];
    scry_status st = scanner_check(coils, ny, nx, err);
    if (st != SCRY_OK) return st;
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    double complex *a = scry_alloc(coils * TERMS, sizeof *a);
    if (!r || !a) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu coils", coils);
        goto done;
    }
    scry_rng_gsl_seek(r, seed, 0, STEP_COILS, 0);
    scanner_place(loops, coils, r);
    if ((st = invert_basis(inverse, err)) != SCRY_OK) goto done;
    for (size_t c = 0; c < coils; c++)
        scanner_fit(a + c * TERMS, &loops[c], inverse);
    scanner_normalise(a, coils);
    if (coefficients) memcpy(coefficients, a, coils * TERMS * sizeof *a);
#pragma omp parallel for collapse(2) schedule(static) if (maps)
    for (size_t c = 0; c < (maps ? coils : 0); c++)
        for (size_t i = 0; i < ny; i++)
            for (size_t j = 0; j < nx && !scry_cancelled(); j++)
                maps[(c * ny + i) * nx + j] = (float complex)scanner_sensitivity(
                    a + c * TERMS, scanner_position(i, ny), scanner_position(j, nx));
    st = scry_cancel_check(err);
done:
    gsl_rng_free(r);
    scry_free(a);
    return st;
}

/* ---- the head ---- */

/* H(k), k in cycles per field of view. Rows grow downwards and the ellipses' y upwards. */
static double complex scanner_head(double ky, double kx)
{
    double complex sum = 0;
    for (int i = 0; i < SCRYI_HEAD_ELLIPSES; i++) {
        const double *e = scryi_head[i], c = cos(e[5] * SCRY_PI / 180),
                     s = sin(e[5] * SCRY_PI / 180);
        const double a = .5 * e[1], b = .5 * e[2]; /* of [-1, 1]: half a field of view */
        const double u = a * (kx * c - ky * s), v = b * (kx * s + ky * c);
        const double q = 2 * SCRY_PI * sqrt(u * u + v * v);
        /* J1(q)/q is 1/2 - q^2/16 + ...; GSL calls the smallest arguments an underflow */
        const double disc = q < 1e-6 ? .5 : gsl_sf_bessel_J1(q) / q;
        sum += e[0] * 2 * SCRY_PI * a * b * disc * scanner_turn(-SCRY_PI * (kx * e[3] - ky * e[4]));
    }
    return sum;
}

/* H on the grid of half cycles that the coils' terms reach, (2 ny + 5) x (2 nx + 5). */
static double complex *half_cycles(size_t ny, size_t nx)
{
    const size_t hy = 2 * ny - 1 + 2 * ORDER, hx = 2 * nx - 1 + 2 * ORDER;
    double complex *h = scry_alloc(hy * hx, sizeof *h);
#pragma omp parallel for schedule(static) if (h)
    for (size_t i = 0; i < (h ? hy : 0); i++)
        for (size_t j = 0; j < hx && !scry_cancelled(); j++)
            h[i * hx + j] = scanner_head(.5 * ((double)i - ORDER) - (double)(ny / 2),
                                         .5 * ((double)j - ORDER) - (double)(nx / 2));
    return h;
}

scry_status scry_scanner_shepp_logan(float complex *kspace, const double complex *coefficients,
                                     size_t coils, size_t ny, size_t nx, scry_error *err)
{
    if (SCRY_MISSING(err, kspace)) return SCRY_EINVAL;
    const size_t hx = 2 * nx - 1 + 2 * ORDER;
    const double scale = sqrt((double)ny * (double)nx);
    scry_status st = scanner_check(coils, ny, nx, err);
    if (st != SCRY_OK) return st;
    if (!coefficients && coils != 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu coils without coefficients, expected 1", coils);
    if (!coefficients) {
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < ny; i++)
            for (size_t j = 0; j < nx && !scry_cancelled(); j++)
                kspace[i * nx + j] =
                    (float complex)(scale * scanner_head((double)i - (double)(ny / 2),
                                                         (double)j - (double)(nx / 2)));
        return scry_cancel_check(err);
    }
    double complex *h = half_cycles(ny, nx);
    if (!h) return SCRY_FAIL(err, SCRY_ENOMEM, "k-space of %zu x %zu half cycles", 2 * ny, 2 * nx);
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t c = 0; c < coils; c++)
        for (size_t i = 0; i < ny; i++)
            for (size_t j = 0; j < nx && !scry_cancelled(); j++) {
                const double complex *a = coefficients + c * TERMS;
                double complex sum = 0;
                for (size_t q = 0; q < SIDE; q++)
                    for (size_t p = 0; p < SIDE; p++)
                        sum +=
                            a[q * SIDE + p] * h[(2 * (i + ORDER) - q) * hx + 2 * (j + ORDER) - p];
                kspace[(c * ny + i) * nx + j] = (float complex)(scale * sum);
            }
    scry_free(h);
    return scry_cancel_check(err);
}

/* ---- images, phase, noise ---- */

scry_status scry_scanner_image(float complex *kspace, const float complex *image,
                               const float complex *maps, size_t coils, size_t ny, size_t nx,
                               scry_error *err)
{
    if (SCRY_MISSING(err, kspace, image)) return SCRY_EINVAL;
    const size_t n = ny * nx;
    if (!coils || (!maps && coils != 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu coils without maps, expected 1", coils);
    for (size_t c = 0; c < coils; c++)
        for (size_t i = 0; i < n; i++)
            kspace[c * n + i] = maps ? maps[c * n + i] * image[i] : image[i];
    return scry_fourier_transform(kspace, coils, ny, nx, SCRY_FOURIER_YX, false, err);
}

void scry_scanner_phase(float complex *image, size_t ny, size_t nx, double radians, uint64_t seed)
{
    float draw[4 * WAVES];
    double top = 0;
    scry_rng_uniform(draw, 0, 4 * WAVES, seed, 0, STEP_PHASE);
    for (int pass = 0; pass < 2; pass++) /* the largest first, then the phase */
        for (size_t i = 0; i < ny; i++)
            for (size_t j = 0; j < nx; j++) {
                double phi = 0;
                for (int w = 0; w < WAVES; w++) {
                    const float *d = draw + 4 * w;
                    const double k = 2 * SCRY_PI * d[0], at = 2 * SCRY_PI * d[1];
                    phi += (.2 + d[3]) * cos(k * (cos(at) * scanner_position(j, nx) +
                                                  sin(at) * scanner_position(i, ny)) +
                                             2 * SCRY_PI * d[2]);
                }
                if (!pass)
                    top = fmax(top, fabs(phi));
                else if (top > 0)
                    image[i * nx + j] *= (float complex)scanner_turn(radians * phi / top);
            }
}

void scry_scanner_noise(float complex *kspace, size_t n, double sigma, uint64_t seed, size_t first)
{
    enum { BLOCK = 2048 };
    const size_t blocks = (n + BLOCK - 1) / BLOCK;
    const float each = (float)(sigma * sqrt(.5));
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < blocks; b++) {
        float draw[2 * BLOCK], *part = (float *)(kspace + b * BLOCK);
        const size_t count = b + 1 < blocks ? BLOCK : n - b * BLOCK;
        scry_rng_normal(draw, 2 * (first + b * BLOCK), 2 * count, seed, 0, 0);
        for (size_t i = 0; i < 2 * count; i++)
            part[i] += each * draw[i];
    }
}
