// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two rings of a stream. The protocol is in uapi/linux/ndma.h; user space's side of every
 * barrier named here is in lib/include/ndma_ring.h.
 *
 * The kernel reads two words and the release entries of what user space can write, each once, and
 * believes none of them: `taken` must lie between what is known to be taken and the head, and a
 * released index must be that of a frame that user space has.
 */
#include <linux/anon_inodes.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "ndma_setup.h"

/* Swaps that user space may win in a row before a steal is given up (it can go on for ever). */
#define STEAL_TRIES	8

static void ndma_ring_free(struct ndma_ring *ring)
{
	vfree(ring->releases);
	vfree(ring->completions);
	kfree(ring);
}

static int ndma_ring_file_release(struct inode *inode, struct file *file)
{
	ndma_ring_free(file->private_data);
	return 0;
}

/*
 * The file that keeps the rings in memory. Only the stream and mappings hold it; nobody can open
 * it.
 */
static const struct file_operations ndma_ring_fops = {
	.owner = THIS_MODULE,
	.release = ndma_ring_file_release,
};

int ndma_ring_create(u32 frames, u32 entry_bytes, struct ndma_ring **out)
{
	struct ndma_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int ret;

	if (!ring)
		return -ENOMEM;
	ret = ndma_setup_measure_rings(frames, entry_bytes, PAGE_SIZE, &ring->entries,
				       &ring->completions_bytes, &ring->releases_bytes);
	if (ret) {
		kfree(ring);
		return ret;
	}
	/* vmalloc_user() would do, but its memory is charged to nobody. */
	ring->completions = __vmalloc(ring->completions_bytes, NDMA_GFP_ASKED | __GFP_ZERO);
	ring->releases = __vmalloc(ring->releases_bytes, NDMA_GFP_ASKED | __GFP_ZERO);
	if (!ring->completions || !ring->releases) {
		ndma_ring_free(ring);
		return -ENOMEM;
	}
	ring->entry_bytes = entry_bytes;
	ring->completions->entries = ring->entries;
	ring->completions->entry_bytes = entry_bytes;

	file = anon_inode_getfile("[ndma-ring]", &ndma_ring_fops, ring, O_RDWR);
	if (IS_ERR(file)) {
		ndma_ring_free(ring);
		return PTR_ERR(file);
	}
	ring->file = file;
	*out = ring;
	return 0;
}

void ndma_ring_put(struct ndma_ring *ring)
{
	if (ring)
		fput(ring->file);
}

static int ndma_ring_map(struct ndma_ring *ring, struct vm_area_struct *vma, void *memory,
			 u32 bytes)
{
	unsigned long at;
	int ret = 0;

	if (vma->vm_end - vma->vm_start != bytes)
		return -EINVAL;
	/*
	 * The mapping holds the ring's file from here on and no longer the stream's, so that
	 * closing the stream stops the device whatever is mapped.
	 */
	vma_set_file(vma, ring->file);
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	for (at = 0; at < bytes && !ret; at += PAGE_SIZE)
		ret = vm_insert_page(vma, vma->vm_start + at, vmalloc_to_page(memory + at));
	return ret;
}

int ndma_ring_map_completions(struct ndma_ring *ring, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE);
	return ndma_ring_map(ring, vma, ring->completions, ring->completions_bytes);
}

int ndma_ring_map_releases(struct ndma_ring *ring, struct vm_area_struct *vma)
{
	return ndma_ring_map(ring, vma, ring->releases, ring->releases_bytes);
}

static struct ndma_frame *ndma_ring_frame(const struct ndma_stream *stream, u32 position)
{
	return &stream->frames[stream->frame_of[position & (stream->ring->entries - 1)]];
}

/*
 * Frames between stream->taken and the head are done and all different, so the ring has room for
 * them, and no entry is overwritten before it was taken.
 */
