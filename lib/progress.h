#ifndef SCRY_LIB_PROGRESS_H
#define SCRY_LIB_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Progress of long work: one line redrawn in place on a terminal (ten times a second at most), a
 * plain line at every tenth part, and every half minute, otherwise. Nothing is printed when `to` is
 * NULL. The caller owns the struct: start, update any number of times, end. */
typedef struct scry_meter {
    FILE *to;
    bool terminal;
    double begun, drawn; /* seconds */
    double run, seen;    /* when this of several runs began; the last update */
    size_t done;
    size_t tenths, width;
    char label[64];
} scry_meter;

/* Seconds since an arbitrary moment: only differences have a meaning. */
double scry_clock(void);

void scry_meter_start(scry_meter *m, FILE *to, const char *label);

/* The label from now on, for steps that are counted anew. */
void scry_meter_label(scry_meter *m, const char *label);

/* done of total steps (total 0: unknown). note, which may be NULL, is shown after the bar: "sigma
 * 0.31". */
void scry_meter_update(scry_meter *m, size_t done, size_t total, const char *note);

/* Ends the line with a last note: "done", "stopped". */
void scry_meter_end(scry_meter *m, const char *note);

#endif
