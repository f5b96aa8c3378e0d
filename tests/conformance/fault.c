/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults that come from outside: by the simulated fabric's own calls, or on rdma_rxe by what an administrator types.
 */
#include <net/if.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "conformance.h"

extern char **environ;

/* Only the simulated fabric has these. */
__attribute__((weak)) void fabric_port_set(const char *device, bool up);
__attribute__((weak)) void fabric_device_remove(const char *device);

static pid_t start(const char *command)
{
	char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
	pid_t pid;

	must((errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ)));
	return pid;
}

static void line_of(const char *path, char *line, size_t len)
{
	FILE *file = fopen(path, "r");

	check(file && fgets(line, (int)len, file), "cannot read %s", path);
	fclose(file);
	line[strcspn(line, "\n")] = 0;
}

/* The other end of the device's veth pair: without its carrier the port is down. */
static void peer_of(const char *device_name, char name[IF_NAMESIZE])
{
	char path[300], line[64];
	unsigned index;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/gid_attrs/ndevs/0",
		 device_name);
	line_of(path, line, sizeof(line));
	snprintf(path, sizeof(path), "/sys/class/net/%s/iflink", line);
	line_of(path, line, sizeof(line));
	check(sscanf(line, "%u", &index) == 1 && if_indextoname(index, name), "%s has no veth peer",
	      device_name);
}

void fault_port(bool up)
{
	const char *name = ibv_get_device_name(device()->device);
	char peer[IF_NAMESIZE], command[100];
	int status;

	if (fabric_port_set) {
		fabric_port_set(name, up);
		return;
	}
	peer_of(name, peer);
	snprintf(command, sizeof(command), "ip link set %s %s", peer, up ? "up" : "down");
	check(waitpid(start(command), &status, 0) > 0 && status == 0, "'%s' failed", command);
}

/* The command may wait for this program to let go of the device, so nobody waits for the command. */
void fault_device_remove(void)
{
	const char *name = ibv_get_device_name(device()->device);
	char command[100];

	if (fabric_device_remove) {
		fabric_device_remove(name);
		return;
	}
	snprintf(command, sizeof(command), "rdma link del %s", name);
	start(command);
}
