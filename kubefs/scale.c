#include "kubefs/scale.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/json_text.h"
#include "client/lock.h"
#include "client/loop.h"

struct waiter {
	collection_wait wait;
	void *data;
};

/* What one object's scale is, or will be. */
struct scale {
	gint references; /* the table's, and the request's under way */
	struct scales *scales;
	struct place place;
	gboolean asking;
	gboolean forgotten; /* the answer that comes is of before a save */
	uint64_t time; /* of the answer */
	GBytes *text;
	int errnum;
	char *message;
	GArray *waiters; /* of struct waiter */
};

struct scales {
	pthread_mutex_t lock; /* guards all scales, too */
	GQueue all; /* of struct scale *, oldest first */
};

struct scales *scales_create(void)
{
	struct scales *scales = g_new0(struct scales, 1);

	pthread_mutex_init(&scales->lock, NULL);
	return scales;
}

static void scale_unref(void *pointer)
{
	struct scale *scale = pointer;

	if (!g_atomic_int_dec_and_test(&scale->references))
		return;
	place_finish(&scale->place);
	g_clear_pointer(&scale->text, g_bytes_unref);
	g_free(scale->message);
	g_array_unref(scale->waiters);
	g_free(scale);
}

void scales_destroy(struct scales *scales)
{
	if (scales == NULL)
		return;
	g_queue_clear_full(&scales->all, scale_unref);
	pthread_mutex_destroy(&scales->lock);
	g_free(scales);
}

/* Under the lock. */
static struct scale *find(struct scales *scales, const struct place *place)
{
	for (GList *link = scales->all.head; link != NULL; link = link->next) {
		struct scale *scale = link->data;

		if (place_same_object(&scale->place, place))
			return scale;
	}
	return NULL;
}

/* Under the lock. The oldest one that is not being asked for makes room. */
static void make_room(struct scales *scales)
{
	if (scales->all.length < SCALES_MAX)
		return;
	for (GList *link = scales->all.head; link != NULL; link = link->next) {
		struct scale *scale = link->data;

		if (scale->asking)
			continue;
		g_queue_delete_link(&scales->all, link);
		scale_unref(scale);
		return;
	}
}

/* Under the lock. */
static struct scale *add(struct scales *scales, const struct place *place)
{
	struct scale *scale = g_new0(struct scale, 1);

	make_room(scales);
	scale->references = 1;
	scale->scales = scales;
	place_copy(&scale->place, place);
	scale->waiters = g_array_new(FALSE, FALSE, sizeof(struct waiter));
	g_queue_push_tail(&scales->all, scale);
	return scale;
}

/* An autoscaling/v1 Scale without spec.replicas has none (omitempty). */
static GBytes *read_replicas(const struct source_item *item)
{
	struct json_text value = {"0", 1};

	json_text_find((struct json_text){item->json, item->length}, JSON_PATH("spec", "replicas"),
		&value);
	return g_string_free_to_bytes(
		g_string_append_c(g_string_new_len(value.text, (gssize)value.length), '\n'));
}

static void on_done(void *data, const struct source_result *result, const struct source_item *item)
{
	struct scale *scale = data;
	g_autoptr(GArray) waiters = NULL;

	pthread_mutex_lock(&scale->scales->lock);
	scale->asking = FALSE;
	scale->time = scale->forgotten ? 0 : loop_now();
	scale->forgotten = FALSE;
	scale->errnum = result->errnum;
	g_free(scale->message);
	scale->message = g_strdup(result->message);
	g_clear_pointer(&scale->text, g_bytes_unref);
	if (result->errnum == 0)
		scale->text = read_replicas(item);
	waiters = g_steal_pointer(&scale->waiters);
	scale->waiters = g_array_new(FALSE, FALSE, sizeof(struct waiter));
	pthread_mutex_unlock(&scale->scales->lock);
	for (guint i = 0; i < waiters->len; i++) {
		struct waiter *waiter = &g_array_index(waiters, struct waiter, i);

		waiter->wait(waiter->data);
	}
	scale_unref(scale);
}

static const struct source_get_handlers handlers = {.done = on_done};

/* Not under the lock. Takes over a reference. */
static void ask(struct scale *scale)
{
	const struct place *place = &scale->place;
	const struct source_scope scope = {
		.resource = place->resource,
		.namespace = place->namespace[0] != '\0' ? place->namespace : NULL,
		.name = place->name,
		.subresource = "scale",
	};

	cache_get(place->context->cache, &scope, &handlers, scale);
}

int scales_look(struct scales *scales, const struct place *place, collection_wait wait, void *data,
	GBytes **ret, GError **error)
{
	struct scale *scale;
	int r = -EINPROGRESS;
	gboolean first = FALSE;

	pthread_mutex_lock(&scales->lock);
	scale = find(scales, place);
	if (scale == NULL)
		scale = add(scales, place);
	if (!scale->asking && scale->time != 0 && loop_now() - scale->time < SCALE_MS) {
		r = scale->errnum != 0 ? error_set(error, scale->errnum, "%s", scale->message) : 0;
		if (r == 0)
			*ret = g_bytes_ref(scale->text);
	} else {
		first = !scale->asking;
		scale->asking = TRUE;
		if (wait != NULL)
			g_array_append_val(scale->waiters, ((struct waiter){wait, data}));
		if (first)
			g_atomic_int_inc(&scale->references);
	}
	pthread_mutex_unlock(&scales->lock);
	if (first)
		ask(scale);
	return r;
}

void scales_forget(struct scales *scales, const struct place *place)
{
	LOCK_GUARD(&scales->lock);
	struct scale *scale = find(scales, place);

	if (scale == NULL)
		return;
	scale->time = 0;
	scale->forgotten = scale->asking;
}
