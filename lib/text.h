#ifndef SCRY_LIB_TEXT_H
#define SCRY_LIB_TEXT_H

#include <stdbool.h>

/* True for text that is longer than `ending` and ends with it: "a.cfl" with ".cfl". */
bool scry_text_ends_with(const char *text, const char *ending);

#endif
