/* The Kubernetes source's changes, old versions, schemas and warnings, against a scripted server.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/json_text.h"
#include "client/kubernetes.h"
#include "client/kubernetes_refusal.h"
#include "client/kubernetes_warning.h"
#include "tests/unit/http_fixture.h"

#define JSON "Content-Type: application/json\r\n"
#define CANARY "c4n4ry-v4lu3"
#define MODES "?fieldValidation=Strict&fieldManager=kubefs"

static struct resource deployments = {
	.group = (char *)"apps",
	.version = (char *)"v1",
	.plural = (char *)"deployments",
	.kind = (char *)"Deployment",
	.name = (char *)"deployments.apps",
	.namespaced = TRUE,
	.references = 1,
};

static struct resource secrets = {
	.group = (char *)"",
	.version = (char *)"v1",
	.plural = (char *)"secrets",
	.kind = (char *)"Secret",
	.name = (char *)"secrets",
	.namespaced = TRUE,
	.references = 1,
};

static const struct source_scope web = {
	.resource = &deployments, .namespace = "default", .name = "web"};
static const struct source_scope web_status = {
	.resource = &deployments, .namespace = "default", .name = "web", .subresource = "status"};
static const struct source_scope web_scale = {
	.resource = &deployments, .namespace = "default", .name = "web", .subresource = "scale"};
static const struct source_scope token = {
	.resource = &secrets, .namespace = "default", .name = "token"};

static struct {
	struct fixture http;
	struct strand *strand;
	struct source *source;
	struct source_call *call;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by the lock. */
	gboolean done;
	struct source_result result; /* its strings are owned */
	GPtrArray *causes;
	gboolean uncertain;
	char *item; /* "v1 Secret {...}", or NULL */
	GString *warnings; /* a line each */
} fixture;

static void note_warning(void *data, const char *text)
{
	pthread_mutex_lock(&fixture.lock);
	g_string_append_printf(fixture.warnings, "%s\n", text);
	pthread_mutex_unlock(&fixture.lock);
}

static void setup(void)
{
	memset(&fixture, 0, sizeof(fixture));
	fixture_init(&fixture.http);
	fixture_connect(&fixture.http);
	fixture.source = kubernetes_source_create(g_steal_pointer(&fixture.http.client));
	fixture.strand = strand_create(fixture.http.pool);
	fixture.causes = g_ptr_array_new_with_free_func(g_free);
	fixture.warnings = g_string_new(NULL);
	pthread_mutex_init(&fixture.lock, NULL);
	pthread_cond_init(&fixture.changed, NULL);
	fixture.source->ops->on_warning(fixture.source, note_warning, NULL);
}

static void forget(void)
{
	g_free((char *)fixture.result.reason);
	g_free((char *)fixture.result.message);
	g_clear_pointer(&fixture.item, g_free);
	g_ptr_array_set_size(fixture.causes, 0);
	fixture.done = FALSE;
	fixture.uncertain = FALSE;
}

static void teardown(void)
{
	fixture.source->ops->destroy(fixture.source);
	strand_unref(fixture.strand);
	fixture_finish(&fixture.http);
	forget();
	g_ptr_array_unref(fixture.causes);
	g_string_free(fixture.warnings, TRUE);
	pthread_mutex_destroy(&fixture.lock);
	pthread_cond_destroy(&fixture.changed);
}

static void note_result(const struct source_result *result, const struct source_item *item)
{
	ck_assert(strand_is_current(fixture.strand));
	pthread_mutex_lock(&fixture.lock);
	ck_assert(!fixture.done);
	fixture.result = *result;
	fixture.result.reason = g_strdup(result->reason);
	fixture.result.message = g_strdup(result->message);
	if (item != NULL)
		fixture.item = g_strdup_printf(
			"%s %s %.*s", item->api_version, item->kind, (int)item->length, item->json);
	fixture.done = TRUE;
	pthread_cond_broadcast(&fixture.changed);
	pthread_mutex_unlock(&fixture.lock);
}

static void on_changed(void *data, const struct source_change_result *result)
{
	for (guint i = 0; i < result->causes->len; i++)
		g_ptr_array_add(fixture.causes, g_strdup(g_ptr_array_index(result->causes, i)));
	ck_assert(result->result.errnum == 0 || result->item == NULL);
	ck_assert(result->result.errnum != 0 || !result->uncertain);
	fixture.uncertain = result->uncertain;
	note_result(&result->result, result->item);
}

static void on_got(void *data, const struct source_result *result, const struct source_item *item)
{
	ck_assert((result->errnum == 0) == (item != NULL));
	note_result(result, item);
}

static const struct source_change_handlers change_handlers = {on_changed};
static const struct source_get_handlers get_handlers = {on_got};

