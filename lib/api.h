#ifndef SCRY_LIB_API_H
#define SCRY_LIB_API_H

/* What frames the declarations of every header that is installed (apps/package/headers.cmake lists
 * them): C linkage, and a place among the symbols of libscry.so, where all others are hidden. */
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

/* Complex numbers by names that C++ can read too, where std::complex has the same layout. */
__extension__ typedef float _Complex scry_complex;
__extension__ typedef double _Complex scry_complex_double;

#endif
