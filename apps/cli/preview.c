#include "apps/cli/report.h"

#include "apps/cli/batch.h"
#include "lib/io/png.h"

scry_status report_preview(const char *path, bool force, const restore_item *item,
                           const float *mean, const float *sd, scry_error *err)
{
    scry_status st = output_check(path, force, err);
    if (st != SCRY_OK) return st;
    const size_t ny = item->info->y, nx = item->info->x;
    const size_t middle = scry_space_count(&item->space) / (ny * nx) / 2 * ny * nx;
    const scry_panel panels[] = {
        {.values = item->y + middle, .ny = ny, .nx = nx, .label = "INPUT"},
        {.values = mean + middle, .ny = ny, .nx = nx, .label = sd ? "MEAN" : "RESULT"},
        {.values = sd ? sd + middle : NULL,
         .ny = ny,
         .nx = nx,
         .map = SCRY_MAP_HEAT,
         .label = "SD"},
    };
    return scry_png_panels(path, panels, sd ? 3 : 2, 0, err);
}
