#define _DEFAULT_SOURCE /* syscall */

#include "lib/temp_file.h"

#include "lib/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- this process's, for the end ---- */

enum { MOST_LISTED = 64 }; /* more at a time are left for the next run's sweep */

/* The code that takes an entry out owns its text. Text that a handler took is never freed. */
static _Atomic(char *) listed[MOST_LISTED];
static atomic_bool at_end; /* a handler has begun to take */

static void list_temp(char *temp)
{
    for (size_t i = 0; i < MOST_LISTED; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&listed[i], &none, temp)) return;
    }
}

static void unlist_temp(char *temp)
{
    for (size_t i = 0; i < MOST_LISTED; i++) {
        char *it = temp;
        if (atomic_compare_exchange_strong(&listed[i], &it, NULL)) break;
    }
    if (!atomic_load(&at_end)) scry_free(temp);
}

/* As the system writes it (getdents64). */
struct raw_entry {
    uint64_t number;
    int64_t next;
    unsigned short length;
    unsigned char type;
    char name[];
};

enum { DEEPEST = 16 }; /* folders in folders: those of a zarr array have 7 */

/* A file, or a folder with all that is in it, for signal handlers too: readdir allocates, so that
 * the system is asked itself. */
static bool remove_tree(int at, const char *name, int depth)
{
    _Alignas(struct raw_entry) char entries[1024];
    if (!unlinkat(at, name, 0)) return true;
    const int fd =
        depth < DEEPEST ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0) return false;
    for (long n; (n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0;)
        for (long i = 0; i < n;) {
            const struct raw_entry *e = (const struct raw_entry *)(entries + i);
            if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
                remove_tree(fd, e->name, depth + 1);
            i += e->length;
        }
    close(fd);
    return !unlinkat(at, name, AT_REMOVEDIR);
}

void scry_temp_file_forget(char *temp)
{
    if (temp) unlist_temp(temp);
}

void scry_temp_file_remove(char *temp)
{
    if (!temp) return;
    remove_tree(AT_FDCWD, temp, 0);
    unlist_temp(temp);
}

void scry_temp_file_remove_all(void)
{
    atomic_store(&at_end, true);
    for (size_t i = 0; i < MOST_LISTED; i++) {
        const char *temp = atomic_exchange(&listed[i], NULL);
        if (temp) remove_tree(AT_FDCWD, temp, 0);
    }
}

/* ---- whose a file is ---- */

/* The owner of a temporary file; 0: the system does not say. */
struct owner {
    unsigned machine, boot;
    unsigned long long space, start; /* PID namespace; clock ticks after the boot */
    long pid;
};

/* FNV-1a over n bytes, going on from h. */
static unsigned hash_bytes(unsigned h, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)bytes[i]) * 16777619u;
    return h;
}

static size_t read_head(char *to, size_t size, const char *path)
{
    FILE *f = fopen(path, "r");
    const size_t n = f ? fread(to, 1, size - 1, f) : 0;
    if (f) fclose(f);
    to[n] = '\0';
    return n;
}

/* Field 22 of /proc/PID/stat; the name of the program before it may hold blanks and parentheses. */
static unsigned long long start_of(long pid)
{
    char path[64], text[1024];
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_head(text, sizeof text, path);
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at) sscanf(at, "%llu", &start);
    return start;
}

static struct owner this_process(void)
{
    struct owner o = {.pid = (long)getpid()};
    struct stat space;
    char text[256], host[256] = "";
    const size_t n = read_head(text, sizeof text, "/etc/machine-id");
    gethostname(host, sizeof host - 1);
    o.machine = hash_bytes(hash_bytes(2166136261u, text, n), host, strlen(host));
    const size_t m = read_head(text, sizeof text, "/proc/sys/kernel/random/boot_id");
    if (m) o.boot = hash_bytes(2166136261u, text, m);
    if (!stat("/proc/self/ns/pid", &space)) o.space = (unsigned long long)space.st_ino;
    o.start = start_of(o.pid);
    return o;
}

static bool is_dead(const struct owner *o, const struct owner *me)
{
    if (!o->boot || !o->space || !o->start || !me->boot || !me->space) return false;
    if (o->machine != me->machine) return false;
    if (o->boot != me->boot) return true; /* the machine was started anew since */
    if (o->space != me->space || o->pid <= 0) return false;
    if (kill((pid_t)o->pid, 0) && errno == ESRCH) return true;
    const unsigned long long start = start_of(o->pid);
    return start && start != o->start;
}

