#include "tests/unit/fake_cluster.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"

#define TREE_MAX (1UL << 26)

struct revision {
	guint64 version;
	char *name;
	char *json; /* NULL: deleted */
};

struct fake_cluster {
	struct fake_source *fake;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	guint64 version;
	guint64 compacted;
	guint uids;
	GHashTable *objects; /* name -> JSON */
	GPtrArray *history; /* of struct revision * */
	GQueue faults;
	GQueue held; /* of struct fake_call * */
	void (*before)(struct fake_cluster *cluster);
	unsigned int failing_gets;
	gboolean hold_gets;
	gboolean forbid_old;
	char *schema;
};

/* JSON that a test reads and changes. */
struct tree {
	struct document *document;
	struct document_node *root;
};

static struct tree tree_parse(const char *json)
{
	struct tree tree = {.document = document_create(0, TREE_MAX)};
	const char *copy =
		json != NULL ? document_copy_text(tree.document, json, strlen(json)) : NULL;

	if (copy == NULL || json_parse(tree.document, copy, strlen(json), &tree.root, NULL) < 0)
		g_error("not JSON: %s", json);
	return tree;
}

static char *node_text(const struct document_node *node)
{
	struct document *scratch DOCUMENT_CLEANUP = document_create(0, TREE_MAX);
	struct buffer buffer BUFFER_CLEANUP;

	buffer_init(&buffer, TREE_MAX);
	if (json_write(scratch, node, JSON_COMPACT, &buffer, NULL) < 0)
		g_error("too large");
	return g_strndup(buffer.data != NULL ? buffer.data : "", buffer.length);
}

static void tree_set(struct tree *tree, const char *section, const char *key, const char *value)
{
	struct document_node *object =
		section[0] != '\0' ? document_get(tree->root, section) : tree->root;
	struct document_node *node = NULL;
	const char *copy =
		value != NULL ? document_copy_text(tree->document, value, strlen(value)) : NULL;

	if (object == NULL) {
		object = document_new(tree->document, DOCUMENT_OBJECT);
		document_set(tree->root,
			document_copy_text(tree->document, section, strlen(section) + 1), object);
	}
	if (value == NULL) {
		document_remove(object, key);
		return;
	}
	if (json_parse(tree->document, copy, strlen(value), &node, NULL) < 0)
		g_error("not JSON: %s", value);
	document_set(object, document_copy_text(tree->document, key, strlen(key) + 1), node);
}

static char *tree_get(const struct tree *tree, const char *section, const char *key)
{
	const struct document_node *object =
		section[0] != '\0' ? document_get(tree->root, section) : tree->root;
	const struct document_node *node = document_get(object, key);
	const char *text;
	size_t length;

	if (node == NULL)
		return g_strdup("");
	if (document_get_string(object, key, &text, &length))
		return g_strndup(text, length);
	return node_text(node);
}

static void tree_set_string(
	struct tree *tree, const char *section, const char *key, const char *value)
{
	g_autofree char *quoted = g_strdup_printf("\"%s\"", value);

	tree_set(tree, section, key, quoted);
}

/* Makes it the next version; returns the JSON as stored. Under the lock. */
static char *store(struct fake_cluster *cluster, struct tree *tree)
{
	g_autofree char *version = g_strdup_printf("%" G_GUINT64_FORMAT, ++cluster->version);
	g_autofree char *name = tree_get(tree, "metadata", "name");
	struct revision *revision = g_new0(struct revision, 1);

	tree_set_string(tree, "metadata", "resourceVersion", version);
	revision->version = cluster->version;
	revision->name = g_strdup(name);
	revision->json = node_text(tree->root);
	g_ptr_array_add(cluster->history, revision);
	g_hash_table_insert(cluster->objects, g_strdup(name), g_strdup(revision->json));
	return g_strdup(revision->json);
}

static void forget(struct fake_cluster *cluster, const char *name)
{
	struct revision *revision = g_new0(struct revision, 1);

	revision->version = ++cluster->version;
	revision->name = g_strdup(name);
	g_ptr_array_add(cluster->history, revision);
	g_hash_table_remove(cluster->objects, name);
}

