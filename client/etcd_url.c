#include "client/etcd_url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"

#define PLAIN "etcd://"
#define SECURE "etcds://"
#define PORT_DIGITS_MAX 5

struct piece {
	const char *text;
	size_t length;
};

static gboolean begins(const char *text, const char *prefix)
{
	return g_ascii_strncasecmp(text, prefix, strlen(prefix)) == 0;
}

gboolean etcd_url_is(const char *text)
{
	return begins(text, PLAIN) || begins(text, SECURE);
}

static int fail(struct piece piece, const char *problem, GError **error)
{
	g_autofree char *shown = escape_text(piece.text, (gssize)piece.length);

	return error_set(error, EINVAL, "etcd server \"%s\": %s", shown, problem);
}

/* Not even a piece of it is shown: it may be a password. */
static int refuse_user(GError **error)
{
	return error_set(error, EINVAL,
		"a user or password does not belong into etcd's address; use --user");
}

static const char *check_port(struct piece port)
{
	unsigned int number = 0;

	if (port.length == 0 || port.length > PORT_DIGITS_MAX)
		return "the port is not a number from 1 to 65535";
	for (size_t i = 0; i < port.length; i++) {
		if (!g_ascii_isdigit(port.text[i]))
			return "the port is not a number from 1 to 65535";
		number = number * 10 + (unsigned int)(port.text[i] - '0');
	}
	return number >= 1 && number <= G_MAXUINT16 ? NULL
						    : "the port is not a number from 1 to 65535";
}

static const char *check_name(struct piece host)
{
	if (host.length == 0)
		return "the host is missing";
	for (size_t i = 0; i < host.length; i++) {
		const char c = host.text[i];

		if (c == ':')
			return "an IPv6 address belongs into brackets";
		if (!g_ascii_isalnum(c) && strchr("-._", c) == NULL)
			return "the host is neither a name nor an address";
	}
	return NULL;
}

static const char *check_bracketed(struct piece host)
{
	g_autofree char *address = g_strndup(host.text, host.length);
	struct in6_addr parsed;

	return inet_pton(AF_INET6, address, &parsed) == 1
		       ? NULL
		       : "what is in the brackets is no IPv6 address";
}

/* Where the host ends and ":PORT", or nothing, begins. */
static size_t host_length(struct piece server)
{
	const char *end = NULL;

	if (*server.text == '[')
		end = memchr(server.text, ']', server.length);
	if (end != NULL)
		return (size_t)(end + 1 - server.text);
	end = memrchr(server.text, ':', server.length);
	return end != NULL ? (size_t)(end - server.text) : server.length;
}

static const char *check_host(struct piece host)
{
	if (host.length > 1 && host.text[0] == '[' && host.text[host.length - 1] == ']')
		return check_bracketed((struct piece){host.text + 1, host.length - 2});
	return check_name(host);
}

/* HOST[:PORT], behind any scheme. */
static int add_server(struct piece server, gboolean tls, GPtrArray *servers, GError **error)
{
	struct piece host = server, port = {ETCD_PORT, strlen(ETCD_PORT)};
	const char *problem;

	if (server.length == 0)
		return error_set(
			error, EINVAL, "an etcd server is missing before or behind a comma");
	if (*server.text == '[' && memchr(server.text, ']', server.length) == NULL)
		return fail(server, "the bracket is not closed", error);
	host.length = host_length(server);
	if (host.length < server.length) {
		if (server.text[host.length] != ':')
			return fail(server, "something stands behind the bracket", error);
		port = (struct piece){
			server.text + host.length + 1, server.length - host.length - 1};
	}
	problem = check_host(host);
	if (problem == NULL)
		problem = check_port(port);
	if (problem != NULL)
		return fail(server, problem, error);
	g_ptr_array_add(servers, g_strdup_printf("%s://%.*s:%.*s", tls ? "https" : "http",
					 (int)host.length, host.text, (int)port.length, port.text));
	return 0;
}

static struct piece next_piece(const char **text, const char *end)
{
	const char *comma = memchr(*text, ',', (size_t)(end - *text));
	const struct piece piece = {*text, (size_t)((comma != NULL ? comma : end) - *text)};

	*text = comma != NULL ? comma + 1 : NULL;
	return piece;
}

static gboolean holds(const char *text, const char *end, char byte)
{
	return memchr(text, byte, (size_t)(end - text)) != NULL;
}

int etcd_url_parse(const char *text, struct etcd_url *ret_url, GError **error)
{
	g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);
	const gboolean tls = begins(text, SECURE);
	const char *at, *end;
	int r = 0;

	if (!etcd_url_is(text))
		return error_set(error, EINVAL, "no etcd:// or etcds:// URL");
	at = text + strlen(tls ? SECURE : PLAIN);
	end = at + strcspn(at, "/");
	if (holds(at, end, '@'))
		return refuse_user(error);
	if (at == end)
		return error_set(error, EINVAL, "the etcd URL names no server");
	while (at != NULL && r == 0)
		r = add_server(next_piece(&at, end), tls, servers, error);
	if (r < 0)
		return r;
	*ret_url = (struct etcd_url){
		.tls = tls,
		.servers = g_steal_pointer(&servers),
		.prefix = g_bytes_new(end, strlen(end)),
	};
	return 0;
}

void etcd_url_clear(struct etcd_url *url)
{
	g_clear_pointer(&url->servers, g_ptr_array_unref);
	g_clear_pointer(&url->prefix, g_bytes_unref);
}

/* Takes off "http://" or "https://", and a trailing slash. */
static struct piece without_scheme(struct piece endpoint, gboolean *tls)
{
	static const struct {
		const char *scheme;
		gboolean tls;
	} schemes[] = {{"http://", FALSE}, {"https://", TRUE}};

	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
		const size_t length = strlen(schemes[i].scheme);

		if (endpoint.length < length ||
			g_ascii_strncasecmp(endpoint.text, schemes[i].scheme, length) != 0)
			continue;
		*tls = schemes[i].tls;
		endpoint.text += length;
		endpoint.length -= length;
		if (endpoint.length > 0 && endpoint.text[endpoint.length - 1] == '/')
			endpoint.length--;
		break;
	}
	return endpoint;
}

int etcd_endpoints_parse(const char *text, gboolean tls, GPtrArray *servers, GError **error)
{
	const guint before = servers->len;
	const char *end = text + strlen(text);
	const char *at = text;
	int r = 0;

	if (holds(text, end, '@'))
		return refuse_user(error);
	while (at != NULL && r == 0) {
		gboolean secure = tls;
		struct piece endpoint = without_scheme(next_piece(&at, end), &secure);

		r = add_server(endpoint, secure, servers, error);
	}
	if (r < 0)
		g_ptr_array_set_size(servers, (gint)before);
	return r;
}