static void wait_end(void)
{
	const struct timespec until = {.tv_sec = time(NULL) + 30};

	pthread_mutex_lock(&fixture.lock);
	while (!fixture.done)
		ck_assert_int_eq(
			pthread_cond_timedwait(&fixture.changed, &fixture.lock, &until), 0);
	pthread_mutex_unlock(&fixture.lock);
	fixture.call = source_call_unref(fixture.call);
}

/* body is NULL for a delete. */
static void begin(enum source_verb verb, const struct source_scope *scope, const char *body,
	const char *uid, gboolean dry_run)
{
	g_autoptr(GBytes) bytes = body != NULL ? g_bytes_new_static(body, strlen(body)) : NULL;
	const struct source_change change = {
		.verb = verb, .scope = scope, .body = bytes, .uid = uid, .dry_run = dry_run};

	forget();
	fixture.result = (struct source_result){0};
	fixture.call = fixture.source->ops->change(
		fixture.source, &change, &change_handlers, NULL, fixture.strand);
}

static void create(const struct source_scope *scope)
{
	begin(SOURCE_CREATE, scope, "{\"a\":1}", NULL, FALSE);
	wait_end();
}

static void update(const struct source_scope *scope)
{
	begin(SOURCE_UPDATE, scope, "{\"a\":1}", NULL, FALSE);
	wait_end();
}

static void delete (const char *uid)
{
	begin(SOURCE_DELETE, &web, NULL, uid, FALSE);
	wait_end();
}

static void get(const struct source_scope *scope)
{
	forget();
	fixture.result = (struct source_result){0};
	fixture.call = fixture.source->ops->get(
		fixture.source, scope, &get_handlers, NULL, fixture.strand);
	wait_end();
}

static void get_at(const char *version)
{
	forget();
	fixture.result = (struct source_result){0};
	fixture.call = fixture.source->ops->get_at(
		fixture.source, &web, version, &get_handlers, NULL, fixture.strand);
	wait_end();
}

static void schema(const struct resource *resource)
{
	forget();
	fixture.result = (struct source_result){0};
	fixture.call = fixture.source->ops->schema(
		fixture.source, resource, &get_handlers, NULL, fixture.strand);
	wait_end();
}

static void respond(const char *status, const char *body)
{
	scripted_server_respond(fixture.http.server, status, JSON, body);
}

static void respond_with(const char *status, const char *extra, const char *body)
{
	g_autofree char *head = g_strconcat(JSON, extra, NULL);

	scripted_server_respond(fixture.http.server, status, head, body);
}

static void respond_with_end(const char *bytes, enum scripted_end end)
{
	const struct scripted_answer answer = {.bytes = bytes, .end = end};

	scripted_server_add(fixture.http.server, &answer);
}

static void expect_success(const char *item)
{
	ck_assert_msg(fixture.result.errnum == 0, "%s", fixture.result.message);
	ck_assert(!fixture.uncertain);
	ck_assert_uint_eq(fixture.causes->len, 0);
	if (item == NULL)
		ck_assert_ptr_null(fixture.item);
	else
		ck_assert_str_eq(fixture.item, item);
}

/* The message begins with the server and ends like this. */
static void expect_failure(int errnum, gboolean uncertain, const char *ending)
{
	ck_assert_msg(fixture.result.errnum == errnum, "%d %s", fixture.result.errnum,
		fixture.result.message);
	ck_assert_int_eq(fixture.uncertain, uncertain);
	ck_assert_ptr_null(fixture.item);
	ck_assert_msg(
		g_str_has_suffix(fixture.result.message, ending), "%s", fixture.result.message);
	ck_assert_msg(
		strstr(fixture.result.message, scripted_server_url(fixture.http.server)) != NULL,
		"%s", fixture.result.message);
}

/* A line each. */
static void expect_causes(const char *lines)
{
	g_autoptr(GString) found = g_string_new(NULL);

	for (guint i = 0; i < fixture.causes->len; i++)
		g_string_append_printf(
			found, "%s\n", (const char *)g_ptr_array_index(fixture.causes, i));
	ck_assert_str_eq(found->str, lines);
}

static void expect_requests(unsigned int count)
{
	ck_assert_uint_eq(scripted_server_requests(fixture.http.server), count);
}

/* The request with this index begins with "METHOD TARGET " and ends with body. */
static void expect_request(unsigned int index, const char *line, const char *body)
{
	g_autofree char *request = scripted_server_request(fixture.http.server, index);
	g_autofree char *beginning = g_strconcat(line, " ", NULL);
	g_autofree char *ending = g_strconcat("\r\n\r\n", body, NULL);

	ck_assert_msg(g_str_has_prefix(request, beginning), "%s", request);
	ck_assert_msg(g_str_has_suffix(request, ending), "%s", request);
}

