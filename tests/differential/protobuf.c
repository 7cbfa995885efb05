/*
 * Compares what we decode from Kubernetes' protobuf with what the API server's Go types make of it,
 * over random objects of every built-in kind.
 *
 *   export KUBEFS_PROTOBUF_ORACLE=~/.cache/kubefs/current/bin/protobuf-oracle
 *   differential_protobuf [--objects N] [--seed S] [--kind "apps/v1 Deployment"]
 *
 * N objects of each kind are compared as they are, which must be read, and damaged, which may be
 * left to the server's JSON but never read differently. The first that differs is printed with its
 * seed and ends the program with 1. To see it again: --kind THAT --seed THAT -n 1
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/differential/damage.h"
#include "tests/differential/oracle.h"
#include "tests/differential/stored.h"

#define BATCH 32

/* An object of some seed: what the oracle was asked for, and what it is once damaged. */
struct object {
	char *question;
	GByteArray *damaged;
};

struct run {
	struct oracle *oracle;
	struct stored_comparer *comparer;
	struct object objects[BATCH];
	struct oracle_request requests[BATCH];
	struct oracle_response responses[BATCH];
	unsigned long whole[STORED_OUTCOMES];
	unsigned long damaged[STORED_OUTCOMES];
	unsigned long bytes;
};

static size_t length_at(const char *text)
{
	const guint8 *byte = (const guint8 *)text;

	return (size_t)byte[0] << 24 | (size_t)byte[1] << 16 | (size_t)byte[2] << 8 | byte[3];
}

static bool explain(const char *what, const char *question, const char *bytes, size_t length,
	const GString *report)
{
	printf("\"%s\" (kind and seed), %s, differs:\n", question, what);
	for (size_t i = 0; i < length; i++)
		printf("%02x%s", (unsigned char)bytes[i], i % 32 == 31 ? "\n" : "");
	putchar('\n');
	fwrite(report->str, 1, report->len, stdout);
	return false;
}

/* The oracle's answer is the length of the protobuf, the protobuf and the JSON. */
static bool compare_whole(struct run *run, size_t index, guint64 seed)
{
	g_autoptr(GString) report = g_string_new(NULL);
	const struct oracle_response *response = &run->responses[index];
	struct object *object = &run->objects[index];
	struct random random = {seed};
	enum stored_outcome outcome;
	const char *bytes, *json;
	size_t length;

	if (response->failed) {
		g_string_append_len(report, response->text, (gssize)response->length);
		return explain("which Go cannot make", object->question, "", 0, report);
	}
	length = length_at(response->text);
	bytes = response->text + 4;
	json = bytes + length;
	outcome = stored_compare(run->comparer, bytes, length, json,
		(size_t)(response->text + response->length - json), report);
	run->whole[outcome]++;
	run->bytes += length;
	if (outcome != STORED_SAME)
		return explain("as it is", object->question, bytes, length, report);
	g_byte_array_set_size(object->damaged, 0);
	damage_envelope(&random, bytes, length, object->damaged);
	return true;
}

static bool compare_damaged(struct run *run, size_t index)
{
	g_autoptr(GString) report = g_string_new(NULL);
	const struct oracle_response *response = &run->responses[index];
	const struct object *object = &run->objects[index];
	const char *bytes = (const char *)object->damaged->data;
	enum stored_outcome outcome = stored_compare(run->comparer, bytes, object->damaged->len,
		response->failed ? NULL : response->text, response->length, report);

	run->damaged[outcome]++;
	if (outcome == STORED_WRONG)
		return explain("damaged", object->question, bytes, object->damaged->len, report);
	return true;
}

static bool compare_batch(struct run *run, const char *kind, guint64 seed, size_t count)
{
	bool same = true;

	for (size_t i = 0; i < count; i++) {
		struct object *object = &run->objects[i];

		g_free(object->question);
		object->question = g_strdup_printf("%s %" G_GUINT64_FORMAT, kind, seed + i);
		run->requests[i] =
			(struct oracle_request){'o', object->question, strlen(object->question)};
	}
	oracle_exchange(run->oracle, run->requests, count, run->responses);
	for (size_t i = 0; i < count && same; i++)
		same = compare_whole(run, i, seed + i);
	if (!same)
		return false;
	for (size_t i = 0; i < count; i++) {
		run->requests[i] = (struct oracle_request){'d',
			(const char *)run->objects[i].damaged->data, run->objects[i].damaged->len};
	}
	oracle_exchange(run->oracle, run->requests, count, run->responses);
	for (size_t i = 0; i < count && same; i++)
		same = compare_damaged(run, i);
	return same;
}

