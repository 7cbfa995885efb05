/*
 * The values of Kubernetes' protobuf that are not objects of their fields, as encoding/json shows
 * them.
 *
 * All return 0, -EBADMSG (malformed), -EOPNOTSUPP (not a form that Kubernetes writes: see
 * protobuf_read.h) or -EFBIG (over the document's limit). Text is within input wherever it can be.
 * Any thread.
 */
#pragma once

#include "cache/document.h"
#include "cache/protobuf_table.h"
#include "client/protobuf_wire.h"

int protobuf_integer(struct document *document, int64_t number, struct document_node **ret_node);

/* A finite one. */
int protobuf_double(struct document *document, double number, struct document_node **ret_node);

/* Each byte that is not UTF-8 is U+FFFD. */
int protobuf_string(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);

int protobuf_base64(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);

/* The messages that protobuf_table.h names. */
int protobuf_time(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);
int protobuf_micro_time(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);
int protobuf_duration(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);
int protobuf_quantity(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);
int protobuf_int_or_string(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node);

/*
 * PROTOBUF_RAW_EXTENSION, PROTOBUF_FIELDS_V1 and PROTOBUF_JSON; depth is how many containers are
 * around.
 */
int protobuf_raw(struct document *document, enum protobuf_shape shape,
	const struct protobuf_input *input, unsigned int depth, struct document_node **ret_node);
