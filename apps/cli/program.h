#ifndef SCRY_APPS_CLI_PROGRAM_H
#define SCRY_APPS_CLI_PROGRAM_H

/* The behaviour of every command as a process, in one place: signals end it soon and leave nothing
 * half-written, its printed text is known to be written, and its exit status says how it ended. */

/* To be called first. Descriptors 0 to 2 are open from here on, so that no output file takes the
 * place of one that the caller had closed. SIGINT, SIGTERM, SIGHUP, SIGXCPU and SIGXFSZ
 * (a file grew beyond the limit: the write then fails with EFBIG) set the flag of lib/cancel.h; the
 * latter two not where the caller ignores them, as nohup does. A command that has not returned
 * PROGRAM_GRACE seconds later, or is signalled a second time by SIGINT or SIGTERM, ends there and
 * then: temporary files are removed. */
void program_begin(void);

#define PROGRAM_GRACE 1.5 /* seconds: with the time to notice, a run ends within 2 */

/* Between them the grace has no end: files of one result are being put in place, which is short. */
void program_hold(void);
void program_release(void);

/* The command was stopped, and has kept and reported its results so far: program_end does not say
 * that outputs are missing. */
void program_kept(void);

/* The exit status of a command that returned `status`, after its printed text was written: 1 and a
 * line on stderr where stdout did not take all of it. 128 + the number of the signal where one
 * stopped the command (130 for SIGINT, 143 for SIGTERM), with a line that says so; a command that
 * was done all the same keeps its 0. command: its name; NULL: none was chosen. */
int program_end(const char *command, int status);

#endif
