/*
 * Kubernetes' protobuf to a document: the one that the API server's JSON of the same object is.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"
#include "cache/protobuf_table.h"

/* Messages in messages; what a custom resource definition's schema may need, several times over. */
#define PROTOBUF_DEPTH_MAX 200

enum protobuf_read_flags {
	PROTOBUF_READ_ALL = 0,
	/* The fieldsV1 of metadata.managedFields, which are most of many objects, are null. */
	PROTOBUF_READ_WITHOUT_FIELDS_V1 = 1 << 0,
};

/* NULL: none of that name is known. Any thread; so are all of these. */
const struct protobuf_kind *protobuf_find_kind(
	const char *api_version, size_t api_version_length, const char *kind, size_t kind_length);

/*
 * Decodes a message of that kind. Like the items of the API server's lists, the object has neither
 * apiVersion nor kind. Members stand in the order of their names' bytes. Strings point into bytes
 * wherever they can: these must outlive the nodes.
 *
 * What is shown and what is left out is decided by the Go types of one release (protobuf_minor).
 * What has no place in them is not dropped: such an object cannot be read here but as the server's
 * JSON.
 *
 * Returns 0, -EOPNOTSUPP (well-formed as far as it was read, but a field, a kind or a form of some
 * value is not known here: ask for JSON), -EBADMSG (malformed) or -EFBIG (too deep, or over the
 * document's limit or 2 GiB), with error set; the message holds nothing of the bytes. The document
 * then holds remains until it is reset.
 */
int protobuf_read(struct document *document, const struct protobuf_kind *kind, const char *bytes,
	size_t length, enum protobuf_read_flags flags, struct document_node **ret_root,
	GError **error);

/* The same of what is in an envelope (client/protobuf_envelope.h), with apiVersion and kind. */
int protobuf_read_envelope(struct document *document, const char *bytes, size_t length,
	enum protobuf_read_flags flags, struct document_node **ret_root, GError **error);
