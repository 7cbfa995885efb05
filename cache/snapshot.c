#include "cache/snapshot.h"

#include <errno.h>
#include <string.h>

#include "cache/buffer.h"
#include "cache/document.h"
#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/object_times.h"
#include "cache/protobuf_read.h"
#include "cache/yaml_read.h"
#include "cache/yaml_write.h"
#include "client/error.h"

/* What a thread keeps between two objects, and what one object may take while it is decoded. */
#define SCRATCH_KEEP (1UL << 20)
#define SCRATCH_LIMIT (2UL << 30)

struct scratch {
	struct document *document;
	struct buffer text;
};

static void scratch_destroy(void *pointer)
{
	struct scratch *scratch = pointer;

	document_destroy(scratch->document);
	buffer_finish(&scratch->text);
	g_free(scratch);
}

/* Decoding memory belongs to the thread: the pool is small and each job is over before the next. */
static GPrivate thread_scratch = G_PRIVATE_INIT(scratch_destroy);

static struct scratch *scratch_begin(void)
{
	struct scratch *scratch = g_private_get(&thread_scratch);

	if (scratch == NULL) {
		scratch = g_new0(struct scratch, 1);
		scratch->document = document_create(SCRATCH_KEEP, SCRATCH_LIMIT);
		buffer_init(&scratch->text, SNAPSHOT_YAML_MAX);
		g_private_set(&thread_scratch, scratch);
	}
	return scratch;
}

/* Secrets pass through here: what is kept of a big object is given back, not left behind. */
static void scratch_end(struct scratch **scratch)
{
	document_reset((*scratch)->document);
	buffer_reset(&(*scratch)->text, SCRATCH_KEEP);
}

#define SCRATCH_CLEANUP __attribute__((cleanup(scratch_end)))

/* The JSON of the same object, but for its type and the fields that managedFields name. */
static int decode_protobuf(struct document *document, const struct source_item *item,
	struct document_node **ret_root, GError **error)
{
	const struct protobuf_kind *kind = protobuf_find_kind(
		item->api_version, strlen(item->api_version), item->kind, strlen(item->kind));

	*ret_root = NULL;
	if (kind == NULL)
		return error_set(error, EOPNOTSUPP, "protobuf of a kind that is not known");
	return protobuf_read(document, kind, item->protobuf, item->length,
		PROTOBUF_READ_WITHOUT_FIELDS_V1, ret_root, error);
}

static int decode(struct document *document, const struct source_item *item,
	struct document_node **ret_root, GError **error)
{
	int r;

	if (item->protobuf != NULL)
		return decode_protobuf(document, item, ret_root, error);
	r = json_parse(document, item->json, item->length, ret_root, error);
	if (r < 0)
		g_prefix_error(error, "malformed object: ");
	return r;
}

/* A string member without NUL, or "". Free with g_free. */
static char *copy_member(const struct document_node *node, const char *key)
{
	const char *text;
	size_t length;

	if (!document_get_string(node, key, &text, &length) || memchr(text, '\0', length) != NULL)
		return g_strdup("");
	return g_strndup(text, length);
}

static int give_type(struct document *document, struct document_node *root, const char *key,
	const char *value, GError **error)
{
	struct document_node *node;

	if (value == NULL || document_get(root, key) != NULL)
		return 0;
	node = document_new_string(document, value, strlen(value));
	if (node == NULL)
		return error_set(error, EFBIG, "object is too large to decode");
	document_set(root, key, node);
	return 0;
}

/* FNV-1a over eight bytes at a time: a digest for nanoseconds, not for security. */
static uint64_t digest(uint64_t hash, const char *text, size_t length)
{
	for (; length >= 8; text += 8, length -= 8) {
		uint64_t word;

		memcpy(&word, text, sizeof(word));
		hash = (hash ^ word) * 0x100000001b3ULL;
		hash ^= hash >> 29;
	}
	for (; length > 0; text++, length--)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return hash;
}

