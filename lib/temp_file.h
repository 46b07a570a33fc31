#ifndef SCRY_LIB_TEMP_FILE_H
#define SCRY_LIB_TEMP_FILE_H

#include "lib/status.h"

#include <stddef.h>

/* Files under a temporary name beside their target. The name says whose it is: of which machine,
 * boot, PID namespace and process, and when that process started, so that a number which another
 * process has by now does not count as alive. Folders may be shared between machines: a file that
 * cannot be attributed to a dead process for certain is left alone. */

/* Makes an empty file with the mode that the umask gives, whose name ends like `ending` ("" or
 * ".nii.gz": libraries look at endings), in the folder of `path`, open for reading and writing in
 * *fd (fd NULL: closed). Before the first one in a folder, files there of dead processes are
 * removed. *temp is to be handed to one of the two below.
 * errors  EIO: cannot write there; ENOMEM */
scry_status scry_temp_file_create(char **temp, int *fd, const char *path, const char *ending,
                                  scry_error *err);
/* The same for an empty folder. */
scry_status scry_temp_folder_create(char **temp, const char *path, scry_error *err);
void scry_temp_file_forget(char *temp); /* it has its own name now; accepts NULL */
void scry_temp_file_remove(char *temp); /* a folder with all that is in it; accepts NULL */

/* Removes all of this process's that are neither forgotten nor removed. For the end of the process:
 * may be called from a signal handler, while other threads write them. */
void scry_temp_file_remove_all(void);

/* Removes temporary files and folders in a folder whose process is dead: one of this machine which
 * is no more, or was before the machine's last start. Returns how many. Does not touch other names,
 * links, devices, and files of other machines or PID namespaces (containers). */
size_t scry_temp_file_sweep(const char *folder);

#endif