static void expect_warnings(const char *lines)
{
	ck_assert_str_eq(fixture.warnings->str, lines);
	g_string_truncate(fixture.warnings, 0);
}

/* What is sent, and what comes back */

START_TEST (create_posts_to_the_collection) {
	const struct source_scope nameless = {.resource = &secrets, .namespace = "n s"};
	g_autofree char *request = NULL;

	respond("201 Created", "{\"kind\":\"Deployment\",\"b\":1}\n");
	create(&web);
	expect_success("apps/v1 Deployment {\"kind\":\"Deployment\",\"b\":1}");
	ck_assert_int_eq(fixture.result.status, 201);
	expect_request(0, "POST /apis/apps/v1/namespaces/default/deployments" MODES, "{\"a\":1}");
	request = scripted_server_request(fixture.http.server, 0);
	ck_assert_ptr_nonnull(strstr(request, "ontent-Type: application/json\r\n"));
	respond("201 Created", "{}");
	create(&nameless);
	expect_success("v1 Secret {}");
	expect_request(1, "POST /api/v1/namespaces/n%20s/secrets" MODES, "{\"a\":1}");
}
END_TEST

START_TEST (update_puts_the_object) {
	respond("200 OK", "{\"b\":2}");
	update(&web);
	expect_success("apps/v1 Deployment {\"b\":2}");
	expect_request(
		0, "PUT /apis/apps/v1/namespaces/default/deployments/web" MODES, "{\"a\":1}");
}
END_TEST

START_TEST (subresources_have_paths_of_their_own) {
	respond("200 OK", "{}");
	update(&web_status);
	expect_success("apps/v1 Deployment {}");
	expect_request(0, "PUT /apis/apps/v1/namespaces/default/deployments/web/status" MODES,
		"{\"a\":1}");
	respond("200 OK", "{}");
	update(&web_scale);
	expect_success("autoscaling/v1 Scale {}");
	expect_request(
		1, "PUT /apis/apps/v1/namespaces/default/deployments/web/scale" MODES, "{\"a\":1}");
	respond("200 OK", "{}");
	get(&web_status);
	expect_success("apps/v1 Deployment {}");
	expect_request(2, "GET /apis/apps/v1/namespaces/default/deployments/web/status", "");
	respond("200 OK", "{}");
	get(&web_scale);
	expect_success("autoscaling/v1 Scale {}");
	expect_request(3, "GET /apis/apps/v1/namespaces/default/deployments/web/scale", "");
}
END_TEST

#define SUCCESS "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Success\"}"
#define OPTIONS "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","

START_TEST (delete_holds_the_uid) {
	respond("200 OK", SUCCESS);
	delete ("u-1");
	expect_success(NULL);
	expect_request(0, "DELETE /apis/apps/v1/namespaces/default/deployments/web",
		OPTIONS
		"\"preconditions\":{\"uid\":\"u-1\"},\"propagationPolicy\":\"Background\"}");
	respond("200 OK", SUCCESS);
	delete (NULL);
	expect_success(NULL);
	expect_request(1, "DELETE /apis/apps/v1/namespaces/default/deployments/web",
		OPTIONS "\"propagationPolicy\":\"Background\"}");
}
END_TEST

/* Some kinds answer with the last state of what is gone, some with what is left. */
START_TEST (delete_tells_what_is_left) {
	static const struct {
		const char *object;
		gboolean left;
	} cases[] = {
		{"{\"metadata\":{\"name\":\"web\"}}", FALSE},
		{"{\"metadata\":{\"name\":\"web\",\"finalizers\":[\"a/b\"]}}", FALSE},
		{"{\"metadata\":{\"deletionTimestamp\":null}}", FALSE},
		{"{\"metadata\":{\"deletionTimestamp\":\"2024\",\"finalizers\":[\"a/b\"]}}", TRUE},
		{"{\"metadata\":{\"deletionTimestamp\":\"2024\",\"finalizers\":[]}}", FALSE},
		{"{\"metadata\":{\"deletionTimestamp\":\"2024\","
		 "\"deletionGracePeriodSeconds\":30}}",
			TRUE},
		{"{\"metadata\":{\"deletionTimestamp\":\"2024\","
		 "\"deletionGracePeriodSeconds\":0}}",
			FALSE},
		{"{\"metadata\":{\"deletionTimestamp\":\"2024\"},"
		 "\"spec\":{\"finalizers\":[\"kubernetes\"]}}",
			TRUE},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *item = g_strconcat("apps/v1 Deployment ", cases[i].object, NULL);

		respond("200 OK", cases[i].object);
		delete ("u");
		expect_success(cases[i].left ? item : NULL);
	}
}
END_TEST

