#include "client/protobuf_envelope.h"

#include <errno.h>

#include "client/error.h"

#define UNKNOWN_FIELDS (PROTOBUF_UNKNOWN_CONTENT_TYPE + 1)

/* Field numbers of runtime.TypeMeta. */
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

int protobuf_type_read(struct protobuf_input input, struct protobuf_input *ret_api_version,
	struct protobuf_input *ret_kind)
{
	struct protobuf_input fields[TYPE_FIELDS];
	int result = read_fields(input, fields, TYPE_FIELDS);

	if (result < 0)
		return result;
	*ret_api_version = fields[TYPE_API_VERSION];
	*ret_kind = fields[TYPE_KIND];
	return 0;
}

bool protobuf_content_is_known(enum protobuf_unknown field, const struct protobuf_input *value)
{
	return protobuf_length(value) == 0 || (field == PROTOBUF_UNKNOWN_CONTENT_TYPE &&
						      protobuf_equal(value, PROTOBUF_CONTENT_TYPE));
}

static int read_unknown(struct protobuf_input input, struct protobuf_envelope *envelope)
{
	struct protobuf_input fields[UNKNOWN_FIELDS];
	int result = read_fields(input, fields, UNKNOWN_FIELDS);

	if (result < 0)
		return result;
	for (unsigned int i = PROTOBUF_UNKNOWN_ENCODING; i < UNKNOWN_FIELDS; i++) {
		if (!protobuf_content_is_known(i, &fields[i]))
			return -EOPNOTSUPP;
	}
	envelope->object = fields[PROTOBUF_UNKNOWN_RAW];
	return protobuf_type_read(
		fields[PROTOBUF_UNKNOWN_TYPE], &envelope->api_version, &envelope->kind);
}

int protobuf_envelope_read(
	const char *bytes, size_t length, struct protobuf_envelope *ret, GError **error)
{
	struct protobuf_envelope envelope = {0};
	int result = -EBADMSG;

	if (protobuf_is_envelope(bytes, length)) {
		result = read_unknown(
			(struct protobuf_input){bytes + PROTOBUF_PREFIX_LENGTH, bytes + length},
			&envelope);
	}
	if (result < 0)
		return fail(result, error);
	*ret = envelope;
	return 0;
}
