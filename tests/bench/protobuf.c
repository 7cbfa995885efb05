/*
 * How fast the same 10,000 pods are read from JSON and from protobuf:
 *
 *   export KUBEFS_PROTOBUF_ORACLE=~/.cache/kubefs/current/bin/protobuf-oracle
 *   bench_protobuf
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cache/json_parse.h"
#include "cache/protobuf_read.h"
#include "cache/yaml_write.h"
#include "tests/bench/pods.h"
#include "tests/differential/oracle.h"

#define PODS 10000
#define BATCH 100
#define ROUNDS 5
#define KEEP ((size_t)1 << 20)
#define LIMIT ((size_t)1 << 30)

#define TYPE "{\"apiVersion\":\"v1\",\"kind\":\"Pod\","

struct pod {
	const char *json;
	size_t json_length;
	char *protobuf;
	size_t protobuf_length;
};

struct bench {
	struct document *document;
	struct buffer yaml;
	struct pod pods[PODS];
};

typedef int (*read_pod)(
	struct document *document, const struct pod *pod, struct document_node **ret_root);

static int read_json(
	struct document *document, const struct pod *pod, struct document_node **ret_root)
{
	return json_parse(document, pod->json, pod->json_length, ret_root, NULL);
}

static int read_protobuf(
	struct document *document, const struct pod *pod, struct document_node **ret_root)
{
	return protobuf_read_envelope(
		document, pod->protobuf, pod->protobuf_length, PROTOBUF_READ_ALL, ret_root, NULL);
}

static int read_without_fields(
	struct document *document, const struct pod *pod, struct document_node **ret_root)
{
	return protobuf_read_envelope(document, pod->protobuf, pod->protobuf_length,
		PROTOBUF_READ_WITHOUT_FIELDS_V1, ret_root, NULL);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The best of some rounds, of reading and of rendering what was read. */
static bool measure(struct bench *bench, const char *name, read_pod reading, size_t bytes)
{
	double best = 1e9, best_render = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		double reads = 0, renders = 0;

		for (size_t i = 0; i < PODS; i++) {
			struct document_node *root, *metadata;
			double begin = now(), middle;

			document_reset(bench->document);
			if (reading(bench->document, &bench->pods[i], &root) < 0)
				return false;
			middle = now();
			metadata = document_get(root, "metadata");
			document_remove(metadata, "managedFields");
			buffer_reset(&bench->yaml, KEEP);
			if (yaml_write(bench->document, root, &bench->yaml, NULL) < 0)
				return false;
			reads += middle - begin;
			renders += now() - middle;
		}
		best = MIN(best, reads);
		best_render = MIN(best_render, renders);
	}
	printf("%-28s %6.0f MB/s, %5.1f us a pod of %5zu bytes; %5.1f us to render\n", name,
		(double)bytes / best / 1e6, best / PODS * 1e6, bytes / PODS,
		best_render / PODS * 1e6);
	return true;
}

/* Gives every pod its protobuf; FALSE when the oracle cannot. */
static bool encode(struct oracle *oracle, struct pod *pods)
{
	for (size_t begin = 0; begin < PODS; begin += BATCH) {
		struct oracle_request requests[BATCH];
		struct oracle_response responses[BATCH];

		for (size_t i = 0; i < BATCH; i++) {
			requests[i] = (struct oracle_request){
				'e', pods[begin + i].json, pods[begin + i].json_length};
		}
		oracle_exchange(oracle, requests, BATCH, responses);
		for (size_t i = 0; i < BATCH; i++) {
			if (responses[i].failed)
				return false;
			pods[begin + i].protobuf =
				g_memdup2(responses[i].text, responses[i].length);
			pods[begin + i].protobuf_length = responses[i].length;
		}
	}
	return true;
}

/* Pods of a list have no type; the oracle needs one. */
static GString *add_types(GString *text)
{
	GString *typed = g_string_sized_new(text->len + PODS * sizeof(TYPE));
	g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);

	for (size_t i = 0; i < PODS; i++)
		g_string_append_printf(typed, TYPE "%s\n", lines[i] + 1);
	g_string_free(text, TRUE);
	return typed;
}

int main(void)
{
	static struct bench bench;
	const char *path = g_getenv("KUBEFS_PROTOBUF_ORACLE");
	struct oracle *oracle = path != NULL ? oracle_create(path, NULL) : NULL;
	GString *text = add_types(pods_create(PODS));
	size_t json_bytes = 0, protobuf_bytes = 0;
	const char *at = text->str;
	bool done;

	if (oracle == NULL) {
		fprintf(stderr,
			"bench_protobuf: KUBEFS_PROTOBUF_ORACLE does not name the oracle\n");
		return 2;
	}
	for (size_t i = 0; i < PODS; i++) {
		bench.pods[i].json = at;
		bench.pods[i].json_length = (size_t)(strchr(at, '\n') - at);
		at += bench.pods[i].json_length + 1;
	}
	done = encode(oracle, bench.pods);
	for (size_t i = 0; i < PODS; i++) {
		json_bytes += bench.pods[i].json_length;
		protobuf_bytes += bench.pods[i].protobuf_length;
	}
	bench.document = document_create(KEEP, LIMIT);
	buffer_init(&bench.yaml, LIMIT);
	done = done && measure(&bench, "JSON", read_json, json_bytes) &&
	       measure(&bench, "protobuf", read_protobuf, protobuf_bytes) &&
	       measure(&bench, "protobuf without fieldsV1", read_without_fields, protobuf_bytes);
	for (size_t i = 0; i < PODS; i++)
		g_free(bench.pods[i].protobuf);
	document_destroy(bench.document);
	buffer_finish(&bench.yaml);
	g_string_free(text, TRUE);
	oracle_destroy(oracle);
	return done ? 0 : 1;
}
