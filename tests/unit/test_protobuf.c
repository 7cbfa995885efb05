/* cache/protobuf_read.h, with what it stands on */
#include "cache/protobuf_read.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "cache/json_write.h"
#include "cache/protobuf_text.h"
#include "cache/stored_form.h"
#include "client/protobuf_envelope.h"
#include "tests/unit/protobuf_build.h"

#define LIMIT ((size_t)1 << 28)

static const struct protobuf_kind *find(const char *api_version, const char *kind)
{
	return protobuf_find_kind(api_version, strlen(api_version), kind, strlen(kind));
}

/* Frees message. Returns what protobuf_read does; *ret_json is to be freed. */
static int decode(const char *api_version, const char *kind, GByteArray *message,
	enum protobuf_read_flags flags, char **ret_json)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;
	/* Its own block, so that a sanitizer sees a read behind the end. */
	size_t length = message->len;
	g_autofree char *bytes = g_memdup2(message->data, length);
	int result = protobuf_read(
		document, find(api_version, kind), bytes, length, flags, &root, &error);

	g_byte_array_unref(message);
	buffer_init(&buffer, LIMIT);
	ck_assert_int_eq(result, error == NULL ? 0 : -error->code);
	if (result < 0) {
		ck_assert_ptr_null(root);
		ck_assert_ptr_null(strchr(error->message, '\n'));
		return result;
	}
	ck_assert_int_eq(json_write(document, root, JSON_COMPACT, &buffer, NULL), 0);
	*ret_json = g_strndup(buffer.data, buffer.length);
	return 0;
}

static void expect(
	const char *api_version, const char *kind, GByteArray *message, const char *wanted)
{
	g_autofree char *got = NULL;

	ck_assert_int_eq(decode(api_version, kind, message, PROTOBUF_READ_ALL, &got), 0);
	ck_assert_str_eq(got, wanted);
}

static void refuse(const char *api_version, const char *kind, GByteArray *message, int errnum)
{
	g_autofree char *got = NULL;
	int result = decode(api_version, kind, message, PROTOBUF_READ_ALL, &got);

	ck_assert_msg(result == -errnum, "%d: %s", result, got);
}

static GByteArray *entry(const char *key, const void *value, size_t length)
{
	GByteArray *message = g_byte_array_new();

	build_text(message, 1, key);
	build_bytes(message, 2, value, length);
	return message;
}

static GByteArray *wrapped(uint32_t number, GByteArray *message)
{
	GByteArray *outer = g_byte_array_new();

	build_message(outer, number, message);
	return outer;
}

static GByteArray *bytes(const char *text, size_t length)
{
	GByteArray *message = g_byte_array_new();

	g_byte_array_append(message, (const guint8 *)text, (guint)length);
	return message;
}

START_TEST (kinds) {
	for (size_t i = 0; i < protobuf_kind_count; i++) {
		const struct protobuf_kind *kind = &protobuf_kinds[i];

		ck_assert_ptr_eq(find(kind->api_version, kind->kind), kind);
	}
	ck_assert_ptr_nonnull(find("v1", "Pod"));
	ck_assert_ptr_nonnull(find("apps/v1", "Deployment"));
	ck_assert_ptr_null(find("v1", "Po"));
	ck_assert_ptr_null(find("v1", "Pods"));
	ck_assert_ptr_null(find("v2", "Pod"));
	ck_assert_ptr_null(find("", ""));
	ck_assert_ptr_null(find("example.com/v1", "Thing"));
}
END_TEST

START_TEST (nothing_came) {
	expect("v1", "ConfigMap", g_byte_array_new(), "{\"metadata\":{}}");
	expect("v1", "Pod", g_byte_array_new(),
		"{\"metadata\":{},\"spec\":{\"containers\":null},\"status\":{}}");
	expect("rbac.authorization.k8s.io/v1", "Role", g_byte_array_new(),
		"{\"metadata\":{},\"rules\":null}");
	expect("coordination.k8s.io/v1", "Lease", g_byte_array_new(),
		"{\"metadata\":{},\"spec\":{}}");
	expect("v1", "Event", g_byte_array_new(),
		"{\"eventTime\":null,\"firstTimestamp\":null,\"involvedObject\":{},"
		"\"lastTimestamp\":null,\"metadata\":{},\"reportingComponent\":\"\","
		"\"reportingInstance\":\"\",\"source\":{}}");
	expect("apps/v1", "ControllerRevision", g_byte_array_new(),
		"{\"data\":null,\"metadata\":{},\"revision\":0}");
}
END_TEST

