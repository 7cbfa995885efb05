#include "tests/unit/fake_etcd.h"

#include "client/etcd_v2.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "client/lock.h"

#define FIRST_REVISION 1

/* One change; of a range, one key. */
struct record {
	int64_t revision;
	enum etcd_event event;
	struct etcd_kv kv; /* with references */
};

struct etcd_client {
	int unused;
};

struct fake_etcd {
	struct etcd_client client;
	gint references;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	GPtrArray *history; /* of struct record * */
	GTree *now; /* GBytes -> struct record *, borrowed from history */
	int64_t revision;
	int64_t compacted;
	int64_t lag; /* of the member that accepts the next watch */
	GHashTable *calls; /* those that have not ended */
	gboolean away;
	gboolean held;
	gboolean destroyed;
	int refusal;
	void (*interjection)(void *data);
	void *interjection_data;
	struct fake_etcd_fault *fault; /* the next, or NULL */
	gboolean txns_held;
	gboolean txns_wait; /* one has met that */
	unsigned int txns;
	struct fake_etcd_count count;
};

#define TXN_MAX 4

/* A transaction, copied. */
struct fake_txn {
	struct etcd_txn_handlers handlers;
	struct etcd_compare compares[TXN_MAX];
	size_t n_compares;
	struct etcd_change changes[TXN_MAX];
	size_t n_changes;
};

struct etcd_call {
	gint references;
	struct fake_etcd *fake;
	struct strand *strand;
	struct etcd_keys keys;
	void *data;
	gboolean is_watch;
	struct fake_txn *txn; /* NULL: none */
	struct etcd_range range;
	struct etcd_range_handlers range_handlers;
	struct etcd_watch_handlers watch_handlers;
	/* Guarded by the fake's lock. */
	gboolean cancelled;
	gboolean ended;
	gboolean is_held;
	int errnum; /* to end with */
	int64_t next; /* of a watch */
	gboolean created;
};

static gint compare_keys(const void *a, const void *b, void *data)
{
	return g_bytes_compare(a, b);
}

static void record_free(void *pointer)
{
	struct record *record = pointer;

	g_bytes_unref(record->kv.key);
	if (record->kv.value != NULL)
		g_bytes_unref(record->kv.value);
	g_free(record);
}

static void reset(struct fake_etcd *fake)
{
	fake->now = g_tree_new_full(compare_keys, NULL, NULL, NULL);
	fake->history = g_ptr_array_new_with_free_func(record_free);
	fake->revision = FIRST_REVISION;
	fake->compacted = 0;
}

struct fake_etcd *fake_etcd_create(void)
{
	struct fake_etcd *fake = g_new0(struct fake_etcd, 1);

	fake->references = 2;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	fake->calls = g_hash_table_new(NULL, NULL);
	reset(fake);
	return fake;
}

void fake_etcd_unref(struct fake_etcd *fake)
{
	if (!g_atomic_int_dec_and_test(&fake->references))
		return;
	g_hash_table_destroy(fake->calls);
	g_free(fake->fault);
	g_tree_destroy(fake->now);
	g_ptr_array_unref(fake->history);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
	g_free(fake);
}

struct etcd_client *fake_etcd_client(struct fake_etcd *fake)
{
	return &fake->client;
}

/* Calls */

static struct etcd_call *call_ref(struct etcd_call *call)
{
	g_atomic_int_inc(&call->references);
	return call;
}

struct etcd_call *etcd_call_unref(struct etcd_call *call)
{
	if (call == NULL || !g_atomic_int_dec_and_test(&call->references))
		return NULL;
	g_bytes_unref(call->keys.key);
	if (call->keys.range_end != NULL)
		g_bytes_unref(call->keys.range_end);
	for (size_t i = 0; call->txn != NULL && i < call->txn->n_compares; i++)
		g_bytes_unref(call->txn->compares[i].key);
	for (size_t i = 0; call->txn != NULL && i < call->txn->n_changes; i++) {
		g_bytes_unref(call->txn->changes[i].key);
		if (call->txn->changes[i].value != NULL)
			g_bytes_unref(call->txn->changes[i].value);
	}
	g_free(call->txn);
	strand_unref(call->strand);
	fake_etcd_unref(call->fake);
	g_free(call);
	return NULL;
}

static void run_call(void *data);

static void post(struct etcd_call *call)
{
	strand_post(call->strand, run_call, call_ref(call));
}

