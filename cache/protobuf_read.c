#include "cache/protobuf_read.h"

#include <errno.h>
#include <math.h>

#include "cache/document_order.h"
#include "cache/number.h"
#include "cache/protobuf_scalar.h"
#include "client/error.h"
#include "client/protobuf_envelope.h"
#include "client/protobuf_wire.h"

struct reader {
	struct document *document;
	enum protobuf_read_flags flags;
	unsigned int depth; /* of messages */
};

/* What came for a member; tail is where an array or object that grows goes on, else NULL. */
struct slot {
	struct document_node *node;
	struct document_node **tail;
};

static int read_message(struct reader *reader, uint16_t index, struct protobuf_input input,
	struct document_node **ret_node);

static int add_node(struct reader *reader, enum document_type type, struct document_node **ret_node)
{
	*ret_node = document_new(reader->document, type);
	return *ret_node == NULL ? -EFBIG : 0;
}

static int read_varint(struct reader *reader, enum protobuf_value value,
	struct protobuf_input *input, struct document_node **ret_node)
{
	uint64_t number;

	if (!protobuf_read_varint(input, &number))
		return -EBADMSG;
	if (value == PROTOBUF_BOOL)
		return add_node(reader, number != 0 ? DOCUMENT_TRUE : DOCUMENT_FALSE, ret_node);
	return protobuf_integer(reader->document,
		value == PROTOBUF_INT32 ? (int32_t)number : (int64_t)number, ret_node);
}

static int read_double(
	struct reader *reader, struct protobuf_input *input, struct document_node **ret_node)
{
	uint64_t bits;
	double number;

	if (!protobuf_read_fixed64(input, &bits))
		return -EBADMSG;
	memcpy(&number, &bits, sizeof(number));
	/* JSON has no such number. */
	if (!isfinite(number))
		return -EOPNOTSUPP;
	return protobuf_double(reader->document, number, ret_node);
}

static int read_delimited(struct reader *reader, const struct protobuf_field *field,
	struct protobuf_input *input, struct document_node **ret_node)
{
	struct protobuf_input value;

	if (!protobuf_read_delimited(input, &value))
		return -EBADMSG;
	if (field->value == PROTOBUF_STRING)
		return protobuf_string(reader->document, &value, ret_node);
	if (field->value == PROTOBUF_MESSAGE)
		return read_message(reader, field->message, value, ret_node);
	return protobuf_base64(reader->document, &value, ret_node);
}

static unsigned int wire_of(enum protobuf_value value)
{
	if (value > PROTOBUF_DOUBLE)
		return PROTOBUF_DELIMITED;
	return value == PROTOBUF_DOUBLE ? PROTOBUF_FIXED64 : PROTOBUF_VARINT;
}

static int read_value(struct reader *reader, const struct protobuf_field *field, unsigned int wire,
	struct protobuf_input *input, struct document_node **ret_node)
{
	if (wire != wire_of(field->value))
		return -EOPNOTSUPP;
	if (wire == PROTOBUF_DELIMITED)
		return read_delimited(reader, field, input, ret_node);
	if (wire == PROTOBUF_VARINT)
		return read_varint(reader, field->value, input, ret_node);
	return read_double(reader, input, ret_node);
}

static bool is_empty(const struct document_node *node)
{
	switch (node->type) {
	case DOCUMENT_NULL:
	case DOCUMENT_FALSE:
		return true;
	case DOCUMENT_INTEGER:
		return node->length == 1 && node->text[0] == '0';
	case DOCUMENT_STRING:
	case DOCUMENT_ARRAY:
		return node->length == 0;
	default:
		return false;
	}
}

/* Most fields are strings that are empty and left out: nothing needs to be made for these. */
static bool skip_empty(
	const struct protobuf_field *field, unsigned int wire, struct protobuf_input *input)
{
	if (!field->omit_empty || field->value != PROTOBUF_STRING || wire != PROTOBUF_DELIMITED ||
		input->at == input->end || *input->at != 0)
		return false;
	input->at++;
	return true;
}

