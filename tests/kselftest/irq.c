// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, whichever kind the machine has: run with MSI-X, with a single
 * vector of it, and with INTx.
 */
#include "kselftest_harness.h"

#include <dirent.h>
#include <stdlib.h>

#include "lib/event.h"
#include "lib/module.h"
#include "lib/util.h"

#define EVENTS 3
#define LINES_MOST 16

/*
 * Of an event: its own interrupt, that of its log page read, and, for a
 * namespace, that of a list. Well below what an interrupt storm makes.
 */
#define INTERRUPTS_PER_EVENT_MAX 4

FIXTURE(irq)
{
	struct controller controller;
	int fd;
};

FIXTURE_SETUP(irq)
{
	ASSERT_EQ(0, controller_renew(&self->controller, 0));
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(irq)
{
	close(self->fd);
	EXPECT_EQ(0, event_clear(&self->controller));
}

/* What /proc/interrupts says of the driver. */
struct interrupts {
	unsigned int lines;
	unsigned int numbers[LINES_MOST];
	unsigned long long count;	/* on all processors */
	char last_line[256];
};

static int look_at_interrupts(struct interrupts *interrupts)
{
	FILE *file = fopen("/proc/interrupts", "re");
	char line[sizeof(interrupts->last_line)];

	if (!file)
		return -errno;
	memset(interrupts, 0, sizeof(*interrupts));
	while (fgets(line, sizeof(line), file)) {
		char *next = strchr(line, ':'), *end;
		unsigned long long count;

		if (!next || !strstr(line, MODULE))
			continue;
		if (interrupts->lines == LINES_MOST) {
			fclose(file);
			return -E2BIG;
		}
		interrupts->numbers[interrupts->lines++] = strtoul(line, NULL, 10);
		strcpy(interrupts->last_line, line);
		for (next++;; next = end) {
			count = strtoull(next, &end, 10);
			if (end == next)
				break;
			interrupts->count += count;
		}
	}
	fclose(file);
	return 0;
}

/* What the machine offers, by its kernel parameters. */
static const char *expected_kind(void)
{
	char parameters[4096] = "";

	read_file("/proc/cmdline", parameters, sizeof(parameters));
	return strstr(parameters, "pci=nomsi") ? "IO-APIC" : "PCI-MSIX";
}

/* How many vectors the function has been given: of a line there is one. */
static unsigned int vectors(const struct controller *controller)
{
	char path[64];
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", controller->address);
	dir = opendir(path);
	if (!dir)
		return 1;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

TEST_F(irq, is_the_best_kind_there_is)
{
	struct interrupts interrupts;

	ASSERT_EQ(0, look_at_interrupts(&interrupts));
	EXPECT_EQ(vectors(&self->controller), interrupts.lines);
	EXPECT_NE(NULL, strstr(interrupts.last_line, expected_kind())) {
		TH_LOG("%s", interrupts.last_line);
	}
}

/* A mask of processors which /proc says of an interrupt. */
static unsigned long processors(unsigned int number, const char *file)
{
	char path[64], text[64] = "";

	snprintf(path, sizeof(path), "/proc/irq/%u/%s", number, file);
	read_file(path, text, sizeof(text));
	return strtoul(text, NULL, 16);
}

/* Each queue's, if it has one of its own, comes to the processor whose commands it takes. */
TEST_F(irq, comes_to_the_processor_of_its_queue)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_CONF), i;
	struct interrupts interrupts;

	ASSERT_EQ(0, look_at_interrupts(&interrupts));
	/* The first is the admin queue's: it is for everybody. */
	EXPECT_EQ(0, processors(interrupts.numbers[0], "affinity_hint"));
	for (i = 1; i < interrupts.lines; i++) {
		ASSERT_GE(cpus, i);
		EXPECT_EQ(1ul << (i - 1), processors(interrupts.numbers[i], "affinity_hint"));
		EXPECT_EQ(1ul << (i - 1), processors(interrupts.numbers[i], "smp_affinity"));
	}
}

TEST_F(irq, brings_every_event_and_stops)
{
	struct interrupts before, after, later;
	struct nvme_event event;
	unsigned int number;

	ASSERT_EQ(0, look_at_interrupts(&before));
	for (number = 1; number <= EVENTS; number++) {
		ASSERT_EQ(0, event_raise_many(&self->controller, 1));
		ASSERT_EQ(0, event_read(self->fd, &event));
		EXPECT_EQ(EVENT_RELIABILITY, event.dw0);
		EXPECT_EQ(number, event.dw2);
	}
	ASSERT_EQ(0, look_at_interrupts(&after));
	EXPECT_LE(EVENTS, after.count - before.count);
	EXPECT_GE(EVENTS * INTERRUPTS_PER_EVENT_MAX, after.count - before.count);

	usleep(QUIET_MS * 1000);
	ASSERT_EQ(0, look_at_interrupts(&later));
	EXPECT_EQ(after.count, later.count);
}

TEST_F(irq, is_given_back_and_taken_again)
{
	struct interrupts interrupts;
	struct nvme_event event;

	ASSERT_EQ(0, controller_unbind(&self->controller));
	ASSERT_EQ(0, look_at_interrupts(&interrupts));
	EXPECT_EQ(0, interrupts.lines);

	close(self->fd);
	ASSERT_EQ(0, controller_bind(&self->controller));
	ASSERT_EQ(0, look_at_interrupts(&interrupts));
	EXPECT_EQ(vectors(&self->controller), interrupts.lines);
	self->fd = controller_open(&self->controller, O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, event_raise_many(&self->controller, 1));
	ASSERT_EQ(0, event_read(self->fd, &event));
	EXPECT_EQ(1, event.dw2);
}

TEST_HARNESS_MAIN
