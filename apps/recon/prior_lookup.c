#define _GNU_SOURCE /* dladdr */
#include "apps/recon/prior_lookup.h"
#include "lib/given.h"
#include "priors/network/network.h"

#include "priors/padded.h"
#include "priors/perplane.h"
#include "priors/slices.h"
#include "priors/tiled.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_TILE = 512 }; /* pixels */

static bool is_prior(char *folder, size_t size, const char *parent, const char *name)
{
    char config[4200];
    snprintf(folder, size, "%s%s%s", parent, *parent ? "/" : "", name);
    snprintf(config, sizeof config, "%s/config.json", folder);
    return access(config, R_OK) == 0;
}

/* The folder of the file that this code was loaded from: libscry.so, or a program that holds it. */
static void library_folder(char *out, size_t size)
{
    static const char here = 0;
    Dl_info info;
    snprintf(out, size, "%s", dladdr(&here, &info) && info.dli_fname ? info.dli_fname : "");
    char *slash = strrchr(out, '/');
    if (slash) *slash = '\0';
}

/* The folder of this program. */
static void program_folder(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash) *slash = '\0';
}

/* Priors that travel with a library or a program in `beside`: `installed` is where an installation
 * has them, seen from there; a build folder is one below the source tree. */
static bool lookup_travels(char *folder, size_t size, const char *beside, const char *installed,
                           const char *name)
{
    char parent[4200];
    snprintf(parent, sizeof parent, "%s/%s", beside, installed);
    if (is_prior(folder, size, parent, name)) return true;
    snprintf(parent, sizeof parent, "%s/../priors/pretrained", beside);
    return is_prior(folder, size, parent, name);
}

scry_status scry_prior_find(char *folder, size_t size, const char *name, scry_error *err)
{
    if (SCRY_MISSING(err, folder, name)) return SCRY_EINVAL;
    char library[4096], program[4096];
    const char *user = getenv("SCRY_PRIORS");
    library_folder(library, sizeof library);
    program_folder(program, sizeof program);
    if (is_prior(folder, size, "", name)) return SCRY_OK;
    if (user && is_prior(folder, size, user, name)) return SCRY_OK;
    if (lookup_travels(folder, size, library, SCRY_PRIORS_FROM_LIBRARY, name)) return SCRY_OK;
    if (is_prior(folder, size, SCRY_PRIOR_DIR, name)) return SCRY_OK;
    if (lookup_travels(folder, size, program, SCRY_PRIORS_FROM_PROGRAM, name)) return SCRY_OK;
    return SCRY_FAIL(
        err, SCRY_EINVAL,
        "prior '%s': no folder of this name with a config.json here, in $SCRY_PRIORS (%s), "
        "%s/%s or %s",
        name, user ? user : "not set", library, SCRY_PRIORS_FROM_LIBRARY, SCRY_PRIOR_DIR);
}

scry_status scry_prior_pool_open(scry_prior_pool *pool, const char *name, scry_error *err)
{
    *pool = (scry_prior_pool){.label = -1, .guidance = 1};
    scry_status st = scry_prior_find(pool->folder, sizeof pool->folder, name, err);
    if (st == SCRY_OK) st = scry_network_load(&pool->network, pool->folder, err);
    if (st == SCRY_OK) st = scry_prior_info_read(&pool->info, pool->folder, err);
    const size_t channels = st == SCRY_OK ? scry_network_channels(pool->network) : 1;
    if (channels != 1 && channels != 3)
        st = SCRY_FAIL(err, SCRY_ESHAPE, "prior %s has %zu channels, expected 1, or 3 for colours",
                       pool->folder, channels);
    if (st != SCRY_OK) scry_prior_pool_close(pool);
    return st;
}

void scry_prior_pool_close(scry_prior_pool *pool)
{
    scry_network_free(pool->network);
    scry_prior_info_free(pool->info);
    pool->network = NULL;
    pool->info = NULL;
}

/* Side of the window: the padded image, or a tile where that saves more than it costs. */
static size_t lookup_window(size_t side, size_t tile, size_t multiple)
{
    const size_t padded = (side + multiple - 1) / multiple * multiple;
    const size_t limit = (tile + multiple - 1) / multiple * multiple;
    return padded > limit + limit / 2 ? limit : padded;
}

