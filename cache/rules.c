#include "cache/rules.h"

#include <cjson/cJSON.h>
#include <string.h>

struct rules {
	cJSON *review;
	const cJSON *list; /* status.resourceRules */
	gboolean incomplete;
};

struct rules *rules_parse(const struct source_item *item)
{
	cJSON *review = cJSON_ParseWithLength(item->json, item->length);
	const cJSON *status = cJSON_GetObjectItemCaseSensitive(review, "status");
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(status, "resourceRules");
	struct rules *rules;

	if (!cJSON_IsObject(status)) {
		cJSON_Delete(review);
		return NULL;
	}
	rules = g_new0(struct rules, 1);
	rules->review = review;
	rules->list = list;
	rules->incomplete =
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "incomplete")) != 0;
	return rules;
}

void rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	cJSON_Delete(rules->review);
	g_free(rules);
}

gboolean rules_equal(const struct rules *a, const struct rules *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->incomplete == b->incomplete &&
	       (a->list == b->list || cJSON_Compare(a->list, b->list, TRUE));
}

static gboolean names(const cJSON *rule, const char *key, const char *wanted)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(rule, key))
	{
		if (cJSON_IsString(entry) && (strcmp(entry->valuestring, "*") == 0 ||
						     strcmp(entry->valuestring, wanted) == 0))
			return TRUE;
	}
	return FALSE;
}

/* A right to a resource is none to its subresources. */
static gboolean names_resource(
	const cJSON *rule, const struct resource *resource, const char *subresource)
{
	g_autofree char *one = NULL;
	g_autofree char *any = NULL;

	if (subresource == NULL)
		return names(rule, "resources", resource->plural);
	one = g_strdup_printf("%s/%s", resource->plural, subresource);
	any = g_strdup_printf("*/%s", subresource);
	return names(rule, "resources", one) || names(rule, "resources", any);
}

gboolean rules_allow(const struct rules *rules, const struct resource *resource,
	const char *subresource, const char *verb)
{
	const cJSON *rule;

	if (rules == NULL || rules->incomplete)
		return TRUE;
	cJSON_ArrayForEach(rule, rules->list)
	{
		if (names(rule, "verbs", verb) && names(rule, "apiGroups", resource->group) &&
			names_resource(rule, resource, subresource))
			return TRUE;
	}
	return FALSE;
}
