// SPDX-License-Identifier: MIT
/* The header of a recording's index, and that of its .npy. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "record.h"

/* ---------------------------------------------------------------- the .npy */

/* "<h" is "<i2" to NumPy. */
static int name_dtype(const struct ndma_layout *layout, char dtype[16])
{
	const char *code = layout->format + strspn(layout->format, "@=<>");
	char order = layout->itemsize == 1 ? '|' : *layout->format == '>' ? '>' : '<';
	const char *kinds = "bhilqBHILQefd";
	const char *kind = strlen(code) == 1 ? strchr(kinds, *code) : NULL;

	if (!kind || layout->itemsize > 8)
		return ndma_set_error(EOPNOTSUPP, "a .npy cannot hold samples of format \"%s\"",
				      layout->format);
	snprintf(dtype, 16, "%c%c%u", order,
		 kind - kinds < 5    ? 'i'
		 : kind - kinds < 10 ? 'u'
				     : 'f',
		 layout->itemsize);
	return 0;
}

int ndma_record_axes(const struct ndma_layout *layout, struct record_axes *axes)
{
	struct ndma_layout file = *layout;
	int rc = name_dtype(layout, axes->dtype);

	if (rc)
		return rc;
	if (layout->ndim < 2 || layout->ndim > 3 || layout->offset || !ndma_layout_size(layout))
		return ndma_set_error(EOPNOTSUPP, "a recording has frames of channels and samples");
	axes->ndim = layout->ndim;
	axes->interleaved = !ndma_layout_is_c_contiguous(&file);
	if (axes->interleaved) {
		file.shape[0] = layout->shape[1];
		file.strides[0] = layout->strides[1];
		file.shape[1] = layout->shape[0];
		file.strides[1] = layout->strides[0];
	}
	if (!ndma_layout_is_c_contiguous(&file))
		return ndma_set_error(EOPNOTSUPP, "a recording has frames without gaps");
	memcpy(axes->shape, file.shape, sizeof(axes->shape));
	return 0;
}

/* Where the count stands, right-aligned, so that it grows in place. */
#define COUNT_WIDTH 20
/* The id is in the padding, a space for a 0 and a tab for a 1: whoever reads a .npy skips both. */
#define ID_AT (RECORD_NPY_BYTES - 1 - 128)

void ndma_record_npy(const struct record_axes *axes, const uint8_t id[16], uint64_t frames,
		     char head[RECORD_NPY_BYTES])
{
	char shape[80];
	int length, i;

	length = snprintf(shape, sizeof(shape), "%*llu, %llu, %llu", COUNT_WIDTH,
			  (unsigned long long)frames, (unsigned long long)axes->shape[0],
			  (unsigned long long)axes->shape[1]);
	if (axes->ndim == 3)
		snprintf(shape + length, sizeof(shape) - (size_t)length, ", %llu",
			 (unsigned long long)axes->shape[2]);
	memset(head, ' ', RECORD_NPY_BYTES);
	memcpy(head, "\x93NUMPY\x01\x00", 8);
	head[8] = (char)((RECORD_NPY_BYTES - 10) & 0xff);
	head[9] = (char)((RECORD_NPY_BYTES - 10) >> 8);
	length = snprintf(head + 10, RECORD_NPY_BYTES - 10,
			  "{'shape': (%s), 'fortran_order': False, 'descr': '%s', }", shape,
			  axes->dtype);
	head[10 + length] = ' ';
	for (i = 0; i < 128; i++)
		if (id[i / 8] >> i % 8 & 1)
			head[ID_AT + i] = '\t';
	head[RECORD_NPY_BYTES - 1] = '\n';
}

int ndma_record_npy_count(int fd, uint64_t frames)
{
	char count[COUNT_WIDTH + 1];

	snprintf(count, sizeof(count), "%*llu", COUNT_WIDTH, (unsigned long long)frames);
	return ndma_record_pwrite(fd, count, COUNT_WIDTH, 10 + strlen("{'shape': ("));
}

bool ndma_record_npy_is(int fd, const uint8_t id[16])
{
	uint8_t found[16] = { 0 };
	char padding[128];
	int i;

	if (ndma_record_pread(fd, padding, sizeof(padding), ID_AT) != sizeof(padding))
		return false;
	for (i = 0; i < 128; i++)
		found[i / 8] |= (uint8_t)((padding[i] == '\t') << i % 8);
	return !memcmp(found, id, sizeof(found));
}

