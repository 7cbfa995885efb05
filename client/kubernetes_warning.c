#include "client/kubernetes_warning.h"

#include <string.h>

#include "client/lock.h"

#define HIDDEN "the server warns of a Secret; its words may repeat values and are not shown"

void kubernetes_warnings_init(struct kubernetes_warnings *warnings)
{
	pthread_mutex_init(&warnings->lock, NULL);
	warnings->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void kubernetes_warnings_finish(struct kubernetes_warnings *warnings)
{
	g_hash_table_destroy(warnings->told);
	pthread_mutex_destroy(&warnings->lock);
}

void kubernetes_warnings_listen(struct kubernetes_warnings *warnings,
	void (*warning)(void *data, const char *text), void *data)
{
	warnings->warning = warning;
	warnings->data = data;
}

/* TRUE the first time that the text comes. */
static gboolean is_new(struct kubernetes_warnings *warnings, const char *text)
{
	LOCK_GUARD(&warnings->lock);

	if (g_hash_table_size(warnings->told) >= KUBERNETES_WARNINGS_MAX &&
		!g_hash_table_contains(warnings->told, text))
		g_hash_table_remove_all(warnings->told);
	return g_hash_table_add(warnings->told, g_strdup(text));
}

static char *cut(const char *text)
{
	size_t length = strnlen(text, KUBERNETES_WARNING_BYTES_MAX + 1);

	if (length <= KUBERNETES_WARNING_BYTES_MAX)
		return g_strdup(text);
	length = (size_t)(g_utf8_find_prev_char(text, text + KUBERNETES_WARNING_BYTES_MAX + 1) -
			  text);
	return g_strdup_printf("%.*s...", (int)length, text);
}

void kubernetes_warnings_tell(
	struct kubernetes_warnings *warnings, enum kubernetes_warn warn, const char *text)
{
	g_autofree char *line = NULL;

	if (warnings->warning == NULL)
		return;
	line = cut(warn == KUBERNETES_WARN_HIDDEN ? HIDDEN : text);
	if (warn != KUBERNETES_WARN_ONCE || is_new(warnings, line))
		warnings->warning(warnings->data, line);
}
