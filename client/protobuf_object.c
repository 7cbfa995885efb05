#include "client/protobuf_object.h"

#define OBJECT_METADATA 1
/* A field of metav1.ObjectMeta. */
#define METADATA_ANNOTATIONS 12

/* Fields of a map's entry. */
enum {
	ENTRY_KEY = 1,
	ENTRY_VALUE = 2,
};

/* The next field of that number: false behind the last one. */
static bool find_next(
	struct protobuf_input *input, uint32_t number, struct protobuf_input *ret_value)
{
	while (input->at < input->end) {
		unsigned int wire;
		uint32_t here;

		if (!protobuf_read_tag(input, &here, &wire))
			return false;
		if (here == number && wire == PROTOBUF_DELIMITED)
			return protobuf_read_delimited(input, ret_value);
		if (!protobuf_skip(input, wire))
			return false;
	}
	return false;
}

static bool is_entry(struct protobuf_input entry, const char *key, const char *value)
{
	struct protobuf_input rest = entry;
	struct protobuf_input found;

	if (!find_next(&entry, ENTRY_KEY, &found) || !protobuf_equal(&found, key))
		return false;
	return find_next(&rest, ENTRY_VALUE, &found) && protobuf_equal(&found, value);
}

bool protobuf_object_has_annotation(
	struct protobuf_input object, const char *key, const char *value)
{
	struct protobuf_input metadata, entry;

	if (!find_next(&object, OBJECT_METADATA, &metadata))
		return false;
	while (find_next(&metadata, METADATA_ANNOTATIONS, &entry)) {
		if (is_entry(entry, key, value))
			return true;
	}
	return false;
}
