/* SPDX-License-Identifier: GPL-2.0-only */
/* The event providers of tests/providers: modules with events of their own. */
#ifndef PROVIDER_H
#define PROVIDER_H

#include "event.h"

#define PROVIDER_C	"nvme_rs_provider_c"
#define PROVIDER_RUST	"nvme_rs_provider_rust"

/* Dword 0 of their events. */
#define EVENT_PROVIDER_C	0x00002a00
#define EVENT_PROVIDER_RUST	0x00002b00

/* Loads one; the errno is init_module()'s. */
int provider_load(const char *name, const char *parameters);
int provider_unload(const char *name);

/* Writes to one of the files that the provider in C describes; its errno. */
int provider_set(const char *file, unsigned int value);

/* Reads one; negative: errno. */
int provider_get(const char *file);

/* Fetches what belongs to a provider's event; its length; negative: errno. */
int provider_fetch(int fd, unsigned long long number, char *payload, unsigned int size);

/* Whether it is a provider's event, with this number and this dword 1. */
bool provider_said(const struct nvme_event *event, unsigned int number, unsigned int dw1);

/* The number of the newest record of any provider, as a reader is told. */
unsigned long long provider_newest(int fd);

/* Has the one in C offer @count events, and waits until @number is staged. */
int provider_offer(int fd, unsigned int count, unsigned int number);

/* Whether one of its files has @value, after a while as well. */
bool provider_stays(const char *file, int value);

#endif /* PROVIDER_H */
