/* Runs one container, or one command in a container.
 *
 *   pod run OPTION... -- COMMAND...    starts a container and stays its parent: writes its log and its exit code,
 *                                      passes signals on, serves `attach`. Outlives the kubelet's stand-in.
 *   pod exec OPTION... -- COMMAND...   runs a command in a container's namespaces for the client at descriptor 0.
 *
 * The environment is the container's own. Descriptor 3 is a pipe to the kubelet: `pid N`, or the text of an error.
 * In the folder of `run`: ATTEMPT.pid (runner, container, start in ns), ATTEMPT.log (CRI format), ATTEMPT.exit (exit
 * code, signal or 0, end in ns). The container is process 1 of its own PID namespace, as under containerd.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef PR_CAPBSET_DROP
#define PR_CAPBSET_DROP 24
#endif
#define CLONE_PIDFD_FLAG 0x1000ULL
#define CLONE_INTO_CGROUP_FLAG 0x200000000ULL
#define REPORT 3

static int failure_pipe = -1;

#include "rootfs.h"
#include "session.h"

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vdprintf(failure_pipe, format, arguments);
    _exit(127);
}

struct options {
    const char *folder, *attempt, *socket, *netns, *pidns, *ipcns, *utsns, *hostname, *directory, *cgroup;
    int pid, uid, gid, tty, keep_stdin, wants, no_new_privileges;
    uint64_t capabilities;
    char **command;
    struct root root;
};

static void usage(const char *what) {
    dprintf(REPORT, "error pod: %s", what);
    exit(2);
}

static struct options parse(char **words) {
    struct options options = {.attempt = "0", .directory = "/", .uid = -1, .gid = -1, .root.size = "256m"};
    for (; *words; words++) {
        const char *word = *words;
        if (!strcmp(word, "--")) {
            options.command = words + 1;
            if (!*options.command)
                usage("no command");
            return options;
        }
        if (!strcmp(word, "--tty")) {
            options.tty = 1;
        } else if (!strcmp(word, "--stdin")) {
            options.keep_stdin = 1;
        } else if (!strcmp(word, "--stdin-once")) {
            session.stdin_once = 1;
        } else if (!strcmp(word, "--user-namespace")) {
            options.root.user_namespace = 1;
        } else if (!strcmp(word, "--read-only")) {
            options.root.read_only = 1;
        } else if (!strcmp(word, "--no-new-privileges")) {
            options.no_new_privileges = 1;
        } else if (!words[1]) {
            usage("an option lacks its value");
        } else if (!strcmp(word, "--bind") || !strcmp(word, "--bind-ro")) {
            if (options.root.bind_count == MAX_PATHS || !words[2])
                usage("too many binds");
            options.root.binds[options.root.bind_count++] =
                (struct bind){words[1], words[2], !strcmp(word, "--bind-ro")};
            words += 2;
        } else if (!strcmp(word, "--mask")) {
            if (options.root.mask_count == MAX_PATHS)
                usage("too many masks");
            options.root.masks[options.root.mask_count++] = *++words;
        } else if (!strcmp(word, "--empty")) {
            if (options.root.empty_count == MAX_PATHS)
                usage("too many empty directories");
            options.root.empties[options.root.empty_count++] = *++words;
        } else if (!strcmp(word, "--caps")) {
            options.capabilities = strtoull(*++words, NULL, 16);
        } else if (!strcmp(word, "--pid")) {
            options.pid = atoi(*++words);
        } else if (!strcmp(word, "--uid")) {
            options.uid = atoi(*++words);
        } else if (!strcmp(word, "--gid")) {
            options.gid = atoi(*++words);
        } else if (!strcmp(word, "--wants")) {
            options.wants = atoi(*++words);
        } else {
            static const char *const names[] = {"--folder", "--attempt",  "--socket", "--netns",  "--pidns", "--ipcns",
                                                "--utsns",  "--hostname", "--cwd",    "--cgroup", "--stage", "--size",
                                                "--id"};
            const char *ignored;
            const char **places[] = {&options.folder,     &options.attempt,   &options.socket, &options.netns,
                                     &options.pidns,      &options.ipcns,     &options.utsns,  &options.hostname,
                                     &options.directory,  &options.cgroup,    &options.root.stage,
                                     &options.root.size,  &ignored};
            size_t i = 0;
            while (i < sizeof names / sizeof *names && strcmp(word, names[i]))
                i++;
            if (i == sizeof names / sizeof *names)
                usage(word);
            *places[i] = *++words;
        }
    }
    usage("no --");
    abort();
}

/* Return a descriptor of a control group's folder, -1 if none is given. */
static int open_group(const char *path) {
    int group = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (path && group < 0)
        fail("error opening %s: %s", path, strerror(errno));
    return group;
}

