#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "client/escape.h"
#include "client/http_internal.h"
#include "client/status.h"

/* What a person is shown of a server's text. */
#define MESSAGE_BYTES_MAX 4096
/* x509_vfy.h; libcurl's interface hands on OpenSSL's number. */
#define X509_NOT_YET_VALID 9
#define X509_HAS_EXPIRED 10
#define X509_SELF_SIGNED_LEAF 18
#define X509_SELF_SIGNED_IN_CHAIN 19
#define X509_NO_ISSUER_LOCALLY 20
#define X509_NO_FIRST_SIGNATURE 21

const char *http_failure_where(const struct http_exchange *exchange)
{
	return http_exchange_server(exchange)->name;
}

char *http_failure_message(const struct http_exchange *exchange, const char *format, ...)
{
	g_autofree char *why = NULL;
	va_list arguments;

	va_start(arguments, format);
	why = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	return g_strdup_printf("%s: %s", http_exchange_server(exchange)->name, why);
}

void http_failure_take(struct http_exchange *exchange, CURLcode code)
{
	struct http_failure *failure = &exchange->failure;
	const char *words = exchange->error[0] != '\0' ? exchange->error : curl_easy_strerror(code);
	long os_error = 0;

	http_failure_clear(failure);
	failure->code = code;
	curl_easy_getinfo(exchange->transfer.easy, CURLINFO_OS_ERRNO, &os_error);
	failure->os_error = (int)os_error;
	curl_easy_getinfo(exchange->transfer.easy, CURLINFO_SSL_VERIFYRESULT, &failure->verified);
	failure->words = escape_text(words, -1); /* parts of it come from the server */
}

void http_failure_copy(struct http_exchange *exchange, const struct http_failure *failure)
{
	http_failure_clear(&exchange->failure);
	exchange->failure = *failure;
	exchange->failure.words = g_strdup(failure->words);
}

void http_failure_clear(struct http_failure *failure)
{
	g_free(failure->words);
	*failure = (struct http_failure){0};
}

gboolean http_failure_is_shared(const struct http_failure *failure)
{
	switch (failure->code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_PROXY:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
		return TRUE;
	default:
		return FALSE;
	}
}

/* Over HTTP/2 libcurl meets the server's alert also where it writes. */
static gboolean is_read_or_written(CURLcode code)
{
	return code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_HTTP2;
}

gboolean http_failure_is_alert(const struct http_failure *failure)
{
	return is_read_or_written(failure->code) && failure->words != NULL &&
	       strstr(failure->words, " alert ") != NULL;
}

static int connect_errnum(int os_error)
{
	switch (os_error) {
	case ECONNREFUSED:
	case ETIMEDOUT:
		return os_error;
	case 0:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EADDRNOTAVAIL:
	case EACCES:
	case EPERM:
		return EHOSTUNREACH;
	default:
		return EIO;
	}
}

static int connect_failure(const struct http_exchange *exchange, char **ret_message)
{
	const struct http_failure *failure = &exchange->failure;
	const struct http_server *server = http_exchange_server(exchange);
	g_autofree char *words = failure->os_error != 0
					 ? g_ascii_strdown(g_strerror(failure->os_error), -1)
					 : g_strdup(failure->words);

	if (server->proxy_name != NULL)
		*ret_message =
			http_failure_message(exchange, "proxy %s: %s", server->proxy_name, words);
	else
		*ret_message = http_failure_message(exchange, "%s", words);
	return connect_errnum(failure->os_error);
}

static const char *verification_words(long code)
{
	switch (code) {
	case X509_NOT_YET_VALID:
		return "the server's certificate is not valid yet";
	case X509_HAS_EXPIRED:
		return "the server's certificate has expired";
	case X509_SELF_SIGNED_LEAF:
	case X509_SELF_SIGNED_IN_CHAIN:
	case X509_NO_ISSUER_LOCALLY:
	case X509_NO_FIRST_SIGNATURE:
		return "the server's certificate is not signed by the given certificate authority";
	default:
		return "the server's certificate is refused";
	}
}

static const char *failure_words(const struct http_exchange *exchange)
{
	switch (exchange->failure.code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "the server's name is not known";
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return "the proxy cannot be used";
	case CURLE_OPERATION_TIMEDOUT:
		return "no connection in time";
	case CURLE_PEER_FAILED_VERIFICATION:
		return verification_words(exchange->failure.verified);
	case CURLE_SSL_CERTPROBLEM:
		return "the client certificate or its key cannot be used";
	case CURLE_SSL_CACERT_BADFILE:
		return "the certificate authority cannot be used";
	case CURLE_SSL_CONNECT_ERROR:
		return "no TLS connection";
	case CURLE_OUT_OF_MEMORY:
		return "out of memory";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return "the answer is not HTTP";
	case CURLE_URL_MALFORMAT:
		return "the URL cannot be used";
	default:
		return exchange->connected ? "the connection was lost" : "no connection";
	}
}

static int failure_errnum(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return EHOSTUNREACH;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return ENOMEM;
	case CURLE_URL_MALFORMAT:
		return EINVAL;
	default:
		return EIO;
	}
}

int http_failure_of_transfer(const struct http_exchange *exchange, char **ret_message)
{
	const struct http_failure *failure = &exchange->failure;

	if (failure->code == CURLE_COULDNT_CONNECT)
		return connect_failure(exchange, ret_message);
	if (http_failure_is_alert(failure)) {
		*ret_message = http_failure_message(
			exchange, "the server refuses the TLS connection (%s)", failure->words);
		return EPROTO;
	}
	*ret_message =
		http_failure_message(exchange, "%s (%s)", failure_words(exchange), failure->words);
	return failure_errnum(failure->code);
}

static const char *standard_words(int code)
{
	switch (code) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 409:
		return "Conflict";
	case 410:
		return "Gone";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "";
	}
}

/* The server's own words if it has any: of a Status, or the first line of plain text. */
static char *server_words(const struct http_response *response, const struct status *status)
{
	const char *text = status->message;
	size_t length = strlen(text);

	if (length == 0 && response->error_body != NULL && response->content_type != NULL &&
		g_str_has_prefix(response->content_type, "text/plain")) {
		text = (const char *)response->error_body->data;
		length = response->error_body->len;
		if (memchr(text, '\n', length) != NULL)
			length = (size_t)((const char *)memchr(text, '\n', length) - text);
	}
	return escape_text(text, (gssize)MIN(length, MESSAGE_BYTES_MAX));
}

int http_failure_of_status(
	const struct http_exchange *exchange, const cJSON *object, char **ret_message)
{
	const struct http_response *response = &exchange->response;
	struct status status = {.reason = "", .message = ""};
	g_autofree char *words = NULL;
	g_autofree char *reason = NULL;
	int code = response->status;

	status_read(object, &status);
	words = server_words(response, &status);
	reason = escape_text(status.reason[0] != '\0' ? status.reason : standard_words(code), -1);
	if (code == 401)
		*ret_message = http_failure_message(
			exchange, "the server does not accept the credential (401 %s)", reason);
	else if (code >= 300 && code < 400)
		*ret_message = http_failure_message(
			exchange, "the server redirects (%d), which is not followed", code);
	else if (words[0] != '\0')
		*ret_message = http_failure_message(
			exchange, "%s (%d%s%s)", words, code, reason[0] != '\0' ? " " : "", reason);
	else
		*ret_message = http_failure_message(exchange, "the server answers %d%s%s", code,
			reason[0] != '\0' ? " " : "", reason);
	return status_errnum(code, status.reason);
}