START_TEST (a_dry_run_says_so) {
	respond("201 Created", "{\"b\":1}");
	begin(SOURCE_CREATE, &web, "{}", NULL, TRUE);
	wait_end();
	expect_success("apps/v1 Deployment {\"b\":1}");
	expect_request(
		0, "POST /apis/apps/v1/namespaces/default/deployments" MODES "&dryRun=All", "{}");
	respond("200 OK", "{}");
	begin(SOURCE_UPDATE, &web, "{}", NULL, TRUE);
	wait_end();
	expect_request(1,
		"PUT /apis/apps/v1/namespaces/default/deployments/web" MODES "&dryRun=All", "{}");
	respond("200 OK", SUCCESS);
	begin(SOURCE_DELETE, &web, NULL, "u", TRUE);
	wait_end();
	expect_success(NULL);
	expect_request(2, "DELETE /apis/apps/v1/namespaces/default/deployments/web?dryRun=All",
		OPTIONS "\"preconditions\":{\"uid\":\"u\"},\"propagationPolicy\":\"Background\","
			"\"dryRun\":[\"All\"]}");
}
END_TEST

START_TEST (names_that_are_no_segments_are_not_sent) {
	const struct source_scope slash = {
		.resource = &deployments, .namespace = "default", .name = "a/scale"};

	update(&slash);
	ck_assert_int_eq(fixture.result.errnum, ENOENT);
	ck_assert(!fixture.uncertain);
	expect_requests(0);
}
END_TEST

/* Refusals */

static void respond_status(
	const char *status, const char *reason, const char *message, const char *details)
{
	g_autofree char *body = g_strdup_printf(
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
		"\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d%s%s}",
		message, reason, atoi(status), *details != '\0' ? ",\"details\":" : "", details);

	respond(status, body);
}

START_TEST (a_conflict_is_told_from_what_exists) {
	respond_status("409 Conflict", "Conflict", "the object has been modified", "");
	update(&web);
	expect_failure(EBUSY, FALSE, ": the object has been modified (409 Conflict)");
	ck_assert_str_eq(fixture.result.reason, "Conflict");
	ck_assert_int_eq(fixture.result.status, 409);
	respond_status("409 Conflict", "AlreadyExists", "it already exists", "");
	create(&web);
	expect_failure(EEXIST, FALSE, ": it already exists (409 AlreadyExists)");
	ck_assert_str_eq(fixture.result.reason, "AlreadyExists");
	ck_assert_uint_eq(fixture.causes->len, 0);
}
END_TEST

START_TEST (an_invalid_object_is_told_field_by_field) {
	respond_status("422 Unprocessable Entity", "Invalid", "it is invalid",
		"{\"causes\":["
		"{\"reason\":\"FieldValueInvalid\",\"field\":\"spec.replicas\","
		"\"message\":\"Invalid value: -1: must be\\u001b\\n greater\"},"
		"{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\"},"
		"{\"reason\":\"FieldValueForbidden\",\"field\":\"spec.selector\"},{},7]}");
	update(&web);
	expect_failure(EINVAL, FALSE, ": it is invalid (422 Invalid)");
	expect_causes("spec.replicas: Invalid value: -1: must be\\x1B\\x0A greater\n"
		      "Required value\n"
		      "spec.selector: Forbidden\n");
}
END_TEST

START_TEST (causes_have_a_limit) {
	GString *details = g_string_new("{\"causes\":[");
	g_autofree char *field = g_strnfill(KUBERNETES_CAUSE_BYTES_MAX * 2, 'f');

	for (int i = 0; i < KUBERNETES_CAUSES_MAX + 5; i++)
		g_string_append_printf(details, "%s{\"field\":\"%s\",\"message\":\"m\"}",
			i > 0 ? "," : "", i > 0 ? "f" : field);
	g_string_append(details, "]}");
	respond_status("422 Unprocessable Entity", "Invalid", "m", details->str);
	g_string_free(details, TRUE);
	update(&web);
	ck_assert_uint_eq(fixture.causes->len, KUBERNETES_CAUSES_MAX + 1);
	ck_assert_uint_eq(strlen(g_ptr_array_index(fixture.causes, 0)), KUBERNETES_CAUSE_BYTES_MAX);
	ck_assert_str_eq(g_ptr_array_index(fixture.causes, 1), "f: m");
	ck_assert_str_eq(g_ptr_array_index(fixture.causes, KUBERNETES_CAUSES_MAX), "and 5 more");
}
END_TEST

START_TEST (strict_decoding_is_told_line_by_line) {
	respond_status("400 Bad Request", "BadRequest",
		"Deployment in version \\\"v1\\\" cannot be handled as a Deployment: strict "
		"decoding error: unknown field \\\"spec.foo\\\", duplicate field "
		"\\\"spec.a\\\\\\\", b\\\", json: odd",
		"");
	update(&web);
	ck_assert_int_eq(fixture.result.errnum, EINVAL);
	ck_assert(!fixture.uncertain);
	expect_causes("unknown field \"spec.foo\"\n"
		      "duplicate field \"spec.a\\\", b\"\n"
		      "json: odd\n");
}
END_TEST

