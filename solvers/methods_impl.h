#ifndef SCRY_SOLVERS_METHODS_IMPL_H
#define SCRY_SOLVERS_METHODS_IMPL_H

#include "solvers/registry.h"

/* Every method of the house, in the order in which `scry methods` lists them. A new one is one line
 * here, X(symbol), and a source that defines `const struct scry_method scry_method_<symbol>`. */
#define SCRYI_METHODS(X)                                                                           \
    X(diffpir)                                                                                     \
    X(dds)                                                                                         \
    X(ddnm)                                                                                        \
    X(ddrm)                                                                                        \
    X(jfps)                                                                                        \
    X(mmps)                                                                                        \
    X(tmpd)                                                                                        \
    X(pigdm)                                                                                       \
    X(pnpdm)                                                                                       \
    X(daps)                                                                                        \
    X(dps)                                                                                         \
    X(pnp_ula)                                                                                     \
    X(sk_rock)                                                                                     \
    X(langevin)                                                                                    \
    X(preconditioned_langevin)                                                                     \
    X(tds)                                                                                         \
    X(mcgdiff)                                                                                     \
    X(pnp_flow)                                                                                    \
    X(ddpm)                                                                                        \
    X(ddim)                                                                                        \
    X(euler)                                                                                       \
    X(heun)                                                                                        \
    X(dpm)                                                                                         \
    X(sde_ve)                                                                                      \
    X(sde_vp)                                                                                      \
    X(sde_subvp)                                                                                   \
    X(pc)                                                                                          \
    X(zero_filled)                                                                                 \
    X(cg_sense)                                                                                    \
    X(grappa)                                                                                      \
    X(wavelet)                                                                                     \
    X(temporal_tv)                                                                                 \
    X(llr)                                                                                         \
    X(wiener)                                                                                      \
    X(tikhonov)                                                                                    \
    X(richardson_lucy)                                                                             \
    X(tv)                                                                                          \
    X(pnp_admm)                                                                                    \
    X(denoiser)                                                                                    \
    X(red_diff)                                                                                    \
    X(biharmonic)

/* Checks of scry_method_register on a method alone. */
scry_status scryi_method_check(const struct scry_method *method, scry_error *err);

#define SCRYI_DECLARE(name) extern const struct scry_method scry_method_##name;
SCRYI_METHODS(SCRYI_DECLARE)
#undef SCRYI_DECLARE

#endif
