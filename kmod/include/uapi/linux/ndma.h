/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ndma: n-dimensional DMA buffers for acquisition hardware: the user API.
 *
 * Two kinds of character device:
 *
 *   /dev/ndma/heap         allocates buffers and answers about them; one open file is one *client*
 *   /dev/ndma/<source><N>  an acquisition source; one open file is one *stream*
 *
 * A buffer's handle is a dma-buf file descriptor. It travels by SCM_RIGHTS, and names the buffer in the
 * heap's calls; the layout (what an element is, the shape, the strides) travels with it, because the
 * kernel keeps it. A handle that can write works with every dma-buf importer. A read-only one works only
 * with those that map it for their device to read (DMA_TO_DEVICE), as V4L2 does for output. DRM and RDMA
 * map whatever they import both ways, so that they get EPERM, and nobody gets a kernel mapping (vmap).
 *
 * Rules for every call
 * --------------------
 * Every argument starts with @size, the size in bytes of the structure the caller was compiled with.
 * A shorter structure than the kernel's is filled with zeros, down to the first version's size
 * (below that: EINVAL); a longer one is accepted while the unknown tail is zero (else E2BIG).
 * Unknown flag bits and non-zero reserved fields are EINVAL. Outputs are written up to @size.
 * 32-bit and 64-bit callers see the same layout.
 *
 * Errors, with the same meaning everywhere
 * ----------------------------------------
 *   EINVAL      a bad argument
 *   E2BIG       the structure is newer than this kernel's, and uses what it does not know
 *   ENOTTY      no such call on this file
 *   EBADF       a file descriptor that is not open, or not a dma-buf of ndma
 *   EBUSY       refused: leased, owned by a device, pinned, or all frames held by the caller
 *   EAGAIN      would block, and was asked not to
 *   ETIMEDOUT   the deadline passed
 *   EOVERFLOW   layout arithmetic does not fit 64 bits
 *   ERANGE      a layout that reaches outside its buffer; a control value outside its range
 *   EPERM       not the owner, or a write through a read-only handle
 *   EACCES      this open file was not opened for it (O_RDONLY)
 *   ENODEV      the device is gone
 *   ESHUTDOWN   the machine is shutting down, and no source starts any more
 *   EOPNOTSUPP  known, but not done by this source or kernel
 *   EOWNERDEAD  the owner died during a transfer: the contents are not to be trusted
 *   ECANCELED   the fill was stopped, or its source's file closed, before it was done
 *   EIO         the source gave up before the buffer was full
 *   ESTALE      the lease was revoked by the buffer's owner
 *   EDQUOT      the quota of buffer memory of the user who opened the file is used up
 *   EMFILE      too many leases or transfers of this client
 *   ENOMEM      no memory; the reason is in the kernel log
 *   EFAULT      a pointer that cannot be read or written
 *   EINTR       a signal came first; nothing was done, call again
 */
#ifndef _UAPI_LINUX_NDMA_H
#define _UAPI_LINUX_NDMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define NDMA_ABI_VERSION	1
#define NDMA_HEAP_PATH		"/dev/ndma/heap"

#define NDMA_IOC_TYPE		0xDA

/* Longest format string with its NUL, most dimensions, longest names with their NUL. */
#define NDMA_FORMAT_MAX		256
#define NDMA_NDIM_MAX		32
#define NDMA_NAME_MAX		32
#define NDMA_UNIT_MAX		16

/**
 * struct ndma_layout - what the bytes of a buffer mean (PEP 3118)
 * @itemsize: bytes of one element; at least 1
 * @ndim: dimensions in use, 0 (one element) to %NDMA_NDIM_MAX
 * @offset: byte offset of the element whose indices are all 0
 * @shape: elements in each dimension; a 0 anywhere makes the layout empty
 * @strides: bytes from one element to the next in each dimension; may be negative or 0
 * @format: PEP 3118 / struct-module format of one element, NUL-terminated, zero-filled behind
 *   the NUL; stored as it is and never interpreted
 *
 * Entries of @shape and @strides behind @ndim must be 0. Valid when every byte of every element
 * that indices inside @shape can address lies inside the buffer, computed without overflow
 * (EOVERFLOW) or reaching outside (ERANGE). An empty layout addresses nothing; its @offset must
 * still be at most the buffer's size. The product of @itemsize and all of @shape but its zeros
 * must fit a signed 64-bit number (EOVERFLOW), strides of 0 or not.
 */
struct ndma_layout {
	__u32 itemsize;
	__u32 ndim;
	__aligned_u64 offset;
	__aligned_u64 shape[NDMA_NDIM_MAX];
	__aligned_s64 strides[NDMA_NDIM_MAX];
	char format[NDMA_FORMAT_MAX];
};

/* Directions of a transfer or a stream, seen from the device. */
#define NDMA_FROM_DEVICE	1
#define NDMA_TO_DEVICE		2
#define NDMA_BOTH		3

/* What a CPU touch meets while the device owns the memory. */
#define NDMA_GUARD_NONE		0	/* leases alone keep owners apart */
#define NDMA_GUARD_BLOCK	1	/* the touch sleeps until the transfer ends */
#define NDMA_GUARD_SIGBUS	2	/* the touch gets SIGBUS with its exact address */

/* Kinds of lease. */
#define NDMA_READ		1
#define NDMA_WRITE		2

/* ------------------------------------------------------------------ the heap: buffers */

/**
 * struct ndma_heap_info - NDMA_HEAP_INFO: what this kernel offers
 * @size: sizeof(struct ndma_heap_info)
 * @flags: in: 0
 * @abi: out: %NDMA_ABI_VERSION of the module
 * @page_bytes: out: granularity of a buffer's size
 * @huge_bytes: out: size from which buffers are mapped by huge pages
 * @leases_max: out: most leases one client can hold at a time
 * @quota_bytes: out: most buffer memory that the user who opened this file may hold; 0: no limit
 * @used_bytes: out: buffer memory that this user holds now
 * @fence_max_ns: out: longest life of a fence that a fill, or a user-driven transfer, publishes
 */
struct ndma_heap_info {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 page_bytes;
	__u32 huge_bytes;
	__u32 leases_max;
	__aligned_u64 quota_bytes;
	__aligned_u64 used_bytes;
	__aligned_u64 fence_max_ns;
};

/* Buffer flags. */
#define NDMA_BUFFER_CONTIGUOUS	(1u << 0) /* one physically contiguous piece, up to 4 MiB */
#define NDMA_BUFFER_READONLY	(1u << 1) /* out only: this handle cannot write */
#define NDMA_BUFFER_STREAM	(1u << 2) /* out only: a stream's backing buffer, or a frame of it */

