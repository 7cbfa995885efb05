#include "cache/key_history.h"

#include <errno.h>
#include <string.h>

#include "cache/admission.h"
#include "client/error.h"
#include "client/lock.h"
#include "client/loop.h"

/* A key that was looked at. */
struct entry {
	GBytes *key;
	struct walk *walk; /* under way, or NULL */
	struct key_history *known; /* what the last one found, or NULL */
	uint64_t ended; /* loop_now() then */
	int errnum; /* why the last one failed, or 0 */
	char *message;
	struct waiters waiters;
};

struct key_histories {
	struct etcd_client *client;
	struct strand_pool *pool;
	struct revision_clock *clock;
	struct admission *admission;
	pthread_mutex_t lock; /* guards all below, and the entries */
	pthread_cond_t idle; /* walks is 0 */
	GHashTable *entries; /* GBytes, the entry's -> struct entry * (owned) */
	guint walks;
	gboolean stopped;
};

/* Its own strand's but for what is said. */
struct walk {
	struct key_histories *histories;
	struct entry *entry; /* stays while it has the walk */
	struct strand *strand;
	GPtrArray *versions; /* found so far, newest first */
	struct key_history *known; /* where it may end, or NULL */
	size_t bytes;
	struct key_snapshot *next; /* what the range under way has given */
	gboolean damaged;
	struct etcd_call *call; /* the lock guards it */
};

static void unref_snapshot(void *snapshot)
{
	key_snapshot_unref(snapshot);
}

/* Histories */

static struct key_history *history_create(GPtrArray *versions, enum key_history_end end)
{
	struct key_history *history = g_new(struct key_history, 1);

	*history = (struct key_history){
		.references = 1,
		.versions = g_ptr_array_ref(versions),
		.end = end,
	};
	return history;
}

static struct key_history *history_ref(struct key_history *history)
{
	g_atomic_int_inc(&history->references);
	return history;
}

struct key_history *key_history_unref(struct key_history *history)
{
	if (history == NULL || !g_atomic_int_dec_and_test(&history->references))
		return NULL;
	g_ptr_array_unref(history->versions);
	g_free(history);
	return NULL;
}

void key_history_unref_pointer(struct key_history **history)
{
	key_history_unref(*history);
}

static const struct key_snapshot *head_of(const struct key_history *history)
{
	return g_ptr_array_index(history->versions, 0);
}

/* Walking */

static void walk_free(struct walk *walk)
{
	strand_unref(walk->strand);
	g_ptr_array_unref(walk->versions);
	key_history_unref(walk->known);
	key_snapshot_unref(walk->next);
	g_free(walk);
}

/* The walk is over; it found history, which it takes over, or failed. */
static void walk_end(
	struct walk *walk, struct key_history *history, int errnum, const char *message)
{
	struct key_histories *histories = walk->histories;
	struct entry *entry = walk->entry;

	admission_leave(histories->admission);
	pthread_mutex_lock(&histories->lock);
	entry->walk = NULL;
	key_history_unref(entry->known);
	entry->known = history;
	entry->ended = loop_now();
	entry->errnum = errnum;
	g_free(entry->message);
	entry->message = g_strdup(message);
	waiters_unlock_and_wake(&entry->waiters, &histories->lock);
	walk_free(walk);
	/* Last: the histories may go then. */
	pthread_mutex_lock(&histories->lock);
	if (--histories->walks == 0)
		pthread_cond_signal(&histories->idle);
	pthread_mutex_unlock(&histories->lock);
}

static void walk_found(struct walk *walk, enum key_history_end end)
{
	walk_end(walk, history_create(walk->versions, end), 0, NULL);
}

static void walk_failed(struct walk *walk, int errnum, const char *message)
{
	walk_end(walk, NULL, errnum, message);
}

static const struct key_snapshot *last_of(const struct walk *walk)
{
	return g_ptr_array_index(walk->versions, walk->versions->len - 1);
}

static void add(struct walk *walk, struct key_snapshot *snapshot)
{
	walk->bytes += g_bytes_get_size(snapshot->value);
	g_ptr_array_add(walk->versions, key_snapshot_ref(snapshot));
}

static gboolean is_full(const struct walk *walk)
{
	return walk->versions->len >= KEY_HISTORY_VERSIONS_MAX ||
	       walk->bytes >= KEY_HISTORY_BYTES_MAX;
}

