// SPDX-License-Identifier: GPL-2.0-only
/*
 * The card's registers. Reading one can take 100 µs, so for each frame only TAIL is touched, and
 * that is written.
 */
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/ktime.h>

#include "ndma_wave.h"
#include "vdig.h"

/* Between two looks at a register that is to change. */
#define POLL_US 100

int vdig_card_check(struct vdig *vdig)
{
	return readl(vdig->regs + VDIG_REG_ID) == VDIG_ID ? 0 : -ENODEV;
}

/*
 * A PCI function hears of a write to its registers. The process behind ivshmem does not, so it is
 * told by the doorbell.
 */
void vdig_card_command(struct vdig *vdig, u32 reg, u32 value)
{
	writel(value, vdig->regs + reg);
	if (vdig->doorbell)
		writel(vdig->doorbell_value, vdig->doorbell);
}

/* The reason why the card did not do as told: -ENODEV if it is gone, else @ret. */
static int vdig_card_blame(struct vdig *vdig, int ret)
{
	return vdig_card_check(vdig) ?: ret;
}

int vdig_card_reset(struct vdig *vdig)
{
	u32 ctrl;
	int ret;

	vdig_card_command(vdig, VDIG_REG_CTRL, VDIG_CTRL_RESET);
	ret = read_poll_timeout(readl, ctrl, !ctrl || ctrl == U32_MAX, POLL_US,
				VDIG_WAIT_MS * USEC_PER_MSEC, false, vdig->regs + VDIG_REG_CTRL);
	if (!ret && !ctrl)
		return 0;
	ret = vdig_card_blame(vdig, -ETIMEDOUT);
	if (ret != -ENODEV)
		dev_err_ratelimited(&vdig->pdev->dev, "it does not obey a reset: CTRL is 0x%08x\n",
				    ctrl);
	return ret;
}

static void vdig_card_set_address(struct vdig *vdig, u32 reg, dma_addr_t address)
{
	writel(lower_32_bits(address), vdig->regs + reg);
	writel(upper_32_bits(address), vdig->regs + reg + 4);
}

static void vdig_card_set_wave(struct vdig *vdig)
{
	struct ndma_stream *stream = vdig->stream;
	u32 rate = ndma_stream_control(stream, NDMA_CONTROL_RATE);
	u32 frequency = ndma_stream_control(stream, NDMA_CONTROL_FREQUENCY);
	u32 amplitude = ndma_stream_control(stream, NDMA_CONTROL_AMPLITUDE);

	writel(ndma_stream_control(stream, NDMA_CONTROL_PATTERN), vdig->regs + VDIG_REG_PATTERN);
	writel(ndma_wave_phase_step(frequency, rate), vdig->regs + VDIG_REG_PHASE_STEP);
	writel(amplitude * NDMA_WAVE_FULL_SCALE / 1000, vdig->regs + VDIG_REG_AMPLITUDE);
	writel(0, vdig->regs + VDIG_REG_SEED);
}

static void vdig_card_set(struct vdig *vdig)
{
	struct ndma_stream *stream = vdig->stream;
	const struct ndma_stream_config *config = ndma_stream_config(stream);
	u32 format = config->format->bits, rate = 0;

	if (config->format->format[strlen(config->format->format) - 1] >= 'a')
		format |= VDIG_FORMAT_SIGNED;
	if (config->order == NDMA_ORDER_INTERLEAVED)
		format |= VDIG_FORMAT_INTERLEAVED;
	if (ndma_stream_control(stream, VDIG_CONTROL_PACED))
		rate = ndma_stream_control(stream, NDMA_CONTROL_RATE);

	vdig_card_set_address(vdig, VDIG_REG_RING_LO, vdig->ring.descriptors_dma);
	vdig_card_set_address(vdig, VDIG_REG_COMPLETIONS_LO, vdig->ring.completions_dma);
	writel(VDIG_RING_LOG2, vdig->regs + VDIG_REG_RING_LOG2);
	writel(config->channels, vdig->regs + VDIG_REG_CHANNELS);
	writel(config->samples, vdig->regs + VDIG_REG_SAMPLES);
	writel(format, vdig->regs + VDIG_REG_FORMAT);
	writel(rate, vdig->regs + VDIG_REG_RATE);
	writel(ndma_stream_control(stream, NDMA_CONTROL_TRIGGER), vdig->regs + VDIG_REG_TRIGGER);
	writel(ndma_stream_control(stream, NDMA_CONTROL_TRIGGER_LEVEL),
	       vdig->regs + VDIG_REG_LEVEL);
	writel(ndma_stream_control(stream, VDIG_CONTROL_IRQ_FRAMES),
	       vdig->regs + VDIG_REG_IRQ_FRAMES);
	writel(ndma_stream_control(stream, VDIG_CONTROL_IRQ_US), vdig->regs + VDIG_REG_IRQ_US);
	vdig_card_set_wave(vdig);
}

int vdig_card_start(struct vdig *vdig)
{
	u32 status;
	int ret = vdig_card_check(vdig);

	if (ret)
		return ret;
	/*
	 * A stop that failed has left descriptors of memory that is somebody else's by now: the card gets
	 * the bus when it has forgotten them, and not before.
	 */
	ret = vdig_card_reset(vdig);
	if (ret)
		return ret;
	pci_set_master(vdig->pdev);
	vdig_card_set(vdig);
	/*
	 * The card's clock begins within microseconds of the write that follows; its own start
	 * cannot be read more exactly.
	 */
	vdig->start_ns = ktime_get_ns();
	vdig_card_command(vdig, VDIG_REG_CTRL, VDIG_CTRL_RUN);
	ret = read_poll_timeout(readl, status, status, POLL_US, VDIG_WAIT_MS * USEC_PER_MSEC, false,
				vdig->regs + VDIG_REG_STATUS);
	if (ret)
		return vdig_card_blame(vdig, ret);
	if ((status & ~VDIG_STATUS_OVERRUN) == VDIG_STATUS_RUNNING)
		return 0;
	ret = vdig_card_blame(vdig, -EIO);
	if (ret == -EIO)
		dev_err(&vdig->pdev->dev, "it does not start: status 0x%08x\n", status);
	return ret;
}

int vdig_card_stop(struct vdig *vdig)
{
	u32 status;
	int ret;

	vdig_card_command(vdig, VDIG_REG_CTRL, 0);
	ret = read_poll_timeout(readl, status, !(status & VDIG_STATUS_RUNNING) || status == U32_MAX,
				POLL_US, VDIG_WAIT_MS * USEC_PER_MSEC, false,
				vdig->regs + VDIG_REG_STATUS);
	if (!ret && status & ~VDIG_STATUS_BITS)
		ret = -EIO;
	return ret ? vdig_card_blame(vdig, ret) : 0;
}

/*
 * Without the bus a PCI function reaches no memory. The process behind ivshmem reaches it anyway;
 * it is reset, and obeys before it writes again if it still lives.
 */
void vdig_card_cut_off(struct vdig *vdig)
{
	pci_clear_master(vdig->pdev);
	if (!vdig_card_check(vdig))
		vdig_card_reset(vdig);
}
