/* SPDX-License-Identifier: GPL-2.0-only */
/* The module under test, nvme_rs.ko at the root of the checkout. */
#ifndef MODULE_H
#define MODULE_H

#include <stdbool.h>
#include <stddef.h>

#define MODULE "nvme_rs"

bool module_is_loaded(void);

/* The path of nvme_rs.ko. */
int module_path(char *path, size_t size);

/* Loads the module in a file; the errno is init_module()'s. */
int module_insert(const char *path, const char *parameters);

/* As above, nvme_rs. */
int module_load(const char *parameters);

/* Unloads it; EWOULDBLOCK if somebody uses it. */
int module_unload(void);

/* Unloads it if a test that did not get to its end has left it loaded. */
int module_ensure_unloaded(void);

/* How many use it: open files, and what else holds it; negative: it is not there. */
int module_users(void);

#endif /* MODULE_H */
