#include <errno.h>
#include <string.h>
#include <time.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/http_internal.h"
#include "client/http_retry.h"

/* An error's body is a Status of a few hundred bytes; a proxy's page may be more. */
#define ERROR_BODY_BYTES_MAX ((size_t)1 << 20)

void http_response_clear(struct http_response *response)
{
	g_free(response->content_type);
	g_free(response->grpc_status);
	g_free(response->grpc_message);
	g_clear_pointer(&response->error_body, g_byte_array_unref);
	*response = (struct http_response){0};
}

static gboolean is_success(const struct http_response *response)
{
	return response->status >= 200 && response->status < 300;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". An informational head (1xx) is followed by the real one. */
static void read_status_line(struct http_response *response, const char *line)
{
	const char *space = strchr(line, ' ');

	response->complete = FALSE;
	response->status = space != NULL ? (int)g_ascii_strtoll(space + 1, NULL, 10) : 0;
	g_clear_pointer(&response->content_type, g_free);
	response->gzip = FALSE;
	response->retry_after = 0;
}

static void read_warnings(struct http_exchange *exchange, const char *value)
{
	g_autoptr(GPtrArray) warnings = http_warnings(value);
	unsigned int i;

	for (i = 0; i < warnings->len; i++)
		http_delivery_warning(&exchange->delivery, g_ptr_array_index(warnings, i));
}

/* Of the trailers, or of a head that stands for both. */
static void read_grpc_field(struct http_response *response, const char *name, const char *value)
{
	char **field = g_ascii_strcasecmp(name, "grpc-status") == 0 ? &response->grpc_status
								    : &response->grpc_message;

	g_free(*field);
	*field = g_strdup(value);
}

static void read_field(struct http_exchange *exchange, char *line)
{
	struct http_response *response = &exchange->response;
	char *value = strchr(line, ':');

	if (value == NULL)
		return;
	*value++ = '\0';
	g_strstrip(value);
	if (g_ascii_strcasecmp(line, "grpc-status") == 0 ||
		g_ascii_strcasecmp(line, "grpc-message") == 0) {
		read_grpc_field(response, line, value);
		return;
	}
	if (response->complete)
		return; /* of a trailer there is nothing else to know */
	if (g_ascii_strcasecmp(line, "content-type") == 0) {
		g_free(response->content_type);
		response->content_type = g_strdup(value);
	} else if (g_ascii_strcasecmp(line, "content-encoding") == 0) {
		response->gzip = g_ascii_strcasecmp(value, "gzip") == 0;
	} else if (g_ascii_strcasecmp(line, "retry-after") == 0) {
		response->retry_after = http_retry_after(value, time(NULL));
	} else if (g_ascii_strcasecmp(line, "warning") == 0) {
		read_warnings(exchange, value);
	}
}

static void run_flush(void *data)
{
	struct http_exchange *exchange = data;

	exchange->flushing = FALSE;
	http_delivery_flush(&exchange->delivery);
	http_exchange_unref(exchange);
}

/* Once libcurl has read all that its socket has. */
static void flush_soon(struct http_exchange *exchange)
{
	if (exchange->flushing)
		return;
	exchange->flushing = TRUE;
	if (!loop_post(exchange->loop, run_flush, http_exchange_ref(exchange)))
		http_exchange_unref(exchange);
}

static void end_head(struct http_exchange *exchange)
{
	struct http_response *response = &exchange->response;
	struct http_head head = {.status = response->status};

	if (response->status < 200 || response->complete)
		return;
	response->complete = TRUE;
	if (!is_success(response))
		return;
	head.content_type = response->content_type != NULL ? response->content_type : "";
	head.server = http_failure_where(exchange);
	exchange->head_delivered = TRUE;
	http_delivery_head(&exchange->delivery, &head, response->gzip);
	flush_soon(exchange);
}

size_t http_response_header(char *line, size_t size, size_t count, void *data)
{
	struct http_exchange *exchange = data;
	size_t length = size * count;
	g_autofree char *text = g_strchomp(g_strndup(line, length));

	exchange->last_byte = loop_now();
	if (g_str_has_prefix(text, "HTTP/") && !exchange->response.complete)
		read_status_line(&exchange->response, text);
	else if (text[0] == '\0')
		end_head(exchange);
	else
		read_field(exchange, text);
	return length;
}

/* FALSE when the body is longer than any Status. */
static gboolean keep_error_body(struct http_response *response, const char *bytes, size_t length)
{
	if (response->error_body == NULL)
		response->error_body = g_byte_array_new();
	if (length > ERROR_BODY_BYTES_MAX - response->error_body->len) {
		response->too_long = TRUE;
		return FALSE;
	}
	g_byte_array_append(response->error_body, (const guint8 *)bytes, (guint)length);
	return TRUE;
}

void http_response_inflate_error(struct http_response *response)
{
	GByteArray *body;

	if (response->error_body == NULL || !response->gzip)
		return;
	body = http_inflate_all(response->error_body, ERROR_BODY_BYTES_MAX);
	g_byte_array_unref(response->error_body);
	response->error_body = body;
}

size_t http_response_body(char *bytes, size_t size, size_t count, void *data)
{
	struct http_exchange *exchange = data;
	size_t length = size * count;

	exchange->last_byte = loop_now();
	if (!is_success(&exchange->response))
		return keep_error_body(&exchange->response, bytes, length) ? length : 0;
	flush_soon(exchange);
	if (http_delivery_write(&exchange->delivery, bytes, length))
		return length;
	exchange->paused = TRUE;
	return CURL_WRITEFUNC_PAUSE;
}

gboolean http_content_type_is(const char *content_type, const char *type)
{
	size_t length = strcspn(content_type, "; \t");

	return length == strlen(type) && g_ascii_strncasecmp(content_type, type, length) == 0;
}

int http_head_check_json(const struct http_head *head, GError **error)
{
	g_autofree char *escaped = NULL;

	if (http_content_type_is(head->content_type, "application/json"))
		return 0;
	escaped = escape_text(head->content_type, -1);
	return error_set(error, EPROTO, "the answer's Content-Type is \"%s\", not application/json",
		escaped);
}