#define NDMA_NODE_ANY		(-1)

/**
 * struct ndma_buffer_alloc - NDMA_BUFFER_ALLOC: a new zeroed buffer
 * @size: sizeof(struct ndma_buffer_alloc)
 * @flags: %NDMA_BUFFER_CONTIGUOUS or 0
 * @bytes: bytes wanted, 1 or more; the buffer has at least as many
 * @node: NUMA node, or %NDMA_NODE_ANY
 * @source_fd: an open source that must be able to reach the memory, or -1
 * @fd_flags: O_CLOEXEC or 0
 * @fd: out: the dma-buf, opened read-write
 * @capacity: out: bytes really there (whole pages; whole huge pages from huge_bytes on)
 * @layout: user pointer to the first layout, or 0 for @bytes elements of format "B"
 *
 * The calling file is the buffer's *owner*: only it begins and ends transfers. Memory is
 * charged to the user who opened that file, whoever calls, until its last reference is gone:
 * EDQUOT beyond the quota of one user, ENOMEM beyond that of all. It is charged to the caller's
 * memory cgroup too, which is the limit that holds whatever files are passed on.
 *
 * Errors: EINVAL, EDQUOT, ENOMEM, EBADF (@source_fd), EOPNOTSUPP (contiguous or reachable
 * memory of that size does not exist), and those of a layout.
 */
struct ndma_buffer_alloc {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__s32 node;
	__s32 source_fd;
	__u32 fd_flags;
	__s32 fd;
	__aligned_u64 capacity;
	__aligned_u64 layout;
};

/* Who owns a buffer. */
#define NDMA_OWNER_CPU		0
#define NDMA_OWNER_DEVICE	1

/**
 * struct ndma_buffer_info - NDMA_BUFFER_INFO: the state of a buffer, at this moment
 * @size: sizeof(struct ndma_buffer_info)
 * @fd: in: the buffer
 * @flags: in: 0; out: buffer flags
 * @owner: out: %NDMA_OWNER_CPU or %NDMA_OWNER_DEVICE
 * @direction: out: of the transfer in progress, else 0
 * @guard: out: of the transfer in progress, else 0
 * @bytes: out: bytes that layouts may use
 * @capacity: out: bytes of the mapping
 * @read_leases: out: leases to read, of all clients
 * @write_leases: out: leases to write, of all clients
 * @own_leases: out: leases of the calling client, of both kinds
 * @node: out: NUMA node of the first page
 * @transfers: out: transfers begun so far
 * @aborted: out: of these, ended by their deadline or their owner's death, and fills that failed
 * @touches: out: CPU touches that a guard has met. One that sleeps counts once, when its sleep begins:
 *   once for each thread and page in a transfer, however often a signal interrupts it
 * @id: out: the buffer's, through every handle and in every process, and no other buffer's until the
 *   machine is started again
 * @run_at: in: an offset in the mapping, below @capacity (else EINVAL)
 * @run_bytes: out: bytes from there on that are in pages of one size, to the end of these
 * @run_page_bytes: out: that size
 *
 * Memory that was short when a buffer was allocated may have come in pages of several sizes. One
 * mapping of them all has small pages only; one of each run, at an address congruent to its
 * offset, has huge pages where there are such.
 */
struct ndma_buffer_info {
	__u32 size;
	__s32 fd;
	__u32 flags;
	__u32 owner;
	__u32 direction;
	__u32 guard;
	__aligned_u64 bytes;
	__aligned_u64 capacity;
	__u32 read_leases;
	__u32 write_leases;
	__u32 own_leases;
	__s32 node;
	__aligned_u64 transfers;
	__aligned_u64 aborted;
	__aligned_u64 touches;
	__aligned_u64 id;
	__aligned_u64 run_at;
	__aligned_u64 run_bytes;
	__aligned_u64 run_page_bytes;
};

/**
 * struct ndma_buffer_layout - NDMA_BUFFER_GET_LAYOUT and NDMA_BUFFER_SET_LAYOUT
 * @size: sizeof(struct ndma_buffer_layout)
 * @fd: the buffer
 * @flags: 0
 * @reserved: 0
 * @layout: the layout, out or in
 *
 * Set: EBUSY while anybody holds a lease or a transfer is in progress; EPERM through a
 * read-only handle or on a stream's buffer; EINVAL, EOVERFLOW, ERANGE for what is not valid.
 */
struct ndma_buffer_layout {
	__u32 size;
	__s32 fd;
	__u32 flags;
	__u32 reserved;
	struct ndma_layout layout;
};

/**
 * struct ndma_buffer_readonly - NDMA_BUFFER_READONLY_HANDLE: a second dma-buf that cannot write
 * @size: sizeof(struct ndma_buffer_readonly)
 * @fd: in: the buffer
 * @flags: 0
 * @fd_flags: O_CLOEXEC or 0
 * @out_fd: out: a dma-buf of the same memory, layout and owner, without any way to write. DRM and
 *   RDMA do not import it: see the top of this file
 * @reserved: 0
 */
struct ndma_buffer_readonly {
	__u32 size;
	__s32 fd;
	__u32 flags;
	__u32 fd_flags;
	__s32 out_fd;
	__u32 reserved;
};

/*
 * Acquire nothing: say whether @lease still holds and could be acquired once more, as a client asks that
 * shares it among several users.
 */
#define NDMA_LEASE_CHECK	(1u << 0)

/**
 * struct ndma_lease_acquire - NDMA_LEASE_ACQUIRE: promise to look at a buffer
 * @size: sizeof(struct ndma_lease_acquire)
 * @fd: in: the buffer
 * @access: %NDMA_READ or %NDMA_WRITE (which includes reading)
 * @flags: %NDMA_LEASE_CHECK or 0
 * @lease: out: its id, for NDMA_LEASE_RELEASE; in, to check: an id of the calling client's
 * @reserved: 0
 *
 * A lease pins the layout and keeps the memory. It ends by NDMA_LEASE_RELEASE or with the
 * client's file. A client's leases on one buffer to the same access are alike and have one id,
 * which is good for as many releases. EBUSY while a transfer that excludes it is in progress; EPERM to write
 * through a read-only handle; EMFILE beyond leases_max; EOWNERDEAD once, to a new lease on a
 * buffer whose owner died in a transfer to it (the next one succeeds).
 *
 * To check: the same answers, but EMFILE; before them ESTALE, as often as it is asked, where the buffer's
 * owner has revoked @lease, and EINVAL where the client has no such lease on this buffer.
 */
