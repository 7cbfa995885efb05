#include "cache/key_commit.h"

#include <errno.h>

#include "cache/key_commit_internal.h"
#include "client/lock.h"

struct key_commit *key_commit_ref(struct key_commit *commit)
{
	g_atomic_int_inc(&commit->references);
	return commit;
}

static void finish_edit(struct key_edit *edit)
{
	g_clear_pointer(&edit->key, g_bytes_unref);
	g_clear_pointer(&edit->value, g_bytes_unref);
	edit->base = key_snapshot_unref(edit->base);
}

struct key_commit *key_commit_unref(struct key_commit *commit)
{
	if (commit == NULL || !g_atomic_int_dec_and_test(&commit->references))
		return NULL;
	for (guint i = 0; i < KEY_COMMIT_KEYS; i++) {
		finish_edit(&commit->edits[i]);
		key_snapshot_unref(commit->there[i]);
	}
	key_snapshot_unref(commit->past);
	key_snapshot_unref(commit->outcome.snapshot);
	strand_unref(commit->strand);
	pthread_mutex_destroy(&commit->lock);
	g_free(commit->message);
	g_free(commit->text);
	g_free(commit);
	return NULL;
}

/* Ending */

static void end(struct key_commit *commit)
{
	uint64_t deadline;

	pthread_mutex_lock(&commit->lock);
	deadline = commit->deadline;
	commit->deadline = 0;
	pthread_mutex_unlock(&commit->lock);
	if (loop_timer_cancel(commit->options->loop, deadline))
		key_commit_unref(commit);
	commit->done(commit->data, &commit->outcome);
	keyspace_leave(commit->keyspace, commit);
	/* The machinery's. */
	key_commit_unref(commit);
}

static void run_shown(void *data)
{
	struct key_commit *commit = data;

	if (--commit->showing == 0)
		end(commit);
	key_commit_unref(commit);
}

static void on_shown(void *data)
{
	struct key_commit *commit = data;

	strand_post(commit->strand, run_shown, commit);
}

/* What is known of the first count keys is shown; then it ends. */
static void show(struct key_commit *commit, guint count)
{
	commit->showing = count;
	if (count == 0)
		end(commit);
	for (guint i = 0; i < count; i++)
		keyspace_apply(commit->keyspace, commit->edits[i].key, commit->there[i],
			commit->revision, on_shown, key_commit_ref(commit));
}

void key_commit_arrived(struct key_commit *commit, struct key_snapshot *snapshot)
{
	commit->outcome = (struct key_outcome){
		.message = "",
		.snapshot = snapshot != NULL ? key_snapshot_ref(snapshot) : NULL,
	};
	show(commit, commit->kind == KEY_COMMIT_CHECK ? 0 : commit->count);
}

static void settle(struct key_commit *commit, int errnum, gboolean uncertain, const char *message)
{
	g_free(commit->text);
	commit->text = uncertain ? g_strdup_printf("%s; it is not known whether the change was "
						   "stored",
					   message)
				 : g_strdup(message);
	commit->outcome = (struct key_outcome){
		.errnum = errnum,
		.message = commit->text,
		.uncertain = uncertain,
	};
}

void key_commit_fail(struct key_commit *commit, int errnum, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	settle(commit, errnum, commit->doubt, message);
	show(commit, 0);
}

static const char *state_name(const struct key_commit *commit, guint index)
{
	const struct key_edit *edit = &commit->edits[index];

	if (commit->there[index] == NULL)
		return "was deleted by somebody else meanwhile";
	if (edit->revision == 0)
		return "was created by somebody else meanwhile";
	return "was changed by somebody else meanwhile";
}

GBytes *key_commit_compared_value(const struct key_edit *edit)
{
	/* etcd takes an empty one in JSON for none at all. */
	if (edit->revision == 0 || edit->base == NULL || g_bytes_get_size(edit->base->value) == 0 ||
		g_bytes_get_size(edit->base->value) > KEY_COMMIT_COMPARED_MAX)
		return NULL;
	return edit->base->value;
}

