/*
 * The order of keys in YAML text.
 */
#pragma once

#include "cache/document.h"

/*
 * Orders members as go.yaml.in/yaml/v2 sorts keys (sorter.go): letters by code point and behind all
 * else, numbers within keys by their value. A document_compare.
 */
int yaml_key_compare(const struct document_node *a, const struct document_node *b);
