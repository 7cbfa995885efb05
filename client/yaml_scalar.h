/*
 * What a plain YAML scalar means, by YAML 1.1 as sigs.k8s.io/yaml (its fork of go-yaml v2)
 * resolves it: "yes" is a boolean, 0x1F a number, a date a string. Any thread.
 */
#pragma once

#include "client/yaml_tree.h"

/*
 * The kind of text. *ret_text is set, to be freed by the caller, when the value is spelled
 * otherwise than text: "true", "false", or a number as JSON wants it; else it is left alone.
 */
enum yaml_kind yaml_scalar_resolve(const char *text, char **ret_text);

/* Whether tag (in full) asks for one of null, bool, int or float. */
gboolean yaml_scalar_is_known_tag(const char *tag);
