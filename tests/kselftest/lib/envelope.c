// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "envelope.h"
#include "util.h"

#define BLOCK 512
#define PAGE 4096

struct envelope envelope_new(size_t payload_bytes)
{
	size_t bytes = CALL_BYTES + payload_bytes;
	size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
	struct envelope envelope = { .pages_bytes = whole + PAGE };
	char *pages = mmap(NULL, envelope.pages_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + whole, PAGE, PROT_NONE)) {
		complain("no memory");
		abort();
	}
	envelope.pages = pages;
	envelope.call = (void *)(pages + whole - bytes);
	envelope.payload = (void *)(envelope.call + 1);
	envelope.call->size = CALL_BYTES;
	return envelope;
}

void envelope_free(struct envelope *envelope)
{
	munmap(envelope->pages, envelope->pages_bytes);
}

int envelope_call(int fd, struct nvme_call *call)
{
	return ioctl(fd, NVME_IOCTL_CALL, call) < 0 ? -errno : 0;
}

long envelope_send(void *argument)
{
	struct envelope_send *send = argument;

	return envelope_call(send->fd, send->call);
}

int envelope_abort(int fd, __u64 tag)
{
	struct nvme_call_abort abort = { .size = sizeof(abort), .tag = tag };
	int count = ioctl(fd, NVME_IOCTL_CALL_ABORT, &abort);

	return count < 0 ? -errno : count;
}

int envelope_push(struct ring *ring, int fd, struct nvme_call *call, unsigned int sqe_flags, __u64 tag)
{
	struct nvme_call_uring address = { .addr = (uintptr_t)call };
	struct ring_command command = {
		.fd = fd, .operation = NVME_URING_CMD_CALL, .sqe_flags = sqe_flags, .tag = tag,
	};

	memcpy(&command.command, &address, sizeof(address));
	return ring_push(ring, &command);
}

int envelope_run(struct ring *ring, int fd, struct nvme_call *call, unsigned int sqe_flags)
{
	struct ring_answer answer;
	int error = envelope_push(ring, fd, call, sqe_flags, 5);

	return error ?: ring_finish(ring, &answer);
}

void envelope_read(struct nvme_call *call, unsigned int nsid, __u64 tag)
{
	*call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_READ, .nsid = nsid,
		.tag = tag, .size_out = BLOCK,
	};
}

void envelope_write_and_read(struct envelope *in, struct envelope *out, unsigned int lba,
			     unsigned int bytes, unsigned int seed, unsigned int spare)
{
	*in = envelope_new(bytes + spare);
	*out = envelope_new(bytes + spare);
	*in->call = (struct nvme_call){
		.size = CALL_BYTES, .family = NVME_CALL_IO, .command = IO_WRITE, .nsid = 1,
		.cdw10 = lba, .cdw12 = bytes / BLOCK - 1, .size_in = bytes,
	};
	*out->call = *in->call;
	out->call->command = IO_READ;
	out->call->size_in = 0;
	out->call->size_out = bytes;
	pattern_fill(in->payload, bytes, seed);
}

int envelope_pass(int fd, enum nvme_call_family family, struct nvme_passthru_cmd64 *command,
		  struct nvme_call *answer)
{
	bool takes = command->opcode & 1, gives = command->opcode & 2;
	size_t data_bytes = takes || gives ? command->data_len : 0;
	size_t both_ways = takes && gives ? data_bytes : 0;
	void *data = (void *)(uintptr_t)command->addr;
	struct envelope envelope = envelope_new(data_bytes + both_ways + command->metadata_len);
	unsigned char *metadata = envelope.payload + data_bytes + both_ways;
	int result;

	*envelope.call = (struct nvme_call){
		.size = CALL_BYTES, .family = family, .command = command->opcode,
		.nsid = command->nsid, .cdw2 = command->cdw2, .cdw3 = command->cdw3,
		.cdw10 = command->cdw10, .cdw11 = command->cdw11, .cdw12 = command->cdw12,
		.cdw13 = command->cdw13, .cdw14 = command->cdw14, .cdw15 = command->cdw15,
		.timeout_ms = command->timeout_ms,
		.size_in = takes ? data_bytes : 0, .size_out = gives ? data_bytes : 0,
		.size_metadata = command->metadata_len,
	};
	memcpy(envelope.payload, data, data_bytes);
	memcpy(envelope.payload + both_ways, data, data_bytes);
	memcpy(metadata, (void *)(uintptr_t)command->metadata, command->metadata_len);
	result = envelope_call(fd, envelope.call);
	if (gives)
		memcpy(data, envelope.payload + both_ways, data_bytes);
	memcpy((void *)(uintptr_t)command->metadata, metadata, command->metadata_len);
	command->result = envelope.call->result;
	if (!result)
		result = envelope.call->status;
	if (answer)
		*answer = *envelope.call;
	envelope_free(&envelope);
	return result;
}
