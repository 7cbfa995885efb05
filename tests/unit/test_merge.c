/* cache/merge.h, case by case */
#include "cache/merge.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cache/json_write.h"
#include "cache/yaml_read.h"
#include "tests/unit/cpu_time.h"
#include "tests/unit/openapi_fixture.h"

#define LIMIT ((size_t)1 << 28)
#define SAME MERGE_SAME_AGREES
#define WINS MERGE_MINE_WINS

/* YAML; what it says stands at the case's place in a Deployment. */
struct test_case {
	unsigned int flags;
	const char *base;
	const char *theirs;
	const char *mine;
	const char *merged; /* NULL: a conflict */
	const char *message; /* of it, without what all of them begin with */
};

struct place {
	const char *before;
	const char *behind;
};

static const struct place at_root = {"", ""};
static const struct place at_containers = {"{spec: {template: {spec: {containers: ", "}}}}"};
static const struct place at_init = {"{spec: {template: {spec: {initContainers: ", "}}}}"};
static const struct place at_ports = {
	"{spec: {template: {spec: {containers: [{name: a, ports: ", "}]}}}}"};
static const struct place at_finalizers = {"{metadata: {finalizers: ", "}}"};
static const struct place at_selector = {"{spec: {selector: ", "}}"};
static const struct place at_tolerations = {"{spec: {template: {spec: {tolerations: ", "}}}}"};

static struct document_node *read_yaml(
	struct document *document, const struct place *place, const char *yaml)
{
	g_autofree char *whole = g_strconcat(place->before, yaml, place->behind, NULL);
	const char *text = document_copy_text(document, whole, strlen(whole));
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;
	int result = yaml_read(document, text, strlen(whole), YAML_READ_STRICT, &root, &error);

	ck_assert_msg(result == 0, "%s: %s", whole, error != NULL ? error->message : "no message");
	return root;
}

static char *write_json(struct document *document, const struct document_node *node)
{
	BUFFER_CLEANUP struct buffer buffer;

	buffer_init(&buffer, LIMIT);
	ck_assert_int_eq(json_write(document, node, JSON_COMPACT, &buffer, NULL), 0);
	return g_strndup(buffer.data, buffer.length);
}

static void expect_conflict(const struct test_case *test, const struct document_node *merged,
	int result, const GError *error)
{
	static const char before[] = "changed by somebody else meanwhile, too: ";

	ck_assert_msg(
		result == -EBUSY, "%s | %s | %s: %d", test->base, test->theirs, test->mine, result);
	ck_assert_ptr_null(merged);
	ck_assert_int_eq(error->code, EBUSY);
	ck_assert_msg(g_str_has_prefix(error->message, before), "%s", error->message);
	ck_assert_str_eq(error->message + strlen(before), test->message);
}

static void expect_merged(struct document *document, const struct place *place,
	const struct test_case *test, const struct document_node *merged, const GError *error)
{
	const struct document_node *wanted = read_yaml(document, place, test->merged);
	g_autofree char *text = NULL;

	ck_assert_msg(merged != NULL, "%s | %s | %s: %s", test->base, test->theirs, test->mine,
		error != NULL ? error->message : "no message");
	text = write_json(document, merged);
	ck_assert_msg(document_equal(merged, wanted), "%s | %s | %s: %s", test->base, test->theirs,
		test->mine, text);
}

static void run_case(
	const struct schema *schema, const struct place *place, const struct test_case *test)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	const struct document_node *base = read_yaml(document, place, test->base);
	const struct document_node *theirs = read_yaml(document, place, test->theirs);
	const struct document_node *mine = read_yaml(document, place, test->mine);
	g_autofree char *before = write_json(document, theirs);
	g_autofree char *after = NULL;
	struct document_node *merged = NULL;
	g_autoptr(GError) error = NULL;
	int result =
		merge_three(document, schema, base, theirs, mine, test->flags, &merged, &error);

	if (test->merged == NULL)
		expect_conflict(test, merged, result, error);
	else
		expect_merged(document, place, test, merged, error);
	after = write_json(document, theirs);
	ck_assert_str_eq(before, after);
}

static void run_cases(
	bool with_schema, const struct place *place, const struct test_case *cases, size_t count)
{
	struct schema_set *set = with_schema ? openapi_apps() : NULL;
	const struct schema *schema =
		set == NULL ? NULL : schema_of_kind(set, "apps", "v1", "Deployment");

	for (size_t i = 0; i < count; i++)
		run_case(schema, place, &cases[i]);
	schema_set_unref(set);
}

