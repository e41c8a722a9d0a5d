// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for QEMU's `edu` card, written to be read beside ndma_source.h and to be copied.
 *
 * The card
 * --------
 * PCI 1234:11e8. It has 4,096 bytes of memory and one DMA engine that copies between them and the
 * machine's memory, one piece at a time, in about 100 ms, and then interrupts. It is no
 * digitizer: nothing comes in from outside. So for every frame this driver first writes a pattern
 * to the card's memory, by DMA to the card, and then has the card write it to the frame, by DMA
 * from the card: what arrives went over the bus twice and can be checked to the byte
 * (ndma_edu.h).
 *
 * What a driver has to do
 * -----------------------
 *   1. Describe the card in a struct ndma_source_desc, and register it in probe.
 *   2. start: ask for a frame, give its addresses to the card.
 *   3. interrupt: say that the frame is done, ask for the next one.
 *   4. queue: the same, after there was no free frame.
 *   5. stop: return when the card does not touch memory any more.
 * Nothing here knows of user space, memory, rings, lost frames, or who holds what.
 *
 * The rule that matters most
 * --------------------------
 * A frame that next_frame gave out belongs to the card until it is completed or returned, and its
 * memory is not freed before that. So a driver must know whether its card still writes. This one
 * knows: edu->busy is set when the engine is started, and cleared by its interrupt or, when the
 * card does not answer, by taking the bus from it (edu_abort()).
 */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "ndma_edu.h"
#include "ndma_source.h"

#define EDU_VENDOR		0x1234
#define EDU_DEVICE		0x11e8

/* Registers in BAR 0; those from 0x80 on take 64-bit accesses. */
#define EDU_ID			0x00	/* version << 16 | 0xed */
#define EDU_LIVENESS		0x04	/* reads as the complement of what was written */
#define EDU_IRQ_STATUS		0x24	/* why it interrupts */
#define EDU_IRQ_ACK		0x64	/* clears bits of it */
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_BYTES		0x90
#define EDU_DMA_COMMAND		0x98

#define EDU_ID_MASK		0xff
#define EDU_ID_VALUE		0xed

#define EDU_IRQ_DMA		0x100

#define EDU_COMMAND_RUN		0x1	/* stays set until the copy is done */
#define EDU_COMMAND_FROM_CARD	0x2	/* else: to the card */
#define EDU_COMMAND_IRQ		0x4	/* interrupt when done */

/* Where the DMA engine sees the card's own memory. */
#define EDU_MEMORY		0x40000

/* The engine takes 100 ms: twice that is a bound, and a card that takes ten times as long has died. */
#define EDU_COPY_MS		200
#define EDU_TIMEOUT_MS		1000

/*
 * How far the card can count is its own business, and the kernel cannot find out: 28 bits as QEMU
 * makes it, more with -device edu,dma_mask=…
 */
static unsigned int dma_bits = 28;
module_param(dma_bits, uint, 0444);
MODULE_PARM_DESC(dma_bits, "address bits that the card masters (default: 28, as QEMU's has)");

/*
 * The address counter of many engines wraps at a power of two, and what goes on behind it lands in
 * somebody else's memory. This one's does not; with this parameter the driver holds ndma to it.
 */
static unsigned long boundary;
module_param(boundary, ulong, 0444);
MODULE_PARM_DESC(boundary, "bytes, a power of two, that no DMA segment crosses (default: 0, 4 GiB)");

/**
 * struct edu - one card
 * @pdev: the PCI function
 * @regs: BAR 0
 * @irq: asked for in time: pci_irq_vector() takes a mutex that others allocate memory under
 * @source: what it is registered as
 * @pattern: a frame's pattern, on its way to the card
 * @pattern_dma: its address for the card
 * @lock: all below; taken in the interrupt
 * @idle: where stop waits for the engine
 * @stream: the stream that runs, or NULL
 * @frame: what is being filled, or NULL
 * @sg: the segment of it that is next
 * @sg_done: bytes of that segment that are filled
 * @done: bytes of the frame that are filled
 * @chunk: bytes that the engine copies to the frame at this moment; 0: the pattern to the card
 * @busy: the engine runs
 * @sequence: frames since setup
 *
 * A card with descriptors would have a list of frames here (ndma_frame_list()) in place of one.
 */
struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	int irq;
	struct ndma_source *source;
	u8 *pattern;
	dma_addr_t pattern_dma;

	spinlock_t lock;
	wait_queue_head_t idle;
	struct ndma_stream *stream;
	struct ndma_frame *frame;
	struct scatterlist *sg;
	u32 sg_done;
	u64 done;
	u32 chunk;
	bool busy;
	u64 sequence;
};

static struct edu *edu_of(struct ndma_stream *stream)
{
	return ndma_source_priv(ndma_stream_source(stream));
}

/* ---------------------------------------------------------------- the engine; under edu->lock */

static void edu_copy(struct edu *edu, u64 source, u64 target, u32 bytes, u64 command)
{
	edu->busy = true;
	writeq(source, edu->regs + EDU_DMA_SOURCE);
	writeq(target, edu->regs + EDU_DMA_TARGET);
	writeq(bytes, edu->regs + EDU_DMA_BYTES);
	/*
	 * The last one sets it off. writeq() orders it behind the writes to edu->pattern, so the
	 * card finds there what the CPU has written: no barrier of our own is needed.
	 */
	writeq(command | EDU_COMMAND_RUN | EDU_COMMAND_IRQ, edu->regs + EDU_DMA_COMMAND);
}

/* First step of a frame: its pattern goes to the card. */
static void edu_load_pattern(struct edu *edu)
{
	u32 i;

	for (i = 0; i < NDMA_EDU_CHUNK; i++)
		edu->pattern[i] = ndma_edu_byte(edu->sequence, i);
	edu->chunk = 0;
	edu_copy(edu, edu->pattern_dma, EDU_MEMORY, NDMA_EDU_CHUNK, 0);
}

/*
 * Further steps: as much as goes at once, to where the frame goes on.
 *
 * A frame is a list of DMA segments, mapped once and for all when the stream was set up. The
 * driver never sees pages, and never maps or syncs anything.
 */
static void edu_fill_on(struct edu *edu)
{
	u64 left = ndma_frame_bytes(edu->frame) - edu->done;
	u32 card = edu->done % NDMA_EDU_CHUNK;
	u32 bytes = min3(sg_dma_len(edu->sg) - edu->sg_done, NDMA_EDU_CHUNK - card,
			 (u32)min_t(u64, left, NDMA_EDU_CHUNK));

	edu->chunk = bytes;
	edu_copy(edu, EDU_MEMORY + card, sg_dma_address(edu->sg) + edu->sg_done, bytes,
		 EDU_COMMAND_FROM_CARD);
}

/*
 * Begin the next frame, if there is one. If there is none, ndma has noted that this driver waits,
 * and calls edu_queue() when user space has given one back.
 *
 * Nothing is lost meanwhile, because this card makes nothing by itself. One that does would say
 * how many frames went by: ndma_stream_lost(), or .dropped of the next frame.
 */
static void edu_begin_frame(struct edu *edu)
{
	unsigned int nents;

	edu->frame = ndma_stream_next_frame(edu->stream);
	if (!edu->frame)
		return;
	edu->sg = ndma_frame_sgl(edu->frame, &nents);
	edu->sg_done = 0;
	edu->done = 0;
	edu_load_pattern(edu);
}

/* Would an engine that wraps at the boundary have left one of the frame's segments? */
static bool edu_would_wrap(struct ndma_frame *frame)
{
	struct scatterlist *list, *sg;
	unsigned int nents, i;

	list = ndma_frame_sgl(frame, &nents);
	for_each_sg(list, sg, nents, i)
		if (boundary && (sg_dma_address(sg) & (boundary - 1)) + sg_dma_len(sg) > boundary)
			return true;
	return false;
}

