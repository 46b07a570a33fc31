#include "apps/cli/restore.h"

const cli_command cli_deblur = {
    "deblur",
    "[options] --psf PSF in... out",
    "undo the blur and the noise of a microscope",
    "Each channel and frame is restored by itself: a stack as a volume when the PSF has three "
    "axes, plane by plane when it has two; red, green and blue together when the prior has three "
    "channels. The result is in the unit of the input, on its grid. "
    "With several inputs or a quoted pattern the output is a folder, and so are --sd and "
    "--preview.",
    restore_main,
};
