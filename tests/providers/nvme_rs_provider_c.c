// SPDX-License-Identifier: GPL-2.0-only
/*
 * An event provider in C. In /sys/kernel/debug/nvme_rs_provider_c:
 *   post        write n: there are n more events; told from a hard interrupt
 *   registered  write 0 or 1: be a provider or not
 *   cycles      write n: unregister, register and offer an event, n times
 *   most        write 1: register as often as possible; read: how often that was
 *   fetched, acked, gone: what nvme_rs did
 *   wrong: how often it did what it must not
 * Event n has n in dword 1 and "payload n" for a payload.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nvme_event_provider.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

static char *controller = "0000:00:10.0";
module_param(controller, charp, 0444);
MODULE_PARM_DESC(controller, "PCI address of the controller");

#define MOST 64

static uint payload_bytes;
module_param(payload_bytes, uint, 0444);
MODULE_PARM_DESC(payload_bytes, "length of payloads of zeros instead of text");

struct sample {
	/* By turns, so that one which is not acknowledged is told from its successor. */
	struct nvme_provided_event events[2];
	char payloads[2][32];
	void *zeros;
	const struct nvme_provided_event *outstanding;
	u32 number;
	atomic_t pending, fetched, acked, gone, wrong;
	u32 most;
	struct irq_work kick;
	struct mutex lock;	/* over what follows */
	struct nvme_event_provider *provider;
	struct device *device;
	struct dentry *dir;
};

static struct sample sample;

static const struct nvme_provided_event *sample_fetch(void *context)
{
	struct sample *this = context;
	struct nvme_provided_event *event;
	char *payload;

	might_sleep();
	if (this->outstanding)
		atomic_inc(&this->wrong);
	if (atomic_dec_if_positive(&this->pending) < 0)
		return NULL;
	this->number++;
	event = &this->events[this->number % 2];
	payload = this->payloads[this->number % 2];
	snprintf(payload, sizeof(this->payloads[0]), "payload %u", this->number);
	*event = (struct nvme_provided_event){
		.dw0 = 0x2a << 8,
		.dw1 = this->number,
		.payload = this->zeros ?: payload,
		.payload_bytes = payload_bytes ?: strlen(payload),
	};
	this->outstanding = event;
	atomic_inc(&this->fetched);
	return event;
}

static void sample_ack(void *context, const struct nvme_provided_event *event, int result)
{
	struct sample *this = context;

	might_sleep();
	if (!event || event != this->outstanding || event->dw1 != this->number)
		atomic_inc(&this->wrong);
	this->outstanding = NULL;
	if (result == 0)
		atomic_inc(&this->acked);
	else if (result == -ENODEV)
		atomic_inc(&this->gone);
	else
		atomic_inc(&this->wrong);
}

static const struct nvme_event_provider_ops sample_ops = {
	.fetch = sample_fetch,
	.ack = sample_ack,
};

static int sample_register(void)
{
	struct nvme_event_provider *provider;

	if (sample.provider)
		return 0;
	provider = nvme_event_provider_register(sample.device, &sample_ops, &sample);
	if (IS_ERR(provider))
		return PTR_ERR(provider);
	sample.provider = provider;
	return 0;
}

static void sample_unregister(void)
{
	if (sample.provider)
		nvme_event_provider_unregister(sample.provider);
	sample.provider = NULL;
}

static void sample_kick(struct irq_work *kick)
{
	nvme_event_provider_notify(sample.provider);
}

