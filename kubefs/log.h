/*
 * The program's log: to standard error, or to syslog once it is in the background. Any thread.
 */
#pragma once

#include <glib.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Returns FALSE for a name that is none of error, warning, info and debug. */
gboolean log_parse_level(const char *name, enum log_level *ret);

/* Before there are threads. GLib's own messages and the libraries' come here, too. */
void log_start(enum log_level level, gboolean to_syslog);

void log_write(enum log_level level, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