/* ---------------------------------------------------------------- the index */

uint32_t ndma_record_entry_crc(const uint8_t id[16], uint64_t number, const void *entry,
			       size_t bytes)
{
	uint32_t crc = ndma_crc32c(0, id, 16);

	crc = ndma_crc32c(crc, &number, sizeof(number));
	return ndma_crc32c(crc, entry, bytes);
}

static uint32_t head_crc(const struct record_head *head)
{
	uint32_t crc = ndma_crc32c(0, head, offsetof(struct record_head, crc));

	return ndma_crc32c(crc, head + 1, head->head_bytes - sizeof(*head));
}

/* Lays @bytes down behind what is there, and notes where. */
static void add_part(struct record_head *head, enum record_section section, const void *data,
		     size_t bytes)
{
	head->parts[section].offset = head->head_bytes;
	head->parts[section].bytes = (uint32_t)bytes;
	memcpy((char *)head + head->head_bytes, data, bytes);
	head->head_bytes += (uint32_t)((bytes + 15) & ~(size_t)15);
}

int ndma_record_head_make(const struct ndma_layout *layout, const struct ndma_source_info *info,
			  const struct ndma_source_channel *channels, const char *text,
			  uint32_t flags, struct record_index *index)
{
	size_t count = layout->shape[0], text_bytes = strlen(text);
	size_t bytes = sizeof(struct record_head) + sizeof(*layout) + sizeof(*info) +
		       count * sizeof(*channels) + text_bytes + RECORD_SECTIONS * 16;
	struct record_head *head;

	if (bytes > RECORD_HEAD_MAX)
		return ndma_set_error(EINVAL, "a recording's header would have %zu bytes", bytes);
	head = calloc(1, bytes);
	if (!head)
		return ndma_set_error(ENOMEM, "no memory for a recording's header");
	memcpy(head->magic, RECORD_MAGIC, sizeof(head->magic));
	head->version = RECORD_VERSION;
	head->head_bytes = sizeof(*head);
	head->entry_bytes = sizeof(struct record_entry);
	head->completion_bytes = sizeof(struct ndma_completion);
	head->flags = flags;
	head->channel_bytes = sizeof(*channels);
	head->data_offset = RECORD_NPY_BYTES;
	head->frame_bytes = ndma_layout_size(layout) * layout->itemsize;
	if (getrandom(head->id, sizeof(head->id), 0) != sizeof(head->id)) {
		free(head);
		return ndma_set_error(EIO, "no random numbers for a recording's id");
	}
	add_part(head, RECORD_LAYOUT, layout, sizeof(*layout));
	add_part(head, RECORD_INFO, info, sizeof(*info));
	add_part(head, RECORD_CHANNELS, channels, count * sizeof(*channels));
	add_part(head, RECORD_TEXT, text, text_bytes);
	head->crc = head_crc(head);
	*index = (struct record_index){
		.head = head,
		.layout = *layout,
		.info = *info,
		.channels = (uint32_t)count,
	};
	return 0;
}

/* A section of any length into a structure of ours: what is missing is 0. */
static void take_part(const struct record_head *head, enum record_section section, void *out,
		      size_t room)
{
	size_t bytes = head->parts[section].bytes;

	memset(out, 0, room);
	memcpy(out, (const char *)head + head->parts[section].offset, bytes < room ? bytes : room);
}

/* What is wrong with the fixed part; NULL: nothing. */
static const char *fixed_fault(const struct record_head *head)
{
	unsigned int i;

	if (head->head_bytes < sizeof(*head) || head->head_bytes > RECORD_HEAD_MAX)
		return "its header's size cannot be";
	if (head->completion_bytes < sizeof(struct ndma_completion) ||
	    head->entry_bytes < head->completion_bytes + sizeof(struct record_tail) ||
	    head->entry_bytes > 4096 || head->entry_bytes % 8 || head->completion_bytes % 8)
		return "its entries' size cannot be";
	if (!head->frame_bytes || head->frame_bytes >> 62 || head->data_offset >> 31)
		return "its frames' size cannot be";
	for (i = 0; i < RECORD_SECTIONS; i++)
		if (head->parts[i].offset < sizeof(*head) ||
		    head->parts[i].offset > head->head_bytes ||
		    head->parts[i].bytes > head->head_bytes - head->parts[i].offset)
			return "its header's sections cannot be";
	return NULL;
}