/* Whether the walk has come to what was known before, and needs go no further. */
static gboolean join_known(struct walk *walk)
{
	const struct key_history *known = walk->known;

	if (known == NULL || head_of(known)->mod_revision != last_of(walk)->mod_revision)
		return FALSE;
	for (guint i = 1; i < known->versions->len && !is_full(walk); i++)
		add(walk, g_ptr_array_index(known->versions, i));
	return TRUE;
}

/* What was known is a part of it: how that ended, unless not all of it had room. */
static enum key_history_end joined_end(const struct walk *walk)
{
	const GPtrArray *versions = walk->known->versions;

	return last_of(walk) == g_ptr_array_index(versions, versions->len - 1) ? walk->known->end
									       : KEY_HISTORY_CUT;
}

/* The version before: the same key since the same creation, one change earlier. */
static gboolean precedes(const struct key_snapshot *later, const struct etcd_kv *kv)
{
	size_t length;
	const char *key = g_bytes_get_data(kv->key, &length);

	return length == later->key_length && memcmp(key, later->key, length) == 0 &&
	       kv->value != NULL && kv->create_revision == later->create_revision &&
	       kv->version == later->version - 1 && kv->mod_revision < later->mod_revision &&
	       kv->mod_revision >= kv->create_revision;
}

static void on_kv(void *data, const struct etcd_kv *kv)
{
	struct walk *walk = data;

	if (walk->next != NULL || !precedes(last_of(walk), kv)) {
		walk->damaged = TRUE;
		return;
	}
	walk->next = key_snapshot_create(
		kv, revision_clock_seen(walk->histories->clock, kv->mod_revision));
}

static void go_back(struct walk *walk);

static void on_done(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct walk *walk = data;
	struct key_snapshot *next KEY_SNAPSHOT_CLEANUP = g_steal_pointer(&walk->next);

	pthread_mutex_lock(&walk->histories->lock);
	walk->call = etcd_call_unref(walk->call);
	pthread_mutex_unlock(&walk->histories->lock);
	if (result->errnum == ESTALE) {
		walk_found(walk, KEY_HISTORY_COMPACTED);
	} else if (result->errnum != 0) {
		walk_failed(walk, result->errnum, result->message);
	} else if (walk->damaged || next == NULL) {
		g_autofree char *message =
			g_strdup_printf("%s: the versions of a key do not follow each other",
				etcd_client_where(walk->histories->client));

		walk_failed(walk, EPROTO, message);
	} else {
		add(walk, next);
		go_back(walk);
	}
}

static void ask(struct walk *walk)
{
	static const struct etcd_range_handlers handlers = {on_kv, on_done};
	struct key_histories *histories = walk->histories;
	const struct etcd_range range = {
		.keys.key = walk->entry->key,
		.revision = last_of(walk)->mod_revision - 1,
	};
	struct etcd_call *call =
		etcd_range(histories->client, &range, &handlers, walk, walk->strand);
	LOCK_GUARD(&histories->lock);

	walk->call = call;
	if (histories->stopped)
		etcd_cancel(call);
}

static void go_back(struct walk *walk)
{
	if (join_known(walk))
		walk_found(walk, joined_end(walk));
	else if (last_of(walk)->version <= 1)
		walk_found(walk, KEY_HISTORY_CREATED);
	else if (is_full(walk))
		walk_found(walk, KEY_HISTORY_CUT);
	else
		ask(walk);
}

static void run_walk(void *data)
{
	go_back(data);
}

/* Under the lock. */
static void begin(struct key_histories *histories, struct entry *entry, struct key_snapshot *newest,
	gboolean is_fresh)
{
	struct walk *walk = g_new(struct walk, 1);

	*walk = (struct walk){
		.histories = histories,
		.entry = entry,
		.strand = strand_create(histories->pool),
		.versions = g_ptr_array_new_with_free_func(unref_snapshot),
		/* Of what is older nobody knows whether it is still there. */
		.known = is_fresh && entry->known != NULL ? history_ref(entry->known) : NULL,
	};
	add(walk, newest);
	entry->walk = walk;
	histories->walks++;
	admission_enter(histories->admission, walk->strand, run_walk, walk);
}

/* Entries */

static void entry_free(void *data)
{
	struct entry *entry = data;

	g_bytes_unref(entry->key);
	key_history_unref(entry->known);
	g_free(entry->message);
	waiters_finish(&entry->waiters);
	g_free(entry);
}

static gboolean is_fresh(const struct entry *entry)
{
	return entry->ended != 0 && loop_now() - entry->ended < KEY_HISTORY_FRESH_MS;
}

