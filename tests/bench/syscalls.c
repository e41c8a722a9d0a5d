// SPDX-License-Identifier: MIT
/* System calls of this thread, counted by the kernel's tracer (raw_syscalls:sys_enter). Needs root. */
#include "bench.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int counter_open(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT,
					.size = sizeof(attr),
					.disabled = 1 };
	FILE *id = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "r");
	unsigned long long config;
	int found;

	if (!id)
		return -1;
	found = fscanf(id, "%llu", &config);
	fclose(id);
	if (found != 1)
		return -1;
	attr.config = config;
	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static int64_t counted(int fd, bench_fn fn, void *arg)
{
	uint64_t count;

	ioctl(fd, PERF_EVENT_IOC_RESET, 0);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	if (fn)
		fn(arg);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	return read(fd, &count, sizeof(count)) == sizeof(count) ? (int64_t)count : -1;
}

int64_t bench_syscalls(bench_fn fn, void *arg)
{
	int fd = counter_open();
	int64_t nothing, all;

	if (fd < 0)
		return -1;
	nothing = counted(fd, NULL, NULL);
	all = counted(fd, fn, arg);
	close(fd);
	/* `nothing` is the call that stops the counter, which shows that the tracer counts at all. */
	return nothing == 1 && all >= 0 ? all - nothing : -1;
}