static bool compare_kind(struct run *run, const char *kind, guint64 seed, guint64 objects)
{
	for (guint64 done = 0; done < objects; done += BATCH) {
		if (!compare_batch(run, kind, seed + done, MIN(BATCH, objects - done)))
			return false;
	}
	return true;
}

static char **list_kinds(struct run *run)
{
	g_autofree char *text = NULL;

	run->requests[0] = (struct oracle_request){'k', "", 0};
	oracle_exchange(run->oracle, run->requests, 1, run->responses);
	text = g_strndup(run->responses[0].text, run->responses[0].length);
	return g_strsplit(g_strchomp(text), "\n", -1);
}

static bool compare_all(struct run *run, const char *only, guint64 seed, guint64 objects)
{
	g_auto(GStrv) kinds = list_kinds(run);
	size_t count = 0;

	for (size_t i = 0; kinds[i] != NULL; i++) {
		if (only != NULL && strcmp(kinds[i], only) != 0)
			continue;
		count++;
		if (!compare_kind(run, kinds[i], seed, objects))
			return false;
	}
	printf("%10zu  kinds\n", count);
	return count > 0;
}

static void print_tally(const struct run *run)
{
	printf("%10lu  objects whose text is the API server's\n", run->whole[STORED_SAME]);
	printf("%10lu  bytes of protobuf\n", run->bytes);
	printf("%10lu  damaged ones whose text is the same\n", run->damaged[STORED_SAME]);
	printf("%10lu  refused by both\n", run->damaged[STORED_REFUSED]);
	printf("%10lu  left to the server's JSON\n", run->damaged[STORED_FALLS_BACK]);
	printf("%10lu  wrong\n", run->whole[STORED_WRONG] + run->whole[STORED_FALLS_BACK] +
					 run->damaged[STORED_WRONG]);
}

static void run_init(struct run *run, struct oracle *oracle)
{
	*run = (struct run){.oracle = oracle, .comparer = stored_comparer_create()};
	for (size_t i = 0; i < BATCH; i++)
		run->objects[i].damaged = g_byte_array_new();
}

static void run_finish(struct run *run)
{
	for (size_t i = 0; i < BATCH; i++) {
		g_free(run->objects[i].question);
		g_byte_array_unref(run->objects[i].damaged);
	}
	stored_comparer_destroy(run->comparer);
}

int main(int argc, char **argv)
{
	gint64 objects = 1000, seed = 1;
	g_autofree char *kind = NULL;
	const GOptionEntry entries[] = {
		{"objects", 'n', 0, G_OPTION_ARG_INT64, &objects, "how many of each kind", "N"},
		{"seed", 's', 0, G_OPTION_ARG_INT64, &seed, "of the first", "S"},
		{"kind", 'k', 0, G_OPTION_ARG_STRING, &kind, "only this one", "KIND"},
		{NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	const char *path = g_getenv("KUBEFS_PROTOBUF_ORACLE");
	struct oracle *oracle;
	struct run run;
	bool same;

	setlocale(LC_ALL, "");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "differential_protobuf: %s\n", error->message);
		return 2;
	}
	if (path == NULL || *path == '\0') {
		fprintf(stderr,
			"differential_protobuf: KUBEFS_PROTOBUF_ORACLE does not name the oracle\n");
		return 2;
	}
	oracle = oracle_create(path, &error);
	if (oracle == NULL) {
		fprintf(stderr, "differential_protobuf: %s\n", error->message);
		return 2;
	}
	run_init(&run, oracle);
	same = compare_all(&run, kind, (guint64)seed, (guint64)objects);
	print_tally(&run);
	run_finish(&run);
	oracle_destroy(oracle);
	return same ? 0 : 1;
}