#define RUN(with_schema, place, cases) run_cases(with_schema, &(place), cases, G_N_ELEMENTS(cases))

START_TEST (leaves) {
	static const struct test_case cases[] = {
		{0, "{}", "{}", "{}", "{}", NULL},
		{0, "{a: 1}", "{a: 1}", "{a: 2}", "{a: 2}", NULL},
		{0, "{a: 1}", "{a: 2}", "{a: 1}", "{a: 2}", NULL},
		{0, "{a: 1, b: 1}", "{a: 2, b: 1}", "{a: 1, b: 2}", "{a: 2, b: 2}", NULL},
		{0, "{a: 1}", "{a: 1, b: 2}", "{a: 1, c: 3}", "{a: 1, b: 2, c: 3}", NULL},
		{0, "{a: 1, b: 1, c: 1}", "{a: 1, c: 1}", "{a: 1, b: 1}", "{a: 1}", NULL},
		{0, "{a: 5}", "{a: 6}", "{a: 7}", NULL, "a"},
		/* The counter: 50 writers by read, add, save. */
		{0, "{a: 5}", "{a: 6}", "{a: 6}", NULL, "a"},
		{0, "{}", "{a: 6}", "{a: 6}", NULL, "a"},
		{0, "{}", "{a: 6}", "{a: 7}", NULL, "a"},
		/* A number spelled otherwise has not changed. */
		{0, "{a: 1}", "{a: 2}", "{a: 1.0}", "{a: 2}", NULL},
		{0, "{a: 1}", "{a: 1.0}", "{a: 2}", "{a: 2}", NULL},
		{0, "{a: 1}", "{a: 2}", "{a: '1'}", NULL, "a"},
		{0, "{a: x, b: x, c: x, d: x, e: x}", "{a: y, b: y, c: y, d: y, e: y}",
			"{a: z, b: z, c: z, d: z, e: z}", NULL, "a, b, c and 2 more"},
	};

	RUN(false, at_root, cases);
	RUN(true, at_root, cases);
}
END_TEST

/* writes.md 5: one buffer saved 3 -> 5 -> 7 and 3 -> 5 -> 3; nobody else writes. */
START_TEST (one_lineage) {
	static const struct test_case cases[] = {
		{SAME, "{a: 5}", "{a: 5, s: 1}", "{a: 7}", "{a: 7, s: 1}", NULL},
		{SAME, "{a: 5}", "{a: 5, s: 1}", "{a: 3}", "{a: 3, s: 1}", NULL},
		/* Sent before, and it is not known whether it arrived. */
		{SAME, "{a: 3}", "{a: 5}", "{a: 5}", "{a: 5}", NULL},
		{SAME, "{a: 3}", "{a: 3}", "{a: 5}", "{a: 5}", NULL},
		{SAME, "{a: 3}", "{}", "{}", "{}", NULL},
		{SAME, "{}", "{a: {b: 1, c: 2}}", "{a: {b: 1}}", "{a: {b: 1, c: 2}}", NULL},
		{SAME, "{a: [1]}", "{a: [2]}", "{a: [2]}", "{a: [2]}", NULL},
		/* Somebody else was there, too. */
		{SAME, "{a: 3}", "{a: 6}", "{a: 5}", NULL, "a"},
		/* What was sent as null or empty is stored as nothing. */
		{SAME, "{a: {b: 1}}", "{}", "{a: null}", "{}", NULL},
		{SAME, "{a: null}", "{}", "{a: {b: 1}}", "{a: {b: 1}}", NULL},
		{SAME, "{a: {}}", "{}", "{a: {b: 1}}", "{a: {b: 1}}", NULL},
		{SAME, "{a: null}", "{a: {c: 1}}", "{a: {b: 1}}", "{a: {b: 1, c: 1}}", NULL},
		{SAME, "{a: null}", "{a: {b: 2}}", "{a: {b: 1}}", NULL, "a.b"},
		{0, "{a: null}", "{}", "{a: {b: 1}}", NULL, "a"},
		/* theirs is what the server made of base: 0.5 is 500m, and defaults. */
		{WINS, "{cpu: 0.5}", "{cpu: 500m, d: 1}", "{cpu: 0.7}", "{cpu: 0.7, d: 1}", NULL},
		{WINS, "{a: {b: 1}}", "{}", "{a: {b: 2}}", "{a: {b: 2}}", NULL},
		{WINS, "{a: {b: 1}}", "{a: {b: 2}}", "{}", "{}", NULL},
		{WINS, "{a: 1}", "{a: 2}", "{a: 1}", "{a: 2}", NULL},
		{WINS | SAME, "{a: 1}", "{a: 2}", "{a: 2}", "{a: 2}", NULL},
	};

	RUN(false, at_root, cases);
}
END_TEST