START_TEST (members) {
	GByteArray *object = g_byte_array_new();
	GByteArray *metadata = g_byte_array_new();
	GByteArray *time = g_byte_array_new();

	/* In no order. */
	build_message(object, 3, entry("b", "\x01\x02\xff", 3));
	build_message(object, 2, entry("z", "1", 1));
	build_message(object, 2, entry("a", "", 0));
	build_number(time, 1, 1700000000);
	build_number(time, 2, 0);
	build_message(metadata, 8, time);
	build_text(metadata, 1, "web");
	build_text(metadata, 6, "");
	build_number(metadata, 7, 0);
	build_number(metadata, 10, 0);
	build_text(metadata, 14, "x/one");
	build_text(metadata, 14, "");
	build_message(object, 1, metadata);
	build_number(object, 4, 0);
	expect("v1", "ConfigMap", object,
		"{\"binaryData\":{\"b\":\"AQL/\"},\"data\":{\"a\":\"\",\"z\":\"1\"},"
		"\"immutable\":false,\"metadata\":{\"creationTimestamp\":\"2023-11-14T22:13:20Z\","
		"\"deletionGracePeriodSeconds\":0,\"finalizers\":[\"x/"
		"one\",\"\"],\"name\":\"web\"}}");
}
END_TEST

START_TEST (map_without_value) {
	GByteArray *key = g_byte_array_new();

	build_text(key, 1, "a");
	expect("v1", "Secret", wrapped(2, key), "{\"data\":{\"a\":\"\"},\"metadata\":{}}");
	expect("v1", "Secret", wrapped(2, g_byte_array_new()),
		"{\"data\":{\"\":\"\"},\"metadata\":{}}");
}
END_TEST

START_TEST (not_utf8) {
	GByteArray *object = wrapped(2, entry("k\xc3",
						"\xff"
						"a\xed\xa0\x80\xc3\xa9",
						7));
	GByteArray *alike = wrapped(2, entry("k\xc3", "1", 1));

	expect("v1", "ConfigMap", object,
		"{\"data\":{\"k\xEF\xBF\xBD\":\"\xEF\xBF\xBD"
		"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
		"\xc3\xa9\"},\"metadata\":{}}");
	build_message(alike, 2, entry("k\xc4", "2", 1));
	refuse("v1", "ConfigMap", alike, EOPNOTSUPP);
}
END_TEST

START_TEST (numbers) {
	static const uint8_t packed[] = {1, 2, 0xac, 2};
	GByteArray *context = g_byte_array_new();
	GByteArray *spec = g_byte_array_new();

	build_number(context, 4, UINT64_MAX);
	build_bytes(context, 4, packed, sizeof(packed));
	build_number(context, 2, INT64_MAX);
	build_number(context, 3, 2);
	build_message(spec, 14, context);
	expect("v1", "Pod", wrapped(2, spec),
		"{\"metadata\":{},\"spec\":{\"containers\":null,\"securityContext\":"
		"{\"runAsNonRoot\":true,\"runAsUser\":9223372036854775807,"
		"\"supplementalGroups\":[-1,1,2,300]}},\"status\":{}}");
	spec = g_byte_array_new();
	build_number(spec, 2, UINT64_C(0xffffffff80000000));
	build_number(spec, 5, 100);
	expect("coordination.k8s.io/v1", "Lease", wrapped(2, spec),
		"{\"metadata\":{},\"spec\":{\"leaseDurationSeconds\":-2147483648,"
		"\"leaseTransitions\":100}}");
}
END_TEST

