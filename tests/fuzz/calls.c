// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_buffer.h>
#include <linux/nvme_call.h>
#include <linux/nvme_event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "calls.h"
#include "lib/util.h"

#define PAGE 4096
#define ARENA_PAGES 80
#define WRITABLE_PAGES 64
#define RING_ENTRIES 64
/* So many calls on a ring, on average, before it is closed, whatever is in flight. */
#define RING_LIFE 200
#define NODES 2
/* Tags are used again and again, so that some of them are in use. */
#define TAGS 8

const char *const kind_names[KINDS] = {
	"read", "seek", "poll", "event ioctl", "command ioctl", "envelope", "other ioctl", "ring", "file", "reset",
};

#define TELL(caller, ...) \
	snprintf((caller)->progress->last, sizeof((caller)->progress->last), __VA_ARGS__)

/* Memory to write to, to read only, and none at all. Nothing else is given to the driver: it is the caller's. */
static unsigned char *arena_new(void)
{
	unsigned char *arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED)
		return NULL;
	mprotect(arena + WRITABLE_PAGES * PAGE, 8 * PAGE, PROT_READ);
	mprotect(arena + (WRITABLE_PAGES + 8) * PAGE, 8 * PAGE, PROT_NONE);
	return arena;
}

static uint64_t pointer(struct caller *caller)
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

/* Mostly what a command may have. From a good pointer on, that much is the arena's, or nobody's. */
static uint32_t length(struct random *random)
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

/*
 * Any opcode but Namespace Attachment, after which there would be nothing left
 * to send commands to.
 */
static uint8_t admin_opcode(struct random *random)
{
	static const uint8_t often[] = {
		ADMIN_IDENTIFY, ADMIN_IDENTIFY, ADMIN_GET_LOG_PAGE, ADMIN_GET_LOG_PAGE,
		ADMIN_GET_FEATURES, ADMIN_SET_FEATURES, ADMIN_ABORT, ADMIN_EVENT_REQUEST,
		ADMIN_DELETE_SQ, ADMIN_FORMAT, ADMIN_DOORBELL_BUFFER,
	};
	uint8_t opcode = random_bits(random);

	if (random_below(random, 4))
		opcode = often[random_below(random, ARRAY_LENGTH(often))];
	return opcode == ADMIN_NAMESPACE_ATTACHMENT ? ADMIN_IDENTIFY : opcode;
}

/* Any opcode but Copy: one that ends outside of the namespace ends QEMU 11 as well. */
static uint8_t io_opcode(struct random *random)
{
	static const uint8_t often[] = {
		IO_READ, IO_READ, IO_WRITE, IO_WRITE, IO_FLUSH, IO_COMPARE, IO_WRITE_ZEROES,
		IO_DATASET_MANAGEMENT,
	};
	uint8_t opcode = random_bits(random);

	if (random_below(random, 6))
		opcode = often[random_below(random, ARRAY_LENGTH(often))];
	return opcode == IO_COPY ? IO_READ : opcode;
}

