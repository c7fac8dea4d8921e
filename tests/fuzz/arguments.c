// SPDX-License-Identifier: GPL-2.0-only
#include <linux/nvme_call.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arguments.h"
#include "lib/util.h"

#define ARENA_PAGES 80
#define WRITABLE_PAGES 64
#define FEATURE_FDP_EVENTS 0x1e

unsigned char *arena_new(void)
{
	unsigned char *arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED)
		return NULL;
	mprotect(arena + WRITABLE_PAGES * PAGE, 8 * PAGE, PROT_READ);
	mprotect(arena + (WRITABLE_PAGES + 8) * PAGE, 8 * PAGE, PROT_NONE);
	return arena;
}

uint64_t any_pointer(struct caller *caller)
{
	struct random *random = &caller->random;

	switch (random_below(random, 10)) {
	case 0:
		return (uintptr_t)caller->arena + random_below(random, ARENA_PAGES * PAGE);
	case 1:
		return (uintptr_t)caller->arena + WRITABLE_PAGES * PAGE - random_below(random, 512);
	case 2:
		/* Nothing, and the kernel's; what lies between is the caller's own. */
		return random_once_in(random, 2) ? random_below(random, PAGE) :
						   random_bits(random) | 1ULL << 63;
	case 3:
		return (uintptr_t)caller->arena + (random_below(random, 32 * PAGE) & ~3U);
	default:
		return (uintptr_t)caller->arena + random_below(random, 32) * PAGE;
	}
}

uint32_t any_length(struct random *random)
{
	switch (random_below(random, 8)) {
	case 0:
		return random_below(random, 32 * PAGE);
	case 1:
		return random_once_in(random, 4) ? 0x7fffffff + random_below(random, 3) : 0;
	case 2:
		return 1U << random_below(random, 18);
	default:
		return (1 + random_below(random, 8)) * PAGE;
	}
}

static uint32_t nsid(struct random *random)
{
	static const uint32_t some[] = { 0, 2, 3, 0xffffffff };

	return random_once_in(random, 4) ? some[random_below(random, ARRAY_LENGTH(some))] : 1;
}

static uint8_t admin_opcode(struct random *random)
{
	static const uint8_t often[] = {
		ADMIN_IDENTIFY, ADMIN_IDENTIFY, ADMIN_GET_LOG_PAGE, ADMIN_GET_LOG_PAGE,
		ADMIN_GET_FEATURES, ADMIN_SET_FEATURES, ADMIN_ABORT, ADMIN_EVENT_REQUEST,
		ADMIN_DELETE_SQ, ADMIN_FORMAT, ADMIN_DOORBELL_BUFFER,
	};

	return random_below(random, 4) ? often[random_below(random, ARRAY_LENGTH(often))] :
					 random_bits(random);
}

static uint8_t io_opcode(struct random *random)
{
	static const uint8_t often[] = {
		IO_READ, IO_READ, IO_WRITE, IO_WRITE, IO_FLUSH, IO_COMPARE, IO_WRITE_ZEROES,
		IO_DATASET_MANAGEMENT,
	};

	return random_below(random, 6) ? often[random_below(random, ARRAY_LENGTH(often))] :
					 random_bits(random);
}

/*
 * Any command but those after which there is nothing left to send commands to, whichever queue it may go to: Namespace
 * Attachment; and what ends QEMU 11, a Copy that ends outside of the namespace, and events of Flexible Data Placement
 * set for all namespaces.
 */
static void spare(uint8_t *opcode, uint32_t *cdw10)
{
	if (*opcode == ADMIN_NAMESPACE_ATTACHMENT || *opcode == IO_COPY)
		*opcode = IO_READ;
	if (*opcode == ADMIN_SET_FEATURES && (*cdw10 & 0xff) == FEATURE_FDP_EVENTS)
		*cdw10 ^= FEATURE_FDP_EVENTS;
}

struct nvme_passthru_cmd64 any_command(struct caller *caller, bool admin)
{
	struct random *random = &caller->random;
	struct nvme_passthru_cmd64 made = {
		.opcode = admin ? admin_opcode(random) : io_opcode(random),
		.nsid = nsid(random),
		.addr = any_pointer(caller),
		.data_len = any_length(random),
	};
	unsigned int blocks = 1 + random_below(random, 64);

	if (admin) {
		made.cdw10 = random_below(random, 4) ? random_below(random, 0x20) :
						       random_edge(random);
		if (made.opcode == ADMIN_GET_LOG_PAGE)
			made.cdw10 |= (blocks * 8 - 1) << 16;
		made.cdw11 = random_once_in(random, 2) ? random_edge(random) : 0;
	} else {
		made.cdw10 = random_below(random, 4) ? random_below(random, 1 << 17) :
						       random_edge(random);
		made.cdw12 = random_below(random, 8) ? blocks - 1 : random_edge(random);
	}
	if (random_once_in(random, 8)) {
		made.metadata = any_pointer(caller);
		made.metadata_len = any_length(random);
	}
	if (random_once_in(random, 16))
		made.cdw13 = random_edge(random);
	if (random_once_in(random, 16))
		made.cdw14 = random_edge(random);
	if (random_once_in(random, 64))
		made.flags = random_bits(random);
	if (random_once_in(random, 64))
		made.rsvd2 = random_bits(random);
	/* A short one may end in an abort, or in a reset. */
	if (random_once_in(random, 32))
		made.timeout_ms = random_once_in(random, 8) ? random_below(random, 100) :
							      30000 + random_below(random, 1000);
	spare(&made.opcode, &made.cdw10);
	return made;
}

struct nvme_call *any_envelope(struct caller *caller)
{
	struct random *random = &caller->random;
	bool admin = random_once_in(random, 2);
	struct nvme_passthru_cmd64 like = any_command(caller, admin);
	struct nvme_call *call = (void *)(caller->arena + random_below(random, 32) * PAGE);

	*call = (struct nvme_call){
		.size = sizeof(*call), .family = admin ? NVME_CALL_ADMIN : NVME_CALL_IO,
		.command = like.opcode, .nsid = like.nsid, .tag = random_below(random, TAGS),
		.cdw10 = like.cdw10, .cdw11 = like.cdw11, .cdw12 = like.cdw12, .cdw13 = like.cdw13,
		.cdw14 = like.cdw14, .timeout_ms = like.timeout_ms,
		.size_in = like.opcode & 1 ? like.data_len : 0,
		.size_out = like.opcode & 2 ? like.data_len : 0,
		.size_metadata = like.metadata_len,
		.flags = random_once_in(random, 4) ? NVME_CALL_TRUNCATE : 0,
	};
	if (random_once_in(random, 16))
		call->size_in = random_edge(random);
	if (random_once_in(random, 16))
		call->size_out = random_edge(random);
	if (random_once_in(random, 32))
		call->size = random_once_in(random, 2) ? random_below(random, 2 * PAGE) :
							random_edge(random);
	if (random_once_in(random, 64))
		random_fill(random, call, 12);
	spare(&call->command, &call->cdw10);
	return call;
}
