// SPDX-License-Identifier: GPL-2.0-only
/* The memory that commands read from and write to: in pieces, huge, shared, missing, protected. */
#include "kselftest_harness.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "lib/passthru.h"
#include "lib/trace.h"
#include "lib/util.h"

#define BLOCK 512
#define PAGE 4096
#define HUGE_PAGE (2ul << 20)
#define IO_COMMAND "pci_nvme_io_cmd *"

/* No controller here takes more at once; one takes less. */
#define MOST_BYTES (512ul << 10)
#define MDTS_AT 77

FIXTURE(memory)
{
	struct passthru nodes;
	struct trace trace;
	size_t limit;
	unsigned char *memory;	/* 2 * MOST_BYTES */
};

FIXTURE_SETUP(memory)
{
	struct nvme_passthru_cmd64 identify = { .opcode = ADMIN_IDENTIFY, .cdw10 = 1 };

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->memory = pages_new(2 * MOST_BYTES, 0);
	identify.addr = (uintptr_t)self->memory;
	identify.data_len = IDENTIFY_BYTES;
	ASSERT_EQ(0, passthru(self->nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &identify));
	self->limit = (size_t)PAGE << self->memory[MDTS_AT];
	ASSERT_GE(MOST_BYTES, self->limit);
	memset(self->memory, 0, PAGE);
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));
	ASSERT_EQ(0, trace_start(&self->trace));
}

FIXTURE_TEARDOWN(memory)
{
	pages_free(self->memory, 2 * MOST_BYTES);
	passthru_close(&self->nodes);
}

static int move(const struct passthru *nodes, unsigned char opcode, unsigned int blocks,
		const struct iovec *pieces, unsigned int count)
{
	struct nvme_passthru_cmd64 command = {
		.opcode = opcode, .nsid = nodes->nsid, BLOCKS(50, blocks),
		.addr = (uintptr_t)pieces, .vec_cnt = count,
	};

	return passthru(nodes->ns, NVME_IOCTL_IO64_CMD_VEC, &command);
}

/* How to cut a transfer into pieces, the gaps between them, and where to begin in a page. */
FIXTURE(pieces)
{
	struct passthru nodes;
	unsigned char *scattered;
	unsigned char *whole;
	struct iovec pieces[UIO_MAXIOV];
	unsigned int count;
	size_t bytes;
};

FIXTURE_VARIANT(pieces)
{
	unsigned int count;
	size_t length;		/* of each, ... */
	size_t growth;		/* ... and each is longer by this than the one before */
	size_t gap;
	size_t offset;
};

#define PIECES(name, ...) FIXTURE_VARIANT_ADD(pieces, name) { __VA_ARGS__ }

PIECES(one, .count = 1, .length = 2 * PAGE, .offset = 4);
PIECES(touching, .count = 8, .length = BLOCK);
PIECES(whole_pages, .count = 2, .length = PAGE, .gap = PAGE);
PIECES(begun_and_ended_pages, .count = 2, .length = PAGE / 2, .gap = PAGE, .offset = PAGE / 2);
PIECES(blocks_in_pages, .count = 16, .length = BLOCK, .gap = PAGE - BLOCK);
PIECES(blocks_at_the_end_of_pages, .count = 16, .length = BLOCK, .gap = PAGE - BLOCK,
       .offset = PAGE - BLOCK);
PIECES(blocks_across_pages, .count = 16, .length = BLOCK, .gap = PAGE - BLOCK,
       .offset = PAGE - 200);
/* At most seven in a cache line: the debug kernel cannot count more mappings of one. */
PIECES(words, .count = 1024, .length = 4, .gap = 8);
PIECES(words_apart, .count = 128, .length = 4, .gap = PAGE);
PIECES(bytes, .count = 1024, .length = 1, .gap = 10, .offset = 1);
PIECES(lengths_of_all_kinds, .count = 64, .length = 1, .growth = 2, .gap = 3, .offset = 3);
PIECES(lengths_of_many_words, .count = 255, .length = 4, .growth = 4, .gap = 300, .offset = 8);
PIECES(as_many_as_can_be, .count = UIO_MAXIOV, .length = BLOCK, .gap = BLOCK);
PIECES(none_in_between, .count = 9, .length = 0, .growth = BLOCK, .gap = 60);

