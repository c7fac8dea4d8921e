/* SPDX-License-Identifier: GPL-2.0-only */
/* In glue/provider.rs: what the exports of provider_exports.c do. */
#ifndef NVME_RS_PROVIDER_H
#define NVME_RS_PROVIDER_H

#include <linux/nvme_event_provider.h>

struct nvme_event_provider *
nvme_rs_provider_register(struct device *controller,
			  const struct nvme_event_provider_ops *ops,
			  void *context);
void nvme_rs_provider_notify(struct nvme_event_provider *provider);
void nvme_rs_provider_unregister(struct nvme_event_provider *provider);

#endif /* NVME_RS_PROVIDER_H */
