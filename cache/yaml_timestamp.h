/*
 * Timestamps in YAML text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether go.yaml.in/yaml/v2 takes the text for a timestamp: one of the four layouts of resolve.go
 * (2006-1-2, with "T15:4:5Z07:00", "t15:4:5Z07:00" or " 15:4:5", fractions allowed) as Go's
 * time.Parse understands them.
 */
bool yaml_is_timestamp(const char *text, size_t length);
