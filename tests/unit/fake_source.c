#include "tests/unit/fake_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 30000

struct answer {
	void (*function)(void *data, struct fake_call *call);
	void *data;
};

struct fake_source {
	struct source source;
	gint references;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	GQueue waiting[FAKE_KINDS]; /* of struct fake_call *, with a reference each */
	struct answer answers[FAKE_KINDS];
	unsigned int count[FAKE_KINDS];
	unsigned int active[FAKE_KINDS];
	unsigned int most[FAKE_KINDS];
	GHashTable *calls; /* those that have not ended, borrowed */
	GQueue replies; /* of struct delivery * without a call */
	GPtrArray *changes; /* of struct fake_call *, all of them, referenced */
	void (*warning)(void *data, const char *text);
	void *warning_data;
	gboolean watch_list;
	unsigned int minor;
	gboolean destroyed;
};

enum step {
	STEP_OPENED,
	STEP_RESTART,
	STEP_ITEM,
	STEP_EVENT,
	STEP_DONE,
};

/* Something on its way to the handlers of a call. */
struct delivery {
	struct fake_call *call;
	enum step step;
	enum source_event event;
	char *json;
	GByteArray *protobuf; /* instead, of kind */
	char *kind;
	struct source_result result;
	struct source_catalog *catalog;
	GPtrArray *causes; /* of char *, or NULL */
	gboolean uncertain;
};

static void call_cancel(struct source_call *base);

static void call_free(struct source_call *base)
{
	struct fake_call *call = (struct fake_call *)base;

	g_free(call->resource);
	g_free(call->namespace);
	g_free(call->name);
	g_free(call->subresource);
	g_free(call->version);
	g_free(call->body);
	g_free(call->uid);
	strand_unref(call->strand);
	fake_source_unref(call->source);
	g_free(call);
}

static const struct source_call_ops call_ops = {.cancel = call_cancel, .free = call_free};

static void delivery_free(struct delivery *delivery)
{
	g_free(delivery->json);
	g_clear_pointer(&delivery->protobuf, g_byte_array_unref);
	g_free(delivery->kind);
	g_free((char *)delivery->result.reason);
	g_free((char *)delivery->result.message);
	g_free((char *)delivery->result.version);
	g_clear_pointer(&delivery->causes, g_ptr_array_unref);
	if (delivery->call != NULL)
		source_call_unref(&delivery->call->base);
	g_free(delivery);
}

static void tell_change(struct delivery *delivery, const struct source_item *item)
{
	g_autoptr(GPtrArray) none = g_ptr_array_new();
	const struct source_change_result result = {
		.result = delivery->result,
		.causes = delivery->causes != NULL ? delivery->causes : none,
		.uncertain = delivery->uncertain,
		.item = item,
	};

	delivery->call->change.done(delivery->call->data, &result);
}

static void finish(struct delivery *delivery)
{
	struct fake_call *call = delivery->call;
	struct source_item item = {
		.json = delivery->json,
		.length = delivery->json != NULL ? strlen(delivery->json) : 0,
		.api_version = "v1",
		.kind = "Thing",
	};

	/* Before the handler, from which the next call may come. */
	pthread_mutex_lock(&call->source->lock);
	call->source->active[call->kind]--;
	pthread_mutex_unlock(&call->source->lock);
	switch (call->kind) {
	case FAKE_LIST:
		call->list.done(call->data, &delivery->result);
		break;
	case FAKE_WATCH:
		call->watch.done(call->data, &delivery->result);
		break;
	case FAKE_DISCOVER:
		call->discover.done(call->data, &delivery->result, delivery->catalog);
		break;
	case FAKE_CHANGE:
		tell_change(delivery, delivery->json != NULL ? &item : NULL);
		break;
	default:
		call->get.done(
			call->data, &delivery->result, delivery->json != NULL ? &item : NULL);
		break;
	}
	pthread_mutex_lock(&call->source->lock);
	g_hash_table_remove(call->source->calls, call);
	pthread_cond_broadcast(&call->source->changed);
	pthread_mutex_unlock(&call->source->lock);
}