static void identify(struct fake_cluster *cluster, struct tree *tree)
{
	g_autofree char *uid = g_strdup_printf("uid-%u", ++cluster->uids);

	tree_set_string(tree, "metadata", "uid", uid);
}

char *fake_cluster_put(struct fake_cluster *cluster, const char *json)
{
	struct tree tree = tree_parse(json);
	g_autofree char *name = tree_get(&tree, "metadata", "name");
	g_autofree char *stored = NULL;
	char *version;
	const char *old;

	pthread_mutex_lock(&cluster->lock);
	old = g_hash_table_lookup(cluster->objects, name);
	if (old != NULL) {
		struct tree there = tree_parse(old);
		g_autofree char *uid = tree_get(&there, "metadata", "uid");

		tree_set_string(&tree, "metadata", "uid", uid);
		document_destroy(there.document);
	} else {
		identify(cluster, &tree);
	}
	stored = store(cluster, &tree);
	pthread_mutex_unlock(&cluster->lock);
	version = tree_get(&tree, "metadata", "resourceVersion");
	document_destroy(tree.document);
	return version;
}

char *fake_cluster_set(struct fake_cluster *cluster, const char *name, const char *section,
	const char *key, const char *value)
{
	g_autofree char *json = fake_cluster_json(cluster, name);
	struct tree tree;
	g_autofree char *stored = NULL;
	char *version;

	if (json == NULL)
		return g_strdup("");
	tree = tree_parse(json);
	tree_set(&tree, section, key, value);
	pthread_mutex_lock(&cluster->lock);
	stored = store(cluster, &tree);
	pthread_mutex_unlock(&cluster->lock);
	version = tree_get(&tree, "metadata", "resourceVersion");
	document_destroy(tree.document);
	return version;
}

void fake_cluster_delete(struct fake_cluster *cluster, const char *name)
{
	pthread_mutex_lock(&cluster->lock);
	forget(cluster, name);
	pthread_mutex_unlock(&cluster->lock);
}

char *fake_cluster_json(struct fake_cluster *cluster, const char *name)
{
	char *json;

	pthread_mutex_lock(&cluster->lock);
	json = g_strdup(g_hash_table_lookup(cluster->objects, name));
	pthread_mutex_unlock(&cluster->lock);
	return json;
}

char *fake_cluster_value(
	struct fake_cluster *cluster, const char *name, const char *section, const char *key)
{
	g_autofree char *json = fake_cluster_json(cluster, name);
	struct tree tree = tree_parse(json != NULL ? json : "{}");
	char *value = tree_get(&tree, section, key);

	document_destroy(tree.document);
	return value;
}

static const struct fake_reply conflict = {.errnum = EBUSY,
	.status = 409,
	.reason = "Conflict",
	.message = "the object has been modified"};

static const struct fake_reply missing = {
	.errnum = ENOENT, .status = 404, .reason = "NotFound", .message = "not found"};
static const struct fake_reply exists = {
	.errnum = EEXIST, .status = 409, .reason = "AlreadyExists", .message = "already exists"};

static char *make_scale(const struct tree *object)
{
	g_autofree char *name = tree_get(object, "metadata", "name");
	g_autofree char *uid = tree_get(object, "metadata", "uid");
	g_autofree char *version = tree_get(object, "metadata", "resourceVersion");
	g_autofree char *replicas = tree_get(object, "spec", "replicas");

	return g_strdup_printf("{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"metadata\":"
			       "{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"%s\","
			       "\"resourceVersion\":\"%s\"},\"spec\":{\"replicas\":%s}}",
		name, uid, version, replicas[0] != '\0' ? replicas : "0");
}

/* What the update makes of old: body but for what its path does not change. */
static void combine(const struct fake_call *call, const struct tree *old, struct tree *body)
{
	const char *kept = g_strcmp0(call->subresource, "status") == 0 ? "spec" : "status";
	const struct document_node *node = document_get(old->root, kept);
	g_autofree char *text = node != NULL ? node_text(node) : NULL;

	tree_set(body, "", kept, text);
}

/* The changes: what is replied, whose json is the caller's. Under the lock. */

