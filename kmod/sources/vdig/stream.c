// SPDX-License-Identifier: GPL-2.0-only
/* What ndma calls, and what the card can do. */
#include <linux/interrupt.h>
#include <linux/math64.h>
#include <linux/module.h>

#include "ndma_wave.h"
#include "vdig.h"

#define ORDERS (NDMA_ORDER_PLANAR | NDMA_ORDER_INTERLEAVED)

static struct vdig *vdig_of(struct ndma_stream *stream)
{
	return ndma_source_priv(ndma_stream_source(stream));
}

static int vdig_setup(struct ndma_stream *stream)
{
	if (ndma_stream_config(stream)->frame_bytes < VDIG_FRAME_MIN)
		return -EINVAL;
	/* Only one stream at a time (streams_max): the rings are its. */
	return vdig_ring_create(vdig_of(stream));
}

static void vdig_teardown(struct ndma_stream *stream)
{
	vdig_ring_destroy(vdig_of(stream));
}

static void vdig_set_stream(struct vdig *vdig, struct ndma_stream *stream)
{
	spin_lock_irq(&vdig->lock);
	vdig->stream = stream;
	spin_unlock_irq(&vdig->lock);
}

static int vdig_start(struct ndma_stream *stream)
{
	struct vdig *vdig = vdig_of(stream);
	int ret;

	mutex_lock(&vdig->mutex);
	vdig_ring_reset(vdig);
	vdig_set_stream(vdig, stream);
	ret = vdig_card_start(vdig);
	if (ret) {
		vdig_set_stream(vdig, NULL);
		vdig_card_cut_off(vdig);
	} else {
		vdig_run(vdig);
	}
	/* The card was there when it was probed, so it has vanished, or its bus has an error. */
	if (ret == -ENODEV)
		vdig_miss(vdig);
	mutex_unlock(&vdig->mutex);
	return ret;
}

/* Frames that the card has finished are delivered. The others go back if it is quiet. */
static void vdig_stop(struct ndma_stream *stream)
{
	struct vdig *vdig = vdig_of(stream);
	int ret;

	mutex_lock(&vdig->mutex);
	vdig_halt(vdig);
	ret = vdig_card_stop(vdig);
	/*
	 * It is not known what the card does, so the rings must be out of its reach even if it has
	 * no frame.
	 */
	if (ret)
		vdig_card_cut_off(vdig);
	spin_lock_irq(&vdig->lock);
	vdig_ring_take(vdig, VDIG_RING_ENTRIES);
	if (!ret)
		vdig_ring_return(vdig);
	vdig->stream = NULL;
	spin_unlock_irq(&vdig->lock);
	mutex_unlock(&vdig->mutex);
}

/* vdig_stop() has cut the card off; only its last interrupt may still run. */
static void vdig_abort(struct ndma_stream *stream)
{
	struct vdig *vdig = vdig_of(stream);

	mutex_lock(&vdig->mutex);
	synchronize_irq(vdig->irq);
	spin_lock_irq(&vdig->lock);
	vdig_ring_return(vdig);
	spin_unlock_irq(&vdig->lock);
	mutex_unlock(&vdig->mutex);
}

static void vdig_queue(struct ndma_stream *stream)
{
	struct vdig *vdig = vdig_of(stream);
	unsigned long flags;

	spin_lock_irqsave(&vdig->lock, flags);
	vdig_ring_post(vdig);
	spin_unlock_irqrestore(&vdig->lock, flags);
}

/* The card reads its settings at the start, so only the button has to be told while it runs. */
static int vdig_control(struct ndma_stream *stream, u32 id, s64 value)
{
	struct vdig *vdig = vdig_of(stream);

	if (id != NDMA_CONTROL_TRIGGER_SOFTWARE)
		return 0;
	spin_lock_irq(&vdig->lock);
	if (vdig->running && vdig->stream == stream)
		vdig_card_command(vdig, VDIG_REG_TRIGGERS, ++vdig->triggers);
	spin_unlock_irq(&vdig->lock);
	return 0;
}

static struct ndma_rational vdig_rate(struct ndma_stream *stream)
{
	struct ndma_rational rate = { .num = 0, .den = 1 };

	if (ndma_stream_control(stream, VDIG_CONTROL_PACED))
		rate.num = ndma_stream_control(stream, NDMA_CONTROL_RATE);
	return rate;
}

static u64 vdig_bound(struct ndma_stream *stream)
{
	u64 frame_ns;

	if (ndma_stream_control(stream, NDMA_CONTROL_TRIGGER) != VDIG_TRIGGER_FREE ||
	    !ndma_stream_control(stream, VDIG_CONTROL_PACED))
		return 0;
	frame_ns = div64_u64(ndma_stream_config(stream)->samples * NSEC_PER_SEC,
			     ndma_stream_control(stream, NDMA_CONTROL_RATE));
	/* The first frame may be lost before the card has memory for it. */
	return 2 * frame_ns + VDIG_WAIT_MS * NSEC_PER_MSEC +
	       ndma_stream_control(stream, VDIG_CONTROL_IRQ_US) * NSEC_PER_USEC;
}