struct ndma_lease_acquire {
	__u32 size;
	__s32 fd;
	__u32 access;
	__u32 flags;
	__u32 lease;
	__u32 reserved;
};

/**
 * struct ndma_lease_release - NDMA_LEASE_RELEASE
 * @size: sizeof(struct ndma_lease_release)
 * @lease: an id of this client; EINVAL for others
 *
 * EINVAL too for an id that was released as often as it was acquired. ESTALE, once, for each
 * lease that was revoked: it is gone all the same.
 */
struct ndma_lease_release {
	__u32 size;
	__u32 lease;
};

/**
 * struct ndma_lease_revoke - NDMA_LEASE_REVOKE: the owner takes back what others hold
 * @size: sizeof(struct ndma_lease_revoke)
 * @fd: a buffer that the calling client owns; EPERM for others
 * @flags: 0
 * @count: out: leases of other clients that were revoked
 */
struct ndma_lease_revoke {
	__u32 size;
	__s32 fd;
	__u32 flags;
	__u32 count;
};

#define NDMA_HOLDER_LEASE	1	/* a lease of a client */
#define NDMA_HOLDER_TRANSFER	2	/* a transfer in progress */
#define NDMA_HOLDER_IMPORTER	3	/* a device attached to the dma-buf */
#define NDMA_HOLDER_FRAME	4	/* an exported frame of a stream */

/**
 * struct ndma_holder - one reason why a buffer is not free
 * @kind: NDMA_HOLDER_…
 * @access: %NDMA_READ, %NDMA_WRITE, or the direction of a transfer
 * @pid: process that opened the client's file, in the caller's pid namespace; 0 where the
 *   caller may not know (neither the same user nor CAP_SYS_PTRACE), or there is none
 * @count: how many of these
 */
struct ndma_holder {
	__u32 kind;
	__u32 access;
	__s32 pid;
	__u32 count;
};

/**
 * struct ndma_buffer_holders - NDMA_BUFFER_HOLDERS: who keeps a buffer
 * @size: sizeof(struct ndma_buffer_holders)
 * @fd: in: the buffer
 * @flags: 0
 * @count: in: room at @holders, in entries; out: how many there are
 * @holders: user pointer to struct ndma_holder[@count]; entries beyond the room are left out
 */
struct ndma_buffer_holders {
	__u32 size;
	__s32 fd;
	__u32 flags;
	__u32 count;
	__aligned_u64 holders;
};

/*
 * Publish a fence; its life is at most fence_max_ns. EOPNOTSUPP, unless the module parameter user_fences
 * is set, which is for tests: while the fence is out, others wait for a program that may have stopped.
 */
#define NDMA_TRANSFER_FENCE	(1u << 0)

/**
 * struct ndma_transfer_begin - NDMA_TRANSFER_BEGIN: give a buffer to a device
 * @size: sizeof(struct ndma_transfer_begin)
 * @fd: in: a buffer that the calling client owns; EPERM for others
 * @direction: %NDMA_FROM_DEVICE, %NDMA_TO_DEVICE or %NDMA_BOTH
 * @guard: NDMA_GUARD_…
 * @flags: %NDMA_TRANSFER_FENCE or 0
 * @transfer: out: its id, for NDMA_TRANSFER_END
 * @timeout_ns: deadline from now, 1 ns to one hour; with a fence, to fence_max_ns (else EINVAL)
 *
 * From the device: EBUSY while anybody holds a lease; to the device: while anybody holds a
 * lease to write (unless a guard is asked for). EBUSY too while a transfer is in progress, or
 * pages are pinned that a guard would have to take away. Fences of others on the dma-buf are
 * waited for first, at most until the deadline (ETIMEDOUT).
 *
 * With %NDMA_GUARD_BLOCK a touch by user space sleeps until the transfer ends, and signals are handled
 * meanwhile. A system call that touches the memory sleeps only in the first kernel_fault_ms (a module
 * parameter) of the transfer, however often it tries; then, and later, it fails at once with EFAULT
 * (mlock() with ENOMEM; mlockall() and mmap() with MAP_POPULATE succeed and leave the memory out).
 * A transfer that follows begins anew, so a call can sleep longer where one comes behind the other.
 * A signal is handled when the call is over; it ends what fills page tables: mlock(), mlockall(),
 * MAP_POPULATE, mmap() after MCL_FUTURE, remap_file_pages(). Mappings of read-only handles stay
 * readable during a transfer to the device.
 *
 * At its deadline the transfer is marked aborted and the buffer is the CPU's again: nobody
 * stopped the hardware, which this call cannot know.
 */
struct ndma_transfer_begin {
	__u32 size;
	__s32 fd;
	__u32 direction;
	__u32 guard;
	__u32 flags;
	__u32 transfer;
	__aligned_u64 timeout_ns;
};

/**
 * struct ndma_transfer_end - NDMA_TRANSFER_END
 * @size: sizeof(struct ndma_transfer_end)
 * @fd: the buffer
 * @transfer: its id; EINVAL if that transfer is not in progress, or a source's
 * @flags: 0
 *
 * EPERM: not by its owner, or through a read-only handle. ETIMEDOUT when the deadline has passed, also
 * where it has not ended the transfer yet: what the buffer holds is not to be trusted.
 */
struct ndma_transfer_end {
	__u32 size;
	__s32 fd;
	__u32 transfer;
	__u32 flags;
};

/*
 * mmap of a buffer
 * ----------------
 * mmap(NULL, capacity, prot, MAP_SHARED, heap_fd, (off_t)fd << NDMA_MMAP_FD_SHIFT) maps the buffer
 * whose dma-buf the calling process knows as `fd`, whole, at an address that lets huge pages be
 * used. mmap of the dma-buf itself works too, with ordinary pages where the address has to.
 * The mapping belongs to the dma-buf: closing the heap or the fd does not end it.
 * EINVAL: length or offset other than the whole buffer, or MAP_PRIVATE; EBADF: not a buffer of
 * ndma; EACCES: PROT_WRITE through a read-only handle.
 */
#define NDMA_MMAP_FD_SHIFT	21

/* ------------------------------------------------------------------ sources */

/* What an acquisition source can do. */
#define NDMA_SOURCE_SOFTWARE	(1u << 0) /* made by the kernel; no hardware behind it */
#define NDMA_SOURCE_CYCLIC	(1u << 1) /* the card cannot be stopped from overwriting */
#define NDMA_SOURCE_HW_TIME	(1u << 2) /* frames carry the card's own time stamps */
#define NDMA_SOURCE_TO_DEVICE	(1u << 3) /* streams to the device */