/* Under the lock. */
static void post_watches(struct fake_etcd *fake)
{
	GHashTableIter iter;
	void *call;

	g_hash_table_iter_init(&iter, fake->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL))
		if (((struct etcd_call *)call)->is_watch)
			post(call);
}

static struct etcd_call *call_create(
	struct etcd_client *client, const struct etcd_keys *keys, void *data, struct strand *strand)
{
	struct fake_etcd *fake = (struct fake_etcd *)client;
	struct etcd_call *call = g_new0(struct etcd_call, 1);

	call->references = 1;
	g_atomic_int_inc(&fake->references);
	call->fake = fake;
	call->strand = strand_ref(strand);
	call->keys.key = g_bytes_ref(keys->key);
	if (keys->range_end != NULL)
		call->keys.range_end = g_bytes_ref(keys->range_end);
	call->data = data;
	pthread_mutex_lock(&fake->lock);
	if (fake->destroyed)
		g_error("a call after the client was destroyed");
	g_hash_table_add(fake->calls, call);
	pthread_mutex_unlock(&fake->lock);
	return call;
}

void etcd_cancel(struct etcd_call *call)
{
	pthread_mutex_lock(&call->fake->lock);
	call->cancelled = TRUE;
	pthread_mutex_unlock(&call->fake->lock);
	post(call);
}

static gboolean contains(const struct etcd_keys *keys, GBytes *key)
{
	if (g_bytes_compare(key, keys->key) < 0)
		return FALSE;
	if (keys->range_end == NULL)
		return g_bytes_equal(key, keys->key);
	return g_bytes_get_size(keys->range_end) == 0 || g_bytes_compare(key, keys->range_end) < 0;
}

/* Takes the call out; FALSE when it has ended. Under the lock. */
static gboolean end(struct etcd_call *call)
{
	if (call->ended)
		return FALSE;
	call->ended = TRUE;
	if (call->is_watch)
		call->fake->count.watching--;
	return TRUE;
}

static void ended(struct etcd_call *call)
{
	struct fake_etcd *fake = call->fake;
	LOCK_GUARD(&fake->lock);

	g_hash_table_remove(fake->calls, call);
	pthread_cond_broadcast(&fake->changed);
}

/* Ranges */

static void add_copy(GPtrArray *found, const struct record *record, gboolean keys_only)
{
	struct record *copy = g_new(struct record, 1);

	*copy = *record;
	g_bytes_ref(copy->kv.key);
	if (keys_only)
		copy->kv.value = NULL;
	else
		g_bytes_ref(copy->kv.value);
	g_ptr_array_add(found, copy);
}

struct search {
	struct etcd_call *call;
	GPtrArray *found;
	int64_t count;
};

static gboolean visit(void *key, void *value, void *data)
{
	struct search *search = data;
	const struct etcd_range *range = &search->call->range;

	if (search->call->keys.range_end != NULL &&
		g_bytes_get_size(search->call->keys.range_end) > 0 &&
		g_bytes_compare(key, search->call->keys.range_end) >= 0)
		return TRUE;
	if (!contains(&search->call->keys, key))
		return FALSE;
	search->count++;
	if (range->limit == 0 || search->count <= range->limit)
		add_copy(search->found, value, range->keys_only);
	return FALSE; /* etcd counts them all */
}

/* Under the lock. The store as it was. */
static GTree *state_at(struct fake_etcd *fake, int64_t revision)
{
	GTree *state;

	if (revision == 0 || revision == fake->revision)
		return g_tree_ref(fake->now);
	state = g_tree_new_full(compare_keys, NULL, NULL, NULL);
	for (guint i = 0; i < fake->history->len; i++) {
		struct record *record = g_ptr_array_index(fake->history, i);

		if (record->revision > revision)
			break;
		if (record->event == ETCD_PUT)
			g_tree_replace(state, record->kv.key, record);
		else
			g_tree_remove(state, record->kv.key);
	}
	return state;
}

static void find(struct fake_etcd *fake, struct search *search)
{
	GTree *state = state_at(fake, search->call->range.revision);
	GTreeNode *node = g_tree_lower_bound(state, search->call->keys.key);

	for (; node != NULL; node = g_tree_node_next(node))
		if (visit(g_tree_node_key(node), g_tree_node_value(node), search))
			break;
	g_tree_unref(state);
}

static void interject(struct fake_etcd *fake)
{
	void (*job)(void *data);
	void *data;

	pthread_mutex_lock(&fake->lock);
	job = fake->interjection;
	data = fake->interjection_data;
	fake->interjection = NULL;
	pthread_mutex_unlock(&fake->lock);
	if (job != NULL)
		job(data);
}

