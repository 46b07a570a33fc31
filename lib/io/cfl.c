#include "lib/io/cfl.h"

#include "lib/memory.h"
#include "lib/atomic_file_impl.h"
#include "lib/space.h"
#include "lib/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values of .cfl files are little-endian and are not swapped here"
#endif

enum { HEADER_LIMIT = 4096 }; /* of BART, which reads that much and no more */

const char *scry_cfl_print(const size_t *dims, char *buf, size_t size)
{
    int rank = SCRY_CFL_RANK;
    size_t at = 0;
    while (rank > SCRY_CFL_COIL + 1 && dims[rank - 1] == 1)
        rank--;
    buf[0] = '\0';
    for (int d = 0; d < rank && at < size; d++)
        at += (size_t)snprintf(buf + at, size - at, d ? " x %zu" : "%zu", dims[d]);
    return buf;
}

/* ---- header ---- */

static bool cfl_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* One line of text, blanks at its ends taken off; the rest in *text. */
struct line {
    const char *at;
    size_t n;
};

static bool next_line(struct line *l, const char **text, const char *end)
{
    if (*text == end) return false;
    const char *stop = memchr(*text, '\n', (size_t)(end - *text));
    if (!stop) stop = end;
    *l = (struct line){*text, (size_t)(stop - *text)};
    *text = stop < end ? stop + 1 : end;
    while (l->n && cfl_blank(l->at[0]))
        l->at++, l->n--;
    while (l->n && cfl_blank(l->at[l->n - 1]))
        l->n--;
    return true;
}

static bool is_word(const struct line *l, const char *word)
{
    return l->n == strlen(word) && !memcmp(l->at, word, l->n);
}

static bool whole_number(const char *word, size_t n, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t digit = (size_t)(word[i] - '0');
        if (word[i] < '0' || word[i] > '9' || !scry_mul(out, *out, 10) || *out > SIZE_MAX - digit)
            return false;
        *out += digit;
    }
    return n > 0 && *out > 0;
}

static scry_status cfl_parse_dims(scry_cfl_header *h, const struct line *l, const char *name,
                                  scry_error *err)
{
    size_t d = 0, bytes;
    for (size_t at = 0, n; at < l->n; at += n, d++) {
        size_t dim;
        while (at < l->n && cfl_blank(l->at[at]))
            at++;
        for (n = 0; at + n < l->n && !cfl_blank(l->at[at + n]);)
            n++;
        if (!whole_number(l->at + at, n, &dim))
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: dimension %zu is '%.*s', expected a whole number from 1 on", name,
                             d, n < 40 ? (int)n : 40, l->at + at);
        if (d < SCRY_CFL_RANK)
            h->dims[d] = dim;
        else if (dim != 1)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "%s: dimension %zu is %zu, expected 1 beyond the "
                             "first %d",
                             name, d, dim, SCRY_CFL_RANK);
    }
    if (!d) return SCRY_FAIL(err, SCRY_EFORMAT, "%s: no numbers after '# Dimensions'", name);
    h->count = 1;
    for (d = 0; d < SCRY_CFL_RANK; d++)
        if (!scry_mul(&h->count, h->count, h->dims[d]) ||
            !scry_mul(&bytes, h->count, sizeof(float complex)) || bytes > PTRDIFF_MAX) {
            char text[400];
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: dimensions %s are more than a file can hold",
                             name, scry_cfl_print(h->dims, text, sizeof text));
        }
    return SCRY_OK;
}

/* A header from elsewhere must not make us read any file that it likes. */
static scry_status parse_data(scry_cfl_header *h, const struct line *l, const char *name,
                              scry_error *err)
{
    if (!l->n || l->n >= sizeof h->data || memchr(l->at, '/', l->n) || is_word(l, ".") ||
        is_word(l, ".."))
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: '# Data' names '%.*s', expected the name of a "
                         "file in the same folder",
                         name, l->n < 80 ? (int)l->n : 80, l->at);
    memcpy(h->data, l->at, l->n);
    h->data[l->n] = '\0';
    return SCRY_OK;
}