/**
 * struct ndma_rational - an exact number: numerator / denominator
 * @num: numerator
 * @den: denominator, never 0
 */
struct ndma_rational {
	__aligned_s64 num;
	__aligned_u64 den;
};

/**
 * struct ndma_source_info - NDMA_SOURCE_INFO: what a source is
 * @size: sizeof(struct ndma_source_info)
 * @flags: in: 0; out: NDMA_SOURCE_…
 * @name: out: as in /dev/ndma, "edu0"
 * @driver: out: the driver's name, "ndma_edu"
 * @device: out: the device behind it, "0000:00:04.0", or ""
 * @abi: out: %NDMA_ABI_VERSION
 * @formats: out: how many formats, for NDMA_SOURCE_FORMAT
 * @channels: out: how many channels, for NDMA_SOURCE_CHANNEL
 * @frames_min: out: fewest frames of a stream
 * @frames_max: out: most frames of a stream
 * @streams_max: out: streams at a time
 * @frame_bytes_max: out: largest frame
 * @samples_step: out: `samples` of a frame are a multiple of it
 * @reserved: out: 0
 * @rate: out: samples of one channel per second, of the current settings; 0/1: not known.
 *   On a stream that was started: as it was at the start
 * @start_monotonic_ns: out: CLOCK_MONOTONIC at the stream's start, else 0
 * @start_realtime_ns: out: CLOCK_REALTIME at the same moment, so that time stamps can be
 *   turned into calendar time by one addition, whatever the clock was set to since. Not those of
 *   frames made after the machine slept: see struct ndma_completions
 */
struct ndma_source_info {
	__u32 size;
	__u32 flags;
	char name[NDMA_NAME_MAX];
	char driver[NDMA_NAME_MAX];
	char device[NDMA_NAME_MAX];
	__u32 abi;
	__u32 formats;
	__u32 channels;
	__u32 frames_min;
	__u32 frames_max;
	__u32 streams_max;
	__aligned_u64 frame_bytes_max;
	__u32 samples_step;
	__u32 reserved;
	struct ndma_rational rate;
	__aligned_s64 start_monotonic_ns;
	__aligned_s64 start_realtime_ns;
};

/* How samples of several channels lie in a frame. */
#define NDMA_ORDER_PLANAR	(1u << 0) /* all samples of channel 0, then of channel 1, … */
#define NDMA_ORDER_INTERLEAVED	(1u << 1) /* sample 0 of every channel, then sample 1, … */

#define NDMA_FORMAT_IQ		(1u << 0) /* two numbers a sample, a trailing axis of 2 */

/**
 * struct ndma_source_format - NDMA_SOURCE_FORMAT: one kind of sample
 * @size: sizeof(struct ndma_source_format)
 * @index: in: 0 to formats - 1; EINVAL beyond
 * @flags: in: 0; out: NDMA_FORMAT_…
 * @itemsize: out: bytes of one number
 * @orders: out: NDMA_ORDER_… that can be asked for
 * @bits: out: significant bits of one number
 * @format: out: PEP 3118 format of one number, "<h"
 */
struct ndma_source_format {
	__u32 size;
	__u32 index;
	__u32 flags;
	__u32 itemsize;
	__u32 orders;
	__u32 bits;
	char format[16];
};

/**
 * struct ndma_source_channel - NDMA_SOURCE_CHANNEL: one channel; physical = raw * scale + offset
 * @size: sizeof(struct ndma_source_channel)
 * @index: in: 0 to channels - 1; EINVAL beyond
 * @name: out: its name
 * @unit: out: of the physical value, UTF-8, "V"
 * @scale: out: units per count, of the current settings (of the start, on a started stream)
 * @offset: out: units at count 0
 */
struct ndma_source_channel {
	__u32 size;
	__u32 index;
	char name[NDMA_NAME_MAX];
	char unit[NDMA_UNIT_MAX];
	struct ndma_rational scale;
	struct ndma_rational offset;
};

/* Controls: settings of one open file of a source. Standard ids; a driver's own start at
 * NDMA_CONTROL_DRIVER. A driver offers any of them.
 */
#define NDMA_CONTROL_RATE		1	/* samples of one channel per second */
#define NDMA_CONTROL_PATTERN		2	/* test pattern, a menu */
#define NDMA_CONTROL_FREQUENCY		3	/* of the test pattern */
#define NDMA_CONTROL_AMPLITUDE		4	/* of the test pattern, per mille of full scale */
#define NDMA_CONTROL_TRIGGER		5	/* trigger mode, a menu: free, level, external, … */
#define NDMA_CONTROL_TRIGGER_LEVEL	6	/* in counts */
#define NDMA_CONTROL_TRIGGER_SOFTWARE	7	/* a button: writing it triggers */
#define NDMA_CONTROL_FAULT		0x800	/* from here: faults on command, for tests */
#define NDMA_CONTROL_FAULT_DROP		0x800	/* drop every nth frame; 0: none */
#define NDMA_CONTROL_FAULT_SHORT	0x801	/* every nth frame is short */
#define NDMA_CONTROL_FAULT_ERROR	0x802	/* every nth frame has its error flag set */
#define NDMA_CONTROL_FAULT_STALL	0x803	/* stop producing after n frames */
#define NDMA_CONTROL_FAULT_JITTER	0x804	/* up to n microseconds late */
#define NDMA_CONTROL_FAULT_VANISH	0x805	/* the source is unplugged after n frames */
#define NDMA_CONTROL_DRIVER		0x1000

/* Flags of a control. */
#define NDMA_CONTROL_LIVE	(1u << 0) /* it may change while a stream runs */

#define NDMA_CONTROL_NEXT	(1u << 31) /* or-ed to an id: the first control behind it */

#define NDMA_CONTROL_INTEGER	1
#define NDMA_CONTROL_BOOLEAN	2
#define NDMA_CONTROL_MENU	3	/* value is an index; names by NDMA_CONTROL_MENU_ITEM */
#define NDMA_CONTROL_BUTTON	4	/* write only, value ignored */

/**
 * struct ndma_control_info - NDMA_CONTROL_QUERY: one setting
 * @size: sizeof(struct ndma_control_info)
 * @id: in: a control, or one or-ed with %NDMA_CONTROL_NEXT; out: its id. EINVAL: none there
 * @type: out: NDMA_CONTROL_INTEGER, …
 * @flags: out: NDMA_CONTROL_LIVE
 * @name: out: a lower-case identifier, "rate"
 * @unit: out: of value * 10^@exponent, "Hz"
 * @exponent: out: decimal exponent of the value
 * @reserved: out: 0
 * @min: out: smallest value
 * @max: out: largest value
 * @step: out: values are @min + k * @step
 * @preset: out: value of a new file
 */