START_TEST (another_unreadable_body_has_no_causes) {
	respond_status("400 Bad Request", "BadRequest", "illegal base64 data at input byte 4", "");
	update(&web);
	expect_failure(EINVAL, FALSE, ": illegal base64 data at input byte 4 (400 BadRequest)");
	ck_assert_uint_eq(fixture.causes->len, 0);
}
END_TEST

START_TEST (a_status_in_place_of_the_object_is_told) {
	respond("200 OK", SUCCESS);
	update(&web);
	expect_failure(EPROTO, TRUE, ": a Status stands for the object");
	respond("200 OK", "{\"kind\":\"Status\",\"status\":\"Failure\"}");
	delete ("u");
	expect_failure(EPROTO, TRUE, ": a Status stands for the object");
}
END_TEST

/* Secrets */

static void expect_no_canary(void)
{
	ck_assert_ptr_null(strstr(fixture.result.message, CANARY));
	ck_assert_ptr_null(strstr(fixture.result.reason, CANARY));
	for (guint i = 0; i < fixture.causes->len; i++)
		ck_assert_ptr_null(strstr(g_ptr_array_index(fixture.causes, i), CANARY));
	ck_assert_ptr_null(strstr(fixture.warnings->str, CANARY));
}

#define HIDDEN ": the server's words may repeat values of the Secret and are not shown "

START_TEST (a_secret_s_values_are_not_repeated) {
	respond_status("422 Unprocessable Entity", "Invalid",
		"Secret \\\"token\\\" is invalid: data[a.b]: Invalid value: \\\"" CANARY "\\\"",
		"{\"causes\":["
		"{\"reason\":\"FieldValueInvalid\",\"field\":\"data[a.b]\","
		"\"message\":\"Invalid value: \\\"" CANARY "\\\": no\"},"
		"{\"reason\":\"FieldValueNotSupported\",\"field\":\"type\","
		"\"message\":\"Unsupported value: \\\"" CANARY "\\\"\"},"
		"{\"reason\":\"" CANARY "\",\"field\":\"metadata.name\",\"message\":\"" CANARY
		"\"},"
		"{\"reason\":\"FieldValueInvalid\",\"field\":\"data: \\\"" CANARY
		"\\\"\",\"message\":\"m\"},"
		"{\"reason\":\"FieldValueTooLong\",\"field\":\"\",\"message\":\"" CANARY "\"}]}");
	update(&token);
	expect_failure(EINVAL, FALSE, HIDDEN "(422 Invalid)");
	ck_assert_str_eq(fixture.result.reason, "Invalid");
	expect_no_canary();
	expect_causes("data[a.b]: Invalid value\n"
		      "type: Unsupported value\n"
		      "metadata.name\n"
		      "Invalid value\n"
		      "Too long\n");
}
END_TEST

START_TEST (a_secret_that_cannot_be_decoded_is_not_repeated) {
	respond_status("400 Bad Request", "BadRequest",
		"strict decoding error: unknown field \\\"data.a\\\", unknown field \\\"a: " CANARY
		"\\\", duplicate field \\\"type\\\", odd " CANARY,
		"");
	create(&token);
	expect_failure(EINVAL, FALSE, HIDDEN "(400 BadRequest)");
	expect_no_canary();
	expect_causes("unknown field \"data.a\"\n"
		      "duplicate field \"type\"\n");

	respond_status("400 Bad Request", "BadRequest",
		"Secret in version \\\"v1\\\" cannot be handled as a Secret: illegal base64 data "
		"at input byte 14 of " CANARY,
		"");
	update(&token);
	expect_no_canary();
	expect_causes("illegal base64 data at input byte 14\n");

	respond_status("400 Bad Request", "BadRequest",
		"json: cannot unmarshal number " CANARY
		" into Go struct field Secret.stringData of type string",
		"");
	update(&token);
	expect_no_canary();
	expect_causes("stringData: must be a string\n");

	respond_status("400 Bad Request", "BadRequest",
		"json: cannot unmarshal into Go struct field Secret.\\\"" CANARY
		"\\\" of type string, error found in #10 byte of ...|" CANARY "|...",
		"");
	update(&token);
	expect_no_canary();
	ck_assert_uint_eq(fixture.causes->len, 0);
}
END_TEST