/* Under the lock. One that nobody walks, the oldest, makes room; FALSE: there is none. */
static gboolean make_room(struct key_histories *histories)
{
	const struct entry *oldest = NULL;
	GHashTableIter iter;
	void *value;

	if (g_hash_table_size(histories->entries) < KEY_HISTORIES_MAX)
		return TRUE;
	g_hash_table_iter_init(&iter, histories->entries);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct entry *entry = value;

		if (entry->walk == NULL && (oldest == NULL || entry->ended < oldest->ended))
			oldest = entry;
	}
	return oldest != NULL && g_hash_table_remove(histories->entries, oldest->key);
}

/* Under the lock. NULL: too many are walked. */
static struct entry *get_entry(struct key_histories *histories, const struct key_snapshot *newest)
{
	g_autoptr(GBytes) key = g_bytes_new(newest->key, newest->key_length);
	struct entry *entry = g_hash_table_lookup(histories->entries, key);

	if (entry != NULL || !make_room(histories))
		return entry;
	entry = g_new0(struct entry, 1);
	entry->key = g_steal_pointer(&key);
	g_hash_table_insert(histories->entries, entry->key, entry);
	return entry;
}

int key_histories_look(struct key_histories *histories, struct key_snapshot *newest,
	collection_wait wait, void *data, struct key_history **ret, GError **error)
{
	LOCK_GUARD(&histories->lock);
	struct entry *entry;
	gboolean fresh;

	if (histories->stopped)
		return error_set(error, ESHUTDOWN, "etcd: the keys are no longer served");
	entry = get_entry(histories, newest);
	if (entry == NULL)
		return error_set(
			error, EAGAIN, "etcd: the versions of too many keys are asked for");
	fresh = is_fresh(entry);
	if (entry->walk == NULL && fresh && entry->known != NULL &&
		head_of(entry->known)->mod_revision >= newest->mod_revision) {
		*ret = history_ref(entry->known);
		return 0;
	}
	if (entry->walk == NULL && fresh && entry->errnum != 0)
		return error_set(error, entry->errnum, "%s", entry->message);
	if (waiters_count(&entry->waiters) >= KEY_HISTORY_WAITERS_MAX)
		return error_set(
			error, EAGAIN, "etcd: too many requests wait for the versions of a key");
	if (wait != NULL)
		waiters_add(&entry->waiters, wait, data);
	if (entry->walk == NULL)
		begin(histories, entry, newest, fresh);
	return -EINPROGRESS;
}

static gboolean is_over(void *key, void *value, void *data)
{
	const struct entry *entry = value;

	return entry->walk == NULL && !is_fresh(entry);
}

void key_histories_sweep(struct key_histories *histories)
{
	LOCK_GUARD(&histories->lock);

	g_hash_table_foreach_remove(histories->entries, is_over, NULL);
}

void key_histories_kick(struct key_histories *histories)
{
	LOCK_GUARD(&histories->lock);
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, histories->entries);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct entry *entry = value;

		if (entry->errnum != 0 && entry->errnum != EACCES)
			entry->ended = 0;
	}
}

/* Life */

struct key_histories *key_histories_create(
	struct etcd_client *client, struct strand_pool *pool, struct revision_clock *clock)
{
	struct key_histories *histories = g_new(struct key_histories, 1);

	*histories = (struct key_histories){
		.client = client,
		.pool = pool,
		.clock = clock,
		.admission = admission_create(KEY_HISTORY_WALKS_MAX),
		.entries = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, NULL, entry_free),
	};
	pthread_mutex_init(&histories->lock, NULL);
	pthread_cond_init(&histories->idle, NULL);
	return histories;
}

void key_histories_stop(struct key_histories *histories)
{
	GHashTableIter iter;
	void *value;

	pthread_mutex_lock(&histories->lock);
	histories->stopped = TRUE;
	g_hash_table_iter_init(&iter, histories->entries);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct entry *entry = value;

		if (entry->walk != NULL && entry->walk->call != NULL)
			etcd_cancel(entry->walk->call);
	}
	while (histories->walks > 0)
		pthread_cond_wait(&histories->idle, &histories->lock);
	pthread_mutex_unlock(&histories->lock);
}

void key_histories_destroy(struct key_histories *histories)
{
	g_hash_table_destroy(histories->entries);
	admission_destroy(histories->admission);
	pthread_cond_destroy(&histories->idle);
	pthread_mutex_destroy(&histories->lock);
	g_free(histories);
}
