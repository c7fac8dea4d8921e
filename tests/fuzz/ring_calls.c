// SPDX-License-Identifier: GPL-2.0-only
#include <linux/nvme_buffer.h>
#include <linux/nvme_event.h>
#include <string.h>

#include "arguments.h"
#include "lib/util.h"

#define RING_ENTRIES 64
/* So many calls on a ring, on average, before it is closed, whatever is in flight. */
#define RING_LIFE 200

static int ring_renew(struct caller *caller)
{
	static const unsigned int kinds[] = {
		RING_WIDE, RING_WIDE, RING_WIDE | IORING_SETUP_IOPOLL, RING_WIDE | IORING_SETUP_SQPOLL,
		RING_WIDE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0,
	};
	unsigned int kind = kinds[random_below(&caller->random, ARRAY_LENGTH(kinds))];
	int error;

	if (caller->ring_is_open)
		ring_close(&caller->ring);
	caller->in_flight = 0;
	error = ring_open(&caller->ring, RING_ENTRIES, kind);
	caller->ring_is_open = !error;
	return error ?: ring_register(&caller->ring, caller->arena, 32 * PAGE);
}

long call_ring(struct caller *caller)
{
	static const unsigned int operations[] = {
		NVME_URING_CMD_IO, NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC, NVME_URING_CMD_ADMIN,
		NVME_URING_CMD_ADMIN_VEC, NVME_URING_CMD_REGISTER_BUFFER, NVME_URING_CMD_EVENTS,
		NVME_URING_CMD_CALL, NVME_URING_CMD_CALL_ABORT,
	};
	struct random *random = &caller->random;
	struct ring_command made = {
		.fd = any_file(caller),
		.operation = operations[random_below(random, ARRAY_LENGTH(operations))],
		.sqe_flags = random_once_in(random, 16) ? IOSQE_ASYNC : 0,
		.uring_flags = random_below(random, 4) ? 0 : IORING_URING_CMD_FIXED,
		.buffer = random_below(random, 8) ? 0 : random_edge(random),
	};
	struct nvme_passthru_cmd64 like;
	struct ring_answer answer = {};
	int error = 0, bad = 0;

	if (!caller->ring_is_open || random_once_in(random, RING_LIFE) ||
	    caller->in_flight > RING_ENTRIES / 2)
		error = ring_renew(caller);
	if (error)
		return error;
	like = any_command(caller, made.operation == NVME_URING_CMD_ADMIN);
	/* The same up to the last word, which is reserved here. */
	memcpy(&made.command, &like, sizeof(made.command));
	made.command.rsvd2 = 0;
	if (made.operation == NVME_URING_CMD_CALL) {
		struct nvme_call_uring address = { .addr = (uintptr_t)any_envelope(caller) };

		memcpy(&made.command, &address, sizeof(address));
	} else if (made.operation == NVME_URING_CMD_CALL_ABORT) {
		struct nvme_call_abort abort = {
			.size = sizeof(abort), .tag = random_below(random, TAGS),
		};

		memcpy(&made.command, &abort, sizeof(abort));
	}
	if (random_once_in(random, 16))
		random_fill(random, (char *)&made.command + 16, 24);
	if (random_once_in(random, 32))
		made.operation = random_bits(random);
	TELL(caller, "ring: fd %d operation %#x flags %#x opcode %#x nsid %#x addr %#llx length %#x cdw10 %#x cdw12 %#x",
	     made.fd, made.operation, made.uring_flags, made.command.opcode, made.command.nsid,
	     made.command.addr, made.command.data_len, made.command.cdw10, made.command.cdw12);
	error = ring_push(&caller->ring, &made);
	error = error ?: ring_submit(&caller->ring);
	if (error < 0)
		return error;
	caller->in_flight++;
	/* Some wait, others leave commands in flight. */
	if (random_once_in(random, 2))
		return 0;
	while (ring_peek(&caller->ring, &answer)) {
		caller->in_flight -= !!caller->in_flight;
		bad |= answer.res < 0;
	}
	return -bad;
}
