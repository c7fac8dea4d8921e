// SPDX-License-Identifier: GPL-2.0-only
/* The memory that commands by io_uring read from and write to: in pieces, registered, as much as the controller takes. */
#include "kselftest_harness.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "lib/ring.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define HUGE_PAGE (2ul << 20)
#define AREA (HUGE_PAGE + 2 * PAGE)
#define ENTRIES 8

FIXTURE(memory)
{
	struct passthru nodes;
	struct ring ring;
	unsigned char *area;	/* begins where a huge page may */
	unsigned char *whole;	/* of the same size, in small pages */
	unsigned int limit;
};

FIXTURE_VARIANT(memory)
{
	unsigned int flags;
	bool registered;
	bool huge;
};

#define KIND(name, ...) FIXTURE_VARIANT_ADD(memory, name) { __VA_ARGS__ }

KIND(process, .flags = RING_WIDE);
KIND(process_huge, .flags = RING_WIDE, .huge = true);
KIND(process_polled, .flags = RING_WIDE | IORING_SETUP_IOPOLL);
KIND(registered, .flags = RING_WIDE, .registered = true);
KIND(registered_huge, .flags = RING_WIDE, .registered = true, .huge = true);
KIND(registered_polled, .flags = RING_WIDE | IORING_SETUP_IOPOLL, .registered = true);
KIND(registered_sqpoll, .flags = RING_WIDE | IORING_SETUP_SQPOLL, .registered = true);

FIXTURE_SETUP(memory)
{
	int limit;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->area = area_new(AREA, variant->huge);
	self->whole = pages_new(AREA, 0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->flags));
	if (variant->registered)
		ASSERT_EQ(0, ring_register(&self->ring, self->area, AREA));
	limit = transfer_limit(&self->nodes);
	ASSERT_LT(0, limit);
	self->limit = limit;
	ASSERT_GE(AREA, self->limit + PAGE);
}

FIXTURE_TEARDOWN(memory)
{
	ring_close(&self->ring);
	pages_free(self->whole, AREA);
	passthru_close(&self->nodes);
}

static int move(FIXTURE_DATA(memory) *self, const FIXTURE_VARIANT(memory) *variant,
		unsigned char opcode, unsigned int bytes, void *address, int pieces)
{
	struct ring_command command = {
		.fd = self->nodes.ns,
		.operation = pieces < 0 ? NVME_URING_CMD_IO : NVME_URING_CMD_IO_VEC,
		.uring_flags = variant->registered ? IORING_URING_CMD_FIXED : 0,
		.command = {
			.opcode = opcode, .nsid = 1, BLOCKS(8, bytes / BLOCK),
			DATA(address, pieces < 0 ? bytes : (unsigned int)pieces),
		},
	};

	return ring_run(&self->ring, &command, NULL);
}

#define MOVE(opcode, bytes, address, pieces) \
	move(self, variant, opcode, bytes, address, pieces)

static void check_disk(struct __test_metadata *_metadata, FIXTURE_DATA(memory) *self,
		       unsigned int bytes, unsigned int seed)
{
	unsigned int at, part = self->limit < 32 << 10 ? self->limit : 32 << 10;

	memset(self->whole, 0, bytes);
	for (at = 0; at < bytes; at += part)
		ASSERT_EQ(0, blocks_read(&self->nodes, 8 + at / BLOCK, part / BLOCK,
					 self->whole + at, part));
	ASSERT_TRUE(pattern_is(self->whole, bytes, seed));
}

TEST_F_TIMEOUT(memory, lengths_up_to_the_limit, 60)
{
	static const unsigned int offsets[] = { 0, 64, PAGE - 4 };
	unsigned int bytes, i, seed = 0;

	for (bytes = PAGE; bytes <= self->limit; bytes *= 2) {
		for (i = 0; i < ARRAY_LENGTH(offsets); i++) {
			unsigned int length = i == 1 ? bytes - BLOCK : bytes;
			unsigned char *at = self->area + offsets[i];

			pattern_fill(at, length, ++seed);
			ASSERT_EQ(0, MOVE(IO_WRITE, length, at, -1)) {
				TH_LOG("%u bytes at %u", length, offsets[i]);
			}
			if (bytes == self->limit && !i)
				check_disk(_metadata, self, length, seed);
			memset(self->area, 0x5a, length + 2 * PAGE);
			ASSERT_EQ(0, MOVE(IO_READ, length, at, -1));
			ASSERT_TRUE(pattern_is(at, length, seed));
			ASSERT_TRUE(memory_is(self->area, offsets[i], 0x5a));
			ASSERT_TRUE(memory_is(at + length, PAGE - 4, 0x5a));
		}
	}
}

/*
 * Around the lengths at which the command points to a list, and at which that
 * fills its page. No controller of QEMU takes more than 512 pages, which can be
 * the first one and 512 others.
 */
TEST_F_TIMEOUT(memory, lists_of_pages_up_to_a_full_one, 60)
{
	static const unsigned int pages[] = { 1, 2, 3, 4, 63, 64, 65, 127, 128, 510, 511, 512 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_LENGTH(pages); i++) {
		for (j = 0; j < 2; j++) {
			unsigned int length = pages[i] * PAGE;
			unsigned char *at = self->area + j * BLOCK;

			if (length > self->limit)
				continue;
			pattern_fill(at, length, i);
			ASSERT_EQ(0, MOVE(IO_WRITE, length, at, -1)) {
				TH_LOG("%u pages, %u", pages[i], j);
			}
			memset(self->area, 0, length + PAGE);
			ASSERT_EQ(0, MOVE(IO_READ, length, at, -1));
			ASSERT_TRUE(pattern_is(at, length, i));
		}
	}
}