static int post_set(void *data, u64 count)
{
	mutex_lock(&sample.lock);
	atomic_add(count, &sample.pending);
	if (sample.provider) {
		irq_work_queue(&sample.kick);
		irq_work_sync(&sample.kick);
	}
	mutex_unlock(&sample.lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(post_fops, NULL, post_set, "%llu\n");

static int registered_get(void *data, u64 *value)
{
	*value = !!sample.provider;
	return 0;
}

static int registered_set(void *data, u64 value)
{
	int error = 0;

	mutex_lock(&sample.lock);
	if (value)
		error = sample_register();
	else
		sample_unregister();
	mutex_unlock(&sample.lock);
	return error;
}
DEFINE_DEBUGFS_ATTRIBUTE(registered_fops, registered_get, registered_set, "%llu\n");

static int cycles_set(void *data, u64 count)
{
	int error = 0;

	mutex_lock(&sample.lock);
	while (count-- && !error) {
		int fetched = atomic_read(&sample.fetched), wait;

		sample_unregister();
		atomic_set(&sample.pending, 1);
		error = sample_register();
		if (!error)
			nvme_event_provider_notify(sample.provider);
		/* Every other time, before there was a chance to fetch; else that is given ten seconds at least. */
		for (wait = 0; count % 2 && wait < 20000 && atomic_read(&sample.fetched) == fetched; wait++)
			usleep_range(500, 1000);
		cond_resched();
	}
	mutex_unlock(&sample.lock);
	return error;
}
DEFINE_DEBUGFS_ATTRIBUTE(cycles_fops, NULL, cycles_set, "%llu\n");

/* Of no use but to be many. */
static const struct nvme_provided_event *idle_fetch(void *context)
{
	return NULL;
}

static void idle_ack(void *context, const struct nvme_provided_event *event, int result)
{
	atomic_inc(&sample.wrong);
}

static const struct nvme_event_provider_ops idle_ops = {
	.fetch = idle_fetch,
	.ack = idle_ack,
};

static int most_get(void *data, u64 *value)
{
	*value = sample.most;
	return 0;
}

static int most_set(void *data, u64 value)
{
	struct nvme_event_provider *providers[MOST];
	u32 count, i;
	int error = 0;

	mutex_lock(&sample.lock);
	for (count = 0; count < MOST; count++) {
		providers[count] = nvme_event_provider_register(sample.device, &idle_ops, NULL);
		if (IS_ERR(providers[count])) {
			error = PTR_ERR(providers[count]);
			break;
		}
	}
	for (i = 0; i < count; i++)
		nvme_event_provider_unregister(providers[i]);
	sample.most = count;
	mutex_unlock(&sample.lock);
	return error;
}
DEFINE_DEBUGFS_ATTRIBUTE(most_fops, most_get, most_set, "%llu\n");

static int __init sample_init(void)
{
	int error;

	mutex_init(&sample.lock);
	sample.kick = IRQ_WORK_INIT_HARD(sample_kick);
	if (payload_bytes) {
		sample.zeros = vzalloc(payload_bytes);
		if (!sample.zeros)
			return -ENOMEM;
	}
	sample.device = bus_find_device_by_name(&pci_bus_type, NULL, controller);
	error = sample.device ? sample_register() : -ENODEV;
	if (error) {
		put_device(sample.device);
		vfree(sample.zeros);
		return error;
	}
	sample.dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file_unsafe("post", 0200, sample.dir, NULL, &post_fops);
	debugfs_create_file_unsafe("registered", 0600, sample.dir, NULL, &registered_fops);
	debugfs_create_file_unsafe("cycles", 0200, sample.dir, NULL, &cycles_fops);
	debugfs_create_file_unsafe("most", 0600, sample.dir, NULL, &most_fops);
	debugfs_create_atomic_t("fetched", 0400, sample.dir, &sample.fetched);
	debugfs_create_atomic_t("acked", 0400, sample.dir, &sample.acked);
	debugfs_create_atomic_t("gone", 0400, sample.dir, &sample.gone);
	debugfs_create_atomic_t("wrong", 0400, sample.dir, &sample.wrong);
	return 0;
}
module_init(sample_init);

static void __exit sample_exit(void)
{
	debugfs_remove_recursive(sample.dir);
	sample_unregister();
	put_device(sample.device);
	vfree(sample.zeros);
}
module_exit(sample_exit);

MODULE_DESCRIPTION("Event provider for the tests of nvme_rs, in C");
MODULE_LICENSE("GPL");
