/* What goes in and out of one process: its log in the CRI's format, and clients that speak the kubelet's frames.
 *
 * Included by pod.c. A frame is four bytes of length (big-endian) and a payload, whose first byte is the channel of
 * Kubernetes' v5 stream protocol: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize, 255 close a channel.
 */

#define CHUNK 32768
#define LINE 16384          /* a longer line is cut into pieces marked P, as containerd cuts it */
#define LOG_LIMIT (10 << 20) /* bytes in one log file: the kubelet's containerLogMaxSize */
#define MAX_CLIENTS 8

enum { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_STATUS, CHANNEL_RESIZE, CHANNEL_CLOSE = 255 };
enum { WANTS_STDIN = 1, WANTS_STDOUT = 2, WANTS_STDERR = 4 };

struct client {
    int fd; /* -1: free */
    int wants;
    unsigned char head[5]; /* length and channel of the frame that is being read */
    int head_length;
    uint32_t left; /* bytes of its payload still to come */
    char small[128]; /* payload of a resize or a close */
    size_t small_length;
};

struct line {
    const char *stream;
    char text[LINE];
    size_t length;
};

struct session {
    pid_t child;
    int child_pidfd;
    int signals;         /* signalfd: SIGCHLD, SIGTERM, SIGUSR1 */
    int input;           /* the process' stdin, or -1 */
    int outputs[2];      /* its stdout and stderr, or -1 */
    int terminal;        /* the master side of its terminal, or -1; then input and outputs are unused */
    int listener;        /* where the kubelet hands over clients that attach, or -1 */
    int log;             /* or -1 */
    const char *log_path;
    size_t log_size;
    int stdin_once;      /* the first client that leaves takes stdin with it */
    int is_exec;         /* one client from the start; the process ends with it */
    struct client clients[MAX_CLIENTS];
    struct line lines[2];
    char pending[CHUNK]; /* stdin that the process hasn't taken yet */
    size_t pending_from, pending_to;
    int close_input;     /* once `pending` is empty */
};

static struct session session; /* zeroed pages that are never touched cost nothing */
static unsigned char chunk[5 + CHUNK];

static void drop_client(struct client *client) {
    if (client->wants & WANTS_STDIN && session.stdin_once && session.terminal < 0) /* as containerd */
        session.close_input = 1;
    close(client->fd);
    client->fd = -1;
}

/* Write all, waiting for a slow reader: for ever in exec (so that the command waits too), a second in attach. */
static int write_all(struct client *client, const unsigned char *data, size_t length) {
    while (length) {
        ssize_t done = send(client->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done > 0) {
            data += done;
            length -= (size_t)done;
            continue;
        }
        if (done < 0 && errno == EINTR)
            continue;
        struct pollfd writable = {.fd = client->fd, .events = POLLOUT};
        if ((done < 0 && errno != EAGAIN) || poll(&writable, 1, session.is_exec ? -1 : 1000) <= 0)
            return -1;
    }
    return 0;
}

/* Send what stands in chunk[5..5+length) to every client that wants the channel. */
static void send_chunk(int channel, size_t length, int wanted) {
    uint32_t size = htonl((uint32_t)length + 1);
    memcpy(chunk, &size, 4);
    chunk[4] = (unsigned char)channel;
    for (int i = 0; i < MAX_CLIENTS; i++) {
        struct client *client = &session.clients[i];
        if (client->fd >= 0 && (client->wants & wanted || !wanted) && write_all(client, chunk, 5 + length) < 0)
            drop_client(client);
    }
}

static void rotate_log(void) {
    char old[4096];
    snprintf(old, sizeof old, "%s.1", session.log_path);
    rename(session.log_path, old);
    int fresh = open(session.log_path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fresh >= 0) {
        close(session.log);
        session.log = fresh;
        session.log_size = 0;
    }
}

static void log_line(struct line *line, char tag) {
    char stamp[80];
    struct timespec now;
    struct tm date;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &date);
    length += (size_t)snprintf(stamp + length, sizeof stamp - length, ".%09ldZ %s %c ", now.tv_nsec, line->stream, tag);
    struct iovec parts[] = {{stamp, length}, {line->text, line->length}, {"\n", 1}};
    ssize_t written = writev(session.log, parts, 3); /* a full disk loses log lines, not the container */
    line->length = 0;
    if (written > 0 && (session.log_size += (size_t)written) > LOG_LIMIT)
        rotate_log();
}

static void log_text(struct line *line, const char *text, size_t length) {
    while (length) {
        const char *end = memchr(text, '\n', length);
        size_t part = end ? (size_t)(end - text) : length;
        if (part > LINE - line->length)
            part = LINE - line->length, end = NULL;
        memcpy(line->text + line->length, text, part);
        line->length += part;
        text += part;
        length -= part;
        if (end) {
            text++;
            length--;
            log_line(line, 'F');
        } else if (line->length == LINE) {
            log_line(line, 'P');
        }
    }
}

