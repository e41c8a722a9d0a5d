/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sources, streams and frames: what the files of this room offer each other. Nobody below knows them.
 *
 * Locks, outermost first (those of internal.h lie between stream->mutex and queue_lock):
 *   source->lock     read: an op may be called, the source stays; write: it leaves
 *   source->streams_lock  its list of open files
 *   stream->mutex    setup, start, stop, control, teardown of one stream
 *   queue_lock       around ops->queue, so that it never runs after stop has begun
 *   (a driver's own locks)
 *   ring_lock        frames' states, counters, both rings
 * queue_lock and ring_lock are spinlocks, taken with interrupts off.
 */
#ifndef NDMA_STREAM_H
#define NDMA_STREAM_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "../buffer/internal.h"
#include "ndma_source.h"

/**
 * struct ndma_source - a registered card
 * @desc: the driver's description; the driver may free it once @gone is set
 * @owner: the driver's module
 * @priv: the driver's
 * @ref: the registration and every open file
 * @lock: see above
 * @streams_lock: see above
 * @streams: open files
 * @claimed: streams that are set up
 * @gone: unregistered; under @lock
 * @pauses: reasons why it is paused: the machine, a reset; under @lock
 * @shut_down: the machine is ending, and @pauses stays; under @lock
 * @awake: where starts wait for the last pause to end
 * @link: in the list of all sources
 * @number: the N of its name
 * @minor: of its node
 * @name: as in /dev/ndma
 * @rcu: until calls of the driver that began before its end are over
 */
struct ndma_source {
	const struct ndma_source_desc *desc;
	struct module *owner;
	void *priv;
	struct kref ref;
	struct rw_semaphore lock;
	struct mutex streams_lock;
	struct list_head streams;
	atomic_t claimed;
	bool gone;
	bool shut_down;
	u32 pauses;
	wait_queue_head_t awake;
	struct list_head link;
	unsigned int number;
	unsigned int minor;
	char name[NDMA_NAME_MAX];
	struct rcu_head rcu;
};

/* Where a frame is. Only a free one is given to the device. */
enum ndma_frame_state {
	NDMA_FRAME_IS_FREE,	/* in the free list */
	NDMA_FRAME_IS_DEVICE,	/* the driver has it */
	NDMA_FRAME_IS_FILLED,	/* done, but not synced for the CPU: in stream->filled */
	NDMA_FRAME_IS_DONE,	/* published, not released: user space's once it is taken */
	NDMA_FRAME_IS_KEPT,	/* released, but exported: free when the last dma-buf is gone */
	NDMA_FRAME_IS_RELEASED,	/* to be seized or synced for the device: released or pinned */
	NDMA_FRAME_STATES,
};

/* A part of a frame that one dma_sync_single_for_*() can do. */
struct ndma_piece {
	dma_addr_t address;
	u32 bytes;
};

/**
 * struct ndma_frame - a slice of a stream's buffer
 * @stream: its stream
 * @next: in one of the stream's queues
 * @index: which
 * @position: in the completion ring, while it is done
 * @state: enum ndma_frame_state
 * @exports: dma-bufs of its own that live
 * @nents: entries of @sgl
 * @nr_pieces: entries of @pieces
 * @sgl: where the device writes
 * @pieces: the same for syncing; NULL where the mapping needs none
 * @list: the driver's, while the frame is the device's
 * @completion: while it is filled
 */
struct ndma_frame {
	struct ndma_stream *stream;
	struct ndma_frame *next;
	u32 index;
	u32 position;
	u32 state;
	u32 exports;
	u32 nents;
	u32 nr_pieces;
	struct scatterlist *sgl;
	struct ndma_piece *pieces;
	struct list_head list;
	struct ndma_completion completion;
	u64 sample_start;
};

/* First in, first out, linked by ndma_frame.next. */
struct ndma_frame_queue {
	struct ndma_frame *first;
	struct ndma_frame **last;
};

/**
 * struct ndma_ring - the memory that a stream shares with user space
 *
 * Belongs to @file, which every mapping of it holds: it outlives the stream.
 */
struct ndma_ring {
	struct ndma_completions *completions;
	struct ndma_releases *releases;
	u32 entries;
	u32 entry_bytes;
	u32 completions_bytes;
	u32 releases_bytes;
	struct file *file;
};

/**
 * struct ndma_segments - a stream's buffer as its device sees it
 * @dev: the device; NULL: in software, nothing is mapped
 * @table: the one mapping
 * @list: entries of all frames' lists
 * @pieces: pieces of all frames; NULL where the mapping needs no sync
 */
struct ndma_segments {
	struct device *dev;
	struct sg_table table;
	struct scatterlist *list;
	struct ndma_piece *pieces;
};

enum ndma_fill_state {
	NDMA_FILL_NONE,		/* the file never filled a buffer */
	NDMA_FILL_RUNNING,
	NDMA_FILL_OVER,
};

/**
 * struct ndma_fill - what a stream without rings for user space does: one frame, in a heap's buffer
 * @state: enum ndma_fill_state; stored with release when it is over
 * @fenced: others may wait for its fence
 * @error: once it is over: 0 or why it failed
 * @completion: once it is over without @error
 */
struct ndma_fill {
	u32 state;
	bool fenced;
	int error;
	struct ndma_completion completion;
};

/**
 * struct ndma_stream - one open file of a source
 * @ref: the file, every exported frame, and the transfer of a fill
 * @rcu: until calls of the driver that began before its end are over
 * @source: its source; the file's reference
 * @link: in source->streams
 * @number: no other open file ever has it
 * @leader: number of the file whose buttons are pressed here too, or 0; written under @mutex
 * @mutex: see above
 * @priv: the driver's
 * @controls: values, in the order of the description
 * @fill: under @mutex. While a fill runs, it uses all that follows, and @set_up is false
 * @set_up: stored with release at the end of setup, loaded with acquire by whoever does not
 *   hold @mutex; what follows down to @ring is constant from then on
 * @policy: NDMA_POLICY_…
 * @guarded: a CPU touch of a frame that user space does not hold gets SIGBUS
 * @config: as the driver sees it
 * @stride: bytes from one frame to the next
 * @entry_bytes: bytes from one completion to the next
 * @sample_bytes: of one sample of all channels
 * @layout: of a frame
 * @memory: its pages
 * @mapped: with a kernel mapping, for a software source
 * @buffer: the backing buffer, kept by its primary dma-buf
 * @frames: config.frames of them
 * @ring: both rings
 * @segments: the mapping for the device; under @mutex
 * @active: ops->start() has succeeded and ops->stop() has not been called since; under @mutex
 * @paused: it ran when its source was paused, and goes on when that is resumed; under @mutex
 * @started: @start_* and @rate are set; under @mutex, and changed under @ring_lock as well
 * @start_monotonic: time of the start
 * @start_realtime: the same moment
 * @rate: at the start
 * @worker: syncs and guards frames, tells the driver of free ones
 * @retry: starts @worker again for frames that could not be seized, because their pages were pinned
 * @stopper: calls ops->stop() after the last frame of a counted run
 * @fill_stopper: ends a fill whose frame is done
 * @waiters: readers in poll and NDMA_STREAM_WAIT
 * @queue_lock: see above
 * @ring_lock: see above; all below is under it
 * @running: frames are given out and taken in; changed under @queue_lock as well
 * @finished: the last frame of this run is made; @running stays true until the stopper comes
 * @deferred: frames go through @worker, to be synced or seized
 * @starving: the driver was told that no frame is free
 * @resumed: nobody knows what was lost before the next completion
 * @state: NDMA_STREAM_…, as published
 * @head: completions published
 * @taken: of these, those known to be taken or stolen
 * @drained: entries of the release ring that were looked at
 * @frame_of: index of the frame that each slot of the completion ring is about
 * @free: queue of free frames
 * @filled: queue of frames to sync for the CPU and publish
 * @released: queue of frames to seize and to sync for the device
 * @pinned: queue of released frames whose pages are pinned, until @retry looks again
 * @nr_pinned: how many
 * @count: frames in each state
 * @exported: frames with exports
 * @remaining: frames until the end of this run
 * @sequence: of the next frame
 * @sample: number of its first sample
 * @lost: since the last completion
 * @anchor: number of the newest anchor
 * @anchor_told: number of the anchor of the last completion
 * @realtime_offset: of the newest anchor
 */
struct ndma_stream {
	struct kref ref;
	struct rcu_head rcu;
	struct ndma_source *source;
	struct list_head link;
	u64 number;
	u64 leader;
	struct mutex mutex;
	void *priv;
	s64 *controls;
	struct ndma_fill fill;

	bool set_up;
	u32 policy;
	bool guarded;
	struct ndma_stream_config config;
	u64 stride;
	u32 entry_bytes;
	u64 sample_bytes;
	struct ndma_layout layout;
	struct ndma_memory *memory;
	bool mapped;
	struct ndma_buffer *buffer;
	struct ndma_frame *frames;
	struct ndma_ring *ring;

	struct ndma_segments segments;
	bool active;
	bool paused;
	bool started;
	s64 start_monotonic;
	s64 start_realtime;
	struct ndma_rational rate;

	struct work_struct worker;
	struct delayed_work retry;
	struct work_struct stopper;
	struct work_struct fill_stopper;
	wait_queue_head_t waiters;
	spinlock_t queue_lock;

	spinlock_t ring_lock;
	bool running;
	bool finished;
	bool deferred;
	bool starving;
	bool resumed;
	u32 state;
	u32 head;
	u32 taken;
	u32 drained;
	u32 *frame_of;
	struct ndma_frame_queue free;
	struct ndma_frame_queue filled;
	struct ndma_frame_queue released;
	struct ndma_frame_queue pinned;
	u32 nr_pinned;
	u32 count[NDMA_FRAME_STATES];
	u32 exported;
	u64 remaining;
	u64 sequence;
	u64 sample;
	u64 lost;
	u32 anchor;
	u32 anchor_told;
	s64 realtime_offset;
	struct {
		u64 completed;
		u64 dropped;
		u64 stolen;
		u64 starved;
		u64 bad_releases;
		u64 bad_taken;
		u64 errors;
		u64 touches;
	} stats;
};

/* Set up, or filling a buffer; under the mutex. */
static inline bool ndma_stream_in_use(const struct ndma_stream *stream)
{
	return stream->set_up || stream->fill.state == NDMA_FILL_RUNNING;
}

/*
 * Does the source know, with the controls as they are, that a frame is done while a fence may be out?
 * Under the mutex.
 */
static inline bool ndma_stream_is_bound(struct ndma_stream *stream)
{
	const struct ndma_source_ops *ops = stream->source->desc->ops;
	u64 bound_ns = ops->bound ? ops->bound(stream) : 0;

	return bound_ns && bound_ns <= NDMA_FENCE_MAX_NS;
}

/* ---------------------------------------------------------------- source.c */

void ndma_source_put(struct ndma_source *source);
int ndma_source_info_ioctl(struct file *file, void *arg);
int ndma_source_format_ioctl(struct file *file, void *arg);
int ndma_source_channel_ioctl(struct file *file, void *arg);
/* Samples of one channel per second with the stream's controls as they are. */
struct ndma_rational ndma_source_rate(struct ndma_stream *stream);

/* Under source->lock. */
void ndma_source_for_streams(struct ndma_source *source,
			     void (*what)(struct ndma_stream *stream));

/* ---------------------------------------------------------------- attribute.c */

extern const struct attribute_group *ndma_source_groups[];

/* ---------------------------------------------------------------- control.c */

int ndma_control_init(struct ndma_stream *stream);

/**
 * struct ndma_control_copy - controls of another open file of the source
 * @leader: its number; 0: none was asked for
 * @values: of its controls; kvfree()
 */
struct ndma_control_copy {
	u64 leader;
	s64 *values;
};

/* Not under a mutex. @copy was zeroed, and stays so where this fails. */
int ndma_control_copy(const struct ndma_stream *stream, int fd, struct ndma_control_copy *copy);
/* The description of a control, or NULL. */
const struct ndma_control_desc *ndma_control_of(const struct ndma_source_desc *desc, u32 id);
int ndma_control_query_ioctl(struct file *file, void *arg);
int ndma_control_menu_item_ioctl(struct file *file, void *arg);
int ndma_control_get_ioctl(struct file *file, void *arg);
int ndma_control_set_ioctl(struct file *file, void *arg);

/* ---------------------------------------------------------------- stream.c */

/* Keeps the source and locks the stream. -ENODEV: the source is gone; -EINTR: killed meanwhile. */
int ndma_stream_lock(struct ndma_stream *stream);
void ndma_stream_unlock(struct ndma_stream *stream);
void ndma_stream_put(struct ndma_stream *stream);
/* Tells user space the stream's state; under ring_lock. */
void ndma_stream_set_state(struct ndma_stream *stream, u32 state);
/* Neither frames nor a resume will change a stream in this state. */
static inline bool ndma_stream_is_over(u32 state)
{
	return state == NDMA_STREAM_IDLE || state == NDMA_STREAM_GONE;
}
/* Makes a new anchor if the calendar has moved since the last one. Under ring_lock. */
void ndma_stream_anchor(struct ndma_stream *stream);
/* Wakes readers that have something to do. Any context, no lock held. */
void ndma_stream_wake(struct ndma_stream *stream);

/* ---------------------------------------------------------------- run.c */

/* Starts the device; @count as in struct ndma_stream_start. Under the mutex. */
int ndma_run_begin(struct ndma_stream *stream, u64 count);
/* Stops the device: it is quiet when this returns, and has no frame. Under the mutex. */
void ndma_run_quiet(struct ndma_stream *stream, u32 state);
/* Starts it again after a pause. Under the mutex. */
int ndma_run_resume(struct ndma_stream *stream);

/* ---------------------------------------------------------------- awake.c */

/*
 * ndma_stream_lock() of a source that is not paused, for whoever lets its driver touch the device: waits
 * for that before. No lock held. -ETIMEDOUT: not by @deadline (KTIME_MAX: none); -ESHUTDOWN: it will not be.
 */
int ndma_stream_lock_awake(struct ndma_stream *stream, ktime_t deadline);

/* ---------------------------------------------------------------- pause.c */

/* Pauses it for good: the machine ends. */
void ndma_source_shut_down(struct ndma_source *source);

/* ---------------------------------------------------------------- file.c */

extern const struct ndma_node_type ndma_source_type;
/*
 * Ends a stream whose source is leaving: stop, unmap, tell user space. Under source->lock for
 * writing.
 */
void ndma_stream_kill(struct ndma_stream *stream);

/* ---------------------------------------------------------------- setup.c */

int ndma_stream_setup_ioctl(struct file *file, void *arg);
/*
 * All under the mutex. Finds configuration, layout and the outputs of @setup, or refuses it by what a
 * frame is: what a stream alone has, and a fill has not, is not looked at.
 */
int ndma_setup_configure(struct ndma_stream *stream, struct ndma_stream_setup *setup);
/* One of the source's streams; -EBUSY: there is none left. */
int ndma_setup_claim(struct ndma_source *source);
void ndma_setup_unclaim(struct ndma_source *source);
/* Driver, rings, frames, mapping, once memory and buffer are there. What fails is undone. */
int ndma_setup_connect(struct ndma_stream *stream);
/* Takes the buffer from the device: stop, unmap, tell the driver. After connect. */
void ndma_setup_disconnect(struct ndma_stream *stream, u32 state);
/* The same of a stream that is quiet: all but stop. */
void ndma_setup_detach(struct ndma_stream *stream);
/* Ends the rest, but for what mappings and exported frames need; unclaims. After detach. */
void ndma_setup_dismantle(struct ndma_stream *stream);

/* ---------------------------------------------------------------- fill.c */

int ndma_fill_begin_check(const struct file *file, const void *arg);
int ndma_fill_begin_ioctl(struct file *file, struct ndma_handle *handle, void *arg);
int ndma_fill_wait_ioctl(struct file *file, void *arg);
/*
 * Ends the fill, if one is in progress: stop, give the buffer back, unmap. @error: its result if its
 * frame is not done. Under the mutex, which is enough: the source does not go before its fills end.
 */
void ndma_fill_finish(struct ndma_stream *stream, int error);
/* Of a fill whose frame is done, or whose source gave up: finishes it. */
void ndma_fill_stopper(struct work_struct *work);

/* ---------------------------------------------------------------- wait.c */

int ndma_stream_wait_ioctl(struct file *file, void *arg);

/* ---------------------------------------------------------------- segment.c */

/* Maps the backing buffer for the device and cuts it into frames. */
int ndma_segments_map(struct ndma_stream *stream);
void ndma_segments_unmap(struct ndma_stream *stream);
void ndma_segments_sync_for_cpu(const struct ndma_frame *frame);
void ndma_segments_sync_for_device(const struct ndma_frame *frame);

/* ---------------------------------------------------------------- frame.c */

int ndma_frames_create(struct ndma_stream *stream);
void ndma_frames_destroy(struct ndma_stream *stream);
/* All under ring_lock. */
void ndma_frame_queue_init(struct ndma_frame_queue *queue);
void ndma_frame_push(struct ndma_frame_queue *queue, struct ndma_frame *frame);
struct ndma_frame *ndma_frame_pop(struct ndma_frame_queue *queue);
void ndma_frame_move(struct ndma_frame *frame, enum ndma_frame_state state);
/* For the device again, at once. */
void ndma_frame_free(struct ndma_frame *frame);
/* A frame that user space had becomes free, or goes where it has to go before that. */
void ndma_frame_recycle(struct ndma_frame *frame);
/* Frames that the driver still has after stop and abort are free again. */
void ndma_frames_reclaim(struct ndma_stream *stream);

/* ---------------------------------------------------------------- export.c */

/* Not under ring_lock. */
int ndma_stream_export_ioctl(struct file *file, void *arg);

/* ---------------------------------------------------------------- flow.c */

/*
 * Starts the stream's worker. A fill has none: the queue's workers may wait for memory, and whoever
 * is to make some may wait for the fill's fence. Under ring_lock.
 */
static inline void ndma_flow_call_worker(struct ndma_stream *stream)
{
	if (stream->fill.state != NDMA_FILL_RUNNING)
		queue_work(ndma_flow_workqueue, &stream->worker);
}

/* Drains the releases and lets the device go on. Process context, no spinlock held. */
void ndma_flow_kick(struct ndma_stream *stream);
/* For ndma_guard_set(): does user space touch what it does not hold? */
bool ndma_flow_touched(void *priv, u64 offset);
/*
 * Ends all syncing and seizing before the buffer is unmapped: every released frame is free after
 * it.
 */
void ndma_flow_end(struct ndma_stream *stream);
/* Every frame that is filled is published when it returns. Process context; no driver completes any. */
void ndma_flow_settle(struct ndma_stream *stream);
/* The stream's worker, and what starts it again. */
void ndma_flow_work(struct work_struct *work);
void ndma_flow_retry(struct work_struct *work);

/* ---------------------------------------------------------------- ring.c */

int ndma_ring_create(u32 frames, u32 entry_bytes, struct ndma_ring **out);
/* The stream's reference; mappings keep the memory. */
void ndma_ring_put(struct ndma_ring *ring);
int ndma_ring_map_completions(struct ndma_ring *ring, struct vm_area_struct *vma);
int ndma_ring_map_releases(struct ndma_ring *ring, struct vm_area_struct *vma);
/* All under ring_lock. */
void ndma_ring_publish(struct ndma_frame *frame, const struct ndma_completion *completion);
/* Believes user space's `taken`, if it can be; returns how many completions are not taken. */
u32 ndma_ring_note(struct ndma_stream *stream);
/* Has user space taken the frame, as far as is noted, and not released it? */
bool ndma_ring_is_users(const struct ndma_frame *frame);
/* Recycles at most @limit released frames; returns how many entries it went through. */
u32 ndma_ring_drain(struct ndma_stream *stream, u32 limit);
/* Steals the frame of the oldest completion that is not taken; NULL: there is none. */
struct ndma_frame *ndma_ring_steal(struct ndma_stream *stream);
/*
 * How many completions are not taken, for whoever has no lock: a guess, of this moment. Moves
 * nothing.
 */
u32 ndma_ring_ready(const struct ndma_stream *stream);

#endif /* NDMA_STREAM_H */
