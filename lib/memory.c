#include "lib/memory.h"
#include "lib/memory_watch.h"

#include "lib/space.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static atomic_size_t live;
static atomic_size_t countdown;
static _Thread_local size_t asked;

static int memory_refuse(void)
{
    size_t left = atomic_load(&countdown);
    while (left)
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) return left == 1;
    return 0;
}

size_t scry_align_up(size_t bytes)
{
    return (bytes + SCRY_ALIGN - 1) / SCRY_ALIGN * SCRY_ALIGN;
}

void *scry_alloc(size_t count, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (!scry_mul(&bytes, count, size) || bytes > PTRDIFF_MAX - SCRY_ALIGN || memory_refuse())
        return NULL;
    bytes = scry_align_up(bytes ? bytes : 1);
    if (posix_memalign(&p, SCRY_ALIGN, bytes)) return NULL;
    memset(p, 0, bytes);
    atomic_fetch_add(&live, 1);
    asked += bytes;
    return p;
}

void scry_free(void *p)
{
    if (!p) return;
    atomic_fetch_sub(&live, 1);
    free(p);
}

void *scry_copy(const void *src, size_t bytes)
{
    void *p = scry_alloc(1, bytes);
    if (p && bytes) memcpy(p, src, bytes);
    return p;
}

bool scryi_memory_grow(void *list, size_t *capacity, size_t count, size_t size)
{
    enum { FIRST = 16 };
    void *old = NULL, *now;
    if (count < *capacity) return true;
    const size_t want = *capacity ? 2 * *capacity : FIRST;
    if (!(now = scry_alloc(want, size))) return false;
    memcpy(&old, list, sizeof old);
    if (count) memcpy(now, old, count * size);
    scry_free(old);
    memcpy(list, &now, sizeof now);
    *capacity = want;
    return true;
}

size_t scry_memory_live(void)
{
    return atomic_load(&live);
}

size_t scry_memory_requested(void)
{
    return asked;
}

void scry_memory_fail_at(size_t nth)
{
    atomic_store(&countdown, nth);
}

size_t scry_memory_peak(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage)) return 0;
    return (size_t)usage.ru_maxrss * 1024; /* Linux counts kibibytes */
}

/* Memory that the group of processes may take (cgroup v2, as of a container); 0: no bound. */
static size_t group_limit(void)
{
    unsigned long long bytes = 0;
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "r");
    if (f && fscanf(f, "%llu", &bytes) != 1) bytes = 0; /* "max" */
    if (f) fclose(f);
    return (size_t)bytes;
}

size_t scry_memory_total(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    const size_t group = group_limit();
    struct rlimit space;
    size_t total = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : 0;
    if (group && (!total || group < total)) total = group;
    if (!getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY &&
        (!total || space.rlim_cur < total))
        total = (size_t)space.rlim_cur;
    return total;
}

/* The number after `name` in a file of lines "name: number"; 0: none. */
static double number_of(const char *path, const char *format)
{
    char line[256];
    double value = 0;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, format, &value) == 1) break;
    if (f) fclose(f);
    return value;
}

size_t scry_memory_available(void)
{
    const size_t total = scry_memory_total();
    const double kib = number_of("/proc/meminfo", "MemAvailable: %lf");
    const double own = number_of("/proc/self/status", "VmRSS: %lf");
    const size_t free = (size_t)(1024 * (kib + own));
    return kib > 0 && (!total || free < total) ? free : total;
}