static const struct ndma_source_ops vdig_ops = {
	.setup = vdig_setup,
	.teardown = vdig_teardown,
	.start = vdig_start,
	.stop = vdig_stop,
	.abort = vdig_abort,
	.queue = vdig_queue,
	.control = vdig_control,
	.rate = vdig_rate,
	.bound = vdig_bound,
};

/* ---------------------------------------------------------------- what the card is */

/* Small letters are signed. The card's samples are little-endian, whatever the machine is. */
static const struct ndma_format_desc vdig_formats[] = {
	{ .format = "<h", .itemsize = 2, .bits = 16, .orders = ORDERS },
	{ .format = "<H", .itemsize = 2, .bits = 12, .orders = ORDERS },
	{ .format = "b", .itemsize = 1, .bits = 8, .orders = ORDERS },
	{ .format = "B", .itemsize = 1, .bits = 8, .orders = ORDERS },
};

#define CHANNEL(id)                                                                     \
	{                                                                               \
		.name = "in" #id, .unit = "V", .scale = { 1, 3200 }, .offset = { 0, 1 } \
	}

static const struct ndma_channel_desc vdig_channels[VDIG_CHANNELS_MAX] = {
	CHANNEL(0),  CHANNEL(1),  CHANNEL(2),  CHANNEL(3),  CHANNEL(4),  CHANNEL(5),
	CHANNEL(6),  CHANNEL(7),  CHANNEL(8),  CHANNEL(9),  CHANNEL(10), CHANNEL(11),
	CHANNEL(12), CHANNEL(13), CHANNEL(14), CHANNEL(15),
};

static const char *const vdig_patterns[NDMA_WAVE_PATTERNS] = { NDMA_WAVE_NAMES };

static const char *const vdig_triggers[] = {
	[VDIG_TRIGGER_FREE] = "free",
	[VDIG_TRIGGER_LEVEL] = "level",
	[VDIG_TRIGGER_EXTERNAL] = "external",
};

static const struct ndma_control_desc vdig_controls[] = {
	{
		.id = NDMA_CONTROL_RATE,
		.type = NDMA_CONTROL_INTEGER,
		.name = "rate",
		.unit = "Hz",
		.min = 1,
		.max = VDIG_RATE_MAX,
		.step = 1,
		.preset = 1000000,
	},
	{
		.id = NDMA_CONTROL_PATTERN,
		.type = NDMA_CONTROL_MENU,
		.name = "pattern",
		.max = NDMA_WAVE_PATTERNS - 1,
		.step = 1,
		.preset = NDMA_WAVE_SINE,
		.menu = vdig_patterns,
	},
	{
		.id = NDMA_CONTROL_FREQUENCY,
		.type = NDMA_CONTROL_INTEGER,
		.name = "frequency",
		.unit = "Hz",
		.max = VDIG_RATE_MAX / 2,
		.step = 1,
		.preset = 1000,
	},
	{
		.id = NDMA_CONTROL_AMPLITUDE,
		.type = NDMA_CONTROL_INTEGER,
		.name = "amplitude",
		.exponent = -3,
		.max = 1000,
		.step = 1,
		.preset = 1000,
	},
	{
		.id = NDMA_CONTROL_TRIGGER,
		.type = NDMA_CONTROL_MENU,
		.name = "trigger",
		.max = VDIG_TRIGGER_EXTERNAL,
		.step = 1,
		.preset = VDIG_TRIGGER_FREE,
		.menu = vdig_triggers,
	},
	{
		.id = NDMA_CONTROL_TRIGGER_LEVEL,
		.type = NDMA_CONTROL_INTEGER,
		.name = "trigger_level",
		.min = -32768,
		.max = 65535,
		.step = 1,
	},
	{
		.id = NDMA_CONTROL_TRIGGER_SOFTWARE,
		.type = NDMA_CONTROL_BUTTON,
		.name = "trigger_software",
		.live = true,
		.step = 1,
	},
	{
		.id = VDIG_CONTROL_PACED,
		.type = NDMA_CONTROL_BOOLEAN,
		.name = "paced",
		.max = 1,
		.step = 1,
		.preset = 1,
	},
	{
		.id = VDIG_CONTROL_IRQ_FRAMES,
		.type = NDMA_CONTROL_INTEGER,
		.name = "interrupt_frames",
		.min = 1,
		.max = VDIG_RING_ENTRIES,
		.step = 1,
		.preset = 16,
	},
	{
		.id = VDIG_CONTROL_IRQ_US,
		.type = NDMA_CONTROL_INTEGER,
		.name = "interrupt_delay",
		.unit = "s",
		.exponent = -6,
		.max = 1000000,
		.step = 1,
		.preset = 1000,
	},
};

const struct ndma_source_desc vdig_desc = {
	.name = "vdig",
	.owner = THIS_MODULE,
	.flags = NDMA_SOURCE_HW_TIME,
	.formats = vdig_formats,
	.nr_formats = ARRAY_SIZE(vdig_formats),
	.channels = vdig_channels,
	.nr_channels = ARRAY_SIZE(vdig_channels),
	.controls = vdig_controls,
	.nr_controls = ARRAY_SIZE(vdig_controls),
	.frames_min = 2,
	.frames_max = VDIG_RING_ENTRIES,
	.frame_bytes_max = VDIG_FRAME_MAX,
	.segments_max = VDIG_RING_ENTRIES,
	.streams_max = 1,
	.ops = &vdig_ops,
};