gboolean key_commit_holds(const struct key_commit *commit, guint index)
{
	const struct key_snapshot *there = commit->there[index];
	GBytes *value = key_commit_compared_value(&commit->edits[index]);

	if ((there != NULL ? there->mod_revision : 0) != commit->edits[index].revision)
		return FALSE;
	return value == NULL || g_bytes_equal(there->value, value);
}

void key_commit_conflict(struct key_commit *commit)
{
	/* Where both have changed, of the one that was to go. */
	guint index = commit->count > 1 && !key_commit_holds(commit, 1) ? 1 : 0;
	gboolean goes = commit->edits[index].value == NULL;
	gboolean gone = commit->there[index] == NULL;
	int errnum = EBUSY;
	g_autofree char *message = NULL;

	commit->doubt = FALSE;
	if (goes && gone)
		errnum = ENOENT;
	else if (!goes && !gone && commit->edits[index].revision == 0 && commit->exclusive)
		errnum = EEXIST;
	message = g_strdup_printf("%s: the key %s", etcd_client_where(commit->options->client),
		state_name(commit, index));
	settle(commit, errnum, FALSE, message);
	show(commit, commit->count);
}

/* The end that is forced upon it */

int key_commit_get_interrupt(struct key_commit *commit)
{
	LOCK_GUARD(&commit->lock);

	return commit->interrupt;
}

void key_commit_set_call(struct key_commit *commit, struct etcd_call *call)
{
	struct etcd_call *old;

	pthread_mutex_lock(&commit->lock);
	old = commit->call;
	commit->call = call;
	if (call != NULL && commit->interrupt != 0)
		etcd_cancel(call);
	pthread_mutex_unlock(&commit->lock);
	etcd_call_unref(old);
}

static void interrupt(struct key_commit *commit, int errnum)
{
	LOCK_GUARD(&commit->lock);

	if (commit->interrupt == 0)
		commit->interrupt = errnum;
	if (commit->call != NULL)
		etcd_cancel(commit->call);
}

void key_commit_stop(struct key_commit *commit)
{
	interrupt(commit, ESHUTDOWN);
}

static void on_deadline(void *data)
{
	struct key_commit *commit = data;

	interrupt(commit, ETIMEDOUT);
	key_commit_unref(commit);
}

/* Sending */

/* As client/etcd.h has it, or EIO: what HTTP gave says more of the way than of the change. */
static int map_errnum(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EAGAIN:
	case EFBIG:
	case EINVAL:
	case ENOENT:
	case ENOSPC:
	case EOPNOTSUPP:
	case ETIMEDOUT:
		return errnum;
	default:
		return EIO;
	}
}

static void run_learned(
	struct key_commit *commit, const struct etcd_result *result, gboolean more, int64_t count);

/* The version that a put has made, where the one before it is known. */
static struct key_snapshot *make_stored(const struct key_commit *commit)
{
	const struct key_edit *edit = &commit->edits[0];
	const struct key_snapshot *base = edit->base;
	const gboolean moved = commit->kind == KEY_COMMIT_MOVE;
	const struct etcd_kv kv = {
		.key = edit->key,
		.value = edit->value,
		.create_revision = edit->revision != 0 ? base->create_revision : commit->revision,
		.mod_revision = commit->revision,
		.version = edit->revision != 0 ? base->version + 1 : 1,
		.lease = moved		       ? commit->lease
			 : edit->revision != 0 ? base->lease
					       : 0,
	};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return key_snapshot_create(&kv, now);
}

static void on_learned_kv(void *data, const struct etcd_kv *kv)
{
	struct key_commit *commit = data;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	key_snapshot_unref(commit->there[0]);
	commit->there[0] = key_snapshot_create(kv, now);
}

