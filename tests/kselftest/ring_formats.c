// SPDX-License-Identifier: GPL-2.0-only
/* Metadata and protection information of commands by io_uring: separate, or after each block. */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib/ring.h"
#include "lib/trace.h"
#include "lib/util.h"

#define PAGE 4096
#define AREA (32 * PAGE)
#define FIRST 24
#define COUNT 9
#define IO_COMMAND "pci_nvme_io_cmd *"

FIXTURE(formats)
{
	struct passthru nodes;
	struct trace trace;
	struct ring ring;
	unsigned char *data;
	unsigned char *metadata;
};

FIXTURE_VARIANT(formats)
{
	unsigned int flags;
	enum ring_data kind;
	unsigned int sqe_flags;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(formats, name) { .flags = __VA_ARGS__ }

KIND(plain, RING_WIDE);
KIND(registered, RING_WIDE, .kind = DATA_REGISTERED);
KIND(pieces, RING_WIDE, .kind = DATA_PIECES);
KIND(registered_pieces, RING_WIDE, .kind = DATA_REGISTERED_PIECES);
KIND(sqpoll, RING_WIDE | IORING_SETUP_SQPOLL);
KIND(iopoll, RING_WIDE | IORING_SETUP_IOPOLL);
KIND(iopoll_registered, RING_WIDE | IORING_SETUP_IOPOLL, .kind = DATA_REGISTERED);
KIND(by_workers, RING_WIDE, .sqe_flags = IOSQE_ASYNC);

/* The namespaces of the machine called formats, see scripts/vmlib/hardware.py. */
static const struct format {
	unsigned int block, metadata;
	bool extended;
} formats[] = {
	{ 4096, 0, false }, { 512, 8, false }, { 512, 8, true }, { 512, 8, false },
	{ 512, 8, true }, { 4096, 64, true }, { 512, 16, false },
};

FIXTURE_SETUP(formats)
{
	self->data = pages_new(AREA, 0);
	self->metadata = pages_new(AREA, 0);
	ASSERT_EQ(0, ring_open(&self->ring, 8, variant->flags));
	ASSERT_EQ(0, ring_register(&self->ring, self->data, AREA));
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
}

FIXTURE_TEARDOWN(formats)
{
	ring_close(&self->ring);
	pages_free(self->data, AREA);
	pages_free(self->metadata, AREA);
}

static int move(FIXTURE_DATA(formats) *self, const FIXTURE_VARIANT(formats) *variant,
		unsigned char opcode, void *data, unsigned int bytes, void *metadata,
		unsigned int metabytes)
{
	struct iovec pieces[RING_PIECES];
	struct ring_command command = {
		.fd = self->nodes.ns,
		.operation = NVME_URING_CMD_IO,
		.sqe_flags = variant->sqe_flags,
		.command = {
			.opcode = opcode, .nsid = self->nodes.nsid, BLOCKS(FIRST, COUNT),
			.cdw14 = FIRST, METADATA(metadata, metabytes),
		},
	};

	ring_describe(&command, variant->kind, data, bytes, pieces);
	return ring_run(&self->ring, &command, NULL);
}

#define MOVE(...) move(self, variant, __VA_ARGS__)

static void try_format(struct __test_metadata *_metadata, FIXTURE_DATA(formats) *self,
		       const FIXTURE_VARIANT(formats) *variant, const struct format *format)
{
	unsigned int bytes = COUNT * (format->block + (format->extended ? format->metadata : 0));
	unsigned int metabytes = format->extended ? 0 : COUNT * format->metadata;
	void *metadata = metabytes ? self->metadata + 20 : NULL;
	unsigned char *data = self->data + 64;

	pattern_fill(data, bytes, 1);
	pattern_fill(self->metadata + 20, metabytes, 2);
	ASSERT_EQ(0, MOVE(IO_WRITE, data, bytes, metadata, metabytes));
	memset(self->data, 0x99, AREA);
	memset(self->metadata, 0x99, AREA);
	ASSERT_EQ(0, MOVE(IO_READ, data, bytes, metadata, metabytes));
	EXPECT_TRUE(pattern_is(data, bytes, 1));
	EXPECT_TRUE(pattern_is(self->metadata + 20, metabytes, 2));
	EXPECT_TRUE(memory_is(self->data, 64, 0x99));
	EXPECT_TRUE(memory_is(data + bytes, PAGE, 0x99));
	EXPECT_TRUE(memory_is(self->metadata, 20, 0x99));
	EXPECT_TRUE(memory_is(self->metadata + 20 + metabytes, PAGE, 0x99));

	ASSERT_EQ(0, trace_start(&self->trace));
	EXPECT_EQ(-EINVAL, MOVE(IO_READ, data, bytes - 4, metadata, metabytes));
	if (metabytes) {
		EXPECT_EQ(-EINVAL, MOVE(IO_READ, data, bytes, metadata, metabytes - 4));
		EXPECT_EQ(-EINVAL, MOVE(IO_READ, data, bytes, NULL, 0));
		EXPECT_EQ(-EFAULT, MOVE(IO_READ, data, bytes, bad_address(), metabytes));
		EXPECT_EQ(-EFAULT, MOVE(IO_WRITE, data, bytes, bad_address(), metabytes));
	} else {
		EXPECT_EQ(-EINVAL, MOVE(IO_READ, data, bytes, self->metadata, 8));
	}
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
}

TEST_F(formats, of_all_namespaces)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(formats); i++) {
		ASSERT_EQ(0, passthru_open(&self->nodes, i + 1));
		try_format(_metadata, self, variant, &formats[i]);
		passthru_close(&self->nodes);
	}
}

TEST_HARNESS_MAIN