/* ".name.scry-MACHINE-BOOT-SPACE-PID-START-N.part" and an ending */
static bool parse_name(struct owner *o, const char *name)
{
    const char *at = NULL, *next = name;
    unsigned number;
    int end = 0;
    while ((next = strstr(next, ".scry-")))
        at = next++;
    if (*name != '.' || !at) return false;
    const int found = sscanf(at, ".scry-%8x-%8x-%llx-%ld-%llu-%u.part%n", &o->machine, &o->boot,
                             &o->space, &o->pid, &o->start, &number, &end);
    return found == 6 && end;
}

size_t scry_temp_file_sweep(const char *folder)
{
    const struct owner me = this_process();
    size_t removed = 0;
    DIR *d = opendir(folder);
    if (!d) return 0;
    for (const struct dirent *e; (e = readdir(d));) {
        struct owner o;
        struct stat info;
        if (!parse_name(&o, e->d_name) || !is_dead(&o, &me)) continue;
        if (fstatat(dirfd(d), e->d_name, &info, AT_SYMLINK_NOFOLLOW)) continue;
        if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
            removed += remove_tree(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return removed;
}

/* Each folder once, as long as there are few. */
static void sweep_once(const char *path, int length)
{
    enum { FOLDERS = 16 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        dev_t device;
        ino_t number;
    } seen[FOLDERS];
    static size_t count;
    struct stat info;
    char *folder = scry_alloc(1, (size_t)length + 2);
    if (!folder) return;
    memcpy(folder, length ? path : ".", length ? (size_t)length : 1);
    pthread_mutex_lock(&lock);
    bool done = stat(folder, &info) != 0;
    for (size_t i = 0; i < FOLDERS && i < count; i++)
        done = done || (seen[i].device == info.st_dev && seen[i].number == info.st_ino);
    if (!done) {
        seen[count % FOLDERS].device = info.st_dev;
        seen[count++ % FOLDERS].number = info.st_ino;
        scry_temp_file_sweep(folder);
    }
    pthread_mutex_unlock(&lock);
    scry_free(folder);
}

/* ---- making one ---- */

/* Bytes of the name that a temporary name has room for (255 in all), cut between characters of
 * UTF-8. */
static int cut_name(const char *name)
{
    int n = (int)strnlen(name, 96);
    while (n == 96 && n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* fd NULL: a folder, else a file, open in *fd. */
static scry_status create_temp(char **temp, int *fd, const char *path, const char *ending,
                               scry_error *err)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash - path) + 1 : 0;
    const size_t size = (size_t)folder + 256 + strlen(ending);
    const struct owner me = this_process();
    bool made = false;
    char *name = scry_alloc(1, size);
    *temp = NULL;
    if (!name) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of a temporary file", path);
    sweep_once(path, folder);
    /* not mkstemp: it would leave the file readable by its owner only, against the user's umask */
    for (unsigned i = 0; i < 10000 && !made; i++) {
        snprintf(name, size, "%.*s.%.*s.scry-%08x-%08x-%llx-%ld-%llu-%u.part%s", folder, path,
                 cut_name(path + folder), path + folder, me.machine, me.boot, me.space, me.pid,
                 me.start, i, ending);
        if (fd)
            made = (*fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) >= 0;
        else
            made = !mkdir(name, 0777);
        if (!made && errno != EEXIST) break;
    }
    if (!made) {
        const int reason = errno;
        scry_free(name);
        return SCRY_FAIL(err, SCRY_EIO, "%s: cannot write there: %s", path, strerror(reason));
    }
    list_temp(name);
    *temp = name;
    return SCRY_OK;
}

scry_status scry_temp_file_create(char **temp, int *fd, const char *path, const char *ending,
                                  scry_error *err)
{
    int file = -1;
    const scry_status st = create_temp(temp, &file, path, ending, err);
    if (fd)
        *fd = file;
    else if (file >= 0)
        close(file);
    return st;
}

scry_status scry_temp_folder_create(char **temp, const char *path, scry_error *err)
{
    return create_temp(temp, NULL, path, "", err);
}
