/* Stands in for the Kubernetes project's agnhost image: the commands, flags and answers that network probes use.
 *
 *   agnhost pause
 *   agnhost serve-hostname [--http|--tcp|--udp] [--close] [--port 9376]
 *   agnhost netexec [--http-port 8080] [--udp-port 8081]
 *   agnhost connect HOST:PORT [--timeout 5s] [--protocol tcp|udp]
 *   agnhost web [--port 80]            ours: the page that the image `nginx` answers with
 *
 * One thread a connection: a probe's server has a handful. Flags that it doesn't know are accepted and ignored.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEAD 16384  /* longest request head */
#define BODY 65536  /* longest answer */
#define DATAGRAM 65536

static char **flags; /* what follows the command */
static char hostname[256];

/* Return the value of --NAME: `--name value`, `--name=value`, "true" for a bare flag; `otherwise` if absent. */
static const char *flag(const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (char **word = flags; *word; word++) {
        const char *text = *word + strspn(*word, "-");
        if (text == *word || strncmp(text, name, length))
            continue;
        if (text[length] == '=')
            return text + length + 1;
        if (text[length] == 0)
            return word[1] && word[1][0] != '-' ? word[1] : "true";
    }
    return otherwise;
}

static int switched(const char *name) {
    const char *value = flag(name, "false");
    return strcmp(value, "false") && strcmp(value, "0");
}

static void print_address(const struct sockaddr_in6 *peer, char *text, size_t size) {
    char ip[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &peer->sin6_addr, ip, sizeof ip);
    if (IN6_IS_ADDR_V4MAPPED(&peer->sin6_addr))
        snprintf(text, size, "%s:%d", ip + 7, ntohs(peer->sin6_port));
    else
        snprintf(text, size, "[%s]:%d", ip, ntohs(peer->sin6_port));
}

/* Return a socket of both families that listens on every address, or end the program. */
static int listening(int type, const char *port) {
    int off = 0, on = 1, number = atoi(port);
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number)};
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    struct sockaddr *address = (struct sockaddr *)&any6;
    socklen_t size = sizeof any6;
    if (fd < 0) { /* a kernel without IPv6 */
        fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        address = (struct sockaddr *)&any4;
        size = sizeof any4;
    } else {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address, size) < 0 || (type == SOCK_STREAM && listen(fd, 1024) < 0)) {
        fprintf(stderr, "Error: listen on :%s: %s\n", port, strerror(errno));
        exit(1);
    }
    return fd;
}

static void start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) == 0)
        pthread_detach(thread);
}

static void send_text(int fd, const char *text, size_t length) {
    while (length) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        length -= (size_t)sent;
    }
}

/* ---- queries, JSON -------------------------------------------------------------------------------------------- */

/* Copy the decoded value of `name` in a query string; return 0 if it isn't there. */
static int query_value(const char *query, const char *name, char *value, size_t size) {
    size_t length = strlen(name), used = 0;
    value[0] = 0;
    for (const char *part = query; part && *part; part = strchr(part, '&') ? strchr(part, '&') + 1 : NULL) {
        if (strncasecmp(part, name, length) || part[length] != '=')
            continue;
        for (const char *at = part + length + 1; *at && *at != '&' && used < size - 1; at++) {
            char digits[3] = {at[0], at[0] ? at[1] : 0, 0};
            if (*at == '%' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2])) {
                digits[0] = at[1];
                digits[1] = at[2];
                value[used++] = (char)strtol(digits, NULL, 16);
                at += 2;
            } else {
                value[used++] = *at == '+' ? ' ' : *at;
            }
        }
        value[used] = 0;
        return 1;
    }
    return 0;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *format, ...) {
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static void append_json(char *text, size_t size, const char *value) {
    append(text, size, "\"");
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        if (*at == '"' || *at == '\\')
            append(text, size, "\\%c", *at);
        else if (*at == '\n')
            append(text, size, "\\n");
        else if (*at < 32)
            append(text, size, "\\u%04x", *at);
        else
            append(text, size, "%c", *at);
    }
    append(text, size, "\"");
}

/* ---- connecting ----------------------------------------------------------------------------------------------- */

