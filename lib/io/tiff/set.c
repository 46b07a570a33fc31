/* An OME-TIFF may be spread over files that lie in one folder (OME-TIFF specification, "Multi-file
 * OME-TIFF filesets"). They are opened when a plane of theirs is asked for, and few at a time: a
 * time series has thousands. */

#include "lib/io/tiff/tiff_impl.h"

#include "lib/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_AT_ONCE = 16, LARGEST_SET = 1 << 20, LARGEST_TEXT = 32 << 20 };

const char *scryi_tiff_base_name(const char *path)
{
    const char *last = strrchr(path, '/');
    if (last) path = last + 1;
    last = strrchr(path, '\\'); /* some writers keep a path of Windows */
    return last ? last + 1 : path;
}

char *scryi_tiff_beside(const scry_tiff_reader *r, const char *name)
{
    const char *slash = strrchr(r->path, '/');
    const size_t folder = slash ? (size_t)(slash - r->path) + 1 : 0;
    name = scryi_tiff_base_name(name);
    const size_t n = strlen(name) + 1;
    char *path = scry_alloc(1, folder + n);
    if (!path) return NULL;
    memcpy(path, r->path, folder);
    memcpy(path + folder, name, n);
    return path;
}

static scry_status set_grow(scry_tiff_reader *r, scry_error *err)
{
    struct scryi_tiff_set *set = &r->set;
    if (set->count < LARGEST_SET &&
        scryi_memory_grow(&set->files, &set->capacity, set->count, sizeof *set->files))
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a set of %zu files", r->path, set->count + 1);
}

scry_status scryi_tiff_set_find(scry_tiff_reader *r, const char *name, size_t *member,
                                scry_error *err)
{
    struct scryi_tiff_set *set = &r->set;
    const char *slash = strrchr(r->path, '/');
    const size_t folder = slash ? (size_t)(slash - r->path) + 1 : 0;
    name = scryi_tiff_base_name(name);
    /* from the end: blocks of one file follow each other */
    for (size_t i = set->count; i-- > 0;)
        if (!strcmp(set->files[i].path + folder, name)) {
            *member = i;
            return SCRY_OK;
        }
    scry_status st = set_grow(r, err);
    if (st != SCRY_OK) return st;
    char *copy = scryi_tiff_beside(r, name);
    if (!copy) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: path of a file of the set", r->path);
    if (access(copy, R_OK)) {
        st = SCRY_FAIL(err, SCRY_EIO,
                       "%s: part of an OME-TIFF that is spread over several files, of which %s "
                       "cannot be read: %s",
                       r->path, copy, strerror(errno));
        scry_free(copy);
        return st;
    }
    *member = set->count;
    set->files[set->count++] = (struct scryi_tiff_member){.path = copy};
    return SCRY_OK;
}

static void close_oldest(struct scryi_tiff_set *set)
{
    struct scryi_tiff_member *oldest = NULL;
    for (size_t i = 0; i < set->count; i++)
        if (set->files[i].reader && (!oldest || set->files[i].used < oldest->used))
            oldest = &set->files[i];
    if (!oldest) return;
    scry_tiff_close(oldest->reader);
    oldest->reader = NULL;
    set->open--;
}

scry_status scryi_tiff_set_open(scry_tiff_reader *r, size_t member, scry_tiff_reader **out,
                                scry_error *err)
{
    struct scryi_tiff_set *set = &r->set;
    struct scryi_tiff_member *m = &set->files[member];
    scry_status st = SCRY_OK;
    if (!m->reader) {
        if (set->open >= OPEN_AT_ONCE) close_oldest(set);
        if ((st = scryi_tiff_open_chain(&m->reader, m->path, err)) != SCRY_OK) return st;
        m->reader->base = r->base; /* its pages have to be like those of the set */
        set->open++;
    }
    m->used = ++set->turn;
    *out = m->reader;
    return st;
}

void scryi_tiff_set_free(struct scryi_tiff_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        scry_tiff_close(set->files[i].reader);
        scry_free(set->files[i].path);
    }
    scry_free(set->files);
    *set = (struct scryi_tiff_set){0};
}

/* ---- metadata in another file ---- */

/* The whole of an XML file: *out stays NULL when it does not begin as one. */
static scry_status read_xml(char **out, const char *path, scry_error *err)
{
    struct stat info;
    char first = 0;
    scry_status st = SCRY_OK;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: not a regular file", path);
    } else if (pread(fd, &first, 1, 0) == 1 && first == '<') {
        const size_t n = (size_t)info.st_size;
        *out = n <= LARGEST_TEXT ? scry_alloc(1, n + 1) : NULL;
        if (!*out)
            st = SCRY_FAIL(err, n <= LARGEST_TEXT ? SCRY_ENOMEM : SCRY_EUNSUP,
                           "%s: %zu bytes of XML, at most %d are read", path, n, LARGEST_TEXT);
        else if (pread(fd, *out, n, 0) != (ssize_t)n)
            st = SCRY_FAIL(err, SCRY_EIO, "%s: cannot be read whole", path);
    }
    close(fd);
    return st;
}

static scry_status read_description(char **out, const char *path, scry_error *err)
{
    scry_tiff_reader *tiff = NULL;
    const char *text = NULL;
    scry_status st = scryi_tiff_open_chain(&tiff, path, err);
    if (st != SCRY_OK) return st;
    if (!TIFFSetSubDirectory(tiff->tif, tiff->pages[0].dir) ||
        !TIFFGetField(tiff->tif, TIFFTAG_IMAGEDESCRIPTION, &text) || !text ||
        strlen(text) > LARGEST_TEXT)
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: no ImageDescription in this TIFF", path);
    else if (!(*out = scry_copy(text, strlen(text) + 1)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: description", path);
    scry_tiff_close(tiff);
    return st;
}

scry_status scryi_tiff_text_beside(char **out, const scry_tiff_reader *r, const char *name,
                                   scry_error *err)
{
    char *path = scryi_tiff_beside(r, name);
    *out = NULL;
    if (!path) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: path of %s", r->path, name);
    scry_status st = read_xml(out, path, err);
    if (st == SCRY_OK && !*out) st = read_description(out, path, err);
    scry_free(path);
    if (st == SCRY_OK) return st;
    scry_free(*out);
    *out = NULL;
    return st;
}
