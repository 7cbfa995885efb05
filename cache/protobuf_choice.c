#include "cache/protobuf_choice.h"

#include <pthread.h>
#include <string.h>

#include "cache/protobuf_read.h"
#include "client/lock.h"

/* The releases before the table's that differ in one group alone (protobuf_minor). */
#define SAME_SINCE_MINOR 34
#define SAME_UNTIL_MINOR 36
#define DIFFERENT_GROUP "resource.k8s.io"

struct protobuf_choice {
	struct source *source;
	pthread_mutex_t lock;
	GHashTable *refused; /* of make_key's; guarded by the lock */
};

struct protobuf_choice *protobuf_choice_create(struct source *source)
{
	struct protobuf_choice *choice = g_new0(struct protobuf_choice, 1);

	choice->source = source;
	pthread_mutex_init(&choice->lock, NULL);
	choice->refused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return choice;
}

void protobuf_choice_destroy(struct protobuf_choice *choice)
{
	if (choice == NULL)
		return;
	g_hash_table_destroy(choice->refused);
	pthread_mutex_destroy(&choice->lock);
	g_free(choice);
}

static char *make_key(const struct resource *resource)
{
	return g_strdup_printf("%s/%s", resource->name, resource->version);
}

static gboolean is_of_release(unsigned int minor, const struct resource *resource)
{
	if (minor == protobuf_minor)
		return TRUE;
	return protobuf_minor == SAME_UNTIL_MINOR && minor >= SAME_SINCE_MINOR &&
	       minor < SAME_UNTIL_MINOR && strcmp(resource->group, DIFFERENT_GROUP) != 0;
}

static gboolean has_kind(const struct resource *resource)
{
	g_autofree char *api_version =
		*resource->group == '\0'
			? g_strdup(resource->version)
			: g_strdup_printf("%s/%s", resource->group, resource->version);

	return protobuf_find_kind(api_version, strlen(api_version), resource->kind,
		       strlen(resource->kind)) != NULL;
}

gboolean protobuf_choice_allows(struct protobuf_choice *choice, const struct resource *resource)
{
	g_autofree char *key = NULL;

	if (choice == NULL ||
		!is_of_release(choice->source->ops->minor(choice->source), resource) ||
		!has_kind(resource))
		return FALSE;
	key = make_key(resource);
	LOCK_GUARD(&choice->lock);
	return !g_hash_table_contains(choice->refused, key);
}

gboolean protobuf_choice_refuse(struct protobuf_choice *choice, const struct resource *resource)
{
	LOCK_GUARD(&choice->lock);

	return g_hash_table_add(choice->refused, make_key(resource));
}