static void edu_end_frame(struct edu *edu)
{
	const struct ndma_frame_result result = {
		.bytes = edu->done,
		.flags = NDMA_FRAME_HW_SEQUENCE |
			 (edu_would_wrap(edu->frame) ? NDMA_FRAME_ERROR : 0),
		.hw_sequence = edu->sequence++,
	};
	struct ndma_frame *frame = edu->frame;

	/* From here on the frame is user space's. Time is taken by ndma, where none is given. */
	edu->frame = NULL;
	ndma_frame_complete(frame, &result);
}

static void edu_engine_done(struct edu *edu)
{
	edu->busy = false;
	if (!edu->stream) {
		/* edu_stop() waits for this; the frame is its to give back. */
		wake_up(&edu->idle);
		return;
	}
	edu->done += edu->chunk;
	edu->sg_done += edu->chunk;
	if (edu->done == ndma_frame_bytes(edu->frame)) {
		edu_end_frame(edu);
		edu_begin_frame(edu);
		return;
	}
	if (edu->sg_done == sg_dma_len(edu->sg)) {
		edu->sg = sg_next(edu->sg);
		edu->sg_done = 0;
	}
	edu_fill_on(edu);
}

/*
 * The interrupt. ndma_frame_complete() and ndma_stream_next_frame() are made to be called here:
 * they do not sleep, and user space is woken from here without a thread in between.
 */
static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_IRQ_STATUS);

	/* All ones: the card was pulled out, and nobody answers. */
	if (!status || status == U32_MAX)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_IRQ_ACK);
	if (!(status & EDU_IRQ_DMA))
		return IRQ_HANDLED;

	spin_lock(&edu->lock);
	/* Believe the engine, not the interrupt: one that was late must not end the next copy. */
	if (edu->busy && !(readq(edu->regs + EDU_DMA_COMMAND) & EDU_COMMAND_RUN))
		edu_engine_done(edu);
	spin_unlock(&edu->lock);
	return IRQ_HANDLED;
}

/* ---------------------------------------------------------------- what ndma calls */

static int edu_setup(struct ndma_stream *stream)
{
	/* Only one stream at a time (streams_max), and it does not run: no lock. */
	edu_of(stream)->sequence = 0;
	return 0;
}

static int edu_start(struct ndma_stream *stream)
{
	struct edu *edu = edu_of(stream);
	u64 command;
	int ret;

	/*
	 * After an abort the engine may still be at a copy that cannot reach memory now, and must
	 * not when it can: the bus comes back only when the engine is done.
	 */
	ret = read_poll_timeout(readq, command, !(command & EDU_COMMAND_RUN), 1000,
				EDU_TIMEOUT_MS * 1000, false, edu->regs + EDU_DMA_COMMAND);
	if (ret)
		return pci_device_is_present(edu->pdev) ? ret : -ENODEV;
	writel(U32_MAX, edu->regs + EDU_IRQ_ACK);
	pci_set_master(edu->pdev);

	spin_lock_irq(&edu->lock);
	edu->stream = stream;
	edu_begin_frame(edu);
	spin_unlock_irq(&edu->lock);
	return 0;
}

/* Nothing is on its way: the frame in hand goes back as it is. That is no loss. */
static void edu_return_frame(struct edu *edu)
{
	if (edu->frame)
		ndma_frame_return(edu->frame);
	edu->frame = NULL;
}

static bool edu_is_idle(struct edu *edu)
{
	bool idle;

	spin_lock_irq(&edu->lock);
	idle = !edu->busy;
	if (idle)
		edu_return_frame(edu);
	spin_unlock_irq(&edu->lock);
	return idle;
}

/*
 * Stop, and return when the card is quiet. This engine cannot be stopped, but it is done soon.
 *
 * The wait must have an end. Where it is reached, or the card is gone, the frame is not given
 * back: ndma sees that the card still has it, and calls edu_abort().
 */
static void edu_stop(struct ndma_stream *stream)
{
	struct edu *edu = edu_of(stream);

	spin_lock_irq(&edu->lock);
	edu->stream = NULL;
	spin_unlock_irq(&edu->lock);
	if (pci_device_is_present(edu->pdev))
		wait_event_timeout(edu->idle, edu_is_idle(edu),
				   msecs_to_jiffies(EDU_TIMEOUT_MS));
	else
		edu_is_idle(edu);
}

