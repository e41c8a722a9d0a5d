// SPDX-License-Identifier: MIT
#include "card.h"

#include <endian.h>
#include <string.h>

/* One step of work writes about this much, so that a register access never waits for long. */
#define STEP_BYTES (1u << 20)
#define STEP_FRAMES 256u
#define MILLISECOND 1000000ull
#define SECOND 1000000000ull

uint32_t card_reg(const struct card *card, uint32_t offset)
{
	return le32toh(__atomic_load_n(&card->regs[offset / 4], __ATOMIC_ACQUIRE));
}

void card_set_reg(struct card *card, uint32_t offset, uint32_t value)
{
	__atomic_store_n(&card->regs[offset / 4], htole32(value), __ATOMIC_RELEASE);
}

void card_set_status(struct card *card, uint32_t bits)
{
	card_set_reg(card, VDIG_REG_STATUS, card_reg(card, VDIG_REG_STATUS) | bits);
}

void card_raise(struct card *card)
{
	if (card->gone)
		return;
	if (card_fault_take(&card->faults, CARD_FAULT_IRQ_LOST, 0)) {
		card_log_line(&card->log, "interrupt lost=1");
		return;
	}
	card->interrupts++;
	card->bus.interrupt(card->bus.context);
}

static void announce(struct card *card)
{
	card->announce.completions = 0;
	card_raise(card);
}

/* Ends a run: nothing is written to memory any more once RUNNING is clear. */
static void end_run(struct card *card)
{
	if (!card->running)
		return;
	card->running = false;
	card->reset_ignored = false;
	card->frame.active = false;
	card->again = false;
	card_set_reg(card, VDIG_REG_LOST, (uint32_t)card->acquire.lost_total);
	card_log_line(&card->log, "stop completions=%u head=%u lost=%llu", card->ring.produced,
		      card->ring.head, (unsigned long long)card->acquire.lost_total);
	card_log_flush(&card->log);
	card_acquire_stop(&card->acquire);
	card_ring_close(card);
	card_set_reg(card, VDIG_REG_STATUS, card_reg(card, VDIG_REG_STATUS) & ~VDIG_STATUS_RUNNING);
}

void card_halt(struct card *card, uint32_t status)
{
	end_run(card);
	card->halted = true;
	card_set_status(card, status);
	card_log_line(&card->log, "halt status=%u", card_reg(card, VDIG_REG_STATUS));
	announce(card);
}

static void clear_settings(struct card *card)
{
	uint32_t offset;

	for (offset = VDIG_REG_STATUS; offset < VDIG_REG_SETTINGS_END; offset += 4)
		card_set_reg(card, offset, 0);
	card->halted = false;
}

void card_power_on(struct card *card)
{
	end_run(card);
	card->gone = false;
	memset(card->regs, 0, VDIG_REGS_BYTES);
	clear_settings(card);
	card_set_reg(card, VDIG_REG_ID, VDIG_ID);
	card_set_reg(card, VDIG_REG_VERSION, VDIG_VERSION);
	card_set_reg(card, VDIG_REG_CHANNELS_MAX, VDIG_CHANNELS_MAX);
	card_set_reg(card, VDIG_REG_RATE_MAX, VDIG_RATE_MAX);
	card_set_reg(card, VDIG_REG_FIFO_KIB, (uint32_t)(card->fifo_bytes / 1024));
	card_set_reg(card, VDIG_REG_DOORBELL, card->doorbell);
	card_log_line(&card->log, "power-on");
}

void card_end(struct card *card)
{
	card_log_line(&card->log, "end running=%d",
		      card->running && card->bus.mastering(card->bus.context));
	card_power_on(card);
}

void card_vanish(struct card *card)
{
	end_run(card);
	card->gone = true;
	memset(card->regs, 0xff, VDIG_REGS_BYTES);
	card_log_line(&card->log, "gone");
}

void card_close(struct card *card)
{
	end_run(card);
	card_log_flush(&card->log);
}