scry_status scry_cfl_parse(scry_cfl_header *out, const char *text, size_t n, const char *name,
                           scry_error *err)
{
    const char *at = text, *end = text + n;
    struct line title, body;
    scry_status st = SCRY_OK;
    *out = (scry_cfl_header){0};
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        out->dims[d] = 1;
    if (n > HEADER_LIMIT)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %zu bytes, expected the text of a header of at "
                         "most %d",
                         name, n, HEADER_LIMIT);
    if (n && memchr(text, '\0', n))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: is not text (a zero byte)", name);
    while (st == SCRY_OK && next_line(&title, &at, end)) {
        if (!title.n || title.at[0] != '#') continue; /* of a section that is skipped */
        do
            title.at++, title.n--;
        while (title.n && cfl_blank(title.at[0]));
        if (is_word(&title, "MultiDimensions") || is_word(&title, "SizesDimensions"))
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "%s: holds several arrays ('# %.*s', as weights of "
                             "networks do), expected one",
                             name, (int)title.n, title.at);
        const bool dims = is_word(&title, "Dimensions"), data = is_word(&title, "Data");
        if ((!dims && !data) || !next_line(&body, &at, end)) continue;
        st = dims ? cfl_parse_dims(out, &body, name, err) : parse_data(out, &body, name, err);
    }
    if (st == SCRY_OK && !out->count)
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: no section '# Dimensions'", name);
    return st;
}

/* ---- names ---- */

/* path without .cfl or .hdr, followed by `ending`; NULL without memory. */
static char *cfl_name_of(const char *path, const char *ending)
{
    size_t n = strlen(path);
    if (scry_text_ends_with(path, ".cfl") || scry_text_ends_with(path, ".hdr")) n -= 4;
    const size_t capacity = n + strlen(ending) + 1;
    char *name = scry_alloc(capacity, 1);
    if (name) snprintf(name, capacity, "%.*s%s", (int)n, path, ending);
    return name;
}

/* Up to `room` bytes of a file; -1: errno says why. */
static ptrdiff_t cfl_slurp(const char *path, char *text, size_t capacity)
{
    ptrdiff_t n = -1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t have = 0;
    while (have < capacity && (n = read(fd, text + have, capacity - have)) > 0)
        have += (size_t)n;
    const int reason = errno;
    close(fd);
    errno = reason;
    return n < 0 ? -1 : (ptrdiff_t)have;
}

bool scry_cfl_recognise(const char *path)
{
    char name[4096], first;
    if (scry_text_ends_with(path, ".cfl") || scry_text_ends_with(path, ".hdr")) return true;
    if ((size_t)snprintf(name, sizeof name, "%s.hdr", path) >= sizeof name) return false;
    return cfl_slurp(name, &first, 1) == 1 && first == '#';
}

/* ---- reading ---- */

struct scry_cfl {
    int fd;
    char *path;
    scry_cfl_header header;
};

static scry_status cfl_read_header(scry_cfl_header *h, const char *path, scry_error *err)
{
    char text[HEADER_LIMIT + 1];
    char *name = cfl_name_of(path, ".hdr");
    if (!name) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of its header", path);
    const ptrdiff_t n = cfl_slurp(name, text, sizeof text);
    const scry_status st = n < 0 ? SCRY_FAIL(err, SCRY_EIO, "%s: %s", name, strerror(errno))
                                 : scry_cfl_parse(h, text, (size_t)n, name, err);
    scry_free(name);
    return st;
}

/* name.cfl, or the name under `# Data`, in the folder of the header. */
static char *data_path(const char *path, const scry_cfl_header *h)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash - path) + 1 : 0;
    if (!h->data[0]) return cfl_name_of(path, ".cfl");
    const size_t capacity = (size_t)folder + strlen(h->data) + 1;
    char *name = scry_alloc(capacity, 1);
    if (name) snprintf(name, capacity, "%.*s%s", folder, path, h->data);
    return name;
}

