// nb: the load of the benchmarks. One connection at a time, everything on one CPU.
//
//   nb serve ADDRESS PORT CPU                serves all four loads until it is killed; prints "ready" when it listens
//   nb stream ADDRESS PORT CPU SECONDS       bulk TCP
//   nb rr ADDRESS PORT CPU SECONDS           TCP request and response, 64 bytes each, on one kept connection
//   nb crr ADDRESS PORT CPU SECONDS          connect, request, response, close
//   nb udp ADDRESS PORT CPU SECONDS          UDP datagrams of 32 bytes, as many as go through
//
// CPU -1 leaves the process where the kernel puts it. A client prints one line of JSON:
// rate is Gbit/s received for stream, and per second for the others: answers, connections, datagrams received.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, DATAGRAM = 32, BURST = 64, CHUNK = 1 << 17, LATENCIES = 1 << 20 };
static const double warm_up_s = 0.1;

struct report {
  uint64_t count;
  double first, last;
};

static void die(const char *what) {
  fprintf(stderr, "nb: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) die("pinning to the CPU");
}

static int open_socket(int type) {
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (type == SOCK_STREAM) {
    // The machine's default may be bbr, which paces and so measures its own model of the path.
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5)) die("cubic");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

static struct sockaddr_in endpoint(const char *address, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, address, &a.sin_addr) != 1) errno = EINVAL, die(address);
  return a;
}

static int listener(const char *address, int port) {
  struct sockaddr_in a = endpoint(address, port);
  int fd = open_socket(SOCK_STREAM);
  if (bind(fd, (void *)&a, sizeof a) || listen(fd, 1024)) die("listen");
  return fd;
}

static int receive_all(int fd, void *buffer, size_t size) {
  size_t got = 0;
  while (got < size) {
    ssize_t n = recv(fd, (char *)buffer + got, size - got, 0);
    if (n <= 0) return -1;
    got += (size_t)n;
  }
  return 0;
}

// ---- server: bulk on PORT, answers on PORT + 1, short connections on PORT + 2, datagrams on PORT

static void *serve_stream(void *argument) {
  static char buffer[CHUNK];
  for (int l = *(int *)argument;;) {
    int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    uint64_t total = 0;
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) total += (uint64_t)n;
    send(fd, &total, sizeof total, MSG_NOSIGNAL);
    close(fd);
  }
  return NULL;
}

static void *serve_answers(void *argument) {
  char buffer[MESSAGE];
  for (int l = *(int *)argument;;) {
    int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    while (!receive_all(fd, buffer, sizeof buffer))
      if (send(fd, buffer, sizeof buffer, MSG_NOSIGNAL) < 0) break;
    close(fd);
  }
  return NULL;
}

static void *serve_connections(void *argument) {
  char buffer[MESSAGE];
  for (int l = *(int *)argument;;) {
    int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    if (!receive_all(fd, buffer, sizeof buffer)) send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
    close(fd);
  }
  return NULL;
}