static struct fake_reply update(
	struct fake_cluster *cluster, const struct fake_call *call, const char *stored)
{
	struct fake_reply reply = {0};
	struct tree old = tree_parse(stored);
	struct tree body = tree_parse(call->body);
	g_autofree char *old_uid = tree_get(&old, "metadata", "uid");
	g_autofree char *uid = tree_get(&body, "metadata", "uid");
	g_autofree char *old_version = tree_get(&old, "metadata", "resourceVersion");
	g_autofree char *version = tree_get(&body, "metadata", "resourceVersion");

	if ((uid[0] != '\0' && strcmp(uid, old_uid) != 0) || strcmp(version, old_version) != 0) {
		reply = conflict;
	} else if (g_strcmp0(call->subresource, "scale") == 0) {
		g_autofree char *replicas = tree_get(&body, "spec", "replicas");

		tree_set(&old, "spec", "replicas", replicas);
		if (!call->dry_run)
			g_free(store(cluster, &old));
		reply.json = make_scale(&old);
	} else {
		combine(call, &old, &body);
		reply.json = call->dry_run ? node_text(body.root) : store(cluster, &body);
	}
	document_destroy(old.document);
	document_destroy(body.document);
	return reply;
}

static struct fake_reply insert(struct fake_cluster *cluster, const struct fake_call *call)
{
	struct tree body = tree_parse(call->body);
	struct fake_reply reply = {0};

	identify(cluster, &body);
	reply.json = call->dry_run ? node_text(body.root) : store(cluster, &body);
	document_destroy(body.document);
	return reply;
}

static struct fake_reply delete (
	struct fake_cluster *cluster, const struct fake_call *call, const char *stored)
{
	struct tree old = tree_parse(stored);
	g_autofree char *uid = tree_get(&old, "metadata", "uid");
	g_autofree char *finalizers = tree_get(&old, "metadata", "finalizers");
	struct fake_reply reply = {0};

	if (call->uid != NULL && strcmp(uid, call->uid) != 0) {
		reply = conflict;
	} else if (finalizers[0] != '\0' && !call->dry_run) {
		tree_set_string(&old, "metadata", "deletionTimestamp", "2026-01-02T00:00:00Z");
		reply.json = store(cluster, &old);
	} else if (!call->dry_run) {
		forget(cluster, call->name);
	}
	document_destroy(old.document);
	return reply;
}

static struct fake_reply change(struct fake_cluster *cluster, const struct fake_call *call)
{
	struct tree body = tree_parse(call->body != NULL ? call->body : "{}");
	g_autofree char *name =
		call->body != NULL ? tree_get(&body, "metadata", "name") : g_strdup(call->name);
	const char *stored = g_hash_table_lookup(cluster->objects, name);

	document_destroy(body.document);
	if (call->verb == SOURCE_CREATE)
		return stored == NULL ? insert(cluster, call) : exists;
	if (stored == NULL)
		return missing;
	return call->verb == SOURCE_UPDATE ? update(cluster, call, stored)
					   : delete (cluster, call, stored);
}

static void change_and_reply(
	struct fake_cluster *cluster, struct fake_call *call, const struct fake_reply *instead)
{
	struct fake_reply reply = change(cluster, call);

	fake_reply(call, instead != NULL ? instead : &reply);
	g_free((char *)reply.json);
}

static const struct fake_reply unanswered = {
	.errnum = ECONNRESET, .message = "connection reset", .uncertain = TRUE};

/* Under the lock. */
static void refuse(struct fake_call *call)
{
	static const char *const causes[] = {
		"spec.a: Invalid value: it is wrong", "spec.b: bad", NULL};

	fake_reply(call, &(struct fake_reply){.errnum = EINVAL,
				 .status = 422,
				 .reason = "Invalid",
				 .message = "it is invalid",
				 .causes = causes});
}

static void hold(struct fake_cluster *cluster, struct fake_call *call)
{
	g_queue_push_tail(&cluster->held, call);
	pthread_cond_broadcast(&cluster->changed);
}

