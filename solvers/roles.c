#include "solvers/roles.h"

#include <assert.h>
#include <string.h>

/* Visits let a hole and its surroundings settle at each level (Lugmayr et al. 2022, CVPR, RePaint):
 * at a cost of 40 steps, holes gain .7 dB and 80 % lost pixels .4 (tests/bench/RESULTS.md). */
#define HOLES "--steps 14 --visits 3"

static const struct {
    const char *method, *settings;
} roles[] = {
    /* the quickest to a good mean (tests/bench) */
    [SCRY_ROLE_DEBLUR] = {"diffpir", ""},
    [SCRY_ROLE_INPAINT] = {"jfps", HOLES},
    [SCRY_ROLE_SMOOTH_FILL] = {"biharmonic", ""},
    [SCRY_ROLE_DENOISE] = {"denoiser", ""},
    [SCRY_ROLE_DENOISE_DRAWS] = {"jfps", ""},
    [SCRY_ROLE_SCAN] = {"wavelet", ""},
    [SCRY_ROLE_SCAN_DRAWS] = {"dds", "--steps 25"},
    [SCRY_ROLE_DRAW] = {"heun", ""},
    /* percentiles are read from it, no pixel is: one pass of the noise, two digits */
    [SCRY_ROLE_QUIET_IMAGE] = {"wiener", "--estimates 1 --solve-tolerance 1e-2"},
    /* near the best weight of images of one coil and of many; 60 iterations change it no more */
    [SCRY_ROLE_QUIET_COMPLEX] = {"wavelet", "--wavelet-weight 0.005 --iterations 60"},
    [SCRY_ROLE_ADJOINT] = {"zero-filled", ""},
    [SCRY_ROLE_ANCESTRAL] = {"ddpm", ""},
};

/* Without a weight tv would smooth until the residual is that of the noise, which takes more than
 * the eye would: images of one coil and of many are best near this one. Half as many levels as the
 * default of dds give the same mean: a brain of 16 coils 31.0 dB for 30.9 at R 4 and 26.9 for 27.1
 * at R 8. */
static const struct defaults {
    const char *method, *settings;
} for_scans[] = {{"tv", "--tv-weight 0.005"}, {"dds", "--steps 25"}};

static const struct defaults for_holes[] = {{"jfps", HOLES}};

const struct scry_method *scry_role_method(scry_role role)
{
    return scry_method_find(roles[role].method);
}

static void roles_settle(scry_options *out, const struct scry_method *method, const char *settings)
{
    scry_options_init(out, method);
    const scry_status st = scry_options_parse(out, settings, NULL);
    assert(st == SCRY_OK && "settings that the method does not have");
    (void)st;
}

void scry_role_options(scry_options *out, scry_role role)
{
    roles_settle(out, scry_role_method(role), roles[role].settings);
}

static void roles_defaults(scry_options *out, const struct scry_method *method,
                           const struct defaults *list, size_t count)
{
    const char *settings = "";
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].method, method->name)) settings = list[i].settings;
    roles_settle(out, method, settings);
}

void scry_scan_options(scry_options *out, const struct scry_method *method)
{
    roles_defaults(out, method, for_scans, sizeof for_scans / sizeof *for_scans);
}

void scry_hole_options(scry_options *out, const struct scry_method *method)
{
    roles_defaults(out, method, for_holes, sizeof for_holes / sizeof *for_holes);
}
