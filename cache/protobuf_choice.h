/*
 * Which kinds a cluster is asked for as protobuf: those whose messages the table
 * (cache/protobuf_table.h) knows as the server's release has them, as long as what came could be
 * read. Any thread.
 */
#pragma once

#include "client/source.h"

struct protobuf_choice;

struct protobuf_choice *protobuf_choice_create(struct source *source);
void protobuf_choice_destroy(struct protobuf_choice *choice); /* NULL is fine */

/* FALSE with choice NULL, and while the server's version is not known. */
gboolean protobuf_choice_allows(struct protobuf_choice *choice, const struct resource *resource);
/* Never again for that kind. TRUE the first time. */
gboolean protobuf_choice_refuse(struct protobuf_choice *choice, const struct resource *resource);
