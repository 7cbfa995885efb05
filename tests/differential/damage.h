/*
 * Protobuf that was written well, made odd: fields missing, twice or in another order, bytes
 * changed, mostly with the lengths around still right.
 */
#pragma once

#include <glib.h>

#include "tests/differential/random.h"

/* Appends an envelope (client/protobuf_envelope.h), which is well-formed, damaged. */
void damage_envelope(struct random *random, const char *bytes, size_t length, GByteArray *to);
