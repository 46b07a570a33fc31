#ifndef SCRY_LIB_LIB_H
#define SCRY_LIB_LIB_H

/* The contents of the ground floor, on which every other room stands. */

#include "lib/api.h"            /* the frame of installed headers */
#include "lib/instructions.h"   /* which instruction set inner loops use */
#include "lib/variants.h"       /* how they exist once for each set: internal */
#include "lib/memory.h"         /* aligned, zeroed, counted blocks */
#include "lib/memory_watch.h"   /* how many blocks there are */
#include "lib/threads.h"        /* number of threads */
#include "lib/parallel.h"       /* loops that share them */
#include "lib/call_batcher.h"   /* calls of several threads answered together */
#include "lib/rng.h"            /* counter-based random numbers */
#include "lib/rng_gsl.h"        /* the same for GSL */
#include "lib/numbers.h"        /* constants */
#include "lib/sort.h"           /* sorting numbers */
#include "lib/text.h"           /* endings of names */
#include "lib/nearest.h"        /* the name nearest to a mistyped one */
#include "lib/temp_file.h"      /* files before they have their name, and those left behind */
#include "lib/space.h"          /* shapes */
#include "lib/cancel.h"         /* one flag that ends all long work */
#include "lib/status.h"         /* how failure is reported */
#include "lib/given.h"          /* arguments that may not be NULL */
#include "lib/vector.h"         /* sums, norms, quantiles */
#include "lib/vector_complex.h" /* products of complex numbers */
#include "lib/increments.h"     /* distributions of the jumps of a Levy process */

#include "lib/fft.h"                   /* Fourier transforms */
#include "lib/stats/fission.h"         /* splitting a measurement into two independent ones */
#include "lib/stats/metrics.h"         /* PSNR, SSIM, Fourier ring correlation */
#include "lib/stats/noise.h"           /* noise of an image, and of its camera */
#include "lib/stats/noise_identify.h"  /* which noise an image has, tested */
#include "lib/stats/noise_spectrum.h"  /* noise that is correlated between pixels */
#include "lib/stats/mixing.h"          /* of Markov chains: split R-hat, effective sample size */
#include "lib/stats/rank_statistics.h" /* of a truth among samples */
#include "lib/stats/stein.h"           /* whether samples fit a score */

#include "lib/canvas.h"         /* rectangles, letters, colour maps */
#include "lib/io/cfl.h"         /* arrays of the BART toolbox */
#include "lib/io/hdf5.h"        /* arrays in HDF5 files */
#include "lib/io/html.h"        /* pages to read */
#include "lib/io/json.h"        /* documents and reports */
#include "lib/io/nifti.h"       /* images in the space of a patient */
#include "lib/io/png.h"         /* previews */
#include "lib/io/npy.h"         /* arrays of numpy */
#include "lib/io/safetensors.h" /* weights of networks */
#include "lib/sha256.h"         /* checksums */
#include "lib/io/tiff/tiff.h"   /* microscopy images */
#include "lib/io/zarr/zarr.h"   /* microscopy images in OME-Zarr folders */

#include "lib/io/kspace/kspace.h"       /* measurements of an MR scanner, in four formats */
#include "lib/io/kspace/kspace_write.h" /* files of them */
#include "lib/io/kspace/maps.h"         /* coil sensitivities and masks in files of their own */
#include "lib/io/kspace/trajectory.h"   /* where the samples of radial and spiral scans lie */
#include "lib/io/recon_file.h"          /* reconstructed volumes: HDF5, cfl, NIfTI */

#include "lib/progress.h" /* a line that shows how far long work is */

#endif
