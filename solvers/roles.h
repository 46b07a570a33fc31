#ifndef SCRY_SOLVERS_ROLES_H
#define SCRY_SOLVERS_ROLES_H

#include "solvers/registry.h"

/* Methods by what they are for: reconstruction asks for a role and not for a name. Each role has
 * one method of the registry, and the settings that the role wants of it. */

typedef enum scry_role {
    SCRY_ROLE_DEBLUR,        /* what users of blurred images get who name no method */
    SCRY_ROLE_INPAINT,       /* ... of images with holes */
    SCRY_ROLE_DENOISE,       /* ... of images with nothing but noise on them */
    SCRY_ROLE_DENOISE_DRAWS, /* ... of such, who want error bars */
    SCRY_ROLE_SCAN,          /* ... of k-space */
    SCRY_ROLE_DRAW,          /* ... of a prior alone */
    SCRY_ROLE_QUIET_IMAGE,   /* a quick estimate in closed form, from which intensities are read */
    SCRY_ROLE_QUIET_COMPLEX, /* a quick estimate of a complex image without a prior, from which
                                phase and intensities are read */
    SCRY_ROLE_ADJOINT,       /* A^T y as it is: what was measured and no more */
    SCRY_ROLE_ANCESTRAL      /* draws that define what a network takes for an image */
} scry_role;

/* The method of a role, with its settings. */
void scry_role_options(scry_options *out, scry_role role);
const struct scry_method *scry_role_method(scry_role role);

/* The defaults of a method for k-space, where they differ from those for images of a camera. */
void scry_scan_options(scry_options *out, const struct scry_method *method);

#endif