START_TEST (types_within_objects) {
	GByteArray *spec = g_byte_array_new();
	GByteArray *claim = g_byte_array_new();
	g_autofree char *got = NULL;

	build_message(spec, 4, claim);
	ck_assert_int_eq(decode("apps/v1", "StatefulSet", wrapped(2, spec), 0, &got), 0);
	ck_assert_ptr_nonnull(
		strstr(got, "\"volumeClaimTemplates\":[{\"apiVersion\":\"v1\",\"kind\":"
			    "\"PersistentVolumeClaim\",\"metadata\":{},\"spec\":{\"resources\":{}},"
			    "\"status\":{}}]"));
}
END_TEST

static GByteArray *quantity(const char *text)
{
	GByteArray *message = g_byte_array_new();
	GByteArray *hard = g_byte_array_new();

	build_text(message, 1, text);
	build_text(hard, 1, "cpu");
	build_message(hard, 2, message);
	return wrapped(2, wrapped(1, hard));
}

START_TEST (quantities) {
	expect("v1", "ResourceQuota", quantity("1500m"),
		"{\"metadata\":{},\"spec\":{\"hard\":{\"cpu\":\"1500m\"}},\"status\":{}}");
	refuse("v1", "ResourceQuota", quantity("1000m"), EOPNOTSUPP);
}
END_TEST

static GByteArray *port(uint64_t type, uint64_t number, const char *text)
{
	GByteArray *message = g_byte_array_new();
	GByteArray *service_port = g_byte_array_new();

	build_number(message, 1, type);
	build_number(message, 2, number);
	build_text(message, 3, text);
	build_message(service_port, 4, message);
	return wrapped(2, wrapped(1, service_port));
}

START_TEST (integers_or_strings) {
	expect("v1", "Service", port(0, 80, "x"),
		"{\"metadata\":{},\"spec\":{\"ports\":[{\"port\":0,\"targetPort\":80}]},"
		"\"status\":{\"loadBalancer\":{}}}");
	expect("v1", "Service", port(1, 80, "http"),
		"{\"metadata\":{},\"spec\":{\"ports\":[{\"port\":0,\"targetPort\":\"http\"}]},"
		"\"status\":{\"loadBalancer\":{}}}");
	refuse("v1", "Service", port(2, 80, "http"), EOPNOTSUPP);
}
END_TEST

static GByteArray *revision(const char *raw)
{
	GByteArray *extension = g_byte_array_new();

	build_text(extension, 1, raw);
	return wrapped(2, extension);
}

START_TEST (embedded_json) {
	g_autofree char *deep = g_strnfill(9998, '[');
	g_autofree char *end = g_strnfill(9998, ']');
	g_autofree char *deepest = g_strconcat(deep, end, NULL);
	g_autofree char *deeper = g_strconcat("[", deepest, "]", NULL);

	expect("apps/v1", "ControllerRevision", revision(" {\"b\":1.50,\"a\":[],\"b\":2}"),
		"{\"data\":{\"a\":[],\"b\":2},\"metadata\":{},\"revision\":0}");
	expect("apps/v1", "ControllerRevision", wrapped(2, g_byte_array_new()),
		"{\"data\":null,\"metadata\":{},\"revision\":0}");
	refuse("apps/v1", "ControllerRevision", revision(""), EOPNOTSUPP);
	refuse("apps/v1", "ControllerRevision", revision("\xd9\xd9\xf7\xa0"), EOPNOTSUPP);
	refuse("apps/v1", "ControllerRevision", revision("k8s"), EOPNOTSUPP);
	refuse("apps/v1", "ControllerRevision", revision("{"), EBADMSG);
	refuse("apps/v1", "ControllerRevision", revision(deeper), EFBIG);
}
END_TEST

static GByteArray *managed(const char *fields)
{
	GByteArray *raw = g_byte_array_new();
	GByteArray *managed_fields = g_byte_array_new();

	build_text(raw, 1, fields);
	build_text(managed_fields, 1, "kubectl");
	build_message(managed_fields, 7, raw);
	return wrapped(1, wrapped(17, managed_fields));
}