static void count_range(struct fake_etcd *fake, const struct search *search)
{
	fake->count.ranges++;
	fake->count.keys += search->found->len;
	fake->count.counted += (uint64_t)search->count;
	if (!search->call->range.keys_only)
		fake->count.values += search->found->len;
}

static int begin_range(struct etcd_call *call, struct search *search, int64_t *ret_revision)
{
	struct fake_etcd *fake = call->fake;
	int errnum = 0;

	if (call->cancelled)
		errnum = ECANCELED;
	else if (fake->away)
		errnum = ECONNREFUSED;
	else if (fake->refusal != 0)
		errnum = fake->refusal;
	else if (call->range.revision != 0 && call->range.revision < fake->compacted)
		errnum = ESTALE;
	else if (call->range.revision > fake->revision)
		errnum = ERANGE;
	if (errnum == 0) {
		find(fake, search);
		count_range(fake, search);
	}
	*ret_revision = fake->revision;
	return errnum;
}

static void run_range(struct etcd_call *call)
{
	struct fake_etcd *fake = call->fake;
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(record_free);
	struct search search = {.call = call, .found = found};
	struct etcd_result result = {.message = ""};
	gboolean more;

	pthread_mutex_lock(&fake->lock);
	if (call->ended || (fake->held && !call->cancelled)) {
		call->is_held = !call->ended;
		pthread_mutex_unlock(&fake->lock);
		return;
	}
	result.errnum = begin_range(call, &search, &result.revision);
	end(call);
	pthread_mutex_unlock(&fake->lock);
	if (result.errnum != 0)
		result.message = "fake: it failed";
	more = call->range.limit != 0 && search.count > call->range.limit;
	for (guint i = 0; i < found->len; i++) {
		struct record *record = g_ptr_array_index(found, i);

		call->range_handlers.kv(call->data, &record->kv);
		if (i == 0)
			interject(fake);
	}
	interject(fake);
	call->range_handlers.done(call->data, &result, more, search.count);
	ended(call);
}

struct etcd_call *etcd_range(struct etcd_client *client, const struct etcd_range *range,
	const struct etcd_range_handlers *handlers, void *data, struct strand *strand)
{
	struct etcd_call *call = call_create(client, &range->keys, data, strand);

	call->range = *range;
	call->range_handlers = *handlers;
	post(call);
	return call;
}

/* Watches */

/* The next events, all of them; FALSE: the watch ends with *ret. */
static gboolean take_events(struct etcd_call *call, GPtrArray *events, struct etcd_result *ret)
{
	struct fake_etcd *fake = call->fake;
	gboolean goes_on = FALSE;

	if (call->cancelled)
		ret->errnum = ECANCELED;
	else if (fake->away)
		ret->errnum = ECONNREFUSED;
	else if (call->errnum != 0)
		ret->errnum = call->errnum < 0 ? 0 : call->errnum;
	else if (call->next != 0 && call->next <= fake->compacted && !call->created)
		ret->errnum = ESTALE;
	else
		goes_on = TRUE;
	if (ret->errnum == ESTALE)
		ret->compact_revision = fake->compacted;
	if (!goes_on)
		return FALSE;
	ret->revision = fake->revision;
	if (call->next == 0)
		call->next = fake->revision + 1;
	for (guint i = 0; i < fake->history->len; i++) {
		const struct record *record = g_ptr_array_index(fake->history, i);

		if (record->revision >= call->next && contains(&call->keys, record->kv.key))
			add_copy(events, record, record->event == ETCD_DELETE);
	}
	call->next = MAX(call->next, fake->revision + 1);
	return TRUE;
}

