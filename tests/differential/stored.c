#include "tests/differential/stored.h"

#include <errno.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/protobuf_read.h"
#include "cache/yaml_write.h"

#define LIMIT ((size_t)1 << 28)
#define KEEP ((size_t)1 << 22)

struct texts {
	struct document *document;
	struct buffer json;
	struct buffer yaml;
};

struct stored_comparer {
	struct texts ours;
	struct texts theirs;
};

static void texts_init(struct texts *texts)
{
	texts->document = document_create(KEEP, LIMIT);
	buffer_init(&texts->json, LIMIT);
	buffer_init(&texts->yaml, LIMIT);
}

static void texts_finish(struct texts *texts)
{
	document_destroy(texts->document);
	buffer_finish(&texts->json);
	buffer_finish(&texts->yaml);
}

static void texts_reset(struct texts *texts)
{
	document_reset(texts->document);
	buffer_reset(&texts->json, KEEP);
	buffer_reset(&texts->yaml, KEEP);
}

struct stored_comparer *stored_comparer_create(void)
{
	struct stored_comparer *comparer = g_new0(struct stored_comparer, 1);

	texts_init(&comparer->ours);
	texts_init(&comparer->theirs);
	return comparer;
}

void stored_comparer_destroy(struct stored_comparer *comparer)
{
	if (comparer == NULL)
		return;
	texts_finish(&comparer->ours);
	texts_finish(&comparer->theirs);
	g_free(comparer);
}

static bool render(struct texts *texts, const struct document_node *root)
{
	return json_write(texts->document, root, JSON_KUBECTL, &texts->json, NULL) == 0 &&
	       yaml_write(texts->document, root, &texts->yaml, NULL) == 0;
}

static bool is_same(const struct buffer *a, const struct buffer *b)
{
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

static void append(GString *report, const char *title, const struct buffer *text)
{
	g_string_append_printf(report, "--- %s\n", title);
	g_string_append_len(report, text->data, (gssize)text->length);
}

/* Whether theirs could be read and rendered, too. */
static bool render_theirs(
	struct texts *theirs, const char *json, size_t json_length, GString *report)
{
	g_autoptr(GError) error = NULL;
	struct document_node *root;

	if (json == NULL) {
		g_string_append(report, "Go cannot read it\n");
		return false;
	}
	if (json_parse(theirs->document, json, json_length, &root, &error) < 0) {
		g_string_append_printf(report, "%s\n", error->message);
		return false;
	}
	return render(theirs, root);
}

enum stored_outcome stored_compare(struct stored_comparer *comparer, const char *bytes,
	size_t length, const char *json, size_t json_length, GString *report)
{
	struct texts *ours = &comparer->ours, *theirs = &comparer->theirs;
	g_autoptr(GError) error = NULL;
	struct document_node *root;

	texts_reset(ours);
	texts_reset(theirs);
	if (protobuf_read_envelope(
		    ours->document, bytes, length, PROTOBUF_READ_ALL, &root, &error) < 0) {
		g_string_append_printf(report, "%s\n", error->message);
		return json == NULL ? STORED_REFUSED : STORED_FALLS_BACK;
	}
	if (!render(ours, root)) {
		g_string_append(report, "cannot be rendered\n");
		return STORED_WRONG;
	}
	if (!render_theirs(theirs, json, json_length, report)) {
		append(report, "ours", &ours->json);
		return STORED_WRONG;
	}
	if (is_same(&ours->json, &theirs->json) && is_same(&ours->yaml, &theirs->yaml))
		return STORED_SAME;
	append(report, "expected", &theirs->json);
	append(report, "got", &ours->json);
	return STORED_WRONG;
}