START_TEST (managed_fields) {
	g_autofree char *got = NULL;

	expect("v1", "ConfigMap", managed("{\"f:data\":{}}"),
		"{\"metadata\":{\"managedFields\":[{\"fieldsV1\":{\"f:data\":{}},"
		"\"manager\":\"kubectl\"}]}}");
	expect("v1", "ConfigMap", managed(""),
		"{\"metadata\":{\"managedFields\":[{\"fieldsV1\":null,\"manager\":\"kubectl\"}]}}");
	ck_assert_int_eq(decode("v1", "ConfigMap", managed("{\"f:data\":{}}"),
				 PROTOBUF_READ_WITHOUT_FIELDS_V1, &got),
		0);
	ck_assert_str_eq(got,
		"{\"metadata\":{\"managedFields\":[{\"fieldsV1\":null,\"manager\":\"kubectl\"}]}}");
}
END_TEST

/* A definition whose one version has that schema. */
static GByteArray *definition(GByteArray *schema)
{
	GByteArray *version = wrapped(4, wrapped(1, schema));

	return wrapped(2, wrapped(7, version));
}

static void expect_schema(GByteArray *schema, const char *wanted)
{
	g_autofree char *expected = g_strdup_printf("\"schema\":{\"openAPIV3Schema\":%s}", wanted);
	g_autofree char *got = NULL;
	int result = decode("apiextensions.k8s.io/v1", "CustomResourceDefinition",
		definition(schema), PROTOBUF_READ_ALL, &got);

	ck_assert_int_eq(result, 0);
	ck_assert_msg(strstr(got, expected) != NULL, "%s: not in %s", expected, got);
}

static GByteArray *typed(const char *type)
{
	GByteArray *schema = g_byte_array_new();

	build_text(schema, 5, type);
	return schema;
}

START_TEST (schemas) {
	GByteArray *items = g_byte_array_new();
	GByteArray *allowed = g_byte_array_new();
	GByteArray *dependency = g_byte_array_new();
	GByteArray *schema = g_byte_array_new();

	expect_schema(
		wrapped(24, wrapped(1, typed("string"))), "{\"items\":{\"type\":\"string\"}}");
	build_message(items, 2, typed("string"));
	build_message(items, 2, g_byte_array_new());
	expect_schema(wrapped(24, items), "{\"items\":[{\"type\":\"string\"},{}]}");
	expect_schema(wrapped(24, g_byte_array_new()), "{\"items\":null}");
	build_number(allowed, 1, 1);
	expect_schema(wrapped(30, allowed), "{\"additionalProperties\":true}");
	expect_schema(wrapped(30, g_byte_array_new()), "{\"additionalProperties\":false}");
	expect_schema(wrapped(30, wrapped(2, typed("string"))),
		"{\"additionalProperties\":{\"type\":\"string\"}}");
	build_text(dependency, 2, "a");
	build_message(schema, 32, entry("x", dependency->data, dependency->len));
	expect_schema(schema, "{\"dependencies\":{\"x\":[\"a\"]}}");
	g_byte_array_unref(dependency);
}
END_TEST

static GByteArray *maximum(double value)
{
	GByteArray *schema = g_byte_array_new();

	build_varint(schema, 9 << 3 | 1);
	for (size_t i = 0; i < 8; i++) {
		uint64_t bits;

		memcpy(&bits, &value, sizeof(bits));
		g_byte_array_append(schema, (const guint8[]){(guint8)(bits >> 8 * i)}, 1);
	}
	return schema;
}

START_TEST (doubles) {
	expect_schema(maximum(0.5), "{\"maximum\":0.5}");
	expect_schema(maximum(100), "{\"maximum\":100}");
	expect_schema(maximum(-0.0), "{\"maximum\":0}");
	expect_schema(maximum(1e30), "{\"maximum\":1e+30}");
	refuse("apiextensions.k8s.io/v1", "CustomResourceDefinition",
		definition(maximum(strtod("inf", NULL))), EOPNOTSUPP);
}
END_TEST

