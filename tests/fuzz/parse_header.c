// SPDX-License-Identifier: MIT
/*
 * libFuzzer on what a stranger's memfd may hold where the library looks for a buffer: it is
 * refused, or all that it then says of itself can be used.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ndma.h>

#define DATA_BYTES 4096
#define HEADER_BYTES 4096

static void use(struct ndma_buffer *buffer)
{
	uint64_t bytes = ndma_buffer_bytes(buffer);
	struct ndma_holder holders[4];
	struct ndma_buffer_info info;
	struct ndma_layout layout;
	uint32_t lease;
	void *address;

	if (bytes > DATA_BYTES || ndma_buffer_layout(buffer, &layout) ||
	    ndma_layout_check(&layout, bytes))
		abort();
	ndma_buffer_info(buffer, &info);
	ndma_buffer_holders(buffer, holders, 4);
	if (!ndma_lease_acquire(buffer, NDMA_READ, &lease))
		ndma_lease_release(buffer, lease);
	if (!ndma_buffer_map(buffer, NDMA_READ, &address) && bytes)
		(void)((volatile char *)address)[bytes - 1];
	ndma_buffer_set_layout(buffer, &layout);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return setenv("NDMA_BACKEND", "memfd", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The header as it should be; the input is laid over it, so that most of it stays so. */
	unsigned char header[HEADER_BYTES] = "ndmamfd1";
	const uint64_t sizes[] = { DATA_BYTES, DATA_BYTES };
	struct ndma_buffer *buffer;
	size_t i;
	int fd;

	memcpy(header + 8, sizes, sizeof(sizes));
	for (i = 0; i < size && i < sizeof(header); i++)
		header[i] ^= data[i];
	fd = memfd_create("stranger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, DATA_BYTES + HEADER_BYTES) ||
	    pwrite(fd, header, sizeof(header), DATA_BYTES) != sizeof(header) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		abort();
	if (!ndma_buffer_import(fd, NULL, &buffer)) {
		use(buffer);
		ndma_buffer_close(buffer);
	}
	close(fd);
	return 0;
}
