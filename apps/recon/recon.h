#ifndef SCRY_APPS_RECON_RECON_H
#define SCRY_APPS_RECON_RECON_H

/* The contents of this folder: everything between an image or a scan and its reconstruction.
 * Nothing here reads the command line, prints or exits. */

#include "apps/recon/log.h"            /* messages of a run */
#include "apps/recon/prior_lookup.h"   /* a pretrained network by name, for any image size */
#include "apps/recon/start.h"          /* where chains leave the closed form */
#include "apps/recon/output_maps.h"    /* sd, quantiles, shares, R-hat and ESS beside the mean */
#include "apps/recon/diagnosis.h"      /* does the result explain the data, do the chains agree */
#include "apps/recon/options_report.h" /* the options of a method as JSON */
#include "apps/recon/report/page.h"    /* a report to read: title, log, settings */
#include "apps/recon/report/image_page.h" /* its figures of an image */
#include "apps/recon/report/picture.h"    /* figures of images */
#include "apps/recon/report/plot.h"       /* plots and spectra */
#include "apps/recon/tile.h"              /* parts of images that are too large */
#include "apps/recon/run.h"               /* from a posed problem to an answer */
#include "apps/recon/draw.h"              /* images drawn from a prior */
#include "apps/recon/trajectory.h"        /* how an image comes out of noise */
#include "apps/recon/transfer.h"          /* spectra for the Gaussian model of an image */

#include "apps/recon/image/image.h"       /* an image, its noise and its known pixels */
#include "apps/recon/image/stack.h"       /* the images of a file */
#include "apps/recon/image/noise.h"       /* its noise, given or estimated */
#include "apps/recon/image/psf_source.h"  /* its point-spread function */
#include "apps/recon/image/psf_fit.h"     /* and its width by the image */
#include "apps/recon/image/known.h"       /* its mask and defects */
#include "apps/recon/image/padding.h"     /* pixels that a rotation or a stitching left */
#include "apps/recon/image/intensity.h"   /* its intensities, for a prior */
#include "apps/recon/image/judgement.h"   /* which method predicts unseen light best */
#include "apps/recon/image/filling.h"     /* how holes were filled */
#include "apps/recon/image/judge.h"       /* how that is found out */
#include "apps/recon/image/restore.h"     /* images of a microscope, restored */
#include "apps/recon/image/improvement.h" /* whether anything can be gained by it */
#include "apps/recon/image/improvable.h"  /* and how that is found out */
#include "apps/recon/image/residual.h"    /* the unexplained part, in units of the noise */
#include "apps/recon/image/blank.h"       /* those without content, and missing pixels */

#include "apps/recon/mri/scan.h"        /* k-space in memory */
#include "apps/recon/mri/reconstruct.h" /* images from it */
#include "apps/recon/mri/scan_file.h"   /* k-space in a file, slice by slice */
#include "apps/recon/mri/volume.h"      /* a volume of its slices */
#include "apps/recon/mri/journal.h"     /* finished slices, to continue a run */

#include "apps/recon/train/training.h" /* a prior from images */
#include "apps/recon/train/notes.h"    /* the prior.json of a trained prior */

#endif
