/*
 * In which form an API server has stored a value in etcd, by how it begins.
 */
#pragma once

#include <stddef.h>

enum stored_form {
	STORED_PROTOBUF, /* built-in kinds: cache/protobuf_read.h */
	STORED_JSON, /* custom resources, and built-in kinds of old or by --storage-media-type */
	STORED_CBOR, /* custom resources, where that is switched on */
	/* k8s:enc:PROVIDER:...: only the API server has the key. */
	STORED_ENCRYPTED,
	STORED_OTHER,
};

enum stored_form stored_form(const char *bytes, size_t length);

/*
 * Of a STORED_ENCRYPTED value: where its provider's name begins ("aescbc", "kms") and, set,
 * how long it is.
 */
const char *stored_provider(const char *bytes, size_t length, size_t *ret_length);
