/* Which page of which file holds which plane of an OME-TIFF: the TiffData elements. */

#include "lib/io/tiff/ome_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <string.h>

struct plane_walk {
    size_t size[3], at[3]; /* in the order of the file, fastest first */
    char order[4];
};

static size_t walk_slot(const struct plane_walk *w, const scry_tiff_info *info)
{
    size_t c = 0, z = 0, t = 0;
    for (size_t i = 0; i < 3; i++)
        *(w->order[i] == 'c' ? &c : w->order[i] == 'z' ? &z : &t) = w->at[i];
    return c + info->c / info->samples * (z + info->z * t);
}

static bool walk_on(struct plane_walk *w)
{
    for (size_t i = 0; i < 3; i++) {
        if (++w->at[i] < w->size[i]) return true;
        w->at[i] = 0;
    }
    return false;
}

/* The file that a block of planes is in: 0 this one, else a member of the set + 1. A file that was
 * renamed is still itself by its UUID. */
static scry_status block_file(uint32_t *file, scry_tiff_reader *r, const xmlNode *root,
                              const xmlNode *data, scry_error *err)
{
    char name[256], own[80];
    size_t member = 0;
    const xmlNode *uuid = scryi_ome_child(data, "UUID");
    *file = 0;
    if (!uuid || !scryi_ome_text(uuid, "FileName", name, sizeof name)) return SCRY_OK;
    if (!strcmp(scryi_tiff_base_name(name), scryi_tiff_base_name(r->path))) return SCRY_OK;
    xmlChar *content = xmlNodeGetContent(uuid);
    const bool same = !r->followed && content && scryi_ome_text(root, "UUID", own, sizeof own) &&
                      !strcmp((const char *)content, own);
    xmlFree(content);
    if (same) return SCRY_OK;
    const scry_status st = scryi_tiff_set_find(r, name, &member, err);
    *file = (uint32_t)member + 1;
    return st;
}

/* The reader of a file by that number. */
static scry_status file_reader(scry_tiff_reader **out, scry_tiff_reader *r, uint32_t file,
                               scry_error *err)
{
    *out = r;
    return file ? scryi_tiff_set_open(r, file - 1, out, err) : SCRY_OK;
}

scry_status scryi_ome_find_base(scry_tiff_reader *r, const xmlNode *root, const xmlNode *pixels,
                                scry_error *err)
{
    const xmlNode *data = scryi_ome_child(pixels, "TiffData");
    scry_tiff_reader *owner;
    uint32_t file;
    double ifd = 0;
    uint16_t levels = 0;
    const toff_t *offsets = NULL;
    scry_status st = block_file(&file, r, root, data, err);
    if (st != SCRY_OK || !data) return st;
    if ((st = file_reader(&owner, r, file, err)) != SCRY_OK) return st;
    scryi_ome_number(data, "IFD", &ifd);
    if (ifd < 0 || ifd >= (double)owner->page_count)
        return SCRY_OK; /* reported when it is placed */
    const struct scryi_tiff_page *p = &owner->pages[(size_t)ifd];
    if (p->reduced || p == r->base) return SCRY_OK;
    if (owner != r) r->foreign = *p;
    scryi_tiff_take_base(r, owner == r ? p : &r->foreign);
    owner->base = r->base;
    if ((st = scryi_tiff_check_page(owner, p, err)) != SCRY_OK) return st;
    r->sub_levels = TIFFGetField(owner->tif, TIFFTAG_SUBIFD, &levels, &offsets) ? levels : 0;
    return SCRY_OK;
}

/* One page at one plane. A second one is an error: it also bounds the work that a hostile list can
 * ask for. */
static scry_status place_page(scry_tiff_reader *r, scry_tiff_reader *owner, uint32_t file,
                              size_t page, size_t slot, scry_error *err)
{
    if (r->map[slot])
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: two TiffData blocks of the OME-XML place pages %u and %zu at one "
                         "plane",
                         r->path, r->map[slot], page + 1);
    const scry_status st = scryi_tiff_check_page(owner, &owner->pages[page], err);
    if (st != SCRY_OK) return st;
    r->map[slot] = (uint32_t)page + 1;
    if (r->map_file) r->map_file[slot] = file;
    return SCRY_OK;
}

