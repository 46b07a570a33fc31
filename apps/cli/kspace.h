#ifndef SCRY_APPS_CLI_KSPACE_H
#define SCRY_APPS_CLI_KSPACE_H

#include "apps/cli/cli.h"
#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"

/* The subcommands of `scry kspace`, one source file each. Their names have two words ("kspace
 * info"), which messages and help show; they run with argv[0] the second one. A new one is a line
 * here and one in kspace_subcommands. */
extern const cli_command kspace_info, kspace_convert, kspace_undersample, kspace_simulate,
    kspace_maps;
extern const cli_command *const kspace_subcommands[]; /* ends with NULL */

/* Opens path for writing the data of `info`, whose format and readout it sets as they will be
 * written. word (may be NULL): fastmri, ismrmrd or cfl. Without one the ending says it: .cfl; .mrd
 * is ISMRMRD; .h5 and .hdf5 keep the format of info, where that is HDF5, else fastMRI. From cfl
 * to cfl the dims stay in their order, whichever of them is the readout.
 * errors  EINVAL: another ending; EIO: an output is there and force is not given; those of
 *         scry_kspace_create */
scry_status kspace_output(scry_kspace_writer **out, const char *path, scry_kspace_info *info,
                          const char *word, bool force, scry_error *err);
/* The format alone, *f the input's before: for checks before the file is opened. */
scry_status kspace_output_format(scry_kspace_format *f, const char *path, const char *word,
                                 scry_error *err);

/* The same words in all subcommands' tables. */
#define KSPACE_FORMAT_WORDS "fastmri|ismrmrd|cfl|npy"
#define KSPACE_FORMAT_HELP                                                                         \
    "of the output [by the ending of out: .cfl, .mrd, .npy; .h5 as the input, or fastmri]"

/* "warning: ..." on stderr, for each warning of a reader that was not printed yet. */
void kspace_warnings(const cli_command *self, scry_kspace_reader *r);

#endif
