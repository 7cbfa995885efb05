#include "kubefs/key_place.h"

#include <string.h>

#include "kubefs/filesystem.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"

#define SED "sed"
#define SED_RANDOM 6

/* Takes over scope and key. */
static void make(struct filesystem *filesystem, const struct key_scope *scope, GBytes *key,
	struct place *ret)
{
	size_t begin = g_bytes_get_size(scope->prefix);
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);

	*ret = (struct place){
		.kind = PLACE_KEY,
		.filesystem = filesystem,
		.scope = *scope,
		.key = key,
		.name = key_path_name(bytes + begin, length - begin, KEY_PLAIN),
	};
}

gboolean key_place_of_name(struct filesystem *filesystem, const struct node_key *directory,
	const char *name, struct place *ret)
{
	const struct key_scope scope = key_layout_scope(directory);
	struct key_scope copy;
	g_autofree char *component = NULL;
	g_autoptr(GBytes) key = NULL;
	struct key_part part;
	size_t length;
	enum key_step step = KEY_STEP_NONE;

	if (scope.revision == 0)
		step = key_path_step(key_layout_chunk(directory), name, &component, &length);
	if (step != KEY_STEP_PLAIN && step != KEY_STEP_VALUE)
		return FALSE;
	key = key_join(scope.prefix, component, length, KEY_JOIN_NONE);
	/* "" is no key, and what is not in the scope stands elsewhere. */
	if (g_bytes_get_size(key) == 0 || !key_scope_find(&scope, key, &part) || part.deeper)
		return FALSE;
	key_scope_copy(&copy, &scope);
	make(filesystem, &copy, g_steal_pointer(&key), ret);
	return TRUE;
}

gboolean key_place_of_key(struct filesystem *filesystem, GBytes *key, struct place *ret)
{
	struct key_scope scope;

	if (!key_path_scope_of_key(filesystem->keys, key, &scope))
		return FALSE;
	make(filesystem, &scope, g_bytes_ref(key), ret);
	return TRUE;
}

/* "sedXXXXXX", what sed -i writes to. */
static gboolean is_of_sed(const char *name)
{
	if (strncmp(name, SED, strlen(SED)) != 0 || strlen(name) != strlen(SED) + SED_RANDOM)
		return FALSE;
	for (const char *c = name + strlen(SED); *c != '\0'; c++)
		if (!g_ascii_isalnum(*c))
			return FALSE;
	return TRUE;
}

gboolean key_place_is_scratch(const char *name)
{
	if (g_str_has_suffix(name, KEY_PATH_VALUE))
		return FALSE;
	return name[0] == '.' || name[0] == '#' || g_str_has_suffix(name, "~") || is_of_sed(name);
}

static gboolean find(const struct place *place, struct key_directory *directory,
	struct key_snapshot **ret, gboolean *ret_directory)
{
	size_t begin = g_bytes_get_size(place->scope.prefix);
	size_t length;
	const char *bytes = g_bytes_get_data(place->key, &length);
	struct key_child child = {.name = bytes + begin, .length = length - begin};
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;

	key_directory_find(directory, child.name, child.length, &snapshot, &child.directory);
	child.snapshot = snapshot;
	key_directories_leave_out(place->filesystem, &place->scope, &child);
	*ret = child.snapshot != NULL ? key_snapshot_ref(child.snapshot) : NULL;
	*ret_directory = child.directory;
	return child.snapshot != NULL || child.directory;
}

int key_place_look(const struct place *place, collection_wait wait, void *data,
	struct key_snapshot **ret, gboolean *ret_directory, GError **error)
{
	struct key_directory *directory;
	int r = keyspace_look(
		place->filesystem->keyspace, &place->scope, wait, data, &directory, error);

	if (r < 0)
		return r;
	find(place, directory, ret, ret_directory);
	key_directory_unref(directory);
	return 0;
}

gboolean key_place_peek(const struct place *place)
{
	struct key_directory *directory = keyspace_peek(place->filesystem->keyspace, &place->scope);
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;
	gboolean found = directory != NULL && find(place, directory, &snapshot, &is_directory);

	key_directory_unref(directory);
	return found;
}

int key_place_check(const struct place *place, const struct key_snapshot *value,
	enum source_verb verb, GError **error)
{
	int r = key_guard_check(place->filesystem, place->key, value, verb, error);

	if (r < 0 && error != NULL) {
		g_autofree char *path = place_path(place);

		g_prefix_error(error, "%s: ", path);
	}
	return r;
}
