/* Files that are k-space or images of other kinds, recognised by their first bytes, so that a
 * refusal names the format and the program that converts it. */

#include "lib/io/kspace/kspace_impl.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FIRST = 1024 };

static bool ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), k = strlen(ending);
    return n > k && !strcmp(path + n - k, ending);
}

static uint32_t foreign_word(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool foreign_starts(const unsigned char *bytes, size_t n, size_t at, const char *with)
{
    const size_t k = strlen(with);
    return n >= at + k && !memcmp(bytes + at, with, k);
}

/* NIfTI-1, in either byte order: the size of its header, and its magic word. */
static bool is_nifti(const unsigned char *bytes, size_t n)
{
    return n >= 348 && (foreign_word(bytes) == 348 || foreign_word(bytes) == 0x5c010000) &&
           (foreign_starts(bytes, n, 344, "n+1") || foreign_starts(bytes, n, 344, "ni1"));
}

/* Siemens: VD and VE begin with 0 and the number of measurements, VB with the length of its header,
 * which is followed by the number of its parts and the name of the first. */
static bool is_siemens(const unsigned char *bytes, size_t n)
{
    if (n < 16) return false;
    const uint32_t first = foreign_word(bytes), second = foreign_word(bytes + 4);
    return (first == 0 && second >= 1 && second <= 64 && n >= FIRST) ||
           (first > 1000 && second >= 1 && second <= 32 && foreign_starts(bytes, n, 8, "Config"));
}

const char *scryi_kspace_foreign(const char *path)
{
    unsigned char bytes[FIRST];
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    if (foreign_starts(bytes, n, 0, "yardl"))
        return "an MRD stream: convert it with mrd_stream_to_ismrmrd or ismrmrd_stream_to_hdf5";
    if (foreign_starts(bytes, n, 0, "PK\3\4"))
        return "a zip, as a .npz of NumPy: save one array as .npy, axes slice, coil, y, x";
    if (foreign_starts(bytes, n, 0, "MATLAB 5.0"))
        return "a MATLAB 5 file: save it with -v7.3, as HDF5";
    if (foreign_starts(bytes, n, 128, "DICM"))
        return "a DICOM file, which holds images and no k-space";
    if (is_nifti(bytes, n)) return "a NIfTI file, which holds images and no k-space";
    if (foreign_starts(bytes, n, 0, "\x1f\x8b"))
        return "a gzip-compressed file: decompress it; a .nii.gz holds images and no k-space";
    if (is_siemens(bytes, n)) return "Siemens raw data: convert it with siemens_to_ismrmrd";
    if (ends_in(path, ".7")) return "a GE P-file, by its name: convert it with ge_to_ismrmrd";
    if (ends_in(path, ".list") || ends_in(path, ".data") || ends_in(path, ".lab"))
        return "Philips raw data, by its name: convert it with philips_to_ismrmrd";
    if (ends_in(path, "/fid") || ends_in(path, "/rawdata.job0"))
        return "Bruker raw data, by its name: convert it with bruker_to_ismrmrd";
    if (ends_in(path, ".mrd"))
        return "an MRD stream, by its name: convert it with ismrmrd_stream_to_hdf5";
    return NULL;
}
