#ifndef SCRY_LIB_IO_TIFF_OME_IMPL_H
#define SCRY_LIB_IO_TIFF_OME_IMPL_H

/* Functions that reading and writing OME-XML share: small questions to a libxml2 tree. */

#include "lib/io/tiff/tiff_impl.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

/* NULL, worded in err, when the text is not XML or has a document type declaration. */
xmlDoc *scryi_ome_parse(const char *xml, scry_error *err, const char *path);

/* The first child, or the next sibling, of this name in any namespace; NULL when there is none, or
 * when the node is NULL. */
xmlNode *scryi_ome_child(const xmlNode *parent, const char *name);
xmlNode *scryi_ome_next(const xmlNode *node, const char *name);

/* Makes the first page of the image r's base: images of one file may differ in shape. */
scry_status scryi_ome_find_base(scry_tiff_reader *r, const xmlNode *root, const xmlNode *pixels,
                                scry_error *err);
/* Fills r->map, and r->map_file where the image is spread over several files. */
scry_status scryi_ome_place_planes(scry_tiff_reader *r, const xmlNode *root, const xmlNode *pixels,
                                   scry_error *err);

/* Attributes; false, and out untouched (text: ""), when absent or not a finite number. */
bool scryi_ome_text(const xmlNode *node, const char *name, char *out, size_t size);
bool scryi_ome_number(const xmlNode *node, const char *name, double *out);
double scryi_ome_length(const xmlNode *node, const char *name, const char *unit, double per_um);

#endif
