/* cache/merge.h: what holds of any merge, on generated objects. */
#include <errno.h>
#include <stdlib.h>

#include "cache/json_write.h"
#include "cache/merge.h"
#include "tests/unit/merge_generate.h"
#include "tests/unit/openapi_fixture.h"

#define LIMIT ((size_t)1 << 28)
#define ROUNDS 2000

/* Three versions and what the checks need; every failure tells the seed. */
struct fixture {
	struct document *document;
	struct schema_set *set;
	const struct schema *schema; /* NULL in every other round */
	struct random random;
	uint64_t seed;
};

typedef void (*property)(struct fixture *fixture);

static char *write_json(struct document *document, const struct document_node *node)
{
	BUFFER_CLEANUP struct buffer buffer;

	buffer_init(&buffer, LIMIT);
	ck_assert_int_eq(json_write(document, node, JSON_COMPACT, &buffer, NULL), 0);
	return g_strndup(buffer.data, buffer.length);
}

static void check_that(bool holds, const char *what, struct fixture *fixture,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine, const struct document_node *merged)
{
	g_autofree char *base_text = NULL, *theirs_text = NULL, *mine_text = NULL;
	g_autofree char *merged_text = NULL;

	if (holds)
		return;
	base_text = write_json(fixture->document, base);
	theirs_text = write_json(fixture->document, theirs);
	mine_text = write_json(fixture->document, mine);
	merged_text = merged == NULL ? g_strdup("none") : write_json(fixture->document, merged);
	ck_abort_msg("seed %" G_GUINT64_FORMAT "%s: %s\nbase   %s\ntheirs %s\nmine   %s\nmerged %s",
		fixture->seed, fixture->schema == NULL ? "" : " with schema", what, base_text,
		theirs_text, mine_text, merged_text);
}

static const struct document_node *merge(struct fixture *fixture, unsigned int flags,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine)
{
	struct document_node *merged = NULL;
	g_autoptr(GError) error = NULL;
	int result = merge_three(
		fixture->document, fixture->schema, base, theirs, mine, flags, &merged, &error);

	check_that((result == 0) == (merged != NULL), "result and return value", fixture, base,
		theirs, mine, merged);
	check_that((result == 0) == (error == NULL) && (result == 0 || result == -EBUSY), "error",
		fixture, base, theirs, mine, merged);
	return merged;
}

static void run(property check_property)
{
	const char *chosen = g_getenv("MERGE_SEED");
	struct fixture fixture = {
		.document = document_create(1 << 20, LIMIT),
		.set = openapi_parse(generate_schema),
	};

	for (uint64_t round = 0; round < ROUNDS; round++) {
		fixture.seed = chosen == NULL ? round : g_ascii_strtoull(chosen, NULL, 10);
		fixture.random.state = fixture.seed;
		fixture.schema =
			fixture.seed % 4 == 0 ? NULL : schema_of_kind(fixture.set, "", "v", "T");
		document_reset(fixture.document);
		check_property(&fixture);
		if (chosen != NULL)
			break;
	}
	document_destroy(fixture.document);
	schema_set_unref(fixture.set);
}

static const struct document_node *edit(
	struct fixture *fixture, const struct document_node *base, enum generate_side side)
{
	return generate_edit(fixture->document, &fixture->random, base, side);
}

static const struct document_node *any_base(struct fixture *fixture)
{
	return generate_object(fixture->document, &fixture->random, true);
}

static void check_one_changed(struct fixture *fixture)
{
	const struct document_node *base = any_base(fixture);
	const struct document_node *other = edit(fixture, base, GENERATE_ANY);

	for (unsigned int flags = 0; flags < 4; flags++) {
		const struct document_node *merged = merge(fixture, flags, base, base, other);

		check_that(merged != NULL && document_equal(merged, other), "merge(b,b,m) = m",
			fixture, base, base, other, merged);
		merged = merge(fixture, flags, base, other, base);
		check_that(merged != NULL && document_equal(merged, other), "merge(b,t,b) = t",
			fixture, base, other, base, merged);
	}
}

