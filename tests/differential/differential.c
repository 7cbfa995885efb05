/*
 * Compares our YAML and JSON with kubectl's over many generated documents.
 *
 *   export KUBEFS_YAML_ORACLE=~/.cache/kubefs/current/bin/yaml-oracle
 *   differential [--documents N] [--seed S]
 *
 * Each document is compared as it is and, damaged, once more; and as many YAML texts are read. The
 * first that differs is printed
 * with its seed, made small, and ends the program with 1. To see it again: --seed THAT -n 1
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/differential/compare.h"
#include "tests/differential/generate.h"
#include "tests/differential/reading.h"
#include "tests/differential/shrink.h"

/* Two comparisons a seed, and a text to read. */
#define SEEDS (COMPARE_BATCH / 2)
G_STATIC_ASSERT(SEEDS == READING_BATCH);

struct tally {
	unsigned long outcomes[COMPARE_OUTCOMES];
	unsigned long readings[READING_OUTCOMES];
	unsigned long bytes;
};

static bool still_wrong(void *data, const GString *json)
{
	struct comparison comparison;
	bool wrong;

	comparison_init(&comparison);
	g_string_append_len(comparison.json, json->str, (gssize)json->len);
	compare(data, &comparison, 1);
	wrong = comparison.outcome == COMPARE_WRONG;
	comparison_finish(&comparison);
	return wrong;
}

static void print_text(const char *title, const GString *text)
{
	printf("%s (%zu bytes)\n", title, text->len);
	fwrite(text->str, 1, text->len, stdout);
	putchar('\n');
}

static void explain(struct comparer *comparer, struct comparison *comparison, guint64 seed)
{
	printf("seed %" G_GUINT64_FORMAT " differs: ", seed);
	print_text("", comparison->json);
	fflush(stdout);
	shrink_json(comparison->json, still_wrong, comparer);
	compare(comparer, comparison, 1);
	print_text("made small:", comparison->json);
	print_text("what is wrong:", comparison->report);
}

static bool compare_batch(struct comparer *comparer, struct comparison *comparisons, guint64 seed,
	struct tally *tally)
{
	for (size_t i = 0; i < SEEDS; i++) {
		struct comparison *whole = &comparisons[2 * i], *damaged = whole + 1;

		generate_json(seed + i, whole->json);
		g_string_truncate(damaged->json, 0);
		g_string_append_len(damaged->json, whole->json->str, (gssize)whole->json->len);
		generate_damage(seed + i, damaged->json);
	}
	compare(comparer, comparisons, (size_t)2 * SEEDS);
	for (size_t i = 0; i < (size_t)2 * SEEDS; i++) {
		tally->outcomes[comparisons[i].outcome]++;
		tally->bytes += comparisons[i].yaml->len;
		if (comparisons[i].outcome == COMPARE_WRONG) {
			explain(comparer, &comparisons[i], seed + i / 2);
			return false;
		}
	}
	return true;
}

static bool run(struct oracle *oracle, guint64 seed, guint64 documents, struct tally *tally)
{
	struct comparer *comparer = comparer_create(oracle);
	struct comparison comparisons[2 * SEEDS];
	bool same = true;

	for (size_t i = 0; i < G_N_ELEMENTS(comparisons); i++)
		comparison_init(&comparisons[i]);
	for (guint64 done = 0; done < documents && same; done += SEEDS) {
		same = compare_batch(comparer, comparisons, seed + done, tally) &&
		       reading_compare(oracle, seed + done, tally->readings);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(comparisons); i++)
		comparison_finish(&comparisons[i]);
	comparer_destroy(comparer);
	return same;
}

static void print_tally(const struct tally *tally)
{
	static const char *const names[] = {
		[COMPARE_SAME] = "byte for byte kubectl's",
		[COMPARE_REFUSED] = "no JSON to both",
		[COMPARE_ORACLE_FAILED] = "kubectl fails, ours reads back",
		[COMPARE_ORACLE_LOSES] = "kubectl's reads back as another value, ours does not",
		[COMPARE_ORACLE_VARIES] = "kubectl's order of keys varies",
		[COMPARE_WRONG] = "wrong",
	};

	static const char *const readings[] = {
		[READING_SAME] = "YAML texts read alike",
		[READING_REFUSED] = "refused by both",
		[READING_STRICTER] = "refused by us alone (behind the first document)",
		[READING_KNOWN] = "read differently, as libyaml is known to",
		[READING_WRONG] = "wrong",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		printf("%10lu  %s\n", tally->outcomes[i], names[i]);
	printf("%10lu  bytes of YAML\n", tally->bytes);
	for (size_t i = 0; i < G_N_ELEMENTS(readings); i++)
		printf("%10lu  %s\n", tally->readings[i], readings[i]);
}

int main(int argc, char **argv)
{
	gint64 documents = 100000, seed = 1;
	const GOptionEntry entries[] = {
		{"documents", 'n', 0, G_OPTION_ARG_INT64, &documents, "how many", "N"},
		{"seed", 's', 0, G_OPTION_ARG_INT64, &seed, "of the first", "S"},
		{NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	const char *path = g_getenv("KUBEFS_YAML_ORACLE");
	struct oracle *oracle;
	struct tally tally = {0};
	bool same;

	setlocale(LC_ALL, "");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "differential: %s\n", error->message);
		return 2;
	}
	if (path == NULL || *path == '\0') {
		fprintf(stderr, "differential: KUBEFS_YAML_ORACLE does not name the oracle\n");
		return 2;
	}
	oracle = oracle_create(path, &error);
	if (oracle == NULL) {
		fprintf(stderr, "differential: %s\n", error->message);
		return 2;
	}
	same = run(oracle, (guint64)seed, (guint64)documents, &tally);
	oracle_destroy(oracle);
	print_tally(&tally);
	return same ? 0 : 1;
}
