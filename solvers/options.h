#ifndef SCRY_SOLVERS_OPTIONS_H
#define SCRY_SOLVERS_OPTIONS_H

#include "lib/api.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* The options of a method. A method keeps them in a struct of its own and describes every field in
 * one table (scry_method.options). The command line, --help, `scry methods`, the reports and the
 * functions below all read that table: it is the only list of names, defaults, ranges, choices and
 * help texts. */

struct scry_method; /* solvers/registry.h */

typedef enum scry_option_kind {
    SCRY_COUNT, /* a whole number, in a size_t */
    SCRY_REAL,  /* in a double */
    SCRY_CHOICE /* one of `choices`, in an int or an enum: 0 for the first choice */
} scry_option_kind;

typedef struct scry_option {
    const char *name;  /* "sigma-max": the command line's --sigma-max; NULL ends a table */
    const char *alias; /* another name, for example the paper's letter; or NULL */
    scry_option_kind kind;
    size_t offset;    /* of the field in the method's struct */
    double value;     /* default */
    double low, high; /* legal, inclusive */
    const char *const
        *choices; /* names of the values of a choice, ends with NULL; otherwise NULL */
    const char *help;
} scry_option;

/* The kind and offset of an entry, from the type of the field:
 *   {"steps", NULL, SCRY_FIELD(struct my_options, steps), 20, 1, 1000, NULL, "iterations"} */
#define SCRY_FIELD(type, field)                                                                    \
    _Generic(((type *)0)->field, size_t                                                            \
             : SCRY_COUNT, double                                                                  \
             : SCRY_REAL, int                                                                      \
             : SCRY_CHOICE, unsigned                                                               \
             : SCRY_CHOICE),                                                                       \
        offsetof(type, field)

enum { SCRY_OPTIONS_BYTES = 256 }; /* the largest struct of options that a method may have */

/* Values of the options of one method: a plain value, copied by assignment. Fields of the method's
 * struct that its table does not list are 0. */
typedef struct scry_options {
    const struct scry_method *method;
    union {
        unsigned char bytes[SCRY_OPTIONS_BYTES];
        double align_real;
        size_t align_count;
    } block;
} scry_options;

/* The defaults of `method`. NULL, a name that was not found: no options, which plans refuse. */
void scry_options_init(scry_options *options, const struct scry_method *method);

/* One option, by its name or alias: set takes a number (of a choice: its index), read a text with a
 * number or the name of a choice. EINVAL with the names that the method has, or with the legal
 * range; counts and choices must be whole numbers. */
scry_status scry_options_set(scry_options *options, const char *name, double value,
                             scry_error *err);
scry_status scry_options_read(scry_options *options, const char *name, const char *text,
                              scry_error *err);
scry_status scry_options_get(const scry_options *options, const char *name, double *value,
                             scry_error *err);

/* Settings as the command line takes them, "--steps 60 --variance matched".
 *   text   the options that differ from their defaults, in the order of the table; "" for the
 *   defaults. EINVAL:
 *          size is too small
 *   parse  sets the options in `settings` and leaves the others. EINVAL: a value is missing or too
 *          long, or as scry_options_read
 * Both ways give back the same values: numbers are printed with as few digits as that needs, up to
 * 17. */
scry_status scry_options_text(const scry_options *options, char *text, size_t size,
                              scry_error *err);
scry_status scry_options_parse(scry_options *options, const char *settings, scry_error *err);

/* For the method itself: its struct, valid as long as `options`. */
const void *scry_options_block(const scry_options *options);

/* An entry of the table by name or alias; NULL: the method has no such option. */
const scry_option *scry_option_find(const struct scry_method *method, const char *name);
SCRY_END

/* A value as users write it, "holdout" or "0.05"; returns text. */
const char *scry_option_print(const scry_option *option, double value, char *text, size_t size);
/* The inverse: false when text is neither a number nor the name of a choice. The range is not
 * checked. */
bool scry_option_scan(const scry_option *option, const char *text, double *value);

#endif
