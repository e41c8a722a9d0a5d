// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of the list with every argument that is not one: a clean errno, and nothing changed.
 */
#include "test.h"
#include "uapi/scene.h"

#define TAIL 64
#define RANDOM_ROUNDS 200

FIXTURE(uapi)
{
	struct scene scene;
	int heap;
	int next;
	int64_t used;
};

FIXTURE_SETUP(uapi)
{
	scene_init(&self->scene, "sim0");
	self->heap = heap_open();
	ASSERT_GE(self->heap, 0);
	self->used = scene_used_bytes();
	self->next = file_next();
}

FIXTURE_TEARDOWN(uapi)
{
	scene_close(&self->scene);
	EXPECT_EQ(self->next, file_next());
	EXPECT_EQ(self->used, scene_await_used(self->used));
	close(self->heap);
}

/* A scene in which the call succeeds with the argument that is there, once. */
static void prepare(struct __test_metadata *_metadata, struct _test_data_uapi *self,
		    const struct uapi_call *row)
{
	scene_close(&self->scene);
	/* What a fill had goes a moment later, and is no change that the next call makes. */
	ASSERT_EQ(self->used, scene_await_used(self->used));
	ASSERT_GE(scene_prepare(&self->scene, row), 0)
		TH_LOG("%s", row->name);
}

/* What a call could change. */
struct state {
	struct ndma_buffer_info buffer;
	struct ndma_stream_stats stream;
	uint64_t used;
	uint64_t next;
};

static struct state state_of(const struct scene *scene)
{
	struct state state;

	memset(&state, 0, sizeof(state));
	if (scene->heap >= 0)
		state.used = heap_info(scene->heap).used_bytes;
	if (scene->buffer >= 0)
		state.buffer = buffer_info(scene->heap, scene->buffer);
	/* One that runs changes by itself. */
	if (scene->stream.fd >= 0 && !scene->stream.data)
		state.stream = stream_stats(scene->stream.fd);
	state.next = file_next();
	return state;
}

/* Calls with the argument as it is; complains unless it fails with @error and changes nothing. */
static void expect(struct __test_metadata *_metadata, struct _test_data_uapi *self,
		   const struct uapi_call *row, int error, const char *what)
{
	struct scene *scene = &self->scene;
	struct state before = state_of(scene), after;
	int ret = scene_call(scene, row);

	EXPECT_EQ(ret < 0 ? ret : 0, error)
		TH_LOG("%s, %s", row->name, what);
	if (ret >= 0)
		return;
	after = state_of(scene);
	/* A fill that is prepared for may end at any time. */
	if (row->on == UAPI_FILL)
		after.buffer = before.buffer;
	EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0)
		TH_LOG("%s, %s: something changed", row->name, what);
}

TEST_F(uapi, every_call_works_with_its_own_argument)
{
	const struct uapi_call *row;

	FOR_EACH_CALL(row) {
		prepare(_metadata, self, row);
		expect(_metadata, self, row, 0, "as it is");
	}
}

TEST_F_TIMEOUT(uapi, a_short_argument_is_refused, 300)
{
	const struct uapi_call *row;
	uint32_t size;

	FOR_EACH_CALL(row) {
		for (size = 0; size < row->first; size += 3) {
			prepare(_metadata, self, row);
			self->scene.argument.size = size;
			expect(_metadata, self, row, -EINVAL, "short");
		}
	}
}

TEST_F(uapi, an_argument_of_the_first_version_is_accepted)
{
	const struct uapi_call *row;

	FOR_EACH_CALL(row) {
		prepare(_metadata, self, row);
		self->scene.argument.size = row->first;
		memset(self->scene.argument.bytes + row->first, 0xa5, row->bytes - row->first);
		expect(_metadata, self, row, 0, "of the first version");
	}
}

TEST_F(uapi, a_longer_argument_with_a_zero_tail_is_accepted)
{
	const struct uapi_call *row;

	FOR_EACH_CALL(row) {
		prepare(_metadata, self, row);
		self->scene.argument.size = row->bytes + TAIL;
		expect(_metadata, self, row, 0, "longer");
	}
}

TEST_F(uapi, a_tail_that_is_not_zero_is_refused)
{
	const struct uapi_call *row;

	FOR_EACH_CALL(row) {
		prepare(_metadata, self, row);
		self->scene.argument.size = row->bytes + TAIL;
		self->scene.argument.bytes[row->bytes + TAIL - 1] = 1;
		expect(_metadata, self, row, -E2BIG, "non-zero tail");
	}
}

TEST_F(uapi, an_absurdly_long_argument_is_refused)
{
	const uint32_t sizes[] = { 4097, 1 << 30, UINT32_MAX };
	const struct uapi_call *row;
	size_t i;

	FOR_EACH_CALL(row) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			prepare(_metadata, self, row);
			self->scene.argument.size = sizes[i];
			expect(_metadata, self, row, -E2BIG, "absurdly long");
		}
	}
}

