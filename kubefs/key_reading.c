#include "kubefs/key_reading.h"

#include <string.h>

#include "client/lock.h"
#include "kubefs/process.h"

/* A thread that has read is taken for the same one so long. */
#define GROUP_MS 1000

struct reading {
	GList link; /* in the order of time */
	pid_t group;
	int64_t revision;
	size_t length;
	char key[];
};

static struct reading *reading_create(pid_t group, const char *key, size_t length)
{
	struct reading *reading = g_malloc(sizeof(*reading) + length);

	*reading = (struct reading){.group = group, .length = length, .link.data = reading};
	memcpy(reading->key, key, length);
	return reading;
}

struct key_readings {
	pthread_mutex_t lock; /* guards all below */
	GHashTable *all; /* set of struct reading *, owned, by process and key */
	GQueue order; /* oldest first */
	/* Who read last, which is mostly who reads next. */
	pid_t thread;
	pid_t group; /* of that thread */
	gint64 until; /* g_get_monotonic_time; then the thread may be another one */
};

static guint reading_hash(const void *pointer)
{
	const struct reading *reading = pointer;
	guint hash = (guint)reading->group;

	for (size_t i = 0; i < reading->length; i++)
		hash = hash * 31 + (unsigned char)reading->key[i];
	return hash;
}

static gboolean reading_equal(const void *pointer_a, const void *pointer_b)
{
	const struct reading *a = pointer_a;
	const struct reading *b = pointer_b;

	return a->group == b->group && a->length == b->length &&
	       memcmp(a->key, b->key, a->length) == 0;
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

static pid_t find_group(struct key_readings *readings, pid_t thread)
{
	const gint64 now = g_get_monotonic_time();
	pid_t group;

	pthread_mutex_lock(&readings->lock);
	group = readings->thread == thread && now < readings->until ? readings->group : 0;
	pthread_mutex_unlock(&readings->lock);
	if (group != 0)
		return group;
	group = process_group(thread);
	pthread_mutex_lock(&readings->lock);
	readings->thread = thread;
	readings->group = group;
	readings->until = now + GROUP_MS * 1000;
	pthread_mutex_unlock(&readings->lock);
	return group;
}

/* Under the lock. */
static struct reading *find(
	struct key_readings *readings, pid_t group, const char *key, size_t length)
{
	g_autofree struct reading *wanted = reading_create(group, key, length);

	return g_hash_table_lookup(readings->all, wanted);
}

void key_readings_note(struct key_readings *readings, pid_t thread, const char *key, size_t length,
	int64_t revision)
{
	const pid_t group = thread != 0 ? find_group(readings, thread) : 0;
	struct reading *reading;
	struct reading *old;

	if (group == 0)
		return;
	reading = reading_create(group, key, length);
	reading->revision = revision;
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
	const struct reading *reading = find(readings, group, key, length);

	return reading != NULL ? reading->revision : 0;
}

void key_readings_forget(struct key_readings *readings, pid_t group, const char *key, size_t length)
{
	LOCK_GUARD(&readings->lock);
	struct reading *reading = find(readings, group, key, length);

	if (reading != NULL)
		drop(readings, reading);
}