static void run_delivery(void *data)
{
	struct delivery *delivery = data;
	struct fake_call *call = delivery->call;
	struct source_item item = {.api_version = "v1", .kind = "Thing"};
	gboolean cancelled;

	pthread_mutex_lock(&call->source->lock);
	cancelled = call->cancelled;
	pthread_mutex_unlock(&call->source->lock);
	if (delivery->json != NULL) {
		item.json = delivery->json;
		item.length = strlen(delivery->json);
	} else if (delivery->protobuf != NULL) {
		item.protobuf = (const char *)delivery->protobuf->data;
		item.length = delivery->protobuf->len;
		item.kind = delivery->kind;
	}
	if (delivery->step == STEP_DONE)
		finish(delivery);
	else if (cancelled)
		;
	else if (delivery->step == STEP_OPENED && call->watch.opened != NULL)
		call->watch.opened(call->data);
	else if (delivery->step == STEP_RESTART)
		call->list.restart(call->data);
	else if (delivery->step == STEP_ITEM)
		call->list.item(call->data, &item);
	else if (delivery->step == STEP_EVENT)
		call->watch.event(call->data, delivery->event, &item);
	delivery_free(delivery);
}

/* Takes over delivery. FALSE, and it is dropped, when the call has ended. Under the lock. */
static gboolean deliver(struct delivery *delivery)
{
	struct fake_call *call = delivery->call;

	if (call->ended)
		return FALSE;
	if (delivery->step == STEP_DONE)
		call->ended = TRUE;
	strand_post(call->strand, run_delivery, delivery);
	return TRUE;
}

static struct delivery *delivery_new(struct fake_call *call, enum step step, const char *json)
{
	struct delivery *delivery = g_new0(struct delivery, 1);

	delivery->call = call;
	source_call_ref(&call->base);
	delivery->step = step;
	delivery->json = g_strdup(json);
	delivery->result.reason = g_strdup("");
	delivery->result.message = g_strdup("");
	return delivery;
}

static void send(struct delivery *delivery)
{
	struct fake_source *fake = delivery->call->source;
	struct source_catalog *catalog = delivery->catalog;
	gboolean sent;

	pthread_mutex_lock(&fake->lock);
	sent = deliver(delivery);
	pthread_mutex_unlock(&fake->lock);
	if (!sent) {
		source_catalog_free(catalog);
		delivery_free(delivery);
	}
}

static struct delivery *failure(struct fake_call *call, const struct source_result *result)
{
	struct delivery *delivery = delivery_new(call, STEP_DONE, NULL);

	g_free((char *)delivery->result.reason);
	g_free((char *)delivery->result.message);
	delivery->result = *result;
	delivery->result.reason = g_strdup(result->reason != NULL ? result->reason : "");
	delivery->result.message = g_strdup(result->message != NULL ? result->message : "");
	delivery->result.version = g_strdup(result->version);
	return delivery;
}

static void call_cancel(struct source_call *base)
{
	struct fake_call *call = (struct fake_call *)base;
	struct delivery *delivery =
		failure(call, &(struct source_result){.errnum = ECANCELED, .message = "canceled"});

	delivery->uncertain = call->kind == FAKE_CHANGE;
	pthread_mutex_lock(&call->source->lock);
	call->cancelled = TRUE;
	pthread_mutex_unlock(&call->source->lock);
	send(delivery);
}

/* Those that no test took, and what is kept of changes. */
static void drop_waiting(struct fake_source *fake)
{
	struct fake_call *call;
	struct delivery *reply;
	g_autoptr(GPtrArray) changes = NULL;

	for (guint kind = 0; kind < FAKE_KINDS; kind++)
		while ((call = fake_take_within(fake, (enum fake_kind)kind, 0)) != NULL)
			fake_drop(call);
	pthread_mutex_lock(&fake->lock);
	changes = g_steal_pointer(&fake->changes);
	while ((reply = g_queue_pop_head(&fake->replies)) != NULL)
		delivery_free(reply);
	pthread_mutex_unlock(&fake->lock);
}

static void destroy(struct source *source)
{
	struct fake_source *fake = (struct fake_source *)source;
	g_autoptr(GPtrArray) calls = g_ptr_array_new();
	GHashTableIter iter;
	void *call;

	pthread_mutex_lock(&fake->lock);
	g_hash_table_iter_init(&iter, fake->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL)) {
		source_call_ref(call);
		g_ptr_array_add(calls, call);
	}
	pthread_mutex_unlock(&fake->lock);
	for (guint i = 0; i < calls->len; i++) {
		source_cancel(g_ptr_array_index(calls, i));
		source_call_unref(g_ptr_array_index(calls, i));
	}
	pthread_mutex_lock(&fake->lock);
	while (g_hash_table_size(fake->calls) > 0)
		pthread_cond_wait(&fake->changed, &fake->lock);
	fake->destroyed = TRUE;
	pthread_mutex_unlock(&fake->lock);
	drop_waiting(fake);
	fake_source_unref(fake);
}

