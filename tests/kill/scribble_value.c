/* scribble_value.c - values, arrays, and shared memory. */
#include <errno.h>
#include <string.h>

#include "scribble.h"

enum { NUMBER, STRUCT, RAW };
enum { STRUCT_BYTES = 100, N_ITEMS = 30, SHM_BYTES = 8192 };

/* --- value ------------------------------------------------------------------------------------ */

static int value_make(struct trial *t)
{
	const char *name = is_opened(t) ? t->name : NULL;

	if (t->row->noun->variant == STRUCT)
		return ipk_value_create(IPK_VALUE(.name = name, .item_bytes = STRUCT_BYTES),
					(ipk_value **)&t->object);
	return ipk_value_create(
		IPK_VALUE(.name = name, .typecode = 'q', .is_raw = t->row->noun->variant == RAW),
		(ipk_value **)&t->object);
}

static int value_open(struct trial *t)
{
	return ipk_value_open(t->name, ipk_now(), (ipk_value **)&t->object);
}

static int value_load(struct trial *t, ipk_deadline d)
{
	long long value;

	(void)d;
	return ipk_value_load(t->object, &value);
}

static int value_store(struct trial *t, ipk_deadline d)
{
	long long value = 5, old;
	int r = ipk_value_store(t->object, &value);

	(void)d;
	return r < 0 ? r : ipk_value_exchange(t->object, &value, &old);
}

static int value_add(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_value_add(t->object, 3, NULL);
}

static int value_add_checked(struct trial *t, ipk_deadline d)
{
	long long old;

	(void)d;
	return ipk_value_add_checked(t->object, 3, &old);
}

static int value_compare_exchange(struct trial *t, ipk_deadline d)
{
	long long expected = 5, desired = 6;
	bool is_exchanged;

	(void)d;
	return ipk_value_compare_exchange(t->object, &expected, &desired, &is_exchanged);
}

static int value_load_bytes(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_value_load_bytes(t->object, t->buf, ipk_value_item_bytes(t->object));
}

static int value_store_bytes(struct trial *t, ipk_deadline d)
{
	size_t n_bytes = ipk_value_item_bytes(t->object);

	return ipk_value_store_bytes(t->object, t->buf, n_bytes < BUF_BYTES ? n_bytes : BUF_BYTES,
				     d);
}

static int value_lock(struct trial *t, ipk_deadline d)
{
	ipk_lock *l = ipk_value_get_lock(t->object);
	int r = l ? ipk_lock_lock(l, d, NULL) : -EBADF;

	return r;
}

static int value_unlock(struct trial *t, ipk_deadline d)
{
	ipk_lock *l = ipk_value_get_lock(t->object);

	(void)d;
	return l ? ipk_lock_unlock(l) : -EBADF;
}

static int value_look(struct trial *t, ipk_deadline d)
{
	volatile char *data = ipk_value_data(t->object);

	(void)d;
	ipk_value_typecode(t->object);
	if (data)
		data[ipk_value_item_bytes(t->object) - 1] = 0;
	return 0;
}

static int value_take(struct trial *t)
{
	enum state state = state_of(t);

	if (state != OWNED && state != WAITED)
		return 0;
	return ipk_lock_lock(ipk_value_get_lock(t->object), ipk_in_ms(1000), NULL);
}

static int value_peer(struct trial *t)
{
	return ipk_lock_lock(ipk_value_get_lock(t->object), ipk_in_ms(1000), NULL);
}

static void value_close(struct trial *t)
{
	t->object = ipk_value_close(t->object);
}

static const struct call value_calls[] = {
	CALL("ipk_value_load", value_load, false),
	CALL("ipk_value_store", value_store, false),
	CALL("ipk_value_add", value_add, false),
	CALL("ipk_value_add_checked", value_add_checked, false),
	CALL("ipk_value_compare_exchange", value_compare_exchange, false),
	CALL("ipk_value_load_bytes", value_load_bytes, false),
	CALL("ipk_value_store_bytes", value_store_bytes, true),
	CALL("ipk_value_get_lock, lock", value_lock, true),
	CALL("ipk_value_get_lock, unlock", value_unlock, false),
	CALL("ipk_value_data", value_look, false),
};

