/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Static inline functions and positional fields of the kernel, as functions
 * that Rust can call.
 */
#ifndef NVME_RS_HELPERS_H
#define NVME_RS_HELPERS_H

#include <linux/compat.h>
#include <linux/cpumask.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io_uring/cmd.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

struct cdev *nvme_rs_inode_cdev(const struct inode *inode);
void nvme_rs_init_irq_work(struct irq_work *work,
			   void (*func)(struct irq_work *work));
void nvme_rs_init_work(struct work_struct *work, work_func_t func);
void nvme_rs_init_delayed_work(struct delayed_work *work, work_func_t func);
phys_addr_t nvme_rs_page_to_phys(struct page *page);
void nvme_rs_unpin(phys_addr_t begin, unsigned long pages, bool written);
void nvme_rs_page_frames(struct page *const *pages, unsigned long *frames,
			 unsigned int count);
struct page *nvme_rs_phys_to_page(phys_addr_t address);
bool nvme_rs_dma_stays_in_sync(struct device *dev);
int nvme_rs_dma_mapping_error(struct device *dev, dma_addr_t addr);
void nvme_rs_dma_set_min_align_mask(struct device *dev, unsigned int mask);
bool nvme_rs_in_compat_syscall(void);
bool nvme_rs_is_dying(void);
unsigned int nvme_rs_num_possible_cpus(void);
int nvme_rs_dev_to_node(struct device *dev);
void nvme_rs_irq_prefer(unsigned int irq, unsigned int cpu);
void nvme_rs_irq_prefer_none(unsigned int irq);
void nvme_rs_sysfs_attr_init(struct attribute *attr);

unsigned int nvme_rs_uring_cmd_buffer_index(struct io_uring_cmd *cmd);
void *nvme_rs_uring_cmd_context(struct io_uring_cmd *cmd);
void nvme_rs_uring_cmd_in_task(struct io_uring_cmd *cmd);
bool nvme_rs_uring_cmd_is_in_task(struct io_uring_cmd *cmd);

/* In glue/uring/end.rs. */
void nvme_rs_uring_cmd_finish(struct io_uring_cmd *cmd, unsigned int flags,
			      bool dying);

#endif /* NVME_RS_HELPERS_H */
