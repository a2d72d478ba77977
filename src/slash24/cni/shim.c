/* The CNI plugin `slash24`: hands the request to the node's agent over a unix socket, and its answer to the runtime.
 *
 * Runtimes start a plugin once per pod: this takes 0.2 ms, Python 7 to 60. If the agent doesn't answer, the Python
 * fallback named in plugin.conf does the work in this very process, on the same lease store.
 *
 * plugin.conf: the socket's path, then the fallback's program and its arguments, one a line.
 * To the agent: u32 length of the environment, u32 length of stdin, CNI_* as NAME=VALUE\0..., stdin.
 * From the agent: one byte of exit status, then what goes to stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_CONF "/var/lib/slash24/plugin.conf"
#define DEFAULT_SOCKET "/run/slash24/agent.sock"
#define MAX_INPUT (4 << 20)
#define ANSWER_S 10 /* an agent that is silent for so long is taken for dead */

extern char **environ;

static char conf[8192];
static char *argument[32];

static int fail(int code, const char *what, const char *details)
{
	printf("{\"cniVersion\": \"1.0.0\", \"code\": %d, \"msg\": \"%s\", \"details\": \"%s\"}\n", code, what, details);
	return 1;
}

/* Split plugin.conf; returns the socket's path. */
static const char *read_conf(void)
{
	const char *path = getenv("SLASH24_PLUGIN_CONF");
	int fd = open(path ? path : DEFAULT_CONF, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, conf, sizeof conf - 1);
	int count = 0;
	char *line, *rest = conf, *server;

	if (fd >= 0)
		close(fd);
	conf[length > 0 ? length : 0] = 0;
	server = strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n")) && count < 31)
		if (*line)
			argument[count++] = line;
	return server && *server ? server : DEFAULT_SOCKET;
}

/* Read stdin to its end; returns its length, or -1. */
static ssize_t read_input(char **input)
{
	size_t room = 16384, length = 0;
	ssize_t got;

	*input = malloc(room);
	while (*input && (got = read(0, *input + length, room - length)) != 0) {
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		length += got;
		if (length == room) {
			if (room >= MAX_INPUT)
				return -1;
			*input = realloc(*input, room *= 2);
		}
	}
	return *input ? (ssize_t)length : -1;
}

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
		if (sent <= 0)
			return -1;
		bytes += sent;
		length -= sent;
	}
	return 0;
}

/* Ask the agent. Returns the exit status, or -1 if there is no whole answer. */
static int ask(const char *server, const char *input, size_t input_length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_S};
	uint32_t header[2] = {0, (uint32_t)input_length};
	char *names, *answer;
	size_t length = 0, room = 65536;
	ssize_t got;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(server) >= sizeof address.sun_path)
		return -1;
	strcpy(address.sun_path, server);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* holds for connect() too */
	if (connect(fd, (struct sockaddr *)&address, sizeof address))
		return -1;
	for (char **name = environ; *name; name++)
		if (!strncmp(*name, "CNI_", 4))
			header[0] += strlen(*name) + 1;
	names = malloc(header[0] + 1);
	answer = malloc(room);
	if (!names || !answer)
		return -1;
	for (char **name = environ, *end = names; *name; name++)
		if (!strncmp(*name, "CNI_", 4))
			end = stpcpy(end, *name) + 1;
	if (send_all(fd, (char *)header, sizeof header) || send_all(fd, names, header[0]) ||
	    send_all(fd, input, input_length))
		return -1;
	while ((got = recv(fd, answer + length, room - length, 0)) != 0) {
		if (got < 0)
			return -1; /* time is over, or the agent died */
		length += got;
		if (length == room && (room > MAX_INPUT || !(answer = realloc(answer, room *= 2))))
			return -1;
	}
	/* An agent that is killed closes the socket too: a whole answer is a status and JSON or nothing. */
	if (length < 1 || (length > 1 && answer[length - 1] != '\n') || (unsigned char)answer[0] > 1)
		return -1;
	fwrite(answer + 1, 1, length - 1, stdout);
	return answer[0];
}

int main(void)
{
	const char *command = getenv("CNI_COMMAND");
	const char *server;
	char *input;
	ssize_t length;
	int status, copy;

	if (!command)
		return fail(4, "CNI_COMMAND is missing", "this program is a CNI plugin: a container runtime calls it");
	if (!strcmp(command, "VERSION")) {
		puts("{\"cniVersion\": \"1.1.0\", \"supportedVersions\": [\"0.3.1\", \"0.4.0\", \"1.0.0\", \"1.1.0\"]}");
		return 0;
	}
	length = read_input(&input);
	if (length < 0)
		return fail(5, "stdin could not be read", "the network configuration is expected there, 4 MiB at most");
	server = read_conf();
	status = ask(server, input, length);
	if (status >= 0)
		return status;
	if (!argument[0])
		return fail(11, "the slash24 agent does not answer", "and no fallback is installed on this node");
	copy = memfd_create("stdin", 0);
	if (copy < 0 || write(copy, input, length) != length || lseek(copy, 0, SEEK_SET) || dup2(copy, 0))
		return fail(5, "the fallback could not be started", strerror(errno));
	execv(argument[0], argument);
	return fail(11, "the slash24 agent does not answer", "and the fallback could not be started");
}
