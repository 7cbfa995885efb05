#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "client/http_internal.h"
#include "client/secret.h"

#define CONNECT_MILLISECONDS 10000L
/*
 * A peer that vanished is noticed within these: unanswered data after the user time-out, an idle
 * connection by keepalive probes, which count for it as well (tcp(7), net/ipv4/tcp_timer.c).
 */
#define TCP_USER_TIMEOUT_MILLISECONDS 30000U
#define KEEPALIVE_IDLE_SECONDS 15L
#define KEEPALIVE_INTERVAL_SECONDS 5L
/* Lists come in long runs; a watch is small and there are many of them. */
#define BUFFER_LIST_BYTES (512L << 10)
#define BUFFER_BYTES (32L << 10)

#define CURL_8 0x080000

#if defined(__x86_64__)
#define MACHINE "amd64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#else
#define MACHINE "unknown"
#endif

static int on_socket(void *data, curl_socket_t fd, curlsocktype purpose)
{
	struct http_exchange *exchange = data;
	unsigned int timeout = TCP_USER_TIMEOUT_MILLISECONDS;

	if (exchange->joins) {
		exchange->alone = TRUE;
		return CURL_SOCKOPT_ERROR;
	}
	/* Fails for what is no TCP socket, which needs none. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	return CURL_SOCKOPT_OK;
}

/*
 * Called when a connection is there, before each writing of the request. libcurl by itself writes
 * a second time when a reused connection turns out dead: only for what may be repeated
 * (protocol.md 14).
 */
static int on_request(void *data, char *remote, char *local, int remote_port, int local_port)
{
	struct http_exchange *exchange = data;

	if (exchange->response.sent && exchange->repeat < HTTP_REPEAT_LOST)
		return CURL_PREREQFUNC_ABORT;
	exchange->response.sent = TRUE;
	exchange->connected = TRUE;
	/* What began with the one in use says nothing new: it may be avoided by now. */
	if (exchange->servers_tried > 0)
		g_atomic_int_set(&exchange->client->server, exchange->server);
	exchange->servers_tried = 0;
	exchange->last_byte = loop_now();
	return CURL_PREREQFUNC_OK;
}

static int add_line(struct http_exchange *exchange, const char *line)
{
	struct curl_slist *longer = curl_slist_append(exchange->headers, line);

	if (longer == NULL)
		return -ENOMEM;
	exchange->headers = longer;
	return 0;
}

static int add_header(struct http_exchange *exchange, const char *name, const char *value)
{
	/* libcurl's notation for a header with an empty value ends in a semicolon. */
	autosecret char *line = value[0] != '\0' ? g_strdup_printf("%s: %s", name, value)
						 : g_strdup_printf("%s;", name);

	return add_line(exchange, line);
}

/* client-go/transport/round_trippers.go: keys are percent-encoded as header field names are. */
static char *escape_extra_key(const char *key)
{
	static const char allowed[] = "!#$&'*+-.^_`|~";
	GString *name = g_string_new("Impersonate-Extra-");

	for (; *key != '\0'; key++) {
		if (g_ascii_isalnum(*key) || strchr(allowed, *key) != NULL)
			g_string_append_c(name, *key);
		else
			g_string_append_printf(name, "%%%02X", (unsigned char)*key);
	}
	return g_string_free(name, FALSE);
}

static int add_impersonation(
	struct http_exchange *exchange, const struct connection_impersonation *impersonation)
{
	unsigned int i;
	int result;

	if (impersonation->user == NULL)
		return 0;
	result = add_header(exchange, "Impersonate-User", impersonation->user);
	if (result == 0 && impersonation->uid != NULL)
		result = add_header(exchange, "Impersonate-Uid", impersonation->uid);
	for (i = 0; result == 0 && impersonation->groups[i] != NULL; i++)
		result = add_header(exchange, "Impersonate-Group", impersonation->groups[i]);
	for (i = 0; result == 0 && i < impersonation->extras->len; i++) {
		const struct connection_extra *extra = g_ptr_array_index(impersonation->extras, i);
		g_autofree char *name = escape_extra_key(extra->key);

		result = add_header(exchange, name, extra->value);
	}
	return result;
}

/*
 * Go's gzip writes some 100 MB a second: within one machine that only costs. Elsewhere it is asked
 * for, and undone on the strand (client/http_delivery.h).
 */
static gboolean wants_gzip(const struct connection *connection, const struct http_server *server)
{
	return !connection->disable_compression && !server->loopback;
}

static int set_headers(struct http_exchange *exchange, const struct http_server *server)
{
	const struct connection *connection = exchange->client->connection;
	char **line;
	int result;

	curl_slist_free_all(exchange->headers);
	exchange->headers = NULL;
	/* No waiting for 100 Continue before a long body. */
	result = add_line(exchange, "Expect:");
	if (result == 0)
		result = add_header(exchange, "Accept", exchange->accept);
	if (result == 0 && server->host != NULL)
		result = add_header(exchange, "Host", server->host);
	if (result == 0 && wants_gzip(connection, server))
		result = add_header(exchange, "Accept-Encoding", "gzip");
	if (result == 0 && exchange->body != NULL)
		result = add_header(exchange, "Content-Type", exchange->content_type);
	if (result == 0 && exchange->credential->authorization != NULL)
		result = add_header(exchange, "Authorization", exchange->credential->authorization);
	for (line = exchange->more_headers; result == 0 && line != NULL && *line != NULL; line++)
		result = add_line(exchange, *line);
	if (result == 0)
		result = add_impersonation(exchange, &connection->impersonation);
	curl_easy_setopt(exchange->transfer.easy, CURLOPT_HTTPHEADER, exchange->headers);
	/* What is meant for the server is not for the proxy. */
	curl_easy_setopt(exchange->transfer.easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	return result;
}

static void set_blob(CURL *easy, CURLoption option, GBytes *bytes)
{
	struct curl_blob blob = {.flags = CURL_BLOB_COPY};
	gsize length;

	if (bytes == NULL) {
		curl_easy_setopt(easy, option, NULL);
		return;
	}
	blob.data = (void *)g_bytes_get_data(bytes, &length);
	blob.len = length;
	curl_easy_setopt(easy, option, &blob);
}

static void set_system_trust(CURL *easy, const struct http_client *client)
{
	if (client->trust_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, client->trust_file);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, client->trust_file);
	}
	if (client->trust_folders != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAPATH, client->trust_folders);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, client->trust_folders);
	}
}