/* The reply that waits for the next change, made this one's, or NULL. Under the lock. */
static struct delivery *take_reply(struct fake_call *call)
{
	struct fake_source *fake = call->source;
	struct delivery *reply;

	if (call->kind != FAKE_CHANGE)
		return NULL;
	source_call_ref(&call->base);
	g_ptr_array_add(fake->changes, call);
	reply = g_queue_pop_head(&fake->replies);
	if (reply != NULL) {
		reply->call = call;
		source_call_ref(&call->base);
	}
	return reply;
}

/* Lets the call wait for the test, or answers it. */
static struct source_call *begin(struct fake_call *call)
{
	struct fake_source *fake = call->source;
	struct delivery *reply;
	struct answer answer;

	pthread_mutex_lock(&fake->lock);
	if (fake->destroyed)
		g_error("the source was called after it had been destroyed");
	call->begun = g_get_monotonic_time();
	fake->count[call->kind]++;
	fake->active[call->kind]++;
	fake->most[call->kind] = MAX(fake->most[call->kind], fake->active[call->kind]);
	g_hash_table_add(fake->calls, call);
	answer = fake->answers[call->kind];
	reply = take_reply(call);
	if (reply == NULL)
		source_call_ref(&call->base);
	if (reply == NULL && answer.function == NULL)
		g_queue_push_tail(&fake->waiting[call->kind], call);
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	if (reply != NULL)
		send(reply);
	else if (answer.function != NULL)
		answer.function(answer.data, call);
	return &call->base;
}

static struct fake_call *call_new(struct source *source, enum fake_kind kind,
	const struct source_scope *scope, void *data, struct strand *strand)
{
	struct fake_call *call = g_new0(struct fake_call, 1);

	source_call_init(&call->base, &call_ops);
	call->source = (struct fake_source *)source;
	g_atomic_int_inc(&call->source->references);
	call->kind = kind;
	if (scope != NULL) {
		call->resource = g_strdup(scope->resource->name);
		call->namespace = g_strdup(scope->namespace);
		call->name = g_strdup(scope->name);
		call->subresource = g_strdup(scope->subresource);
		call->metadata_only = scope->metadata_only;
		call->protobuf = scope->protobuf;
	}
	call->data = data;
	call->strand = strand_ref(strand);
	return call;
}

static struct source_call *ping(struct source *source, const struct source_get_handlers *handlers,
	void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_PING, NULL, data, strand);

	call->get = *handlers;
	return begin(call);
}

static struct source_call *discover(struct source *source,
	const struct source_discover_handlers *handlers, void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_DISCOVER, NULL, data, strand);

	call->discover = *handlers;
	return begin(call);
}

static struct source_call *list(struct source *source, const struct source_scope *scope,
	enum source_list_from from, const char *known_version,
	const struct source_list_handlers *handlers, void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_LIST, scope, data, strand);

	call->list = *handlers;
	call->from = from;
	call->version = g_strdup(known_version);
	return begin(call);
}

static struct source_call *watch(struct source *source, const struct source_scope *scope,
	const char *version, gboolean initial, const struct source_watch_handlers *handlers,
	void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_WATCH, scope, data, strand);

	call->watch = *handlers;
	call->version = g_strdup(version);
	call->initial = initial;
	return begin(call);
}

static struct source_call *get(struct source *source, const struct source_scope *scope,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_GET, scope, data, strand);

	g_assert(scope->name != NULL);
	call->get = *handlers;
	return begin(call);
}

static struct source_call *get_at(struct source *source, const struct source_scope *scope,
	const char *version, const struct source_get_handlers *handlers, void *data,
	struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_GET_AT, scope, data, strand);

	g_assert(scope->name != NULL && version != NULL);
	call->get = *handlers;
	call->version = g_strdup(version);
	return begin(call);
}

