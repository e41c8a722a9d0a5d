// SPDX-License-Identifier: MIT
/*
 * fragment: what becomes of a buffer when the kernel has no huge page at some moment while it is
 * allocated. The kernel's fault injection is that moment. Root.
 */
#include <stdlib.h>
#include <string.h>

#include <ndma.h>

#include "tap.h"
#include "uapi/file.h"
#include "uapi/heap.h"

#define FAULT "/sys/kernel/debug/fail_page_alloc/"
#define BYTES (32 * MIB)

/* Tests return NULL, or what was wrong. */
typedef const char *(*test_fn)(void);

/* The next @times allocations of this process that are larger than what comes next fail. */
static bool fail_huge(const char *times)
{
	static const struct {
		const char *file, *value;
	} settings[] = {
		{ FAULT "task-filter", "Y" },     { FAULT "min-order", "5" },
		{ FAULT "ignore-gfp-wait", "N" }, { FAULT "ignore-gfp-highmem", "N" },
		{ FAULT "interval", "1" },        { FAULT "verbose", "0" },
		{ FAULT "probability", "100" },   { "/proc/self/make-it-fail", "1" },
	};
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (file_write(settings[i].file, settings[i].value))
			return false;
	return !file_write(FAULT "times", times);
}

/* How many of them have not failed. */
static long fail_no_more(void)
{
	char left[32] = "";

	file_write("/proc/self/make-it-fail", "0");
	file_read(FAULT "times", left, sizeof(left));
	file_write(FAULT "times", "0");
	file_write(FAULT "probability", "0");
	return strtol(left, NULL, 10);
}

static int run_of(int heap, int fd, uint64_t at, struct ndma_buffer_info *info)
{
	*info = (struct ndma_buffer_info){ .size = sizeof(*info), .fd = fd, .run_at = at };
	return call(heap, NDMA_BUFFER_INFO, info);
}

static const char *one_failure_costs_one_huge_page(void)
{
	struct ndma_buffer_info info;
	int heap = heap_open(), fd;
	const char *wrong = NULL;

	if (!fail_huge("1"))
		return "fault injection";
	fd = heap_alloc(heap, BYTES);
	fail_no_more();
	if (fd < 0)
		return "no buffer";
	if (run_of(heap, fd, 0, &info) || info.run_bytes != HUGE_BYTES ||
	    info.run_page_bytes >= HUGE_BYTES)
		wrong = "not the first 2 MiB alone are in small pages";
	else if (run_of(heap, fd, HUGE_BYTES, &info) || info.run_bytes != BYTES - HUGE_BYTES ||
		 info.run_page_bytes != HUGE_BYTES)
		wrong = "the rest is not in huge pages";
	else if (run_of(heap, fd, BYTES - 5, &info) || info.run_bytes != 5)
		wrong = "a run does not end where the buffer does";
	else if (run_of(heap, fd, BYTES, &info) != -EINVAL)
		wrong = "a run behind the buffer's end is told";
	tap_note("%llu bytes in pages of %llu", info.run_bytes, info.run_page_bytes);
	close(fd);
	close(heap);
	return wrong;
}

static const char *many_failures_cost_few_tries(void)
{
	const long times = 1000;
	struct ndma_buffer_info info;
	int heap = heap_open(), fd, error;
	long tries;

	if (!fail_huge("1000"))
		return "fault injection";
	fd = heap_alloc(heap, BYTES);
	tries = times - fail_no_more();
	if (fd < 0)
		return "no buffer";
	error = run_of(heap, fd, 0, &info);
	close(fd);
	close(heap);
	tap_note("%ld tries for %lu huge pages", tries, BYTES / HUGE_BYTES);
	if (error || info.run_bytes != BYTES)
		return "the buffer is not one run";
	/* 1, 2, 4, 8 pages lie between them. */
	return tries < 2 || tries > 5 ? "not two to five tries" : NULL;
}

/* Of a mapping, in KiB, as the kernel counts what it maps by huge pages. */
static long mapped_huge(const void *address, size_t bytes)
{
	unsigned long start, end, from = (uintptr_t)address;
	FILE *file = fopen("/proc/self/smaps", "re");
	bool inside = false;
	char line[256];
	long sum = 0, one;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start >= from && end <= from + bytes;
		else if (inside && sscanf(line, "FilePmdMapped: %ld", &one) == 1)
			sum += one;
	}
	if (file)
		fclose(file);
	return sum;
}

static const char *the_library_maps_the_rest_by_huge_pages(void)
{
	struct ndma_layout layout;
	struct ndma_buffer *buffer;
	void *address;
	long huge;
	int rc;

	ndma_layout_flat(&layout, BYTES);
	if (!fail_huge("1"))
		return "fault injection";
	rc = ndma_buffer_create(&layout, NULL, &buffer);
	fail_no_more();
	if (rc || ndma_buffer_map(buffer, NDMA_WRITE, &address))
		return ndma_error();
	memset(address, 0x5a, BYTES);
	huge = mapped_huge(address, BYTES);
	tap_note("%ld KiB of %lu by huge pages", huge, BYTES / 1024);
	ndma_buffer_close(buffer);
	return huge == (BYTES - HUGE_BYTES) / 1024 ? NULL : "not all that is in huge pages";
}

static const struct {
	test_fn test;
	const char *name;
} tests[] = {
	{ one_failure_costs_one_huge_page, "one failure costs a buffer one huge page" },
	{ many_failures_cost_few_tries, "many failures cost few tries" },
	{ the_library_maps_the_rest_by_huge_pages, "the library maps the rest by huge pages" },
};

int main(void)
{
	const char *wrong;
	unsigned int i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (access(FAULT "times", F_OK)) {
			tap_skip(tests[i].name, "this guest has no " FAULT "times");
			continue;
		}
		wrong = tests[i].test();
		if (wrong)
			tap_note("%s", wrong);
		tap_result(!wrong, tests[i].name);
	}
	return tap_end();
}
