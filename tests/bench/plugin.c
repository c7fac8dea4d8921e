// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's instruction translator, for two things:
 *
 *   settle=MILLISECONDS
 *       After each ring of a submission queue's doorbell the processor stands
 *       still until QEMU has nothing left to do, for so long at most: the
 *       controller is done with the commands before the next instruction. What a
 *       command costs then does not depend on which of the two the host lets run
 *       first.
 *   profile=FILE
 *       Counts how often each instruction is executed between a MARK_START and the
 *       next MARK_STOP. At the latter FILE gets a line "window", and thereafter a
 *       line "ADDRESS COUNT" for each instruction, in hexadecimal and in decimal.
 *
 * One virtual processor only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mark.h"
#include "qemu-plugin.h"

/* Doorbells of submission queues are 8 bytes apart, with those of completion queues in between. */
#define DOORBELL_PAIR 8

/* A piece of code without a branch in it, as often as it was translated. */
struct block {
	struct block *next;
	struct qemu_plugin_scoreboard *executed;
	uint64_t before;	/* executed when the window began */
	size_t instructions;
	uint64_t addresses[];
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct block *blocks;
static FILE *profile;
static unsigned long settle_ms;

static uint64_t executed(const struct block *block)
{
	return *(uint64_t *)qemu_plugin_scoreboard_find(block->executed, 0);
}

static void start_window(unsigned int vcpu, void *data)
{
	for (struct block *block = blocks; block; block = block->next)
		block->before = executed(block);
}

static void stop_window(unsigned int vcpu, void *data)
{
	fputs("window\n", profile);
	for (struct block *block = blocks; block; block = block->next) {
		uint64_t count = executed(block) - block->before;

		for (size_t i = 0; count && i < block->instructions; i++)
			fprintf(profile, "%llx %llu\n", (unsigned long long)block->addresses[i],
				(unsigned long long)count);
	}
	fflush(profile);
}

/* Whether thread @thread of this process waits for something. */
static bool sleeps(int thread)
{
	char path[64], line[128];
	const char *state;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;	/* it has ended */
	length = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (length <= 0)
		return true;
	line[length] = '\0';
	state = strrchr(line, ')');
	return state && state[1] && state[2] == 'S';
}

/* Whether all threads but this one wait for something. */
static bool others_sleep(void)
{
	DIR *tasks = opendir("/proc/self/task");
	pid_t own = gettid();
	struct dirent *task;
	bool all = true;

	while (tasks && all && (task = readdir(tasks)))
		if (task->d_name[0] != '.' && atoi(task->d_name) != own)
			all = sleeps(atoi(task->d_name));
	if (tasks)
		closedir(tasks);
	return all;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ULL + time.tv_nsec / 1000000;
}

/*
 * Seen asleep twice in a row: a thread that hands work to one which was already
 * looked at is awake when it does so.
 */
static void settle(void)
{
	const struct timespec moment = { .tv_nsec = 20000 };
	uint64_t end = now_ms() + settle_ms;
	unsigned int asleep = 0;

	while (asleep < 2 && now_ms() < end) {
		asleep = others_sleep() ? asleep + 1 : 0;
		if (asleep < 2)
			nanosleep(&moment, NULL);
	}
}

static void stored(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	struct qemu_plugin_hwaddr *where;

	if (address % DOORBELL_PAIR)
		return;
	where = qemu_plugin_get_hwaddr(info, address);
	if (where && qemu_plugin_hwaddr_is_io(where) &&
	    !strcmp(qemu_plugin_hwaddr_device_name(where), "nvme"))
		settle();
}

static void watch_marks(struct qemu_plugin_insn *insn)
{
	unsigned char code[MARK_BYTES];
	uint32_t value;

	if (qemu_plugin_insn_data(insn, code, sizeof(code)) != sizeof(code) ||
	    memcmp(code, MARK_OPCODE, MARK_OPCODE_BYTES))
		return;
	memcpy(&value, code + MARK_OPCODE_BYTES, sizeof(value));
	if (value == MARK_START)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, start_window, QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
	else if (value == MARK_STOP)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, stop_window, QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
}

/* A block whose translation is thrown away keeps its place: its executions count. */
static void count_block(struct qemu_plugin_tb *tb, size_t instructions)
{
	struct block *block = malloc(sizeof(*block) + instructions * sizeof(*block->addresses));

	if (!block)
		abort();
	block->executed = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	block->before = 0;
	block->instructions = instructions;
	for (size_t i = 0; i < instructions; i++)
		block->addresses[i] = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i));
	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
		tb, QEMU_PLUGIN_INLINE_ADD_U64, (qemu_plugin_u64){ .score = block->executed }, 1);
	block->next = blocks;
	blocks = block;
}

static void translated(struct qemu_plugin_tb *tb, void *data)
{
	size_t instructions = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < instructions; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (settle_ms)
			qemu_plugin_register_vcpu_mem_cb(insn, stored, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_W, NULL);
		if (profile)
			watch_marks(insn);
	}
	if (profile)
		count_block(tb, instructions);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
					   int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "settle=", 7)) {
			settle_ms = strtoul(argv[i] + 7, NULL, 10);
		} else if (!strncmp(argv[i], "profile=", 8)) {
			profile = fopen(argv[i] + 8, "we");
			if (!profile) {
				fprintf(stderr, "%s: %s\n", argv[i] + 8, strerror(errno));
				return -1;
			}
		} else {
			fprintf(stderr, "what is '%s'?\n", argv[i]);
			return -1;
		}
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated, NULL);
	return 0;
}