static void check_equal_changes(struct fixture *fixture)
{
	const struct document_node *base = any_base(fixture);
	const struct document_node *other = edit(fixture, base, GENERATE_ANY);
	const struct document_node *merged = merge(fixture, 0, base, other, other);

	check_that((merged == NULL) != document_equal(base, other), "equal changes conflict",
		fixture, base, other, other, merged);
	merged = merge(fixture, MERGE_SAME_AGREES, base, other, other);
	check_that(merged != NULL && document_equal(merged, other), "equal changes agree", fixture,
		base, other, other, merged);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The text of a value in which lists have no order. */
static char *unordered(struct document *document, const struct document_node *node)
{
	g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
	GString *text;

	/* 0 and -0.0 are equal, and either may stand for both. */
	if (node->type == DOCUMENT_FLOAT && node->text[0] == '-')
		return g_strdup("0");
	if (node->type != DOCUMENT_ARRAY && node->type != DOCUMENT_OBJECT)
		return write_json(document, node);
	for (const struct document_node *at = node->first; at != NULL; at = at->next) {
		g_autofree char *value = unordered(document, at);

		g_ptr_array_add(parts, g_strdup_printf("%.*s:%s", (int)at->key_length,
					       at->key_length == 0 ? "" : at->key, value));
	}
	if (parts->len > 0)
		qsort(parts->pdata, parts->len, sizeof(char *), compare_texts);
	text = g_string_new(node->type == DOCUMENT_ARRAY ? "[" : "{");
	for (guint i = 0; i < parts->len; i++)
		g_string_append_printf(text, "%s,", (char *)parts->pdata[i]);
	return g_string_free(text, FALSE);
}

/* With the schema alone: lists of unknown kind are leaves that both change. */
static void check_disjoint(struct fixture *fixture)
{
	const struct document_node *base =
		generate_object(fixture->document, &fixture->random, false);
	const struct document_node *even = edit(fixture, base, GENERATE_EVEN);
	const struct document_node *odd = edit(fixture, base, GENERATE_ODD);
	const struct document_node *one, *other;
	g_autofree char *one_text = NULL, *other_text = NULL;

	if (fixture->schema == NULL)
		return;
	one = merge(fixture, 0, base, even, odd);
	other = merge(fixture, 0, base, odd, even);
	check_that(one != NULL, "disjoint edits merge", fixture, base, even, odd, one);
	check_that(other != NULL, "disjoint edits merge", fixture, base, odd, even, other);
	one_text = unordered(fixture->document, one);
	other_text = unordered(fixture->document, other);
	check_that(strcmp(one_text, other_text) == 0, "disjoint edits commute", fixture, base, even,
		odd, one);
	/* What is in both edits' places is there, and nothing else: each edit again is no change.
	 */
	check_that(merge(fixture, MERGE_SAME_AGREES, base, one, odd) != NULL, "odd is in it",
		fixture, base, even, odd, one);
	check_that(merge(fixture, MERGE_SAME_AGREES, base, one, even) != NULL, "even is in it",
		fixture, base, even, odd, one);
}

/* The leaves of a value, as texts of their path and value; places in lists do not count. */
static void collect_leaves(struct document *document, const struct document_node *node,
	const char *path, GHashTable *leaves)
{
	g_autofree char *text = NULL;

	if (node->type != DOCUMENT_ARRAY && node->type != DOCUMENT_OBJECT) {
		text = write_json(document, node);
		g_hash_table_add(leaves, g_strconcat(path, "=", text, NULL));
		return;
	}
	for (const struct document_node *at = node->first; at != NULL; at = at->next) {
		g_autofree char *inner = g_strdup_printf(
			"%s.%.*s", path, (int)at->key_length, at->key_length == 0 ? "" : at->key);

		collect_leaves(document, at, inner, leaves);
	}
}

static void check_leaves(struct fixture *fixture)
{
	const struct document_node *base = any_base(fixture);
	const struct document_node *theirs = edit(fixture, base, GENERATE_ANY);
	const struct document_node *mine = edit(fixture, base, GENERATE_ANY);
	g_autoptr(GHashTable) had = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	collect_leaves(fixture->document, theirs, "", had);
	collect_leaves(fixture->document, mine, "", had);
	for (unsigned int flags = 0; flags < 4; flags++) {
		const struct document_node *merged = merge(fixture, flags, base, theirs, mine);
		g_autoptr(GHashTable) has =
			g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		GHashTableIter iter;
		gpointer leaf;

		check_that(merged != NULL || (flags & MERGE_MINE_WINS) == 0, "mine wins", fixture,
			base, theirs, mine, merged);
		if (merged == NULL)
			continue;
		collect_leaves(fixture->document, merged, "", has);
		g_hash_table_iter_init(&iter, has);
		while (g_hash_table_iter_next(&iter, &leaf, NULL)) {
			check_that(g_hash_table_contains(had, leaf), leaf, fixture, base, theirs,
				mine, merged);
		}
	}
}

static bool contains(const struct document_node *list, const struct document_node *item)
{
	for (const struct document_node *at = list->first; at != NULL; at = at->next) {
		if (document_equal(at, item))
			return true;
	}
	return false;
}

static const struct document_node *next_of(const struct document_node *at,
	const struct document_node *a, const struct document_node *b)
{
	while (at != NULL && !(contains(a, at) && contains(b, at)))
		at = at->next;
	return at;
}

/* Whether what base, a and b have stands in the same order in a and b; none has duplicates. */
static bool same_order(const struct document_node *base, const struct document_node *a,
	const struct document_node *b)
{
	const struct document_node *left = next_of(a->first, base, b);
	const struct document_node *right = next_of(b->first, base, a);

	while (left != NULL && right != NULL && document_equal(left, right)) {
		left = next_of(left->next, base, b);
		right = next_of(right->next, base, a);
	}
	return left == NULL && right == NULL;
}

/* What theirs alone has stands behind what it has before it there, as far as that remained. */
static bool follows(const struct document_node *merged, const struct document_node *theirs,
	const struct document_node *mine)
{
	for (const struct document_node *at = merged->first; at != NULL && at->next != NULL;
		at = at->next) {
		const struct document_node *before = NULL;

		if (contains(mine, at->next))
			continue;
		for (const struct document_node *there = theirs->first;
			there != NULL && !document_equal(there, at->next); there = there->next) {
			if (contains(merged, there))
				before = there;
		}
		if (before == NULL || !document_equal(before, at))
			return false;
	}
	return true;
}

static struct document_node *any_order(struct fixture *fixture, bool move)
{
	struct document_node *list = document_new(fixture->document, DOCUMENT_ARRAY);
	struct document_node **tail = &list->first;
	char letters[] = "abcdefgh";

	for (size_t i = 0; move && i < strlen(letters); i++) {
		size_t other = random_below(&fixture->random, strlen(letters));
		char letter = letters[i];

		letters[i] = letters[other];
		letters[other] = letter;
	}
	for (size_t i = 0; i < strlen(letters); i++) {
		if (random_once_in(&fixture->random, 3))
			continue;
		document_append(list, &tail,
			document_new_string(fixture->document,
				document_copy_text(fixture->document, &letters[i], 1), 1));
	}
	return list;
}

static const struct document_node *with_set(struct fixture *fixture, struct document_node *set)
{
	struct document_node *object = document_new(fixture->document, DOCUMENT_OBJECT);

	document_set(object, "set", set);
	return object;
}

/* All that both added or took away is equal, so only the order can make a conflict. */
static void check_order(struct fixture *fixture)
{
	bool theirs_move = random_once_in(&fixture->random, 3);
	bool mine_move = random_once_in(&fixture->random, 3);
	struct document_node *base = any_order(fixture, false);
	struct document_node *theirs = any_order(fixture, theirs_move);
	struct document_node *mine = any_order(fixture, mine_move);
	const struct document_node *merged, *set;

	fixture->schema = schema_of_kind(fixture->set, "", "v", "T");
	merged = merge(fixture, MERGE_SAME_AGREES, with_set(fixture, base),
		with_set(fixture, theirs), with_set(fixture, mine));
	check_that(merged != NULL || (theirs_move && mine_move), "only order conflicts", fixture,
		base, theirs, mine, merged);
	if (merged == NULL)
		return;
	set = document_get(merged, "set");
	check_that(theirs_move || same_order(mine, set, mine), "mine's order", fixture, base,
		theirs, mine, set);
	check_that(mine_move || same_order(base, set, theirs), "theirs' order", fixture, base,
		theirs, mine, set);
	check_that(theirs_move || mine_move || set->length == 0 || !contains(mine, set->first) ||
			   follows(set, theirs, mine),
		"behind its predecessor", fixture, base, theirs, mine, set);
}

START_TEST (one_side) {
	run(check_one_changed);
}
END_TEST

START_TEST (equal_changes) {
	run(check_equal_changes);
}
END_TEST

START_TEST (disjoint_edits) {
	run(check_disjoint);
}
END_TEST

START_TEST (nothing_invented) {
	run(check_leaves);
}
END_TEST

START_TEST (order) {
	run(check_order);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge_random");
	TCase *tcase = tcase_create("merge_random");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, one_side);
	tcase_add_test(tcase, equal_changes);
	tcase_add_test(tcase, disjoint_edits);
	tcase_add_test(tcase, nothing_invented);
	tcase_add_test(tcase, order);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
