/* The watch of client/source.h: protocol.md 3 to 6, 9. */
#pragma once

#include "client/source.h"

struct source_call *kubernetes_watch(struct source *source, const struct source_scope *scope,
	const char *version, gboolean initial, const struct source_watch_handlers *handlers,
	void *data, struct strand *strand);
