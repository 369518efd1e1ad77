/* show_json.c - everything about one object as JSON: the public structs field by field. */
#include "ipc_inspect.h"

json_t *json_number(uint64_t n)
{
	if (n == IPK_INSPECT_UNKNOWN)
		return json_null();
	/* jansson's integers have a sign; so large a number is damage or a very old counter. */
	return n > INT64_MAX ? json_real((double)n) : json_integer((json_int_t)n);
}

/* 0 is null: no limit, or an unknown pid. */
static json_t *json_unless_0(uint64_t n)
{
	return n ? json_number(n) : json_null();
}

json_t *json_seconds(int64_t ns)
{
	return ns < 0 ? json_null() : json_real((double)ns / 1e9);
}

static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static json_t *json_channel(const ipk_inspect_channel *channel)
{
	json_t *object = json_object();

	set(object, "items", json_number(channel->n_items));
	set(object, "message_bytes", json_number(channel->message_bytes));
	set(object, "used_bytes", json_number(channel->used_bytes));
	set(object, "room_bytes", json_number(channel->room_bytes));
	set(object, "put", json_number(channel->n_put));
	set(object, "got", json_number(channel->n_got));
	return object;
}

static json_t *json_thread(const ipk_inspect_thread *t, const char *what_key)
{
	json_t *object = json_object();

	set(object, what_key, json_string(ipk_inspect_what_name(t->what)));
	set(object, "tid", json_number(t->tid));
	set(object, "pid", json_unless_0(t->pid));
	set(object, "comm", json_string(t->comm));
	set(object, "gone", json_boolean(t->is_gone));
	set(object, "since_s", json_seconds(t->since_ns));
	set(object, "times", json_number(t->n_times));
	return object;
}

static json_t *json_user(const ipk_inspect_user *user)
{
	json_t *object = json_object();

	set(object, "pid", json_number(user->pid));
	set(object, "comm", json_string(user->comm));
	set(object, "gone", json_boolean(user->is_gone));
	set(object, "fds", json_number(user->n_fds));
	return object;
}

static void add_lists(json_t *object, const ipk_inspect_object *o)
{
	json_t *users = json_array(), *channels = json_array();
	json_t *holders = json_array(), *waiters = json_array();

	for (size_t i = 0; i < o->n_users; i++)
		json_array_append_new(users, json_user(ipk_inspect_user_at(o, i)));
	for (size_t i = 0; i < o->n_channels; i++)
		json_array_append_new(channels, json_channel(ipk_inspect_channel_at(o, i)));
	for (size_t i = 0; i < o->n_holders; i++)
		json_array_append_new(holders, json_thread(ipk_inspect_holder_at(o, i), "holds"));
	for (size_t i = 0; i < o->n_waiters; i++)
		json_array_append_new(waiters, json_thread(ipk_inspect_waiter_at(o, i), "for"));
	set(object, "users", users);
	set(object, "channels", channels);
	set(object, "holders", holders);
	set(object, "waiters", waiters);
}

json_t *json_shutdown(unsigned shutdown)
{
	if (shutdown == 0)
		return json_null();
	return json_string(shutdown == IPK_DRAIN ? "drain" : "now");
}

static json_t *json_items(const ipk_inspect_object *o)
{
	json_t *items = json_array();

	for (size_t i = 0; i < o->n_shown; i++)
		json_array_append_new(items, state_item(o, i));
	return items;
}

static json_t *json_typecode(const ipk_inspect_object *o)
{
	const char text[] = {o->typecode, '\0'};

	return o->typecode ? json_string(text) : json_null();
}

/* What a pipe or a queue keeps. */
static void add_flow(json_t *object, const ipk_inspect_object *o)
{
	set(object, "max_items", json_unless_0(o->max_items));
	set(object, "max_bytes", json_unless_0(o->max_bytes));
	set(object, "max_message_bytes", json_number(o->max_message_bytes));
	set(object, "loans", json_number(o->n_leased));
	set(object, "unfinished", json_number(o->n_unfinished));
	set(object, "shutdown", json_shutdown(o->shutdown));
	set(object, "needs_repair", json_boolean(o->needs_repair));
}

static void add_data(json_t *object, const ipk_inspect_object *o)
{
	set(object, "typecode", json_typecode(o));
	set(object, "item_bytes", json_number(o->item_bytes));
	set(object, "n_items", json_number(o->n_items));
	set(object, "items", json_items(o));
	set(object, "locked", json_boolean(o->has_lock));
}

static void add_state(json_t *object, const ipk_inspect_object *o)
{
	switch (o->kind) {
	case IPK_INSPECT_SEMAPHORE:
		set(object, "tokens", json_number(o->n_tokens));
		set(object, "max_tokens", json_unless_0(o->max_tokens));
		break;
	case IPK_INSPECT_RWLOCK:
		set(object, "needs_repair", json_boolean(o->needs_repair));
		break;
	case IPK_INSPECT_EVENT:
	case IPK_INSPECT_ONCE:
		set(object, "set", json_boolean(o->is_set));
		break;
	case IPK_INSPECT_BARRIER:
		set(object, "parties", json_number(o->n_parties));
		set(object, "arrived", json_number(o->n_arrived));
		set(object, "broken", json_boolean(o->is_broken));
		break;
	case IPK_INSPECT_VALUE:
	case IPK_INSPECT_ARRAY:
		add_data(object, o);
		break;
	case IPK_INSPECT_SHM:
		set(object, "size_bytes", json_number(o->size_bytes));
		break;
	case IPK_INSPECT_POOL:
		pool_json(object, o);
		break;
	case IPK_INSPECT_PROCESSES:
		processes_json(object, o);
		break;
	default:
		if (o->n_channels > 0)
			add_flow(object, o);
	}
	set(object, "creator_pid", json_unless_0(o->creator_pid));
	set(object, "creator", json_string(o->creator));
	set(object, "creator_gone", json_boolean(o->creator_is_gone));
	set(object, "age_s", json_seconds(o->age_ns));
}

json_t *show_json(const ipk_inspect_object *o)
{
	json_t *object = json_object();

	set(object, "kind", json_string(ipk_inspect_kind_name(o)));
	set(object, "name", json_string(o->name));
	set(object, "id", json_number(o->id));
	set(object, "error", o->error ? json_string(ipk_errname(o->error)) : json_null());
	set(object, "uid", json_number(o->uid));
	set(object, "named", json_boolean(o->is_named));
	set(object, "unlinked", json_boolean(o->is_unlinked));
	set(object, "foreign", json_boolean(o->is_foreign));
	set(object, "memory_bytes", json_number(o->memory_bytes));
	if (o->error == 0)
		add_state(object, o);
	add_lists(object, o);
	return object;
}
