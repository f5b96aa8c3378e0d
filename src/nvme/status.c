/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of statuses (NVMe Base 2.0 3.3.3.2.1). Constant; any thread.
 */
#include "nvme/wire.h"

#include <wrasse/status.h>

static const struct name {
	uint8_t sct, sc;
	const char *name;
} names[] = {
	{0, 0x00, "Successful Completion"},
	{0, 0x01, "Invalid Command Opcode"},
	{0, 0x02, "Invalid Field in Command"},
	{0, 0x03, "Command ID Conflict"},
	{0, 0x04, "Data Transfer Error"},
	{0, 0x05, "Commands Aborted due to Power Loss Notification"},
	{0, 0x06, "Internal Error"},
	{0, 0x07, "Command Abort Requested"},
	{0, 0x08, "Command Aborted due to SQ Deletion"},
	{0, 0x09, "Command Aborted due to Failed Fused Command"},
	{0, 0x0a, "Command Aborted due to Missing Fused Command"},
	{0, 0x0b, "Invalid Namespace or Format"},
	{0, 0x0c, "Command Sequence Error"},
	{0, 0x0d, "Invalid SGL Segment Descriptor"},
	{0, 0x0e, "Invalid Number of SGL Descriptors"},
	{0, 0x0f, "Data SGL Length Invalid"},
	{0, 0x10, "Metadata SGL Length Invalid"},
	{0, 0x11, "SGL Descriptor Type Invalid"},
	{0, 0x15, "Operation Denied"},
	{0, 0x16, "SGL Offset Invalid"},
	{0, 0x18, "Host Identifier Inconsistent Format"},
	{0, 0x19, "Keep Alive Timer Expired"},
	{0, 0x1a, "Keep Alive Timeout Invalid"},
	{0, 0x1b, "Command Aborted due to Preempt and Abort"},
	{0, 0x20, "Namespace is Write Protected"},
	{0, 0x21, "Command Interrupted"},
	{0, 0x22, "Transient Transport Error"},
	{0, 0x80, "LBA Out of Range"},
	{0, 0x81, "Capacity Exceeded"},
	{0, 0x82, "Namespace Not Ready"},
	{0, 0x83, "Reservation Conflict"},
	{0, 0x84, "Format In Progress"},
	{1, 0x01, "Invalid Queue Identifier"},
	{1, 0x02, "Invalid Queue Size"},
	{1, 0x03, "Abort Command Limit Exceeded"},
	{1, 0x05, "Asynchronous Event Request Limit Exceeded"},
	{1, 0x09, "Invalid Log Page"},
	{1, 0x0a, "Invalid Format"},
	{1, 0x0d, "Feature Identifier Not Saveable"},
	{1, 0x0e, "Feature Not Changeable"},
	{1, 0x0f, "Feature Not Namespace Specific"},
	{1, 0x15, "Namespace Insufficient Capacity"},
	{1, 0x16, "Namespace Identifier Unavailable"},
	{1, 0x18, "Namespace Already Attached"},
	{1, 0x19, "Namespace Is Private"},
	{1, 0x1a, "Namespace Not Attached"},
	{1, 0x1b, "Thin Provisioning Not Supported"},
	{1, 0x1c, "Controller List Invalid"},
	{1, 0x1f, "Invalid Controller Identifier"},
	{1, 0x24, "ANA Group Identifier Invalid"},
	{1, 0x29, "I/O Command Set Not Supported"},
	{1, 0x2b, "I/O Command Set Combination Rejected"},
	{1, 0x80, "Connect Incompatible Format or Conflicting Attributes"},
	{1, 0x81, "Connect Controller Busy or Invalid Protection Information"},
	{1, 0x82, "Connect Invalid Parameters or Write to Read Only Range"},
	{1, 0x83, "Connect Restart Discovery or Command Size Limit Exceeded"},
	{1, 0x84, "Connect Invalid Host"},
	{1, 0x85, "Invalid Queue Type"},
	{1, 0x87, "Overlapping I/O Range"},
	{1, 0x90, "Discover Restart"},
	{1, 0x91, "Authentication Required"},
	{2, 0x80, "Write Fault"},
	{2, 0x81, "Unrecovered Read Error"},
	{2, 0x82, "End-to-end Guard Check Error"},
	{2, 0x83, "End-to-end Application Tag Check Error"},
	{2, 0x84, "End-to-end Reference Tag Check Error"},
	{2, 0x85, "Compare Failure"},
	{2, 0x86, "Access Denied"},
	{2, 0x87, "Deallocated or Unwritten Logical Block"},
	{3, 0x00, "Internal Path Error"},
	{3, 0x01, "Asymmetric Access Persistent Loss"},
	{3, 0x02, "Asymmetric Access Inaccessible"},
	{3, 0x03, "Asymmetric Access Transition"},
	{3, 0x60, "Controller Pathing Error"},
	{3, 0x70, "Host Pathing Error"},
	{3, 0x71, "Command Aborted By Host"},
};

const char *wrasse_status_name(struct wrasse_status status)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].sct == status.sct && names[i].sc == status.sc)
			return names[i].name;
	}
	return "unknown status";
}
