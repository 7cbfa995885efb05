#include "cache/stored_form.h"

#include <stdbool.h>
#include <string.h>

#include "client/protobuf_envelope.h"

/* k8s.io/apiserver/pkg/server/options/encryptionconfig. */
#define ENCRYPTED "k8s:enc:"
/* RFC 8949, 3.4.6: the tag of self-described CBOR. */
#define CBOR "\xd9\xd9\xf7"

static bool begins(const char *bytes, size_t length, const char *with)
{
	return length >= strlen(with) && memcmp(bytes, with, strlen(with)) == 0;
}

enum stored_form stored_form(const char *bytes, size_t length)
{
	if (protobuf_is_envelope(bytes, length))
		return STORED_PROTOBUF;
	if (begins(bytes, length, "{"))
		return STORED_JSON;
	if (begins(bytes, length, CBOR))
		return STORED_CBOR;
	if (begins(bytes, length, ENCRYPTED))
		return STORED_ENCRYPTED;
	return STORED_OTHER;
}

const char *stored_provider(const char *bytes, size_t length, size_t *ret_length)
{
	const char *begin = bytes + strlen(ENCRYPTED);
	size_t rest = length - strlen(ENCRYPTED);
	const char *end = memchr(begin, ':', rest);

	*ret_length = end != NULL ? (size_t)(end - begin) : rest;
	return begin;
}
