#include "kubefs/v2_keys.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_v2.h"
#include "client/loop.h"
#include "kubefs/escape.h"
#include "kubefs/layout.h"

#define FRESH_MS ((uint64_t)(LAYOUT_POLLED * 1000))

/* What was asked, and what came of it. Guarded by the lock of its keys. */
struct v2_question {
	gint references; /* the table's, and the request's under way */
	struct v2_keys *keys;
	char *path;
	gboolean asking;
	uint64_t time; /* of the answer; 0: none yet */
	int errnum;
	char *message;
	struct v2_answer *answer;
	struct waiters waiters;
};

struct v2_keys {
	struct etcd_client *client;
	struct strand *strand;
	pthread_mutex_t lock; /* guards all below */
	GHashTable *questions; /* path -> struct v2_question * */
	GQueue order; /* the same, the oldest first */
	size_t bytes; /* of their answers */
};

/* Answers */

static void child_free(void *pointer)
{
	struct v2_child *child = pointer;

	g_free(child->name);
	key_snapshot_unref(child->value);
	g_free(child);
}

void v2_answer_unref(struct v2_answer *answer)
{
	if (answer == NULL || !g_atomic_int_dec_and_test(&answer->references))
		return;
	key_snapshot_unref(answer->value);
	g_hash_table_destroy(answer->names);
	g_ptr_array_unref(answer->children);
	g_free(answer);
}

void v2_answer_unref_pointer(struct v2_answer **answer)
{
	v2_answer_unref(*answer);
}

static struct v2_answer *answer_ref(struct v2_answer *answer)
{
	g_atomic_int_inc(&answer->references);
	return answer;
}

/* The same version stays the same file: before may be NULL. */
static struct key_snapshot *make_value(const struct etcd_v2_node *node, const char *path,
	const struct timespec *now, struct key_snapshot *before)
{
	g_autoptr(GBytes) key = g_bytes_new_static(path, strlen(path));
	const struct etcd_kv kv = {
		.key = key,
		.value = node->value,
		.create_revision = node->created_index,
		.mod_revision = node->modified_index,
	};

	if (before != NULL && key_snapshot_is(before, &kv))
		return key_snapshot_ref(before);
	return key_snapshot_create(&kv, *now);
}

static void add_child(struct v2_answer *answer, const struct v2_question *question,
	const struct etcd_v2_node *node, const struct timespec *now)
{
	size_t length;
	const char *bytes = g_bytes_get_data(node->name, &length);
	struct v2_child *child = g_new0(struct v2_child, 1);
	const struct v2_child *before = NULL;
	g_autofree char *path = NULL;

	child->name = escape_name(bytes, length, "");
	child->directory = node->directory;
	child->created_index = node->created_index;
	path = g_strconcat(question->path, "/", child->name, NULL);
	if (question->answer != NULL)
		before = g_hash_table_lookup(question->answer->names, child->name);
	if (!node->directory) {
		child->value = make_value(node, path, now, before != NULL ? before->value : NULL);
		answer->bytes += g_bytes_get_size(child->value->value);
	}
	g_ptr_array_add(answer->children, child);
	g_hash_table_replace(answer->names, child->name, child);
}

static int compare_children(const void *pointer_a, const void *pointer_b)
{
	const struct v2_child *a = *(const struct v2_child *const *)pointer_a;
	const struct v2_child *b = *(const struct v2_child *const *)pointer_b;

	return (a->created_index > b->created_index) - (a->created_index < b->created_index);
}

static struct v2_answer *make_answer(const struct v2_question *question,
	const struct etcd_v2_node *node, const GPtrArray *children)
{
	struct v2_answer *answer = g_new0(struct v2_answer, 1);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	answer->references = 1;
	answer->children = g_ptr_array_new_with_free_func(child_free);
	answer->names = g_hash_table_new(g_str_hash, g_str_equal);
	if (!node->directory) {
		answer->value = make_value(node, question->path, &now,
			question->answer != NULL ? question->answer->value : NULL);
		answer->bytes = g_bytes_get_size(answer->value->value);
	}
	for (guint i = 0; i < children->len; i++)
		add_child(answer, question, g_ptr_array_index(children, i), &now);
	g_ptr_array_sort(answer->children, compare_children);
	return answer;
}

/* Questions */

static size_t bytes_of(const struct v2_question *question)
{
	return question->answer != NULL ? question->answer->bytes : 0;
}

static void question_unref(void *pointer)
{
	struct v2_question *question = pointer;

	if (!g_atomic_int_dec_and_test(&question->references))
		return;
	g_free(question->path);
	g_free(question->message);
	v2_answer_unref(question->answer);
	waiters_finish(&question->waiters);
	g_free(question);
}