/* Under the lock. */
static void change_with(struct fake_cluster *cluster, struct fake_call *call, enum fake_fault fault)
{
	switch (fault) {
	case FAULT_NONE:
	case FAULT_MOVED:
		change_and_reply(cluster, call, NULL);
		break;
	case FAULT_LOST:
		fake_reply(call, &unanswered);
		break;
	case FAULT_UNANSWERED:
		change_and_reply(cluster, call, &unanswered);
		break;
	case FAULT_HELD:
		hold(cluster, call);
		break;
	case FAULT_REFUSED:
		refuse(call);
		break;
	case FAULT_BUSY:
		fake_reply(call,
			&(struct fake_reply){.errnum = EAGAIN, .status = 503, .message = "busy"});
		break;
	case FAULT_CONFLICT:
		fake_reply(call, &conflict);
		break;
	}
}

static void on_change(void *data, struct fake_call *call)
{
	struct fake_cluster *cluster = data;
	void (*before)(struct fake_cluster *);
	enum fake_fault fault;

	pthread_mutex_lock(&cluster->lock);
	before = cluster->before;
	cluster->before = NULL;
	fault = (enum fake_fault)GPOINTER_TO_INT(g_queue_pop_head(&cluster->faults));
	pthread_mutex_unlock(&cluster->lock);
	if (before != NULL)
		before(cluster);
	if (fault == FAULT_MOVED)
		g_free(fake_cluster_set(cluster, call->name, "status", "moved", "true"));
	pthread_mutex_lock(&cluster->lock);
	change_with(cluster, call, fault);
	pthread_mutex_unlock(&cluster->lock);
}

/* Under the lock. */
static void answer_get(struct fake_cluster *cluster, struct fake_call *call)
{
	const char *stored = g_hash_table_lookup(cluster->objects, call->name);
	struct tree tree;
	g_autofree char *scale = NULL;

	if (stored == NULL) {
		fake_fail(call, ENOENT, 404);
		return;
	}
	if (g_strcmp0(call->subresource, "scale") != 0) {
		fake_done_item(call, stored);
		return;
	}
	tree = tree_parse(stored);
	scale = make_scale(&tree);
	document_destroy(tree.document);
	fake_done_item(call, scale);
}

static void on_get(void *data, struct fake_call *call)
{
	struct fake_cluster *cluster = data;

	pthread_mutex_lock(&cluster->lock);
	if (cluster->failing_gets > 0) {
		cluster->failing_gets--;
		fake_fail(call, ECONNREFUSED, 0);
	} else if (cluster->hold_gets) {
		hold(cluster, call);
	} else {
		answer_get(cluster, call);
	}
	pthread_mutex_unlock(&cluster->lock);
}

/* Under the lock. */
static const struct revision *find_revision(
	const struct fake_cluster *cluster, const char *name, guint64 version)
{
	const struct revision *found = NULL;

	for (guint i = 0; i < cluster->history->len; i++) {
		const struct revision *revision = g_ptr_array_index(cluster->history, i);

		if (strcmp(revision->name, name) == 0 && revision->version <= version)
			found = revision;
	}
	return found;
}

static void on_get_at(void *data, struct fake_call *call)
{
	struct fake_cluster *cluster = data;
	guint64 version = g_ascii_strtoull(call->version, NULL, 10);
	const struct revision *revision;

	pthread_mutex_lock(&cluster->lock);
	revision = find_revision(cluster, call->name, version);
	if (cluster->forbid_old)
		fake_fail(call, EACCES, 403);
	else if (version <= cluster->compacted || version > cluster->version)
		fake_fail(call, ESTALE, 410);
	else if (revision == NULL || revision->json == NULL)
		fake_fail(call, ENOENT, 404);
	else
		fake_done_item(call, revision->json);
	pthread_mutex_unlock(&cluster->lock);
}

static void on_schema(void *data, struct fake_call *call)
{
	struct fake_cluster *cluster = data;

	pthread_mutex_lock(&cluster->lock);
	if (cluster->schema != NULL)
		fake_done_item(call, cluster->schema);
	else
		fake_fail(call, ENOENT, 404);
	pthread_mutex_unlock(&cluster->lock);
}

