#include "apps/restore.h"

static int run(const cli_command *self, int argc, char **argv)
{
    restore_settings s;
    cli_option options[RESTORE_OPTIONS];
    cli_parse words;
    restore_settings_init(&s, true);
    restore_options(options, &s, true);
    int status = cli_begin(&words, self, argc, argv, options, &s.methods,
                           1u << SCRY_CLASSICAL | 1u << SCRY_POSTERIOR);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    status = restore_run(self, &s, &words);
    cli_end(&words);
    return status;
}

const cli_command cli_deblur = {
    "deblur", "[options] --psf PSF in... out", "undo the blur and the noise of a microscope",
    "Each channel and frame is restored by itself: a stack as a volume when the PSF has three "
    "axes, plane by plane when it has two. The result is in the unit of the input, on its grid. "
    "With several inputs or a quoted pattern the output is a folder, and so are --sd and "
    "--preview.",
    run
};
