#ifndef SCRY_APPS_CLI_OUTPUTS_H
#define SCRY_APPS_CLI_OUTPUTS_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a command may write its outputs, checked before it reads or computes anything. */

/* A file may be made at path, or replaced with `force`. errors  EIO: it exists and force is not
 * set, or there is no such folder; EINVAL: a folder that is no OME-Zarr, a device, a FIFO, a
 * socket, or a link to a file that is not there: those are never replaced. A link to a file stands
 * for that file. */
scry_status output_check(const char *path, bool force, scry_error *err);

/* All files that a command names. NULL and "" are skipped. */
typedef struct output_names {
    const char *const *outputs, *const *inputs;
    size_t output_count, input_count;
} output_names;
/* EINVAL: two outputs are one file, or an output is an input. */
scry_status outputs_distinct(const output_names *names, scry_error *err);
/* That, and output_check of each output. */
scry_status outputs_check(const output_names *names, bool force, scry_error *err);

/* EINVAL: path, which need not be there, is one of `count` inputs. */
scry_status output_no_input(const char *path, const char *const *inputs, size_t count,
                            scry_error *err);

/* Whether two paths are one file, or will be. */
bool same_file(const char *a, const char *b);

#endif