TEST_F(uapi, an_output_goes_no_further_than_the_size)
{
	const struct uapi_call *row;
	uint32_t i;

	FOR_EACH_CALL(row) {
		prepare(_metadata, self, row);
		memset(self->scene.argument.bytes + row->bytes, 0xa5, TAIL);
		expect(_metadata, self, row, 0, "with something behind it");
		for (i = 0; i < TAIL; i++)
			ASSERT_EQ(self->scene.argument.bytes[row->bytes + i], 0xa5);
	}
}

TEST_F(uapi, an_argument_that_cannot_be_read_is_refused)
{
	unsigned char *page = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct uapi_call *row;
	unsigned char *last;
	int fd;

	ASSERT_NE(page, MAP_FAILED);
	/* Not unmapped: a stream could be mapped there. */
	ASSERT_EQ(mprotect(page + PAGE_BYTES, PAGE_BYTES, PROT_NONE), 0);
	FOR_EACH_CALL(row) {
		prepare(_metadata, self, row);
		fd = scene_file(&self->scene, row);
		EXPECT_EQ(call(fd, row->number, NULL), -EFAULT)
			TH_LOG("%s", row->name);
		/* All but the last four bytes. */
		last = page + PAGE_BYTES - row->bytes + 4;
		memcpy(last, &row->bytes, sizeof(row->bytes));
		EXPECT_EQ(call(fd, row->number, last), -EFAULT)
			TH_LOG("%s", row->name);
	}
}

/* Whatever it is that the caller would have got. */
static bool makes_something(const struct uapi_call *row)
{
	return uapi_field_of(row, UAPI_NEW_FD) || uapi_field_of(row, UAPI_NEW_LEASE) ||
	       uapi_field_of(row, UAPI_NEW_TRANSFER);
}

TEST_F(uapi, an_answer_that_cannot_be_written_leaves_nothing_behind)
{
	unsigned char *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scene *scene = &self->scene;
	struct ndma_buffer_info info;
	const struct uapi_call *row;
	int next, exported = 0;

	ASSERT_NE(page, MAP_FAILED);
	FOR_EACH_CALL(row) {
		if (!makes_something(row))
			continue;
		prepare(_metadata, self, row);
		next = file_next();
		ASSERT_EQ(mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE), 0);
		memcpy(page, &scene->argument, row->bytes);
		ASSERT_EQ(mprotect(page, PAGE_BYTES, PROT_READ), 0);
		EXPECT_EQ(call(scene_file(scene, row), row->number, page), -EFAULT)
			TH_LOG("%s", row->name);
		EXPECT_EQ(next, file_next());
		if (row->on == UAPI_HEAP) {
			info = buffer_info(scene->heap, scene->buffer);
			EXPECT_EQ(info.owner, NDMA_OWNER_CPU);
			EXPECT_EQ(info.own_leases, 0);
		} else {
			EXPECT_EQ(stream_stats(scene->source).exported_frames, 0);
			exported++;
		}
	}
	EXPECT_EQ(exported, 1);
}

/* Sets each bit that is not known, of each field of that role. */
static void expect_bits(struct __test_metadata *_metadata, struct _test_data_uapi *self,
			const struct uapi_call *row, enum uapi_role role, int step)
{
	const struct uapi_field *field;
	int bit;

	FOR_EACH_FIELD(field, row) {
		for (bit = 0; field->role == role && bit < 32; bit += step) {
			if (field->known & 1U << bit)
				continue;
			prepare(_metadata, self, row);
			scene_put(&self->scene, field, 1U << bit);
			expect(_metadata, self, row, -EINVAL, field->name);
		}
	}
}

TEST_F(uapi, a_field_that_must_be_zero_and_is_not_is_refused)
{
	const struct uapi_call *row;

	FOR_EACH_CALL(row)
		expect_bits(_metadata, self, row, UAPI_ZERO, row->on == UAPI_HEAP ? 1 : 3);
}

TEST_F(uapi, an_unknown_flag_is_refused)
{
	const struct uapi_call *row;

	FOR_EACH_CALL(row)
		expect_bits(_metadata, self, row, UAPI_FLAGS, 1);
}

