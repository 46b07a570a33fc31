#include "apps/cli/report.h"

#include "apps/cli/batch.h"
#include "lib/io/png.h"

scry_status report_preview(const char *path, bool force, const scry_image *image, const float *mean,
                           const float *sd, scry_error *err)
{
    scry_status st = output_check(path, force, err);
    if (st != SCRY_OK) return st;
    const size_t ny = image->space.dims[image->space.rank - 2],
                 nx = image->space.dims[image->space.rank - 1];
    const size_t middle = scry_space_count(&image->space) / (ny * nx) / 2 * ny * nx;
    const scry_panel panels[] = {
        {.values = image->pixels + middle, .ny = ny, .nx = nx, .label = "INPUT"},
        {.values = mean + middle, .ny = ny, .nx = nx, .label = sd ? "MEAN" : "RESULT"},
        {.values = sd ? sd + middle : NULL,
         .ny = ny,
         .nx = nx,
         .map = SCRY_MAP_HEAT,
         .label = "SD"},
    };
    return scry_png_panels(path, panels, sd ? 3 : 2, 0, err);
}
