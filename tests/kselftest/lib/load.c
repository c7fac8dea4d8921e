// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "load.h"
#include "util.h"

#define PAGE 4096
#define PLACES 16
/* A thread of the kernel's makes room some time after it has sent what was there. */
#define ENTRIES (2 * LOAD_MOST)
#define HOST_PATH_ERROR 0x370

/* How long to wait for one command: longer than Abort and reset take. */
#define END_MS 40000

int load_prepare(const struct passthru *nodes)
{
	unsigned char *page = pages_new(PAGE, 0);
	unsigned int i;
	int error = 0;

	for (i = 0; i < PLACES && !error; i++) {
		pattern_fill(page, PAGE, i);
		error = blocks_write(nodes, i * 8, 8, page, PAGE);
	}
	pages_free(page, PAGE);
	return error;
}

static unsigned char expected[PLACES][PAGE];

static void expect(void)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		pattern_fill(expected[i], PAGE, i);
}

static void count(struct load *load, const unsigned char *page, unsigned int slot, int res)
{
	load->ended++;
	if (res == 0 && !memcmp(page, expected[slot % PLACES], PAGE)) {
		load->good++;
	} else if (res > 0 && (res & 0x7ff) == HOST_PATH_ERROR) {
		load->host_path++;
	} else if (res > 0) {
		load->statuses++;
	} else if (res == -EINTR) {
		load->interrupted++;
	} else if (res == -ENODEV) {
		load->gone++;
	} else {
		if (!load->wrong++)
			load->first_wrong = res;
	}
}

static int push(struct load *load, struct ring *ring, unsigned char *memory, unsigned int slot)
{
	struct ring_command read = {
		.fd = load->fd,
		.operation = NVME_URING_CMD_IO,
		.tag = slot,
		.command = {
			.opcode = IO_READ, .nsid = load->nodes->nsid,
			BLOCKS(slot % PLACES * 8, 8), DATA(memory + slot * PAGE, PAGE),
			.timeout_ms = load->timeout_ms,
		},
	};

	memset(memory + slot * PAGE, 0, PAGE);
	if (slot % 2)
		read.uring_flags = IORING_URING_CMD_FIXED;
	load->sent++;
	return ring_push(ring, &read);
}

static bool wants_more(const struct load *load)
{
	if (load->stop || (load->gives_up && (load->gone || load->host_path)))
		return false;
	return !load->limit || load->sent < load->limit;
}

static void *run_load(void *argument)
{
	struct load *load = argument;
	unsigned char *memory = pages_new(LOAD_MOST * PAGE, 0);
	bool in_flight[LOAD_MOST] = { false };
	unsigned int slot, flying = 0;
	unsigned long refused = 0;
	struct ring_answer answer;
	struct ring ring;
	int error;

	/* Made here: some rings are for one thread only. */
	error = ring_open(&ring, ENTRIES, load->ring_flags);
	error = error ?: ring_register(&ring, memory, LOAD_MOST * PAGE);
	for (slot = 0; slot < load->depth && !error && wants_more(load); slot++) {
		error = push(load, &ring, memory, slot);
		in_flight[slot] = true;
		flying++;
	}
	while (flying && !error) {
		if (load->pauses && load->host_path > refused) {
			refused = load->host_path;
			usleep(1000);
		}
		error = ring_submit(&ring);
		error = error < 0 ? error : 0;
		error = error ?: ring_reap(&ring, &answer, END_MS);
		/* All there are, then as many at once. */
		while (!error) {
			if (answer.tag >= load->depth || !in_flight[answer.tag]) {
				error = -EBADMSG;
				break;
			}
			count(load, memory + answer.tag * PAGE, answer.tag, answer.res);
			in_flight[answer.tag] = false;
			flying--;
			if (wants_more(load)) {
				error = push(load, &ring, memory, answer.tag);
				in_flight[answer.tag] = true;
				flying++;
			}
			if (error || !ring_peek(&ring, &answer))
				break;
		}
	}
	if (!error && ring_reap(&ring, &answer, QUIET_MS) != -ETIME)
		error = -EEXIST;
	if (error) {
		complain("load: %s; %u in flight", strerror(-error), flying);
		load->wrong++;
	}
	ring_close(&ring);
	/* What is in flight nevertheless goes on using the memory, which is lost then. */
	if (!error)
		pages_free(memory, LOAD_MOST * PAGE);
	return NULL;
}

int load_start(struct load *load)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_attr_t attributes;
	cpu_set_t cpus;
	int error;

	pthread_once(&once, expect);
	if (load->fd <= 0)
		load->fd = load->nodes->ns;
	pthread_attr_init(&attributes);
	if (load->cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(load->cpu, &cpus);
		pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	}
	error = pthread_create(&load->thread, &attributes, run_load, load);
	pthread_attr_destroy(&attributes);
	return -error;
}

int load_finish(struct load *load)
{
	struct timespec limit;
	int error;

	load->stop = true;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 3 * END_MS / 2 / 1000;
	error = pthread_timedjoin_np(load->thread, NULL, &limit);
	if (error || load->wrong)
		load_tell(load);
	return -error;
}

void load_tell(const struct load *load)
{
	complain("%lu sent, %lu ended: %lu good, %lu statuses, %lu 0x370, %lu EINTR, %lu ENODEV, "
		 "%lu wrong, the first %d", load->sent, load->ended, load->good, load->statuses,
		 load->host_path, load->interrupted, load->gone, load->wrong, load->first_wrong);
}

bool load_goes_on(struct load *load)
{
	unsigned long before = load->good;

	if (wait_until(load->good > before + 2 * load->depth))
		return true;
	load_tell(load);
	return false;
}
