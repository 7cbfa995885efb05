#include "kubefs/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <fuse_lowlevel.h>

/* Set once, before there are threads. */
static enum log_level threshold = LOG_LEVEL_WARNING;
static gboolean syslog_used;

static const char *const names[] = {"error", "warning", "info", "debug"};
static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

gboolean log_parse_level(const char *name, enum log_level *ret)
{
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*ret = (enum log_level)i;
		return TRUE;
	}
	return FALSE;
}

static void write_line(enum log_level level, const char *text)
{
	if (level > threshold)
		return;
	if (syslog_used)
		syslog(priorities[level], "%s", text);
	else
		fprintf(stderr, "kubefs: %s%s%s\n", level == LOG_LEVEL_ERROR ? "" : names[level],
			level == LOG_LEVEL_ERROR ? "" : ": ", text);
}

void log_write(enum log_level level, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list arguments;

	if (level > threshold)
		return;
	va_start(arguments, format);
	text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	write_line(level, text);
}

static enum log_level level_of_glib(GLogLevelFlags flags)
{
	if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
		return LOG_LEVEL_ERROR;
	if (flags & G_LOG_LEVEL_WARNING)
		return LOG_LEVEL_WARNING;
	if (flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
		return LOG_LEVEL_INFO;
	return LOG_LEVEL_DEBUG;
}

static void on_glib(const char *domain, GLogLevelFlags flags, const char *text, void *data)
{
	write_line(level_of_glib(flags), text);
}

static void G_GNUC_PRINTF(2, 0)
	on_fuse(enum fuse_log_level level, const char *format, va_list arguments)
{
	g_autofree char *text = g_strdup_vprintf(format, arguments);

	g_strchomp(text);
	/* libfuse says at ERR what its caller reports in better words. */
	write_line(level <= FUSE_LOG_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, text);
}

void log_start(enum log_level level, gboolean to_syslog)
{
	threshold = level;
	syslog_used = to_syslog;
	if (to_syslog)
		openlog("kubefs", LOG_PID, LOG_DAEMON);
	g_log_set_default_handler(on_glib, NULL);
	fuse_set_log_func(on_fuse);
}