static void on_learned(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_commit *commit = data;

	run_learned(commit, result, more, count);
	key_commit_unref(commit);
}

/* Where it cannot be read it is shown as far as it is known. */
static void run_learned(
	struct key_commit *commit, const struct etcd_result *result, gboolean more, int64_t count)
{
	key_commit_set_call(commit, NULL);
	if (commit->there[0] == NULL) {
		const struct etcd_kv kv = {
			.key = commit->edits[0].key,
			.value = commit->edits[0].value,
			.mod_revision = commit->revision,
		};

		on_learned_kv(commit, &kv);
	}
	key_commit_arrived(commit, commit->there[0]);
}

static void forget_there(struct key_commit *commit)
{
	for (guint i = 0; i < KEY_COMMIT_KEYS; i++)
		commit->there[i] = key_snapshot_unref(commit->there[i]);
}

void key_commit_stored(struct key_commit *commit)
{
	static const struct etcd_range_handlers handlers = {on_learned_kv, on_learned};
	const struct key_edit *edit = &commit->edits[0];

	forget_there(commit);
	commit->doubt = FALSE;
	if (edit->value == NULL) {
		key_commit_arrived(commit, NULL);
		return;
	}
	/* Its lease, say, is not known then. */
	if (edit->revision != 0 && edit->base == NULL) {
		key_commit_range(commit, edit->key, commit->revision, &handlers);
		return;
	}
	commit->there[0] = make_stored(commit);
	key_commit_arrived(commit, commit->there[0]);
}

static void take_failure(struct key_commit *commit, const struct etcd_result *result)
{
	int interrupted = key_commit_get_interrupt(commit);

	if (result->uncertain) {
		commit->doubt = TRUE;
		commit->errnum = map_errnum(result->errnum);
		g_free(commit->message);
		commit->message = g_strdup(result->message);
	}
	if (interrupted == ETIMEDOUT)
		key_commit_fail(commit, ETIMEDOUT, "%s: etcd did not answer in time",
			etcd_client_where(commit->options->client));
	else if (interrupted != 0)
		key_commit_fail(
			commit, commit->doubt ? EIO : interrupted, "the keys are no longer served");
	else if (commit->doubt)
		key_commit_look(commit);
	else
		key_commit_fail(commit, map_errnum(result->errnum), "%s", result->message);
}

static void on_txn(void *data, const struct etcd_result *result, gboolean succeeded)
{
	struct key_commit *commit = data;

	key_commit_set_call(commit, NULL);
	if (result->errnum != 0) {
		take_failure(commit, result);
	} else if (succeeded) {
		commit->revision = result->revision;
		key_commit_stored(commit);
	} else {
		key_commit_look(commit);
	}
	key_commit_unref(commit);
}

void key_commit_send(struct key_commit *commit)
{
	static const struct etcd_txn_handlers handlers = {on_txn};
	struct etcd_compare compares[KEY_COMMIT_KEYS];
	struct etcd_change changes[KEY_COMMIT_KEYS];

	commit->tries++;
	for (guint i = 0; i < commit->count; i++) {
		const struct key_edit *edit = &commit->edits[i];

		compares[i] = (struct etcd_compare){
			edit->key, edit->revision, key_commit_compared_value(edit)};
		changes[i] = (struct etcd_change){
			.key = edit->key,
			.value = edit->value,
			.lease = commit->lease,
			.keep_lease = commit->kind == KEY_COMMIT_SAVE && edit->revision != 0,
		};
	}
	key_commit_set_call(
		commit, etcd_txn(commit->options->client, compares, commit->count, changes,
				commit->kind == KEY_COMMIT_CHECK ? 0 : commit->count, &handlers,
				key_commit_ref(commit), commit->strand));
}

/* Beginning */

static void run_send(void *data)
{
	struct key_commit *commit = data;

	if (key_commit_get_interrupt(commit) != 0)
		key_commit_fail(commit, ESHUTDOWN, "the keys are no longer served");
	else
		key_commit_send(commit);
	key_commit_unref(commit);
}

