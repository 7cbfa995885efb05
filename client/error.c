#include "client/error.h"

GQuark client_error_quark(void)
{
	return g_quark_from_static_string("kubefs-error");
}

int error_set(GError **error, int errnum, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (error != NULL)
		*error = g_error_new_valist(CLIENT_ERROR, errnum, format, arguments);
	va_end(arguments);
	return -errnum;
}
