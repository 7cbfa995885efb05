/* The list of client/source.h: protocol.md 1, 2. */
#pragma once

#include "client/source.h"

struct source_call *kubernetes_list(struct source *source, const struct source_scope *scope,
	enum source_list_from from, const char *known_version,
	const struct source_list_handlers *handlers, void *data, struct strand *strand);