struct v2_keys *v2_keys_create(struct etcd_client *client, struct strand_pool *pool)
{
	struct v2_keys *keys = g_new0(struct v2_keys, 1);

	keys->client = client;
	keys->strand = strand_create(pool);
	pthread_mutex_init(&keys->lock, NULL);
	keys->questions = g_hash_table_new(g_str_hash, g_str_equal);
	g_queue_init(&keys->order);
	return keys;
}

void v2_keys_destroy(struct v2_keys *keys)
{
	if (keys == NULL)
		return;
	g_hash_table_destroy(keys->questions);
	g_queue_clear_full(&keys->order, question_unref);
	strand_unref(keys->strand);
	pthread_mutex_destroy(&keys->lock);
	g_free(keys);
}

/* Under the lock. The oldest ones that are not being asked for make room. */
static void make_room(struct v2_keys *keys)
{
	GList *next;

	for (GList *link = keys->order.head; link != NULL; link = next) {
		struct v2_question *question = link->data;

		next = link->next;
		if (keys->order.length < V2_ANSWERS_MAX && keys->bytes <= V2_BYTES_MAX)
			return;
		if (question->asking)
			continue;
		keys->bytes -= bytes_of(question);
		g_hash_table_remove(keys->questions, question->path);
		g_queue_delete_link(&keys->order, link);
		question_unref(question);
	}
}

/* Under the lock. */
static struct v2_question *add_question(struct v2_keys *keys, const char *path)
{
	struct v2_question *question = g_new0(struct v2_question, 1);

	make_room(keys);
	question->references = 1;
	question->keys = keys;
	question->path = g_strdup(path);
	g_hash_table_insert(keys->questions, question->path, question);
	g_queue_push_tail(&keys->order, question);
	return question;
}

static void on_done(void *data, const struct etcd_result *result, const struct etcd_v2_node *node,
	const GPtrArray *children)
{
	struct v2_question *question = data;
	struct v2_keys *keys = question->keys;
	struct v2_answer *answer = NULL;

	/* Nobody else changes what is read here of the question while it is being asked. */
	if (node != NULL)
		answer = make_answer(question, node, children);
	pthread_mutex_lock(&keys->lock);
	keys->bytes -= bytes_of(question);
	v2_answer_unref(question->answer);
	question->answer = answer;
	keys->bytes += bytes_of(question);
	question->asking = FALSE;
	question->time = loop_now();
	question->errnum = result->errnum;
	g_free(question->message);
	question->message = g_strdup(result->message);
	waiters_unlock_and_wake(&question->waiters, &keys->lock);
	question_unref(question);
}

/* The path as the store has it; NULL for what is none's. */
static GBytes *parse_path(const char *path)
{
	g_auto(GStrv) components = g_strsplit(path, "/", -1);
	GByteArray *bytes = g_byte_array_new();

	for (char **component = components; *component != NULL; component++) {
		size_t length = 0;
		g_autofree char *name = unescape_name(*component, "", &length);

		if (name == NULL || length == 0 || memchr(name, '/', length) != NULL) {
			g_byte_array_unref(bytes);
			return NULL;
		}
		g_byte_array_append(bytes, (const guint8 *)"/", 1);
		g_byte_array_append(bytes, (const guint8 *)name, (guint)length);
	}
	return g_byte_array_free_to_bytes(bytes);
}

/* Under the lock. */
static int take_answer(struct v2_question *question, struct v2_answer **ret, GError **error)
{
	if (question->errnum == ENOENT)
		return -ENOENT;
	if (question->errnum != 0)
		return error_set(error, question->errnum, "%s", question->message);
	*ret = answer_ref(question->answer);
	return 0;
}

int v2_keys_look(struct v2_keys *keys, const char *path, collection_wait wait, void *data,
	struct v2_answer **ret, GError **error)
{
	static const struct etcd_v2_handlers handlers = {on_done};
	g_autoptr(GBytes) parsed = parse_path(path);
	struct v2_question *question;
	gboolean first = FALSE;
	int r = -EINPROGRESS;

	if (parsed == NULL)
		return -ENOENT;
	pthread_mutex_lock(&keys->lock);
	question = g_hash_table_lookup(keys->questions, path);
	if (question == NULL)
		question = add_question(keys, path);
	if (!question->asking && question->time != 0 && loop_now() - question->time < FRESH_MS) {
		r = take_answer(question, ret, error);
	} else {
		first = !question->asking;
		question->asking = TRUE;
		if (first)
			g_atomic_int_inc(&question->references);
		if (wait != NULL)
			waiters_add(&question->waiters, wait, data);
	}
	pthread_mutex_unlock(&keys->lock);
	if (first)
		etcd_call_unref(
			etcd_v2_get(keys->client, parsed, &handlers, question, keys->strand));
	return r;
}
