/* SPDX-License-Identifier: MIT */
/* UNIX stream sockets with file descriptors in them. */
#ifndef CARD_SOCKET_H
#define CARD_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

/** socket_listen - a listening socket at @path, replacing a dead one; or a negative errno. */
int socket_listen(const char *path);
/** socket_accept - the next connection, or a negative errno. */
int socket_accept(int listener);
/** socket_send - all of @bytes, with @fd beside the first of them unless it is -1. */
bool socket_send(int fd, const void *data, size_t bytes, int passed);
/**
 * socket_receive - exactly @bytes
 * @fds:   out: descriptors that came with them, the caller's; NULL: those are closed
 * @count: in: room at @fds; out: how many came
 */
bool socket_receive(int fd, void *data, size_t bytes, int *fds, size_t *count);

#endif /* CARD_SOCKET_H */