struct ndma_control_info {
	__u32 size;
	__u32 id;
	__u32 type;
	__u32 flags;
	char name[NDMA_NAME_MAX];
	char unit[NDMA_UNIT_MAX];
	__s32 exponent;
	__u32 reserved;
	__aligned_s64 min;
	__aligned_s64 max;
	__aligned_s64 step;
	__aligned_s64 preset;
};

/**
 * struct ndma_control_menu_item - NDMA_CONTROL_MENU_ITEM: the name of one value
 * @size: sizeof(struct ndma_control_menu_item)
 * @id: in: a control of type %NDMA_CONTROL_MENU
 * @index: in: the value; EINVAL beyond the last, and for a number that no value has
 * @reserved: 0
 * @name: out: a lower-case identifier, "sine"
 */
struct ndma_control_menu_item {
	__u32 size;
	__u32 id;
	__u32 index;
	__u32 reserved;
	char name[NDMA_NAME_MAX];
};

/**
 * struct ndma_control - NDMA_CONTROL_GET and NDMA_CONTROL_SET
 * @size: sizeof(struct ndma_control)
 * @id: in: a control; EINVAL: the source has none such; get: or it is a button
 * @value: the value; set: EBUSY where the stream runs and the control cannot change then, whatever the
 *   value, and where it would keep the fence of a fill from signalling; ERANGE outside min, max, step,
 *   with the nearest valid one written back
 *
 * What is set on a file is set in every stream that follows it as well (%NDMA_SETUP_CONTROLS): EBUSY where
 * one of them runs and cannot take it, and then nothing has changed. A stream that starts in that very
 * moment keeps what it started with, and the answer is EBUSY too.
 */
struct ndma_control {
	__u32 size;
	__u32 id;
	__aligned_s64 value;
};

/* ------------------------------------------------------------------ streams */

#define NDMA_POLICY_DROP	0	/* no free frame: the newest is lost; the next says how many */
/* No free frame: the oldest untaken one is used again. Hold at most all but two frames. */
#define NDMA_POLICY_LATEST	1

#define NDMA_SETUP_CONTROLS	(1u << 0) /* controls_fd names a file */

/**
 * struct ndma_stream_setup - NDMA_STREAM_SETUP: memory, frames and rings of a stream
 * @size: sizeof(struct ndma_stream_setup)
 * @flags: %NDMA_SETUP_CONTROLS or 0
 * @direction: %NDMA_FROM_DEVICE; others: EOPNOTSUPP
 * @frames: how many frames, frames_min to frames_max
 * @policy: NDMA_POLICY_…
 * @guard: %NDMA_GUARD_NONE or %NDMA_GUARD_SIGBUS (frame_stride is then whole 2 MiB)
 * @format: index of a format
 * @order: one NDMA_ORDER_… of that format
 * @channels: how many channels, from the first; 0: all
 * @node: NUMA node, or %NDMA_NODE_ANY (the device's own)
 * @samples: samples of one channel in a frame
 * @frame_bytes: out: bytes of a whole frame
 * @frame_stride: out: bytes from one frame to the next
 * @data_bytes: out: length of the mapping of all frames at NDMA_MMAP_FRAMES
 * @entries: out: entries of each ring, a power of two, at least @frames
 * @completions_bytes: out: length of the mapping at NDMA_MMAP_COMPLETIONS
 * @releases_bytes: out: length of the mapping at NDMA_MMAP_RELEASES
 * @controls_fd: with %NDMA_SETUP_CONTROLS another open file of this source, else 0. The stream takes
 *   the values of that file's controls in place of its own, and follows it: what is set there, or
 *   pressed, is set and pressed in this stream as well, as long as both files are open
 * @layout: out: of one frame, @offset from the frame's start: [channel, sample], and a
 *   trailing 2 for I/Q
 * @entry_bytes: bytes from one completion to the next: sizeof(struct ndma_completion), which 0 and
 *   a shorter struct ndma_stream_setup ask for, or sizeof(struct ndma_entry); out: which of them
 * @reserved: 0
 *
 * Once per open file (EBUSY the second time; also while the source has no stream left).
 * EACCES unless the file is open for reading and writing. EOVERFLOW: bytes of a frame, or of all,
 * that 63 bits do not count. EOPNOTSUPP: memory that the device reaches does not exist in that size.
 * EBADF: @controls_fd is no file of a source; EINVAL: it is this file, or another source's.
 * EINVAL, EDQUOT, ENOMEM, ENODEV. What is refused changes nothing, controls neither.
 */
struct ndma_stream_setup {
	__u32 size;
	__u32 flags;
	__u32 direction;
	__u32 frames;
	__u32 policy;
	__u32 guard;
	__u32 format;
	__u32 order;
	__u32 channels;
	__s32 node;
	__aligned_u64 samples;
	__aligned_u64 frame_bytes;
	__aligned_u64 frame_stride;
	__aligned_u64 data_bytes;
	__u32 entries;
	__u32 completions_bytes;
	__u32 releases_bytes;
	__s32 controls_fd;
	struct ndma_layout layout;
	__u32 entry_bytes;
	__u32 reserved;
};

/**
 * struct ndma_stream_start - NDMA_STREAM_START: let the source fill frames
 * @size: sizeof(struct ndma_stream_start)
 * @flags: 0
 * @count: stop after this many frames, lost ones included; 0: never
 *
 * EINVAL without setup; EBUSY while running or paused; ENODEV; EIO, ETIMEDOUT: the device does not
 * start. While its source is paused this call sleeps until that is over (EINTR: killed meanwhile);
 * ESHUTDOWN: it will not be. Sequence numbers go on across restarts.
 */
struct ndma_stream_start {
	__u32 size;
	__u32 flags;
	__aligned_u64 count;
};

/**
 * struct ndma_stream_stop - NDMA_STREAM_STOP: returns when the device is quiet
 * @size: sizeof(struct ndma_stream_stop)
 * @flags: 0
 *
 * Frames that are done stay done; waiters wake. A fill of this file is over. No error on a stream
 * that does not run.
 */
struct ndma_stream_stop {
	__u32 size;
	__u32 flags;
};

