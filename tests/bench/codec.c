/*
 * How fast JSON is parsed and rendered: codec [FILE], one object a line; without a file 10,000 pods
 * as a server with kwok's nodes has them.
 */
#include <stdio.h>
#include <time.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/yaml_read.h"
#include "cache/yaml_write.h"
#include "tests/bench/pods.h"

#define PODS 10000
#define KEEP ((size_t)1 << 20)
#define LIMIT ((size_t)1 << 30)

struct speed {
	double seconds;
	size_t bytes;
};

struct bench {
	struct document *document;
	struct document *again;
	struct buffer buffer;
	struct speed parse; /* of JSON read */
	struct speed render; /* of YAML written */
	struct speed read; /* of YAML read */
	struct speed json; /* of JSON written */
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double add(struct speed *speed, double begin, size_t bytes)
{
	double end = now();

	speed->seconds += end - begin;
	speed->bytes += bytes;
	return end;
}

static bool run(struct bench *bench, const char *json, size_t length)
{
	struct document_node *root, *metadata, *back;
	double time = now();

	document_reset(bench->document);
	if (json_parse(bench->document, json, length, &root, NULL) < 0)
		return false;
	time = add(&bench->parse, time, length);

	metadata = document_get(root, "metadata");
	if (metadata != NULL)
		document_remove(metadata, "managedFields");
	buffer_reset(&bench->buffer, KEEP);
	if (yaml_write(bench->document, root, &bench->buffer, NULL) < 0)
		return false;
	time = add(&bench->render, time, bench->buffer.length);

	document_reset(bench->again);
	if (yaml_read(bench->again, bench->buffer.data, bench->buffer.length, YAML_READ_LAX, &back,
		    NULL) < 0)
		return false;
	time = add(&bench->read, time, bench->buffer.length);

	buffer_reset(&bench->buffer, KEEP);
	if (json_write(bench->again, back, JSON_KUBECTL, &bench->buffer, NULL) < 0)
		return false;
	add(&bench->json, time, bench->buffer.length);
	return true;
}

static void print(const char *name, const struct speed *speed)
{
	printf("%-24s %8.0f MB/s  (%.1f MB in %.3f s)\n", name,
		(double)speed->bytes / speed->seconds / 1e6, (double)speed->bytes / 1e6,
		speed->seconds);
}

int main(int argc, char **argv)
{
	struct bench bench = {0};
	g_autofree char *file = NULL;
	GString *made = NULL;
	const char *at, *end;
	gsize length;
	bool done = true;

	if (argc > 1) {
		if (!g_file_get_contents(argv[1], &file, &length, NULL))
			return 1;
		at = file;
	} else {
		made = pods_create(PODS);
		at = made->str;
		length = made->len;
	}
	bench.document = document_create(KEEP, LIMIT);
	bench.again = document_create(KEEP, LIMIT);
	buffer_init(&bench.buffer, LIMIT);
	for (end = at + length; at < end && done;) {
		const char *line = memchr(at, '\n', (size_t)(end - at));

		line = line == NULL ? end : line;
		done = run(&bench, at, (size_t)(line - at));
		at = line + 1;
	}
	print("parse JSON", &bench.parse);
	print("write YAML", &bench.render);
	print("read YAML", &bench.read);
	print("write JSON", &bench.json);
	buffer_finish(&bench.buffer);
	document_destroy(bench.again);
	document_destroy(bench.document);
	if (made != NULL)
		g_string_free(made, TRUE);
	return done ? 0 : 1;
}
