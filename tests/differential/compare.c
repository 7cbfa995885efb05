#include "tests/differential/compare.h"

#include <string.h>

#include "cache/document_order.h"
#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/yaml_key.h"
#include "cache/yaml_read.h"
#include "cache/yaml_write.h"

#define LIMIT ((size_t)1 << 28)
#define KEEP ((size_t)1 << 22)
#define REQUESTS 3 /* a document */

struct comparer {
	struct oracle *oracle;
	struct document *ours;
	struct document *theirs;
	struct buffer buffer;
};

void comparison_init(struct comparison *comparison)
{
	*comparison = (struct comparison){
		.json = g_string_new(NULL),
		.yaml = g_string_new(NULL),
		.kubectl_json = g_string_new(NULL),
		.report = g_string_new(NULL),
	};
}

void comparison_finish(struct comparison *comparison)
{
	g_string_free(comparison->json, TRUE);
	g_string_free(comparison->yaml, TRUE);
	g_string_free(comparison->kubectl_json, TRUE);
	g_string_free(comparison->report, TRUE);
}

struct comparer *comparer_create(struct oracle *oracle)
{
	struct comparer *comparer = g_new0(struct comparer, 1);

	comparer->oracle = oracle;
	comparer->ours = document_create(KEEP, LIMIT);
	comparer->theirs = document_create(KEEP, LIMIT);
	buffer_init(&comparer->buffer, LIMIT);
	return comparer;
}

void comparer_destroy(struct comparer *comparer)
{
	if (comparer == NULL)
		return;
	document_destroy(comparer->ours);
	document_destroy(comparer->theirs);
	buffer_finish(&comparer->buffer);
	g_free(comparer);
}

static void wrong(struct comparison *comparison, const char *what, const char *expected,
	size_t expected_length, const char *got, size_t got_length)
{
	comparison->outcome = COMPARE_WRONG;
	g_string_append_printf(comparison->report, "%s\n--- expected\n", what);
	g_string_append_len(comparison->report, expected, (gssize)expected_length);
	g_string_append(comparison->report, "\n--- got\n");
	g_string_append_len(comparison->report, got, (gssize)got_length);
	g_string_append(comparison->report, "\n---\n");
}

static void fail(struct comparison *comparison, const char *what, const GError *error)
{
	wrong(comparison, what, "success", 7, error->message, strlen(error->message));
}

static void take(struct buffer *buffer, GString *to)
{
	g_string_truncate(to, 0);
	g_string_append_len(to, buffer->data, (gssize)buffer->length);
	buffer_reset(buffer, KEEP);
}

/* Our texts, and our own reading back. */
static void render(struct comparer *comparer, struct comparison *comparison)
{
	struct document_node *root, *back;
	g_autoptr(GError) error = NULL;

	comparison->outcome = COMPARE_SAME;
	g_string_truncate(comparison->report, 0);
	g_string_truncate(comparison->yaml, 0);
	document_reset(comparer->ours);
	document_reset(comparer->theirs);
	comparison->parsed = json_parse(comparer->ours, comparison->json->str,
				     comparison->json->len, &root, &error) == 0;
	if (!comparison->parsed)
		return;
	if (json_write(comparer->ours, root, JSON_KUBECTL, &comparer->buffer, &error) < 0) {
		fail(comparison, "json_write", error);
		return;
	}
	take(&comparer->buffer, comparison->kubectl_json);
	if (yaml_write(comparer->ours, root, &comparer->buffer, &error) < 0) {
		fail(comparison, "yaml_write", error);
		return;
	}
	take(&comparer->buffer, comparison->yaml);
	if (yaml_read(comparer->theirs, comparison->yaml->str, comparison->yaml->len,
		    YAML_READ_STRICT, &back, &error) < 0) {
		fail(comparison, "yaml_read of our YAML", error);
		g_string_append(comparison->report, comparison->yaml->str);
		return;
	}
	if (!document_equal(root, back)) {
		json_write(comparer->theirs, back, JSON_KUBECTL, &comparer->buffer, NULL);
		wrong(comparison, "our YAML, read by us", comparison->kubectl_json->str,
			comparison->kubectl_json->len, comparer->buffer.data,
			comparer->buffer.length);
		g_string_append(comparison->report, comparison->yaml->str);
		buffer_reset(&comparer->buffer, KEEP);
	}
}

/* Whether the JSON that the oracle read from some YAML is the document's value. */
static bool is_same_value(struct comparer *comparer, const struct comparison *comparison,
	const struct oracle_response *response)
{
	struct document_node *ours, *theirs;

	if (response->failed)
		return false;
	document_reset(comparer->ours);
	document_reset(comparer->theirs);
	return json_parse(comparer->ours, comparison->json->str, comparison->json->len, &ours,
		       NULL) == 0 &&
	       json_parse(comparer->theirs, response->text, response->length, &theirs, NULL) == 0 &&
	       document_equal(ours, theirs);
}