#define NDMA_STREAM_IDLE	0	/* not started, stopped, or `count` reached */
#define NDMA_STREAM_RUNNING	1
#define NDMA_STREAM_GONE	2	/* the source was unplugged or its driver unloaded */
/*
 * The machine sleeps or shuts down, or the device is being reset. It is quiet. A stream that ran goes
 * on by itself afterwards; it is idle then if its device does not start.
 */
#define NDMA_STREAM_PAUSED	3

/**
 * struct ndma_stream_wait - NDMA_STREAM_WAIT: sleep until frames are ready
 * @size: sizeof(struct ndma_stream_wait)
 * @min: return when so many are ready, 1 to the stream's frames
 * @timeout_ns: at most so long; 0: do not sleep (EAGAIN); negative: no limit
 * @ready: out: completions not taken yet
 * @state: out: NDMA_STREAM_…
 *
 * Takes in releases first. Sleeps on while the stream is paused. Returns 0 with @ready < @min when no
 * more will come: the stream is idle, or the caller holds all other frames. ETIMEDOUT (@ready and @state are written);
 * ENODEV: gone and nothing ready; EBUSY: the caller holds every frame, so none can come; EINTR;
 * EINVAL without setup.
 */
struct ndma_stream_wait {
	__u32 size;
	__u32 min;
	__aligned_s64 timeout_ns;
	__u32 ready;
	__u32 state;
};

/**
 * struct ndma_stream_kick - NDMA_STREAM_KICK: take in releases now
 * @size: sizeof(struct ndma_stream_kick)
 * @flags: 0
 */
struct ndma_stream_kick {
	__u32 size;
	__u32 flags;
};

/**
 * struct ndma_stream_stats - NDMA_STREAM_STATS: counts since setup
 * @size: sizeof(struct ndma_stream_stats)
 * @state: out: NDMA_STREAM_…
 * @produced: out: frames the source made, lost ones included
 * @completed: out: frames published
 * @dropped: out: frames lost: no frame was free, the source lost them, or they were
 *   stolen under %NDMA_POLICY_LATEST
 * @stolen: out: of these, published ones that were used again before they were taken
 * @starved: out: times the source wanted a frame, none was free, and the device had none left
 * @bad_releases: out: entries of the release ring that named no frame held by the caller
 * @bad_taken: out: times `taken` was out of range and was clamped
 * @errors: out: frames with their error flag
 * @touches: out: CPU touches that the guard met
 * @free_frames: out: frames that wait for the device, at this moment
 * @device_frames: out: frames the device has
 * @user_frames: out: frames published and not released
 * @exported_frames: out: frames with a dma-buf of their own
 */
struct ndma_stream_stats {
	__u32 size;
	__u32 state;
	__aligned_u64 produced;
	__aligned_u64 completed;
	__aligned_u64 dropped;
	__aligned_u64 stolen;
	__aligned_u64 starved;
	__aligned_u64 bad_releases;
	__aligned_u64 bad_taken;
	__aligned_u64 errors;
	__aligned_u64 touches;
	__u32 free_frames;
	__u32 device_frames;
	__u32 user_frames;
	__u32 exported_frames;
};

/**
 * struct ndma_stream_export - NDMA_STREAM_EXPORT: one held frame as a dma-buf of its own
 * @size: sizeof(struct ndma_stream_export)
 * @index: in: a frame that the caller holds; EBUSY otherwise
 * @fd_flags: O_CLOEXEC, and O_RDWR for a dma-buf that can write, which DRM and RDMA want even to read;
 *   or 0. O_RDWR is for the file that set the stream up, which has the frames mapped to write anyway
 * @fd: out: a dma-buf of that frame, read-only but with O_RDWR, with its layout. The frame is not
 *   given to the device again until this dma-buf is gone, whatever the release ring says
 */
struct ndma_stream_export {
	__u32 size;
	__u32 index;
	__u32 fd_flags;
	__s32 fd;
};

/* ------------------------------------------------------------------ fills: a buffer at once */

/**
 * struct ndma_fill_begin - NDMA_FILL_BEGIN: the source fills a buffer of the heap, once, in place
 * @size: sizeof(struct ndma_fill_begin)
 * @flags: 0
 * @fd: a buffer, by a handle that can write
 * @heap_fd: the open file of the heap that owns it, open for writing: proof that the caller may
 * @guard: NDMA_GUARD_…
 * @format: index of a format
 * @order: one NDMA_ORDER_… of that format
 * @channels: how many channels, from the first; 0: all
 * @samples: samples of one channel, a multiple of samples_step
 * @timeout_ns: deadline from now, 1 ns to one hour
 *
 * A stream of one frame whose memory is the buffer's, with the controls of this file. Returns when
 * the source runs. From here on until the fill is over the buffer is the device's, as in a transfer
 * from the device: new leases, layouts, transfers and fills are refused (EBUSY), a guard keeps the
 * CPU away. The buffer's layout becomes that of what the source writes: [channel, sample], and a
 * trailing 2 for I/Q, from byte 0 on; it stays where this call fails.
 *
 * A fill whose source can say how long it takes publishes a fence on the dma-buf: poll(),
 * DMA_BUF_IOCTL_SYNC and DMA_BUF_IOCTL_EXPORT_SYNC_FILE see it. None is published while a trigger is
 * waited for, or where the frame may take longer than fence_max_ns or @timeout_ns is longer than that:
 * nobody is to be kept waiting so long. NDMA_FILL_WAIT waits for every fill. The fence signals when the
 * buffer is the CPU's again, with an error if the fill failed; the source is free for another file a
 * moment later, when NDMA_FILL_WAIT answers. While the fence is out, controls that would keep it from
 * signalling are refused (EBUSY).
 *
 * A fill is over when the buffer is full, at its deadline (ETIMEDOUT), when the source is gone
 * (ENODEV), by NDMA_STREAM_STOP, the end of this file or a pause of the source (ECANCELED), by the end
 * of the heap's file (EOWNERDEAD). However it ends, the source is stopped first and touches the buffer no more before
 * that is the CPU's again.
 *
 * EBADF: @fd is no buffer, or @heap_fd no file of the heap; EACCES: one of the files is not open for
 * writing; EPERM: the buffer is not that client's, or the handle is read-only. EBUSY: as
 * NDMA_TRANSFER_BEGIN from the device, and with a guard while a lease pins another layout; this file
 * is set up as a stream or fills already; the source has no stream left. ERANGE: the buffer is too
 * small. EOPNOTSUPP: the source cannot stop by itself (%NDMA_SOURCE_CYCLIC), or its device does not
 * reach the buffer: allocate it with source_fd. ETIMEDOUT: fences of others did not signal before
 * the deadline, or the source was paused until then; ESHUTDOWN. EINVAL, EOVERFLOW (as NDMA_STREAM_SETUP), ENOMEM, ENODEV, EINTR.
 */
