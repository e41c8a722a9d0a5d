/* SPDX-License-Identifier: MIT */
/*
 * A scene: what one short use of the kernel's calls has open. Whatever happened on the way,
 * scene_close() leaves nothing of it, so that a scene can be cut off anywhere: by a failed
 * allocation (fail_nth), by a signal (kill), by a limit (limit).
 *
 * Functions return 0 or a positive value, else a negative errno.
 */
#ifndef NDMA_UAPI_SCENE_H
#define NDMA_UAPI_SCENE_H

#include "calls.h"
#include "fill.h"

#define SCENE_FDS	16
#define SCENE_MAPS	8
#define SCENE_FRAMES	4
/* More than any argument has, for who lets it have a tail. */
#define SCENE_ARGUMENT	2048

struct scene {
	const char *source_name;	/* "sim0" */
	int fds[SCENE_FDS];
	unsigned int nr_fds;
	struct {
		void *address;
		size_t bytes;
	} maps[SCENE_MAPS];
	unsigned int nr_maps;

	int heap;
	int buffer;
	size_t capacity;
	uint32_t lease;
	uint32_t transfer;

	int source;
	struct stream stream;

	struct ndma_holder holders[4];
	union {
		struct ndma_buffer_alloc alloc;
		struct ndma_stream_setup setup;
		uint32_t size;
		unsigned char bytes[SCENE_ARGUMENT];
	} argument;
};

void scene_init(struct scene *scene, const char *source_name);
void scene_close(struct scene *scene);

/* Takes over an fd, or an error in its place. */
int scene_keep(struct scene *scene, int fd);
int scene_map(struct scene *scene, int fd, uint64_t offset, size_t bytes, int protection,
	      void **address);

/* The heap: sets scene->heap, then scene->buffer; it is where the source reaches, if one is open. */
int scene_open_heap(struct scene *scene);
int scene_alloc(struct scene *scene, uint64_t bytes, uint32_t flags);
int scene_map_buffer(struct scene *scene, int protection, void **address);
int scene_lease(struct scene *scene, uint32_t access);
int scene_begin(struct scene *scene, uint32_t direction, uint32_t guard, uint32_t flags);
int scene_end(struct scene *scene);

/* A source: sets scene->source; then a stream of SCENE_FRAMES small frames, and its mappings. */
int scene_open_source(struct scene *scene);
int scene_setup(struct scene *scene, uint32_t policy, uint32_t guard);
int scene_map_stream(struct scene *scene);
int scene_start(struct scene *scene);
int scene_stop(struct scene *scene);
/* Waits for a completion, copies and takes it; the frame is the scene's. */
int scene_take(struct scene *scene, struct ndma_completion *completion);
/* Gives a frame back, and kicks if the kernel wants it. */
int scene_release(struct scene *scene, uint32_t index);
/* A fill of the scene's buffer, of 1000 samples. */
int scene_fill(struct scene *scene, uint32_t guard);

/*
 * A call of the list. First all that it takes to succeed is opened, as far as it is not open, and
 * scene->argument made; then it is called, and a new descriptor kept.
 */
int scene_prepare(struct scene *scene, const struct uapi_call *call);
int scene_call(struct scene *scene, const struct uapi_call *call);
/* The file on which it is called. */
int scene_file(const struct scene *scene, const struct uapi_call *call);
/* A 32-bit field of the argument. */
uint32_t scene_get(const struct scene *scene, const struct uapi_field *field);
void scene_put(struct scene *scene, const struct uapi_field *field, uint32_t value);

/* Bytes of buffer memory that this user holds, by what the kernel counts; or a negative errno. */
int64_t scene_used_bytes(void);
/* Waits, at most ten seconds, until that is `bytes` again. What it was last. */
int64_t scene_await_used(int64_t bytes);
/* Names in /dev/ndma but the heap's: fills at most `room`, returns how many there are. */
int scene_sources(char (*names)[NDMA_NAME_MAX], size_t room);

#endif /* NDMA_UAPI_SCENE_H */