static void log_start(struct card *card)
{
	const struct card_settings *s = &card->settings;

	card_log_line(&card->log,
		      "start channels=%u samples=%u itemsize=%u interleaved=%d rate=%u trigger=%u "
		      "pattern=%d bits=%u signed=%u phase_step=%u amplitude=%u seed=%u",
		      s->channels, s->samples, s->itemsize, s->interleaved, s->rate, s->trigger,
		      (int)s->wave.pattern, s->wave.bits, s->wave.is_signed, s->wave.phase_step,
		      s->wave.amplitude, s->wave.seed);
}

static void begin_run(struct card *card, uint64_t now)
{
	char why[128];

	card_set_reg(card, VDIG_REG_STATUS, 0);
	card_set_reg(card, VDIG_REG_HEAD, 0);
	card_set_reg(card, VDIG_REG_PRODUCED, 0);
	card_set_reg(card, VDIG_REG_LOST, 0);
	if (!card_settings_read(card->regs, &card->settings, why, sizeof(why))) {
		if (!card_reg(card, VDIG_REG_RING_LOG2))
			card_checker_report(&card->checker, CARD_WRONG_USE_AFTER_RESET,
					    "RUN while the settings are those of a reset");
		else
			card_checker_report(&card->checker, CARD_WRONG_BAD_SETTING, "%s", why);
		card_halt(card, VDIG_STATUS_BAD_SETTING);
		return;
	}
	memcpy(card->latched, &card->regs[VDIG_REG_SETTINGS / 4], sizeof(card->latched));
	card->triggers = 0;
	card->lost_frames = 0;
	card->lost_samples = 0;
	card->lost_overrun = false;
	card->announce.completions = 0;
	if (!card_acquire_start(&card->acquire, &card->settings, card->fifo_bytes, now))
		goto no_memory;
	if (card_ring_open(card) < 0)
		goto no_ring;
	card->running = true;
	log_start(card);
	card_set_status(card, VDIG_STATUS_RUNNING);
	return;
no_ring:
	card_acquire_stop(&card->acquire);
no_memory:
	card_halt(card, VDIG_STATUS_RING_FAULT);
}

static void check_settings(struct card *card)
{
	if (!card->running ||
	    !memcmp(card->latched, &card->regs[VDIG_REG_SETTINGS / 4], sizeof(card->latched)))
		return;
	card_checker_report(&card->checker, CARD_WRONG_SETTING_CHANGED,
			    "a setting was written while the card was running");
	memcpy(card->latched, &card->regs[VDIG_REG_SETTINGS / 4], sizeof(card->latched));
}

/* Whether the driver may ask for work now; what is wrong is said here. */
static bool may_work(struct card *card, uint32_t ctrl, uint32_t tail)
{
	if (!(ctrl & VDIG_CTRL_RUN)) {
		if (tail && !card_reg(card, VDIG_REG_RING_LOG2))
			card_checker_report(&card->checker, CARD_WRONG_USE_AFTER_RESET,
					    "TAIL %u while the settings are those of a reset",
					    tail);
		return false;
	}
	if (!card->bus.mastering(card->bus.context))
		card_checker_report(&card->checker, CARD_WRONG_NO_BUS_MASTER,
				    "CTRL %#x, TAIL %u while bus mastering is off", ctrl, tail);
	return true;
}

/* What CTRL means to a card that does not listen: go on. */
static uint32_t hear_nothing(struct card *card, uint32_t ctrl)
{
	if (ctrl & VDIG_CTRL_RESET)
		card->reset_ignored = card->running;
	return card->running ? VDIG_CTRL_RUN : 0;
}

void card_notify(struct card *card, uint64_t now)
{
	uint32_t ctrl, tail, triggers;

	if (card->gone)
		return;
	ctrl = card_reg(card, VDIG_REG_CTRL);
	tail = card_reg(card, VDIG_REG_TAIL);
	triggers = card_reg(card, VDIG_REG_TRIGGERS);
	if (card->faults.armed[CARD_FAULT_DEAF].left)
		ctrl = hear_nothing(card, ctrl);
	if (card->reset_ignored)
		return;
	if (ctrl & VDIG_CTRL_RESET) {
		end_run(card);
		clear_settings(card);
		card_log_line(&card->log, "reset");
		return;
	}
	check_settings(card);
	if (!(ctrl & VDIG_CTRL_RUN)) {
		end_run(card);
		card->halted = false;
	}
	if (!may_work(card, ctrl, tail))
		return;
	if (!card->running && !card->halted)
		begin_run(card, now);
	if (!card->running)
		return;
	if (triggers != card->triggers) {
		card_acquire_trigger(&card->acquire, triggers - card->triggers, now);
		card->triggers = triggers;
	}
	if (card->bus.mastering(card->bus.context) && card_ring_post(card, tail) < 0)
		card_halt(card, VDIG_STATUS_RING_FAULT);
}

