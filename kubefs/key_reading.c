#include "kubefs/key_reading.h"

#include <string.h>

#include "client/lock.h"
#include "kubefs/process.h"

struct reading {
	GList link; /* in the order of time */
	pid_t thread;
	int64_t revision;
	size_t length;
	char key[];
};

struct key_readings {
	pthread_mutex_t lock; /* guards all below */
	GHashTable *all; /* set of struct reading *, owned, by thread and key */
	GQueue order; /* oldest first */
};

static guint reading_hash(const void *pointer)
{
	const struct reading *reading = pointer;
	guint hash = (guint)reading->thread;

	for (size_t i = 0; i < reading->length; i++)
		hash = hash * 31 + (unsigned char)reading->key[i];
	return hash;
}

static gboolean is_of(const struct reading *reading, const char *key, size_t length)
{
	return reading->length == length && memcmp(reading->key, key, length) == 0;
}

static gboolean reading_equal(const void *pointer_a, const void *pointer_b)
{
	const struct reading *a = pointer_a;
	const struct reading *b = pointer_b;

	return a->thread == b->thread && is_of(a, b->key, b->length);
}

struct key_readings *key_readings_create(void)
{
	struct key_readings *readings = g_new0(struct key_readings, 1);

	pthread_mutex_init(&readings->lock, NULL);
	readings->all = g_hash_table_new_full(reading_hash, reading_equal, g_free, NULL);
	return readings;
}

void key_readings_destroy(struct key_readings *readings)
{
	if (readings == NULL)
		return;
	g_hash_table_destroy(readings->all);
	pthread_mutex_destroy(&readings->lock);
	g_free(readings);
}

/* Under the lock. */
static void drop(struct key_readings *readings, struct reading *reading)
{
	g_queue_unlink(&readings->order, &reading->link);
	g_hash_table_remove(readings->all, reading);
}

void key_readings_note(struct key_readings *readings, pid_t thread, const char *key, size_t length,
	int64_t revision)
{
	struct reading *reading;
	struct reading *old;

	if (thread == 0)
		return;
	reading = g_malloc(sizeof(*reading) + length);
	*reading = (struct reading){
		.thread = thread, .revision = revision, .length = length, .link.data = reading};
	memcpy(reading->key, key, length);
	LOCK_GUARD(&readings->lock);

	old = g_hash_table_lookup(readings->all, reading);
	if (old != NULL)
		drop(readings, old);
	g_hash_table_add(readings->all, reading);
	g_queue_push_tail_link(&readings->order, &reading->link);
	if (readings->order.length > KEY_READINGS_MAX)
		drop(readings, readings->order.head->data);
}

int64_t key_readings_find(
	struct key_readings *readings, pid_t group, const char *key, size_t length)
{
	LOCK_GUARD(&readings->lock);

	if (group == 0)
		return 0;
	for (const GList *link = readings->order.tail; link != NULL; link = link->prev) {
		const struct reading *reading = link->data;

		if (is_of(reading, key, length) &&
			(reading->thread == group || process_group(reading->thread) == group))
			return reading->revision;
	}
	return 0;
}