/*
 * The last resort: without the bus the card reaches no memory, whatever it does. This also keeps
 * it from interrupting, because a message-signalled interrupt is a write to memory.
 */
static void edu_abort(struct ndma_stream *stream)
{
	struct edu *edu = edu_of(stream);

	pci_clear_master(edu->pdev);
	synchronize_irq(edu->irq);
	spin_lock_irq(&edu->lock);
	edu->busy = false;
	edu_return_frame(edu);
	spin_unlock_irq(&edu->lock);
}

/* Frames are free again. Called in any context, and perhaps while the engine is at work. */
static void edu_queue(struct ndma_stream *stream)
{
	struct edu *edu = edu_of(stream);
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	if (edu->stream && !edu->frame)
		edu_begin_frame(edu);
	spin_unlock_irqrestore(&edu->lock, flags);
}

/*
 * How long a frame takes at most. A card that waits for a trigger cannot say, and answers 0. While one
 * that can say fills a user's buffer, other drivers may wait for it (a fence).
 */
static u64 edu_bound(struct ndma_stream *stream)
{
	/* The pattern's way to the card, and as many back as the frame has pieces. */
	u64 copies = 1 + DIV_ROUND_UP_ULL(ndma_stream_config(stream)->frame_bytes, NDMA_EDU_CHUNK);

	return copies * EDU_COPY_MS * NSEC_PER_MSEC;
}

static const struct ndma_source_ops edu_ops = {
	.setup = edu_setup,
	.start = edu_start,
	.stop = edu_stop,
	.abort = edu_abort,
	.queue = edu_queue,
	.bound = edu_bound,
};

/* ---------------------------------------------------------------- what the card is */

static const struct ndma_format_desc edu_formats[] = {
	{ .format = "B", .itemsize = 1, .bits = 8, .orders = NDMA_ORDER_PLANAR },
};

static const struct ndma_channel_desc edu_channels[] = {
	{ .name = "pattern", .unit = "", .scale = { 1, 1 }, .offset = { 0, 1 } },
};

/* Per card, because of .dev: it must stay as it is until the source is unregistered. */
static const struct ndma_source_desc edu_desc = {
	.name = "edu",
	.owner = THIS_MODULE,
	.formats = edu_formats,
	.nr_formats = ARRAY_SIZE(edu_formats),
	.channels = edu_channels,
	.nr_channels = ARRAY_SIZE(edu_channels),
	.frames_min = 2,
	.frames_max = 64,
	.frame_bytes_max = 1 << 20,
	.streams_max = 1,
	.ops = &edu_ops,
};

/* ---------------------------------------------------------------- coming and going */

/* Is this card what it says, and alive? */
static int edu_check(struct edu *edu)
{
	u32 id = readl(edu->regs + EDU_ID), answer;

	if ((id & EDU_ID_MASK) != EDU_ID_VALUE) {
		dev_err(&edu->pdev->dev, "identification is 0x%08x, expected 0x……ed\n", id);
		return -ENODEV;
	}
	writel(id, edu->regs + EDU_LIVENESS);
	answer = readl(edu->regs + EDU_LIVENESS);
	if (answer != ~id) {
		dev_err(&edu->pdev->dev, "it answers 0x%08x, expected 0x%08x: it is not alive\n",
			answer, ~id);
		return -ENODEV;
	}
	return 0;
}

static int edu_map_registers(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;
	int ret = pci_request_region(pdev, 0, "ndma_edu");

	if (ret)
		return ret;
	edu->regs = pci_iomap(pdev, 0, 0);
	if (!edu->regs) {
		ret = -ENOMEM;
		goto release_region;
	}
	ret = edu_check(edu);
	if (ret)
		goto unmap;
	return 0;

unmap:
	pci_iounmap(pdev, edu->regs);
release_region:
	pci_release_region(pdev, 0);
	return ret;
}

/*
 * What the card reaches. It must be said before registration: ndma allocates streams' memory where
 * the mask reaches, in pieces that are no longer than a segment may be, or refuses.
 */