static bool is_text(const GString *text, const struct oracle_response *response)
{
	return !response->failed && text->len == response->length &&
	       memcmp(text->str, response->text, text->len) == 0;
}

/* The responses are to Y and J of the JSON and r of our YAML. */
static void judge(struct comparer *comparer, struct comparison *comparison,
	const struct oracle_response *responses)
{
	if (comparison->outcome == COMPARE_WRONG)
		return;
	if (comparison->parsed == responses[1].failed) {
		wrong(comparison, "whether this is JSON", responses[1].text, responses[1].length,
			comparison->parsed ? "yes" : "no", comparison->parsed ? 3 : 2);
		return;
	}
	if (!comparison->parsed) {
		comparison->outcome = COMPARE_REFUSED;
		return;
	}
	if (!is_text(comparison->kubectl_json, &responses[1])) {
		wrong(comparison, "kubectl get -o json", responses[1].text, responses[1].length,
			comparison->kubectl_json->str, comparison->kubectl_json->len);
		return;
	}
	if (!is_same_value(comparer, comparison, &responses[2])) {
		wrong(comparison, "our YAML, read by kubectl", comparison->kubectl_json->str,
			comparison->kubectl_json->len, responses[2].text, responses[2].length);
		g_string_append_len(
			comparison->report, comparison->yaml->str, (gssize)comparison->yaml->len);
		return;
	}
	if (responses[0].failed)
		comparison->outcome = COMPARE_ORACLE_FAILED;
	else if (!is_text(comparison->yaml, &responses[0]))
		comparison->outcome = COMPARE_ORACLE_LOSES;
}

/* Whether goyaml's order of the keys is none: a < b < c < a. */
static bool has_cycle(struct document *document, const struct document_node *node)
{
	struct document_node **sorted;
	bool found = false;

	for (const struct document_node *child = node->first;
		!found && (node->type == DOCUMENT_OBJECT || node->type == DOCUMENT_ARRAY) &&
		child != NULL;
		child = child->next)
		found = has_cycle(document, child);
	if (found || node->type != DOCUMENT_OBJECT)
		return found;
	sorted = document_sort(&document->arena, node, yaml_key_compare);
	for (size_t i = 0; i < node->length; i++) {
		for (size_t j = i + 1; j < node->length; j++) {
			if (yaml_key_compare(sorted[i], sorted[j]) >= 0)
				return true;
		}
	}
	return false;
}

/*
 * Another text than kubectl's is right only when kubectl's reads back as another value, or when
 * kubectl has several: goyaml's order is none for some keys (a1b < a01 < a110 < a1b), and then the
 * text depends on the random order in which Go walks a map. theirs is a copy of kubectl's text.
 */
static void judge_difference(
	struct comparer *comparer, struct comparison *comparison, const GString *theirs)
{
	struct oracle_request request = {'r', theirs->str, theirs->len};
	struct oracle_response response;
	struct document_node *root;

	oracle_exchange(comparer->oracle, &request, 1, &response);
	if (!is_same_value(comparer, comparison, &response))
		return;
	document_reset(comparer->ours);
	if (json_parse(comparer->ours, comparison->json->str, comparison->json->len, &root, NULL) ==
			0 &&
		has_cycle(comparer->ours, root)) {
		comparison->outcome = COMPARE_ORACLE_VARIES;
		return;
	}
	wrong(comparison, "kubectl get -o yaml", theirs->str, theirs->len, comparison->yaml->str,
		comparison->yaml->len);
}

void compare(struct comparer *comparer, struct comparison *comparisons, size_t count)
{
	struct oracle_request requests[REQUESTS * COMPARE_BATCH] = {{0}};
	struct oracle_response responses[REQUESTS * COMPARE_BATCH];
	GString *different[COMPARE_BATCH] = {0};

	g_assert(count <= COMPARE_BATCH);
	for (size_t i = 0; i < count; i++) {
		struct comparison *comparison = &comparisons[i];
		struct oracle_request *request = &requests[REQUESTS * i];

		render(comparer, comparison);
		request[0] =
			(struct oracle_request){'Y', comparison->json->str, comparison->json->len};
		request[1] =
			(struct oracle_request){'J', comparison->json->str, comparison->json->len};
		request[2] =
			(struct oracle_request){'r', comparison->yaml->str, comparison->yaml->len};
	}
	oracle_exchange(comparer->oracle, requests, REQUESTS * count, responses);
	for (size_t i = 0; i < count; i++) {
		judge(comparer, &comparisons[i], &responses[REQUESTS * i]);
		if (comparisons[i].outcome == COMPARE_ORACLE_LOSES) {
			different[i] = g_string_new_len(responses[REQUESTS * i].text,
				(gssize)responses[REQUESTS * i].length);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (different[i] == NULL)
			continue;
		judge_difference(comparer, &comparisons[i], different[i]);
		g_string_free(different[i], TRUE);
	}
}
