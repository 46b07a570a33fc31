#ifndef SCRY_APPS_CLI_RESTORE_PAGE_H
#define SCRY_APPS_CLI_RESTORE_PAGE_H

#include "apps/cli/restore.h"
#include "apps/recon/image/stack.h"
#include "apps/recon/report/page.h"

/* --report run.html: a run of scry deblur, inpaint or denoise as a page. Of each file it shows,
 * in the middle of its slices and frames, up to four channels; of many files the first ones. All
 * figures share the allowed size of the page. */
typedef struct restore_page {
    scry_page *page;     /* NULL: none is wanted, and all that follows does nothing */
    size_t files, shown; /* of the run; begun so far */
    const char *in, *out;
    const scry_image_stack *stack;
    scry_html *images, *rows; /* figures of the channels of a file, and a line for each image */
    size_t listed;
    float *colour; /* red, green and blue of an RGB file: input, then result; NULL: it has none */
    double began;
} restore_page;

bool report_is_page(const char *path); /* ends in .html or .htm; NULL: false */

/* files: inputs of the run. A page where `path` is one. */
scry_status restore_page_open(restore_page *p, const char *path, size_t files, scry_error *err);
void restore_page_close(restore_page *p); /* accepts a zeroed one */
/* The log that the page shows; `next` where there is no page. */
scry_log restore_page_log(restore_page *p, scry_log next);

/* Names and stack are borrowed until the end of the file. */
scry_status restore_page_file_begin(restore_page *p, const char *in, const char *out,
                                    const scry_image_stack *stack, scry_error *err);
scry_status restore_page_image(restore_page *p, const scry_stack_image *at,
                               const scry_restore_result *result, const float *residual,
                               const scry_output_maps *maps, scry_error *err);
scry_status restore_page_file_end(restore_page *p, const scry_tiff_written *written,
                                  scry_error *err);

/* command: "deblur"; settings: the report as JSON. */
scry_status restore_page_write(const restore_page *p, const char *command,
                               const scry_json_node *settings, const char *path, scry_error *err);

#endif
