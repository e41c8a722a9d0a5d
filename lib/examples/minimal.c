// SPDX-License-Identifier: MIT
// The smallest program: ten frames of a source, and a status that says whether all of them came whole.
//	cc minimal.c $(pkg-config --cflags --libs ndma)
// README.md, ndma.h and libndma(3) show what follows, word for word: tests/host/shown sees to it, and
// a comment of the other kind would end theirs.
#include <errno.h>
#include <ndma.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	const unsigned int wrong = NDMA_FRAME_PARTIAL | NDMA_FRAME_OVERFLOW | NDMA_FRAME_ERROR;
	const unsigned int count = 10;
	unsigned int whole = 0;
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_frame frame;
	int rc;

	options.samples = 65536;
	if (ndma_source_open(argc > 1 ? argv[1] : "sim0", &source) ||
	    ndma_stream_create(source, &options, &stream) || ndma_stream_start(stream, count)) {
		fprintf(stderr, "%s\n", ndma_error());
		return 1;
	}
	// 1: a frame. 0: no other will come. Negative: an error, or a signal that came first.
	while ((rc = ndma_stream_next(stream, &frame, 10000000000)) > 0 || rc == -EINTR) {
		if (rc == -EINTR)
			continue;
		printf("frame %llu: %llu bytes at %p, %llu frames lost before it\n",
		       (unsigned long long)frame.completion.sequence,
		       (unsigned long long)frame.completion.bytes_used, frame.data,
		       (unsigned long long)frame.dropped);
		whole += !(frame.completion.flags & wrong);
		ndma_stream_release(stream, &frame);
	}
	// Lost frames count among the ten: behind the last one no frame comes that tells of it.
	if (rc)
		fprintf(stderr, "%s\n", ndma_error());
	else if (whole < count)
		fprintf(stderr, "%u of %u frames came whole\n", whole, count);
	else if (fflush(stdout) || ferror(stdout))
		perror("standard output");
	ndma_stream_free(stream);
	ndma_source_close(source);
	return rc || whole < count || ferror(stdout);
}
