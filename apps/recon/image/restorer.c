/* A restorer: the state that all images of a run share. */
#include "apps/recon/image/restore_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "priors/network/network.h"
#include "solvers/roles.h"

#include <math.h>

static bool needs_network(const scry_restorer *r)
{
    bool needs = (r->setup.method->needs & SCRY_NEEDS_DENOISER) != 0;
    for (size_t k = 0; k < r->contenders; k++)
        needs = needs || (r->contender[k].method->needs & SCRY_NEEDS_DENOISER);
    return needs;
}

/* A method that is named, or has to be: NULL where several contend. */
static scry_status named_method(const struct scry_method **out, const scry_restorer *r,
                                scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    *out = r->setup.blurred ? NULL : scry_role_method(SCRY_ROLE_INPAINT);
    if (q->method && !(*out = scry_method_find(q->method)))
        return SCRY_FAIL(err, SCRY_EINVAL, "there is no method '%s'", q->method);
    if (q->options && SCRY_MISSING(err, q->options->method)) return SCRY_EINVAL;
    if (q->options) *out = q->options->method;
    if (q->draws && (q->options || q->method))
        return SCRY_FAIL(err, SCRY_EINVAL, "settings of draws by %s beside a method, expected one",
                         q->draws->method->name);
    if (q->draws && *out) *out = q->draws->method;
    if (!*out || (*out)->kind != SCRY_UNCONDITIONAL) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a method that restores", (*out)->name);
}

static scry_status settle_method(scry_restorer *r, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    const struct scry_method *method;
    scry_status st = named_method(&method, r, err);
    if (st == SCRY_OK && !method) st = scryi_restore_contenders(r, err);
    if (st != SCRY_OK) return st;
    if (method && r->setup.blurred) scry_options_init(&r->named, method);
    if (method && !r->setup.blurred) scry_hole_options(&r->named, method);
    if (q->options) r->named = *q->options;
    r->fills = !r->setup.blurred && !q->method && !q->options;
    if (r->fills) scry_role_options(&r->smooth, SCRY_ROLE_SMOOTH_FILL);
    if (r->fills && q->draws) r->named = *q->draws;
    /* possible maps are checked against a method that draws, the last ones */
    scryi_restore_use_method(r, method ? &r->named : &r->contender[r->contenders - 1]);
    if (q->maps) r->maps = *q->maps;
    return scry_output_maps_possible(&r->maps, r->options, r->chains, err);
}

static scry_status restorer_open(scry_restorer *r, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    r->setup.blurred = q->psf.model || q->psf.pixels;
    scry_status st = settle_method(r, err);
    if (st == SCRY_OK && !(q->low <= q->high && isfinite(q->high - q->low)))
        st = SCRY_FAIL(err, SCRY_EINVAL, "intensities from %g to %g, expected low below high",
                       q->low, q->high);
    if (st == SCRY_OK) st = scry_noise_request_check(&q->noise, err);
    if (st == SCRY_OK && r->setup.blurred)
        st = scry_psf_source_init(&r->setup.psf, &q->psf, &q->log, err);
    if (st != SCRY_OK) return st;
    r->given_width = q->psf.width > 0 ? q->psf.width : 1;
    r->settled = *q;
    r->settled.psf = r->setup.psf.request;
    r->settled.psf.width_choice = SCRY_WIDTH_KEEP;
    r->setup.request = q = &r->settled;
    if (!needs_network(r)) return st;
    st = scry_prior_pool_open(&r->setup.pool, q->prior ? q->prior : SCRY_PRIOR_MICROSCOPY, err);
    r->setup.has_pool = st == SCRY_OK;
    if (st == SCRY_OK)
        st = scry_prior_pool_condition(&r->setup.pool, q->class_name, q->guidance, err);
    return st;
}

scry_status scry_restorer_create(scry_restorer **out, const scry_restore_request *request,
                                 scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, request)) return SCRY_EINVAL;
    scry_restorer *r = scry_alloc(1, sizeof *r);
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "restorer");
    r->setup.request = request;
    const scry_status st = restorer_open(r, err);
    if (st == SCRY_OK)
        *out = r;
    else
        scry_restorer_free(r);
    return st;
}

void scry_restorer_free(scry_restorer *r)
{
    if (!r) return;
    scry_prior_free(r->setup.prior);
    scry_psf_source_free(&r->setup.psf);
    scry_psf_widths_free(&r->widths);
    if (r->setup.has_pool) scry_prior_pool_close(&r->setup.pool);
    scry_free(r);
}

int scry_restorer_rank(const scry_restorer *r, size_t nz)
{
    return r->setup.blurred && !scry_restorer_is_colour(r) ? scry_psf_source_rank(&r->setup.psf, nz)
                                                           : 2;
}

bool scry_restorer_is_colour(const scry_restorer *r)
{
    return r->setup.has_pool && scry_network_channels(r->setup.pool.network) == 3;
}

const scry_network *scry_restorer_network(const scry_restorer *r)
{
    return r->setup.has_pool ? r->setup.pool.network : NULL;
}