void ndma_ring_publish(struct ndma_frame *frame, const struct ndma_completion *completion)
{
	struct ndma_stream *stream = frame->stream;
	struct ndma_completions *ring = stream->ring->completions;
	u32 slot = stream->head & (stream->ring->entries - 1);

	if (stream->ring->entry_bytes == sizeof(*completion))
		ring->ring[slot] = *completion;
	else
		((struct ndma_entry *)ring->ring)[slot] = (struct ndma_entry) {
			.completion = *completion,
			.sample_start = frame->sample_start,
		};
	stream->frame_of[slot] = frame->index;
	frame->position = stream->head;
	ndma_frame_move(frame, NDMA_FRAME_IS_DONE);
	stream->stats.completed++;
	WRITE_ONCE(stream->head, stream->head + 1);
	/*
	 * Release: the entry and the frame's contents first. Pairs with the acquire load of head
	 * in ndma_ring_take().
	 */
	smp_store_release(&ring->head, stream->head);
}

/*
 * User space has said @taken, which may be nonsense. Returns how many completions are not taken.
 *
 * No frame is touched here: user space may take all frames at once, and this is called with
 * interrupts off.
 */
static u32 ndma_ring_note_taken(struct ndma_stream *stream, u32 taken)
{
	u32 untaken = stream->head - stream->taken;

	if (unlikely(taken - stream->taken > untaken)) {
		stream->stats.bad_taken++;
		return untaken;
	}
	WRITE_ONCE(stream->taken, taken);
	return stream->head - taken;
}

/*
 * A frame may be held while positions go round. One that seems to be among those not taken is, only
 * if its slot is still its own: those have a slot each.
 */
bool ndma_ring_is_users(const struct ndma_frame *frame)
{
	const struct ndma_stream *stream = frame->stream;

	return frame->state == NDMA_FRAME_IS_DONE &&
	       (stream->head - frame->position > stream->head - stream->taken ||
		ndma_ring_frame(stream, frame->position) != frame);
}

u32 ndma_ring_note(struct ndma_stream *stream)
{
	return ndma_ring_note_taken(stream, READ_ONCE(stream->ring->releases->taken));
}

u32 ndma_ring_ready(const struct ndma_stream *stream)
{
	u32 head = READ_ONCE(stream->head);
	u32 ready = head - READ_ONCE(stream->ring->releases->taken);

	return ready <= stream->ring->entries ? ready : head - READ_ONCE(stream->taken);
}

u32 ndma_ring_drain(struct ndma_stream *stream, u32 limit)
{
	struct ndma_releases *ring = stream->ring->releases;
	u32 entries = stream->ring->entries;
	/*
	 * Acquire: the entries, what user space did to the frames, and its store of `taken` come
	 * before. Pairs with the release store of tail in ndma_ring_release().
	 */
	u32 tail = smp_load_acquire(&ring->tail);
	u32 waiting = tail - stream->drained, i;

	if (!waiting)
		return 0;
	if (unlikely(waiting > entries)) {
		/*
		 * The tail jumped by more than the ring holds: what it passed over is lost to the
		 * kernel, and counted.
		 */
		stream->stats.bad_releases += waiting - entries;
		stream->drained = tail - entries;
		waiting = entries;
	}
	ndma_ring_note(stream);
	waiting = min(waiting, limit);
	for (i = 0; i < waiting; i++) {
		u32 index = READ_ONCE(ring->ring[stream->drained++ & (entries - 1)]);
		struct ndma_frame *frame;

		if (unlikely(index >= stream->config.frames)) {
			stream->stats.bad_releases++;
			continue;
		}
		frame = &stream->frames[array_index_nospec(index, stream->config.frames)];
		if (unlikely(!ndma_ring_is_users(frame))) {
			stream->stats.bad_releases++;
			continue;
		}
		ndma_frame_recycle(frame);
	}
	return waiting;
}

struct ndma_frame *ndma_ring_steal(struct ndma_stream *stream)
{
	u32 *word = &stream->ring->releases->taken;
	struct ndma_frame *frame;
	int i;

	for (i = 0; i < STEAL_TRIES; i++) {
		u32 taken = READ_ONCE(*word);

		if (!ndma_ring_note_taken(stream, taken))
			return NULL;
		/*
		 * Pairs with the compare-and-swap in ndma_ring_take(): whoever wins owns the frame.
		 * If user space had stored a nonsense word, this puts a good one in its place.
		 */
		if (cmpxchg(word, taken, stream->taken + 1) != taken)
			continue;
		frame = ndma_ring_frame(stream, stream->taken);
		WRITE_ONCE(stream->taken, stream->taken + 1);
		stream->stats.stolen++;
		stream->stats.dropped++;
		return frame;
	}
	return NULL;
}
