// SPDX-License-Identifier: MIT
/*
 * fork [ROUNDS [SEED]]: storms of children that inherit a running stream and a buffer in transfer,
 * and do with them whatever comes to their mind, while the parent goes on taking frames. The
 * parent loses nothing by it, and nothing is left when all are gone.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounds.h"
#include "scenario.h"
#include "tap.h"

#define CHILDREN 16
#define FRAMES_PER_CHILD 4

struct family {
	struct scene heap;
	struct scene stream;
	unsigned char *memory;
	uint64_t next_sequence;
};

static void child_touches_the_buffer(struct family *family)
{
	family->memory[rounds_random(family->heap.capacity)]++;
}

static void child_maps_it_again(struct family *family)
{
	void *address;

	scene_map_buffer(&family->heap, PROT_READ | PROT_WRITE, &address);
	scene_map(&family->stream, family->stream.source, NDMA_MMAP_FRAMES,
		  family->stream.stream.setup.data_bytes, PROT_READ, &address);
}

static void child_unmaps_and_closes(struct family *family)
{
	scene_close(&family->heap);
	scene_close(&family->stream);
}

static void child_opens_its_own(struct family *family)
{
	struct scene scene;

	(void)family;
	scene_init(&scene, NULL);
	if (scene_open_heap(&scene) >= 0)
		scene_alloc(&scene, 1 << 20, 0);
}

static void child_forks_again(struct family *family)
{
	if (!fork())
		child_touches_the_buffer(family);
}

/* VM_DONTCOPY: in the child there is nothing at the rings' addresses. */
static void child_has_no_ring(struct family *family)
{
	signal(SIGSEGV, SIG_DFL);
	family->stream.stream.releases->tail++;
	/* Not reached; this status says that it was. */
	_exit(3);
}

static void (*const deeds[])(struct family *family) = {
	child_touches_the_buffer, child_maps_it_again, child_unmaps_and_closes,
	child_opens_its_own,      child_forks_again,   child_has_no_ring,
};

static const char *family_begin(struct family *family)
{
	void *memory;

	scene_init(&family->heap, NULL);
	scene_init(&family->stream, "sim0");
	family->next_sequence = 0;
	if (scene_open_heap(&family->heap) < 0 || scene_alloc(&family->heap, 4 << 20, 0) < 0 ||
	    scene_map_buffer(&family->heap, PROT_READ | PROT_WRITE, &memory) ||
	    scene_begin(&family->heap, NDMA_FROM_DEVICE, NDMA_GUARD_NONE, 0))
		return "no buffer in transfer";
	family->memory = memory;
	if (scene_open_source(&family->stream) < 0 ||
	    scene_setup(&family->stream, NDMA_POLICY_DROP, NDMA_GUARD_NONE) ||
	    scene_map_stream(&family->stream) || scene_start(&family->stream))
		return "no stream";
	return NULL;
}

static const char *take_frames(struct family *family)
{
	struct ndma_completion completion;
	int i;

	for (i = 0; i < FRAMES_PER_CHILD; i++) {
		if (scene_take(&family->stream, &completion) < 0)
			return "the parent gets no more frames";
		if (completion.sequence != family->next_sequence + completion.dropped)
			return "the parent's sequence has a gap";
		family->next_sequence = completion.sequence + 1;
		if (scene_release(&family->stream, completion.index) < 0)
			return "the parent cannot release";
	}
	return NULL;
}

static const char *storm(struct family *family)
{
	const char *wrong = NULL;
	int i, status;

	for (i = 0; i < CHILDREN; i++) {
		uint32_t deed = rounds_random(sizeof(deeds) / sizeof(deeds[0]));

		if (!fork()) {
			deeds[deed](family);
			_exit(0);
		}
		wrong = wrong ?: take_frames(family);
	}
	while (waitpid(-1, &status, 0) > 0)
		if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
			wrong = "a child can write to the parent's ring";
	return wrong ?: take_frames(family);
}

static const char *round_of(void)
{
	struct ndma_stream_stats stats;
	struct family family;
	const char *wrong = family_begin(&family);

	wrong = wrong ?: storm(&family);
	if (!wrong && scene_end(&family.heap))
		wrong = "the parent's transfer did not last";
	stats = stream_stats(family.stream.source);
	if (!wrong && (stats.bad_releases || stats.bad_taken))
		wrong = "a child has written to the parent's rings";
	scene_close(&family.heap);
	scene_close(&family.stream);
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned int rounds = rounds_parse(argc, argv), round;
	int64_t used_before = scene_used_bytes();
	const char *wrong = NULL;

	for (round = 0; round < rounds && !wrong; round++) {
		fflush(stdout);
		wrong = round_of();
		if (!wrong && scene_await_used(used_before) != used_before)
			wrong = "memory was left behind";
	}
	if (wrong)
		tap_note("round %u: %s", round, wrong);
	tap_result(!wrong, "a parent loses nothing by storms of children");
	return tap_end();
}
