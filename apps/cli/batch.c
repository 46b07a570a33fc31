#include "apps/cli/batch.h"

#include "apps/cli/image_file.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* Where files go; a folder that is an image, OME-Zarr, is none. */
static bool is_folder_of_files(const char *path)
{
    return is_folder(path) && !scry_zarr_is_name(path);
}

/* The name of a folder may end with a slash, which is left. */
static const char *base_name(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return path + n;
}

static char *batch_join(const char *folder, const char *name)
{
    const size_t n = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n);
    if (path)
        snprintf(path, n, "%s%s%s", folder,
                 folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return path;
}

static bool has_ending(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && !strcasecmp(path + n - m, ending);
}

/* `folder`/name of the input; results are TIFF or OME-Zarr, whatever they were read from. */
static char *output_in(const char *folder, const char *in)
{
    char *path = batch_join(folder, base_name(in));
    if (path && has_ending(path, ".png")) memcpy(path + strlen(path) - 4, ".tif", 4);
    return path;
}

static scry_status batch_add(batch *b, const char *in, const char *out, bool force, scry_error *err)
{
    if (access(in, R_OK))
        return SCRY_FAIL(err, SCRY_EIO, "%s: cannot be read: %s", in, strerror(errno));
    if (is_folder(in) && !scry_zarr_is(in))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is a folder, expected an image", in);
    char *path = b->folder ? output_in(out, in) : strdup(out);
    char *copy = strdup(in);
    batch_file *files = realloc(b->files, (b->count + 1) * sizeof *files);
    if (files) b->files = files;
    if (!path || !copy || !files) {
        free(path);
        free(copy);
        return SCRY_FAIL(err, SCRY_ENOMEM, "list of %zu files", b->count + 1);
    }
    b->files[b->count++] = (batch_file){copy, path};
    if (same_file(in, path)) return SCRY_FAIL(err, SCRY_EINVAL, "%s is both input and output", in);
    if (has_ending(path, ".png") || has_ending(path, ".jpg"))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: results are written as TIFF, expected a name in .tif (or .zarr)",
                         path);
    for (size_t i = 0; i + 1 < b->count; i++)
        if (!strcmp(b->files[i].out, path))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s and %s would both become %s", b->files[i].in, in,
                             path);
    return output_check(path, force, err);
}

static scry_status add_pattern(batch *b, const char *word, const char *out, bool force,
                               scry_error *err)
{
    if (!access(word, F_OK) || !strpbrk(word, "*?[")) return batch_add(b, word, out, force, err);
    glob_t g;
    scry_status st = SCRY_OK;
    if (glob(word, 0, NULL, &g))
        return SCRY_FAIL(err, SCRY_EINVAL, "pattern '%s' matches no file", word);
    for (size_t i = 0; st == SCRY_OK && i < g.gl_pathc; i++)
        st = batch_add(b, g.gl_pathv[i], out, force, err);
    globfree(&g);
    return st;
}

scry_status batch_open(batch *b, const char *const *paths, int count, bool force, scry_error *err)
{
    *b = (batch){0};
    if (count < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "%d file%s given, expected an input and an output",
                         count, count == 1 ? "" : "s");
    const char *out = paths[count - 1];
    const bool slash = *out && out[strlen(out) - 1] == '/' && !scry_zarr_is_name(out);
    b->folder = is_folder_of_files(out);
    if (slash && !b->folder) return SCRY_FAIL(err, SCRY_EIO, "there is no folder %s", out);
    const bool pattern = count == 2 && access(paths[0], F_OK) && strpbrk(paths[0], "*?[");
    if ((count > 2 || pattern) && !b->folder)
        return SCRY_FAIL(err, SCRY_EINVAL, "several inputs, but the output '%s' is not a folder",
                         out);
    scry_status st = SCRY_OK;
    for (int i = 0; st == SCRY_OK && i < count - 1; i++)
        st = add_pattern(b, paths[i], out, force, err);
    if (st != SCRY_OK) batch_free(b);
    return st;
}

void batch_free(batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->files[i].in);
        free(b->files[i].out);
    }
    free(b->files);
    *b = (batch){0};
}

scry_status batch_side(char **path, const batch *b, size_t i, const char *option,
                       const char *ending, bool force, scry_error *err)
{
    char name[512];
    *path = NULL;
    if (b->folder) {
        if (!is_folder_of_files(option))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "'%s' is not a folder, as outputs of several images need", option);
        snprintf(name, sizeof name - 8, "%s", base_name(b->files[i].in));
        name[strcspn(name, "/")] = '\0';
        char *dot = strrchr(name, '.');
        if (!dot) dot = name + strlen(name);
        snprintf(dot, 8, ".%s", ending);
        *path = batch_join(option, name);
    } else {
        *path = strdup(option);
    }
    if (!*path) return SCRY_FAIL(err, SCRY_ENOMEM, "path in %s", option);
    scry_status st = output_check(*path, force, err);
    const char *const inputs[] = {b->files[i].in, b->also[0], b->also[1]};
    if (st == SCRY_OK) st = output_no_input(*path, inputs, 3, err);
    if (st == SCRY_OK && same_file(*path, b->files[i].out))
        st = SCRY_FAIL(err, SCRY_EINVAL, "%s is named for two outputs", *path);
    if (st != SCRY_OK) {
        free(*path);
        *path = NULL;
    }
    return st;
}
