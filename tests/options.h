#ifndef SCRY_TESTS_OPTIONS_H
#define SCRY_TESTS_OPTIONS_H

#include "tests/check.h"

#include "solvers/registry.h"

/* Options of a method that tests set for many methods at once: one that the method does not have is
 * left out, and counts as 0. */
static inline void option_set_real(scry_options *o, const char *name, double value)
{
    scry_error err = {0};
    if (scry_option_find(o->method, name)) assert_ok(scry_options_set(o, name, value, &err));
}

/* word NULL: it stays as it is. */
static inline void option_word(scry_options *o, const char *name, const char *word)
{
    scry_error err = {0};
    if (word && scry_option_find(o->method, name))
        assert_ok(scry_options_read(o, name, word, &err));
}

static inline double option_value(const scry_options *o, const char *name)
{
    double value = 0;
    scry_options_get(o, name, &value, NULL);
    return value;
}

#define option_set(o, name, value) option_set_real(o, name, (double)(value))

/* The defaults of a method of the registry. */
static inline scry_options option_defaults(const char *method)
{
    scry_options o;
    scry_options_init(&o, scry_method_find(method));
    return o;
}

#endif