START_TEST (unknown) {
	GByteArray *twice = g_byte_array_new();
	GByteArray *cleared = g_byte_array_new();
	GByteArray *keys = g_byte_array_new();
	GByteArray *wire = g_byte_array_new();

	refuse("v1", "ConfigMap", wrapped(9, g_byte_array_new()), EOPNOTSUPP);
	refuse("v1", "ConfigMap", wrapped(1, wrapped(99, g_byte_array_new())), EOPNOTSUPP);
	/* A number where a string is wanted, and the other way round. */
	build_number(wire, 1, 1);
	refuse("v1", "ConfigMap", wrapped(1, wire), EOPNOTSUPP);
	refuse("v1", "ConfigMap", wrapped(4, g_byte_array_new()), EOPNOTSUPP);
	build_message(twice, 1, g_byte_array_new());
	build_message(twice, 1, g_byte_array_new());
	refuse("v1", "ConfigMap", twice, EOPNOTSUPP);
	build_text(cleared, 1, "web");
	build_text(cleared, 1, "");
	refuse("v1", "ConfigMap", wrapped(1, cleared), EOPNOTSUPP);
	build_message(keys, 2, entry("a", "1", 1));
	build_message(keys, 2, entry("a", "2", 1));
	refuse("v1", "ConfigMap", keys, EOPNOTSUPP);
	/* A group. */
	refuse("v1", "ConfigMap", bytes("\x0b\x0c", 2), EOPNOTSUPP);
}
END_TEST

START_TEST (malformed) {
	refuse("v1", "ConfigMap", bytes("\x0a", 1), EBADMSG);
	refuse("v1", "ConfigMap", bytes("\x0a\x05web", 5), EBADMSG);
	refuse("v1", "ConfigMap", bytes("\x02\x00", 2), EBADMSG);
	refuse("v1", "ConfigMap", bytes("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
		EBADMSG);
	refuse("v1", "ConfigMap", bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
		EBADMSG);
	refuse("v1", "ConfigMap", bytes("\x20\x80", 2), EBADMSG);
	refuse("v1", "ConfigMap", bytes("\x12\x02\x0a\x05", 4), EBADMSG);
}
END_TEST

START_TEST (depth) {
	GByteArray *shallow = g_byte_array_new();
	GByteArray *deep = g_byte_array_new();
	g_autofree char *got = NULL;

	for (int i = 0; i < 190; i++)
		shallow = wrapped(28, shallow);
	for (int i = 0; i < PROTOBUF_DEPTH_MAX; i++)
		deep = wrapped(28, deep);
	refuse("apiextensions.k8s.io/v1", "CustomResourceDefinition", definition(deep), EFBIG);
	expect_schema(wrapped(28, typed("x")), "{\"not\":{\"type\":\"x\"}}");
	ck_assert_int_eq(decode("apiextensions.k8s.io/v1", "CustomResourceDefinition",
				 definition(shallow), PROTOBUF_READ_ALL, &got),
		0);
}
END_TEST

START_TEST (memory_limit) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, 100000);
	g_autoptr(GByteArray) spec = g_byte_array_new();
	g_autoptr(GByteArray) pod = g_byte_array_new();
	struct document_node *root = NULL;

	for (int i = 0; i < 10000; i++)
		build_bytes(spec, 2, "", 0);
	build_bytes(pod, 2, spec->data, spec->len);
	ck_assert_int_eq(protobuf_read(document, find("v1", "Pod"), (const char *)pod->data,
				 pod->len, 0, &root, NULL),
		-EFBIG);
	ck_assert_ptr_null(root);
}
END_TEST

/* Keys that come in any order are no reason to take long. */
START_TEST (many_keys) {
	GByteArray *object = g_byte_array_new();
	g_autofree char *got = NULL;

	for (uint32_t i = 0; i < 200000; i++) {
		char key[16];

		g_snprintf(key, sizeof(key), "%u", i * 2654435761U);
		build_message(object, 2, entry(key, "", 0));
	}
	ck_assert_int_eq(decode("v1", "ConfigMap", object, PROTOBUF_READ_ALL, &got), 0);
}
END_TEST