static struct source_call *change(struct source *source, const struct source_change *change,
	const struct source_change_handlers *handlers, void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_CHANGE, change->scope, data, strand);

	g_assert(change->verb == SOURCE_CREATE || change->scope->name != NULL);
	g_assert((change->verb == SOURCE_DELETE) == (change->body == NULL));
	g_assert(change->verb == SOURCE_DELETE || change->uid == NULL);
	call->change = *handlers;
	call->verb = change->verb;
	if (change->body != NULL)
		call->body = g_strndup(
			g_bytes_get_data(change->body, NULL), g_bytes_get_size(change->body));
	call->uid = g_strdup(change->uid);
	call->dry_run = change->dry_run;
	return begin(call);
}

static struct source_call *schema(struct source *source, const struct resource *resource,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_SCHEMA, NULL, data, strand);

	call->resource = g_strdup(resource->name);
	call->get = *handlers;
	return begin(call);
}

static void on_warning(
	struct source *source, void (*warning)(void *data, const char *text), void *data)
{
	struct fake_source *fake = (struct fake_source *)source;

	pthread_mutex_lock(&fake->lock);
	for (guint i = 0; i < FAKE_KINDS; i++)
		g_assert(fake->count[i] == 0);
	fake->warning = warning;
	fake->warning_data = data;
	pthread_mutex_unlock(&fake->lock);
}

static struct source_call *rules(struct source *source, const char *namespace,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	struct fake_call *call = call_new(source, FAKE_RULES, NULL, data, strand);

	call->namespace = g_strdup(namespace);
	call->get = *handlers;
	return begin(call);
}

static unsigned int minor(struct source *source)
{
	struct fake_source *fake = (struct fake_source *)source;
	unsigned int now;

	pthread_mutex_lock(&fake->lock);
	now = fake->minor;
	pthread_mutex_unlock(&fake->lock);
	return now;
}

static gboolean has_watch_list(struct source *source)
{
	struct fake_source *fake = (struct fake_source *)source;
	gboolean has;

	pthread_mutex_lock(&fake->lock);
	if (fake->destroyed)
		g_error("the source was asked after it had been destroyed");
	has = fake->watch_list;
	pthread_mutex_unlock(&fake->lock);
	return has;
}

static const char *where(struct source *source)
{
	return "https://fake:6443";
}

static const struct source_ops fake_ops = {
	.destroy = destroy,
	.ping = ping,
	.discover = discover,
	.list = list,
	.watch = watch,
	.get = get,
	.get_at = get_at,
	.change = change,
	.schema = schema,
	.on_warning = on_warning,
	.rules = rules,
	.has_watch_list = has_watch_list,
	.minor = minor,
	.where = where,
};

static void unref_call(void *call)
{
	source_call_unref(call);
}

struct fake_source *fake_source_create(void)
{
	struct fake_source *fake = g_new0(struct fake_source, 1);
	pthread_condattr_t attributes;

	fake->source.ops = &fake_ops;
	/* The struct source's owner has the other one. */
	fake->references = 2;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&fake->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	fake->calls = g_hash_table_new(g_direct_hash, g_direct_equal);
	fake->changes = g_ptr_array_new_with_free_func(unref_call);
	for (guint i = 0; i < FAKE_KINDS; i++)
		g_queue_init(&fake->waiting[i]);
	g_queue_init(&fake->replies);
	return fake;
}

void fake_source_unref(struct fake_source *fake)
{
	if (!g_atomic_int_dec_and_test(&fake->references))
		return;
	g_hash_table_destroy(fake->calls);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
	g_free(fake);
}

struct source *fake_source_get(struct fake_source *fake)
{
	return &fake->source;
}

gboolean fake_source_is_destroyed(struct fake_source *fake)
{
	gboolean destroyed;

	pthread_mutex_lock(&fake->lock);
	destroyed = fake->destroyed;
	pthread_mutex_unlock(&fake->lock);
	return destroyed;
}

void fake_source_set_minor(struct fake_source *fake, unsigned int minor)
{
	pthread_mutex_lock(&fake->lock);
	fake->minor = minor;
	pthread_mutex_unlock(&fake->lock);
}

void fake_source_set_watch_list(struct fake_source *fake, gboolean has)
{
	pthread_mutex_lock(&fake->lock);
	fake->watch_list = has;
	pthread_mutex_unlock(&fake->lock);
}