/* --- array ------------------------------------------------------------------------------------ */

static int array_make(struct trial *t)
{
	return ipk_array_create(IPK_ARRAY(.name = is_opened(t) ? t->name : NULL, .typecode = 'i',
					  .n_items = N_ITEMS,
					  .is_raw = t->row->noun->variant == RAW),
				(ipk_array **)&t->object);
}

static int array_open(struct trial *t)
{
	return ipk_array_open(t->name, ipk_now(), (ipk_array **)&t->object);
}

static int array_get(struct trial *t, ipk_deadline d)
{
	int item;

	(void)d;
	return ipk_array_get(t->object, random_below(&t->random, N_ITEMS), &item);
}

static int array_set(struct trial *t, ipk_deadline d)
{
	int item = 7;

	(void)d;
	return ipk_array_set(t->object, random_below(&t->random, N_ITEMS), &item);
}

static int array_add(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_array_add(t->object, N_ITEMS - 1, 2, NULL);
}

static int array_read(struct trial *t, ipk_deadline d)
{
	return ipk_array_read(t->object, 0, N_ITEMS, t->buf, BUF_BYTES, d, NULL);
}

static int array_write(struct trial *t, ipk_deadline d)
{
	return ipk_array_write(t->object, 0, N_ITEMS, t->buf, N_ITEMS * sizeof(int), d, NULL);
}

static int array_read_slice(struct trial *t, ipk_deadline d)
{
	return ipk_array_read_slice(t->object, N_ITEMS - 1, -2, N_ITEMS / 2, t->buf, BUF_BYTES, d,
				    NULL);
}

static int array_write_slice(struct trial *t, ipk_deadline d)
{
	return ipk_array_write_slice(t->object, 0, 3, N_ITEMS / 3, t->buf,
				     N_ITEMS / 3 * sizeof(int), d, NULL);
}

static int array_fill(struct trial *t, ipk_deadline d)
{
	int item = 9;

	return ipk_array_fill(t->object, 1, N_ITEMS - 1, &item, sizeof item, d, NULL);
}

static int array_lock(struct trial *t, ipk_deadline d)
{
	ipk_lock *l = ipk_array_get_lock(t->object);

	return l ? ipk_lock_lock(l, d, NULL) : -EBADF;
}

static int array_unlock(struct trial *t, ipk_deadline d)
{
	ipk_lock *l = ipk_array_get_lock(t->object);

	(void)d;
	return l ? ipk_lock_unlock(l) : -EBADF;
}

static int array_look(struct trial *t, ipk_deadline d)
{
	volatile char *data = ipk_array_data(t->object);

	(void)d;
	ipk_array_typecode(t->object);
	data[ipk_array_len(t->object) * ipk_array_item_bytes(t->object) - 1] = 0;
	return 0;
}

static int array_take(struct trial *t)
{
	enum state state = state_of(t);

	if (state != OWNED && state != WAITED)
		return 0;
	return ipk_lock_lock(ipk_array_get_lock(t->object), ipk_in_ms(1000), NULL);
}

static int array_peer(struct trial *t)
{
	return ipk_lock_lock(ipk_array_get_lock(t->object), ipk_in_ms(1000), NULL);
}

static void array_close(struct trial *t)
{
	t->object = ipk_array_close(t->object);
}

static const struct call array_calls[] = {
	CALL("ipk_array_get", array_get, false),
	CALL("ipk_array_set", array_set, false),
	CALL("ipk_array_add", array_add, false),
	CALL("ipk_array_read", array_read, true),
	CALL("ipk_array_write", array_write, true),
	CALL("ipk_array_read_slice", array_read_slice, true),
	CALL("ipk_array_write_slice", array_write_slice, true),
	CALL("ipk_array_fill", array_fill, true),
	CALL("ipk_array_get_lock, lock", array_lock, true),
	CALL("ipk_array_get_lock, unlock", array_unlock, false),
	CALL("ipk_array_data", array_look, false),
};

