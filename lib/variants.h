#ifndef SCRY_LIB_VARIANTS_H
#define SCRY_LIB_VARIANTS_H

/* Internal to scry: inner loops are compiled once for each instruction set.
 *
 * CMake compiles every file whose name ends in loops.c once for each set, with SCRYI_SUFFIX the
 * name of the set. Such a file keeps all of its functions static and exports one constant table of
 * them,
 *     const struct scryi_loops SCRYI_VARIANT(scryi_loops) = {...};
 * which its header declares by SCRYI_VARIANTS(struct scryi_loops, scryi_loops). Others call
 *     SCRYI_BEST(scryi_loops)->add(...)
 * Code compiled for one set must not be linked into code for all processors, so these files export
 * nothing else, and include no header that defines functions which are not inline. */

#define SCRYI_PASTE_(a, b) a##_##b
#define SCRYI_PASTE(a, b) SCRYI_PASTE_(a, b)
#define SCRYI_VARIANT(name) SCRYI_PASTE(name, SCRYI_SUFFIX)

/* 0 baseline, 1 avx2, 2 avx512: the set that scry_instructions names. */
int scryi_variant(void);

#ifdef SCRYI_HAVE_VARIANTS
#define SCRYI_VARIANTS(type, name) extern const type name##_baseline, name##_avx2, name##_avx512
#define SCRYI_BEST(name)                                                                           \
    (scryi_variant() == 2 ? &name##_avx512 : scryi_variant() == 1 ? &name##_avx2 : &name##_baseline)
#else
#define SCRYI_VARIANTS(type, name) extern const type name##_baseline
#define SCRYI_BEST(name) (&name##_baseline)
#endif

#endif