void fake_source_answer(struct fake_source *fake, enum fake_kind kind,
	void (*function)(void *data, struct fake_call *call), void *data)
{
	pthread_mutex_lock(&fake->lock);
	fake->answers[kind] = (struct answer){function, data};
	pthread_mutex_unlock(&fake->lock);
}

struct fake_call *fake_take_within(
	struct fake_source *fake, enum fake_kind kind, unsigned int milliseconds)
{
	gint64 until = g_get_monotonic_time() + (gint64)milliseconds * 1000;
	struct fake_call *call;
	struct timespec deadline;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += milliseconds / 1000;
	deadline.tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_nsec -= 1000000000;
		deadline.tv_sec++;
	}
	pthread_mutex_lock(&fake->lock);
	while ((call = g_queue_peek_head(&fake->waiting[kind])) == NULL && r == 0)
		r = pthread_cond_timedwait(&fake->changed, &fake->lock, &deadline);
	/* One that came while this thread waited for its turn came too late. */
	if (call != NULL && call->begun <= until)
		g_queue_pop_head(&fake->waiting[kind]);
	else
		call = NULL;
	pthread_mutex_unlock(&fake->lock);
	return call;
}

struct fake_call *fake_take(struct fake_source *fake, enum fake_kind kind)
{
	struct fake_call *call = fake_take_within(fake, kind, PATIENCE_MS);

	if (call == NULL)
		g_error("no call of kind %d came", (int)kind);
	return call;
}

static unsigned int read_number(struct fake_source *fake, const unsigned int *number)
{
	unsigned int value;

	pthread_mutex_lock(&fake->lock);
	value = *number;
	pthread_mutex_unlock(&fake->lock);
	return value;
}

unsigned int fake_count(struct fake_source *fake, enum fake_kind kind)
{
	return read_number(fake, &fake->count[kind]);
}

unsigned int fake_active(struct fake_source *fake, enum fake_kind kind)
{
	return read_number(fake, &fake->active[kind]);
}

unsigned int fake_most(struct fake_source *fake, enum fake_kind kind)
{
	return read_number(fake, &fake->most[kind]);
}

void fake_opened(struct fake_call *call)
{
	send(delivery_new(call, STEP_OPENED, NULL));
}

void fake_restart(struct fake_call *call)
{
	send(delivery_new(call, STEP_RESTART, NULL));
}

void fake_item(struct fake_call *call, const char *json)
{
	send(delivery_new(call, STEP_ITEM, json));
}

void fake_event(struct fake_call *call, enum source_event event, const char *json)
{
	struct delivery *delivery = delivery_new(call, STEP_EVENT, json);

	delivery->event = event;
	send(delivery);
}

static struct delivery *delivery_new_protobuf(
	struct fake_call *call, enum step step, const char *kind, GByteArray *message)
{
	struct delivery *delivery = delivery_new(call, step, NULL);

	delivery->protobuf = message;
	delivery->kind = g_strdup(kind);
	return delivery;
}

void fake_protobuf_item(struct fake_call *call, const char *kind, GByteArray *message)
{
	send(delivery_new_protobuf(call, STEP_ITEM, kind, message));
}

void fake_protobuf_event(
	struct fake_call *call, enum source_event event, const char *kind, GByteArray *message)
{
	struct delivery *delivery = delivery_new_protobuf(call, STEP_EVENT, kind, message);

	delivery->event = event;
	send(delivery);
}

void fake_done(struct fake_call *call, const char *version)
{
	struct delivery *delivery = delivery_new(call, STEP_DONE, NULL);

	delivery->result.status = 200;
	delivery->result.version = g_strdup(version);
	send(delivery);
	fake_drop(call);
}

void fake_done_item(struct fake_call *call, const char *json)
{
	struct delivery *delivery = delivery_new(call, STEP_DONE, json);

	delivery->result.status = 200;
	send(delivery);
	fake_drop(call);
}

void fake_discovered(struct fake_call *call, struct source_catalog *catalog)
{
	struct delivery *delivery = delivery_new(call, STEP_DONE, NULL);

	delivery->result.status = 200;
	delivery->catalog = catalog;
	send(delivery);
	fake_drop(call);
}

void fake_fail(struct fake_call *call, int errnum, int status)
{
	fake_fail_result(call, &(struct source_result){
				       .errnum = errnum,
				       .status = status,
				       .message = g_strerror(errnum),
				       .expired = status == 410,
			       });
}

