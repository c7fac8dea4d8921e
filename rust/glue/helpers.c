// SPDX-License-Identifier: GPL-2.0-only
#include "helpers.h"

struct cdev *nvme_rs_inode_cdev(const struct inode *inode)
{
	return inode->i_cdev;
}

void nvme_rs_init_irq_work(struct irq_work *work,
			   void (*func)(struct irq_work *work))
{
	init_irq_work(work, func);
}

void nvme_rs_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

void nvme_rs_init_delayed_work(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}
