// SPDX-License-Identifier: GPL-2.0-only
/* Admin commands by ioctl: what is transferred, returned, and refused as malformed. */
#include "kselftest_harness.h"

#include <pthread.h>
#include <sys/mman.h>

#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define ADMIN_COMMAND "pci_nvme_admin_cmd *"
#define SMART_BYTES 512
/* Kelvin; far from what the controller reads, so that setting it raises no event. */
#define THRESHOLD 0x15f
#define DEFAULT_THRESHOLD 0x157

#define FEATURE_TEMPERATURE	0x04
#define FEATURE_TIMESTAMP	0x0e
#define TIMESTAMP_BYTES		8

FIXTURE(admin)
{
	struct passthru nodes;
	struct trace trace;
	int fd;
	unsigned char *page;	/* two of them */
};

FIXTURE_VARIANT(admin)
{
	bool ns;
	unsigned long request;
};

FIXTURE_VARIANT_ADD(admin, cmd_on_controller)
{
	.ns = false,
	.request = NVME_IOCTL_ADMIN_CMD,
};

FIXTURE_VARIANT_ADD(admin, cmd64_on_controller)
{
	.ns = false,
	.request = NVME_IOCTL_ADMIN64_CMD,
};

FIXTURE_VARIANT_ADD(admin, cmd_on_namespace)
{
	.ns = true,
	.request = NVME_IOCTL_ADMIN_CMD,
};

FIXTURE_VARIANT_ADD(admin, cmd64_on_namespace)
{
	.ns = true,
	.request = NVME_IOCTL_ADMIN64_CMD,
};

FIXTURE_SETUP(admin)
{
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->fd = variant->ns ? self->nodes.ns : self->nodes.ctrl;
	self->page = pages_new(2 * IDENTIFY_BYTES, 0xa5);
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(admin)
{
	pages_free(self->page, 2 * IDENTIFY_BYTES);
	passthru_close(&self->nodes);
}

/* Identify Controller. */
#define IDENTIFY(buffer, bytes) \
	(struct nvme_passthru_cmd64){ .opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(buffer, bytes) }

#define EXECUTE(...) ({								\
	struct nvme_passthru_cmd64 command_ = { __VA_ARGS__ };			\
	passthru(self->fd, variant->request, &command_);			\
})

TEST_F(admin, identify_tells_controller_and_namespaces)
{
	ASSERT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->page, 4096)));
	EXPECT_EQ(0, memcmp(self->page + 4, "NVMERS0 ", 8));
	EXPECT_TRUE(memory_is(self->page + 4096, 4096, 0xa5));

	/* Either node takes commands for any namespace. */
	ASSERT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .nsid = 2, DATA(self->page, 4096)));
	EXPECT_EQ((64 << 20) / 512, *(__u64 *)self->page);

	/* The list of active namespaces. */
	ASSERT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 2, DATA(self->page, 4096)));
	EXPECT_EQ(1, ((__u32 *)self->page)[0]);
	EXPECT_EQ(2, ((__u32 *)self->page)[1]);
	EXPECT_EQ(0, ((__u32 *)self->page)[2]);
}

TEST_F(admin, features_are_set_and_read_back)
{
	struct nvme_passthru_cmd64 get = {
		.opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_TEMPERATURE, .result = ~0ull,
	};
	__u64 timestamp = 0;

	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_TEMPERATURE,
			     .cdw11 = THRESHOLD));
	EXPECT_EQ(0, passthru(self->fd, variant->request, &get));
	EXPECT_EQ(THRESHOLD, get.result);
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_TEMPERATURE,
			     .cdw11 = DEFAULT_THRESHOLD));

	/* One which is data: milliseconds. */
	*(__u64 *)self->page = 0x123456789aull;
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_TIMESTAMP,
			     DATA(self->page, TIMESTAMP_BYTES)));
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_TIMESTAMP,
			     DATA(&timestamp, TIMESTAMP_BYTES)));
	EXPECT_LE(0x123456789aull, timestamp & 0xffffffffffffull);
	EXPECT_GT(0x123456789aull + 60000, timestamp & 0xffffffffffffull);
}