/* Start a process in new namespaces (and in a cgroup, so that it never has to be moved). Returns as fork does. */
static pid_t spawn(uint64_t flags, int group, int *pidfd) {
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
    } arguments = {.flags = flags | CLONE_PIDFD_FLAG, .pidfd = (uintptr_t)pidfd, .exit_signal = SIGCHLD};
    if (group >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP_FLAG;
        arguments.cgroup = (uint64_t)group;
    }
    return (pid_t)syscall(435, &arguments, sizeof arguments);
}

static void enter(const char *path, int kind) {
    if (!path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, kind) < 0)
        fail("entering %s: %s", path, strerror(errno));
    close(fd);
}

/* A user namespace has only the users that are mapped into it, and calls all others invalid. */
static const char *identity_error(void) {
    return errno == EINVAL ? "a lab without root has no user and no group but 0" : strerror(errno);
}

static void drop_privileges(const struct options *options) {
    if (options->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("no_new_privs: %s", strerror(errno));
    for (int capability = 0; capability < 64; capability++)
        if (!(options->capabilities >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            break; /* past the last that this kernel knows */
    setgroups(0, NULL); /* refused in a user namespace without a helper: then there are none to lose */
    if (options->gid >= 0 && setgid((gid_t)options->gid) < 0)
        fail("setgid %d: %s", options->gid, identity_error());
    if (options->uid >= 0 && setuid((uid_t)options->uid) < 0)
        fail("setuid %d: %s", options->uid, identity_error());
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2] = {0};
    if (options->uid <= 0)
        for (int i = 0; i < 2; i++)
            sets[i].effective = sets[i].permitted = (uint32_t)(options->capabilities >> 32 * i);
    /* What the node itself lacks (rootless, an outer container) can't be had here either. */
    struct {
        uint32_t effective, permitted, inheritable;
    } held[2];
    if (syscall(SYS_capget, &header, held) == 0)
        for (int i = 0; i < 2; i++) {
            sets[i].permitted &= held[i].permitted;
            sets[i].effective = sets[i].permitted;
        }
    if (syscall(SYS_capset, &header, sets) < 0)
        fail("capset: %s", strerror(errno));
}

static void reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Become the command. The text of a failure is runc's, which users know from `kubectl describe`. */
__attribute__((noreturn)) static void become(const struct options *options) {
    if (chdir(options->directory) < 0 && (make_directories(options->directory), chdir(options->directory)) < 0)
        fail("chdir to cwd (\"%s\"): %s", options->directory, strerror(errno));
    drop_privileges(options);
    reset_signals();
    syscall(436, 4U, ~0U, 4U); /* close_range, CLOEXEC */
    execvp(options->command[0], options->command);
    const char *name = options->command[0];
    if (errno == ENOENT && !strchr(name, '/'))
        fail("exec: \"%s\": executable file not found in $PATH", name);
    char reason[64] = "";
    snprintf(reason, sizeof reason, "%s", strerror(errno));
    if (errno == ENOENT)
        fail("exec: \"%s\": stat %s: no such file or directory", name, name);
    for (char *letter = reason; *letter; letter++) /* Go writes errors in lower case */
        if (*letter >= 'A' && *letter <= 'Z')
            *letter = (char)(*letter + 32);
    fail("exec: \"%s\": %s", name, reason);
}

static void take_terminal(int slave) {
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
        fail("taking the terminal: %s", strerror(errno));
    for (int fd = 0; fd < 3; fd++)
        dup2(slave, fd);
    if (slave > 2)
        close(slave);
}

static void take_pipes(const int pipes[3][2]) {
    for (int fd = 0; fd < 3; fd++) {
        int end = pipes[fd][fd == 0 ? 0 : 1];
        if (end >= 0)
            dup2(end, fd);
    }
}

static void make_pipes(int pipes[3][2], int with_stdin) {
    for (int i = 0; i < 3; i++) {
        pipes[i][0] = pipes[i][1] = -1;
        if ((i || with_stdin) && pipe2(pipes[i], O_CLOEXEC) < 0)
            fail("pipe: %s", strerror(errno));
    }
}

static void keep_our_ends(int pipes[3][2]) {
    for (int i = 0; i < 3; i++)
        if (pipes[i][0] >= 0) {
            int ours = pipes[i][i == 0 ? 1 : 0];
            close(pipes[i][i == 0 ? 0 : 1]);
            fcntl(ours, F_SETFL, O_NONBLOCK);
        }
    session.input = pipes[0][1];
    session.outputs[0] = pipes[1][0];
    session.outputs[1] = pipes[2][0];
}

/* Open the master side of a terminal below `devices`, unlock it, and say its number. */
static int open_terminal(const char *multiplexer, int *number) {
    int zero = 0, master = open(multiplexer, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0 || ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, number) < 0)
        return -1;
    return master;
}

static int open_slave(int number) {
    char path[32];
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int watch_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Read the child's failure text until it ends: nothing means that the command runs. */
static size_t read_failure(int fd, char *text, size_t size) {
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && ((got = read(fd, text + length, size - 1 - length)) > 0 || (got < 0 && errno == EINTR)))
        length += got > 0 ? (size_t)got : 0;
    text[length] = 0;
    close(fd);
    return length;
}

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

__attribute__((format(printf, 3, 4))) static void record(const struct options *options, const char *kind,
                                                         const char *format, ...) {
    char path[4096], fresh[4200], text[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(path, sizeof path, "%s/%s.%s", options->folder, options->attempt, kind);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int file = open(fresh, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    ssize_t written = write(file, text, (size_t)length);
    close(file);
    if (written == length)
        rename(fresh, path); /* whole or not at all */
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The container's first process, from its birth to exec. */
static void container(struct options *options, int pipes[3][2], int terminal_number) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* nobody could stop it, or know its end, without the runner */
    enter(options->netns, CLONE_NEWNET);
    enter(options->ipcns, CLONE_NEWIPC);
    enter(options->utsns, CLONE_NEWUTS);
    if (options->hostname && sethostname(options->hostname, strlen(options->hostname)) < 0)
        fail("sethostname: %s", strerror(errno));
    build_root(&options->root);
    setsid();
    if (options->tty) {
        char number[16] = "";
        dprintf(failure_pipe, "R"); /* the runner opens the master in our devpts, and writes its number */
        if (read(terminal_number, number, sizeof number - 1) <= 0)
            fail("no terminal");
        take_terminal(open_slave(atoi(number)));
    } else {
        take_pipes(pipes);
    }
    become(options);
}

static int run(struct options *options) {
    static char text[4096];
    char path[4096];
    int pipes[3][2], failure[2], number[2] = {-1, -1};
    setsid();
    umask(022);
    start_session();
    snprintf(path, sizeof path, "%s/%s.log", options->folder, options->attempt);
    session.log_path = path;
    session.log = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (session.log < 0) {
        dprintf(REPORT, "error opening %s: %s", path, strerror(errno));
        return 1;
    }
    failure_pipe = REPORT;
    make_pipes(pipes, options->keep_stdin && !options->tty);
    if (pipe2(failure, O_CLOEXEC) < 0 || (options->tty && pipe2(number, O_CLOEXEC) < 0))
        fail("error pipe: %s", strerror(errno));
    session.signals = watch_signals();
    enter(options->pidns, CLONE_NEWPID); /* of our children: we stay where we are */
    uint64_t flags = CLONE_NEWNS | (options->pidns ? 0 : CLONE_NEWPID);
    flags |= options->ipcns || !options->netns ? 0 : CLONE_NEWIPC; /* the host's network comes with its other names */
    flags |= options->utsns || !options->netns ? 0 : CLONE_NEWUTS;
    session.child = spawn(flags, open_group(options->cgroup), &session.child_pidfd);
    if (session.child < 0)
        fail("error starting a process: %s", strerror(errno));
    if (session.child == 0) {
        failure_pipe = failure[1];
        close(REPORT);
        container(options, pipes, number[0]);
    }
    close(failure[1]);
    keep_our_ends(pipes);
    char first = 0;
    if (options->tty && read(failure[0], &first, 1) == 1 && first == 'R') {
        char multiplexer[64];
        int terminal = -1;
        snprintf(multiplexer, sizeof multiplexer, "/proc/%d/root/dev/pts/ptmx", session.child);
        session.terminal = open_terminal(multiplexer, &terminal);
        close(session.outputs[0]);
        close(session.outputs[1]);
        session.outputs[0] = session.outputs[1] = -1;
        if (session.terminal >= 0)
            dprintf(number[1], "%d", terminal);
        close(number[1]);
        first = 0;
    }
    size_t length = read_failure(failure[0], text + 1, sizeof text - 1);
    if (length || first) {
        text[0] = first;
        dprintf(REPORT, "error %s", first ? text : text + 1);
        waitpid(session.child, NULL, 0);
        return 1;
    }
    if (options->socket)
        session.listener = listen_at(options->socket);
    record(options, "pid", "%d %d %lld\n", getpid(), session.child, now_ns());
    dprintf(REPORT, "pid %d\n", session.child);
    close(REPORT);
    int status = run_session();
    record(options, "exit", "%d %d %lld\n", exit_code(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0, now_ns());
    send_status(0); /* `attach` itself succeeded, however the container ended */
    if (options->socket)
        unlink(options->socket);
    return 0;
}

static int execute(struct options *options) {
    static char text[4096];
    int pipes[3][2], failure[2], number = -1;
    start_session();
    session.is_exec = 1;
    session.clients[0].fd = dup(0);
    session.clients[0].wants = options->wants;
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, 0);
    failure_pipe = REPORT;
    int group = open_group(options->cgroup); /* before the container's own mounts */
    int target = (int)syscall(434, options->pid, 0); /* pidfd_open */
    if (target < 0)
        fail("error container not running");
    /* All at once, and the root and working directory with it. */
    if (setns(target, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
        fail("error entering the container: %s", strerror(errno));
    make_pipes(pipes, options->wants & WANTS_STDIN);
    if (pipe2(failure, O_CLOEXEC) < 0)
        fail("error pipe: %s", strerror(errno));
    if (options->tty && (session.terminal = open_terminal("/dev/pts/ptmx", &number)) < 0)
        fail("error opening a terminal: %s", strerror(errno));
    session.signals = watch_signals();
    session.child = spawn(0, group, &session.child_pidfd);
    if (session.child < 0)
        fail("error starting a process: %s", strerror(errno));
    if (session.child == 0) {
        failure_pipe = failure[1];
        close(REPORT);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        setsid();
        if (options->tty)
            take_terminal(open_slave(number));
        else
            take_pipes(pipes);
        become(options);
    }
    close(failure[1]);
    keep_our_ends(pipes);
    if (options->tty) {
        close(session.outputs[0]);
        close(session.outputs[1]);
        session.outputs[0] = session.outputs[1] = -1;
    }
    if (read_failure(failure[0], text, sizeof text)) {
        dprintf(REPORT, "error %s", text); /* the kubelet answers the client */
        waitpid(session.child, NULL, 0);
        return 1;
    }
    dprintf(REPORT, "pid %d\n", session.child);
    close(REPORT);
    send_status(exit_code(run_session()));
    return 0;
}

int main(int count, char **words) {
    if (count > 2 && !strcmp(words[1], "run")) {
        struct options options = parse(words + 2);
        return run(&options);
    }
    if (count > 2 && !strcmp(words[1], "exec")) {
        struct options options = parse(words + 2);
        return execute(&options);
    }
    dprintf(2, "usage: pod run|exec OPTION... -- COMMAND...\n");
    return 2;
}