/* Connect within `timeout_ms` (-1: the kernel's own). Return a socket, or -1 with errno; EAI text in `lookup`. */
static int dial(const char *host, const char *port, int type, int timeout_ms, const char **lookup) {
    struct addrinfo hints = {.ai_socktype = type}, *found;
    *lookup = NULL;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem) {
        *lookup = gai_strerror(problem);
        return -1;
    }
    int fd = socket(found->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = connect(fd, found->ai_addr, found->ai_addrlen), error = errno;
    freeaddrinfo(found);
    if (result < 0 && error == EINPROGRESS) {
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        if (poll(&writable, 1, timeout_ms) == 0)
            error = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        result = error ? -1 : 0;
    }
    if (result < 0) {
        close(fd);
        errno = error;
        return -1;
    }
    fcntl(fd, F_SETFL, 0);
    struct timeval limit = {timeout_ms < 0 ? 0 : timeout_ms / 1000, timeout_ms < 0 ? 0 : timeout_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static int milliseconds(const char *duration) {
    char *unit;
    double value = strtod(duration, &unit);
    if (!strcmp(unit, "ms"))
        return (int)value;
    return (int)(value * (*unit == 'm' ? 60000 : *unit == 'h' ? 3600000 : 1000));
}

/* Return the first word that is neither a flag nor the value of one. */
static char *positional(void) {
    for (char **word = flags; *word; word++) {
        if ((*word)[0] != '-')
            return *word;
        if (!strchr(*word, '=') && word[1]) /* connect has no bare flags */
            word++;
    }
    return NULL;
}

static int connect_command(char *target) {
    const char *protocol = flag("protocol", "tcp"), *lookup;
    int datagram = !strcmp(protocol, "udp"), timeout_ms = milliseconds(flag("timeout", "0"));
    if (!datagram && strcmp(protocol, "tcp")) {
        fprintf(stderr, "OTHER: protocol %s is not supported\n", protocol);
        return 1;
    }
    char *colon = target ? strrchr(target, ':') : NULL;
    if (!colon) {
        fprintf(stderr, "DNS: address %s: missing port in address\n", target ? target : "");
        return 1;
    }
    *colon = 0;
    if (*target == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        target++;
    }
    int fd = dial(target, colon + 1, datagram ? SOCK_DGRAM : SOCK_STREAM, timeout_ms ? timeout_ms : -1, &lookup);
    if (fd < 0 && lookup) {
        fprintf(stderr, "DNS: lookup %s: %s\n", target, lookup);
        return 1;
    }
    if (fd >= 0 && datagram) { /* a datagram proves nothing: only its answer does */
        const char *data = flag("udp-data", "hostname\n");
        char answer[2048];
        if (send(fd, data, strlen(data), 0) < 0 || recv(fd, answer, sizeof answer, 0) < 0) {
            fd = -1;
            if (errno == EAGAIN)
                errno = ETIMEDOUT;
        }
    }
    if (fd >= 0)
        return 0;
    if (errno == ETIMEDOUT)
        fprintf(stderr, "TIMEOUT\n");
    else if (errno == ECONNREFUSED)
        fprintf(stderr, "REFUSED\n");
    else
        fprintf(stderr, "OTHER: dial %s %s:%s: connect: %s\n", protocol, target, colon + 1, strerror(errno));
    return 1;
}

/* ---- HTTP ------------------------------------------------------------------------------------------------------ */

struct answer {
    int code, ends; /* ends: the program's exit code plus one, after the answer was sent */
    const char *type;
    char body[BODY];
};

typedef void handler(const char *path, const char *query, const char *peer, struct answer *answer);

static void dial_once(const char *host, const char *port, int datagram, const char *request, char *reply, char *error) {
    const char *lookup;
    size_t used = 0;
    ssize_t got = 0;
    char text[2304];
    int fd = dial(host, port, datagram ? SOCK_DGRAM : SOCK_STREAM, datagram ? 1000 : 5000, &lookup);
    reply[0] = error[0] = 0;
    if (fd < 0) {
        snprintf(error, 256, "dial %s %s:%s: %s", datagram ? "udp" : "tcp", host, port, lookup ? lookup : strerror(errno));
        return;
    }
    if (datagram)
        snprintf(text, sizeof text, "%s", request);
    else
        snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", request, host, port);
    send_text(fd, text, strlen(text));
    while (used < 4095 && (got = recv(fd, reply + used, 4095 - used, 0)) > 0) {
        used += (size_t)got;
        if (datagram)
            break;
    }
    reply[used] = 0;
    if (got < 0)
        snprintf(error, 256, "read %s %s:%s: %s", datagram ? "udp" : "tcp", host, port,
                 errno == EAGAIN ? "i/o timeout" : strerror(errno));
    char *body = datagram ? NULL : strstr(reply, "\r\n\r\n");
    if (body)
        memmove(reply, body + 4, strlen(body + 4) + 1);
    close(fd);
}

static void dial_answer(const char *query, struct answer *answer) {
    char host[256], port[16], protocol[16], request[2048], tries[16], reply[4096], error[256];
    char errors[8192] = "";
    int responses = 0;
    if (!query_value(query, "protocol", protocol, sizeof protocol))
        strcpy(protocol, "http");
    int datagram = !strcmp(protocol, "udp");
    if (!datagram && strcmp(protocol, "http")) {
        answer->code = 400;
        snprintf(answer->body, BODY, "unsupported protocol: %s\n", protocol);
        return;
    }
    if (!query_value(query, "host", host, sizeof host))
        strcpy(host, "127.0.0.1");
    if (!query_value(query, "port", port, sizeof port))
        strcpy(port, datagram ? "8081" : "8080");
    if (!query_value(query, "request", request, sizeof request))
        strcpy(request, "hostname");
    int count = query_value(query, "tries", tries, sizeof tries) ? atoi(tries) : 1;
    strcpy(answer->body, "{");
    for (int i = 0; i < count && i < 1000; i++) {
        dial_once(host, port, datagram, request, reply, error);
        if (error[0]) {
            append(errors, sizeof errors, "%s", errors[0] ? "," : "");
            append_json(errors, sizeof errors, error);
        } else {
            append(answer->body, BODY, "%s", responses++ ? "," : "\"responses\":[");
            append_json(answer->body, BODY, reply);
        }
    }
    append(answer->body, BODY, "%s", responses ? "]" : "");
    if (errors[0])
        append(answer->body, BODY, "%s\"errors\":[%s]", responses ? "," : "", errors);
    append(answer->body, BODY, "}");
}

static void shell_answer(const char *query, struct answer *answer) {
    char command[8192], output[16384];
    if (!query_value(query, "cmd", command, sizeof command))
        query_value(query, "shellCommand", command, sizeof command);
    char redirected[8300];
    snprintf(redirected, sizeof redirected, "{ %s\n} 2>&1", command);
    FILE *shell = popen(redirected, "re");
    size_t length = shell ? fread(output, 1, sizeof output - 1, shell) : 0;
    int status = shell ? pclose(shell) : -1;
    output[length] = 0;
    strcpy(answer->body, "{");
    if (status) {
        append(answer->body, BODY, "\"error\":\"exit status %d\",", WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    }
    append(answer->body, BODY, "\"output\":");
    append_json(answer->body, BODY, output);
    append(answer->body, BODY, "}");
}

static void netexec(const char *path, const char *query, const char *peer, struct answer *answer) {
    char value[16];
    if (!strcmp(path, "/hostname") || !strcmp(path, "/hostName")) {
        snprintf(answer->body, BODY, "%s", hostname);
    } else if (!strcmp(path, "/clientip")) {
        snprintf(answer->body, BODY, "%s", peer);
    } else if (!strcmp(path, "/echo")) {
        query_value(query, "msg", answer->body, BODY);
        if (query_value(query, "code", value, sizeof value))
            answer->code = atoi(value);
    } else if (!strcmp(path, "/exit")) {
        answer->ends = 1 + (query_value(query, "code", value, sizeof value) ? atoi(value) : 0);
    } else if (!strcmp(path, "/shutdown")) {
        answer->ends = 1;
    } else if (!strcmp(path, "/dial")) {
        dial_answer(query, answer);
    } else if (!strcmp(path, "/shell")) {
        shell_answer(query, answer);
    } else if (!strcmp(path, "/healthz") || !strcmp(path, "/readyz")) {
        answer->body[0] = 0;
    } else if (!strcmp(path, "/")) {
        time_t now = time(NULL);
        struct tm date;
        char text[64];
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&now, &date));
        snprintf(answer->body, BODY, "NOW: %s +0000 UTC", text);
    } else {
        answer->code = 404;
        strcpy(answer->body, "404 page not found\n");
    }
}

static void serve_hostname(const char *path, const char *query, const char *peer, struct answer *answer) {
    (void)path, (void)query, (void)peer;
    snprintf(answer->body, BODY, "%s", hostname);
}

static void web(const char *path, const char *query, const char *peer, struct answer *answer) {
    (void)query;
    if (strcmp(path, "/") && strcmp(path, "/index.html")) {
        answer->code = 404;
        strcpy(answer->body, "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>\n");
    } else {
        snprintf(answer->body, BODY,
                 "<!DOCTYPE html>\n<html><head><title>Welcome to nginx!</title></head>\n<body><h1>Welcome to nginx!</h1>\n"
                 "<p>This is slash24's stand-in for nginx, on %s, asked by %s.</p></body></html>\n",
                 hostname, peer);
    }
    answer->type = "text/html";
}

static handler *handle;

static const char *reason(int code) {
    return code == 200 ? "OK" : code == 404 ? "Not Found" : code == 400 ? "Bad Request" : "Status";
}

static void *http_connection(void *argument) {
    int fd = (int)(intptr_t)argument, more = 1, on = 1;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    char *head = malloc(HEAD), address[64] = "";
    struct answer *answer = malloc(sizeof *answer);
    size_t used = 0;
    getpeername(fd, (struct sockaddr *)&peer, &peer_size);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (peer.ss_family == AF_INET6) {
        print_address((struct sockaddr_in6 *)&peer, address, sizeof address);
    } else {
        struct sockaddr_in *four = (struct sockaddr_in *)&peer;
        char ip[INET_ADDRSTRLEN];
        snprintf(address, sizeof address, "%s:%d", inet_ntop(AF_INET, &four->sin_addr, ip, sizeof ip),
                 ntohs(four->sin_port));
    }
    while (more && head && answer) {
        char *end = NULL;
        head[used] = 0;
        while (used < HEAD - 1 && !(end = strstr(head, "\r\n\r\n"))) {
            ssize_t got = recv(fd, head + used, HEAD - 1 - used, 0);
            if (got <= 0)
                goto done;
            used += (size_t)got;
            head[used] = 0;
        }
        if (!end)
            break;
        *end = 0;
        more = strstr(head, " HTTP/1.1") && !strcasestr(head, "\nconnection: close");
        int only_head = !strncmp(head, "HEAD ", 5);
        const char *field = strcasestr(head, "\ncontent-length:");
        size_t body = field ? strtoul(field + 16, NULL, 10) : 0;
        char *path = strchr(head, ' ');
        char *stop = path ? strpbrk(path + 1, " \r") : NULL;
        if (!stop)
            break;
        *stop = 0;
        char *query = strchr(++path, '?');
        if (query)
            *query++ = 0;
        answer->code = 200;
        answer->ends = 0;
        answer->type = "text/plain; charset=utf-8";
        answer->body[0] = 0;
        handle(path, query ? query : "", address, answer);
        char lines[256];
        size_t length = strlen(answer->body);
        int size = snprintf(lines, sizeof lines, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                            answer->code, reason(answer->code), answer->type, length,
                            more ? "" : "Connection: close\r\n");
        send(fd, lines, (size_t)size, MSG_NOSIGNAL | (length && !only_head ? MSG_MORE : 0));
        if (!only_head)
            send_text(fd, answer->body, length);
        if (answer->ends)
            exit(answer->ends - 1);
        size_t taken = (size_t)(end + 4 - head);
        used -= taken;
        memmove(head, end + 4, used);
        while (body) { /* nobody reads what was posted */
            if (used >= body) {
                used -= body;
                memmove(head, head + body, used);
                break;
            }
            body -= used;
            ssize_t got = recv(fd, head, HEAD - 1, 0);
            if (got <= 0)
                goto done;
            used = (size_t)got;
        }
    }
done:
    free(head);
    free(answer);
    close(fd);
    return NULL;
}

/* ---- plain TCP and UDP ----------------------------------------------------------------------------------------- */

static int close_after;

static void *tcp_connection(void *argument) {
    int fd = (int)(intptr_t)argument;
    char nothing[256];
    send_text(fd, hostname, strlen(hostname));
    while (!close_after && recv(fd, nothing, sizeof nothing, 0) > 0)
        ;
    close(fd);
    return NULL;
}

struct server {
    int fd;
    void *(*connection)(void *);
    int commands; /* UDP: netexec's commands; else the host name whatever is asked */
};

static void *accept_all(void *argument) {
    struct server *server = argument;
    for (;;) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start(server->connection, (void *)(intptr_t)fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            usleep(10000);
    }
    return NULL;
}

static void *answer_datagrams(void *argument) {
    struct server *server = argument;
    char *text = malloc(DATAGRAM), *reply = malloc(DATAGRAM); /* too big for musl's thread stacks */
    while (text && reply) {
        struct sockaddr_in6 peer = {0};
        socklen_t size = sizeof peer;
        ssize_t length = recvfrom(server->fd, text, DATAGRAM - 1, 0, (struct sockaddr *)&peer, &size);
        if (length < 0)
            continue;
        text[length] = 0;
        text[strcspn(text, "\r\n")] = 0;
        snprintf(reply, DATAGRAM, "%s", hostname);
        if (server->commands && !strncasecmp(text, "echo ", 5))
            memmove(reply, text + 5, strlen(text + 5) + 1);
        else if (server->commands && !strcasecmp(text, "clientip"))
            print_address(&peer, reply, DATAGRAM);
        else if (server->commands && text[0] && strcasecmp(text, "hostname"))
            reply[0] = 0; /* as agnhost: a command that it doesn't know gets an empty answer */
        sendto(server->fd, reply, strlen(reply), 0, (struct sockaddr *)&peer, size);
    }
    return NULL;
}

static void serve(void *(*body)(void *), int type, const char *port, void *(*connection)(void *), int commands) {
    struct server *server = malloc(sizeof *server);
    *server = (struct server){listening(type, port), connection, commands};
    start(body, server);
}

/* Wait for the end, as process 1: reap what was left to us, leave at SIGTERM. */
static int wait_for_end(const sigset_t *signals) {
    for (;;) {
        int number;
        sigwait(signals, &number);
        if (number != SIGCHLD)
            return 0;
        if (flags == NULL) /* servers wait for their own children */
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
    }
}

int main(int count, char **words) {
    const char *command = count > 1 ? words[1] : "help";
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    gethostname(hostname, sizeof hostname - 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    flags = words + (count > 1 ? 2 : 1);
    if (!strcmp(command, "connect"))
        return connect_command(positional());
    if (!strcmp(command, "pause")) {
        flags = NULL;
        sigaddset(&signals, SIGCHLD);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        return wait_for_end(&signals);
    }
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (!strcmp(command, "serve-hostname")) {
        const char *port = flag("port", "9376");
        close_after = switched("close");
        handle = serve_hostname;
        if (switched("tcp"))
            serve(accept_all, SOCK_STREAM, port, tcp_connection, 0);
        if (switched("udp"))
            serve(answer_datagrams, SOCK_DGRAM, port, NULL, 0);
        if (switched("http") || (!switched("tcp") && !switched("udp")))
            serve(accept_all, SOCK_STREAM, port, http_connection, 0);
        printf("Serving on port %s.\n", port);
    } else if (!strcmp(command, "netexec")) {
        handle = netexec;
        serve(accept_all, SOCK_STREAM, flag("http-port", "8080"), http_connection, 1);
        serve(answer_datagrams, SOCK_DGRAM, flag("udp-port", "8081"), NULL, 1);
        printf("Started HTTP server on port %s\nStarted UDP server on port %s\n", flag("http-port", "8080"),
               flag("udp-port", "8081"));
    } else if (!strcmp(command, "web")) {
        handle = web;
        serve(accept_all, SOCK_STREAM, flag("port", "80"), http_connection, 0);
    } else {
        fprintf(stderr, "Error: unknown command \"%s\" for \"app\": this agnhost knows connect, netexec, pause, "
                        "serve-hostname\n", command);
        return 1;
    }
    return wait_for_end(&signals);
}
