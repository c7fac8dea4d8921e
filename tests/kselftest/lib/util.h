/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small things every test needs. Functions here and in the other helpers
 * return 0 or a negative errno, and say on stderr what went wrong where a
 * number would not be enough.
 */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* How many times longer than usual to wait: the debug kernel is slow. */
int patience(void);

/* How many times slower than ours a machine may be: nothing fails on it for that. */
#define SLOWEST 3

/*
 * How long to wait for what should happen at once. Long, because an emulated
 * machine on a busy host may stand still for a second, or for some.
 */
#define LIMIT_MS (5000 * SLOWEST * patience())

/* How long to watch that nothing happens. */
#define QUIET_MS 150

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Waits until @condition holds; whether it did within the limit. */
#define wait_until(condition) ({						\
	long long deadline_ = now_ms() + LIMIT_MS;				\
	bool met_;								\
										\
	while (!(met_ = (condition)) && now_ms() < deadline_)			\
		usleep(2000);							\
	met_;									\
})

long long now_ms(void);

/* Tells the reader of the test's output; a line of its own, no newline needed. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool path_exists(const char *path);

/* Reads a file of /proc, /sys or debugfs as a string. */
int read_file(const char *path, char *text, size_t size);

/* Writes to a file of /sys; the errno is the kernel's answer. */
int write_file(const char *path, const char *text);

/* By how much to multiply how often something is repeated: SCALE of the environment. */
unsigned int scale(void);

/* As scale(), where more repetitions than that find nothing more. */
unsigned int scale_up_to(unsigned int most);

/* How often what the controller has to survive is to happen: so often, or more with a higher SCALE. */
int repeats(int at_least);

/* How much memory the process has locked, kilobytes. */
long locked_kb(void);

/* An address to which nothing can be written. */
void *bad_address(void);

/* Runs a command, and waits for it; its exit status. */
int run(const char *command, char *output, size_t size);

#ifdef TEST_HARNESS_MAIN
/* Every test has registered itself before, in a constructor with a priority. */
static void __attribute__((constructor)) have_patience(void)
{
	struct __fixture_metadata *fixture;
	struct __test_metadata *test;

	for (fixture = __fixture_list; fixture; fixture = fixture->next)
		for (test = fixture->tests; test; test = test->next)
			test->timeout *= SLOWEST * patience();
}
#endif

#endif /* UTIL_H */
