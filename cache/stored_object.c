#include "cache/stored_object.h"

#include <errno.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/object_times.h"
#include "cache/protobuf_read.h"
#include "cache/snapshot.h"
#include "cache/stored_form.h"
#include "cache/yaml_write.h"
#include "client/error.h"
#include "client/escape.h"

/* Far above what etcd takes as a value. */
#define DOCUMENT_LIMIT (512UL << 20)
/* Of the name of what encrypted a value, in messages. */
#define PROVIDER_MAX 64

static gboolean is_object(const struct document_node *root)
{
	const char *text;
	size_t length;

	return document_get_string(root, "apiVersion", &text, &length) && length > 0 &&
	       document_get_string(root, "kind", &text, &length) && length > 0;
}

static int read_json(struct document *document, const char *bytes, size_t length,
	struct document_node **ret_root, GError **error)
{
	int r = json_parse(document, bytes, length, ret_root, error);

	if (r == 0 && !is_object(*ret_root))
		return error_set(error, ENOENT, "no object of Kubernetes");
	return r;
}

static int refuse_encrypted(const char *bytes, size_t length, GError **error)
{
	size_t provider_length;
	const char *provider = stored_provider(bytes, length, &provider_length);
	g_autofree char *escaped = escape_start(provider, provider_length, PROVIDER_MAX);

	return error_set(error, ENOKEY,
		"the value is encrypted (%s), and only the API server has the key", escaped);
}

static int read_value(
	struct document *document, GBytes *value, struct document_node **ret_root, GError **error)
{
	size_t length;
	const char *bytes = g_bytes_get_data(value, &length);

	switch (length > 0 ? stored_form(bytes, length) : STORED_OTHER) {
	case STORED_PROTOBUF:
		return protobuf_read_envelope(
			document, bytes, length, PROTOBUF_READ_WITHOUT_FIELDS_V1, ret_root, error);
	case STORED_JSON:
		return read_json(document, bytes, length, ret_root, error);
	case STORED_CBOR:
		return error_set(error, EOPNOTSUPP, "the value is CBOR, which is not decoded");
	case STORED_ENCRYPTED:
		return refuse_encrypted(bytes, length, error);
	case STORED_OTHER:
		break;
	}
	return error_set(error, ENOENT, "no object of Kubernetes");
}

/* What the API server adds: nobody can store the revision that the storing makes. */
static int set_version(struct document *document, struct document_node *metadata,
	const struct key_snapshot *snapshot, GError **error)
{
	g_autofree char *version =
		g_strdup_printf("%" G_GINT64_FORMAT, (gint64)snapshot->mod_revision);
	const char *text = document_copy_text(document, version, strlen(version));
	struct document_node *node =
		text != NULL ? document_new_string(document, text, strlen(version)) : NULL;

	if (node == NULL)
		return error_set(error, EFBIG, "the object is too large to decode");
	document_set(metadata, "resourceVersion", node);
	return 0;
}

static struct timespec find_time(
	const struct document_node *metadata, const struct key_snapshot *snapshot)
{
	struct object_times times = object_times_read(metadata);

	if (times.changed == 0)
		return snapshot->seen;
	/* Metadata has seconds only: programs must see two changes in one of them. */
	return (struct timespec){
		.tv_sec = times.changed,
		.tv_nsec = (long)(snapshot->mod_revision % 1000000000),
	};
}

int stored_object_read(const struct key_snapshot *snapshot, enum stored_text form,
	struct stored_object *ret, GError **error)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, DOCUMENT_LIMIT);
	struct buffer text BUFFER_CLEANUP;
	struct document_node *root = NULL;
	struct document_node *metadata;
	struct timespec modified;
	int r;

	buffer_init(&text, SNAPSHOT_YAML_MAX);
	r = read_value(document, snapshot->value, &root, error);
	if (r < 0)
		return r;
	metadata = document_get(root, "metadata");
	modified = find_time(metadata, snapshot);
	if (metadata != NULL && metadata->type == DOCUMENT_OBJECT) {
		document_remove(metadata, "managedFields");
		r = set_version(document, metadata, snapshot, error);
	}
	if (r == 0)
		r = form == STORED_TEXT_YAML
			    ? yaml_write(document, root, &text, error)
			    : json_write(document, root, JSON_KUBECTL, &text, error);
	if (r == 0)
		*ret = (struct stored_object){buffer_steal(&text), modified};
	return r;
}

void stored_object_finish(struct stored_object *object)
{
	g_clear_pointer(&object->text, g_bytes_unref);
}