TEST_F(admin, log_pages_are_read_whole_and_in_part)
{
	unsigned char whole[SMART_BYTES] = {};

	/* With the event retained, which is the driver's to release. */
	ASSERT_EQ(0, EXECUTE(.opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
			     .cdw10 = 0x02 | 1 << 15 | (SMART_BYTES / 4 - 1) << 16,
			     DATA(whole, SMART_BYTES)));
	EXPECT_EQ(323, whole[1] | whole[2] << 8);

	ASSERT_EQ(0, EXECUTE(.opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
			     .cdw10 = 0x02 | 1 << 15 | (8 / 4 - 1) << 16, DATA(self->page, 8)));
	EXPECT_EQ(0, memcmp(whole, self->page, 8));
	EXPECT_TRUE(memory_is(self->page + 8, 4088, 0xa5));
}

TEST_F(admin, what_the_controller_refuses_is_a_status_not_an_error)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = ADMIN_NAMESPACE_MANAGEMENT, .result = 0xdeadbeef,
		DATA(self->page, 4096),
	};

	EXPECT_EQ(STATUS_INVALID_OPCODE, passthru(self->fd, variant->request, &command));
	EXPECT_EQ(0, command.result);
	EXPECT_EQ(STATUS_INVALID_OPCODE, EXECUTE(.opcode = 0xc5, DATA(self->page, 4096)));
	EXPECT_EQ(STATUS_INVALID_FIELD, EXECUTE(.opcode = ADMIN_GET_FEATURES, .cdw10 = 0x77));
	EXPECT_EQ(STATUS_INVALID_FIELD,
		  EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 0xf0, DATA(self->page, 4096)));
	EXPECT_EQ(STATUS_INVALID_NAMESPACE,
		  EXECUTE(.opcode = ADMIN_IDENTIFY, .nsid = 5000, DATA(self->page, 4096)));
}

TEST_F(admin, data_may_lie_at_any_multiple_of_four)
{
	static const unsigned int offsets[] = { 0, 4, 8, 12, 60, 508, 512, 2048, 4088, 4092 };
	unsigned char *page = self->page;
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(offsets); i++) {
		unsigned int offset = offsets[i];

		memset(page, 0x5a, 2 * 4096);
		ASSERT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				     DATA(page + offset, 4096)));
		EXPECT_EQ(0, memcmp(page + offset + 4, "NVMERS0 ", 8));
		EXPECT_TRUE(memory_is(page, offset, 0x5a));
		EXPECT_TRUE(memory_is(page + offset + 4096, 4096 - offset, 0x5a));
	}
}

/* No promise to take them, but one that what is taken comes out right. */
TEST_F(admin, data_at_odd_addresses_is_right_or_refused)
{
	unsigned char *page = self->page;
	unsigned int offset;

	for (offset = 1; offset < 4; offset++) {
		int result = EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				     DATA(page + offset, 4096));

		if (result != -EINVAL) {
			EXPECT_EQ(0, result);
			EXPECT_EQ(0, memcmp(page + offset + 4, "NVMERS0 ", 8));
		}
		EXPECT_TRUE(memory_is(page, offset, 0xa5));
		EXPECT_TRUE(memory_is(page + offset + 4096, 4096 - offset, 0xa5));
		memset(page, 0xa5, 2 * 4096);
	}
}

TEST_F(admin, flags_are_refused_reserved_words_are_not)
{
	unsigned int flag;

	for (flag = 1; flag < 0x100; flag <<= 1)
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_IDENTIFY, .flags = flag, .cdw10 = 1,
					   DATA(self->page, 4096)));
	EXPECT_EQ(0, trace_count(&self->trace, ADMIN_COMMAND));
	EXPECT_TRUE(memory_is(self->page, 4096, 0xa5));
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .rsvd1 = 0xffff, .cdw10 = 1, .rsvd2 = ~0u,
			     DATA(self->page, 4096)));
}

