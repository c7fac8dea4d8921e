/* SPDX-License-Identifier: GPL-2.0-only */
/* The namespaces of the machine called formats, see scripts/vmlib/hardware.py. For programs with a variant for each. */
#ifndef FORMATS_H
#define FORMATS_H

#define IO_COMMAND "pci_nvme_io_cmd *"

/* The blocks that are moved; the reference tag of the first one is its number. */
#define FIRST 24
#define COUNT 9

/* In dword 12: the controller makes or removes, and checks, protection information. */
#define PRACT	(1u << 29)
#define PRCHK_GUARD	(1u << 28)
#define PRCHK_REFERENCE	(1u << 26)
#define TUPLE_BYTES 8

/* Members of the variant. */
#define FORMAT_MEMBERS								\
	unsigned int nsid;							\
	unsigned int block;							\
	unsigned int metadata;							\
	bool extended;		/* metadata follows each block */		\
	bool protection;	/* is the last eight bytes of metadata */

/* FORMAT(name, members...) of each, but for one with many bytes of metadata after large blocks. */
#define FORMATS(FORMAT)								\
	FORMAT(blocks_of_4096, .nsid = 1, .block = 4096)			\
	FORMAT(separate, .nsid = 2, .block = 512, .metadata = 8)		\
	FORMAT(extended, .nsid = 3, .block = 512, .metadata = 8, .extended = true)	\
	FORMAT(protected, .nsid = 4, .block = 512, .metadata = 8, .protection = true)	\
	FORMAT(extended_protected, .nsid = 5, .block = 512, .metadata = 8,	\
	       .extended = true, .protection = true)				\
	FORMAT(protected_and_more, .nsid = 7, .block = 512, .metadata = 16, .protection = true)

/* That one. */
#define FORMAT_OF_LARGE_BLOCKS(FORMAT)						\
	FORMAT(extended_4096, .nsid = 6, .block = 4096, .metadata = 64, .extended = true)

#endif /* FORMATS_H */
