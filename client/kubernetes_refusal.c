#include "client/kubernetes_refusal.h"

#include <string.h>

#include "client/escape.h"
#include "client/status.h"

/* The longest word that is taken for a reason, and path for a field, of a Secret. */
#define REASON_BYTES_MAX 64
#define FIELD_BYTES_MAX 512
/* apimachinery's NewStrictDecodingError; what follows are its errors, joined by ", ". */
#define STRICT "strict decoding error: "
#define SEPARATOR ", "

static const char *string_of(const cJSON *object, const char *name)
{
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return value != NULL ? value : "";
}

/* apimachinery's metav1.CauseType in the words of field.ErrorType. "" for others. */
static const char *kind_words(const char *reason)
{
	static const struct {
		const char *reason;
		const char *words;
	} kinds[] = {
		{"FieldValueNotFound", "Not found"},
		{"FieldValueRequired", "Required value"},
		{"FieldValueDuplicate", "Duplicate value"},
		{"FieldValueInvalid", "Invalid value"},
		{"FieldValueTypeInvalid", "Invalid value"},
		{"FieldValueNotSupported", "Unsupported value"},
		{"FieldValueForbidden", "Forbidden"},
		{"FieldValueTooLong", "Too long"},
		{"FieldValueTooMany", "Too many"},
		{"InternalError", "Internal error"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (g_str_equal(reason, kinds[i].reason))
			return kinds[i].words;
	return "";
}

/* Whether text can be nothing but the path of a field: "data[tls.crt]", "metadata.name". */
static gboolean is_field(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isalnum(text[i]) && strchr("_.-/[]", text[i]) == NULL)
			return FALSE;
	return length > 0 && length <= FIELD_BYTES_MAX;
}

static gboolean is_word(const char *text)
{
	size_t length = strspn(text, G_CSET_A_2_Z G_CSET_a_2_z);

	return length <= REASON_BYTES_MAX && text[length] == '\0';
}

static void add_line(GPtrArray *causes, const char *text, size_t length)
{
	if (length > 0)
		g_ptr_array_add(
			causes, escape_text(text, (gssize)MIN(length, KUBERNETES_CAUSE_BYTES_MAX)));
}

static void add_cause(GPtrArray *causes, const cJSON *cause, gboolean secret)
{
	const char *field = string_of(cause, "field");
	const char *message = string_of(cause, "message");
	const char *kind = kind_words(string_of(cause, "reason"));
	g_autofree char *line = NULL;

	if (secret && !is_field(field, strlen(field)))
		field = "";
	if (secret || *message == '\0')
		message = kind;
	line = g_strconcat(field, *field != '\0' && *message != '\0' ? ": " : "", message, NULL);
	add_line(causes, line, strlen(line));
}

/* The end of what stands up to the next separator that is in no quotes. */
static const char *end_of_error(const char *text)
{
	gboolean quoted = FALSE;

	for (; *text != '\0'; text++) {
		if (quoted && *text == '\\' && text[1] != '\0')
			text++;
		else if (*text == '"')
			quoted = !quoted;
		else if (!quoted && g_str_has_prefix(text, SEPARATOR))
			break;
	}
	return text;
}

/* unknown field "spec.foo", duplicate field "spec.bar": with names that cannot be values. */
static gboolean names_a_field(const char *text, size_t length)
{
	static const char *const words[] = {"unknown field \"", "duplicate field \""};

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		size_t begin = strlen(words[i]);

		if (length > begin + 1 && strncmp(text, words[i], begin) == 0)
			return text[length - 1] == '"' &&
			       is_field(text + begin, length - begin - 1);
	}
	return FALSE;
}

static void add_strict_errors(GPtrArray *causes, const char *text, gboolean secret)
{
	const char *end;

	while (*text != '\0') {
		end = end_of_error(text);
		if (!secret || names_a_field(text, (size_t)(end - text)))
			add_line(causes, text, (size_t)(end - text));
		text = *end != '\0' ? end + strlen(SEPARATOR) : end;
	}
}

/* encoding/base64's CorruptInputError tells no more than a number. */
static void add_base64_error(GPtrArray *causes, const char *message)
{
	static const char words[] = "illegal base64 data at input byte ";
	const char *found = strstr(message, words);

	if (found != NULL)
		add_line(causes, found,
			strlen(words) + strspn(found + strlen(words), G_CSET_DIGITS));
}