START_TEST (types) {
	static const struct test_case cases[] = {
		{0, "{a: {b: 1}}", "{a: {b: 1}, c: 1}", "{a: x}", "{a: x, c: 1}", NULL},
		{0, "{a: x}", "{a: {b: 1}}", "{a: x, c: 1}", "{a: {b: 1}, c: 1}", NULL},
		{0, "{a: {b: 1}}", "{a: {b: 2}}", "{a: x}", NULL, "a"},
		{0, "{a: {b: 1}}", "{a: x}", "{a: {b: 2}}", NULL, "a"},
		{0, "{a: {b: 1}}", "{a: x}", "{a: x}", NULL, "a"},
		{0, "{a: x}", "{a: {b: 1}}", "{a: {c: 1}}", NULL, "a"},
		{0, "{a: {b: 1}}", "{a: [1]}", "{a: {}}", NULL, "a"},
		{SAME, "{a: x}", "{a: {b: 1}}", "{a: {b: 1}}", "{a: {b: 1}}", NULL},
	};

	RUN(false, at_root, cases);
	RUN(true, at_root, cases);
}
END_TEST

START_TEST (nulls) {
	static const struct test_case cases[] = {
		/* All labels deleted but for the line that begins them. */
		{0, "{a: {b: 1}}", "{a: {b: 1}}", "{a: null}", "{a: null}", NULL},
		{0, "{a: {b: 1}}", "{a: {b: 1, c: 1}}", "{a: null}", NULL, "a"},
		{0, "{a: null}", "{a: null}", "{}", "{}", NULL},
		{0, "{a: null}", "{a: 1}", "{a: null}", "{a: 1}", NULL},
		{0, "{}", "{}", "{a: null}", "{a: null}", NULL},
		{0, "{}", "{a: 1}", "{a: null}", NULL, "a"},
		{0, "{}", "{a: null}", "{a: null}", NULL, "a"},
		{0, "{a: 1}", "{}", "{a: null}", NULL, "a"},
		{0, "{a: null}", "{a: {b: 1}}", "{a: {c: 1}}", NULL, "a"},
	};

	RUN(false, at_root, cases);
}
END_TEST

START_TEST (deletions) {
	static const struct test_case cases[] = {
		{0, "{a: {b: 1}}", "{a: {b: 1}}", "{}", "{}", NULL},
		{0, "{a: {b: 1}}", "{a: {b: 2}}", "{}", NULL, "a"},
		{0, "{a: {b: 1}}", "{}", "{a: {b: 2}}", NULL, "a"},
		/* What was added to that which is gone would be lost. */
		{0, "{a: {b: 1}}", "{a: {b: 1, c: 2}}", "{}", NULL, "a"},
		{0, "{a: {b: 1}}", "{a: {b: 1, c: 2}}", "{a: {}}", "{a: {c: 2}}", NULL},
		/* Two who both take the same entry off a queue. */
		{0, "{a: {b: 1}}", "{a: {}}", "{a: {}}", NULL, "a.b"},
		{0, "{a: {b: 1}}", "{}", "{}", NULL, "a"},
		{SAME, "{a: {b: 1}}", "{a: {}}", "{a: {}}", "{a: {}}", NULL},
	};

	RUN(false, at_root, cases);
	RUN(true, at_root, cases);
}
END_TEST

START_TEST (additions) {
	static const struct test_case cases[] = {
		/* Two who add the first label. */
		{0, "{}", "{a: {b: 1}}", "{a: {c: 1}}", "{a: {b: 1, c: 1}}", NULL},
		{0, "{}", "{a: {b: 1}}", "{a: {b: 1, c: 1}}", NULL, "a.b"},
		{0, "{}", "{a: {}}", "{a: {}}", NULL, "a"},
		{0, "{}", "{a: {b: 1}}", "{a: {}}", "{a: {b: 1}}", NULL},
		{0, "{}", "{a: {b: {c: 1}}}", "{a: {b: {d: 1}}}", "{a: {b: {c: 1, d: 1}}}", NULL},
		/* Without a schema a list is one value. */
		{0, "{}", "{a: [1]}", "{a: [2]}", NULL, "a"},
	};

	RUN(false, at_root, cases);
}
END_TEST

