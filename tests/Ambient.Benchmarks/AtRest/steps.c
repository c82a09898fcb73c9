// steps PID SECONDS: runs all threads of a process, and those that it starts, instruction by instruction and prints where each distinct one was, as an offset into the
// program's own file in memory. The process ends with it. For at-rest.sh.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void on_alarm(int signal) { over = 1; }

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: steps PID SECONDS\n");
        return 2;
    }

    char path[64], program[4096], line[8192];
    snprintf(path, sizeof path, "/proc/%s/exe", arguments[1]);
    ssize_t length = readlink(path, program, sizeof program - 1);
    if (length < 0) {
        perror(path);
        return 1;
    }

    program[length] = 0;
    unsigned long first = 0, last = 0, from, to;
    snprintf(path, sizeof path, "/proc/%s/maps", arguments[1]);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (strstr(line, program) && sscanf(line, "%lx-%lx", &from, &to) == 2) {
            first = first ? first : from;
            last = to;
        }
    }

    snprintf(path, sizeof path, "/proc/%s/task", arguments[1]);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        int thread = atoi(task->d_name);
        if (thread && (ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACECLONE) || ptrace(PTRACE_INTERRUPT, thread, 0, 0))) {
            perror("ptrace");
            return 1;
        }
    }

    unsigned char *seen = calloc(1, last - first);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    alarm(atoi(arguments[2]));
    while (!over) {
        int status, thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == ECHILD) {
            break;
        }

        if (thread < 0 || !WIFSTOPPED(status)) {
            continue;
        }

        struct user_regs_struct registers;
        struct iovec buffer = {&registers, sizeof registers};
        if (!ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &buffer) && registers.rip >= first && registers.rip < last) {
            seen[registers.rip - first] = 1;
        }

        int signal = WSTOPSIG(status);
        ptrace(PTRACE_SINGLESTEP, thread, 0, signal == SIGTRAP || status >> 16 ? 0 : signal);
    }

    for (unsigned long i = 0; i < last - first; i++) {
        if (seen[i]) {
            printf("%lx\n", i);
        }
    }

    kill(atoi(arguments[1]), SIGKILL);
    return 0;
}
