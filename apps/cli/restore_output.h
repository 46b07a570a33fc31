#ifndef SCRY_APPS_CLI_RESTORE_OUTPUT_H
#define SCRY_APPS_CLI_RESTORE_OUTPUT_H

#include "apps/cli/batch.h"
#include "apps/cli/image_writer.h"
#include "apps/cli/restore.h"
#include "apps/cli/result_file.h"
#include "apps/recon/image/stack.h"
#include "lib/io/tiff/tiff.h"

/* The files of one input: the mean, the maps and the residual. They are finished together or not at
 * all. */
typedef struct restore_output {
    result_file *mean;
    image_writer *map[SCRY_OUTPUT_MAX]; /* a map that only the preview shows: NULL */
    image_writer *residual;             /* NULL: not asked for */
    char *preview_path;                 /* NULL: none */
    size_t maps;
} restore_output;

/* The outputs, and their names. */
typedef struct restore_output_request {
    const restore_settings *settings;
    const scry_output_maps *maps;
    const map_files *map_files;
    const batch *files;
    const char *provenance; /* for the description of the mean */
} restore_output_request;

/* For input i of the files. *o is to be aborted in any case. */
scry_status restore_output_open(restore_output *o, const restore_output_request *q, size_t i,
                                const scry_tiff_info *info, scry_error *err);
/* The file of the mean has a type that can say NaN, whatever comes. */
bool restore_output_has_nan(const restore_output *o);
/* residual: NULL where it is not asked for. */
scry_status restore_output_write(restore_output *o, const scry_stack_image *at,
                                 const scry_restore_result *r, const float *residual,
                                 scry_error *err);
/* Maps first: the mean appears when all else is in place. */
scry_status restore_output_finish(restore_output *o, scry_tiff_written *written,
                                  double *flux_change, const scry_log *log, scry_error *err);
void restore_output_abort(restore_output *o); /* removes unfinished files */

#endif