/* Move what the process wrote to log and clients; return 0 at its end. */
static int take_output(int fd, int which) {
    ssize_t length = read(fd, chunk + 5, CHUNK);
    if (length <= 0)
        return length < 0 && (errno == EAGAIN || errno == EINTR);
    if (session.log >= 0)
        log_text(&session.lines[which], (char *)chunk + 5, (size_t)length);
    send_chunk(which ? CHANNEL_STDERR : CHANNEL_STDOUT, (size_t)length, which ? WANTS_STDERR : WANTS_STDOUT);
    return 1;
}

static void resize(const char *text) {
    const char *width = strstr(text, "\"Width\":"), *height = strstr(text, "\"Height\":");
    if (session.terminal < 0 || !width || !height)
        return;
    struct winsize size = {.ws_col = (unsigned short)atoi(width + 8), .ws_row = (unsigned short)atoi(height + 9)};
    ioctl(session.terminal, TIOCSWINSZ, &size);
}

static void control_frame(int channel, struct client *client) {
    client->small[client->small_length] = 0;
    if (channel == CHANNEL_RESIZE)
        resize(client->small);
    else if (channel == CHANNEL_CLOSE && client->small_length && client->small[0] == 0)
        session.close_input = 1;
    client->small_length = 0;
}

/* Read one piece of a client's frames; stdin goes to `pending`, which is empty when this is called. */
static void take_input(struct client *client) {
    if (client->head_length < 5) {
        ssize_t got = read(client->fd, client->head + client->head_length, (size_t)(5 - client->head_length));
        if (got <= 0) {
            if (got == 0 || (errno != EAGAIN && errno != EINTR))
                drop_client(client);
            return;
        }
        if ((client->head_length += (int)got) < 5)
            return;
        uint32_t size;
        memcpy(&size, client->head, 4);
        client->left = ntohl(size);
        if (client->left == 0 || client->left > 16 << 20) { /* no channel, or no frame of ours */
            drop_client(client);
            return;
        }
        client->left--;
    }
    int channel = client->head[4];
    if (client->left) {
        size_t wanted = client->left < CHUNK ? client->left : CHUNK;
        ssize_t got = read(client->fd, chunk, wanted);
        if (got <= 0) {
            if (got == 0 || (errno != EAGAIN && errno != EINTR))
                drop_client(client);
            return;
        }
        client->left -= (uint32_t)got;
        if (channel == CHANNEL_STDIN && client->wants & WANTS_STDIN) {
            memcpy(session.pending, chunk, (size_t)got);
            session.pending_from = 0;
            session.pending_to = (size_t)got;
        } else if (channel == CHANNEL_RESIZE || channel == CHANNEL_CLOSE) {
            for (ssize_t i = 0; i < got && client->small_length < sizeof client->small - 1; i++)
                client->small[client->small_length++] = (char)chunk[i];
        }
    }
    if (!client->left) {
        client->head_length = 0;
        if (channel == CHANNEL_RESIZE || channel == CHANNEL_CLOSE)
            control_frame(channel, client);
    }
}

static void give_input(int fd) {
    ssize_t done = write(fd, session.pending + session.pending_from, session.pending_to - session.pending_from);
    if (done > 0)
        session.pending_from += (size_t)done;
    else if (done < 0 && errno != EAGAIN && errno != EINTR)
        session.pending_from = session.pending_to = 0; /* the process doesn't read any more */
}

static void end_input(void) {
    session.close_input = 0;
    if (session.terminal >= 0) {
        if (write(session.terminal, "\4", 1) < 0) /* Ctrl-D: the end of input on a terminal */
            return;
    } else if (session.input >= 0) {
        close(session.input);
        session.input = -1;
    }
}

/* The kubelet connects, and hands over a client's socket and one byte: which streams it wants. */
static void take_client(void) {
    int connection = accept4(session.listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0)
        return;
    unsigned char wants = 0;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {&wants, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct timeval limit = {.tv_sec = 1};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) == 1) {
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        int fd = -1;
        if (header && header->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(header), sizeof fd);
        for (int i = 0; fd >= 0 && i < MAX_CLIENTS; i++)
            if (session.clients[i].fd < 0) {
                memset(&session.clients[i], 0, sizeof *session.clients);
                session.clients[i].fd = fd;
                session.clients[i].wants = wants;
                fd = -1;
            }
        if (fd >= 0)
            close(fd); /* all places are taken */
    }
    close(connection);
}

static int signal_child(int number) { return (int)syscall(424, session.child_pidfd, number, NULL, 0); }