static void on_list(void *data, struct fake_call *call)
{
	struct fake_cluster *cluster = data;
	GHashTableIter iter;
	void *json;

	pthread_mutex_lock(&cluster->lock);
	g_hash_table_iter_init(&iter, cluster->objects);
	while (g_hash_table_iter_next(&iter, NULL, &json))
		fake_item(call, json);
	/* Its watch tells nothing: what is newer is only known from responses. */
	fake_done(call, "1");
	pthread_mutex_unlock(&cluster->lock);
}

static void revision_free(void *pointer)
{
	struct revision *revision = pointer;

	g_free(revision->name);
	g_free(revision->json);
	g_free(revision);
}

struct fake_cluster *fake_cluster_create(struct fake_source *fake)
{
	struct fake_cluster *cluster = g_new0(struct fake_cluster, 1);
	pthread_condattr_t attributes;

	cluster->fake = fake;
	pthread_mutex_init(&cluster->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&cluster->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	cluster->version = 100;
	cluster->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	cluster->history = g_ptr_array_new_with_free_func(revision_free);
	g_queue_init(&cluster->faults);
	g_queue_init(&cluster->held);
	fake_source_answer(fake, FAKE_GET, on_get, cluster);
	fake_source_answer(fake, FAKE_GET_AT, on_get_at, cluster);
	fake_source_answer(fake, FAKE_CHANGE, on_change, cluster);
	fake_source_answer(fake, FAKE_SCHEMA, on_schema, cluster);
	fake_source_answer(fake, FAKE_LIST, on_list, cluster);
	return cluster;
}

void fake_cluster_destroy(struct fake_cluster *cluster)
{
	struct fake_call *call;

	while ((call = g_queue_pop_head(&cluster->held)) != NULL)
		fake_drop(call);
	g_queue_clear(&cluster->faults);
	g_hash_table_destroy(cluster->objects);
	g_ptr_array_unref(cluster->history);
	pthread_mutex_destroy(&cluster->lock);
	pthread_cond_destroy(&cluster->changed);
	g_free(cluster->schema);
	g_free(cluster);
}

void fake_cluster_fault(struct fake_cluster *cluster, enum fake_fault fault)
{
	pthread_mutex_lock(&cluster->lock);
	g_queue_push_tail(&cluster->faults, GINT_TO_POINTER((int)fault));
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_fail_gets(struct fake_cluster *cluster, unsigned int count)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->failing_gets = count;
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_hold_gets(struct fake_cluster *cluster)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->hold_gets = TRUE;
	pthread_mutex_unlock(&cluster->lock);
}

/* Under the lock. */
static void await_held(struct fake_cluster *cluster)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += 30;
	while (g_queue_is_empty(&cluster->held))
		if (pthread_cond_timedwait(&cluster->changed, &cluster->lock, &deadline) != 0)
			g_error("nothing is held");
}

void fake_cluster_await_held(struct fake_cluster *cluster)
{
	pthread_mutex_lock(&cluster->lock);
	await_held(cluster);
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_release(struct fake_cluster *cluster)
{
	struct fake_call *call;

	pthread_mutex_lock(&cluster->lock);
	await_held(cluster);
	call = g_queue_pop_head(&cluster->held);
	if (call->kind == FAKE_CHANGE)
		change_and_reply(cluster, call, NULL);
	else
		answer_get(cluster, call);
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_before_change(
	struct fake_cluster *cluster, void (*function)(struct fake_cluster *cluster))
{
	pthread_mutex_lock(&cluster->lock);
	cluster->before = function;
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_compact(struct fake_cluster *cluster)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->compacted = cluster->version - 1;
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_forbid_old(struct fake_cluster *cluster)
{
	pthread_mutex_lock(&cluster->lock);
	cluster->forbid_old = TRUE;
	pthread_mutex_unlock(&cluster->lock);
}

void fake_cluster_schema(struct fake_cluster *cluster, const char *json)
{
	pthread_mutex_lock(&cluster->lock);
	g_free(cluster->schema);
	cluster->schema = g_strdup(json);
	pthread_mutex_unlock(&cluster->lock);
}
