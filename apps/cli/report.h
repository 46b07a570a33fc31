#ifndef SCRY_APPS_CLI_REPORT_H
#define SCRY_APPS_CLI_REPORT_H

#include "apps/cli/restore.h"
#include "lib/io/json.h"
#include "lib/io/tiff/tiff.h"

/* --report run.json: the request, the settings used, the results. One document a run, one entry
 * a file, in it one an image. Nothing here fails before report_write. */
typedef struct report {
    scry_json *doc;
    scry_json_node *files, *file, *images;
    double began, file_began;
} report;

scry_status report_begin(report *r, const char *command, const restore_settings *s,
                         const scry_restore_request *request, const scry_restorer *restorer,
                         scry_error *err);
void report_file_begin(report *r, const char *in, const char *out);
void report_image(report *r, size_t channel, size_t slice, size_t frame,
                  const scry_restore_result *result);
/* flux_change: by the sample type, relative */
void report_file_end(report *r, const scry_tiff_written *written, double flux_change);
void report_failure(report *r, const char *in, const scry_error *err);
/* Adds time and memory: the document is whole. */
const scry_json_node *report_finish(report *r);
scry_status report_write(const report *r, const char *path, scry_error *err);
void report_free(report *r); /* accepts a zeroed one */

/* A PNG of input, result and, where there is one, standard deviation: the middle slice of a
 * volume. */
scry_status report_preview(const char *path, bool force, const scry_image *image, const float *mean,
                           const float *sd, scry_error *err);

#endif