/* End the process; a command that was exec'ed takes along what it has started (the container's own go with it). */
static void kill_child(void) {
    if (session.is_exec)
        kill(-session.child, SIGKILL);
    else
        signal_child(SIGKILL);
}

static void take_signals(int *exited, int *status) {
    struct signalfd_siginfo info;
    while (read(session.signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM)
            signal_child(SIGTERM);
        else if (info.ssi_signo == SIGUSR1) /* SIGKILL can't be passed on: it would end us */
            kill_child();
        else if (info.ssi_signo == SIGCHLD && !*exited && waitpid(session.child, status, WNOHANG) == session.child)
            *exited = 1;
    }
}

static int has_clients(void) {
    for (int i = 0; i < MAX_CLIENTS; i++)
        if (session.clients[i].fd >= 0)
            return 1;
    return 0;
}

static void start_session(void) {
    session.input = session.outputs[0] = session.outputs[1] = session.terminal = session.listener = session.log = -1;
    session.lines[0].stream = "stdout";
    session.lines[1].stream = "stderr";
    for (int i = 0; i < MAX_CLIENTS; i++)
        session.clients[i].fd = -1;
}

/* Carry everything until the process has ended and said all; return its wait status. */
static int run_session(void) {
    int exited = 0, status = 0, abandoned = 0;
    for (;;) {
        struct pollfd fds[5 + MAX_CLIENTS];
        int out = session.terminal >= 0 ? session.terminal : session.outputs[0];
        int in = session.terminal >= 0 ? session.terminal : session.input;
        int waiting = session.pending_from < session.pending_to;
        if (!waiting && session.close_input)
            end_input(), in = session.terminal >= 0 ? session.terminal : session.input;
        fds[0] = (struct pollfd){.fd = session.signals, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = out, .events = POLLIN};
        fds[2] = (struct pollfd){.fd = session.outputs[1], .events = POLLIN};
        fds[3] = (struct pollfd){.fd = waiting ? in : -1, .events = POLLOUT};
        fds[4] = (struct pollfd){.fd = session.listener, .events = POLLIN};
        for (int i = 0; i < MAX_CLIENTS; i++) {
            fds[5 + i].fd = session.clients[i].fd;
            fds[5 + i].events = waiting ? 0 : POLLIN; /* no more stdin than the process takes */
        }
        /* Only what a child of the command holds open may come after its end: we don't wait for that. */
        int ready = poll(fds, 5 + MAX_CLIENTS, exited ? 0 : abandoned ? 5000 : -1);
        if (ready < 0 && errno != EINTR)
            break;
        if (exited && (ready == 0 || (fds[1].revents == 0 && fds[2].revents == 0)))
            break;
        if (ready == 0 && abandoned)
            kill_child();
        if (fds[1].revents && !take_output(out, 0)) {
            close(out);
            if (session.terminal >= 0)
                session.terminal = -1;
            else
                session.outputs[0] = -1;
            in = -1;
        }
        if (fds[2].revents && !take_output(session.outputs[1], 1)) {
            close(session.outputs[1]);
            session.outputs[1] = -1;
        }
        if (fds[3].revents && waiting) {
            if (in >= 0)
                give_input(in);
            else
                session.pending_from = session.pending_to = 0;
        }
        if (fds[4].revents)
            take_client();
        for (int i = 0; i < MAX_CLIENTS; i++) {
            struct client *client = &session.clients[i];
            if (client->fd < 0 || client->fd != fds[5 + i].fd || !fds[5 + i].revents)
                continue;
            if (fds[5 + i].revents & POLLIN) {
                if (session.pending_from == session.pending_to)
                    take_input(client);
            } else {
                drop_client(client);
            }
        }
        if (session.is_exec && !exited && !abandoned && !has_clients()) {
            abandoned = 1; /* whoever asked for the command has gone: as if its terminal had been closed */
            kill(-session.child, SIGHUP);
            session.close_input = 1;
        }
        if (fds[0].revents)
            take_signals(&exited, &status);
    }
    for (int i = 0; i < 2 && session.log >= 0; i++)
        if (session.lines[i].length)
            log_line(&session.lines[i], 'F');
    return status;
}

static int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

/* Tell the clients how the process ended, as the API server tells kubectl. */
static void send_status(int code) {
    int length;
    char *text = (char *)chunk + 5;
    if (code == 0)
        length = snprintf(text, CHUNK, "{\"metadata\":{},\"status\":\"Success\"}");
    else
        length = snprintf(text, CHUNK,
                          "{\"metadata\":{},\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"command "
                          "terminated with non-zero exit code: exit status %d\",\"details\":{\"causes\":[{\"reason\":"
                          "\"ExitCode\",\"message\":\"%d\"}]}}",
                          code, code);
    send_chunk(CHANNEL_STATUS, (size_t)length, 0);
}
