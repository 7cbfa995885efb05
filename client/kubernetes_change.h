/* The source's change: one POST, PUT or DELETE of one object. */
#pragma once

#include "client/source.h"

struct source_call *kubernetes_change(struct source *source, const struct source_change *change,
	const struct source_change_handlers *handlers, void *data, struct strand *strand);
