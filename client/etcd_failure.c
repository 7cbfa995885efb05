#include "client/etcd_failure.h"

#include <errno.h>
#include <string.h>

#include "client/escape.h"
#include "client/etcd.h"
#include "client/status.h"

/* What a person is shown of a server's text. */
#define WORDS_BYTES_MAX 1024

/* The words tell more than the code, and etcd has kept them over its versions. */
static const struct rule {
	const char *words;
	int errnum;
	gboolean untouched;
	gboolean elsewhere;
	gboolean again;
	gboolean token;
	const char *hint; /* told in place of the words, or NULL */
} rules[] = {
	{"required revision has been compacted", ESTALE, .untouched = TRUE},
	{"required revision is a future revision", ERANGE, .untouched = TRUE},
	/* The quota is looked at once more when the change has been applied (applierV3Quota). */
	{"database space exceeded", ENOSPC},
	{"request is too large", EFBIG, .untouched = TRUE},
	{"larger than max", EFBIG, .untouched = TRUE},
	{"too many requests", EAGAIN, .untouched = TRUE, .again = TRUE},
	{"authentication failed", EACCES, .untouched = TRUE},
	{ETCD_WORDS_NOT_ENABLED, EINVAL, .untouched = TRUE},
	{"invalid auth token", EACCES, .untouched = TRUE, .token = TRUE},
	{"revision of auth store is old", EACCES, .untouched = TRUE, .token = TRUE},
	{"user name is empty", EACCES, .untouched = TRUE, .token = TRUE},
	{"permission denied", EACCES, .untouched = TRUE},
	{"key not found", ENOENT, .untouched = TRUE},
	/* embed/serve.go, accessController, in text/plain. */
	{"CommonName of client sending a request against gateway", EACCES, .untouched = TRUE,
		.hint = "etcd's gateway refuses a client certificate with a common name while "
			"authentication is enabled: use one without"},
	/* Told before anything is proposed: each request asks for a leader. */
	{"etcdserver: no leader", EAGAIN, .untouched = TRUE, .elsewhere = TRUE, .again = TRUE},
	{"not supported for learner", EAGAIN, .untouched = TRUE, .elsewhere = TRUE, .again = TRUE},
	{"leader changed", EAGAIN, .again = TRUE},
	{"request timed out", EAGAIN, .elsewhere = TRUE, .again = TRUE},
	{"server stopped", EAGAIN, .elsewhere = TRUE, .again = TRUE},
};

static const struct code_rule {
	int errnum;
	gboolean untouched;
	gboolean elsewhere;
	gboolean again;
	gboolean token;
} code_rules[] = {
	[ETCD_CODE_CANCELLED] = {EIO},
	[ETCD_CODE_UNKNOWN] = {EIO},
	[ETCD_CODE_INVALID_ARGUMENT] = {EINVAL, .untouched = TRUE},
	[ETCD_CODE_DEADLINE_EXCEEDED] = {ETIMEDOUT},
	[ETCD_CODE_NOT_FOUND] = {ENOENT, .untouched = TRUE},
	[ETCD_CODE_ALREADY_EXISTS] = {EEXIST, .untouched = TRUE},
	[ETCD_CODE_PERMISSION_DENIED] = {EACCES, .untouched = TRUE},
	[ETCD_CODE_RESOURCE_EXHAUSTED] = {ENOSPC},
	[ETCD_CODE_FAILED_PRECONDITION] = {EINVAL, .untouched = TRUE},
	[ETCD_CODE_ABORTED] = {EAGAIN},
	[ETCD_CODE_OUT_OF_RANGE] = {ERANGE, .untouched = TRUE},
	[ETCD_CODE_UNIMPLEMENTED] = {EOPNOTSUPP, .untouched = TRUE},
	[ETCD_CODE_INTERNAL] = {EIO},
	[ETCD_CODE_UNAVAILABLE] = {EAGAIN, .elsewhere = TRUE, .again = TRUE},
	[ETCD_CODE_DATA_LOSS] = {EIO, .elsewhere = TRUE},
	[ETCD_CODE_UNAUTHENTICATED] = {EACCES, .untouched = TRUE, .token = TRUE},
};

static gboolean apply_words(struct etcd_failure *failure, const char *words)
{
	for (size_t i = 0; words != NULL && i < G_N_ELEMENTS(rules); i++) {
		const struct rule *rule = &rules[i];

		if (strstr(words, rule->words) == NULL)
			continue;
		failure->errnum = rule->errnum;
		failure->untouched = rule->untouched;
		failure->elsewhere = rule->elsewhere;
		failure->again = rule->again;
		failure->token = rule->token;
		failure->words = g_strdup(rule->hint);
		return TRUE;
	}
	return FALSE;
}