TEST_F(admin, bad_pointers_fault)
{
	struct nvme_passthru_cmd64 *command;
	unsigned char *end = self->page + 4096;

	EXPECT_EQ(-EFAULT, passthru_ioctl(self->fd, variant->request, NULL));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->fd, variant->request, bad_address()));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				   DATA(bad_address(), 4096)));
	/* Nothing is below the first pages, or above the last. */
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(8, 4096)));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				   .addr = -4096ll, .data_len = 4096));

	/* Half of it is there: of the data, then of the command. */
	ASSERT_EQ(0, mprotect(end, 4096, PROT_NONE));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				   DATA(end - 2048, 4096)));
	EXPECT_TRUE(memory_is(self->page, 4096, 0xa5));
	command = (void *)(end - 40);
	memset(command, 0, 40);
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->fd, variant->request, command));

	/* Data must be writable if it is the controller that writes. */
	ASSERT_EQ(0, mprotect(end, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(end, 4096)));
	EXPECT_EQ(-EFAULT, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				   DATA(end - 2048, 4096)));
	EXPECT_EQ(0, trace_count(&self->trace, ADMIN_COMMAND));
	EXPECT_TRUE(memory_is(self->page, 4056, 0xa5));
}

#ifdef __i386__
/* Addresses have 32 bits there, whatever is above them in the command. */
TEST_F(admin, upper_halves_of_addresses_do_not_count)
{
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, .data_len = 4096,
			     .addr = (uintptr_t)self->page | 0x8765432100000000ull));
	EXPECT_EQ(0, memcmp(self->page + 4, "NVMERS0 ", 8));
}
#endif

/* There is nowhere to put the result, but the command has been executed. */
TEST_F(admin, a_result_which_cannot_be_written_faults_late)
{
	struct nvme_passthru_cmd64 *command = (void *)(self->page + 4096);

	*command = IDENTIFY(self->page, 4096);
	ASSERT_EQ(0, mprotect(command, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, passthru_ioctl(self->fd, variant->request, command));
	EXPECT_EQ(0, memcmp(self->page + 4, "NVMERS0 ", 8));
}

TEST_F(admin, there_is_no_metadata)
{
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(self->page, 4096),
				   METADATA(self->page + 4096, 8)));
	EXPECT_EQ(0, trace_count(&self->trace, ADMIN_COMMAND));
}

/* What the controller would write past the end of, as the in-tree driver lets it. */
TEST_F(admin, data_shorter_than_the_transfer_is_refused)
{
	static const unsigned int lengths[] = { 1, 4, 512, 2048, 4092, 4095 };
	unsigned char *page = self->page;
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(lengths); i++)
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
					   DATA(page, lengths[i])));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
				   .cdw10 = 0x02 | 1 << 15 | (SMART_BYTES / 4 - 1) << 16,
				   DATA(page, SMART_BYTES - 4)));
	/* The upper half of the count, which is in another dword. */
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
				   .cdw10 = 0x02 | 1 << 15 | (8 / 4 - 1) << 16, .cdw11 = 1,
				   DATA(page, 4096)));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_TIMESTAMP,
				   DATA(page, TIMESTAMP_BYTES - 4)));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_SET_FEATURES, .cdw10 = FEATURE_TIMESTAMP,
				   DATA(page, TIMESTAMP_BYTES - 4)));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_NAMESPACE_ATTACHMENT, .nsid = 1,
				   DATA(page, 2048)));
	/* None at all is too short, too. */
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, .data_len = 4096));
	EXPECT_EQ(-EINVAL, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1,
				   .addr = (uintptr_t)page));
	EXPECT_EQ(0, trace_count(&self->trace, ADMIN_COMMAND));
	EXPECT_TRUE(memory_is(page, 2 * 4096, 0xa5));
}