/*
 * Whom to trust. As with client-go, an https proxy must stand the same test as the server
 * (net/http/transport.go dials both with one TLSClientConfig).
 */
static void set_trust(CURL *easy, const struct http_client *client)
{
	const struct connection *connection = client->connection;
	long verify = connection->insecure_skip_tls_verify ? 0 : 1;

	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2);
	curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, verify);
	curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, verify * 2);
	if (client->authority != NULL) {
		g_autoptr(GBytes) pem = authority_get(client->authority);

		/* Part of what libcurl compares: another one gets its own connections. */
		set_blob(easy, CURLOPT_CAINFO_BLOB, pem);
		set_blob(easy, CURLOPT_PROXY_CAINFO_BLOB, pem);
		/* The system's certificates are not to be trusted besides. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
	} else {
		set_system_trust(easy, client);
	}
}

/* Key material is handed over in memory and never written anywhere. */
static void set_tls(struct http_exchange *exchange)
{
	const struct credential *credential = exchange->credential;
	CURL *easy = exchange->transfer.easy;

	set_trust(easy, exchange->client);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A resumed session would keep the identity of a client certificate that was replaced. */
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	/* Part of what libcurl compares, so a rotated certificate gets its own connections. */
	set_blob(easy, CURLOPT_SSLCERT_BLOB, credential->certificate);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, credential->key);
	/* Without one OpenSSL would ask for an encrypted key's passphrase on the terminal. */
	curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
}

static void set_server(CURL *easy, const struct http_server *server, const char *path)
{
	g_autofree char *url = g_strconcat(server->url, path, NULL);

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, server->connect_to);
	curl_easy_setopt(easy, CURLOPT_PROXY, server->proxy);
	/* Its exceptions were looked at when the server was taken apart. */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	/* Redirects have leaked tokens; they are off by default, and stay so. */
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
}