/* --- shared memory ---------------------------------------------------------------------------- */

static int shm_make(struct trial *t)
{
	return ipk_shm_create(IPK_SHM(.name = t->name, .size_bytes = SHM_BYTES),
			      (ipk_shm **)&t->object);
}

static int shm_open_it(struct trial *t)
{
	return ipk_shm_open(t->name, 0, ipk_now(), (ipk_shm **)&t->object);
}

static int shm_touch(struct trial *t, ipk_deadline d)
{
	volatile char *bytes = ipk_shm_data(t->object);
	size_t n_bytes = ipk_shm_size_bytes(t->object);

	(void)d;
	if (n_bytes != SHM_BYTES)
		trial_harm(t, "another size");
	bytes[0] = 1;
	bytes[n_bytes - 1] = 1;
	return 0;
}

static int shm_users(struct trial *t, ipk_deadline d)
{
	uint32_t pids[4];
	size_t n;

	(void)d;
	return ipk_shm_users(t->object, pids, 4, &n);
}

static int shm_is_current(struct trial *t, ipk_deadline d)
{
	(void)d;
	ipk_shm_is_current(t->object);
	return 0;
}

static int shm_open_again(struct trial *t, ipk_deadline d)
{
	ipk_shm *shm;
	int r = ipk_shm_open(t->name, 0, ipk_now(), &shm);
	volatile char *bytes;

	(void)d;
	if (r < 0)
		return r;
	bytes = ipk_shm_data(shm);
	bytes[ipk_shm_size_bytes(shm) - 1] = 1;
	ipk_shm_close(shm);
	return 0;
}

static void shm_close(struct trial *t)
{
	t->object = ipk_shm_close(t->object);
}

static int shm_unlink_name(const char *name)
{
	return ipk_shm_unlink(name, 0);
}

static const struct call shm_calls[] = {
	CALL("ipk_shm_data", shm_touch, false),
	CALL_OF("ipk_shm_users", shm_users, 1000), /* looks through all processes */
	CALL("ipk_shm_is_current", shm_is_current, false),
	CALL("ipk_shm_open", shm_open_again, false),
};

/* --- the rows --------------------------------------------------------------------------------- */

void nouns_value(struct noun_list *list)
{
	unsigned locked = IN(EMPTY) | IN(OWNED) | IN(HELD) | IN(WAITED) | IN(OPENED);
	struct noun value = {.states = locked,
			     .is_in_arena = true,
			     CALLS(value_calls),
			     .make = value_make,
			     .take = value_take,
			     .peer = value_peer,
			     .peer_wait = value_lock,
			     .open = value_open,
			     .unlink = ipk_value_unlink,
			     .close = value_close};
	struct noun array = {.states = locked,
			     .is_in_arena = true,
			     CALLS(array_calls),
			     .make = array_make,
			     .take = array_take,
			     .peer = array_peer,
			     .peer_wait = array_read,
			     .open = array_open,
			     .unlink = ipk_array_unlink,
			     .close = array_close};
	struct noun shm = {.name = "shm",
			   .states = IN(OPENED),
			   CALLS(shm_calls),
			   .make = shm_make,
			   .open = shm_open_it,
			   .unlink = shm_unlink_name,
			   .close = shm_close};
	static const char *const values[] = {"value", "value-struct", "value-raw"};
	static const char *const arrays[] = {"array", "array-struct", "array-raw"};

	for (int i = NUMBER; i <= RAW; i++) {
		value.variant = array.variant = i;
		value.name = values[i];
		array.name = arrays[i];
		value.states = array.states = i == RAW ? IN(EMPTY) | IN(OPENED) : locked;
		noun_add(list, &value);
		if (i != STRUCT)
			noun_add(list, &array);
	}
	noun_add(list, &shm);
}