/*
 * Where the member that begins with line (such as "\nstatus:") lies in the YAML of an object:
 * its lines go on while they are indented, are items of a sequence, or are blank.
 */
static size_t find_member(const char *yaml, size_t length, const char *line, size_t *ret_end)
{
	const char *found = memmem(yaml, length, line, strlen(line));
	const char *end;

	if (found == NULL) {
		*ret_end = length;
		return length;
	}
	end = found + 1;
	do {
		end = memchr(end, '\n', (size_t)(yaml + length - end));
		end = end != NULL ? end + 1 : yaml + length;
	} while (end < yaml + length && strchr(" -\n", *end) != NULL);
	*ret_end = (size_t)(end - yaml);
	return (size_t)(found + 1 - yaml);
}

#define VERSION_LINE "\n  resourceVersion: "

/* The line of metadata.resourceVersion; others have members of that name, too. */
static const char *find_version(const char *yaml, size_t length)
{
	size_t end;
	size_t begin = find_member(yaml, length, "\nmetadata:", &end);

	return memmem(yaml + begin, end - begin, VERSION_LINE, strlen(VERSION_LINE));
}

/* Neither the status nor the version, which moves with it, count as content of the spec. */
static uint64_t digest_content(const char *yaml, size_t length)
{
	const char *version = find_version(yaml, length);
	size_t skip_begin = version != NULL ? (size_t)(version + 1 - yaml) : 0;
	const char *newline =
		version != NULL ? memchr(version + 1, '\n', length - skip_begin) : NULL;
	size_t skip_end = newline != NULL ? (size_t)(newline + 1 - yaml) : skip_begin;
	size_t status_end;
	size_t status = find_member(yaml, length, "\nstatus:", &status_end);
	uint64_t hash = digest(0xcbf29ce484222325ULL, yaml, skip_begin);

	hash = digest(hash, yaml + skip_end, status - skip_end);
	return digest(hash, yaml + status_end, length - status_end);
}

static long nanoseconds(uint64_t hash)
{
	hash ^= hash >> 32;
	return (long)(hash % 1000000000UL);
}

static char *append(char **position, const char *text, size_t length)
{
	char *begin = *position;

	memcpy(begin, text, length);
	begin[length] = '\0';
	*position += length + 1;
	return begin;
}

static struct snapshot *build(const struct snapshot_key *key, const struct buffer *yaml)
{
	size_t namespace_length = strlen(key->namespace);
	size_t name_length = strlen(key->name);
	size_t uid_length = strlen(key->uid);
	size_t version_length = strlen(key->version);
	struct snapshot *snapshot =
		g_malloc(sizeof(struct snapshot) + namespace_length + name_length + uid_length +
			 version_length + yaml->length + 5);
	char *position = snapshot->bytes;

	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->references = 1;
	snapshot->namespace = append(&position, key->namespace, namespace_length);
	snapshot->name = append(&position, key->name, name_length);
	snapshot->uid = append(&position, key->uid, uid_length);
	snapshot->version = append(&position, key->version, version_length);
	snapshot->yaml = append(&position, yaml->data, yaml->length);
	snapshot->yaml_length = yaml->length;
	return snapshot;
}

static void set_times(struct snapshot *snapshot, struct object_times times)
{
	/* What tells no time at all (metrics, componentstatuses) is as old as when we saw it. */
	if (times.changed == 0)
		times.modified = times.changed = time(NULL);
	snapshot->modified.tv_sec = times.modified;
	snapshot->modified.tv_nsec =
		nanoseconds(digest_content(snapshot->yaml, snapshot->yaml_length));
	snapshot->changed.tv_sec = times.changed;
	snapshot->changed.tv_nsec =
		nanoseconds(digest(0x9ae16a3b2f90404fULL, snapshot->yaml, snapshot->yaml_length));
	/* What changed cannot have changed before it was modified. */
	if (snapshot->changed.tv_sec == snapshot->modified.tv_sec)
		snapshot->changed.tv_nsec =
			snapshot->modified.tv_nsec +
			snapshot->changed.tv_nsec % (1000000000L - snapshot->modified.tv_nsec);
}