void fake_fail_result(struct fake_call *call, const struct source_result *result)
{
	send(failure(call, result));
	fake_drop(call);
}

static struct delivery *reply_delivery(struct fake_call *call, const struct fake_reply *reply)
{
	struct delivery *delivery = g_new0(struct delivery, 1);

	if (call != NULL)
		source_call_ref(&call->base);
	delivery->call = call;
	delivery->step = STEP_DONE;
	delivery->json = g_strdup(reply->json);
	delivery->result.errnum = reply->errnum;
	delivery->result.status = reply->errnum == 0 && reply->status == 0 ? 200 : reply->status;
	delivery->result.reason = g_strdup(reply->reason != NULL ? reply->reason : "");
	delivery->result.message = g_strdup(reply->message != NULL ? reply->message : "");
	delivery->uncertain = reply->uncertain;
	delivery->causes = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; reply->causes != NULL && reply->causes[i] != NULL; i++)
		g_ptr_array_add(delivery->causes, g_strdup(reply->causes[i]));
	return delivery;
}

void fake_reply(struct fake_call *call, const struct fake_reply *reply)
{
	g_assert(call->kind == FAKE_CHANGE);
	send(reply_delivery(call, reply));
	fake_drop(call);
}

void fake_source_reply(struct fake_source *fake, const struct fake_reply *reply)
{
	pthread_mutex_lock(&fake->lock);
	g_queue_push_tail(&fake->replies, reply_delivery(NULL, reply));
	pthread_mutex_unlock(&fake->lock);
}

const struct fake_call *fake_change(struct fake_source *fake, unsigned int index)
{
	const struct fake_call *call = NULL;

	pthread_mutex_lock(&fake->lock);
	if (fake->changes != NULL && index < fake->changes->len)
		call = g_ptr_array_index(fake->changes, index);
	pthread_mutex_unlock(&fake->lock);
	if (call == NULL)
		g_error("no change number %u was made", index);
	return call;
}

void fake_warn(struct fake_source *fake, const char *text)
{
	void (*warning)(void *data, const char *text) = NULL;
	void *data = NULL;

	pthread_mutex_lock(&fake->lock);
	if (!fake->destroyed) {
		warning = fake->warning;
		data = fake->warning_data;
	}
	pthread_mutex_unlock(&fake->lock);
	if (warning != NULL)
		warning(data, text);
}

void fake_drop(struct fake_call *call)
{
	source_call_unref(&call->base);
}

struct resource *fake_resource(
	const char *group, const char *version, const char *plural, const char *kind)
{
	struct resource *resource = g_new0(struct resource, 1);

	resource->group = g_strdup(group);
	resource->version = g_strdup(version);
	resource->plural = g_strdup(plural);
	resource->kind = g_strdup(kind);
	resource->singular = g_ascii_strdown(kind, -1);
	resource->short_names = g_new0(char *, 1);
	resource->categories = g_new0(char *, 1);
	resource->name =
		group[0] != '\0' ? g_strdup_printf("%s.%s", plural, group) : g_strdup(plural);
	resource->namespaced = TRUE;
	resource->can_list = resource->can_watch = resource->can_get = TRUE;
	resource->can_update = resource->can_create = resource->can_delete = TRUE;
	resource->references = 1;
	return resource;
}

static void unref_resource(void *resource)
{
	resource_unref(resource);
}

struct source_catalog *fake_catalog(struct resource *first, ...)
{
	struct source_catalog *catalog = g_new0(struct source_catalog, 1);
	struct resource *resource;
	va_list more;

	catalog->resources = g_ptr_array_new_with_free_func(unref_resource);
	catalog->partial = g_ptr_array_new_with_free_func(g_free);
	va_start(more, first);
	for (resource = first; resource != NULL; resource = va_arg(more, struct resource *))
		g_ptr_array_add(catalog->resources, resource);
	va_end(more);
	return catalog;
}

char *fake_object(const char *namespace, const char *name, const char *version, const char *extra)
{
	g_autofree char *place = namespace != NULL
					 ? g_strdup_printf("\"namespace\":\"%s\",", namespace)
					 : g_strdup("");

	return g_strdup_printf("{\"metadata\":{%s\"name\":\"%s\",\"uid\":\"u-%s\","
			       "\"resourceVersion\":\"%s\"}%s}",
		place, name, name, version, extra);
}