/*
 * Before libcurl 8 prior knowledge of HTTP/2 makes a connection, and breaks one that is reused
 * (https://github.com/curl/curl/issues/10634). What is asked for as over TLS joins the same one
 * without harm, but would make one of HTTP/1.1.
 */
static gboolean breaks_what_it_reuses(void)
{
	return curl_version_info(CURLVERSION_NOW)->version_num < CURL_8;
}

static struct http_lane_channels *lane_of(const struct http_exchange *exchange)
{
	struct http_client *client = exchange->client;

	return exchange->http2 ? &client->http2_lanes[exchange->lane]
			       : &client->lanes[exchange->lane];
}

/*
 * Where one joins a connection like this, libcurl now and then lets what has arrived for one
 * exchange lie until the next byte for another one, or takes an answer for ended before its
 * trailers: it carries one at a time. (Of a thousand ranges, four at a time, one or two; none over
 * TLS.)
 */
static unsigned int streams_max(
	const struct http_exchange *exchange, const struct http_server *server)
{
	return exchange->http2 && !server->tls && breaks_what_it_reuses()
		       ? 1
		       : HTTP_CHANNEL_STREAMS_MAX;
}

static void set_version(struct http_exchange *exchange, const struct http_server *server)
{
	const gboolean known = exchange->http2 && !server->tls;
	const gboolean either = known && breaks_what_it_reuses();
	CURL *easy = exchange->transfer.easy;

	exchange->joins = either && !exchange->alone;
	exchange->alone = FALSE;
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
		known && !exchange->joins ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
					  : (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, either && !exchange->joins ? 1L : 0L);
	/*
	 * Rather wait for a stream of a connection being made than make one more. Without TLS that
	 * would be until the first answer, as only that tells the version, unless it is known.
	 */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, server->tls || known ? 1L : 0L);
}

static void set_connection(struct http_exchange *exchange)
{
	CURL *easy = exchange->transfer.easy;

	curl_easy_setopt(easy, CURLOPT_SHARE, exchange->channel->share);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Who gives up does not wait for the resolver's thread (lib/asyn-thread.c). */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MILLISECONDS);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
		exchange->lane == HTTP_LANE_LIST ? BUFFER_LIST_BYTES : BUFFER_BYTES);
}

static void set_method(struct http_exchange *exchange)
{
	CURL *easy = exchange->transfer.easy;
	gsize length;
	const void *bytes;

	if (exchange->body != NULL) {
		bytes = g_bytes_get_data(exchange->body, &length);
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bytes != NULL ? bytes : "");
	} else if (strcmp(exchange->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, exchange->method);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "kubefs/" KUBEFS_VERSION " (linux/" MACHINE ")");
}

static void set_callbacks(struct http_exchange *exchange)
{
	CURL *easy = exchange->transfer.easy;

	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_response_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_response_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error);
	exchange->error[0] = '\0';
}

int http_setup(struct http_exchange *exchange)
{
	const struct http_server *server = http_exchange_server(exchange);

	if (exchange->channel == NULL)
		exchange->channel =
			http_lane_take(lane_of(exchange), streams_max(exchange, server));
	if (exchange->transfer.easy == NULL)
		exchange->transfer.easy = curl_easy_init();
	if (exchange->channel == NULL || exchange->transfer.easy == NULL)
		return -ENOMEM;
	set_server(exchange->transfer.easy, server, exchange->path);
	set_version(exchange, server);
	set_connection(exchange);
	set_tls(exchange);
	set_method(exchange);
	set_callbacks(exchange);
	return set_headers(exchange, server);
}

void http_setup_finish(struct http_exchange *exchange)
{
	/* In this order: a share can go only when no handle uses it. */
	curl_easy_cleanup(exchange->transfer.easy);
	exchange->transfer.easy = NULL;
	if (exchange->channel != NULL)
		http_lane_give(lane_of(exchange), exchange->channel);
	exchange->channel = NULL;
	curl_slist_free_all(exchange->headers);
	exchange->headers = NULL;
}
