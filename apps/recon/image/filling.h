#ifndef SCRY_APPS_RECON_IMAGE_FILLING_H
#define SCRY_APPS_RECON_IMAGE_FILLING_H

#include "lib/api.h"
#include "solvers/registry.h"

#include <stddef.h>

SCRY_BEGIN

/* How the holes of an image were filled where no method was named: by the mean m of draws and by
 * the smoothest image b through the known pixels, as b + weight (m - b) in the holes. The weight is
 * the one that fills copies of the holes best, at other places, where the image is known (stacking:
 * Breiman 1996, Mach. Learn. 24:49). */
typedef struct scry_filling {
    const struct scry_method *draws, *smooth; /* NULL: no copies were asked */
    double weight;                            /* of the draws, 0 to 1 */
    size_t copies, pixels;                    /* copies of the holes; their pixels */
    double draws_error, smooth_error, error;  /* rms on the copies: alone, and of the average */
    double spread; /* the error of the average over the sd of the draws, on the copies: the maps of
                      the holes are those of draws that are so many times as far from the result */
} scry_filling;

/* "jfps and biharmonic, averaged ... "; returns to. */
const char *scry_filling_print(const scry_filling *f, char *to, size_t size);

SCRY_END

#endif
