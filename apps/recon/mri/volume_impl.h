#ifndef SCRY_APPS_RECON_MRI_VOLUME_IMPL_H
#define SCRY_APPS_RECON_MRI_VOLUME_IMPL_H

#include "apps/recon/mri/volume.h"

/* Which 2-D problem: frame and slice are numbers in the file. */
struct scryi_mri_place {
    size_t frame, slice, index;
};

scry_status scryi_mri_volume_create(scry_mri_volume *v, const scry_kspace_info *info,
                                    const scry_mri_volume_request *q, size_t problems, int across,
                                    scry_error *err);
/* Copies the image to its place and orientation, and resizes *r. */
scry_status scryi_mri_volume_put(scry_mri_volume *v, const struct scryi_mri_place *p,
                                 scry_mri_result *r, scry_error *err);
/* The same for A^H y of plane `index` of the middle slice. */
scry_status scryi_mri_volume_put_zero_filled(scry_mri_volume *v, size_t index, scry_mri_result *r,
                                             scry_error *err);
/* Number of an entry, and back; and of a slice in the work list, which is dealt to the processes.
 */
size_t scryi_mri_volume_entry(const scry_mri_volume *v, const struct scryi_mri_place *p);
struct scryi_mri_place scryi_mri_volume_place_of(const scry_mri_volume *v, size_t entry);
size_t scryi_mri_volume_item(const scry_mri_volume *v, const struct scryi_mri_place *p);
/* The values of a plane, image and maps: how many, and between `values` and the volume. */
size_t scryi_mri_volume_plane_floats(const scry_mri_volume *v);
void scryi_mri_volume_plane(scry_mri_volume *v, const struct scryi_mri_place *p, float *values,
                            bool into);
/* Fills the place of the image with NaN, and records the reason. */
void scryi_mri_volume_fail(scry_mri_volume *v, const struct scryi_mri_place *p, const char *why);

#endif
