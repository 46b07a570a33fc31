#include "apps/cli/ranks.h"

#include <stdlib.h>

#ifdef SCRY_HAVE_MPI
#include <mpi.h>

/* One message of MPI counts its entries in an int. */
enum { MOST = 1 << 28 };

static int rank, size = 1;

void ranks_begin(int *argc, char ***argv)
{
    /* Starting MPI takes a good part of a second: only where a launcher is there to talk to. */
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE") && !getenv("PMIX_RANK")) return;
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
}

void ranks_end(void)
{
    int begun;
    MPI_Initialized(&begun);
    if (begun) MPI_Finalize();
}

int ranks_rank(void)
{
    return rank;
}

int ranks_size(void)
{
    return size;
}

static void reduce(void *data, size_t n, size_t width, MPI_Datatype type, MPI_Op op)
{
    char *at = data;
    for (size_t i = 0; size > 1 && i < n; i += MOST, at += MOST * width) {
        const int count = (int)(n - i < MOST ? n - i : MOST);
        MPI_Reduce(rank ? at : MPI_IN_PLACE, at, count, type, op, 0, MPI_COMM_WORLD);
    }
}

void ranks_sum(float *values, size_t n)
{
    reduce(values, n, sizeof *values, MPI_FLOAT, MPI_SUM);
}

void ranks_merge(void *records, size_t bytes)
{
    reduce(records, bytes, 1, MPI_BYTE, MPI_BOR);
}

scry_status ranks_worst(scry_status mine)
{
    int status = (int)mine;
    if (size > 1) MPI_Allreduce(MPI_IN_PLACE, &status, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return (scry_status)status;
}

#else

void ranks_begin(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
}

void ranks_end(void)
{
}

int ranks_rank(void)
{
    return 0;
}

int ranks_size(void)
{
    return 1;
}

void ranks_sum(float *values, size_t n)
{
    (void)values;
    (void)n;
}

void ranks_merge(void *records, size_t bytes)
{
    (void)records;
    (void)bytes;
}

scry_status ranks_worst(scry_status mine)
{
    return mine;
}

#endif
