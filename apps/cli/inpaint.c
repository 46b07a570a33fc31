#include "apps/cli/restore.h"

const cli_command cli_inpaint = {
    "inpaint",
    "[options] --mask known.tif in... out",
    "fill in pixels that were not measured",
    "The mask is a TIFF of the image's width and height, nonzero where the image is known; one "
    "mask serves all channels, slices and frames. Known pixels are taken as exact unless a noise "
    "model is given (--sigma, --gain ...) or estimated (--noise auto).",
    restore_main,
};
