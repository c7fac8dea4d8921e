// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_call.h>
#include <linux/nvme_event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "lib/util.h"

#define NODES 2

const char *const kind_names[KINDS] = {
	"read", "seek", "poll", "event ioctl", "command ioctl", "envelope", "other ioctl", "ring", "file", "reset",
};

int any_file(struct caller *caller)
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
	void *memory = (void *)any_pointer(caller);
	uint32_t bytes = any_length(random);
	int fd = any_file(caller);

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
	int whence = random_below(random, 6), fd = any_file(caller);

	/* What most others ask for is not there. */
	if (random_once_in(random, 4))
		offset = 0;
	TELL(caller, "lseek(%d, %#lx, %d)", fd, offset, whence);
	return lseek(fd, offset, whence);
}

static long call_poll(struct caller *caller)
{
	struct pollfd one = { .fd = any_file(caller), .events = random_bits(&caller->random) };

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
	int fd = any_file(caller);

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
		/* Seldom: the others would read nothing meanwhile. */
		if (any.mode.reading == NVME_EVENT_EXCLUSIVE && !random_once_in(random, 16))
			any.mode.reading = NVME_EVENT_BROADCAST;
		any.mode.fd = any.mode.reading == NVME_EVENT_SHARED ? any_file(caller) : 0;
		break;
	case NVME_EVENT_IOCTL_FETCH:
		any.fetch.number = number;
		any.fetch.flags &= 3;
		any.fetch.buffer = any_pointer(caller);
		any.fetch.buffer_bytes = any_length(random);
		any.fetch.offset = random_once_in(random, 4) ? random_edge(random) : 0;
		break;
	case NVME_EVENT_IOCTL_ACK:
		any.ack.number = number;
		break;
	}
	resize(random, &any);
	if (random_once_in(random, 16))
		argument = (void *)any_pointer(caller);
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
	struct nvme_passthru_cmd64 made = any_command(caller, admin);
	struct nvme_user_io io = {
		.opcode = made.opcode, .nblocks = made.cdw12, .addr = made.addr, .slba = made.cdw10,
		.metadata = made.metadata,
	};
	struct iovec pieces[4];
	void *argument = &made;
	int fd = any_file(caller);
	unsigned int i;

	if (request == NVME_IOCTL_IO64_CMD_VEC) {
		for (i = 0; i < ARRAY_LENGTH(pieces); i++)
			pieces[i] = (struct iovec){ (void *)any_pointer(caller), any_length(random) };
		made.addr = (uintptr_t)pieces;
		made.data_len = random_below(random, ARRAY_LENGTH(pieces) + 1);
	} else if (request == NVME_IOCTL_SUBMIT_IO) {
		argument = &io;
	}
	if (random_once_in(random, 64))
		argument = (void *)any_pointer(caller);
	TELL(caller, "ioctl(%d, %#lx), opcode %#x nsid %#x addr %#llx length %#x cdw10 %#x cdw11 %#x cdw12 %#x",
	     fd, request, made.opcode, made.nsid, made.addr, made.data_len, made.cdw10, made.cdw11,
	     made.cdw12);
	return ioctl(fd, request, argument);
}

static long call_envelope(struct caller *caller)
{
	struct random *random = &caller->random;
	struct nvme_call_abort abort = { .size = sizeof(abort), .tag = random_below(random, TAGS) };
	struct nvme_call *call = any_envelope(caller);
	void *argument = random_once_in(random, 64) ? (void *)any_pointer(caller) : call;
	int fd = any_file(caller);

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
	int fd = any_file(caller);
	uint64_t argument = any_pointer(caller);

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
		return ioctl(any_file(caller), NVME_IOCTL_RESET);
	case 1:
		TELL(caller, "subsystem reset");
		return ioctl(any_file(caller), NVME_IOCTL_SUBSYS_RESET);
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
