#include "apps/cli/outputs.h"

#include "lib/io/zarr/zarr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool folder_exists(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

static const char *outputs_kind(mode_t mode)
{
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISBLK(mode) || S_ISCHR(mode) ? "a device"
           : S_ISFIFO(mode)                 ? "a FIFO"
           : S_ISSOCK(mode)                 ? "a socket"
                                            : "no regular file";
}

scry_status output_check(const char *path, bool force, scry_error *err)
{
    struct stat s;
    const bool there = !stat(path, &s);
    const bool image = there && S_ISDIR(s.st_mode) && scry_zarr_is_name(path);
    if (!*path)
        return SCRY_FAIL(err, SCRY_EINVAL, "'' is not a name, expected that of a file to write");
    if (image && !scry_zarr_is(path))
        return SCRY_FAIL(err, SCRY_EINVAL, "'%s' is a folder, and no OME-Zarr that can be replaced",
                         path);
    if (there && !S_ISREG(s.st_mode) && !image)
        return SCRY_FAIL(err, SCRY_EINVAL, "'%s' is %s, expected the name of a file", path,
                         outputs_kind(s.st_mode));
    if (!there && !lstat(path, &s))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "'%s' is a link to a file that is not there, expected the name of a file",
                         path);
    if (there && !force) return SCRY_FAIL(err, SCRY_EIO, "%s exists; --force replaces it", path);
    char *folder = strdup(path);
    if (!folder) return SCRY_FAIL(err, SCRY_ENOMEM, "path %s", path);
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = '\0'; /* that of a folder, OME-Zarr */
    char *slash = strrchr(folder, '/');
    if (slash) *(slash == folder ? slash + 1 : slash) = '\0';
    const bool good = !slash || folder_exists(folder);
    if (!good) SCRY_FAIL(err, SCRY_EIO, "%s: there is no folder %s", path, folder);
    free(folder);
    return good ? SCRY_OK : SCRY_EIO;
}

bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    size_t n = strlen(a), m = strlen(b);
    if (!stat(a, &sa) && !stat(b, &sb)) return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
    for (; n > 2 && a[0] == '.' && a[1] == '/'; n -= 2)
        a += 2;
    for (; m > 2 && b[0] == '.' && b[1] == '/'; m -= 2)
        b += 2;
    while (n > 1 && a[n - 1] == '/')
        n--;
    while (m > 1 && b[m - 1] == '/')
        m--;
    return n == m && !strncmp(a, b, n);
}

scry_status output_no_input(const char *path, const char *const *inputs, size_t count,
                            scry_error *err)
{
    for (size_t k = 0; k < count; k++)
        if (inputs[k] && *inputs[k] && same_file(path, inputs[k]))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s is both input and output, expected another name to write", path);
    return SCRY_OK;
}

scry_status outputs_distinct(const output_names *names, scry_error *err)
{
    scry_status st = SCRY_OK;
    for (size_t i = 0; i < names->output_count && st == SCRY_OK; i++) {
        const char *path = names->outputs[i];
        if (!path || !*path) continue;
        st = output_no_input(path, names->inputs, names->input_count, err);
        for (size_t j = 0; j < i && st == SCRY_OK; j++)
            if (names->outputs[j] && *names->outputs[j] && same_file(path, names->outputs[j]))
                st = SCRY_FAIL(err, SCRY_EINVAL,
                               "%s is named for two outputs, expected a name for each", path);
    }
    return st;
}

scry_status outputs_check(const output_names *names, bool force, scry_error *err)
{
    scry_status st = outputs_distinct(names, err);
    for (size_t i = 0; i < names->output_count && st == SCRY_OK; i++)
        if (names->outputs[i] && *names->outputs[i])
            st = output_check(names->outputs[i], force, err);
    return st;
}
