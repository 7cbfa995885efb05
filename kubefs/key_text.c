#include "kubefs/key_text.h"

#include "client/lock.h"

struct text {
	struct key_snapshot *snapshot; /* a reference: its address is what it is found by */
	enum node_format format;
	struct stored_object object;
	GList link; /* in the order of use */
};

struct key_texts {
	pthread_mutex_t lock; /* guards all below */
	GHashTable *all; /* set of struct text */
	GQueue used; /* of the same; the last used is the first */
	size_t bytes;
};

static guint text_hash(const void *pointer)
{
	const struct text *text = pointer;

	return g_direct_hash(text->snapshot) * 2654435761U + (guint)text->format;
}

static gboolean text_equal(const void *pointer_a, const void *pointer_b)
{
	const struct text *a = pointer_a;
	const struct text *b = pointer_b;

	return a->snapshot == b->snapshot && a->format == b->format;
}

static void text_free(void *pointer)
{
	struct text *text = pointer;

	key_snapshot_unref(text->snapshot);
	stored_object_finish(&text->object);
	g_free(text);
}

struct key_texts *key_texts_create(void)
{
	struct key_texts *texts = g_new0(struct key_texts, 1);

	pthread_mutex_init(&texts->lock, NULL);
	texts->all = g_hash_table_new_full(text_hash, text_equal, text_free, NULL);
	g_queue_init(&texts->used);
	return texts;
}

void key_texts_destroy(struct key_texts *texts)
{
	if (texts == NULL)
		return;
	g_hash_table_destroy(texts->all);
	pthread_mutex_destroy(&texts->lock);
	g_free(texts);
}

static size_t size_of(const struct text *text)
{
	return g_bytes_get_size(text->object.text) + g_bytes_get_size(text->snapshot->value);
}

static void share(const struct text *text, struct stored_object *ret)
{
	*ret = text->object;
	g_bytes_ref(ret->text);
}

static gboolean find(struct key_texts *texts, const struct text *wanted, struct stored_object *ret)
{
	LOCK_GUARD(&texts->lock);
	struct text *text = g_hash_table_lookup(texts->all, wanted);

	if (text == NULL)
		return FALSE;
	g_queue_unlink(&texts->used, &text->link);
	g_queue_push_head_link(&texts->used, &text->link);
	share(text, ret);
	return TRUE;
}

/* Under the lock. What was used last stays, whatever its size: it is read in pieces. */
static void make_room(struct key_texts *texts)
{
	while (texts->bytes > KEY_TEXTS_MAX && texts->used.length > 1) {
		struct text *oldest = g_queue_pop_tail_link(&texts->used)->data;

		texts->bytes -= size_of(oldest);
		g_hash_table_remove(texts->all, oldest);
	}
}

static void keep(
	struct key_texts *texts, const struct text *wanted, const struct stored_object *object)
{
	LOCK_GUARD(&texts->lock);
	struct text *text;

	if (g_hash_table_contains(texts->all, wanted))
		return;
	text = g_new0(struct text, 1);
	text->snapshot = key_snapshot_ref(wanted->snapshot);
	text->format = wanted->format;
	text->object = *object;
	g_bytes_ref(text->object.text);
	text->link.data = text;
	g_hash_table_add(texts->all, text);
	g_queue_push_head_link(&texts->used, &text->link);
	texts->bytes += size_of(text);
	make_room(texts);
}

int key_texts_get(struct key_texts *texts, struct key_snapshot *snapshot, enum node_format format,
	struct stored_object *ret, GError **error)
{
	const struct text wanted = {.snapshot = snapshot, .format = format};
	int r;

	if (find(texts, &wanted, ret))
		return 0;
	r = stored_object_read(
		snapshot, format == NODE_YAML ? STORED_TEXT_YAML : STORED_TEXT_JSON, ret, error);
	if (r == 0)
		keep(texts, &wanted, ret);
	return r;
}
