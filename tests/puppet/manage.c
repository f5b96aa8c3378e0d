/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces that hosts manage: disks in memory, created and deleted by the library's leave.
 */
#include <errno.h>

#include "puppet.h"

static char stranger[224];

static bool may_manage(void *ctx, const char *hostnqn)
{
	return strcmp(hostnqn, stranger) != 0;
}

static void capacity(void *ctx, struct wrasse_ns_capacity *told)
{
	disk_capacity(told);
}

static void refuse(struct wrasse_command *command, int rc)
{
	uint8_t sc = rc == -ENOSPC ? WRASSE_SC_NS_ID_UNAVAILABLE : WRASSE_SC_NS_CAPACITY;

	wrasse_command_complete(command, wrasse_status_make(WRASSE_SCT_COMMAND, sc, true));
}

static void on_create(struct wrasse_command *command, const struct wrasse_ns_create *wanted)
{
	int rc = disk_create(wanted);

	if (rc < 0) {
		refuse(command, rc);
		return;
	}
	command->result = (uint32_t)rc;
	wrasse_command_complete(command, wrasse_status_ok());
}

static void on_removed(void *ctx)
{
	wrasse_command_complete(ctx, wrasse_status_ok());
}

static void remove_all(void)
{
	for (uint32_t nsid = 1; nsid <= MAX_DISKS; nsid++)
		disk_remove(nsid, NULL, NULL);
}

static void on_remove(struct wrasse_command *command)
{
	if (command->nsid == UINT32_MAX) {
		remove_all();
		wrasse_command_complete(command, wrasse_status_ok());
	} else if (disk_remove(command->nsid, on_removed, command)) {
		wrasse_command_complete(command, wrasse_status_make(WRASSE_SCT_GENERIC,
								    WRASSE_SC_INTERNAL, false));
	}
}

static void on_attached(struct wrasse_command *command)
{
	struct disk *disk = disk_find(command->nsid);
	char hostnqn[224];

	printf("seen %u", command->nsid);
	for (uint32_t i = 0; disk && !wrasse_namespace_host(disk->ns, i, hostnqn, sizeof(hostnqn));
	     i++)
		printf(" %s", hostnqn);
	printf("\n");
	fflush(stdout);
	wrasse_command_complete(command, command->status);
}

int manage_begin(const char *name)
{
	struct wrasse_ns_management management;

	if (name && strlen(name) >= sizeof(stranger))
		return -EINVAL;
	strcpy(stranger, name ? name : "");
	wrasse_ns_management_init(&management);
	management.block_sizes = 512 | 4096;
	management.may_manage = may_manage;
	management.create = on_create;
	management.remove = on_remove;
	management.attached = on_attached;
	management.capacity = capacity;
	return wrasse_subsystem_set_ns_management(puppet.subsystem, &management);
}
