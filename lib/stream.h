/* SPDX-License-Identifier: MIT */
/* Between object.c, stream.c, stream_options.c and frame.c. */
#ifndef NDMA_LIB_STREAM_H
#define NDMA_LIB_STREAM_H

#include "internal.h"

/* From enter to leave the stream's fd stays open. -EBADF: closed; -EPERM: a parent's. */
int ndma_stream_enter(struct ndma_stream *stream);
void ndma_stream_leave(struct ndma_stream *stream);
/* -EBADF, with words. */
int ndma_stream_closed_error(const struct ndma_stream *stream);

/* What the options mean on this source, checked against what it can do, with words. */
int ndma_stream_resolve(const struct ndma_source *source, const struct ndma_stream_options *options,
			uint32_t entry_bytes, struct ndma_stream_setup *setup);

#endif /* NDMA_LIB_STREAM_H */