START_TEST (whole_lists) {
	static const struct test_case cases[] = {
		{0, "[{key: a}]", "[{key: a}]", "[{key: b}]", "[{key: b}]", NULL},
		{0, "[{key: a}]", "[{key: a}, {key: b}]", "[{key: a}]", "[{key: a}, {key: b}]",
			NULL},
		{0, "[{key: a}]", "[{key: a}, {key: b}]", "[{key: c}, {key: a}]", NULL,
			"spec.template.spec.tolerations"},
	};
	static const struct test_case unkeyed[] = {
		{0, "[{name: a, image: x}]", "[{name: a, image: y}]",
			"[{name: a, image: x, tty: true}]", NULL, "spec.template.spec.containers"},
	};

	RUN(true, at_tolerations, cases);
	RUN(false, at_containers, unkeyed);
}
END_TEST

START_TEST (atomic_maps) {
	static const struct test_case cases[] = {
		{0, "{matchLabels: {a: x}}", "{matchLabels: {a: x}}", "{matchLabels: {a: y}}",
			"{matchLabels: {a: y}}", NULL},
		{0, "{matchLabels: {a: x}}", "{matchLabels: {a: x, b: x}}",
			"{matchLabels: {a: x, c: x}}", NULL, "spec.selector"},
	};
	static const struct test_case granular[] = {
		{0, "{matchLabels: {a: x}}", "{matchLabels: {a: x, b: x}}",
			"{matchLabels: {a: x, c: x}}", "{matchLabels: {a: x, b: x, c: x}}", NULL},
	};

	RUN(true, at_selector, cases);
	RUN(false, at_selector, granular);
}
END_TEST

START_TEST (keyed_lists) {
	static const struct test_case cases[] = {
		{0, "[{name: a, image: x}]", "[{name: a, image: y}]",
			"[{name: a, image: x, tty: true}]", "[{name: a, image: y, tty: true}]",
			NULL},
		{0, "[{name: a, image: x}, {name: b}]", "[{name: a, image: y}, {name: b}]",
			"[{name: a, image: z}, {name: b}]", NULL,
			"spec.template.spec.containers[name=\"a\"].image"},
		{0, "[{name: a}]", "[{name: a}, {name: t}]", "[{name: a}, {name: m}]",
			"[{name: a}, {name: t}, {name: m}]", NULL},
		{0, "[{name: a}]", "[{name: t}, {name: a}]", "[{name: a}, {name: m}]",
			"[{name: t}, {name: a}, {name: m}]", NULL},
		{0, "[{name: a}, {name: b}]", "[{name: a}, {name: t}, {name: b}]",
			"[{name: m}, {name: b}]", "[{name: t}, {name: m}, {name: b}]", NULL},
		{0, "[{name: a}, {name: b}]", "[{name: b}]", "[{name: a}]", "[]", NULL},
		{0, "[{name: a, image: x}]", "[{name: a, image: y}]", "[]", NULL,
			"spec.template.spec.containers[name=\"a\"]"},
		{0, "[{name: a, image: x}]", "[]", "[{name: a, image: y}]", NULL,
			"spec.template.spec.containers[name=\"a\"]"},
		{0, "[{name: a}]", "[]", "[]", NULL, "spec.template.spec.containers[name=\"a\"]"},
		{SAME, "[{name: a}]", "[]", "[]", "[]", NULL},
		/* Two who add the same. */
		{0, "[]", "[{name: a}]", "[{name: a}]", NULL,
			"spec.template.spec.containers[name=\"a\"]"},
		{0, "[]", "[{name: a, image: x}]", "[{name: a, image: y}]", NULL,
			"spec.template.spec.containers[name=\"a\"]"},
		{SAME, "[]", "[{name: a, tty: false}]", "[{name: a}]", "[{name: a, tty: false}]",
			NULL},
		{SAME, "[]", "[{name: a, image: x}]", "[{name: a, image: y}]", NULL,
			"spec.template.spec.containers[name=\"a\"].image"},
		/* Renamed by mine: the old one is gone, another is new. */
		{0, "[{name: a, image: x}]", "[{name: a, image: x}, {name: b}]",
			"[{name: c, image: x}]", "[{name: b}, {name: c, image: x}]", NULL},
		{WINS, "[{name: a}, {name: b, image: x}, {name: c}]", "[{name: a}, {name: c}]",
			"[{name: a}, {name: b, image: y}, {name: c}]",
			"[{name: a}, {name: b, image: y}, {name: c}]", NULL},
	};

	RUN(true, at_containers, cases);
}
END_TEST

