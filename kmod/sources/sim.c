// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated source: waveforms made by a kernel thread per stream. ndma_sim.h says what it can
 * do and which samples a frame holds; this file says when, and into which memory.
 *
 * It registers by ndma_source.h as a real card's driver does, so nothing above can tell the two
 * apart.
 */
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "ndma_sim.h"
#include "ndma_source.h"

/* Samples of a channel that are made before the thread looks again whether to stop. */
#define SLICE_SAMPLES	16384

/*
 * The size of the card's memory, as time: a frame that waits longer for the CPU is lost, as a real
 * card would lose it.
 */
#define FIFO_NS		(500 * NSEC_PER_MSEC)

/* What a byte of a frame takes on a slow machine. */
#define MAKE_NS		1000

/* A card that vanished is plugged in again after this. */
#define REPLUG_MS	500

#define INSTANCES_MAX	64

static unsigned int instances = 2;
module_param(instances, uint, 0444);
MODULE_PARM_DESC(instances, "how many simulated cards there are, 0 to 64 (default: 2)");

/**
 * struct ndma_sim - one simulated card
 * @lock: @source and @leaving
 * @source: while it is plugged in, else NULL
 * @leaving: the module is
 * @unplug: pulls it out
 * @plug: puts it back
 */
struct ndma_sim {
	struct mutex lock;
	struct ndma_source *source;
	bool leaving;
	struct work_struct unplug;
	struct delayed_work plug;
};

/**
 * struct ndma_sim_stream - a stream of it
 * @stream: the stream
 * @thread: fills its frames from start to stop, and is parked otherwise
 * @wake: where it sleeps
 * @poked: there is something new: a frame, a control, a press of the button
 * @presses: of the button, that the thread has not seen
 * @state: the thread's; start's while that is parked
 * @changed: a setting is not as it was for the last frame of this run; the thread's
 * @origin: CLOCK_MONOTONIC of sample 0, had the stream always run
 */
struct ndma_sim_stream {
	struct ndma_stream *stream;
	struct task_struct *thread;
	wait_queue_head_t wake;
	int poked;
	atomic_t presses;
	struct ndma_sim_state state;
	bool changed;
	u64 origin;
};

static const struct ndma_format_desc ndma_sim_formats[] = { NDMA_SIM_FORMATS };
static const struct ndma_channel_desc ndma_sim_channels[] = { NDMA_SIM_CHANNELS };
static const char *const ndma_sim_patterns[] = NDMA_SIM_PATTERN_MENU;
static const char *const ndma_sim_triggers[] = NDMA_SIM_TRIGGER_MENU;
static const struct ndma_control_desc ndma_sim_controls[] = {
	NDMA_SIM_CONTROLS(ndma_sim_patterns, ndma_sim_triggers)
};

static struct ndma_sim *ndma_sims;

/* The settings as they are now: controls may change while the stream runs. */
static void ndma_sim_read_settings(const struct ndma_stream *stream,
				   struct ndma_sim_settings *settings)
{
	const struct ndma_stream_config *config = ndma_stream_config(stream);
	const struct ndma_format_desc *format = config->format;