static int decode_envelope(const GByteArray *envelope, char **ret_json)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root;
	g_autoptr(GError) error = NULL;
	int result = protobuf_read_envelope(document, (const char *)envelope->data, envelope->len,
		PROTOBUF_READ_ALL, &root, &error);

	buffer_init(&buffer, LIMIT);
	ck_assert_int_eq(result, error == NULL ? 0 : -error->code);
	if (result < 0)
		return result;
	ck_assert_int_eq(json_write(document, root, JSON_COMPACT, &buffer, NULL), 0);
	*ret_json = g_strndup(buffer.data, buffer.length);
	return 0;
}

START_TEST (envelopes) {
	g_autoptr(GByteArray) good = build_envelope("v1", "ConfigMap", "", 0);
	g_autoptr(GByteArray) kind = build_envelope("example.com/v1", "Thing", "", 0);
	g_autoptr(GByteArray) json = build_envelope("v1", "ConfigMap", "{}", 2);
	g_autoptr(GByteArray) content = g_byte_array_new();
	g_autofree char *got = NULL;

	ck_assert_int_eq(decode_envelope(good, &got), 0);
	ck_assert_str_eq(got, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{}}");
	ck_assert_int_eq(decode_envelope(kind, &got), -EOPNOTSUPP);
	g_byte_array_append(content, json->data, json->len - 2);
	build_text(content, 4, "application/json");
	ck_assert_int_eq(decode_envelope(content, &got), -EOPNOTSUPP);
	g_byte_array_set_size(content, 0);
	g_byte_array_append(content, good->data, good->len - 2);
	build_text(content, 4, "application/vnd.kubernetes.protobuf");
	g_free(g_steal_pointer(&got));
	ck_assert_int_eq(decode_envelope(content, &got), 0);
	build_text(content, 5, "");
	ck_assert_int_eq(decode_envelope(content, &got), -EOPNOTSUPP);
	for (guint length = 0; length < 21; length++) {
		g_autoptr(GByteArray) part = g_byte_array_new();

		g_byte_array_append(part, good->data, length);
		/* An empty one has no kind. */
		ck_assert_int_eq(decode_envelope(part, &got), length == 4 ? -EOPNOTSUPP : -EBADMSG);
	}
}
END_TEST

static void expect_time(int64_t seconds, int microseconds, const char *wanted)
{
	char text[PROTOBUF_TEXT_MAX];
	size_t length = protobuf_print_time(seconds, microseconds, text);

	ck_assert_msg(length == strlen(wanted) && memcmp(text, wanted, length) == 0,
		"%.*s is not %s", (int)length, text, wanted);
}

START_TEST (times) {
	expect_time(0, -1, "1970-01-01T00:00:00Z");
	expect_time(0, 7, "1970-01-01T00:00:00.000007Z");
	expect_time(-1, 999999, "1969-12-31T23:59:59.999999Z");
	expect_time(951782400, -1, "2000-02-29T00:00:00Z");
	expect_time(4107542399, -1, "2100-02-28T23:59:59Z");
	expect_time(4107542400, -1, "2100-03-01T00:00:00Z");
	expect_time(-62135596800, -1, "0001-01-01T00:00:00Z");
	expect_time(-62167219200, -1, "0000-01-01T00:00:00Z");
	expect_time(253402300799, -1, "9999-12-31T23:59:59Z");
	expect_time(-62167219201, -1, "");
	expect_time(253402300800, -1, "");
	expect_time(INT64_MIN, -1, "");
	expect_time(INT64_MAX, -1, "");
	for (int64_t day = -719528; day < 2932897; day += 61) {
		char text[PROTOBUF_TEXT_MAX], wanted[32];
		time_t seconds = day * 86400 + 3661;
		struct tm tm;
		size_t length = protobuf_print_time(seconds, -1, text);

		gmtime_r(&seconds, &tm);
		g_snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT01:01:01Z", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday);
		ck_assert_uint_eq(length, strlen(wanted));
		ck_assert_mem_eq(text, wanted, length);
	}
}
END_TEST

