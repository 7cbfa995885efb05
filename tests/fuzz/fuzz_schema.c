/*
 * The input as an OpenAPI document. Whatever it says, what is asked of it has an end and an answer
 * that agrees with itself, however its references lead.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/schema.h"
#include "cache/schema_node.h"

#define STEPS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct schema *schema)
{
	const char *const *keys = schema_list_keys(schema);
	size_t count = 0;

	if (keys != NULL && schema_is_set(schema))
		abort();
	for (; keys != NULL && keys[count] != NULL; count++) {
		const struct document_node *value =
			schema_default(schema_items(schema), keys[count]);

		if (value != NULL &&
			(value->type == DOCUMENT_ARRAY || value->type == DOCUMENT_OBJECT))
			abort();
	}
	if (count > SCHEMA_KEYS_MAX || (keys != NULL && count == 0))
		abort();
	schema_is_atomic(schema);
}

/* A way down that the input's bytes choose. */
static void descend(const struct schema *schema, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < STEPS && schema != NULL; i++) {
		uint8_t choice = data[i % size];

		check(schema);
		if (schema->property_count > 0 && choice % 3 != 0) {
			const struct schema_property *property =
				&schema->properties[choice % schema->property_count];

			if (schema_member(schema, property->name, property->length) !=
				&property->schema)
				abort();
			schema = &property->schema;
		} else if (choice % 3 == 1 && schema->target != NULL) {
			schema = schema->target;
		} else {
			const struct schema *items = schema_items(schema);

			schema = items != NULL ? items : schema_member(schema, "name", 4);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	struct schema_set *set = NULL;
	int result = schema_set_parse((const char *)data, size, &set, &error);

	if ((result < 0) != (error != NULL) || (result < 0) != (set == NULL))
		abort();
	if (set == NULL)
		return 0;
	for (size_t i = 0; i < set->kind_count; i++) {
		const struct schema_kind *kind = &set->kinds[i];

		if (schema_of_kind(set, kind->group, kind->version, kind->kind) == NULL)
			abort();
		descend(kind->schema, data, size);
	}
	for (uint32_t i = 0; i < set->components.property_count; i++)
		descend(&set->components.properties[i].schema, data, size);
	schema_set_unref(set);
	return 0;
}
