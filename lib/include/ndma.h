/* SPDX-License-Identifier: MIT */
/**
 * libndma: DMA buffers with a layout, and streams of frames from acquisition hardware.
 *
 * Nouns
 *   buffer    DMA memory with a layout; its handle is a dma-buf file descriptor (without the
 *             module ndma: a memfd), which other processes and drivers take
 *   layout    what the bytes are: format, shape, strides (struct ndma_layout)
 *   lease     somebody looks at a buffer: no device writes there, and the layout stays
 *   transfer  the time in which a device owns a buffer
 *   fill      a transfer that a source makes by itself, from its device to a buffer
 *   source    an acquisition driver, "sim0"
 *   stream    one run of a source into frames
 *   frame     one piece of a stream's memory, with sequence number, time stamp and loss count
 *   recording frames in files, with their times and holes: ndma-recording(5)
 *   backend   how the library reaches all that: "kernel" (module ndma), "memfd" (no module, no
 *             root: buffers, and the simulated source sim0), "foreign" (other drivers' dma-bufs)
 *
 * Return values
 *   0, a count, a file descriptor, or a negative errno, whose meaning is that of the table at the
 *   top of <linux/ndma.h>. After a negative one ndma_error() says in words what was wrong, what was
 *   expected and what to do. Constructors write *out on success only. A call that fails has
 *   changed nothing, except where it says so. close and free take NULL, and cannot fail.
 *   Every call may answer -EPERM in a forked child (see there), and those that reach the kernel
 *   -ENOMEM. Neither is repeated below.
 *
 * Pointers
 *   Must not be NULL where "or NULL" is not written. Strings end with a NUL and are UTF-8.
 *
 * Threads
 *   Different objects are independent. One object: calls may come from any thread, at most one at
 *   a time, except where a function says more. Closing an object while another thread is in a call
 *   on it is a bug, except for ndma_stream_close().
 *
 * Fork
 *   Objects belong to the process that made them. In a child (fork, clone, multiprocessing) every
 *   call on an inherited object answers -EPERM and changes nothing; closing it frees the child's
 *   memory and file descriptors and touches neither leases, transfers nor a running stream.
 *   Mappings of buffers and frames are inherited, without a lease; rings are not. A child that
 *   wants more imports ndma_buffer_fd() or opens the source itself.
 *
 * Environment
 *   NDMA_BACKEND=kernel|memfd: the backend, instead of the kernel's where the module ndma is
 *   loaded and memfd else. Any other value: every constructor answers -EINVAL.
 *
 * @code
 *	#include <errno.h>
 *	#include <ndma.h>
 *	#include <stdio.h>
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
 *		const unsigned int wrong = NDMA_FRAME_PARTIAL | NDMA_FRAME_OVERFLOW | NDMA_FRAME_ERROR;
 *		const unsigned int count = 10;
 *		unsigned int whole = 0;
 *		struct ndma_source *source;
 *		struct ndma_stream *stream;
 *		struct ndma_frame frame;
 *		int rc;
 *
 *		options.samples = 65536;
 *		if (ndma_source_open(argc > 1 ? argv[1] : "sim0", &source) ||
 *		    ndma_stream_create(source, &options, &stream) || ndma_stream_start(stream, count)) {
 *			fprintf(stderr, "%s\n", ndma_error());
 *			return 1;
 *		}
 *		// 1: a frame. 0: no other will come. Negative: an error, or a signal that came first.
 *		while ((rc = ndma_stream_next(stream, &frame, 10000000000)) > 0 || rc == -EINTR) {
 *			if (rc == -EINTR)
 *				continue;
 *			printf("frame %llu: %llu bytes at %p, %llu frames lost before it\n",
 *			       (unsigned long long)frame.completion.sequence,
 *			       (unsigned long long)frame.completion.bytes_used, frame.data,
 *			       (unsigned long long)frame.dropped);
 *			whole += !(frame.completion.flags & wrong);
 *			ndma_stream_release(stream, &frame);
 *		}
 *		// Lost frames count among the ten: behind the last one no frame comes that tells of it.
 *		if (rc)
 *			fprintf(stderr, "%s\n", ndma_error());
 *		else if (whole < count)
 *			fprintf(stderr, "%u of %u frames came whole\n", whole, count);
 *		else if (fflush(stdout) || ferror(stdout))
 *			perror("standard output");
 *		ndma_stream_free(stream);
 *		ndma_source_close(source);
 *		return rc || whole < count || ferror(stdout);
 *	}
 * @endcode
 */
#ifndef NDMA_H
#define NDMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
/* A ring ends with an array of no length, which ISO C++ does not have and every compiler takes. */
#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include <linux/ndma.h>
#ifdef __cplusplus
#pragma GCC diagnostic pop

