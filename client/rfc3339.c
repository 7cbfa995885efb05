#include "client/rfc3339.h"

#include <errno.h>
#include <string.h>

/* Takes exactly count digits. */
static gboolean take_number(const char **text, unsigned int count, int *ret_value)
{
	int value = 0;

	for (unsigned int i = 0; i < count; i++, (*text)++) {
		if (!g_ascii_isdigit(**text))
			return FALSE;
		value = value * 10 + g_ascii_digit_value(**text);
	}
	*ret_value = value;
	return TRUE;
}

static gboolean take_letter(const char **text, char letter)
{
	if (**text != letter)
		return FALSE;
	(*text)++;
	return TRUE;
}

static gboolean take_fraction(const char **text, gint64 *ret_microseconds)
{
	gint64 value = 0, scale = G_USEC_PER_SEC;
	const char *start;

	*ret_microseconds = 0;
	if (!take_letter(text, '.') && !take_letter(text, ','))
		return TRUE;
	for (start = *text; g_ascii_isdigit(**text); (*text)++) {
		scale /= 10;
		value += g_ascii_digit_value(**text) * scale;
	}
	*ret_microseconds = value;
	return *text > start;
}

static gboolean take_offset(const char **text, int *ret_seconds)
{
	int sign, hours, minutes;

	*ret_seconds = 0;
	if (take_letter(text, 'Z'))
		return TRUE;
	sign = **text == '-' ? -1 : 1;
	if (!take_letter(text, '+') && !take_letter(text, '-'))
		return FALSE;
	if (!take_number(text, 2, &hours) || !take_letter(text, ':') ||
		!take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
		return FALSE;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return TRUE;
}

int rfc3339_parse(const char *text, gint64 *ret_microseconds)
{
	int year, month, day, hour, minute, second, offset;
	gint64 fraction;
	g_autoptr(GDateTime) time = NULL;

	if (!take_number(&text, 4, &year) || !take_letter(&text, '-') ||
		!take_number(&text, 2, &month) || !take_letter(&text, '-') ||
		!take_number(&text, 2, &day) || !take_letter(&text, 'T') ||
		!take_number(&text, 2, &hour) || !take_letter(&text, ':') ||
		!take_number(&text, 2, &minute) || !take_letter(&text, ':') ||
		!take_number(&text, 2, &second) || !take_fraction(&text, &fraction) ||
		!take_offset(&text, &offset) || *text != '\0')
		return -EINVAL;
	/* NULL for a month, day, hour, minute or second that does not exist. */
	time = g_date_time_new_utc(year, month, day, hour, minute, second);
	if (time == NULL)
		return -EINVAL;
	*ret_microseconds =
		(g_date_time_to_unix(time) - offset) * (gint64)G_USEC_PER_SEC + fraction;
	return 0;
}
