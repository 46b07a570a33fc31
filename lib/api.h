#ifndef SCRY_LIB_API_H
#define SCRY_LIB_API_H

/* These macros frame the declarations of every installed header (apps/package/headers.cmake lists
 * them): C linkage, and visibility outside libscry.so, where all other symbols are hidden. */
#ifdef __cplusplus
#define SCRY_BEGIN                                                                                 \
    extern "C" {                                                                                   \
    _Pragma("GCC visibility push(default)")
#define SCRY_END                                                                                   \
    _Pragma("GCC visibility pop")                                                                  \
    }
#else
#define SCRY_BEGIN _Pragma("GCC visibility push(default)")
#define SCRY_END _Pragma("GCC visibility pop")
#endif

/* Complex numbers under names that C++ compiles too; std::complex has the same layout. */
__extension__ typedef float _Complex scry_complex;
__extension__ typedef double _Complex scry_complex_double;

#endif