	/* Padding too: settings are compared as memory. */
	memset(settings, 0, sizeof(*settings));
	settings->samples = config->samples;
	settings->channels = config->channels;
	settings->order = config->order;
	settings->itemsize = format->itemsize;
	settings->bits = format->bits;
	settings->is_signed = format->format[strlen(format->format) - 1] >= 'a';
	settings->iq = !!(format->flags & NDMA_FORMAT_IQ);
	settings->rate = ndma_stream_control(stream, NDMA_CONTROL_RATE);
	settings->paced = ndma_stream_control(stream, NDMA_SIM_CONTROL_PACED);
	settings->pattern = ndma_stream_control(stream, NDMA_CONTROL_PATTERN);
	settings->frequency = ndma_stream_control(stream, NDMA_CONTROL_FREQUENCY);
	settings->amplitude = ndma_stream_control(stream, NDMA_CONTROL_AMPLITUDE);
	settings->trigger = ndma_stream_control(stream, NDMA_CONTROL_TRIGGER);
	settings->trigger_level = ndma_stream_control(stream, NDMA_CONTROL_TRIGGER_LEVEL);
	settings->fault_drop = ndma_stream_control(stream, NDMA_CONTROL_FAULT_DROP);
	settings->fault_short = ndma_stream_control(stream, NDMA_CONTROL_FAULT_SHORT);
	settings->fault_error = ndma_stream_control(stream, NDMA_CONTROL_FAULT_ERROR);
	settings->fault_stall = ndma_stream_control(stream, NDMA_CONTROL_FAULT_STALL);
	settings->fault_jitter = ndma_stream_control(stream, NDMA_CONTROL_FAULT_JITTER);
	settings->fault_vanish = ndma_stream_control(stream, NDMA_CONTROL_FAULT_VANISH);
}

static void ndma_sim_poke(struct ndma_sim_stream *sim)
{
	/*
	 * A full barrier between the poke and the wake-up: without it the thread could sleep on and
	 * miss the poke. Pairs with xchg() in ndma_sim_run().
	 */
	smp_store_mb(sim->poked, 1);
	wake_up(&sim->wake);
}

/* Has the run ended (park) or the stream (stop)? */
static bool ndma_sim_should_stop(void)
{
	return kthread_should_park() || kthread_should_stop();
}

static void ndma_sim_sleep(struct ndma_sim_stream *sim)
{
	wait_event_idle(sim->wake, READ_ONCE(sim->poked) || ndma_sim_should_stop());
}

/* Sleeps until @time_ns. False: the run has ended before. */
static bool ndma_sim_sleep_until(struct ndma_sim_stream *sim, u64 time_ns)
{
	s64 left = time_ns - ktime_get_ns();

	if (left > 0)
		wait_event_interruptible_hrtimeout(sim->wake, ndma_sim_should_stop(),
						   ns_to_ktime(left));
	return !ndma_sim_should_stop();
}

/* Makes the samples of a frame. False: the run has ended meanwhile, and the frame went back. */
static bool ndma_sim_fill_frame(const struct ndma_sim_settings *settings,
				struct ndma_frame *frame, const struct ndma_sim_frame *plan)
{
	u64 at;

	if (settings->pattern == NDMA_SIM_PATTERN_OFF)
		return true;
	for (at = 0; at < plan->samples; at += SLICE_SAMPLES) {
		if (ndma_sim_should_stop()) {
			ndma_frame_return(frame);
			return false;
		}
		ndma_sim_fill(settings, ndma_frame_vaddr(frame), plan->first, at,
			      min_t(u64, SLICE_SAMPLES, plan->samples - at));
		cond_resched();
	}
	return true;
}

static void ndma_sim_complete(struct ndma_sim_stream *sim, struct ndma_frame *frame,
			      const struct ndma_sim_settings *settings,
			      const struct ndma_sim_frame *plan)
{
	struct ndma_frame_result result = {
		.bytes = plan->bytes,
		.flags = plan->flags | NDMA_FRAME_SAMPLE_START,
		.hw_timestamp = plan->first,
		.hw_sequence = plan->sequence,
		.trigger = plan->trigger,
		.sample_start = plan->first,
	};

	if (sim->changed)
		result.flags |= NDMA_FRAME_SETTINGS;
	sim->changed = false;
	if (plan->flags & NDMA_FRAME_TIME_START)
		result.timestamp_ns = sim->origin + ndma_sim_time_ns(settings, plan->first);
	ndma_frame_complete(frame, &result);
}

