#include "apps/restore.h"

static int run(const cli_command *self, int argc, char **argv)
{
    restore_settings s;
    cli_option options[RESTORE_OPTIONS];
    cli_parse words;
    restore_settings_init(&s, false);
    restore_options(options, &s, false);
    int status = cli_begin(&words, self, argc, argv, options, &s.methods,
                           1u << SCRY_CLASSICAL | 1u << SCRY_POSTERIOR);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    status = restore_run(self, &s, &words);
    cli_end(&words);
    return status;
}

const cli_command cli_inpaint = {
    "inpaint", "[options] --mask known.tif in... out", "fill in pixels that were not measured",
    "The mask is a TIFF of the image's width and height, nonzero where the image is known; one "
    "mask serves all channels, slices and frames. Known pixels are taken as exact unless a noise "
    "model is given (--sigma, --gain ...) or estimated (--noise auto).",
    run
};
