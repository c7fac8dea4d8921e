// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "liar.h"
#include "sysfs.h"
#include "util.h"

/* The vendor-specific capability in its configuration space. */
#define CAPABILITY	0x60
#define CAPABILITY_ID	0x09
#define ARGUMENT	(CAPABILITY + 4)
#define LIE		(CAPABILITY + 8)
#define TOLD		(CAPABILITY + 12)
#define EVENT		(CAPABILITY + 16)
#define QUESTION	(CAPABILITY + 20)
#define ANSWER		(CAPABILITY + 24)

#define BLOCK_BYTES	512
#define BLOCKS_AT_ONCE	16

static int config_open(const struct liar *liar, int flags)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", liar->controller.address);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int config_write(const struct liar *liar, unsigned int offset, unsigned int value)
{
	int fd = config_open(liar, O_WRONLY);
	int error = 0;

	if (fd < 0)
		return fd;
	if (pwrite(fd, &value, sizeof(value), offset) != sizeof(value))
		error = -errno;
	close(fd);
	return error;
}

static unsigned int config_read(const struct liar *liar, unsigned int offset)
{
	int fd = config_open(liar, O_RDONLY);
	unsigned int value = -1;

	if (fd < 0 || pread(fd, &value, sizeof(value), offset) != sizeof(value))
		complain("%s: its configuration cannot be read", liar->controller.address);
	close(fd);
	return value;
}

int lie(const struct liar *liar, enum lie which, unsigned int argument)
{
	int error;

	error = config_write(liar, ARGUMENT, argument);
	error = error ?: config_write(liar, LIE, which);
	if (!error && config_read(liar, LIE) != which)
		error = -EINVAL;
	return error;
}

int truth(const struct liar *liar)
{
	return config_write(liar, LIE, 0);
}

int liar_report(const struct liar *liar, unsigned int dw0)
{
	return config_write(liar, EVENT, dw0);
}

unsigned int liar_told(const struct liar *liar)
{
	return config_read(liar, TOLD);
}

unsigned int liar_answer(const struct liar *liar, unsigned int question)
{
	return config_write(liar, QUESTION, question) ? -1U : config_read(liar, ANSWER);
}

unsigned int liar_log_pages_read(const struct liar *liar)
{
	return liar_answer(liar, QUESTION_ADMIN_COMMANDS + ADMIN_GET_LOG_PAGE);
}

unsigned long long liar_value(const struct liar *liar, const char *name)
{
	unsigned long long number = -1;

	controller_value(&liar->controller, name, &number);
	return number;
}

int liar_begin(struct liar *liar)
{
	int error;

	liar->node = -1;
	error = controller_find(&liar->controller, 0);
	if (error)
		return error;
	if ((config_read(liar, CAPABILITY) & 0xff) != CAPABILITY_ID) {
		complain("%s: not of tests/liar", liar->controller.address);
		return -ENODEV;
	}
	error = truth(liar);
	error = error ?: log_open(&liar->log);
	if (!error && liar->controller.path[0])
		error = controller_unbind(&liar->controller);
	/* What the test before has left to be counted is not this one's. */
	return error ?: truth(liar);
}

int liar_end(struct liar *liar)
{
	unsigned int misuses, faults;
	int error = 0;

	if (liar->controller.path[0])
		error = liar_unbind(liar);
	misuses = liar_answer(liar, QUESTION_MISUSES);
	faults = liar_answer(liar, QUESTION_MEMORY_FAULTS);
	if ((misuses || faults) && !error) {
		complain("%u wrong doorbells, %u wrong addresses", misuses, faults);
		error = -EPROTO;
	}
	log_close(&liar->log);
	return error ?: truth(liar);
}

int liar_bind(struct liar *liar)
{
	int error = controller_bind(&liar->controller);

	if (!error) {
		liar->node = controller_open(&liar->controller, O_RDONLY | O_NONBLOCK);
		error = liar->node < 0 ? liar->node : 0;
	}
	return error;
}

int liar_unbind(struct liar *liar)
{
	close(liar->node);
	liar->node = -1;
	return controller_unbind(&liar->controller);
}

bool liar_is(const struct liar *liar, const char *state)
{
	struct folder folder = folder_of(&liar->controller);

	return strcmp(folder_read(&folder, "state"), state) == 0;
}

int liar_reset(const struct liar *liar)
{
	return ioctl(liar->node, NVME_IOCTL_RESET) ? -errno : 0;
}

int liar_serves(const struct liar *liar)
{
	static unsigned int seed;
	size_t bytes = BLOCKS_AT_ONCE * BLOCK_BYTES;
	unsigned char *pages = pages_new(2 * bytes, 0);
	struct passthru nodes;
	int error;

	if (!liar_is(liar, "live"))
		return -EHOSTDOWN;
	error = passthru_open(&nodes, 1);
	if (error)
		return error;
	pattern_fill(pages, bytes, ++seed);
	error = blocks_write(&nodes, seed, BLOCKS_AT_ONCE, pages, bytes);
	error = error ?: blocks_read(&nodes, seed, BLOCKS_AT_ONCE, pages + bytes, bytes);
	if (!error && !pattern_is(pages + bytes, bytes, seed))
		error = -EILSEQ;
	passthru_close(&nodes);
	pages_free(pages, 2 * bytes);
	return error;
}

int liar_informs(const struct liar *liar)
{
	int fd = controller_open(&liar->controller, O_RDONLY);
	struct nvme_event event;
	int error;

	if (fd < 0)
		return fd;
	error = liar_report(liar, EVENT_TEMPERATURE);
	error = error ?: event_read(fd, &event);
	if (!error && event.dw0 != EVENT_TEMPERATURE)
		error = -EBADMSG;
	close(fd);
	return error;
}

bool liar_stream_has(const struct liar *liar, unsigned int lifecycle)
{
	struct nvme_event event;
	bool found = false;
	int fd;

	fd = controller_open(&liar->controller, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return false;
	lseek(fd, 0, SEEK_SET);
	while (!found && read(fd, &event, sizeof(event)) == sizeof(event))
		found = NVME_EVENT_SOURCE(event.dw3) == NVME_EVENT_SOURCE_LIFECYCLE &&
			event.dw0 == lifecycle << 8;
	close(fd);
	return found;
}
