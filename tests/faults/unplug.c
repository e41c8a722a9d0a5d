// SPDX-License-Identifier: MIT
/*
 * unplug [ROUNDS [SEED]]: a card leaves at any moment of a stream's life, as the kernel does it by
 * sysfs and as a hand does it (QEMU's monitor), and comes back. The program that streams is told
 * by POLLHUP and ENODEV, keeps what it has mapped, and the next one streams again. Root.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "card.h"
#include "monitor.h"
#include "rounds.h"
#include "scenario.h"
#include "tap.h"

#define CARDS_MAX 4
/* The longest life of a stream before its card goes: some of edu's DMAs. */
#define LIFE_US_MAX 300000

/* A way to leave and a way to come back; both return 0 or a negative errno. */
struct way {
	const char *name;
	int (*leave)(const struct card *card);
	int (*come)(const struct card *card);
};

static int monitor = -1;

static int come_by_rescan(const struct card *card)
{
	(void)card;
	return card_rescan();
}

static int leave_by_hand(const struct card *card)
{
	(void)card;
	return monitor_unplug(monitor);
}

static int come_by_hand(const struct card *card)
{
	(void)card;
	return monitor_plug(monitor);
}

static const struct way ways[] = {
	{ "unbound and bound", card_unbind, card_bind },
	{ "removed and found again", card_remove, come_by_rescan },
	{ "pulled out and put in", leave_by_hand, come_by_hand },
};

/* How far the program has come when the card goes. */
enum stage { STAGE_OPEN, STAGE_SET_UP, STAGE_RUNNING, STAGES };

static const char *begin(struct scene *scene, const struct card *card, enum stage stage, char *name,
			 size_t room)
{
	int result;

	if (!card_source(card, name, room))
		return "the card has no source";
	scene_init(scene, name);
	result = scene_open_source(scene);
	if (result >= 0 && stage >= STAGE_SET_UP)
		result = scene_setup(scene, NDMA_POLICY_DROP, NDMA_GUARD_NONE);
	if (result >= 0 && stage >= STAGE_SET_UP)
		result = scene_map_stream(scene);
	if (result >= 0 && stage >= STAGE_RUNNING)
		result = scene_start(scene);
	if (result < 0)
		tap_note("stage %d: %s", stage, strerror(-result));
	return result < 0 ? "the stream does not begin" : NULL;
}

/* What a program sees of it, that was at this stage. */
static const char *what_is_seen(struct scene *scene, enum stage stage)
{
	struct pollfd poller = { .fd = scene->source, .events = POLLIN };
	struct ndma_stream_wait wait = { .size = sizeof(wait), .min = 1, .timeout_ns = -1 };
	struct ndma_source_info info = { .size = sizeof(info) };
	volatile const unsigned char *frames = scene->stream.data;
	unsigned int sum = 0;
	int result;

	if (call(scene->source, NDMA_SOURCE_INFO, &info) != -ENODEV)
		return "NDMA_SOURCE_INFO is not ENODEV";
	if (stage == STAGE_OPEN)
		return scene_setup(scene, 0, 0) == -ENODEV ? NULL : "setup is not ENODEV";
	if (poll(&poller, 1, 0) != 1 || !(poller.revents & POLLHUP))
		return "poll() does not say POLLHUP";
	result = call(scene->source, NDMA_STREAM_WAIT, &wait);
	if (result != -ENODEV && (result || !wait.ready))
		return "waiting is neither ENODEV nor frames";
	if (wait.state != NDMA_STREAM_GONE || scene->stream.completions->state != NDMA_STREAM_GONE)
		return "the state is not gone";
	if (scene_start(scene) != -ENODEV)
		return "start is not ENODEV";
	if (scene_stop(scene))
		return "stop fails";
	for (size_t i = 0; i < scene->stream.setup.data_bytes; i += 64)
		sum += frames[i];
	return sum == ~0u ? "unlikely" : NULL;
}

/* The next program's stream: one frame, or as much as the card does in ten seconds. */
static const char *stream_again(const struct card *card, char *name, size_t room)
{
	struct ndma_completion completion;
	struct scene scene;
	const char *wrong;
	int result;

	if (!card_await_source(card, true))
		return "the card does not come back";
	wrong = begin(&scene, card, STAGE_RUNNING, name, room);
	result = wrong ? 0 : scene_take(&scene, &completion);
	if (result < 0)
		tap_note("taking a frame: %s", strerror(-result));
	scene_close(&scene);
	return wrong ?: result < 0 ? "no frame comes from the card that came back" : NULL;
}

static const char *leaves_cleanly(const struct card *card, const struct way *way, enum stage stage)
{
	char name[NDMA_NAME_MAX];
	int64_t used_before = scene_used_bytes();
	const char *wrong;
	struct scene scene;
	int error;

	wrong = begin(&scene, card, stage, name, sizeof(name));
	if (!wrong && stage == STAGE_RUNNING)
		usleep(rounds_random(LIFE_US_MAX));
	error = wrong ? 0 : way->leave(card);
	if (error)
		tap_note("leaving: %s", strerror(-error));
	else if (!wrong && !card_await_source(card, false))
		wrong = "the node does not go";
	wrong = wrong ?: what_is_seen(&scene, stage);
	scene_close(&scene);
	error = error ?: way->come(card);
	if (error)
		tap_note("coming back: %s", strerror(-error));
	if (!wrong && error)
		wrong = "the card cannot be moved";
	wrong = wrong ?: stream_again(card, name, sizeof(name));
	if (!wrong && scene_await_used(used_before) != used_before)
		wrong = "memory was left behind";
	return wrong;
}

static void test(const struct card *card, const struct way *way, unsigned int rounds)
{
	const char *wrong = NULL;
	unsigned int round;
	char name[128];

	snprintf(name, sizeof(name), "%.31s can be %s while it streams", card->address, way->name);
	if (way->leave == leave_by_hand && monitor < 0) {
		tap_skip(name, "this guest has no " MONITOR_PATH);
		return;
	}
	for (round = 0; round < rounds && !wrong; round++)
		wrong = leaves_cleanly(card, way, round % STAGES);
	if (wrong)
		tap_note("round %u: %s", round, wrong);
	tap_result(!wrong, name);
}

int main(int argc, char **argv)
{
	unsigned int rounds = rounds_parse(argc, argv), way;
	struct card cards[CARDS_MAX];
	int nr_cards = card_list(cards, CARDS_MAX), i;

	monitor = monitor_open();
	if (!nr_cards)
		tap_skip("a card can leave while it streams", "this guest has no card");
	for (i = 0; i < nr_cards; i++) {
		for (way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
			/* The monitor is told of one card, and that is edu. */
			if (ways[way].leave != leave_by_hand ||
			    !strcmp(cards[i].driver, "ndma_edu"))
				test(&cards[i], &ways[way], rounds);
		}
	}
	return tap_end();
}
