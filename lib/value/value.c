/*
 * value.c - values: creating and passing them, and numbers.
 *
 * A number is in the first bytes of a word of its own and is changed by single atomic instructions,
 * so a death leaves nothing incomplete, and there is no lock. The handle keeps type and address,
 * checked once when it was created: later writes to shared memory cannot redirect it.
 */
#include <errno.h>
#include <string.h>

#include "os/os.h"
#include "value/value_internal.h"

/* --- making ----------------------------------------------------------------------------------- */

struct plan {
	ipk_value_opts opts;
	size_t item_bytes;
};

static int init(struct ipk__shm_object *object, const void *arg)
{
	struct ipk__shm_value *value = (struct ipk__shm_value *)object;
	const struct plan *plan = arg;
	const ipk_value_opts *opts = &plan->opts;
	int r = opts->is_raw ? 0 : ipk__guard_init(&value->guard, true);

	value->item_bytes = plan->item_bytes;
	if (r == 0 && !opts->typecode)
		r = ipk__pair_init((struct ipk__shm_pair *)value, opts->item, plan->item_bytes);
	else if (r == 0 && opts->item)
		memcpy(&value->word, opts->item, plan->item_bytes);
	return r;
}

static int check_value_layout(const struct ipk__ref *ref, uint32_t flags, uint64_t item_bytes,
			      const struct ipk__type **ret_type)
{
	int r = ipk__type_check(flags, item_bytes, ret_type);

	if (r == 0 && !*ret_type &&
	    (item_bytes > IPK_VALUE_BYTES_MAX ||
	     ipk__pair_bytes(item_bytes) > ipk__object_bytes(ref)))
		r = -EBADMSG;
	return r;
}

static int bind(void *handle)
{
	ipk_value *v = handle;
	struct ipk__shm_value *value;
	uint64_t item_bytes;
	uint32_t flags;
	int r;

	value = (struct ipk__shm_value *)v->ref.object;
	flags = *(volatile uint32_t *)&value->object.flags;
	item_bytes = *(volatile uint64_t *)&value->item_bytes;
	r = check_value_layout(&v->ref, flags, item_bytes, &v->type);
	if (r < 0)
		return r;
	v->item_bytes = item_bytes;
	v->face.word = v->type ? (void *)&value->word : NULL;
	v->face.type = v->type ? ipk__typecode_plain(v->type->typecode) : 0;
	v->lock = ipk__lent_lock(&v->ref, &value->guard, flags);
	return 0;
}

static bool is_like(const void *handle, const void *opts)
{
	return ((const ipk_value *)handle)->item_bytes == ((const struct plan *)opts)->item_bytes;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_VALUE,
	.n_bytes = sizeof(struct ipk__shm_value),
	.handle_bytes = sizeof(ipk_value),
	.init = init,
	.bind = bind,
	.is_like = is_like,
};

int ipk_value_create(const ipk_value_opts *opts, ipk_value **ret_v)
{
	struct ipk__object_spec spec = {0};
	struct plan plan;
	int r = opts ? ipk__opts_copy(&plan.opts, sizeof plan.opts, opts)
		     : ipk__invalid("opts is NULL: .typecode or .item_bytes is required");

	if (r == 0)
		r = ipk__type_size(plan.opts.typecode, plan.opts.item_bytes, &plan.item_bytes);
	if (r == 0 && plan.item_bytes > IPK_VALUE_BYTES_MAX)
		r = ipk__invalid("IPK_VALUE(.item_bytes): IPK_VALUE_BYTES_MAX at most");
	if (r < 0)
		return r;
	spec.name = plan.opts.name;
	spec.label = plan.opts.label;
	spec.flags = (uint8_t)plan.opts.typecode | (plan.opts.is_raw ? IPK__FLAG_RAW : 0);
	spec.n_bytes = plan.opts.typecode ? sizeof(struct ipk__shm_value)
					  : ipk__pair_bytes(plan.item_bytes);
	spec.opts = &plan;
	spec.open_existing = plan.opts.open_existing;
	return ipk__handle_create(&class, &spec, ret_v);
}

int ipk_value_open(const char *name, ipk_deadline deadline, ipk_value **ret_v)
{
	return ipk__handle_open(&class, name, deadline, ret_v);
}

ipk_value *ipk_value_close(ipk_value *v)
{
	if (v)
		ipk__handle_close_locked(v, &v->lock);
	return NULL;
}

