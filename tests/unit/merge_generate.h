/*
 * Objects to merge: one a seed, with lists of every kind, and edits of them.
 */
#pragma once

#include "cache/document.h"
#include "tests/differential/random.h"

/* The schema of what is generated, as an OpenAPI document; its kind is T of v. */
extern const char generate_schema[];

/* duplicates: whether lists may have items of equal keys, and members other types than theirs. */
struct document_node *generate_object(
	struct document *document, struct random *random, bool duplicates);

enum generate_side {
	GENERATE_ANY, /* may change anything */
	GENERATE_EVEN, /* changes nothing that GENERATE_ODD does */
	GENERATE_ODD,
};

/* A changed copy. The sides but ANY move no items, so that what both do has one result. */
struct document_node *generate_edit(struct document *document, struct random *random,
	const struct document_node *object, enum generate_side side);
