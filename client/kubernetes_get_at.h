/* The source's get_at: one object as it was at a version, until etcd compacts. */
#pragma once

#include "client/source.h"

struct source_call *kubernetes_get_at(struct source *source, const struct source_scope *scope,
	const char *version, const struct source_get_handlers *handlers, void *data,
	struct strand *strand);