static int render(struct scratch *scratch, struct document_node *root,
	const struct source_item *item, const struct snapshot_key *key,
	struct document_node *metadata, struct snapshot **ret, GError **error)
{
	struct object_times times = object_times_read(metadata);
	const struct document_node *deletion;
	struct snapshot *snapshot;
	int r;

	document_remove(metadata, "managedFields");
	r = give_type(scratch->document, root, "apiVersion", item->api_version, error);
	if (r == 0)
		r = give_type(scratch->document, root, "kind", item->kind, error);
	if (r == 0)
		r = yaml_write(scratch->document, root, &scratch->text, error);
	if (r < 0) {
		g_prefix_error(error, "%s%s%s: ", key->namespace,
			key->namespace[0] != '\0' ? "/" : "", key->name);
		return r;
	}
	snapshot = build(key, &scratch->text);
	deletion = document_get(metadata, "deletionTimestamp");
	snapshot->terminating = deletion != NULL && deletion->type != DOCUMENT_NULL;
	set_times(snapshot, times);
	*ret = snapshot;
	return 0;
}

int snapshot_create(const struct source_item *item, snapshot_known known, void *data,
	struct snapshot **ret, GError **error)
{
	struct scratch *scratch SCRATCH_CLEANUP = scratch_begin();
	struct document_node *root;
	struct document_node *metadata;
	g_autofree char *namespace = NULL;
	g_autofree char *name = NULL;
	g_autofree char *uid = NULL;
	g_autofree char *version = NULL;
	struct snapshot_key key;
	int r;

	r = decode(scratch->document, item, &root, error);
	if (r < 0)
		return r;
	metadata = document_get(root, "metadata");
	key = (struct snapshot_key){
		.namespace = namespace = copy_member(metadata, "namespace"),
		.name = name = copy_member(metadata, "name"),
		.uid = uid = copy_member(metadata, "uid"),
		.version = version = copy_member(metadata, "resourceVersion"),
	};
	if (key.name[0] == '\0')
		return error_set(error, EBADMSG, "malformed object: it has no metadata.name");
	if (known != NULL && known(data, &key)) {
		*ret = NULL;
		return 0;
	}
	return render(scratch, root, item, &key, metadata, ret, error);
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	g_atomic_int_inc(&snapshot->references);
	return snapshot;
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
	if (snapshot != NULL && g_atomic_int_dec_and_test(&snapshot->references))
		g_free(snapshot);
	return NULL;
}

void snapshot_unref_pointer(struct snapshot **snapshot)
{
	snapshot_unref(*snapshot);
}

int snapshot_json(const struct snapshot *snapshot, GBytes **ret, GError **error)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, SCRATCH_LIMIT);
	struct buffer text BUFFER_CLEANUP;
	struct document_node *root;
	int r;

	buffer_init(&text, SNAPSHOT_YAML_MAX);
	r = yaml_read(document, snapshot->yaml, snapshot->yaml_length, YAML_READ_LAX, &root, error);
	if (r == 0)
		r = json_write(document, root, JSON_KUBECTL, &text, error);
	if (r == 0)
		*ret = buffer_steal(&text);
	return r;
}

char *snapshot_version_of(const struct source_item *item)
{
	struct scratch *scratch SCRATCH_CLEANUP = scratch_begin();
	struct document_node *root;
	const char *text;
	size_t length;

	if (decode(scratch->document, item, &root, NULL) < 0)
		return NULL;
	if (!document_get_string(document_get(root, "metadata"), "resourceVersion", &text, &length))
		return NULL;
	return g_strndup(text, length);
}