START_TEST (what_refuses_a_secret_may_say_anything) {
	respond_status("403 Forbidden", "Forbidden " CANARY, "a webhook denies " CANARY, "");
	update(&token);
	expect_failure(EACCES, FALSE, HIDDEN "(403)");
	ck_assert_str_eq(fixture.result.reason, "");
	expect_no_canary();
	scripted_server_respond(fixture.http.server, "502 Bad Gateway",
		"Content-Type: text/plain\r\n", "lost " CANARY);
	update(&token);
	expect_failure(EIO, TRUE, HIDDEN "(502)");
	expect_no_canary();
	respond_with("200 OK", "Warning: 299 - \"a webhook warns of " CANARY "\"\r\n", "{}");
	update(&token);
	expect_success("v1 Secret {}");
	expect_no_canary();
	expect_warnings(
		"the server warns of a Secret; its words may repeat values and are not shown\n");
	/* Those that are no Secret's say what they say. */
	respond_status("403 Forbidden", "Forbidden", "no " CANARY, "");
	update(&web);
	expect_failure(EACCES, FALSE, ": no " CANARY " (403 Forbidden)");
}
END_TEST

/* Repeats, and what is uncertain */

START_TEST (a_429_is_repeated) {
	respond_with("429 Too Many Requests", "Retry-After: 0\r\n", "{}");
	respond_with("503 Service Unavailable", "Retry-After: 0\r\n", "{}");
	respond("200 OK", "{}");
	update(&web);
	expect_success("apps/v1 Deployment {}");
	expect_requests(3);
	expect_request(
		2, "PUT /apis/apps/v1/namespaces/default/deployments/web" MODES, "{\"a\":1}");
}
END_TEST

START_TEST (an_answer_tells_whether_it_may_have_arrived) {
	static const struct {
		const char *status;
		const char *extra;
		int errnum;
		gboolean uncertain;
	} cases[] = {
		{"429 Too Many Requests", "", EAGAIN, FALSE},
		{"429 Too Many Requests", "Retry-After: 3600\r\n", EAGAIN, FALSE},
		{"503 Service Unavailable", "", EAGAIN, TRUE},
		{"503 Service Unavailable", "Retry-After: 3600\r\n", EAGAIN, FALSE},
		{"504 Gateway Timeout", "Retry-After: 0\r\n", EAGAIN, TRUE},
		{"500 Internal Server Error", "Retry-After: 0\r\n", EIO, TRUE},
		{"502 Bad Gateway", "", EIO, TRUE},
		{"301 Moved Permanently", "Location: /\r\n", EPROTO, FALSE},
		{"401 Unauthorized", "", EACCES, FALSE},
		{"404 Not Found", "", ENOENT, FALSE},
		{"413 Payload Too Large", "", EFBIG, FALSE},
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		respond_with(cases[i].status, cases[i].extra, "{}");
		update(&web);
		expect_failure(cases[i].errnum, cases[i].uncertain, "");
		expect_requests(i + 1);
	}
}
END_TEST

START_TEST (a_success_that_cannot_be_read_has_arrived) {
	respond_with_end("HTTP/1.1 200 OK\r\n" JSON "Content-Length: 9\r\n\r\n{", SCRIPTED_CLOSE);
	update(&web);
	ck_assert_int_eq(fixture.result.errnum, EIO);
	ck_assert(fixture.uncertain);
	respond("200 OK", "{\"a\":");
	update(&web);
	expect_failure(EPROTO, TRUE, "/web: ends after 5 bytes in the middle of frame 1");
	respond("200 OK", "");
	update(&web);
	expect_failure(EPROTO, TRUE, "/web: the answer is empty");
	scripted_server_respond(
		fixture.http.server, "200 OK", "Content-Type: text/html\r\n", "<html>");
	update(&web);
	expect_failure(EPROTO, TRUE, "\"text/html\", not application/json");
	expect_requests(4);
}
END_TEST

START_TEST (a_connection_lost_after_sending_is_uncertain) {
	respond_with_end("", SCRIPTED_CLOSE);
	update(&web);
	expect_failure(EIO, TRUE, ")");
	respond_with_end("HTTP/1.1 200", SCRIPTED_RESET);
	update(&web);
	expect_failure(EIO, TRUE, ")");
	/* On the connection of the first. */
	respond("200 OK", "{}");
	respond_with_end("", SCRIPTED_CLOSE);
	update(&web);
	expect_success("apps/v1 Deployment {}");
	delete ("u");
	expect_failure(EIO, TRUE, ")");
	expect_requests(4);
}
END_TEST

/* A source of a server on whose port nobody listens. */
static void connect_to_nobody(void)
{
	fixture.source->ops->destroy(fixture.source);
	g_ptr_array_set_size(fixture.http.connection->servers, 0);
	g_ptr_array_add(fixture.http.connection->servers, scripted_server_closed_url());
	fixture_connect(&fixture.http);
	fixture.source = kubernetes_source_create(g_steal_pointer(&fixture.http.client));
}