static void *serve_datagrams(void *argument) {
  static char data[BURST][DATAGRAM];
  static struct sockaddr_in from[BURST];
  struct iovec parts[BURST];
  struct mmsghdr messages[BURST];
  struct report seen = {0};
  int fd = *(int *)argument;
  // A batch thread doesn't preempt the sender for each datagram, so the path is measured and not the scheduler.
  struct sched_param none = {0};
  if (sched_setscheduler(0, SCHED_BATCH, &none)) die("SCHED_BATCH");
  for (;;) {
    for (int i = 0; i < BURST; i++) {
      parts[i] = (struct iovec){data[i], DATAGRAM};
      messages[i] = (struct mmsghdr){
          .msg_hdr = {.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg(fd, messages, BURST, MSG_WAITFORONE, NULL);
    double at = now();
    for (int i = 0; i < n; i++) {
      if (data[i][0] == 'D') {
        if (!seen.count++) seen.first = at;
        seen.last = at;
      } else if (data[i][0] == 'Z') {
        seen = (struct report){0};
      } else {
        sendto(fd, &seen, sizeof seen, 0, (void *)&from[i], sizeof from[i]);
      }
    }
  }
  return NULL;
}

static _Noreturn void serve(const char *address, int port) {
  static int fds[4];
  void *(*loops[])(void *) = {serve_stream, serve_answers, serve_connections, serve_datagrams};
  struct sockaddr_in a = endpoint(address, port);
  for (int i = 0; i < 3; i++) fds[i] = listener(address, port + i);
  fds[3] = open_socket(SOCK_DGRAM);
  int size = 8 << 20;
  if (setsockopt(fds[3], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die("receive buffer");
  if (bind(fds[3], (void *)&a, sizeof a)) die("bind");
  for (int i = 0; i < 4; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, loops[i], &fds[i])) die("thread");
  }
  puts("ready");
  fflush(stdout);
  for (;;) pause();
}

// ---- clients

static const char *address;
static int port;
static double seconds;
static float latencies[LATENCIES];
static uint64_t measured, errors;

static int dial(int to) {
  struct sockaddr_in a = endpoint(address, to);
  int fd = open_socket(SOCK_STREAM);
  if (connect(fd, (void *)&a, sizeof a)) die("connect");
  return fd;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void print(double rate, double loss) {
  uint64_t n = measured < LATENCIES ? measured : LATENCIES;
  qsort(latencies, n, sizeof *latencies, ascending);
  printf("{\"rate\": %.3f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"loss\": %.4f, \"errors\": %llu}\n", rate,
         n ? latencies[n / 2] : 0.0, n ? latencies[n * 99 / 100] : 0.0, loss, (unsigned long long)errors);
}

static void stream(void) {
  static char buffer[CHUNK];
  int fd = dial(port);
  uint64_t sent = 0, total = 0;
  double start = now(), end;
  for (int warm = 0;;) {
    ssize_t n = send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
    if (n <= 0) die("send");
    sent += (uint64_t)n;
    double at = now();
    if (!warm && at - start >= warm_up_s) warm = 1, sent = 0, start = at;
    if (warm && at - start >= seconds) break;
  }
  // Until the last byte has arrived: what waits in buffers is not yet carried.
  shutdown(fd, SHUT_WR);
  if (receive_all(fd, &total, sizeof total)) errors++;
  end = now();
  print((double)sent * 8e-9 / (end - start), 0);
}

static void note(double *start, double before, double after, int *warm) {
  if (!*warm && after - *start >= warm_up_s) {
    *warm = 1, *start = after;
  } else if (*warm) {
    if (measured < LATENCIES) latencies[measured] = (float)((after - before) * 1e6);
    measured++;
  }
}

static void answers(void) {
  char buffer[MESSAGE] = {0};
  int fd = dial(port + 1), warm = 0;
  double start = now(), after = start;
  while (!warm || after - start < seconds) {
    double before = after;
    if (send(fd, buffer, sizeof buffer, MSG_NOSIGNAL) < 0 || receive_all(fd, buffer, sizeof buffer)) die("answer");
    after = now();
    note(&start, before, after, &warm);
  }
  print((double)measured / (after - start), 0);
}

static void connections(void) {
  char buffer[MESSAGE] = {0};
  struct linger reset = {1, 0};
  int warm = 0;
  double start = now(), after = start;
  while (!warm || after - start < seconds) {
    double before = after;
    int fd = dial(port + 2);
    if (send(fd, buffer, sizeof buffer, MSG_NOSIGNAL) < 0 || receive_all(fd, buffer, sizeof buffer)) errors++;
    // The server closes first, and the reset frees its side: neither keeps a TIME_WAIT that would use up the ports.
    if (recv(fd, buffer, 1, 0) != 0) errors++;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    after = now();
    note(&start, before, after, &warm);
  }
  print((double)measured / (after - start), 0);
}

static void datagrams(void) {
  static char data[DATAGRAM] = "D";
  struct iovec part = {data, sizeof data};
  struct mmsghdr messages[BURST];
  struct sockaddr_in a = endpoint(address, port);
  struct timeval patience = {0, 200000};
  struct report seen = {0};
  uint64_t sent = 0;
  int fd = open_socket(SOCK_DGRAM);
  if (connect(fd, (void *)&a, sizeof a)) die("connect");
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (int i = 0; i < BURST; i++) messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
  for (double start = now(); now() - start < warm_up_s;) sendmmsg(fd, messages, BURST, 0);
  // 'Z' is behind the warm-up's datagrams in the server's queue; an answer means that it is empty.
  for (int tries = 0; tries < 20; tries++) {
    if (send(fd, "Z", 1, 0) == 1 && send(fd, "Q", 1, 0) == 1 && recv(fd, &seen, sizeof seen, 0) == sizeof seen)
      if (!seen.count) break;
  }
  if (seen.count) die("server");
  for (double start = now(); now() - start < seconds;) {
    int n = sendmmsg(fd, messages, BURST, 0);
    if (n > 0) sent += (uint64_t)n;
  }
  for (int tries = 0; tries < 20; tries++) {
    if (send(fd, "Q", 1, 0) == 1 && recv(fd, &seen, sizeof seen, 0) == sizeof seen) break;
  }
  if (!seen.count) die("no datagram arrived");
  print((double)seen.count / (seen.last - seen.first), 1 - (double)seen.count / (double)sent);
}

int main(int count, char **words) {
  if (count < 5) {
    fprintf(stderr, "usage: nb serve|stream|rr|crr|udp ADDRESS PORT CPU [SECONDS]\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpriority(PRIO_PROCESS, 0, -20);  // what else runs on the machine gets little of this CPU; a user may not: fine
  pin(atoi(words[4]));
  address = words[2], port = atoi(words[3]), seconds = count > 5 ? atof(words[5]) : 1;
  if (!strcmp(words[1], "serve")) serve(address, port);
  else if (!strcmp(words[1], "stream")) stream();
  else if (!strcmp(words[1], "rr")) answers();
  else if (!strcmp(words[1], "crr")) connections();
  else if (!strcmp(words[1], "udp")) datagrams();
  else return 2;
  return 0;
}
