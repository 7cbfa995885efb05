#include "client/protobuf_envelope.h"

#include <errno.h>

#include "client/error.h"

#define CONTENT_TYPE "application/vnd.kubernetes.protobuf"

/* Field numbers of k8s.io/apimachinery/pkg/runtime's Unknown and TypeMeta. */
enum {
	UNKNOWN_TYPE = 1,
	UNKNOWN_RAW = 2,
	UNKNOWN_ENCODING = 3,
	UNKNOWN_CONTENT_TYPE = 4,
	UNKNOWN_FIELDS,
};
enum {
	TYPE_API_VERSION = 1,
	TYPE_KIND = 2,
	TYPE_FIELDS,
};

bool protobuf_is_envelope(const char *bytes, size_t length)
{
	return length >= PROTOBUF_PREFIX_LENGTH &&
	       memcmp(bytes, PROTOBUF_PREFIX, PROTOBUF_PREFIX_LENGTH) == 0;
}

/* A message whose fields 1 to count - 1 are all delimited: each, once, stands at its number. */
static int read_fields(struct protobuf_input input, struct protobuf_input *fields, uint32_t count)
{
	unsigned int seen = 0;

	for (uint32_t i = 0; i < count; i++)
		fields[i] = (struct protobuf_input){"", ""};
	while (input.at < input.end) {
		uint32_t number;
		unsigned int wire;

		if (!protobuf_read_tag(&input, &number, &wire))
			return -EBADMSG;
		if (number >= count || wire != PROTOBUF_DELIMITED || (seen >> number & 1) != 0)
			return -EOPNOTSUPP;
		seen |= 1U << number;
		if (!protobuf_read_delimited(&input, &fields[number]))
			return -EBADMSG;
	}
	return 0;
}

static int fail(int result, GError **error)
{
	if (result == -EOPNOTSUPP) {
		return error_set(error, EOPNOTSUPP, "protobuf in an envelope with unknown content");
	}
	return error_set(error, EBADMSG, "malformed envelope of protobuf");
}

int protobuf_envelope_read(
	const char *bytes, size_t length, struct protobuf_envelope *ret, GError **error)
{
	struct protobuf_input unknown[UNKNOWN_FIELDS];
	struct protobuf_input type[TYPE_FIELDS];
	const struct protobuf_input *content = &unknown[UNKNOWN_CONTENT_TYPE];
	int result;

	if (!protobuf_is_envelope(bytes, length))
		return fail(-EBADMSG, error);
	result =
		read_fields((struct protobuf_input){bytes + PROTOBUF_PREFIX_LENGTH, bytes + length},
			unknown, UNKNOWN_FIELDS);
	if (result == 0)
		result = read_fields(unknown[UNKNOWN_TYPE], type, TYPE_FIELDS);
	if (result == 0 &&
		(protobuf_length(&unknown[UNKNOWN_ENCODING]) > 0 ||
			(protobuf_length(content) > 0 && !protobuf_equal(content, CONTENT_TYPE))))
		result = -EOPNOTSUPP;
	if (result < 0)
		return fail(result, error);
	*ret = (struct protobuf_envelope){
		.api_version = type[TYPE_API_VERSION],
		.kind = type[TYPE_KIND],
		.object = unknown[UNKNOWN_RAW],
	};
	return 0;
}