START_TEST (without_a_connection_nothing_has_arrived) {
	connect_to_nobody();
	update(&web);
	ck_assert_int_eq(fixture.result.errnum, ECONNREFUSED);
	ck_assert_int_eq(fixture.result.status, 0);
	ck_assert(!fixture.uncertain);
	/* Our own words are shown for a Secret, too. */
	update(&token);
	ck_assert(g_str_has_suffix(fixture.result.message, ": connection refused"));
}
END_TEST

START_TEST (a_change_that_is_cancelled_may_have_arrived) {
	respond_with_end("", SCRIPTED_STALL);
	begin(SOURCE_UPDATE, &web, "{}", NULL, FALSE);
	scripted_server_wait(fixture.http.server, 1);
	source_cancel(fixture.call);
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ECANCELED);
	ck_assert(fixture.uncertain);
}
END_TEST

START_TEST (a_change_that_is_cancelled_while_it_waits_has_not_arrived) {
	struct source_call *change;

	respond_with("503 Service Unavailable", "Retry-After: 20\r\n", "{}");
	respond("200 OK", "{}");
	begin(SOURCE_UPDATE, &web, "{}", NULL, FALSE);
	scripted_server_wait_sent(fixture.http.server, 1);
	/* The client thread has read it before what comes later. */
	change = g_steal_pointer(&fixture.call);
	get(&web);
	expect_success("apps/v1 Deployment {}");
	forget();
	fixture.result = (struct source_result){0};
	fixture.call = change;
	source_cancel(fixture.call);
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ECANCELED);
	ck_assert(!fixture.uncertain);
	expect_requests(2);
}
END_TEST

/* Old versions and schemas */

#define AT                                                                                         \
	"GET /apis/apps/v1/namespaces/default/deployments?resourceVersion=70&"                     \
	"resourceVersionMatch=Exact&fieldSelector=metadata.name%3Dweb"
#define WEB "{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"70\"}}"

START_TEST (an_old_version_is_found) {
	respond("200 OK", "{\"kind\":\"DeploymentList\",\"metadata\":{},\"items\":[" WEB "]}");
	get_at("70");
	expect_success("apps/v1 Deployment " WEB);
	expect_request(0, AT, "");
	/* A server that does not select. */
	respond("200 OK", "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"a\"}}," WEB
			  ",{\"metadata\":{\"name\":\"z\"}}]}");
	get_at("70");
	expect_success("apps/v1 Deployment " WEB);
}
END_TEST

START_TEST (an_old_version_may_not_be_there) {
	respond("200 OK", "{\"metadata\":{},\"items\":[]}");
	get_at("70");
	ck_assert_int_eq(fixture.result.errnum, ENOENT);
	ck_assert_str_eq(fixture.result.message, "there was no Deployment \"web\" at version 70");
	ck_assert(!fixture.result.expired);
	respond("200 OK", "{\"metadata\":{},\"items\":null}");
	get_at("70");
	ck_assert_int_eq(fixture.result.errnum, ENOENT);
	respond("200 OK", "{\"metadata\":{}}");
	get_at("70");
	ck_assert_int_eq(fixture.result.errnum, EPROTO);
}
END_TEST

START_TEST (an_old_version_expires) {
	respond_status("410 Gone", "Expired", "compacted", "");
	get_at("70");
	expect_failure(ESTALE, FALSE, ": compacted (410 Expired)");
	ck_assert(fixture.result.expired);
	/* One that the server has yet to reach: nothing that would come in time. */
	scripted_server_respond(fixture.http.server, "504 Gateway Timeout",
		JSON "Retry-After: 1\r\n",
		"{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"message\":\"m\","
		"\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}}");
	get_at("70");
	expect_failure(EAGAIN, FALSE, ": m (504 Timeout)");
	ck_assert(fixture.result.expired);
	expect_requests(2);
}
END_TEST

START_TEST (a_schema_is_the_group_version_s) {
	respond("200 OK", "{\"openapi\":\"3.0.0\"}");
	schema(&deployments);
	expect_success("  {\"openapi\":\"3.0.0\"}");
	expect_request(0, "GET /openapi/v3/apis/apps/v1", "");
	respond_with("404 Not Found", "", "404 page not found");
	schema(&secrets);
	expect_request(1, "GET /openapi/v3/api/v1", "");
	expect_failure(ENOENT, FALSE, ": the server answers 404 Not Found");
}
END_TEST

/* Warnings */

#define WARNING(text) "Warning: 299 - \"" text "\"\r\n"

static void get_with_warning(const char *header)
{
	respond_with("200 OK", header, "{}");
	get(&web);
}

START_TEST (a_warning_of_reads_comes_once) {
	get_with_warning(WARNING("apps/v1 is \x1b[1mold") WARNING("b"));
	expect_warnings("apps/v1 is \\x1B[1mold\nb\n");
	get_with_warning(WARNING("b") WARNING("c"));
	expect_warnings("c\n");
	respond_with("200 OK", WARNING("d"), "{\"items\":[]}");
	get_at("1");
	respond_with("404 Not Found", WARNING("e"), "{}");
	get(&web);
	expect_warnings("d\ne\n");
}
END_TEST