START_TEST (first_items) {
	static const struct test_case cases[] = {
		{0, "{spec: {template: {spec: {}}}}",
			"{spec: {template: {spec: {volumes: [{name: a}]}}}}",
			"{spec: {template: {spec: {volumes: [{name: b}]}}}}",
			"{spec: {template: {spec: {volumes: [{name: a}, {name: b}]}}}}", NULL},
		{0, "{spec: {template: {spec: {volumes: [{name: a}]}}}}",
			"{spec: {template: {spec: {volumes: [{name: a}, {name: b}]}}}}",
			"{spec: {template: {spec: {}}}}", NULL, "spec.template.spec.volumes"},
		{0, "{metadata: {finalizers: [a]}}",
			"{metadata: {finalizers: [a], labels: {x: y}}}", "{metadata: {}}",
			"{metadata: {labels: {x: y}}}", NULL},
	};

	RUN(true, at_root, cases);
}
END_TEST

/* Keyed by containerPort and protocol, which is TCP where it is missing. */
START_TEST (defaults_of_keys) {
	static const struct test_case cases[] = {
		{0, "[{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]",
			"[{containerPort: 53, protocol: TCP, name: t}, {containerPort: 53, "
			"protocol: UDP}]",
			"[{containerPort: 53}, {containerPort: 53, protocol: UDP, name: u}]",
			"[{containerPort: 53, name: t}, {containerPort: 53, protocol: UDP, name: "
			"u}]",
			NULL},
		{0, "[{containerPort: 53}]", "[{containerPort: 53, protocol: TCP, name: t}]",
			"[{containerPort: 53, hostPort: 1}]",
			"[{containerPort: 53, protocol: TCP, name: t, hostPort: 1}]", NULL},
		{0, "[]", "[{containerPort: 53, protocol: TCP}]", "[{containerPort: 53}]", NULL,
			"spec.template.spec.containers[name=\"a\"].ports[containerPort=53,protocol="
			"\"TCP\"]"},
		{SAME, "[]", "[{containerPort: 53, protocol: TCP}]", "[{containerPort: 53}]",
			"[{containerPort: 53, protocol: TCP}]", NULL},
		{0, "[]", "[{containerPort: 53, protocol: TCP}]",
			"[{containerPort: 53, protocol: UDP}]",
			"[{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]",
			NULL},
		/* null is as good as absent, 53 and 53.0 are one number. */
		{0, "[{containerPort: 53, protocol: null}]", "[{containerPort: 53.0, name: t}]",
			"[{containerPort: 53, protocol: null, hostPort: 1}]",
			"[{containerPort: 53, name: t, hostPort: 1}]", NULL},
		{0, "[{containerPort: 1, hostPort: 1}]", "[{containerPort: 1, hostPort: 2}]",
			"[{containerPort: 1, hostPort: 3}]", NULL,
			"spec.template.spec.containers[name=\"a\"].ports[containerPort=1,protocol="
			"\"TCP\"].hostPort"},
	};

	RUN(true, at_ports, cases);
}
END_TEST

/* Two items of equal keys in any of the three, or what has no key: the list is one value. */
START_TEST (duplicate_keys) {
	static const char path[] = "spec.template.spec.containers";
	static const struct test_case cases[] = {
		{0, "[{name: a, x: 1}, {name: a, x: 2}]", "[{name: a, x: 1}, {name: a, x: 2}]",
			"[{name: a, x: 1}, {name: b, x: 2}]", "[{name: a, x: 1}, {name: b, x: 2}]",
			NULL},
		{0, "[{name: a}, {name: b}]", "[{name: a}, {name: b}]", "[{name: a}, {name: a}]",
			"[{name: a}, {name: a}]", NULL},
		{0, "[{name: a}, {name: b}]", "[{name: a}, {name: a}]", "[{name: a}, {name: b}]",
			"[{name: a}, {name: a}]", NULL},
		{0, "[{name: a}]", "[{name: a, x: 1}]", "[{name: a}, {name: a}]", NULL, path},
		{0, "[{name: a}]", "[{name: a}, {name: a}]", "[{name: a, x: 1}]", NULL, path},
		{0, "[{name: a}, {name: a}]", "[{name: a}]", "[{name: a, x: 1}]", NULL, path},
		{0, "[{name: a}]", "[{name: a, y: 1}]", "[{name: a}, 7]", NULL, path},
		{0, "[{name: a}]", "[{name: a, y: 1}]", "[{name: [a]}]", NULL, path},
		{SAME, "[{name: a}]", "[{name: a}, {name: a}]", "[{name: a}, {name: a}]",
			"[{name: a}, {name: a}]", NULL},
	};
	static const struct test_case default_twice[] = {
		{0, "[{containerPort: 1}]",
			"[{containerPort: 1}, {containerPort: 1, protocol: TCP}]",
			"[{containerPort: 1, name: m}]", NULL,
			"spec.template.spec.containers[name=\"a\"].ports"},
	};

	RUN(true, at_containers, cases);
	RUN(true, at_ports, default_twice);
}
END_TEST