static scry_status place_block(scry_tiff_reader *r, const xmlNode *data, uint32_t file,
                               size_t *skipped, scry_error *err)
{
    static const char *const keys[3] = {"FirstC", "FirstZ", "FirstT"};
    const scry_tiff_info *info = &r->info;
    struct plane_walk w = {0};
    double ifd = 0, count = -1, first;
    scry_tiff_reader *owner;
    scry_status st = file_reader(&owner, r, file, err);
    if (st != SCRY_OK) return st;
    const bool placed = scryi_ome_number(data, "IFD", &ifd);
    if (!scryi_ome_number(data, "PlaneCount", &count) || count < 0)
        count = placed ? 1 : (double)r->page_count;
    memcpy(w.order, info->order, sizeof w.order);
    for (size_t i = 0; i < 3; i++) {
        const size_t axis = (size_t)(strchr("czt", w.order[i]) - "czt");
        w.size[i] = axis == 0 ? info->c / info->samples : axis == 1 ? info->z : info->t;
        first = 0;
        scryi_ome_number(data, keys[axis], &first);
        if (first < 0 || first >= (double)w.size[i]) { /* left behind by cropping in ImageJ */
            ++*skipped;
            return SCRY_OK;
        }
        w.at[i] = (size_t)first;
    }
    for (double k = 0; k < count; k++) {
        const double page = ifd + k;
        if (page < 0 || page >= (double)owner->page_count) {
            if (placed || k > 0) ++*skipped;
            break;
        }
        if (!owner->pages[(size_t)page].reduced &&
            (st = place_page(r, owner, file, (size_t)page, walk_slot(&w, info), err)) != SCRY_OK)
            return st;
        if (!walk_on(&w)) break;
    }
    return SCRY_OK;
}

/* Lists of the planes of the image, which its metadata may claim to be of any size. */
static scry_status make_map(scry_tiff_reader *r, const xmlNode *root, const xmlNode *pixels,
                            size_t *planes, scry_error *err)
{
    const scry_tiff_info *info = &r->info;
    size_t blocks = 0;
    uint32_t file = 0;
    scry_status st;
    for (const xmlNode *d = scryi_ome_child(pixels, "TiffData"); d;
         d = scryi_ome_next(d, "TiffData"), blocks++)
        if ((st = block_file(&file, r, root, d, err)) != SCRY_OK) return st;
    /* a plane a page, and room for acquisitions that were broken off, but no bomb */
    if (!scry_mul(planes, info->c / info->samples, info->z) ||
        !scry_mul(planes, *planes, info->t) || *planes / 4096 > r->page_count + blocks / 64)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: OME sizes %zu channels x %zu slices x %zu frames, "
                         "but the file has %zu pages",
                         r->path, info->c, info->z, info->t, r->page_count);
    r->map = scry_alloc(*planes, sizeof *r->map);
    if (r->set.count) r->map_file = scry_alloc(*planes, sizeof *r->map_file);
    if (!r->map || (r->set.count && !r->map_file))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: list of %zu planes", r->path, *planes);
    return SCRY_OK;
}

scry_status scryi_ome_place_planes(scry_tiff_reader *r, const xmlNode *root, const xmlNode *pixels,
                                   scry_error *err)
{
    scry_tiff_info *info = &r->info;
    size_t planes, skipped = 0, present = 0;
    uint32_t file;
    scry_status st = make_map(r, root, pixels, &planes, err);
    if (st != SCRY_OK) return st;
    const xmlNode *data = scryi_ome_child(pixels, "TiffData");
    if (!data && (st = place_block(r, NULL, 0, &skipped, err)) != SCRY_OK) return st;
    for (; data; data = scryi_ome_next(data, "TiffData")) {
        if ((st = block_file(&file, r, root, data, err)) != SCRY_OK) return st;
        if ((st = place_block(r, data, file, &skipped, err)) != SCRY_OK) return st;
    }
    for (size_t i = 0; i < planes; i++)
        present += r->map[i] != 0;
    if (skipped)
        scryi_tiff_warn(r, "%zu TiffData blocks of the OME-XML point outside the image", skipped);
    if (!present)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML places no page in the image", r->path);
    if (present < planes)
        scryi_tiff_warn(r, "%zu of %zu planes are missing in the file: they are read as 0",
                        planes - present, planes);
    info->pages = present;
    info->files = 1 + r->set.count;
    return SCRY_OK;
}
