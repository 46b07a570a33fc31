#ifndef SCRY_APPS_CLI_BATCH_H
#define SCRY_APPS_CLI_BATCH_H

#include "apps/cli/outputs.h"

/* The files of one run: `in out`, or `in... folder/` with patterns expanded. */
typedef struct batch_file {
    char *in, *out;
} batch_file;
typedef struct batch {
    batch_file *files;
    size_t count;
    bool folder;         /* outputs go to a folder: side outputs are then folders too */
    const char *also[2]; /* inputs beside the files, which are not written either; NULL: none */
} batch;

/* EINVAL: fewer than two words, a pattern that matches nothing, several inputs whose last word is
 * not a folder, two inputs of the same name, an output in .png, an output that is its own input;
 * EIO: an input that cannot be read, or an output that exists when force is not set. Nothing is
 * created. */
scry_status batch_open(batch *b, const char *const *paths, int count, bool force, scry_error *err);
void batch_free(batch *b);

/* Where a side output (sd, preview, quantile) of file i goes: `option` itself for a single pair;
 * otherwise `option` is a folder and the name of the input's is kept, with this ending ("tif",
 * "png").
 * errors  those of output_check; EINVAL: it is an input, or the output of the file. Free with
 * free(). */
scry_status batch_side(char **path, const batch *b, size_t i, const char *option,
                       const char *ending, bool force, scry_error *err);

#endif
