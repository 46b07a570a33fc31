#include "apps/cli/processes.h"

#include <stdlib.h>

#ifdef SCRY_HAVE_MPI
#include <mpi.h>

/* One message of MPI counts its entries in an int. */
enum { MAX_COUNT = 1 << 28 };

static int rank, size = 1;

void processes_begin(int *argc, char ***argv)
{
    /* Starting MPI takes a good part of a second: only where a launcher is there to talk to. */
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE") && !getenv("PMIX_RANK")) return;
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
}

void processes_end(void)
{
    int begun;
    MPI_Initialized(&begun);
    if (begun) MPI_Finalize();
}

int processes_rank(void)
{
    return rank;
}

int processes_count(void)
{
    return size;
}

static void processes_reduce(void *data, size_t n, size_t width, MPI_Datatype type, MPI_Op op)
{
    char *at = data;
    for (size_t i = 0; size > 1 && i < n; i += MAX_COUNT, at += MAX_COUNT * width) {
        const int count = (int)(n - i < MAX_COUNT ? n - i : MAX_COUNT);
        MPI_Reduce(rank ? at : MPI_IN_PLACE, at, count, type, op, 0, MPI_COMM_WORLD);
    }
}

void processes_sum(float *values, size_t n)
{
    processes_reduce(values, n, sizeof *values, MPI_FLOAT, MPI_SUM);
}

void processes_merge(void *records, size_t bytes)
{
    processes_reduce(records, bytes, 1, MPI_BYTE, MPI_BOR);
}

void processes_share(void *data, size_t bytes, size_t root)
{
    char *at = data;
    for (size_t i = 0; size > 1 && i < bytes; i += MAX_COUNT) {
        const int count = (int)(bytes - i < MAX_COUNT ? bytes - i : MAX_COUNT);
        MPI_Bcast(at + i, count, MPI_BYTE, (int)root, MPI_COMM_WORLD);
    }
}

scry_status processes_worst(scry_status mine)
{
    int status = (int)mine;
    if (size > 1) MPI_Allreduce(MPI_IN_PLACE, &status, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return (scry_status)status;
}

#else

void processes_begin(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
}

void processes_end(void)
{
}

int processes_rank(void)
{
    return 0;
}

int processes_count(void)
{
    return 1;
}

void processes_sum(float *values, size_t n)
{
    (void)values;
    (void)n;
}

void processes_merge(void *records, size_t bytes)
{
    (void)records;
    (void)bytes;
}

void processes_share(void *data, size_t bytes, size_t root)
{
    (void)data;
    (void)bytes;
    (void)root;
}

scry_status processes_worst(scry_status mine)
{
    return mine;
}

#endif
