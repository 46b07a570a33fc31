#ifndef SCRY_LIB_NEAREST_H
#define SCRY_LIB_NEAREST_H

#include <stddef.h>

/* The name that a mistyped word most likely means: the one with the smallest number of inserted,
 * left out, replaced or swapped neighbouring characters (Damerau 1964, CACM 7:171, each stretch of
 * text changed once), the first of those that are equally near. NULL when even that takes more
 * than a third of the word's length, rounded up: another word was meant then, not misspelled. */
const char *scry_nearest_name(const char *word, size_t n, const char *const *names, size_t count);

#endif
