// SPDX-License-Identifier: MIT
/* The smallest program: the mean of each frame of a source. cc minimal.c $(pkg-config --cflags --libs ndma) */
#include <ndma.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
	struct ndma_source *source;
	struct ndma_stream *stream;
	struct ndma_frame frame;

	options.samples = 65536;
	options.channels = 1;
	options.format = "h";
	if (ndma_source_open(argc > 1 ? argv[1] : "sim0", &source) ||
	    ndma_stream_create(source, &options, &stream) || ndma_stream_start(stream, 10)) {
		fprintf(stderr, "%s\n", ndma_error());
		return 1;
	}
	while (ndma_stream_next(stream, &frame, -1) > 0) {
		const short *samples = frame.data;
		double sum = 0;

		for (size_t i = 0; i < frame.completion.bytes_used / 2; i++)
			sum += samples[i];
		printf("frame %llu: mean %g, %llu lost before it\n",
		       (unsigned long long)frame.completion.sequence,
		       sum * 2 / frame.completion.bytes_used, (unsigned long long)frame.dropped);
		ndma_stream_release(stream, &frame);
	}
	ndma_stream_free(stream);
	ndma_source_close(source);
	return 0;
}
