/* show_json.c - all about one object, for programs: the public structs field by field. */
#include "ipc_inspect.h"

json_t *json_number(uint64_t n)
{
	if (n == IPK_INSPECT_UNKNOWN)
		return json_null();
	/* jansson's integers have a sign; so large a number is damage or a very old counter. */
	return n > INT64_MAX ? json_real((double)n) : json_integer((json_int_t)n);
}

/* In seconds; null when not known. */
static json_t *json_seconds(int64_t ns)
{
	return ns < 0 ? json_null() : json_real((double)ns / 1e9);
}

static json_t *json_lane(const ipk_inspect_lane *lane)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
			 "items", json_number(lane->n_items),
			 "message_bytes", json_number(lane->message_bytes),
			 "used_bytes", json_number(lane->used_bytes),
			 "room_bytes", json_number(lane->room_bytes),
			 "put", json_number(lane->n_put),
			 "got", json_number(lane->n_got));
}

static json_t *json_thread(const ipk_inspect_thread *t, const char *what_key)
{
	return json_pack("{s:s, s:o, s:o, s:s, s:b, s:o}",
			 what_key, ipk_inspect_what_name(t->what),
			 "tid", json_number(t->tid),
			 "pid", t->pid ? json_number(t->pid) : json_null(),
			 "comm", t->comm,
			 "gone", (int)t->is_gone,
			 "since_s", json_seconds(t->since_ns));
}

static json_t *json_user(const ipk_inspect_user *user)
{
	return json_pack("{s:o, s:s, s:o}",
			 "pid", json_number(user->pid),
			 "comm", user->comm,
			 "fds", json_number(user->n_fds));
}

static void add_lists(json_t *object, const ipk_inspect_object *o)
{
	json_t *users = json_array(), *lanes = json_array();
	json_t *holders = json_array(), *waiters = json_array();

	for (size_t i = 0; i < o->n_users; i++)
		json_array_append_new(users, json_user(ipk_inspect_user_at(o, i)));
	for (size_t i = 0; i < o->n_lanes; i++)
		json_array_append_new(lanes, json_lane(ipk_inspect_lane_at(o, i)));
	for (size_t i = 0; i < o->n_holders; i++)
		json_array_append_new(holders, json_thread(ipk_inspect_holder_at(o, i), "holds"));
	for (size_t i = 0; i < o->n_waiters; i++)
		json_array_append_new(waiters, json_thread(ipk_inspect_waiter_at(o, i), "for"));
	json_object_set_new(object, "users", users);
	json_object_set_new(object, "lanes", lanes);
	json_object_set_new(object, "holders", holders);
	json_object_set_new(object, "waiters", waiters);
}

static json_t *json_shutdown(unsigned shutdown)
{
	if (shutdown == 0)
		return json_null();
	return json_string(shutdown == IPK_DRAIN ? "drain" : "now");
}

static void add_state(json_t *object, const ipk_inspect_object *o)
{
	json_t *state = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:s, s:o}",
		"max_items", o->max_items ? json_number(o->max_items) : json_null(),
		"max_bytes", o->max_bytes ? json_number(o->max_bytes) : json_null(),
		"max_message_bytes", json_number(o->max_message_bytes),
		"loans", json_number(o->n_leased),
		"unfinished", json_number(o->n_unfinished),
		"shutdown", json_shutdown(o->shutdown),
		"needs_repair", (int)o->needs_repair,
		"creator_pid", o->creator_pid ? json_number(o->creator_pid) : json_null(),
		"creator", o->creator,
		"age_s", json_seconds(o->age_ns));

	json_object_update(object, state);
	json_decref(state);
}

json_t *show_json(const ipk_inspect_object *o)
{
	json_t *object = json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:o}",
				   "kind", ipk_inspect_kind_name(o),
				   "name", o->name,
				   "id", json_number(o->id),
				   "error", o->error ? json_string(ipk_errname(o->error))
						     : json_null(),
				   "uid", json_number(o->uid),
				   "named", (int)o->is_named,
				   "unlinked", (int)o->is_unlinked,
				   "foreign", (int)o->is_foreign,
				   "memory_bytes", json_number(o->memory_bytes));

	if (o->error == 0)
		add_state(object, o);
	add_lists(object, o);
	return object;
}
