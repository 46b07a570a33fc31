#ifndef SCRY_APPS_VERIFY_VERIFY_H
#define SCRY_APPS_VERIFY_VERIFY_H

#include "solvers/registry.h"

#include <stdbool.h>
#include <stdint.h>

/* `scry verify`: methods against known facts about their posteriors, one part a kind of
 * knowledge. A part fills a table; printing, JSON, plot and options are common. A new part is one
 * source that defines a `verify_part`, and its line in verify_parts[] (apps/verify/verify.c). */

typedef struct verify_settings {
    const char *method;    /* NULL: all posterior methods of the registry; else any but samplers
                            * of the prior alone */
    const char *options;   /* of that method, as scry_options_text; "": its defaults */
    bool accurate;         /* instead: at the other settings of its label */
    const char *operator_; /* NULL: all of the part */
    int64_t chains;        /* per measurement; 0: the part's own choice, otherwise >= 2 */
    int64_t seed;
    bool full;  /* the size of the publication, or the precision of a release */
    bool quiet; /* no progress on stderr */
} verify_settings;

/* A measured number and its standard error over independent measurements (Monte Carlo); value NaN:
 * not measured. */
typedef struct verify_value {
    double value, error;
} verify_value;

/* A column. `tolerance` is the deviation from `ideal` that counts as one step of colour in plots.
 */
typedef struct verify_metric {
    const char *key;   /* in JSON: "sd_min" */
    const char *title; /* at most 10 characters: head of the column */
    const char *help;  /* one line below the table */
    double ideal, tolerance;
    int decimals;
} verify_metric;

enum { VERIFY_MAX_METRICS = 12, VERIFY_BINS = 10 };

/* One method on one problem. Strings but `note` are borrowed for good (registry, static tables). */
typedef struct verify_row {
    const char *method, *operator_, *problem;
    const char *options;        /* verify_options; "" for the defaults */
    bool served;                /* false: nothing was measured, `note` says why */
    char note[200];             /* or the failure: "3 of 4096 chains diverged" */
    size_t chains;              /* samples behind the values, all measurements together */
    double denoise, vjp, apply; /* cost of a sample: calls of D, of the VJP, of A and A^T */
    double seconds;             /* of processors */
    verify_value value[VERIFY_MAX_METRICS];
    bool ranked;              /* there is a histogram of ranks: */
    double rank[VERIFY_BINS]; /* share of truths in each tenth of the ranks, times 10: 1 is right */
    double rank_error;        /* standard error of one of them, were the ranks uniform */
} verify_row;

typedef struct verify_table {
    const struct verify_part *part;
    verify_row *rows;
    size_t count, capacity;
} verify_table;

typedef struct verify_part {
    const char *name, *summary;
    const char *const *operators;   /* ends with NULL: values of --operator */
    const verify_metric *metrics;   /* ends with key NULL; at most VERIFY_MAX_METRICS */
    int64_t min_chains, max_chains; /* range of --chains */
    bool labelled; /* labels of methods hold its figures (solvers/calibration_labels.h) */
    /* Adds a row for each method (verify_selected) and problem. scry_cancel ends it early with
     * SCRY_OK. */
    scry_status (*run)(verify_table *table, const verify_settings *settings, scry_error *err);
} verify_part;

extern const verify_part verify_gaussian, verify_mixture, verify_levy, verify_calibration;
extern const verify_part *const verify_parts[]; /* ends with NULL */

/* The parts and methods to run. */
typedef struct verify_request {
    verify_settings settings;
    const verify_part *part; /* NULL: all that the settings leave */
    bool check;              /* a number outside its label's band is a failure */
    const char *json, *plot; /* files to write; NULL: none */
} verify_request;

/* Runs the parts, prints their tables on stdout and writes the files.
 * errors  ENUMERIC: numbers that differ from the labels; ESTOP: cancelled, nothing is written;
 *         those of the parts and of the files */
scry_status verify_run(const verify_request *request, scry_error *err);
bool verify_takes_part(const verify_request *request, const verify_part *part);
const verify_part *verify_part_find(const char *name); /* NULL: there is none */
bool verify_part_knows(const verify_part *part, const char *operator_);

/* A zeroed row with these names, or NULL: no memory. Valid until the next one is added. */
verify_row *verify_add(verify_table *table, const char *method, const char *operator_,
                       const char *problem);
/* Whether the settings ask for this method or this operator. */
bool verify_selected(const verify_settings *settings, const struct scry_method *method);
bool verify_operator(const verify_settings *settings, const char *operator_);
/* Settings at which to run a method, numbered from 0; NULL: no more. */
const char *verify_options(const verify_settings *settings, const struct scry_method *method,
                           size_t number);
/* A line of progress on stderr: the row that was added last. */
void verify_say(const verify_settings *settings, const verify_table *table);

/* Processor seconds of this process, all threads together. */
double verify_clock(void);

void verify_print(const verify_table *table);
/* How many numbers differ from those in the label of the method (solvers/calibration_labels.h) by
 * more than their Monte Carlo error; each is reported on stderr. Averages over problems are held
 * too, at the number of chains that the labels are from (the part's own). */
size_t verify_check(const verify_table *table, const verify_settings *settings);
/* All tables in one document. */
scry_status verify_write_json(const char *path, const verify_table *tables, size_t count,
                              const verify_settings *settings, scry_error *err);
/* A page of heat maps, (value - ideal) / tolerance from blue (-4) over white to red (4) with the
 * number in each cell, methods downwards, problems across; and histograms of ranks. */
scry_status verify_write_plot(const char *path, const verify_table *tables, size_t count,
                              scry_error *err);

#endif