/* What is wrong with the sections; NULL: nothing. */
static const char *part_fault(const struct record_head *head, struct record_index *index)
{
	struct record_axes axes;
	uint64_t span;

	if (head->crc != head_crc(head))
		return "its header is damaged";
	take_part(head, RECORD_LAYOUT, &index->layout, sizeof(index->layout));
	take_part(head, RECORD_INFO, &index->info, sizeof(index->info));
	if (ndma_layout_check(&index->layout, head->frame_bytes) ||
	    ndma_layout_span(&index->layout, &span) || span != head->frame_bytes ||
	    ndma_record_axes(&index->layout, &axes) ||
	    ndma_layout_size(&index->layout) * index->layout.itemsize != span)
		return "its layout cannot be";
	if (head->channel_bytes < 8 ||
	    index->layout.shape[0] != head->parts[RECORD_CHANNELS].bytes / head->channel_bytes)
		return "its channels are not those of its layout";
	index->channels = (uint32_t)index->layout.shape[0];
	return NULL;
}

static int read_all(int fd, struct record_index *index, const char **fault)
{
	struct record_head fixed, *head;

	*fault = NULL;
	if (ndma_record_pread(fd, &fixed, sizeof(fixed), 0) != sizeof(fixed) ||
	    memcmp(fixed.magic, RECORD_MAGIC, sizeof(fixed.magic)))
		*fault = "it is no index of a recording";
	else if (fixed.version != RECORD_VERSION)
		*fault = "it is of a newer version of ndma";
	else
		*fault = fixed_fault(&fixed);
	if (*fault)
		return 0;
	head = malloc(fixed.head_bytes);
	if (!head)
		return ndma_set_error(ENOMEM, "no memory for a recording's header");
	*fault = "it ends within its header";
	if (ndma_record_pread(fd, head, fixed.head_bytes, 0) == (ssize_t)fixed.head_bytes) {
		/* Whoever writes to the file meanwhile must not get past the checks. */
		memcpy(head, &fixed, sizeof(fixed));
		*fault = part_fault(head, index);
	}
	index->head = head;
	if (*fault)
		ndma_record_head_free(index);
	return 0;
}

int ndma_record_head_read(int fd, const struct record_place *place, struct record_index *index)
{
	const char *fault;
	int rc;

	memset(index, 0, sizeof(*index));
	rc = read_all(fd, index, &fault);
	if (rc || !fault)
		return rc;
	return ndma_set_error(EILSEQ,
			      "%s" RECORD_INDEX ": %s; np.load(\"%s" RECORD_DATA
			      "\") has the samples, without times and holes",
			      place->stem, fault, place->stem);
}

void ndma_record_head_free(struct record_index *index)
{
	free(index->head);
	index->head = NULL;
}

int ndma_record_head_channel(const struct record_index *index, uint32_t number,
			     struct ndma_source_channel *channel)
{
	const struct record_head *head = index->head;
	size_t bytes = head->channel_bytes;

	if (number >= index->channels)
		return -ENOENT;
	memset(channel, 0, sizeof(*channel));
	memcpy(channel, (const char *)head + head->parts[RECORD_CHANNELS].offset + number * bytes,
	       bytes < sizeof(*channel) ? bytes : sizeof(*channel));
	/* The names end, whoever wrote them. */
	channel->name[sizeof(channel->name) - 1] = 0;
	channel->unit[sizeof(channel->unit) - 1] = 0;
	return 0;
}

static uint32_t state_crc(const struct record_index *index, const struct record_state *state)
{
	uint32_t crc = ndma_crc32c(0, index->head->id, sizeof(index->head->id));

	return ndma_crc32c(crc, state, offsetof(struct record_state, crc));
}

int ndma_record_state_write(int fd, const struct record_index *index, uint64_t synced, bool closed)
{
	struct record_state state = { .synced = synced, .closed = closed };

	state.crc = state_crc(index, &state);
	return ndma_record_pwrite(fd, &state, sizeof(state), offsetof(struct record_head, state));
}

bool ndma_record_state_read(int fd, const struct record_index *index, struct record_state *state)
{
	return ndma_record_pread(fd, state, sizeof(*state), offsetof(struct record_head, state)) ==
		       sizeof(*state) &&
	       state->crc == state_crc(index, state);
}
