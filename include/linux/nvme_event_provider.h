/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of other kernel modules through /dev/nvmeN of nvme_rs.
 *
 * A provider registers on a controller and has events of its own delivered to
 * all who read that controller's events, with NVME_EVENT_SOURCE_PROVIDER. The
 * exports are GPL only. A Rust provider uses include/rust/nvme_event_provider.rs.
 */
#ifndef _LINUX_NVME_EVENT_PROVIDER_H
#define _LINUX_NVME_EVENT_PROVIDER_H

#include <linux/types.h>

struct device;
struct nvme_event_provider;

/**
 * struct nvme_provided_event - an event of a provider
 * @dw0: dword 0 of its record; bits 15:8 are what filters look at
 * @dw1: dword 1 of its record
 * @payload: what belongs to it, or NULL; copied when the event is staged, and
 *	given to those who ask by NVME_EVENT_IOCTL_FETCH
 * @payload_bytes: length of that. Kept like log pages: not at all if it is longer
 *	than the module parameter event_snapshot_bytes, and until newer ones need
 *	the room.
 *
 * The provider's memory; it may not change between fetch and ack.
 */
struct nvme_provided_event {
	u32 dw0;
	u32 dw1;
	const void *payload;
	size_t payload_bytes;
};

/**
 * struct nvme_event_provider_ops - what a provider can do
 * @fetch: gives the next event, or NULL if there is none. From a work item, may
 *	sleep. Not called again before the event was acknowledged.
 * @ack: the event is the provider's again. With 0, the first reader has all of
 *	its record; with -ENODEV, the provider is unregistered before anybody
 *	read it. Once for each event, with the pointer that @fetch gave. From a
 *	work item or from nvme_event_provider_unregister(), may sleep.
 *
 * Neither may call nvme_event_provider_unregister().
 */
struct nvme_event_provider_ops {
	const struct nvme_provided_event *(*fetch)(void *context);
	void (*ack)(void *context, const struct nvme_provided_event *event,
		    int result);
};

/**
 * nvme_event_provider_register() - be a provider of a controller
 * @controller: the PCI function of the controller
 * @ops: what the provider can do
 * @context: given to that
 *
 * @ops and @context have to stay until the provider is unregistered. May sleep.
 * Fetching begins at once, from a work item.
 *
 * Return: the provider, or an error: -ENODEV if nvme_rs does not drive
 * @controller, -ENOSPC if there are 16 providers, -ENOMEM.
 */
struct nvme_event_provider *
nvme_event_provider_register(struct device *controller,
			     const struct nvme_event_provider_ops *ops,
			     void *context);

/**
 * nvme_event_provider_notify() - there are events to fetch
 * @provider: the provider
 *
 * Any context but NMI.
 */
void nvme_event_provider_notify(struct nvme_event_provider *provider);

/**
 * nvme_event_provider_unregister() - be a provider no more
 * @provider: the provider
 *
 * Waits for running callbacks; there are none after it. An event that is staged
 * is acknowledged. The controller may be gone by then. Sleeps.
 */
void nvme_event_provider_unregister(struct nvme_event_provider *provider);

#endif /* _LINUX_NVME_EVENT_PROVIDER_H */