static void run_watch(struct etcd_call *call)
{
	struct fake_etcd *fake = call->fake;
	g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(record_free);
	struct etcd_result result = {.message = ""};
	gboolean was_created;
	gboolean goes_on;

	pthread_mutex_lock(&fake->lock);
	if (call->ended) {
		pthread_mutex_unlock(&fake->lock);
		return;
	}
	was_created = call->created;
	goes_on = take_events(call, events, &result);
	if (goes_on && !was_created) {
		result.revision -= fake->lag;
		fake->lag = 0;
	}
	call->created = TRUE;
	if (!goes_on)
		end(call);
	pthread_mutex_unlock(&fake->lock);
	if (!goes_on) {
		if (result.errnum != 0)
			result.message = "fake: the watch ended";
		call->watch_handlers.done(call->data, &result);
		ended(call);
		return;
	}
	if (!was_created)
		call->watch_handlers.created(call->data, result.revision);
	for (guint i = 0; i < events->len; i++) {
		struct record *record = g_ptr_array_index(events, i);
		gboolean cancelled;

		pthread_mutex_lock(&fake->lock);
		cancelled = call->cancelled;
		pthread_mutex_unlock(&fake->lock);
		if (!cancelled)
			call->watch_handlers.event(call->data, record->event, &record->kv);
		if (!cancelled &&
			(i + 1 == events->len ||
				((struct record *)g_ptr_array_index(events, i + 1))->revision !=
					record->revision))
			call->watch_handlers.progress(call->data, record->revision);
	}
}

struct etcd_call *etcd_watch(struct etcd_client *client, const struct etcd_keys *keys,
	int64_t revision, const struct etcd_watch_handlers *handlers, void *data,
	struct strand *strand)
{
	struct etcd_call *call = call_create(client, keys, data, strand);

	/* It is among the others already. */
	pthread_mutex_lock(&call->fake->lock);
	call->is_watch = TRUE;
	call->next = revision;
	call->watch_handlers = *handlers;
	call->fake->count.watches++;
	call->fake->count.watching++;
	pthread_mutex_unlock(&call->fake->lock);
	post(call);
	return call;
}

/* Changes */

static const struct etcd_kv *kv_now(struct fake_etcd *fake, GBytes *key)
{
	const struct record *record = g_tree_lookup(fake->now, key);

	return record != NULL ? &record->kv : NULL;
}

/* At the present revision, which is the change's. Under the lock. */
static void put(struct fake_etcd *fake, GBytes *key, GBytes *value, int64_t lease)
{
	const struct etcd_kv *old = kv_now(fake, key);
	struct record *record = g_new0(struct record, 1);

	*record = (struct record){.revision = fake->revision, .event = ETCD_PUT};
	record->kv = (struct etcd_kv){
		.key = g_bytes_ref(key),
		.value = g_bytes_ref(value),
		.create_revision = old != NULL ? old->create_revision : fake->revision,
		.mod_revision = fake->revision,
		.version = old != NULL ? old->version + 1 : 1,
		.lease = lease,
	};
	g_ptr_array_add(fake->history, record);
	g_tree_replace(fake->now, record->kv.key, record);
}

static void erase(struct fake_etcd *fake, GBytes *key)
{
	struct record *record = g_new0(struct record, 1);

	*record = (struct record){.revision = fake->revision, .event = ETCD_DELETE};
	record->kv = (struct etcd_kv){.key = g_bytes_ref(key), .mod_revision = fake->revision};
	g_ptr_array_add(fake->history, record);
	g_tree_remove(fake->now, key);
}

/* Under the lock. */
static gboolean compares_hold(struct fake_etcd *fake, const struct fake_txn *txn)
{
	for (size_t i = 0; i < txn->n_compares; i++) {
		const struct etcd_kv *kv = kv_now(fake, txn->compares[i].key);

		if ((kv != NULL ? kv->mod_revision : 0) != txn->compares[i].mod_revision)
			return FALSE;
	}
	return TRUE;
}

/* Under the lock. */
static gboolean do_txn(struct fake_etcd *fake, const struct fake_txn *txn)
{
	if (!compares_hold(fake, txn))
		return FALSE;
	if (txn->n_changes > 0)
		fake->revision++;
	for (size_t i = 0; i < txn->n_changes; i++) {
		const struct etcd_change *change = &txn->changes[i];
		const struct etcd_kv *old = kv_now(fake, change->key);

		if (change->value != NULL)
			put(fake, change->key, change->value,
				change->keep_lease ? old->lease : change->lease);
		else if (old != NULL)
			erase(fake, change->key);
	}
	post_watches(fake);
	return TRUE;
}