START_TEST (a_warning_of_changes_comes_each_time) {
	for (int i = 0; i < 2; i++) {
		respond_with("200 OK", WARNING("a"), "{}");
		update(&web);
		expect_warnings("a\n");
	}
	get_with_warning(WARNING("a"));
	expect_warnings("a\n");
}
END_TEST

START_TEST (remembered_warnings_have_a_limit) {
	g_autofree char *text = g_strnfill(KUBERNETES_WARNING_BYTES_MAX + 1, 'w');
	g_autofree char *header = g_strdup_printf("Warning: 299 - \"%s\"\r\n", text);
	g_autofree char *cut = g_strdup_printf("%.*s...\n", KUBERNETES_WARNING_BYTES_MAX, text);
	struct kubernetes_warnings warnings;

	get_with_warning(header);
	expect_warnings(cut);
	kubernetes_warnings_init(&warnings);
	kubernetes_warnings_listen(&warnings, note_warning, NULL);
	for (int i = 0; i < KUBERNETES_WARNINGS_MAX * 3; i++) {
		g_autofree char *line = g_strdup_printf("%d", i);

		kubernetes_warnings_tell(&warnings, KUBERNETES_WARN_ONCE, line);
		kubernetes_warnings_tell(&warnings, KUBERNETES_WARN_ONCE, line);
		ck_assert_uint_le(g_hash_table_size(warnings.told), KUBERNETES_WARNINGS_MAX);
	}
	g_string_truncate(fixture.warnings, 0);
	kubernetes_warnings_tell(&warnings, KUBERNETES_WARN_ONCE, "0");
	expect_warnings("0\n");
	kubernetes_warnings_finish(&warnings);
}
END_TEST

static TCase *make_case(const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	return tests;
}

static TCase *change_case(void)
{
	TCase *tests = make_case("change");

	tcase_add_test(tests, create_posts_to_the_collection);
	tcase_add_test(tests, update_puts_the_object);
	tcase_add_test(tests, subresources_have_paths_of_their_own);
	tcase_add_test(tests, delete_holds_the_uid);
	tcase_add_test(tests, delete_tells_what_is_left);
	tcase_add_test(tests, a_dry_run_says_so);
	tcase_add_test(tests, names_that_are_no_segments_are_not_sent);
	return tests;
}

static TCase *refusal_case(void)
{
	TCase *tests = make_case("refusal");

	tcase_add_test(tests, a_conflict_is_told_from_what_exists);
	tcase_add_test(tests, an_invalid_object_is_told_field_by_field);
	tcase_add_test(tests, causes_have_a_limit);
	tcase_add_test(tests, strict_decoding_is_told_line_by_line);
	tcase_add_test(tests, another_unreadable_body_has_no_causes);
	tcase_add_test(tests, a_status_in_place_of_the_object_is_told);
	tcase_add_test(tests, a_secret_s_values_are_not_repeated);
	tcase_add_test(tests, a_secret_that_cannot_be_decoded_is_not_repeated);
	tcase_add_test(tests, what_refuses_a_secret_may_say_anything);
	return tests;
}

static TCase *repeat_case(void)
{
	TCase *tests = make_case("repeat");

	tcase_add_test(tests, a_429_is_repeated);
	tcase_add_test(tests, an_answer_tells_whether_it_may_have_arrived);
	tcase_add_test(tests, a_success_that_cannot_be_read_has_arrived);
	tcase_add_test(tests, a_connection_lost_after_sending_is_uncertain);
	tcase_add_test(tests, without_a_connection_nothing_has_arrived);
	tcase_add_test(tests, a_change_that_is_cancelled_may_have_arrived);
	tcase_add_test(tests, a_change_that_is_cancelled_while_it_waits_has_not_arrived);
	return tests;
}

static TCase *read_case(void)
{
	TCase *tests = make_case("read");

	tcase_add_test(tests, an_old_version_is_found);
	tcase_add_test(tests, an_old_version_may_not_be_there);
	tcase_add_test(tests, an_old_version_expires);
	tcase_add_test(tests, a_schema_is_the_group_version_s);
	tcase_add_test(tests, a_warning_of_reads_comes_once);
	tcase_add_test(tests, a_warning_of_changes_comes_each_time);
	tcase_add_test(tests, remembered_warnings_have_a_limit);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("kubernetes_change");

	suite_add_tcase(suite, change_case());
	suite_add_tcase(suite, refusal_case());
	suite_add_tcase(suite, repeat_case());
	suite_add_tcase(suite, read_case());
	return fixture_run_suite(suite);
}
