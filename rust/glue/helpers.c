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

phys_addr_t nvme_rs_page_to_phys(struct page *page)
{
	return page_to_phys(page);
}

void nvme_rs_page_frames(struct page *const *pages, unsigned long *frames,
			 unsigned int count)
{
	while (count--)
		*frames++ = page_to_pfn(*pages++);
}

struct page *nvme_rs_phys_to_page(phys_addr_t address)
{
	return phys_to_page(address);
}

void nvme_rs_unpin(phys_addr_t begin, unsigned long pages, bool written)
{
	unpin_user_page_range_dirty_lock(phys_to_page(begin), pages, written);
}

/* Not dma_dev_need_sync(), by which the DMA-API debugging asks to be told. */
bool nvme_rs_dma_stays_in_sync(struct device *dev)
{
#ifdef CONFIG_DMA_NEED_SYNC
	return dev_dma_skip_sync(dev);
#else
	return true;
#endif
}

int nvme_rs_dma_mapping_error(struct device *dev, dma_addr_t addr)
{
	return dma_mapping_error(dev, addr);
}

void nvme_rs_dma_set_min_align_mask(struct device *dev, unsigned int mask)
{
	dma_set_min_align_mask(dev, mask);
}

bool nvme_rs_in_compat_syscall(void)
{
	return in_compat_syscall();
}

bool nvme_rs_is_dying(void)
{
	return current->flags & PF_EXITING || fatal_signal_pending(current);
}

unsigned int nvme_rs_num_possible_cpus(void)
{
	return num_possible_cpus();
}

int nvme_rs_dev_to_node(struct device *dev)
{
	return dev_to_node(dev);
}

/* A processor that is not there only means that the hint is not followed. */
void nvme_rs_irq_prefer(unsigned int irq, unsigned int cpu)
{
	irq_set_affinity_and_hint(irq, cpumask_of(cpu));
}

void nvme_rs_irq_prefer_none(unsigned int irq)
{
	irq_update_affinity_hint(irq, NULL);
}

void nvme_rs_sysfs_attr_init(struct attribute *attr)
{
	sysfs_attr_init(attr);
}

unsigned int nvme_rs_uring_cmd_buffer_index(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->buf_index;
}

void *nvme_rs_uring_cmd_context(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_ctx_handle(cmd);
}

static void finish_in_task(struct io_tw_req request, io_tw_token_t token)
{
	nvme_rs_uring_cmd_finish(io_uring_cmd_from_tw(request),
				 IO_URING_CMD_TASK_WORK_ISSUE_FLAGS,
				 token.cancel);
}

bool nvme_rs_uring_cmd_is_in_task(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_get_task(cmd) == current;
}

void nvme_rs_uring_cmd_in_task(struct io_uring_cmd *cmd)
{
	io_uring_cmd_do_in_task_lazy(cmd, finish_in_task);
}