/* Built-in keys all have defaults; those of a custom resource need none. */
START_TEST (missing_keys) {
	static const struct test_case cases[] = {
		{0, "[{k: a}, {l: b}]", "[{k: a, x: 1}, {l: b}]", "[{k: a}, {l: b, x: 2}]",
			"[{k: a, x: 1}, {l: b, x: 2}]", NULL},
		{0, "[{k: a, x: 1}]", "[{k: a, x: 2}]", "[{k: a, x: 3}]", NULL, "[k=\"a\"].x"},
		{0, "[{k: a}, {x: 1}]", "[{k: a, y: 1}, {x: 1}]", "[{k: a}, {x: 2}]", NULL,
			"the whole object"},
		{0, "[{k: a}]", "[{k: a, y: 1}]", "[{k: a}, {k: null}]", NULL, "the whole object"},
	};
	struct schema_set *set =
		openapi_parse("{\"components\":{\"schemas\":{\"T\":{\"x-kubernetes-list-type\":"
			      "\"map\",\"x-kubernetes-list-map-keys\":[\"k\",\"l\"],"
			      "\"x-kubernetes-group-version-kind\":[{\"group\":\"\","
			      "\"version\":\"v\",\"kind\":\"T\"}]}}}}");

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		run_case(schema_of_kind(set, "", "v", "T"), &at_root, &cases[i]);
	schema_set_unref(set);
}
END_TEST

START_TEST (sets) {
	static const struct test_case cases[] = {
		{0, "[a]", "[a, t]", "[a, m]", "[a, t, m]", NULL},
		{0, "[a, b]", "[b]", "[a]", "[]", NULL},
		{0, "[a, b, c]", "[a, c]", "[a, b, c, d]", "[a, c, d]", NULL},
		{0, "[a]", "[a, b]", "[a, b]", NULL, "metadata.finalizers[\"b\"]"},
		{0, "[a]", "[]", "[]", NULL, "metadata.finalizers[\"a\"]"},
		{SAME, "[a]", "[a, b]", "[a, b]", "[a, b]", NULL},
		{SAME, "[a]", "[]", "[]", "[]", NULL},
		{0, "[a]", "[a, b]", "[a, a]", NULL, "metadata.finalizers"},
		{0, "[1, '1']", "[1, '1', 2]", "[1.0, '1', 3]", "[1.0, '1', 2, 3]", NULL},
		{0, "[0]", "[0, 1]", "[-0.0]", "[0, 1]", NULL},
		{0, "[a]", "[a, b]", "[a, null]", NULL, "metadata.finalizers"},
		{0, "[a]", "[a, b]", "[a, {}]", NULL, "metadata.finalizers"},
		{0, "[true]", "[true, false]", "[]", "[false]", NULL},
	};

	RUN(true, at_finalizers, cases);
}
END_TEST

