#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Feeds each file of a folder, and then each of its prefixes and single-byte changes in steps, to
 * the fuzz target it is linked with: a short deterministic stand-in for a fuzzer. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1 << 20, CHANGES = 400 };

static void replay(const uint8_t *data, size_t size)
{
    LLVMFuzzerTestOneInput(data, size);
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    for (size_t i = 0; i < CHANGES && size; i++) {
        const size_t at = size < CHANGES ? i % size : i * size / CHANGES;
        memcpy(copy, data, size);
        LLVMFuzzerTestOneInput(copy, at);
        copy[at] = (uint8_t)(copy[at] ^ (1 + 37 * i));
        LLVMFuzzerTestOneInput(copy, size);
    }
    free(copy);
}

int main(int argc, char **argv)
{
    size_t files = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    uint8_t *data = malloc(LIMIT);
    if (!folder || !data) {
        fprintf(stderr, "usage: %s corpus-folder\n", argv[0]);
        return 2;
    }
    for (struct dirent *e; (e = readdir(folder));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        FILE *file = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file) continue;
        replay(data, fread(data, 1, LIMIT, file));
        fclose(file);
        files++;
    }
    closedir(folder);
    free(data);
    printf("%zu files replayed\n", files);
    return files ? 0 : 1;
}
