#include "apps/cli/restore.h"

const cli_command cli_denoise = {
    "denoise",
    "[options] in... out",
    "take the noise out of images that are sharp",
    "One call of the network at the noise level of the image, which is estimated or given; a few, "
    "level by level, where the noise is that of counted light (--gain, or an estimate). --samples "
    "and --sd draw from the posterior instead. Each channel, slice and frame by itself.",
    restore_main,
};
