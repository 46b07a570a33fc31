#ifndef SCRY_LIB_IO_KSPACE_MRD_HEADER_IMPL_H
#define SCRY_LIB_IO_KSPACE_MRD_HEADER_IMPL_H

#include "lib/io/kspace/kspace.h"

/* The XML header of ISMRMRD files, which fastMRI files carry too. Schema: ISMRMRD 1.8,
 * http://www.ismrm.org/ISMRMRD. Elements are found by name whatever their namespace prefix, order
 * and case, as writers differ in all three. */

typedef enum scryi_mrd_counter {
    SCRYI_MRD_STEP_1 = 0, /* kspace_encoding_step_1: phase encoding */
    SCRYI_MRD_STEP_2,     /* kspace_encoding_step_2: partition encoding */
    SCRYI_MRD_SLICE,
    SCRYI_MRD_REPETITION,
    SCRYI_MRD_CONTRAST,
    SCRYI_MRD_PHASE,
    SCRYI_MRD_SET,
    SCRYI_MRD_AVERAGE,
    SCRYI_MRD_COUNTERS
} scryi_mrd_counter;

enum { SCRYI_MRD_MAX_ENCODINGS = 16 };

typedef struct scryi_mrd_limit {
    bool stated;
    size_t minimum, maximum, center;
} scryi_mrd_limit;

/* Three axes are z, y, x, where the header's x is the readout and y the phase encoding. */
typedef struct scryi_mrd_encoding {
    size_t encoded[3], recon[3];
    double encoded_fov[3], recon_fov[3]; /* mm; 0: not stated */
    scryi_mrd_limit limits[SCRYI_MRD_COUNTERS];
    char trajectory[32];  /* lower case; "" when not stated */
    char calibration[32]; /* of parallelImaging: "embedded", "separate", ...; lower case; or "" */
} scryi_mrd_encoding;

typedef struct scryi_mrd_header {
    size_t encodings;
    scryi_mrd_encoding encoding[SCRYI_MRD_MAX_ENCODINGS];
    size_t channels;                          /* 0: not stated */
    double field_strength, tr, te;            /* T, ms, ms: the first of each; 0: not stated */
    double noise_bandwidth;                   /* relativeReceiverNoiseBandwidth; 0: not stated */
    char vendor[64], model[64], protocol[64]; /* protocolName, else studyDescription */
} scryi_mrd_header;

/* Parses `bytes` characters of text. `name` starts the messages: "scan.h5: /dataset/xml".
 * errors  EFORMAT: not XML, a document type declaration (there would be entities to expand), not an
 *         ismrmrdHeader, no encoding, a size that is missing or not a number: which, found and
 *         expected; EUNSUP: more than SCRYI_MRD_MAX_ENCODINGS encodings; ENOMEM */
scry_status scryi_mrd_parse(scryi_mrd_header *h, const char *text, size_t bytes, const char *name,
                            scry_error *err);

/* A header as text that is valid by the schema and ends in a newline; in ASCII, with references for
 * other characters; release with scry_free. */
scry_status scryi_mrd_format(char **text, const scryi_mrd_header *h, scry_error *err);

/* The fields of info that come from a header: system, trajectory, acquisition (when still empty),
 * field_strength, tr, te; encoded_fov and recon_fov of an encoding < h->encodings. info->readout
 * is set before: 2 keeps the header's x, y; 1 (fastMRI) swaps them. */
void scryi_mrd_describe(scry_kspace_info *info, const scryi_mrd_header *h, size_t encoding);

/* The header of the data of info: one encoding, complete limits with centres at floor(n/2), and
 * frames as repetitions. x, y swapped as above. */
void scryi_mrd_from_info(scryi_mrd_header *h, const scry_kspace_info *info);

#endif
