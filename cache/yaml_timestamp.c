#include "cache/yaml_timestamp.h"

#include <glib.h>

struct cursor {
	const char *at;
	const char *end;
};

static bool is_digit(const struct cursor *cursor, size_t ahead)
{
	return (size_t)(cursor->end - cursor->at) > ahead && g_ascii_isdigit(cursor->at[ahead]);
}

static bool skip(struct cursor *cursor, char byte)
{
	if (cursor->at == cursor->end || *cursor->at != byte)
		return false;
	cursor->at++;
	return true;
}

/* One digit or two, at most limit. */
static bool number(struct cursor *cursor, unsigned int limit, unsigned int *ret_value)
{
	unsigned int value;

	if (!is_digit(cursor, 0))
		return false;
	value = (unsigned int)(*cursor->at++ - '0');
	if (is_digit(cursor, 0))
		value = value * 10 + (unsigned int)(*cursor->at++ - '0');
	*ret_value = value;
	return value <= limit;
}

static unsigned int days_in(unsigned int month, unsigned int year)
{
	if (month == 2)
		return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool date(struct cursor *cursor)
{
	unsigned int year = 0, month, day;

	for (int i = 0; i < 4; i++) {
		if (!is_digit(cursor, 0))
			return false;
		year = year * 10 + (unsigned int)(*cursor->at++ - '0');
	}
	return skip(cursor, '-') && number(cursor, 12, &month) && month > 0 && skip(cursor, '-') &&
	       number(cursor, 31, &day) && day > 0 && day <= days_in(month, year);
}

static bool clock_time(struct cursor *cursor)
{
	unsigned int value;

	if (!number(cursor, 23, &value) || !skip(cursor, ':') || !number(cursor, 59, &value) ||
		!skip(cursor, ':') || !number(cursor, 59, &value))
		return false;
	/* time.Parse takes a comma, too. */
	if (cursor->at < cursor->end && (*cursor->at == '.' || *cursor->at == ',') &&
		is_digit(cursor, 1)) {
		cursor->at++;
		while (is_digit(cursor, 0))
			cursor->at++;
	}
	return true;
}

/* Z or +hh:mm; time.Parse lets 24 hours and 60 minutes pass. */
static bool zone(struct cursor *cursor)
{
	unsigned int value;

	if (skip(cursor, 'Z'))
		return true;
	if (!skip(cursor, '+') && !skip(cursor, '-'))
		return false;
	if (!is_digit(cursor, 0) || !is_digit(cursor, 1) || !number(cursor, 24, &value) ||
		!skip(cursor, ':'))
		return false;
	return is_digit(cursor, 0) && is_digit(cursor, 1) && number(cursor, 60, &value);
}

bool yaml_is_timestamp(const char *text, size_t length)
{
	struct cursor cursor = {text, text + length};

	if (!date(&cursor))
		return false;
	if (cursor.at == cursor.end)
		return true;
	if (skip(&cursor, 'T') || skip(&cursor, 't'))
		return clock_time(&cursor) && zone(&cursor) && cursor.at == cursor.end;
	/* A blank of the layout stands for any number of them, but at least one unless at the end.
	 */
	if (!skip(&cursor, ' '))
		return false;
	while (skip(&cursor, ' '))
		;
	return clock_time(&cursor) && cursor.at == cursor.end;
}
