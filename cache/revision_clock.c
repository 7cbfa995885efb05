#include "cache/revision_clock.h"

#include <glib.h>

#include "client/lock.h"

struct observation {
	int64_t revision;
	struct timespec time;
};

struct revision_clock {
	pthread_mutex_t lock;
	GArray *observations; /* of struct observation, both members ascending */
};

struct revision_clock *revision_clock_create(void)
{
	struct revision_clock *clock = g_new0(struct revision_clock, 1);

	pthread_mutex_init(&clock->lock, NULL);
	clock->observations = g_array_new(FALSE, FALSE, sizeof(struct observation));
	return clock;
}

void revision_clock_destroy(struct revision_clock *clock)
{
	if (clock == NULL)
		return;
	g_array_unref(clock->observations);
	pthread_mutex_destroy(&clock->lock);
	g_free(clock);
}

/* The index of the first observation of revision or a later one. */
static guint position(const struct revision_clock *clock, int64_t revision)
{
	guint low = 0;
	guint high = clock->observations->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;

		if (g_array_index(clock->observations, struct observation, middle).revision <
			revision)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Drops every other one, but neither the first nor the last. */
static void thin_out(struct revision_clock *clock)
{
	guint kept = 1;

	for (guint i = 1; i < clock->observations->len; i += 2)
		g_array_index(clock->observations, struct observation, kept++) =
			g_array_index(clock->observations, struct observation, i);
	g_array_set_size(clock->observations, kept);
}

struct timespec revision_clock_seen(struct revision_clock *clock, int64_t revision)
{
	LOCK_GUARD(&clock->lock);
	guint index = position(clock, revision);
	struct observation now = {.revision = revision};

	if (index < clock->observations->len)
		return g_array_index(clock->observations, struct observation, index).time;
	if (clock->observations->len >= REVISION_CLOCK_MAX)
		thin_out(clock);
	clock_gettime(CLOCK_REALTIME, &now.time);
	g_array_append_val(clock->observations, now);
	return now.time;
}

void revision_clock_turn_back(struct revision_clock *clock, int64_t revision)
{
	LOCK_GUARD(&clock->lock);

	g_array_set_size(clock->observations, position(clock, revision + 1));
}