FIXTURE_SETUP(pieces)
{
	size_t at = variant->offset, length = variant->length;
	unsigned char *page;

	ASSERT_EQ(0, passthru_open(&self->nodes, 1));
	self->scattered = pages_new(2 * MOST_BYTES + PAGE, 0xc3);
	self->whole = pages_new(MOST_BYTES, 0xc3);
	for (self->count = 0; self->count < variant->count; self->count++) {
		self->pieces[self->count] = (struct iovec){ self->scattered + at, length };
		self->bytes += length;
		at += length + variant->gap;
		length += variant->growth;
	}
	ASSERT_GE(2 * MOST_BYTES, at);
	ASSERT_EQ(0, self->bytes % BLOCK) {
		TH_LOG("%zu bytes", self->bytes);
	}
	page = self->whole;
	pattern_fill(page, self->bytes, 200);
}

FIXTURE_TEARDOWN(pieces)
{
	pages_free(self->scattered, 2 * MOST_BYTES + PAGE);
	pages_free(self->whole, MOST_BYTES);
	passthru_close(&self->nodes);
}

/* Moves the bytes between the pieces and the whole. */
static void scatter(const struct iovec *pieces, unsigned int count, const unsigned char *whole)
{
	for (; count--; pieces++) {
		memcpy(pieces->iov_base, whole, pieces->iov_len);
		whole += pieces->iov_len;
	}
}

static void gather(const struct iovec *pieces, unsigned int count, unsigned char *whole)
{
	for (; count--; pieces++) {
		memcpy(whole, pieces->iov_base, pieces->iov_len);
		whole += pieces->iov_len;
	}
}

TEST_F(pieces, are_written)
{
	scatter(self->pieces, self->count, self->whole);
	ASSERT_EQ(0, move(&self->nodes, IO_WRITE, self->bytes / BLOCK, self->pieces, self->count));
	memset(self->whole, 0, self->bytes);
	ASSERT_EQ(0, blocks_read(&self->nodes, 50, self->bytes / BLOCK, self->whole, self->bytes));
	EXPECT_TRUE(pattern_is(self->whole, self->bytes, 200));
}

TEST_F(pieces, are_read)
{
	struct iovec *last = &self->pieces[self->count - 1];
	unsigned int i;

	ASSERT_EQ(0, blocks_write(&self->nodes, 50, self->bytes / BLOCK, self->whole, self->bytes));
	ASSERT_EQ(0, move(&self->nodes, IO_READ, self->bytes / BLOCK, self->pieces, self->count));
	memset(self->whole, 0, self->bytes);
	gather(self->pieces, self->count, self->whole);
	EXPECT_TRUE(pattern_is(self->whole, self->bytes, 200));

	/* And nothing else was. */
	EXPECT_TRUE(memory_is(self->scattered, variant->offset, 0xc3));
	for (i = 0; i < self->count; i++) {
		unsigned char *end = (unsigned char *)self->pieces[i].iov_base + self->pieces[i].iov_len;

		EXPECT_TRUE(memory_is(end, self->pieces[i].iov_base == last->iov_base ?
					   PAGE : variant->gap, 0xc3));
	}
}

TEST_F(memory, pieces_have_to_make_up_the_transfer)
{
	struct iovec pieces[UIO_MAXIOV + 1];
	unsigned int i;

	for (i = 0; i < ARRAY_LENGTH(pieces); i++)
		pieces[i] = (struct iovec){ self->memory + i * BLOCK, BLOCK };
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, 9, pieces, 8));
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_WRITE, 9, pieces, 8));
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, 1, pieces, 0));
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, 1, NULL, 1));
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, UIO_MAXIOV + 1, pieces, UIO_MAXIOV + 1));
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, 1, pieces, ~0u));
	pieces[1].iov_len = -BLOCK;
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, 8, pieces, 8));
	pieces[0].iov_len = self->limit;
	pieces[1].iov_len = BLOCK;
	EXPECT_EQ(-EINVAL, move(&self->nodes, IO_READ, self->limit / BLOCK + 1, pieces, 2));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
}

TEST_F(memory, pieces_may_be_more_than_the_transfer)
{
	struct iovec pieces[] = { { self->memory, PAGE }, { self->memory + 2 * PAGE, PAGE } };

	pattern_fill(self->memory, BLOCK, 6);
	EXPECT_EQ(0, move(&self->nodes, IO_WRITE, 1, pieces, 2));
	memset(self->memory, 0x18, 4 * PAGE);
	EXPECT_EQ(0, move(&self->nodes, IO_READ, 1, pieces, 2));
	EXPECT_TRUE(pattern_is(self->memory, BLOCK, 6));
	EXPECT_TRUE(memory_is(self->memory + BLOCK, 4 * PAGE - BLOCK, 0x18));
}