/* The order of init containers is the order in which they run. */
START_TEST (orders) {
	static const struct test_case cases[] = {
		/* Mine moves, theirs changes. */
		{0, "[{name: a}, {name: b}]", "[{name: a, image: x}, {name: b}]",
			"[{name: b}, {name: a}]", "[{name: b}, {name: a, image: x}]", NULL},
		/* Theirs moves, mine changes: it is not moved back. */
		{0, "[{name: a}, {name: b}]", "[{name: b}, {name: a}]",
			"[{name: a, image: x}, {name: b}]", "[{name: b}, {name: a, image: x}]",
			NULL},
		{0, "[{name: a}, {name: b}]", "[{name: b}, {name: a}]",
			"[{name: a}, {name: m}, {name: b}]", "[{name: b}, {name: a}, {name: m}]",
			NULL},
		{0, "[{name: a}, {name: b}]", "[{name: a}, {name: t}, {name: b}]",
			"[{name: b}, {name: a}]", "[{name: b}, {name: a}, {name: t}]", NULL},
		{0, "[{name: a}, {name: b}, {name: c}]", "[{name: b}, {name: c}, {name: a}]",
			"[{name: c}, {name: a}, {name: b}]", NULL,
			"spec.template.spec.initContainers (order)"},
		{0, "[{name: a}, {name: b}]", "[{name: b}, {name: a}]", "[{name: b}, {name: a}]",
			NULL, "spec.template.spec.initContainers (order)"},
		{SAME, "[{name: a}, {name: b}]", "[{name: b}, {name: a}]",
			"[{name: b}, {name: m}, {name: a}]", "[{name: b}, {name: m}, {name: a}]",
			NULL},
		{SAME, "[{name: a}, {name: b}, {name: c}]", "[{name: b}, {name: c}, {name: a}]",
			"[{name: c}, {name: a}, {name: b}]", NULL,
			"spec.template.spec.initContainers (order)"},
		{WINS, "[{name: a}, {name: b}, {name: c}]", "[{name: b}, {name: c}, {name: a}]",
			"[{name: c}, {name: a}, {name: b}]", "[{name: c}, {name: a}, {name: b}]",
			NULL},
		/* What moved is gone: no order is left to disagree on. */
		{0, "[{name: a}, {name: b}]", "[{name: b}, {name: a}]", "[{name: a}]",
			"[{name: a}]", NULL},
		/* A predecessor that is gone: the one before it. */
		{0, "[{name: a}, {name: b}, {name: c}]",
			"[{name: a}, {name: b}, {name: t}, {name: u}, {name: c}]",
			"[{name: a}, {name: c}]", "[{name: a}, {name: t}, {name: u}, {name: c}]",
			NULL},
	};

	RUN(true, at_init, cases);
}
END_TEST

START_TEST (names_in_messages) {
	static const struct test_case cases[] = {
		{0, "{metadata: {annotations: {a.b/c: 1}}}",
			"{metadata: {annotations: {a.b/c: 2}}}",
			"{metadata: {annotations: {a.b/c: 3}}}", NULL,
			"metadata.annotations[\"a.b/c\"]"},
		{0, "{'': 1}", "{'': 2}", "{'': 3}", NULL, "[\"\"]"},
		{0, "{\"a\\\"\\\\\\n\\e[31m\\u202e\": 1}", "{\"a\\\"\\\\\\n\\e[31m\\u202e\": 2}",
			"{\"a\\\"\\\\\\n\\e[31m\\u202e\": 3}", NULL,
			"[\"a\\\"\\\\\\x0A\\x1B[31m\\u{202E}\"]"},
		{0, "1", "2", "3", NULL, "the whole object"},
	};
	static const struct test_case quoted[] = {
		{0, "[{name: \"a\\\"]\", x: 1}]", "[{name: \"a\\\"]\", x: 2}]",
			"[{name: \"a\\\"]\", x: 3}]", NULL,
			"spec.template.spec.containers[name=\"a\\\"]\"].x"},
	};

	RUN(true, at_root, cases);
	RUN(true, at_containers, quoted);
}
END_TEST

/* As many levels as there can be, with long names: the message stays short. */
START_TEST (deep_and_long) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	const struct document_node *sides[3];
	g_autofree char *name = g_strnfill(90, 'n');
	struct document_node *merged = NULL;
	g_autoptr(GError) error = NULL;
	gint64 begin;

	for (int side = 0; side < 3; side++) {
		struct document_node *node =
			document_new_string(document, &"b\0t\0m"[2 * (size_t)side], 1);

		for (int depth = 1; depth < DOCUMENT_DEPTH_MAX; depth++) {
			struct document_node *object = document_new(document, DOCUMENT_OBJECT);

			document_set(object, depth == 1 ? "secret/leaf" : name, node);
			node = object;
		}
		sides[side] = node;
	}
	begin = cpu_time();
	ck_assert_int_eq(
		merge_three(document, NULL, sides[0], sides[1], sides[2], 0, &merged, &error),
		-EBUSY);
	ck_assert_int_lt(cpu_time() - begin, G_USEC_PER_SEC);
	ck_assert_uint_lt(strlen(error->message), 500);
	ck_assert(g_str_has_suffix(error->message, "nnn[\"secret/leaf\"]"));
	ck_assert_ptr_nonnull(strstr(error->message, ": ...."));
	ck_assert_int_eq(
		merge_three(document, NULL, sides[0], sides[0], sides[2], 0, &merged, NULL), 0);
	ck_assert(document_equal(merged, sides[2]));
}
END_TEST

