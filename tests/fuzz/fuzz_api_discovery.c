/*
 * Feeds the input to the three readers of client/api_discovery.h: whatever a server says, the
 * catalog holds each name once, and only names that a path can hold.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/api_discovery.h"
#include "client/kubernetes_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct source_catalog *catalog)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < catalog->resources->len; i++) {
		const struct resource *resource = g_ptr_array_index(catalog->resources, i);

		if (!g_hash_table_add(seen, resource->name))
			abort();
		if (!kubernetes_url_segment_valid(resource->plural) ||
			!kubernetes_url_segment_valid(resource->version) ||
			(*resource->group != '\0' &&
				!kubernetes_url_segment_valid(resource->group)))
			abort();
		if (*resource->kind == '\0' || resource->singular == NULL)
			abort();
	}
	source_catalog_free(catalog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct api_discovery *discovery = api_discovery_create();
	char *json = g_memdup2(data, size);
	struct api_version *version;

	api_discovery_add_aggregated(discovery, json, size, NULL);
	api_discovery_add_groups(discovery, json, size, NULL);
	api_discovery_add_groups(
		discovery, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}", 40, NULL);
	while ((version = api_discovery_next_wanted(discovery)) != NULL)
		api_discovery_add_resources(discovery, version, json, size, NULL);
	g_free(json);
	check(api_discovery_finish(discovery));
	return 0;
}