int ipk_value_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_value_send(ipk_value *v, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(v, via, deadline);
}

int ipk_value_recv(ipk_pipe *via, ipk_deadline deadline, ipk_value **ret_v)
{
	return ipk__handle_recv(&class, via, deadline, ret_v);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int check_item(const ipk_value *v, char typecode, const void *item)
{
	if (!v)
		return -EBADF;
	IPK__REQUIRE(item, IPK__NO_ITEM);
	IPK__REQUIRE(ipk__type_is(v->type, typecode), IPK__OTHER_TYPE);
	return 0;
}

static int check_old(const ipk_value *v, char typecode, const void *ret_old)
{
	if (!v)
		return -EBADF;
	IPK__REQUIRE(v->type && (!ret_old || ipk__type_is(v->type, typecode)), IPK__OTHER_TYPE);
	return 0;
}

static int give_old(const ipk_value *v, int r, uint64_t old, void *ret_old)
{
	if (r == 0 && ret_old)
		ipk__bits_to(v->type, old, ret_old);
	return r;
}

int ipk_value_load_as(const ipk_value *v, char typecode, void *ret_item)
{
	int r = check_item(v, typecode, ret_item);

	if (r == 0)
		ipk__bits_to(v->type, ipk__scalar_load(v->type, v->face.word), ret_item);
	return r;
}

int ipk_value_store_as(ipk_value *v, char typecode, const void *item)
{
	int r = check_item(v, typecode, item);

	if (r == 0)
		ipk__scalar_store(v->type, v->face.word, ipk__bits_of(v->type, item));
	return r;
}

int ipk_value_exchange_as(ipk_value *v, char typecode, const void *item, void *ret_old)
{
	int r = check_item(v, typecode, item);

	if (r == 0 && !ret_old)
		r = ipk__invalid("ret_old is NULL");
	if (r < 0)
		return r;
	return give_old(v, 0,
			ipk__scalar_exchange(v->type, v->face.word, ipk__bits_of(v->type, item)),
			ret_old);
}

int ipk_value_compare_exchange_as(ipk_value *v, char typecode, void *expected, const void *desired,
				  bool *ret_is_exchanged)
{
	uint64_t seen;
	int r = check_item(v, typecode, expected);

	if (r == 0 && (!desired || !ret_is_exchanged))
		r = ipk__invalid("desired or ret_is_exchanged is NULL");
	if (r < 0)
		return r;
	seen = ipk__bits_of(v->type, expected);
	*ret_is_exchanged =
		ipk__scalar_swap(v->type, v->face.word, &seen, ipk__bits_of(v->type, desired));
	if (!*ret_is_exchanged)
		ipk__bits_to(v->type, seen, expected);
	return 0;
}

int ipk_value_add_int(ipk_value *v, int64_t delta, char typecode, void *ret_old)
{
	uint64_t old = 0;
	int r = check_old(v, typecode, ret_old);

	if (r == 0)
		r = ipk__scalar_add_int(v->type, v->face.word, delta, false, &old);
	return give_old(v, r, old, ret_old);
}

int ipk_value_add_double(ipk_value *v, double delta, char typecode, void *ret_old)
{
	uint64_t old = 0;
	int r = check_old(v, typecode, ret_old);

	if (r == 0)
		r = ipk__scalar_add_double(v->type, v->face.word, delta, &old);
	return give_old(v, r, old, ret_old);
}

int ipk_value_add_checked_as(ipk_value *v, int64_t delta, char typecode, void *ret_old)
{
	uint64_t old = 0;
	int r = check_old(v, typecode, ret_old);

	if (r == 0)
		r = ipk__scalar_add_int(v->type, v->face.word, delta, true, &old);
	return give_old(v, r, old, ret_old);
}

/* --- looking ---------------------------------------------------------------------------------- */

ipk_lock *ipk_value_get_lock(ipk_value *v)
{
	return v && v->lock.guard ? &v->lock : NULL;
}

void *ipk_value_data(ipk_value *v)
{
	return v ? v->face.word : NULL;
}

char ipk_value_typecode(const ipk_value *v)
{
	return v && v->type ? v->type->typecode : 0;
}

size_t ipk_value_item_bytes(const ipk_value *v)
{
	return v ? v->item_bytes : 0;
}