void card_trigger(struct card *card, uint32_t count, uint64_t now)
{
	if (card->running)
		card_acquire_trigger(&card->acquire, count, now);
}

/* A record that a fault eats: its loss goes to the next one that is delivered. */
static bool lose_record(struct card *card, const struct card_record *record)
{
	bool overrun = card_fault_take(&card->faults, CARD_FAULT_OVERRUN, record->sequence);

	if (!overrun && !card_fault_take(&card->faults, CARD_FAULT_DROP, record->sequence))
		return false;
	card->lost_frames += record->lost_frames + 1;
	card->lost_samples += record->lost_samples + card->settings.samples;
	card->lost_overrun |= overrun || record->overrun;
	card->acquire.lost_total++;
	card_log_line(&card->log, "lost sequence=%llu overrun=%d",
		      (unsigned long long)record->sequence, overrun);
	return true;
}

static bool next_record(struct card *card, uint64_t now)
{
	struct card_record *record = &card->frame.record;

	if (card->again) {
		card->again = false;
		return true;
	}
	do {
		if (!card_acquire_next(&card->acquire, now, record))
			return false;
	} while (lose_record(card, record));
	record->lost_frames += card->lost_frames;
	record->lost_samples += card->lost_samples;
	record->overrun |= card->lost_overrun;
	card->lost_frames = 0;
	card->lost_samples = 0;
	card->lost_overrun = false;
	return true;
}

static bool take(struct card *card, enum card_fault fault)
{
	return card_fault_take(&card->faults, fault, card->frame.record.sequence);
}

/* What the completion says; the faults that lie are last, so that the log has the truth. */
static void describe_frame(struct card *card, struct vdig_completion *c)
{
	const struct card_frame *f = &card->frame;
	const struct card_record *r = &f->record;
	uint32_t samples = f->unreachable ? 0 : f->samples, flags = 0;
	uint64_t time_ns = r->time_ns - card->acquire.start_ns, sequence = r->sequence;
	uint32_t slot = card->ring.head & card->ring.mask;

	if (samples < card->settings.samples)
		flags |= VDIG_FLAG_SHORT;
	if (r->overrun)
		flags |= VDIG_FLAG_OVERRUN;
	if (take(card, CARD_FAULT_ERROR))
		flags |= VDIG_FLAG_ERROR;
	if (f->unreachable)
		flags |= VDIG_FLAG_DMA_FAULT;
	if (take(card, CARD_FAULT_TIMESTAMP))
		time_ns -= SECOND;
	card_log_line(&card->log,
		      "frame sequence=%llu sample=%llu time=%llu samples=%u lost=%llu flags=%u "
		      "slot=%u corrupt=%lld",
		      (unsigned long long)r->sequence, (unsigned long long)r->sample,
		      (unsigned long long)time_ns, samples, (unsigned long long)r->lost_frames,
		      flags, slot, (long long)f->corrupt_at);
	if (take(card, CARD_FAULT_LIE_SAMPLES))
		samples = card->settings.samples * 2 + 1;
	if (take(card, CARD_FAULT_LIE_SEQUENCE))
		sequence -= 10;
	if (take(card, CARD_FAULT_LIE_SLOT))
		slot = 0xfffffff0;
	if (take(card, CARD_FAULT_LIE_FLAGS))
		flags = UINT32_MAX;
	*c = (struct vdig_completion){
		.sequence = htole64(sequence),
		.timestamp_ns = htole64(time_ns),
		.sample = htole64(r->sample),
		.lost_samples = htole64(r->lost_samples),
		.lost_frames = htole32(r->lost_frames < UINT32_MAX ? (uint32_t)r->lost_frames
								   : UINT32_MAX),
		.samples = htole32(samples),
		.slot = htole32(slot),
		.flags = htole32(flags),
	};
}