struct ndma_fill_begin {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__s32 heap_fd;
	__u32 guard;
	__u32 format;
	__u32 order;
	__u32 channels;
	__aligned_u64 samples;
	__aligned_u64 timeout_ns;
};

/*
 * The rings
 * =========
 * mmap(NULL, bytes, prot, MAP_SHARED, source_fd, offset), with lengths as setup gave them:
 *
 *   NDMA_MMAP_FRAMES       all frames, frame i at i * frame_stride
 *   NDMA_MMAP_COMPLETIONS  read-only: struct ndma_completions
 *   NDMA_MMAP_RELEASES     read-write: struct ndma_releases
 *
 * All three survive close(). The rings are not inherited by fork (VM_DONTCOPY).
 *
 * Counters are free-running 32-bit numbers; entry k of a ring is at k & (entries - 1).
 *
 * Completions, kernel to user:
 *   the kernel writes the entry, then stores head with release semantics;
 *   user space loads head with acquire semantics, copies the entry taken & (entries - 1), and
 *   takes it: under NDMA_POLICY_DROP by a plain store of taken + 1, under NDMA_POLICY_LATEST by
 *   a compare-and-swap from taken to taken + 1. The kernel steals by the same compare-and-swap;
 *   whoever wins owns the frame, and a copy whose swap failed is to be thrown away.
 *
 * Releases, user to kernel:
 *   user space writes the entry (a frame's index), then stores tail with release semantics;
 *   the kernel loads tail with acquire semantics and takes in at most `entries` entries. An
 *   entry that does not name a frame held by the user is counted and ignored.
 *
 * need_wakeup, for a device idle for lack of frames (a store-buffering pair):
 *   kernel: sets need_wakeup; full barrier; reads tail again; idles only if nothing came;
 *   user:   stores tail; full barrier; reads need_wakeup; calls NDMA_STREAM_KICK if it is set.
 *
 * Nothing user space writes is trusted: what is out of range is clamped and counted, and
 * harms only the stream it came from.
 */
#define NDMA_MMAP_FRAMES	0x00000000000ULL
#define NDMA_MMAP_COMPLETIONS	0x10000000000ULL
#define NDMA_MMAP_RELEASES	0x20000000000ULL

/*
 * poll() of a source's file
 * -------------------------
 *   POLLIN     frames are ready, or the stream has ended: NDMA_STREAM_WAIT does not sleep
 *   POLLRDHUP  the stream was started and is idle: stopped, or `count` reached, or its device did
 *              not start again after a pause
 *   POLLHUP    the source is gone; ready frames can still be taken
 *   POLLERR    not set up
 * Where the file fills a buffer: POLLIN when the fill is over, and nothing before.
 * It takes in releases first. A stream whose frames are all held by the caller is not readable.
 */

/* Flags of a completion. */
#define NDMA_FRAME_PARTIAL	(1u << 0) /* bytes_used is less than the whole frame */
#define NDMA_FRAME_ERROR	(1u << 1) /* the source says that the contents are wrong */
#define NDMA_FRAME_OVERFLOW	(1u << 2) /* the source lost samples inside or before it */
#define NDMA_FRAME_EOF		(1u << 3) /* the last of a burst */
#define NDMA_FRAME_TIME_START	(1u << 4) /* timestamp: of the first sample, else of completion */
#define NDMA_FRAME_HW_TIME	(1u << 5) /* hw_timestamp is set, in the card's own ticks */
#define NDMA_FRAME_HW_SEQUENCE	(1u << 6) /* hw_sequence is set */
#define NDMA_FRAME_TRIGGERED	(1u << 7) /* trigger is set */
/* Nobody can tell how much was lost before it, as its source was paused: dropped is a lower bound. */
#define NDMA_FRAME_LOSS_UNKNOWN	(1u << 8)
/* The first frame made with a control that was set while the stream ran. */
#define NDMA_FRAME_SETTINGS	(1u << 9)
/* The first frame after the calendar moved: see struct ndma_completions. */
#define NDMA_FRAME_CALENDAR	(1u << 10)
/* The card counts its samples, and sample_start is its count: in a struct ndma_entry alone. */
#define NDMA_FRAME_SAMPLE_START	(1u << 11)

/**
 * struct ndma_completion - one frame, done
 * @index: which frame
 * @flags: NDMA_FRAME_…
 * @sequence: counts every frame the source made, lost ones included, from 0
 * @timestamp_ns: CLOCK_MONOTONIC
 * @hw_timestamp: the card's own, where flagged
 * @hw_sequence: the card's own, where flagged
 * @bytes_used: bytes of valid samples, of all channels together. They are the first
 *   bytes_used / (channels * bytes of a sample) samples of every channel: in planar order each
 *   channel's lie at the start of its own part of the frame
 * @dropped: frames lost between the completion before this one and this one. Under
 *   %NDMA_POLICY_LATEST the kernel may use a published frame again afterwards; a consumer
 *   then sees it as a gap in @sequence
 * @trigger: index of the sample at which the trigger came, where flagged
 * @anchor: number of the anchor by which @timestamp_ns becomes calendar time: see struct
 *   ndma_completions
 */
struct ndma_completion {
	__u32 index;
	__u32 flags;
	__aligned_u64 sequence;
	__aligned_u64 timestamp_ns;
	__aligned_u64 hw_timestamp;
	__aligned_u64 hw_sequence;
	__aligned_u64 bytes_used;
	__aligned_u64 dropped;
	__u32 trigger;
	__u32 anchor;
};

/**
 * struct ndma_entry - one frame, done, where entry_bytes of setup is its size
 * @completion: what a ring of 64 bytes an entry has. Its @anchor is the generation of the clock anchor
 * @sample_start: number of the frame's first sample, of one channel, since the stream's setup. With
 *   %NDMA_FRAME_SAMPLE_START the card's own count. Else as many as came before, a lost frame taken
 *   for a whole one: too small by what was lost inside frames (%NDMA_FRAME_OVERFLOW) and by what
 *   nobody counted (%NDMA_FRAME_LOSS_UNKNOWN)
 * @skipped: frames passed over before this one because somebody asked for newer ones; no loss
 * @records_offset: byte of the frame at which its record table begins, where @records is not 0
 * @metadata_offset: byte of the frame at which its metadata begin, where @metadata_bytes is not 0
 * @trigger_ps: picoseconds from sample @completion.trigger to the trigger itself
 * @overload: bit i: channel i of the stream was out of its range; channels from 64 on have none
 * @records: entries of the record table; 0: the frame is one record
 * @metadata_bytes: of this frame
 * @settings: generation of the settings that the frame was made with, from 0
 * @reserved: 0
 *
 * What a source does not tell, and what no part of the module sets yet, is 0: today all behind
 * @sample_start.
 */
