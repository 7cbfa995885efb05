/*
 * The wire format of protobuf, read value by value:
 * https://protobuf.dev/programming-guides/encoding
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum protobuf_wire {
	PROTOBUF_VARINT = 0,
	PROTOBUF_FIXED64 = 1,
	PROTOBUF_DELIMITED = 2,
	PROTOBUF_FIXED32 = 5,
	/* 3 and 4 are groups, which nothing of Kubernetes has. */
};

/* What is still to be read. */
struct protobuf_input {
	const char *at;
	const char *end;
};

/*
 * All of these return false when the input ends within the value or it is not well-formed; the
 * input is of no use then.
 */

/* As Go's decoders do: ten bytes at most, and bits above the 64th are lost. */
static inline bool protobuf_read_varint(struct protobuf_input *input, uint64_t *ret_value)
{
	uint64_t value = 0;

	/* Most are a single byte. */
	if (input->at < input->end && (unsigned char)*input->at < 0x80) {
		*ret_value = (unsigned char)*input->at++;
		return true;
	}
	for (unsigned int shift = 0; shift < 64 && input->at < input->end; shift += 7) {
		unsigned char byte = (unsigned char)*input->at++;

		value |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* Sets the number of the field that begins, and its wire type (also one that is not listed above).
 */
static inline bool protobuf_read_tag(
	struct protobuf_input *input, uint32_t *ret_number, unsigned int *ret_wire)
{
	uint64_t tag;

	if (!protobuf_read_varint(input, &tag) || tag >> 3 == 0 || tag >> 3 >= UINT32_C(1) << 29)
		return false;
	*ret_number = (uint32_t)(tag >> 3);
	*ret_wire = tag & 7;
	return true;
}

static inline bool protobuf_read_fixed64(struct protobuf_input *input, uint64_t *ret_value)
{
	const unsigned char *byte = (const unsigned char *)input->at;
	uint64_t value = 0;

	if (input->end - input->at < 8)
		return false;
	for (unsigned int i = 0; i < 8; i++)
		value |= (uint64_t)byte[i] << 8 * i;
	input->at += 8;
	*ret_value = value;
	return true;
}

/* Strings, bytes and messages: sets where they are within the input. */
static inline bool protobuf_read_delimited(
	struct protobuf_input *input, struct protobuf_input *ret_value)
{
	uint64_t length;

	if (!protobuf_read_varint(input, &length) || length > (size_t)(input->end - input->at))
		return false;
	ret_value->at = input->at;
	ret_value->end = input->at + length;
	input->at += length;
	return true;
}

/* Passes over the value of a field; false also when its wire type is none of those above. */
static inline bool protobuf_skip(struct protobuf_input *input, unsigned int wire)
{
	struct protobuf_input value;
	uint64_t number;

	switch (wire) {
	case PROTOBUF_VARINT:
		return protobuf_read_varint(input, &number);
	case PROTOBUF_FIXED64:
		return protobuf_read_fixed64(input, &number);
	case PROTOBUF_DELIMITED:
		return protobuf_read_delimited(input, &value);
	case PROTOBUF_FIXED32:
		if (input->end - input->at < 4)
			return false;
		input->at += 4;
		return true;
	default:
		return false;
	}
}

static inline size_t protobuf_length(const struct protobuf_input *input)
{
	return (size_t)(input->end - input->at);
}

static inline bool protobuf_equal(const struct protobuf_input *input, const char *text)
{
	return protobuf_length(input) == strlen(text) && memcmp(input->at, text, strlen(text)) == 0;
}