/* A command with most of its members as they should be. */
static struct nvme_passthru_cmd64 command(struct caller *caller, bool admin)
{
	struct random *random = &caller->random;
	struct nvme_passthru_cmd64 made = {
		.opcode = admin ? admin_opcode(random) : io_opcode(random),
		.nsid = nsid(random),
		.addr = pointer(caller),
		.data_len = length(random),
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
		made.metadata = pointer(caller);
		made.metadata_len = length(random);
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
	return made;
}

static int file(struct caller *caller)
{
	return caller->files[random_below(&caller->random, FILES)];
}

static int open_file(struct caller *caller, unsigned int index)
{
	static const int modes[] = { O_RDONLY, O_RDWR, O_RDWR, O_WRONLY };
	const char *path = index % NODES ? caller->nodes.path : caller->nodes.controller.path;
	int mode = modes[random_below(&caller->random, ARRAY_LENGTH(modes))];

	/* What blocks would do so until an event comes. */
	caller->files[index] = open(path, mode | O_NONBLOCK | O_CLOEXEC);
	return caller->files[index] < 0 ? -errno : 0;
}

static long call_file(struct caller *caller)
{
	unsigned int index = random_below(&caller->random, FILES);

	TELL(caller, "close and open file %u", index);
	close(caller->files[index]);
	return open_file(caller, index);
}

static long call_read(struct caller *caller)
{
	struct random *random = &caller->random;
	void *memory = (void *)pointer(caller);
	uint32_t bytes = length(random);
	int fd = file(caller);

	if (random_once_in(random, 2)) {
		off_t offset = random_once_in(random, 4) ? (off_t)random_edge(random) :
							   random_below(random, 2000) * 16;

		TELL(caller, "pread(%d, %p, %#x, %#lx)", fd, memory, bytes, offset);
		return pread(fd, memory, bytes, offset);
	}
	TELL(caller, "read(%d, %p, %#x)", fd, memory, bytes);
	return read(fd, memory, bytes);
}

static long call_seek(struct caller *caller)
{
	struct random *random = &caller->random;
	off_t offset = random_once_in(random, 3) ? (off_t)random_edge(random) :
						   random_below(random, 2000) * 16;
	int whence = random_below(random, 6), fd = file(caller);

	/* What most others ask for is not there. */
	if (random_once_in(random, 4))
		offset = 0;
	TELL(caller, "lseek(%d, %#lx, %d)", fd, offset, whence);
	return lseek(fd, offset, whence);
}

static long call_poll(struct caller *caller)
{
	struct pollfd one = { .fd = file(caller), .events = random_bits(&caller->random) };

	TELL(caller, "poll(%d, %#x)", one.fd, one.events);
	return poll(&one, 1, 0);
}

/* The structs begin with their sizes. */
static void resize(struct random *random, void *structure)
{
	uint32_t size = random_edge(random);

	if (random_once_in(random, 16))
		memcpy(structure, &size, sizeof(size));
}

static long call_event_ioctl(struct caller *caller)
{
	static const unsigned int requests[] = {
		NVME_EVENT_IOCTL_INFO, NVME_EVENT_IOCTL_RESUME, NVME_EVENT_IOCTL_MODE,
		NVME_EVENT_IOCTL_FILTER, NVME_EVENT_IOCTL_FETCH, NVME_EVENT_IOCTL_ACK,
		NVME_EVENT_IOCTL_SMART,
	};
	struct random *random = &caller->random;
	union {
		uint32_t size;
		struct nvme_event_info info;
		struct nvme_event_resume resume;
		struct nvme_event_mode mode;
		struct nvme_event_filter filter;
		struct nvme_event_fetch fetch;
		struct nvme_event_ack ack;
		struct nvme_event_smart smart;
	} any = {};
	unsigned int request = requests[random_below(random, ARRAY_LENGTH(requests))];
	uint64_t number = random_once_in(random, 8) ? random_edge(random) : random_below(random, 2000);
	void *argument = &any;
	int fd = file(caller);

	if (random_once_in(random, 8))
		random_fill(random, &any, sizeof(any));
	any.size = _IOC_SIZE(request);
	switch (request) {
	case NVME_EVENT_IOCTL_INFO:
		any.size = sizeof(any.info);
		break;
	case NVME_EVENT_IOCTL_RESUME:
		ioctl(fd, NVME_EVENT_IOCTL_INFO, &any.info);
		any.resume = (struct nvme_event_resume){
			.size = sizeof(any.resume), .stream_id = any.info.stream_id,
			.number = number,
		};
		break;
	case NVME_EVENT_IOCTL_MODE:
		any.mode.reading = random_below(random, 4);
		any.mode.fd = any.mode.reading == NVME_EVENT_SHARED ? file(caller) : 0;
		break;
	case NVME_EVENT_IOCTL_FETCH:
		any.fetch.number = number;
		any.fetch.flags &= 3;
		any.fetch.buffer = pointer(caller);
		any.fetch.buffer_bytes = length(random);
		any.fetch.offset = random_once_in(random, 4) ? random_edge(random) : 0;
		break;
	case NVME_EVENT_IOCTL_ACK:
		any.ack.number = number;
		break;
	}
	resize(random, &any);
	if (random_once_in(random, 16))
		argument = (void *)pointer(caller);
	TELL(caller, "ioctl(%d, %#x, %p), number %lu", fd, request, argument, number);
	return ioctl(fd, request, argument);
}

static long call_command_ioctl(struct caller *caller)
{
	static const unsigned long requests[] = {
		NVME_IOCTL_ADMIN_CMD, NVME_IOCTL_ADMIN64_CMD, NVME_IOCTL_IO_CMD, NVME_IOCTL_IO64_CMD,
		NVME_IOCTL_IO64_CMD_VEC, NVME_IOCTL_SUBMIT_IO,
	};
	struct random *random = &caller->random;
	unsigned long request = requests[random_below(random, ARRAY_LENGTH(requests))];
	bool admin = request == NVME_IOCTL_ADMIN_CMD || request == NVME_IOCTL_ADMIN64_CMD;
	struct nvme_passthru_cmd64 made = command(caller, admin);
	struct nvme_user_io io = {
		.opcode = made.opcode, .nblocks = made.cdw12, .addr = made.addr, .slba = made.cdw10,
		.metadata = made.metadata,
	};
	struct iovec pieces[4];
	void *argument = &made;
	int fd = file(caller);
	unsigned int i;

	if (request == NVME_IOCTL_IO64_CMD_VEC) {
		for (i = 0; i < ARRAY_LENGTH(pieces); i++)
			pieces[i] = (struct iovec){ (void *)pointer(caller), length(random) };
		made.addr = (uintptr_t)pieces;
		made.data_len = random_below(random, ARRAY_LENGTH(pieces) + 1);
	} else if (request == NVME_IOCTL_SUBMIT_IO) {
		argument = &io;
	}
	if (random_once_in(random, 64))
		argument = (void *)pointer(caller);
	TELL(caller, "ioctl(%d, %#lx), opcode %#x nsid %#x addr %#llx length %#x cdw10 %#x cdw11 %#x cdw12 %#x",
	     fd, request, made.opcode, made.nsid, made.addr, made.data_len, made.cdw10, made.cdw11,
	     made.cdw12);
	return ioctl(fd, request, argument);
}

/* Puts an envelope into the caller's memory; its payload follows it. */
static struct nvme_call *envelope(struct caller *caller)
{
	struct random *random = &caller->random;
	bool admin = random_once_in(random, 2);
	struct nvme_passthru_cmd64 like = command(caller, admin);
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
	return call;
}

static long call_envelope(struct caller *caller)
{
	struct random *random = &caller->random;
	struct nvme_call_abort abort = { .size = sizeof(abort), .tag = random_below(random, TAGS) };
	struct nvme_call *call = envelope(caller);
	void *argument = random_once_in(random, 64) ? (void *)pointer(caller) : call;
	int fd = file(caller);

	if (random_once_in(random, 4)) {
		TELL(caller, "ioctl(%d, abort), tag %llu", fd, abort.tag);
		return ioctl(fd, NVME_IOCTL_CALL_ABORT, &abort);
	}
	TELL(caller, "ioctl(%d, call), family %u opcode %#x nsid %#x sizes %#x %#x %#x %#x cdw10 %#x cdw12 %#x",
	     fd, call->family, call->command, call->nsid, call->size, call->size_in, call->size_out,
	     call->size_metadata, call->cdw10, call->cdw12);
	return ioctl(fd, NVME_IOCTL_CALL, argument);
}

static long call_other_ioctl(struct caller *caller)
{
	struct random *random = &caller->random;
	unsigned int request = _IOC(random_below(random, 4), 'N', random_bits(random) & 0xff,
				    random_below(random, 128));
	int fd = file(caller);
	uint64_t argument = pointer(caller);

	if (random_once_in(random, 2))
		request = NVME_IOCTL_ID;
	else if (random_once_in(random, 8))
		request = NVME_IOCTL_RESCAN;
	TELL(caller, "ioctl(%d, %#x, %#lx)", fd, request, argument);
	return ioctl(fd, request, argument);
}

/* Now and then, or nothing else would get done. */
static long call_reset(struct caller *caller)
{
	struct controller *controller = &caller->nodes.controller;
	char path[96];

	switch (random_below(&caller->random, 4)) {
	case 0:
		TELL(caller, "reset");
		return ioctl(file(caller), NVME_IOCTL_RESET);
	case 1:
		TELL(caller, "subsystem reset");
		return ioctl(file(caller), NVME_IOCTL_SUBSYS_RESET);
	case 2:
		TELL(caller, "reset by sysfs");
		snprintf(path, sizeof(path), "/sys/class/%s/%s/reset_controller",
			 controller->class, controller->node);
		return write_file(path, "1");
	default:
		TELL(caller, "function level reset");
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", controller->address);
		return write_file(path, "1");
	}
}

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

static long call_ring(struct caller *caller)
{
	static const unsigned int operations[] = {
		NVME_URING_CMD_IO, NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC, NVME_URING_CMD_ADMIN,
		NVME_URING_CMD_ADMIN_VEC, NVME_URING_CMD_REGISTER_BUFFER, NVME_URING_CMD_EVENTS,
		NVME_URING_CMD_CALL, NVME_URING_CMD_CALL_ABORT,
	};
	struct random *random = &caller->random;
	struct ring_command made = {
		.fd = file(caller),
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
	like = command(caller, made.operation == NVME_URING_CMD_ADMIN);
	/* The same up to the last word, which is reserved here. */
	memcpy(&made.command, &like, sizeof(made.command));
	made.command.rsvd2 = 0;
	if (made.operation == NVME_URING_CMD_CALL) {
		struct nvme_call_uring address = { .addr = (uintptr_t)envelope(caller) };

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

void caller_call(struct caller *caller)
{
	static const struct {
		enum kind kind;
		unsigned int share;
		long (*call)(struct caller *caller);
	} calls[] = {
		{ KIND_READ, 10, call_read }, { KIND_SEEK, 6, call_seek }, { KIND_POLL, 4, call_poll },
		{ KIND_EVENT_IOCTL, 15, call_event_ioctl },
		{ KIND_COMMAND_IOCTL, 25, call_command_ioctl },
		{ KIND_ENVELOPE, 15, call_envelope },
		{ KIND_OTHER_IOCTL, 5, call_other_ioctl }, { KIND_RING, 35, call_ring },
		{ KIND_FILE, 2, call_file },
	};
	unsigned int share = random_below(&caller->random, 117), i;
	enum kind kind = KIND_RESET;
	long result;

	for (i = 0; i < ARRAY_LENGTH(calls) - 1 && share >= calls[i].share; i++)
		share -= calls[i].share;
	if (random_once_in(&caller->random, 400)) {
		result = call_reset(caller);
	} else {
		kind = calls[i].kind;
		result = calls[i].call(caller);
	}
	if (result < 0)
		caller->progress->bad[kind]++;
	else
		caller->progress->good[kind]++;
	caller->progress->calls++;
}

int caller_begin(struct caller *caller, uint64_t seed, struct progress *progress)
{
	unsigned int i;
	int error;

	memset(caller, 0, sizeof(*caller));
	caller->random.state = seed;
	caller->progress = progress;
	error = passthru_open(&caller->nodes, 1);
	for (i = 0; i < FILES && !error; i++)
		error = open_file(caller, i);
	caller->arena = arena_new();
	return error ?: caller->arena ? 0 : -ENOMEM;
}

void caller_end(struct caller *caller)
{
	unsigned int i;

	if (caller->ring_is_open)
		ring_close(&caller->ring);
	for (i = 0; i < FILES; i++)
		close(caller->files[i]);
	passthru_close(&caller->nodes);
}
