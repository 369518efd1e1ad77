/*
 * peer_boost.h - Boost.Interprocess message_queue, for C: a priority queue in shared memory
 * behind one mutex and two condition variables. A producer that is killed inside leaves the
 * mutex locked for ever; speed is all it is compared by here.
 */
#ifndef PEER_BOOST_H
#define PEER_BOOST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL when it cannot be made. Without a name from the start, inherited over fork(). */
void *peer_boost_open(size_t n_messages, size_t message_bytes);
void peer_boost_close(void *queue);
/* 0 or -1. */
int peer_boost_send(void *queue, const void *message, size_t message_bytes);
int peer_boost_receive(void *queue, void *buffer, size_t buffer_bytes);

#ifdef __cplusplus
}
#endif

#endif