/* Replaces *P by a wrapper around it; on failure *P is freed. */
static scry_status lookup_wrapped(scry_prior **P, scry_prior *outer, scry_status st)
{
    if (st != SCRY_OK) scry_prior_free(*P);
    *P = outer;
    return st;
}

/* (y, x), or (channels, y, x). */
static scry_space lookup_space(size_t channels, size_t y, size_t x)
{
    return channels > 1 ? SCRY_SPACE(channels, y, x) : SCRY_SPACE(y, x);
}

/* Plane by plane along the first axis, unless that holds the channels of the network. */
static scry_status lookup_planes(scry_prior **out, scry_prior_layout *layout,
                                 const scry_prior_pool *pool, const scry_space *space,
                                 const scry_prior_plan *plan, scry_error *err)
{
    const size_t m = scry_network_multiple(pool->network);
    const size_t tile = plan->tile ? plan->tile : DEFAULT_TILE;
    const size_t y = space->dims[space->rank - 2], x = space->dims[space->rank - 1];
    const size_t channels = scry_network_channels(pool->network);
    const size_t wy = lookup_window(y, tile, m), wx = lookup_window(x, tile, m);
    const size_t planes = scry_space_count(space) / (y * x * channels);
    const size_t workers = plan->workers ? plan->workers : 1; /* shared by planes, or by windows */
    const scry_space plane = lookup_space(channels, y, x), small = lookup_space(channels, wy, wx);
    /* the windows cover at least the image, and at least one window */
    const scry_space large = lookup_space(channels, y > wy ? y : wy, x > wx ? x : wx);
    *out = NULL;
    if (channels > 1 && (space->rank != 3 || space->dims[0] != channels))
        return SCRY_FAIL(err, SCRY_ESHAPE, "prior %s has %zu channels, the image %zu",
                         pool->info->name, channels, space->rank == 3 ? space->dims[0] : 1);
    scry_unet_opts opts;
    scry_unet_opts_init(&opts);
    opts.vjp = plan->vjp;
    opts.threads = plan->threads;
    opts.label = plan->label ? *plan->label : pool->label;
    opts.guidance = pool->guidance;
    scry_prior *P = NULL, *outer = NULL;
    *layout = (scry_prior_layout){wy, wx, 1, planes};
    scry_status st = scry_unet_create(&P, pool->network, &small, &opts, err);
    if (st == SCRY_OK && !scry_space_equal(&large, &small)) {
        st = scry_tiled_create(&outer, &large, P, tile / 4, planes > 1 ? 1 : workers, err);
        st = lookup_wrapped(&P, outer, st);
        if (st == SCRY_OK) layout->windows = scry_tiled_count(P);
    }
    if (st == SCRY_OK && !scry_space_equal(&plane, &large)) {
        st = scry_padded_create(&outer, &plane, P, err);
        st = lookup_wrapped(&P, outer, st);
    }
    if (st == SCRY_OK && layout->planes > 1) {
        st = scry_perplane_create(&outer, space, P, workers, err);
        st = lookup_wrapped(&P, outer, st);
    }
    if (st == SCRY_OK) *out = P;
    return st;
}

scry_status scry_prior_pool_make(scry_prior **out, scry_prior_layout *layout,
                                 const scry_prior_pool *pool, const scry_space *space,
                                 const scry_prior_plan *plan, scry_error *err)
{
    const bool colours = scry_network_channels(pool->network) > 1;
    if (!plan->directions || colours || space->rank != 3 || space->dims[0] < 2)
        return lookup_planes(out, layout, pool, space, plan, err);
    const size_t *n = space->dims;
    const scry_space turned[3] = {SCRY_SPACE(n[1], n[0], n[2]), SCRY_SPACE(n[2], n[0], n[1]),
                                  *space}; /* the layout is that of the last */
    scry_prior *inner[3] = {NULL};
    scry_status st = SCRY_OK;
    *out = NULL;
    for (int d = 0; d < 3 && st == SCRY_OK; d++)
        st = lookup_planes(&inner[(d + 1) % 3], layout, pool, &turned[d], plan, err);
    if (st == SCRY_OK) st = scry_slices_create(out, space, inner, err);
    for (int d = 0; d < 3 && st != SCRY_OK; d++)
        scry_prior_free(inner[d]);
    return st;
}
