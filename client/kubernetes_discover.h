/* The discover of client/source.h: protocol.md 11, 12. */
#pragma once

#include "client/source.h"

struct source_call *kubernetes_discover(struct source *source,
	const struct source_discover_handlers *handlers, void *data, struct strand *strand);
