/*
 * The decoded texts of keys that were read last. A directory of decoded keys is measured when it is
 * listed and read right after that, or never: what is kept of the texts is a small part, and any
 * text can be made again from its key. Any thread.
 */
#pragma once

#include "cache/stored_object.h"
#include "kubefs/node.h"

/* Bytes of texts and of the values that they were made from. */
#define KEY_TEXTS_MAX (16UL << 20)

struct key_texts;

struct key_texts *key_texts_create(void);
void key_texts_destroy(struct key_texts *texts); /* NULL is fine */

/* As stored_object_read; format is NODE_YAML or NODE_JSON. */
int key_texts_get(struct key_texts *texts, struct key_snapshot *snapshot, enum node_format format,
	struct stored_object *ret, GError **error);
