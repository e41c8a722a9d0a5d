// SPDX-License-Identifier: MIT
/*
 * CRC32C (Castagnoli), as iSCSI, ext4 and Btrfs have it: one instruction where the CPU has that,
 * else a table. Of our own, because fifty lines are less to keep than a dependency of every user.
 */
#include <endian.h>
#include <stdatomic.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "record.h"

#define POLYNOMIAL 0x82f63b78u /* reflected */
#define TABLES 8

static uint32_t table[TABLES][256];

static void make_tables(void)
{
	uint32_t i, k, crc;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (k = 1; k < TABLES; k++)
		for (i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
}

static uint64_t load(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* Eight bytes at a time, each by a table of its own. */
static uint32_t by_table(uint32_t crc, const unsigned char *at, size_t bytes)
{
	uint32_t next;
	unsigned int k;
	uint64_t word;

	for (; bytes >= 8; bytes -= 8, at += 8) {
		word = load(at) ^ crc;
		for (next = 0, k = 0; k < TABLES; k++)
			next ^= table[TABLES - 1 - k][word >> 8 * k & 0xff];
		crc = next;
	}
	while (bytes--)
		crc = crc >> 8 ^ table[0][(crc ^ *at++) & 0xff];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
								 const unsigned char *at,
								 size_t bytes)
{
	uint64_t wide = crc;

	for (; bytes >= 8; bytes -= 8, at += 8)
		wide = __builtin_ia32_crc32di(wide, load(at));
	crc = (uint32_t)wide;
	while (bytes--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__) && __BYTE_ORDER == __LITTLE_ENDIAN
static uint32_t by_instruction(uint32_t crc, const unsigned char *at, size_t bytes)
{
	for (; bytes >= 8; bytes -= 8, at += 8)
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(load(at)));
	while (bytes--)
		__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(*at++));
	return crc;
}

static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & 1ul << 7; /* HWCAP_CRC32 */
}
#else
static uint32_t by_instruction(uint32_t crc, const unsigned char *at, size_t bytes)
{
	return by_table(crc, at, bytes);
}

static bool has_instruction(void)
{
	return false;
}
#endif

/* Two threads may both make the tables: they write the same. */
uint32_t ndma_crc32c(uint32_t crc, const void *data, size_t bytes)
{
	static atomic_int ready;
	int how = atomic_load_explicit(&ready, memory_order_acquire);

	if (!how) {
		make_tables();
		how = has_instruction() ? 2 : 1;
		atomic_store_explicit(&ready, how, memory_order_release);
	}
	return ~(how == 2 ? by_instruction : by_table)(~crc, data, bytes);
}
