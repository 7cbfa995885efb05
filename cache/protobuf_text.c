#include "cache/protobuf_text.h"

#include <glib.h>
#include <string.h>

#define DAY 86400
/* Days from 0000-03-01, where the cycle of 400 years begins, to 1970-01-01. */
#define EPOCH 719468
#define CYCLE 146097

#define YEAR_0 INT64_C(-62167219200)
#define YEAR_10000 INT64_C(253402300800)

size_t protobuf_print_integer(int64_t number, char text[PROTOBUF_TEXT_MAX])
{
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[20];
	size_t count = 0, length = 0;

	do {
		digits[count++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		text[length++] = '-';
	while (count > 0)
		text[length++] = digits[--count];
	return length;
}

static char *put_digits(char *at, unsigned int number, unsigned int count)
{
	for (unsigned int i = count; i > 0; i--) {
		at[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
	return at + count;
}

/* The date of a day that is not before 0000-01-01, in the proleptic Gregorian calendar. */
static char *put_date(char *at, int64_t days_since_1970)
{
	/* March is the first month, so that a leap day is a year's last. */
	unsigned int days = (unsigned int)(days_since_1970 + EPOCH + CYCLE);
	unsigned int day = days % CYCLE;
	unsigned int year_of_cycle = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned int day_of_year =
		day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
	unsigned int month = (5 * day_of_year + 2) / 153;
	unsigned int day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
	unsigned int year = days / CYCLE * 400 + year_of_cycle - 400 + (month >= 10 ? 1 : 0);

	at = put_digits(at, year, 4);
	*at++ = '-';
	at = put_digits(at, month < 10 ? month + 3 : month - 9, 2);
	*at++ = '-';
	return put_digits(at, day_of_month, 2);
}

size_t protobuf_print_time(int64_t seconds, int microseconds, char text[PROTOBUF_TEXT_MAX])
{
	int64_t days;
	unsigned int rest;
	char *at;

	if (seconds < YEAR_0 || seconds >= YEAR_10000)
		return 0;
	days = (seconds - YEAR_0) / DAY + YEAR_0 / DAY;
	rest = (unsigned int)(seconds - days * DAY);
	at = put_date(text, days);
	*at++ = 'T';
	at = put_digits(at, rest / 3600, 2);
	*at++ = ':';
	at = put_digits(at, rest / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, rest % 60, 2);
	if (microseconds >= 0) {
		*at++ = '.';
		at = put_digits(at, (unsigned int)microseconds, 6);
	}
	*at++ = 'Z';
	return (size_t)(at - text);
}

/* number / 10^places, without zeros at the end. */
static size_t print_fraction(uint64_t number, unsigned int places, char *text)
{
	uint64_t scale = 1;
	size_t length;

	for (unsigned int i = 0; i < places; i++)
		scale *= 10;
	length = protobuf_print_integer((int64_t)(number / scale), text);
	if (number % scale == 0)
		return length;
	text[length] = '.';
	length = (size_t)(put_digits(text + length + 1, (unsigned int)(number % scale), places) -
			  text);
	while (text[length - 1] == '0')
		length--;
	return length;
}

static size_t put_text(char *at, const char *text)
{
	return (size_t)(stpcpy(at, text) - at);
}

static size_t print_below_second(uint64_t nanoseconds, char *text)
{
	unsigned int places = nanoseconds < 1000 ? 0 : nanoseconds < 1000000 ? 3 : 6;
	size_t length = print_fraction(nanoseconds, places, text);
	const char *unit = places == 0 ? "ns" : places == 3 ? "\xC2\xB5s" : "ms";

	return length + put_text(text + length, unit);
}

size_t protobuf_print_duration(int64_t nanoseconds, char text[PROTOBUF_TEXT_MAX])
{
	uint64_t rest = nanoseconds < 0 ? -(uint64_t)nanoseconds : (uint64_t)nanoseconds;
	uint64_t minutes = rest / UINT64_C(60000000000);
	size_t length = 0;

	if (rest == 0)
		return put_text(text, "0s");
	if (nanoseconds < 0)
		text[length++] = '-';
	if (rest < 1000000000)
		return length + print_below_second(rest, text + length);
	if (minutes >= 60) {
		length += protobuf_print_integer((int64_t)(minutes / 60), text + length);
		text[length++] = 'h';
	}
	if (minutes > 0) {
		length += protobuf_print_integer((int64_t)(minutes % 60), text + length);
		text[length++] = 'm';
	}
	length += print_fraction(rest % UINT64_C(60000000000), 9, text + length);
	text[length++] = 's';
	return length;
}
