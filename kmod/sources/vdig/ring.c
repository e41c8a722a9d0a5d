// SPDX-License-Identifier: GPL-2.0-only
/* The two rings between driver and card, which are memory: the only register here is TAIL. */
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "vdig.h"

#define DESCRIPTORS_BYTES (VDIG_RING_ENTRIES * sizeof(struct vdig_descriptor))
#define COMPLETIONS_BYTES (VDIG_RING_ENTRIES * sizeof(struct vdig_completion))

int vdig_ring_create(struct vdig *vdig)
{
	struct device *dev = &vdig->pdev->dev;
	struct vdig_ring *ring = &vdig->ring;

	memset(ring, 0, sizeof(*ring));
	ring->places = kvcalloc(VDIG_RING_ENTRIES, sizeof(*ring->places), GFP_KERNEL_ACCOUNT);
	if (!ring->places)
		return -ENOMEM;
	ring->descriptors =
		dma_alloc_coherent(dev, DESCRIPTORS_BYTES, &ring->descriptors_dma, GFP_KERNEL);
	if (!ring->descriptors)
		goto free_places;
	ring->completions =
		dma_alloc_coherent(dev, COMPLETIONS_BYTES, &ring->completions_dma, GFP_KERNEL);
	if (!ring->completions)
		goto free_descriptors;
	return 0;

free_descriptors:
	dma_free_coherent(dev, DESCRIPTORS_BYTES, ring->descriptors, ring->descriptors_dma);
free_places:
	kvfree(ring->places);
	return -ENOMEM;
}

void vdig_ring_destroy(struct vdig *vdig)
{
	struct device *dev = &vdig->pdev->dev;
	struct vdig_ring *ring = &vdig->ring;

	dma_free_coherent(dev, COMPLETIONS_BYTES, ring->completions, ring->completions_dma);
	dma_free_coherent(dev, DESCRIPTORS_BYTES, ring->descriptors, ring->descriptors_dma);
	kvfree(ring->places);
}

void vdig_ring_reset(struct vdig *vdig)
{
	struct vdig_ring *ring = &vdig->ring;

	memset(ring->completions, 0, COMPLETIONS_BYTES);
	ring->tail = 0;
	ring->head = 0;
	ring->taken = 0;
	ring->sequence = 0;
	ring->resync = false;
	ring->timestamp = 0;
}

/* One descriptor for each segment of a frame; false if the ring has no room for all of them. */
static bool vdig_ring_describe(struct vdig_ring *ring, struct ndma_frame *frame)
{
	struct vdig_place *place = &ring->places[ring->tail & VDIG_RING_MASK];
	struct scatterlist *sg;
	unsigned int nents, i;

	sg = ndma_frame_sgl(frame, &nents);
	if (nents > VDIG_RING_ENTRIES - (ring->tail - ring->head))
		return false;
	place->frame = frame;
	place->descriptors = nents;
	for (i = 0; i < nents; i++, sg = sg_next(sg)) {
		struct vdig_descriptor *d = &ring->descriptors[ring->tail++ & VDIG_RING_MASK];
		u32 control = 0;

		if (i == 0)
			control |= VDIG_DESCRIPTOR_SOF;
		if (i == nents - 1)
			control |= VDIG_DESCRIPTOR_EOF;
		d->address = cpu_to_le64(sg_dma_address(sg));
		/*
		 * The length is rounded up within the frame's last page; the card writes no more
		 * than a frame.
		 */
		d->length = cpu_to_le32(ALIGN(sg_dma_len(sg), VDIG_ALIGN));
		d->control = cpu_to_le32(control);
	}
	return true;
}

void vdig_ring_post(struct vdig *vdig)
{
	struct vdig_ring *ring = &vdig->ring;
	u32 before = ring->tail;

	while (vdig->running) {
		if (!ring->held)
			ring->held = ndma_stream_next_frame(vdig->stream);
		if (!ring->held || !vdig_ring_describe(ring, ring->held))
			break;
		ring->held = NULL;
	}
	/* One write to the card for all frames; writel() orders it behind the descriptors. */
	if (ring->tail != before)
		vdig_card_command(vdig, VDIG_REG_TAIL, ring->tail);
}

/*
 * Finds how many frames were lost before one. The card says it as a gap in the sequence and as a
 * count; false: the two contradict each other.
 */
