#include "apps/cli/program.h"
#include "lib/cancel.h"
#include "lib/temp_file.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* A command that does not stop when a signal asks it to: usage: stubborn FILE [hold]. It begins
 * FILE and goes on for a minute; with `hold` it asks for more time, until it has printed "held". */
int main(int argc, char **argv)
{
    char *temp;
    const struct timespec nap = {.tv_nsec = 50000000};
    const bool hold = argc > 2 && !strcmp(argv[2], "hold");
    program_begin();
    if (hold) program_hold();
    if (argc < 2 || scry_temp_file_create(&temp, NULL, argv[1], "", NULL) != SCRY_OK) return 2;
    for (int k = 0, after = 0; k < 1200; k++) {
        nanosleep(&nap, NULL);
        after += scry_cancelled();
        if (hold && after == 80) { /* twice the grace and more */
            printf("held\n");
            fflush(stdout);
            program_release();
        }
    }
    return program_end("stubborn", 0);
}