/* When the last sample of a planned frame would be there. */
static u64 ndma_sim_due(const struct ndma_sim_stream *sim,
			const struct ndma_sim_settings *settings,
			const struct ndma_sim_frame *plan)
{
	if (settings->trigger == NDMA_SIM_TRIGGER_SOFTWARE)
		return ktime_get_ns() + ndma_sim_time_ns(settings, settings->samples);
	return sim->origin + ndma_sim_time_ns(settings, plan->first + settings->samples);
}

/* Makes a frame at its time, or loses it: the clock of the samples waits for nobody. */
static void ndma_sim_make_paced(struct ndma_sim_stream *sim,
				const struct ndma_sim_settings *settings,
				const struct ndma_sim_frame *plan)
{
	u64 due = ndma_sim_due(sim, settings, plan);
	struct ndma_frame *frame = NULL;

	if (!ndma_sim_sleep_until(sim, due + plan->late_ns))
		return;
	if (!plan->lost && ktime_get_ns() < due + plan->late_ns + FIFO_NS)
		frame = ndma_stream_next_frame(sim->stream);
	if (!frame)
		ndma_stream_lost(sim->stream, 1);
	else if (ndma_sim_fill_frame(settings, frame, plan))
		ndma_sim_complete(sim, frame, settings, plan);
}

/* Plans and makes one frame; returns false where there is nothing to do until something is new. */
static bool ndma_sim_step(struct ndma_sim_stream *sim, const struct ndma_sim_settings *settings,
			  struct ndma_frame *frame)
{
	struct ndma_sim *card = ndma_source_priv(ndma_stream_source(sim->stream));
	struct ndma_sim_frame plan;
	enum ndma_sim_step step;

	sim->state.presses += atomic_xchg(&sim->presses, 0);
	step = ndma_sim_next(settings, &sim->state, &plan);
	if (step == NDMA_SIM_FRAME && settings->paced) {
		ndma_sim_make_paced(sim, settings, &plan);
		return true;
	}
	if (step == NDMA_SIM_FRAME && !plan.lost) {
		if (ndma_sim_fill_frame(settings, frame, &plan))
			ndma_sim_complete(sim, frame, settings, &plan);
		return true;
	}
	if (frame)
		ndma_frame_return(frame);
	if (step == NDMA_SIM_FRAME)
		ndma_stream_lost(sim->stream, 1);
	else if (step == NDMA_SIM_SEARCHING && settings->paced)
		ndma_sim_sleep_until(sim, sim->origin +
				     ndma_sim_time_ns(settings, sim->state.position));
	else if (step == NDMA_SIM_SEARCHING)
		schedule_timeout_interruptible(1);
	else if (step == NDMA_SIM_VANISHED)
		schedule_work(&card->unplug);
	return step == NDMA_SIM_FRAME || step == NDMA_SIM_SEARCHING;
}

/* Takes in controls that were set. What woke the thread may have been something else. */
static void ndma_sim_update(struct ndma_sim_stream *sim, struct ndma_sim_settings *settings)
{
	struct ndma_sim_settings now;

	ndma_sim_read_settings(sim->stream, &now);
	if (!memcmp(&now, settings, sizeof(now)))
		return;
	*settings = now;
	sim->changed = true;
}

static int ndma_sim_run(void *data)
{
	struct ndma_sim_stream *sim = data;
	struct ndma_sim_settings settings;

	ndma_sim_read_settings(sim->stream, &settings);
	while (!kthread_should_stop()) {
		struct ndma_frame *frame = NULL;

		if (kthread_should_park()) {
			kthread_parkme();
			ndma_sim_read_settings(sim->stream, &settings);
			sim->changed = false;
			continue;
		}
		/*
		 * Forget the poke before looking for what is new: a poke that comes later is seen
		 * in the next round. Pairs with smp_store_mb() in ndma_sim_poke().
		 */
		if (READ_ONCE(sim->poked) && xchg(&sim->poked, 0))
			ndma_sim_update(sim, &settings);
		if (!settings.paced)
			frame = ndma_stream_next_frame(sim->stream);
		if ((!settings.paced && !frame) || !ndma_sim_step(sim, &settings, frame))
			ndma_sim_sleep(sim);
		cond_resched();
	}
	return 0;
}

