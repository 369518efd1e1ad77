/*
 * array.c - arrays: creating and passing them, and access to single numbers in them.
 *
 * The items are contiguous as in a C array. The handle keeps their number and size, checked once
 * when it was created: later writes to shared memory cannot cause an access out of bounds. One
 * number is changed by one atomic instruction; the lock is for many at a time (array_bulk.c) and
 * for the caller's own operations.
 */
#include <errno.h>
#include <string.h>

#include "os/os.h"
#include "value/value_internal.h"

/* --- making ----------------------------------------------------------------------------------- */

struct plan {
	ipk_array_opts opts;
	size_t item_bytes;
	size_t items_bytes; /* all */
};

static int init(struct ipk__shm_object *object, const void *arg)
{
	struct ipk__shm_array *array = (struct ipk__shm_array *)object;
	const struct plan *plan = arg;

	array->n_items = plan->opts.n_items;
	array->item_bytes = plan->item_bytes;
	if (plan->opts.items && plan->items_bytes > 0)
		memcpy(array->data, plan->opts.items, plan->items_bytes);
	return plan->opts.is_raw ? 0 : ipk__guard_init(&array->guard, true);
}

static int check_array_layout(const struct ipk__ref *ref, uint32_t flags, uint64_t n_items,
			      uint64_t item_bytes, const struct ipk__type **ret_type)
{
	uint64_t n_bytes;
	int r = ipk__type_check(flags, item_bytes, ret_type);

	if (r == 0 && (__builtin_mul_overflow(n_items, item_bytes, &n_bytes) ||
		       __builtin_add_overflow(n_bytes, sizeof(struct ipk__shm_array), &n_bytes) ||
		       n_bytes > ipk__object_bytes(ref)))
		r = -EBADMSG;
	return r;
}

static int bind(void *handle)
{
	ipk_array *a = handle;
	struct ipk__shm_array *array;
	uint32_t flags;
	int r;

	array = (struct ipk__shm_array *)a->ref.object;
	flags = *(volatile uint32_t *)&array->object.flags;
	a->n_items = *(volatile uint64_t *)&array->n_items;
	a->item_bytes = *(volatile uint64_t *)&array->item_bytes;
	r = check_array_layout(&a->ref, flags, a->n_items, a->item_bytes, &a->type);
	if (r < 0)
		return r;
	a->data = array->data;
	a->lock = ipk__lent_lock(&a->ref, &array->guard, flags);
	return 0;
}

static bool is_like(const void *handle, const void *opts)
{
	const ipk_array *a = handle;
	const struct plan *plan = opts;

	return a->n_items == plan->opts.n_items && a->item_bytes == plan->item_bytes;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_ARRAY,
	.n_bytes = sizeof(struct ipk__shm_array),
	.handle_bytes = sizeof(ipk_array),
	.init = init,
	.bind = bind,
	.is_like = is_like,
};

/* Sizes of all that @plan->opts ask for. */
static int measure(struct plan *plan, size_t *ret_bytes)
{
	int r = ipk__type_size(plan->opts.typecode, plan->opts.item_bytes, &plan->item_bytes);

	if (r < 0)
		return r;
	if (__builtin_mul_overflow(plan->opts.n_items, plan->item_bytes, &plan->items_bytes) ||
	    __builtin_add_overflow(plan->items_bytes, sizeof(struct ipk__shm_array), ret_bytes))
		return -EOVERFLOW;
	return 0;
}

int ipk_array_create(const ipk_array_opts *opts, ipk_array **ret_a)
{
	struct ipk__object_spec spec = {0};
	struct plan plan;
	int r = opts ? ipk__opts_copy(&plan.opts, sizeof plan.opts, opts)
		     : ipk__invalid("opts is NULL: .typecode or .item_bytes is required");

	if (r == 0)
		r = measure(&plan, &spec.n_bytes);
	if (r < 0)
		return r;
	spec.name = plan.opts.name;
	spec.label = plan.opts.label;
	spec.flags = (uint8_t)plan.opts.typecode | (plan.opts.is_raw ? IPK__FLAG_RAW : 0);
	spec.opts = &plan;
	spec.open_existing = plan.opts.open_existing;
	return ipk__handle_create(&class, &spec, ret_a);
}

