// SPDX-License-Identifier: GPL-2.0-only
/*
 * A random caller: several processes make calls that are half right, and reset
 * the controller now and then, while events are raised. Nothing may hang, and
 * the controller has to work afterwards; the kernel log is read by who runs this.
 *
 *	fuzz [SEED [CALLERS [CALLS]]]
 *
 * The seed is printed; it determines what each process calls, though not how
 * the processes take turns. With one caller all of it is the same again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "lib/event.h"
#include "lib/util.h"

#define CALLERS_MOST 16
#define CALLERS 4
#define CALLS_DEBUG 50000
#define CALLS_STOCK 20000
/* 10^6 are enough. */
#define SCALE_MOST 20
/* Longer than an abort and a reset take. */
#define PATIENCE_MS (60000 * patience())
#define PAGE 4096

static void make_calls(uint64_t seed, unsigned long calls, struct progress *progress)
{
	static struct caller caller;
	int error = caller_begin(&caller, seed, progress);

	if (error) {
		complain("a caller cannot begin: %s", strerror(-error));
		_exit(1);
	}
	while (progress->calls < calls)
		caller_call(&caller);
	caller_end(&caller);
	_exit(0);
}

/* Whether all callers came to their end by themselves. */
static bool watch(struct progress *progress, pid_t *pids, unsigned int callers)
{
	unsigned long seen[CALLERS_MOST] = {}, raised = 0;
	long long since_ms[CALLERS_MOST];
	unsigned int i, left = callers;
	struct controller controller;
	bool well = true;
	int status;

	controller_find(&controller, 0);
	for (i = 0; i < callers; i++)
		since_ms[i] = now_ms();
	while (left) {
		usleep(100000);
		event_warn(&controller, raised++ % 2 ? WARNING_RELIABILITY : 0);
		for (i = 0; i < callers; i++) {
			if (!pids[i])
				continue;
			if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				if (!WIFEXITED(status) || WEXITSTATUS(status)) {
					complain("caller %u ended with %#x after: %s", i, status,
						 progress[i].last);
					well = false;
				}
				pids[i] = 0;
				left--;
			} else if (progress[i].calls != seen[i]) {
				seen[i] = progress[i].calls;
				since_ms[i] = now_ms();
			} else if (now_ms() > since_ms[i] + PATIENCE_MS) {
				complain("caller %u stands still in: %s", i, progress[i].last);
				kill(pids[i], SIGKILL);
				/* What cannot be killed is the driver's fault; it is waited for. */
				since_ms[i] = now_ms();
				well = false;
			}
		}
	}
	return well;
}

/* Whatever was set, formatted or switched off, a controller that is started anew works. */
static int works(void)
{
	struct nvme_passthru_cmd64 format = { .opcode = ADMIN_FORMAT, .nsid = 1 };
	unsigned char *pages = pages_new(2 * PAGE, 0);
	struct passthru nodes;
	int error;

	error = controller_renew(&nodes.controller, 0);
	error = error ?: passthru_open(&nodes, 1);
	if (error)
		return error;
	error = passthru(nodes.ctrl, NVME_IOCTL_ADMIN64_CMD, &format);
	pattern_fill(pages, PAGE, 1);
	error = error ?: blocks_write(&nodes, 0, 8, pages, PAGE);
	error = error ?: blocks_read(&nodes, 0, 8, pages + PAGE, PAGE);
	if (!error && !pattern_is(pages + PAGE, PAGE, 1))
		error = -EILSEQ;
	error = error ?: event_raise(&nodes.controller, WARNING_RELIABILITY);
	passthru_close(&nodes);
	pages_free(pages, 2 * PAGE);
	return error;
}

/* That each kind of call has succeeded, and failed: it was neither all right nor all wrong. */
static bool is_mixed(const struct progress *progress, unsigned int callers)
{
	unsigned long good, bad;
	unsigned int kind, i;
	bool mixed = true;

	for (kind = 0; kind < KINDS; kind++) {
		good = bad = 0;
		for (i = 0; i < callers; i++) {
			good += progress[i].good[kind];
			bad += progress[i].bad[kind];
		}
		printf("# %-14s %7lu well, %7lu refused or failed\n", kind_names[kind], good, bad);
		mixed = mixed && good && (bad || kind == KIND_POLL || kind == KIND_FILE);
	}
	return mixed;
}

static void report(unsigned int number, bool good, const char *what)
{
	printf("%sok %u %s\n", good ? "" : "not ", number, what);
}

int main(int count, char **words)
{
	unsigned long calls = patience() > 1 ? CALLS_DEBUG : CALLS_STOCK;
	unsigned int callers = CALLERS, i;
	struct progress *progress;
	pid_t pids[CALLERS_MOST];
	bool ended, mixed;
	uint64_t seed;
	int error;

	calls *= scale_up_to(SCALE_MOST);
	getrandom(&seed, sizeof(seed), 0);
	if (count > 1)
		seed = strtoull(words[1], NULL, 0);
	if (count > 2)
		callers = strtoul(words[2], NULL, 0);
	if (count > 3)
		calls = strtoul(words[3], NULL, 0);
	if (callers < 1 || callers > CALLERS_MOST) {
		complain("1 to %u callers", CALLERS_MOST);
		return 1;
	}
	printf("TAP version 13\n1..3\n# seed %#lx, %u callers, %lu calls\n", seed, callers, calls);
	fflush(stdout);
	progress = mmap(NULL, callers * sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		return 1;
	for (i = 0; i < callers; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			make_calls(seed + i, calls / callers, &progress[i]);
		if (pids[i] < 0)
			return 1;
	}
	ended = watch(progress, pids, callers);
	mixed = is_mixed(progress, callers);
	error = works();
	if (error)
		complain("afterwards: %s", error < 0 ? strerror(-error) : "a status");
	report(1, ended, "all callers came to their end");
	report(2, mixed, "calls of each kind succeeded, and failed");
	report(3, !error, "the controller works afterwards");
	return !(ended && mixed && !error);
}
