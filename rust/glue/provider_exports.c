// SPDX-License-Identifier: GPL-2.0-only
/* What event providers call. Rust cannot export a symbol for GPL modules. */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/nvme_event_provider.h>

#include "provider.h"

struct nvme_event_provider *
nvme_event_provider_register(struct device *controller,
			     const struct nvme_event_provider_ops *ops,
			     void *context)
{
	return nvme_rs_provider_register(controller, ops, context);
}
EXPORT_SYMBOL_GPL(nvme_event_provider_register);

void nvme_event_provider_notify(struct nvme_event_provider *provider)
{
	nvme_rs_provider_notify(provider);
}
EXPORT_SYMBOL_GPL(nvme_event_provider_notify);

void nvme_event_provider_unregister(struct nvme_event_provider *provider)
{
	nvme_rs_provider_unregister(provider);
}
EXPORT_SYMBOL_GPL(nvme_event_provider_unregister);
