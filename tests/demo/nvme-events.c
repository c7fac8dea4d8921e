// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the events of an NVMe controller as they come, until the driver lets go
 * of it. All there is to reading them: open, read whole records, decode.
 *
 *	cc -I include/uapi -o nvme-events tests/demo/nvme-events.c
 *	./nvme-events /dev/nvme0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/nvme_event.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *const types[] = {
	[0] = "error",
	[1] = "SMART warning",
	[2] = "notice",
	[3] = "immediate event",
	[4] = "one-shot event",
	[6] = "I/O command set event",
	[7] = "vendor specific event",
};

/* The information field means something else for each type. */
static const struct {
	unsigned int type;
	unsigned int information;
	const char *text;
} information_texts[] = {
	{ 0, 0x00, "write to an invalid doorbell" },
	{ 0, 0x01, "invalid value written to a doorbell" },
	{ 0, 0x02, "diagnostic failure" },
	{ 0, 0x03, "persistent internal error" },
	{ 0, 0x04, "transient internal error" },
	{ 0, 0x05, "firmware image could not be loaded" },
	{ 1, 0x00, "reliability is degraded" },
	{ 1, 0x01, "temperature is out of bounds" },
	{ 1, 0x02, "spare capacity is low" },
	{ 2, 0x00, "namespaces have changed" },
	{ 2, 0x01, "firmware activation begins" },
	{ 2, 0x02, "telemetry log has changed" },
	{ 2, 0x03, "asymmetric namespace access has changed" },
	{ 2, 0x04, "predictable latency log has changed" },
	{ 2, 0x05, "LBA status information is there" },
	{ 2, 0x06, "endurance group log has changed" },
};

static const char *const sources[] = {
	[NVME_EVENT_SOURCE_CONTROLLER] = "controller",
	[NVME_EVENT_SOURCE_LIFECYCLE] = "lifecycle",
	[NVME_EVENT_SOURCE_COMMAND_EFFECT] = "command effect",
	[NVME_EVENT_SOURCE_PROVIDER] = "provider",
};

static const char *const lifecycle_texts[] = {
	[NVME_EVENT_RESET_STARTED] = "resets the controller",
	[NVME_EVENT_RESET_SUCCEEDED] = "has reset the controller",
	[NVME_EVENT_RESET_FAILED] = "could not reset the controller",
	[NVME_EVENT_COMMAND_TIMED_OUT] = "got no answer to a command",
	[NVME_EVENT_AER_STOPPED] = "gets no more events from the controller",
	[NVME_EVENT_AER_RESUMED] = "gets events from the controller again",
	[NVME_EVENT_CLASS_MASKED] = "has switched off an event class that fires too often",
	[NVME_EVENT_CLASS_UNMASKED] = "has switched that event class on again",
	[NVME_EVENT_FATAL_STATUS] = "sees that the controller has failed",
	[NVME_EVENT_SUSPENDED] = "goes to sleep with the system",
	[NVME_EVENT_RESUMED] = "is awake again",
	[NVME_EVENT_REMOVED] = "has let go of the controller",
};

static const char *lookup(const char *const *texts, size_t count, unsigned int index)
{
	return index < count && texts[index] ? texts[index] : "unknown";
}

static void print_controller_event(__u32 dw0)
{
	unsigned int type = NVME_EVENT_TYPE(dw0);
	size_t i;

	printf("%s: ", lookup(types, ARRAY_LENGTH(types), type));
	for (i = 0; i < ARRAY_LENGTH(information_texts); i++) {
		if (information_texts[i].type == type &&
		    information_texts[i].information == NVME_EVENT_INFORMATION(dw0)) {
			printf("%s\n", information_texts[i].text);
			return;
		}
	}
	printf("information 0x%02x\n", NVME_EVENT_INFORMATION(dw0));
}

/* Two lines: what it means, and every field there is. */
static void print_event(const struct nvme_event *event)
{
	unsigned int source = NVME_EVENT_SOURCE(event->dw3);

	printf("event %u: ", event->dw2);
	if (source == NVME_EVENT_SOURCE_CONTROLLER)
		print_controller_event(event->dw0);
	else if (source == NVME_EVENT_SOURCE_LIFECYCLE)
		printf("the driver %s\n",
		       lookup(lifecycle_texts, ARRAY_LENGTH(lifecycle_texts),
			      NVME_EVENT_INFORMATION(event->dw0)));
	else
		printf("%s\n", lookup(sources, ARRAY_LENGTH(sources), source));

	printf("    source %s, type %u, information 0x%02x, log page 0x%02x, parameter 0x%x, "
	       "status 0x%x,%s%s lost %u\n",
	       lookup(sources, ARRAY_LENGTH(sources), source), NVME_EVENT_TYPE(event->dw0),
	       NVME_EVENT_INFORMATION(event->dw0), NVME_EVENT_LOG_PAGE(event->dw0), event->dw1,
	       NVME_EVENT_STATUS(event->dw3),
	       event->dw3 & NVME_EVENT_DW3_HANDLED ? " HANDLED," : "",
	       event->dw3 & NVME_EVENT_DW3_PAYLOAD ? " PAYLOAD," : "",
	       NVME_EVENT_LOST(event->dw3));
}

int main(int argc, char **argv)
{
	struct nvme_event events[64];
	ssize_t length, i;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s /dev/nvmeN\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}

	/* Each line at once, also into a pipe. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("waiting for events of %s\n", argv[1]);

	/* Waits for the next event; returns as many as there are by then. */
	while ((length = read(fd, events, sizeof(events))) > 0) {
		for (i = 0; i < length / (ssize_t)sizeof(events[0]); i++)
			print_event(&events[i]);
	}
	if (errno != ENODEV) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	printf("%s is gone\n", argv[1]);
	close(fd);
	return 0;
}
