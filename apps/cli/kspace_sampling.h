#ifndef SCRY_APPS_CLI_KSPACE_SAMPLING_H
#define SCRY_APPS_CLI_KSPACE_SAMPLING_H

#include "apps/cli/cli.h"
#include "datasets/sampling.h"
#include "lib/io/kspace/kspace.h"

/* Parts that `kspace undersample` and `kspace simulate` share: the options of a pattern, the mask
 * of a slice, and the image that reconstructions are compared with. */

typedef struct kspace_pattern {
    const char *name; /* NULL: every sample is taken */
    double accel, centre;
} kspace_pattern;
enum { KSPACE_PATTERN_OPTIONS = 4 };
void kspace_pattern_init(kspace_pattern *p);
/* --pattern, --accel and --centre, into a table */
void kspace_pattern_options(cli_option table[KSPACE_PATTERN_OPTIONS], kspace_pattern *p);

/* mask[z][y][x] of one slice. Lines run along info->readout; points lie on the two phase-encoded
 * axes of a volume (z and the other one), else on y and x. *places: how many lines or points the
 * pattern chooses from; *taken: how many it takes. seed, seed_name: as in scry_sampling.
 * EINVAL: as scry_sampling_mask; EUNSUP: an axis of the pattern is in the
 * image domain; ENOMEM */
scry_status kspace_pattern_mask(unsigned char *mask, size_t *taken, size_t *places,
                                const kspace_pattern *p, const scry_kspace_info *info,
                                uint64_t seed, const char *seed_name, scry_error *err);

/* "acceleration 3.23 (equispaced, 114 of 368 lines)" on stdout */
void kspace_pattern_log(const kspace_pattern *p, size_t taken, size_t places);

/* target (recon[1], recon[2]) = root sum of squares over coils of the images of one slice, the
 * middle of them: rows from (ny - recon[1]) / 2 on, as fastMRI crops. images (coils, ny, nx) is
 * k-space and is transformed in place. recon at most (ny, nx), nz 1. ENOMEM */
scry_status kspace_target(float *target, float complex *images, const scry_kspace_info *info,
                          scry_error *err);

#endif
