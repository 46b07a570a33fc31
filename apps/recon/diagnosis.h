#ifndef SCRY_APPS_RECON_DIAGNOSIS_H
#define SCRY_APPS_RECON_DIAGNOSIS_H

#include "lib/api.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* Whether a result explains the measurement, and whether its chains agree. */
typedef struct scry_diagnosis {
    size_t draws, measured;
    size_t solves, unconverged; /* data steps; and how many ended before they converged */
    double chi2;                /* of the mean: Pearson's, per measurement. NaN: unknown */
    double draws_chi2; /* of a draw, on average; NaN: unknown, or no draws of a posterior */
    double worst_rhat, min_ess; /* NaN: not followed */
    bool correlated; /* the noise is: chi2 counts it as white, of its power in the passband, and is
                        below 1 where all is right */
} scry_diagnosis;

SCRY_END

#include "apps/recon/log.h"
#include "lib/io/json.h"
#include "solvers/chains.h"

/* The diagnosis of chains of `method`; the caller fills in chi2 and measured. */
scry_diagnosis scry_diagnosis_of(const scry_chains *c, const struct scry_method *method);
/* Updates worst_rhat and min_ess by n of the pixels that are written; NULL or NaN: not followed. */
void scry_diagnosis_follow(scry_diagnosis *d, const float *rhat, const float *ess, size_t n);

void scry_diagnosis_report(scry_json *doc, scry_json_node *to, const scry_diagnosis *d);

/* The images of a file together: one line for all of them, and a warning for each kind of fault. */
typedef struct scry_diagnosis_fault {
    size_t images, count; /* images with this number; and how many are beyond the bound */
    double value;         /* the worst of all */
    char where[96];
} scry_diagnosis_fault;
typedef struct scry_diagnosis_summary {
    size_t images, judged, draws, measured, solves, unconverged;
    double misfits;   /* sum of the squares behind chi2 of the means */
    double low, high; /* range of chi2 */
    scry_diagnosis_fault misfit, overfit, rhat, ess;
} scry_diagnosis_summary;

/* where: "slice 3", or "" for an only image. */
void scry_diagnosis_add(scry_diagnosis_summary *t, const scry_diagnosis *d, const char *where);
/* Of all measurements; NaN when no image has one. */
double scry_diagnosis_chi2(const scry_diagnosis_summary *t);

typedef struct scry_diagnosis_texts {
    const char *file;
    const char *noise; /* options that set the noise, for the advice; NULL: chi2 is not judged */
    const char *model; /* another possible cause: "the psf is wrong" */
    bool rhat, ess;    /* true: judged */
    bool multi_draw;   /* the method can give several draws per chain */
} scry_diagnosis_texts;
/* A note, "file: chi2 1.02, ...", and a warning for each kind of fault. */
void scry_diagnosis_log(const scry_diagnosis_summary *t, const scry_diagnosis_texts *w,
                        const scry_log *log);

#endif