static void run_txn(struct etcd_call *call)
{
	struct fake_etcd *fake = call->fake;
	g_autofree struct fake_etcd_fault *fault = NULL;
	struct etcd_result result = {.message = ""};
	gboolean succeeded = FALSE;

	pthread_mutex_lock(&fake->lock);
	if (call->ended || (fake->txns_held && !call->cancelled)) {
		call->is_held = !call->ended;
		fake->txns_wait |= call->is_held;
		pthread_cond_broadcast(&fake->changed);
		pthread_mutex_unlock(&fake->lock);
		return;
	}
	fake->txns++;
	if (!call->cancelled && !fake->away)
		fault = g_steal_pointer(&fake->fault);
	if (call->cancelled)
		result = (struct etcd_result){.errnum = ECANCELED, .uncertain = TRUE};
	else if (fake->away)
		result.errnum = ECONNREFUSED;
	else if (fault == NULL || fault->arrives)
		succeeded = do_txn(fake, call->txn);
	if (fault != NULL)
		result = (struct etcd_result){
			.errnum = fault->errnum, .uncertain = fault->uncertain};
	if (result.errnum == 0)
		result.revision = fake->revision;
	result.message = result.errnum != 0 ? "fake: it failed" : "";
	end(call);
	pthread_mutex_unlock(&fake->lock);
	if (fault != NULL && fault->job != NULL)
		fault->job(fault->data);
	call->txn->handlers.done(call->data, &result, result.errnum == 0 && succeeded);
	ended(call);
}

struct etcd_call *etcd_txn(struct etcd_client *client, const struct etcd_compare *compares,
	size_t n_compares, const struct etcd_change *changes, size_t n_changes,
	const struct etcd_txn_handlers *handlers, void *data, struct strand *strand)
{
	const struct etcd_keys keys = {.key = compares[0].key};
	struct etcd_call *call = call_create(client, &keys, data, strand);
	struct fake_txn *txn = g_new0(struct fake_txn, 1);

	g_assert(n_compares <= TXN_MAX && n_changes <= TXN_MAX);
	txn->handlers = *handlers;
	txn->n_compares = n_compares;
	txn->n_changes = n_changes;
	for (size_t i = 0; i < n_compares; i++) {
		txn->compares[i] = compares[i];
		g_bytes_ref(compares[i].key);
	}
	for (size_t i = 0; i < n_changes; i++) {
		txn->changes[i] = changes[i];
		g_bytes_ref(changes[i].key);
		if (changes[i].value != NULL)
			g_bytes_ref(changes[i].value);
	}
	call->txn = txn;
	post(call);
	return call;
}

static void run_call(void *data)
{
	struct etcd_call *call = data;

	if (call->txn != NULL)
		run_txn(call);
	else if (call->is_watch)
		run_watch(call);
	else
		run_range(call);
	etcd_call_unref(call);
}

/* The client */

struct etcd_client *etcd_client_create(
	struct http_client *http, const char *user, const char *password)
{
	g_error("the tests have no such client");
}

void etcd_client_use_grpc(struct etcd_client *client)
{
}

void etcd_client_destroy(struct etcd_client *client)
{
	struct fake_etcd *fake = (struct fake_etcd *)client;
	GHashTableIter iter;
	void *call;

	pthread_mutex_lock(&fake->lock);
	fake->destroyed = TRUE;
	g_hash_table_iter_init(&iter, fake->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL)) {
		((struct etcd_call *)call)->cancelled = TRUE;
		post(call);
	}
	while (g_hash_table_size(fake->calls) > 0)
		pthread_cond_wait(&fake->changed, &fake->lock);
	pthread_mutex_unlock(&fake->lock);
	fake_etcd_unref(fake);
}

const char *etcd_client_where(struct etcd_client *client)
{
	return "http://fake:2379";
}

/* Neither the members nor the v2 store are asked here. */
struct etcd_call *etcd_v2_get(struct etcd_client *client, GBytes *path,
	const struct etcd_v2_handlers *handlers, void *data, struct strand *strand)
{
	g_assert_not_reached();
}

struct etcd_call *etcd_ask_server(struct etcd_client *client, enum etcd_question question,
	const char *server, unsigned int timeout, const struct etcd_get_handlers *handlers,
	void *data, struct strand *strand)
{
	g_assert_not_reached();
}

/* What the test does */

int64_t fake_etcd_put_bytes(struct fake_etcd *fake, GBytes *key, GBytes *value, int64_t lease)
{
	LOCK_GUARD(&fake->lock);

	fake->revision++;
	put(fake, key, value, lease);
	post_watches(fake);
	return fake->revision;
}

int64_t fake_etcd_put(struct fake_etcd *fake, const char *key, const char *value)
{
	g_autoptr(GBytes) key_bytes = g_bytes_new(key, strlen(key));
	g_autoptr(GBytes) value_bytes = g_bytes_new(value, strlen(value));

	return fake_etcd_put_bytes(fake, key_bytes, value_bytes, 0);
}

