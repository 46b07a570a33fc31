#ifndef SCRY_LIB_IO_TIFF_OME_INSTRUMENT_IMPL_H
#define SCRY_LIB_IO_TIFF_OME_INSTRUMENT_IMPL_H

#include "lib/io/tiff/tiff.h"

/* For other formats with OME-XML beside their pixels: the objective of Image number `series` into
 * info, and its channels, at most info->c, into *channels (from scry_alloc; NULL: none), of which
 * info takes note. EFORMAT: no XML, or no such Image; nothing is changed then. */
scry_status scryi_ome_instrument(scry_tiff_info *info, scry_tiff_channel **channels,
                                 const char *xml, size_t series, const char *path, scry_error *err);

#endif