START_TEST (durations) {
	static const struct {
		int64_t nanoseconds;
		const char *wanted;
	} cases[] = {
		{0, "0s"},
		{1, "1ns"},
		{1100, "1.1\xC2\xB5s"},
		{2200000, "2.2ms"},
		{3300000000, "3.3s"},
		{60000000000, "1m0s"},
		{3600000000000, "1h0m0s"},
		{245000000000, "4m5s"},
		{245001000000, "4m5.001s"},
		{18367001000000, "5h6m7.001s"},
		{480000000001, "8m0.000000001s"},
		{-90000000000, "-1m30s"},
		{INT64_MAX, "2562047h47m16.854775807s"},
		{INT64_MIN, "-2562047h47m16.854775808s"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		char text[PROTOBUF_TEXT_MAX];
		size_t length = protobuf_print_duration(cases[i].nanoseconds, text);

		ck_assert_uint_eq(length, strlen(cases[i].wanted));
		ck_assert_mem_eq(text, cases[i].wanted, length);
	}
}
END_TEST

START_TEST (quantity_texts) {
	static const char *const good[] = {"0", "1", "-1", "1500m", "250", "1e3", "5E6", "9e-9",
		"2Ki", "8Ki", "16Gi", "1Ei", "-8Ki", "9223372036854775807", "123456789012345678901",
		"1.500", "1.", "+5", "007", "7Ei", "12e0"};
	static const char *const bad[] = {"", "00", "-0", "+", "-", "1000", "1000m", "1.5", "0.5",
		"1024Ki", "8Ei", "1.5Gi", "1e2", "1e1000", "1e", "e3", "m", "1mm", "1Ki ", " 1",
		"1 ", "1K", "1e+", "0Ki", "12345678901234567890Ki", "1e99999999999", "1x", "0x10",
		"1e-12"};

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
		ck_assert_msg(protobuf_is_quantity(good[i], strlen(good[i])), "%s", good[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		ck_assert_msg(!protobuf_is_quantity(bad[i], strlen(bad[i])), "%s", bad[i]);
	ck_assert(!protobuf_is_quantity("1\0", 2));
	ck_assert(!protobuf_is_quantity("1\0i", 3));
}
END_TEST

START_TEST (stored_forms) {
	static const char encrypted[] = "k8s:enc:aescbc:v1:key1:\x01\x02";
	size_t length;
	const char *provider = stored_provider(encrypted, sizeof(encrypted) - 1, &length);

	ck_assert_int_eq(stored_form("k8s\0\n", 5), STORED_PROTOBUF);
	ck_assert_int_eq(stored_form("k8s", 3), STORED_OTHER);
	ck_assert_int_eq(stored_form("{\"a\":1}", 7), STORED_JSON);
	ck_assert_int_eq(stored_form("\xd9\xd9\xf7\xa0", 4), STORED_CBOR);
	ck_assert_int_eq(stored_form("", 0), STORED_OTHER);
	ck_assert_int_eq(stored_form(encrypted, sizeof(encrypted) - 1), STORED_ENCRYPTED);
	ck_assert_uint_eq(length, 6);
	ck_assert_mem_eq(provider, "aescbc", 6);
	stored_provider("k8s:enc:", 8, &length);
	ck_assert_uint_eq(length, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protobuf");
	TCase *tcase = tcase_create("protobuf");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, kinds);
	tcase_add_test(tcase, nothing_came);
	tcase_add_test(tcase, members);
	tcase_add_test(tcase, map_without_value);
	tcase_add_test(tcase, not_utf8);
	tcase_add_test(tcase, numbers);
	tcase_add_test(tcase, types_within_objects);
	tcase_add_test(tcase, quantities);
	tcase_add_test(tcase, integers_or_strings);
	tcase_add_test(tcase, embedded_json);
	tcase_add_test(tcase, managed_fields);
	tcase_add_test(tcase, schemas);
	tcase_add_test(tcase, doubles);
	tcase_add_test(tcase, unknown);
	tcase_add_test(tcase, malformed);
	tcase_add_test(tcase, depth);
	tcase_add_test(tcase, memory_limit);
	tcase_add_test(tcase, many_keys);
	tcase_add_test(tcase, envelopes);
	tcase_add_test(tcase, times);
	tcase_add_test(tcase, durations);
	tcase_add_test(tcase, quantity_texts);
	tcase_add_test(tcase, stored_forms);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
