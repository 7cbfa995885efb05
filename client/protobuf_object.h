/*
 * What can be said of an object as a protobuf message without knowing its kind: the metadata is the
 * first field of all of them.
 */
#pragma once

#include <stdbool.h>

#include "client/protobuf_wire.h"

/* Whether metadata.annotations has that key with that value; a malformed object has none. */
bool protobuf_object_has_annotation(
	struct protobuf_input object, const char *key, const char *value);