/* Each command has its length somewhere else. */
TEST_F(admin, lengths_are_where_the_command_has_them)
{
	static const struct {
		unsigned char opcode;
		__u32 cdw10;
		__u32 cdw11;
	} commands[] = {
		{ .opcode = 0x11, .cdw10 = 1024 / 4 - 1 },	/* Firmware Image Download */
		/* Directive Receive, the operation Return Parameters */
		{ .opcode = 0x1a, .cdw10 = 1024 / 4 - 1, .cdw11 = 1 },
		{ .opcode = 0x81, .cdw11 = 1024 },		/* Security Send */
		{ .opcode = 0x82, .cdw11 = 1024 },		/* Security Receive */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(commands); i++) {
		EXPECT_EQ(-EINVAL, EXECUTE(.opcode = commands[i].opcode, .cdw10 = commands[i].cdw10,
					   .cdw11 = commands[i].cdw11, DATA(self->page, 1020))) {
			TH_LOG("opcode %#x", commands[i].opcode);
		}
		EXPECT_EQ(0, trace_count(&self->trace, ADMIN_COMMAND));
		/* Whatever the controller says to it. */
		EXPECT_LE(0, EXECUTE(.opcode = commands[i].opcode, .cdw10 = commands[i].cdw10,
				     .cdw11 = commands[i].cdw11, DATA(self->page, 1024))) {
			TH_LOG("opcode %#x", commands[i].opcode);
		}
		ASSERT_EQ(0, trace_start(&self->trace));
	}
}

TEST_F(admin, data_longer_than_the_transfer_is_left_alone)
{
	unsigned char *page = self->page;

	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_IDENTIFY, .cdw10 = 1, DATA(page, 2 * 4096)));
	EXPECT_EQ(0, memcmp(page + 4, "NVMERS0 ", 8));
	EXPECT_TRUE(memory_is(page + 4096, 4096, 0xa5));

	memset(page, 0xa5, 4096);
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_GET_LOG_PAGE, .nsid = ~0u,
			     .cdw10 = 0x02 | 1 << 15 | (SMART_BYTES / 4 - 1) << 16,
			     DATA(page, 4096)));
	EXPECT_TRUE(memory_is(page + SMART_BYTES, 2 * 4096 - SMART_BYTES, 0xa5));

	/* Some clients give every command a buffer. */
	memset(page, 0xa5, 4096);
	EXPECT_EQ(0, EXECUTE(.opcode = ADMIN_GET_FEATURES, .cdw10 = FEATURE_TEMPERATURE,
			     DATA(page, 4096)));
	EXPECT_TRUE(memory_is(page, 4096, 0xa5));
}

/* Nobody's data gets into another's buffer. */
#define THREADS 16
#define ROUNDS 40

struct load {
	int fd;
	unsigned long request;
	unsigned int cns;
	int wrong;
};

static void *load_run(void *argument)
{
	struct load *load = argument;
	unsigned char *page = pages_new(4096, 0);

	for (int round = 0; round < ROUNDS; round++) {
		struct nvme_passthru_cmd64 command = {
			.opcode = ADMIN_IDENTIFY, .cdw10 = load->cns, .nsid = load->cns ? 0 : 1,
			DATA(page, 4096),
		};

		memset(page, 0, 4096);
		if (passthru(load->fd, load->request, &command) ||
		    (load->cns ? memcmp(page + 4, "NVMERS0 ", 8) :
				 *(__u64 *)page != (64 << 20) / 512))
			load->wrong++;
	}
	pages_free(page, 4096);
	return NULL;
}

TEST_F(admin, many_at_once)
{
	struct load loads[THREADS];
	pthread_t threads[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		loads[i] = (struct load){ self->fd, variant->request, i % 2, 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, load_run, &loads[i]));
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, loads[i].wrong);
	}
}

TEST_HARNESS_MAIN