static int finish_frame(struct card *card, uint64_t now)
{
	struct card_frame *f = &card->frame;
	struct vdig_completion completion;

	describe_frame(card, &completion);
	if (card_ring_complete(card, &completion, f->descriptors) < 0)
		return -1;
	f->active = false;
	card->frames++;
	card->bytes += f->offset;
	if (f->unreachable)
		card_set_status(card, VDIG_STATUS_DMA_FAULT);
	if (f->record.overrun)
		card_set_status(card, VDIG_STATUS_OVERRUN);
	card_set_reg(card, VDIG_REG_LOST, (uint32_t)card->acquire.lost_total);
	f->record.lost_frames = 0;
	f->record.lost_samples = 0;
	f->record.overrun = false;
	card->again = take(card, CARD_FAULT_DUPLICATE);
	if (!card->announce.completions++)
		card->announce.first_ns = now;
	if (card->announce.completions >= card->settings.irq_frames || !card->settings.irq_ns)
		announce(card);
	return 1;
}

/* 1: frames were written; 0: there is nothing to do now; -1: the ring makes no sense. */
static int stream(struct card *card, uint64_t now)
{
	uint64_t stop = card->bytes + STEP_BYTES;
	uint32_t frames = 0, descriptors;
	int group;

	while (frames < STEP_FRAMES && card->bytes < stop) {
		if (!card->frame.active) {
			group = card_ring_group(card, &descriptors);
			if (group <= 0)
				return group;
			if (!next_record(card, now))
				return 0;
			card_frame_begin(card, descriptors);
		}
		if (!card_frame_write(card, STEP_BYTES))
			return 1;
		if (finish_frame(card, now) < 0)
			return -1;
		frames++;
	}
	return 1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * What a deaf card would do to memory that it had before a reset. Where a driver can take the bus from it,
 * and has not, or has given it back, that is the driver's mistake.
 */
static uint64_t work_after_reset(struct card *card)
{
	if (card->bus.gated && card->bus.mastering(card->bus.context))
		card_checker_report(
			&card->checker, CARD_WRONG_WROTE_AFTER_RESET,
			"bus mastering is on while a reset is not obeyed: descriptors of "
			"before are in use");
	return CARD_NEVER;
}

static uint64_t work_running(struct card *card, uint64_t now)
{
	uint64_t due = CARD_NEVER;
	uint32_t descriptors;
	int more;

	if (card->reset_ignored)
		return work_after_reset(card);
	card_acquire_advance(&card->acquire, now);
	if (card->acquire.lost_frames)
		card_set_status(card, VDIG_STATUS_OVERRUN);
	card_set_reg(card, VDIG_REG_LOST, (uint32_t)card->acquire.lost_total);
	if (now < card->faults.stall_until)
		return card->faults.stall_until;
	if (!card->bus.mastering(card->bus.context))
		return CARD_NEVER;
	more = stream(card, now);
	if (more < 0) {
		card_halt(card, VDIG_STATUS_RING_FAULT);
		return CARD_NEVER;
	}
	if (more)
		due = now;
	else if (card_ring_group(card, &descriptors) > 0)
		due = card_acquire_due(&card->acquire, now);
	if (card->announce.completions) {
		uint64_t deadline = card->announce.first_ns + card->settings.irq_ns;

		if (deadline <= now)
			announce(card);
		else
			due = earlier(due, deadline);
	}
	return due;
}

uint64_t card_work(struct card *card, uint64_t now)
{
	uint64_t due = CARD_NEVER;

	if (card->gone) {
		/* In shared memory the driver's writes would stick. */
		memset(card->regs, 0xff, VDIG_REGS_BYTES);
		return CARD_NEVER;
	}
	card_set_reg(card, VDIG_REG_TIME_MS, (uint32_t)(now / MILLISECOND));
	if (card->running)
		due = work_running(card, now);
	if (now < card->faults.storm_until) {
		card_raise(card);
		due = now;
	}
	return due;
}
