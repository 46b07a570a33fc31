#include "lib/instructions.h"

#include "lib/variants.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum { UNKNOWN = -1, BASELINE, AVX2, AVX512, COUNT };

#ifdef SCRYI_HAVE_VARIANTS
static const char *const names[COUNT] = {"baseline", "avx2", "avx512"};

/* The compiler's own test also asks whether the system saves the wide registers. */
static bool instructions_has(int variant)
{
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    return variant == BASELINE || (avx2 && (variant == AVX2 || avx512));
}
#else
static const char *const names[COUNT] = {SCRYI_ONLY_VARIANT, "avx2", "avx512"};

static bool instructions_has(int variant)
{
    return variant == BASELINE;
}
#endif

static atomic_int chosen = UNKNOWN;

int scryi_variant(void)
{
    int v = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (v != UNKNOWN) return v;
    for (v = AVX512; !instructions_has(v); v--) /* whoever asks at the same time finds the same */
        ;
    atomic_store_explicit(&chosen, v, memory_order_relaxed);
    return v;
}

const char *scry_instructions(void)
{
    return names[scryi_variant()];
}

scry_status scry_instructions_set(const char *name, scry_error *err)
{
    int v = COUNT;
    while (--v >= 0 && strcmp(name, names[v]) != 0)
        ;
    if (v < 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "instructions '%s', expected %s, %s or %s", name,
                         names[0], names[1], names[2]);
    if (!instructions_has(v))
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "instructions '%s': not in this processor or not in this build, which "
                         "has '%s'",
                         name, scry_instructions());
    atomic_store_explicit(&chosen, v, memory_order_relaxed);
    return SCRY_OK;
}
