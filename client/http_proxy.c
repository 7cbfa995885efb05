#include "client/http_proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* An address of either family as IPv6 (v4-mapped), so that one comparison does for both. */
static gboolean read_address(const char *text, struct in6_addr *ret_address, unsigned int *ret_base)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, ret_address) == 1) {
		*ret_base = 0;
		return TRUE;
	}
	if (inet_pton(AF_INET, text, &v4) != 1)
		return FALSE;
	memset(ret_address, 0, sizeof(*ret_address));
	memset(ret_address->s6_addr + 10, 0xff, 2);
	memcpy(ret_address->s6_addr + 12, &v4, sizeof(v4));
	*ret_base = 96;
	return TRUE;
}

static gboolean same_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned int bits)
{
	unsigned int bytes = bits / 8;
	unsigned int mask = 0xff00U >> (bits % 8) & 0xffU;

	if (memcmp(a->s6_addr, b->s6_addr, bytes) != 0)
		return FALSE;
	return bits % 8 == 0 || ((a->s6_addr[bytes] ^ b->s6_addr[bytes]) & mask) == 0;
}

/* TRUE when entry is a CIDR block; *ret_inside then says whether host lies in it. */
static gboolean match_block(const char *entry, const char *host, gboolean *ret_inside)
{
	const char *slash = strchr(entry, '/');
	g_autofree char *network = NULL;
	struct in6_addr block, address;
	unsigned int base, host_base;
	guint64 bits;

	if (slash == NULL || !g_ascii_string_to_unsigned(slash + 1, 10, 0, 128, &bits, NULL))
		return FALSE;
	network = g_strndup(entry, (size_t)(slash - entry));
	if (!read_address(network, &block, &base) || base + bits > 128)
		return FALSE;
	*ret_inside = read_address(host, &address, &host_base) && base == host_base &&
		      same_prefix(&block, &address, base + (unsigned int)bits);
	return TRUE;
}

/* Cuts ":port" or "[...]:port" off entry, in place. Returns the port, NULL without one. */
static const char *split_port(char *entry, char **ret_host)
{
	char *colon = strrchr(entry, ':');
	char *bracket = strchr(entry, ']');

	*ret_host = entry;
	if (entry[0] == '[' && bracket != NULL) {
		*ret_host = entry + 1;
		*bracket = '\0';
		return bracket[1] == ':' ? bracket + 2 : NULL;
	}
	if (colon == NULL || strchr(entry, ':') != colon) /* a bare IPv6 address */
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static gboolean match_host(const char *entry, const char *host)
{
	struct in6_addr a, b;
	unsigned int ignored;

	if (read_address(entry, &a, &ignored))
		return read_address(host, &b, &ignored) && memcmp(&a, &b, sizeof(a)) == 0;
	if (g_str_has_prefix(entry, "*."))
		entry++;
	if (entry[0] != '.') {
		if (g_ascii_strcasecmp(entry, host) == 0)
			return TRUE;
	} else {
		entry++;
	}
	if (entry[0] == '\0' || strlen(host) <= strlen(entry) + 1)
		return FALSE;
	host += strlen(host) - strlen(entry);
	return host[-1] == '.' && g_ascii_strcasecmp(entry, host) == 0;
}

static gboolean match_entry(char *entry, const char *host, const char *port)
{
	const char *entry_port;
	gboolean inside;
	char *name;

	if (strcmp(entry, "*") == 0)
		return TRUE;
	if (entry[0] == '\0')
		return FALSE;
	if (match_block(entry, host, &inside))
		return inside;
	entry_port = split_port(entry, &name);
	return (entry_port == NULL || strcmp(entry_port, port) == 0) && match_host(name, host);
}

gboolean http_proxy_is_excluded(const char *list, const char *host, const char *port)
{
	g_auto(GStrv) entries = NULL;
	unsigned int i;

	if (list == NULL)
		return FALSE;
	entries = g_strsplit(list, ",", -1);
	for (i = 0; entries[i] != NULL; i++)
		if (match_entry(g_strstrip(entries[i]), host, port))
			return TRUE;
	return FALSE;
}

gboolean http_proxy_is_loopback(const char *host)
{
	struct in6_addr address;
	unsigned int base;

	if (g_ascii_strcasecmp(host, "localhost") == 0)
		return TRUE;
	if (!read_address(host, &address, &base))
		return FALSE;
	if (IN6_IS_ADDR_V4MAPPED(&address))
		return address.s6_addr[12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&address);
}

/* Empty counts as unset. */
static const char *environment(const char *upper, const char *lower)
{
	const char *value = getenv(upper);

	if (value == NULL || value[0] == '\0')
		value = getenv(lower);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

char *http_proxy_from_environment(const char *scheme, const char *host, const char *port)
{
	const char *proxy = strcmp(scheme, "https") == 0 ? environment("HTTPS_PROXY", "https_proxy")
							 : environment("HTTP_PROXY", "http_proxy");

	if (proxy == NULL || http_proxy_is_loopback(host) ||
		http_proxy_is_excluded(environment("NO_PROXY", "no_proxy"), host, port))
		return NULL;
	if (strstr(proxy, "://") == NULL)
		return g_strconcat("http://", proxy, NULL);
	return g_strdup(proxy);
}
