// SPDX-License-Identifier: GPL-2.0-only
#include "qmp.h"
#include "slow.h"

int slow_down(unsigned int operations, unsigned int bytes)
{
	return qmp("qom-set", "'path': '/objects/slow', 'property': 'limits', "
		   "'value': {'iops-total': %u, 'bps-total': %u}", operations, bytes);
}

long slow_passthru(void *argument)
{
	struct slow_call *call = argument;
	struct nvme_passthru_cmd64 command = call->command;

	return passthru(call->fd, call->request, &command);
}