static bool vdig_ring_loss(struct vdig_ring *ring, const struct vdig_completion *c, u64 *lost)
{
	u64 sequence = le64_to_cpu(c->sequence);

	*lost = le32_to_cpu(c->lost_frames);
	/*
	 * After a contradiction the count alone is believed, and the sequence goes on from this
	 * frame.
	 */
	if (sequence - ring->sequence == *lost ||
	    (ring->resync && sequence - ring->sequence <= U32_MAX)) {
		ring->sequence = sequence + 1;
		ring->resync = false;
		return true;
	}
	ring->resync = true;
	return false;
}

/* Dates a frame by the card's clock, unless that went back or is ahead of ours. */
static void vdig_ring_date(struct vdig *vdig, u64 timestamp, struct ndma_frame_result *result)
{
	struct vdig_ring *ring = &vdig->ring;

	if (timestamp < ring->timestamp || timestamp > ktime_get_ns() - vdig->start_ns)
		return;
	ring->timestamp = timestamp;
	result->timestamp_ns = vdig->start_ns + timestamp;
	result->flags |= NDMA_FRAME_TIME_START;
}

/* Makes the frame's result of what the card says, as far as that can be believed. */
static void vdig_ring_judge(struct vdig *vdig, const struct vdig_completion *c,
			    struct ndma_frame_result *result)
{
	const struct ndma_stream_config *config = ndma_stream_config(vdig->stream);
	struct vdig_ring *ring = &vdig->ring;
	u32 flags = le32_to_cpu(c->flags), samples = le32_to_cpu(c->samples);
	/* hw_timestamp counts samples, which are the card's ticks. */
	*result = (struct ndma_frame_result){
		.bytes = config->frame_bytes,
		.flags = NDMA_FRAME_HW_SEQUENCE | NDMA_FRAME_HW_TIME,
		.hw_sequence = le64_to_cpu(c->sequence),
		.hw_timestamp = le64_to_cpu(c->sample),
	};
	if (!vdig_ring_loss(ring, c, &result->dropped))
		result->flags |= NDMA_FRAME_ERROR;
	if (flags & (VDIG_FLAG_ERROR | VDIG_FLAG_DMA_FAULT | ~VDIG_FLAG_BITS) ||
	    le32_to_cpu(c->slot) != (ring->head & VDIG_RING_MASK) || samples > config->samples)
		result->flags |= NDMA_FRAME_ERROR;
	else
		result->bytes = (u64)samples * config->channels * config->format->itemsize;
	if (flags & VDIG_FLAG_OVERRUN)
		result->flags |= NDMA_FRAME_OVERFLOW;
	vdig_ring_date(vdig, le64_to_cpu(c->timestamp_ns), result);
	if (ndma_stream_control(vdig->stream, NDMA_CONTROL_TRIGGER) != VDIG_TRIGGER_FREE)
		result->flags |= NDMA_FRAME_TRIGGERED;
}

static bool vdig_ring_take_one(struct vdig *vdig)
{
	struct vdig_ring *ring = &vdig->ring;
	struct vdig_completion *at = &ring->completions[ring->taken & VDIG_RING_MASK], c;
	struct vdig_place *place = &ring->places[ring->head & VDIG_RING_MASK];
	struct ndma_frame_result result;

	if (le32_to_cpu(READ_ONCE(at->generation)) != 1 + (ring->taken >> VDIG_RING_LOG2))
		return false;
	/* Acquire: the rest of the completion, and the frame. Pairs with the card's release. */
	dma_rmb();
	/* Judge a copy: a card that lies may change the completion while it is judged. */
	c = *at;
	if (ring->head == ring->tail) {
		vdig_distrust(vdig, "it completed a frame that it was never given");
		return false;
	}
	ring->taken++;
	vdig_ring_judge(vdig, &c, &result);
	ring->head += place->descriptors;
	ndma_frame_complete(place->frame, &result);
	return true;
}

u32 vdig_ring_take(struct vdig *vdig, u32 limit)
{
	u32 taken = 0;

	while (taken < limit && vdig_ring_take_one(vdig))
		taken++;
	return taken;
}

void vdig_ring_return(struct vdig *vdig)
{
	struct vdig_ring *ring = &vdig->ring;

	if (ring->held)
		ndma_frame_return(ring->held);
	ring->held = NULL;
	while (ring->head != ring->tail) {
		struct vdig_place *place = &ring->places[ring->head & VDIG_RING_MASK];

		ring->head += place->descriptors;
		ndma_frame_return(place->frame);
	}
}