extern "C" {
#endif

struct ndma_buffer;
struct ndma_source;
struct ndma_stream;
struct ndma_ring;
struct ndma_record;
struct ndma_recording;

/* ---------------------------------------------------------------- errors, version, backend */

/**
 * ndma_error() - words for the last failed call of this thread
 *
 * Return: one sentence or more without a newline, in UTF-8 whatever names it repeats; "" if no call
 * failed yet. The library's; valid until the next call of the library in this thread. A call that
 * succeeds may or may not change it.
 */
const char *ndma_error(void);

/**
 * ndma_version() - version of the library
 *
 * Return: "0.1.0"; static.
 */
const char *ndma_version(void);

/**
 * ndma_backend_name() - which backend new objects would use at this moment
 *
 * Return: "kernel" or "memfd"; "none" where NDMA_BACKEND has another value. Static.
 */
const char *ndma_backend_name(void);

/**
 * ndma_backend_reason() - why it is that one
 *
 * Any thread.
 *
 * Return: words such as "module ndma is loaded", or that it is not and what would load or install
 * it. This thread's; valid until its next call of the library.
 */
const char *ndma_backend_reason(void);

#define NDMA_FINDING_OK 0    /* as it should be */
#define NDMA_FINDING_NOTE 1  /* good to know */
#define NDMA_FINDING_FAULT 2 /* something does not work; the text says what to do */

/**
 * struct ndma_finding - one thing that ndma_doctor() has looked at
 * @size: of this structure in the library, which may be larger
 * @level: NDMA_FINDING_*
 * @topic: what it is of, for programs: "library", "module", "dkms", "signing", "container", "node",
 *	"quota", "memlock", "hugepages" or "source"; others may come
 * @text: a sentence or more without a newline; UTF-8
 */
struct ndma_finding {
	uint32_t size;
	uint32_t level;
	const char *topic;
	const char *text;
};

/**
 * ndma_doctor() - look at everything on this machine that ndma needs
 * @tell: called for each finding, whose strings are valid during the call
 * @context: handed to @tell
 *
 * Reads files of /proc, /sys and /var/lib/dkms, and opens each node in /dev/ndma once; changes
 * nothing. Any thread.
 *
 * Return: how many findings are faults.
 */
int ndma_doctor(void (*tell)(void *context, const struct ndma_finding *finding), void *context);

/**
 * ndma_heap_info() - what the module offers, and how much of his quota this user has in use: the one
 * that the process was when it first used the module
 * @info: written whole
 *
 * Any thread.
 *
 * Return: 0; -ENODEV: the module is not loaded, or NDMA_BACKEND=memfd; -EACCES: no permission, the
 * words name the group to join; -EINVAL: NDMA_BACKEND.
 */
int ndma_heap_info(struct ndma_heap_info *info);

/* ---------------------------------------------------------------- layouts */

/**
 * ndma_layout_flat() - the layout of plain bytes
 * @layout: written whole: one dimension of @bytes elements of format "B"
 * @bytes: how many
 */
void ndma_layout_flat(struct ndma_layout *layout, uint64_t bytes);

/**
 * ndma_layout_init() - a C-contiguous layout
 * @layout: written whole, on success only; offset 0
 * @format: PEP 3118 format of one element, "<f"; at most NDMA_FORMAT_MAX - 1 characters, stored as
 *   it is and never interpreted
 * @itemsize: bytes of one element, at least 1
 * @ndim: dimensions, 0 (one element) to NDMA_NDIM_MAX
 * @shape: elements in each, outermost first; a 0 makes the layout empty. May be NULL for @ndim 0
 *
 * Return: 0; -EINVAL: @format, @itemsize or @ndim; -EOVERFLOW: the size does not fit 63 bits.
 */
int ndma_layout_init(struct ndma_layout *layout, const char *format, uint32_t itemsize, uint32_t ndim,
		     const uint64_t *shape);

/**
 * ndma_layout_check() - would a buffer of that size take this layout?
 * @layout: any content
 * @bytes: size of the buffer, in bytes
 *
 * The rules are those of struct ndma_layout, the code is the kernel's.
 *
 * Return: 0; -EINVAL: a field that no buffer can have; -EOVERFLOW: arithmetic beyond 64 bits;
 * -ERANGE: an element reaches outside @bytes.
 */
int ndma_layout_check(const struct ndma_layout *layout, uint64_t bytes);

/**
 * ndma_layout_span() - how large a buffer must be for a layout
 * @layout: any content
 * @bytes: written on success: the end of the last byte that an element has; at least 1
 *
 * Return: 0; -EINVAL, -EOVERFLOW as ndma_layout_check(); -ERANGE: elements before byte 0.
 */
int ndma_layout_span(const struct ndma_layout *layout, uint64_t *bytes);

/**
 * ndma_layout_size() - how many elements
 * @layout: a valid layout
 *
 * Return: the product of the shape: 1 without dimensions, 0 for an empty layout.
 */
uint64_t ndma_layout_size(const struct ndma_layout *layout);

/**
 * ndma_layout_is_c_contiguous() - do the elements lie one behind the other, last index fastest?
 * @layout: a valid layout
 *
 * Return: true also for empty layouts, and whatever the strides of dimensions of 1 are.
 */
bool ndma_layout_is_c_contiguous(const struct ndma_layout *layout);

/* ---------------------------------------------------------------- buffers */

/**
 * struct ndma_buffer_options - what kind of memory
 * @flags: NDMA_BUFFER_CONTIGUOUS: one physical piece, up to 4 MiB; or 0
 * @node: NUMA node, or NDMA_NODE_ANY. Note that 0 is a node
 * @source: memory that this source's device reaches, or NULL. Used during the call only
 */
struct ndma_buffer_options {
	uint32_t flags;
	int node;
	const struct ndma_source *source;
};

/**
 * ndma_buffer_options_init() - struct ndma_buffer_options for languages without designated initialisers
 *
 * Return: NDMA_BUFFER_OPTIONS_INIT.
 */
static inline struct ndma_buffer_options ndma_buffer_options_init(void)
{
	struct ndma_buffer_options options;

	memset(&options, 0, sizeof(options));
	options.node = NDMA_NODE_ANY;
	return options;
}

/** Initial value of struct ndma_buffer_options: any memory. */
#ifdef __cplusplus
#define NDMA_BUFFER_OPTIONS_INIT ndma_buffer_options_init()
#else
#define NDMA_BUFFER_OPTIONS_INIT { .node = NDMA_NODE_ANY }
#endif

/**
 * ndma_buffer_create() - a new buffer, all zeros
 * @layout: what is in it, and by that its size: ndma_layout_span(); copied
 * @options: what kind of memory, or NULL: any
 * @out: the buffer, closed by the caller with ndma_buffer_close()
 *
 * This process becomes the buffer's owner: it alone begins transfers. The memory is charged to the
 * user until the last mapping and file descriptor is gone: to the one that this process was when it
 * first used the module. Descriptors can be passed on; the limit that holds is the memory cgroup's,
 * to which the memory is charged as well.
 *
 * Return: 0; -EINVAL, -EOVERFLOW, -ERANGE: the layout or options; -EDQUOT: the user's quota;
 * -ENOMEM: there is none, or all users together have what they may; -EOPNOTSUPP: no memory of that kind
 * in that size, or neither the module nor memfd_create() is there; -EMFILE; -EACCES: no permission for
 * the device node, the words name the group; -ENODEV: NDMA_BACKEND=kernel and the module is not loaded.
 */
int ndma_buffer_create(const struct ndma_layout *layout, const struct ndma_buffer_options *options,
		       struct ndma_buffer **out);

/**
 * ndma_buffer_import() - a buffer by its file descriptor
 * @fd: a buffer of ndma (from this or another process), its read-only handle, an exported frame,
 *   a memfd of ndma, or any driver's dma-buf. Duplicated; the caller closes its own
 * @layout: NULL for ndma's own: it is known. For a foreign dma-buf: what is in it
 * @out: the buffer, closed by the caller with ndma_buffer_close()
 *
 * Importing the same fd twice gives two objects over one memory. For ndma's own the rules hold
 * across processes; leases on a foreign dma-buf are counted by this object alone.
 *
 * Return: 0; -EBADF: not open, or neither a dma-buf nor a memfd of ndma; -EINVAL: a foreign dma-buf
 * without a layout, or a layout other than ndma's own has; -EOVERFLOW, -ERANGE: the layout;
 * -EACCES: a buffer of the module, and no permission for its device node; -EMFILE.
 */
int ndma_buffer_import(int fd, const struct ndma_layout *layout, struct ndma_buffer **out);

/**
 * ndma_buffer_close() - end an object
 * @buffer: the buffer, or NULL
 *
 * Ends the transfer that was begun through this object, its leases and its mappings; every address
 * from ndma_buffer_map() is invalid then. The memory lives while another object, process, mapping
 * or importing device has it.
 */
void ndma_buffer_close(struct ndma_buffer *buffer);

/**
 * ndma_buffer_fd() - the buffer's file descriptor
 * @buffer: the buffer
 *
 * To be passed to other processes (SCM_RIGHTS) and drivers. Any thread, at any time.
 *
 * Return: a dma-buf or memfd; the library's: do not close it.
 */
int ndma_buffer_fd(const struct ndma_buffer *buffer);

/**
 * ndma_buffer_bytes() - how many bytes layouts may use
 * @buffer: the buffer
 *
 * Any thread, at any time.
 *
 * Return: bytes. A mapping may be longer: see capacity of struct ndma_buffer_info.
 */
uint64_t ndma_buffer_bytes(const struct ndma_buffer *buffer);

/**
 * ndma_buffer_backend() - who holds the memory
 * @buffer: the buffer
 *
 * Any thread, at any time.
 *
 * Return: "kernel", "memfd" or "foreign"; static.
 */
const char *ndma_buffer_backend(const struct ndma_buffer *buffer);

/**
 * ndma_buffer_layout() - the layout as it is now
 * @buffer: the buffer
 * @layout: a copy is written here
 *
 * It can change at any time while nobody holds a lease: take one first where it matters. On memfd a
 * change by another process is not seen (ndma_buffer_set_layout()).
 *
 * Return: 0.
 */
int ndma_buffer_layout(const struct ndma_buffer *buffer, struct ndma_layout *layout);

/**
 * ndma_buffer_set_layout() - say what is in the buffer
 * @buffer: the buffer
 * @layout: copied; must fit ndma_buffer_bytes()
 *
 * For everybody who has the buffer, in whatever process. On memfd: for every object of this process
 * and for processes that import it from now on; one that has it already keeps the layout that it
 * found, until it has closed its last object of it. A foreign dma-buf: for this object.
 *
 * Return: 0; -EINVAL, -EOVERFLOW, -ERANGE: the layout; -EBUSY: somebody holds a lease, or a
 * transfer is in progress; -EPERM: a read-only handle, or a stream's memory.
 */
int ndma_buffer_set_layout(struct ndma_buffer *buffer, const struct ndma_layout *layout);

/**
 * ndma_buffer_info() - the state of the buffer at this moment
 * @buffer: the buffer
 * @info: written whole. own_leases counts those of this process at the backend: one of each kind
 *   for every object that has any. run_bytes, run_page_bytes are those of the buffer's start
 *
 * Any thread, at any time. On a foreign dma-buf leases are this object's and transfers unknown.
 *
 * Return: 0.
 */
int ndma_buffer_info(const struct ndma_buffer *buffer, struct ndma_buffer_info *info);

/**
 * ndma_buffer_map() - the memory's address in this process
 * @buffer: the buffer
 * @access: NDMA_READ: a mapping of its own that cannot be written through; NDMA_WRITE: another,
 *   to read and write
 * @address: of byte 0
 *
 * Mapped at the first call for each access, the same address afterwards, until ndma_buffer_unmap()
 * or ndma_buffer_close(). Mapping is no lease: take one before looking. Any thread, also several
 * at a time.
 *
 * Return: 0; -EINVAL: @access; -EPERM: NDMA_WRITE on a read-only handle.
 */
int ndma_buffer_map(struct ndma_buffer *buffer, uint32_t access, void **address);

/**
 * ndma_buffer_unmap() - give the address space back
 * @buffer: the buffer
 * @access: of which mapping: NDMA_READ or NDMA_WRITE
 *
 * The caller sees to it that nobody uses the address any more. Any thread.
 *
 * Return: 0; -EINVAL: @access, or not mapped; -EPERM: NDMA_WRITE on a read-only handle.
 */
int ndma_buffer_unmap(struct ndma_buffer *buffer, uint32_t access);

/**
 * ndma_buffer_readonly_fd() - a second handle, which cannot write
 * @buffer: the buffer
 *
 * Whoever gets it reads the same memory with the same layout under the same rules, and has no way
 * to write: not by mmap, mprotect, opening it again, nor an importing device. On memfd a process of
 * the same user can open it again for writing.
 *
 * So it cannot be imported by drivers that map every buffer both ways, those of DRM and RDMA, even to
 * be read alone (their call fails with EPERM): give them ndma_buffer_fd(), or a frame by
 * ndma_frame_export_writable(). Those that map it to be read, as V4L2's output, take it.
 *
 * Return: a new file descriptor (close-on-exec), closed by the caller; -EMFILE; -EOPNOTSUPP: a
 * foreign dma-buf.
 */
int ndma_buffer_readonly_fd(const struct ndma_buffer *buffer);

/**
 * ndma_buffer_holders() - who keeps the buffer from being free
 * @buffer: the buffer
 * @holders: filled, at most @room entries; may be NULL for @room 0
 * @room: entries there
 *
 * Any thread, at any time.
 *
 * Return: how many there are, which may be more than @room. A process that the caller may not know
 * (another user's; on memfd any other) has pid 0.
 */
int ndma_buffer_holders(const struct ndma_buffer *buffer, struct ndma_holder *holders, size_t room);

/**
 * ndma_buffer_revoke() - take back the leases of other processes
 * @buffer: a buffer that this process created
 *
 * Their mappings stay: a transfer with a guard keeps them out. They learn of it (-ESTALE) at their
 * next release, or when they ask for one more lease.
 *
 * Return: how many leases were revoked; -EPERM: not the owner; -EOPNOTSUPP: on memfd, where another
 * process has one.
 */
int ndma_buffer_revoke(struct ndma_buffer *buffer);

/**
 * ndma_buffer_sync_begin() - before the CPU touches memory that other drivers use
 * @buffer: the buffer; a must for foreign dma-bufs, harmless for ndma's own, whose transfers and
 *   streams see to caches by themselves
 * @access: NDMA_READ or NDMA_WRITE (which includes reading)
 *
 * DMA_BUF_IOCTL_SYNC: waits for the fences of others, then makes the CPU see what devices wrote.
 *
 * Return: 0; -EINVAL: @access; -EPERM: NDMA_WRITE on a read-only handle; -EINTR: a signal came
 * while it waited; call again.
 */
int ndma_buffer_sync_begin(struct ndma_buffer *buffer, uint32_t access);

/**
 * ndma_buffer_sync_end() - after it
 * @buffer: the buffer
 * @access: as it was begun
 *
 * Makes devices see what the CPU wrote.
 *
 * Return: as ndma_buffer_sync_begin().
 */
int ndma_buffer_sync_end(struct ndma_buffer *buffer, uint32_t access);

/* ---------------------------------------------------------------- leases */

/**
 * ndma_lease_acquire() - say that somebody looks
 * @buffer: the buffer
 * @access: NDMA_READ or NDMA_WRITE (which includes reading)
 * @lease: written: give it to ndma_lease_release()
 *
 * While any lease is held the layout cannot change, and no transfer begins that would contradict it
 * (from a device: any lease; to a device: leases to write), except one with a guard. The object's
 * users of one kind share one lease in the kernel: the first and the last cost a system call, those
 * between none (on an imported buffer, or during a transfer of this process, two: to ask whether
 * it still holds, by another lease for that moment). Any thread, also several at a time.
 *
 * Return: 0; -EINVAL: @access; -EPERM: NDMA_WRITE on a read-only handle; -EBUSY: a device owns the
 * buffer (to a device: reading is allowed); -ESTALE: this process's lease was revoked, release all
 * first; -EMFILE: too many buffers leased by this process; -EOWNERDEAD, once: the owner died in a
 * transfer to the buffer, what it holds is not to be trusted; call again to look all the same.
 */
int ndma_lease_acquire(struct ndma_buffer *buffer, uint32_t access, uint32_t *lease);

/**
 * ndma_lease_release() - nobody looks any more
 * @buffer: the buffer
 * @lease: from ndma_lease_acquire() on the same object, once
 *
 * Any thread, also several at a time.
 *
 * Return: 0; -EINVAL: not held; -ESTALE: the last of this kind, and it had been revoked; it is
 * released all the same.
 */
int ndma_lease_release(struct ndma_buffer *buffer, uint32_t lease);

/* ---------------------------------------------------------------- transfers */

/**
 * ndma_transfer_begin() - give the buffer to a device
 * @buffer: a buffer that this process created
 * @direction: NDMA_FROM_DEVICE, NDMA_TO_DEVICE or NDMA_BOTH
 * @guard: what a touch by the CPU meets: NDMA_GUARD_NONE: nothing, leases alone protect;
 *   NDMA_GUARD_BLOCK: it sleeps until the end; NDMA_GUARD_SIGBUS. On memfd a guard is this
 *   process's, over the library's mappings: another process's lease is -EBUSY all the same
 * @flags: 0; or NDMA_TRANSFER_FENCE: publish a fence on the dma-buf, which only a module whose
 *   parameter user_fences is set does, for tests: by such a fence a program that stops holds up
 *   others for up to 10 s
 * @timeout_ns: deadline from now, 1 ns to one hour. At it the buffer is the CPU's again and the
 *   transfer is marked aborted; nobody has stopped the hardware
 * @transfer: written: give it to ndma_transfer_end()
 *
 * May sleep for the fences of others, at most until the deadline. Other calls on the buffer may
 * come from other threads meanwhile.
 *
 * Return: 0; -EINVAL: an argument; -EBUSY: leased, in a transfer, or pinned, the words say by whom;
 * -EPERM: not the owner, a read-only handle, or a foreign dma-buf; -ETIMEDOUT: the fences of others,
 * the words name their drivers; -EOPNOTSUPP: no such guard or fence on this machine or backend;
 * -EINTR: nothing began, call again; -EMFILE.
 */
int ndma_transfer_begin(struct ndma_buffer *buffer, uint32_t direction, uint32_t guard,
			uint32_t flags, uint64_t timeout_ns, uint32_t *transfer);

/**
 * ndma_transfer_end() - the device is done
 * @buffer: the buffer
 * @transfer: from ndma_transfer_begin()
 *
 * Stop the device first. May come from any thread, also while others sleep in a guard.
 *
 * Return: 0; -ETIMEDOUT: the deadline had passed, what the buffer holds is not to be trusted; -EINVAL:
 * that transfer is not in progress; -EPERM: not the owner, or a read-only handle.
 */
int ndma_transfer_end(struct ndma_buffer *buffer, uint32_t transfer);

/* ---------------------------------------------------------------- sources */

/**
 * ndma_source_list() - names of the sources there are
 * @names: filled, at most @room of them, "sim0"; in order where all fit; may be NULL for @room 0
 * @room: entries there
 *
 * Any thread.
 *
 * Return: how many there are, which may be more than @room; -EINVAL: NDMA_BACKEND; -ENODEV:
 * NDMA_BACKEND=kernel and the module is not loaded.
 */
int ndma_source_list(char (*names)[NDMA_NAME_MAX], size_t room);

/**
 * ndma_source_open() - a source by its name
 * @name: as in /dev/ndma, "sim0"
 * @out: the source, closed by the caller with ndma_source_close()
 *
 * Its controls are at their presets, and its own: another object's are not touched. Where the
 * module is not loaded, "sim0" is memfd's.
 *
 * Return: 0; -EINVAL: no name of a source, or NDMA_BACKEND; -ENOENT: none of that name, the words
 * list those there are; -EACCES: no permission, the words name the group to join; -ENODEV: the
 * module is not loaded, or the source is leaving; -EMFILE.
 */
int ndma_source_open(const char *name, struct ndma_source **out);

/**
 * ndma_source_close() - end an object
 * @source: the source, or NULL
 *
 * Streams made from it go on.
 */
void ndma_source_close(struct ndma_source *source);

/**
 * ndma_source_name() - its name
 * @source: the source
 *
 * Return: "sim0"; valid until ndma_source_close().
 */
const char *ndma_source_name(const struct ndma_source *source);

/**
 * ndma_source_backend() - who reaches it
 * @source: the source
 *
 * Return: "kernel" or "memfd"; static.
 */
const char *ndma_source_backend(const struct ndma_source *source);

/**
 * ndma_source_is_simulated() - is there no hardware behind it?
 * @source: the source
 *
 * Return: true for memfd's, and for the kernel's sources in software.
 */
bool ndma_source_is_simulated(const struct ndma_source *source);

/**
 * ndma_source_info() - what the source is and can do
 * @source: the source
 * @info: written whole; rate is that of the controls as they are now
 *
 * Return: 0; -ENODEV: the source is gone.
 */
int ndma_source_info(const struct ndma_source *source, struct ndma_source_info *info);

/**
 * ndma_source_format() - one kind of sample that the source makes
 * @source: the source
 * @index: 0 (the default) to info.formats - 1
 * @format: written whole
 *
 * Return: 0; -EINVAL: @index; -ENODEV.
 */
int ndma_source_format(const struct ndma_source *source, uint32_t index, struct ndma_source_format *format);

/**
 * ndma_source_channel() - one channel of the source
 * @source: the source
 * @index: 0 to info.channels - 1
 * @channel: written whole; scale is that of the controls as they are now
 *
 * Return: 0; -EINVAL: @index; -ENODEV.
 */
int ndma_source_channel(const struct ndma_source *source, uint32_t index, struct ndma_source_channel *channel);

/* ---------------------------------------------------------------- controls */

/**
 * ndma_control_next() - enumerate the source's settings
 * @source: the source
 * @id: 0 for the first, then info->id of the one before
 * @info: written whole where there is one
 *
 * Return: 1; 0: no more; -ENODEV.
 */
int ndma_control_next(const struct ndma_source *source, uint32_t id, struct ndma_control_info *info);

/**
 * ndma_control_find() - a setting by its name
 * @source: the source
 * @name: "rate"
 * @info: written whole, on success only
 *
 * Return: 0; -ENOENT: none of that name, the words list those there are; -ENODEV.
 */
int ndma_control_find(const struct ndma_source *source, const char *name, struct ndma_control_info *info);

/**
 * ndma_control_menu() - the name of one value of a menu
 * @source: the source
 * @id: a control of type NDMA_CONTROL_MENU
 * @index: the value, 0 to its max; some between may have none
 * @name: written: "sine"
 *
 * Return: 0; -EINVAL: @id or @index; -ENODEV.
 */
int ndma_control_menu(const struct ndma_source *source, uint32_t id, uint32_t index, char name[NDMA_NAME_MAX]);

/**
 * ndma_control_get() - a setting's value
 * @source: the source
 * @id: a control
 * @value: written: in 10^exponent of its unit
 *
 * Return: 0; -EINVAL: no such control, or a button; -ENODEV.
 */
int ndma_control_get(const struct ndma_source *source, uint32_t id, int64_t *value);

/**
 * ndma_control_set() - change a setting
 * @source: the source
 * @id: a control
 * @value: in 10^exponent of its unit, min + k * step; of a button: ignored
 *
 * For streams that are made afterwards, and for every stream that was made from @source and is not
 * closed: one that runs takes at once what is live (%NDMA_CONTROL_LIVE), and the first frame made with it
 * has %NDMA_FRAME_SETTINGS. ndma_stream_control_set() sets one stream alone. A button is pressed in those
 * streams, and in the fill of @source, and does nothing where there is none.
 *
 * Return: 0; -EBUSY: one of those streams runs, and the control cannot change then: nothing has changed;
 * -ERANGE: the words name the range and the nearest valid value; -EINVAL: no such control, or the source
 * refuses the value together with another; -ENODEV.
 */
int ndma_control_set(struct ndma_source *source, uint32_t id, int64_t value);

/* ---------------------------------------------------------------- streams */

/**
 * struct ndma_stream_options - what kind of stream; begin with NDMA_STREAM_OPTIONS_INIT
 * @samples: of one channel in a frame, a multiple of info.samples_step; required
 * @frames: how many frames, info.frames_min to info.frames_max; 0: 16
 * @channels: how many, from the first; 0: all
 * @format: PEP 3118 format of a number, as a source_format has it ("h" and "=h" mean the machine's
 *   byte order); NULL: the source's first
 * @iq: two numbers a sample (I/Q): the formats with NDMA_FORMAT_IQ; else those without
 * @order: NDMA_ORDER_PLANAR or NDMA_ORDER_INTERLEAVED; 0: what the format has, planar if both
 * @policy: NDMA_POLICY_DROP: no free frame, the newest is lost; NDMA_POLICY_LATEST: the oldest that
 *   was not taken is used again: hold at most all but two, or none is left to become the newest
 * @guard: NDMA_GUARD_NONE, or NDMA_GUARD_SIGBUS: a touch of a frame that the caller does not
 *   hold gets SIGBUS; to find bugs
 * @node: NUMA node, or NDMA_NODE_ANY: the device's own
 * @writable: map frames to read and write; else to read
 */
struct ndma_stream_options {
	uint64_t samples;
	uint32_t frames;
	uint32_t channels;
	const char *format;
	bool iq;
	uint32_t order;
	uint32_t policy;
	uint32_t guard;
	int node;
	bool writable;
};

/**
 * ndma_stream_options_init() - struct ndma_stream_options for languages without designated initialisers
 *
 * Return: NDMA_STREAM_OPTIONS_INIT.
 */
static inline struct ndma_stream_options ndma_stream_options_init(void)
{
	struct ndma_stream_options options;

	memset(&options, 0, sizeof(options));
	options.node = NDMA_NODE_ANY;
	return options;
}

/** Initial value of struct ndma_stream_options: all defaults; samples is still required. */
#ifdef __cplusplus
#define NDMA_STREAM_OPTIONS_INIT ndma_stream_options_init()
#else
#define NDMA_STREAM_OPTIONS_INIT { .node = NDMA_NODE_ANY }
#endif

/**
 * struct ndma_frame - one frame in the caller's hands, from next to release
 * @completion: what the source said of it: index, flags (NDMA_FRAME_…), sequence, timestamp_ns
 *   (CLOCK_MONOTONIC), bytes_used …; see struct ndma_completion
 * @data: its first byte; bytes_used bytes are valid samples. In planar order a frame that is
 *   short (NDMA_FRAME_PARTIAL) has its planes where a whole one has them: see ndma_frame_layout()
 * @dropped: frames lost between the one taken before it and this one; where completion.flags has
 *   %NDMA_FRAME_LOSS_UNKNOWN, perhaps more: the machine slept, or the device was reset
 *
 * Plain data: copy it as you like, release it once.
 */
struct ndma_frame {
	struct ndma_completion completion;
	void *data;
	uint64_t dropped;
};

/**
 * ndma_stream_create() - memory, rings and mapping for a run of a source
 * @source: the source; its controls are copied as they are now, and what is set on it later is set on the
 *   stream as well: see ndma_control_set(). It may be closed afterwards
 * @options: copied
 * @out: the stream, freed by the caller with ndma_stream_free()
 *
 * Return: 0; -EINVAL: an option, the words say what the source can do; -EOVERFLOW: a frame whose
 * bytes 63 bits do not count; -EBUSY: the source has no stream left; -EOPNOTSUPP: memory that the
 * device reaches does not exist in that size, or no such guard, or as ndma_buffer_create(); -EDQUOT;
 * -ENOMEM; -EMFILE; -ENODEV; -EACCES.
 */
int ndma_stream_create(const struct ndma_source *source, const struct ndma_stream_options *options,
		       struct ndma_stream **out);

/**
 * ndma_stream_create_entries() - the same, with more told of each frame
 * @source: the source
 * @options: copied
 * @entry_bytes: 0: as ndma_stream_create(); sizeof(struct ndma_entry): ndma_frame_entry() answers
 * @out: the stream, freed by the caller with ndma_stream_free()
 *
 * Return: as ndma_stream_create(); -EINVAL: another @entry_bytes.
 */
int ndma_stream_create_entries(const struct ndma_source *source, const struct ndma_stream_options *options,
			       uint32_t entry_bytes, struct ndma_stream **out);

/**
 * ndma_stream_close() - stop the device, let go of the source
 * @stream: the stream, or NULL; a second time does nothing, but waits for the first
 *
 * Returns when the device touches no frame any more. Any thread, also while others are in calls on
 * the stream: who waits for a frame gets what is ready, then 0. Frames that are ready can still be
 * taken, those that are held stay readable, until ndma_stream_free(); ndma_stream_stats() keeps the
 * last numbers.
 */
void ndma_stream_close(struct ndma_stream *stream);

/**
 * ndma_stream_free() - end an object
 * @stream: the stream, or NULL; closed if it is not yet
 *
 * Unmaps all frames: none may be touched afterwards. No other thread may be in a call on it.
 */
void ndma_stream_free(struct ndma_stream *stream);

/**
 * ndma_stream_start() - let the source fill frames
 * @stream: the stream
 * @count: stop after so many, lost ones included; 0: go on until stopped
 *
 * What describes frames (rate, scale, start time) is noted now. Sequence numbers go on across
 * restarts. Waits while the machine, or a reset, keeps the source paused.
 *
 * Return: 0; -EBUSY: it runs; -ENODEV: the source is gone; -EBADF: closed; -ESHUTDOWN: the machine is
 * shutting down; -EIO, -ETIMEDOUT: the device does not start.
 */
int ndma_stream_start(struct ndma_stream *stream, uint64_t count);

/**
 * ndma_stream_stop() - no more frames
 * @stream: the stream; one that does not run, or is closed, is fine
 *
 * Returns when the device is quiet. Ready frames stay ready; whoever waits gets them, then 0. Any
 * thread, also while others are in calls on the stream.
 *
 * Return: 0; -ENODEV: the source is gone.
 */
int ndma_stream_stop(struct ndma_stream *stream);

/**
 * ndma_stream_next() - take a frame
 * @stream: the stream
 * @frame: written whole where there is one; given back with ndma_stream_release()
 * @timeout_ns: wait at most so long; 0: do not wait; negative: no limit
 *
 * No system call where a frame is ready. One thread at a time takes; another may release.
 *
 * Return: 1: a frame; 0: the stream ended (stopped, closed, never started, or count reached) and
 * nothing is ready; -ETIMEDOUT; -EAGAIN: @timeout_ns is 0 and none is ready; -EBUSY: the caller
 * holds every frame, so none can come; -EINTR: a signal came first, call again; -ENODEV: the source
 * is gone and nothing is ready. After the end no frame tells of what was lost behind the last one:
 * ndma_stream_missing() does.
 */
int ndma_stream_next(struct ndma_stream *stream, struct ndma_frame *frame, int64_t timeout_ns);

/**
 * ndma_stream_next_batch() - take several frames
 * @stream: the stream
 * @frames: room for @room frames
 * @min: wait for so many, 1 to the smaller of @room and the stream's frames
 * @room: take at most so many
 * @timeout_ns: as ndma_stream_next()
 *
 * Never throws away what it took: an error is answered only where there is nothing to give, fewer
 * than @min frames mean that the wait ended early. Threads as ndma_stream_next().
 *
 * Return: how many frames; 0: the stream ended; errors as ndma_stream_next(); -EINVAL: @min.
 */
int ndma_stream_next_batch(struct ndma_stream *stream, struct ndma_frame *frames, size_t min, size_t room,
			   int64_t timeout_ns);

/**
 * ndma_stream_wait() - sleep until frames are ready, and take none
 * @stream: the stream
 * @min: so many, 1 to the stream's frames
 * @timeout_ns: as ndma_stream_next()
 *
 * For whoever takes by <ndma_ring.h>. Threads as ndma_stream_next().
 *
 * Return: how many are ready: at least @min, or fewer where the stream ended; errors as
 * ndma_stream_next(), also while fewer than @min are ready; -EINVAL: @min.
 */
int ndma_stream_wait(struct ndma_stream *stream, uint32_t min, int64_t timeout_ns);

/**
 * ndma_stream_release() - give a frame back to the device
 * @stream: the stream it was taken from; may be closed
 * @frame: the frame or a copy of it
 *
 * In any order. No system call, unless the device sleeps for lack of frames. One thread at a time
 * releases; another may take.
 *
 * Return: 0; -EINVAL: not held: released already, or never taken.
 */
int ndma_stream_release(struct ndma_stream *stream, const struct ndma_frame *frame);

/**
 * ndma_stream_kick() - let the device have released frames now
 * @stream: the stream
 *
 * Only for whoever releases by <ndma_ring.h>, where ndma_ring_release() answered true. Any thread.
 *
 * Return: 0, also where the stream is closed; -ENODEV: the source is gone.
 */
int ndma_stream_kick(struct ndma_stream *stream);

/**
 * ndma_stream_fd() - for poll, epoll and select
 * @stream: the stream
 *
 * POLLIN: a frame is ready, or the stream has ended, and ndma_stream_next() does not sleep; POLLHUP:
 * the source is gone. Level-triggered. Do not read from it, nor close it.
 *
 * Return: the library's file descriptor; -1 once closed: take it out of an epoll set before.
 */
int ndma_stream_fd(const struct ndma_stream *stream);

/**
 * ndma_stream_ring() - what <ndma_ring.h> works on
 * @stream: the stream
 *
 * Return: the ring; check its version: ndma_ring_open() does. Valid until ndma_stream_free().
 */
struct ndma_ring *ndma_stream_ring(struct ndma_stream *stream);

/**
 * ndma_stream_setup() - what the stream is
 * @stream: the stream
 *
 * Return: its setup with all outputs: frames, frame_bytes, layout of a whole frame, …; valid until
 * ndma_stream_free(). Any thread.
 */
const struct ndma_stream_setup *ndma_stream_setup(const struct ndma_stream *stream);

/**
 * ndma_stream_info() - what the source is, for this stream
 * @stream: the stream
 * @info: written whole: as it was at the last start; before the first: as it is now
 *
 * Any thread, also while another starts the stream.
 *
 * Return: 0; before the first start: -ENODEV, -EBADF (closed).
 */
int ndma_stream_info(const struct ndma_stream *stream, struct ndma_source_info *info);

/**
 * ndma_stream_channel() - one channel, for this stream
 * @stream: the stream
 * @index: 0 to the stream's channels - 1
 * @channel: written whole: as it was at the last start; before the first: as it is now
 *
 * Any thread, also while another starts the stream.
 *
 * Return: 0; -EINVAL: @index; before the first start: -ENODEV, -EBADF (closed).
 */
int ndma_stream_channel(const struct ndma_stream *stream, uint32_t index, struct ndma_source_channel *channel);

/**
 * ndma_stream_stats() - counts since the stream was made
 * @stream: the stream; closed: as they were then
 * @stats: written whole
 *
 * Any thread, also while others are in calls on the stream; one that closes it too.
 *
 * Return: 0.
 */
int ndma_stream_stats(const struct ndma_stream *stream, struct ndma_stream_stats *stats);

/**
 * ndma_stream_missing() - frames lost behind the last one that was taken
 * @stream: the stream; closed: as it was then
 *
 * For the end of a run, stopped or counted: no frame comes whose @dropped would tell of them. The
 * first frame of the next run does, once more. Threads as ndma_stream_next().
 *
 * Return: how many; 0 also while the stream runs or a frame is ready, which will tell; -EPERM: of a
 * parent process.
 */
int64_t ndma_stream_missing(const struct ndma_stream *stream);

/**
 * ndma_stream_control_next() - enumerate a stream's settings, which are those of its source
 * @stream: the stream; its source may be closed
 * @id: 0 for the first, then info->id of the one before
 * @info: written whole where there is one
 *
 * Any thread.
 *
 * Return: 1; 0: no more; -EBADF: closed; -ENODEV.
 */
int ndma_stream_control_next(const struct ndma_stream *stream, uint32_t id, struct ndma_control_info *info);

/**
 * ndma_stream_control_find() - a setting of a stream by its name
 * @stream: the stream; its source may be closed
 * @name: "amplitude"
 * @info: written whole, on success only
 *
 * Any thread.
 *
 * Return: 0; -ENOENT: none of that name, the words list those there are; -EBADF: closed; -ENODEV.
 */
int ndma_stream_control_find(const struct ndma_stream *stream, const char *name, struct ndma_control_info *info);

/**
 * ndma_stream_control_menu() - the name of one value of a menu
 * @stream: the stream; its source may be closed
 * @id: a control of type NDMA_CONTROL_MENU
 * @index: the value, 0 to its max; some between may have none
 * @name: written: "sine"
 *
 * Any thread.
 *
 * Return: 0; -EINVAL: @id or @index; -EBADF: closed; -ENODEV.
 */
int ndma_stream_control_menu(const struct ndma_stream *stream, uint32_t id, uint32_t index, char name[NDMA_NAME_MAX]);

/**
 * ndma_stream_control_get() - a setting of this stream
 * @stream: the stream
 * @id: a control of its source
 * @value: written: in 10^exponent of its unit
 *
 * Any thread.
 *
 * Return: 0; -EINVAL: no such control, or a button; -EBADF: closed; -ENODEV.
 */
int ndma_stream_control_get(const struct ndma_stream *stream, uint32_t id, int64_t *value);

/**
 * ndma_stream_control_set() - change a setting of this stream
 * @stream: the stream
 * @id: a control of its source; a button is pressed
 * @value: in 10^exponent of its unit
 *
 * Any thread.
 *
 * Of what is live the first frame made with it has %NDMA_FRAME_SETTINGS.
 *
 * Return: 0; -EBUSY: it cannot change while the stream runs; -ERANGE: the words name the nearest valid
 * value; -EINVAL: no such control; -EBADF: closed; -ENODEV.
 */
int ndma_stream_control_set(struct ndma_stream *stream, uint32_t id, int64_t value);

/* ---------------------------------------------------------------- fills */

/**
 * ndma_fill_begin() - have a source fill a buffer, once, in place
 * @source: the source, of the backend "kernel"; with its controls as they are
 * @buffer: a buffer that this process created where the source's device reaches (@source of struct
 *   ndma_buffer_options)
 * @options: samples, channels, format, iq and order of what is written from byte 0 on; guard: what a
 *   touch by the CPU meets until it is there, all three of ndma_transfer_begin(). The others
 *   (frames, policy, node, writable) do not matter. Copied
 * @timeout_ns: deadline from now, 1 ns to one hour
 *
 * Returns when the source runs. Until the fill is over the buffer is the device's, as in a transfer
 * from the device. Its layout becomes [channel, sample], and a last dimension of 2 for I/Q. Controls
 * of @source reach the running fill where they may change then: a button is pressed. No samples are
 * copied: the device writes where the buffer is.
 *
 * Where the source can say how long it takes, a fence is published, so that poll() on ndma_buffer_fd(),
 * ndma_buffer_sync_begin() and other drivers wait for the data: not while it waits for a trigger, nor
 * where that time or @timeout_ns is above fence_max_ns (struct ndma_heap_info: 10 s). ndma_fill_wait()
 * waits for every fill. While a fence is out, controls of @source that would hold it up are -EBUSY.
 *
 * The fill is over when the buffer is full, at its deadline, by ndma_fill_cancel(), when the source
 * is closed or gone, or this process ends. The source is always stopped first: when the buffer is
 * the CPU's again, no device writes to it any more.
 *
 * Return: 0; -EINVAL: an option, the words say what the source can do; -EOVERFLOW: bytes that 63
 * bits do not count; -ERANGE: the buffer is too small; -EBUSY: the buffer is leased, in a transfer or
 * pinned, or the source is in use, the words say which; -EPERM: not the buffer's owner, or a read-only
 * handle; -EOPNOTSUPP: a source or buffer of another backend, memory that the device does not reach, a
 * card that cannot stop by itself; -ETIMEDOUT: the fences of others, the words name their drivers;
 * -ENODEV: the source is gone; -EINTR: nothing began, call again.
 */
int ndma_fill_begin(struct ndma_source *source, struct ndma_buffer *buffer,
		    const struct ndma_stream_options *options, uint64_t timeout_ns);

/**
 * ndma_fill_wait() - sleep until the fill of this source is over
 * @source: the source that fills
 * @completion: written on success: bytes_used, flags (NDMA_FRAME_…), timestamp_ns (CLOCK_MONOTONIC),
 *   dropped; index and sequence are 0
 *
 * Answers the same until the next fill begins. Any thread, also while another cancels.
 *
 * Return: 0: full, or as full as bytes_used says; -ETIMEDOUT, -ECANCELED, -ENODEV, -EIO (the source
 * gave up), -EOWNERDEAD: why it ended early, and what the buffer holds is not to be trusted;
 * -EINVAL: this object has filled no buffer; -EINTR: a signal came first, call again.
 */
int ndma_fill_wait(struct ndma_source *source, struct ndma_completion *completion);

/**
 * ndma_fill_cancel() - stop the source, give the buffer back
 * @source: the source that fills; one that does not is fine
 *
 * Returns when the device is quiet. Any thread, also while another waits: it gets -ECANCELED.
 *
 * Return: 0.
 */
int ndma_fill_cancel(struct ndma_source *source);

/* ---------------------------------------------------------------- frames */

/**
 * ndma_frame_layout() - what a frame's bytes are
 * @stream: the stream it was taken from
 * @frame: a frame
 * @layout: written whole: [channel, sample], and a last dimension of 2 for I/Q; offset from
 *   frame->data. Of a short frame the samples that are valid: bytes_used divided by the channels
 *
 * Return: 0.
 */
int ndma_frame_layout(const struct ndma_stream *stream, const struct ndma_frame *frame, struct ndma_layout *layout);

/**
 * ndma_frame_realtime_ns() - calendar time of a frame
 * @stream: the stream it was taken from
 * @frame: a frame
 *
 * By the calendar as it was when the stream was started, or went on after the machine slept: steps of the
 * clock meanwhile do not count. Of the last four such moments at which the calendar had moved, a
 * frame has its own; an older one has the oldest of them. Any thread, also while another starts the
 * stream, and after ndma_stream_close().
 *
 * Return: its time stamp in ns since 1970-01-01 UTC.
 */
int64_t ndma_frame_realtime_ns(const struct ndma_stream *stream, const struct ndma_frame *frame);

/**
 * ndma_frame_entry() - all that is known of a frame: the number of its first sample, …
 * @stream: a stream made with entries of sizeof(struct ndma_entry)
 * @frame: a frame that the caller holds
 * @entry: written
 *
 * Not while another thread releases @frame.
 *
 * Return: 0; -EOPNOTSUPP: the stream's entries are small; -EINVAL: the frame is not held.
 */
int ndma_frame_entry(const struct ndma_stream *stream, const struct ndma_frame *frame, struct ndma_entry *entry);

/**
 * ndma_frame_export() - one held frame as a buffer of its own
 * @stream: the stream it was taken from
 * @frame: a frame that is held
 *
 * For another process: ndma_buffer_import() takes it, with its layout. The device does not get the
 * frame again until this handle's last copy is gone, also after its release. On memfd the handle is a
 * memfd with a copy of the frame. What read-only handles cannot do: see ndma_buffer_readonly_fd().
 *
 * Return: a new read-only dma-buf (close-on-exec), closed by the caller; -EINVAL: not held;
 * -EMFILE; -EBADF: the stream is closed.
 */
int ndma_frame_export(struct ndma_stream *stream, const struct ndma_frame *frame);

/**
 * ndma_frame_export_writable() - one held frame for a driver that imports dma-bufs
 * @stream: the stream it was taken from, with frames that are mapped to be written or not
 * @frame: a frame that is held
 *
 * As ndma_frame_export(), but everybody who has this handle can write to the frame by it. Drivers of
 * DRM (a GPU) and RDMA map what they import both ways, also to read it, and refuse a read-only handle.
 *
 * Return: a new dma-buf (close-on-exec), closed by the caller; -EINVAL: not held, or the module is too
 * old; -EMFILE; -EBADF: the stream is closed.
 */
int ndma_frame_export_writable(struct ndma_stream *stream, const struct ndma_frame *frame);

/* ---------------------------------------------------------------- recordings: writing */

/* Flags of struct ndma_record_options. */
#define NDMA_RECORD_APPEND	(1u << 0) /* go on behind the frames that are there, in a new run */
#define NDMA_RECORD_REPLACE	(1u << 1) /* put this in the place of a recording that is there */
#define NDMA_RECORD_CHECKSUM	(1u << 2) /* note a CRC32C of each frame's bytes */
#define NDMA_RECORD_DIRECT	(1u << 3) /* write samples with O_DIRECT: frames of multiples of 4096 bytes */

#define NDMA_RECORD_DEPTH_MAX	256u

/**
 * struct ndma_record_options - how to record; begin with NDMA_RECORD_OPTIONS_INIT
 * @size: sizeof(struct ndma_record_options), so that it can grow
 * @flags: NDMA_RECORD_…; neither APPEND nor REPLACE: what is there is left alone (-EEXIST)
 * @depth: with DIRECT, how many writes are on their way at most, up to NDMA_RECORD_DEPTH_MAX; 0: 16
 * @reserved: 0
 */
struct ndma_record_options {
	uint32_t size;
	uint32_t flags;
	uint32_t depth;
	uint32_t reserved;
};

/**
 * ndma_record_options_init() - for languages without designated initialisers
 *
 * Return: NDMA_RECORD_OPTIONS_INIT.
 */
static inline struct ndma_record_options ndma_record_options_init(void)
{
	struct ndma_record_options options;

	memset(&options, 0, sizeof(options));
	options.size = sizeof(options);
	return options;
}

/** Initial value of struct ndma_record_options: all defaults. */
#ifdef __cplusplus
#define NDMA_RECORD_OPTIONS_INIT ndma_record_options_init()
#else
#define NDMA_RECORD_OPTIONS_INIT { .size = sizeof(struct ndma_record_options) }
#endif

/**
 * ndma_record_open() - begin a recording, or go on with one
 * @path: "run7", or "run7.npy": the samples go to run7.npy, what is known of each frame to
 *   run7.ndma, and ndma_record_finish() makes run7.json and run7.sigmf-meta: ndma-recording(5).
 *   "-" (standard output), and any path of what is neither a file nor missing (a pipe, a device):
 *   gets the samples alone
 * @source: whose stream it is, so that its settings are noted; or NULL. Used during the call only
 * @stream: whose frames will be recorded, started or not; must outlive the recording
 * @options: or NULL
 * @out: the recording, ended by the caller with ndma_record_close()
 *
 * From here on the files are those of a recording, whatever becomes of this process: every frame
 * that ndma_record_write() counted opens again.
 *
 * Return: 0; -EEXIST: there is such a file, and @options do not say what to do; -EBUSY: somebody
 * records there now; -EINVAL: @path, a flag, or the frames are not of the kind that the recording to
 * append to has; -ENOENT: APPEND without a recording, or no such directory; -EILSEQ: APPEND to what
 * is damaged; -EOPNOTSUPP: frames that are no array of a .npy; -ENOSPC, -EACCES, -EROFS and other
 * errors of files; -ENAMETOOLONG.
 */
int ndma_record_open(const char *path, const struct ndma_source *source, struct ndma_stream *stream,
		     const struct ndma_record_options *options, struct ndma_record **out);

/**
 * ndma_record_write() - record frames
 * @record: the recording
 * @frames: frames of its stream, in order, which the caller holds until this returns
 * @count: how many
 *
 * From the memory that the card wrote. Where a frame came short, zeros follow its samples. Several
 * at a time cost less. When this returns, frames and entries are with the kernel: they survive the
 * end of this process; ndma_record_sync() makes them survive that of the machine.
 *
 * Return: 0; -ENOSPC, -EFBIG, -EIO, -EPIPE …: the rest is not recorded, but the
 * frames before it are: ndma_record_frames(). The file has whole frames, and writing may go on.
 */
int ndma_record_write(struct ndma_record *record, const struct ndma_frame *frames, size_t count);

/**
 * ndma_record_submit() - record frames, and release them
 * @record: the recording
 * @frames: frames of its stream, in order, which the caller held: they are the recording's now, also
 *   where this fails
 * @count: how many
 *
 * With NDMA_RECORD_DIRECT several writes are on their way when this returns, where there is io_uring
 * (ndma_record_method()): each frame is released when it and all before it are written, by a later
 * call of this, of ndma_record_wait(), ndma_record_write() or ndma_record_finish(). Those calls are
 * for the thread that takes frames from the stream. Without, as ndma_record_write() and
 * ndma_stream_release().
 *
 * A program that waits for its stream while all frames are on their way waits for ever: see
 * ndma_record_wait().
 *
 * Return: 0; as ndma_record_write(), of these frames or of earlier ones, and then nothing is on its
 * way any more: ndma_record_frames() are recorded.
 */
int ndma_record_submit(struct ndma_record *record, const struct ndma_frame *frames, size_t count);

/**
 * ndma_record_wait() - wait for writes that are on their way
 * @record: the recording
 * @left: how many frames may still be on their way when this returns; 0: none, UINT32_MAX: see only
 *   what has ended by itself
 *
 * The thread that takes frames from the stream.
 *
 * Return: how many frames are on their way; as ndma_record_submit().
 */
int ndma_record_wait(struct ndma_record *record, uint32_t left);

/**
 * ndma_record_method() - how samples are written, in words
 * @record: the recording
 *
 * With NDMA_RECORD_DIRECT also what keeps it from io_uring (a kernel or container that refuses it, a
 * library built without liburing), or from O_DIRECT (memory or a disk that cannot).
 *
 * Return: words; they change with calls that write, and are valid until ndma_record_close().
 */
const char *ndma_record_method(const struct ndma_record *record);

/**
 * ndma_record_frames() - how many frames the recording has, those before an append included
 * @record: the recording
 *
 * Any thread.
 *
 * Return: how many.
 */
uint64_t ndma_record_frames(const struct ndma_record *record);

/**
 * ndma_record_sync() - have the disk keep what is recorded
 * @record: the recording
 *
 * After a loss of power every frame is there that was written before the last call of this. It may
 * take long: any thread, also while another writes, which goes on.
 *
 * Return: 0, also where there is no disk; -EIO, -ENOSPC: what was written before may be lost.
 */
int ndma_record_sync(struct ndma_record *record);

/**
 * ndma_record_finish() - say that the recording is complete
 * @record: the recording
 *
 * Any thread, where no frame is on its way (ndma_record_wait()); so too ndma_record_close().
 * ndma_record_sync(), then the .json, and for interleaved frames or one channel the .sigmf-meta.
 * No frame can be written afterwards.
 *
 * Return: 0; an error of files: the frames are there, ndma_recording_repair() makes the rest.
 */
int ndma_record_finish(struct ndma_record *record);

/**
 * ndma_record_close() - end an object
 * @record: the recording, or NULL; one that was not finished opens all the same
 */
void ndma_record_close(struct ndma_record *record);

/* ---------------------------------------------------------------- recordings: reading */

/* Flags of struct ndma_recording_frame. */
#define NDMA_RECORDED_RUN	(1u << 0) /* the stream was started before it: what is missing is not known */
#define NDMA_RECORDED_DAMAGED	(1u << 1) /* its entry cannot be read: the samples are there, nothing else */

/**
 * struct ndma_recording_info - what a recording has
 * @frames: how many
 * @holes: entries of ndma_recording_holes(), one of which is the start of the first run
 * @runs: starts of the stream
 * @dropped: frames that are missing within the runs
 * @partial, @overflow, @error: frames with that flag, NDMA_FRAME_…
 * @damaged: frames whose entries cannot be read, as far as is known
 * @synced: so many frames a loss of power would have left, or has left
 * @closed: the recording was finished; else somebody still records, or was killed
 * @flags: NDMA_RECORD_CHECKSUM or 0
 * @id: of the recording, random
 * @data_offset: of frame 0 in the .npy
 * @frame_bytes: from frame to frame there
 * @layout: of one frame, [channel, sample], and a last dimension of 2 for I/Q; offset 0
 * @source: as it was when the recording began; start_… are of its first run, and may be 0
 */
struct ndma_recording_info {
	uint64_t frames;
	uint64_t holes;
	uint64_t runs;
	uint64_t dropped;
	uint64_t partial;
	uint64_t overflow;
	uint64_t error;
	uint64_t damaged;
	uint64_t synced;
	bool closed;
	uint32_t flags;
	uint8_t id[16];
	uint64_t data_offset;
	uint64_t frame_bytes;
	struct ndma_layout layout;
	struct ndma_source_info source;
};

/**
 * struct ndma_recording_frame - what is known of one frame
 * @completion: as its source gave it; index is 0, and dropped counts what is missing since the
 *   frame before it in the recording
 * @realtime_ns: calendar time of completion.timestamp_ns, in ns since 1970-01-01 UTC
 * @flags: NDMA_RECORDED_…; DAMAGED: all else is 0
 * @checksum: CRC32C of its bytes in the .npy, with NDMA_RECORD_CHECKSUM
 */
struct ndma_recording_frame {
	struct ndma_completion completion;
	int64_t realtime_ns;
	uint32_t flags;
	uint32_t checksum;
};

/**
 * struct ndma_recording_hole - a frame that does not simply follow the one before it, whole
 * @number: of the frame in the recording, from 0
 * @frame: what is known of it: frames are missing before it (completion.dropped), a run begins with
 *   it, its entry is damaged, or completion.flags say what is wrong with its samples
 */
struct ndma_recording_hole {
	uint64_t number;
	struct ndma_recording_frame frame;
};

/**
 * ndma_recording_open() - a recording, to read
 * @path: "run7", or the path of any of its files
 * @out: closed by the caller with ndma_recording_close()
 *
 * Also while somebody records, and after whoever did was killed. Costs as much as there are holes,
 * whatever the number of frames, unless an entry on their list is damaged.
 *
 * Return: 0; -ENOENT: no such recording, or a file of it is missing, the words say which; -EILSEQ:
 * the index is none, is damaged in its header, or another recording's; -EACCES; -ENOMEM.
 */
int ndma_recording_open(const char *path, struct ndma_recording **out);

/**
 * ndma_recording_close() - end an object
 * @recording: the recording, or NULL
 */
void ndma_recording_close(struct ndma_recording *recording);

/**
 * ndma_recording_info() - what the recording has
 * @recording: the recording
 * @info: written whole: as it was found by the last open or refresh
 *
 * Return: 0.
 */
int ndma_recording_info(const struct ndma_recording *recording, struct ndma_recording_info *info);

/**
 * ndma_recording_channel() - one channel
 * @recording: the recording
 * @index: 0 to the number of channels - 1
 * @channel: written whole: as it was when the recording began
 *
 * Return: 0; -EINVAL: @index.
 */
int ndma_recording_channel(const struct ndma_recording *recording, uint32_t index,
			   struct ndma_source_channel *channel);

/**
 * ndma_recording_text() - what describes the frames, in JSON: source, settings, channels
 * @recording: the recording
 *
 * Return: an object, the beginning of what is in the .json; valid until ndma_recording_close().
 */
const char *ndma_recording_text(const struct ndma_recording *recording);

/**
 * ndma_recording_data_fd() - the .npy, open for reading
 * @recording: the recording
 *
 * To be mapped: frame i is at data_offset + i * frame_bytes.
 *
 * Return: the library's: do not close it.
 */
int ndma_recording_data_fd(const struct ndma_recording *recording);

/**
 * ndma_recording_frames() - what is known of some frames
 * @recording: the recording
 * @first: number of the first
 * @frames: filled
 * @count: how many
 *
 * Return: how many; fewer than @count at the recording's end; -EIO.
 */
ssize_t ndma_recording_frames(const struct ndma_recording *recording, uint64_t first,
			      struct ndma_recording_frame *frames, size_t count);

/**
 * ndma_recording_holes() - the frames that do not simply follow
 * @recording: the recording
 * @holes: filled, at most @room of them, in order; may be NULL for @room 0
 * @room: entries there
 *
 * Return: how many there are, which may be more than @room.
 */
uint64_t ndma_recording_holes(const struct ndma_recording *recording, struct ndma_recording_hole *holes,
			      size_t room);

/**
 * ndma_recording_refresh() - look again: somebody may have recorded more
 * @recording: the recording
 *
 * Return: 0; as ndma_recording_open(), and nothing has changed.
 */
int ndma_recording_refresh(struct ndma_recording *recording);

/**
 * ndma_recording_repair() - finish what its recorder could not
 * @path: as for ndma_recording_open()
 * @info: written whole on success: what there is; or NULL
 *
 * Reads every entry, and every frame of a recording with checksums. Then counts the frames in the
 * .npy's header, says in the index that it is closed, and makes .json and .sigmf-meta. Changes no
 * sample and no entry, and cuts nothing off, so that it cannot make matters worse.
 *
 * Return: how many frames have damaged entries or samples, at most INT_MAX; -EBUSY: somebody
 * records there; else as ndma_recording_open(), and errors of files.
 */
int ndma_recording_repair(const char *path, struct ndma_recording_info *info);

#ifdef __cplusplus
}
#endif

#endif /* NDMA_H */