START_TEST (long_names) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	GString *name = g_string_new(NULL);
	struct document_node *merged = NULL;
	const struct document_node *sides[3];
	g_autoptr(GError) error = NULL;

	for (int i = 0; i < 100000; i++)
		g_string_append(name, "\xE2\x80\xAE");
	for (int side = 0; side < 3; side++) {
		struct document_node *object = document_new(document, DOCUMENT_OBJECT);

		document_set(object, name->str,
			document_new_string(document, &"b\0t\0m"[2 * (size_t)side], 1));
		sides[side] = object;
	}
	ck_assert_int_eq(
		merge_three(document, NULL, sides[0], sides[1], sides[2], 0, &merged, &error),
		-EBUSY);
	ck_assert_uint_lt(strlen(error->message), 500);
	ck_assert(g_str_has_suffix(error->message, "\\u{202E}...\"]"));
	g_string_free(name, TRUE);
}
END_TEST

START_TEST (over_the_limit) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	DOCUMENT_CLEANUP struct document *small = document_create(0, 64);
	const struct document_node *base = read_yaml(document, &at_root, "{a: {b: 1}, c: [1, 2]}");
	struct document_node *merged = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(merge_three(small, NULL, base, base, base, 0, &merged, &error), -EFBIG);
	ck_assert_int_eq(error->code, EFBIG);
	ck_assert_ptr_null(merged);
}
END_TEST

enum { MANY = 10000 };

/* pieces: what stands before all, before the number, between it and the value, after it, after all.
 */
static void write_many(GString *text, const char *const pieces[5], int side)
{
	g_string_assign(text, pieces[0]);
	for (int i = 0; i < MANY; i++) {
		bool changed = (side == 1 && i == 0) || (side == 2 && i == MANY - 1);

		g_string_append_printf(text, "%s%s%d%s%s%s", i == 0 ? "" : ",", pieces[1],
			i * 7919 % MANY, pieces[2], changed ? "new" : "old", pieces[3]);
	}
	g_string_append(text, pieces[4]);
}

/* Milliseconds of processor time of a merge in which theirs changes the first of many and mine the
 * last. */
static double time_of(struct document *document, const struct schema *schema,
	const char *const pieces[5], struct document_node **ret_merged)
{
	const struct document_node *sides[3];
	g_autoptr(GString) text = g_string_new(NULL);
	clock_t begin;

	for (int side = 0; side < 3; side++) {
		write_many(text, pieces, side);
		sides[side] = read_yaml(document, &at_root, text->str);
	}
	begin = clock();
	ck_assert_int_eq(
		merge_three(document, schema, sides[0], sides[1], sides[2], 0, ret_merged, NULL),
		0);
	return (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
}

/* Times are for sanitizers; what is quadratic takes minutes. */
START_TEST (many) {
	static const char *const members[] = {"{data: {", "key", ": ", "", "}}"};
	static const char *const items[] = {"{spec: {template: {spec: {containers: [",
		"{name: name", ", image: ", "}", "]}}}}"};
	static const char *const values[] = {"{metadata: {finalizers: [", "", "-", "", "]}}"};
	static const char *const *const all[] = {members, items, values};
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct schema_set *set = openapi_apps();
	const struct schema *schema = schema_of_kind(set, "apps", "v1", "Deployment");

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		struct document_node *merged = NULL;
		double time = time_of(document, schema, all[i], &merged);

		printf("%s%s 10,000: %.1f ms\n", all[i][0], all[i][1], time);
		ck_assert_int_lt((int)time, 1000);
	}
	schema_set_unref(set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge");
	TCase *tcase = tcase_create("merge");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, leaves);
	tcase_add_test(tcase, one_lineage);
	tcase_add_test(tcase, types);
	tcase_add_test(tcase, nulls);
	tcase_add_test(tcase, deletions);
	tcase_add_test(tcase, additions);
	tcase_add_test(tcase, whole_lists);
	tcase_add_test(tcase, atomic_maps);
	tcase_add_test(tcase, keyed_lists);
	tcase_add_test(tcase, first_items);
	tcase_add_test(tcase, defaults_of_keys);
	tcase_add_test(tcase, duplicate_keys);
	tcase_add_test(tcase, missing_keys);
	tcase_add_test(tcase, sets);
	tcase_add_test(tcase, orders);
	tcase_add_test(tcase, names_in_messages);
	tcase_add_test(tcase, deep_and_long);
	tcase_add_test(tcase, long_names);
	tcase_add_test(tcase, over_the_limit);
	tcase_add_test(tcase, many);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