static gboolean apply_code(struct etcd_failure *failure, int code)
{
	const struct code_rule *rule;

	if (code <= 0 || code >= (int)G_N_ELEMENTS(code_rules))
		return FALSE;
	rule = &code_rules[code];
	failure->errnum = rule->errnum;
	failure->untouched = rule->untouched;
	failure->elsewhere = rule->elsewhere;
	failure->again = rule->again;
	failure->token = rule->token;
	return TRUE;
}

/* No etcd speaks here, or something stands before it. */
static void apply_status(struct etcd_failure *failure, int status)
{
	failure->errnum = status_errnum(status, NULL);
	if (failure->errnum == 0)
		failure->errnum = EIO;
	failure->untouched = status >= 300 && status < 500;
	failure->token = status == 401;
	failure->elsewhere = status >= 502 && status <= 504;
	failure->again = failure->elsewhere;
	/* etcd without --enable-grpc-gateway, or something else altogether. */
	if (status == 404)
		failure->errnum = EOPNOTSUPP;
}

/* The gateway's own answer to a path that it does not have. */
static gboolean is_unknown_path(int code, const char *words, int status)
{
	return code == ETCD_CODE_NOT_FOUND && status == 404 &&
	       (words == NULL || strstr(words, "etcdserver") == NULL);
}

void etcd_failure_set(struct etcd_failure *failure, int code, const char *words, int status)
{
	etcd_failure_clear(failure);
	failure->code = code;
	if (is_unknown_path(code, words, status) ||
		(!apply_words(failure, words) && !apply_code(failure, code)))
		apply_status(failure, status);
	if (failure->words != NULL)
		return;
	if (words != NULL && *words != '\0')
		failure->words = escape_start(words, strlen(words), WORDS_BYTES_MAX);
	else if (code != 0)
		failure->words = g_strdup_printf("refused with gRPC code %d", code);
	else if (status != 0)
		failure->words = g_strdup_printf("refused with HTTP status %d", status);
	else
		failure->words = g_strdup("refused without a reason");
}

static int find_code(const cJSON *body)
{
	const cJSON *code = cJSON_GetObjectItemCaseSensitive(body, "code");

	return cJSON_IsNumber(code) && code->valuedouble > 0 && code->valuedouble < 1000
		       ? (int)code->valuedouble
		       : 0;
}

static const char *find_words(const cJSON *body)
{
	static const char *const names[] = {"message", "error"};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *words =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, names[i]));

		if (words != NULL && *words != '\0')
			return words;
	}
	return NULL;
}

/* Of the v2 keys API (etcd's server/etcdserver/api/v2error/error.go). */
static void read_v2(struct etcd_failure *failure, const cJSON *body, int code)
{
	const char *words = find_words(body);
	const char *cause = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "cause"));
	g_autofree char *text = g_strdup_printf("%s%s%s", words != NULL ? words : "refused",
		cause != NULL && *cause != '\0' ? ": " : "", cause != NULL ? cause : "");

	failure->errnum = code == 100 ? ENOENT : code == 110 ? EACCES : EIO;
	failure->untouched = code < 300;
	/* Raft's own troubles: there is no leader, or it took too long. */
	failure->elsewhere = failure->again = code >= 300 && code < 400;
	if (failure->again)
		failure->errnum = EAGAIN;
	failure->words = escape_start(text, strlen(text), WORDS_BYTES_MAX);
}

void etcd_failure_read(
	struct etcd_failure *failure, const cJSON *body, int status, const char *other)
{
	const cJSON *v2 = cJSON_GetObjectItemCaseSensitive(body, "errorCode");
	const char *words = find_words(body);

	if (cJSON_IsNumber(v2)) {
		etcd_failure_clear(failure);
		read_v2(failure, body, v2->valueint);
		return;
	}
	etcd_failure_set(failure, find_code(body), words != NULL ? words : other, status);
}

void etcd_failure_copy(struct etcd_failure *failure, const struct etcd_failure *source)
{
	*failure = *source;
	failure->words = g_strdup(source->words);
}

void etcd_failure_clear(struct etcd_failure *failure)
{
	g_free(failure->words);
	*failure = (struct etcd_failure){0};
}
