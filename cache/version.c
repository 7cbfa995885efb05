#include "cache/version.h"

#include <string.h>

static gboolean is_decimal(const char *version)
{
	size_t length = version != NULL ? strspn(version, "0123456789") : 0;

	return length > 0 && version[length] == '\0' && (version[0] != '0' || length == 1);
}

gboolean version_compare(const char *a, const char *b, int *ret)
{
	size_t a_length;
	size_t b_length;

	if (!is_decimal(a) || !is_decimal(b))
		return FALSE;
	a_length = strlen(a);
	b_length = strlen(b);
	if (a_length != b_length)
		*ret = a_length < b_length ? -1 : 1;
	else
		*ret = memcmp(a, b, a_length);
	return TRUE;
}

gboolean version_is_older(const char *a, const char *b)
{
	int order;

	return version_compare(a, b, &order) && order < 0;
}
