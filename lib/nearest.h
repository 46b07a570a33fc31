#ifndef SCRY_LIB_NEAREST_H
#define SCRY_LIB_NEAREST_H

#include <stddef.h>

/* The name that a mistyped word most likely means: the one with the smallest number of inserted,
 * left out, replaced or swapped neighbouring characters (Damerau 1964, CACM 7:171, each stretch of
 * text changed once), the first of several equally near names. NULL when even that one takes more
 * than a third of the word's length, rounded up: then the word is probably not a misspelling of any
 * name. */
const char *scry_nearest_name(const char *word, size_t n, const char *const *names, size_t count);

#endif
