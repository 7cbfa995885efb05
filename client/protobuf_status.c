#include "client/protobuf_status.h"

#include <glib.h>

enum shape {
	SHAPE_TEXT,
	SHAPE_NUMBER,
	SHAPE_OBJECT,
	SHAPE_ARRAY, /* of objects */
};

/* Ends with one without a name. */
struct field {
	const char *name;
	const struct field *fields; /* of an object */
	uint32_t number;
	enum shape shape;
};

/* apimachinery/pkg/apis/meta/v1/generated.proto: StatusCause, StatusDetails and Status. */
static const struct field cause_fields[] = {
	{"reason", NULL, 1, SHAPE_TEXT},
	{"message", NULL, 2, SHAPE_TEXT},
	{"field", NULL, 3, SHAPE_TEXT},
	{0},
};
static const struct field details_fields[] = {
	{"causes", cause_fields, 4, SHAPE_ARRAY},
	{"retryAfterSeconds", NULL, 5, SHAPE_NUMBER},
	{0},
};
static const struct field status_fields[] = {
	{"message", NULL, 3, SHAPE_TEXT},
	{"reason", NULL, 4, SHAPE_TEXT},
	{"details", details_fields, 5, SHAPE_OBJECT},
	{"code", NULL, 6, SHAPE_NUMBER},
	{0},
};

static cJSON *read_object(const struct field *fields, struct protobuf_input input);

static const struct field *find_field(const struct field *fields, uint32_t number)
{
	for (; fields->name != NULL; fields++) {
		if (fields->number == number)
			return fields;
	}
	return NULL;
}

static cJSON *read_number(struct protobuf_input *input)
{
	uint64_t value;

	return protobuf_read_varint(input, &value) ? cJSON_CreateNumber((int32_t)value) : NULL;
}

static cJSON *make_text(const struct protobuf_input *value)
{
	g_autofree char *text = g_strndup(value->at, protobuf_length(value));

	return cJSON_CreateString(text);
}

/* The value of a field: NULL when it is malformed. */
static cJSON *read_value(const struct field *field, unsigned int wire, struct protobuf_input *input)
{
	enum protobuf_wire expected =
		field->shape == SHAPE_NUMBER ? PROTOBUF_VARINT : PROTOBUF_DELIMITED;
	struct protobuf_input value;

	if (wire != expected)
		return NULL;
	if (field->shape == SHAPE_NUMBER)
		return read_number(input);
	if (!protobuf_read_delimited(input, &value))
		return NULL;
	return field->shape == SHAPE_TEXT ? make_text(&value) : read_object(field->fields, value);
}

/* Takes over value. */
static void add_value(cJSON *object, const struct field *field, cJSON *value)
{
	cJSON *array;

	if (field->shape != SHAPE_ARRAY) {
		cJSON_DeleteItemFromObjectCaseSensitive(object, field->name);
		cJSON_AddItemToObject(object, field->name, value);
		return;
	}
	array = cJSON_GetObjectItemCaseSensitive(object, field->name);
	if (array == NULL)
		array = cJSON_AddArrayToObject(object, field->name);
	cJSON_AddItemToArray(array, value);
}

static bool read_field(cJSON *object, const struct field *fields, struct protobuf_input *input)
{
	const struct field *field;
	unsigned int wire;
	uint32_t number;
	cJSON *value;

	if (!protobuf_read_tag(input, &number, &wire))
		return false;
	field = find_field(fields, number);
	if (field == NULL)
		return protobuf_skip(input, wire);
	value = read_value(field, wire, input);
	if (value == NULL)
		return false;
	add_value(object, field, value);
	return true;
}

/* Objects are no deeper than the fields above. */
static cJSON *read_object(const struct field *fields, struct protobuf_input input)
{
	cJSON *object = cJSON_CreateObject();

	while (input.at < input.end) {
		if (!read_field(object, fields, &input)) {
			cJSON_Delete(object);
			return NULL;
		}
	}
	return object;
}

cJSON *protobuf_status_parse(const char *bytes, size_t length)
{
	struct protobuf_envelope envelope;
	cJSON *status;

	if (protobuf_envelope_read(bytes, length, &envelope, NULL) < 0 ||
		!protobuf_equal(&envelope.kind, "Status"))
		return NULL;
	status = read_object(status_fields, envelope.object);
	if (status != NULL)
		cJSON_AddStringToObject(status, "kind", "Status");
	return status;
}
