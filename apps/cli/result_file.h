#ifndef SCRY_APPS_CLI_RESULT_FILE_H
#define SCRY_APPS_CLI_RESULT_FILE_H

#include "apps/cli/image_writer.h"
#include "apps/recon/log.h"
#include "lib/io/tiff/tiff.h"

/* The image file of a result, TIFF or OME-Zarr. Its sample type is that of the input as long as
 * this changes nothing that matters: at most one pixel in a thousand of a channel is clipped, and
 * its flux changes by less than 0.5 %, by clipping and by rounding. Otherwise it is float32. That
 * is known only when all is computed: until then both files are written beside their target, and
 * one of them is given up. A type that the user asks for holds whatever it costs, and so does that
 * of a float input. */
typedef struct result_file result_file;

scry_status result_file_create(result_file **out, const char *path, const scry_tiff_info *like,
                               const image_writer_options *options, scry_error *err);
void result_file_abort(result_file *f); /* accepts NULL */

/* Whether the file can hold NaN whatever comes. */
bool result_file_holds_nan(const result_file *f);

/* A plane of the result; flux: of its image, unit of the file, background removed, given with the
 * first of the image's planes, 0 with the others. */
scry_status result_file_write(result_file *f, size_t c, size_t z, size_t t, const float *plane,
                              double flux, scry_error *err);

/* Completes the file and frees f, whatever it returns. The decision and its reason are logged, also
 * how much a type that was asked for clips. written may be NULL. *flux_change: by how much the type
 * changes the flux, relative to it, of the channel that it changes most. Errors of
 * scry_tiff_finish. */
scry_status result_file_finish(result_file *f, scry_tiff_written *written, double *flux_change,
                               const scry_log *log, scry_error *err);

/* Says before the work that pixels lie at the ends of their type, beyond which results may lie.
 *   low, high  pixels at the lowest and highest value of `type`, of `count` */
void result_file_expect(const char *path, scry_tiff_type type, uint64_t low, uint64_t high,
                        uint64_t count, const scry_log *log);

#endif