/* ---------------------------------------------------------------- operations */

/*
 * The thread is made at setup and parked, because a start under a fill's fence must not wait for
 * memory.
 */
static int ndma_sim_setup(struct ndma_stream *stream)
{
	struct ndma_sim_stream *sim = kzalloc(sizeof(*sim), GFP_KERNEL_ACCOUNT);

	if (!sim)
		return -ENOMEM;
	sim->stream = stream;
	init_waitqueue_head(&sim->wake);
	sim->thread = kthread_create(ndma_sim_run, sim, "ndma_%s",
				     ndma_source_name(ndma_stream_source(stream)));
	if (IS_ERR(sim->thread)) {
		int ret = PTR_ERR(sim->thread);

		kfree(sim);
		return ret;
	}
	kthread_park(sim->thread);
	ndma_stream_set_priv(stream, sim);
	return 0;
}

static void ndma_sim_teardown(struct ndma_stream *stream)
{
	struct ndma_sim_stream *sim = ndma_stream_priv(stream);

	kthread_stop(sim->thread);
	kfree(sim);
	ndma_stream_set_priv(stream, NULL);
}

static int ndma_sim_start(struct ndma_stream *stream)
{
	struct ndma_sim_stream *sim = ndma_stream_priv(stream);
	struct ndma_sim_settings settings;

	ndma_sim_read_settings(stream, &settings);
	sim->state.started = 0;
	sim->origin = ktime_get_ns() - ndma_sim_time_ns(&settings, sim->state.position);
	kthread_unpark(sim->thread);
	return 0;
}

static void ndma_sim_stop(struct ndma_stream *stream)
{
	struct ndma_sim_stream *sim = ndma_stream_priv(stream);

	/* A parked thread holds no frame. */
	kthread_park(sim->thread);
}

static void ndma_sim_queue(struct ndma_stream *stream)
{
	ndma_sim_poke(ndma_stream_priv(stream));
}

static int ndma_sim_control(struct ndma_stream *stream, u32 id, s64 value)
{
	struct ndma_sim_stream *sim = ndma_stream_priv(stream);

	if (!sim)
		return 0;
	/* Else it would be a frame of a run that has another trigger now, and this one later. */
	if (id == NDMA_CONTROL_TRIGGER_SOFTWARE &&
	    ndma_stream_control(stream, NDMA_CONTROL_TRIGGER) == NDMA_SIM_TRIGGER_SOFTWARE)
		atomic_inc(&sim->presses);
	ndma_sim_poke(sim);
	return 0;
}

/* A frame is due with its last sample, and is made within FIFO_NS and the time that its bytes take. */
static u64 ndma_sim_bound(struct ndma_stream *stream)
{
	u64 made = FIFO_NS + ndma_stream_config(stream)->frame_bytes * MAKE_NS;
	struct ndma_sim_settings settings;

	ndma_sim_read_settings(stream, &settings);
	if (settings.trigger != NDMA_SIM_TRIGGER_FREE || settings.fault_drop ||
	    settings.fault_stall || settings.fault_vanish)
		return 0;
	if (!settings.paced)
		return made;
	return made + ndma_sim_time_ns(&settings, settings.samples) +
	       settings.fault_jitter * NSEC_PER_USEC;
}

static const struct ndma_source_ops ndma_sim_ops = {
	.setup = ndma_sim_setup,
	.teardown = ndma_sim_teardown,
	.start = ndma_sim_start,
	.stop = ndma_sim_stop,
	.queue = ndma_sim_queue,
	.control = ndma_sim_control,
	.bound = ndma_sim_bound,
};