int64_t fake_etcd_delete_bytes(struct fake_etcd *fake, GBytes *key)
{
	LOCK_GUARD(&fake->lock);

	if (kv_now(fake, key) == NULL)
		return fake->revision;
	fake->revision++;
	erase(fake, key);
	post_watches(fake);
	return fake->revision;
}

int64_t fake_etcd_delete(struct fake_etcd *fake, const char *key)
{
	g_autoptr(GBytes) key_bytes = g_bytes_new(key, strlen(key));

	return fake_etcd_delete_bytes(fake, key_bytes);
}

void fake_etcd_compact(struct fake_etcd *fake, int64_t revision)
{
	LOCK_GUARD(&fake->lock);

	fake->compacted = revision;
}

void fake_etcd_set_away(struct fake_etcd *fake, gboolean away)
{
	LOCK_GUARD(&fake->lock);

	fake->away = away;
	post_watches(fake);
}

void fake_etcd_end_watches(struct fake_etcd *fake, int errnum)
{
	LOCK_GUARD(&fake->lock);
	GHashTableIter iter;
	void *call;

	g_hash_table_iter_init(&iter, fake->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL))
		((struct etcd_call *)call)->errnum = errnum != 0 ? errnum : -1;
	post_watches(fake);
}

void fake_etcd_lag(struct fake_etcd *fake, int64_t revisions)
{
	LOCK_GUARD(&fake->lock);

	fake->lag = revisions;
}

void fake_etcd_refuse(struct fake_etcd *fake, int errnum)
{
	LOCK_GUARD(&fake->lock);

	fake->refusal = errnum;
}

void fake_etcd_hold(struct fake_etcd *fake, gboolean hold)
{
	LOCK_GUARD(&fake->lock);
	GHashTableIter iter;
	void *call;

	fake->held = hold;
	g_hash_table_iter_init(&iter, fake->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL))
		if (((struct etcd_call *)call)->is_held)
			post(call);
}

void fake_etcd_erase(struct fake_etcd *fake)
{
	LOCK_GUARD(&fake->lock);

	g_tree_destroy(fake->now);
	g_ptr_array_unref(fake->history);
	reset(fake);
}

void fake_etcd_fail_txn(struct fake_etcd *fake, const struct fake_etcd_fault *fault)
{
	LOCK_GUARD(&fake->lock);

	g_free(fake->fault);
	fake->fault = g_memdup2(fault, sizeof(*fault));
}

void fake_etcd_hold_txns(struct fake_etcd *fake, gboolean hold)
{
	LOCK_GUARD(&fake->lock);
	GHashTableIter iter;
	void *call;

	fake->txns_held = hold;
	g_hash_table_iter_init(&iter, fake->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL))
		if (((struct etcd_call *)call)->is_held)
			post(call);
}

void fake_etcd_wait_txn(struct fake_etcd *fake)
{
	LOCK_GUARD(&fake->lock);

	while (!fake->txns_wait)
		pthread_cond_wait(&fake->changed, &fake->lock);
}

unsigned int fake_etcd_txns(struct fake_etcd *fake)
{
	LOCK_GUARD(&fake->lock);

	return fake->txns;
}

GBytes *fake_etcd_get(struct fake_etcd *fake, const char *key)
{
	LOCK_GUARD(&fake->lock);
	g_autoptr(GBytes) bytes = g_bytes_new(key, strlen(key));
	const struct etcd_kv *kv = kv_now(fake, bytes);

	return kv != NULL ? g_bytes_ref(kv->value) : NULL;
}

int64_t fake_etcd_get_lease(struct fake_etcd *fake, const char *key)
{
	LOCK_GUARD(&fake->lock);
	g_autoptr(GBytes) bytes = g_bytes_new(key, strlen(key));
	const struct etcd_kv *kv = kv_now(fake, bytes);

	return kv != NULL ? kv->lease : -1;
}

void fake_etcd_interject(struct fake_etcd *fake, void (*job)(void *data), void *data)
{
	LOCK_GUARD(&fake->lock);

	fake->interjection = job;
	fake->interjection_data = data;
}

void fake_etcd_get_count(struct fake_etcd *fake, struct fake_etcd_count *ret)
{
	LOCK_GUARD(&fake->lock);

	*ret = fake->count;
}

void fake_etcd_forget_count(struct fake_etcd *fake)
{
	LOCK_GUARD(&fake->lock);

	fake->count.ranges = 0;
	fake->count.keys = 0;
	fake->count.values = 0;
	fake->count.counted = 0;
}
