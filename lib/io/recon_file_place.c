#include "lib/io/recon_file_impl.h"

#include <math.h>
#include <string.h>

static double place_length(const double v[3])
{
    return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

void scryi_nifti_place(scry_nifti *n, const scry_geometry *g, size_t slices)
{
    const size_t dims[3] = {n->nx, n->ny, n->nz};
    double axis[3][3]; /* from voxel to voxel, LPS */
    for (int a = 0; a < 3; a++) {
        const size_t count = a == 2 && slices > 1 ? 1 : dims[a]; /* fov z: of one slice */
        n->step[a] = g->fov[a] > 0 ? g->fov[a] / (double)count : 0;
        for (int r = 0; r < 3; r++)
            axis[a][r] = g->along[a][r] * n->step[a];
    }
    if (slices > 1 && place_length(g->slice_gap) > 0) {
        memcpy(axis[2], g->slice_gap, sizeof axis[2]);
        n->step[2] = place_length(axis[2]);
    }
    n->placed = g->known;
    for (int a = 0; a < 3; a++)
        n->placed = n->placed && place_length(axis[a]) > 0;
    for (int a = 0; a < 3; a++)
        if (!(n->step[a] > 0)) n->step[a] = 1;
    if (!n->placed) return;
    for (int r = 0; r < 3; r++) {
        const double sign = r < 2 ? -1 : 1;
        double origin = g->position[r];
        for (int a = 0; a < 3; a++) {
            n->affine[r][a] = sign * axis[a][r];
            if (a < 2 || slices == 1) origin -= (double)(dims[a] / 2) * axis[a][r];
        }
        n->affine[r][3] = sign * origin;
    }
}

void scryi_nifti_geometry(scry_geometry *g, const scry_nifti *n)
{
    const size_t dims[3] = {n->nx, n->ny, n->nz};
    *g = (scry_geometry){.known = n->placed};
    for (int a = 0; a < 3; a++) {
        double axis[3];
        for (int r = 0; r < 3; r++)
            axis[r] = (r < 2 ? -1 : 1) * n->affine[r][a];
        const double step = n->placed ? place_length(axis) : n->step[a];
        g->fov[a] = step * (a < 2 ? (double)dims[a] : 1);
        for (int r = 0; r < 3; r++)
            g->along[a][r] = n->placed && step > 0 ? axis[r] / step : 0;
        for (int r = 0; r < 3 && a == 2 && n->nz > 1 && n->placed; r++)
            g->slice_gap[r] = axis[r];
    }
    for (int r = 0; r < 3; r++) {
        double at = n->affine[r][3];
        for (int a = 0; a < 2; a++)
            at += (double)(dims[a] / 2) * n->affine[r][a];
        g->position[r] = (r < 2 ? -1 : 1) * at;
    }
}