static int read_single(struct reader *reader, const struct protobuf_field *field, unsigned int wire,
	struct protobuf_input *input, struct slot *slot)
{
	struct document_node *node;
	int result;

	if (slot->node == NULL && skip_empty(field, wire, input))
		return 0;
	result = read_value(reader, field, wire, input, &node);
	if (result < 0)
		return result;
	/* Go would replace the first, or merge the two; nobody writes that. */
	if (slot->node != NULL)
		return -EOPNOTSUPP;
	if (!field->omit_empty || !is_empty(node))
		slot->node = node;
	return 0;
}

static int open_slot(struct reader *reader, enum document_type type, struct slot *slot)
{
	int result;

	if (slot->node != NULL)
		return 0;
	result = add_node(reader, type, &slot->node);
	if (result == 0)
		slot->tail = &slot->node->first;
	return result;
}

static int read_element(struct reader *reader, const struct protobuf_field *field,
	unsigned int wire, struct protobuf_input *input, struct slot *slot)
{
	struct document_node *node;
	int result = read_value(reader, field, wire, input, &node);

	if (result == 0)
		result = open_slot(reader, DOCUMENT_ARRAY, slot);
	if (result == 0)
		document_append(slot->node, &slot->tail, node);
	return result;
}

/* Numbers may come all at once, without tags. */
static int read_packed(struct reader *reader, const struct protobuf_field *field,
	struct protobuf_input *input, struct slot *slot)
{
	struct protobuf_input values;
	int result = 0;

	if (!protobuf_read_delimited(input, &values))
		return -EBADMSG;
	while (values.at < values.end && result == 0)
		result = read_element(reader, field, wire_of(field->value), &values, slot);
	return result;
}

static int read_repeated(struct reader *reader, const struct protobuf_field *field,
	unsigned int wire, struct protobuf_input *input, struct slot *slot)
{
	if (wire == PROTOBUF_DELIMITED && field->value <= PROTOBUF_DOUBLE)
		return read_packed(reader, field, input, slot);
	return read_element(reader, field, wire, input, slot);
}

/* A map's value that did not come is not null: Go makes an empty one. */
static int make_empty(
	struct reader *reader, const struct protobuf_field *field, struct document_node **ret_node)
{
	static const struct protobuf_input none = {"", ""};

	switch (field->value) {
	case PROTOBUF_BOOL:
		return add_node(reader, DOCUMENT_FALSE, ret_node);
	case PROTOBUF_INT32:
	case PROTOBUF_INT64:
	case PROTOBUF_DOUBLE:
		return protobuf_integer(reader->document, 0, ret_node);
	case PROTOBUF_MESSAGE:
		return read_message(reader, field->message, none, ret_node);
	default:
		return protobuf_string(reader->document, &none, ret_node);
	}
}

/* An entry of a map: a message of a key (1) and a value (2). */
static int read_entry(struct reader *reader, const struct protobuf_field *field,
	struct protobuf_input input, struct document_node **ret_node)
{
	struct document_node *value = NULL, *key = NULL;
	int result = 0;

	while (input.at < input.end && result == 0) {
		const struct protobuf_field key_field = {.value = PROTOBUF_STRING};
		uint32_t number;
		unsigned int wire;

		if (!protobuf_read_tag(&input, &number, &wire))
			return -EBADMSG;
		if (number == 1 && key == NULL)
			result = read_value(reader, &key_field, wire, &input, &key);
		else if (number == 2 && value == NULL)
			result = read_value(reader, field, wire, &input, &value);
		else
			result = -EOPNOTSUPP;
	}
	if (result == 0 && value == NULL)
		result = make_empty(reader, field, &value);
	if (result != 0)
		return result;
	value->key = key != NULL ? key->text : "";
	value->key_length = key != NULL ? key->length : 0;
	*ret_node = value;
	return 0;
}