static int edu_set_reach(struct edu *edu)
{
	struct device *dev = &edu->pdev->dev;
	int ret;

	if (dma_bits < 24 || dma_bits > 64) {
		dev_err(dev, "dma_bits=%u, expected 24 to 64\n", dma_bits);
		return -EINVAL;
	}
	if (boundary && !is_power_of_2(boundary)) {
		dev_err(dev, "boundary=%lu, expected a power of two, or 0\n", boundary);
		return -EINVAL;
	}
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(dma_bits));
	if (ret) {
		dev_err(dev, "this machine has no memory within %u address bits\n", dma_bits);
		return ret;
	}
	/* The card counts bytes in 64 bits. PCI's default of 64 KiB is only a default. */
	dma_set_max_seg_size(dev, UINT_MAX);
	/* PCI's own is set too: what another driver of the card has said stays with the device. */
	dma_set_seg_boundary(dev, boundary ? boundary - 1 : DMA_BIT_MASK(32));

	/* Memory of the driver's own, for the card alone: coherent, and gone with the driver. */
	edu->pattern = dma_alloc_coherent(dev, NDMA_EDU_CHUNK, &edu->pattern_dma, GFP_KERNEL);
	return edu->pattern ? 0 : -ENOMEM;
}

static int edu_set_interrupt(struct edu *edu)
{
	int ret = pci_alloc_irq_vectors(edu->pdev, 1, 1, PCI_IRQ_MSI);

	if (ret < 0)
		return ret;
	edu->irq = pci_irq_vector(edu->pdev, 0);
	ret = request_irq(edu->irq, edu_interrupt, 0, "ndma_edu", edu);
	if (ret)
		pci_free_irq_vectors(edu->pdev);
	return ret;
}

static struct ndma_source *edu_register(struct edu *edu)
{
	struct ndma_source_desc *desc;

	desc = devm_kmemdup(&edu->pdev->dev, &edu_desc, sizeof(edu_desc), GFP_KERNEL);
	if (!desc)
		return ERR_PTR(-ENOMEM);
	desc->dev = &edu->pdev->dev;
	return ndma_source_register(desc, edu);
}

/* Last comes the registration: user space may be there before it returns. */
static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	int ret;

	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	spin_lock_init(&edu->lock);
	init_waitqueue_head(&edu->idle);
	pci_set_drvdata(pdev, edu);

	ret = pci_enable_device(pdev);
	if (ret)
		return ret;
	ret = edu_map_registers(edu);
	if (ret)
		goto disable;
	ret = edu_set_reach(edu);
	if (ret)
		goto unmap;
	ret = edu_set_interrupt(edu);
	if (ret)
		goto free_pattern;
	edu->source = edu_register(edu);
	if (IS_ERR(edu->source)) {
		ret = PTR_ERR(edu->source);
		goto free_interrupt;
	}
	return 0;

free_interrupt:
	free_irq(edu->irq, edu);
	pci_free_irq_vectors(pdev);
free_pattern:
	dma_free_coherent(&pdev->dev, NDMA_EDU_CHUNK, edu->pattern, edu->pattern_dma);
unmap:
	pci_iounmap(pdev, edu->regs);
	pci_release_region(pdev, 0);
disable:
	pci_disable_device(pdev);
	return ret;
}

/*
 * The card is leaving, or the driver is, perhaps in the middle of a frame. First the source goes:
 * when that returns, streams are stopped, nothing is mapped for the card, no operation of this
 * driver runs or will, and whoever has a stream open keeps the data. Then the rest, backwards.
 */
static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	ndma_source_unregister(edu->source);
	pci_clear_master(pdev);
	free_irq(edu->irq, edu);
	pci_free_irq_vectors(pdev);
	dma_free_coherent(&pdev->dev, NDMA_EDU_CHUNK, edu->pattern, edu->pattern_dma);
	pci_iounmap(pdev, edu->regs);
	pci_release_region(pdev, 0);
	pci_disable_device(pdev);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "ndma_edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);
MODULE_DESCRIPTION("ndma source for QEMU's edu card");
MODULE_AUTHOR("The ndma authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
