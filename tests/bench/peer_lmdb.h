/*
 * peer_lmdb.h - LMDB as a peer: a B+ tree in a file that processes map, in /dev/shm, without
 * syncing: the fastest store between processes that Debian has. One transaction per operation.
 */
#ifndef PEER_LMDB_H
#define PEER_LMDB_H

#include <stddef.h>
#include <stdint.h>

struct peer_lmdb;

/* In @directory, which is made; 0 or -errno. One for each process. */
int peer_lmdb_open(const char *directory, struct peer_lmdb **ret_db);
void peer_lmdb_close(struct peer_lmdb *db);
int peer_lmdb_set(struct peer_lmdb *db, const char *key, size_t key_bytes, const char *value,
		  size_t value_bytes);
/* Copied to @buf. */
int peer_lmdb_get(struct peer_lmdb *db, const char *key, size_t key_bytes, char *buf,
		  size_t buf_bytes);

#endif
