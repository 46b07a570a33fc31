#ifndef SCRY_OPERATORS_NUFFT_IMPL_H
#define SCRY_OPERATORS_NUFFT_IMPL_H

#include "lib/fft.h"
#include "operators/nufft.h"
#include "operators/op_impl.h"

#include <stdint.h>

/* ---- an image in a larger array of zeros, and its transform ----
 *
 * Pixel (y, x) of the image, times wy[y] wx[x], lies at ((y - cy) mod gy, (x - cx) mod gx). The
 * transform is kept with the frequencies of x as lines and those of y contiguous: entry (ky, kx) is
 * at (kx + MARGIN) * pitch + ky + MARGIN. Around it lie MARGIN cells for kernels that cross the
 * edge. Only the rows of the image, and then all columns, are transformed. */
enum { SCRYI_ROWS = 8, SCRYI_MARGIN = 8 };

typedef struct scryi_finer {
    size_t ny, nx, cy, cx, gy, gx, pitch;
    float *wy, *wx;
    scry_fft_many *fft_x, *fft_y; /* of SCRYI_ROWS lines */
} scryi_finer;

/* Weights 1 and origin (cy, cx). gy >= ny, gx >= nx. ENOMEM */
scry_status scryi_finer_create(scryi_finer *F, const size_t image[2], const size_t origin[2],
                               const size_t size[2], scry_error *err);
void scryi_finer_clear(scryi_finer *F); /* accepts a zeroed one, and half-built ones */

size_t scryi_finer_entries(const scryi_finer *F); /* of the array with its margins */
size_t scryi_finer_lines(const scryi_finer *F);   /* entries of scratch for each call below */

/* Rows y .. y + count of an image into the array, transformed along x; count <= SCRYI_ROWS. The
 * first of them with y == 0 clears the cells between. */
void scryi_finer_load(const scryi_finer *F, float complex *array, const float complex *rows,
                      size_t y, size_t count, float complex *lines);
/* The transform along y of SCRYI_ROWS lines from kx on, in place. */
void scryi_finer_columns(const scryi_finer *F, float complex *array, size_t kx, bool inverse,
                         float complex *lines);
/* F_y^H W F_y on those lines: 2 gy weights a line, each twice, those of line kx first. */
void scryi_finer_filter(const scryi_finer *F, float complex *array, size_t kx, const float *weights,
                        float complex *lines);
/* The adjoint of load: rows from the array, inversely transformed along x. */
void scryi_finer_store(const scryi_finer *F, float complex *rows, const float complex *array,
                       size_t y, size_t count, float complex *lines);

/* ---- samples between the cells ---- */

enum { SCRYI_WIDTH = 8 }; /* cells that a kernel covers along each axis */

/* In an order in which neighbours in k-space follow each other. */
typedef struct scryi_scattered {
    size_t count;
    uint32_t *order;  /* number of the sample in the trajectory */
    uint32_t *corner; /* first cell that its kernel covers, as an index into the array */
    float *kernel;    /* count x 2 x SCRYI_WIDTH: along x, along y */
} scryi_scattered;

/* Kernel values and places; and the weights of F become those that undo the kernel in the image,
 * with the scale of a unitary transform. errors  EINVAL: a coordinate is not finite; ENOMEM */
scry_status scryi_scattered_create(scryi_scattered *S, scryi_finer *F, const float *trajectory,
                                   size_t samples, scry_error *err);
void scryi_scattered_clear(scryi_scattered *S);

/* Sum of the squared integral of the kernel, for densities. */
double scryi_kernel_integral(const scryi_finer *F);

/* Samples from the array (its margins are filled first); and the adjoint, which adds to an array
 * that it clears first and folds the margins into it. */
void scryi_scattered_gather(const scryi_scattered *S, const scryi_finer *F, float complex *y,
                            float complex *array);
void scryi_scattered_spread(const scryi_scattered *S, const scryi_finer *F, float complex *array,
                            const float complex *y);

/* ---- libfinufft in place of both: operators/nufft_library.c ---- */

typedef struct scryi_nufft_library scryi_nufft_library; /* the plans of one trajectory */

/* *out NULL: it is not wanted. errors  EIO: it cannot be loaded, or refuses; ENOMEM */
scry_status scryi_nufft_library_create(scryi_nufft_library **out, const scry_nufft_params *p,
                                       scry_error *err);
void scryi_nufft_library_free(scryi_nufft_library *L); /* accepts NULL */
/* Samples of an image (ny, nx) without a map, and the adjoint. Threads wait for each other. EIO */
scry_status scryi_nufft_library_forward(scryi_nufft_library *L, float complex *samples,
                                        const float complex *image, scry_error *err);
scry_status scryi_nufft_library_adjoint(scryi_nufft_library *L, float complex *image,
                                        const float complex *samples, scry_error *err);

#endif
