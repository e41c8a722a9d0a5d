/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the author of an acquisition driver gets.
 *
 * A driver describes its card in a struct ndma_source_desc, registers it, and then does two
 * things for every stream: it asks for free frames, and it says when they are done. Memory,
 * mapping, rings, leases, loss counting, poll and unplug are the core's. kmod/sources/edu.c is
 * written to be read beside this file; kmod/example is the least that a driver is, as a template with its
 * Kbuild, for a driver that is built outside ndma's tree.
 *
 * Life of a stream:  setup → (start → stop)… → teardown
 *
 * A fill of a user's buffer is a stream too, of one frame whatever @frames_min says, which is
 * started once. It has a deadline, and somebody waits for its fence: stop and abort have to end.
 *
 * start, stop, abort, setup, teardown and control of one stream never run at the same time
 * (the core holds the stream's mutex); queue may run at any time between start's and stop's
 * beginning, never twice at a time, with interrupts off (on PREEMPT_RT: under a lock that sleeps). stop
 * and abort return when the device no longer touches any frame: pages are unmapped and freed after
 * that. And when stop returns, or abort after it, no call into the core for that stream is running or
 * will come, from an interrupt, a thread or a timer: synchronize_irq(), kthread_park() and
 * cancel_work_sync() are what it takes, or a lock that such calls are made under. A call that was under
 * way all the same is harmless to the core; what it completes may be lost, and one that comes later still
 * is a use after free.
 *
 * The machine around it: when the machine sleeps, shuts down, reboots or starts another kernel by kexec,
 * the core pauses every source by itself, before the bus tells the driver: streams are stopped, aborted
 * where stop was not enough, and go on after the sleep. A driver's own PM operations find a quiet device.
 * What takes the device away and gives it back in another way (an error of the bus, a reset of the
 * function) is told by ndma_source_pause() and ndma_source_resume().
 *
 * While a fill's fence is out, whoever waits for it may be who has to make memory. So start, stop and
 * abort wait for no memory (GFP_KERNEL; setup may), and for no work but those of
 * ndma_source_workqueue. lockdep proves it, and warns of it at the first fill.
 *
 * What a failed stop has left running must be reset before it gets the bus back: reset the device and see
 * that it has obeyed, in probe too (the kernel before this one may have left it running), and only then
 * call pci_set_master(). Refuse to start while it does not obey: its old descriptors name memory that is
 * somebody else's by now.
 *
 * Locks: the functions below that any context may call can be called under a driver's own lock,
 * also one that queue takes; none of them calls an op. On PREEMPT_RT their locks sleep: any context
 * is a threaded interrupt handler there, as the kernel makes them by itself, and neither a handler
 * with IRQF_NO_THREAD nor what holds a raw_spinlock_t.
 */
#ifndef NDMA_SOURCE_H
#define NDMA_SOURCE_H

#include <linux/device.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/linux/ndma.h>

#include "shared/ndma_control.h"
#include "shared/ndma_setup.h"

/*
 * Version of this interface. It grows with what a driver that was written for an older one has to be
 * changed for, and the history stands here; a module that was built for another one is not registered.
 *
 *   1: the first with a number
 */
#define NDMA_SOURCE_INTERFACE	1

struct ndma_source;
struct ndma_stream;
struct ndma_frame;

/**
 * struct ndma_channel_desc - one channel; physical = raw * scale + offset
 * @name: its name
 * @unit: unit of the physical value
 * @scale: units per count
 * @offset: units at count 0
 */
struct ndma_channel_desc {
	const char *name;
	const char *unit;
	struct ndma_rational scale;
	struct ndma_rational offset;
};

/**
 * struct ndma_stream_config - what the user asked for, checked against the description
 * @format: the format
 * @order: one NDMA_ORDER_…
 * @channels: how many, from the first
 * @frames: how many frames
 * @samples: of one channel in a frame
 * @frame_bytes: bytes of a whole frame
 */
struct ndma_stream_config {
	const struct ndma_format_desc *format;
	u32 order;
	u32 channels;
	u32 frames;
	u64 samples;
	u64 frame_bytes;
};

/**
 * struct ndma_source_ops - what a driver does for a stream
 *
 * @start, @stop and @queue are required, and a description without one of them is refused; the others are
 * optional. While the source is paused only @teardown is called.
 *
 * @setup: optional: refuse a configuration (-EINVAL, -ERANGE), allocate the stream's private data
 *   (ndma_stream_set_priv). May sleep
 * @teardown: optional: free what setup made. The device is quiet. May sleep
 * @start: make the device run. It asks for frames by ndma_stream_next_frame(). May sleep
 * @stop: stop the device; return when it touches no frame any more, having given back by
 *   ndma_frame_complete() or ndma_frame_return() every frame that it still had. May sleep;
 *   bounded: when the device does not answer in time, return with its frames not given back
 * @abort: called after a @stop that left frames with the device: whatever it takes to quiet it
 *   (reset, bus mastering off). Must not fail. Frames that are not given back then either
 *   are taken back. Optional where @stop cannot hang
 * @queue: frames became free after ndma_stream_next_frame() had answered NULL; not for frames that
 *   the driver itself has returned. Must not sleep
 * @control: optional: a control was set (the value is in range and is read by
 *   ndma_stream_control()); an error refuses it. While the stream runs, live ones alone: the first
 *   frame made with it is flagged %NDMA_FRAME_SETTINGS by the driver. May sleep
 * @rate: optional: samples of one channel per second with the stream's controls; default: the
 *   value of NDMA_CONTROL_RATE
 * @bound: optional: the longest time from start until the first frame is completed, in ns, with
 *   configuration and controls as they are; 0, and the default: nobody knows, as where a trigger is
 *   waited for. Only a fill that is bound, by 10 s at most, publishes a fence, for which other drivers
 *   wait; while it is out, a control under which it would not be is refused to the user. May sleep
 */
struct ndma_source_ops {
	int (*setup)(struct ndma_stream *stream);
	void (*teardown)(struct ndma_stream *stream);
	int (*start)(struct ndma_stream *stream);
	void (*stop)(struct ndma_stream *stream);
	void (*abort)(struct ndma_stream *stream);
	void (*queue)(struct ndma_stream *stream);
	int (*control)(struct ndma_stream *stream, u32 id, s64 value);
	struct ndma_rational (*rate)(struct ndma_stream *stream);
	u64 (*bound)(struct ndma_stream *stream);
};

/**
 * struct ndma_source_desc - a card, as it is registered; must stay valid until unregistered
 * @name: prefix of the node's name, "edu": /dev/ndma/edu0
 * @owner: the driver's module: cannot be unloaded while a stream is open
 * @dev: the device that does the DMA; its masks and segment limits are set before
 *   registration. NULL for a source in software, which gets frames by address
 * @flags: NDMA_SOURCE_…
 * @formats: formats, @nr_formats of them, the default first
 * @nr_formats: at least 1
 * @channels: channels, @nr_channels of them
 * @nr_channels: at least 1
 * @controls: controls, @nr_controls of them, by growing id
 * @nr_controls: may be 0
 * @frames_min: fewest frames, at least 2; a fill has one, and is refused to %NDMA_SOURCE_CYCLIC
 * @frames_max: most frames
 * @frame_bytes_max: largest frame
 * @samples_step: samples of a frame are a multiple of it; 0: 1
 * @segments_max: most scatter-gather segments of a frame; 0: any; 1: frames are contiguous
 *   for the device
 * @streams_max: streams at a time; 0: any
 * @ops: see there
 */
struct ndma_source_desc {
	const char *name;
	struct module *owner;
	struct device *dev;
	u32 flags;
	const struct ndma_format_desc *formats;
	u32 nr_formats;
	const struct ndma_channel_desc *channels;
	u32 nr_channels;
	const struct ndma_control_desc *controls;
	u32 nr_controls;
	u32 frames_min;
	u32 frames_max;
	u64 frame_bytes_max;
	u32 samples_step;
	u32 segments_max;
	u32 streams_max;
	const struct ndma_source_ops *ops;
};

/**
 * ndma_source_workqueue - for a driver's works that its stop or abort waits for
 *
 * Any other queue that one of them flushed or cancelled from could be waiting for memory (it has no
 * WQ_MEM_RECLAIM), and Linux warns of it. A work on it waits for no other.
 */
extern struct workqueue_struct *ndma_source_workqueue;

struct ndma_source *__ndma_source_register(const struct ndma_source_desc *desc, void *priv,
					   u32 interface);

/**
 * ndma_source_register() - make a card known to user space
 * @desc: what it is
 * @priv: the driver's, for ndma_source_priv()
 *
 * Return: the source, or an ERR_PTR: -EINVAL for a description that contradicts itself, or a driver that
 * was built for another %NDMA_SOURCE_INTERFACE (the reason is in the log), -ENOMEM, -ENOSPC (no minor number
 * left).
 */
static inline struct ndma_source *ndma_source_register(const struct ndma_source_desc *desc,
						       void *priv)
{
	return __ndma_source_register(desc, priv, NDMA_SOURCE_INTERFACE);
}

/**
 * ndma_source_unregister() - the card is leaving
 * @source: the source; NULL is allowed
 *
 * Legal with streams open: they are stopped (aborted where the device is gone, as
 * pci_device_is_present() would tell the driver's own stop), their mappings for the device
 * end, user space gets ENODEV and POLLHUP and keeps its data. When it returns no op runs any
 * more, and none will. May sleep. Not from inside an op.
 */
void ndma_source_unregister(struct ndma_source *source);

/**
 * ndma_source_pause() - the device is about to be unusable for a while
 * @source: the source; NULL is allowed
 *
 * Stops every stream that runs, aborts it where the device does not give its frames back, and takes
 * them back: when this returns the device is quiet. User space sees NDMA_STREAM_PAUSED and waits; fills end
 * by ECANCELED; frames that programs hold, and exports, are untouched. Starts, setups and changes of
 * controls wait until the source is resumed, and can be killed.
 *
 * Pauses nest: the source goes on with the last ndma_source_resume(). May sleep, as long as stop and
 * abort do. Not from inside an op, and not under a lock that one takes.
 */
void ndma_source_pause(struct ndma_source *source);

/**
 * ndma_source_resume() - the device is there again
 * @source: the source; NULL is allowed
 *
 * Starts every stream that a pause has stopped; the next frame of each says by
 * %NDMA_FRAME_LOSS_UNKNOWN that nobody counted what was missed. A stream that does not start is
 * idle, as if stopped. May sleep. Not from inside an op, and not under a lock that one takes.
 */
void ndma_source_resume(struct ndma_source *source);

void *ndma_source_priv(const struct ndma_source *source);

/**
 * ndma_source_name() - its name in /dev/ndma, "edu0"
 * @source: the source
 */
const char *ndma_source_name(const struct ndma_source *source);

struct ndma_source *ndma_stream_source(const struct ndma_stream *stream);
const struct ndma_stream_config *ndma_stream_config(const struct ndma_stream *stream);
void ndma_stream_set_priv(struct ndma_stream *stream, void *priv);
void *ndma_stream_priv(const struct ndma_stream *stream);

/**
 * ndma_stream_control() - the present value of a control
 * @stream: the stream
 * @id: a control of the description
 *
 * Any context.
 */
s64 ndma_stream_control(const struct ndma_stream *stream, u32 id);

/**
 * ndma_stream_next_frame() - take the next free frame for the device
 * @stream: a started stream
 *
 * The frame is the device's until ndma_frame_complete() or ndma_frame_return(). Any context,
 * interrupts included.
 *
 * Ask again after every completion: this is where frames that user space has released without
 * a system call are taken in. A driver that keeps the card supplied asks until the answer is NULL.
 *
 * Return: the frame, or NULL: none is free. Data that the card makes when it has no frame left
 * is lost: say so by ndma_stream_lost(). ops->queue() will be called when frames become free.
 */
struct ndma_frame *ndma_stream_next_frame(struct ndma_stream *stream);

/**
 * ndma_frame_sgl() - where the device writes: DMA addresses of a frame
 * @frame: a frame of the device's
 * @nents: how many segments are in use
 *
 * Mapped once, at setup; the same at every call. Use sg_dma_address() and sg_dma_len(); the
 * lengths add up to the frame. Any context.
 */
struct scatterlist *ndma_frame_sgl(struct ndma_frame *frame, unsigned int *nents);

/**
 * ndma_frame_vaddr() - where a software source writes
 * @frame: a frame of a source registered with dev == NULL
 */
void *ndma_frame_vaddr(struct ndma_frame *frame);

u32 ndma_frame_index(const struct ndma_frame *frame);
u64 ndma_frame_bytes(const struct ndma_frame *frame);
struct ndma_stream *ndma_frame_stream(const struct ndma_frame *frame);

/* For the driver's own use while the frame is the device's (a list of frames in flight). */
struct list_head *ndma_frame_list(struct ndma_frame *frame);

/**
 * struct ndma_frame_result - what became of a frame
 * @bytes: bytes of valid samples, at most the frame's
 * @flags: NDMA_FRAME_…; %NDMA_FRAME_PARTIAL is added where @bytes is less than the frame
 * @dropped: frames that the card lost since the last one, beside ndma_stream_lost()
 * @timestamp_ns: CLOCK_MONOTONIC of the first sample (with %NDMA_FRAME_TIME_START); 0: now
 * @hw_timestamp: the card's ticks (with %NDMA_FRAME_HW_TIME)
 * @hw_sequence: the card's count (with %NDMA_FRAME_HW_SEQUENCE)
 * @trigger: sample of the trigger (with %NDMA_FRAME_TRIGGERED)
 * @sample_start: number of the first sample since setup (with %NDMA_FRAME_SAMPLE_START)
 */
struct ndma_frame_result {
	u64 bytes;
	u32 flags;
	u64 dropped;
	u64 timestamp_ns;
	u64 hw_timestamp;
	u64 hw_sequence;
	u32 trigger;
	u64 sample_start;
};

/**
 * ndma_frame_complete() - the device has filled a frame
 * @frame: a frame of the device's
 * @result: what became of it
 *
 * @result->bytes beyond the frame is a lying card: the frame is published with
 * %NDMA_FRAME_ERROR and the frame's own size. Any context, interrupts included.
 */
void ndma_frame_complete(struct ndma_frame *frame, const struct ndma_frame_result *result);

/**
 * ndma_frame_return() - give back a frame that was not filled
 * @frame: a frame of the device's
 *
 * Not a loss; it is free again. Any context.
 */
void ndma_frame_return(struct ndma_frame *frame);

/**
 * ndma_stream_lost() - frames' worth of data were lost
 * @stream: the stream
 * @frames: how many; the next completion carries them
 */
void ndma_stream_lost(struct ndma_stream *stream, u64 frames);

/**
 * ndma_stream_finish() - no more frames will come, though nobody asked to stop
 * @stream: the stream
 *
 * The stream goes idle: waiters wake and get what is ready. Any context. The core calls
 * ops->stop() later as for any other stop.
 */
void ndma_stream_finish(struct ndma_stream *stream);

#endif /* NDMA_SOURCE_H */
