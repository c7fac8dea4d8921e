// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "failing.h"
#include "util.h"

#define PAGE 4096
#define FAIL_NTH "/proc/thread-self/fail-nth"
/* More than any call needs. */
#define POINTS_MOST 4000

/* From one address up to another. */
struct range {
	unsigned long start, end;
};

/* Where the module's code is. */
static struct range module_range(void)
{
	FILE *modules = fopen("/proc/modules", "re");
	struct range range = {};
	unsigned long bytes;
	char line[256];

	while (modules && fgets(line, sizeof(line), modules)) {
		if (sscanf(line, "nvme_rs %lu %*s %*s %*s %lx", &bytes, &range.start) == 2)
			range.end = range.start + bytes;
	}
	fclose(modules);
	return range;
}

/* Where ACPI's interpreter is, to whose tables a failure does harm for good. */
static struct range acpi_range(void)
{
	static const char *const prefixes[] = { "acpi_ds_", "acpi_ev_", "acpi_ex_", "acpi_ns_",
						"acpi_ps_", "acpi_rs_", "acpi_ut_" };
	FILE *symbols = fopen("/proc/kallsyms", "re");
	struct range range = {};
	unsigned long address, end_of_code = 0;
	char line[512], name[256], type;
	unsigned int i;

	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %c %255s", &address, &type, name) != 3)
			continue;
		if (!strcmp(name, "_etext"))
			end_of_code = address;
		/* In the order of addresses; what comes later is code that was needed at boot only. */
		if (end_of_code || (type | 0x20) != 't')
			continue;
		for (i = 0; i < ARRAY_LENGTH(prefixes); i++) {
			if (!strncmp(name, prefixes[i], strlen(prefixes[i]))) {
				range.start = range.start ?: address;
				range.end = address;
			}
		}
	}
	fclose(symbols);
	return range;
}

static int set(const char *what, const char *setting, unsigned long value)
{
	char path[96], text[32];
	int error;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", what, setting);
	snprintf(text, sizeof(text), "%lu", value);
	error = write_file(path, text);
	if (error)
		complain("%s: %s", path, strerror(-error));
	return error;
}

/* What is called by the module, by whatever way, fails without a word in the log. */
static int prepare(const char *what)
{
	struct range ours = module_range(), acpi = acpi_range();
	int error;

	if (!ours.start || !acpi.start)
		return -ENOENT;
	error = set(what, "verbose", 0);
	error = error ?: set(what, "probability", 0);
	error = error ?: set(what, "stacktrace-depth", 32);
	error = error ?: set(what, "require-start", ours.start);
	error = error ?: set(what, "require-end", ours.end);
	error = error ?: set(what, "reject-start", acpi.start);
	error = error ?: set(what, "reject-end", acpi.end);
	return error;
}

/* Of all slab caches those of kmalloc(): tools that turn themselves off for want of memory have others. */
static int prepare_caches(void)
{
	glob_t caches;
	int error = set("failslab", "cache-filter", 1);
	size_t i;

	if (glob("/sys/kernel/slab/kmalloc-*/failslab", 0, NULL, &caches))
		return -ENOENT;
	for (i = 0; i < caches.gl_pathc && !error; i++)
		error = write_file(caches.gl_pathv[i], "1");
	globfree(&caches);
	return error;
}

int failing_begin(struct failing *failing)
{
	int error;

	*failing = (struct failing){ .fail_nth = -1 };
	error = prepare("failslab");
	error = error ?: prepare("fail_page_alloc");
	error = error ?: prepare("fail_usercopy");
	error = error ?: prepare_caches();
	error = error ?: set("failslab", "ignore-gfp-wait", 0);
	error = error ?: set("fail_page_alloc", "ignore-gfp-wait", 0);
	error = error ?: set("fail_page_alloc", "ignore-gfp-highmem", 0);
	error = error ?: set("fail_page_alloc", "min-order", 0);
	error = error ?: controller_renew(&failing->nodes.controller, 0);
	error = error ?: passthru_open(&failing->nodes, FAILING_NSID);
	error = error ?: event_raise(&failing->nodes.controller, WARNING_RELIABILITY);
	if (error)
		return error;
	failing->pages = pages_new(FAILING_BYTES, 0);
	failing->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	return failing->fail_nth < 0 ? -errno : 0;
}

int failing_end(struct failing *failing)
{
	close(failing->fail_nth);
	pages_free(failing->pages, FAILING_BYTES);
	passthru_close(&failing->nodes);
	return event_clear(&failing->nodes.controller);
}

int failing_arm(struct failing *failing, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(failing->fail_nth, text, length, 0) == length ? 0 : -errno;
}

void failing_disarm(struct failing *failing)
{
	char text[16] = "";
	ssize_t length = pread(failing->fail_nth, text, sizeof(text) - 1, 0);

	failing_arm(failing, 0);
	if (length < 1)
		complain(FAIL_NTH ": %s", strerror(errno));
	failing->failed = atoi(text) == 0;
}

bool failing_excuses(int result)
{
	return result >= 0 || result == -ENOMEM || result == -EFAULT || result == -EAGAIN ||
	       result == -ENODATA || result == -ENFILE || result == -EIO || result == -ENETRESET;
}

int failing_works(struct failing *failing)
{
	int error = blocks_write(&failing->nodes, 0, 8, failing->pages, PAGE);

	return error ?: blocks_read(&failing->nodes, 0, 8, failing->pages, PAGE);
}

int failing_try_each(struct failing *failing, failing_call *call)
{
	unsigned int nth;
	int result = 0;

	failing->failed = true;
	for (nth = 1; failing->failed && nth < POINTS_MOST; nth++) {
		failing->nth = nth;
		if (!failing->arms_itself && failing_arm(failing, nth))
			return -EIO;
		result = call(failing);
		if (!failing->arms_itself)
			failing_disarm(failing);
		if (!failing_excuses(result) || failing_works(failing)) {
			complain("failure %u: %s, or nothing works after it", nth,
				 result < 0 ? strerrorname_np(-result) : "0");
			return -EPROTO;
		}
	}
	if (result || failing->failed) {
		complain("no end of failures: %d", result);
		return -EPROTO;
	}
	return nth - 2;
}

unsigned int failing_count(struct failing *failing, failing_call *call)
{
	char text[16] = "";

	failing_arm(failing, POINTS_MOST);
	if (call(failing))
		complain("it fails without a failure");
	pread(failing->fail_nth, text, sizeof(text) - 1, 0);
	failing_arm(failing, 0);
	return POINTS_MOST - atoi(text);
}
