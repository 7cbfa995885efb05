/*
 * What a plain YAML scalar means: the rules of go.yaml.in/yaml/v2 (resolve.go), which are YAML
 * 1.1's with exceptions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum yaml_kind {
	YAML_KIND_STRING,
	YAML_KIND_NULL,
	YAML_KIND_BOOL,
	YAML_KIND_INTEGER,
	YAML_KIND_UNSIGNED, /* beyond int64 */
	YAML_KIND_FLOAT,
	YAML_KIND_TIMESTAMP, /* a string to JSON, but quoted when printed */
};

struct yaml_value {
	enum yaml_kind kind;
	union {
		bool boolean;
		int64_t integer;
		uint64_t unsigned_integer;
		double real; /* may be infinite or NaN */
	};
};

/* timestamps: whether to look for them; goyaml does so for scalars without a tag. */
struct yaml_value yaml_resolve(const char *text, size_t length, bool timestamps);

/* Whether the text, plain, would be read as another thing than a string. */
bool yaml_resolves(const char *text, size_t length);

/*
 * A number in base 60, as 1:30. goyaml reads it as a string but quotes it for other programs that
 * do not.
 */
bool yaml_is_base60(const char *text, size_t length);