static const struct ndma_source_desc ndma_sim_desc = {
	.name = "sim",
	.owner = THIS_MODULE,
	.flags = NDMA_SOURCE_SOFTWARE | NDMA_SOURCE_HW_TIME,
	.formats = ndma_sim_formats,
	.nr_formats = ARRAY_SIZE(ndma_sim_formats),
	.channels = ndma_sim_channels,
	.nr_channels = ARRAY_SIZE(ndma_sim_channels),
	.controls = ndma_sim_controls,
	.nr_controls = ARRAY_SIZE(ndma_sim_controls),
	.frames_min = NDMA_SIM_FRAMES_MIN,
	.frames_max = NDMA_SIM_FRAMES_MAX,
	.frame_bytes_max = NDMA_SIM_FRAME_BYTES_MAX,
	.samples_step = NDMA_SIM_SAMPLES_STEP,
	.ops = &ndma_sim_ops,
};

/* ---------------------------------------------------------------- instances */

/*
 * Under card->lock: a program that opens the node at once may make the card vanish before
 * card->source is set.
 */
static int ndma_sim_register(struct ndma_sim *card)
{
	struct ndma_source *source = ndma_source_register(&ndma_sim_desc, card);

	if (IS_ERR(source))
		return PTR_ERR(source);
	card->source = source;
	return 0;
}

static void ndma_sim_unplug(struct work_struct *work)
{
	struct ndma_sim *card = container_of(work, struct ndma_sim, unplug);

	mutex_lock(&card->lock);
	ndma_source_unregister(card->source);
	card->source = NULL;
	if (!card->leaving)
		schedule_delayed_work(&card->plug, msecs_to_jiffies(REPLUG_MS));
	mutex_unlock(&card->lock);
}

static void ndma_sim_plug(struct work_struct *work)
{
	struct ndma_sim *card = container_of(work, struct ndma_sim, plug.work);

	mutex_lock(&card->lock);
	if (!card->leaving && !card->source && ndma_sim_register(card))
		pr_err("ndma_sim: the card that vanished cannot be registered again\n");
	mutex_unlock(&card->lock);
}

static void ndma_sim_leave(struct ndma_sim *card)
{
	struct ndma_source *source;

	mutex_lock(&card->lock);
	card->leaving = true;
	source = card->source;
	card->source = NULL;
	mutex_unlock(&card->lock);
	/* The threads end first, because they start the work that is cancelled next. */
	ndma_source_unregister(source);
	cancel_work_sync(&card->unplug);
	cancel_delayed_work_sync(&card->plug);
}

static int __init ndma_sim_init(void)
{
	unsigned int i;
	int ret = 0;

	if (instances > INSTANCES_MAX) {
		pr_err("ndma_sim: instances=%u, expected 0 to %u\n", instances, INSTANCES_MAX);
		return -EINVAL;
	}
	ndma_sims = kcalloc(instances, sizeof(*ndma_sims), GFP_KERNEL);
	if (!ndma_sims)
		return -ENOMEM;
	for (i = 0; i < instances; i++) {
		mutex_init(&ndma_sims[i].lock);
		INIT_WORK(&ndma_sims[i].unplug, ndma_sim_unplug);
		INIT_DELAYED_WORK(&ndma_sims[i].plug, ndma_sim_plug);
		mutex_lock(&ndma_sims[i].lock);
		ret = ndma_sim_register(&ndma_sims[i]);
		mutex_unlock(&ndma_sims[i].lock);
		if (ret)
			goto leave;
	}
	return 0;

leave:
	while (i--)
		ndma_sim_leave(&ndma_sims[i]);
	kfree(ndma_sims);
	return ret;
}

static void __exit ndma_sim_exit(void)
{
	unsigned int i;

	for (i = 0; i < instances; i++)
		ndma_sim_leave(&ndma_sims[i]);
	kfree(ndma_sims);
}

module_init(ndma_sim_init);
module_exit(ndma_sim_exit);
MODULE_DESCRIPTION("Simulated acquisition cards for ndma");
MODULE_AUTHOR("The ndma authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
