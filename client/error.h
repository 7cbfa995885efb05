/*
 * Errors that a person will read: a GError whose code is a positive errno.
 *
 * Functions return 0 or a negative errno and hand the GError in last; the two always agree.
 * A message names the thing and the reason, is one line, and never holds a credential or a
 * value of a Secret.
 */
#pragma once

#include <glib.h>

#define CLIENT_ERROR (client_error_quark())

GQuark client_error_quark(void);

/* Sets *error (which may be NULL) and returns -errnum. errnum is positive. Any thread. */
int error_set(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