struct ndma_entry {
	struct ndma_completion completion;
	__aligned_u64 sample_start;
	__aligned_u64 skipped;
	__aligned_u64 records_offset;
	__aligned_u64 metadata_offset;
	__aligned_s64 trigger_ps;
	__aligned_u64 overload;
	__u32 records;
	__u32 metadata_bytes;
	__u32 settings;
	__u32 reserved;
};

/**
 * struct ndma_fill_wait - NDMA_FILL_WAIT: sleep until this file's fill is over; what became of it
 * @size: sizeof(struct ndma_fill_wait)
 * @flags: 0
 * @completion: out: as of a frame; @index and @sequence are 0
 *
 * Answers at once, again and again, until the next fill begins. 0: the source has written
 * @completion.bytes_used bytes. Else why it ended early, and what the buffer holds is not to be
 * trusted: ETIMEDOUT, ENODEV, ECANCELED, EOWNERDEAD, EIO. EINVAL: there was no fill; EINTR.
 */
struct ndma_fill_wait {
	__u32 size;
	__u32 flags;
	struct ndma_completion completion;
};

/* Anchors that are kept, of which the newest NDMA_ANCHORS - 1 can be read at any time. */
#define NDMA_ANCHORS		5

/**
 * struct ndma_completions - the ring from the kernel
 * @head: completions published so far; loaded with acquire
 * @need_wakeup: non-zero: call NDMA_STREAM_KICK after a release
 * @state: NDMA_STREAM_…
 * @entries: of this ring, as in setup
 * @anchor: number of the newest anchor, from 0; stored with release after its offset
 * @entry_bytes: from one entry to the next, as in setup
 * @realtime_offset_ns: CLOCK_REALTIME - CLOCK_MONOTONIC, of anchor number k at k % NDMA_ANCHORS
 * @ring: the entries; entry k is @entry_bytes * k behind the first, and begins with its completion
 *
 * A time stamp becomes calendar time by adding the offset of its frame's anchor. A stream has an
 * anchor from its first start on, and makes another one at the start or the frame that finds the calendar
 * moved against CLOCK_MONOTONIC: the machine slept, the clock was set, or a second was leapt. Slewing moves
 * both, and makes none. The first frame of an anchor but the first has %NDMA_FRAME_CALENDAR. An offset is
 * read first, with acquire, and @anchor after it: it is good if @anchor - k < NDMA_ANCHORS - 1, else it may
 * have made room for a newer one.
 */
struct ndma_completions {
	__u32 head;
	__u32 need_wakeup;
	__u32 state;
	__u32 entries;
	__u32 anchor;
	__u32 entry_bytes;
	__aligned_s64 realtime_offset_ns[NDMA_ANCHORS];
	struct ndma_completion ring[];
};

/**
 * struct ndma_releases - the ring to the kernel
 * @tail: entries released so far; stored with release
 * @taken: completions taken so far, 64 bytes away from @tail
 * @ring: indices of frames
 */
struct ndma_releases {
	__u32 tail;
	__u32 reserved0[15];
	__u32 taken;
	__u32 reserved1[15];
	__u32 ring[];
};

/* ------------------------------------------------------------------ numbers */

/* On the heap. */
#define NDMA_HEAP_INFO			_IO(NDMA_IOC_TYPE, 0x00)
#define NDMA_BUFFER_ALLOC		_IO(NDMA_IOC_TYPE, 0x01)
#define NDMA_BUFFER_INFO		_IO(NDMA_IOC_TYPE, 0x02)
#define NDMA_BUFFER_GET_LAYOUT		_IO(NDMA_IOC_TYPE, 0x03)
#define NDMA_BUFFER_SET_LAYOUT		_IO(NDMA_IOC_TYPE, 0x04)
#define NDMA_BUFFER_READONLY_HANDLE	_IO(NDMA_IOC_TYPE, 0x05)
#define NDMA_BUFFER_HOLDERS		_IO(NDMA_IOC_TYPE, 0x06)
#define NDMA_LEASE_ACQUIRE		_IO(NDMA_IOC_TYPE, 0x07)
#define NDMA_LEASE_RELEASE		_IO(NDMA_IOC_TYPE, 0x08)
#define NDMA_LEASE_REVOKE		_IO(NDMA_IOC_TYPE, 0x09)
#define NDMA_TRANSFER_BEGIN		_IO(NDMA_IOC_TYPE, 0x0a)
#define NDMA_TRANSFER_END		_IO(NDMA_IOC_TYPE, 0x0b)

/* On a source. */
#define NDMA_SOURCE_INFO		_IO(NDMA_IOC_TYPE, 0x20)
#define NDMA_SOURCE_FORMAT		_IO(NDMA_IOC_TYPE, 0x21)
#define NDMA_SOURCE_CHANNEL		_IO(NDMA_IOC_TYPE, 0x22)
#define NDMA_CONTROL_QUERY		_IO(NDMA_IOC_TYPE, 0x23)
#define NDMA_CONTROL_MENU_ITEM		_IO(NDMA_IOC_TYPE, 0x24)
#define NDMA_CONTROL_GET		_IO(NDMA_IOC_TYPE, 0x25)
#define NDMA_CONTROL_SET		_IO(NDMA_IOC_TYPE, 0x26)
#define NDMA_STREAM_SETUP		_IO(NDMA_IOC_TYPE, 0x30)
#define NDMA_STREAM_START		_IO(NDMA_IOC_TYPE, 0x31)
#define NDMA_STREAM_STOP		_IO(NDMA_IOC_TYPE, 0x32)
#define NDMA_STREAM_WAIT		_IO(NDMA_IOC_TYPE, 0x33)
#define NDMA_STREAM_KICK		_IO(NDMA_IOC_TYPE, 0x34)
#define NDMA_STREAM_STATS		_IO(NDMA_IOC_TYPE, 0x35)
#define NDMA_STREAM_EXPORT		_IO(NDMA_IOC_TYPE, 0x36)
#define NDMA_FILL_BEGIN			_IO(NDMA_IOC_TYPE, 0x37)
#define NDMA_FILL_WAIT			_IO(NDMA_IOC_TYPE, 0x38)

#endif /* _UAPI_LINUX_NDMA_H */
