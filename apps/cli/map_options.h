#ifndef SCRY_APPS_CLI_MAP_OPTIONS_H
#define SCRY_APPS_CLI_MAP_OPTIONS_H

#include "apps/cli/cli.h"
#include "apps/cli/outputs.h"
#include "apps/recon/output_maps.h"

/* --sd, --quantiles, --above, --rhat and --ess of `scry deblur`, `inpaint` and `mri`: which maps
 * (apps/recon/output_maps.h) are wanted, and the file of each. */

typedef struct map_options { /* as on the command line; NULL: not asked */
    const char *sd, *quantiles, *above, *rhat, *ess;
    int64_t region;
} map_options;

/* The entries of the option table, MAP_OPTIONS of them; `ending` of the examples: "tif". */
enum { MAP_OPTIONS = 6 };
void map_options_table(cli_option *table, map_options *w, const char *ending);

enum { MAP_FILE_NAME = 512 };

/* Where map k goes: a file, or a folder where several images are restored; "" for an sd that only a
 * preview shows. */
typedef struct map_files {
    char name[SCRY_OUTPUT_MAX][MAP_FILE_NAME];
} map_files;

/* The maps that `w` asks for from `chains` chains with these options; `preview`: an sd too, if
 * there is one. EINVAL: a name without a percentage or with several, a threshold that is no number,
 * too many of them; more draws needed than the chains give. */
scry_status map_options_parse(scry_output_maps *p, map_files *files, const map_options *w,
                              bool preview, const scry_options *options, size_t chains,
                              scry_error *err);

/* outputs_check of the maps' files together with `names`, MAP_OTHERS outputs at most. folders: they
 * are folders, of which the files will be known later: only whether two are the same. */
enum { MAP_OTHERS = 8 };
scry_status map_files_check(const scry_output_maps *p, const map_files *files,
                            const output_names *names, bool folders, bool force, scry_error *err);

#endif
