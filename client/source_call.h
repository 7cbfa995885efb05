/* What the implementations of client/source.h share: the counted base of a call under way. */
#pragma once

#include "client/source.h"

struct source_call_ops {
	void (*cancel)(struct source_call *call); /* any thread */
	void (*free)(struct source_call *call); /* any thread; the last reference is gone */
};

/* Implementations embed this first. */
struct source_call {
	const struct source_call_ops *ops;
	gint references;
};

/* With one reference. */
void source_call_init(struct source_call *call, const struct source_call_ops *ops);
struct source_call *source_call_ref(struct source_call *call);
