/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of io_uring as an example needs, by system calls: entries of 64 bytes, completions of 16. */
#ifndef EXAMPLE_RING_H
#define EXAMPLE_RING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	struct io_uring_params parameters;
	char *memory;			/* both rings */
	struct io_uring_sqe *entries;
	unsigned int tail;		/* of the submission queue */
	unsigned int to_submit;
};

static inline unsigned int *ring_word(const struct ring *ring, unsigned int offset)
{
	return (unsigned int *)(ring->memory + offset);
}

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline void ring_open(struct ring *ring, unsigned int entries)
{
	struct io_uring_params *p = &ring->parameters;
	size_t bytes;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, entries, p);
	if (ring->fd < 0)
		die("io_uring_setup");
	bytes = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	if (bytes < p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe))
		bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			    IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe),
			     PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->memory == MAP_FAILED || ring->entries == MAP_FAILED)
		die("mmap");
}

/* The next entry, for the caller to fill in. */
static inline struct io_uring_sqe *ring_next(struct ring *ring)
{
	unsigned int index = ring->tail++ & (ring->parameters.sq_entries - 1);
	struct io_uring_sqe *sqe = &ring->entries[index];

	memset(sqe, 0, sizeof(*sqe));
	ring_word(ring, ring->parameters.sq_off.array)[index] = index;
	ring->to_submit++;
	return sqe;
}

/* Submits all entries, and waits until as many requests are over. */
static inline void ring_submit_and_wait(struct ring *ring)
{
	unsigned int count = ring->to_submit;

	__atomic_store_n(ring_word(ring, ring->parameters.sq_off.tail), ring->tail,
			 __ATOMIC_RELEASE);
	ring->to_submit = 0;
	if (syscall(SYS_io_uring_enter, ring->fd, count, count, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		die("io_uring_enter");
}

/* The next completion; there must be one. */
static inline struct io_uring_cqe ring_take(struct ring *ring)
{
	unsigned int *head = ring_word(ring, ring->parameters.cq_off.head);
	const struct io_uring_cqe *cqes = (void *)(ring->memory + ring->parameters.cq_off.cqes);
	struct io_uring_cqe cqe;

	if (*head == __atomic_load_n(ring_word(ring, ring->parameters.cq_off.tail), __ATOMIC_ACQUIRE)) {
		errno = EAGAIN;
		die("completion");
	}
	cqe = cqes[*head & (ring->parameters.cq_entries - 1)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return cqe;
}

#endif /* EXAMPLE_RING_H */
