#define _XOPEN_SOURCE 700 /* sigaltstack */
#include "apps/cli/program.h"

#include "apps/cli/cli.h"
#include "lib/cancel.h"
#include "lib/temp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
} program_signals[] = {{SIGINT, "SIGINT"},
                       {SIGTERM, "SIGTERM"},
                       {SIGHUP, "SIGHUP"},
                       {SIGXCPU, "SIGXCPU: the processor time allowed is used up (ulimit -t)"},
                       {SIGXFSZ, "SIGXFSZ: a file would have grown beyond the limit (ulimit -f)"}};

static volatile sig_atomic_t stopped_by; /* number of the first signal; 0: none came */
static volatile sig_atomic_t holds;
static bool kept;
static timer_t deadline;
static bool has_deadline;

/* ---- in signal handlers ---- */

static void leave_now(void)
{
    static const char text[] = "\nscry: stopped at once; unfinished outputs were removed\n";
    scry_temp_file_remove_all();
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(128 + stopped_by);
    _exit(128 + stopped_by);
}

static void arm_deadline(void)
{
    const double whole = (double)(time_t)PROGRAM_GRACE;
    const struct itimerspec grace = {
        .it_value = {(time_t)whole, (long)((PROGRAM_GRACE - whole) * 1e9)}};
    if (has_deadline) timer_settime(deadline, 0, &grace, NULL);
}

static void on_deadline(int number)
{
    (void)number;
    const int saved = errno;
    if (!holds) leave_now();
    arm_deadline();
    errno = saved;
}

/* A file that is too large raises SIGXFSZ at every write, and a service manager may send SIGHUP
 * right after SIGTERM: only who asks twice wants it at once. */
static void on_signal(int number)
{
    const int saved = errno;
    if (!stopped_by) {
        stopped_by = number;
        scry_cancel();
        arm_deadline();
    } else if (number == SIGINT || number == SIGTERM) {
        leave_now();
    }
    errno = saved;
}

/* ---- for main and commands ---- */

static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) != -1) continue;
        /* the lowest free number, which is fd; printing to stdout fails, and is reported */
        if (open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) return;
    }
}

/* Handlers get a stack of their own: kernels that oneDNN generates keep other things than a stack
 * in its register, and a signal that arrived there would write its frame over the heap. */
static void give_handlers_a_stack(void)
{
    static char stack_bytes[1 << 16]; /* a frame with AVX-512 and AMX registers takes 11 KiB */
    const stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes};
    sigaltstack(&stack, NULL);
}

void program_begin(void)
{
    struct sigaction action = {.sa_handler = on_deadline, .sa_flags = SA_ONSTACK}, before;
    give_handlers_a_stack();
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    open_standard_descriptors();
    has_deadline = !timer_create(CLOCK_MONOTONIC, &event, &deadline);
    sigaction(SIGALRM, &action, NULL);
    action.sa_handler = on_signal;
    for (size_t i = 0; i < sizeof program_signals / sizeof *program_signals; i++) {
        const int number = program_signals[i].number;
        const bool may_be_ignored = number == SIGHUP || number == SIGXFSZ;
        if (may_be_ignored && !sigaction(number, NULL, &before) && before.sa_handler == SIG_IGN)
            continue;
        sigaction(number, &action, NULL);
    }
}

void program_hold(void)
{
    holds++;
}

void program_release(void)
{
    holds--;
}

void program_kept(void)
{
    kept = true;
}

/* errno of the first failure since the start; 0: all is written. */
static int close_stdout(void)
{
    const bool failed = ferror(stdout) != 0;
    errno = 0;
    int reason = fflush(stdout) ? errno : failed ? EIO : 0;
    if (fclose(stdout) && !reason) reason = errno;
    return reason;
}

int program_end(const char *command, int status)
{
    const int reason = close_stdout();
    const char *gap = command ? " " : "";
    if (!command) command = "";
    if (reason) {
        fprintf(stderr, "scry%s%s: standard output: %s\n", gap, command, strerror(reason));
        if (status == CLI_OK) status = CLI_FAILED;
    }
    if (!stopped_by || status == CLI_OK) return status;
    for (size_t i = 0; i < sizeof program_signals / sizeof *program_signals; i++)
        if (program_signals[i].number == stopped_by)
            fprintf(stderr, "scry%s%s: interrupted by %s%s\n", gap, command,
                    program_signals[i].name, kept ? "" : "; unfinished outputs were not written");
    return 128 + stopped_by;
}
