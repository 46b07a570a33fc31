#ifndef SCRY_APPS_CLI_RESTORE_H
#define SCRY_APPS_CLI_RESTORE_H

#include "apps/cli/cli.h"
#include "apps/cli/map_options.h"
#include "apps/recon/image/restore.h"

/* `scry deblur`, `scry inpaint` and `scry denoise`: one command with three tables of options. */

typedef enum restore_task { RESTORE_DEBLUR, RESTORE_INPAINT, RESTORE_DENOISE } restore_task;

typedef struct restore_settings {
    const char *method, *prior, *class_name, *psf, *psf_width, *mask, *boundary, *defects, *fft;
    double guidance;
    const char *report, *preview, *residual;
    map_options maps;
    const char *type, *compress, *range, *noise;
    const char *slices;
    const char *level; /* --sigma of denoise, a number or "auto" */
    int64_t samples, seed, threads, tile, series, zarr;
    double gain, offset, read_noise, background, sigma;
    double memory, time; /* GB, minutes */
    bool force, bigtiff, quiet, crop_psf;
    cli_method_values methods;
    char **arguments; /* of the command line, for reports */
    int argument_count;
} restore_settings;

void restore_settings_init(restore_settings *s, restore_task task);

/* Options of a command; `table` has room for RESTORE_OPTIONS. */
enum { RESTORE_OPTIONS = 43 };
void restore_options(cli_option *table, restore_settings *s, restore_task task);

/* Fills in settings that follow from others. */
void restore_settings_complete(restore_settings *s, restore_task task);

/* EINVAL: a choice or a number that is not one of those allowed. */
scry_status restore_settings_check(restore_settings *s, restore_task task, scry_error *err);

/* The request of the settings, without the PSF, the method and its maps. They have passed
 * restore_settings_check. */
void restore_settings_request(scry_restore_request *out, const restore_settings *s);

/* The commands: parses, runs over all files, returns the exit status. */
int restore_main(const cli_command *command, int argc, char **argv);

#endif