static void run_refuse(void *data)
{
	struct key_commit *commit = data;

	key_commit_fail(commit, EAGAIN, "more than %d changes are under way", COMMIT_MAX);
	key_commit_unref(commit);
}

static void run_too_late(void *data)
{
	struct key_commit *commit = data;
	const struct key_outcome outcome = {
		.errnum = ESHUTDOWN, .message = "the keys are no longer served"};

	commit->done(commit->data, &outcome);
	/* The machinery's, which never ran, and the job's. */
	key_commit_unref(commit);
	key_commit_unref(commit);
}

static struct key_commit *begin(struct key_commit *commit)
{
	int r = keyspace_enter(commit->keyspace, commit);

	if (r == 0) {
		pthread_mutex_lock(&commit->lock);
		commit->deadline =
			loop_timer_add(commit->options->loop, commit->options->commit_timeout,
				commit->strand, on_deadline, key_commit_ref(commit));
		pthread_mutex_unlock(&commit->lock);
	}
	strand_post(commit->strand,
		r == 0	       ? run_send
		: r == -EAGAIN ? run_refuse
			       : run_too_late,
		key_commit_ref(commit));
	return commit;
}

static struct key_commit *create(
	struct keyspace *keyspace, enum key_commit_kind kind, key_commit_done done, void *data)
{
	struct key_commit *commit = g_new0(struct key_commit, 1);

	/* The caller's and the machinery's. */
	commit->references = 2;
	commit->keyspace = keyspace;
	commit->options = keyspace_get_options(keyspace);
	commit->strand = strand_create(commit->options->pool);
	commit->kind = kind;
	commit->done = done;
	commit->data = data;
	pthread_mutex_init(&commit->lock, NULL);
	return commit;
}

static void add_edit(struct key_commit *commit, GBytes *key, int64_t revision,
	struct key_snapshot *base, GBytes *value)
{
	commit->edits[commit->count++] = (struct key_edit){
		.key = g_bytes_ref(key),
		.revision = revision,
		.base = base != NULL ? key_snapshot_ref(base) : NULL,
		.value = value != NULL ? g_bytes_ref(value) : NULL,
	};
}

static void add_victim(struct key_commit *commit, struct key_snapshot *base)
{
	g_autoptr(GBytes) key = g_bytes_new(base->key, base->key_length);

	add_edit(commit, key, base->mod_revision, base, NULL);
}

struct key_commit *key_commit_save(struct keyspace *keyspace, const struct key_edit *edit,
	gboolean exclusive, key_commit_done done, void *data)
{
	struct key_commit *commit = create(keyspace, KEY_COMMIT_SAVE, done, data);

	commit->exclusive = exclusive;
	add_edit(commit, edit->key, edit->revision, edit->base, edit->value);
	return begin(commit);
}

struct key_commit *key_commit_delete(
	struct keyspace *keyspace, struct key_snapshot *base, key_commit_done done, void *data)
{
	struct key_commit *commit = create(keyspace, KEY_COMMIT_DELETE, done, data);

	add_victim(commit, base);
	return begin(commit);
}

struct key_commit *key_commit_check(
	struct keyspace *keyspace, struct key_snapshot *base, key_commit_done done, void *data)
{
	struct key_commit *commit = create(keyspace, KEY_COMMIT_CHECK, done, data);

	add_victim(commit, base);
	return begin(commit);
}

struct key_commit *key_commit_move(struct keyspace *keyspace, struct key_snapshot *from,
	const struct key_edit *to, gboolean exclusive, key_commit_done done, void *data)
{
	struct key_commit *commit = create(keyspace, KEY_COMMIT_MOVE, done, data);

	commit->exclusive = exclusive;
	commit->lease = from->lease;
	add_edit(commit, to->key, to->revision, to->base, from->value);
	add_victim(commit, from);
	return begin(commit);
}