TEST_F(memory, pieces_which_are_not_there_fault)
{
	struct iovec pieces[] = { { self->memory, BLOCK }, { bad_address(), BLOCK } };

	EXPECT_EQ(-EFAULT, move(&self->nodes, IO_READ, 2, pieces, 2));
	EXPECT_EQ(-EFAULT, move(&self->nodes, IO_WRITE, 2, pieces, 2));
	EXPECT_EQ(-EFAULT, move(&self->nodes, IO_READ, 1, bad_address(), 1));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	/* Lengths with which they may have to be copied. The in-tree driver says the read is done. */
	pieces[1].iov_len = 3;
	pieces[0].iov_len = BLOCK - 3;
	EXPECT_EQ(-EFAULT, move(&self->nodes, IO_READ, 1, pieces, 2));
	EXPECT_EQ(-EFAULT, move(&self->nodes, IO_WRITE, 1, pieces, 2));
}

/* Writes the memory and reads it back, in the largest steps. */
static void expect_moved(struct __test_metadata *_metadata, FIXTURE_DATA(memory) *self,
			 unsigned char *memory, size_t bytes)
{
	size_t at, step;

	pattern_fill(memory, bytes, 90);
	for (at = 0; at < bytes; at += step) {
		step = bytes - at < self->limit ? bytes - at : self->limit;
		ASSERT_EQ(0, blocks_write(&self->nodes, at / BLOCK, step / BLOCK, memory + at, step));
	}
	memset(memory, 0, bytes);
	for (at = 0; at < bytes; at += step) {
		step = bytes - at < self->limit ? bytes - at : self->limit;
		ASSERT_EQ(0, blocks_read(&self->nodes, at / BLOCK, step / BLOCK, memory + at, step));
	}
	EXPECT_TRUE(pattern_is(memory, bytes, 90));
}

TEST_F(memory, huge_pages)
{
	unsigned char *huge;

	ASSERT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "2"));
	huge = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ASSERT_NE(MAP_FAILED, huge);
	expect_moved(_metadata, self, huge, 2 * HUGE_PAGE);
	/* Across the border between two of them, and at the very end. */
	expect_moved(_metadata, self, huge + HUGE_PAGE - 10 * PAGE + 4, 3 * 10 * PAGE);
	expect_moved(_metadata, self, huge + 2 * HUGE_PAGE - BLOCK, BLOCK);
	munmap(huge, 2 * HUGE_PAGE);
	EXPECT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "0"));
}

TEST_F(memory, transparent_huge_pages)
{
	unsigned char *area = mmap(NULL, 4 * HUGE_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *huge = (void *)(((uintptr_t)area + HUGE_PAGE) & -HUGE_PAGE);

	ASSERT_NE(MAP_FAILED, area);
	madvise(huge, 2 * HUGE_PAGE, MADV_HUGEPAGE);
	expect_moved(_metadata, self, huge, 2 * HUGE_PAGE);
	/* A small page on either side. */
	expect_moved(_metadata, self, huge - PAGE, 2 * PAGE);
	expect_moved(_metadata, self, huge + 2 * HUGE_PAGE - PAGE - 4, 2 * PAGE);
	munmap(area, 4 * HUGE_PAGE);
}

TEST_F(memory, shared_memory_and_memory_of_two_kinds)
{
	int file = memfd_create("test", MFD_CLOEXEC);
	unsigned char *shared;
	char page[PAGE];

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, 4 * PAGE));
	shared = mmap(self->memory + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED, file, 0);
	ASSERT_EQ(self->memory + 4 * PAGE, shared);
	expect_moved(_metadata, self, shared, 4 * PAGE);
	/* The file has got what was read. */
	ASSERT_EQ(PAGE, pread(file, page, PAGE, PAGE));
	EXPECT_EQ(0, memcmp(page, shared + PAGE, PAGE));
	/* Private, shared, private. */
	expect_moved(_metadata, self, shared - PAGE - 100, 2 * PAGE);
	expect_moved(_metadata, self, shared + 3 * PAGE + 100, 2 * PAGE);
	close(file);
}

