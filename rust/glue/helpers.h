/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Static inline functions and positional fields of the kernel, as functions
 * that Rust can call.
 */
#ifndef NVME_RS_HELPERS_H
#define NVME_RS_HELPERS_H

#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/workqueue.h>

struct cdev *nvme_rs_inode_cdev(const struct inode *inode);
void nvme_rs_init_irq_work(struct irq_work *work,
			   void (*func)(struct irq_work *work));
void nvme_rs_init_work(struct work_struct *work, work_func_t func);
void nvme_rs_init_delayed_work(struct delayed_work *work, work_func_t func);

#endif /* NVME_RS_HELPERS_H */