/*
 * encoding/json's UnmarshalTypeError: "json: cannot unmarshal number into Go struct field
 * Secret.stringData of type string". The first type may come with the value.
 */
static void add_type_error(GPtrArray *causes, const char *message)
{
	static const char words[] = " into Go struct field Secret.";
	static const char then[] = " of type ";
	const char *field = strstr(message, words);
	const char *type;
	g_autofree char *line = NULL;

	if (field == NULL)
		return;
	field += strlen(words);
	type = strstr(field, then);
	if (type == NULL || !is_field(field, (size_t)(type - field)) ||
		!g_str_equal(type + strlen(then), "string"))
		return;
	line = g_strdup_printf("%.*s: must be a string", (int)(type - field), field);
	add_line(causes, line, strlen(line));
}

/*
 * The ResourceQuota admission's words, which are of names and numbers: "secrets "a" is forbidden:
 * exceeded quota: small, requested: secrets=1, used: secrets=1, limited: secrets=1".
 */
static void add_quota_error(GPtrArray *causes, const char *message)
{
	static const char begin[] = "secrets \"";
	static const char words[] = "\" is forbidden: exceeded quota: ";
	static const char can_be[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-._/=:, ";
	const char *found = g_str_has_prefix(message, begin) ? strstr(message, words) : NULL;
	const char *rest;

	if (found == NULL ||
		!is_field(message + strlen(begin), (size_t)(found - message) - strlen(begin)))
		return;
	rest = found + strlen("\" is forbidden: ");
	if (strspn(rest, can_be) == strlen(rest))
		add_line(causes, rest, strlen(rest));
}

/* A body that could not be decoded: these have no causes. */
static void add_decode_errors(GPtrArray *causes, const char *message, gboolean secret)
{
	const char *strict = strstr(message, STRICT);

	if (strict != NULL)
		add_strict_errors(causes, strict + strlen(STRICT), secret);
	if (strict == NULL && secret) {
		add_quota_error(causes, message);
		add_base64_error(causes, message);
		add_type_error(causes, message);
	}
}

static void limit(GPtrArray *causes)
{
	guint more = causes->len;

	if (more <= KUBERNETES_CAUSES_MAX)
		return;
	more -= KUBERNETES_CAUSES_MAX;
	g_ptr_array_set_size(causes, KUBERNETES_CAUSES_MAX);
	g_ptr_array_add(causes, g_strdup_printf("and %u more", more));
}

static GPtrArray *read_causes(const cJSON *object, gboolean secret)
{
	GPtrArray *causes = g_ptr_array_new_with_free_func(g_free);
	const cJSON *details = cJSON_GetObjectItemCaseSensitive(object, "details");
	const cJSON *cause;
	struct status status;

	if (!status_read(object, &status))
		return causes;
	cJSON_ArrayForEach(cause, cJSON_GetObjectItemCaseSensitive(details, "causes"))
		add_cause(causes, cause, secret);
	if (causes->len == 0)
		add_decode_errors(causes, status.message, secret);
	limit(causes);
	return causes;
}

static char *hidden_message(struct source *source, int status, const char *reason)
{
	return g_strdup_printf(
		"%s: the server's words may repeat values of the Secret and are not shown (%d%s%s)",
		source->ops->where(source), status, *reason != '\0' ? " " : "", reason);
}

void kubernetes_refusal_read(struct kubernetes_refusal *refusal, struct source *source,
	gboolean secret, const struct source_result *result, const struct http_result *http)
{
	const char *reason = result->reason;

	if (secret && !is_word(reason))
		reason = "";
	refusal->reason = g_strdup(reason);
	/* Without a status the words are our own, and with a success all but one byte. */
	if (secret && result->errnum != 0 && result->status >= 300)
		refusal->message = hidden_message(source, result->status, reason);
	else
		refusal->message = g_strdup(result->message);
	refusal->causes = read_causes(http != NULL ? http->status_object : NULL, secret);
}

void kubernetes_refusal_finish(struct kubernetes_refusal *refusal)
{
	g_free(refusal->reason);
	g_free(refusal->message);
	g_ptr_array_unref(refusal->causes);
}