/* How to cut a transfer, and where to put the pieces. */
struct cut {
	unsigned int count;
	size_t length;		/* of each, ... */
	size_t growth;		/* ... and each is longer by this than the one before */
	size_t gap;
	size_t offset;
};

static const struct cut cuts[] = {
	{ 1, 2 * PAGE, 0, 0, 4 },
	{ 16, BLOCK, 0, 0, 0 },
	{ 3, PAGE, 0, PAGE, 0 },
	/* What is on both sides of a gap ends and begins a page: no gap in the list. */
	{ 2, PAGE / 2, 0, PAGE, PAGE / 2 },
	{ 2, PAGE / 2, 0, 2 * PAGE, PAGE / 2 },
	/* Not so: there is a copy. */
	{ 16, BLOCK, 0, PAGE - BLOCK, 0 },
	{ 16, BLOCK, 0, PAGE - BLOCK, PAGE - BLOCK },
	{ 16, BLOCK, 0, PAGE - BLOCK, PAGE - 200 },
	{ 128, 4, 0, PAGE, 0 },
	{ 1024, 4, 0, 4, 0 },
	{ 64, 1, 2, 3, 3 },
	{ 1024, 1, 0, 1, 1 },
	{ 1, PAGE, 0, 0, 1 },
	{ 1, BLOCK, 0, 0, PAGE - 3 },
	{ 9, 0, BLOCK, 60, 0 },
};

static size_t lay_out(const struct cut *cut, unsigned char *area, struct iovec *pieces)
{
	size_t at = cut->offset, length = cut->length, bytes = 0;
	unsigned int i;

	for (i = 0; i < cut->count; i++) {
		pieces[i] = (struct iovec){ area + at, length };
		bytes += length;
		at += length + cut->gap;
		length += cut->growth;
	}
	return bytes;
}

/* Copies between pieces and one whole; where the pieces are not, nothing may change. */
static void gather(const struct iovec *pieces, unsigned int count, unsigned char *whole)
{
	for (; count--; pieces++) {
		memcpy(whole, pieces->iov_base, pieces->iov_len);
		memset(pieces->iov_base, 0xc3, pieces->iov_len);
		whole += pieces->iov_len;
	}
}

static void scatter(const struct iovec *pieces, unsigned int count, const unsigned char *whole)
{
	for (; count--; pieces++) {
		memcpy(pieces->iov_base, whole, pieces->iov_len);
		whole += pieces->iov_len;
	}
}

TEST_F_TIMEOUT(memory, pieces_of_all_kinds, 60)
{
	static struct iovec pieces[UIO_MAXIOV];
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(cuts); i++) {
		size_t bytes, around = 1 << 20;

		memset(self->area, 0xc3, around);
		bytes = lay_out(&cuts[i], self->area, pieces);
		ASSERT_EQ(0, bytes % BLOCK);
		if (bytes > self->limit)
			continue;
		/* io_uring does not take empty pieces of a registered buffer. */
		if (variant->registered && !cuts[i].length) {
			EXPECT_EQ(-EFAULT, MOVE(IO_WRITE, bytes, pieces, cuts[i].count));
			continue;
		}
		pattern_fill(self->whole, bytes, i);
		scatter(pieces, cuts[i].count, self->whole);
		ASSERT_EQ(0, MOVE(IO_WRITE, bytes, pieces, cuts[i].count)) {
			TH_LOG("cut %u", i);
		}
		check_disk(_metadata, self, bytes, i);
		memset(self->area, 0xc3, around);
		ASSERT_EQ(0, MOVE(IO_READ, bytes, pieces, cuts[i].count)) {
			TH_LOG("cut %u", i);
		}
		memset(self->whole, 0, bytes);
		gather(pieces, cuts[i].count, self->whole);
		ASSERT_TRUE(pattern_is(self->whole, bytes, i));
		ASSERT_TRUE(memory_is(self->area, around, 0xc3));
	}
}

TEST_F(memory, too_many_pieces)
{
	static struct iovec pieces[UIO_MAXIOV + 1];
	unsigned int i;

	for (i = 0; i <= UIO_MAXIOV; i++)
		pieces[i] = (struct iovec){ self->area + 4 * i, 4 };
	EXPECT_EQ(-EINVAL, MOVE(IO_READ, 8 * BLOCK, pieces, UIO_MAXIOV + 1));
	EXPECT_EQ(0, MOVE(IO_READ, 8 * BLOCK, pieces, UIO_MAXIOV));
}

/* Registered buffers are those pages, whatever is mapped there now. */
TEST_F(memory, what_was_registered_stays)
{
	if (!variant->registered)
		return;
	pattern_fill(self->area, PAGE, 7);
	ASSERT_EQ(0, MOVE(IO_WRITE, PAGE, self->area, -1));
	memset(self->area, 0, PAGE);
	ASSERT_EQ(0, munmap(self->area, PAGE));
	EXPECT_EQ(0, MOVE(IO_READ, PAGE, self->area, -1));
	EXPECT_EQ(0, MOVE(IO_WRITE, PAGE, self->area, -1));
	check_disk(_metadata, self, PAGE, 7);
}

TEST_HARNESS_MAIN
