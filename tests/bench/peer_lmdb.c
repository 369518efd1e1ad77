/* peer_lmdb.c - see peer_lmdb.h. */
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "peer_lmdb.h"

#define MAP_BYTES ((size_t)1 << 30)

struct peer_lmdb {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *reader; /* kept and renewed, as its manual advises */
};

static int error_of(int r)
{
	return r == 0 ? 0 : r > 0 ? -r : -EIO;
}

int peer_lmdb_open(const char *directory, struct peer_lmdb **ret_db)
{
	struct peer_lmdb *db = calloc(1, sizeof *db);
	MDB_txn *txn = NULL;
	int r;

	if (!db)
		return -ENOMEM;
	mkdir(directory, 0700);
	r = mdb_env_create(&db->env);
	if (r == 0)
		r = mdb_env_set_mapsize(db->env, MAP_BYTES);
	if (r == 0)
		r = mdb_env_open(db->env, directory, MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC,
				 0600);
	if (r == 0)
		r = mdb_txn_begin(db->env, NULL, 0, &txn);
	if (r == 0)
		r = mdb_dbi_open(txn, NULL, MDB_CREATE, &db->dbi);
	if (r == 0)
		r = mdb_txn_commit(txn);
	if (r != 0) {
		peer_lmdb_close(db);
		return error_of(r);
	}
	*ret_db = db;
	return 0;
}

void peer_lmdb_close(struct peer_lmdb *db)
{
	if (db->reader)
		mdb_txn_abort(db->reader);
	if (db->env)
		mdb_env_close(db->env);
	free(db);
}

int peer_lmdb_set(struct peer_lmdb *db, const char *key, size_t key_bytes, const char *value,
		  size_t value_bytes)
{
	MDB_val k = {key_bytes, (void *)key};
	MDB_val v = {value_bytes, (void *)value};
	MDB_txn *txn;
	int r = mdb_txn_begin(db->env, NULL, 0, &txn);

	if (r == 0) {
		r = mdb_put(txn, db->dbi, &k, &v, 0);
		if (r == 0)
			r = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	return error_of(r);
}

int peer_lmdb_get(struct peer_lmdb *db, const char *key, size_t key_bytes, char *buf,
		  size_t buf_bytes)
{
	MDB_val k = {key_bytes, (void *)key};
	MDB_val v;
	int r = db->reader ? mdb_txn_renew(db->reader)
			   : mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->reader);

	if (r != 0)
		return error_of(r);
	r = mdb_get(db->reader, db->dbi, &k, &v);
	if (r == 0)
		memcpy(buf, v.mv_data, v.mv_size < buf_bytes ? v.mv_size : buf_bytes);
	mdb_txn_reset(db->reader);
	return error_of(r);
}
