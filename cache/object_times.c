#include "cache/object_times.h"

#include <glib.h>

static bool two_digits(const char *text, int *ret)
{
	if (!g_ascii_isdigit(text[0]) || !g_ascii_isdigit(text[1]))
		return false;
	*ret = (text[0] - '0') * 10 + (text[1] - '0');
	return true;
}

/* metav1.Time is RFC 3339 in UTC, "2024-01-31T12:00:00Z"; MicroTime has a fraction. */
static time_t parse_time(const char *text, size_t length)
{
	struct tm tm = {0};
	struct tm normal;
	time_t time;
	int century;
	int year;

	if (length < 20 || text[length - 1] != 'Z' || text[4] != '-' || text[7] != '-' ||
		text[10] != 'T' || text[13] != ':' || text[16] != ':')
		return 0;
	if (!two_digits(text, &century) || !two_digits(text + 2, &year) ||
		!two_digits(text + 5, &tm.tm_mon) || !two_digits(text + 8, &tm.tm_mday) ||
		!two_digits(text + 11, &tm.tm_hour) || !two_digits(text + 14, &tm.tm_min) ||
		!two_digits(text + 17, &tm.tm_sec))
		return 0;
	tm.tm_year = century * 100 + year - 1900;
	tm.tm_mon--;
	normal = tm;
	time = timegm(&normal);
	/* The 31st of February would be taken for a day in March. */
	if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
		normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min ||
		normal.tm_sec != tm.tm_sec)
		return 0;
	return MAX(time, 0);
}

static time_t time_of(const struct document_node *node, const char *key)
{
	const char *text;
	size_t length;

	return document_get_string(node, key, &text, &length) ? parse_time(text, length) : 0;
}

static bool is_status(const struct document_node *entry)
{
	const char *text;
	size_t length;

	return document_get_string(entry, "subresource", &text, &length) && length == 6 &&
	       memcmp(text, "status", 6) == 0;
}

/* When the deletion was asked for. */
static time_t deletion_time(const struct document_node *metadata)
{
	const struct document_node *grace = document_get(metadata, "deletionGracePeriodSeconds");
	time_t deletion = time_of(metadata, "deletionTimestamp");
	g_autofree char *seconds = NULL;

	if (deletion == 0 || grace == NULL || grace->type != DOCUMENT_INTEGER)
		return deletion;
	seconds = g_strndup(grace->text, grace->length);
	return deletion - CLAMP(g_ascii_strtoll(seconds, NULL, 10), 0, deletion);
}

struct object_times object_times_read(const struct document_node *metadata)
{
	const struct document_node *fields = document_get(metadata, "managedFields");
	time_t newest = MAX(time_of(metadata, "creationTimestamp"), deletion_time(metadata));
	struct object_times times = {newest, newest};

	if (fields == NULL || fields->type != DOCUMENT_ARRAY)
		return times;
	for (const struct document_node *entry = fields->first; entry != NULL;
		entry = entry->next) {
		time_t time = time_of(entry, "time");

		times.changed = MAX(times.changed, time);
		if (!is_status(entry))
			times.modified = MAX(times.modified, time);
	}
	return times;
}
