#ifndef SCRY_APPS_RECON_IMAGE_PEAKS_IMPL_H
#define SCRY_APPS_RECON_IMAGE_PEAKS_IMPL_H

#include "lib/space.h"
#include "lib/status.h"

/* Gives cut peaks a top: pixels with saturated[i] != 0 become those of the surface, in each plane,
 * that bends least and goes through the others, min |L u|^2 with the Laplacian L and reflecting
 * borders (as the method biharmonic, solvers/classical/biharmonic.c). A plateau has edges that no
 * microscope leaves, and its spectrum is that of a sharper image.
 * errors  ENOMEM, ECANCELLED */
scry_status scryi_peaks_restore(float *pixels, const unsigned char *saturated,
                                const scry_space *space, scry_error *err);

#endif
