#ifndef SCRY_APPS_RECON_IMAGE_JUDGEMENT_H
#define SCRY_APPS_RECON_IMAGE_JUDGEMENT_H

#include "lib/api.h"
#include "lib/stats/fission.h"
#include "solvers/registry.h"

SCRY_BEGIN

/* The result of judging methods by held-out data (apps/recon/image/judge.h). */

enum { SCRY_JUDGE_MAX = 4 };

typedef struct scry_judged {
    const struct scry_method *method;
    char name[80];      /* its name; where another of that method came before, with its options */
    double weight;      /* in the average that predicts best; 1: this method alone, 0: not in it */
    scry_margin behind; /* score of that average minus this method's own, per pixel, and its
                           standard error over windows of 16 x 16 pixels; 0 with weight 1 */
    double score;       /* of it alone: mean log likelihood of the light held out, up to a constant,
                           nats a pixel */
    double misfit;      /* chi2 per pixel of its prediction of the light that it has seen */
    double seconds;     /* wall time of judging it */
    size_t iterations;  /* of one estimate, where the method has an option for them */
    size_t steps;       /* with those that searched for their number */
    char failure[160];  /* "" or why it could not restore the first half */
} scry_judged;

typedef struct scry_judgement {
    size_t count, best; /* methods; the index of the one that predicts best alone */
    scry_judged of[SCRY_JUDGE_MAX];
    double excess;         /* of the noise: the factor on its estimated variance that came of the
                              misfit of all of them; 1: none */
    double share;          /* of the signal that was held out */
    size_t splits, pixels; /* splits; pixels of each */
    scry_space part;       /* those pixels */
    double study;          /* seconds a pixel of the image, for its noise and defects */
    double forecast;       /* seconds that the choice takes on all of the image, by those of `part`;
                              0: not asked */
    double allowed;        /* seconds; 0: no limit */
    char kept[200];        /* how the choice was changed to keep to that; "": it was not */
} scry_judgement;

/* "diffpir and richardson-lucy, averaged 0.5 to 0.5, predict light not seen before best; ...";
 * returns to. */
const char *scry_judgement_print(const scry_judgement *j, char *to, size_t size);

SCRY_END

#endif