scry_status scry_cfl_open(scry_cfl **out, const char *path, scry_error *err)
{
    scry_status st;
    struct stat info;
    *out = NULL;
    scry_cfl *f = scry_alloc(1, sizeof *f);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", path);
    f->fd = -1;
    if ((st = cfl_read_header(&f->header, path, err)) != SCRY_OK) goto done;
    if (!(f->path = data_path(path, &f->header))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of its values", path);
        goto done;
    }
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0 || fstat(f->fd, &info)) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", f->path, strerror(errno));
        goto done;
    }
    const size_t bytes = f->header.count * sizeof(float complex);
    if (!S_ISREG(info.st_mode) || info.st_size < 0 || (size_t)info.st_size != bytes) {
        char dims[400];
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: %jd bytes, expected %zu for %s complex values",
                       f->path, (intmax_t)info.st_size, bytes,
                       scry_cfl_print(f->header.dims, dims, sizeof dims));
        goto done;
    }
    *out = f;
    f = NULL;
done:
    scry_cfl_close(f);
    return st;
}

const size_t *scry_cfl_dims(const scry_cfl *f)
{
    return f->header.dims;
}

const char *scry_cfl_path(const scry_cfl *f)
{
    return f->path;
}

void scry_cfl_close(scry_cfl *f)
{
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    scry_free(f->path);
    scry_free(f);
}

/* ---- boxes ---- */

/* A box as runs that are contiguous in the file: the dims before `first` are taken whole, and so
 * merge with it; the others are counted through by `index`. */
struct box {
    size_t start[SCRY_CFL_RANK], count[SCRY_CFL_RANK], index[SCRY_CFL_RANK];
    size_t stride[SCRY_CFL_RANK]; /* entries of the file */
    size_t run;                   /* entries */
    int first;
};

static scry_status box_init(struct box *b, const size_t *dims, const size_t *start,
                            const size_t *count, const char *path, scry_error *err)
{
    *b = (struct box){.run = 1};
    for (size_t d = 0, stride = 1; d < SCRY_CFL_RANK; stride *= dims[d++]) {
        b->start[d] = start ? start[d] : 0;
        b->count[d] = count ? count[d] : dims[d];
        b->stride[d] = stride;
        if (!b->count[d] || b->count[d] > dims[d] || b->start[d] > dims[d] - b->count[d])
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "%s: entries %zu to %zu of dimension %zu, which has "
                             "%zu",
                             path, b->start[d], b->start[d] + b->count[d], d, dims[d]);
    }
    while (b->first < SCRY_CFL_RANK - 1 && b->count[b->first] == dims[b->first])
        b->first++;
    for (int d = 0; d <= b->first; d++)
        b->run *= b->count[d];
    return SCRY_OK;
}

static size_t box_offset(const struct box *b)
{
    size_t at = 0;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        at += (b->start[d] + b->index[d]) * b->stride[d];
    return at;
}

static bool box_next(struct box *b)
{
    for (int d = b->first + 1; d < SCRY_CFL_RANK; d++) {
        if (++b->index[d] < b->count[d]) return true;
        b->index[d] = 0;
    }
    return false;
}

/* The system may move fewer bytes than asked for (2 GiB at most on Linux). */
static bool move_all(int fd, bool in, char *bytes, size_t n, size_t at)
{
    while (n) {
        const ssize_t done = in ? pread(fd, bytes, n, (off_t)at) : pwrite(fd, bytes, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (!done) errno = EIO; /* shrunk since it was opened */
            return false;
        }
        bytes += done;
        at += (size_t)done;
        n -= (size_t)done;
    }
    return true;
}

static scry_status move_box(int fd, bool in, const char *path, struct box *b, float complex *values,
                            scry_error *err)
{
    const size_t bytes = b->run * sizeof *values;
    do {
        if (!move_all(fd, in, (char *)values, bytes, box_offset(b) * sizeof *values))
            return SCRY_FAIL(err, SCRY_EIO, "%s: could not %s %zu bytes: %s", path,
                             in ? "read" : "write", bytes, strerror(errno));
        values += b->run;
    } while (box_next(b));
    return SCRY_OK;
}

