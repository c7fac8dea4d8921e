// SPDX-License-Identifier: GPL-2.0-only
#include "qmp.h"
#include "slow.h"

/* Whose turn is after so many bytes at one a second has to wait for nine minutes. */
#define BLOCK 512

/* QEMU drains a disk whose options are set, and a disk that is drained has no limits. */
static int let_go(void)
{
	return qmp("blockdev-reopen", "'options': [{'driver': 'throttle', 'node-name': 'slow-disk', "
		   "'throttle-group': 'slow', 'file': 'spare0', 'discard': 'unmap'}]");
}

int slow_down(unsigned int operations, unsigned int bytes)
{
	int error = qmp("qom-set", "'path': '/objects/slow', 'property': 'limits', "
			"'value': {'iops-total': %u, 'bps-total': %u}", operations, bytes);

	if (error || operations || bytes)
		return error;
	return let_go();
}

int slow_stop(const struct passthru *nodes)
{
	char block[BLOCK];

	return slow_down(0, 1) ?: blocks_read(nodes, 0, 1, block, BLOCK);
}

long slow_passthru(void *argument)
{
	struct slow_call *call = argument;
	struct nvme_passthru_cmd64 command = call->command;

	return passthru(call->fd, call->request, &command);
}
