/*
 * What the messages of Kubernetes' built-in kinds hold, and what encoding/json makes of them. The
 * table is generated from the Go types' own protobuf and json tags.
 *
 * Rows are found by position: a kind names a message by its index, a message its fields and members
 * by the first one's index and their number.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* A message has no more members than this. */
#define PROTOBUF_MEMBERS_MAX 64

/* What a message becomes. */
enum protobuf_shape {
	PROTOBUF_OBJECT, /* an object of its members */
	/* The fields of an embedded struct, whose members are the message's around it. */
	PROTOBUF_PART,
	/* The first of its members that came; when none came, what its last is then. */
	PROTOBUF_CHOICE,
	/* By hand; these have neither fields nor members. */
	PROTOBUF_TIME, /* metav1.Time */
	PROTOBUF_MICRO_TIME, /* metav1.MicroTime */
	PROTOBUF_DURATION, /* metav1.Duration */
	PROTOBUF_QUANTITY, /* resource.Quantity */
	PROTOBUF_INT_OR_STRING, /* intstr.IntOrString */
	PROTOBUF_RAW_EXTENSION, /* runtime.RawExtension */
	PROTOBUF_FIELDS_V1, /* metav1.FieldsV1 */
	PROTOBUF_JSON, /* apiextensions' JSON */
};

/* What a field's value is. */
enum protobuf_value {
	PROTOBUF_BOOL,
	PROTOBUF_INT32,
	PROTOBUF_INT64,
	PROTOBUF_DOUBLE,
	PROTOBUF_STRING,
	PROTOBUF_BYTES,
	PROTOBUF_MESSAGE,
};

/* How often a field's value comes, and where it goes. */
enum protobuf_form {
	PROTOBUF_SINGLE,
	PROTOBUF_REPEATED, /* an element of an array */
	PROTOBUF_MAP, /* a message of a string and a value: a member of an object */
	PROTOBUF_INLINE, /* a PROTOBUF_PART */
};

/* What stands for a member when nothing came. */
enum protobuf_absent {
	PROTOBUF_OMITTED,
	PROTOBUF_NULL,
	PROTOBUF_FALSE,
	PROTOBUF_ZERO,
	PROTOBUF_EMPTY, /* the string */
	PROTOBUF_EMPTY_ARRAY,
	PROTOBUF_DEFAULT, /* what an empty message becomes */
	PROTOBUF_TEXT, /* a constant, which does not come on the wire at all */
};

/* A message's are in ascending order of their numbers. */
struct protobuf_field {
	uint16_t number;
	uint8_t value; /* enum protobuf_value; of a map: its members' */
	uint8_t form; /* enum protobuf_form */
	uint8_t member; /* its position within the message */
	uint8_t omit_empty; /* false, 0, "", [] and null are left out */
	uint16_t message; /* of a PROTOBUF_MESSAGE */
};

/* An object's are in the order of their names' bytes, a choice's in the order of precedence. */
struct protobuf_member {
	const char *name;
	uint8_t length;
	uint8_t absent; /* enum protobuf_absent */
	uint16_t reference; /* PROTOBUF_DEFAULT: the message; PROTOBUF_TEXT: of protobuf_texts */
};

struct protobuf_message {
	uint16_t field;
	uint16_t member;
	uint8_t fields;
	uint8_t members;
	uint8_t shape; /* enum protobuf_shape */
};

/* In the order of api_version, then kind. */
struct protobuf_kind {
	const char *api_version;
	const char *kind;
	uint16_t message;
};

extern const struct protobuf_field protobuf_fields[];
extern const struct protobuf_member protobuf_members[];
extern const struct protobuf_message protobuf_messages[];
extern const struct protobuf_kind protobuf_kinds[];
extern const size_t protobuf_kind_count;
extern const char *const protobuf_texts[];
/*
 * Of the Kubernetes release whose Go types these are: 1.36 has 36. What a server of another one
 * leaves out or shows as null may differ, while the value is the same. From 1.34 to 1.36 that is
 * ResourceSlice's devices; up to 1.33 templates have "creationTimestamp": null; 1.30 has nulls in a
 * Job's podFailurePolicy, too.
 */
extern const unsigned int protobuf_minor;
