#include "tests/differential/damage.h"

#include "client/protobuf_envelope.h"

#define FIELDS_MAX 256
#define DEEPER 3 /* of so many times all but one */

/* From its tag to its end. */
struct field {
	struct protobuf_input all;
	const char *content; /* of a delimited one behind its length, else NULL */
};

static void append(GByteArray *to, const char *at, const char *end)
{
	g_byte_array_append(to, (const guint8 *)at, (guint)(end - at));
}

static void append_varint(GByteArray *to, uint64_t value)
{
	while (value >= 0x80) {
		g_byte_array_append(to, (const guint8[]){(guint8)(value | 0x80)}, 1);
		value >>= 7;
	}
	g_byte_array_append(to, (const guint8[]){(guint8)value}, 1);
}

static bool next_field(struct protobuf_input *input, struct field *field)
{
	struct protobuf_input value;
	uint64_t number;
	uint32_t ignored;
	unsigned int wire;

	*field = (struct field){.all.at = input->at};
	if (!protobuf_read_tag(input, &ignored, &wire))
		return false;
	if (wire == PROTOBUF_DELIMITED) {
		if (!protobuf_read_delimited(input, &value))
			return false;
		field->content = value.at;
	} else if (wire == PROTOBUF_VARINT
			   ? !protobuf_read_varint(input, &number)
			   : wire != PROTOBUF_FIXED64 || !protobuf_read_fixed64(input, &number)) {
		return false;
	}
	field->all.end = input->at;
	return true;
}

/* The fields of a message; 0 when it is none, or has too many. */
static size_t split(struct protobuf_input input, struct field fields[FIELDS_MAX])
{
	size_t count = 0;

	while (input.at < input.end) {
		if (count == FIELDS_MAX || !next_field(&input, &fields[count]))
			return 0;
		count++;
	}
	return count;
}

static void change_bytes(struct random *random, struct protobuf_input text, GByteArray *to)
{
	guint begin = to->len;
	size_t length = protobuf_length(&text);

	append(to, text.at, text.end);
	if (length == 0)
		return;
	for (size_t i = 0; i <= random_below(random, 3); i++)
		to->data[begin + random_below(random, length)] = (guint8)random_next(random);
}

static void damage_message(struct random *random, struct protobuf_input message, GByteArray *to);

/* The tag of a delimited field, then its content, damaged. */
static void damage_content(struct random *random, const struct field *field, GByteArray *to)
{
	g_autoptr(GByteArray) content = g_byte_array_new();
	struct protobuf_input tag = field->all;
	uint32_t number;
	unsigned int wire;

	damage_message(random, (struct protobuf_input){field->content, field->all.end}, content);
	protobuf_read_tag(&tag, &number, &wire);
	append(to, field->all.at, tag.at);
	append_varint(to, content->len);
	g_byte_array_append(to, content->data, content->len);
}

static void damage_field(struct random *random, const struct field *field, GByteArray *to)
{
	if (field->content != NULL && !random_once_in(random, DEEPER)) {
		damage_content(random, field, to);
		return;
	}
	switch (random_below(random, 3)) {
	case 0:
		break;
	case 1:
		append(to, field->all.at, field->all.end);
		append(to, field->all.at, field->all.end);
		break;
	default:
		change_bytes(random, field->all, to);
	}
}

static void damage_message(struct random *random, struct protobuf_input message, GByteArray *to)
{
	struct field fields[FIELDS_MAX];
	size_t count = split(message, fields), chosen;
	bool moved = random_once_in(random, 8);

	if (count == 0) {
		change_bytes(random, message, to);
		return;
	}
	chosen = random_below(random, count);
	for (size_t i = 0; i < count; i++) {
		if (i != chosen)
			append(to, fields[i].all.at, fields[i].all.end);
		else if (!moved)
			damage_field(random, &fields[i], to);
	}
	if (moved)
		append(to, fields[chosen].all.at, fields[chosen].all.end);
}

static void append_delimited(GByteArray *to, guint8 tag, const char *at, size_t length)
{
	g_byte_array_append(to, &tag, 1);
	append_varint(to, length);
	append(to, at, at + length);
}

void damage_envelope(struct random *random, const char *bytes, size_t length, GByteArray *to)
{
	g_autoptr(GByteArray) type = g_byte_array_new();
	g_autoptr(GByteArray) object = g_byte_array_new();
	struct protobuf_envelope envelope;

	if (random_once_in(random, 8) ||
		protobuf_envelope_read(bytes, length, &envelope, NULL) < 0) {
		change_bytes(random, (struct protobuf_input){bytes, bytes + length}, to);
		return;
	}
	append_delimited(
		type, 0x0A, envelope.api_version.at, protobuf_length(&envelope.api_version));
	append_delimited(type, 0x12, envelope.kind.at, protobuf_length(&envelope.kind));
	damage_message(random, envelope.object, object);
	append(to, bytes, bytes + PROTOBUF_PREFIX_LENGTH);
	append_delimited(to, 0x0A, (const char *)type->data, type->len);
	append_delimited(to, 0x12, (const char *)object->data, object->len);
}