TEST_F(memory, protected_memory_is_a_source_and_no_target)
{
	pattern_fill(self->memory, 4 * PAGE, 12);
	ASSERT_EQ(0, mprotect(self->memory, 2 * PAGE, PROT_READ));
	EXPECT_EQ(0, blocks_write(&self->nodes, 0, 16, self->memory, 2 * PAGE));
	EXPECT_EQ(0, blocks_write(&self->nodes, 0, 16, self->memory + PAGE, 2 * PAGE));
	ASSERT_EQ(0, trace_start(&self->trace));
	EXPECT_EQ(-EFAULT, blocks_read(&self->nodes, 0, 16, self->memory, 2 * PAGE));
	EXPECT_EQ(-EFAULT, blocks_read(&self->nodes, 0, 16, self->memory + PAGE, 2 * PAGE));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	EXPECT_TRUE(pattern_is(self->memory, 4 * PAGE, 12));
}

TEST_F(memory, a_hole_faults_before_anything_happens)
{
	unsigned char *hole = self->memory + 3 * PAGE;

	memset(self->memory, 0x44, 8 * PAGE);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 64, self->memory, 8 * PAGE));
	memset(self->memory, 0x55, 8 * PAGE);
	ASSERT_EQ(0, munmap(hole, PAGE));
	ASSERT_EQ(0, trace_start(&self->trace));
	EXPECT_EQ(-EFAULT, blocks_write(&self->nodes, 0, 64, self->memory, 8 * PAGE));
	EXPECT_EQ(-EFAULT, blocks_read(&self->nodes, 0, 64, self->memory, 8 * PAGE));
	EXPECT_EQ(-EFAULT, blocks_read(&self->nodes, 0, 1, hole - 4, BLOCK));
	EXPECT_EQ(-EFAULT, blocks_read(&self->nodes, 0, 1, (void *)-(uintptr_t)BLOCK, BLOCK));
	EXPECT_EQ(0, trace_count(&self->trace, IO_COMMAND));
	EXPECT_TRUE(memory_is(self->memory, 3 * PAGE, 0x55));
	EXPECT_TRUE(memory_is(hole + PAGE, 4 * PAGE, 0x55));
	ASSERT_EQ(0, blocks_read(&self->nodes, 32, 32, self->memory + 4 * PAGE, 4 * PAGE));
	EXPECT_TRUE(memory_is(self->memory + 4 * PAGE, 4 * PAGE, 0x44));
}

TEST_F(memory, memory_which_was_never_touched)
{
	unsigned char *fresh = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, fresh);
	memset(self->memory, 0x66, 8 * PAGE);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 64, self->memory, 8 * PAGE));
	ASSERT_EQ(0, blocks_read(&self->nodes, 0, 64, fresh, 8 * PAGE));
	EXPECT_TRUE(memory_is(fresh, 8 * PAGE, 0x66));
	EXPECT_TRUE(memory_is(fresh + 8 * PAGE, 4 * PAGE, 0));
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 32, fresh + 12 * PAGE, 4 * PAGE));
	ASSERT_EQ(0, blocks_read(&self->nodes, 0, 64, self->memory, 8 * PAGE));
	EXPECT_TRUE(memory_is(self->memory, 4 * PAGE, 0));
	EXPECT_TRUE(memory_is(self->memory + 4 * PAGE, 4 * PAGE, 0x66));
	munmap(fresh, 16 * PAGE);
}

/* After fork() parent and child share pages until one of them writes; so does the controller. */
TEST_F(memory, a_child_does_not_see_what_its_parent_reads)
{
	int turn[2], status;
	pid_t child;
	char byte;

	memset(self->memory, 0x77, PAGE);
	ASSERT_EQ(0, blocks_write(&self->nodes, 0, 8, self->memory, PAGE));
	memset(self->memory, 0x88, PAGE);
	ASSERT_EQ(0, pipe(turn));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(turn[1]);
		if (read(turn[0], &byte, 1) != 0)
			_exit(2);
		_exit(!memory_is(self->memory, PAGE, 0x88));
	}
	EXPECT_EQ(0, blocks_read(&self->nodes, 0, 8, self->memory, PAGE));
	EXPECT_TRUE(memory_is(self->memory, PAGE, 0x77));
	close(turn[0]);
	close(turn[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
