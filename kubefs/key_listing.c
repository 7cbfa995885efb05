#include "kubefs/key_listing.h"

#include <errno.h>
#include <string.h>

#include "kubefs/key_directories.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"

/* "%." comes first; then each child has two offsets, of its plain and of its escaped name. */
#define SLASHLESS_OFFSET 1
#define OFFSETS_PER_CHILD 2
/* Children that are read at a time: a reply with attributes has room for about as many. */
#define BATCH 192

struct walk {
	struct filesystem *filesystem;
	const struct key_scope *scope;
	const char *chunk;
	size_t base;
	double timeout;
	gboolean is_short; /* no name is cut, or too long */
	GHashTable *chunks; /* names of directories of long names that were listed */
	uint64_t after;
	key_listing_add add;
	void *data;
};

/* What is listed is a directory of long names, where the first of them stands. */
static gboolean add_chunk(
	struct walk *walk, const char *component, const char *escaped, uint64_t offset)
{
	g_autofree char *chunk = NULL;
	struct layout_entry entry = {0};

	if (!g_hash_table_add(walk->chunks, g_strdup(component)) || offset <= walk->after)
		return TRUE;
	chunk = g_strndup(escaped, strlen(walk->chunk) + strlen(component) - 1);
	key_layout_directory_entry(walk->filesystem, walk->scope, chunk, LAYOUT_POLLED, &entry);
	return walk->add(walk->data, component, &entry, offset);
}

static gboolean add_name(
	struct walk *walk, const struct key_child *child, enum key_form form, uint64_t offset)
{
	g_autofree char *escaped = key_path_name(child->name, child->length, form);
	struct layout_entry entry = {0};
	g_autofree char *component = NULL;
	gboolean is_chunk = FALSE;

	if (!walk->is_short && !key_layout_fits(walk->base, escaped))
		return TRUE;
	component = key_path_component(escaped, walk->chunk, &is_chunk);
	if (component == NULL)
		return TRUE;
	if (is_chunk)
		return add_chunk(walk, component, escaped, offset);
	if (offset <= walk->after)
		return TRUE;
	if (form == KEY_PLAIN && child->directory) {
		struct key_scope scope;

		key_path_child(walk->scope, child->name, child->length, &scope);
		key_layout_directory_entry(walk->filesystem, &scope, "", walk->timeout, &entry);
		key_scope_finish(&scope);
	} else {
		key_layout_key_entry(
			walk->filesystem, walk->scope, child->snapshot, walk->timeout, &entry);
	}
	return walk->add(walk->data, component, &entry, offset);
}

/* A child as it was: nothing is added under the directory's lock, since attributes look into it. */
struct copy {
	struct key_child child; /* with a reference, and a name of its own */
	uint64_t sequence;
};

static void clear_copy(void *pointer)
{
	struct copy *copy = pointer;

	g_free((char *)copy->child.name);
	key_snapshot_unref(copy->child.snapshot);
}

static gboolean visit(void *data, uint64_t sequence, const struct key_child *child)
{
	GArray *batch = data;
	struct copy copy = {.child = *child, .sequence = sequence};

	copy.child.name = g_memdup2(child->name, child->length);
	if (copy.child.snapshot != NULL)
		key_snapshot_ref(copy.child.snapshot);
	g_array_append_val(batch, copy);
	return batch->len < BATCH;
}

static gboolean add_child(struct walk *walk, const struct key_child *copied, uint64_t sequence)
{
	uint64_t offset = sequence * OFFSETS_PER_CHILD;
	struct key_child shown = *copied;
	const struct key_child *child = &shown;

	key_directories_leave_out(walk->filesystem, walk->scope, &shown);
	if (child->snapshot == NULL && !child->directory)
		return TRUE;
	if (!add_name(walk, child, KEY_PLAIN, offset))
		return FALSE;
	if (!child->directory || child->snapshot == NULL)
		return TRUE;
	g_atomic_int_set(&walk->filesystem->values_named, TRUE);
	return add_name(walk, child, KEY_VALUE, offset + 1);
}

static void list_children(struct walk *walk, struct key_directory *directory, uint64_t sequence)
{
	gboolean more = TRUE;

	while (more) {
		g_autoptr(GArray) batch = g_array_new(FALSE, FALSE, sizeof(struct copy));

		g_array_set_clear_func(batch, clear_copy);
		key_directory_each(directory, sequence, visit, batch);
		for (guint i = 0; more && i < batch->len; i++) {
			const struct copy *copy = &g_array_index(batch, struct copy, i);

			sequence = copy->sequence;
			more = add_child(walk, &copy->child, sequence);
		}
		more &= batch->len == BATCH;
	}
}

/* *ret_more: FALSE when no more names are wanted. */
static int list_slashless(struct walk *walk, collection_wait wait, void *data, gboolean *ret_more)
{
	struct layout_entry entry = {0};
	struct key_layout_slashless slashless;
	int r;

	*ret_more = TRUE;
	if (walk->chunk[0] != '\0' || walk->after >= SLASHLESS_OFFSET)
		return 0;
	r = key_layout_find_slashless(walk->filesystem, walk->scope, wait, data, &slashless, NULL);
	/* Where only some keys may be read, the others are shown. */
	if (r < 0)
		return r == -EINPROGRESS ? r : 0;
	if (slashless.there) {
		key_layout_directory_entry(
			walk->filesystem, &slashless.scope, "", LAYOUT_POLLED, &entry);
		*ret_more = walk->add(walk->data, KEY_PATH_SLASHLESS, &entry, SLASHLESS_OFFSET);
	}
	key_scope_finish(&slashless.scope);
	return 0;
}

/* The sequence behind which names can still be wanted. */
static uint64_t first_sequence(const struct walk *walk)
{
	uint64_t sequence = walk->after / OFFSETS_PER_CHILD;

	/* Chunks that were listed before are not listed again. */
	if (!walk->is_short || sequence == 0)
		return 0;
	return sequence - 1;
}

int key_listing_run(struct filesystem *filesystem, const struct node *node, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error)
{
	const struct key_scope scope = key_layout_scope(&node->key);
	struct key_directory *directory;
	struct walk walk = {
		.filesystem = filesystem,
		.scope = &scope,
		.chunk = key_layout_chunk(&node->key),
		.after = after,
		.add = add,
		.data = add_data,
	};
	gboolean more;
	int r = keyspace_look(filesystem->keyspace, &scope, wait, data, &directory, error);

	if (r < 0)
		return r;
	if (key_directory_must_poll(directory) || walk.chunk[0] != '\0')
		staleness_add(filesystem->staleness, node->id);
	r = list_slashless(&walk, wait, data, &more);
	if (r == 0 && more) {
		walk.base = key_layout_base(filesystem, &scope);
		walk.timeout = key_layout_timeout(directory);
		walk.is_short = key_layout_is_short(walk.base, directory);
		walk.chunks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		list_children(&walk, directory, first_sequence(&walk));
		g_hash_table_destroy(walk.chunks);
	}
	key_directory_unref(directory);
	return r;
}