scry_status scry_cfl_read(scry_cfl *f, const size_t *start, const size_t *count, float complex *out,
                          scry_error *err)
{
    struct box b;
    const scry_status st = box_init(&b, f->header.dims, start, count, f->path, err);
    return st == SCRY_OK ? move_box(f->fd, true, f->path, &b, out, err) : st;
}

/* ---- writing ---- */

struct scry_cfl_writer {
    int fd;
    char *path; /* of the values */
    scryi_atomic_file values, header;
    size_t dims[SCRY_CFL_RANK];
};

static scry_status cfl_write_header(const scry_cfl_writer *w, scry_error *err)
{
    FILE *f = fopen(w->header.temp, "w");
    if (!f) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->header.path, strerror(errno));
    bool good = fprintf(f, "# Dimensions\n") > 0;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        good = fprintf(f, "%zu ", w->dims[d]) > 0 && good;
    good = fprintf(f, "\n# Creator\nscry %s\n", SCRY_VERSION) > 0 && good;
    if (fclose(f) || !good)
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->header.path, strerror(errno));
    return SCRY_OK;
}

/* The size is set at once: a full disk shows here or in the writes, and gaps read as 0. */
static scry_status open_values(scry_cfl_writer *w, size_t bytes, scry_error *err)
{
    w->fd = open(w->values.temp, O_WRONLY | O_CLOEXEC);
    if (w->fd < 0 || ftruncate(w->fd, (off_t)bytes))
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->path, strerror(errno));
    return SCRY_OK;
}

static scry_status check_dims(const char *path, const size_t *dims, size_t *bytes, scry_error *err)
{
    char text[400];
    *bytes = sizeof(float complex);
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        if (!dims[d] || !scry_mul(bytes, *bytes, dims[d]) || *bytes > PTRDIFF_MAX)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s: dimensions %s, expected from 1 on and what a "
                             "file can hold",
                             path, scry_cfl_print(dims, text, sizeof text));
    return SCRY_OK;
}

scry_status scry_cfl_create(scry_cfl_writer **out, const char *path, const size_t *dims,
                            scry_error *err)
{
    size_t bytes;
    char *header = NULL;
    *out = NULL;
    scry_status st = check_dims(path, dims, &bytes, err);
    if (st != SCRY_OK) return st;
    scry_cfl_writer *w = scry_alloc(1, sizeof *w);
    if (!w) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", path);
    w->fd = -1;
    memcpy(w->dims, dims, sizeof w->dims);
    header = cfl_name_of(path, ".hdr");
    w->path = cfl_name_of(path, ".cfl");
    if (!header || !w->path) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: names of its files", path);
        goto done;
    }
    if ((st = scryi_atomic_file_create(&w->values, w->path, ".cfl", err)) != SCRY_OK) goto done;
    if ((st = scryi_atomic_file_create(&w->header, header, ".hdr", err)) != SCRY_OK) goto done;
    if ((st = open_values(w, bytes, err)) != SCRY_OK) goto done;
    *out = w;
    w = NULL;
done:
    scry_free(header);
    scry_cfl_finish(w, false, NULL);
    return st;
}

scry_status scry_cfl_write(scry_cfl_writer *w, const size_t *start, const size_t *count,
                           const float complex *in, scry_error *err)
{
    struct box b;
    const scry_status st = box_init(&b, w->dims, start, count, w->path, err);
    /* move_box only reads from memory that it writes to a file */
    return st == SCRY_OK ? move_box(w->fd, false, w->path, &b, (float complex *)in, err) : st;
}

scry_status scry_cfl_finish(scry_cfl_writer *w, bool commit, scry_error *err)
{
    scry_status st = SCRY_OK;
    if (!w) return SCRY_OK;
    if (w->fd >= 0 && close(w->fd) && commit)
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->path, strerror(errno));
    if (commit && st == SCRY_OK) st = cfl_write_header(w, err);
    if (commit && st == SCRY_OK) st = scryi_atomic_file_commit(&w->values, err);
    if (commit && st == SCRY_OK) st = scryi_atomic_file_commit(&w->header, err);
    scryi_atomic_file_abandon(&w->values);
    scryi_atomic_file_abandon(&w->header);
    scry_free(w->path);
    scry_free(w);
    return st;
}
