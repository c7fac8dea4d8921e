/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs that send commands in an envelope to the first controller begin with. After kselftest_harness.h. */
#ifndef CALL_FIXTURE_H
#define CALL_FIXTURE_H

#include "envelope.h"
#include "trace.h"
#include "util.h"

#define BLOCK 512
#define PAGE 4096
#define COMMAND "pci_nvme_*_cmd *"
#define FEATURE_TIMESTAMP 0x0e
#define UNTOUCHED 0x5a

/* The fixture, by the name that the program's tests have. The envelope has room for two pages. */
#define CALL_FIXTURE(name)							\
FIXTURE(name)									\
{										\
	struct passthru nodes;							\
	struct trace trace;							\
	struct envelope envelope;						\
	struct nvme_call *call;							\
};										\
										\
FIXTURE_SETUP(name)								\
{										\
	ASSERT_EQ(0, passthru_open(&self->nodes, 1));				\
	self->envelope = envelope_new(2 * PAGE);				\
	self->call = self->envelope.call;					\
	memset(self->envelope.payload, UNTOUCHED, 2 * PAGE);			\
	ASSERT_EQ(0, trace_enable("pci_nvme_io_cmd"));				\
	ASSERT_EQ(0, trace_start(&self->trace));				\
}										\
										\
FIXTURE_TEARDOWN(name)								\
{										\
	envelope_free(&self->envelope);						\
	passthru_close(&self->nodes);						\
}

#define CALL(fd, ...) ENVELOPE_CALL(fd, self->call, __VA_ARGS__)
#define ADMIN(...) CALL(self->nodes.ctrl, __VA_ARGS__)
#define IO(...) CALL(self->nodes.ns, .family = NVME_CALL_IO, .nsid = 1, __VA_ARGS__)

#endif /* CALL_FIXTURE_H */