int ipk_array_open(const char *name, ipk_deadline deadline, ipk_array **ret_a)
{
	return ipk__handle_open(&class, name, deadline, ret_a);
}

ipk_array *ipk_array_close(ipk_array *a)
{
	if (a)
		ipk__handle_close_locked(a, &a->lock);
	return NULL;
}

int ipk_array_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_array_send(ipk_array *a, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(a, via, deadline);
}

int ipk_array_recv(ipk_pipe *via, ipk_deadline deadline, ipk_array **ret_a)
{
	return ipk__handle_recv(&class, via, deadline, ret_a);
}

/* --- single numbers --------------------------------------------------------------------------- */

static int check_item(const ipk_array *a, size_t i, char typecode, const void *item)
{
	if (!a)
		return -EBADF;
	IPK__REQUIRE(item, IPK__NO_ITEM);
	IPK__REQUIRE(ipk__type_is(a->type, typecode), IPK__OTHER_TYPE);
	return i < a->n_items ? 0 : -ERANGE;
}

static int check_old(const ipk_array *a, size_t i, char typecode, const void *ret_old)
{
	if (!a)
		return -EBADF;
	IPK__REQUIRE(a->type && (!ret_old || ipk__type_is(a->type, typecode)), IPK__OTHER_TYPE);
	return i < a->n_items ? 0 : -ERANGE;
}

static void *word_of(const ipk_array *a, size_t i)
{
	return a->data + i * a->item_bytes;
}

int ipk_array_get_as(const ipk_array *a, size_t i, char typecode, void *ret_item)
{
	int r = check_item(a, i, typecode, ret_item);

	if (r == 0)
		ipk__bits_to(a->type, ipk__scalar_load(a->type, word_of(a, i)), ret_item);
	return r;
}

int ipk_array_set_as(ipk_array *a, size_t i, char typecode, const void *item)
{
	int r = check_item(a, i, typecode, item);

	if (r == 0)
		ipk__scalar_store(a->type, word_of(a, i), ipk__bits_of(a->type, item));
	return r;
}

int ipk_array_add_int(ipk_array *a, size_t i, int64_t delta, char typecode, void *ret_old)
{
	uint64_t old = 0;
	int r = check_old(a, i, typecode, ret_old);

	if (r == 0)
		r = ipk__scalar_add_int(a->type, word_of(a, i), delta, false, &old);
	if (r == 0 && ret_old)
		ipk__bits_to(a->type, old, ret_old);
	return r;
}

int ipk_array_add_double(ipk_array *a, size_t i, double delta, char typecode, void *ret_old)
{
	uint64_t old = 0;
	int r = check_old(a, i, typecode, ret_old);

	if (r == 0)
		r = ipk__scalar_add_double(a->type, word_of(a, i), delta, &old);
	if (r == 0 && ret_old)
		ipk__bits_to(a->type, old, ret_old);
	return r;
}

/* --- looking ---------------------------------------------------------------------------------- */

ipk_lock *ipk_array_get_lock(ipk_array *a)
{
	return a && a->lock.guard ? &a->lock : NULL;
}

void *ipk_array_data(ipk_array *a)
{
	return a ? a->data : NULL;
}

size_t ipk_array_len(const ipk_array *a)
{
	return a ? a->n_items : 0;
}

char ipk_array_typecode(const ipk_array *a)
{
	return a && a->type ? a->type->typecode : 0;
}

size_t ipk_array_item_bytes(const ipk_array *a)
{
	return a ? a->item_bytes : 0;
}
