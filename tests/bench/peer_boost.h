/*
 * peer_boost.h - Boost.Interprocess, for C. Its message_queue: a priority queue in shared memory
 * behind one mutex and two condition variables. A map: unordered_map in managed_shared_memory
 * behind one interprocess_mutex. A process killed inside leaves the mutex locked for ever; only
 * speed is compared here.
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

/* Keys of 16 bytes, values of 64. Inherited over fork(). */
void *peer_boost_map_open(void);
void peer_boost_map_close(void *map);
int peer_boost_map_set(void *map, const void *key, const void *value);
int peer_boost_map_get(void *map, const void *key, void *ret_value);

#ifdef __cplusplus
}
#endif

#endif
