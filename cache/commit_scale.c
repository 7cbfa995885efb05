#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/commit_internal.h"
#include "cache/json_parse.h"
#include "client/error.h"

/* int32, as autoscaling/v1 has it. */
#define REPLICAS_MAX 2147483647L

/* A number and an optional newline. */
static int read_replicas(GBytes *bytes, int *ret, GError **error)
{
	size_t length;
	const char *text = g_bytes_get_data(bytes, &length);
	size_t digits = 0;
	long number = 0;

	if (length > 0 && text[length - 1] == '\n')
		length--;
	while (digits < length && g_ascii_isdigit(text[digits]) && number <= REPLICAS_MAX)
		number = number * 10 + (text[digits++] - '0');
	if (digits == 0 || digits < length || number > REPLICAS_MAX)
		return error_set(error, EINVAL,
			"the number of replicas is a decimal number from 0 to %ld", REPLICAS_MAX);
	*ret = (int)number;
	return 0;
}

/* Of a Scale. An absent number is 0. */
static int replicas_of(const struct document_node *root)
{
	const struct document_node *node = document_get(document_get(root, "spec"), "replicas");
	g_autofree char *text = NULL;

	if (node == NULL || node->type != DOCUMENT_INTEGER)
		return 0;
	text = g_strndup(node->text, node->length);
	return (int)strtol(text, NULL, 10);
}

static int set_replicas(struct commit *commit, GError **error)
{
	struct document *document = commit->theirs.document;
	struct document_node *spec = document_get(commit->theirs.root, "spec");
	g_autofree char *text = g_strdup_printf("%d", commit->replicas);
	const char *copy = document_copy_text(document, text, strlen(text));
	struct document_node *node = document_new(document, DOCUMENT_INTEGER);

	if (copy == NULL || node == NULL)
		return error_set(error, EFBIG, "the Scale is too large");
	node->text = copy;
	node->length = (uint32_t)strlen(text);
	if (spec == NULL || spec->type != DOCUMENT_OBJECT) {
		spec = document_new(document, DOCUMENT_OBJECT);
		if (spec == NULL)
			return error_set(error, EFBIG, "the Scale is too large");
		document_set(commit->theirs.root, "spec", spec);
	}
	document_set(spec, "replicas", node);
	return 0;
}

static void read_scale(struct commit *commit);

/* The file of the object shows it, too. */
static void on_scaled_object(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	if (snapshot != NULL)
		commit_show(commit, snapshot, FALSE);
	else
		commit_succeed(commit);
}

static void scaled(struct commit *commit)
{
	commit->doubt = FALSE;
	commit->settled = TRUE;
	commit_get(commit, on_scaled_object);
}

static void on_put(struct commit *commit, const struct source_change_result *result)
{
	const struct source_result *why = &result->result;

	if (why->errnum == 0 && commit->dry_run)
		commit_stored(commit, result);
	else if (why->errnum == 0)
		scaled(commit);
	else if (commit->doubt || (why->status == 409 && commit->tries < COMMIT_TRIES_MAX))
		commit_pause(commit, read_scale);
	else
		commit_fail_result(commit, why, result->causes);
}

static void put(struct commit *commit)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = NULL;

	if (commit->tries >= COMMIT_TRIES_MAX)
		commit_fail(commit, commit->doubt ? EIO : EBUSY,
			"%s was changed by others again and again", commit->name);
	else if (set_replicas(commit, &error) < 0 ||
		 commit_body(commit->theirs.root, &body, &error) < 0)
		commit_fail_error(commit, error);
	else
		commit_change(commit, SOURCE_UPDATE, body, NULL, on_put);
}

static void have_scale(struct commit *commit)
{
	int now = replicas_of(commit->theirs.root);

	if (now == commit->replicas && commit->doubt) {
		scaled(commit);
	} else if (now == commit->replicas) {
		commit->unchanged = TRUE;
		scaled(commit);
	} else if (commit->tries > 0 && now != commit->replicas_there) {
		commit_fail(commit, commit->doubt ? EIO : EBUSY,
			"%s was scaled from %d to %d by another one meanwhile", commit->name,
			commit->replicas_there, now);
	} else {
		commit->replicas_there = now;
		put(commit);
	}
}

static int parse_scale(struct commit *commit, const struct source_item *item, GError **error)
{
	const char *copy;

	commit_tree_clear(&commit->theirs);
	commit->theirs.document = document_create(0, COMMIT_TREE_MAX);
	copy = document_copy_text(commit->theirs.document, item->json, item->length);
	if (copy == NULL)
		return error_set(error, EFBIG, "the Scale is too large");
	return json_parse(commit->theirs.document, copy, item->length, &commit->theirs.root, error);
}

static void on_scale(
	struct commit *commit, const struct source_result *result, const struct source_item *item)
{
	g_autoptr(GError) error = NULL;

	if (commit->doubt && commit_is_passing(result))
		commit_pause(commit, read_scale);
	else if (result->errnum != 0)
		commit_fail_result(commit, result, NULL);
	else if (parse_scale(commit, item, &error) < 0)
		commit_fail(commit, EIO, "the server's answer is no Scale");
	else
		have_scale(commit);
}

static void read_scale(struct commit *commit)
{
	commit_get_raw(commit, "scale", on_scale);
}

void commit_scale_begin(struct commit *commit)
{
	g_autoptr(GError) error = NULL;

	if (read_replicas(commit->text, &commit->replicas, &error) < 0)
		commit_fail_error(commit, error);
	else
		read_scale(commit);
}
