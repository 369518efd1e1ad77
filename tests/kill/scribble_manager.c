/*
 * scribble_manager.c - a client that writes nonsense into the rings that it shares with the server:
 * the server continues, and serves the other client.
 *
 * A local client has the store mapped read-only, so it cannot write there.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ipk/error.h"
#include "ipk/manager.h"
#include "ipk/manager_server.h"
#include "scribble.h"

#define START_MS 10000

struct managed {
	ipk_manager_server *server;
	ipk_manager *m, *other_m;
	ipk_dict *d, *other_d;
	ipk_list *l;
};

static int connect_both(struct trial *t, struct managed *x)
{
	const char *address = ipk_manager_server_address(x->server);
	ipk_deadline d = ipk_in_ms(START_MS);

	IPK_TRY(ipk_manager_connect(address, NULL, d, &x->other_m));
	IPK_TRY(ipk_dict_open(x->other_m, "other", &x->other_d));
	IPK_TRY(ipk_dict_set(x->other_d, ipk_text("k"), "value", 5, d));
	paper_begin(t);
	IPK_TRY(ipk_manager_connect(address, NULL, d, &x->m));
	IPK_TRY(ipk_dict_open(x->m, "dict", &x->d));
	IPK_TRY(ipk_list_open(x->m, "list", &x->l));
	IPK_TRY(ipk_dict_set(x->d, ipk_text("a"), "value", 5, d));
	return ipk_list_append(x->l, "item", 4, d);
}

static int manager_make(struct trial *t)
{
	struct managed *x = calloc(1, sizeof *x);
	int r = x ? ipk_manager_server_start(NULL, ipk_in_ms(START_MS), &x->server) : -ENOMEM;

	t->object = x;
	return r < 0 ? r : connect_both(t, x);
}

static int dict_set(struct trial *t, ipk_deadline d)
{
	struct managed *x = t->object;

	return ipk_dict_set(x->d, ipk_text("b"), t->buf, BUF_BYTES, d);
}

static int dict_get(struct trial *t, ipk_deadline d)
{
	struct managed *x = t->object;
	size_t n;

	return ipk_dict_get(x->d, ipk_text("b"), t->buf, BUF_BYTES, d, &n);
}

static int dict_len(struct trial *t, ipk_deadline d)
{
	struct managed *x = t->object;
	uint64_t n;

	return ipk_dict_len(x->d, d, &n);
}

static int list_append(struct trial *t, ipk_deadline d)
{
	struct managed *x = t->object;

	return ipk_list_append(x->l, "another", 7, d);
}

static int list_get(struct trial *t, ipk_deadline d)
{
	struct managed *x = t->object;
	size_t n;

	return ipk_list_get(x->l, -1, t->buf, BUF_BYTES, d, &n);
}

static void manager_check(struct trial *t)
{
	struct managed *x = t->object;
	char value[8] = "";
	size_t n = 0;
	int r = ipk_dict_set(x->other_d, ipk_text("m"), "more", 4, ipk_in_ms(START_MS));

	if (r == 0)
		r = ipk_dict_get(x->other_d, ipk_text("k"), value, sizeof value,
				 ipk_in_ms(START_MS), &n);
	if (r < 0 || n != 5 || memcmp(value, "value", 5) != 0)
		trial_harm(t, "the server's other client: %s", ipk_errname(r));
}

static void manager_close(struct trial *t)
{
	struct managed *x = t->object;

	if (!x)
		return;
	ipk_dict_close(x->d);
	ipk_list_close(x->l);
	ipk_dict_close(x->other_d);
	ipk_manager_close(x->m);
	ipk_manager_close(x->other_m);
	ipk_manager_server_close(x->server);
	free(x);
	t->object = NULL;
}

static const struct call manager_calls[] = {
	CALL("ipk_dict_set", dict_set, true), CALL("ipk_dict_get", dict_get, true),
	CALL("ipk_dict_len", dict_len, true), CALL("ipk_list_append", list_append, true),
	CALL("ipk_list_get", list_get, true),
};

void nouns_manager(struct noun_list *list)
{
	struct noun manager = {.name = "manager-rings",
			       .states = IN(EMPTY),
			       .is_slow = true,
			       CALLS(manager_calls),
			       .make = manager_make,
			       .check = manager_check,
			       .close = manager_close};

	noun_add(list, &manager);
}