static int read_member(struct reader *reader, const struct protobuf_field *field, unsigned int wire,
	struct protobuf_input *input, struct slot *slot)
{
	struct protobuf_input entry;
	struct document_node *node;
	int result;

	if (wire != PROTOBUF_DELIMITED)
		return -EOPNOTSUPP;
	if (!protobuf_read_delimited(input, &entry))
		return -EBADMSG;
	result = read_entry(reader, field, entry, &node);
	if (result == 0)
		result = open_slot(reader, DOCUMENT_OBJECT, slot);
	if (result == 0)
		document_append(slot->node, &slot->tail, node);
	return result;
}

/* Most numbers are in a row from 1. */
static const struct protobuf_field *find_field(
	const struct protobuf_message *message, uint32_t number)
{
	const struct protobuf_field *fields = protobuf_fields + message->field;
	size_t low = 0, high = message->fields;

	if (number <= high && fields[number - 1].number == number)
		return &fields[number - 1];
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (fields[middle].number == number)
			return &fields[middle];
		if (fields[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int read_part(struct reader *reader, const struct protobuf_field *field, unsigned int wire,
	struct protobuf_input *input, struct slot *slots);

static int read_field(struct reader *reader, const struct protobuf_field *field, unsigned int wire,
	struct protobuf_input *input, struct slot *slots)
{
	switch (field->form) {
	case PROTOBUF_REPEATED:
		return read_repeated(reader, field, wire, input, &slots[field->member]);
	case PROTOBUF_MAP:
		return read_member(reader, field, wire, input, &slots[field->member]);
	case PROTOBUF_INLINE:
		return read_part(reader, field, wire, input, slots);
	default:
		return read_single(reader, field, wire, input, &slots[field->member]);
	}
}

static int read_fields(struct reader *reader, const struct protobuf_message *message,
	struct protobuf_input input, struct slot *slots)
{
	while (input.at < input.end) {
		const struct protobuf_field *field;
		uint32_t number;
		unsigned int wire;
		int result;

		if (!protobuf_read_tag(&input, &number, &wire))
			return -EBADMSG;
		field = find_field(message, number);
		if (field == NULL)
			return -EOPNOTSUPP;
		result = read_field(reader, field, wire, &input, slots);
		if (result < 0)
			return result;
	}
	return 0;
}

static int read_part(struct reader *reader, const struct protobuf_field *field, unsigned int wire,
	struct protobuf_input *input, struct slot *slots)
{
	struct protobuf_input value;

	if (wire != PROTOBUF_DELIMITED)
		return -EOPNOTSUPP;
	if (!protobuf_read_delimited(input, &value))
		return -EBADMSG;
	return read_fields(reader, protobuf_messages + field->message, value, slots);
}

/* What stands for a member when nothing came; *ret_node is NULL when that is nothing. */
static int make_absent(struct reader *reader, const struct protobuf_member *member,
	struct document_node **ret_node)
{
	static const struct protobuf_input none = {"", ""};
	const char *text;

	*ret_node = NULL;
	switch (member->absent) {
	case PROTOBUF_OMITTED:
		return 0;
	case PROTOBUF_FALSE:
		return add_node(reader, DOCUMENT_FALSE, ret_node);
	case PROTOBUF_ZERO:
		return protobuf_integer(reader->document, 0, ret_node);
	case PROTOBUF_EMPTY:
		return protobuf_string(reader->document, &none, ret_node);
	case PROTOBUF_EMPTY_ARRAY:
		return add_node(reader, DOCUMENT_ARRAY, ret_node);
	case PROTOBUF_DEFAULT:
		return read_message(reader, member->reference, none, ret_node);
	case PROTOBUF_TEXT:
		text = protobuf_texts[member->reference];
		return protobuf_string(reader->document,
			&(struct protobuf_input){text, text + strlen(text)}, ret_node);
	default:
		return add_node(reader, DOCUMENT_NULL, ret_node);
	}
}

/* Go's maps have each key once; keys that are not UTF-8 may look alike, too. */
static int check_keys(struct reader *reader, struct document_node *node)
{
	const struct document_node *duplicate;
	int result = document_unique(&reader->document->arena, node, &duplicate);

	return result == 0 && duplicate != NULL ? -EOPNOTSUPP : result;
}

/* The value of a member: *ret_node is NULL when it is left out. */
static int finish_member(struct reader *reader, const struct protobuf_member *member,
	const struct slot *slot, struct document_node **ret_node)
{
	if (slot->node == NULL)
		return make_absent(reader, member, ret_node);
	*ret_node = slot->node;
	if (slot->tail != NULL && slot->node->type == DOCUMENT_OBJECT)
		return check_keys(reader, slot->node);
	return 0;
}

static int make_object(struct reader *reader, const struct protobuf_message *message,
	const struct slot *slots, struct document_node **ret_node)
{
	const struct protobuf_member *members = protobuf_members + message->member;
	struct document_node *object, **tail;
	int result = add_node(reader, DOCUMENT_OBJECT, &object);

	if (result < 0)
		return result;
	tail = &object->first;
	for (size_t i = 0; i < message->members; i++) {
		struct document_node *node;

		if (slots[i].node == NULL && members[i].absent == PROTOBUF_OMITTED)
			continue;
		result = finish_member(reader, &members[i], &slots[i], &node);
		if (result < 0)
			return result;
		if (node == NULL)
			continue;
		node->key = members[i].name;
		node->key_length = members[i].length;
		document_append(object, &tail, node);
	}
	*ret_node = object;
	return 0;
}

static int make_choice(struct reader *reader, const struct protobuf_message *message,
	const struct slot *slots, struct document_node **ret_node)
{
	const struct protobuf_member *last =
		protobuf_members + message->member + message->members - 1;

	for (size_t i = 0; i < message->members; i++) {
		if (slots[i].node != NULL) {
			*ret_node = slots[i].node;
			return 0;
		}
	}
	return make_absent(reader, last, ret_node);
}

static int read_members(struct reader *reader, const struct protobuf_message *message,
	struct protobuf_input input, struct document_node **ret_node)
{
	struct slot slots[PROTOBUF_MEMBERS_MAX];
	int result;

	memset(slots, 0, message->members * sizeof(slots[0]));
	result = read_fields(reader, message, input, slots);
	if (result < 0)
		return result;
	if (message->shape == PROTOBUF_CHOICE)
		return make_choice(reader, message, slots, ret_node);
	return make_object(reader, message, slots, ret_node);
}

/* Containers that are around the text of a message: two a message at most. */
static unsigned int depth_around(const struct reader *reader)
{
	return 2 * reader->depth;
}

static int read_by_hand(struct reader *reader, enum protobuf_shape shape,
	const struct protobuf_input *input, struct document_node **ret_node)
{
	struct document *document = reader->document;

	switch (shape) {
	case PROTOBUF_TIME:
		return protobuf_time(document, input, ret_node);
	case PROTOBUF_MICRO_TIME:
		return protobuf_micro_time(document, input, ret_node);
	case PROTOBUF_DURATION:
		return protobuf_duration(document, input, ret_node);
	case PROTOBUF_QUANTITY:
		return protobuf_quantity(document, input, ret_node);
	case PROTOBUF_INT_OR_STRING:
		return protobuf_int_or_string(document, input, ret_node);
	case PROTOBUF_FIELDS_V1:
		if ((reader->flags & PROTOBUF_READ_WITHOUT_FIELDS_V1) != 0)
			return add_node(reader, DOCUMENT_NULL, ret_node);
		return protobuf_raw(document, shape, input, depth_around(reader), ret_node);
	default:
		return protobuf_raw(document, shape, input, depth_around(reader), ret_node);
	}
}

static int read_message(struct reader *reader, uint16_t index, struct protobuf_input input,
	struct document_node **ret_node)
{
	const struct protobuf_message *message = protobuf_messages + index;
	int result;

	if (message->shape > PROTOBUF_CHOICE)
		return read_by_hand(reader, message->shape, &input, ret_node);
	if (reader->depth == PROTOBUF_DEPTH_MAX)
		return -EFBIG;
	reader->depth++;
	result = read_members(reader, message, input, ret_node);
	reader->depth--;
	return result;
}

static int compare(const char *a, size_t a_length, const char *b)
{
	size_t b_length = strlen(b);
	int order = memcmp(a, b, MIN(a_length, b_length));

	if (order != 0)
		return order;
	return (a_length > b_length) - (a_length < b_length);
}

const struct protobuf_kind *protobuf_find_kind(
	const char *api_version, size_t api_version_length, const char *kind, size_t kind_length)
{
	size_t low = 0, high = protobuf_kind_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct protobuf_kind *here = &protobuf_kinds[middle];
		int order = compare(api_version, api_version_length, here->api_version);

		if (order == 0)
			order = compare(kind, kind_length, here->kind);
		if (order == 0)
			return here;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int fail(int result, GError **error)
{
	if (result == -EOPNOTSUPP) {
		return error_set(error, EOPNOTSUPP,
			"protobuf with something that this version of kubefs does not know");
	}
	if (result == -EBADMSG)
		return error_set(error, EBADMSG, "malformed protobuf");
	return error_set(error, EFBIG, "protobuf is nested too deep or takes too much memory");
}

static int read_root(struct document *document, const struct protobuf_kind *kind,
	struct protobuf_input input, enum protobuf_read_flags flags,
	struct document_node **ret_root)
{
	struct reader reader = {.document = document, .flags = flags};

	if (protobuf_length(&input) > G_MAXINT32)
		return -EFBIG;
	return read_message(&reader, kind->message, input, ret_root);
}

int protobuf_read(struct document *document, const struct protobuf_kind *kind, const char *bytes,
	size_t length, enum protobuf_read_flags flags, struct document_node **ret_root,
	GError **error)
{
	const struct protobuf_input input = {bytes, bytes + length};
	struct document_node *root;
	int result = read_root(document, kind, input, flags, &root);

	if (result < 0)
		return fail(result, error);
	*ret_root = root;
	return 0;
}

/* Puts a member that is not there yet before the others. */
static int add_type(struct document *document, struct document_node *root, const char *key,
	const struct protobuf_input *value)
{
	struct document_node *node;
	int result = protobuf_string(document, value, &node);

	if (result < 0)
		return result;
	node->key = key;
	node->key_length = (uint32_t)strlen(key);
	node->next = root->first;
	root->first = node;
	root->length++;
	return 0;
}

static int read_object(struct document *document, const struct protobuf_envelope *envelope,
	enum protobuf_read_flags flags, struct document_node **ret_root)
{
	const struct protobuf_input *api_version = &envelope->api_version;
	const struct protobuf_input *kind_name = &envelope->kind;
	const struct protobuf_kind *kind = protobuf_find_kind(api_version->at,
		protobuf_length(api_version), kind_name->at, protobuf_length(kind_name));
	struct document_node *root;
	int result;

	if (kind == NULL)
		return -EOPNOTSUPP;
	result = read_root(document, kind, envelope->object, flags, &root);
	if (result != 0)
		return result;
	result = add_type(document, root, "kind", kind_name);
	if (result == 0)
		result = add_type(document, root, "apiVersion", api_version);
	*ret_root = root;
	return result;
}

int protobuf_read_envelope(struct document *document, const char *bytes, size_t length,
	enum protobuf_read_flags flags, struct document_node **ret_root, GError **error)
{
	struct protobuf_envelope envelope;
	struct document_node *root = NULL;
	int result = protobuf_envelope_read(bytes, length, &envelope, error);

	if (result < 0)
		return result;
	result = read_object(document, &envelope, flags, &root);
	if (result < 0)
		return fail(result, error);
	*ret_root = root;
	return 0;
}