/* Whether it is one of the errors that <linux/ndma.h> lists. */
static bool errno_is_listed(int error)
{
	static const int listed[] = { EINVAL, E2BIG, ENOTTY, EBADF, EBUSY, EAGAIN, ETIMEDOUT,
				      EOVERFLOW, ERANGE, EPERM, EACCES, ENODEV, EOPNOTSUPP,
				      EOWNERDEAD, ECANCELED, EIO, ESTALE, EDQUOT, EMFILE, ENOMEM,
				      EFAULT, ESHUTDOWN };
	size_t i;

	for (i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
		if (error == listed[i])
			return true;
	return false;
}

static uint32_t random_word(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 32;
}

/* Random bytes over all of an argument but its size, or over one word of it. */
static void scramble(struct scene *scene, const struct uapi_call *row, uint64_t *state)
{
	const struct uapi_field *field = uapi_field_of(row, UAPI_BUFFER);
	uint32_t *words = (uint32_t *)scene->argument.bytes;
	uint32_t nr = row->bytes / sizeof(*words), i;

	if (random_word(state) & 1) {
		words[1 + random_word(state) % (nr - 1)] = random_word(state);
	} else {
		for (i = 1; i < nr; i++)
			words[i] = random_word(state);
	}
	if (field && random_word(state) & 1)
		scene_put(scene, field, scene->buffer);
}

/* Some gigabytes take their time, and are no part of what random bytes are about. */
static uint64_t little_or_absurd(uint64_t bytes)
{
	return bytes < 1 << 20 ? bytes : bytes | 1ULL << 62;
}

TEST_F_TIMEOUT(uapi, random_bytes_get_an_answer_that_is_listed, 600)
{
	uint64_t state = 0x9e3779b97f4a7c15;
	struct scene *scene = &self->scene;
	const struct uapi_call *row;
	int round, ret;

	FOR_EACH_CALL(row) {
		for (round = 0; round < RANDOM_ROUNDS; round++) {
			prepare(_metadata, self, row);
			scramble(scene, row, &state);
			if (row->number == NDMA_BUFFER_ALLOC)
				scene->argument.alloc.bytes =
					little_or_absurd(scene->argument.alloc.bytes);
			if (row->number == NDMA_STREAM_SETUP)
				scene->argument.setup.samples =
					little_or_absurd(scene->argument.setup.samples);
			ret = scene_call(scene, row);
			ASSERT_TRUE(ret >= 0 || errno_is_listed(-ret))
				TH_LOG("%s, round %d: %d", row->name, round, ret);
		}
	}
}

TEST_F(uapi, a_descriptor_that_is_no_buffer_is_refused)
{
	int fds[] = { -1, 1000000, INT32_MIN, self->heap, -1, -1 };
	const struct uapi_field *field;
	const struct uapi_call *row;
	size_t i;

	fds[4] = open("/dev/null", O_RDWR);
	fds[5] = memfd_create("not a buffer", 0);
	FOR_EACH_CALL(row) {
		field = uapi_field_of(row, UAPI_BUFFER);
		for (i = 0; field && i < sizeof(fds) / sizeof(fds[0]); i++) {
			prepare(_metadata, self, row);
			scene_put(&self->scene, field, fds[i]);
			expect(_metadata, self, row, -EBADF, "no buffer");
		}
	}
	close(fds[5]);
	close(fds[4]);
}

/* A call that has no row is a call that no test knows. */
TEST_F(uapi, a_number_that_is_not_in_the_list_is_no_call)
{
	int source = source_open("sim0"), heap = self->heap, nr;
	const struct uapi_call *row;
	unsigned long number;

	ASSERT_GE(source, 0);
	for (nr = 0; nr < 256; nr++) {
		number = _IO(NDMA_IOC_TYPE, nr);
		row = uapi_call_of(number);
		EXPECT_EQ(call(heap, number, NULL),
			  row && row->on == UAPI_HEAP ? -EFAULT : -ENOTTY)
			TH_LOG("number %#x on the heap", nr);
		EXPECT_EQ(call(source, number, NULL),
			  !row || row->on == UAPI_HEAP ? -ENOTTY : -EFAULT)
			TH_LOG("number %#x on a source", nr);
		number = _IOWR(NDMA_IOC_TYPE, nr, uint64_t);
		EXPECT_EQ(call(heap, number, NULL), -ENOTTY);
		EXPECT_EQ(call(source, number, NULL), -ENOTTY);
	}
	EXPECT_EQ(call(heap, 0, NULL), -ENOTTY);
	EXPECT_EQ(call(source, 0, NULL), -ENOTTY);
	EXPECT_EQ(call(heap, ~0UL, NULL), -ENOTTY);
	EXPECT_EQ(call(source, ~0UL, NULL), -ENOTTY);
	EXPECT_LT(read(source, &nr, sizeof(nr)), 0);
	EXPECT_LT(write(source, &nr, sizeof(nr)), 0);
	EXPECT_EQ(lseek(source, 0, SEEK_SET), -1);
	close(source);
}

/* Beside the calls that are refused whatever their argument is (access). */
TEST_F(uapi, a_heap_opened_read_only_changes_nothing)
{
	int heap = heap_open_mode(O_RDONLY), fd = heap_alloc(self->heap, PAGE_BYTES);
	void *data;

	ASSERT_GE(heap, 0);
	EXPECT_EQ(lease_try(heap, fd, NDMA_WRITE), -EACCES);
	EXPECT_EQ(lease_try(heap, fd, NDMA_READ), 0);
	EXPECT_EQ(buffer_map(heap, fd, PAGE_BYTES, PROT_READ | PROT_WRITE), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	data = buffer_map(heap, fd, PAGE_BYTES, PROT_READ);
	ASSERT_NE(data, MAP_FAILED);
	munmap(data, PAGE_BYTES);
	close(fd);
	close(heap);
}

TEST_HARNESS_MAIN
