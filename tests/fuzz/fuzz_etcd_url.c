/* Feeds the input to the parsers of addresses (client/etcd_url.h). */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/etcd_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_servers(const GPtrArray *servers)
{
	if (servers->len == 0)
		abort();
	for (guint i = 0; i < servers->len; i++) {
		const char *server = g_ptr_array_index(servers, i);

		if (!g_str_has_prefix(server, "http://") && !g_str_has_prefix(server, "https://"))
			abort();
		if (strpbrk(server, "@ \n\r,?#%") != NULL || strrchr(server, ':') == NULL)
			abort();
	}
}

static void parse_url(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct etcd_url url = {0};
	size_t length;

	if (etcd_url_parse(text, &url, &error) < 0) {
		if (error == NULL || strpbrk(error->message, "\n\r\033") != NULL)
			abort();
		return;
	}
	check_servers(url.servers);
	length = g_bytes_get_size(url.prefix);
	if (length > strlen(text) ||
		(length > 0 && memcmp(text + strlen(text) - length,
				       g_bytes_get_data(url.prefix, NULL), length) != 0))
		abort();
	etcd_url_clear(&url);
}

static void parse_endpoints(const char *text)
{
	g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);

	if (etcd_endpoints_parse(text, FALSE, servers, NULL) == 0)
		check_servers(servers);
	else if (servers->len != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autofree char *url = g_strconcat("etcd://", text, NULL);

	parse_url(text);
	parse_url(url);
	parse_endpoints(text);
	return 0;
}
