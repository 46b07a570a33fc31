#ifndef SCRY_SOLVERS_ROLES_H
#define SCRY_SOLVERS_ROLES_H

#include "solvers/registry.h"

/* Methods by purpose: reconstruction requests a role, not a name. Each role has one method of the
 * registry, with the settings of that role. */

typedef enum scry_role {
    SCRY_ROLE_DEBLUR,        /* the default for blurred images */
    SCRY_ROLE_INPAINT,       /* ... for images with holes */
    SCRY_ROLE_SMOOTH_FILL,   /* ... the same, without a prior of images */
    SCRY_ROLE_DENOISE,       /* ... for images with noise and no blur */
    SCRY_ROLE_DENOISE_DRAWS, /* ... the same, with error bars */
    SCRY_ROLE_SCAN,          /* ... for k-space */
    SCRY_ROLE_SCAN_DRAWS,    /* ... for k-space, with error bars */
    SCRY_ROLE_DRAW,          /* ... for draws from a prior alone */
    SCRY_ROLE_QUIET_IMAGE, /* a quick closed-form estimate, from which the intensity range is taken
                            */
    SCRY_ROLE_QUIET_COMPLEX, /* a quick estimate of a complex image without a prior, from which the
                                phase and the intensity range are taken */
    SCRY_ROLE_ADJOINT,       /* A^T y: the measured samples and nothing more */
    SCRY_ROLE_ANCESTRAL      /* ancestral draws, which define the images of a network */
} scry_role;

/* The method of a role, with its settings. */
void scry_role_options(scry_options *out, scry_role role);
const struct scry_method *scry_role_method(scry_role role);

/* The defaults of a method for k-space, where they differ from those for images of a camera. */
void scry_scan_options(scry_options *out, const struct scry_method *method);

/* The same for images with holes and without blur. */
void scry_hole_options(scry_options *out, const struct scry_method *method);

#endif
